/* The invariants of what leaves mendd and what it does to the world. None of them asks the core: they know what the
 * journal holds, what the world saw, and what the configuration says. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* What was read may be this old when an effect leaves (core: FRESH_US), and a little for its way. */
#define FRESH_US (12 * USEC_PER_SEC)

static bool is_inverse(const json_t *effect)
{
    return json_bool_or(effect, "inverse", false);
}

/* The workload that an effect is about, even if its pod is gone. */
static struct workload_model *workload_of(struct sim *s, const json_t *effect)
{
    int pod;
    const char *path = json_text_or(effect, "path", "");
    const char *ns = json_path_text(effect, "object", "namespace", NULL);
    const char *name = json_path_text(effect, "object", "name", NULL);
    struct workload_model *w = workload_of_path(s, path, &pod);
    for (int i = 0; !w && name && i < s->n_workloads; i++) {
        size_t n = strlen(s->workloads[i].name);
        if (str_eq(ns, s->workloads[i].ns) && strncmp(name, s->workloads[i].name, n) == 0 && name[n] == '-')
            w = &s->workloads[i];
    }
    return w;
}

/* ---- who may not be touched ---- */

static bool is_protected(const struct sim *s, const char *ns)
{
    for (char **p = s->settings->protected_namespaces; *p; p++) {
        size_t n = strlen(*p);
        if (str_eq(*p, ns) || (n > 0 && (*p)[n - 1] == '*' && strncmp(*p, ns, n - 1) == 0))
            return true;
    }
    return false;
}

static bool long_ago(int64_t since_us, int64_t decided_us)
{
    return since_us != 0 && since_us + FRESH_US < decided_us;
}

static void leaves_alone(struct sim *s, const struct jrun *run, const json_t *effect, const struct workload_model *w,
                         int64_t decided_us)
{
    const char *path = json_text_or(effect, "path", "");
    const bool patch = str_eq(json_text(effect, "method"), "PATCH");
    if (long_ago(w->opted_since_us, decided_us))
        violated(s, "opted_out", "run %s changes %s/%s, which opted out", run->id, w->ns, w->name);
    for (size_t i = 0; i < NAMESPACES; i++)
        if (str_eq(s->namespaces[i].name, w->ns) && long_ago(s->namespaces[i].opted_since_us, decided_us))
            violated(s, "opted_out", "run %s changes %s/%s, whose namespace opted out", run->id, w->ns, w->name);
    if (is_inverse(effect))
        return;
    if (is_protected(s, w->ns) && !run->playbook->protected_allowed && s->settings_us < decided_us)
        violated(s, "protected", "run %s changes %s/%s in a protected namespace", run->id, w->ns, w->name);
    if (w->custom_owned && patch && run->playbook->gitops != GITOPS_ALLOW)
        violated(s, "owned_by_others", "run %s changes %s/%s, which a custom resource owns", run->id, w->ns, w->name);
    if (w->has_hpa && strstr(path, "/scale"))
        violated(s, "owned_by_others", "run %s scales %s/%s, which an autoscaler does", run->id, w->ns, w->name);
}

/* ---- limits ---- */

static bool doubtful(const struct sim *s, int64_t at_us)
{
    return at_us < s->limits_doubt_us;
}

static void within_rate(struct sim *s, const struct jrun *run, const struct workload_model *w, const struct rate *r,
                        const char *playbook, int64_t left_us)
{
    int n = 0;
    for (size_t i = 0; i < w->n_touches; i++) {
        const struct touch *t = &w->touches[i];
        if (t->run != run && !doubtful(s, t->left_us) && t->left_us + r->window_ms * USEC_PER_MSEC > left_us &&
            (!playbook || str_eq(t->run->playbook->name, playbook)))
            n++;
    }
    if (n >= r->count)
        violated(s, playbook ? "attempts" : "target_attempts",
                 "run %s is number %d within %lld s on %s/%s, %d are allowed", run->id, n + 1,
                 (long long)(r->window_ms / 1000), w->ns, w->name, r->count);
}

