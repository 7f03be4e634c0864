#include "core/playbook.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

const char *mode_name(enum playbook_mode m)
{
    static const char *const names[] = {"observe", "plan", "approve", "auto"};
    return names[m];
}

/* ---- one playbook ---- */

static void check_step_clear(struct check_step *c)
{
    json_decref(c->with);
    free(c->cluster);
}

static void check_steps_free(struct check_step *checks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_step_clear(&checks[i]);
    free(checks);
}

static void step_clear(struct step *s)
{
    free(s->name);
    json_decref(s->with);
    free(s->cluster);
    if (s->condition)
        check_step_clear(s->condition);
    free(s->condition);
    if (s->verify)
        check_steps_free(s->verify->checks, s->verify->n_checks);
    free(s->verify);
}

static void steps_free(struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        step_clear(&steps[i]);
    free(steps);
}

static void target_spec_clear(struct target_spec *t)
{
    free(t->cluster);
    free(t->api_version);
    free(t->kind);
    free(t->namespace);
    free(t->name);
    free(t->selector);
}

static void playbook_free(struct playbook *p)
{
    json_decref(p->source);
    json_decref(p->vars);
    free(p->hash);
    free(p->name);
    free(p->summary);
    free(p->runbook);
    free(p->file);
    free(p->ignore_reason);
    free(p->severity);
    for (size_t i = 0; i < p->n_matchers; i++)
        matcher_free(p->matchers[i]);
    free(p->matchers);
    target_spec_clear(&p->target);
    free(p->limits.attempts);
    steps_free(p->diagnose, p->n_diagnose);
    check_steps_free(p->precheck, p->n_precheck);
    for (size_t i = 0; i < p->n_rungs; i++) {
        free(p->ladder[i].name);
        steps_free(p->ladder[i].steps, p->ladder[i].n_steps);
    }
    free(p->ladder);
    check_steps_free(p->verify.checks, p->verify.n_checks);
    free(p);
}

struct playbook *playbook_ref(struct playbook *p)
{
    p->refs++;
    return p;
}

struct playbook *playbook_unref(struct playbook *p)
{
    if (p && --p->refs == 0)
        playbook_free(p);
    return NULL;
}

/* ---- the table ---- */

struct playbook_table *playbook_table_new(void)
{
    return xnew0(struct playbook_table);
}

/* The index: a playbook that asks for one alertname is only looked at for alerts of that name; all others always. */
static void index_add(struct playbook_table *t, const struct playbook *p, size_t at)
{
    for (size_t i = 0; i < p->n_matchers; i++) {
        const struct matcher *m = p->matchers[i];
        if (matcher_operator(m) != MATCH_EQUAL || !str_eq(matcher_label(m), "alertname"))
            continue;
        json_t *list = json_object_get(t->by_alertname, matcher_value(m));
        if (!list) {
            list = json_array();
            json_object_set_new(t->by_alertname, matcher_value(m), list);
        }
        json_array_append_new(list, json_integer((json_int_t)at));
        return;
    }
    json_array_append_new(t->any_alertname, json_integer((json_int_t)at));
}

void playbook_table_add(struct playbook_table *t, struct playbook *taken)
{
    if (!t->by_alertname) {
        t->by_alertname = json_object();
        t->any_alertname = json_array();
    }
    t->playbooks = xreallocarray(t->playbooks, t->n + 1, sizeof(struct playbook *));
    index_add(t, taken, t->n);
    t->playbooks[t->n++] = taken;
}

struct playbook_table *playbook_table_free(struct playbook_table *t)
{
    if (!t)
        return NULL;
    for (size_t i = 0; i < t->n; i++)
        playbook_unref(t->playbooks[i]);
    free(t->playbooks);
    json_decref(t->by_alertname);
    json_decref(t->any_alertname);
    free(t);
    return NULL;
}

static int matches(const struct playbook *p, const json_t *labels, struct error *err)
{
    for (size_t i = 0; i < p->n_matchers; i++) {
        const int r = matcher_matches(p->matchers[i], labels);
        if (r < 0)
            return error_set(err, r, "playbook %s: the regex of its matcher on \"%s\" hit its limit on this alert",
                             p->name, matcher_label(p->matchers[i]));
        if (r == 0)
            return 0;
    }
    return 1;
}

/* The lower of the two lists' next entries, so that the table's order holds. */
static bool next_candidate(const json_t *named, const json_t *any, size_t *i, size_t *k, size_t *ret)
{
    const json_t *a = json_array_get(named, *i), *b = json_array_get(any, *k);
    if (!a && !b)
        return false;
    const bool take_named = a && (!b || json_integer_value(a) < json_integer_value(b));
    *ret = (size_t)json_integer_value(take_named ? a : b);
    *(take_named ? i : k) += 1;
    return true;
}

struct playbook *playbook_table_find(const struct playbook_table *t, const json_t *labels, json_t *others,
                                     struct error *err)
{
    const json_t *named = t->n ? json_object_get(t->by_alertname, json_text_or(labels, "alertname", "")) : NULL;
    struct playbook *found = NULL;
    size_t i = 0, k = 0, at;
    while (next_candidate(named, t->any_alertname, &i, &k, &at)) {
        struct playbook *p = t->playbooks[at];
        const int r = matches(p, labels, found ? NULL : err);
        if (r < 0 && !found)
            return NULL;
        if (r <= 0)
            continue;
        if (!found)
            found = p;
        else if (others)
            json_array_append_new(others, json_string(p->name));
        if (found && !others)
            break;
    }
    return found;
}
