/* How many workloads (Deployments, StatefulSets, DaemonSets) or nodes there are, for budgets that are a share of them.
 *
 * Asked with ?limit=1: metadata.remainingItemCount tells the rest. A server that continues without it (before 1.15) is
 * asked for the whole list. Told once a minute a scope. For all clusters together: the sum of those that were asked. */
#include "core/budget.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/kinds.h"

#include <errno.h>
#include <string.h>

#define SHARE_AGE_US (60 * USEC_PER_SEC)
#define SHARE_FORGET_US (24 * 3600 * USEC_PER_SEC)

static const char *namespace_of(const struct scope *s)
{
    return s->level == LEVEL_NAMESPACE ? s->namespace : NULL;
}

static char *share_key_new(const struct scope *s)
{
    const char *namespace = namespace_of(s);
    return xasprintf("%s/%s/%s", s->cluster, namespace ? namespace : "", s->node ? "nodes" : "workloads");
}

static struct share *share_find(const struct core *c, const struct scope *s)
{
    struct share *found = NULL;
    _cleanup_free_ char *key = share_key_new(s);
    if (c->budgets)
        HASH_FIND_STR(c->budgets->shares, key, found);
    return found;
}

int share_known(const struct core *c, const struct scope *s)
{
    const struct share *own = share_find(c, s);
    int sum = 0;
    if (!own || s->level != LEVEL_GLOBAL)
        return own ? own->count : -1;
    for (const struct share *x = c->budgets->shares; x; x = x->hh.next)
        if (x->whole && x->node == s->node)
            sum += x->count;
    return sum;
}

static void share_free(struct budgets *b, struct share *x)
{
    HASH_DELETE(hh, b->shares, x);
    free(x->key);
    free(x->cluster);
    free(x);
}

void shares_free(struct budgets *b)
{
    struct share *x, *next;
    HASH_ITER (hh, b->shares, x, next)
        share_free(b, x);
}

void shares_prune(struct core *c)
{
    struct share *x, *next;
    if (!c->budgets)
        return;
    HASH_ITER (hh, c->budgets->shares, x, next)
        if (c->now.boot_us - x->at_us > SHARE_FORGET_US)
            share_free(c->budgets, x);
}

static void remember(struct core *c, const struct scope *s, const struct askset *set, int count)
{
    struct share *x = share_find(c, s);
    if (!x) {
        x = xnew0(struct share);
        *x = (struct share){.key = share_key_new(s),
                            .cluster = xstrdup(s->cluster),
                            .node = s->node,
                            .whole = s->level != LEVEL_NAMESPACE};
        HASH_ADD_KEYPTR(hh, budgets_get(c)->shares, x->key, strlen(x->key), x);
    }
    x->count = count;
    x->at_us = set->started_us;
    x->epoch = c->epoch;
}

/* ---- asking ---- */

/* 0 with the number; -EAGAIN: asked. */
static int count_kind(struct asks *asks, const struct scope *s, const char *name, int *ret, struct error *err)
{
    const struct kind *k = kind_known(name);
    const char *namespace = namespace_of(s);
    _cleanup_free_ char *path = kube_path(k, namespace, NULL, NULL), *whole = xstrdup(path);
    _cleanup_free_ char *what = xasprintf("LIST %s%s%s%s%s", k->plural, *k->group ? "." : "", k->group,
                                          namespace ? " in " : "", namespace ? namespace : "");
    kube_path_query(&path, "limit", "1");
    const json_t *answer = ask_kube(asks, s->cluster, path);
    if (!answer)
        return -EAGAIN;
    const json_t *meta = json_object_get(answer_body(answer), "metadata");
    if (answer_ok(answer) && !str_empty(json_text(meta, "continue")) && !json_object_get(meta, "remainingItemCount")) {
        answer = ask_kube(asks, s->cluster, whole);
        if (!answer)
            return -EAGAIN;
        meta = json_object_get(answer_body(answer), "metadata");
    }
    int r = answer_error(answer, what, err);
    if (r < 0)
        return r;
    const json_t *items = json_object_get(answer_body(answer), "items");
    int64_t n = (int64_t)json_array_size(items) + json_int_or(meta, "remainingItemCount", 0);
    *ret = n < 0 ? 0 : n > INT32_MAX / 200 ? INT32_MAX / 200 : (int)n;
    return 0;
}

enum guard_answer share_ask(struct core *c, struct askset *set, const struct scope *s, struct guard_result *ret)
{
    static const char *const workloads[] = {"Deployment", "StatefulSet", "DaemonSet", NULL};
    static const char *const nodes[] = {"Node", NULL};
    const struct share *known = share_find(c, s);
    int sum = 0, waiting = 0;
    if (known && known->epoch == c->epoch && c->now.boot_us - known->at_us < SHARE_AGE_US)
        return GUARD_PASS;
    for (const char *const *kind = s->node ? nodes : workloads; *kind; kind++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        int n = 0, r = count_kind(&set->asks, s, *kind, &n, &err);
        if (r < 0 && r != -EAGAIN) {
            _cleanup_free_ char *name = scope_name_new(s);
            return guard_final(ret, r == -EACCES ? REASON_FORBIDDEN : REASON_ACTION_FAILED,
                               xasprintf("the budget \"%s\" is a share of what there is, and that cannot be told: %s",
                                         name, error_message(&err)));
        }
        waiting += r == -EAGAIN;
        sum += n;
    }
    if (waiting > 0)
        return GUARD_ASKING;
    remember(c, s, set, sum);
    return GUARD_PASS;
}
