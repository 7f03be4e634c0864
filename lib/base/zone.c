/* One file becomes a table of transitions and a rule for afterwards. Everything that asks for more than one offset
 * walks from transition to transition over the two days around the time in question: exact for any table, however odd.
 */
#include "base/zone.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "base/zone_rule.h"

#include <errno.h>
#include <string.h>

#define ZONEINFO "/usr/share/zoneinfo"

enum {
    NAME_MAX_LEN = 64,
    FILE_MAX_LEN = 64 * 1024, /* the largest of tzdata has 4 KiB */
    OFFSET_MIN_S = -89999,    /* RFC 8536, 3.2: more than -25 and less than 26 hours */
    OFFSET_MAX_S = 93599,
    YEAR_MAX = 300000, /* microseconds hold fewer, either way */
};

#define TIME_LIMIT_S (INT64_C(1) << 59) /* RFC 8536, 3.2 takes it for the Big Bang */

struct transition {
    int64_t at_s;
    int offset_s; /* from then on */
};

struct zone {
    unsigned refs;
    char *name;
    int first_offset_s;             /* before the first transition */
    struct transition *transitions; /* ascending */
    size_t n;
    bool has_rule; /* from the last transition on; without one the last offset stays */
    struct zone_rule rule;
};

/* ---- reading a file ---- */

struct reader {
    const unsigned char *p;
    size_t left;
};

struct header {
    char version;
    uint32_t isut, isstd, leap, time, type, chars;
};

