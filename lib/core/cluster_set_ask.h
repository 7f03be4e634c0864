/* What checks and evidence may know of a cluster set: the question {"ask":"set", "set":"runners"} is answered from
 * mendd's own watch, {"status":200, "body":{name, status, ha_active, balance, …}} as GET /clusters shows it, or 404 if
 * the configuration names no such set. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "core/ask.h"

/* 0 with the set (borrowed); -EAGAIN; -ENOENT; -EIO: not asked. */
int ask_cluster_set(struct asks *a, const char *set, const json_t **ret, struct error *err);
/* The engine's side: the answer, from `sets` as core_status_new() has them (`cluster_sets`). */
json_t *cluster_set_answer_new(const json_t *sets, const json_t *question);
