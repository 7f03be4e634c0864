/* What operators may do: approve, reject, cancel, acknowledge, pause, resume, reset (docs/http-api.md).
 *
 * Happy path: the small body is understood whole, becomes a command of the core (core/core.h), and the answer waits for
 * the commit of what it changed. Failure modes: an unknown key, a wrong type, a value that cannot be meant: 400 and
 * nothing is done; the core says no: its words with 404 or 409; the journal cannot be written: 503, and asking again is
 * safe, since each command tells what stands. Every call leaves one line in the log, refused ones too. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/form.h"
#include "base/text.h"
#include "base/ulid.h"

#include <errno.h>
#include <string.h>

enum { BY_MAX = 100, TEXT_MAX = 1000 };
#define FOR_MAX_MS (INT64_C(366) * 86400 * MSEC_PER_SEC)

enum kind { KIND_TEXT, KIND_BOOL, KIND_DURATION, KIND_SCOPE };

struct field {
    const char *name;
    enum kind kind;
    bool required;
};

struct command {
    const char *path, *word; /* the core's */
    struct field fields[5];  /* ended by a NULL name */
};

static const struct command commands[] = {
    {"/actions/{id}/approve", "approve", {{"hash", KIND_TEXT, false}, {"by", KIND_TEXT, false}}},
    {"/actions/{id}/reject", "reject", {{"reason", KIND_TEXT, false}, {"by", KIND_TEXT, false}}},
    {"/actions/{id}/cancel", "cancel", {{"rollback", KIND_BOOL, false}, {"by", KIND_TEXT, false}}},
    {"/actions/{id}/acknowledge", "acknowledge", {{"by", KIND_TEXT, false}}},
    {"/-/pause",
     "pause",
     {{"for", KIND_DURATION, false},
      {"reason", KIND_TEXT, false},
      {"scope", KIND_SCOPE, false},
      {"by", KIND_TEXT, false}}},
    {"/-/resume", "resume", {{"scope", KIND_SCOPE, false}, {"by", KIND_TEXT, false}}},
    {"/-/reset", "reset", {{"what", KIND_TEXT, true}, {"name", KIND_TEXT, false}, {"by", KIND_TEXT, false}}},
};

/* ---- understanding ---- */

static int want_text(const json_t *value, const char *name, size_t max, struct error *err)
{
    const char *s = json_string_value(value);
    if (!s)
        return error_set(err, -EINVAL, "\"%s\" must be a text", name);
    if (strlen(s) > max)
        return error_set(err, -EINVAL, "\"%s\" has more than %zu bytes", name, max);
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return error_set(err, -EINVAL, "\"%s\" holds a control character", name);
    return 0;
}

static int unknown_key(const char *key, const char *where, const char *const *known, struct error *err)
{
    const char *near = did_you_mean(key, known);
    return error_set(err, -EINVAL, "there is no key '%.60s'%s%s%s%s", key, where, near ? " (did you mean '" : "",
                     near ? near : "", near ? "'?)" : "");
}

static int read_bool(const json_t *value, const char *name, json_t *what, struct error *err)
{
    const char *s = json_string_value(value); /* of a form */
    if (!json_is_boolean(value) && !str_eq(s, "true") && !str_eq(s, "false"))
        return error_set(err, -EINVAL, "\"%s\" must be true or false", name);
    json_object_set_new(what, name, json_boolean(json_is_true(value) || str_eq(s, "true")));
    return 0;
}

static int read_for(const json_t *value, json_t *what, struct error *err)
{
    const char *s = json_string_value(value);
    int64_t ms = 0;
    if (!s || duration_parse(s, &ms, NULL) < 0 || ms < MSEC_PER_SEC || ms > FOR_MAX_MS)
        return error_set(err, -EINVAL, "\"for\" must be a duration such as 30m or 2h, from a second to a year");
    json_object_set_new(what, "for_ms", json_integer(ms));
    return 0;
}

