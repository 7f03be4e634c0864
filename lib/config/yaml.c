/* YAML text to trees of nodes, by libyaml's events.
 *
 * Happy path: one document (or, if that is asked for, several), its nodes with the line and column where they stand.
 * Everything that makes YAML surprising is refused by name: anchors, aliases (a cycle is possible), merge keys, tags,
 * further documents, duplicate keys, NUL inside a text. Size, depth and number of nodes are bounded before anything is
 * built. */
#include "config/node.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

enum { MAX_BYTES = 1 << 20, MAX_DEPTH = 64, MAX_NODES = 100000 };

struct parse {
    yaml_parser_t yaml;
    const char *given, *name; /* the file; name is the copy that becomes the root's, while a document is read */
    const char *text;
    size_t len, n_nodes;
    struct error *err;
};

static int fail(struct parse *p, const yaml_mark_t *at, const char *fmt, ...) _printf_(3, 4);
static int fail(struct parse *p, const yaml_mark_t *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    _cleanup_free_ char *what = xvasprintf(fmt, args);
    va_end(args);
    return error_set(p->err, -EINVAL, "%s:%zu:%zu: %s", p->name, at->line + 1, at->column + 1, what);
}

/* Whether the line that libyaml stumbled over holds a template: then the reader wants to hear about quotes. */
static bool line_has_template(const struct parse *p, size_t line)
{
    const char *s = p->text, *end = p->text + p->len;
    for (; line > 0 && s; line--) {
        s = memchr(s, '\n', (size_t)(end - s));
        s = s ? s + 1 : NULL;
    }
    if (!s)
        return false;
    const char *eol = memchr(s, '\n', (size_t)(end - s));
    return memmem(s, (size_t)((eol ? eol : end) - s), "{{", 2) != NULL;
}

#define QUOTE_IT "a value with {{ … }} must be quoted: \"{{ … }}\""

static int syntax_fault(struct parse *p)
{
    const yaml_parser_t *y = &p->yaml;
    if (y->error == YAML_READER_ERROR)
        return error_set(p->err, -EINVAL, "%s: not valid YAML: %s at byte %zu", p->name, y->problem, y->problem_offset);
    yaml_mark_t at = y->problem_mark;
    if (line_has_template(p, at.line) || (y->context && line_has_template(p, y->context_mark.line)))
        return fail(p, &at, "not valid YAML: %s; " QUOTE_IT, y->problem);
    return fail(p, &at, "not valid YAML: %s%s%s", y->problem ? y->problem : "unknown problem", y->context ? " " : "",
                y->context ? y->context : "");
}

static int next(struct parse *p, yaml_event_t *ret)
{
    return yaml_parser_parse(&p->yaml, ret) ? 0 : syntax_fault(p);
}

static void node_append(struct node *parent, struct node *child)
{
    size_t n = parent->n_children;
    if ((n & (n - 1)) == 0) /* a power of two: full */
        parent->children = xreallocarray(parent->children, n ? n * 2 : 1, sizeof(struct node *));
    parent->children[parent->n_children++] = child;
}

static void tree_free(struct node *n);

static void node_start(struct parse *p, const yaml_event_t *e, enum node_type type, struct node **ret)
{
    struct node *n = xnew0(struct node);
    n->type = type;
    n->file = p->name;
    n->line = (int)e->start_mark.line + 1;
    n->column = (int)e->start_mark.column + 1;
    *ret = n;
}

static int refuse_extras(struct parse *p, const yaml_event_t *e, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        return fail(p, &e->start_mark, "anchors (&%s) are not allowed: write the value out", (const char *)anchor);
    if (tag)
        return fail(p, &e->start_mark, "tags (%s) are not allowed", (const char *)tag);
    return 0;
}

static bool scalar_is_null(const struct node *n)
{
    return !n->quoted && str_in(n->scalar, (const char *const[]){"", "~", "null", "Null", "NULL", NULL});
}

