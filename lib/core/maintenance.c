/* Maintenance windows: they open by cron in a time zone and stay open for a while. Inside, runs that a window covers
 * are held, or only observe (`observe`); a playbook with `maintenance: only` is the other way round: it runs inside one
 * that covers it, whatever other windows say, and waits outside.
 *
 * Whether a window is open is worked out at its edges and remembered, as thousands of runs may ask; each answer says
 * until when it holds, and is worked out anew behind that, after the wall clock was set, or with new settings. A window
 * that opens again before it closed stays open. Receivers get a notice before a window opens, once an opening; which
 * were given is kept as "maintenance". */
#include "base/alloc.h"
#include "base/cron.h"
#include "base/text.h"
#include "core/internal.h"

#include <errno.h>
#include <string.h>

enum { CHAIN_MAX = 64, OPENINGS_MAX = 20, TOLD_MAX = 1000 };
#define REMEMBER_US (24 * 3600 * USEC_PER_SEC) /* the clock may be set back a little */

/* How a window stands, for any time from `from_us` up to `until_us`. Wall clock. */
struct edge {
    bool open;
    int64_t from_us, until_us; /* until INT64_MAX: for good */
    int64_t next_us;           /* closed: opens; INT64_MAX: never */
};

struct told {
    char *window;
    int64_t start_us;
};

struct notices {
    const struct settings *settings; /* that the edges are of */
    struct edge *edges;
    size_t n_edges;
    int64_t next_notice_us; /* wall */
    int64_t clock_us;       /* wall minus boot when it was worked out */
    struct told *told;
    size_t n_told;
};

static struct notices *notices_get(struct core *c)
{
    if (!c->notices)
        c->notices = xnew0(struct notices);
    return c->notices;
}

void maintenance_free(struct core *c)
{
    struct notices *n = c->notices;
    if (!n)
        return;
    for (size_t i = 0; i < n->n_told; i++)
        free(n->told[i].window);
    free(n->told);
    free(n->edges);
    free(n);
    c->notices = NULL;
}

/* ---- edges ---- */

/* When what began at start_us ends, further openings before its end included. */
static int64_t end_of(const struct window *w, int64_t start_us)
{
    int64_t duration_us = w->duration_ms * USEC_PER_MSEC, end_us = start_us + duration_us;
    for (int i = 0; i < CHAIN_MAX; i++) { /* a window that never closes is looked at again and again */
        int64_t next_us = cron_next(w->cron, w->zone, start_us);
        if (next_us > end_us)
            break;
        start_us = next_us;
        end_us = start_us + duration_us;
    }
    return end_us;
}

static struct edge edge_at(const struct window *w, int64_t at_us)
{
    int64_t last_us = cron_previous(w->cron, w->zone, at_us);
    if (last_us != INT64_MIN && at_us - last_us < w->duration_ms * USEC_PER_MSEC) {
        int64_t end_us = end_of(w, last_us);
        return (struct edge){.open = true, .from_us = last_us, .until_us = end_us, .next_us = last_us};
    }
    int64_t next_us = cron_next(w->cron, w->zone, at_us);
    return (struct edge){.from_us = at_us, .until_us = next_us, .next_us = next_us};
}

static bool holds_at(const struct edge *e, int64_t at_us)
{
    return at_us >= e->from_us && at_us < e->until_us;
}

static struct edge edge_of(const struct core *c, size_t i)
{
    const struct notices *n = c->notices;
    if (n && n->settings == c->settings && i < n->n_edges && holds_at(&n->edges[i], c->now.wall_us))
        return n->edges[i];
    return edge_at(&c->settings->windows[i], c->now.wall_us);
}

static int64_t to_boot(const struct core *c, int64_t wall_us)
{
    return wall_us == INT64_MAX ? INT64_MAX : c->now.boot_us + (wall_us - c->now.wall_us);
}

/* ---- what a window covers ---- */

static bool listed(char **list, const char *name)
{
    for (; list && name && *list; list++) {
        size_t n = strlen(*list);
        bool prefix = n > 0 && (*list)[n - 1] == '*';
        if (prefix ? strncmp(*list, name, n - 1) == 0 : strcmp(*list, name) == 0)
            return true;
    }
    return false;
}