static void cooled_down(struct sim *s, const struct jrun *run, const struct workload_model *w, int64_t left_us)
{
    const int64_t cooldown_us = run->playbook->limits.cooldown_ms * USEC_PER_MSEC;
    for (size_t i = 0; i < w->n_touches; i++) {
        const struct jrun *other = w->touches[i].run;
        if (other != run && other->done_us != 0 && !doubtful(s, other->done_us) &&
            left_us - other->done_us < cooldown_us)
            violated(s, "cooldown", "run %s changes %s/%s %lld s after run %s ended, the cooldown is %lld s", run->id,
                     w->ns, w->name, (long long)((left_us - other->done_us) / USEC_PER_SEC), other->id,
                     (long long)(cooldown_us / USEC_PER_SEC));
    }
}

/* Half-way but resting, it waits for a person, for its turn after that, or for the repair of a storm: others may act
 * meanwhile. When it acts again
 * it must be alone again. */
static void alone_on_its_owner(struct sim *s, const struct jrun *run, const struct workload_model *w)
{
    for (size_t i = 0; i < w->n_touches; i++) {
        const struct jrun *other = w->touches[i].run;
        if (other != run && other->done_us == 0 && w->touches[i].last_us > other->rested_us)
            violated(s, "one_run_per_owner", "run %s changes %s/%s while run %s is at work there", run->id, w->ns,
                     w->name, other->id);
    }
}

static struct touch *touch_get(struct workload_model *w, struct jrun *run, int64_t left_us)
{
    for (size_t i = 0; i < w->n_touches; i++)
        if (w->touches[i].run == run)
            return &w->touches[i];
    w->touches = xreallocarray(w->touches, w->n_touches + 1, sizeof(*w->touches));
    struct touch *t = &w->touches[w->n_touches++];
    *t = (struct touch){.run = run, .left_us = left_us};
    return t;
}

static bool is_at_work(const struct jrun *run)
{
    const char *state = json_path_text(run->doc, "record", "state", NULL);
    return run->acted_us != 0 &&
           (str_eq(state, "remediating") || str_eq(state, "verifying") || str_eq(state, "rolling_back"));
}

static void few_at_once(struct sim *s, const struct jrun *run)
{
    int n = 1, most = run->playbook->limits.concurrent;
    for (const struct jrun *other = s->journal.runs; other; other = other->hh.next) {
        if (other == run || !other->playbook || !is_at_work(other) ||
            !str_eq(other->playbook->name, run->playbook->name))
            continue;
        n++;
        most = other->playbook->limits.concurrent > most ? other->playbook->limits.concurrent : most;
    }
    if (most > 0 && n > most)
        violated(s, "concurrent", "run %s is number %d of playbook %s at work, %d are allowed", run->id, n,
                 run->playbook->name, most);
}

static void within_limits(struct sim *s, const struct jrun *run, const struct workload_model *w, int64_t left_us)
{
    const struct limits *l = &run->playbook->limits;
    cooled_down(s, run, w, left_us);
    for (size_t i = 0; i < l->n_attempts; i++)
        within_rate(s, run, w, &l->attempts[i], run->playbook->name, left_us);
    for (const struct rate *r = s->settings->target_attempts; r->count > 0 && s->settings_us < left_us; r++)
        within_rate(s, run, w, r, NULL, left_us);
}

static bool has_touched(const struct workload_model *w, const struct jrun *run)
{
    for (size_t i = 0; i < w->n_touches; i++)
        if (w->touches[i].run == run)
            return true;
    return false;
}

/* ---- may it act at all ---- */

