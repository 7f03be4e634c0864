/* UDP under sd-event.
 *
 * Happy path: both queries leave on one connected socket, each with a random number; both answers come; finish().
 * Failure modes: what is not an answer to one of them is ignored; without answers both are sent again each second until
 * the time is over; nobody there (ICMP) is "refused". */
#include "io/dns_look.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "io/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AGAIN_US = 1000000, RESOLV_CONF_MAX = 65536 };

static const int types[] = {DNS_A, DNS_AAAA};

struct dns_look {
    int fd, rcode;
    uint16_t ids[ARRAY_SIZE(types)];
    bool answered[ARRAY_SIZE(types)];
    json_t *addresses;
    char *name, *server;
    int64_t left_us;
    sd_event_source *io, *timer;
    dns_look_cb done;
    void *userdata;
};

static void look_free(struct dns_look *l)
{
    sd_event_source_disable_unref(l->io);
    sd_event_source_disable_unref(l->timer);
    if (l->fd >= 0)
        close(l->fd);
    json_decref(l->addresses);
    free(l->name);
    free(l->server);
    free(l);
}

static void finish(struct dns_look *l, json_t *answer_new)
{
    const dns_look_cb done = l->done;
    void *userdata = l->userdata;
    look_free(l);
    done(answer_new, userdata);
}

static void fail(struct dns_look *l, const char *error, const char *what)
{
    _cleanup_free_ char *message = xasprintf("DNS server %s: %s", l->server, what);
    json_t *answer = json_object();
    json_set_text(answer, "error", error);
    json_set_text(answer, "message", message);
    finish(l, answer);
}

static int send_queries(struct dns_look *l, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        unsigned char query[DNS_QUERY_MAX];
        const int len = dns_query(l->ids[i], l->name, types[i], query, err);
        if (len < 0)
            return len;
        if (!l->answered[i] && send(l->fd, query, (size_t)len, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            return error_set(err, -errno, "DNS server %s: %s", l->server, strerror(errno));
    }
    return 0;
}

static int on_io(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
    struct dns_look *l = userdata;
    unsigned char message[DNS_MESSAGE_MAX];
    const ssize_t len = recv(fd, message, sizeof(message), 0);
    bool all = true;
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (len < 0) {
        fail(l, errno == ECONNREFUSED ? "refused" : "reset", strerror(errno));
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        int code = 0;
        _cleanup_json_ json_t *found = json_array(); /* of a broken message nothing is kept */
        if (!l->answered[i] && dns_answer(message, (size_t)len, l->ids[i], l->name, types[i], found, &code) == 0) {
            json_array_extend(l->addresses, found);
            l->answered[i] = true;
            l->rcode = code ? code : l->rcode;
        }
        all = all && l->answered[i];
    }
    if (all)
        finish(l, json_pack("{s:i, s:i, s:O, s:s}", "status", 0, "rcode", l->rcode, "addresses", l->addresses, "server",
                            l->server));
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
    struct dns_look *l = userdata;
    _cleanup_error_ struct error err = ERROR_NONE;
    const int64_t wait_us = l->left_us < AGAIN_US ? l->left_us : AGAIN_US;
    if (l->left_us <= 0) {
        fail(l, "timeout", "no answer in time");
        return 0;
    }
    if (send_queries(l, &err) < 0) {
        fail(l, err.code == -ECONNREFUSED ? "refused" : "reset", error_message(&err));
        return 0;
    }
    l->left_us -= wait_us;
    sd_event_source_set_time_relative(source, (uint64_t)wait_us);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* ---- the server ---- */

static int first_server(char **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int r = file_read("/etc/resolv.conf", RESOLV_CONF_MAX, &text, &len, err);
    if (r < 0)
        return r;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (!str_starts(line, "nameserver") || !strchr(" \t", line[10]))
            continue;
        const char *from = line + 10 + strspn(line + 10, " \t");
        *ret = xstrndup(from, strcspn(from, " \t\r%#;"));
        return 0;
    }
    return error_set(err, -ENOENT, "/etc/resolv.conf names no server");
}

/* "1.2.3.4", "1.2.3.4:53", "::1", "[::1]:53". */
static int parse_server(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len, struct error *err)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    const bool bracket = *text == '[';
    const char *colon = strrchr(text, ':');
    const bool has_port = colon && (bracket ? colon[-1] == ']' : strchr(text, ':') == colon);
    const size_t host = has_port ? (size_t)(colon - text) : strlen(text);
    char *end = NULL;
    const long port = has_port ? strtol(colon + 1, &end, 10) : 53;
    _cleanup_free_ char *ip = bracket && host > 2 ? xstrndup(text + 1, host - 2) : xstrndup(text, host);
    *ret = (struct sockaddr_storage){0};
    if ((bracket && (host < 3 || text[host - 1] != ']')) || (end && *end) || port < 1 || port > 65535)
        return error_set(err, -EINVAL, "\"%.100s\" is no DNS server: IP or IP:port is expected", text);
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *ret_len = sizeof(*v4);
    } else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *ret_len = sizeof(*v6);
    } else {
        return error_set(err, -EINVAL, "\"%.100s\" is no DNS server: IP or IP:port is expected", text);
    }
    return 0;
}

static int open_look(struct dns_look *l, sd_event *event, struct error *err)
{
    struct sockaddr_storage to;
    socklen_t len = 0;
    int r = parse_server(l->server, &to, &len, err);
    if (r < 0)
        return r;
    l->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&to, len) < 0)
        return error_set(err, -errno, "DNS server %s: %s", l->server, strerror(errno));
    if (gnutls_rnd(GNUTLS_RND_NONCE, l->ids, sizeof(l->ids)) < 0)
        return error_set(err, -EIO, "no random numbers");
    unsigned char query[DNS_QUERY_MAX];
    r = dns_query(0, l->name, DNS_A, query, err);
    if (r >= 0)
        r = sd_event_add_io(event, &l->io, l->fd, EPOLLIN, on_io, l);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, 0, 1, on_timer, l);
    return r;
}

int dns_look_start(sd_event *event, const char *name, const char *server, int64_t timeout_us, dns_look_cb done,
                   void *userdata, struct dns_look **ret, struct error *err)
{
    struct dns_look *l = xnew0(struct dns_look);
    *l = (struct dns_look){.fd = -1,
                           .addresses = json_array(),
                           .name = xstrdup(name),
                           .server = xstrdup(server),
                           .left_us = timeout_us,
                           .done = done,
                           .userdata = userdata};
    int r = l->server ? 0 : first_server(&l->server, err);
    if (r >= 0)
        r = open_look(l, event, err);
    if (r < 0) {
        look_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void dns_look_cancel(struct dns_look *look)
{
    fail(look, "cancelled", "the look was cancelled");
}
