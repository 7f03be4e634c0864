/* cluster.read: what mendd's own watch knows of a cluster set is kept. */
#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"
#include "core/cluster_set_ask.h"

#include <errno.h>

static int read_plan(const struct action_in *in, struct action_plan *ret, struct error *err _unused_)
{
    _cleanup_error_ struct error why = ERROR_NONE;
    const char *name = json_text_or(in->with, "set", "");
    const json_t *set = NULL;
    int r = ask_cluster_set(in->asks, name, &set, &why);
    if (r == -EAGAIN)
        return r;
    json_t *item = json_pack("{s:s}", "name", name);
    if (r < 0) {
        json_set_text(item, "text", error_message(&why));
        json_object_set_new(item, "missing", json_true());
    } else {
        json_object_set_new(item, "data", json_deep_copy(set));
    }
    *ret = (struct action_plan){.effects = json_array(), .evidence = json_pack("[o]", item)};
    return 0;
}

static const struct param read_params[] = {
    {"set", PARAM_TEXT, true, NULL, "a cluster set of the configuration"},
    {0},
};

const struct action action_cluster_read = {
    .name = "cluster.read",
    .class = ACTION_EVIDENCE,
    .params = read_params,
    .doc = "keeps what mendd knows of a cluster set: status, balance, use",
    .plan = read_plan,
};
