/* GET /actions and /actions/{id}: the history, from the journal's committed rows. Documents are passed on as text: a
 * page of a thousand records must not keep the loop busy with parsing. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "base/ulid.h"
#include "core/record.h"

#include <errno.h>
#include <string.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, PAGE_BYTES_MAX = 4 << 20 };

static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p < end ? p + 1 : end;
}

/* The end of the value that begins at p. */
static const char *skip_value(const char *p, const char *end)
{
    int depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = skip_string(p, end);
        } else {
            if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
                return p;
            depth += *p == '{' || *p == '[';
            depth -= *p == '}' || *p == ']';
            p++;
        }
        if (depth == 0 && (p[-1] == '"' || p[-1] == '}' || p[-1] == ']'))
            return p;
    }
    return end;
}

const char *api_record_text(const char *doc, size_t len, size_t *ret_len)
{
    static const char key[] = "\"record\"";
    const char *p = doc, *end = doc + len;
    while (p < end && *p != '"')
        p++;
    while (p < end && *p == '"') { /* at a member's name; jansson wrote this, compact */
        const char *name_end = skip_string(p, end);
        const char *value = name_end < end ? name_end + 1 : end; /* ':' */
        const char *value_end = skip_value(value, end);
        if ((size_t)(name_end - p) == sizeof(key) - 1 && memcmp(p, key, sizeof(key) - 1) == 0) {
            *ret_len = (size_t)(value_end - value);
            return value;
        }
        p = value_end < end ? value_end + 1 : end; /* ',' */
    }
    return NULL;
}

struct page {
    struct strbuf text;
    size_t n, limit;
    bool more;
    char last[ULID_LEN + 1];
};

static int add_row(const char *id, const char *doc, size_t len, void *userdata)
{
    struct page *p = userdata;
    size_t record_len = 0;
    const char *record = api_record_text(doc, len, &record_len);
    if (p->n == p->limit || p->text.len > PAGE_BYTES_MAX) {
        p->more = true;
        return 1;
    }
    strbuf_puts(&p->text, p->n ? "," : "");
    if (record)
        strbuf_add(&p->text, record, record_len);
    else
        strbuf_puts(&p->text, "{}");
    p->n++;
    strncpy(p->last, id, ULID_LEN);
    return 0;
}

/* RFC 3339, or how long ago. */
static bool parse_time(struct request *req, const char *name, int64_t *ret_us)
{
    const char *value = request_query(req, name);
    int64_t ms = 0;
    if (str_empty(value) || time_parse(value, ret_us) == 0)
        return true;
    if (duration_parse(value, &ms, NULL) == 0) {
        const int64_t now_us = now_read().wall_us;
        *ret_us = ms > now_us / USEC_PER_MSEC ? 1 : now_us - ms * USEC_PER_MSEC;
        return true;
    }
    reply_error(req, 400, "bad_parameter",
                "%s is neither a time (2026-01-05T10:00:00Z) nor a duration before now (30m, 1h): '%.60s'", name,
                value);
    return false;
}

static bool parse_limit(struct request *req, size_t *ret)
{
    const char *value = request_query(req, "limit");
    if (str_empty(value))
        return true;
    const unsigned long n =
        strlen(value) > 6 || strspn(value, "0123456789") != strlen(value) ? 0 : strtoul(value, NULL, 10);
    if (n >= 1 && n <= LIMIT_MAX) {
        *ret = n;
        return true;
    }
    reply_error(req, 400, "bad_parameter", "limit is a number from 1 to %d, not '%.60s'", LIMIT_MAX, value);
    return false;
}

static const char *query_or_null(struct request *req, const char *name)
{
    const char *value = request_query(req, name);
    return str_empty(value) ? NULL : value;
}

static bool bad_value(struct request *req, const char *name, const char *value)
{
    reply_error(req, 400, "bad_parameter", "there is no %s '%.60s'", name, value);
    return false;
}

