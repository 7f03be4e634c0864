/* Requests to the daemon with libcurl's easy interface: a command that a person waits for may block. */
#include "cli.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

enum { TIMEOUT_S = 30, CONNECT_TIMEOUT_S = 5, MAX_ANSWER = 64 << 20 };

static void curl_freep(CURL **c)
{
    curl_easy_cleanup(*c);
}

static void slist_freep(struct curl_slist **l)
{
    curl_slist_free_all(*l);
}

static size_t on_data(char *data, size_t size, size_t n, void *userdata)
{
    struct strbuf *b = userdata;
    if (b->len + size * n > MAX_ANSWER)
        return 0;
    strbuf_add(b, data, size * n);
    return size * n;
}

static int set_headers(const struct cli *cli, bool has_body, struct curl_slist **ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    *ret = curl_slist_append(NULL, "Accept: application/json");
    if (has_body)
        *ret = curl_slist_append(*ret, "Content-Type: application/json");
    if (!cli->token_file)
        return EXIT_OK;
    _cleanup_free_ char *token = NULL;
    if (secret_read(cli->token_file, &token, &err) < 0) {
        fprintf(stderr, "mendctl: --token-file: %s\n", error_message(&err));
        return EXIT_USAGE;
    }
    _cleanup_free_ char *header = xasprintf("Authorization: Bearer %s", token);
    *ret = curl_slist_append(*ret, header);
    return EXIT_OK;
}

/* "unix:PATH" is mendd's own spelling for a socket; the URL's host is then only a name. */
static void set_url(CURL *c, const char *base, const char *path)
{
    if (!str_starts(base, "unix:")) {
        _cleanup_free_ char *url = xasprintf("%s%s", base, path);
        curl_easy_setopt(c, CURLOPT_URL, url);
        return;
    }
    _cleanup_free_ char *url = xasprintf("http://localhost%s", path);
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, base + strlen("unix:"));
    curl_easy_setopt(c, CURLOPT_URL, url);
}

/* Basic auth by libcurl itself, which encodes it; the password is wiped from ours. */
static int set_login(CURL *c, const struct cli *cli)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!cli->user)
        return EXIT_OK;
    char *password = NULL;
    if (secret_read(cli->password_file, &password, &err) < 0) {
        fprintf(stderr, "mendctl: --password-file: %s\n", error_message(&err));
        return EXIT_USAGE;
    }
    curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(c, CURLOPT_USERNAME, cli->user);
    curl_easy_setopt(c, CURLOPT_PASSWORD, password);
    explicit_bzero(password, strlen(password));
    free(password);
    return EXIT_OK;
}

static void set_tls(CURL *c, const struct cli *cli)
{
    if (cli->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, cli->ca_file);
    if (cli->cert_file)
        curl_easy_setopt(c, CURLOPT_SSLCERT, cli->cert_file);
    if (cli->key_file)
        curl_easy_setopt(c, CURLOPT_SSLKEY, cli->key_file);
}

static void set_common(CURL *c)
{
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
}

static int unreachable(const char *base, CURLcode code)
{
    fprintf(stderr, "mendctl: cannot reach %s: %s (is mendd running? --url or MENDCTL_URL says where)\n", base,
            curl_easy_strerror(code));
    return EXIT_UNREACHABLE;
}

/* The daemon's errors are {"error": {"code", "message"}}; others are shown as they came. */
static int refused(long status, const json_t *answer, const char *text)
{
    const char *message = json_path_text(answer, "error", "message", NULL);
    if (message)
        fprintf(stderr, "mendctl: %s\n", message);
    else
        fprintf(stderr, "mendctl: HTTP %ld: %.200s\n", status, text);
    return EXIT_NO;
}

static long status_of(CURL *c)
{
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static int request(const struct cli *cli, const char *method, const char *base, const char *path, const json_t *body,
                   json_t **ret)
{
    _cleanup_(curl_freep) CURL *c = curl_easy_init();
    _cleanup_(slist_freep) struct curl_slist *headers = NULL;
    _cleanup_free_ char *text = body ? json_compact(body) : NULL;
    _cleanup_strbuf_ struct strbuf answer = STRBUF_INIT;
    int r = set_headers(cli, text != NULL, &headers);
    if (r == EXIT_OK)
        r = set_login(c, cli);
    if (r != EXIT_OK)
        return r;
    set_common(c);
    set_tls(c, cli);
    set_url(c, base, path);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &answer);
    if (text)
        curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, text);
    const CURLcode code = curl_easy_perform(c);
    if (code != CURLE_OK)
        return unreachable(base, code);
    const long status = status_of(c);
    _cleanup_json_ json_t *value =
        answer.len ? json_parse(strbuf_str(&answer), answer.len, MAX_ANSWER, false, NULL) : NULL;
    if (status < 200 || status > 299)
        return refused(status, value, strbuf_str(&answer));
    if (ret)
        *ret = TAKE_PTR(value);
    return EXIT_OK;
}

int client_request(const struct cli *cli, const char *method, const char *path, const json_t *body, json_t **ret)
{
    return request(cli, method, cli->url, path, body, ret);
}

int client_request_url(const struct cli *cli, const char *method, const char *url, const json_t *body, json_t **ret)
{
    const struct cli anonymous = {.url = url, .output = cli->output}; /* mendd's token is nobody else's business */
    return request(&anonymous, method, url, "", body, ret);
}

struct stream {
    CURL *curl;
    struct strbuf pending; /* a line that has begun; of an answer that is no stream: all of it */
    bool (*line)(const char *text, void *userdata);
    void *userdata;
    bool ended;
};

static size_t on_stream(char *data, size_t size, size_t n, void *userdata)
{
    struct stream *s = userdata;
    const bool whole = status_of(s->curl) != 200;
    for (size_t i = 0; i < size * n; i++) {
        if (data[i] != '\n' || whole) {
            strbuf_putc(&s->pending, data[i]);
            continue;
        }
        s->ended = !s->line(strbuf_str(&s->pending), s->userdata);
        strbuf_reset(&s->pending);
        if (s->ended)
            return 0;
    }
    return size * n;
}

int client_stream(const struct cli *cli, const char *path, bool (*line)(const char *text, void *userdata),
                  void *userdata)
{
    _cleanup_(curl_freep) CURL *c = curl_easy_init();
    _cleanup_(slist_freep) struct curl_slist *headers = NULL;
    struct stream s = {.curl = c, .pending = {.max = 1 << 20}, .line = line, .userdata = userdata};
    int r = set_headers(cli, false, &headers);
    if (r == EXIT_OK)
        r = set_login(c, cli);
    if (r != EXIT_OK)
        return r;
    set_common(c);
    set_tls(c, cli);
    set_url(c, cli->url, path);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_stream);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &s);
    const CURLcode code = curl_easy_perform(c);
    if (code != CURLE_OK && !s.ended)
        r = unreachable(cli->url, code);
    else if (status_of(c) != 200) {
        _cleanup_json_ json_t *value = json_parse(strbuf_str(&s.pending), s.pending.len, MAX_ANSWER, false, NULL);
        r = refused(status_of(c), value, strbuf_str(&s.pending));
    }
    strbuf_free(&s.pending);
    return r;
}