static int64_t big_endian(const unsigned char *p, size_t size)
{
    uint64_t n = size == 4 && p[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < size; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

static uint32_t count_at(const unsigned char *p)
{
    return (uint32_t)big_endian(p, 4);
}

static const unsigned char *take(struct reader *r, uint64_t size)
{
    const unsigned char *p = r->p;
    if (size > r->left)
        return NULL;
    r->p += size;
    r->left -= (size_t)size;
    return p;
}

static const char *read_header(struct reader *r, struct header *h)
{
    const unsigned char *p = take(r, 44);
    if (!p || memcmp(p, "TZif", 4) != 0)
        return "it does not begin like one";
    *h = (struct header){(char)p[4],       count_at(p + 20), count_at(p + 24), count_at(p + 28),
                         count_at(p + 32), count_at(p + 36), count_at(p + 40)};
    if (h->version != '\0' && (h->version < '2' || h->version > '4'))
        return "it is of a version that is not known";
    return NULL;
}

/* Counts are 32 bits wide and the factors small: no overflow in 64. */
static uint64_t block_size(const struct header *h, uint64_t time_size)
{
    return h->time * (time_size + 1) + h->type * UINT64_C(6) + h->chars + h->leap * (time_size + 4) + h->isstd +
           h->isut;
}

static const char *read_types(const unsigned char *types, const struct header *h)
{
    for (size_t i = 0; i < h->type; i++) {
        const unsigned char *type = types + i * 6;
        int64_t offset = big_endian(type, 4);
        if (offset < OFFSET_MIN_S || offset > OFFSET_MAX_S)
            return "an offset from UTC is more than a day";
        if (type[4] > 1 || type[5] >= h->chars)
            return "a local time type is malformed";
    }
    return NULL;
}

static const char *read_transitions(struct zone *z, const unsigned char *times, const unsigned char *types,
                                    const struct header *h, size_t time_size)
{
    const unsigned char *indices = times + h->time * time_size;
    z->transitions = xreallocarray(NULL, h->time, sizeof(*z->transitions));
    for (size_t i = 0; i < h->time; i++) {
        int64_t at_s = big_endian(times + i * time_size, time_size);
        if (indices[i] >= h->type)
            return "a transition leads to a type that is not there";
        if (at_s < -TIME_LIMIT_S || at_s > TIME_LIMIT_S || (i > 0 && at_s <= z->transitions[i - 1].at_s))
            return "its transitions are not in order";
        z->transitions[i] = (struct transition){at_s, (int)big_endian(types + indices[i] * 6, 4)};
        z->n = i + 1;
    }
    z->first_offset_s = (int)big_endian(types, 4);
    return NULL;
}

static const char *read_block(struct zone *z, struct reader *r, const struct header *h, size_t time_size)
{
    const unsigned char *times = take(r, block_size(h, time_size));
    if (!times)
        return "it is cut short";
    if (h->type == 0 || h->type > 256 || h->chars == 0 || (h->isut && h->isut != h->type) ||
        (h->isstd && h->isstd != h->type))
        return "its counts contradict each other";
    if (h->leap)
        return "it counts leap seconds, which the system's clock does not";
    const unsigned char *types = times + h->time * (time_size + 1);
    const char *fault = read_types(types, h);
    return fault ? fault : read_transitions(z, times, types, h, time_size);
}

static const char *read_footer(struct zone *z, struct reader *r)
{
    const unsigned char *begin = take(r, 1), *end = r->left ? memchr(r->p, '\n', r->left) : NULL;
    if (!begin || *begin != '\n' || !end)
        return "its last line is cut short";
    _cleanup_free_ char *text = xstrndup((const char *)r->p, (size_t)(end - r->p));
    if (!*text && end == r->p)
        return NULL;
    if (strlen(text) != (size_t)(end - r->p) || zone_rule_parse(text, &z->rule) < 0)
        return "the rule in its last line cannot be understood";
    z->has_rule = true;
    return NULL;
}

static const char *read_file(struct zone *z, struct reader *r)
{
    struct header h;
    const char *fault = read_header(r, &h);
    if (fault)
        return fault;
    if (h.version == '\0')
        return read_block(z, r, &h, 4);
    /* the first block is for readers of version 1 */
    if (!take(r, block_size(&h, 4)))
        return "it is cut short";
    if ((fault = read_header(r, &h)) || (fault = read_block(z, r, &h, 8)))
        return fault;
    return read_footer(z, r);
}

/* ---- a zone's life ---- */

static struct zone *zone_new(const char *name)
{
    struct zone *z = xnew0(struct zone);
    z->refs = 1;
    z->name = xstrdup(name);
    return z;
}

int zone_parse(const char *name, const void *data, size_t len, struct zone **ret, struct error *err)
{
    _cleanup_(zone_unrefp) struct zone *z = zone_new(name);
    const char *fault = len > FILE_MAX_LEN ? "it is too large" : read_file(z, &(struct reader){data, len});
    if (fault)
        return error_set(err, -EBADMSG, "time zone \"%s\": its file is no TZif file that can be understood: %s", name,
                         fault);
    *ret = TAKE_PTR(z);
    return 0;
}

static bool name_char_ok(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_+/-", c));
}

static int name_check(const char *name, struct error *err)
{
    static const char wanted[] = "a time zone is named like \"Europe/Berlin\"";
    size_t len = strnlen(name, NAME_MAX_LEN + 1);
    if (len == 0)
        return error_set(err, -EINVAL, "%s: the name is empty", wanted);
    if (len > NAME_MAX_LEN)
        return error_set(err, -EINVAL, "%s: the name has more than %d characters", wanted, NAME_MAX_LEN);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (!name_char_ok(name[i]) && c > ' ' && c < 0x7f)
            return error_set(err, -EINVAL, "%s: \"%c\" at character %zu has no place in it", wanted, c, i + 1);
        if (!name_char_ok(name[i]))
            return error_set(err, -EINVAL, "%s: byte 0x%02x at character %zu has no place in it", wanted, c, i + 1);
    }
    if (name[0] == '/' || name[len - 1] == '/' || strstr(name, "//"))
        return error_set(err, -EINVAL, "%s: \"%s\" has a \"/\" too many", wanted, name);
    return 0;
}

int zone_load(const char *name, struct zone **ret, struct error *err)
{
    int r = name_check(name, err);
    if (r < 0)
        return r;
    if (str_eq(name, "UTC") || str_eq(name, "Etc/UTC")) {
        *ret = zone_new(name);
        return 0;
    }
    _cleanup_free_ char *path = xasprintf(ZONEINFO "/%s", name), *data = NULL;
    _cleanup_error_ struct error why = ERROR_NONE;
    size_t len;
    r = file_read(path, FILE_MAX_LEN, &data, &len, &why);
    if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR)
        return error_set(err, -ENOENT, "no time zone \"%s\"; is the package tzdata installed?", name);
    if (r == -E2BIG)
        return error_set(err, -EBADMSG, "time zone \"%s\": %s", name, error_message(&why));
    if (r < 0)
        return error_set(err, r, "time zone \"%s\": %s", name, error_message(&why));
    return zone_parse(name, data, len, ret, err);
}

