#include "notify/receiver.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { MAILBOX_MAX = 320, LOCAL_PART_MAX = 64, HOST_MAX = 255 };

void receiver_init(struct receiver *r, enum receiver_kind kind)
{
    *r = (struct receiver){.kind = kind, .send_resolved = true};
}

static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

static void list_free(char **list)
{
    for (char **p = list; p && *p; p++)
        free(*p);
    free(list);
}

void receiver_clear(struct receiver *r)
{
    if (!r)
        return;
    wipe(r->url);
    wipe(r->pagerduty.routing_key);
    wipe(r->webhook.bearer_token);
    wipe(r->email.password);
    char *const plain[] = {r->name,
                           r->url_file,
                           r->ca_file,
                           r->slack.channel,
                           r->slack.username,
                           r->pagerduty.routing_key_file,
                           r->pagerduty.client_url,
                           r->webhook.bearer_token_file,
                           r->email.from,
                           r->email.smarthost,
                           r->email.username,
                           r->email.password_file,
                           r->email.hello};
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        free(plain[i]);
    list_free(r->email.to);
    *r = (struct receiver){0};
}

static char **list_copy(char *const *list)
{
    if (!list)
        return NULL;
    size_t n = 0;
    while (list[n])
        n++;
    char **copy = xcalloc(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = xstrdup(list[i]);
    return copy;
}

void receiver_copy(struct receiver *to, const struct receiver *from)
{
    *to =
        (struct receiver){.name = xstrdup(from->name),
                          .kind = from->kind,
                          .send_resolved = from->send_resolved,
                          .digest = from->digest,
                          .url = xstrdup(from->url),
                          .url_file = xstrdup(from->url_file),
                          .ca_file = xstrdup(from->ca_file),
                          .insecure = from->insecure,
                          .slack = {.channel = xstrdup(from->slack.channel), .username = xstrdup(from->slack.username)},
                          .pagerduty = {.routing_key = xstrdup(from->pagerduty.routing_key),
                                        .routing_key_file = xstrdup(from->pagerduty.routing_key_file),
                                        .client_url = xstrdup(from->pagerduty.client_url)},
                          .webhook = {.bearer_token = xstrdup(from->webhook.bearer_token),
                                      .bearer_token_file = xstrdup(from->webhook.bearer_token_file)},
                          .email = {.to = list_copy(from->email.to),
                                    .from = xstrdup(from->email.from),
                                    .smarthost = xstrdup(from->email.smarthost),
                                    .username = xstrdup(from->email.username),
                                    .password = xstrdup(from->email.password),
                                    .password_file = xstrdup(from->email.password_file),
                                    .hello = xstrdup(from->email.hello),
                                    .tls = from->email.tls}};
}

const char *receiver_kind_name(enum receiver_kind kind)
{
    static const char *const names[] = {[RECEIVER_SLACK] = "slack",
                                        [RECEIVER_PAGERDUTY] = "pagerduty",
                                        [RECEIVER_WEBHOOK] = "webhook",
                                        [RECEIVER_EMAIL] = "email"};
    return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

int smarthost_parse(const char *smarthost, char **ret_host, int *ret_port, struct error *err)
{
    const char *colon = smarthost ? strrchr(smarthost, ':') : NULL;
    if (!colon)
        return error_set(err, -EINVAL, "not a mail server's address: host:port is expected");
    const bool v6 = smarthost[0] == '[' && colon > smarthost && colon[-1] == ']';
    const char *begin = smarthost + v6;
    const size_t len = (size_t)(colon - begin) - v6, digits = strspn(colon + 1, "0123456789");
    const char *chars =
        v6 ? "0123456789abcdefABCDEF:." : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    const long port = digits > 0 && digits <= 5 && !colon[1 + digits] ? strtol(colon + 1, NULL, 10) : 0;
    if (len == 0 || len > HOST_MAX || strspn(begin, chars) < len || begin[0] == '-' || port < 1 || port > 65535)
        return error_set(err, -EINVAL, "not a mail server's address: host:port is expected");
    *ret_host = xstrndup(begin, len);
    *ret_port = (int)port;
    return 0;
}

bool host_is_loopback(const char *host)
{
    if (str_eq(host, "::1") || (host && strcasecmp(host, "localhost") == 0))
        return true;
    return str_starts(host, "127.") && strspn(host, "0123456789.") == strlen(host); /* and no 127.example.com */
}

bool receiver_requires_tls(const struct receiver *r)
{
    _cleanup_free_ char *host = NULL;
    int port;
    const bool loopback = smarthost_parse(r->email.smarthost, &host, &port, NULL) >= 0 && host_is_loopback(host);
    if (r->email.tls == RECEIVER_TLS_REQUIRED)
        return true;
    return !loopback && (r->email.tls == RECEIVER_TLS_AUTO || !str_empty(r->email.username));
}

static bool address_ok(const char *s)
{
    static const char atext[] = "!#$%&'*+-/=?^_`{|}~.";
    const char *at = strrchr(s, '@');
    if (!at || at == s || at - s > LOCAL_PART_MAX || strlen(s) > MAILBOX_MAX)
        return false;
    for (const char *p = s; p < at; p++)
        if (!isascii((unsigned char)*p) || (!isalnum((unsigned char)*p) && !strchr(atext, *p)))
            return false;
    const char *domain = at + 1;
    const size_t len = strlen(domain);
    if (len == 0 || len > HOST_MAX || domain[0] == '.' || domain[0] == '-' || strstr(domain, ".."))
        return false;
    return strspn(domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == len;
}

static char *name_of(const char *s, const char *end)
{
    while (s < end && isspace((unsigned char)*s))
        s++;
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    if (end - s >= 2 && *s == '"' && end[-1] == '"')
        s++, end--;
    return end > s ? xstrndup(s, (size_t)(end - s)) : NULL;
}

int mailbox_parse(const char *mailbox, char **ret_name, char **ret_address, struct error *err)
{
    static const char words[] = "not a mail address: name@example.com or Name <name@example.com> is expected";
    if (str_empty(mailbox) || strlen(mailbox) > MAILBOX_MAX || !utf8_valid(mailbox, strlen(mailbox)))
        return error_set(err, -EINVAL, words);
    for (const char *p = mailbox; *p; p++)
        if (iscntrl((unsigned char)*p))
            return error_set(err, -EINVAL, words);
    const char *open = strrchr(mailbox, '<'), *close = open ? strchr(open, '>') : NULL;
    if (open && (!close || close[1]))
        return error_set(err, -EINVAL, words);
    _cleanup_free_ char *address = open ? xstrndup(open + 1, (size_t)(close - open - 1)) : xstrdup(mailbox);
    if (!address_ok(address))
        return error_set(err, -EINVAL, words);
    if (ret_name)
        *ret_name = open ? name_of(mailbox, open) : NULL;
    *ret_address = TAKE_PTR(address);
    return 0;
}
