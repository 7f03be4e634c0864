/* A small HTTP/1.1 server for tests, on plain sockets and a thread a connection: the test says for each request what
 * goes back, byte for byte, or that the connection dies or says nothing. Counts what arrived. Header only. */
#pragma once

#include "base/alloc.h"
#include "base/macro.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SCRIPT_CONNECTIONS = 128, SCRIPT_REQUEST_MAX = 1 << 20 };

struct script_request {
    int number;        /* of the server, from 0 */
    int connection;    /* from 0 */
    int on_connection; /* number on this connection, from 0 */
    char method[16], target[2048];
    const char *head; /* whole head, as received */
    const char *body;
    size_t body_len;
};

/* Gives the raw answer (allocated), or NULL: close the connection without one. "" stalls until the server stops. */
typedef char *(*script_handler)(const struct script_request *req, void *userdata);

struct script_server {
    int fd, port;
    script_handler handler;
    void *userdata;
    pthread_mutex_t lock;
    pthread_t acceptor, threads[SCRIPT_CONNECTIONS];
    int fds[SCRIPT_CONNECTIONS];
    int connections, requests;
};

struct script_connection {
    struct script_server *server;
    int index;
};

static inline char *script_json(int status, const char *json)
{
    return xasprintf("HTTP/1.1 %d Status\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
                     strlen(json), json);
}

/* The value of a header, allocated, or NULL. */
static inline char *script_header(const struct script_request *req, const char *name)
{
    const size_t len = strlen(name);
    for (const char *line = req->head; (line = strstr(line, "\r\n")); line += 2)
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            return xstrndup(line + 4 + len, strcspn(line + 4 + len, "\r\n"));
    return NULL;
}

static inline ssize_t script_read(int fd, char *buf, size_t have, size_t want)
{
    while (have < want) {
        const ssize_t n = recv(fd, buf + have, want - have, 0);
        if (n <= 0)
            return -1;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

/* Reads one whole request; false at the connection's end. `buf` is freed by the caller. */
static inline bool script_receive(int fd, char *buf, struct script_request *req)
{
    size_t len = 0;
    const char *end = NULL;
    while (!end) {
        if (len >= SCRIPT_REQUEST_MAX || script_read(fd, buf, len, len + 1) < 0)
            return false;
        buf[++len] = '\0';
        end = len >= 4 && memcmp(buf + len - 4, "\r\n\r\n", 4) == 0 ? buf + len : NULL;
    }
    req->head = buf;
    if (sscanf(buf, "%15s %2047s", req->method, req->target) != 2)
        return false;
    _cleanup_free_ char *length = script_header(req, "Content-Length");
    req->body_len = length ? (size_t)atol(length) : 0;
    if (len + 1 + req->body_len >= SCRIPT_REQUEST_MAX)
        return false;
    req->body = buf + len + 1; /* behind the head's NUL */
    buf[len + 1 + req->body_len] = '\0';
    return script_read(fd, buf + len + 1, 0, req->body_len) >= 0;
}

static inline void *script_serve(void *userdata)
{
    struct script_connection c = *(struct script_connection *)userdata;
    free(userdata);
    struct script_server *s = c.server;
    const int fd = s->fds[c.index];
    char *buf = xmalloc(SCRIPT_REQUEST_MAX + 1);
    for (int i = 0;; i++) {
        struct script_request req = {.connection = c.index, .on_connection = i};
        if (!script_receive(fd, buf, &req))
            break;
        pthread_mutex_lock(&s->lock);
        req.number = s->requests++;
        _cleanup_free_ char *answer = s->handler(&req, s->userdata);
        pthread_mutex_unlock(&s->lock);
        if (!answer)
            break;
        if (!*answer) {
            char c1;
            (void)!recv(fd, &c1, 1, 0);
            break;
        }
        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0 || strstr(answer, "Connection: close"))
            break;
    }
    shutdown(fd, SHUT_RDWR);
    free(buf);
    return NULL;
}

static inline void *script_accept(void *userdata)
{
    struct script_server *s = userdata;
    for (;;) {
        const int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || s->connections == SCRIPT_CONNECTIONS)
            return NULL;
        struct script_connection *c = xnew0(struct script_connection);
        *c = (struct script_connection){.server = s, .index = s->connections};
        s->fds[s->connections] = fd;
        pthread_create(&s->threads[s->connections], NULL, script_serve, c);
        s->connections++;
    }
}

static inline struct script_server *script_start_at(int fd_taken, script_handler handler, void *userdata)
{
    struct script_server *s = xnew0(struct script_server);
    s->handler = handler;
    s->userdata = userdata;
    s->fd = fd_taken;
    pthread_mutex_init(&s->lock, NULL);
    if (listen(s->fd, 64) < 0)
        abort();
    pthread_create(&s->acceptor, NULL, script_accept, s);
    return s;
}

static inline struct script_server *script_start(script_handler handler, void *userdata)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    struct script_server *s = script_start_at(fd, handler, userdata);
    s->port = ntohs(a.sin_port);
    return s;
}

/* On a unix socket; the path must not be there yet. */
static inline struct script_server *script_start_unix(const char *path, script_handler handler, void *userdata)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
        abort();
    return script_start_at(fd, handler, userdata);
}

static inline void script_stop(struct script_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->acceptor, NULL);
    for (int i = 0; i < s->connections; i++) {
        shutdown(s->fds[i], SHUT_RDWR);
        pthread_join(s->threads[i], NULL);
        close(s->fds[i]);
    }
    close(s->fd);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static inline int script_requests(struct script_server *s)
{
    pthread_mutex_lock(&s->lock);
    const int n = s->requests;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* A port that nobody listens on (it was free a moment ago). */
static inline int script_closed_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    close(fd);
    return ntohs(a.sin_port);
}
