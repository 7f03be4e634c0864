/* Whether what an action or a check asks for and sends is within the rights that it says it needs: every unit test of
 * one runs through here (world.h), so that a request which nobody declared is found where it is written. That no right
 * is too many is shown on a real API server, where each is taken away in turn (tests/real/test_rights.py). */
#pragma once

#include "base/alloc.h"
#include "base/text.h"
#include "core/playbook.h"
#include "core/rights.h"
#include "core/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* The parts of a path, which it cuts up: group, namespace, resource with its subresource, name. false: it is none of an
 * object (discovery, /readyz). */
static inline bool request_right(char *path, struct right *ret, char resource[128])
{
    char *parts[12] = {0}, *save = NULL;
    size_t n = 0, at;
    path[strcspn(path, "?")] = '\0';
    for (char *p = strtok_r(path, "/", &save); p && n < 11; p = strtok_r(NULL, "/", &save))
        parts[n++] = p;
    *ret = (struct right){.group = (char *)"", .resource = resource};
    if (n < 3 || (!str_eq(parts[0], "api") && n < 4))
        return false;
    at = str_eq(parts[0], "api") ? 2 : 3;
    if (at == 3)
        ret->group = parts[1];
    if (str_eq(parts[at], "namespaces") && parts[at + 1]) {
        ret->namespace = parts[at + 1];
        at += parts[at + 2] ? 2 : 0;
    }
    ret->name = parts[at + 1];
    snprintf(resource, 128, "%s%s%s", parts[at], parts[at + 1] && parts[at + 2] ? "/" : "",
             parts[at + 1] && parts[at + 2] ? parts[at + 2] : "");
    return true;
}

static inline void judge_request(const struct rights *have, const char *who, const char *method, const char *text)
{
    _cleanup_free_ char *path = xstrdup(text);
    char resource[128];
    struct right asked;
    if (*text != '/' || !request_right(path, &asked, resource))
        return;
    const bool post = str_eq(method, "POST");
    asked.verb = (char *)(str_eq(method, "GET") && !asked.name ? "list"
                          : str_eq(method, "GET")              ? "get"
                          : str_eq(method, "PATCH")            ? "patch"
                          : str_eq(method, "DELETE")           ? "delete"
                          : post                               ? "create"
                                                               : method);
    if (str_ends(resource, "/exec"))
        asked.verb = (char *)"get";
    for (size_t i = 0; i < have->n; i++)
        if (right_covers(&have->items[i], &asked))
            return;
    fail_msg("%s sends %s %s, and its rights do not hold %s of %s", who, method, text, asked.verb, resource);
}

/* What a playbook with this one step (or check) in mode approve needs. */
static inline void rights_of_one(const struct target *t, const struct action *a, const struct check *c,
                                 const json_t *with, struct rights *ret)
{
    static const struct action changes_template = {.name = "test", .class = ACTION_EFFECT, .makes_pods = true};
    struct check_step check = {.check = c, .with = (json_t *)with};
    struct step step = {.action = a ? a : &changes_template, .with = (json_t *)with};
    struct rung rung = {.name = (char *)"r", .steps = &step, .n_steps = 1, .mode = MODE_APPROVE};
    struct playbook p = {
        .name = (char *)"test", .has_target = true, .mode = MODE_APPROVE, .ladder = &rung, .n_rungs = 1};
    struct playbook *list[] = {&p};
    struct playbook_table table = {.playbooks = list, .n = 1};
    const struct settings settings = {
        .table = &table, .default_cluster = (char *)"prod", .ignore_annotation = (char *)"mendd.io/ignore"};
    p.target = (struct target_spec){.cluster = NULL,
                                    .kind = t->kind,
                                    .namespace = t->namespace,
                                    .name = t->name,
                                    .selector = t->name ? NULL : t->selector};
    if (t->n_owners > 1) { /* found by a selector; of several kinds only pods can be */
        const bool mixed = !str_eq(t->owners[0].kind, t->owners[t->n_owners - 1].kind);
        p.target.kind = mixed ? (char *)"Pod" : t->kind;
        p.target.name = NULL;
        p.target.selector = t->selector ? t->selector : (char *)"app=x";
    }
    p.rollback = true;
    p.verify.checks = &check;
    p.verify.n_checks = c != NULL;
    p.vars = json_object();
    struct rights all;
    rights_of_table(&settings, &all);
    rights_of_cluster(&all, "prod", ret);
    rights_clear(&all);
    json_decref(p.vars);
}
