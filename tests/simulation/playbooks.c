/* A playbook drawn from the seed, as the JSON that the journal would keep of it. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>

static void set(json_t *o, const char *key, const char *text)
{
    json_object_set_new(o, key, json_string(text));
}

static json_t *pick_text(struct sim *s, const char *const *list, size_t n)
{
    return json_string(list[rng_int(&s->rng, 0, (int64_t)n - 1)]);
}

#define PICK_TEXT(s, ...)                                                                                              \
    pick_text((s), (const char *const[]){__VA_ARGS__}, ARRAY_SIZE(((const char *const[]){__VA_ARGS__})))

/* ---- steps ---- */

static json_t *step_new(struct sim *s, const char *alertname)
{
    json_t *step = json_object(), *with = json_object();
    const int64_t kind = rng_int(&s->rng, 0, 9);
    if (str_eq(alertname, "Slow") && kind < 6) {
        set(step, "action", "scale");
        json_object_set_new(with, "replicas", PICK_TEXT(s, "+1", "x2", "+2"));
        json_object_set_new(with, "max", json_integer(6));
    } else if (kind < 3) {
        set(step, "action", "pods.delete");
        if (rng_chance(&s->rng, 200))
            set(with, "only", "all");
    } else if (kind < 5) {
        set(step, "action", "rollout.restart");
    } else if (kind < 6 || (kind < 9 && str_eq(alertname, "BadRollout"))) {
        set(step, "action", "rollout.undo");
    } else if (kind < 7) {
        set(step, "action", "resource.patch");
        json_object_set_new(with, "kind", json_string("Deployment"));
        json_object_set_new(with, "patch",
                            json_pack("{s:{s:I}}", "spec", "minReadySeconds", (json_int_t)rng_int(&s->rng, 1, 3)));
    } else if (kind < 8) {
        set(step, "action", "simulated.poke");
        json_object_set_new(step, "idempotent", json_boolean(rng_chance(&s->rng, 200)));
    } else if (kind < 9) {
        set(step, "action", "scale");
        set(with, "replicas", "+1");
        json_object_set_new(with, "max", json_integer(5));
    } else {
        set(step, "action", "wait");
        set(with, "duration", "5s");
    }
    if (json_object_size(with) > 0)
        json_object_set(step, "with", with);
    json_decref(with);
    if (rng_chance(&s->rng, 150))
        set(step, "on_error", "continue");
    if (rng_chance(&s->rng, 150))
        json_object_set_new(
            step, "verify",
            json_pack("{s:s, s:s, s:[{s:s}]}", "timeout", "30s", "for", "4s", "checks", "check", "pods.ready"));
    if (rng_chance(&s->rng, 100))
        json_object_set_new(step, rng_chance(&s->rng, 500) ? "if" : "unless",
                            json_pack("{s:s}", "check", "pods.ready"));
    return step;
}

static json_t *ladder_new(struct sim *s, const char *alertname, bool automatic)
{
    json_t *ladder = json_array();
    for (int64_t n = rng_int(&s->rng, 1, 3); n > 0; n--) {
        json_t *steps = json_array();
        for (int64_t k = rng_int(&s->rng, 1, 2); k > 0; k--)
            json_array_append_new(steps, step_new(s, alertname));
        json_t *rung = json_pack("{s:s, s:o}", "name",
                                 n == 1   ? "the last"
                                 : n == 2 ? "before it"
                                          : "the first",
                                 "steps", steps);
        if (automatic && rng_chance(&s->rng, 80))
            set(rung, "mode", "approve");
        json_array_append_new(ladder, rung);
    }
    return ladder;
}

/* ---- the rest ---- */

static json_t *target_new(struct sim *s, const char *alertname)
{
    json_t *target = json_pack("{s:s, s:s}", "kind", "Deployment", "namespace", "{{ labels.namespace }}");
    (void)s;
    if (str_eq(alertname, "TierDown"))
        set(target, "selector", "tier={{ labels.tier }}");
    else if (str_eq(alertname, "MenddStorm"))
        set(target, "selector", "tier=t1");
    else if (str_eq(alertname, "PodDown"))
        set(target, "name", "{{ labels.pod }}"), set(target, "kind", "Pod");
    else
        set(target, "name", "{{ labels.deployment }}");
    return target;
}

