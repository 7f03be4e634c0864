/* http.request: one request to another system, an effect. http.read: one that only looks; its answer is evidence. */
#include "core/http_ask.h"

#include "actions/common.h"
#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 16384 };

/* ---- http.request ---- */

static bool method_may_repeat(const char *method)
{
    return str_in(method, (const char *const[]){"GET", "HEAD", "PUT", "DELETE", NULL});
}

static int request_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    _cleanup_json_ json_t *q = NULL;
    const json_t *json = json_object_get(in->with, "json"), *form = json_object_get(in->with, "form");
    int r = http_question_new(in->with, HTTP_EFFECT_TIMEOUT_MS, &q, err);
    if (r < 0)
        return r;
    const char *method = json_text_or(in->with, "method", "POST"), *url = json_text(q, "url");
    json_set_text(q, "method", method);
    _cleanup_free_ char *key = xasprintf("%s/request", in->key);
    const json_t *shown = json ? json : form ? form : json_object_get(q, "body");
    json_t *effect = effect_new(key, method, url, NULL, shown ? json_deep_copy(shown) : NULL, RECOGNISE_NEVER);
    json_set_text(effect, "cluster", in->cluster ? in->cluster : "");
    json_object_set(effect, "request", q);
    if (json_object_get(in->with, "status"))
        json_object_set(effect, "accept", json_object_get(in->with, "status"));
    if (method_may_repeat(method) || json_bool_or(in->with, "idempotent", false))
        json_object_set_new(effect, "idempotent", json_true());
    effect_irreversible(effect, "what another system did with a request cannot be undone");
    plan_effect(ret, effect);
    plan_note(ret, "%s %s", method, url);
    return 0;
}

static const char *const request_methods[] = {"POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", NULL};

static const struct param request_params[] = {
    {"url", PARAM_URL, true, NULL, "http:// or https://; templates' values are encoded where they stand"},
    {"method", PARAM_CHOICE, false, request_methods, "POST (default), PUT, PATCH, DELETE, GET, HEAD"},
    {"headers", PARAM_TEXT_MAP, false, NULL, "further headers; none that holds a secret"},
    HTTP_BODY_PARAMS,
    {"status", PARAM_INTS, false, NULL, "the status that means success, or a list (any 2xx)"},
    {"idempotent", PARAM_BOOL, false, NULL, "sending it twice does no harm (false for POST and PATCH)"},
    HTTP_AUTH_PARAMS,
    {"timeout", PARAM_DURATION, false, NULL, "how long the answer may take (30s), within the step's own timeout"},
    {0},
};

const struct action action_http_request = {
    .name = "http.request",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = request_params,
    .doc = "sends an HTTP request to another system (bearer, basic, client certificate, AWS Signature V4)",
    .plan = request_plan,
};

/* ---- http.read ---- */

static int read_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    _cleanup_error_ struct error why = ERROR_NONE;
    _cleanup_free_ char *name = NULL, *text = NULL;
    json_t *q = NULL;
    int r = http_question_new(in->with, HTTP_ASK_TIMEOUT_MS, &q, err);
    if (r < 0)
        return r;
    name = xasprintf("%s %s", json_text(q, "method"), json_text(q, "url"));
    const json_t *answer = ask(in->asks, q);
    if (!answer)
        return -EAGAIN;
    json_t *item = json_object();
    const int status = answer_status(answer);
    if (json_text(answer, "error")) {
        answer_error(answer, name, &why);
        text = xasprintf("could not be asked: %s", error_message(&why));
        json_object_set_new(item, "missing", json_true());
    } else {
        const char *body = json_text_or(answer, "text", "");
        char *titled = xasprintf("%s: %d", name, status);
        free(name);
        name = titled;
        text = xstrndup(body, strnlen(body, TEXT_MAX));
    }
    json_set_text(item, "name", name);
    json_set_text(item, "text", text);
    *ret = (struct action_plan){.effects = json_array(), .evidence = json_pack("[o]", item)};
    return 0;
}

static const char *const read_methods[] = {"GET", "HEAD", "POST", NULL};

static const struct param read_params[] = {
    {"url", PARAM_URL, true, NULL, "http:// or https://; templates' values are encoded where they stand"},
    {"method", PARAM_CHOICE, false, read_methods, "GET (default), HEAD; POST for what only reads (AWS)"},
    {"headers", PARAM_TEXT_MAP, false, NULL, "further headers; none that holds a secret"},
    HTTP_BODY_PARAMS,
    HTTP_AUTH_PARAMS,
    {"timeout", PARAM_DURATION, false, NULL, "how long the answer may take (5s)"},
    {0},
};

const struct action action_http_read = {
    .name = "http.read",
    .class = ACTION_EVIDENCE,
    .params = read_params,
    .doc = "keeps what another system answers to an HTTP request that only looks",
    .plan = read_plan,
};
