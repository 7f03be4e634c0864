/* What the HTTP server's files share: requests, replies, routes. A request is owned by its connection; whoever answers
 * later takes a reference, because the connection may go first (then `connection` is NULL and replies are dropped). */
#pragma once

#include "base/json.h"
#include "base/strbuf.h"
#include "web.h"
#include "web_auth.h"
#include "web_password.h"
#include "web_peer.h"
#include "web_tls.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct request;
struct listener;
struct connection;

struct route {
    const char *method; /* "GET" (HEAD too) or "POST" */
    const char *path;   /* "/actions/{id}": one segment as the request's parameter */
    void (*handle)(struct request *req);
    enum access access;
    bool takes_body; /* else what is sent is thrown away */
    size_t body_max; /* 0: as --web.max-body says */
};

enum { WEB_PARAM_MAX = 128, WEB_CALLER_MAX = 160, COMMAND_MAX = 16 * 1024 };

/* Why a request was not served, for /metrics. */
enum refusal {
    REFUSED_CONNECTIONS,
    REFUSED_SLOW,
    REFUSED_REQUEST, /* could be read in two ways */
    REFUSED_RATE,
    REFUSED_SITE,  /* of another site, or by another name */
    REFUSED_LOGIN, /* not known */
    REFUSED_SCOPE, /* known, and may not */
    REFUSALS
};

/* A peer's connection, as long as it lives: libmicrohttpd's "socket context". */
enum phase { PHASE_HEAD, PHASE_BODY, PHASE_WORK };
struct connection {
    struct web *web;
    struct peer *peer; /* NULL: a unix socket */
    struct sockaddr_storage address;
    int fd;
    struct web_tls *tls;     /* whose rules it was looked at by; NULL without TLS */
    struct tls_peer *client; /* NULL: no client certificate that holds */
    bool distrusted;         /* a handshake by the rules of now would be refused */
    enum phase phase;
    bool served;                   /* a request before this one */
    int64_t since_us;              /* the phase's beginning, monotonic */
    const struct request *request; /* while in PHASE_BODY */
    uint64_t webhooks;
    char webhooks_by[WEB_CALLER_MAX];
    struct connection *next, *prev;
};

struct request {
    struct web *web;
    struct MHD_Connection *connection;
    unsigned refs;
    const struct route *route;
    char param[WEB_PARAM_MAX];
    struct connection *from;
    bool begun;         /* its headers were judged */
    bool admitted;      /* it may; false: the token comes with the form */
    bool asks_password; /* bcrypt works on it */
    enum password_answer password;
    char user[WEB_CALLER_MAX];   /* whose password it is */
    bool known;                  /* has shown who he is, whether he may or not */
    unsigned scopes;             /* of whoever has shown who he is */
    char caller[WEB_CALLER_MAX]; /* who this is, for records and the log */
    uint64_t length;             /* Content-Length, 0 without */
    bool chunked;
    char *body; /* NUL-terminated when handled */
    size_t body_len, body_cap, received, counted;
    struct MHD_Response *response; /* the answer, until it is queued */
    unsigned status;
    bool shared; /* the response is the server's own and stays */
    bool suspended;
    struct request *next, **link; /* of the suspended ones */
};

struct web {
    sd_event *event;
    struct engine *engine;
    size_t max_body;
    int (*reload)(void *userdata, struct faults *faults, struct error *err);
    void *reload_userdata;
    const char *external_url, *config_file; /* or NULL */
    bool anonymous_ok;                      /* only this host reaches it, or --web.allow-anonymous */
    struct web_tls *tls, *next_tls;         /* the web configuration; the one of a reload that is not decided yet */
    uint64_t files_seen, files_bad;         /* what its files looked like: when loaded, when they could not be */
    int64_t files_looked_us;
    struct passwords *passwords;
    struct peers *peers;
    struct connection *connections;
    sd_event_source *sweep;
    unsigned connections_max;
    uint64_t refused[REFUSALS];
    struct bucket refusals_told;
    uint64_t refusals_untold;
    struct MHD_Daemon *mhd;
    sd_event_source *io, *timer, *kick, *heartbeat;
    uint64_t armed_us; /* when the timer fires, monotonic; 0: not armed */
    char *unix_path;
    int port;
    bool stopping;
    struct request *suspended;
    size_t large_bytes;                /* bodies over LARGE_BODY that are held now */
    struct MHD_Response *accepted_one; /* the usual answer to a webhook, made once */
    struct listener *listeners;
    size_t n_listeners;
};