static json_t *limits_new(struct sim *s)
{
    json_t *limits = json_object();
    json_object_set_new(limits, "cooldown", PICK_TEXT(s, "0s", "1m", "5m", "20m"));
    json_object_set_new(limits, "attempts", PICK_TEXT(s, "1/10m", "2/30m", "3/1h", "2/20m, 4/2h", "10/1h"));
    json_object_set_new(limits, "concurrent", json_integer(rng_int(&s->rng, 1, 3)));
    json_object_set_new(limits, "pods", json_integer(rng_chance(&s->rng, 300) ? 2 : 10));
    json_object_set_new(limits, "expires", PICK_TEXT(s, "2m", "10m", "30m"));
    return limits;
}

static json_t *verify_new(struct sim *s)
{
    json_t *checks = json_array();
    if (rng_chance(&s->rng, 800))
        json_array_append_new(checks, json_pack("{s:s}", "check", "pods.ready"));
    if (json_array_size(checks) == 0 || rng_chance(&s->rng, 300))
        json_array_append_new(checks, json_pack("{s:s}", "check", "rollout.complete"));
    json_t *v = json_pack("{s:o}", "checks", checks);
    json_object_set_new(v, "timeout", PICK_TEXT(s, "20s", "40s", "90s"));
    json_object_set_new(v, "interval", PICK_TEXT(s, "3s", "5s", "10s"));
    json_object_set_new(v, "for", PICK_TEXT(s, "0s", "5s", "15s"));
    return v;
}

static void add_extras(struct sim *s, json_t *p)
{
    if (rng_chance(&s->rng, 300))
        json_object_set_new(p, "delay", PICK_TEXT(s, "5s", "30s", "2m"));
    if (rng_chance(&s->rng, 200))
        json_object_set_new(p, "precheck", json_pack("[{s:s}]", "check", "pods.ready"));
    if (rng_chance(&s->rng, 200))
        json_object_set_new(p, "diagnose",
                            json_pack("[{s:s}, {s:s}]", "action", "events.list", "action", "pod.describe"));
    if (rng_chance(&s->rng, 300))
        set(p, "on_still_firing", "next_rung");
    if (rng_chance(&s->rng, 200))
        set(p, "protected", "allow");
    if (rng_chance(&s->rng, 500))
        json_object_set_new(p, "resolve", PICK_TEXT(s, "post", "wait"));
    json_object_set_new(p, "on_failure", json_pack("{s:b, s:b}", "rollback", rng_chance(&s->rng, 800), "escalate", 1));
    json_object_set_new(p, "approval", json_pack("{s:o}", "expires", PICK_TEXT(s, "1m", "10m", "30m")));
    json_object_set_new(p, "settle", PICK_TEXT(s, "0s", "30s", "3m", "15m"));
    json_object_set_new(p, "run_timeout", PICK_TEXT(s, "10m", "1h"));
}

json_t *playbook_draw_new(struct sim *s, const char *alertname)
{
    static const char *const modes[] = {"observe", "plan", "approve", "approve"};
    _cleanup_free_ char *matcher = xasprintf("alertname=\"%s\"", alertname);
    json_t *p = json_pack("{s:s, s:[s]}", "name", alertname, "matchers", matcher);
    _cleanup_free_ char *name = xasprintf("for-%s", alertname);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    set(p, "name", name);
    if (str_eq(alertname, "Ignored")) {
        set(p, "decision", "ignore");
        set(p, "reason", "nobody minds");
        return p;
    }
    const bool automatic = rng_chance(&s->rng, 750);
    set(p, "mode", automatic ? "auto" : PICK(&s->rng, modes));
    json_object_set_new(p, "target", target_new(s, alertname));
    json_object_set_new(p, "limits", limits_new(s));
    json_object_set_new(p, "ladder", ladder_new(s, alertname, automatic));
    json_object_set_new(p, "verify", verify_new(s));
    add_extras(s, p);
    return p;
}
