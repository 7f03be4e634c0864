#include "decide.h"

#include "actions/registry.h"
#include "base/alloc.h"
#include "base/text.h"
#include "checks/registry.h"
#include "core/record.h"

#include <stdio.h>
#include <string.h>

/* Far more than any plan needs, and an end to what would go round in circles. */
enum { MAX_TURNS = 10000 };
#define MAX_WAIT_US (24 * 3600 * USEC_PER_SEC)

const struct registry cli_registry = {.actions = all_actions, .checks = all_checks};

bool cli_feature_command;

void loaded_clear(struct loaded *l)
{
    playbook_table_free(l->table);
    config_free(l->config);
}

int load_all(const char *config_file, const char *const *playbooks, bool warnings, struct loaded *ret)
{
    _cleanup_(faults_clear) struct faults faults = {0};
    int r = config_load(config_file, &ret->config, &faults);
    if (r == 0 && cli_feature_command)
        config_enable(ret->config, "command");
    if (r == 0)
        r = playbooks_load(playbooks, ret->config, &cli_registry, &ret->table, &faults);
    for (size_t i = 0; i < faults.n; i++)
        fprintf(stderr, "%s\n", faults.texts[i]);
    for (size_t i = 0; warnings && i < faults.n_warnings; i++)
        fprintf(stderr, "warning: %s\n", faults.warnings[i]);
    return r;
}

static json_t *answer_to(struct driver *d, const struct out *out)
{
    if (out->type == OUT_ASK)
        return d->answer(out->what, d->userdata);
    if (out->type != OUT_NOTIFY) /* a plan sends nothing; this lock on the door is for the day when it would */
        return json_pack("{s:s, s:s}", "error", "local", "message", "nothing is sent by mendctl");
    if (d->told)
        d->told(out->what, d->userdata);
    return json_pack("{s:i}", "status", 202);
}

void driver_turn(struct driver *d, const struct event *event)
{
    struct effects fx;
    core_handle(d->core, event, d->now, &fx);
    for (size_t i = 0; i < fx.n_saves; i++) {
        json_t *record = json_object_get(fx.saves[i].doc, "record");
        if (record)
            d->keep(record, d->userdata);
    }
    for (size_t i = 0; i < fx.n_outs; i++) {
        const struct event e = {.type = EVENT_ANSWER,
                                .answer = {.op = fx.outs[i].op, .answer_new = answer_to(d, &fx.outs[i])}};
        driver_turn(d, &e);
    }
    effects_clear(&fx);
}

struct deciding {
    answer_fn answer;
    void *userdata;
    json_t *record;
};

static json_t *ask_world(const json_t *question, void *userdata)
{
    struct deciding *d = userdata;
    return d->answer(question, d->userdata);
}

static void keep_last(json_t *record, void *userdata)
{
    struct deciding *d = userdata;
    json_decref(d->record);
    d->record = json_incref(record);
}

static bool is_done(const json_t *record)
{
    return str_eq(json_text(record, "state"), "done") || str_eq(json_text(record, "state"), "awaiting_approval");
}

json_t *decide_new(const struct loaded *l, const struct alert *alert, struct now now, answer_fn answer, void *userdata)
{
    struct settings settings;
    settings_from_config(l->config, l->table, &settings);
    settings.n_watched = settings.n_cluster_sets = 0; /* one alert is played; nothing is watched */
    settings.dry_run = true;
    _cleanup_(core_freep) struct core *core = core_new(&cli_registry, &settings, 1);
    struct deciding d = {.answer = answer, .userdata = userdata};
    struct driver driver = {.core = core, .now = now, .answer = ask_world, .keep = keep_last, .userdata = &d};
    const struct event first = {.type = EVENT_ALERT, .own = true, .alert = alert};
    driver_turn(&driver, &first);
    for (int i = 0; i < MAX_TURNS && !is_done(d.record); i++) {
        const int64_t next_us = core_next_boot_us(core);
        if (next_us == INT64_MAX || next_us - now.boot_us > MAX_WAIT_US)
            break;
        const int64_t step_us = next_us > driver.now.boot_us ? next_us - driver.now.boot_us : 0;
        driver.now.boot_us += step_us;
        driver.now.wall_us += step_us;
        driver_turn(&driver, &(struct event){.type = EVENT_TICK});
    }
    return d.record;
}

const struct playbook *playbook_of(const struct loaded *l, const json_t *record)
{
    const char *name = json_text(record, "playbook");
    for (size_t i = 0; name && i < l->table->n; i++)
        if (str_eq(l->table->playbooks[i]->name, name))
            return l->table->playbooks[i];
    return NULL;
}

const char *decision_of(const struct loaded *l, const json_t *record)
{
    static const char *const modes[] = {[MODE_OBSERVE] = "observe_mode",
                                        [MODE_PLAN] = "plan_mode",
                                        [MODE_APPROVE] = "awaiting_approval",
                                        [MODE_AUTO] = "act"};
    const struct playbook *p = playbook_of(l, record);
    const char *reason = json_text(record, "reason");
    const size_t rung = (size_t)json_int_or(record, "rung", 0); /* the first that would not be passed over */
    if (p && rung < p->n_rungs && str_eq(reason, reason_name(REASON_DRY_RUN)))
        return modes[p->ladder[rung].mode];
    if (!reason)
        reason = json_path_text(record, "held", "reason", NULL);
    return reason ? reason : "none";
}
