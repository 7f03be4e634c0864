/* Where everything leaves: questions, effects and posts, each after the commit that knows of it. An answer always comes
 * back into the core, exactly once, unless that core has been thrown away meanwhile (then the new one looks for
 * itself). */
#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/assemble.h"
#include "engine/internal.h"
#include "engine/keep.h"
#include "kube/exec.h"

#include <errno.h>

static const char DRY_RUN[] = "--dry-run: nothing is sent";

struct sent {
    struct engine *engine;
    uint64_t generation, op;
    bool effect, notice;
    json_t *answer; /* an answer that is known at once waits for the next turn of the loop */
    sd_event_source *deferred;
    struct sent *next, **link; /* of those whose answer is deferred */
};

static void count_effect(struct engine *e, const json_t *answer)
{
    const int64_t status = json_int_or(answer, "status", 0);
    const bool ran = status == 101; /* a command: how it ended is the core's to judge */
    e->stats.effects_sent++;
    if (!ran && (status < 200 || status >= 300))
        e->stats.effects_failed++;
}

static void count_notice(struct engine *e, const json_t *answer)
{
    const int64_t status = json_int_or(answer, "status", 0);
    e->stats.notices_sent++;
    if (status < 200 || status >= 300)
        e->stats.notices_failed++;
}

static void on_answer(json_t *answer_new, void *userdata)
{
    struct sent *s = userdata;
    struct engine *e = s->engine;
    e->ops_in_flight--;
    if (s->generation != e->core_generation || e->broken || e->stopping) {
        json_decref(answer_new);
        free(s);
        return;
    }
    if (s->effect)
        count_effect(e, answer_new);
    if (s->notice)
        count_notice(e, answer_new);
    const struct event event = {.type = EVENT_ANSWER, .answer = {.op = s->op, .answer_new = answer_new}};
    free(s);
    turn_handle(e, &event);
}

static void tell_deferred(struct sent *s)
{
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    sd_event_source_disable_unref(s->deferred);
    on_answer(TAKE_PTR(s->answer), s);
}

static int on_deferred(sd_event_source *source _unused_, void *userdata)
{
    tell_deferred(userdata);
    return 0;
}

/* Answers from within would re-enter the core: they come with the next turn of the loop. */
static void answer_later(struct sent *s, json_t *answer_new)
{
    struct engine *e = s->engine;
    s->answer = answer_new;
    s->next = e->local_answers;
    s->link = &e->local_answers;
    if (s->next)
        s->next->link = &s->next;
    e->local_answers = s;
    int r = sd_event_add_defer(e->event, &s->deferred, on_deferred, s);
    if (r < 0)
        sd_event_exit(e->event, r); /* no memory for a source: the journal makes a restart safe */
}

static void answer_local(struct sent *s, const char *why)
{
    json_t *answer = json_object();
    json_set_text(answer, "error", "local");
    json_set_text(answer, "message", why);
    answer_later(s, answer);
}

void send_stop(struct engine *e)
{
    while (e->local_answers)
        tell_deferred(e->local_answers);
}

static void send_kube(struct sent *s, const char *cluster, const struct kube_request *req)
{
    const char *why = NULL;
    struct kube_client *client = clusters_find(s->engine->clusters, cluster, &why);
    if (!client)
        answer_local(s, why);
    else if (req->class == KUBE_READ && shared_read_applies(req->path))
        shared_read(s->engine->shared_reads, client, req, on_answer, s);
    else
        kube_request_start(client, req, on_answer, s);
}

static int bounded_ms(int64_t own_ms, int most_ms)
{
    return own_ms > 0 && (most_ms <= 0 || own_ms < most_ms) ? (int)own_ms : most_ms;
}

static void send_exec(struct sent *s, const char *cluster, const struct kube_exec_request *req)
{
    const char *why = NULL;
    struct kube_client *client = clusters_find(s->engine->clusters, cluster, &why);
    if (client)
        kube_exec_start(client, req, on_answer, s);
    else
        answer_local(s, why);
}

/* A question, or an effect's body, which leaves namespace and pod to the effect's object. */
static struct kube_exec_request exec_request(const json_t *what, enum kube_class class, int timeout_ms)
{
    return (struct kube_exec_request){.class = class,
                                      .namespace = json_text(what, "namespace"),
                                      .pod = json_text(what, "pod"),
                                      .container = json_text(what, "container"),
                                      .command = json_object_get(what, "command"),
                                      .input = json_text(what, "stdin"),
                                      .timeout_ms = bounded_ms(json_int_or(what, "timeout_ms", 0), timeout_ms),
                                      .max = (int)json_int_or(what, "max", 0)};
}