/* ---- web_loop.c ---- */
/* Lets libmicrohttpd go on in the next turn of the loop: after a connection was resumed. */
void web_kick(struct web *w);
int web_loop_start(struct web *w, int listen_fd, struct error *err);
void web_loop_stop(struct web *w);

/* ---- web_listen.c ---- */
int web_port_of(int fd); /* 0: of no TCP socket */
int web_listen(const char *address, int *ret_fd, char **ret_unix_path, int *ret_port, struct error *err);

/* ---- web_connection.c ---- */
enum MHD_Result web_on_accept(void *cls, const struct sockaddr *address, socklen_t len);
void web_on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what);
struct connection *connection_of(struct MHD_Connection *mhd);
void connection_phase(struct connection *c, enum phase phase, const struct request *req);
int64_t web_now_us(const struct web *w); /* monotonic, of this turn of the loop */
/* Looks at the client certificate again if the rules have changed, or it may have expired. What no new connection could
 * have is `distrusted` then: nothing is served on it, whatever token comes with the request. */
void connection_look(struct connection *c, struct MHD_Connection *mhd);

/* ---- web_doors.c: --web.config.file ---- */
int web_doors_start(struct web *w, struct error *err);
/* Takes in what has changed on disk; what cannot be used leaves the old one in place. Looks once a second at most. */
void web_doors_refresh(struct web *w);
/* NULL: no such file is configured. */
const struct web_config *web_config_of(const struct web *w);
/* Whether anybody has to say who he is. */
bool web_needs_login(const struct web *w, const struct config *config);

/* ---- web_framing.c ---- */
struct framing {
    uint64_t length; /* Content-Length */
    bool chunked;
    const char *fault; /* what could be read in two ways, or NULL */
};
void web_look_at_framing(struct request *req, const char *version, struct framing *ret);

/* ---- web_request.c ---- */
extern const struct route web_routes[]; /* web.c; ended by a NULL path */
enum MHD_Result web_on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_len, void **state);
void web_on_completed(void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why);
struct request *request_ref(struct request *req);
void request_unref(struct request *req);
/* The body, NUL-terminated; the caller frees. */
char *request_take_body(struct request *req, size_t *ret_len);
/* NULL if it is not given. */
const char *request_query(struct request *req, const char *name);
const char *request_header(struct request *req, const char *name);
/* 400 with a suggestion if the query holds a name that is not in the list. False then. */
bool request_check_query(struct request *req, const char *const known[]);

/* Waits: MHD asks again after request_wake(). */
void request_suspend(struct request *req);
void request_wake(struct request *req);
void web_count_refusal(struct web *w, enum refusal why);

/* ---- web_auth.c ---- */
/* The caller as the log names whoever has not said who he is. */
void web_name_anonymous(struct request *req);
enum admission { ADMISSION_YES, ADMISSION_NO, ADMISSION_LATER };
/* Whether the caller may use the route. NO: the request is answered (401, 403, 429); LATER: it is suspended until the
 * password is checked, then ask again. */
enum admission web_admit(struct request *req);
/* The same with the secret of a form. NULL: none was given. */
bool web_admit_secret(struct request *req, const char *secret);
/* For pages that are open: whether more than the door may be shown. Answers nothing. */
bool web_may_look(struct request *req);
/* A page of another site in somebody's browser must neither change nor read anything here. NULL, or why it is
 * refused; the route is known, if there is one. */
