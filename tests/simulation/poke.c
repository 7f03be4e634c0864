/* An action of the simulation's own, for what leaves no trace: as exec or http.request, its effect can never be
 * recognised as done, so that it must not be sent twice. */
#include "simulation.h"

#include "base/alloc.h"

#include <stdio.h>

static int poke_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    (void)err;
    ret->effects = json_array();
    for (size_t i = 0; i < in->target->n_owners; i++) {
        const struct object_ref *o = &in->target->owners[i];
        _cleanup_free_ char *key = xasprintf("%s/poke.%s", in->key, o->name);
        _cleanup_free_ char *path = xasprintf("/apis/simulated/v1/namespaces/%s/pokes/%s", o->namespace, o->name);
        json_t *e = effect_new(key, "POST", path, "application/json", json_object(), RECOGNISE_NEVER);
        json_object_set_new(e, "object",
                            json_pack("{s:s, s:s, s:s, s:s}", "apiVersion", o->api_version, "kind", o->kind, "name",
                                      o->name, "namespace", o->namespace));
        json_set_text(e, "cluster", in->cluster);
        json_array_append_new(ret->effects, e);
    }
    ret->note = xstrdup("poke");
    return 0;
}

static const struct param no_params[] = {{0}};

const struct action sim_action_poke = {
    .name = "simulated.poke",
    .class = ACTION_EFFECT,
    .params = no_params,
    .doc = "leaves no trace",
    .plan = poke_plan,
};