static bool touches_namespace(const struct run *run, char **namespaces)
{
    if (listed(namespaces, run->target.namespace))
        return true;
    for (size_t i = 0; i < run->target.n_owners; i++)
        if (listed(namespaces, run->target.owners[i].namespace))
            return true;
    return false;
}

static bool covers(const struct core *c, const struct window *w, const struct run *run)
{
    const char *cluster = run->target.cluster ? run->target.cluster : c->settings->default_cluster;
    return (!w->clusters || listed(w->clusters, cluster)) &&
           (!w->namespaces || touches_namespace(run, w->namespaces)) &&
           (!w->playbooks || (run->playbook && listed(w->playbooks, run->playbook->name)));
}

/* The playbook runs only inside a window: is it outside of all that cover it? */
static bool is_outside(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_window)
{
    int64_t next_us = INT64_MAX;
    const char *window = NULL;
    for (size_t i = 0; i < c->settings->n_windows; i++) {
        const struct window *w = &c->settings->windows[i];
        if (!covers(c, w, run))
            continue;
        struct edge e = edge_of(c, i);
        if (e.open)
            return false;
        if (e.next_us < next_us) {
            next_us = e.next_us;
            window = w->name;
        }
    }
    *ret_until_us = to_boot(c, next_us);
    *ret_window = window;
    return true;
}

bool maintenance_holds(const struct core *c, const struct run *run, int64_t *ret_until_us, const char **ret_window)
{
    const struct window *held = NULL;
    int64_t until_us = 0;
    if (run->playbook && run->playbook->maintenance_only) /* what it changed may be put back at any time */
        return !run->rolling && is_outside(c, run, ret_until_us, ret_window);
    for (size_t i = 0; i < c->settings->n_windows; i++) {
        const struct window *w = &c->settings->windows[i];
        /* a run that has changed something cannot turn into one that only observes: it stands still */
        if ((w->observe && !run->acted) || !covers(c, w, run))
            continue;
        struct edge e = edge_of(c, i);
        if (!e.open || (held && e.until_us <= until_us)) /* the one that lasts longest is named */
            continue;
        held = w;
        until_us = e.until_us;
    }
    if (!held)
        return false;
    *ret_until_us = to_boot(c, until_us);
    *ret_window = held->name;
    return true;
}

bool maintenance_observes(const struct core *c, const struct run *run, const char **ret_window)
{
    if (run->acted || (run->playbook && run->playbook->maintenance_only))
        return false;
    for (size_t i = 0; i < c->settings->n_windows; i++) {
        const struct window *w = &c->settings->windows[i];
        if (!w->observe || !covers(c, w, run) || !edge_of(c, i).open)
            continue;
        *ret_window = w->name;
        return true;
    }
    return false;
}

/* ---- notices ---- */

static bool was_told(const struct notices *n, const char *window, int64_t start_us)
{
    for (size_t i = 0; i < n->n_told; i++)
        if (n->told[i].start_us == start_us && str_eq(n->told[i].window, window))
            return true;
    return false;
}

static void forget(struct notices *n, size_t i)
{
    free(n->told[i].window);
    memmove(&n->told[i], &n->told[i + 1], (n->n_told - i - 1) * sizeof(*n->told));
    n->n_told--;
}

static void remember(struct notices *n, const char *window, int64_t start_us)
{
    if (n->n_told >= TOLD_MAX)
        forget(n, 0);
    n->told = xreallocarray(n->told, n->n_told + 1, sizeof(*n->told));
    n->told[n->n_told++] = (struct told){xstrdup(window), start_us};
}

static char *scope_new(const struct window *w)
{
    struct {
        const char *one;
        char **list;
    } parts[] = {{"cluster", w->clusters}, {"namespace", w->namespaces}, {"playbook", w->playbooks}};
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        for (char **p = parts[i].list; p && *p; p++)
            strbuf_printf(&b, "%s%s %s", b.len ? ", " : "", parts[i].one, *p);
    return xstrdup(b.len ? strbuf_str(&b) : "everything");
}