static void in_the_right_mode(struct sim *s, const struct jrun *run, const json_t *effect)
{
    const struct playbook *p = run->playbook;
    const size_t rung = (size_t)json_int_or(effect, "rung", 0);
    enum playbook_mode m = p->mode == MODE_AUTO && rung < p->n_rungs ? p->ladder[rung].mode : p->mode;
    const json_t *approval = json_path(run->doc, "record", "approval", NULL);
    if (s->settings->dry_run)
        violated(s, "mode", "run %s changes something in --dry-run", run->id);
    if (is_inverse(effect) || m == MODE_AUTO)
        return;
    if (m != MODE_APPROVE)
        violated(s, "mode", "run %s acts in mode %s", run->id, mode_name(m));
    else if (!str_eq(json_text(approval, "status"), "approved") ||
             !str_eq(json_text(approval, "rung"), p->ladder[rung].name))
        violated(s, "mode", "run %s acts on rung \"%s\", which nobody approved", run->id, p->ladder[rung].name);
}

static const json_t *effect_in_journal(const struct jrun *run, const char *key)
{
    size_t i;
    json_t *e;
    json_array_foreach (json_path(run->doc, "state", "effects", NULL), i, e) {
        if (str_eq(json_text(e, "key"), key))
            return e;
    }
    return NULL;
}

static void intended_first(struct sim *s, const struct jrun *run, const json_t *effect)
{
    const char *key = json_text_or(effect, "key", "");
    const json_t *kept = effect_in_journal(run, key);
    if (!str_eq(json_text(kept, "status"), "intended") ||
        json_int_or(kept, "attempts", 0) < json_int_or(effect, "attempts", 1))
        violated(s, "intention_first", "%s leaves, and the journal says of it: %s", key,
                 kept ? json_text_or(kept, "status", "?") : "nothing");
}

static void looked_since(struct sim *s, const struct jrun *run, const json_t *effect, int64_t decided_us)
{
    const int64_t disturbed = s->process.disturbed_us;
    if (decided_us > disturbed && run->asked_us < disturbed)
        violated(s, "look_again", "%s leaves; its run looked at the world last %lld s before mendd was disturbed",
                 json_text_or(effect, "key", ""), (long long)((disturbed - run->asked_us) / USEC_PER_SEC));
}

static void after_the_alert_cleared(struct sim *s, const struct jrun *run, const json_t *effect, int64_t decided_us)
{
    const char *key = json_text_or(effect, "key", "");
    const bool wanted = run->cancel_asked && json_path_text(run->doc, "record", "cancelled_by", NULL);
    if (run->cleared_us == 0 || decided_us <= run->cleared_us)
        return;
    if (run->acted_us == 0 || run->acted_us > run->cleared_us)
        violated(s, "cleared", "%s is the first effect of a run whose alert cleared before", key);
    else if (!is_inverse(effect) && json_int_or(effect, "rung", 0) > run->rung_when_cleared)
        violated(s, "cleared", "%s begins a rung though the alert had cleared", key);
    else if (is_inverse(effect) && !run->rolling_when_cleared && !wanted)
        violated(s, "cleared", "%s rolls back though the alert had cleared", key);
}

static void undoes_what_may_be(struct sim *s, const struct jrun *run, const json_t *effect)
{
    const int64_t rung = json_int_or(effect, "rung", 0);
    if (is_inverse(effect) && (run->verified >> rung & 1))
        violated(s, "verified_stays", "%s undoes a rung that was verified", json_text_or(effect, "key", ""));
    if (is_inverse(effect) && !run->playbook->rollback && !run->cancel_asked)
        violated(s, "own_values", "%s rolls back though the playbook says rollback: false",
                 json_text_or(effect, "key", ""));
}

bool watch_may_repeat(const struct jrun *run, const json_t *effect)
{
    const size_t rung = (size_t)json_int_or(effect, "rung", 0), step = (size_t)json_int_or(effect, "step", 0);
    return run->playbook->ladder[rung].steps[step].idempotent;
}

static void sent_once(struct sim *s, const struct jrun *run, const json_t *effect)
{
    const char *key = json_text_or(effect, "key", "");
    const int64_t times = json_int_or(s->sent_times, key, 0) + 1;
    json_object_set_new(s->sent_times, key, json_integer(times));
    s->counts->sent_again += times > 1;
    if (times > 1 && str_eq(json_text(effect, "recognise"), "never") && !watch_may_repeat(run, effect))
        violated(s, "unknowable_once", "%s leaves for the %lldth time", key, (long long)times);
}

