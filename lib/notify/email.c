/* A mail (RFC 5322): plain text, quoted-printable. One run is one thread: the first notice of a key carries an id made
 * from the key, all others answer to it. The same notice always gets the same Message-ID, so that a mail that is sent
 * twice is recognised by those who look. Nothing of an alert reaches a header but through mime_header(). */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "notify/message.h"
#include "notify/mime.h"
#include "notify/notice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SUBJECT_MAX = 200, VALUE_MAX = 1000, BODY_MAX = 64 * 1024, RECIPIENTS_MAX = 100, LINE_MAX_BYTES = 76 };

/* RFC 5322's form, in English whatever the locale. */
static char *date_of(int64_t wall_us)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* 1970 began on a Thursday */
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[TIME_TEXT_MAX];
    int year = 1970, month = 1, day = 1, n = 0;
    time_format_seconds(wall_us, text);
    if (sscanf(text, "%d-%d-%dT%n", &year, &month, &day, &n) != 3 || month < 1 || month > 12)
        return NULL;
    return xasprintf("%s, %d %s %04d %.8s +0000", days[(wall_us / USEC_PER_SEC / 86400) % 7], day, months[month - 1],
                     year, text + n);
}

static void add_ids(struct strbuf *b, const json_t *notice, const char *from)
{
    const char *domain = strrchr(from, '@') + 1, *event = json_text(notice, "event"), *key = json_text(notice, "key");
    _cleanup_free_ char *whole = json_canonical(notice);
    const unsigned long long thread = fnv1a64(FNV1A64_INIT, key ? key : whole, strlen(key ? key : whole));
    const unsigned long long own = fnv1a64(FNV1A64_INIT, whole, strlen(whole));
    if (str_eq(event, "trigger") && json_int_or(notice, "level", 0) == 0) {
        strbuf_printf(b, "Message-ID: <mendd.%016llx@%s>\r\n", thread, domain);
        return;
    }
    strbuf_printf(b, "Message-ID: <mendd.%016llx.%016llx@%s>\r\n", thread, own, domain);
    if (!key || str_in(event, (const char *const[]){"digest", "note", NULL}))
        return;
    strbuf_printf(b, "In-Reply-To: <mendd.%016llx@%s>\r\n", thread, domain);
    strbuf_printf(b, "References: <mendd.%016llx@%s>\r\n", thread, domain);
}

static void add_mailbox(struct strbuf *b, const char *name, const char *address, size_t column)
{
    if (!name) {
        strbuf_puts(b, address);
        return;
    }
    const size_t before = b->len;
    mime_phrase(b, name, column);
    const bool fits = !memchr(b->data + before, '\n', b->len - before) &&
                      column + (b->len - before) + strlen(address) + 3 <= LINE_MAX_BYTES;
    strbuf_printf(b, "%s <%s>", fits ? "" : "\r\n", address);
}

/* The header To and the envelope, from the same list. */
static int add_recipients(struct strbuf *b, const struct receiver *r, struct message *ret, struct error *err)
{
    size_t n = 0;
    while (r->email.to && r->email.to[n])
        n++;
    if (n == 0 || n > RECIPIENTS_MAX)
        return error_set(err, -EINVAL, "the receiver %s names %s", r->name,
                         n ? "more than 100 mail addresses" : "nobody to write to");
    ret->to = xcalloc(n + 1, sizeof(*ret->to));
    strbuf_puts(b, "To: ");
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *name = NULL;
        if (mailbox_parse(r->email.to[i], &name, &ret->to[i], err) < 0)
            return error_prefix(err, "the receiver %s, to", r->name);
        strbuf_puts(b, i ? ",\r\n " : "");
        add_mailbox(b, name, ret->to[i], i ? 1 : 4);
    }
    strbuf_puts(b, "\r\n");
    return 0;
}

static void add_pairs(struct strbuf *b, const char *heading, const json_t *pairs)
{
    const char *name;
    json_t *value;
    if (json_object_size(pairs) == 0)
        return;
    strbuf_printf(b, "\n%s\n", heading);
    json_object_foreach ((json_t *)pairs, name, value) {
        _cleanup_free_ char *line = text_line(json_is_string(value) ? json_string_value(value) : "", VALUE_MAX);
        strbuf_printf(b, "  %s: %s\n", name, line);
    }
}

