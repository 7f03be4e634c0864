/* Happy path: notify_send() queues, the defer source starts the first that may go (one a dispatch, as an answer may
 * free the notifier), start() reads the secrets, builds the message and hands it to the HTTP or the mail client, whose
 * callback ends in finish().
 *
 * Failure modes: what cannot even be sent is answered "local" from the loop; a server that hangs is met by the client's
 * timeout; a reload keeps the old receivers alive until their last notice has ended; freeing the notifier answers
 * "cancelled" to all that is left. */
#include "engine/notify.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "io/http.h"
#include "io/smtp.h"
#include "notify/message.h"
#include "notify/notice.h"

#include <errno.h>
#include <string.h>

enum { RUNNING_MAX = 8, RUNNING_PER_RECEIVER = 2, HTTP_TIMEOUT_MS = 15000, ANSWER_MAX = 4096, ANSWER_SHOWN = 500 };

/* The receivers of one configuration, each with a client of its own: identities never share connections. */
struct receivers {
    unsigned refs;
    char *external_url;
    int timeout_ms;
    size_t n;
    struct slot {
        struct receiver receiver;
        struct http_client *http; /* made when needed */
    } slots[];
};

struct job {
    struct notifier *notifier;
    struct job *prev, *next;
    json_t *notice;
    const char *name, *key; /* in the notice; never NULL */
    notify_done_cb done;
    void *userdata;
    struct receivers *receivers; /* while it runs */
    struct receiver resolved;    /* with its secrets in place */
    struct http_call *http;
    struct smtp_call *smtp;
};

struct notifier {
    sd_event *event;
    sd_event_source *defer;
    struct receivers *receivers;
    struct smtp_client *smtp;
    struct job *first, *last, *running;
    unsigned n_running;
    bool closing;
};

static struct receivers *receivers_new(const struct notifier_settings *s)
{
    struct receivers *l = xcalloc(1, sizeof(*l) + s->n_receivers * sizeof(l->slots[0]));
    l->refs = 1;
    l->external_url = xstrdup(s->external_url);
    l->timeout_ms = s->timeout_ms;
    l->n = s->n_receivers;
    for (size_t i = 0; i < l->n; i++)
        receiver_copy(&l->slots[i].receiver, &s->receivers[i]);
    return l;
}

static void receivers_unref(struct receivers *l)
{
    if (!l || --l->refs > 0)
        return;
    for (size_t i = 0; i < l->n; i++) {
        http_client_free(l->slots[i].http);
        receiver_clear(&l->slots[i].receiver);
    }
    free(l->external_url);
    free(l);
}

static struct slot *find(struct receivers *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->slots[i].receiver.name, name))
            return &l->slots[i];
    return NULL;
}

static json_t *error_new(const char *error, const char *message)
{
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    return answer;
}

static void job_free(struct job *job)
{
    receiver_clear(&job->resolved);
    json_decref(job->notice);
    free(job);
}

static void finish(struct job *job, json_t *answer_new)
{
    struct notifier *n = job->notifier;
    *(job->prev ? &job->prev->next : &n->running) = job->next;
    if (job->next)
        job->next->prev = job->prev;
    n->n_running--;
    if (!n->closing)
        sd_event_source_set_enabled(n->defer, SD_EVENT_ONESHOT);
    const notify_done_cb done = job->done;
    void *userdata = job->userdata;
    receivers_unref(job->receivers);
    job_free(job);
    done(answer_new, userdata);
}

/* A server that repeats what it was sent would carry the secret into record and log. */
static char *words_of(const struct job *job, const char *body)
{
    const struct receiver *r = &job->resolved;
    const char *const secrets[] = {r->url, r->pagerduty.routing_key, r->webhook.bearer_token};
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        if (!str_empty(secrets[i]) && strstr(body, secrets[i]))
            return xstrdup("(an answer that repeats a secret)");
    return text_line(body, ANSWER_SHOWN);
}

static void on_http(const struct http_result *r, void *userdata)
{
    struct job *job = userdata;
    job->http = NULL;
    if (r->error != HTTP_OK) {
        finish(job, error_new(http_error_name(r->error), r->message));
        return;
    }
    _cleanup_free_ char *words = words_of(job, r->body);
    json_t *answer = json_object();
    json_object_set_new(answer, "status", json_integer(r->status));
    json_set_text(answer, "text", words);
    if (r->retry_after_s >= 0)
        json_object_set_new(answer, "retry_after_s", json_integer(r->retry_after_s));
    finish(job, answer);
}

