/* mendctl test: playbook tests that run offline. The real core decides; fixtures are its world. */
#include "cli.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "config/read.h"
#include "decide.h"
#include "world.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

struct expectation {
    char *playbook, *decision;
    char **requests, **checks;
};

struct test {
    char *name, *now;
    char **objects;
    struct expectation expect;
    const struct node *alert, *at; /* the alert's map, and where the test stands */
};

struct test_file {
    char **playbooks;
    struct test *tests;
    size_t n_tests;
};

struct tally {
    const struct cli *cli;
    size_t passed, failed;
    json_t *results;
};

/* ---- reading ---- */

static void read_alert(struct loader *l, const struct node *value, void *field)
{
    const struct node **alert = field;
    const struct node *labels = node_get(value, "labels");
    if (!want_type(l, value, NODE_MAP))
        return;
    if (!labels)
        faults_add(l->faults, value, "an alert needs \"labels\"");
    else if (want_type(l, labels, NODE_MAP))
        *alert = value;
}

static const struct key expect_keys[] = {
    {"playbook", FORM_TEXT, offsetof(struct expectation, playbook), .doc = "which one is chosen; none: no playbook"},
    {"decision", FORM_TEXT, offsetof(struct expectation, decision), .doc = "act, or a reason"},
    {"requests", FORM_TEXTS, offsetof(struct expectation, requests), .doc = "exactly these, in this order"},
    {"checks", FORM_TEXTS, offsetof(struct expectation, checks), .doc = "exactly these, in this order"},
    {0},
};
static const struct key test_keys[] = {
    {"name", FORM_TEXT, offsetof(struct test, name), KEY_REQUIRED, .doc = "what is shown, in words"},
    {"alert", FORM_MAP, offsetof(struct test, alert), KEY_REQUIRED, .read = read_alert, .doc = "labels, annotations"},
    {"objects", FORM_TEXTS, offsetof(struct test, objects), .doc = "files, relative to this one"},
    {"now", FORM_TEXT, offsetof(struct test, now), .doc = "RFC 3339"},
    {"expect", FORM_MAP, offsetof(struct test, expect), KEY_REQUIRED, .sub = expect_keys,
     .doc = "what should come of it"},
    {0},
};

static void read_tests(struct loader *l, const struct node *list, void *field)
{
    struct test_file *f = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    f->tests = xcalloc(list->n_children + 1, sizeof(struct test));
    f->n_tests = list->n_children;
    for (size_t i = 0; i < list->n_children; i++) {
        f->tests[i].at = list->children[i];
        read_map(l, list->children[i], "a test", test_keys, &f->tests[i]);
    }
}

static const struct key file_keys[] = {
    {"playbooks", FORM_TEXTS, offsetof(struct test_file, playbooks), .doc = "files, relative to this one"},
    {"tests", FORM_LIST, 0, KEY_REQUIRED, .sub = test_keys, .read = read_tests, .doc = "a list of tests"},
    {0},
};

static void test_file_clear(struct test_file *f)
{
    for (size_t i = 0; i < f->n_tests; i++) {
        struct test *t = &f->tests[i];
        free(t->name);
        free(t->now);
        texts_free(t->objects);
        free(t->expect.playbook);
        free(t->expect.decision);
        texts_free(t->expect.requests);
        texts_free(t->expect.checks);
    }
    free(f->tests);
    texts_free(f->playbooks);
}

static char *beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || !slash)
        return xstrdup(path);
    return xasprintf("%.*s/%s", (int)(slash - file), file, path);
}

/* ---- comparing ---- */

static json_t *requests_of(const json_t *record)
{
    json_t *list = json_array(), *r;
    size_t i;
    json_array_foreach (json_path(record, "plan", "requests", NULL), i, r) {
        _cleanup_free_ char *line = xasprintf("%s %s", json_text_or(r, "method", "?"), json_text_or(r, "path", "?"));
        json_array_append_new(list, json_string(line));
    }
    return list;
}

static json_t *checks_of(const json_t *record)
{
    json_t *list = json_array(), *c;
    size_t i;
    json_array_foreach (json_path(record, "plan", "checks", NULL), i, c)
        json_array_append_new(list, json_string(json_text_or(c, "check", "?")));
    return list;
}

