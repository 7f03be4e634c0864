/* The question "http". Each probe gets a connection of its own: a kept one would prove the health of the process that
 * answered before, not of what a Service or name leads to now. */
#include "io/probe_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "io/probe_auth.h"

#include <errno.h>
#include <string.h>

static void on_done(const struct http_result *r, void *userdata)
{
    struct probe *probe = userdata;
    probe->http = NULL;
    json_t *answer;
    if (r->error != HTTP_OK) {
        answer = probe_error_new(http_error_name(r->error), r->message);
        json_object_set_new(answer, "sent", json_boolean(r->sent));
    } else {
        answer = json_pack("{s:I, s:I}", "status", (json_int_t)r->status, "latency_ms",
                           (json_int_t)(r->latency_us / USEC_PER_MSEC));
        json_object_set_new(answer, "text", json_text_new(r->body, r->body_len));
    }
    probe_finish(probe, answer);
}

static int start(struct probe *probe, char **headers, struct error *err)
{
    const json_t *q = probe->question;
    const char *body = json_text(q, "body");
    const struct http_request req = {.method = json_text_or(q, "method", "GET"),
                                     .url = json_text_or(q, "url", ""),
                                     .headers = (const char *const *)headers,
                                     .body = body,
                                     .body_len = body ? strlen(body) : 0,
                                     .timeout_ms = (int)json_int_or(q, "timeout_ms", PROBE_TIMEOUT_MS),
                                     .max_answer = PROBE_ANSWER_MAX,
                                     .truncate = true,
                                     .fresh_connect = true};
    return http_start(probe->client->http, &req, on_done, probe, &probe->http, err);
}

int probe_http(struct probe *probe, struct error *err)
{
    const json_t *q = probe->question;
    const struct http_identity identity = {.ca_file = json_text(q, "ca_file"),
                                           .cert_file = json_text(q, "cert_file"),
                                           .key_file = json_text(q, "key_file"),
                                           .insecure = json_bool_or(q, "insecure", false)};
    probe->client = probe_client_get(probe->prober, &identity, err);
    if (!probe->client)
        return -EAGAIN;
    char *headers[PROBE_HEADERS_MAX + 1] = {NULL};
    int r = probe_headers_new(q, now_read().wall_us, headers, err);
    if (r >= 0)
        r = start(probe, headers, err);
    probe_headers_free(headers);
    return r;
}
