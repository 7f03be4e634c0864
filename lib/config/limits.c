/* Rates and the limits of a playbook, with the defaults of semantics.md ("Guards"). */
#include "config/read.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define FIELD(name) offsetof(struct limits_draft, name)

const struct key limits_keys[] = {
    {"cooldown", FORM_DURATION, FIELD(cooldown_ms), .doc = "pause after a run before the next one for the same owner"},
    {"attempts", FORM_RATES, FIELD(attempts),
     .doc = "runs with an effect a window and owner, \"3/1h\" or \"3/1h, 7/1d\""},
    {"concurrent", FORM_COUNT, FIELD(concurrent), .doc = "runs of this playbook at the same time"},
    {"pods", FORM_COUNT, FIELD(pods), .doc = "most pods that one step may touch; more is refused whole"},
    {"expires", FORM_DURATION, FIELD(expires_ms), .doc = "how long a run may wait before it is skipped"},
    {0},
};

static bool rate_parse(const char *s, size_t len, struct rate *ret)
{
    _cleanup_free_ char *text = xstrndup(s, len);
    char *slash = strchr(text, '/');
    if (!slash || slash == text || slash - text > 6 || strspn(text, "0123456789") != (size_t)(slash - text))
        return false;
    *ret = (struct rate){.count = atoi(text)};
    return ret->count > 0 && duration_parse(slash + 1, &ret->window_ms, NULL) == 0 && ret->window_ms > 0;
}

static bool rates_add(const char *s, struct rate **rates, size_t *n)
{
    do {
        s += strspn(s, " ");
        size_t len = strcspn(s, ","), used = len;
        while (used > 0 && s[used - 1] == ' ')
            used--;
        *rates = xreallocarray(*rates, *n + 2, sizeof(struct rate));
        (*rates)[*n + 1] = (struct rate){0};
        if (!rate_parse(s, used, &(*rates)[*n]))
            return false;
        (*n)++;
        s += len;
    } while (*s++ == ',');
    return true;
}

static bool rates_from(struct loader *l, const struct node *value, struct rate **rates, size_t *n)
{
    if (!want_type(l, value, NODE_SCALAR))
        return false;
    if (rates_add(value->scalar, rates, n))
        return true;
    faults_add(l->faults, value, "\"%s\" is not a rate: write 3/1h, or several as 3/1h, 7/1d", value->scalar);
    return false;
}

/* A rate that a longer window with no more in it makes meaningless: one of the two is not what was meant. */
static bool contradict(struct loader *l, const struct node *value, const struct rate *rates, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            if (i == k || rates[k].window_ms < rates[i].window_ms || rates[k].count > rates[i].count ||
                (k < i && rates[k].window_ms == rates[i].window_ms && rates[k].count == rates[i].count))
                continue;
            _cleanup_free_ char *never = rates_format(&rates[i], 1), *first = rates_format(&rates[k], 1);
            faults_add(l->faults, value, "%s is never reached: %s comes first", never, first);
            return true;
        }
    return false;
}

void read_rates(struct loader *l, const struct node *value, struct rate **field)
{
    _cleanup_free_ struct rate *rates = NULL;
    size_t n = 0;
    bool ok = true;
    if (value->type != NODE_LIST)
        ok = rates_from(l, value, &rates, &n);
    for (size_t i = 0; value->type == NODE_LIST && i < value->n_children; i++)
        ok = rates_from(l, value->children[i], &rates, &n) && ok;
    if (!ok)
        return;
    if (n == 0) {
        faults_add(l->faults, value, "a list of rates must not be empty");
        return;
    }
    const bool from_journal = l->registry && !l->config; /* what a run began with is taken as it is */
    if (!from_journal && contradict(l, value, rates, n))
        return;
    free(*field);
    *field = TAKE_PTR(rates);
}

char *rates_format(const struct rate *rates, size_t n)
{
    struct strbuf b = STRBUF_INIT;
    char text[TIME_TEXT_MAX];
    for (size_t i = 0; i < n; i++)
        strbuf_printf(&b, "%s%d/%s", i ? ", " : "", rates[i].count, duration_format(rates[i].window_ms, text));
    return strbuf_take(&b);
}

static struct rate *rates_dup(const struct rate *rates, size_t n)
{
    struct rate *copy = xcalloc(n + 1, sizeof(struct rate));
    if (n > 0)
        memcpy(copy, rates, n * sizeof(struct rate));
    return copy;
}

void limits_default(struct limits *ret)
{
    *ret = (struct limits){
        .cooldown_ms = 5 * 60 * MSEC_PER_SEC,
        .expires_ms = 30 * 60 * MSEC_PER_SEC,
        .attempts = rates_dup(&(struct rate){.count = 3, .window_ms = 3600 * MSEC_PER_SEC}, 1),
        .n_attempts = 1,
        .concurrent = 1,
        .pods = 10,
    };
}

void limits_copy(const struct limits *from, struct limits *ret)
{
    *ret = *from;
    ret->attempts = rates_dup(from->attempts, from->n_attempts);
}

struct limits_draft limits_to_draft(const struct limits *from)
{
    return (struct limits_draft){.cooldown_ms = from->cooldown_ms,
                                 .expires_ms = from->expires_ms,
                                 .attempts = rates_dup(from->attempts, from->n_attempts),
                                 .concurrent = from->concurrent,
                                 .pods = from->pods};
}

void limits_from_draft(struct limits_draft *taken, struct limits *field)
{
    free(field->attempts);
    *field = (struct limits){.cooldown_ms = taken->cooldown_ms,
                             .expires_ms = taken->expires_ms,
                             .attempts = TAKE_PTR(taken->attempts),
                             .concurrent = taken->concurrent,
                             .pods = taken->pods};
    while (field->attempts && field->attempts[field->n_attempts].count > 0)
        field->n_attempts++;
}

void limits_read(struct loader *l, const struct node *value, struct limits *field)
{
    struct limits_draft draft = limits_to_draft(field);
    read_map(l, value, "limits", limits_keys, &draft);
    limits_from_draft(&draft, field);
}
