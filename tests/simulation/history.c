/* What happens to the world and to mendd, one thing after another, for some virtual hours; then it stops. */
#include "simulation.h"

#include "base/alloc.h"
#include "base/text.h"

static int any_workload(struct sim *s)
{
    return (int)rng_int(&s->rng, 0, s->n_workloads - 1);
}

static void falls_sick(struct sim *s)
{
    static const enum disease diseases[] = {SICK_PODS, SICK_PODS, WEDGED, WEDGED, BAD_ROLLOUT, OVERLOADED, INCURABLE};
    int i = any_workload(s);
    workload_fall_sick(s, i, PICK(&s->rng, diseases));
    if (rng_chance(&s->rng, 600))
        sim_after(s, rng_int(&s->rng, 10, 3600) * USEC_PER_SEC, (struct item){.what = H_HEAL, .a = i});
}

static void storm(struct sim *s)
{
    static const enum disease diseases[] = {SICK_PODS, WEDGED, INCURABLE};
    enum disease d = PICK(&s->rng, diseases);
    for (int i = 0; i < s->n_workloads; i++)
        if (rng_chance(&s->rng, 800)) {
            workload_fall_sick(s, i, d);
            sim_after(s, rng_int(&s->rng, 60, 2400) * USEC_PER_SEC, (struct item){.what = H_HEAL, .a = i});
        }
}

static void noise(struct sim *s)
{
    struct alert_model *a = &s->alerts[rng_int(&s->rng, 0, s->n_alerts - 1)];
    a->noise_until_us = s->now.boot_us + rng_int(&s->rng, 5, 1800) * USEC_PER_SEC;
    a->flap_us = rng_chance(&s->rng, 200) ? rng_int(&s->rng, 10, 200) * USEC_PER_SEC : 0;
}

static void odd_webhook(struct sim *s)
{
    if (rng_chance(&s->rng, 500)) {
        shell_webhook(s, NULL, -1);
        return;
    }
    json_t *payload =
        json_pack("{s:s, s:{s:s}, s:{}}", "status", "firing", "labels", "alertname", "MenddStorm", "annotations");
    shell_webhook(s, payload, -1);
    json_decref(payload);
}

static void peer_trouble(struct sim *s)
{
    const int peer = (int)rng_int(&s->rng, 0, PEERS - 1);
    s->peers[peer].down_until_us = s->now.boot_us + rng_int(&s->rng, 5, 1200) * USEC_PER_SEC;
    if (rng_chance(&s->rng, 500))
        return;
    s->peers[peer].started_wall_us =
        s->start_wall_us + (s->peers[peer].down_until_us - s->start_us); /* restarted: it forgot all */
    for (int i = 0; i < s->n_alerts; i++)
        s->alerts[i].active[peer] = false;
}

static void crash(struct sim *s)
{
    static const int down_ms[] = {50, 200, 1000, 5000, 30000, 120000, 600000};
    int64_t down_us = PICK(&s->rng, down_ms) * USEC_PER_MSEC;
    shell_crash(s, true, down_us, "kill -9");
    if (!s->process.up && rng_chance(&s->rng, 300)) /* and again, in the middle of its first breath */
        s->crash_again_us = s->now.boot_us + down_us + rng_int(&s->rng, 0, 200000);
}

static void stall(struct sim *s)
{
    if (!s->process.up)
        return;
    const int64_t us = rng_int(&s->rng, 16, 900) * USEC_PER_SEC;
    trace(s, "mendd: stands still for %lld s", (long long)(us / USEC_PER_SEC));
    s->process.stalled_until_us = s->process.disturbed_us = s->now.boot_us + us;
    s->counts->stalls++;
}

