/* Tellings: one notice to one receiver, at least once.
 *
 * Happy path: telling_add() puts it into its receiver's line, or behind an earlier one of the same story to the same
 * receiver (trigger before acknowledge before resolve); at the end of the call those at the heads of the lines leave,
 * at most IN_FLIGHT_MAX a receiver, after the commit that says that they are to be told; a 2xx ends it. Failure modes:
 * no answer, 5xx, 408 or 429: again after 5 s, 10 s, … 5 min (429's own wish counts), for a day, then it is given up
 * with a word in the log; any other answer: given up at once, asking again would not change it. What was under way when
 * mendd was stopped is told again: twice rather than not at all. A receiver that hangs holds up its own line only. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/escalation.h"

#include <string.h>
#include <utlist.h>

static const char *const event_names[NOTICE_COUNT] = {
    [NOTICE_TRIGGER] = "trigger", [NOTICE_UPDATE] = "update",     [NOTICE_ACKNOWLEDGE] = "acknowledge",
    [NOTICE_RESOLVE] = "resolve", [NOTICE_APPROVAL] = "approval", [NOTICE_MAINTENANCE] = "maintenance",
    [NOTICE_DIGEST] = "digest",   [NOTICE_NOTE] = "note"};
static const char *const status_names[] = {
    [TELLING_PENDING] = "pending", [TELLING_SENT] = "sent", [TELLING_FAILED] = "failed"};

const char *notice_event_name(enum notice_event e)
{
    return event_names[e];
}

bool notice_event_parse(const char *s, enum notice_event *ret)
{
    for (int i = 0; i < NOTICE_COUNT; i++)
        if (str_eq(event_names[i], s)) {
            *ret = (enum notice_event)i;
            return true;
        }
    return false;
}

const char *telling_status_name(enum telling_status s)
{
    return status_names[s];
}

bool telling_status_parse(const char *s, enum telling_status *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(status_names); i++)
        if (str_eq(status_names[i], s)) {
            *ret = (enum telling_status)i;
            return true;
        }
    return false;
}

/* ---- lines ---- */

static struct receiver_line *line_of(struct core *c, const char *name)
{
    struct escalations *all = escalations_get(c);
    struct receiver_line *r = NULL;
    HASH_FIND(hh, all->receivers, name, strlen(name), r);
    if (r)
        return r;
    r = xnew0(struct receiver_line);
    r->name = xstrdup(name);
    HASH_ADD_KEYPTR(hh, all->receivers, r->name, strlen(r->name), r);
    return r;
}

static void unplace(struct telling *t)
{
    struct receiver_line *r = t->receiver;
    if (t->place == PLACE_READY)
        DL_DELETE(r->ready, t);
    else if (t->place == PLACE_RESTING)
        DL_DELETE(r->resting, t);
    else if (t->place == PLACE_FLYING)
        r->in_flight--;
    t->place = PLACE_NONE;
    t->prev = t->next = NULL;
}

static void place_ready(struct telling *t)
{
    unplace(t);
    DL_APPEND(t->receiver->ready, t);
    t->place = PLACE_READY;
}

static void place_resting(struct core *c, struct telling *t, int64_t pause_us)
{
    unplace(t);
    t->next_us = c->now.boot_us + pause_us;
    DL_APPEND(t->receiver->resting, t);
    t->place = PLACE_RESTING;
    escalations_want(c, t->next_us);
}

static bool is_first(const struct telling *t)
{
    for (const struct telling *o = t->story->tellings; o && o != t; o = o->story_next)
        if (o->receiver == t->receiver && o->status == TELLING_PENDING)
            return false;
    return true;
}

void telling_place(struct core *c, struct telling *t)
{
    (void)c;
    if (t->status == TELLING_PENDING && t->place == PLACE_NONE && is_first(t))
        place_ready(t);
}

void telling_free(struct core *c, struct telling *t)
{
    struct story *s = t->story;
    unplace(t);
    if (t->status == TELLING_PENDING)
        s->n_open--;
    DL_DELETE2(s->tellings, t, story_prev, story_next);
    HASH_DELETE(hh, c->escalations->tellings, t);
    json_decref(t->words);
    free(t->error);
    free(t);
}

