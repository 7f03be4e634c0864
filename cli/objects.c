/* Lists of objects as tables, whatever their keys are: for what /status tells of pauses, budgets, breakers. */
#include "cli.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <ctype.h>

enum { COLUMNS_MAX = 12 };

static void add_words(struct strbuf *b, const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    int64_t wall_us;
    char time[TIME_TEXT_MAX];
    if (json_is_string(value)) {
        const char *s = json_string_value(value); /* nobody reads microseconds off a table */
        strbuf_puts(b, time_parse(s, &wall_us) == 0 ? time_format_seconds(wall_us, time) : s);
    } else if (json_is_object(value)) {
        json_object_foreach ((json_t *)value, key, member) {
            if (json_is_null(member))
                continue;
            strbuf_printf(b, "%s%s ", b->len ? ", " : "", key);
            add_words(b, member);
        }
    } else if (json_is_array(value)) {
        json_array_foreach (value, i, member) {
            strbuf_puts(b, i ? ", " : "");
            add_words(b, member);
        }
    } else if (value && !json_is_null(value)) {
        _cleanup_free_ char *text = json_compact(value);
        strbuf_puts(b, text);
    }
}

static char *cell_new(const char *key, const json_t *value)
{
    struct strbuf b = STRBUF_INIT;
    add_words(&b, value);
    if (b.len == 0 && str_eq(key, "scope") && json_is_object(value))
        strbuf_puts(&b, "everything");
    if (b.len == 0)
        strbuf_puts(&b, "-");
    return strbuf_take(&b);
}

static size_t collect_columns(const json_t *list, const char *columns[COLUMNS_MAX + 1])
{
    size_t i, n = 0;
    json_t *object, *value;
    const char *key;
    json_array_foreach (list, i, object)
        json_object_foreach (object, key, value)
            if (n < COLUMNS_MAX && !str_in(key, columns))
                columns[n++] = key;
    return n;
}

void print_objects(const char *title, const json_t *list)
{
    const char *keys[COLUMNS_MAX + 1] = {0}, *cells[COLUMNS_MAX];
    char *texts[COLUMNS_MAX];
    size_t n = collect_columns(list, keys), i;
    json_t *object;
    if (n == 0)
        return;
    for (size_t k = 0; k < n; k++) {
        texts[k] = xstrdup(keys[k]);
        for (char *p = texts[k]; *p; p++)
            *p = *p == '_' ? ' ' : (char)toupper((unsigned char)*p);
    }
    printf("\n%s\n", title);
    struct table *t = table_new((const char *const *)texts, n);
    for (size_t k = 0; k < n; k++)
        free(texts[k]);
    json_array_foreach (list, i, object) {
        for (size_t k = 0; k < n; k++)
            cells[k] = texts[k] = cell_new(keys[k], json_object_get(object, keys[k]));
        table_row(t, cells);
        for (size_t k = 0; k < n; k++)
            free(texts[k]);
    }
    table_print(t, stdout);
}