static bool parse_filter(struct request *req, struct store_filter *f)
{
    static const char *const known[] = {"state", "outcome", "reason", "playbook", "target", "alertname",
                                        "since", "until",   "limit",  "cursor",   NULL};
    enum run_state state;
    enum run_outcome outcome;
    enum reason reason;
    if (!request_check_query(req, known))
        return false;
    *f = (struct store_filter){.state = query_or_null(req, "state"),
                               .outcome = query_or_null(req, "outcome"),
                               .reason = query_or_null(req, "reason"),
                               .playbook = query_or_null(req, "playbook"),
                               .target = query_or_null(req, "target"),
                               .alertname = query_or_null(req, "alertname"),
                               .cursor = query_or_null(req, "cursor"),
                               .limit = LIMIT_DEFAULT};
    if (f->state && !run_state_parse(f->state, &state))
        return bad_value(req, "state", f->state);
    if (f->outcome && !run_outcome_parse(f->outcome, &outcome))
        return bad_value(req, "outcome", f->outcome);
    if (f->reason && !reason_parse(f->reason, &reason))
        return bad_value(req, "reason", f->reason);
    if (f->cursor && !ulid_valid(f->cursor))
        return bad_value(req, "cursor", f->cursor);
    return parse_limit(req, &f->limit) && parse_time(req, "since", &f->since_us) &&
           parse_time(req, "until", &f->until_us);
}

static void reply_failure(struct request *req, int r, const struct error *err)
{
    if (r == -ETIME)
        reply_error(req, 400, "search_too_wide", "%s", error_message(err));
    else
        reply_error(req, 503, "journal_failed", "%s", error_message(err));
}

void api_actions(struct request *req)
{
    struct store_filter f;
    struct page p = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!parse_filter(req, &f))
        return;
    p.limit = f.limit;
    f.limit = f.limit < LIMIT_MAX ? f.limit + 1 : LIMIT_MAX; /* one more tells whether there is more */
    strbuf_puts(&p.text, "{\"actions\":[");
    int r = store_list(engine_store(req->web->engine), &f, add_row, &p, &err);
    if (r < 0) {
        strbuf_free(&p.text);
        reply_failure(req, r, &err);
        return;
    }
    if (p.more || p.n == LIMIT_MAX)
        strbuf_printf(&p.text, "],\"next_cursor\":\"%s\"}\n", p.last);
    else
        strbuf_puts(&p.text, "],\"next_cursor\":null}\n");
    const size_t len = p.text.len;
    reply_text(req, 200, "application/json; charset=utf-8", strbuf_take(&p.text), len);
}

json_t *api_record_new(struct request *req)
{
    size_t len = 0;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *doc = NULL;
    int r = ulid_valid(req->param) ? store_get(engine_store(req->web->engine), req->param, &doc, &err) : -ENOENT;
    if (r == -ENOENT) {
        reply_error(req, 404, "no_such_action", "there is no action '%.60s'", req->param);
        return NULL;
    }
    const char *text = r < 0 ? NULL : api_record_text(doc, strlen(doc), &len);
    json_t *record = text ? json_loadb(text, len, 0, NULL) : NULL;
    if (!record)
        reply_error(req, 503, "journal_failed", "%s", err.message ? error_message(&err) : "the record cannot be read");
    return record;
}

void api_action(struct request *req)
{
    static const char *const none[] = {NULL};
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *doc = NULL;
    if (!request_check_query(req, none))
        return;
    int r = ulid_valid(req->param) ? store_get(engine_store(req->web->engine), req->param, &doc, &err) : -ENOENT;
    if (r == -ENOENT) {
        reply_error(req, 404, "no_such_action", "there is no action '%.60s'", req->param);
        return;
    }
    if (r < 0) {
        reply_failure(req, r, &err);
        return;
    }
    size_t len = 0;
    const char *record = api_record_text(doc, strlen(doc), &len);
    char *text = xmalloc(len + 1);
    if (len)
        memcpy(text, record, len);
    text[len] = '\n';
    reply_text(req, 200, "application/json; charset=utf-8", text, len + 1);
}
