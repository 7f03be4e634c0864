#include "notify/message.h"

#include "base/alloc.h"
#include "base/text.h"
#include "notify/notice.h"

#include <errno.h>
#include <string.h>

static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

static void list_wipe(char **list)
{
    for (char **p = list; p && *p; p++)
        wipe(*p);
    free(list);
}

void message_clear(struct message *m)
{
    if (!m)
        return;
    wipe(m->body);
    wipe(m->url);
    free(m->from);
    list_wipe(m->headers);
    list_wipe(m->to);
    *m = (struct message){0};
}

void message_add_header(struct message *m, const char *name, const char *value)
{
    size_t n = 0;
    while (m->headers && m->headers[n])
        n++;
    m->headers = xreallocarray(m->headers, n + 2, sizeof(*m->headers));
    m->headers[n] = xasprintf("%s: %s", name, value);
    m->headers[n + 1] = NULL;
}

void message_set_json(struct message *m, const char *url, json_t *json_new)
{
    m->url = xstrdup(url);
    m->body = json_compact(json_new);
    m->body_len = strlen(m->body);
    message_add_header(m, "Content-Type", "application/json");
    json_decref(json_new);
}

int message_build(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err)
{
    static int (*const builders[])(const struct receiver *, const json_t *, struct message *,
                                   struct error *) = {[RECEIVER_SLACK] = slack_message,
                                                      [RECEIVER_PAGERDUTY] = pagerduty_message,
                                                      [RECEIVER_WEBHOOK] = webhook_message,
                                                      [RECEIVER_EMAIL] = email_message};
    if (!json_text(notice, "event"))
        return error_set(err, -EINVAL, "a notice that does not say what happened");
    if ((size_t)r->kind >= ARRAY_SIZE(builders))
        return error_set(err, -EINVAL, "a receiver of no kind");
    struct message m = {0};
    if (!r->send_resolved && str_eq(json_text(notice, "event"), "resolve")) {
        m.nothing = "the receiver wants no resolved alerts (send_resolved: false)";
        *ret = m;
        return 0;
    }
    _cleanup_json_ json_t *bounded = notice_bounded_new(notice);
    const int code = builders[r->kind](r, bounded, &m, err);
    if (code < 0)
        message_clear(&m);
    else
        *ret = m;
    return code;
}