static int read_scalar(struct parse *p, const yaml_event_t *e, struct node **ret)
{
    int r = refuse_extras(p, e, e->data.scalar.anchor, e->data.scalar.tag);
    if (r < 0)
        return r;
    if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
        return fail(p, &e->start_mark, "a NUL character is not allowed in a text");
    node_start(p, e, NODE_SCALAR, ret);
    (*ret)->scalar = xstrdup((const char *)e->data.scalar.value);
    (*ret)->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (scalar_is_null(*ret))
        (*ret)->type = NODE_NULL;
    return 0;
}

static int read_value(struct parse *p, yaml_event_t *e, int depth, struct node **ret);

static int read_list(struct parse *p, const yaml_event_t *start, int depth, struct node *list)
{
    int r = refuse_extras(p, start, start->data.sequence_start.anchor, start->data.sequence_start.tag);
    while (r == 0) {
        _cleanup_(yaml_event_delete) yaml_event_t e = {0};
        r = next(p, &e);
        if (r < 0 || e.type == YAML_SEQUENCE_END_EVENT)
            break;
        struct node *child = NULL;
        r = read_value(p, &e, depth, &child);
        if (r == 0)
            node_append(list, child);
    }
    return r;
}

static int read_key(struct parse *p, yaml_event_t *e, struct node **ret)
{
    if (e->type == YAML_MAPPING_START_EVENT)
        return fail(p, &e->start_mark, "a map cannot be a key; " QUOTE_IT);
    if (e->type != YAML_SCALAR_EVENT)
        return fail(p, &e->start_mark, "a key must be text");
    struct node *key = NULL;
    int r = read_scalar(p, e, &key);
    if (r == 0 && !key->quoted && strcmp(key->scalar, "<<") == 0)
        r = fail(p, &e->start_mark, "merge keys (<<) are not allowed: write the keys out");
    if (r == 0 && !*key->scalar)
        r = fail(p, &e->start_mark, "a key must not be empty");
    if (r < 0)
        tree_free(key);
    else
        *ret = key;
    return r;
}

static int by_key(const void *a, const void *b)
{
    const struct node *x = (*(struct node *const *)a)->key, *y = (*(struct node *const *)b)->key;
    int r = strcmp(x->scalar, y->scalar);
    if (r == 0)
        r = x->line != y->line ? x->line - y->line : x->column - y->column;
    return r;
}

static int refuse_duplicates(struct parse *p, const struct node *map)
{
    if (map->n_children < 2)
        return 0;
    _cleanup_free_ struct node **sorted = xreallocarray(NULL, map->n_children, sizeof(struct node *));
    memcpy(sorted, map->children, map->n_children * sizeof(struct node *));
    qsort(sorted, map->n_children, sizeof(struct node *), by_key);
    for (size_t i = 1; i < map->n_children; i++) {
        const struct node *first = sorted[i - 1]->key, *again = sorted[i]->key;
        if (strcmp(first->scalar, again->scalar) == 0)
            return error_set(p->err, -EINVAL, "%s:%d:%d: duplicate key \"%s\" (first in line %d)", p->name, again->line,
                             again->column, again->scalar, first->line);
    }
    return 0;
}

static int read_map_nodes(struct parse *p, const yaml_event_t *start, int depth, struct node *map)
{
    int r = refuse_extras(p, start, start->data.mapping_start.anchor, start->data.mapping_start.tag);
    while (r == 0) {
        _cleanup_(yaml_event_delete) yaml_event_t e = {0}, v = {0};
        r = next(p, &e);
        if (r < 0)
            return r;
        if (e.type == YAML_MAPPING_END_EVENT)
            return refuse_duplicates(p, map);
        struct node *key = NULL, *value = NULL;
        r = read_key(p, &e, &key);
        if (r == 0)
            r = next(p, &v);
        if (r == 0)
            r = read_value(p, &v, depth, &value);
        if (r < 0) {
            tree_free(key);
            return r;
        }
        value->key = key;
        node_append(map, value);
    }
    return r;
}

