/* The report: golden ones for whole records, and what must hold for every record, hostile ones too. MENDD_GOLDEN=1
 * writes the golden files anew. */
#include "core/report.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "core/markdown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER "tests/data/reports/"

static char *file(const char *name, const char *suffix)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *path = xasprintf(FOLDER "%s%s", name, suffix);
    char *text = NULL;
    size_t len = 0;
    if (file_read(path, 4 << 20, &text, &len, &err) < 0)
        fail_msg("%s", error_message(&err));
    return text;
}

static json_t *record(const char *name)
{
    _cleanup_free_ char *text = file(name, ".json");
    json_t *r = json_loads(text, 0, NULL);
    assert_non_null(r);
    return r;
}

static char *markdown_of(const json_t *r)
{
    _cleanup_json_ json_t *report = report_new(r);
    return report_markdown_new(report);
}

/* ---- golden ---- */

static void golden(const char *name)
{
    _cleanup_json_ json_t *r = record(name);
    _cleanup_free_ char *have = markdown_of(r);
    if (getenv("MENDD_GOLDEN")) {
        _cleanup_free_ char *path = xasprintf(FOLDER "%s.md", name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(have, f);
        assert_int_equal(fclose(f), 0);
    }
    _cleanup_free_ char *expected = file(name, ".md");
    assert_string_equal(have, expected);
}

static void resolved(void **state)
{
    (void)state;
    golden("resolved");
}

static void rolled_back(void **state)
{
    (void)state;
    golden("rolled_back");
}

static void escalated(void **state)
{
    (void)state;
    golden("escalated");
}

/* ---- what it says ---- */

static void durations_are_between_the_times(void **state)
{
    (void)state;
    _cleanup_json_ json_t *r = record("resolved"), *report = report_new(r);
    const json_t *times = json_object_get(report, "times");
    assert_int_equal(json_int_or(times, "time_to_act_ms", -1), 30);
    assert_int_equal(json_int_or(times, "time_to_verify_ms", -1), 4020);
    assert_int_equal(json_int_or(times, "time_to_resolve_ms", -1), 5060);
    _cleanup_json_ json_t *other = record("escalated"), *none = report_new(other);
    assert_true(json_is_null(json_path(none, "times", "time_to_act_ms", NULL)));
}

static const char *cause_of(const char *action, const char *name, const char *text, bool *ret_known)
{
    static char words[4096];
    _cleanup_json_ json_t *r = record("escalated");
    if (text)
        json_array_append_new(json_object_get(r, "evidence"),
                              json_pack("{s:s, s:s, s:s}", "action", action, "name", name, "text", text));
    _cleanup_json_ json_t *report = report_new(r);
    *ret_known = json_is_true(json_path(report, "cause", "known", NULL));
    _cleanup_free_ char *findings = json_compact(json_path(report, "cause", "findings", NULL));
    snprintf(words, sizeof(words), "%s", findings);
    return words;
}

static void a_cause_is_never_invented(void **state)
{
    (void)state;
    bool known = true;
    assert_string_equal(cause_of(NULL, NULL, NULL, &known), "[]");
    assert_false(known);
    assert_string_equal(cause_of("pod.describe", "pod a", "pod: a\ncondition: ready\nphase: Running\n", &known), "[]");
    assert_false(known);
    assert_string_equal(cause_of("events.list", "events", "no events\n", &known), "[]");
    assert_false(known);
    assert_string_equal(cause_of("events.list", "events", "2026-01-05T10:00:00Z Normal Pulled Pod/a: fine\n", &known),
                        "[]");
    assert_false(known);
    assert_string_equal(cause_of("pod.logs", "log of a, container c", "GET / 200\n", &known), "[]");
    assert_false(known);
    assert_non_null(strstr(cause_of("pod.logs", "log of a (before its restart)", "bye\n", &known), "last line: bye"));
    assert_false(known);
    assert_string_equal(cause_of("pod.describe", "pod a",
                                 "containers:\n  c\n    last state: terminated, Completed, exit code 0\n", &known),
                        "[]");
    assert_false(known);
}

static void what_the_evidence_points_at_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *action, *text, *expected;
    } cases[] = {
        {"pod.describe", "containers:\n  c\n    last state: terminated, OOMKilled, exit code 137\n",
         "container c ended before: terminated, OOMKilled, exit code 137"},
        {"pod.describe", "containers:\n  c\n    state: waiting, ImagePullBackOff: no such image\n",
         "container c is now: waiting, ImagePullBackOff: no such image"},
        {"pod.describe", "conditions:\n  PodScheduled=False (Unschedulable): 0/3 nodes\n", "Unschedulable"},
        {"events.list", "2026-01-05T10:00:00Z Warning FailedMount Pod/a (x3): no volume\n",
         "event FailedMount Pod/a (x3): no volume"},
        {"pod.logs", "up\nfatal: no space left on device\n\n", "last line: fatal: no space left on device"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool known = false;
        const char *have = cause_of(cases[i].action, "x", cases[i].text, &known);
        if (!strstr(have, cases[i].expected) || !known)
            fail_msg("%s not in %s", cases[i].expected, have);
    }
}

