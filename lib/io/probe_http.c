/* The question "http". Each probe gets a connection of its own: a kept one would prove the health of the process that
 * answered before, not of what a Service or name leads to now. */
#include "io/probe_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

enum { HEADERS_MAX = 64 };

static void on_done(const struct http_result *r, void *userdata)
{
    struct probe *probe = userdata;
    probe->http = NULL;
    json_t *answer;
    if (r->error != HTTP_OK) {
        answer = probe_error_new(http_error_name(r->error), r->message);
    } else {
        answer = json_pack("{s:I, s:I}", "status", (json_int_t)r->status, "latency_ms",
                           (json_int_t)(r->latency_us / USEC_PER_MSEC));
        json_object_set_new(answer, "text", json_text_new(r->body, r->body_len));
    }
    probe_finish(probe, answer);
}

static int start(struct probe *probe, char **headers, struct error *err)
{
    const json_t *q = probe->question, *value;
    const char *name;
    size_t n = 0;
    json_object_foreach ((json_t *)json_object_get(q, "headers"), name, value) {
        if (!json_is_string(value) || n >= HEADERS_MAX)
            return error_set(err, -EINVAL, "a header's value is no text, or there are too many");
        headers[n++] = xasprintf("%s: %s", name, json_string_value(value));
    }
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
    probe->client = probe_client_get(probe->prober, json_text(q, "ca_file"), json_bool_or(q, "insecure", false), err);
    if (!probe->client)
        return -EAGAIN;
    char *headers[HEADERS_MAX + 1] = {NULL};
    const int r = start(probe, headers, err);
    for (size_t i = 0; headers[i]; i++)
        free(headers[i]);
    return r;
}