static int read_scope(json_t *value, json_t *what, struct error *err)
{
    static const char *const known[] = {"cluster", "namespace", "playbook", NULL};
    const char *key;
    json_t *text;
    if (!json_is_object(value))
        return error_set(err, -EINVAL, "\"scope\" must be an object of cluster, namespace, playbook");
    json_object_foreach (value, key, text) {
        int r =
            str_in(key, known) ? want_text(text, key, TEXT_MAX, err) : unknown_key(key, " in \"scope\"", known, err);
        if (r < 0)
            return r;
        if (!*json_string_value(text)) /* an empty variable of a script must not become "everything" */
            return error_set(err, -EINVAL, "\"%s\" in \"scope\" is empty; leave it out to mean all", key);
    }
    json_object_set(what, "scope", value);
    return 0;
}

static int read_field(const struct field *f, json_t *value, json_t *what, struct error *err)
{
    int r;
    switch (f->kind) {
    case KIND_BOOL:
        return read_bool(value, f->name, what, err);
    case KIND_DURATION:
        return read_for(value, what, err);
    case KIND_SCOPE:
        return read_scope(value, what, err);
    case KIND_TEXT:
        break;
    }
    r = want_text(value, f->name, str_eq(f->name, "by") ? BY_MAX : TEXT_MAX, err);
    if (r == 0)
        json_object_set(what, f->name, value);
    return r;
}

