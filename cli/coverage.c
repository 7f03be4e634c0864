#include "coverage.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "config/node.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>
#include <unistd.h>

/* The assembler finds the file through -Wa,-I (CMakeLists.txt). */
__asm__(".section .rodata\n"
        ".type mendd_coverage_start, @object\n"
        "mendd_coverage_start: .incbin \"coverage.yaml\"\n"
        ".type mendd_coverage_end, @object\n"
        "mendd_coverage_end: .byte 0\n"
        ".globl mendd_coverage_start, mendd_coverage_end\n"
        ".text\n");

extern const char mendd_coverage_start[] __attribute__((visibility("hidden")));
extern const char mendd_coverage_end[] __attribute__((visibility("hidden")));

static void fault(json_t *coverage, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fault(json_t *coverage, const char *fmt, ...)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    va_list args;
    va_start(args, fmt);
    strbuf_vprintf(&text, fmt, args);
    va_end(args);
    json_array_append_new(json_object_get(coverage, "faults"), json_string(strbuf_str(&text)));
}

static void add_text(json_t *list, const char *text)
{
    size_t i;
    json_t *t;
    json_array_foreach (list, i, t)
        if (str_eq(json_string_value(t), text))
            return;
    json_array_append_new(list, json_string(text));
}

static json_t *rows_new(json_t *coverage)
{
    _cleanup_(node_freep) struct node *root = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (node_load_text("docs/coverage.yaml", mendd_coverage_start, (size_t)(mendd_coverage_end - mendd_coverage_start),
                       &root, &err) < 0) {
        fault(coverage, "%s", error_message(&err));
        return json_array();
    }
    json_t *doc = node_to_json(root), *rows = json_incref(json_object_get(doc, "rows")), *row;
    size_t i;
    json_object_set(coverage, "runbooks", json_object_get(doc, "runbooks"));
    json_array_foreach (rows, i, row) {
        json_object_set_new(row, "playbooks", json_array());
        json_object_set_new(row, "cases", json_array());
        json_object_set_new(row, "missing", json_array());
    }
    json_decref(doc);
    return rows;
}

static json_t *find_by(const json_t *list, const char *key, const char *value)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item)
        if (str_eq(json_text(item, key), value))
            return item;
    return NULL;
}

/* The next row number in a text ("000.1", "004.22"): three digits, a point, one or two digits, alone. */
static const char *next_id(const char *s, char id[7])
{
    for (const char *p = s; *p; p++) {
        int n = 0;
        if (sscanf(p, "%6[0-9.]%n", id, &n) != 1 || (p != s && (isalnum((unsigned char)p[-1]) || p[-1] == '.')))
            continue;
        const bool shape = strspn(id, "0123456789") == 3 && id[3] == '.' && n >= 5 &&
                           strspn(id + 4, "0123456789") == (size_t)n - 4 && !isalnum((unsigned char)p[n]);
        if (shape)
            return p + n;
    }
    return NULL;
}

/* ---- playbooks and their tests ---- */

static json_t *playbook_to_json(const struct playbook *p)
{
    json_t *actions = json_array(), *modes = json_array();
    for (size_t r = 0; r < p->n_rungs; r++) {
        add_text(modes, mode_name(p->ladder[r].mode));
        for (size_t s = 0; s < p->ladder[r].n_steps; s++)
            add_text(actions, p->ladder[r].steps[s].action->name);
    }
    if (!json_array_size(modes))
        add_text(modes, p->ignore ? "ignore" : mode_name(p->mode));
    _cleanup_strbuf_ struct strbuf mode = STRBUF_INIT;
    size_t i;
    json_t *m;
    json_array_foreach (modes, i, m)
        strbuf_printf(&mode, "%s%s", i ? ", " : "", json_string_value(m));
    json_decref(modes);
    return json_pack("{s:s, s:s, s:o, s:i, s:s?}", "name", p->name, "mode", strbuf_str(&mode), "actions", actions,
                     "tests", 0, "file", p->file);
}

static void count_tests(json_t *playbooks, const char *path, json_t *coverage)
{
    _cleanup_(node_freep) struct node *root = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (node_load_file(path, &root, &err) < 0) {
        fault(coverage, "%s", error_message(&err));
        return;
    }
    _cleanup_json_ json_t *doc = node_to_json(root);
    size_t i;
    json_t *test;
    json_array_foreach (json_object_get(doc, "tests"), i, test) {
        json_t *p = find_by(playbooks, "name", json_path_text(test, "expect", "playbook", NULL));
        if (p)
            json_object_set_new(p, "tests", json_integer(json_int_or(p, "tests", 0) + 1));
    }
}

static int is_yaml(const struct dirent *e)
{
    return e->d_name[0] != '.' && str_ends(e->d_name, ".yaml");
}

static void each_file(const char *folder, const char *suffix, json_t *coverage,
                      void (*visit)(json_t *subject, const char *path, json_t *coverage), json_t *subject)
{
    struct dirent **found = NULL;
    const int n = scandir(folder, &found, is_yaml, alphasort);
    if (n < 0)
        fault(coverage, "%s: cannot be read", folder);
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, found[i]->d_name);
        if (str_ends(path, suffix))
            visit(subject, path, coverage);
        free(found[i]);
    }
    free(found);
}

