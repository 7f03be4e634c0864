/* Changes as diffs: what stood at each JSON pointer before a request, and after it. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/report_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 3, LINES_MAX = 4000 };

/* ---- lines ---- */

struct lines {
    char *text;
    const char *line[LINES_MAX];
    size_t n;
};

static void lines_free(struct lines *l)
{
    if (l)
        free(l->text);
    free(l);
}
DEFINE_CLEANUP(struct lines *, lines_free);

/* Keys sorted, so that only what differs differs. */
static struct lines *lines_new(const json_t *value)
{
    struct lines *l = xnew0(struct lines);
    if (!value || json_is_null(value))
        return l;
    l->text = json_dumps(value, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    for (char *p = l->text; p && l->n < LINES_MAX; l->n++) {
        l->line[l->n] = p;
        if ((p = strchr(p, '\n')))
            *p++ = '\0';
    }
    return l;
}

static void add_lines(struct strbuf *b, char mark, const struct lines *l, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        strbuf_printf(b, "%c%s\n", mark, l->line[i]);
}

/* What is the same at both ends is context; all between is the change. */
static void add_hunk(struct strbuf *b, const char *pointer, const json_t *before, const json_t *after)
{
    _cleanup_(lines_freep) struct lines *old = lines_new(before), *new = lines_new(after);
    const size_t least = old->n < new->n ? old->n : new->n;
    size_t head = 0, tail = 0;
    while (head < least && str_eq(old->line[head], new->line[head]))
        head++;
    while (tail < least - head && str_eq(old->line[old->n - 1 - tail], new->line[new->n - 1 - tail]))
        tail++;
    const size_t from = head > CONTEXT ? head - CONTEXT : 0, more = tail < CONTEXT ? tail : CONTEXT;
    strbuf_printf(b, "@@ %.500s @@\n", *pointer ? pointer : "/");
    if (head == old->n && head == new->n) { /* the same, or nothing on either side */
        add_lines(b, ' ', old, from, old->n);
        return;
    }
    add_lines(b, ' ', old, from, head);
    add_lines(b, '-', old, head, old->n - tail);
    add_lines(b, '+', new, head, new->n - tail);
    add_lines(b, ' ', old, old->n - tail, old->n - tail + more);
}

static char *diff_text_new(const json_t *request, const char *object)
{
    const char *pointer, *method = json_text_or(request, "method", "");
    json_t *change, *changes = json_object_get(request, "changes"), *body = json_object_get(request, "body");
    struct strbuf b = STRBUF_INIT;
    if (json_object_size(changes) > 0) {
        strbuf_printf(&b, "--- %s (before)\n+++ %s (after)\n", object, object);
        json_object_foreach (changes, pointer, change)
            add_hunk(&b, pointer, json_object_get(change, "before"), json_object_get(change, "after"));
    } else if (str_eq(method, "DELETE")) {
        strbuf_printf(&b, "--- %s\n+++ (deleted)\n", object);
    } else if (str_eq(method, "EXEC")) {
        strbuf_printf(&b, "+++ a command in %s\n", object);
        add_hunk(&b, "", NULL, body);
    } else if (body && !json_is_null(body)) { /* created, or sent to where nothing can be compared */
        strbuf_printf(&b, "--- (what stood there is not recorded)\n+++ %s\n", object);
        add_hunk(&b, "", NULL, body);
    }
    return strbuf_take(&b);
}

/* ---- requests ---- */

struct budget_left {
    size_t bytes;
    json_t *cut;
};

static json_t *diff_new(const json_t *request, const char *object, struct budget_left *left)
{
    _cleanup_free_ char *text = diff_text_new(request, object);
    const size_t len = strlen(text), max = left->bytes < REPORT_BLOCK_MAX ? left->bytes : REPORT_BLOCK_MAX;
    if (len == 0)
        return json_null();
    if (len > max)
        report_cut(left->cut, "the diff of %s: %zu of its %zu bytes are shown", object, max, len);
    left->bytes -= len < max ? len : max;
    return report_text_new(text, max);
}

static json_t *change_new(const json_t *request, const json_t *step, struct budget_left *left)
{
    static const char *const copied[] = {"status", "code", "sent", "answered", "attempts", "error", NULL};
    json_t *c = json_object();
    _cleanup_free_ char *named = report_object_new(json_object_get(request, "object"));
    _cleanup_free_ char *sent =
        xasprintf("%s %.500s", json_text_or(request, "method", "?"), json_text_or(request, "path", "?"));
    const char *object = named ? named : sent;
    json_set_text(c, "object", object);
    json_set_text(c, "request", sent);
    const char *rung = json_text(step, "rung_name"), *action = json_text(step ? step : request, "action");
    json_object_set_new(c, "rung", rung ? report_text_new(rung, REPORT_TEXT_MAX) : json_null());
    json_object_set_new(c, "action", action ? report_text_new(action, REPORT_TEXT_MAX) : json_null());
    for (const char *const *key = copied; *key; key++)
        json_object_set_new(c, *key, report_bounded_new(json_object_get(request, *key)));
    json_object_set_new(c, "undo", json_boolean(str_ends(json_text(request, "key"), "/undo")));
    json_object_set_new(c, "diff", diff_new(request, object, left));
    return c;
}

static void add_requests(json_t *list, const json_t *requests, const json_t *step, struct budget_left *left)
{
    size_t i;
    json_t *request;
    json_array_foreach ((json_t *)requests, i, request) {
        if (json_array_size(list) < REPORT_ITEMS_MAX)
            json_array_append_new(list, change_new(request, step, left));
        else if (json_array_size(list) == REPORT_ITEMS_MAX && i + 1 == json_array_size(requests))
            report_cut(left->cut, "requests beyond the first %d", REPORT_ITEMS_MAX);
    }
}

json_t *report_changes_new(const json_t *record, json_t *cut)
{
    json_t *list = json_array(), *step;
    struct budget_left left = {REPORT_BLOCKS_MAX, cut};
    size_t i;
    json_array_foreach (json_object_get(record, "steps"), i, step)
        add_requests(list, json_object_get(step, "requests"), step, &left);
    return list;
}

json_t *report_planned_new(const json_t *requests, json_t *cut)
{
    json_t *list = json_array();
    struct budget_left left = {REPORT_BLOCKS_MAX, cut};
    add_requests(list, requests, NULL, &left);
    return list;
}
