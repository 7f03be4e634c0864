/* What the report's files share. `record` is always the one without secrets. Texts that are handed out are the
 * caller's. */
#pragma once

#include "base/json.h"
#include "base/strbuf.h"

#include <stddef.h>
#include <stdint.h>

enum {
    REPORT_TEXT_MAX = 2000,        /* bytes of one value */
    REPORT_ITEMS_MAX = 200,        /* entries of one list or map */
    REPORT_BLOCK_MAX = 12 * 1024,  /* one diff, one piece of evidence */
    REPORT_BLOCKS_MAX = 96 * 1024, /* all diffs; all evidence */
};

/* report_text.c */
/* At most max bytes, not cut within a character, "…" where it was; control characters but line breaks and tabs go. */
json_t *report_text_new(const char *s, size_t max);
/* The end of it: of a log the last lines matter. */
json_t *report_tail_new(const char *s, size_t max);
/* A copy with all texts, lists and maps bounded. Never NULL: null for NULL. */
json_t *report_bounded_new(const json_t *value);
/* "Deployment shop/api" of {kind, namespace, name}; NULL if it is none. */
char *report_object_new(const json_t *object);
/* Microseconds from one RFC 3339 text to another; -1 if one is missing or they are the wrong way round. */
int64_t report_span_us(const char *from, const char *to);
/* "1h2m3s", "4.1s", "30ms" */
char *report_span_new(int64_t us);

/* One line on what was left out. */
void report_cut(json_t *cut, const char *fmt, ...) _printf_(2, 3);

/* report_diff.c */
json_t *report_changes_new(const json_t *record, json_t *cut);
json_t *report_planned_new(const json_t *requests, json_t *cut);

/* report_cause.c */
json_t *report_cause_new(const json_t *record);

/* report_words.c */
char *report_title_new(const json_t *record);
char *report_summary_new(const json_t *record, const json_t *left);
const char *report_rollback_words(const char *result);
json_t *report_left_new(const json_t *record);
json_t *report_checklist_new(const json_t *record, const json_t *cause);
