#include "cli.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

bool print_colours(void)
{
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

const char *print_outcome_colour(const char *outcome)
{
    if (!print_colours() || !outcome)
        return "";
    if (str_eq(outcome, "resolved"))
        return "\033[32m";
    if (str_eq(outcome, "failed"))
        return "\033[31m";
    return "\033[33m";
}

struct table {
    char ***rows;
    size_t n_rows, n_columns;
};

char *print_clean_new(const char *s)
{
    char *copy = xstrdup(s ? s : "-");
    for (char *p = copy; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    return copy;
}

void table_row(struct table *t, const char *const *cells)
{
    t->rows = xreallocarray(t->rows, t->n_rows + 1, sizeof(*t->rows));
    char **row = t->rows[t->n_rows++] = xcalloc(t->n_columns, sizeof(char *));
    for (size_t i = 0; i < t->n_columns; i++)
        row[i] = print_clean_new(cells[i]);
}

struct table *table_new(const char *const *columns, size_t n_columns)
{
    struct table *t = xnew0(struct table);
    t->n_columns = n_columns;
    table_row(t, columns);
    return t;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void table_print(struct table *t, FILE *f)
{
    _cleanup_free_ size_t *widths = xcalloc(t->n_columns, sizeof(size_t));
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t i = 0; i < t->n_columns; i++)
            if (width(t->rows[r][i]) > widths[i])
                widths[i] = width(t->rows[r][i]);
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t i = 0; i < t->n_columns; i++) {
            const char *cell = t->rows[r][i];
            const int pad = i + 1 < t->n_columns ? (int)(widths[i] - width(cell)) + 3 : 0;
            fprintf(f, "%s%*s", cell, pad, "");
            free(t->rows[r][i]);
        }
        fputc('\n', f);
        free(t->rows[r]);
    }
    free(t->rows);
    free(t);
}

void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

static void indent_by(int n)
{
    printf("%*s", n, "");
}

static void yaml_value(const json_t *v, int indent, bool inline_first);

static void yaml_scalar(const json_t *v)
{
    char *s = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT); /* JSON's scalars, and empty containers, are YAML's */
    printf("%s\n", s ? s : "null");
    free(s);
}

static bool is_block(const json_t *v)
{
    return (json_is_object(v) && json_object_size(v)) || (json_is_array(v) && json_array_size(v));
}

static void yaml_member(const json_t *member, int indent)
{
    if (!is_block(member)) {
        putchar(' ');
        yaml_scalar(member);
        return;
    }
    putchar('\n');
    yaml_value(member, json_is_array(member) ? indent : indent + 2, false);
}

static void yaml_value(const json_t *v, int indent, bool inline_first)
{
    const char *key;
    json_t *member;
    size_t i;
    if (!is_block(v)) {
        yaml_scalar(v);
        return;
    }
    json_object_foreach ((json_t *)v, key, member) {
        if (!inline_first)
            indent_by(indent);
        inline_first = false;
        _cleanup_json_ json_t *name = json_string(key);
        _cleanup_free_ char *quoted = is_qualified_name(key) ? xstrdup(key) : json_compact(name);
        printf("%s:", quoted);
        yaml_member(member, indent);
    }
    json_array_foreach (v, i, member) {
        indent_by(inline_first && i == 0 ? 0 : indent);
        fputs("- ", stdout);
        yaml_value(member, indent + 2, true);
    }
}

void print_yaml(const json_t *value)
{
    yaml_value(value, 0, false);
}

bool print_structured(const struct cli *cli, const json_t *value)
{
    if (cli->output == OUTPUT_JSON)
        print_json(value);
    else if (cli->output == OUTPUT_YAML)
        print_yaml(value);
    else
        return false;
    return true;
}

bool print_report_structured(const struct cli *cli, const json_t *value)
{
    return cli->output_given && print_structured(cli, value);
}

char *print_age(const char *rfc3339, char buf[TIME_TEXT_MAX])
{
    int64_t then;
    if (!rfc3339 || time_parse(rfc3339, &then) < 0)
        return strcpy(buf, "-");
    const int64_t s = (now_read().wall_us - then) / USEC_PER_SEC;
    const long long n = s > 0 ? s : 0;
    if (n < 120)
        snprintf(buf, TIME_TEXT_MAX, "%llds", n);
    else if (n < 7200)
        snprintf(buf, TIME_TEXT_MAX, "%lldm", n / 60);
    else if (n < 172800)
        snprintf(buf, TIME_TEXT_MAX, "%lldh", n / 3600);
    else
        snprintf(buf, TIME_TEXT_MAX, "%lldd", n / 86400);
    return buf;
}
