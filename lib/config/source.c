/* A playbook as normalised JSON: every default filled in, vars merged, steps as a ladder. It reads back as an equal
 * playbook without any configuration. Where it stood (file, line) is no part of it. */
#include "config/read.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"

#include <ctype.h>

static void set_duration(json_t *o, const char *key, int64_t ms)
{
    char text[TIME_TEXT_MAX];
    json_set_text(o, key, duration_format(ms, text));
}

static void put_quoted(struct strbuf *b, const char *s)
{
    strbuf_putc(b, '"');
    for (; *s; s++) {
        if (*s == '\n')
            strbuf_puts(b, "\\n");
        else
            strbuf_printf(b, "%s%c", *s == '"' || *s == '\\' ? "\\" : "", *s);
    }
    strbuf_putc(b, '"');
}

static bool is_plain_label(const char *s)
{
    if (isdigit((unsigned char)*s))
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

static json_t *matchers_json(const struct playbook *p)
{
    static const char *const operators[] = {"=", "!=", "=~", "!~"};
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_matchers; i++) {
        const struct matcher *m = p->matchers[i];
        _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
        if (is_plain_label(matcher_label(m)))
            strbuf_puts(&b, matcher_label(m));
        else
            put_quoted(&b, matcher_label(m));
        strbuf_puts(&b, operators[matcher_operator(m)]);
        put_quoted(&b, matcher_value(m));
        json_array_append_new(list, json_text_new(strbuf_str(&b), b.len));
    }
    return list;
}

static json_t *check_json(const struct check_step *c)
{
    json_t *o = json_object();
    json_set_text(o, "check", c->check->name);
    if (json_object_size(c->with) > 0)
        json_object_set(o, "with", c->with);
    json_set_text(o, "cluster", c->cluster);
    return o;
}

static json_t *checks_json(const struct check_step *checks, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, check_json(&checks[i]));
    return list;
}

static json_t *verify_json(const struct verify *v)
{
    json_t *o = json_object();
    set_duration(o, "timeout", v->timeout_ms);
    set_duration(o, "interval", v->interval_ms);
    set_duration(o, "for", v->for_ms);
    json_object_set_new(o, "checks", checks_json(v->checks, v->n_checks));
    return o;
}

static json_t *steps_json(const struct step *steps, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        json_t *o = json_object();
        json_set_text(o, "name", s->name);
        json_set_text(o, "action", s->action->name);
        if (json_object_size(s->with) > 0)
            json_object_set(o, "with", s->with);
        json_set_text(o, "cluster", s->cluster);
        if (s->condition)
            json_object_set_new(o, s->negate ? "unless" : "if", check_json(s->condition));
        if (s->on_error_continue)
            json_set_text(o, "on_error", "continue");
        if (s->timeout_ms)
            set_duration(o, "timeout", s->timeout_ms);
        if (s->idempotent)
            json_object_set_new(o, "idempotent", json_true());
        if (s->verify)
            json_object_set_new(o, "verify", verify_json(s->verify));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *ladder_json(const struct playbook *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_rungs; i++) {
        json_t *o = json_object();
        json_set_text(o, "name", p->ladder[i].name);
        json_set_text(o, "mode", mode_choices[p->ladder[i].mode]);
        json_object_set_new(o, "steps", steps_json(p->ladder[i].steps, p->ladder[i].n_steps));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *target_json(const struct target_spec *t)
{
    json_t *o = json_object();
    json_set_text(o, "cluster", t->cluster);
    json_set_text(o, "apiVersion", t->api_version);
    json_set_text(o, "kind", t->kind);
    json_set_text(o, "namespace", t->namespace);
    json_set_text(o, "name", t->name);
    json_set_text(o, "selector", t->selector);
    return o;
}

static json_t *limits_json(const struct limits *l)
{
    json_t *o = json_object();
    _cleanup_free_ char *attempts = rates_format(l->attempts, l->n_attempts);
    set_duration(o, "cooldown", l->cooldown_ms);
    json_set_text(o, "attempts", attempts);
    json_object_set_new(o, "concurrent", json_integer(l->concurrent));
    json_object_set_new(o, "pods", json_integer(l->pods));
    set_duration(o, "expires", l->expires_ms);
    return o;
}

static void add_body(json_t *o, const struct playbook *p)
{
    json_object_set_new(o, "target", target_json(&p->target));
    if (p->n_diagnose)
        json_object_set_new(o, "diagnose", steps_json(p->diagnose, p->n_diagnose));
    if (p->n_precheck)
        json_object_set_new(o, "precheck", checks_json(p->precheck, p->n_precheck));
    json_object_set_new(o, "ladder", ladder_json(p));
    if (p->verify.present)
        json_object_set_new(o, "verify", verify_json(&p->verify));
}

json_t *playbook_to_json(const struct playbook *p)
{
    json_t *o = json_object();
    json_set_text(o, "name", p->name);
    json_set_text(o, "summary", p->summary);
    json_set_text(o, "runbook", p->runbook);
    json_object_set_new(o, "matchers", matchers_json(p));
    json_set_text(o, "decision", p->ignore ? "ignore" : NULL);
    json_set_text(o, "reason", p->ignore_reason);
    json_set_text(o, "mode", mode_choices[p->mode]);
    json_set_text(o, "severity", p->severity);
    set_duration(o, "delay", p->delay_ms);
    json_object_set_new(o, "limits", limits_json(&p->limits));
    if (json_object_size(p->vars) > 0)
        json_object_set(o, "vars", p->vars);
    if (!p->ignore)
        add_body(o, p);
    set_duration(o, "settle", p->settle_ms);
    set_duration(o, "run_timeout", p->run_timeout_ms);
    json_set_text(o, "resolve", p->resolve == RESOLVE_DEFAULT ? NULL : p->resolve == RESOLVE_POST ? "post" : "wait");
    json_object_set_new(o, "on_failure", json_pack("{s:b, s:b}", "rollback", p->rollback, "escalate", p->escalate));
    json_set_text(o, "on_still_firing", p->still_firing_next_rung ? "next_rung" : "escalate");
    json_set_text(o, "protected", p->protected_allowed ? "allow" : NULL);
    json_set_text(o, "gitops", p->gitops != GITOPS_REFUSE ? gitops_choices[p->gitops] : NULL);
    json_set_text(o, "maintenance", p->maintenance_only ? "only" : NULL);
    json_set_text(o, "budget", p->budget_exempt ? "exempt" : NULL);
    if (p->parallel > 0)
        json_object_set_new(o, "parallel", json_integer(p->parallel));
    json_set_text(o, "class", p->class != CLASS_ROUTINE ? class_choices[p->class] : NULL);
    if (!p->ignore && p->approval_expires_ms != 30 * 60 * MSEC_PER_SEC) {
        json_t *approval = json_object();
        set_duration(approval, "expires", p->approval_expires_ms);
        json_object_set_new(o, "approval", approval);
    }
    return o;
}
