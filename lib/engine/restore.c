/* The core from the journal: at start, and again after a commit that failed.
 *
 * Open rows become runs (or episodes without a run), finished ones that limits still remember become history, inbox
 * rows that have no decision yet are decided. Time that mendd was down counts for nothing that waits: `alive` in the
 * journal says until when it ran. */
#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "core/record.h"
#include "engine/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A disk that stays full: each rebuild asks the clusters again, so the pause between two doubles. */
enum { RETRY_US = 1000000, RECOVER_MIN_US = 100000, RECOVER_MAX_US = 10000000 };

static int64_t time_or_zero(const json_t *record, const char *key)
{
    int64_t us = 0;
    const char *s = json_text(record, key);
    return s && time_parse(s, &us) == 0 ? us : 0;
}

void save_to_batch(struct store_batch *b, const struct save *save)
{
    const json_t *record = json_object_get(save->doc, "record");
    const json_t *target = json_object_get(record, "target");
    const char *namespace = json_text(target, "namespace");
    _cleanup_free_ char *described =
        json_is_object(target) ? xasprintf("%s %s%s%s", json_text_or(target, "kind", "?"), namespace ? namespace : "",
                                           namespace ? "/" : "", json_text_or(target, "name", "*"))
                               : NULL;
    const int64_t finished_us = time_or_zero(record, "finished");
    const bool counts = json_path_text(record, "times", "acted", NULL) || reason_only_says(json_text(record, "reason"));
    const struct store_run run = {
        .id = json_text(record, "id"),
        .created_us = time_or_zero(record, "created"),
        .finished_us = finished_us,
        .state = json_text(record, "state"),
        .outcome = json_text(record, "outcome"),
        .reason = json_text(record, "reason"),
        .playbook = json_text(record, "playbook"),
        .playbook_hash = json_text(record, "playbook_hash"),
        .target = described,
        .namespace = namespace,
        .cluster = json_text(record, "cluster"),
        .alertname = json_path_text(record, "alert", "labels", "alertname", NULL),
        .fingerprint = json_path_text(record, "alert", "fingerprint", NULL),
        .open = save->open,
        .remember_us = counts ? finished_us : 0,
        .doc = json_compact(save->doc),
    };
    store_batch_run(b, &run);
}

struct restoring {
    struct engine *engine;
    bool history;
    size_t runs, episodes;
    struct playbook **kept; /* one a hash, shared by its runs */
    size_t n_kept;
    struct error err;
    int failed; /* of a row: the reading stops there, but says nothing of it */
};

static struct playbook *find_kept(struct restoring *r, const char *hash)
{
    for (size_t i = 0; i < r->n_kept; i++)
        if (str_eq(r->kept[i]->hash, hash))
            return r->kept[i];
    return NULL;
}

/* The playbook that a run began with, whatever the files say today. */
static int kept_playbook(struct restoring *r, const char *hash, struct playbook **ret)
{
    struct engine *e = r->engine;
    *ret = find_kept(r, hash);
    if (*ret)
        return 0;
    _cleanup_free_ char *doc = NULL;
    int k = store_get_playbook(e->store, hash, &doc, &r->err);
    if (k < 0)
        return k;
    _cleanup_json_ json_t *source = json_parse(doc, strlen(doc), 1 << 22, false, &r->err);
    struct playbook *p = NULL;
    k = source ? playbook_from_json(source, e->config, e->options.registry, &p, &r->err) : -EBADMSG;
    if (k < 0)
        return k;
    str_replace(&p->hash, hash);
    r->kept = xreallocarray(r->kept, r->n_kept + 1, sizeof(*r->kept));
    r->kept[r->n_kept++] = p;
    *ret = p;
    return 0;
}

static int restore_row(const char *id, const char *text, size_t len, void *userdata)
{
    struct restoring *r = userdata;
    struct engine *e = r->engine;
    _cleanup_json_ json_t *doc = json_parse(text, len, 1 << 26, false, &r->err);
    int k = doc ? 0 : -EBADMSG;
    const json_t *record = json_object_get(doc, "record");
    if (k == 0 && (r->history || str_eq(json_text(record, "state"), "done"))) {
        k = core_restore_history(e->core, doc, &r->err);
        r->episodes++;
    } else if (k == 0) {
        const char *hash = json_text(record, "playbook_hash");
        struct playbook *p = NULL;
        if (hash)
            k = kept_playbook(r, hash, &p);
        if (k == 0)
            k = core_restore_run(e->core, doc, p, &r->err);
        r->runs++;
    }
    if (k < 0)
        error_prefix(&r->err, "record %s of the journal", id);
    r->failed = k < 0 ? k : 0;
    return k;
}

