/* http: one request and what its answer must be. Asked from here (via: direct), or through the API server's proxy for
 * what exists only inside the cluster: via: service (the URL's host is SERVICE or SERVICE.NAMESPACE…), via: pod (port
 * and path of the URL at each of the target's pods, or at the pod `pod`). */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"
#include "checks/probe.h"
#include "checks/url.h"
#include "core/http_ask.h"

#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 262144, PODS_ASKED = 5 };

static bool status_fits(const struct check_in *in, int status)
{
    const json_t *wanted = json_object_get(in->with, "status"), *item;
    size_t i;
    if (!wanted)
        return status == 200;
    json_array_foreach (wanted, i, item) {
        if (json_integer_value(item) == status)
            return true;
    }
    return false;
}

/* Values as they look: "3" equals 3, since templates and YAML do not always agree on types. */
static bool value_fits(const json_t *have, const json_t *wanted)
{
    if (json_equal(have, wanted))
        return true;
    if (json_is_number(have) && json_is_number(wanted))
        return json_number_value(have) >= json_number_value(wanted) &&
               json_number_value(have) <= json_number_value(wanted);
    _cleanup_free_ char *text = have ? json_compact(have) : NULL;
    return text && json_is_string(wanted) && !json_is_string(have) && str_eq(text, json_string_value(wanted));
}

static bool json_fits(const struct check_in *in, const char *text, struct strbuf *why)
{
    const json_t *wanted = json_object_get(in->with, "json");
    if (!wanted)
        return true;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *body = json_parse(text, strlen(text), TEXT_MAX, false, &err);
    const char *pointer = json_text_or(wanted, "pointer", "");
    const json_t *have = json_pointer(body, pointer), *equals = json_object_get(wanted, "equals");
    if (body && have && (!equals || value_fits(have, equals)))
        return true;
    _cleanup_free_ char *shown = have ? json_compact(have) : NULL;
    if (!body)
        strbuf_printf(why, "the body is %s", error_message(&err));
    else
        strbuf_printf(why, "%s of the body is %.100s", pointer, shown ? shown : "missing");
    return false;
}

/* A refusal of the API server itself, in front of the service. */
static bool is_api_refusal(int status, const char *text)
{
    _cleanup_json_ json_t *body = json_parse(text, strlen(text), TEXT_MAX, false, NULL);
    return (status == 401 || status == 403) && str_eq(json_text(body, "kind"), "Status") &&
           str_eq(json_text(body, "apiVersion"), "v1");
}

static enum verdict judge_answer(const struct check_in *in, const json_t *answer, const char *what, bool proxied,
                                 struct strbuf *words)
{
    const json_t *max = json_object_get(in->with, "max_latency");
    const int64_t latency = json_int_or(answer, "latency_ms", 0);
    const int status = answer_status(answer);
    const char *contains = json_text(in->with, "contains");
    _cleanup_free_ char *compact = answer_body(answer) ? json_compact(answer_body(answer)) : NULL;
    const char *text = json_text_or(answer, "text", compact ? compact : "");
    _cleanup_strbuf_ struct strbuf why = {.max = 300};
    if (proxied && is_api_refusal(status, text)) {
        words_add(words, "%s: the API server answered %d: %.200s", what, status, text);
        return VERDICT_UNKNOWN;
    }
    if (!status_fits(in, status))
        words_add(words, "%s answered %d", what, status);
    else if (contains && !strstr(text, contains))
        words_add(words, "%s answered %d without \"%.100s\"", what, status, contains);
    else if (!json_fits(in, text, &why))
        words_add(words, "%s answered %d, %s", what, status, strbuf_str(&why));
    else if (max && latency > json_integer_value(max))
        words_add(words, "%s answered %d after %lld ms", what, status, (long long)latency);
    else {
        words_add(words, "%s answered %d", what, status);
        return VERDICT_PASS;
    }
    return VERDICT_FAIL;
}

