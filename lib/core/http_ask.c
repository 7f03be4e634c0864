#include "core/http_ask.h"

#include "base/alloc.h"
#include "base/text.h"
#include "base/url.h"
#include "core/redact.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const char *const aws_keys[] = {
    "service", "region", "access_key_id", "access_key_id_file", "secret_access_key_file", "session_token_file", NULL};

static int check_aws(const json_t *aws, struct error *err)
{
    const char *key;
    json_t *value;
    if (!aws)
        return 0;
    json_object_foreach ((json_t *)aws, key, value) {
        const char *near = did_you_mean(key, aws_keys);
        if (!str_in(key, aws_keys))
            return error_set(err, -EINVAL, "aws has no \"%.64s\"%s%s%s", key, near ? " (did you mean \"" : "",
                             near ? near : "", near ? "\"?)" : "");
    }
    if (str_empty(json_text(aws, "service")) || str_empty(json_text(aws, "region")))
        return error_set(err, -EINVAL, "aws needs service and region");
    if (!json_text(aws, "access_key_id") == !json_text(aws, "access_key_id_file"))
        return error_set(err, -EINVAL, "aws needs either access_key_id or access_key_id_file");
    if (str_empty(json_text(aws, "secret_access_key_file")))
        return error_set(err, -EINVAL, "aws needs secret_access_key_file");
    return 0;
}

static int check_login(const json_t *with, struct error *err)
{
    const bool bearer = json_text(with, "bearer_token_file"), basic = json_text(with, "username");
    if (bearer + basic + (json_object_get(with, "aws") != NULL) > 1)
        return error_set(err, -EINVAL, "more than one of bearer_token_file, username and aws");
    if (basic != (json_text(with, "password_file") != NULL))
        return error_set(err, -EINVAL, "username and password_file belong together");
    if (!json_text(with, "cert_file") != !json_text(with, "key_file"))
        return error_set(err, -EINVAL, "cert_file and key_file belong together");
    return check_aws(json_object_get(with, "aws"), err);
}

static bool is_one_line(const char *s)
{
    for (; s && *s; s++)
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

/* A header of a playbook stands in the journal: a secret does not belong there. What a label puts into its value must
 * not begin another one. */
static int check_headers(const json_t *with, struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get(with, "headers"), name, value) {
        if (redact_is_secret_name(name, strlen(name)))
            return error_set(err, -EINVAL, "the header %.64s holds a secret: give it in header_files", name);
        if (!is_one_line(json_string_value(value)))
            return error_set(err, -EINVAL, "the header %.64s holds a line break or another control character", name);
    }
    return 0;
}

static char *form_new(const json_t *form)
{
    struct strbuf b = STRBUF_INIT;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)form, key, value) {
        if (b.len)
            strbuf_putc(&b, '&');
        url_encode(&b, key);
        strbuf_putc(&b, '=');
        url_encode(&b, json_string_value(value));
    }
    return strbuf_take(&b);
}

static void set_body(json_t *q, const char *text, const char *content_type)
{
    json_t *headers = json_object_get(q, "headers"), *value;
    const char *name;
    bool said = false;
    json_set_text(q, "body", text);
    if (!headers) {
        headers = json_object();
        json_object_set_new(q, "headers", headers);
    }
    json_object_foreach (headers, name, value)
        said = said || strcasecmp(name, "Content-Type") == 0;
    if (!said && content_type)
        json_set_text(headers, "Content-Type", content_type);
}

static int add_body(const json_t *with, json_t *q, struct error *err)
{
    const json_t *json = json_object_get(with, "json"), *form = json_object_get(with, "form");
    const char *body = json_text(with, "body");
    if ((json != NULL) + (form != NULL) + (body != NULL) > 1)
        return error_set(err, -EINVAL, "more than one of body, json and form");
    if (body)
        set_body(q, body, NULL);
    if (json) {
        _cleanup_free_ char *text = json_compact(json);
        set_body(q, text, "application/json");
    }
    if (form) {
        _cleanup_free_ char *text = form_new(form);
        set_body(q, text, "application/x-www-form-urlencoded");
    }
    return 0;
}

int http_question_new(const json_t *with, int64_t default_timeout_ms, json_t **ret, struct error *err)
{
    static const char *const copied[] = {"header_files", "bearer_token_file", "username", "password_file", "cert_file",
                                         "key_file",     "ca_file",           "insecure", "aws",           NULL};
    const char *url = json_text_or(with, "url", "");
    struct url parsed;
    int r = url_parse(url, &parsed, err);
    if (r >= 0)
        r = check_login(with, err);
    if (r >= 0)
        r = check_headers(with, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *q =
        json_pack("{s:s, s:s, s:s, s:I}", "ask", "http", "url", url, "method", json_text_or(with, "method", "GET"),
                  "timeout_ms", (json_int_t)json_int_or(with, "timeout", default_timeout_ms));
    if (json_object_get(with, "headers"))
        json_object_set_new(q, "headers", json_deep_copy(json_object_get(with, "headers")));
    for (const char *const *c = copied; *c; c++)
        if (json_object_get(with, *c))
            json_object_set(q, *c, json_object_get(with, *c));
    r = add_body(with, q, err);
    if (r == 0)
        *ret = TAKE_PTR(q);
    return r;
}
