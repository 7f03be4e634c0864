/* The report of one run, for the people who come afterwards: what fired, what mendd decided and did, whether it is
 * proven, what is left to do. Pure: it says only what stands in the record (core/record.h), without its secrets
 * (core/redact.h), bounded, and names what it left out in `cut`.
 *
 * report_new() gives JSON:
 *   id, title, summary, state, outcome, reason, reason_explained, message, escalated, cluster, playbook, playbook_hash,
 *   target, alert {labels, annotations, fingerprint, startsAt, generatorURL}, seen, last_seen
 *   times {detected, acted, verified, resolved, finished,            RFC 3339, or null
 *          time_to_act_ms, time_to_verify_ms, time_to_resolve_ms}    detected to acted, acted to verified, detected to
 *                                                                    resolved; null where one of the two is missing
 *   timeline [{time, state, event}]
 *   cause {known, words, findings [{what, from}]}                    what the evidence points at; known false: nothing
 *   steps [{rung, action, name, status, started, finished, note, error}]
 *   changes [{object, request, rung, action, status, code, sent, answered, attempts, error, undo, diff}]
 *                                                                    undo true: it puts another one back; diff: text
 *   plan null or {requests: as changes, checks}
 *   checks [{rung, check, with, verdict, seen, tries, first, last, history}]
 *   rollback null or {result, words};   approval as in the record, or null
 *   escalations as in the record: level, time, reason, message, who was told, who acknowledged it
 *   evidence [{time, action, name, text, truncated}]
 *   related {also_matched, held, run}
 *   left [text]                                                      what is left for a person
 *   checklist [{item, done, fact}]                                   the runbook's post-incident checklist
 *   cut [text]                                                       what was left out for its size
 *
 * report_markdown_new() turns that into Markdown. Every value may be hostile (alerts come from outside): nothing in
 * them becomes a heading, a link, an image, HTML or the end of a code block. */
#pragma once

#include "base/json.h"

enum { REPORT_MAX = 512 * 1024 }; /* bytes of either form */

/* The caller owns the report. */
json_t *report_new(const json_t *record);
/* UTF-8 text, at most REPORT_MAX bytes; the caller frees. */
char *report_markdown_new(const json_t *report);
