#include "coverage.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "cli.h"

#include <string.h>

/* "a, b" of a list of texts, each between `quote`s; `otherwise` for an empty one. The caller frees. */
static char *joined(const json_t *texts, const char *quote, const char *otherwise)
{
    struct strbuf b = STRBUF_INIT;
    size_t i;
    json_t *t;
    json_array_foreach (texts, i, t)
        strbuf_printf(&b, "%s%s%s%s", i ? ", " : "", quote, json_string_value(t), quote);
    if (!json_array_size(texts))
        strbuf_puts(&b, otherwise);
    return strbuf_take(&b);
}

/* One line a playbook; what belongs to the row as a whole stands in its first line. */
static void print_row(struct table *t, const json_t *row, size_t n, bool wide)
{
    const json_t *p = json_array_get(json_object_get(row, "playbooks"), n);
    const bool first = n == 0;
    _cleanup_free_ char *actions = joined(json_object_get(p, "actions"), "", "-");
    _cleanup_free_ char *cases = joined(json_object_get(row, "cases"), "", "-");
    _cleanup_free_ char *missing = joined(json_object_get(row, "missing"), "", "");
    _cleanup_free_ char *tests =
        p ? xasprintf("%lld", (long long)json_int_or(p, "tests", 0)) : xstrdup(json_text(row, "instead") ? "" : "-");
    const char *name = p ? json_text(p, "name") : json_text_or(row, "instead", "MISSING");
    const char *cells[] = {first ? json_text(row, "id") : "",
                           first ? json_text(row, "procedure") : "",
                           name,
                           p ? json_text(p, "mode") : "",
                           p ? actions : "",
                           tests,
                           first ? cases : "",
                           first ? missing : "",
                           wide && first ? json_text(row, "does") : ""};
    table_row(t, cells);
}

void coverage_print(const json_t *coverage, bool wide)
{
    static const char *const columns[] = {"ROW",   "PROCEDURE", "PLAYBOOK", "MODE",        "ACTIONS",
                                          "TESTS", "E2E CASES", "MISSING",  "WHAT IT DOES"};
    struct table *t = table_new(columns, wide ? 9 : 8);
    size_t i;
    json_t *row;
    json_array_foreach (json_object_get(coverage, "rows"), i, row) {
        const size_t n = json_array_size(json_object_get(row, "playbooks"));
        for (size_t k = 0; k == 0 || k < n; k++)
            print_row(t, row, k, wide);
    }
    table_print(t, stdout);
    printf("%lld of %lld rows done\n", (long long)json_int_or(coverage, "done", 0),
           (long long)json_int_or(coverage, "total", 0));
}

/* ---- docs/coverage.md ---- */

/* A cell must not end its column. */
static char *cell_new(const char *s)
{
    struct strbuf b = STRBUF_INIT;
    for (; s && *s; s++)
        strbuf_printf(&b, *s == '|' ? "\\%c" : "%c", *s);
    return strbuf_take(&b);
}

static void markdown_playbooks(struct strbuf *names, struct strbuf *actions, struct strbuf *tests, const json_t *row)
{
    size_t i;
    json_t *p;
    json_array_foreach (json_object_get(row, "playbooks"), i, p) {
        const char *file = json_text_or(p, "file", ""), *slash = strrchr(file, '/'), *br = i ? "<br>" : "";
        _cleanup_free_ char *list = joined(json_object_get(p, "actions"), "`", "none");
        strbuf_printf(names, "%s[%s](../playbooks/%s) (%s)", br, json_text(p, "name"), slash ? slash + 1 : file,
                      json_text(p, "mode"));
        strbuf_printf(actions, "%s%s", br, list);
        strbuf_printf(tests, "%s%lld", br, (long long)json_int_or(p, "tests", 0));
    }
}

static void markdown_cases(struct strbuf *b, const json_t *row)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_object_get(row, "cases"), i, c)
        strbuf_printf(b, "%s[%s](../tests/real/cases/%s.yaml)", i ? "<br>" : "", json_string_value(c),
                      json_string_value(c));
}

static void markdown_row(const json_t *row)
{
    _cleanup_strbuf_ struct strbuf names = STRBUF_INIT, actions = STRBUF_INIT, tests = STRBUF_INIT, cases = STRBUF_INIT;
    _cleanup_free_ char *procedure = cell_new(json_text(row, "procedure")), *does = cell_new(json_text(row, "does"));
    markdown_playbooks(&names, &actions, &tests, row);
    markdown_cases(&cases, row);
    if (!names.len)
        strbuf_puts(&names, json_text_or(row, "instead", "**missing**"));
    if (!cases.len)
        strbuf_puts(&cases, "**missing**");
    printf("| %s | %s | %s | %s | %s | %s | %s |\n", json_text(row, "id"), procedure, does, strbuf_str(&names),
           strbuf_str(&actions), strbuf_str(&tests), strbuf_str(&cases));
}

void coverage_print_markdown(const json_t *coverage)
{
    size_t i, k;
    json_t *book, *row;
    printf(
        "# Coverage\n\nThe procedures of five runbooks, row by row: what mendd does, by which playbook (and in which "
        "mode), with which actions, how\nmany offline tests expect it, and the end-to-end cases that show it on a "
        "real API server (`scripts/test --real`).\n\nMade from [coverage.yaml](coverage.yaml), the "
        "[playbooks](../playbooks) and the [cases](../tests/real/cases/README.md) by `tests/coverage.sh "
        "--update`;\na test holds it up to date.\n\n%lld of %lld rows are done.\n",
        (long long)json_int_or(coverage, "done", 0), (long long)json_int_or(coverage, "total", 0));
    json_array_foreach (json_object_get(coverage, "runbooks"), i, book) {
        const char *id = json_text_or(book, "id", "");
        printf("\n## %s %s\n\n| row | procedure | what mendd does | playbook | actions | tests | end to end |\n"
               "|---|---|---|---|---|---|---|\n",
               id, json_text_or(book, "title", ""));
        json_array_foreach (json_object_get(coverage, "rows"), k, row)
            if (str_starts(json_text_or(row, "id", ""), id))
                markdown_row(row);
    }
}
