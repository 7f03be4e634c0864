/* The questions "tcp", "tls", "redis" and "dns". libcurl resolves the name without blocking and tries the addresses in
 * turn (connect only); "tcp" is answered with that, "tls" and "redis" go on to the address that let itself be connected
 * to.
 */
#include "io/probe_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

/* "host:port", "[::1]:port". */
static int parse_address(struct probe *probe, char **ret_url, struct error *err)
{
    const char *address = json_text_or(probe->question, "address", "");
    const char *colon = strrchr(address, ':');
    const size_t host_len = colon ? (size_t)(colon - address) : 0;
    const char *chars = address[0] == '[' ? "0123456789abcdefABCDEF:.%[]"
                                          : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    char *end = NULL;
    const long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (host_len == 0 || host_len > 255 || strspn(address, chars) < host_len || !colon[1] || *end || port < 1 ||
        port > 65535)
        return error_set(err, -EINVAL, "not an address: host:port is expected");
    probe->port = (int)port;
    probe->where = xstrdup(address);
    *ret_url = xasprintf("http://%s/", address);
    return 0;
}

static int connect_only(struct probe *probe, http_done_cb done, struct error *err)
{
    _cleanup_free_ char *url = NULL;
    int r = parse_address(probe, &url, err);
    if (r < 0)
        return r;
    const struct http_identity nobody = {0};
    probe->client = probe_client_get(probe->prober, &nobody, err);
    if (!probe->client)
        return -EAGAIN;
    const int timeout_ms = (int)json_int_or(probe->question, "timeout_ms", PROBE_TIMEOUT_MS);
    const struct http_request req = {.method = "GET",
                                     .url = url,
                                     .timeout_ms = timeout_ms,
                                     .connect_timeout_ms = timeout_ms,
                                     .fresh_connect = true,
                                     .connect_only = true};
    return http_start(probe->client->http, &req, done, probe, &probe->http, err);
}

static void on_tcp(const struct http_result *r, void *userdata)
{
    struct probe *probe = userdata;
    probe->http = NULL;
    probe_finish(probe, r->error == HTTP_OK ? json_pack("{s:i, s:I}", "status", 0, "latency_ms",
                                                        (json_int_t)(r->latency_us / USEC_PER_MSEC))
                                            : probe_error_new(http_error_name(r->error), r->message));
}

int probe_tcp(struct probe *probe, struct error *err)
{
    return connect_only(probe, on_tcp, err);
}

/* ---- dns ---- */

static void on_addresses(json_t *answer_new, void *userdata)
{
    struct probe *probe = userdata;
    probe->dns = NULL;
    probe_finish(probe, answer_new);
}

int probe_dns(struct probe *probe, struct error *err)
{
    const int64_t left_us = probe->deadline_us - probe_now_us();
    return dns_look_start(probe->prober->event, json_text_or(probe->question, "name", ""),
                          json_text(probe->question, "server"), left_us, on_addresses, probe, &probe->dns, err);
}

/* ---- tls ---- */

static void on_look(json_t *answer_new, void *userdata)
{
    struct probe *probe = userdata;
    probe->tls = NULL;
    probe_finish(probe, answer_new);
}

static int start_tls(struct probe *probe, const char *address, struct error *err)
{
    const char *host_end = strrchr(probe->where, ':');
    const bool bracketed = probe->where[0] == '[';
    _cleanup_free_ char *host =
        xstrndup(probe->where + bracketed, (size_t)(host_end - probe->where) - 2 * (size_t)bracketed);
    const int64_t left_us = probe->deadline_us - probe_now_us();
    const struct tls_look_request req = {.address = address,
                                         .port = probe->port,
                                         .where = probe->where,
                                         .server_name = json_text_or(probe->question, "server_name", host),
                                         .ca_file = json_text(probe->question, "ca_file"),
                                         .timeout_us = left_us > USEC_PER_MSEC ? left_us : USEC_PER_MSEC};
    return tls_look_start(probe->prober->event, &req, on_look, probe, &probe->tls, err);
}

/* ---- redis ---- */

static void on_redis(json_t *answer_new, void *userdata)
{
    struct probe *probe = userdata;
    probe->redis = NULL;
    probe_finish(probe, answer_new);
}

static int start_redis(struct probe *probe, const char *address, struct error *err)
{
    const char *password_file = json_text(probe->question, "password_file");
    char *password = NULL;
    if (password_file) {
        int r = secret_read(password_file, &password, err);
        if (r < 0)
            return r;
    }
    const int64_t left_us = probe->deadline_us - probe_now_us();
    const struct redis_request req = {.address = address,
                                      .where = probe->where,
                                      .port = probe->port,
                                      .password = password,
                                      .command = json_object_get(probe->question, "command"),
                                      .timeout_us = left_us > USEC_PER_MSEC ? left_us : USEC_PER_MSEC};
    const int r = redis_call_start(probe->prober->event, &req, on_redis, probe, &probe->redis, err);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return r;
}

static bool is_tls(const struct probe *probe)
{
    return str_eq(json_text(probe->question, "ask"), "tls");
}

static void on_found(const struct http_result *r, void *userdata)
{
    struct probe *probe = userdata;
    probe->http = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (r->error != HTTP_OK)
        probe_finish(probe, probe_error_new(http_error_name(r->error), r->message));
    else if (!r->address)
        probe_finish(probe, probe_error_new("dns", "the name does not resolve"));
    else if ((is_tls(probe) ? start_tls : start_redis)(probe, r->address, &err) < 0)
        probe_finish(probe, probe_error_new(err.code == -ECONNREFUSED ? "refused" : "local", error_message(&err)));
}

int probe_by_address(struct probe *probe, struct error *err)
{
    return connect_only(probe, on_found, err);
}