static int judge_direct(const struct check_in *in, const char *url, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *sent = json_copy((json_t *)in->with);
    json_t *q = NULL;
    json_object_del(sent, "json"); /* of the answer, here */
    if (http_question_new(sent, HTTP_ASK_TIMEOUT_MS, &q, &err) < 0)
        return check_say(ret, VERDICT_UNKNOWN, "%s", error_message(&err));
    const json_t *answer = ask(in->asks, q);
    if (!answer)
        return -EAGAIN;
    if (probe_failed(answer, url, ret))
        return 0;
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    const enum verdict v = judge_answer(in, answer, url, false, &words);
    return check_say(ret, v, "%s", strbuf_str(&words));
}

/* One request through the proxy. -EAGAIN, or 0 with *ret_verdict. Who did not answer in time, the service or the API
 * server in front of it? The API server's own /version tells: everybody may ask it, and any status is an answer. */
static int judge_proxied(const struct check_in *in, const char *path, const char *what, enum verdict *ret_verdict,
                         struct strbuf *words)
{
    const int64_t timeout_ms = json_int_or(in->with, "timeout", HTTP_ASK_TIMEOUT_MS);
    const json_t *answer = ask_kube_text(in->asks, in->cluster, path, TEXT_MAX, timeout_ms);
    if (!answer)
        return -EAGAIN;
    if (str_eq(json_text(answer, "error"), "timeout")) {
        const json_t *version = ask_kube(in->asks, in->cluster, "/version");
        if (!version)
            return -EAGAIN;
        if (answer_status(version) > 0) {
            words_add(words, "%s: no answer within %lld ms", what, (long long)timeout_ms);
            *ret_verdict = VERDICT_FAIL;
            return 0;
        }
    }
    if (json_text(answer, "error")) { /* the API server did not answer: nothing is known of the service */
        words_add(words, "%s: the API server could not be asked: %s", what, json_text_or(answer, "message", ""));
        *ret_verdict = VERDICT_UNKNOWN;
        return 0;
    }
    *ret_verdict = judge_answer(in, answer, what, true, words);
    return 0;
}

static int judge_service(const struct check_in *in, const struct url *url, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *name = xstrndup(url->host, strcspn(url->host, "."));
    const char *dot = url->host[strlen(name)] ? url->host + strlen(name) + 1 : NULL;
    _cleanup_free_ char *said = dot ? xstrndup(dot, strcspn(dot, ".")) : NULL, *path = NULL;
    const char *namespace = said ? said : target_namespace(in->target);
    if (url_proxy_path(url, "services", namespace ? namespace : "", name, &path, &err) < 0)
        return check_say(ret, VERDICT_UNKNOWN, "%s", error_message(&err));
    _cleanup_free_ char *what = xasprintf("service %s/%s", namespace, name);
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    enum verdict v = VERDICT_UNKNOWN;
    int r = judge_proxied(in, path, what, &v, &words);
    return r < 0 ? r : check_say(ret, v, "%s", strbuf_str(&words));
}

static int judge_pods(const struct check_in *in, const struct url *url, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *pods = NULL, *named = json_object();
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    enum verdict all = VERDICT_PASS;
    bool again = false;
    size_t i, asked = 0;
    json_t *pod;
    json_set_text(named, "name", json_text(in->with, "pod"));
    int r = pods_find(in->asks, in->cluster, in->target, named, &pods, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    json_array_foreach (pods, i, pod) {
        _cleanup_free_ char *path = NULL, *what = xasprintf("pod %s", object_name(pod));
        if (object_is_terminating(pod) || pod_is_finished(pod) || effects_deleted(in, object_uid(pod)) ||
            asked == PODS_ASKED)
            continue;
        if (url_proxy_path(url, "pods", target_namespace(in->target), object_name(pod), &path, &err) < 0)
            return check_say(ret, VERDICT_UNKNOWN, "%s", error_message(&err));
        asked++;
        enum verdict v = VERDICT_PASS;
        again = judge_proxied(in, path, what, &v, &words) == -EAGAIN || again;
        all = v == VERDICT_FAIL || all == VERDICT_PASS ? v : all; /* the worst of them */
    }
    if (again)
        return -EAGAIN;
    if (asked == 0)
        return check_say(ret, VERDICT_FAIL, "there is no pod to ask");
    return check_say(ret, all, "%s", strbuf_str(&words));
}

static int http_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *text = json_text_or(in->with, "url", ""), *via = json_text_or(in->with, "via", "direct");
    struct url url;
    if (url_parse(text, &url, &err) < 0)
        return check_say(ret, VERDICT_UNKNOWN, "%s", error_message(&err));
    if (str_eq(via, "direct"))
        return judge_direct(in, text, ret);
    static const char *const direct_only[] = {
        "headers", "body", "form", "header_files", "bearer_token_file", "username", "cert_file", "aws", NULL};
    bool plain = str_eq(json_text_or(in->with, "method", "GET"), "GET");
    for (const char *const *d = direct_only; *d; d++)
        plain = plain && !json_object_get(in->with, *d);
    if (!plain)
        return check_say(ret, VERDICT_UNKNOWN, "through the API server only a plain GET can be asked");
    return str_eq(via, "service") ? judge_service(in, &url, ret) : judge_pods(in, &url, ret);
}

