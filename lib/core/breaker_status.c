/* Breakers as an operator sees them, as they are kept, and as they are reset. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/breaker.h"

#include <errno.h>
#include <string.h>

static const char *const state_names[] = {
    [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half_open"};

static int count_recent(const struct core *c, const struct breaker *b)
{
    const int64_t before = c->now.wall_us - c->settings->breaker.within_ms * USEC_PER_MSEC;
    int n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += b->times[i] > before;
    return n;
}

static int count_held(const struct core *c, const struct breaker *b)
{
    int n = 0;
    for (const struct run *run = c->waiting_head; run; run = run->wait_next)
        n += run->held == REASON_BREAKER_OPEN && breaker_covers(b, run);
    return n;
}

json_t *breakers_status_new(const struct core *c)
{
    json_t *list = json_array();
    if (!c->settings->breaker.enabled)
        return list;
    for (const struct breaker *b = c->breakers ? c->breakers->list : NULL; b; b = b->hh.next) {
        enum breaker_state state = breaker_state(c, b);
        int failures = state == BREAKER_CLOSED ? count_recent(c, b) : (int)b->n;
        if (state == BREAKER_CLOSED && failures == 0)
            continue;
        json_t *o = json_pack("{s:s, s:s, s:i, s:n}", "name", breaker_shown(b), "state", state_names[state], "failures",
                              failures, "until");
        if (state == BREAKER_OPEN)
            record_set_time(o, "until", b->until_wall_us);
        json_object_set_new(o, "run", *b->prober ? json_string(b->prober) : json_null());
        json_object_set_new(o, "held", json_integer(state == BREAKER_CLOSED ? 0 : count_held(c, b)));
        json_array_append_new(list, o);
    }
    return list;
}

bool breaker_reset(struct core *c, const char *name)
{
    bool found = !name && c->settings->breaker.enabled;
    for (struct breaker *b = c->breakers ? c->breakers->list : NULL; b; b = b->hh.next) {
        if ((name && !str_eq(name, breaker_shown(b))) || (b->state == BREAKER_CLOSED && b->n == 0))
            continue;
        breaker_close(c, b);
        found = true;
    }
    return found;
}

/* ---- kept ---- */

json_t *breakers_doc_new(const struct core *c)
{
    json_t *list = json_array();
    for (const struct breaker *b = c->breakers ? c->breakers->list : NULL; b; b = b->hh.next) {
        if (b->state == BREAKER_CLOSED && count_recent(c, b) == 0)
            continue;
        char text[TIME_TEXT_MAX];
        json_t *times = json_array();
        for (size_t i = 0; i < b->n; i++)
            json_array_append_new(times, json_string(time_format(b->times[i], text)));
        json_t *o = json_pack("{s:s, s:s, s:i, s:s, s:o}", "name", b->name, "state", state_names[b->state], "doublings",
                              b->doublings, "run", b->prober, "failures", times);
        if (b->state != BREAKER_CLOSED)
            record_set_time(o, "until", b->until_wall_us);
        json_array_append_new(list, o);
    }
    return json_pack("{s:o}", "breakers", list);
}

static bool name_parse(const char *name, enum breaker_kind *ret_kind, const char **ret_of)
{
    static const char playbook[] = "playbook ", api[] = "api ";
    if (!name)
        return false;
    *ret_kind = str_eq(name, "global") ? BREAKER_GLOBAL : str_starts(name, api) ? BREAKER_API : BREAKER_PLAYBOOK;
    *ret_of = *ret_kind == BREAKER_GLOBAL ? ""
              : *ret_kind == BREAKER_API  ? name + strlen(api)
                                          : name + strlen(playbook);
    return *ret_kind != BREAKER_PLAYBOOK || str_starts(name, playbook);
}

static bool state_parse(const char *text, enum breaker_state *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(state_names); i++) {
        if (!str_eq(state_names[i], text))
            continue;
        *ret = (enum breaker_state)i;
        return true;
    }
    return false;
}

static bool restore_one(struct core *c, const json_t *o)
{
    enum breaker_kind kind;
    enum breaker_state state;
    const char *of, *until = json_text(o, "until");
    json_t *times = json_object_get(o, "failures"), *v;
    size_t i;
    int64_t doublings = json_int_or(o, "doublings", 0);
    if (!name_parse(json_text(o, "name"), &kind, &of) || !state_parse(json_text(o, "state"), &state) || doublings < 0 ||
        doublings > 3)
        return false;
    struct breaker *b = breaker_get(c, kind, of);
    b->state = state;
    b->doublings = (int)doublings;
    strncpy(b->prober, json_text_or(o, "run", ""), sizeof(b->prober) - 1);
    if ((until && time_parse(until, &b->until_wall_us) < 0) || (state == BREAKER_OPEN && !until))
        return false;
    free(b->times);
    b->times = xcalloc(json_array_size(times) + 1, sizeof(*b->times));
    b->n = 0;
    json_array_foreach (times, i, v) {
        if (!json_is_string(v) || time_parse(json_string_value(v), &b->times[b->n]) < 0)
            return false;
        b->n++;
    }
    return true;
}

int breakers_restore(struct core *c, const json_t *doc, struct error *err)
{
    size_t i;
    json_t *o;
    json_array_foreach (json_object_get(doc, "breakers"), i, o) {
        if (!restore_one(c, o))
            return error_set(err, -EBADMSG, "the journal's list of breakers cannot be understood");
    }
    return 0;
}