static void send_question(struct sent *s, const struct out *o)
{
    const json_t *q = o->what;
    const char *ask = json_text_or(q, "ask", "");
    if (o->check)
        s->engine->stats.checks++;
    if (str_eq(ask, "kube")) {
        const struct kube_request req = {.class = o->check ? KUBE_CHECK : KUBE_READ,
                                         .method = "GET",
                                         .path = json_text_or(q, "path", ""),
                                         .text = json_bool_or(q, "text", false),
                                         .max_text = (int)json_int_or(q, "max", 0),
                                         .timeout_ms = bounded_ms(json_int_or(q, "timeout_ms", 0), o->timeout_ms)};
        send_kube(s, json_text(q, "cluster"), &req);
    } else if (str_eq(ask, "exec")) {
        const struct kube_exec_request req = exec_request(q, o->check ? KUBE_CHECK : KUBE_READ, o->timeout_ms);
        send_exec(s, json_text(q, "cluster"), &req);
    } else if (str_eq(ask, "alertmanager")) {
        endpoint_ask(clusters_alertmanager(s->engine->clusters), (int)json_int_or(q, "peer", 0),
                     json_text_or(q, "path", ""), NULL, o->timeout_ms, on_answer, s);
    } else if (str_eq(ask, "prometheus")) {
        endpoint_ask(clusters_prometheus(s->engine->clusters), 0, json_text_or(q, "path", ""), NULL, o->timeout_ms,
                     on_answer, s);
    } else if (str_eq(ask, "secret")) {
        answer_later(s, assemble_hash_new(q));
    } else if (str_eq(ask, "set")) {
        answer_later(s, engine_set_answer_new(s->engine, q));
    } else if (str_eq(ask, "backup")) {
        answer_later(s, keep_read_new(&s->engine->settings.backup, q));
    } else {
        probe_start(s->engine->prober, q, on_answer, s);
    }
}

static void send_assembled(struct sent *s, const struct out *o)
{
    const char *why = NULL;
    struct kube_client *client = clusters_find(s->engine->clusters, json_text(o->what, "cluster"), &why);
    if (client)
        assemble_start(client, o->what, o->timeout_ms, on_answer, s);
    else
        answer_local(s, why);
}

static void send_foreign(struct sent *s, const json_t *request, int timeout_ms)
{
    _cleanup_json_ json_t *q = json_copy((json_t *)request);
    const int ms = bounded_ms(json_int_or(q, "timeout_ms", 0), timeout_ms);
    json_object_set_new(q, "timeout_ms", json_integer(ms));
    if (str_eq(json_text(q, "ask"), "alertmanager"))
        endpoint_ask(clusters_alertmanager(s->engine->clusters), (int)json_int_or(q, "peer", 0),
                     json_text_or(q, "path", ""), json_object_get(q, "body"), ms, on_answer, s);
    else
        probe_start(s->engine->prober, q, on_answer, s);
}

/* A run from before a restart may have such a step although the feature is off by now. */
static void send_command(struct sent *s, const json_t *body, int timeout_ms)
{
    struct engine *e = s->engine;
    if (!config_has_feature(e->config, "command")) {
        answer_local(s, "command.run is off: mendd was started without --enable-feature=command");
        return;
    }
    const int ms = bounded_ms(json_int_or(body, "timeout_ms", 0), timeout_ms);
    json_t *answer = host_command_start(e->host_commands, body, ms, on_answer, s);
    if (answer)
        answer_later(s, answer);
}

static void send_effect(struct sent *s, const struct out *o)
{
    const json_t *fx = o->what;
    s->effect = true;
    if (s->engine->settings.dry_run) { /* the core does not get here; a last lock on the door all the same */
        answer_local(s, DRY_RUN);
        return;
    }
    json_t *body = json_object_get(fx, "body"), *request = json_object_get(fx, "request");
    if (request) { /* another system than Kubernetes: core/foreign.h */
        send_foreign(s, request, o->timeout_ms);
        return;
    }
    if (str_eq(json_text(fx, "method"), "EXEC")) {
        struct kube_exec_request exec = exec_request(body, KUBE_WRITE, o->timeout_ms);
        exec.namespace = json_path_text(fx, "object", "namespace", NULL);
        exec.pod = json_path_text(fx, "object", "name", NULL);
        send_exec(s, json_text(fx, "cluster"), &exec);
        return;
    }
    if (str_eq(json_text(fx, "method"), "COMMAND")) {
        send_command(s, body, o->timeout_ms);
        return;
    }
    if (str_eq(json_text(fx, "method"), "FILE")) {
        answer_later(s, keep_file_new(&s->engine->settings.backup, fx, now_read().wall_us));
        return;
    }
    if (json_object_get(fx, "assemble")) {
        send_assembled(s, o);
        return;
    }
    const struct kube_request req = {.class = KUBE_WRITE,
                                     .method = json_text_or(fx, "method", ""),
                                     .path = json_text_or(fx, "path", ""),
                                     .content_type = json_text(fx, "content_type"),
                                     .body = json_is_null(body) ? NULL : body,
                                     .once = str_eq(json_text(fx, "recognise"), "never"),
                                     .timeout_ms = o->timeout_ms};
    send_kube(s, json_text(fx, "cluster"), &req);
}

void send_out(struct engine *e, struct out *o)
{
    struct sent *s = xnew0(struct sent);
    s->engine = e;
    s->generation = e->core_generation;
    s->op = o->op;
    e->ops_in_flight++;
    if (o->type == OUT_SEND) {
        send_effect(s, o);
    } else if (o->type == OUT_NOTIFY) { /* --dry-run too: what it says is true */
        s->notice = true;
        notify_send(e->notifier, o->what, on_answer, s);
    } else if (o->type == OUT_POST && e->settings.dry_run) {
        answer_local(s, DRY_RUN);
    } else if (o->type == OUT_POST) {
        endpoint_ask(clusters_alertmanager(e->clusters), (int)json_int_or(o->what, "peer", 0), "/api/v2/alerts",
                     json_object_get(o->what, "alerts"), o->timeout_ms, on_answer, s);
    } else {
        send_question(s, o);
    }
}
