/* Happy path: http_start() builds a call (http_call.c), hangs it into the client's list and into the multi handle;
 * curl_loop.c drives it; on_done() hands it to http_result.c, which calls back and frees it.
 *
 * The multi handle lives from the first request until HTTP_IDLE_RELEASE_S after the last one: dropping it closes the
 * kept connections and gives their memory (TLS sessions, HTTP/2 tables) back, so that an idle daemon is small. That is
 * one wake-up after each burst of requests; there is no periodic timer.
 *
 * Failure modes: freeing the client, also from within a callback, cancels what is left; each callback still fires. */
#include "io/http_internal.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* PEM bytes become a sealed file in memory: this libcurl (GnuTLS) takes certificates from files only. */
static int memory_file(const char *name, const char *data, int *ret_fd, char **ret_path, struct error *err)
{
    const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return error_set(err, -errno, "cannot keep the %s in memory: %s", name, strerror(errno));
    *ret_fd = fd;
    for (size_t len = strlen(data), done = 0; done < len;) {
        const ssize_t n = write(fd, data + done, len - done);
        if (n <= 0)
            return error_set(err, -EIO, "cannot keep the %s in memory", name);
        done += (size_t)n;
    }
    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    *ret_path = xasprintf("/proc/self/fd/%d", fd);
    return 0;
}

static int set_file(const char *name, const char *data, const char *file, int *ret_fd, char **ret_path,
                    struct error *err)
{
    if (data)
        return memory_file(name, data, ret_fd, ret_path, err);
    *ret_path = xstrdup(file);
    return 0;
}

static int copy_identity(struct identity *to, const struct http_identity *from, struct error *err)
{
    *to = (struct identity){.ca_fd = -1, .cert_fd = -1, .key_fd = -1};
    if (!from)
        return 0;
    to->server_name = xstrdup(from->server_name);
    to->insecure = from->insecure;
    to->http2 = from->http2;
    to->max_connections = from->max_connections;
    int r = from->proxy ? http_check_proxy(from->proxy, &to->proxy, &to->proxy_where, err) : 0;
    if (r >= 0)
        r = set_file("CA certificates", from->ca_data, from->ca_file, &to->ca_fd, &to->ca_path, err);
    if (r >= 0)
        r = set_file("client certificate", from->cert_data, from->cert_file, &to->cert_fd, &to->cert_path, err);
    if (r >= 0)
        r = set_file("client key", from->key_data, from->key_file, &to->key_fd, &to->key_path, err);
    return r;
}

static void clear_identity(struct identity *id)
{
    free(id->ca_path);
    free(id->cert_path);
    free(id->key_path);
    free(id->server_name);
    if (id->proxy)
        explicit_bzero(id->proxy, strlen(id->proxy));
    free(id->proxy);
    free(id->proxy_where);
    if (id->ca_fd >= 0)
        close(id->ca_fd);
    if (id->cert_fd >= 0)
        close(id->cert_fd);
    if (id->key_fd >= 0)
        close(id->key_fd);
}

static int on_idle(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
    struct http_client *c = userdata;
    if (!c->calls && c->loop) {
        c->loop = curl_loop_free(c->loop);
        malloc_trim(0);
    }
    return 0;
}

int http_client_new(sd_event *event, const struct http_identity *identity, struct http_client **ret, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, global_init);
    _cleanup_(http_client_freep) struct http_client *c = xnew0(struct http_client);
    c->event = sd_event_ref(event);
    int r = copy_identity(&c->identity, identity, err);
    if (r < 0)
        return r;
    r = sd_event_add_time_relative(event, &c->idle_timer, CLOCK_MONOTONIC, 0, USEC_PER_SEC, on_idle, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->idle_timer, SD_EVENT_OFF);
    if (r < 0)
        return error_set(err, r, "cannot add a timer to the event loop");
    *ret = TAKE_PTR(c);
    return 0;
}

struct http_client *http_client_free(struct http_client *c)
{
    if (!c)
        return NULL;
    c->closing = true;
    while (c->calls)
        http_cancel(c->calls);
    curl_loop_free(c->loop);
    sd_event_source_disable_unref(c->idle_timer);
    clear_identity(&c->identity);
    sd_event_unref(c->event);
    free(c);
    return NULL;
}

/* Before the callback, as that may free the client; a request that it starts turns the timer off again. */
static void arm_idle_timer(struct http_client *c, const struct http_call *ending)
{
    if (c->closing || c->calls != ending || ending->next)
        return;
    sd_event_source_set_time_relative(c->idle_timer, HTTP_IDLE_RELEASE_S * USEC_PER_SEC);
    sd_event_source_set_enabled(c->idle_timer, SD_EVENT_ONESHOT);
}

static void on_done(CURL *easy, CURLcode code, void *userdata)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct http_call *call = (void *)private;
    arm_idle_timer(userdata, call);
    http_call_finish(call, code);
}

static int open_loop(struct http_client *c, struct error *err)
{
    if (c->loop)
        return 0;
    int r = curl_loop_new(c->event, on_done, c, &c->loop, err);
    if (r < 0)
        return r;
    CURLM *multi = curl_loop_multi(c->loop);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 32L);
    if (c->identity.max_connections > 0)
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->identity.max_connections);
    return 0;
}

int http_start(struct http_client *c, const struct http_request *req, http_done_cb done, void *userdata,
               struct http_call **ret_call, struct error *err)
{
    if (c->closing)
        return error_set(err, -ESHUTDOWN, "the HTTP client is shutting down");
    _cleanup_(http_call_freep) struct http_call *call = NULL;
    int r = http_call_new(c, req, done, userdata, &call, err);
    if (r >= 0)
        r = open_loop(c, err);
    if (r >= 0)
        r = curl_loop_add(c->loop, call->easy, err);
    if (r < 0)
        return r;
    sd_event_source_set_enabled(c->idle_timer, SD_EVENT_OFF);
    call->next = c->calls;
    if (c->calls)
        c->calls->prev = call;
    c->calls = call;
    if (ret_call)
        *ret_call = call;
    TAKE_PTR(call);
    return 0;
}

void http_cancel(struct http_call *call)
{
    if (!call)
        return;
    curl_loop_remove(call->client->loop, call->easy);
    arm_idle_timer(call->client, call);
    http_call_finish_cancelled(call);
}