static void on_mail(json_t *answer_new, void *userdata)
{
    struct job *job = userdata;
    const json_t *refused = json_object_get(answer_new, "refused");
    job->smtp = NULL;
    if (json_array_size(refused))
        log_event(LOG_LEVEL_WARN, "the mail server refused some of a receiver's addresses", "receiver", job->name,
                  "first", json_string_value(json_array_get(refused, 0)), NULL);
    finish(job, answer_new);
}

static int read_secret(char **value, const char *file, struct error *err)
{
    if (str_empty(file))
        return 0;
    char *text = NULL;
    int r = secret_read(file, &text, err);
    if (r < 0)
        return r;
    if (*value)
        explicit_bzero(*value, strlen(*value));
    free(*value);
    *value = text;
    return 0;
}

static int resolve(struct receiver *r, struct error *err)
{
    int code = read_secret(&r->url, r->url_file, err);
    if (code >= 0)
        code = read_secret(&r->pagerduty.routing_key, r->pagerduty.routing_key_file, err);
    if (code >= 0)
        code = read_secret(&r->webhook.bearer_token, r->webhook.bearer_token_file, err);
    if (code >= 0)
        code = read_secret(&r->email.password, r->email.password_file, err);
    return code < 0 ? error_prefix(err, "the receiver %s", r->name) : 0;
}

static int send_http(struct job *job, struct slot *slot, const struct message *m, struct error *err)
{
    const struct http_identity identity = {.ca_file = slot->receiver.ca_file, .insecure = slot->receiver.insecure};
    if (!slot->http && http_client_new(job->notifier->event, &identity, &slot->http, err) < 0)
        return err->code;
    const struct http_request req = {.method = "POST",
                                     .url = m->url,
                                     .headers = (const char *const *)m->headers,
                                     .body = m->body,
                                     .body_len = m->body_len,
                                     .timeout_ms =
                                         job->receivers->timeout_ms ? job->receivers->timeout_ms : HTTP_TIMEOUT_MS,
                                     .max_answer = ANSWER_MAX,
                                     .truncate = true,
                                     .fresh_connect = true}; /* rare: a kept connection would be dead by the next one */
    return http_start(slot->http, &req, on_http, job, &job->http, err);
}

static int send_mail(struct job *job, const struct message *m, struct error *err)
{
    struct notifier *n = job->notifier;
    const struct receiver *r = &job->resolved;
    _cleanup_free_ char *host = NULL;
    int port = 0;
    int code = smarthost_parse(r->email.smarthost, &host, &port, err);
    if (code < 0)
        return error_prefix(err, "the receiver %s, smarthost", r->name);
    if (!n->smtp && smtp_client_new(n->event, &n->smtp, err) < 0)
        return err->code;
    const struct smtp_request req = {.host = host,
                                     .port = port,
                                     .hello = r->email.hello,
                                     .username = r->email.username,
                                     .password = r->email.password,
                                     .from = m->from,
                                     .to = m->to,
                                     .message = m->body,
                                     .message_len = m->body_len,
                                     .require_tls = receiver_requires_tls(r),
                                     .insecure = r->insecure,
                                     .ca_file = r->ca_file,
                                     .timeout_ms = job->receivers->timeout_ms};
    return smtp_start(n->smtp, &req, on_mail, job, &job->smtp, err);
}

/* What only the shell knows: the link, and the time if the notice has none. */
static void complete(struct job *job)
{
    const char *base = job->receivers->external_url, *path = json_text(job->notice, "path");
    const char *time = json_text(job->notice, "time");
    int64_t at;
    if (!str_empty(base) && str_starts(path, "/") && !json_text(job->notice, "url")) {
        const size_t len = strlen(base) - str_ends(base, "/");
        _cleanup_free_ char *url = xasprintf("%.*s%s", (int)len, base, path);
        json_set_text(job->notice, "url", url);
    }
    if (!time || time_parse(time, &at) < 0) {
        char now[TIME_TEXT_MAX];
        json_set_text(job->notice, "time", time_format_seconds(now_read().wall_us, now));
    }
}