static void few_pods(struct sim *s, const struct jrun *run, const json_t *effect)
{
    int n = 0;
    size_t i;
    json_t *e;
    json_array_foreach (json_path(run->doc, "state", "effects", NULL), i, e) {
        n += str_eq(json_text(e, "method"), "DELETE") && json_int_or(e, "rung", -1) == json_int_or(effect, "rung", 0) &&
             json_int_or(e, "step", -1) == json_int_or(effect, "step", 0);
    }
    if (n > run->playbook->limits.pods)
        violated(s, "pods", "run %s deletes %d pods in a step, limits.pods is %d", run->id, n,
                 run->playbook->limits.pods);
}

static void effect_leaves(struct sim *s, struct jrun *run, const json_t *effect, int64_t decided_us)
{
    struct workload_model *w = workload_of(s, effect);
    s->counts->effects++;
    intended_first(s, run, effect);
    in_the_right_mode(s, run, effect);
    looked_since(s, run, effect, decided_us);
    after_the_alert_cleared(s, run, effect, decided_us);
    undoes_what_may_be(s, run, effect);
    sent_once(s, run, effect);
    few_pods(s, run, effect);
    if (w && command_is_paused(s, w->ns, run->playbook->name, decided_us))
        violated(s, "paused", "%s leaves while it is paused", json_text_or(effect, "key", ""));
    if (w)
        leaves_alone(s, run, effect, w, decided_us);
    if (w && !is_inverse(effect))
        watch_window(s, w, json_text_or(effect, "key", ""), decided_us);
    if (w && !is_inverse(effect))
        watch_budget(s, w, decided_us);
    if (w)
        w->tried_us =
            decided_us; /* a rollback is exempt, but it is recorded: it keeps its workload in the window too */
    if (run->acted_us == 0 && !is_inverse(effect))
        watch_breaker(s, run, decided_us);
    if (run->acted_us == 0)
        run->acted_us = decided_us;
}

void watch_leaving(struct sim *s, const struct out *out, int64_t decided_us)
{
    struct jrun *run = journal_run(s, out->run);
    if (out->type == OUT_NOTIFY)
        return;
    if (!run->doc || !run->playbook) {
        violated(s, "intention_first", "something leaves for run %s, which is not in the journal", out->run);
        return;
    }
    if (out->type == OUT_SEND)
        effect_leaves(s, run, out->what, decided_us);
    else if (!json_path_text(run->doc, "record", "times", "verified", NULL))
        violated(s, "proof_first", "run %s posts its alert as resolved before anything was verified", run->id);
}

/* ---- in the world ---- */

void watch_arrived(struct sim *s, const struct sent *sent, struct workload_model *w)
{
    struct jrun *run = journal_run(s, sent->run);
    alone_on_its_owner(s, run, w);
    if (!is_inverse(sent->what) && !has_touched(w, run)) {
        within_limits(s, run, w, sent->left_us);
        if (!run->counted)
            few_at_once(s, run);
        run->counted = true;
    }
    if (!is_inverse(sent->what))
        w->changed_us = sent->left_us;
    touch_get(w, run, sent->left_us)->last_us = sent->left_us;
}

void watch_posted(struct sim *s, const struct sent *sent, bool ok)
{
    struct jrun *run = journal_run(s, sent->run);
    const size_t peer = (size_t)json_int_or(sent->what, "peer", 0);
    if (!ok)
        return;
    if (run->posted_by[peer] == sent->generation && sent->generation != 0 && run->post_answered[peer])
        violated(s, "posted_once", "run %s posts to Alertmanager %zu again", run->id, peer);
    run->posted_by[peer] = sent->generation;
    run->post_answered[peer] = sent->answer == NULL;
}