static void changes_are_diffs(void **state)
{
    (void)state;
    _cleanup_json_ json_t *r = record("rolled_back");
    json_t *request = json_array_get(json_object_get(json_array_get(json_object_get(r, "steps"), 0), "requests"), 0);
    json_object_set_new(request, "changes",
                        json_pack("{s:{s:{s:i, s:[i,i,i,i,i,i]}, s:{s:i, s:[i,i,i,i,i,i]}}}", "/spec", "before", "b", 1,
                                  "a", 1, 2, 3, 4, 5, 6, "after", "b", 2, "a", 1, 2, 3, 4, 5, 6));
    _cleanup_json_ json_t *report = report_new(r);
    const char *diff = json_text(json_array_get(json_object_get(report, "changes"), 0), "diff");
    assert_string_equal(diff, "--- Deployment shop/api (before)\n+++ Deployment shop/api (after)\n@@ /spec @@\n"
                              "     5,\n     6\n   ],\n-  \"b\": 1\n+  \"b\": 2\n }\n");
    assert_true(json_bool_or(json_array_get(json_object_get(report, "changes"), 1), "undo", false));
}

/* Every kind of record has a report: each member missing or of another type in turn. */
static void odd_records_have_a_report(void **state)
{
    (void)state;
    _cleanup_json_ json_t *r = record("rolled_back");
    const char *key;
    json_t *value;
    json_object_foreach (r, key, value) {
        json_t *odd[] = {NULL,
                         json_null(),
                         json_integer(-1),
                         json_string("\xc3\xa4"),
                         json_pack("[s, {}, []]", "x"),
                         json_pack("{s:s}", "x", "y")};
        for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
            _cleanup_json_ json_t *copy = json_deep_copy(r);
            if (odd[i])
                json_object_set_new(copy, key, odd[i]);
            else
                json_object_del(copy, key);
            _cleanup_free_ char *text = markdown_of(copy);
            assert_true(str_starts(text, "# Incident report: "));
        }
    }
    _cleanup_json_ json_t *empty = json_object();
    _cleanup_free_ char *text = markdown_of(empty), *none = markdown_of(NULL);
    assert_true(str_starts(text, "# Incident report: ") && str_starts(none, "# Incident report: "));
}

/* ---- secrets, hostility, size ---- */

static void poison(json_t *value, const char *text)
{
    const char *key;
    json_t *member;
    size_t i;
    json_array_foreach (value, i, member)
        json_is_string(member) ? (void)json_array_set_new(value, i, json_string(text)) : poison(member, text);
    json_object_foreach (value, key, member)
        json_is_string(member) ? (void)json_object_set_new(value, key, json_string(text)) : poison(member, text);
}

static void no_secret_appears_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const hidden[] = {"password=hunter2", "redis://:hunter2@redis:6379",
                                         "Authorization: Bearer hunter2", "{\"token\": \"hunter2\"}",
                                         "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----"};
    for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
        _cleanup_json_ json_t *r = record("resolved");
        poison(r, hidden[i]);
        _cleanup_json_ json_t *report = report_new(r);
        _cleanup_free_ char *text = report_markdown_new(report), *json = json_compact(report);
        assert_null(strstr(text, "hunter2"));
        assert_null(strstr(json, "hunter2"));
    }
    _cleanup_free_ char *golden_text = file("resolved", ".md");
    assert_null(strstr(golden_text, "s3cr3t-v4lue"));
}

/* Lines outside of blocks begin with what the report itself writes, and fences are closed. */
static void assert_well_formed(const char *text)
{
    static const char *const begins[] = {"# Incident report: ",
                                         "## ",
                                         "- ",
                                         "| ",
                                         "|---",
                                         "The alert ",
                                         "Change of ",
                                         "Rollback of ",
                                         "Result ",
                                         "Kept by ",
                                         "The evidence points",
                                         "Not known: ",
                                         "What would be done",
                                         "Left out: "};
    char fence[64] = "";
    for (const char *p = text; *p;) {
        const size_t len = strcspn(p, "\n"), ticks = strspn(p, "`");
        if (*fence) {
            if (ticks >= strlen(fence) && ticks == len)
                *fence = '\0';
        } else if (ticks >= 3) {
            assert_true(ticks < sizeof(fence));
            memset(fence, '`', ticks);
            fence[ticks] = '\0';
        } else if (len > 0) {
            bool ours = false;
            for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
                ours = ours || str_starts(p, begins[i]);
            if (!ours)
                fail_msg("a line of somebody else's: %.200s", p);
        }
        p += len;
        p += *p == '\n';
    }
    assert_string_equal(fence, "");
}

