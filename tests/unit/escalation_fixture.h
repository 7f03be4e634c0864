/* A core without playbooks, receivers that answer as told, and time: for test_escalation.c. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actions/registry.h"
#include "base/alloc.h"
#include "base/text.h"
#include "checks/registry.h"
#include "core/core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIN_US (60 * USEC_PER_SEC)
#define HOUR_US (60 * MIN_US)

/* A core without playbooks: every alert is escalated as no_playbook. The fixture is the shell: it keeps documents and
 * records, and the notices that were sent. */
struct fixture {
    struct core *core;
    struct settings settings;
    struct playbook_table *table;
    struct escalation_level levels[3];
    struct escalation_policy policies[2];
    struct now now;
    json_t *kept, *saves, *open; /* by key, by run */
    json_t *sent;                /* [{op, notice}] that wait for their answer */
    json_t *told;                /* ["event receiver level"] in order of leaving */
    json_t *amended;             /* by run: escalations */
    json_t *notes;
    char last_run[32];
    size_t n_amends, n_keeps, n_saves;
    int replied;
};

static const struct registry registry = {all_actions, all_checks};
static char *pager_and_chat[] = {(char *)"pager", (char *)"chat", (char *)"pager", NULL};
static char *mail[] = {(char *)"mail", NULL};
static char *boss[] = {(char *)"boss", NULL};

static void feed(struct fixture *f, const struct event *event)
{
    struct effects out;
    core_handle(f->core, event, f->now, &out);
    for (size_t i = 0; i < out.n_keeps; i++) {
        if (out.keeps[i].doc)
            json_object_set_new(f->kept, out.keeps[i].key, json_deep_copy(out.keeps[i].doc));
        else
            json_object_del(f->kept, out.keeps[i].key);
    }
    for (size_t i = 0; i < out.n_saves; i++) {
        json_object_set_new(f->saves, out.saves[i].run, json_deep_copy(out.saves[i].doc));
        json_object_del(f->amended, out.saves[i].run);
        if (str_eq(json_path_text(out.saves[i].doc, "record", "alert", "labels", "alertname", NULL), "Down"))
            snprintf(f->last_run, sizeof(f->last_run), "%s", out.saves[i].run);
    }
    for (size_t i = 0; i < out.n_amends; i++)
        json_object_set_new(f->amended, out.amends[i].run, json_deep_copy(out.amends[i].escalations));
    for (size_t i = 0; i < out.n_notes; i++)
        json_array_append_new(f->notes, json_string(out.notes[i].message));
    for (size_t i = 0; i < out.n_outs; i++) {
        const struct out *o = &out.outs[i];
        if (o->type != OUT_NOTIFY)
            continue;
        _cleanup_free_ char *line = xasprintf("%s %s %lld", json_text(o->what, "event"), json_text(o->what, "receiver"),
                                              (long long)json_int_or(o->what, "level", -1));
        json_array_append_new(f->told, json_string(line));
        json_array_append_new(f->sent, json_pack("{s:I, s:O}", "op", (json_int_t)o->op, "notice", o->what));
    }
    for (size_t i = 0; i < out.n_replies; i++)
        f->replied = out.replies[i].status;
    f->n_amends += out.n_amends;
    f->n_keeps += out.n_keeps;
    f->n_saves += out.n_saves;
    effects_clear(&out);
}

static void tick(struct fixture *f)
{
    feed(f, &(struct event){.type = EVENT_TICK});
}

/* Lets time pass, with a tick whenever the core wants one. */
static void pass(struct fixture *f, int64_t us)
{
    int64_t end = f->now.boot_us + us;
    for (int i = 0; core_next_boot_us(f->core) <= end; i++) {
        int64_t at = core_next_boot_us(f->core);
        assert_true(i < 5000);
        if (at > f->now.boot_us) {
            f->now.wall_us += at - f->now.boot_us;
            f->now.boot_us = at;
        }
        tick(f);
    }
    f->now.wall_us += end - f->now.boot_us;
    f->now.boot_us = end;
}

static void alert_named(struct fixture *f, const char *name, const char *severity, const char *status)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *j = json_pack("{s:s, s:{s:s, s:s, s:s}, s:{s:s}, s:s}", "status", status, "labels",
                                         "alertname", name, "severity", severity, "namespace", "shop", "annotations",
                                         "summary", "it is down", "startsAt", "2026-01-05T09:59:00Z");
    _cleanup_(alert_freep) struct alert *a = alert_from_json(j, status, f->now, &err);
    assert_non_null(a);
    feed(f, &(struct event){.type = EVENT_ALERT, .alert = a});
}

static void fires(struct fixture *f)
{
    alert_named(f, "Down", "critical", "firing");
}

static void clears(struct fixture *f)
{
    alert_named(f, "Down", "critical", "resolved");
}

