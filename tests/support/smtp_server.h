/* A small mail server for tests, on a plain socket and a thread: it says what the test's rules say, line for line, or
 * hangs, or closes. Does STARTTLS if it is given a certificate. Serves one connection after the other and keeps all
 * that it was sent. Header only. */
#pragma once

#include "base/strbuf.h"
#include "base/text.h"
#include "support/tls_server.h"

#include <stdbool.h>

struct smtp_rule {       /* "" as command is the greeting, "." the end of a mail */
    const char *command; /* what a line begins with */
    const char *reply;   /* without CRLF at its end; NULL: says nothing more; "": closes */
};

struct smtp_server {
    const struct smtp_rule *rules; /* ends with {NULL, NULL}; what no rule meets is answered as a good server would */
    const char *offers;            /* further lines of EHLO's reply: "250-STARTTLS\r\n" */
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
    int fd, port, client_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    struct strbuf heard; /* all lines, those of mails included */
    int connections;
    bool tls;
};

static inline ssize_t smtp_server_recv(struct smtp_server *s, char *c)
{
    return s->session ? gnutls_record_recv(s->session, c, 1) : recv(s->client_fd, c, 1, 0);
}

static inline void smtp_server_say(struct smtp_server *s, const char *text)
{
    if (s->session)
        gnutls_record_send(s->session, text, strlen(text));
    else
        (void)!send(s->client_fd, text, strlen(text), MSG_NOSIGNAL);
}

static inline bool smtp_server_line(struct smtp_server *s, struct strbuf *line)
{
    strbuf_reset(line);
    for (char c; !str_ends(strbuf_str(line), "\n"); strbuf_putc(line, c))
        if (smtp_server_recv(s, &c) <= 0)
            return false;
    pthread_mutex_lock(&s->lock);
    strbuf_puts(&s->heard, strbuf_str(line));
    pthread_mutex_unlock(&s->lock);
    return true;
}

static inline const char *smtp_server_usual(const char *command)
{
    static const char *const usual[][2] = {
        {"MAIL", "250 ok"},  {"RCPT", "250 ok"},        {"DATA", "354 go on"}, {".", "250 2.0.0 queued as 1"},
        {"QUIT", "221 bye"}, {"STARTTLS", "220 ready"}, {"AUTH", "334 "},      {"HELO", "250 test"},
    };
    if (!*command)
        return "220 test ESMTP";
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (str_starts(command, usual[i][0]))
            return usual[i][1];
    return "235 welcome"; /* the second half of AUTH */
}

/* False: the connection is over. */
static inline bool smtp_server_answer(struct smtp_server *s, const char *command)
{
    const char *reply = smtp_server_usual(command);
    for (const struct smtp_rule *r = s->rules; r && r->command; r++)
        if (*r->command ? str_starts(command, r->command) : !*command) {
            reply = r->reply;
            break;
        }
    if (reply && !*reply)
        return false;
    if (!reply) {
        for (char c; smtp_server_recv(s, &c) > 0;)
            ;
        return false;
    }
    _cleanup_free_ char *ehlo = str_starts(command, "EHLO") && reply[0] == '2'
                                    ? xasprintf("250-test\r\n%s250 OK\r\n", s->session ? "" : s->offers)
                                    : xasprintf("%s\r\n", reply);
    smtp_server_say(s, ehlo);
    return true;
}

static inline bool smtp_server_upgrade(struct smtp_server *s)
{
    TLS_OK(gnutls_init(&s->session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL));
    TLS_OK(gnutls_set_default_priority(s->session));
    TLS_OK(gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, s->credentials));
    gnutls_transport_set_int(s->session, s->client_fd);
    gnutls_handshake_set_timeout(s->session, 5000);
    int r;
    do
        r = gnutls_handshake(s->session);
    while (r < 0 && !gnutls_error_is_fatal(r));
    s->tls = r >= 0;
    return r >= 0;
}

static inline void smtp_server_serve(struct smtp_server *s)
{
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    bool in_mail = false;
    if (!smtp_server_answer(s, ""))
        return;
    while (smtp_server_line(s, &line)) {
        const char *text = strbuf_str(&line);
        if (in_mail && !str_eq(text, ".\r\n"))
            continue;
        if (!smtp_server_answer(s, in_mail ? "." : !*text ? " " : text))
            return;
        in_mail = !in_mail && str_starts(text, "DATA");
        if (str_starts(text, "STARTTLS") && s->credentials && !smtp_server_upgrade(s))
            return;
    }
}

static inline void *smtp_server_main(void *userdata)
{
    struct smtp_server *s = userdata;
    for (;;) {
        s->client_fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (s->client_fd < 0)
            return NULL;
        s->connections++;
        smtp_server_serve(s);
        if (s->session)
            gnutls_deinit(s->session);
        s->session = NULL;
        shutdown(s->client_fd, SHUT_RDWR);
        close(s->client_fd);
    }
}

/* pair NULL: STARTTLS is not offered. */
static inline struct smtp_server *smtp_server_start(const struct smtp_rule *rules, const char *offers,
                                                    const struct tls_pair *pair)
{
    struct smtp_server *s = xnew0(struct smtp_server);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    s->rules = rules;
    s->offers = offers;
    if (pair) {
        gnutls_x509_crt_t list[] = {pair->crt};
        TLS_OK(gnutls_certificate_allocate_credentials(&s->credentials));
        TLS_OK(gnutls_certificate_set_x509_key(s->credentials, list, 1, pair->key));
    }
    pthread_mutex_init(&s->lock, NULL);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s->fd, 16) < 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    s->port = ntohs(a.sin_port);
    pthread_create(&s->thread, NULL, smtp_server_main, s);
    return s;
}

/* The clients must have closed their connections. */
static inline void smtp_server_stop(struct smtp_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    if (s->credentials)
        gnutls_certificate_free_credentials(s->credentials);
    pthread_mutex_destroy(&s->lock);
    strbuf_free(&s->heard);
    free(s);
}

/* All that was heard so far; the caller frees. */
static inline char *smtp_server_heard(struct smtp_server *s)
{
    pthread_mutex_lock(&s->lock);
    char *copy = xstrdup(strbuf_str(&s->heard));
    pthread_mutex_unlock(&s->lock);
    return copy;
}
