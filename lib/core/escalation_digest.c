/* The digest: what was repaired pages nobody, but may be told together once in a while (`digest` of the configuration).
 * Kept as "escalations"; bounded: what is over DIGEST_MAX is only counted. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/escalation.h"

#include <errno.h>

void digest_free(struct digest *d)
{
    json_decref(d->items);
    *d = (struct digest){0};
}

static bool is_wanted(const struct core *c)
{
    const struct escalation_settings *s = &c->settings->escalation;
    return s->digest && s->digest[0] && s->digest_interval_ms > 0;
}

void escalation_repaired(struct core *c, const struct run *run)
{
    if (!is_wanted(c))
        return;
    struct digest *d = &escalations_get(c)->digest;
    if (!d->items) {
        *d = (struct digest){.items = json_array(),
                             .since_wall_us = c->now.wall_us,
                             .due_us = c->now.boot_us + c->settings->escalation.digest_interval_ms * USEC_PER_MSEC};
        escalations_want(c, d->due_us);
    }
    core_keep(c, KEPT_ESCALATIONS);
    if (json_array_size(d->items) >= DIGEST_MAX) {
        d->more++;
        return;
    }
    _cleanup_free_ char *target = run->has_target ? target_describe(&run->target) : NULL;
    const char *alertname = record_alertname(run);
    _cleanup_free_ char *title =
        xasprintf("%.200s%s%.300s", alertname ? alertname : "an alert", target ? " on " : "", target ? target : "");
    _cleanup_free_ char *text = xasprintf("playbook %s, run %s: %.300s", run->playbook ? run->playbook->name : "none",
                                          run->id, json_text_or(run->record, "message", "repaired"));
    json_t *item = json_object();
    json_set_text(item, "title", title);
    json_set_text(item, "text", text);
    record_set_time(item, "time", c->now.wall_us);
    json_array_append_new(d->items, item);
}

static json_t *notice_of(const struct core *c, const struct digest *d)
{
    char since[TIME_TEXT_MAX];
    json_t *n = notice_words_new(c, NULL);
    int64_t count = (int64_t)json_array_size(d->items) + d->more;
    _cleanup_free_ char *key = xasprintf("mendd/digest/%s", time_format_seconds(c->now.wall_us, since));
    _cleanup_free_ char *summary = xasprintf("mendd repaired %lld alert%s since %s", (long long)count,
                                             count == 1 ? "" : "s", time_format_seconds(d->since_wall_us, since));
    _cleanup_free_ char *more =
        d->more ? xasprintf("; the last %lld of them are only counted", (long long)d->more) : xstrdup("");
    _cleanup_free_ char *message = xasprintf("%s%s. Nobody has to do anything.", summary, more);
    json_set_text(n, "event", "digest");
    json_set_text(n, "key", key);
    json_set_text(n, "severity", "info");
    json_set_text(n, "summary", summary);
    json_set_text(n, "message", message);
    json_object_set(n, "items", d->items);
    return n;
}

void digest_tick(struct core *c)
{
    struct digest *d = &c->escalations->digest;
    if (!d->items)
        return;
    if (c->now.boot_us < d->due_us) {
        escalations_want(c, d->due_us);
        return;
    }
    if (is_wanted(c))
        escalation_notice(c, c->settings->escalation.digest, notice_of(c, d));
    digest_free(d);
    core_keep(c, KEPT_ESCALATIONS);
}

/* ---- kept ---- */

json_t *digest_doc_new(const struct core *c)
{
    const struct digest *d = c->escalations ? &c->escalations->digest : NULL;
    if (!d || !d->items)
        return json_object();
    json_t *o = json_pack("{s:o, s:I}", "items", json_deep_copy(d->items), "more", (json_int_t)d->more);
    record_set_time(o, "since", d->since_wall_us);
    record_set_time(o, "due", to_wall(c, d->due_us));
    return json_pack("{s:o}", "digest", o);
}

int digest_restore(struct core *c, const json_t *doc, struct error *err)
{
    const json_t *o = json_object_get(doc, "digest"), *items = json_object_get(o, "items");
    struct digest d = {.more = json_int_or(o, "more", 0), .restored = true};
    if (!o)
        return 0;
    if (!json_is_array(items) || time_parse(json_text_or(o, "since", ""), &d.since_wall_us) < 0 ||
        time_parse(json_text_or(o, "due", ""), &d.due_us) < 0)
        return error_set(err, -EBADMSG, "the journal's digest of what was repaired cannot be understood");
    d.items = json_deep_copy(items);
    escalations_get(c)->digest = d;
    return 0;
}

void digest_resume(struct core *c)
{
    struct digest *d = &c->escalations->digest;
    if (d->restored)
        d->due_us = c->now.boot_us + (d->due_us - c->now.wall_us);
    d->restored = false;
}