static const char *const via_choices[] = {"direct", "service", "pod", NULL};
static const char *const method_choices[] = {"GET", "HEAD", "POST", NULL};

static const struct param http_params[] = {
    {"url", PARAM_URL, true, NULL, "http:// or https://; via service the host is SERVICE or SERVICE.NAMESPACE"},
    {"via", PARAM_CHOICE, false, via_choices, "direct (default), or service or pod: through the API server's proxy"},
    {"pod", PARAM_NAME, false, NULL, "via pod: this one; each of the target's by default, at most 5"},
    {"method", PARAM_CHOICE, false, method_choices, "GET (default), HEAD; POST for what only reads (AWS)"},
    {"headers", PARAM_TEXT_MAP, false, NULL, "further headers (via direct)"},
    {"body", PARAM_PLAIN, false, NULL, "a body (via direct); templates' values may only be plain words"},
    {"form", PARAM_TEXT_MAP, false, NULL, "a body as a form (via direct)"},
    {"status", PARAM_INTS, false, NULL, "the status, or a list of those that are fine (200)"},
    {"contains", PARAM_TEXT, false, NULL, "text that the body must hold"},
    {"json", PARAM_ANY, false, NULL, "{pointer: \"/status\", equals: ok}: a value in the body"},
    {"max_latency", PARAM_DURATION, false, NULL, "it must answer within this"},
    {"timeout", PARAM_DURATION, false, NULL, "how long it may take at all (5s)"},
    HTTP_AUTH_PARAMS,
    {"insecure", PARAM_BOOL, false, NULL, "do not verify its certificate (false)"},
    {0},
};

/* The URL's host names the Service (via service), its port is part of the name that RBAC sees: "https:api:8443". */
static void service_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices urls = rights_param(in, "url"), names = {.any = urls.any}, own = {.any = urls.any};
    for (size_t i = 0; i < urls.n; i++) {
        struct url url;
        if (url_parse(urls.texts[i], &url, NULL) < 0)
            continue;
        const size_t n = strcspn(url.host, ".");
        const char *port = *url.port ? url.port : url.https ? "443" : "80";
        _cleanup_free_ char *name = xasprintf("%s%.*s:%s", url.https ? "https:" : "", (int)n, url.host, port);
        _cleanup_free_ char *namespace =
            url.host[n] ? xstrndup(url.host + n + 1, strcspn(url.host + n + 1, ".")) : NULL;
        _cleanup_choices_ struct choices target = rights_namespaces(in);
        choices_add(&names, name);
        if (namespace)
            choices_add(&own, namespace);
        else if (target.any)
            own.any = true;
        for (size_t k = 0; !namespace && k < target.n; k++)
            choices_add(&own, target.texts[k]);
    }
    if (own.any)
        choices_clear(&own), own.any = true;
    const struct rights_what what = {.kind = "Service", .subresource = "proxy", .namespaces = &own, .names = &names};
    rights_read(in, &what, "get");
}

static void http_rights(const struct rights_in *in)
{
    const char *via = json_text_or(in->with, "via", "direct");
    if (str_eq(via, "service"))
        service_rights(in);
    if (!str_eq(via, "pod"))
        return;
    rights_pods(in, "pod", NULL);
    rights_read(in, &(struct rights_what){.kind = "Pod", .subresource = "proxy"}, "get");
}

const struct check check_http = {
    .name = "http",
    .params = http_params,
    .doc = "an HTTP request is answered as it should be",
    .judge = http_judge,
    .rights = http_rights,
};