static void add_item(json_t *items, const struct window *w, int64_t start_us, const char *scope)
{
    char opens[TIME_TEXT_MAX], lasts[TIME_TEXT_MAX];
    json_t *item = json_object();
    _cleanup_free_ char *text =
        xasprintf("opens %s for %s, covers %s; inside it mendd %s", time_format_seconds(start_us, opens),
                  duration_format(w->duration_ms, lasts), scope, w->observe ? "only observes" : "holds its repairs");
    json_set_text(item, "title", w->name);
    json_set_text(item, "text", text);
    record_set_time(item, "time", start_us);
    json_array_append_new(items, item);
}

static void give_notice(struct core *c, const struct window *w, json_t *items)
{
    const char *first = json_text(json_array_get(items, 0), "time");
    _cleanup_free_ char *key = xasprintf("mendd/maintenance/%s/%s", w->name, first);
    _cleanup_free_ char *summary =
        xasprintf("maintenance window \"%s\" %s", w->name, json_text(json_array_get(items, 0), "text"));
    json_t *n = json_object();
    json_set_text(n, "event", "maintenance");
    json_set_text(n, "key", key);
    json_set_text(n, "severity", "info");
    record_set_time(n, "time", c->now.wall_us);
    json_set_text(n, "summary", summary);
    json_set_text(n, "message", summary);
    json_object_set(n, "items", items);
    core_note(c, NULL, NOTE_INFO, REASON_NONE, "notice is given: %s", summary);
    escalation_notice(c, w->notify, n);
}

/* Not while it is open still from before. */
static bool is_opening(const struct window *w, int64_t start_us)
{
    int64_t last_us = cron_previous(w->cron, w->zone, start_us - 1);
    return last_us == INT64_MIN || start_us - last_us > w->duration_ms * USEC_PER_MSEC;
}

/* Each opening whose time has come is told once; what opens while the window is open is no opening. Gives the time of
 * the next notice. */
static int64_t notices_of(struct core *c, const struct window *w)
{
    struct notices *n = c->notices;
    struct edge now = edge_of(c, (size_t)(w - c->settings->windows));
    int64_t notice_us = w->notice_ms * USEC_PER_MSEC, wake_us = INT64_MAX, start_us = now.next_us;
    if (w->notice_ms <= 0 || !w->notify || !w->notify[0])
        return INT64_MAX;
    if (now.open)
        start_us = cron_next(w->cron, w->zone, now.until_us - 1);
    _cleanup_free_ char *scope = scope_new(w);
    _cleanup_json_ json_t *items = json_array();
    for (int i = 0; i < OPENINGS_MAX && start_us != INT64_MAX; i++) {
        if (start_us - notice_us > c->now.wall_us) {
            wake_us = start_us - notice_us;
            break;
        }
        if (is_opening(w, start_us) && !was_told(n, w->name, start_us)) {
            remember(n, w->name, start_us);
            add_item(items, w, start_us, scope);
        }
        if (i == 0) /* so many may be told that the next one's turn comes when the first opens */
            wake_us = start_us;
        start_us = cron_next(w->cron, w->zone, end_of(w, start_us) - 1);
    }
    if (json_array_size(items) > 0) {
        give_notice(c, w, items);
        core_keep(c, KEPT_MAINTENANCE);
    }
    return wake_us;
}

static void forget_past(struct core *c)
{
    struct notices *n = c->notices;
    for (size_t i = n->n_told; i-- > 0;) {
        if (n->told[i].start_us + REMEMBER_US > c->now.wall_us)
            continue;
        forget(n, i);
        core_keep(c, KEPT_MAINTENANCE);
    }
}

/* ---- time ---- */