/* Answers all that wait, of this receiver (NULL: any), with that status; 0: a timeout. */
static void answer(struct fixture *f, const char *receiver, int status)
{
    for (size_t i = 0; i < json_array_size(f->sent);) {
        json_t *s = json_array_get(f->sent, i);
        if (receiver && !str_eq(json_path_text(s, "notice", "receiver", NULL), receiver)) {
            i++;
            continue;
        }
        struct event e = {.type = EVENT_ANSWER, .answer = {.op = (uint64_t)json_int_or(s, "op", 0)}};
        e.answer.answer_new = status ? json_pack("{s:i, s:s}", "status", status, "text", "so it says")
                                     : json_pack("{s:s, s:s}", "error", "timeout", "message", "no answer");
        json_array_remove(f->sent, i);
        feed(f, &e);
        i = 0; /* what waited for it may have left */
        if (!receiver || status == 0 || status >= 500)
            continue;
    }
}

static int command(struct fixture *f, const char *word)
{
    _cleanup_json_ json_t *what = json_pack("{s:s, s:s, s:s}", "do", word, "run", f->last_run, "by", "ann");
    const struct event e = {.type = EVENT_COMMAND, .command = {what, 7}};
    f->replied = 0;
    feed(f, &e);
    return f->replied;
}

static void reload(struct fixture *f)
{
    const struct event e = {.type = EVENT_SETTINGS, .settings = &f->settings};
    feed(f, &e);
}

static json_t *record_of(struct fixture *f, const char *run)
{
    json_t *amended = json_object_get(f->amended, run);
    return amended ? amended : json_path(f->saves, run, "record", "escalations", NULL);
}

static void restart(struct fixture *f, int64_t down_us)
{
    const char *key;
    json_t *doc;
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct event e = {.type = EVENT_RESUME, .last_alive_wall_us = f->now.wall_us};
    core_free(f->core);
    f->core = core_new(&registry, &f->settings, 5);
    json_object_foreach (f->kept, key, doc)
        assert_int_equal(core_restore_kept(f->core, key, doc, &err), 0);
    json_object_foreach (f->saves, key, doc)
        assert_int_equal(core_restore_history(f->core, doc, &err), 0);
    json_array_clear(f->sent);
    f->now.wall_us += down_us;
    f->now.boot_us = 7 * USEC_PER_SEC; /* the machine was started anew */
    feed(f, &e);
}

static void expect_told(struct fixture *f, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n && i < json_array_size(f->told); i++)
        assert_string_equal(json_string_value(json_array_get(f->told, i)), lines[i]);
    assert_int_equal(json_array_size(f->told), n);
    json_array_clear(f->told);
}

#define TOLD(f, ...)                                                                                                   \
    do {                                                                                                               \
        static const char *const lines[] = {__VA_ARGS__};                                                              \
        expect_told(f, lines, ARRAY_SIZE(lines));                                                                      \
    } while (0)

static bool noted(const struct fixture *f, const char *words)
{
    size_t i;
    json_t *n;
    json_array_foreach (f->notes, i, n) {
        if (strstr(json_string_value(n), words))
            return true;
    }
    return false;
}

static size_t escalations_open(const struct fixture *f)
{
    _cleanup_json_ json_t *s = core_status_new(f->core, f->now);
    return json_array_size(json_object_get(s, "escalations"));
}

static int set_up(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    f->levels[0] = (struct escalation_level){pager_and_chat, 15 * 60 * MSEC_PER_SEC};
    f->levels[1] = (struct escalation_level){mail, 30 * 60 * MSEC_PER_SEC};
    f->levels[2] = (struct escalation_level){boss, 0};
    f->policies[0] = (struct escalation_policy){(char *)"critical", f->levels, 2};
    f->policies[1] = (struct escalation_policy){(char *)"default", &f->levels[2], 1};
    f->table = playbook_table_new();
    f->settings = (struct settings){.table = f->table,
                                    .default_cluster = (char *)"prod",
                                    .escalate_unmatched = true,
                                    .escalation = {.policies = f->policies, .n_policies = 2}};
    f->now = (struct now){.boot_us = 1000 * USEC_PER_SEC};
    time_parse("2026-01-05T10:00:00Z", &f->now.wall_us);
    f->core = core_new(&registry, &f->settings, 1);
    f->kept = json_object();
    f->saves = json_object();
    f->amended = json_object();
    f->sent = json_array();
    f->told = json_array();
    f->notes = json_array();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    core_free(f->core);
    playbook_table_free(f->table);
    json_t *all[] = {f->kept, f->saves, f->amended, f->sent, f->told, f->notes};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        json_decref(all[i]);
    free(f);
    return 0;
}

/* ---- levels ---- */