struct zone *zone_ref(struct zone *z)
{
    z->refs++;
    return z;
}

void zone_unref(struct zone *z)
{
    if (!z || --z->refs > 0)
        return;
    free(z->name);
    free(z->transitions);
    free(z);
}

const char *zone_name(const struct zone *z)
{
    return z->name;
}

/* ---- instants and readings, in seconds ---- */

/* How many transitions lie at or before that instant. */
static size_t passed(const struct zone *z, int64_t at_s)
{
    size_t low = 0, high = z->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->transitions[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int offset_at(const struct zone *z, int64_t at_s)
{
    size_t i = passed(z, at_s);
    if (i == z->n && z->has_rule)
        return zone_rule_offset_s(&z->rule, at_s);
    return i == 0 ? z->first_offset_s : z->transitions[i - 1].offset_s;
}

/* INT64_MAX: none. */
static int64_t next_transition(const struct zone *z, int64_t after_s)
{
    size_t i = passed(z, after_s);
    if (i < z->n)
        return z->transitions[i].at_s;
    return z->has_rule ? zone_rule_next_s(&z->rule, after_s) : INT64_MAX;
}

int64_t zone_reached_s(const struct zone *z, int64_t local_s)
{
    /* no wall reads local_s before `from`; all have by local_s - OFFSET_MIN_S */
    for (int64_t from = local_s - OFFSET_MAX_S;;) {
        int64_t until = next_transition(z, from), at_s = local_s - offset_at(z, from);
        if (at_s < from)
            at_s = from;
        if (at_s < until)
            return at_s;
        from = until;
    }
}

int64_t zone_shown_s(const struct zone *z, int64_t at_s)
{
    int64_t latest = at_s + offset_at(z, at_s), from = at_s - (OFFSET_MAX_S - OFFSET_MIN_S);
    while ((from = next_transition(z, from)) <= at_s) {
        int64_t before = from - 1 + offset_at(z, from - 1);
        if (before > latest)
            latest = before;
    }
    return latest;
}

/* The first and the last instant at which the wall reads exactly that, and how many there are (0: both are left alone).
 */
static int exact_instants(const struct zone *z, int64_t local_s, int64_t *ret_first_s, int64_t *ret_last_s)
{
    int found = 0;
    for (int64_t from = local_s - OFFSET_MAX_S, until; from <= local_s - OFFSET_MIN_S; from = until) {
        int64_t at_s = local_s - offset_at(z, from);
        until = next_transition(z, from);
        if (at_s < from || at_s >= until)
            continue;
        if (found++ == 0)
            *ret_first_s = at_s;
        *ret_last_s = at_s;
    }
    return found;
}

/* ---- the same in microseconds ---- */

int zone_offset_s(const struct zone *z, int64_t wall_us)
{
    return offset_at(z, floor_div(wall_us, USEC_PER_SEC));
}

struct civil zone_civil(const struct zone *z, int64_t wall_us)
{
    int64_t at_s = floor_div(wall_us, USEC_PER_SEC);
    return civil_from_s(at_s + offset_at(z, at_s));
}

static int64_t us_of(int64_t s)
{
    int64_t us;
    return __builtin_mul_overflow(s, USEC_PER_SEC, &us) ? (s > 0 ? INT64_MAX : INT64_MIN) : us;
}

enum zone_fit zone_instant(const struct zone *z, const struct civil *local, int64_t *ret_first_us, int64_t *ret_last_us)
{
    if (local->year > YEAR_MAX || local->year < -YEAR_MAX) {
        *ret_first_us = *ret_last_us = local->year > 0 ? INT64_MAX : INT64_MIN;
        return ZONE_ONCE;
    }
    int64_t local_s = civil_to_s(local), first_s = zone_reached_s(z, local_s), last_s = first_s;
    int found = exact_instants(z, local_s, &first_s, &last_s);
    *ret_first_us = us_of(first_s);
    *ret_last_us = us_of(last_s);
    return found == 0 ? ZONE_GAP : found == 1 ? ZONE_ONCE : ZONE_TWICE;
}
