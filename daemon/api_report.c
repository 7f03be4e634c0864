/* GET /actions/{id}/report: one run for the people who come afterwards, as Markdown or as JSON by what Accept says. It
 * is made from the journal's committed row when it is asked for: a record is bounded, and so is the report. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/text.h"
#include "base/ulid.h"
#include "core/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RECORD_MAX = 64 << 20 };

/* ---- which form ---- */

/* One form's standing: the most specific range that covers it decides its weight (RFC 9110, 12.5.1). */
struct standing {
    int specific; /* 3: type/subtype, 2: type/any, 1: any, 0: not covered */
    int weight;   /* thousandths */
};

/* "0.8" -> 800; what cannot be read is no wish: 1000. */
static int parse_weight(const char *params, size_t len)
{
    for (const char *p = params, *end = params + len; p && p < end; p = memchr(p, ';', (size_t)(end - p))) {
        p += 1 + strspn(p + 1, " \t");
        if (p + 2 >= end || (*p != 'q' && *p != 'Q') || p[1] != '=')
            continue;
        int weight = p[2] == '1' ? 1000 : 0, unit = 100;
        if ((p[2] != '0' && p[2] != '1') || (p + 3 < end && p[3] == '.' && weight))
            return 1000;
        for (const char *digit = p + 4; p[3] == '.' && digit < end && *digit >= '0' && *digit <= '9' && unit;
             digit++, unit /= 10)
            weight += (*digit - '0') * unit;
        return weight;
    }
    return 1000;
}

static void weigh(struct standing *s, const char *type, int most, const char *range, size_t len, int weight)
{
    const size_t major = strcspn(type, "/") + 1;
    int specific = 0;
    if (len == strlen(type) && strncasecmp(range, type, len) == 0)
        specific = most;
    else if (len == major + 1 && strncasecmp(range, type, major) == 0 && range[major] == '*')
        specific = 2;
    else if (len == 3 && strncmp(range, "*/*", 3) == 0)
        specific = 1;
    if (specific > s->specific)
        *s = (struct standing){specific, weight};
}

enum report_form api_report_form(const char *accept)
{
    struct standing markdown = {0}, json = {0};
    if (str_empty(accept))
        return REPORT_MARKDOWN;
    for (const char *p = accept; *p;) {
        p += strspn(p, " \t,");
        const size_t len = strcspn(p, ","), type = strcspn(p, ",; \t");
        const char *params = memchr(p, ';', len);
        const int weight = params ? parse_weight(params, (size_t)(p + len - params)) : 1000;
        weigh(&markdown, "text/markdown", 3, p, type, weight);
        weigh(&markdown, "text/plain", 2, p, type, weight); /* Markdown is plain text too, if nothing fits better */
        weigh(&json, "application/json", 3, p, type, weight);
        p += len;
    }
    if (markdown.weight == 0 && json.weight == 0)
        return REPORT_NEITHER;
    if (markdown.weight != json.weight)
        return markdown.weight > json.weight ? REPORT_MARKDOWN : REPORT_JSON;
    return json.specific > markdown.specific ? REPORT_JSON : REPORT_MARKDOWN; /* who names it wants it more */
}

/* ---- the answer ---- */

static void reply_report(struct request *req, enum report_form form, const json_t *record)
{
    _cleanup_json_ json_t *report = report_new(record);
    char *text = form == REPORT_JSON ? json_compact(report) : report_markdown_new(report);
    const char *type = form == REPORT_JSON ? "application/json; charset=utf-8" : "text/markdown; charset=utf-8";
    struct MHD_Response *response =
        response_finish(req->web, MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE), type);
    MHD_add_response_header(response, "Vary", "Accept");
    reply_response(req, 200, response);
}

void api_report(struct request *req)
{
    static const char *const none[] = {NULL};
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *doc = NULL;
    const enum report_form form = api_report_form(request_header(req, "Accept"));
    if (!request_check_query(req, none))
        return;
    if (form == REPORT_NEITHER) {
        reply_error(req, 406, "not_acceptable", "a report is text/markdown or application/json");
        return;
    }
    int r = ulid_valid(req->param) ? store_get(engine_store(req->web->engine), req->param, &doc, &err) : -ENOENT;
    if (r == -ENOENT) {
        reply_error(req, 404, "no_such_action", "there is no action '%.60s'", req->param);
        return;
    }
    size_t len = 0;
    const char *text = r < 0 ? NULL : api_record_text(doc, strlen(doc), &len);
    _cleanup_json_ json_t *record = text ? json_parse(text, len, RECORD_MAX, false, &err) : NULL;
    if (!record) {
        reply_error(req, 503, "journal_failed", "%s", err.message ? error_message(&err) : "the record cannot be read");
        return;
    }
    reply_report(req, form, record);
}
