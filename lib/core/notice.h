/* What a receiver is told: the form of an OUT_NOTIFY. JSON, since it is journalled until it is delivered.
 *
 *   event     trigger      somebody must look: a run failed, was refused, or its outcome is not known
 *             update       nobody has answered: the next level of the same escalation
 *             acknowledge  somebody is on it
 *             resolve      the alert cleared
 *             approval     a plan waits for a person
 *             maintenance  a window comes
 *             digest       what was repaired since the last one
 *             note         what a playbook's step says (action notify); asks nobody for anything
 *   receiver  its name in the configuration
 *   key       what belongs together ("mendd/<run id>"): later notices of the same key update the first
 *   time, severity, level (from 0), summary (one line), message (a sentence for the person on call)
 *   run, alertname, playbook, cluster, namespace, target, state, outcome, reason     texts, or null
 *   labels, annotations    of the alert
 *   respond_by             RFC 3339 or null
 *   by                     acknowledge: who
 *   plan      approval: {hash, requests: ["PATCH /…"], checks: [names]}
 *   items     digest, maintenance: [{title, text, time}]
 *   path      "/actions/<run id>" (of a plan that waits: its page, …/approve): the shell makes it a link (`url`) if it
 *             knows where mendd is reached from outside */
#pragma once

#include "base/json.h"
