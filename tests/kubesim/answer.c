#include "answer.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/strbuf.h"

#include <string.h>

void answer_free(struct answer *a)
{
    json_decref(a->body);
    json_decref(a->exec);
    free(a->text);
    *a = (struct answer){0};
}

void answer_json(struct answer *a, int code, json_t *body)
{
    answer_free(a);
    a->code = code;
    a->body = body;
}

void answer_text(struct answer *a, int code, const char *type, char *s)
{
    answer_free(a);
    a->code = code;
    a->type = type;
    a->text = s;
}

static json_t *status(const char *outcome)
{
    return json_pack("{s:s, s:s, s:{}, s:s}", "kind", "Status", "apiVersion", "v1", "metadata", "status", outcome);
}

void answer_fail(struct answer *a, int code, const char *reason, json_t *about, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, args);
    va_end(args);
    json_t *body = status("Failure");
    json_set_text(body, "message", message);
    if (reason)
        json_object_set_new(body, "reason", json_string(reason));
    if (about)
        json_object_set_new(body, "details", about);
    json_object_set_new(body, "code", json_integer(code));
    answer_json(a, code, body);
}

json_t *details(const struct kind *kind, const char *name)
{
    json_t *d = json_object();
    json_set_text(d, "name", name);
    if (*kind->group)
        json_object_set_new(d, "group", json_string(kind->group));
    json_object_set_new(d, "kind", json_string(kind->plural));
    return d;
}

void answer_success(struct answer *a, const struct kind *kind, const char *name, const char *uid)
{
    json_t *body = status("Success"), *d = details(kind, name);
    json_set_text(d, "uid", uid);
    json_object_set_new(body, "details", d);
    answer_json(a, 200, body);
}

void fail_not_found(struct answer *a, const struct kind *kind, const char *name)
{
    _cleanup_free_ char *qualified = kind_qualified(kind);
    answer_fail(a, 404, "NotFound", details(kind, name), "%s \"%s\" not found", qualified, name);
}

void fail_no_resource(struct answer *a)
{
    answer_fail(a, 404, "NotFound", json_object(), "the server could not find the requested resource");
}

void fail_method(struct answer *a)
{
    answer_fail(a, 405, "MethodNotAllowed", json_object(),
                "the server does not allow this method on the requested resource");
}

void fail_bad_request(struct answer *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, args);
    va_end(args);
    answer_fail(a, 400, "BadRequest", NULL, "%s", message);
}

void fail_conflict(struct answer *a, const struct kind *kind, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, args);
    va_end(args);
    _cleanup_free_ char *qualified = kind_qualified(kind);
    answer_fail(a, 409, "Conflict", details(kind, name), "Operation cannot be fulfilled on %s \"%s\": %s", qualified,
                name, message);
}

/* Whether an earlier cause says the same: the real server lists it twice in the details, once in the message. */
static bool repeated(const json_t *causes, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (json_equal(json_array_get(causes, i), json_array_get(causes, at)))
            return true;
    return false;
}

/* One cause reads "X is invalid: CAUSE", several "X is invalid: [CAUSE, CAUSE]". */
static void write_invalid_message(json_t *body, const struct kind *kind, const char *name)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    json_t *causes = json_path(body, "details", "causes", NULL);
    size_t i, shown = 0;
    json_t *cause;
    json_array_foreach (causes, i, cause) {
        if (!repeated(causes, i))
            strbuf_printf(&b, "%s%s: %s", shown++ ? ", " : "", json_text_or(cause, "field", ""),
                          json_text_or(cause, "message", ""));
    }
    _cleanup_free_ char *message =
        xasprintf("%s%s%s \"%s\" is invalid: %s%s%s", kind->kind, *kind->group ? "." : "", kind->group,
                  name ? name : "", shown > 1 ? "[" : "", strbuf_str(&b), shown > 1 ? "]" : "");
    json_set_text(body, "message", message);
}

void fail_invalid(struct answer *a, const struct kind *kind, const char *name, const char *field, const char *cause,
                  const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, args);
    va_end(args);
    if (a->code != 422 || !a->body) {
        json_t *d = json_object();
        json_set_text(d, "name", name);
        if (*kind->group)
            json_object_set_new(d, "group", json_string(kind->group));
        if (*kind->kind)
            json_object_set_new(d, "kind", json_string(kind->kind));
        json_object_set_new(d, "causes", json_array());
        answer_fail(a, 422, "Invalid", d, "%s", "");
    }
    json_t *entry = json_object();
    json_set_text(entry, "reason", cause);
    json_set_text(entry, "message", message);
    json_set_text(entry, "field", field);
    json_array_append_new(json_path(a->body, "details", "causes", NULL), entry);
    write_invalid_message(a->body, kind, name);
}