static void clock_jump(struct sim *s)
{
    int64_t us = rng_int(&s->rng, 20, rng_chance(&s->rng, 500) ? 300 : 8 * 3600) * USEC_PER_SEC;
    us = rng_chance(&s->rng, 500) ? us : -us;
    trace(s, "world: the wall clock jumps by %lld s", (long long)(us / USEC_PER_SEC));
    command_forget_ended(s, s->now.boot_us);
    s->now.wall_us += us;
    command_forget_ended(s, s->now.boot_us);
    s->process.disturbed_us = s->now.boot_us;
    s->counts->jumps++;
    s->jumped_us = s->now.boot_us;
    command_clock_was_set(s, us);
}

static void reload(struct sim *s)
{
    settings_draw(s);
    trace(s, "mendd: new settings");
    s->counts->reloads++;
    if (!s->process.up)
        return;
    const struct event event = {.type = EVENT_SETTINGS, .settings = s->settings};
    shell_feed(s, &event);
}

static void opts(struct sim *s)
{
    struct workload_model *w = &s->workloads[any_workload(s)];
    for (int i = 0; i < s->n_workloads; i++) /* rather one that is out comes back in */
        if (s->workloads[i].opted_since_us != 0 && rng_chance(&s->rng, 700))
            w = &s->workloads[i];
    if (rng_chance(&s->rng, 900)) {
        workload_opt(s, w, w->opted_since_us == 0);
        return;
    }
    struct namespace_model *n = &s->namespaces[rng_int(&s->rng, 0, NAMESPACES - 1)];
    n->opted_since_us = n->opted_since_us ? 0 : s->now.boot_us;
    trace(s, "world: namespace %s is opted %s", n->name, n->opted_since_us ? "out" : "in");
}

static void somebody(struct sim *s)
{
    workload_somebody_writes(s, &s->workloads[any_workload(s)]);
}

static void disk(struct sim *s)
{
    s->disk_full = true;
}

static void heal_one(struct sim *s)
{
    workload_heal(s, any_workload(s));
}

static const struct {
    int weight;
    void (*happen)(struct sim *s);
} things[] = {
    {30, falls_sick}, {3, storm}, {14, noise},     {2, odd_webhook},   {6, peer_trouble},
    {12, crash},      {4, stall}, {4, clock_jump}, {4, reload},        {5, opts},
    {8, somebody},    {3, disk},  {8, heal_one},   {14, weather_draw}, {10, command_draw},
};

void history_next(struct sim *s)
{
    int sum = 0, at;
    if (s->calm)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(things); i++)
        sum += things[i].weight;
    at = (int)rng_int(&s->rng, 0, sum - 1);
    for (size_t i = 0; i < ARRAY_SIZE(things); i++) {
        at -= things[i].weight;
        if (at < 0) {
            bool standing = s->process.stalled_until_us > s->now.boot_us;
            bool to_mendd = things[i].happen == reload || things[i].happen == command_draw;
            if (!standing || !to_mendd)
                things[i].happen(s);
            break;
        }
    }
    sim_after(s, rng_int(&s->rng, 1, s->pace_s) * USEC_PER_SEC, (struct item){.what = H_HISTORY});
}

void history_draw(struct sim *s)
{
    static const int paces[] = {60, 180, 400};
    s->pace_s = PICK(&s->rng, paces);
    s->end_us = s->start_us + rng_int(&s->rng, 20, 120) * MINUTE_US;
    sim_after(s, 2 * USEC_PER_SEC, (struct item){.what = H_HISTORY});
}

/* From here on nothing new happens: the API server answers, mendd runs, some of the sick get well. */
void history_stop(struct sim *s)
{
    const bool heal = rng_chance(&s->rng, 600);
    s->calm = true;
    s->weather = (struct weather){0};
    s->disk_full = false;
    s->crash_again_us = 0;
    trace(s, "world: the history stops");
    for (int i = 0; i < PEERS; i++)
        s->peers[i].down_until_us = 0;
    for (int i = 0; i < s->n_workloads && heal; i++)
        workload_heal(s, i);
    if (!s->process.up)
        shell_start(s);
}