static void work_out(struct core *c)
{
    struct notices *n = notices_get(c);
    const struct settings *s = c->settings;
    bool same = n->settings == s && n->n_edges == s->n_windows;
    if (!same)
        n->edges = xreallocarray(n->edges, s->n_windows + 1, sizeof(*n->edges));
    n->settings = s;
    n->n_edges = s->n_windows;
    for (size_t i = 0; i < s->n_windows; i++) {
        const struct window *w = &s->windows[i];
        if (same && holds_at(&n->edges[i], c->now.wall_us))
            continue;
        bool was_open = same && n->edges[i].open;
        n->edges[i] = edge_at(w, c->now.wall_us);
        c->recheck = true; /* what it held, or what waited for it, is decided again */
        if (n->edges[i].open != was_open)
            core_note(c, NULL, NOTE_INFO, REASON_MAINTENANCE, "maintenance window \"%s\" is %s", w->name,
                      n->edges[i].open ? "open" : "closed");
    }
}

void maintenance_tick(struct core *c)
{
    const struct settings *s = c->settings;
    if (s->n_windows == 0 && (!c->notices || c->notices->n_told == 0))
        return;
    bool same = c->notices && c->notices->settings == s && c->notices->n_edges == s->n_windows;
    int64_t clock_us = c->now.wall_us - c->now.boot_us;
    work_out(c);
    struct notices *n = c->notices;
    bool jumped = clock_us - n->clock_us > STALL_US || n->clock_us - clock_us > STALL_US;
    if (!same || jumped || c->now.wall_us >= n->next_notice_us) {
        n->clock_us = clock_us;
        forget_past(c);
        n->next_notice_us = INT64_MAX;
        for (size_t i = 0; i < s->n_windows; i++) {
            int64_t at_us = notices_of(c, &s->windows[i]);
            n->next_notice_us = at_us < n->next_notice_us ? at_us : n->next_notice_us;
        }
    }
    core_wake_at(c, to_boot(c, n->next_notice_us));
    for (size_t i = 0; i < s->n_windows; i++)
        core_wake_at(c, to_boot(c, n->edges[i].until_us));
}

/* ---- kept, shown ---- */

json_t *maintenance_doc_new(const struct core *c)
{
    json_t *list = json_array();
    for (size_t i = 0; c->notices && i < c->notices->n_told; i++) {
        json_t *o = json_object();
        json_set_text(o, "window", c->notices->told[i].window);
        record_set_time(o, "start", c->notices->told[i].start_us);
        json_array_append_new(list, o);
    }
    return json_pack("{s:o}", "told", list);
}

int maintenance_restore(struct core *c, const json_t *doc, struct error *err)
{
    size_t i;
    json_t *o;
    json_array_foreach (json_object_get(doc, "told"), i, o) {
        int64_t start_us;
        const char *window = json_text(o, "window");
        if (!window || time_parse(json_text_or(o, "start", ""), &start_us) < 0)
            return error_set(err, -EBADMSG, "the journal's list of given notices cannot be understood");
        remember(notices_get(c), window, start_us);
    }
    return 0;
}

static json_t *list_new(char **list)
{
    json_t *a = list ? json_array() : json_null();
    for (; list && *list; list++)
        json_array_append_new(a, json_text_new(*list, strlen(*list)));
    return a;
}

json_t *maintenance_status_new(const struct core *c)
{
    json_t *all = json_array();
    for (size_t i = 0; i < c->settings->n_windows; i++) {
        const struct window *w = &c->settings->windows[i];
        struct edge e = edge_of(c, i);
        int64_t next_us = e.open ? cron_next(w->cron, w->zone, e.until_us - 1) : e.next_us;
        json_t *o = json_object();
        json_set_text(o, "window", w->name);
        json_object_set_new(o, "open", json_boolean(e.open));
        json_object_set_new(o, "until", json_null());
        json_object_set_new(o, "next", json_null());
        if (e.open)
            record_set_time(o, "until", e.until_us);
        if (next_us != INT64_MAX)
            record_set_time(o, "next", next_us);
        json_set_text(o, "inside", w->observe ? "observe" : "hold");
        json_object_set_new(o, "scope",
                            json_pack("{s:o, s:o, s:o}", "clusters", list_new(w->clusters), "namespaces",
                                      list_new(w->namespaces), "playbooks", list_new(w->playbooks)));
        json_array_append_new(all, o);
    }
    return all;
}