static void compare_text(struct strbuf *misses, const char *what, const char *expected, const char *got)
{
    if (expected && !str_eq(expected, got))
        strbuf_printf(misses, "\n    %s: expected %s, got %s", what, expected, got);
}

static void compare_list(struct strbuf *misses, const char *what, char **expected, const json_t *got)
{
    size_t n = 0;
    bool same = true;
    for (; expected && expected[n]; n++)
        same = same && str_eq(expected[n], json_string_value(json_array_get(got, n)));
    if (!expected || (same && n == json_array_size(got)))
        return;
    strbuf_printf(misses, "\n    %s:", what);
    for (size_t i = 0; i < n; i++)
        strbuf_printf(misses, "\n      - expected  %s", expected[i]);
    for (size_t i = 0; i < json_array_size(got); i++)
        strbuf_printf(misses, "\n      + got       %s", json_string_value(json_array_get(got, i)));
}

static void explain(struct strbuf *misses, const json_t *record)
{
    const char *message = json_text(record, "message");
    json_t *note;
    size_t i;
    if (message)
        strbuf_printf(misses, "\n    message: %s", message);
    json_array_foreach (json_path(record, "plan", "notes", NULL), i, note)
        strbuf_printf(misses, "\n    %s: %s", json_text_or(note, "action", "?"), json_text_or(note, "note", ""));
}

static void compare(struct strbuf *misses, const struct expectation *e, const struct loaded *l, const json_t *record)
{
    _cleanup_json_ json_t *requests = requests_of(record), *checks = checks_of(record);
    compare_text(misses, "playbook", e->playbook, json_text_or(record, "playbook", "none"));
    compare_text(misses, "decision", e->decision, decision_of(l, record));
    compare_list(misses, "requests", e->requests, requests);
    compare_list(misses, "checks", e->checks, checks);
    if (misses->len)
        explain(misses, record);
}

/* ---- running ---- */

static json_t *answer_from_world(const json_t *question, void *userdata)
{
    return world_answer_new(userdata, question);
}

static int set_up(const struct test *t, struct world *w, struct now *now, struct alert **alert, struct error *err)
{
    int r = 0;
    if (time_parse(t->now ? t->now : "2026-01-01T00:00:00Z", &now->wall_us) < 0)
        return error_set(err, -22, "now: '%s' is not a time such as 2026-01-05T10:00:00Z", t->now);
    now->boot_us = 3600 * USEC_PER_SEC;
    for (char **o = t->objects; r == 0 && o && *o; o++) {
        _cleanup_free_ char *path = beside(t->at->file, *o);
        r = world_add_file(w, path, err);
    }
    if (r < 0)
        return r;
    _cleanup_json_ json_t *j = node_to_json(t->alert);
    json_t *labels = json_object_get(j, "labels");
    const struct node *n = node_get(t->alert, "labels");
    for (size_t i = 0; i < n->n_children; i++) /* labels are texts, however they are spelled */
        if (n->children[i]->scalar)
            json_set_text(labels, n->children[i]->key->scalar, n->children[i]->scalar);
    *alert = alert_from_json(j, "firing", *now, err);
    return *alert ? 0 : err->code;
}

static void report(struct tally *t, const struct test *test, const char *misses)
{
    const bool ok = !*misses;
    json_t *result = json_pack("{s:s, s:i, s:s, s:b}", "file", test->at->file, "line", test->at->line, "name",
                               test->name, "passed", ok);
    if (!ok)
        json_set_text(result, "misses", misses + strspn(misses, "\n "));
    json_array_append_new(t->results, result);
    t->passed += ok;
    t->failed += !ok;
    if (t->cli->output_given && (t->cli->output == OUTPUT_JSON || t->cli->output == OUTPUT_YAML))
        return;
    const bool colours = print_colours();
    printf("%s%s%s  %s:%d: %s%s\n", colours ? (ok ? "\033[32m" : "\033[31m") : "", ok ? "ok  " : "FAIL",
           colours ? "\033[0m" : "", test->at->file, test->at->line, test->name, misses);
}

