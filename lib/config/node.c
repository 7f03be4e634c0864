/* Trees of nodes from and to JSON, and looking into them. */
#include "config/node.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->type != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->n_children; i++)
        if (strcmp(map->children[i]->key->scalar, key) == 0)
            return map->children[i];
    return NULL;
}

static struct node *from_json(const char *file, const json_t *value);

static struct node *scalar_new(const char *file, char *taken, bool quoted)
{
    struct node *n = xnew0(struct node);
    n->type = NODE_SCALAR;
    n->file = file;
    n->scalar = taken;
    n->quoted = quoted;
    return n;
}

static void fill_children(struct node *n, const char *file, const json_t *value)
{
    size_t i, count = json_is_array(value) ? json_array_size(value) : json_object_size(value);
    const char *key;
    json_t *item;
    n->children = count ? xreallocarray(NULL, count, sizeof(struct node *)) : NULL;
    json_array_foreach (value, i, item)
        n->children[n->n_children++] = from_json(file, item);
    json_object_foreach ((json_t *)value, key, item) {
        struct node *child = from_json(file, item);
        child->key = scalar_new(file, xstrdup(key), true);
        n->children[n->n_children++] = child;
    }
}

static struct node *from_json(const char *file, const json_t *value)
{
    if (json_is_string(value))
        return scalar_new(file, xstrdup(json_string_value(value)), true);
    struct node *n = scalar_new(file, NULL, false);
    if (json_is_array(value) || json_is_object(value)) {
        n->type = json_is_array(value) ? NODE_LIST : NODE_MAP;
        fill_children(n, file, value);
        return n;
    }
    n->scalar = json_compact(value);
    if (!value || json_is_null(value))
        n->type = NODE_NULL;
    return n;
}

struct node *node_from_json(const char *name, const json_t *value)
{
    return from_json(xstrdup(name), value);
}

/* YAML 1.2's core schema for integers: decimal, 0o…, 0x…. What does not fit 64 bits stays text. */
static json_t *integer_new(const char *s)
{
    int base = str_starts(s, "0x") ? 16 : str_starts(s, "0o") ? 8 : 10;
    const char *digits = s + (base != 10 ? 2 : *s == '-' || *s == '+' ? 1 : 0);
    if (!isxdigit((unsigned char)*digits))
        return NULL;
    char *end;
    errno = 0;
    long long v = strtoll(base == 10 ? s : digits, &end, base);
    return *end || errno ? NULL : json_integer(v);
}

static json_t *real_new(const char *s)
{
    if (!*s || s[strspn(s, "+-0123456789.eE")] || !s[strcspn(s, "0123456789")])
        return NULL;
    char *end;
    double v = strtod(s, &end);
    return *end || !isfinite(v) ? NULL : json_real(v);
}

static json_t *plain_new(const char *s)
{
    if (str_in(s, (const char *const[]){"true", "True", "TRUE", NULL}))
        return json_true();
    if (str_in(s, (const char *const[]){"false", "False", "FALSE", NULL}))
        return json_false();
    json_t *number = integer_new(s);
    if (!number)
        number = real_new(s);
    return number ? number : json_text_new(s, strlen(s));
}

json_t *node_to_json(const struct node *n)
{
    json_t *value;
    switch (n->type) {
    case NODE_NULL:
        return json_null();
    case NODE_SCALAR:
        return n->quoted ? json_text_new(n->scalar, strlen(n->scalar)) : plain_new(n->scalar);
    case NODE_LIST:
        value = json_array();
        for (size_t i = 0; i < n->n_children; i++)
            json_array_append_new(value, node_to_json(n->children[i]));
        return value;
    case NODE_MAP:
        value = json_object();
        for (size_t i = 0; i < n->n_children; i++)
            json_object_set_new(value, n->children[i]->key->scalar, node_to_json(n->children[i]));
        return value;
    }
    return json_null();
}