static int read_fields(const struct command *c, json_t *given, json_t *what, struct error *err)
{
    const char *known[ARRAY_SIZE(c->fields) + 1] = {0}, *key;
    size_t n = 0;
    json_t *value;
    for (; c->fields[n].name; n++)
        known[n] = c->fields[n].name;
    json_object_foreach (given, key, value) {
        size_t i = 0;
        while (i < n && !str_eq(known[i], key))
            i++;
        int r = i == n                ? unknown_key(key, "", known, err)
                : json_is_null(value) ? 0
                                      : read_field(&c->fields[i], value, what, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < n; i++)
        if (c->fields[i].required && !json_object_get(what, known[i]))
            return error_set(err, -EINVAL, "\"%s\" is missing", known[i]);
    return 0;
}

/* The body as an object. `ret_status` is what to answer if it is none. */
static json_t *read_body(struct request *req, const char *body, size_t len, unsigned *ret_status, struct error *err)
{
    static const char json[] = "application/json";
    const char *type = request_header(req, "Content-Type");
    *ret_status = 400;
    if (type && !web_is_form(req) && strncasecmp(type, json, sizeof(json) - 1) != 0) {
        *ret_status = 415;
        error_set(err, -EINVAL, "the body must be application/json or a form, not %.100s", type);
        return NULL;
    }
    if (len == 0)
        return json_object();
    if (!type || (web_is_form(req) && *body == '{')) {
        *ret_status = 415;
        error_set(err, -EINVAL, "say what the body is: Content-Type: application/json");
        return NULL;
    }
    if (web_is_form(req))
        return form_parse_new(body, err);
    json_t *value = json_parse(body, len, COMMAND_MAX, true, err);
    if (!value || json_is_object(value))
        return value;
    json_decref(value);
    error_set(err, -EINVAL, "the body must be an object");
    return NULL;
}

/* A pause of a playbook that does not exist would pause nothing, and nobody would notice. */
static int check_scope(struct request *req, const json_t *scope, struct error *err)
{
    const char *playbook = json_text(scope, "playbook"), *cluster = json_text(scope, "cluster");
    const struct playbook_table *t = engine_playbooks(req->web->engine);
    const struct config *c = engine_config(req->web->engine);
    bool known = !playbook;
    for (size_t i = 0; i < t->n && !known; i++)
        known = str_eq(t->playbooks[i]->name, playbook);
    if (!known)
        return error_set(err, -EINVAL, "there is no playbook '%.100s'", playbook);
    known = !cluster || !c;
    for (size_t i = 0; !known && i < c->n_clusters; i++)
        known = str_eq(c->clusters[i].name, cluster);
    return known ? 0 : error_set(err, -EINVAL, "there is no cluster '%.100s'", cluster);
}

/* ---- answering ---- */

struct pending {
    struct request *req;
    const struct command *command;
    char *by;
};

static void fail(struct request *req, unsigned status, const char *code, const char *message)
{
    if (html_wanted(req))
        html_message(req, status, message);
    else
        reply_error(req, status, code, "%s", message);
}

/* The core forgets runs that are over; the journal tells them from those that never were. */
static char *words_if_over(struct request *req, const struct engine_reply *reply)
{
    size_t len = 0;
    _cleanup_free_ char *doc = NULL;
    if (store_get(engine_store(req->web->engine), req->param, &doc, NULL) < 0)
        return NULL;
    const char *text = api_record_text(doc, strlen(doc), &len);
    _cleanup_json_ json_t *record = text ? json_loadb(text, len, 0, NULL) : NULL;
    if (!str_eq(json_text(record, "state"), "done"))
        return xstrdup(reply->message);
    return xasprintf("run %s is over (%s, %s): %s", req->param, json_text_or(record, "outcome", "?"),
                     json_text_or(record, "reason", "?"), reply->message);
}

static void answer(struct request *req, const struct engine_reply *reply)
{
    _cleanup_free_ char *over = reply->status == 404 && *req->param ? words_if_over(req, reply) : NULL;
    if (reply->status == 503) {
        reply_busy(req, 5, reply->code, reply->message);
    } else if (over) {
        fail(req, 409, "over", over);
    } else if (reply->status != 200) {
        fail(req, (unsigned)reply->status, reply->code ? reply->code : "refused", reply->message);
    } else if (html_wanted(req)) {
        html_message(req, 200, reply->message);
    } else {
        json_t *o = json_object();
        json_set_text(o, "message", reply->message);
        if (reply->body)
            json_object_set_new(o, "result", json_deep_copy(reply->body));
        reply_json(req, 200, o);
    }
}

static void on_reply(const struct engine_reply *reply, void *userdata)
{
    struct pending *p = userdata;
    web_audit(p->req, p->command->word, p->by, (unsigned)reply->status, reply->message);
    if (p->req->connection) /* else the caller went away, and the server maybe too */
        answer(p->req, reply);
    request_unref(p->req);
    free(p->by);
    free(p);
}

static char *by_new(const struct request *req, const json_t *what)
{
    const char *by = json_text(what, "by");
    return str_empty(by) ? xstrdup(req->caller) : xasprintf("%s (via %s)", by, req->caller);
}

static int complete(struct request *req, const struct command *c, json_t *given, json_t *what, struct error *err)
{
    if (web_is_form(req)) /* the page has one form with two buttons: what belongs to the other one is no fault */
        json_object_del(given, str_eq(c->word, "approve") ? "reason" : str_eq(c->word, "reject") ? "hash" : "");
    int r = read_fields(c, given, what, err);
    if (r == 0 && str_eq(c->word, "pause"))
        r = check_scope(req, json_object_get(what, "scope"), err);
    if (r == 0 && str_eq(c->word, "approve") && web_is_form(req) && !json_text(what, "hash"))
        r = error_set(err, -EINVAL, "the form lacks the hash of the plan that was shown");
    json_set_text(what, "do", c->word);
    if (*req->param)
        json_set_text(what, "run", req->param);
    if (!json_object_get(what, "scope"))
        json_object_set_new(what, "scope", json_object());
    return r;
}

static const struct command *find_command(const struct route *route)
{
    size_t i = 0;
    while (!str_eq(commands[i].path, route->path))
        i++;
    return &commands[i];
}

void api_command(struct request *req)
{
    size_t len = 0;
    unsigned status = 400;
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct command *c = find_command(req->route);
    _cleanup_free_ char *body = request_take_body(req, &len);
    _cleanup_json_ json_t *given = read_body(req, body, len, &status, &err), *what = json_object();
    explicit_bzero(body, len); /* a form's token */
    _cleanup_free_ char *secret = xstrdup(json_text(given, "token"));
    if (web_is_form(req))
        json_object_del(given, "token");
    if (!req->admitted && !web_admit_secret(req, secret))
        return;
    if (given && *req->param && !ulid_valid(req->param)) {
        status = 404;
        error_set(&err, -ENOENT, "there is no action '%.60s'", req->param);
    } else if (given && complete(req, c, given, what, &err) == 0) {
        struct pending *p = xnew0(struct pending);
        *p = (struct pending){.req = request_ref(req), .command = c, .by = by_new(req, what)};
        json_set_text(what, "by", p->by);
        engine_command(req->web->engine, TAKE_PTR(what), on_reply, p);
        return;
    }
    web_audit(req, c->word, req->caller, status, error_message(&err));
    fail(req, status,
         status == 404   ? "no_such_action"
         : status == 415 ? "bad_content_type"
                         : "bad_request",
         error_message(&err));
}