/* All playbooks, each with the number of tests that expect it, in the *.test.yaml of its own folder. */
static json_t *playbooks_new(const struct playbook_table *table, json_t *coverage)
{
    json_t *list = json_array(), *folder;
    _cleanup_json_ json_t *folders = json_array();
    for (size_t i = 0; i < table->n; i++) {
        const char *file = table->playbooks[i]->file, *slash = strrchr(file, '/');
        _cleanup_free_ char *dir = slash ? xstrndup(file, (size_t)(slash - file)) : xstrdup(".");
        add_text(folders, dir);
        json_array_append_new(list, playbook_to_json(table->playbooks[i]));
    }
    size_t i;
    json_array_foreach (folders, i, folder)
        each_file(json_string_value(folder), ".test.yaml", coverage, count_tests, list);
    return list;
}

static void place_playbooks(json_t *coverage, const struct playbook_table *table, const json_t *playbooks)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct playbook *p = table->playbooks[i];
        char id[7];
        for (const char *s = p->runbook ? p->runbook : ""; (s = next_id(s, id));) {
            json_t *row = find_by(json_object_get(coverage, "rows"), "id", id);
            if (row)
                json_array_append(json_object_get(row, "playbooks"), json_array_get(playbooks, i));
            else
                fault(coverage, "%s:%d: playbook \"%s\": runbook: there is no row %s", p->file, p->line, p->name, id);
        }
    }
}

/* ---- cases ---- */

static char *case_name_new(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return xstrndup(name, strlen(name) - strlen(".yaml"));
}

/* `test:` names a file of the source tree, of which the cases lie in tests/real/cases. */
static bool test_exists(const char *case_path, const char *test)
{
    const char *slash = strrchr(case_path, '/');
    _cleanup_free_ char *path =
        xasprintf("%.*s/../../../%s", slash ? (int)(slash - case_path) : 1, slash ? case_path : ".", test);
    return access(path, R_OK) == 0;
}

/* A case of the row by its own word: whether the row's playbooks bear it out. */
static void place_case(json_t *coverage, const char *path, const json_t *doc, const char *id)
{
    json_t *row = find_by(json_object_get(coverage, "rows"), "id", id);
    const char *playbook = json_text(doc, "playbook"), *test = json_text(doc, "test");
    const json_t *expect = json_object_get(doc, "expect");
    if (!row) {
        fault(coverage, "%s: there is no row %s", path, id);
    } else if (!playbook && !json_text(row, "instead")) {
        fault(coverage, "%s: names no playbook, and row %s is not shown without one", path, id);
    } else if (playbook && !find_by(json_object_get(row, "playbooks"), "name", playbook)) {
        fault(coverage, "%s: the runbook of playbook \"%s\" does not name row %s", path, playbook, id);
    } else if (test && !test_exists(path, test)) {
        fault(coverage, "%s: test: %s is not there", path, test);
    } else if (!test && !json_object_size(expect) && !json_array_size(expect)) {
        fault(coverage, "%s: expects nothing", path);
    } else {
        _cleanup_free_ char *name = case_name_new(path);
        add_text(json_object_get(row, "cases"), name);
    }
}

static void read_case(json_t *subject, const char *path, json_t *coverage)
{
    (void)subject;
    _cleanup_(node_freep) struct node *root = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    char id[7];
    if (node_load_file(path, &root, &err) < 0) {
        fault(coverage, "%s", error_message(&err));
        return;
    }
    _cleanup_json_ json_t *doc = node_to_json(root);
    const char *s = json_text_or(doc, "row", "");
    if (!next_id(s, id))
        fault(coverage, "%s: row: no number such as \"000.1\" (in quotes)", path);
    while ((s = next_id(s, id)))
        place_case(coverage, path, doc, id);
}

/* ---- the sum ---- */

static size_t judge_row(json_t *row)
{
    json_t *missing = json_object_get(row, "missing"), *playbooks = json_object_get(row, "playbooks"), *p;
    size_t i;
    if (!json_array_size(playbooks) && !json_text(row, "instead"))
        add_text(missing, "playbook");
    json_array_foreach (playbooks, i, p)
        if (json_int_or(p, "tests", 0) == 0)
            add_text(missing, "offline test");
    if (!json_array_size(json_object_get(row, "cases")))
        add_text(missing, "e2e case");
    return json_array_size(missing) ? 0 : 1;
}

json_t *coverage_new(const struct playbook_table *table, const char *cases)
{
    json_t *coverage = json_pack("{s:[], s:[], s:b}", "faults", "runbooks", "cases_known", cases != NULL), *row;
    json_object_set_new(coverage, "rows", rows_new(coverage));
    _cleanup_json_ json_t *playbooks = playbooks_new(table, coverage);
    place_playbooks(coverage, table, playbooks);
    if (cases)
        each_file(cases, ".yaml", coverage, read_case, NULL);
    size_t i, done = 0;
    json_array_foreach (json_object_get(coverage, "rows"), i, row)
        done += judge_row(row);
    json_object_set_new(coverage, "done", json_integer((json_int_t)done));
    json_object_set_new(coverage, "total",
                        json_integer((json_int_t)json_array_size(json_object_get(coverage, "rows"))));
    return coverage;
}