/* ---- what the record shows of it ---- */

static json_t *shown(const struct telling *t)
{
    json_t *list = json_object_get(json_array_get(t->story->entries, (size_t)t->level), "receivers"), *e;
    size_t i;
    json_array_foreach (list, i, e) {
        if (str_eq(json_text(e, "receiver"), t->receiver->name) &&
            str_eq(json_text(e, "event"), notice_event_name(t->event)))
            return e;
    }
    if (!list)
        return NULL;
    e = json_pack("{s:s, s:s}", "receiver", t->receiver->name, "event", notice_event_name(t->event));
    json_array_append_new(list, e);
    return e;
}

static void show(struct core *c, const struct telling *t)
{
    json_t *e = shown(t);
    if (e) {
        json_set_text(e, "status", telling_status_name(t->status));
        record_set_time(e, "time", c->now.wall_us);
        json_object_set_new(e, "tries", json_integer(t->tries));
        json_object_set_new(e, "error", t->error ? json_text_new(t->error, strlen(t->error)) : json_null());
    }
    story_changed(c, t->story, e != NULL);
}

static struct telling *telling_new(struct core *c, struct story *s, const char *receiver, enum notice_event event)
{
    struct telling *t = xnew0(struct telling);
    *t = (struct telling){
        .id = ++escalations_get(c)->next_telling, .story = s, .receiver = line_of(c, receiver), .event = event};
    HASH_ADD(hh, c->escalations->tellings, id, sizeof(t->id), t);
    DL_APPEND2(s->tellings, t, story_prev, story_next);
    return t;
}

struct telling *telling_restored(struct core *c, struct story *s, const char *receiver, enum notice_event event,
                                 enum telling_status status)
{
    struct telling *t = telling_new(c, s, receiver, event);
    t->status = status;
    s->n_open += status == TELLING_PENDING;
    t->restored = true;
    t->maybe_told = status == TELLING_PENDING; /* mendd was stopped: nobody knows */
    return t;
}

struct telling *telling_add(struct core *c, struct story *s, const char *receiver, enum notice_event event, int level,
                            json_t *words_new)
{
    struct telling *t = telling_new(c, s, receiver, event);
    t->level = level;
    t->since_us = c->now.boot_us;
    t->words = words_new;
    s->n_open++;
    show(c, t);
    telling_place(c, t);
    return t;
}

/* ---- its end ---- */

static bool has_heard(const struct story *s, const struct receiver_line *r)
{
    for (const struct telling *t = s->tellings; t; t = t->story_next)
        if (t->receiver == r && (t->status == TELLING_SENT || t->maybe_told))
            return true;
    return false;
}

static void ended(struct core *c, struct telling *t, enum telling_status status)
{
    unplace(t);
    t->status = status;
    t->story->n_open--;
    show(c, t);
}

/* The next of the story to the same receiver. Who never heard that something is wrong needs not hear that it is over.
 */
static void release_next(struct core *c, struct telling *t)
{
    struct telling *o, *next;
    bool heard = has_heard(t->story, t->receiver);
    DL_FOREACH_SAFE2(t->story->tellings, o, next, story_next)
    {
        bool end = o->event == NOTICE_ACKNOWLEDGE || o->event == NOTICE_RESOLVE;
        if (o->receiver != t->receiver || o->status != TELLING_PENDING)
            continue;
        if (end && !heard && o->tries == 0 && o->place != PLACE_FLYING && is_first(o)) {
            str_replace(&o->error, "what it ends was never told");
            ended(c, o, TELLING_FAILED);
        } else {
            telling_place(c, o);
        }
    }
}

void telling_drop(struct core *c, struct telling *t, const char *why)
{
    str_replace(&t->error, why);
    ended(c, t, TELLING_FAILED);
}

