/* Happy path: serve_exec() checks what a real API server checks and finds the rule for the command; exec_response()
 * does the WebSocket handshake (v5 or v4.channel.k8s.io), libmicrohttpd hands the socket over, and a thread of its own
 * plays the command: the world's one loop never waits for a command that hangs. Failure: a client that leaves ends the
 * thread with the first failed send or an end of input; execs_free() shuts the sockets down.
 *
 * The rule: annotation sim/exec, a list of {match (a regular expression on the words joined by blanks), stdout, stderr,
 * exit, hang, no_status}; else by the first word: `echo WORDS`, `exit N`, `stderr WORDS`, `hang`, `nostatus`, `flood
 * BYTES` (10 MB); else the line itself is printed. */
#include "exec.h"

#include "base/alloc.h"
#include "base/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define FLOOD (10 << 20)

struct exec {
    struct exec *next;
    pthread_t thread;
    struct MHD_UpgradeResponseHandle *handle;
    int fd;
    bool begun;
    _Atomic bool done; /* its thread can be joined without waiting */
    json_t *rule;
};

struct execs {
    struct exec *list;
};

/* ---- what it does ---- */

static bool matches(const char *pattern, const char *line)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    if (!re)
        return false;
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(re, NULL);
    const int r = pcre2_match(re, (PCRE2_SPTR)line, PCRE2_ZERO_TERMINATED, 0, 0, data, NULL);
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return r >= 0;
}

static char *joined(const json_t *words, size_t from)
{
    struct strbuf b = STRBUF_INIT;
    for (size_t i = from; i < json_array_size(words); i++)
        strbuf_printf(&b, "%s%s", i > from ? " " : "", json_string_value(json_array_get(words, i)));
    return strbuf_take(&b);
}

static json_t *rule_by_word(const json_t *words)
{
    const char *first = json_string_value(json_array_get(words, 0));
    _cleanup_free_ char *line = joined(words, 0), *rest = joined(words, 1);
    _cleanup_free_ char *rest_line = xasprintf("%s\n", rest);
    if (str_eq(first, "echo"))
        return json_pack("{s:s}", "stdout", rest_line);
    if (str_eq(first, "stderr"))
        return json_pack("{s:s}", "stderr", rest_line);
    if (str_eq(first, "exit"))
        return json_pack("{s:i}", "exit", atoi(rest));
    if (str_eq(first, "hang"))
        return json_pack("{s:b}", "hang", 1);
    if (str_eq(first, "nostatus"))
        return json_pack("{s:s, s:b}", "stdout", rest_line, "no_status", 1);
    if (str_eq(first, "flood"))
        return json_pack("{s:i}", "flood", *rest ? atoi(rest) : FLOOD);
    _cleanup_free_ char *whole = xasprintf("%s\n", line);
    return json_pack("{s:s}", "stdout", whole);
}

static json_t *rule_new(const struct object *pod, const json_t *words)
{
    const char *text = json_path_text(pod->json, "metadata", "annotations", "sim/exec", NULL);
    _cleanup_json_ json_t *rules = text ? json_loads(text, 0, NULL) : NULL;
    _cleanup_free_ char *line = joined(words, 0);
    size_t i;
    json_t *rule;
    json_array_foreach (rules, i, rule)
        if (matches(json_text_or(rule, "match", ""), line))
            return json_deep_copy(rule);
    return rule_by_word(words);
}

/* ---- the request ---- */

static bool has_container(const struct object *pod, const char *name)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(pod->json, "spec", "containers", NULL), i, c)
        if (str_eq(json_text(c, "name"), name))
            return true;
    return false;
}

static void choose_one(const struct object *pod, struct answer *a)
{
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
    size_t i;
    json_t *c;
    json_array_foreach (json_path(pod->json, "spec", "containers", NULL), i, c)
        strbuf_printf(&names, "%s%s", i ? " " : "", json_text_or(c, "name", ""));
    fail_bad_request(a, "a container name must be specified for pod %s, choose one of: [%s]", pod->name,
                     strbuf_str(&names));
}

void serve_exec(struct sim *sim, struct request *req, struct object *pod, struct answer *a)
{
    (void)sim;
    const char *container = param(req, "container");
    if (!str_eq(req->method, "GET") && !str_eq(req->method, "POST"))
        fail_method(a);
    else if (!str_empty(container) && !has_container(pod, container))
        fail_bad_request(a, "container %s is not valid for pod %s", container, pod->name);
    else if (str_empty(container) && json_array_size(json_path(pod->json, "spec", "containers", NULL)) > 1)
        choose_one(pod, a);
    else if (str_empty(json_path_text(pod->json, "spec", "nodeName", NULL)))
        fail_bad_request(a, "pod %s does not have a host assigned", pod->name);
    else if (!req->upgrade)
        fail_bad_request(a, "Upgrade request required");
    else {
        a->code = 101;
        a->exec = rule_new(pod, req->commands);
    }
}

/* ---- frames ---- */