static int64_t last_alive(struct engine *e)
{
    _cleanup_free_ char *text = NULL;
    if (store_get_meta(e->store, "alive", &text, NULL) < 0)
        return 0;
    return strtoll(text, NULL, 10);
}

static int restore_kept(const char *key, const char *text, size_t len, void *userdata)
{
    struct restoring *r = userdata;
    _cleanup_json_ json_t *doc = json_parse(text, len, 1 << 26, false, &r->err);
    int k = doc ? core_restore_kept(r->engine->core, key, doc, &r->err) : -EBADMSG;
    if (k < 0)
        error_prefix(&r->err, "\"%s\" in the journal", key);
    r->failed = k < 0 ? k : 0;
    return k;
}

static int restore_rows(struct engine *e, struct restoring *r)
{
    const int64_t since = now_read().wall_us - core_history_window_ms(e->core) * USEC_PER_MSEC;
    int k = store_each_kept(e->store, restore_kept, r, &r->err);
    if (k < 0 || r->failed < 0)
        return k < 0 ? k : r->failed;
    k = store_each_open(e->store, restore_row, r, &r->err);
    if (k < 0 || r->failed < 0)
        return k < 0 ? k : r->failed;
    r->history = true;
    k = store_each_remembered(e->store, since, restore_row, r, &r->err);
    return k < 0 ? k : r->failed;
}

int restore_core(struct engine *e, struct error *err)
{
    turn_drop(e);
    core_free(e->core);
    e->restored = false;
    e->core_generation++;
    struct now now = now_read();
    e->core = core_new(e->options.registry, &e->settings, (uint64_t)now.wall_us ^ (uint64_t)now.boot_us << 20);
    queue_clear(e);
    e->last_queued_seq = 0;
    e->spilled = true; /* whatever the inbox holds is decided first */
    json_object_clear(e->kept_playbooks);

    struct restoring r = {.engine = e};
    int k = restore_rows(e, &r);
    for (size_t i = 0; i < r.n_kept; i++)
        playbook_unref(r.kept[i]);
    free(r.kept);
    if (k < 0) {
        error_move(err, &r.err);
        return k;
    }
    error_clear(&r.err);
    e->restored = true;
    turn_handle(e, &(struct event){.type = EVENT_RESUME, .last_alive_wall_us = last_alive(e)});
    if (r.runs) {
        char n[32];
        snprintf(n, sizeof(n), "%zu", r.runs);
        log_event(LOG_LEVEL_INFO, "unfinished runs go on", "runs", n, NULL);
    }
    queue_kick(e);
    return 0;
}

/* Nothing of the core that is gone may leave any more: what still waits in the clients' queues is taken back, what is
 * under way is cut, and the new core looks for itself what came of it. */
static void replace_clients(struct engine *e)
{
    struct clusters *old = e->clusters;
    e->clusters = clusters_new(e->event, e->config, NULL);
    rights_review(e); /* of the new clients: a review under way hears nothing from the old ones */
    clusters_free(old);
}

static int on_recover(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
    struct engine *e = userdata;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = store_reopen(e->store, &err);
    if (r >= 0) {
        replace_clients(e); /* while still broken: the answers are for nobody */
        e->broken = false;
        r = restore_core(e, &err);
    }
    if (r < 0) {
        e->broken = true;
        log_event(LOG_LEVEL_ERROR, "the journal is still not usable; webhooks are answered 503", "error",
                  error_message(&err), NULL);
        sd_event_source_set_time_relative(source, RETRY_US);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    }
    log_event(LOG_LEVEL_WARN, "the journal is usable again", NULL);
    return 0;
}

void restore_schedule(struct engine *e)
{
    if (e->broken || e->stopping)
        return;
    e->broken = true;
    turn_drop(e);
    command_fail_all(e, "the journal could not be written; nothing was changed, try again in a moment");
    if (!e->recover_source &&
        sd_event_add_time_relative(e->event, &e->recover_source, CLOCK_BOOTTIME, 0, 1, on_recover, e) < 0)
        sd_event_exit(e->event, -EIO);
    e->recover_us = e->recover_us == 0 ? RECOVER_MIN_US : e->recover_us * 2;
    if (e->recover_us > RECOVER_MAX_US)
        e->recover_us = RECOVER_MAX_US;
    sd_event_source_set_time_relative(e->recover_source, e->recover_us);
    sd_event_source_set_enabled(e->recover_source, SD_EVENT_ONESHOT);
}