static void run_test(struct tally *tally, const struct loaded *l, const struct test *t)
{
    _cleanup_(world_freep) struct world *w = world_new();
    _cleanup_(alert_freep) struct alert *alert = NULL;
    _cleanup_strbuf_ struct strbuf misses = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *record = NULL;
    struct now now = {0};
    if (set_up(t, w, &now, &alert, &err) < 0) {
        strbuf_printf(&misses, "\n    %s", error_message(&err));
    } else {
        record = decide_new(l, alert, now, answer_from_world, w);
        compare(&misses, &t->expect, l, record);
    }
    report(tally, t, strbuf_str(&misses));
}

/* The playbooks under test: --playbooks, else what the file names, else the file beside it without ".test". */
static char **playbooks_for(const struct cli *cli, const char *path, const struct test_file *f)
{
    size_t n = 0;
    const char *const *given = cli->playbooks ? cli->playbooks : (const char *const *)f->playbooks;
    while (given && given[n])
        n++;
    char **list = xcalloc(n + 2, sizeof(char *));
    for (size_t i = 0; i < n; i++)
        list[i] = cli->playbooks ? xstrdup(given[i]) : beside(path, given[i]);
    const char *suffix = strstr(path, ".test.y");
    if (n == 0 && suffix)
        list[0] = xasprintf("%.*s%s", (int)(suffix - path), path, suffix + strlen(".test"));
    return list;
}

static int run_file(struct tally *tally, const char *path)
{
    _cleanup_(node_freep) struct node *root = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_(faults_clear) struct faults faults = {0};
    _cleanup_(test_file_clear) struct test_file f = {0};
    _cleanup_(loaded_clear) struct loaded loaded = {0};
    struct loader l = {.faults = &faults};
    if (node_load_file(path, &root, &err) < 0)
        faults_add(&faults, NULL, "%s", error_message(&err));
    else
        read_map(&l, root, "a file of tests", file_keys, &f);
    faults_sort(&faults, 0);
    for (size_t i = 0; i < faults.n; i++)
        fprintf(stderr, "%s\n", faults.texts[i]);
    if (faults.n)
        return EXIT_NO;
    char **playbooks = playbooks_for(tally->cli, path, &f);
    int r = load_all(tally->cli->config_file, (const char *const *)playbooks, false, &loaded);
    texts_free(playbooks);
    for (size_t i = 0; r == 0 && i < f.n_tests; i++)
        run_test(tally, &loaded, &f.tests[i]);
    return r < 0 || tally->failed ? EXIT_NO : EXIT_OK;
}

static int is_test_file(const struct dirent *e)
{
    return e->d_name[0] != '.' && (str_ends(e->d_name, ".test.yaml") || str_ends(e->d_name, ".test.yml"));
}

static int run_path(struct tally *tally, const char *path)
{
    struct stat st;
    struct dirent **found = NULL;
    int worst = EXIT_OK,
        n = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? scandir(path, &found, is_test_file, alphasort) : -1;
    if (n < 0)
        return run_file(tally, path);
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *file = xasprintf("%s%s%s", path, str_ends(path, "/") ? "" : "/", found[i]->d_name);
        const int r = run_file(tally, file);
        worst = r > worst ? r : worst;
        free(found[i]);
    }
    free(found);
    return worst;
}

static int run(struct cli *cli, int argc, char *argv[])
{
    int worst = EXIT_OK;
    if (argc < 2)
        return cli_usage(&verb_test, "name files (*.test.yaml) or folders of them");
    struct tally tally = {.cli = cli, .results = json_array()};
    for (int i = 1; i < argc; i++) {
        const int r = run_path(&tally, argv[i]);
        worst = r > worst ? r : worst;
    }
    _cleanup_json_ json_t *summary = json_pack("{s:o, s:I, s:I}", "tests", tally.results, "passed",
                                               (json_int_t)tally.passed, "failed", (json_int_t)tally.failed);
    if (!print_report_structured(cli, summary))
        printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
    return worst;
}

const struct verb verb_test = {
    .name = "test",
    .synopsis = "test [--config.file FILE] [--playbooks PATH…] FILE|FOLDER…",
    .summary = "run playbook tests offline; the playbooks of x.test.yaml are in x.yaml unless said",
    .run = run,
};