static bool send_all(int fd, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        const ssize_t n = send(fd, (const char *)data + done, len - done, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* At most 4096 bytes a frame, as a kubelet's copying does. */
static bool send_channel(int fd, int channel, const char *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        unsigned char frame[4 + 1 + 4096];
        const size_t n = len - done < 4096 ? len - done : 4096;
        size_t head = 2;
        frame[0] = 0x82;
        frame[1] = (unsigned char)(n + 1 < 126 ? n + 1 : 126);
        if (n + 1 >= 126) {
            frame[2] = (unsigned char)((n + 1) >> 8);
            frame[3] = (unsigned char)(n + 1);
            head = 4;
        }
        frame[head] = (unsigned char)channel;
        memcpy(frame + head + 1, data + done, n);
        if (!send_all(fd, frame, head + 1 + n))
            return false;
        done += n;
    }
    return true;
}

static void wait_for_end(int fd)
{
    char buf[512];
    while (recv(fd, buf, sizeof(buf), 0) > 0)
        ;
}

static bool flood(int fd, json_int_t bytes)
{
    char piece[4096];
    memset(piece, 'x', sizeof(piece));
    for (json_int_t left = bytes; left > 0; left -= (json_int_t)sizeof(piece))
        if (!send_channel(fd, 1, piece, left < (json_int_t)sizeof(piece) ? (size_t)left : sizeof(piece)))
            return false;
    return true;
}

static void send_status(int fd, json_int_t code)
{
    _cleanup_free_ char *number = xasprintf("%lld", (long long)code);
    _cleanup_free_ char *message = xasprintf("command terminated with non-zero exit code: exit status %s", number);
    _cleanup_json_ json_t *status = code == 0
                                        ? json_pack("{s:{}, s:s}", "metadata", "status", "Success")
                                        : json_pack("{s:{}, s:s, s:s, s:s, s:{s:[{s:s, s:s}]}}", "metadata", "status",
                                                    "Failure", "reason", "NonZeroExitCode", "message", message,
                                                    "details", "causes", "reason", "ExitCode", "message", number);
    _cleanup_free_ char *text = json_compact(status);
    send_channel(fd, 3, text, strlen(text));
}

static void *play(void *userdata)
{
    struct exec *x = userdata;
    const char *out = json_text_or(x->rule, "stdout", ""), *err = json_text_or(x->rule, "stderr", "");
    send_all(x->fd, "\x82\x01\x01", 3); /* an empty message says that it has begun */
    if (json_bool_or(x->rule, "hang", false))
        wait_for_end(x->fd);
    else if (send_channel(x->fd, 1, out, strlen(out)) && send_channel(x->fd, 2, err, strlen(err)) &&
             flood(x->fd, json_int_or(x->rule, "flood", 0)) && !json_bool_or(x->rule, "no_status", false))
        send_status(x->fd, json_int_or(x->rule, "exit", 0));
    send_all(x->fd, "\x88\x02\x03\xe8", 4); /* close, 1000 */
    shutdown(x->fd, SHUT_WR);
    wait_for_end(x->fd);
    MHD_upgrade_action(x->handle, MHD_UPGRADE_ACTION_CLOSE);
    x->done = true;
    return NULL;
}

/* ---- the handshake ---- */

static void on_upgrade(void *userdata, struct MHD_Connection *mhd, void *slot, const char *extra, size_t extra_len,
                       MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    (void)mhd, (void)slot, (void)extra, (void)extra_len;
    struct exec *x = userdata;
    x->handle = handle;
    x->fd = fd;
    const int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    x->begun = pthread_create(&x->thread, NULL, play, x) == 0;
    if (!x->begun) {
        MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
        x->done = true;
    }
}

static char *accept_new(const char *key)
{
    unsigned char digest[20];
    _cleanup_free_ char *text = xasprintf("%s" GUID, key);
    gnutls_hash_fast(GNUTLS_DIG_SHA1, text, strlen(text), digest);
    const gnutls_datum_t in = {digest, sizeof(digest)};
    gnutls_datum_t out;
    gnutls_base64_encode2(&in, &out);
    char *copy = xstrndup((const char *)out.data, out.size);
    gnutls_free(out.data);
    return copy;
}

static void reap(struct execs *e)
{
    for (struct exec **at = &e->list; *at;) {
        struct exec *x = *at;
        if (!x->done) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        if (x->begun)
            pthread_join(x->thread, NULL);
        json_decref(x->rule);
        free(x);
    }
}

struct MHD_Response *exec_response(struct execs *e, struct MHD_Connection *mhd, const json_t *rule)
{
    const char *key = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Sec-WebSocket-Key");
    const char *offered = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Sec-WebSocket-Protocol");
    if (!key || !offered || !strstr(offered, "v4.channel.k8s.io"))
        return NULL;
    reap(e);
    struct exec *x = xnew0(struct exec);
    x->rule = json_deep_copy(rule);
    x->next = e->list;
    e->list = x;
    _cleanup_free_ char *accept = accept_new(key);
    struct MHD_Response *r = MHD_create_response_for_upgrade(on_upgrade, x);
    MHD_add_response_header(r, "Upgrade", "websocket");
    MHD_add_response_header(r, "Sec-WebSocket-Accept", accept);
    MHD_add_response_header(r, "Sec-WebSocket-Protocol", "v4.channel.k8s.io");
    return r;
}

struct execs *execs_new(void)
{
    return xnew0(struct execs);
}

void execs_free(struct execs *e)
{
    if (!e)
        return;
    for (struct exec *x = e->list, *next; x; x = next) {
        next = x->next;
        if (x->begun) {
            shutdown(x->fd, SHUT_RDWR);
            pthread_join(x->thread, NULL);
        }
        json_decref(x->rule);
        free(x);
    }
    free(e);
}
