/* A WebSocket server for tests, on plain sockets and a thread a connection: the test's script says byte for byte what
 * goes back. Header only. */
#pragma once

#include "base/alloc.h"
#include "io/websocket_internal.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WS_CONNECTIONS = 64 };

struct ws_server;

struct ws_connection {
    struct ws_server *server;
    pthread_t thread;
    int fd, number; /* from 0 */
    char head[16384], key[64];
};

typedef void (*ws_script)(struct ws_connection *c);

struct ws_server {
    int fd, port, n;
    pthread_t acceptor;
    pthread_mutex_t lock;
    ws_script script;
    struct ws_connection *connections[WS_CONNECTIONS];
};

static inline void ws_raw(struct ws_connection *c, const void *data, size_t len)
{
    (void)!send(c->fd, data, len, MSG_NOSIGNAL);
}

static inline void ws_text(struct ws_connection *c, const char *text)
{
    ws_raw(c, text, strlen(text));
}

/* accept NULL: the right one. */
static inline void ws_upgrade(struct ws_connection *c, const char *accept, const char *protocol)
{
    _cleanup_free_ char *right = websocket_accept_new(c->key);
    _cleanup_free_ char *text = xasprintf("HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
                                          "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                                          "Sec-WebSocket-Protocol: %s\r\n\r\n",
                                          accept ? accept : right, protocol);
    ws_text(c, text);
}

/* `first`: FIN and opcode, 0x82 is a whole binary message. */
static inline void ws_frame(struct ws_connection *c, unsigned char first, const void *data, size_t len, bool masked)
{
    unsigned char head[14] = {first};
    const unsigned char mask = masked ? 0x80 : 0;
    size_t n = 2;
    if (len < 126) {
        head[1] = (unsigned char)(mask | len);
    } else if (len < 65536) {
        head[1] = mask | 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        n = 4;
    } else {
        head[1] = mask | 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)(len >> (56 - 8 * i));
        n = 10;
    }
    n += masked ? 4 : 0; /* a mask of zeros changes nothing */
    ws_raw(c, head, n);
    ws_raw(c, data, len);
}

static inline void ws_message(struct ws_connection *c, int channel, const char *text)
{
    _cleanup_free_ char *data = xasprintf("%c%s", channel, text);
    ws_frame(c, 0x82, data, strlen(text) + 1, false);
}

static inline void ws_close(struct ws_connection *c)
{
    ws_frame(c, 0x88, "\x03\xe8", 2, false);
}

static inline bool ws_read(struct ws_connection *c, void *buf, size_t len)
{
    for (size_t have = 0; have < len;) {
        const ssize_t n = recv(c->fd, (char *)buf + have, len - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return true;
}

/* A short frame of the client's, unmasked into `buf` (126 bytes). Its opcode, -1 at the end; -2 if it is not masked. */
static inline int ws_receive(struct ws_connection *c, unsigned char *buf, size_t *ret_len)
{
    unsigned char head[2], mask[4];
    if (!ws_read(c, head, 2))
        return -1;
    *ret_len = head[1] & 0x7f;
    if (!(head[1] & 0x80) || *ret_len > 125)
        return -2;
    if (!ws_read(c, mask, 4) || !ws_read(c, buf, *ret_len))
        return -1;
    for (size_t i = 0; i < *ret_len; i++)
        buf[i] ^= mask[i % 4];
    buf[*ret_len] = '\0';
    return head[0] & 0x0f;
}

/* Until the client has gone. */
static inline void ws_wait(struct ws_connection *c)
{
    char buf[4096];
    while (recv(c->fd, buf, sizeof(buf), 0) > 0)
        ;
}

static inline bool ws_read_head(struct ws_connection *c)
{
    for (size_t len = 0; len + 1 < sizeof(c->head); len++) {
        if (!ws_read(c, c->head + len, 1))
            return false;
        if (len >= 3 && memcmp(c->head + len - 3, "\r\n\r\n", 4) == 0) {
            const char *key = strstr(c->head, "Sec-WebSocket-Key: ");
            if (key)
                snprintf(c->key, sizeof(c->key), "%.*s", (int)strcspn(key + 19, "\r"), key + 19);
            return true;
        }
    }
    return false;
}

static inline void *ws_serve(void *userdata)
{
    struct ws_connection *c = userdata;
    if (ws_read_head(c))
        c->server->script(c);
    shutdown(c->fd, SHUT_RDWR);
    return NULL;
}

static inline void *ws_accept(void *userdata)
{
    struct ws_server *s = userdata;
    for (;;) {
        const int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || s->n == WS_CONNECTIONS)
            return NULL;
        struct ws_connection *c = xnew0(struct ws_connection);
        c->server = s;
        c->fd = fd;
        pthread_mutex_lock(&s->lock);
        c->number = s->n;
        s->connections[s->n++] = c;
        pthread_mutex_unlock(&s->lock);
        pthread_create(&c->thread, NULL, ws_serve, c);
    }
}

static inline struct ws_server *ws_start(void)
{
    struct ws_server *s = xnew0(struct ws_server);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s->fd, 64) < 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    s->port = ntohs(a.sin_port);
    pthread_mutex_init(&s->lock, NULL);
    pthread_create(&s->acceptor, NULL, ws_accept, s);
    return s;
}

static inline int ws_connections(struct ws_server *s)
{
    pthread_mutex_lock(&s->lock);
    const int n = s->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static inline void ws_stop(struct ws_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->acceptor, NULL);
    for (int i = 0; i < s->n; i++) {
        shutdown(s->connections[i]->fd, SHUT_RDWR);
        pthread_join(s->connections[i]->thread, NULL);
        close(s->connections[i]->fd);
        free(s->connections[i]);
    }
    close(s->fd);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