static int read_value(struct parse *p, yaml_event_t *e, int depth, struct node **ret)
{
    if (++p->n_nodes > MAX_NODES)
        return fail(p, &e->start_mark, "more than %d values in one file", MAX_NODES);
    if (depth > MAX_DEPTH)
        return fail(p, &e->start_mark, "nested more than %d levels deep", MAX_DEPTH);
    struct node *n = NULL;
    int r;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(p, e, ret);
    case YAML_ALIAS_EVENT:
        return fail(p, &e->start_mark, "aliases (*%s) are not allowed: write the value out",
                    (const char *)e->data.alias.anchor);
    case YAML_SEQUENCE_START_EVENT:
        node_start(p, e, NODE_LIST, &n);
        r = read_list(p, e, depth + 1, n);
        break;
    case YAML_MAPPING_START_EVENT:
        node_start(p, e, NODE_MAP, &n);
        r = read_map_nodes(p, e, depth + 1, n);
        break;
    default:
        return fail(p, &e->start_mark, "not valid YAML: a value was expected");
    }
    if (r < 0)
        tree_free(n);
    else
        *ret = n;
    return r;
}

/* What stands between a document's beginning, which was read, and its end. */
static int read_root(struct parse *p, struct node **ret)
{
    _cleanup_(yaml_event_delete) yaml_event_t first = {0}, end = {0};
    struct node *root = NULL;
    int r = next(p, &first);
    if (r == 0)
        r = read_value(p, &first, 0, &root);
    if (r == 0)
        r = next(p, &end);
    if (r < 0)
        tree_free(root);
    else
        *ret = root;
    return r;
}

static int read_documents(struct parse *p, struct node **ret, size_t max, size_t *n)
{
    for (;;) {
        _cleanup_(yaml_event_delete) yaml_event_t e = {0};
        int r = next(p, &e);
        if (r < 0 || e.type == YAML_STREAM_END_EVENT)
            return r;
        if (e.type == YAML_STREAM_START_EVENT)
            continue;
        if (*n == max)
            return max == 1 ? fail(p, &e.start_mark, "a second document (---) is not allowed: one document a file")
                            : fail(p, &e.start_mark, "more than %zu documents (---) in one file", max);
        char *file = xstrdup(p->given); /* a root owns it */
        p->name = file;
        r = read_root(p, &ret[*n]);
        p->name = p->given;
        if (r < 0) {
            free(file);
            return r;
        }
        (*n)++;
    }
}

int node_load_documents(const char *name, const char *text, size_t len, struct node **ret, size_t max, size_t *ret_n,
                        struct error *err)
{
    if (len > MAX_BYTES)
        return error_set(err, -E2BIG, "%s: larger than the %d bytes allowed", name, MAX_BYTES);
    struct parse p = {.given = name, .name = name, .text = text, .len = len, .err = err};
    size_t n = 0;
    if (!yaml_parser_initialize(&p.yaml))
        abort();
    yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p.yaml, (const unsigned char *)text, len);
    int r = read_documents(&p, ret, max, &n);
    yaml_parser_delete(&p.yaml);
    if (r < 0)
        while (n > 0)
            node_free(ret[--n]);
    else
        *ret_n = n;
    return r;
}

int node_load_text(const char *name, const char *text, size_t len, struct node **ret, struct error *err)
{
    struct node *root;
    size_t n = 0;
    int r = node_load_documents(name, text, len, &root, 1, &n, err);
    if (r == 0 && n == 0)
        r = error_set(err, -EINVAL, "%s: the file is empty", name);
    if (r == 0)
        *ret = root;
    return r;
}

int node_load_file(const char *path, struct node **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r = file_read(path, MAX_BYTES, &text, &len, err);
    return r < 0 ? r : node_load_text(path, text, len, ret, err);
}

static void tree_free(struct node *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->n_children; i++)
        tree_free(n->children[i]);
    tree_free(n->key);
    free(n->children);
    free(n->scalar);
    free(n);
}

struct node *node_free(struct node *n)
{
    if (n) {
        free((char *)n->file);
        tree_free(n);
    }
    return NULL;
}