/* 0: under way, 1: answered already. */
static int start(struct job *job, struct error *err)
{
    struct slot *slot = find(job->receivers, job->name);
    if (!slot)
        return error_set(err, -ENOENT, "the configuration names no receiver %s", job->name);
    receiver_copy(&job->resolved, &slot->receiver);
    int r = resolve(&job->resolved, err);
    if (r < 0)
        return r;
    complete(job);
    _cleanup_message_ struct message m = {0};
    r = message_build(&job->resolved, job->notice, &m, err);
    if (r < 0)
        return r;
    if (m.nothing) {
        json_t *answer = json_object();
        json_object_set_new(answer, "status", json_integer(204));
        json_set_text(answer, "text", m.nothing);
        finish(job, answer);
        return 1;
    }
    return slot->receiver.kind == RECEIVER_EMAIL ? send_mail(job, &m, err) : send_http(job, slot, &m, err);
}

/* One to each receiver may always leave: however many hang, the pager is told at once. */
static bool may_start(const struct notifier *n, const struct job *job)
{
    unsigned same = 0;
    for (const struct job *other = n->running; other; other = other->next) {
        if (!str_eq(other->name, job->name))
            continue;
        if (++same >= RUNNING_PER_RECEIVER || (*job->key && str_eq(other->key, job->key)))
            return false;
    }
    return same == 0 || n->n_running < RUNNING_MAX;
}

/* The first that may go, out of the queue and among the running; NULL if none may. */
static struct job *take_next(struct notifier *n)
{
    struct job *before = NULL, *job = n->first;
    for (; job && !may_start(n, job); job = job->next)
        before = job;
    if (!job)
        return NULL;
    *(before ? &before->next : &n->first) = job->next;
    if (n->last == job)
        n->last = before;
    job->prev = NULL;
    job->next = n->running;
    if (n->running)
        n->running->prev = job;
    n->running = job;
    n->n_running++;
    return job;
}

static int on_defer(sd_event_source *source _unused_, void *userdata)
{
    struct notifier *n = userdata;
    struct job *job = take_next(n);
    if (!job)
        return 0;
    sd_event_source_set_enabled(n->defer, SD_EVENT_ONESHOT);
    job->receivers = n->receivers;
    job->receivers->refs++;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (start(job, &err) < 0)
        finish(job, error_new("local", error_message(&err)));
    return 0;
}

void notify_send(struct notifier *n, const json_t *notice, notify_done_cb done, void *userdata)
{
    struct job *job = xnew0(struct job);
    job->notifier = n;
    job->notice = json_deep_copy(notice);
    job->name = json_text_or(job->notice, "receiver", "");
    job->key = json_text_or(job->notice, "key", "");
    job->done = done;
    job->userdata = userdata;
    if (n->last)
        n->last->next = job;
    else
        n->first = job;
    n->last = job;
    if (!n->closing)
        sd_event_source_set_enabled(n->defer, SD_EVENT_ONESHOT);
}

int notifier_new(sd_event *event, const struct notifier_settings *settings, struct notifier **ret, struct error *err)
{
    _cleanup_(notifier_freep) struct notifier *n = xnew0(struct notifier);
    n->event = sd_event_ref(event);
    n->receivers = receivers_new(settings);
    int r = sd_event_add_defer(event, &n->defer, on_defer, n);
    if (r >= 0)
        r = sd_event_source_set_enabled(n->defer, SD_EVENT_OFF);
    if (r < 0)
        return error_set(err, r, "cannot add the notifier to the event loop");
    *ret = TAKE_PTR(n);
    return 0;
}

void notifier_set(struct notifier *n, const struct notifier_settings *settings)
{
    struct receivers *previous = n->receivers;
    n->receivers = receivers_new(settings);
    receivers_unref(previous);
}

struct notifier *notifier_free(struct notifier *n)
{
    static const char words[] = "the notice was cancelled";
    if (!n)
        return NULL;
    n->closing = true;
    while (n->running) {
        if (n->running->http)
            http_cancel(n->running->http);
        else if (n->running->smtp)
            smtp_cancel(n->running->smtp);
        else
            finish(n->running, error_new("cancelled", words));
    }
    for (struct job *job; (job = n->first);) {
        n->first = job->next;
        if (!n->first)
            n->last = NULL;
        const notify_done_cb done = job->done;
        void *userdata = job->userdata;
        job_free(job);
        done(error_new("cancelled", words), userdata);
    }
    smtp_client_free(n->smtp);
    receivers_unref(n->receivers);
    sd_event_source_disable_unref(n->defer);
    sd_event_unref(n->event);
    free(n);
    return NULL;
}