static void nothing_hostile_is_interpreted(void **state)
{
    (void)state;
    static const char *const hostile[] = {"x\n# heading\n",
                                          "x\n\n```\nout of the fence\n",
                                          "<script>alert(1)</script>",
                                          "[l](http://e)",
                                          "![i](http://e)",
                                          "a | b \\| c",
                                          "http://evil.example www.evil.example bob@evil.example",
                                          "\x1b[31m",
                                          "`` ` `",
                                          "~~~\n",
                                          "\xe2\x80\xae"
                                          "exe",
                                          "*b* _e_ ~s~ $m$ &lt; \\"};
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        _cleanup_json_ json_t *r = record("resolved");
        poison(r, hostile[i]);
        _cleanup_free_ char *text = markdown_of(r);
        assert_well_formed(text);
        assert_null(strchr(text, '\x1b'));
        assert_null(strstr(text, "\xe2\x80\xae"));
    }
    static const char *const names[] = {"resolved", "rolled_back", "escalated"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *text = file(names[i], ".md");
        assert_well_formed(text);
    }
}

static void inline_text_is_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"plain, text-1.2 (x)", "plain, text-1.2 (x)"},
        {"<b>&amp;", "&lt;b&gt;&amp;amp;"},
        {"a|b\\|c", "a&#124;b&#92;&#124;c"},
        {"[x](y) ![z]", "\\[x\\](y) \\!\\[z\\]"},
        {"`c` *b* _i_", "&#96;c&#96; \\*b\\* \\_i\\_"},
        {"https://e www.e a@b", "https&#58;//e &#119;ww.e a`@`b"},
        {"a\nb\tc\x01"
         "d\r",
         "a b cd"},
        {"\xe2\x80\x8b\xef\xbb\xbfz\xc2\x85\xc3\xa4", "z\xc3\xa4"},
        {"ww\xe2\x80\x8bw.e http:\x01//e", "&#119;ww.e http&#58;//e"}, /* what is hidden goes first */
        {"", "-"},
        {"\x01\r", "-"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
        markdown_inline(&b, cases[i].text);
        assert_string_equal(strbuf_str(&b), cases[i].expected);
    }
}

static void blocks_outlast_their_content(void **state)
{
    (void)state;
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    markdown_block(&b, "diff", "a\n````\nb");
    assert_string_equal(strbuf_str(&b), "`````diff\na\n````\nb\n`````\n");
    strbuf_reset(&b);
    markdown_block(&b, "", "``\xe2\x80\x8b``\x01`\n"); /* one run, once what is hidden has gone */
    assert_string_equal(strbuf_str(&b), "``````\n`````\n``````\n");
}

static json_t *huge_record(size_t entries, size_t bytes, char filler)
{
    json_t *r = record("rolled_back");
    _cleanup_free_ char *text = xmalloc(bytes + 1);
    memset(text, filler, bytes);
    text[bytes] = '\0';
    static const char *const lists[] = {"evidence", "timeline", "checks", "escalations", "also_matched", "steps"};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        for (size_t k = 0; k < entries; k++) {
            json_t *entry = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s}, s:[{s:s, s:{s:{s:s}}}]}", "text", text,
                                      "event", text, "seen", text, "message", text, "name", text, "note", text, "with",
                                      "x", text, "requests", "error", text, "changes", "/x", "after", text);
            json_array_append_new(json_object_get(r, lists[i]), entry);
        }
    return r;
}

static void the_size_is_bounded_and_what_was_cut_is_said(void **state)
{
    (void)state;
    static const struct {
        size_t entries, bytes;
        char filler;
    } cases[] = {{2, 400000, 'x'}, {500, 500, '`'}, {300, 3000, '\n'}, {40, 5000, '"'}, {60, 500, '|'}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_json_ json_t *r = huge_record(cases[i].entries, cases[i].bytes, cases[i].filler);
        _cleanup_json_ json_t *report = report_new(r);
        _cleanup_free_ char *text = report_markdown_new(report), *json = json_compact(report);
        assert_true(strlen(text) <= REPORT_MAX && strlen(json) <= REPORT_MAX);
        assert_true(json_array_size(json_object_get(report, "cut")) > 0);
        assert_non_null(strstr(text, "## Left out"));
        assert_well_formed(text);
        assert_true(utf8_valid(text, strlen(text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolved),
        cmocka_unit_test(rolled_back),
        cmocka_unit_test(escalated),
        cmocka_unit_test(durations_are_between_the_times),
        cmocka_unit_test(a_cause_is_never_invented),
        cmocka_unit_test(what_the_evidence_points_at_is_found),
        cmocka_unit_test(changes_are_diffs),
        cmocka_unit_test(odd_records_have_a_report),
        cmocka_unit_test(no_secret_appears_wherever_it_stands),
        cmocka_unit_test(nothing_hostile_is_interpreted),
        cmocka_unit_test(inline_text_is_escaped),
        cmocka_unit_test(blocks_outlast_their_content),
        cmocka_unit_test(the_size_is_bounded_and_what_was_cut_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
