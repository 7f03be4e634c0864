/* Warnings about a table that is valid, and yet not what its author wants. */
#include "config/read.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

/* Whether every label set that passes `b` is known to pass `a`: the same matcher, or a's verdict on each literal that b
 * allows. Regexes are taken apart only where they are plain alternatives. */
static bool allows_literal(const struct matcher *a, const char *label, const char *value, size_t len)
{
    _cleanup_json_ json_t *labels = json_object();
    json_object_set_new(labels, label, json_text_new(value, len));
    return matcher_matches(a, labels) == 1;
}

static bool implied_by(const struct matcher *a, const struct matcher *b)
{
    const char *value = matcher_value(b), *label = matcher_label(b);
    if (!str_eq(matcher_label(a), label))
        return false;
    if (matcher_operator(a) == matcher_operator(b) && str_eq(matcher_value(a), value))
        return true;
    if (matcher_operator(b) == MATCH_EQUAL)
        return allows_literal(a, label, value, strlen(value));
    if (matcher_operator(b) != MATCH_REGEX || strpbrk(value, "\\.+*?()[]{}^$"))
        return false;
    for (;;) {
        size_t len = strcspn(value, "|");
        if (!allows_literal(a, label, value, len))
            return false;
        if (!value[len])
            return true;
        value += len + 1;
    }
}

static bool always_before(const struct playbook *a, const struct playbook *b)
{
    for (size_t i = 0; i < a->n_matchers; i++) {
        bool found = false;
        for (size_t k = 0; k < b->n_matchers && !found; k++)
            found = implied_by(a->matchers[i], b->matchers[k]);
        if (!found)
            return false;
    }
    return true;
}

void warn_unreachable(struct faults *f, const struct playbook_table *t, size_t i, const struct node *at)
{
    const struct playbook *p = t->playbooks[i];
    for (size_t k = 0; k < i; k++)
        if (always_before(t->playbooks[k], p)) {
            faults_warn(f, at, "playbook \"%s\" can never be reached: \"%s\" (%s:%d) matches all of its alerts first",
                        p->name, t->playbooks[k]->name, t->playbooks[k]->file, t->playbooks[k]->line);
            return;
        }
}

static void add_once(struct strbuf *names, const char *name)
{
    if (!strstr(strbuf_str(names), name))
        strbuf_printf(names, "%s%s", names->len ? ", " : "", name);
}

void warn_irreversible(struct faults *f, const struct playbook *p, const struct node *at)
{
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    for (size_t r = 0; r < p->n_rungs; r++)
        for (size_t s = 0; s < p->ladder[r].n_steps; s++) {
            const struct action *a = p->ladder[r].steps[s].action;
            if (a->class == ACTION_EFFECT && !a->reversible && p->ladder[r].mode == MODE_AUTO)
                add_once(&names, a->name);
        }
    if (names.len && p->rollback)
        faults_warn(f, at, "playbook \"%s\" asks for a rollback, but what %s does cannot be undone", p->name,
                    strbuf_str(&names));
}