static void give_up(struct core *c, struct telling *t)
{
    story_note(c, t->story, NOTE_ERROR, "receiver %s cannot be told (%s), given up after %d %s: %s", t->receiver->name,
               notice_event_name(t->event), t->tries, t->tries == 1 ? "try" : "tries", t->error);
    ended(c, t, TELLING_FAILED);
    if (t->event == NOTICE_TRIGGER || t->event == NOTICE_UPDATE)
        escalation_given_up(c, t->story);
    release_next(c, t);
}

static int64_t backoff_us(const struct telling *t, const json_t *answer)
{
    int64_t us = BACKOFF_FIRST_US, wish_us = json_int_or(answer, "retry_after_s", 0);
    for (int i = 1; i < t->tries && us < BACKOFF_MAX_US; i++)
        us *= 2;
    us = us < BACKOFF_MAX_US ? us : BACKOFF_MAX_US;
    wish_us = wish_us > RETRY_AFTER_MAX_US / USEC_PER_SEC ? RETRY_AFTER_MAX_US : wish_us * USEC_PER_SEC;
    return wish_us > us ? wish_us : us;
}

static char *failure_new(const json_t *answer, int64_t status)
{
    const char *text = status ? json_text(answer, "text") : json_text(answer, "message");
    const char *error = json_text_or(answer, "error", "no answer");
    if (status)
        return xasprintf("status %lld%s%.200s", (long long)status, str_empty(text) ? "" : ": ", text ? text : "");
    return xasprintf("%s%s%.200s", error, str_empty(text) ? "" : ": ", text ? text : "");
}

void escalation_answer(struct core *c, uint64_t delivery, const json_t *answer)
{
    struct telling *t = NULL;
    if (c->escalations)
        HASH_FIND(hh, c->escalations->tellings, &delivery, sizeof(delivery), t);
    if (!t || t->place != PLACE_FLYING)
        return;
    int64_t status = json_int_or(answer, "status", 0);
    bool again = status == 0 || status >= 500 || status == 408 || status == 429;
    unplace(t);
    if (status >= 200 && status < 300) {
        free(t->error);
        t->error = NULL;
        ended(c, t, TELLING_SENT);
        release_next(c, t);
        return;
    }
    bool news = !t->error;
    free(t->error);
    t->error = failure_new(answer, status);
    t->maybe_told |= again; /* a 5xx too may have taken it */
    if (!again || c->now.boot_us - t->since_us >= GIVE_UP_US) {
        give_up(c, t);
        return;
    }
    if (news) { /* an operator wants to see that it does not get through; not each try */
        story_note(c, t->story, NOTE_WARN, "receiver %s could not be told (%s), trying again: %s", t->receiver->name,
                   notice_event_name(t->event), t->error);
        show(c, t);
    }
    place_resting(c, t, backoff_us(t, answer));
}

/* ---- leaving ---- */

void tellings_awake(struct core *c)
{
    struct receiver_line *r, *next_line;
    struct telling *t, *next;
    HASH_ITER (hh, c->escalations->receivers, r, next_line) {
        DL_FOREACH_SAFE2(r->resting, t, next, next)
        {
            if (t->next_us <= c->now.boot_us)
                place_ready(t);
            else
                escalations_want(c, t->next_us);
        }
    }
}

void tellings_leave(struct core *c)
{
    struct receiver_line *r, *next_line;
    HASH_ITER (hh, c->escalations->receivers, r, next_line) {
        while (r->in_flight < IN_FLIGHT_MAX && r->ready) {
            struct telling *t = r->ready;
            unplace(t);
            t->place = PLACE_FLYING;
            t->tries++;
            r->in_flight++;
            core_notify(c, t->id, notice_new(t));
        }
    }
}

void story_tell_all(struct core *c, struct story *s, enum notice_event event, json_t *words_new)
{
    struct telling *t, *o, *last = s->tellings ? s->tellings->story_prev : NULL;
    for (t = last ? s->tellings : NULL; t; t = t->story_next) {
        for (o = s->tellings; o != t && (o->receiver != t->receiver || o->status == TELLING_FAILED);)
            o = o->story_next;
        if (o == t && t->status != TELLING_FAILED)
            telling_add(c, s, t->receiver->name, event, t->level, json_incref(words_new));
        if (t == last)
            break;
    }
    json_decref(words_new);
}