const char *web_foreign_site(struct request *req, const char *method);
/* One line of the log for each call that changes something, refused ones too; of refused ones whose caller nobody knows
 * no more than a person reads. */
void web_audit(const struct request *req, const char *did, const char *by, unsigned status, const char *result);
/* The same for a call that ends at the door; nothing for what only looks, or has no route. */
void web_audit_refused(const struct request *req, unsigned status, const char *why);

/* ---- web_html.c ---- */
bool web_is_form(struct request *req); /* Content-Type: application/x-www-form-urlencoded */
enum { HTML_TEXT_MAX = 200 };
void html_begin(struct strbuf *b, const char *title);
/* Whatever stands in an alert is text here and nothing else; at most `max` bytes of it. */
void html_text(struct strbuf *b, const char *s, size_t max);
void html_cell(struct strbuf *b, const char *class, const char *text);
/* Ends the page and answers with it; `b` is emptied. */
void html_reply(struct request *req, unsigned status, struct strbuf *b);
/* The request is a page's form, sent by a person's browser: errors are pages too. */
bool html_wanted(struct request *req);
/* A page with one sentence. */
void html_message(struct request *req, unsigned status, const char *message);

/* ---- web_reply.c: each answers the request; exactly one per request ---- */
void reply_json(struct request *req, unsigned status, json_t *taken);
/* `text` is taken (malloc). content_type is static. */
void reply_text(struct request *req, unsigned status, const char *content_type, char *text, size_t len);
void reply_static(struct request *req, unsigned status, const char *content_type, const char *text, size_t len);
void reply_error(struct request *req, unsigned status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* 503 with Retry-After. */
void reply_busy(struct request *req, int retry_after_s, const char *code, const char *message);
void reply_not_allowed(struct request *req, const char *allow);
/* 401 with the ways to log in that there are. */
void reply_unauthorized(struct request *req, const char *message);
void response_add_challenges(const struct request *req, struct MHD_Response *response);
/* 429 with Retry-After. */
void reply_limited(struct request *req, int64_t wait_us, const char *message);
/* A finished response (taken). */
void reply_response(struct request *req, unsigned status, struct MHD_Response *response);
/* The usual answer to a webhook, which the server made once: the one that it has when the answer leaves. */
void reply_accepted_one(struct request *req);
/* 503: nothing new is begun. */
void reply_stopping(struct request *req);
/* Content type and the headers that every answer has. */
struct MHD_Response *response_finish(const struct web *w, struct MHD_Response *response, const char *content_type);

/* ---- handlers ---- */
void api_webhook(struct request *req);
void api_webhook_oversized(struct web *w, uint64_t len);
struct MHD_Response *api_webhook_accepted_one_new(const struct web *w);
void api_actions(struct request *req);
void api_action(struct request *req);
void api_report(struct request *req);
void api_playbooks(struct request *req);
void api_status(struct request *req);
void api_clusters(struct request *req);
void api_healthy(struct request *req);
void api_ready(struct request *req);
void api_reload(struct request *req);
void api_openapi(struct request *req);
void api_events(struct request *req);
/* Ends all streams, when the server stops or logins may have changed: clients connect again by themselves. */
void api_events_stop(struct web *w);
void api_page(struct request *req);
void api_command(struct request *req);      /* what operators may do: the routes' paths say what */
void api_approve_page(struct request *req); /* looks, never approves */
void api_plan_page(struct request *req);    /* the same, with the token of a form */
/* The record of req->param; NULL having answered (404, 503). */
json_t *api_record_new(struct request *req);
void api_metrics(struct request *req);
enum report_form { REPORT_MARKDOWN, REPORT_JSON, REPORT_NEITHER };
/* What an Accept header wants; NULL or "": Markdown. */
enum report_form api_report_form(const char *accept);
/* The bytes of the record inside a journal document {"record": …, "state": …}, without parsing all of it. NULL: none.
 */
const char *api_record_text(const char *doc, size_t len, size_t *ret_len);
