#include "engine/assemble.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/text.h"
#include "core/ask.h"
#include "core/secret.h"

#include <stdarg.h>
#include <string.h>

struct assembly {
    struct kube_client *client;
    json_t *effect, *source; /* source: the `data` that `from` holds */
    int timeout_ms;
    kube_done_cb done;
    void *userdata;
};

static void assembly_free(struct assembly *a)
{
    json_decref(a->effect);
    json_decref(a->source);
    free(a);
}

static void finish(struct assembly *a, json_t *answer_new)
{
    kube_done_cb done = a->done;
    void *userdata = a->userdata;
    assembly_free(a);
    done(answer_new, userdata);
}

/* In the shape of an API server's refusal: the core judges it like one. */
static json_t *refusal_new(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static json_t *refusal_new(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *text = xvasprintf(fmt, args);
    va_end(args);
    return json_pack("{s:i, s:{s:s, s:i, s:s}}", "status", status, "body", "kind", "Status", "code", status, "message",
                     text);
}

/* ---- values ---- */

static int file_base64(const char *file, char **ret, struct error *err)
{
    char *text = NULL;
    int r = secret_read(file, &text, err);
    if (r < 0)
        return r;
    *ret = base64_new(text, strlen(text));
    explicit_bzero(text, strlen(text));
    free(text);
    return 0;
}

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
}

json_t *assemble_hash_new(const json_t *question)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(wipe) char *base64 = NULL;
    if (file_base64(json_text_or(question, "file", ""), &base64, &err) < 0)
        return refusal_new(422, "%s", error_message(&err));
    _cleanup_free_ char *hash =
        secret_hash_new(json_text_or(question, "scope", ""), json_text_or(question, "key", ""), base64);
    return json_pack("{s:i, s:s, s:I}", "status", 0, "sha256", hash, "bytes", (json_int_t)strlen(base64));
}

/* The value of one key, checked against what was journalled. NULL with the answer instead. */
static json_t *value_new(const struct assembly *a, const char *key, const json_t *spec, json_t **ret_refusal)
{
    const char *scope = json_text_or(a->effect, "secret", ""), *file = json_text(spec, "file");
    _cleanup_(wipe) char *read = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (file && file_base64(file, &read, &err) < 0) {
        *ret_refusal = refusal_new(412, "%s", error_message(&err));
        return NULL;
    }
    const char *value = file ? read : json_text(a->source, key);
    _cleanup_free_ char *hash = value ? secret_hash_new(scope, key, value) : NULL;
    if (hash && str_eq(hash, json_text(spec, "sha256")))
        return json_string(value);
    *ret_refusal = refusal_new(412, "%s: %s of key %s is not the value that was planned; nothing was sent", scope,
                               file ? file : json_path_text(a->effect, "assemble", "from", NULL), key);
    return NULL;
}

static json_t *data_new(const struct assembly *a, json_t **ret_refusal)
{
    json_t *data = json_object(), *spec;
    const char *key;
    json_object_foreach (json_path(a->effect, "assemble", "keys", NULL), key, spec) {
        json_t *value = json_is_null(spec) ? json_null() : value_new(a, key, spec, ret_refusal);
        if (!value) {
            json_decref(data);
            return NULL;
        }
        json_object_set_new(data, key, value);
    }
    return data;
}

/* ---- the way ---- */

static void send_it(struct assembly *a, const char *resource_version)
{
    json_t *refusal = NULL, *data = data_new(a, &refusal);
    if (!data) {
        finish(a, refusal);
        return;
    }
    _cleanup_json_ json_t *body = json_deep_copy(json_object_get(a->effect, "body"));
    json_object_set_new(body, "data", data);
    if (resource_version)
        json_set_text(json_object_get(body, "metadata"), "resourceVersion", resource_version);
    const struct kube_request req = {.class = KUBE_WRITE,
                                     .method = json_text_or(a->effect, "method", ""),
                                     .path = json_text_or(a->effect, "path", ""),
                                     .content_type = json_text(a->effect, "content_type"),
                                     .body = body,
                                     .timeout_ms = a->timeout_ms};
    kube_request_start(a->client, &req, a->done, a->userdata); /* copies what it needs */
    assembly_free(a);
}

/* A GET that brought no object: passed on; nothing was sent that changes anything. */
static bool is_unanswered(struct assembly *a, json_t *answer_new)
{
    if (answer_ok(answer_new) && json_is_object(answer_body(answer_new)))
        return false;
    if (json_text(answer_new, "error"))
        json_object_set_new(answer_new, "sent", json_false());
    finish(a, answer_new);
    return true;
}

static const char *changed_meanwhile(const struct assembly *a, const json_t *object)
{
    const char *pointer;
    json_t *change;
    json_object_foreach (json_object_get(a->effect, "changes"), pointer, change) {
        _cleanup_json_ json_t *seen = secret_seen_new(a->effect, pointer, object);
        const json_t *before = json_object_get(change, "before");
        before = json_is_null(before) ? NULL : before;
        if (!seen != !before || (seen && !json_equal(seen, before)))
            return pointer;
    }
    return NULL;
}

static void on_present(json_t *answer_new, void *userdata)
{
    struct assembly *a = userdata;
    if (is_unanswered(a, answer_new))
        return;
    const json_t *object = answer_body(answer_new);
    const char *odd = changed_meanwhile(a, object);
    if (odd)
        finish(a, refusal_new(409, "%s of %s is no longer what it was", odd, json_text_or(a->effect, "secret", "")));
    else
        send_it(a, json_path_text(object, "metadata", "resourceVersion", NULL));
    json_decref(answer_new);
}

static void read_object(struct assembly *a, const char *path, kube_done_cb done)
{
    const struct kube_request req = {.class = KUBE_READ, .method = "GET", .path = path, .timeout_ms = a->timeout_ms};
    kube_request_start(a->client, &req, done, a);
}

static void look_at_present(struct assembly *a)
{
    if (str_eq(json_text(a->effect, "method"), "PATCH"))
        read_object(a, json_text_or(a->effect, "read", "/"), on_present);
    else
        send_it(a, NULL);
}

static void on_source(json_t *answer_new, void *userdata)
{
    struct assembly *a = userdata;
    if (is_unanswered(a, answer_new))
        return;
    a->source = json_incref(json_object_get(answer_body(answer_new), "data"));
    json_decref(answer_new);
    look_at_present(a);
}

void assemble_start(struct kube_client *client, const json_t *effect, int timeout_ms, kube_done_cb done, void *userdata)
{
    struct assembly *a = xnew0(struct assembly);
    *a = (struct assembly){.client = client,
                           .effect = json_deep_copy(effect),
                           .timeout_ms = timeout_ms,
                           .done = done,
                           .userdata = userdata};
    const char *from = json_path_text(effect, "assemble", "from", NULL);
    read_object(a, from ? from : json_text_or(effect, "read", "/"), from ? on_source : on_present);
}
