/* What goes to the API server: fieldManager and dryRun where they take effect. A DELETE with a body takes its options
 * from the body alone (the query is ignored then), and a DELETE without one would need a connection of its own (see
 * io/http.h): so it gets an empty DeleteOptions, unless the path's query carries options. */
#include "kube/client_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <string.h>
#include <time.h>

int64_t kube_monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

/* A path that ends behind the API server (…/services/x/proxy/…): its query is another program's. */
static bool is_proxied(const char *path)
{
    const char *query = strchr(path, '?');
    for (const char *p = strstr(path, "/proxy"); p && (!query || p < query); p = strstr(p + 1, "/proxy")) {
        if (p[6] && !strchr("/?", p[6]))
            continue;
        _cleanup_free_ char *before = xstrndup(path, (size_t)(p - path));
        char *name = strrchr(before, '/');
        if (name)
            *name = '\0';
        if (name && (str_ends(before, "/services") || str_ends(before, "/pods") || str_ends(before, "/nodes")))
            return true;
    }
    return false;
}

static char *url_new(const struct kube_client *c, const struct kube_request *req)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, c->config->server);
    strbuf_puts(&b, req->path);
    if (is_proxied(req->path))
        return strbuf_take(&b);
    char separator = strchr(req->path, '?') ? '&' : '?';
    if (str_in(req->method, (const char *const[]){"PATCH", "POST", "PUT", NULL}) &&
        !strstr(req->path, "fieldManager=")) {
        strbuf_printf(&b, "%cfieldManager=mendd", separator);
        separator = '&';
    }
    if (req->dry_run)
        strbuf_printf(&b, "%cdryRun=All", separator);
    return strbuf_take(&b);
}

static char *body_new(const struct kube_request *req)
{
    const bool delete = str_eq(req->method, "DELETE") && !is_proxied(req->path);
    if (!delete)
        return req->body ? json_compact(req->body) : NULL;
    _cleanup_json_ json_t *options = NULL;
    if (req->body)
        options = json_deep_copy(req->body);
    else if (!strchr(req->path, '?'))
        options = json_pack("{s:s, s:s}", "apiVersion", "v1", "kind", "DeleteOptions");
    if (!options)
        return NULL;
    if (req->dry_run)
        json_object_set_new(options, "dryRun", json_pack("[s]", "All"));
    return json_compact(options);
}

struct kube_call *kube_call_new(struct kube_client *c, const struct kube_request *req)
{
    struct kube_call *call = xnew0(struct kube_call);
    call->client = c;
    call->class = req->class;
    call->method = xstrdup(req->method);
    call->url = url_new(c, req);
    call->body = body_new(req);
    if (call->body)
        call->content_type = xstrdup(req->content_type ? req->content_type : "application/json");
    call->text = req->text;
    call->max_text = req->max_text > 0 ? req->max_text : KUBE_TEXT_MAX;
    call->once = req->once;
    call->proxied = is_proxied(req->path);
    call->deadline_us = kube_monotonic_us() + (req->timeout_ms > 0 ? req->timeout_ms : KUBE_TIMEOUT_MS) * USEC_PER_MSEC;
    return call;
}

struct kube_call *kube_call_free(struct kube_call *call)
{
    if (!call)
        return NULL;
    sd_event_source_disable_unref(call->timer);
    free(call->method);
    free(call->url);
    free(call->content_type);
    free(call->body);
    json_decref(call->answer);
    free(call);
    return NULL;
}