static void add_list(struct strbuf *b, const char *heading, const json_t *list)
{
    size_t i;
    json_t *element;
    if (json_array_size(list) == 0)
        return;
    strbuf_printf(b, "\n%s\n", heading);
    json_array_foreach (list, i, element) {
        _cleanup_free_ char *item =
            json_is_string(element) ? xstrdup(json_string_value(element))
                                    : xasprintf("%s  %s: %s", json_text_or(element, "time", ""),
                                                json_text_or(element, "title", ""), json_text_or(element, "text", ""));
        _cleanup_free_ char *line = text_line(item, VALUE_MAX);
        strbuf_printf(b, "  - %s\n", line);
    }
}

static char *text_of(const json_t *notice)
{
    struct strbuf b = {.max = BODY_MAX};
    struct notice_field fields[NOTICE_FIELDS_MAX];
    const json_t *plan = json_object_get(notice, "plan");
    const char *url = link_ok(json_text(notice, "url"));
    strbuf_printf(&b, "%s\n\n", notice_sentence(notice));
    const size_t n = notice_fields(notice, VALUE_MAX, fields);
    for (size_t i = 0; i < n; i++)
        strbuf_printf(&b, "%-11s %s\n", fields[i].name, fields[i].value);
    notice_fields_clear(fields, n);
    if (url)
        strbuf_printf(&b, "\n%s: %s\n", plan ? "Look at the plan and approve or reject it" : "More", url);
    if (json_is_object(plan)) {
        strbuf_printf(&b, "\nmendctl actions approve|reject %s\n", json_text_or(notice, "run", "ID"));
        strbuf_printf(&b, "\nPlan %s\n", json_text_or(plan, "hash", "?"));
        add_list(&b, "Requests that would be sent", json_object_get(plan, "requests"));
        add_list(&b, "Checks that would prove the repair", json_object_get(plan, "checks"));
    }
    add_list(&b, str_eq(json_text(notice, "event"), "digest") ? "Repaired" : "What comes",
             json_object_get(notice, "items"));
    add_pairs(&b, "Labels", json_object_get(notice, "labels"));
    add_pairs(&b, "Annotations", json_object_get(notice, "annotations"));
    const char *run = json_text_or(notice, "run", "");
    strbuf_printf(&b, "\n-- \nmendd%s%s\n", *run ? "  " : "", run);
    const bool cut = b.truncated;
    _cleanup_free_ char *whole = strbuf_take(&b);
    return cut ? text_cut(whole, BODY_MAX - 4) : TAKE_PTR(whole);
}

static int add_from(struct strbuf *b, const struct receiver *r, struct message *ret, struct error *err)
{
    _cleanup_free_ char *name = NULL;
    if (mailbox_parse(r->email.from, &name, &ret->from, err) < 0)
        return error_prefix(err, "the receiver %s, from", r->name);
    strbuf_puts(b, "From: ");
    add_mailbox(b, name, ret->from, 6);
    strbuf_puts(b, "\r\n");
    return 0;
}

int email_message(const struct receiver *r, const json_t *notice, struct message *ret, struct error *err)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    int64_t at = 0;
    const char *time = json_text(notice, "time");
    _cleanup_free_ char *date = time && time_parse(time, &at) == 0 && at >= 0 ? date_of(at) : NULL;
    if (!date)
        return error_set(err, -EINVAL, "a notice without a time cannot become a mail");
    strbuf_printf(&b, "Date: %s\r\n", date);
    int code = add_from(&b, r, ret, err);
    if (code >= 0)
        code = add_recipients(&b, r, ret, err);
    if (code < 0)
        return code;
    _cleanup_free_ char *title = notice_title(notice, SUBJECT_MAX);
    _cleanup_free_ char *subject = xasprintf("[mendd] %s", title);
    _cleanup_free_ char *text = text_of(notice);
    mime_header(&b, "Subject", subject);
    add_ids(&b, notice, ret->from);
    strbuf_puts(&b, "Auto-Submitted: auto-generated\r\n" /* RFC 3834: no out-of-office answers */
                    "MIME-Version: 1.0\r\n"
                    "Content-Type: text/plain; charset=utf-8\r\n"
                    "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    mime_body(&b, text);
    ret->body_len = b.len;
    ret->body = strbuf_take(&b);
    return 0;
}
