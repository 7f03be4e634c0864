/* YAML to nodes: what is refused and in which words, and the way from and to JSON. */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "config/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct node *parse(const char *text)
{
    struct node *n = NULL;
    struct error err = ERROR_NONE;
    if (node_load_text("f.yaml", text, strlen(text), &n, &err) < 0)
        fail_msg("%s", error_message(&err));
    return n;
}

static void refuses(const char *text, const char *message)
{
    struct node *n = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    assert_true(node_load_text("f.yaml", text, strlen(text), &n, &err) < 0);
    assert_string_equal(error_message(&err), message);
    assert_null(n);
}

static void reads_json(const char *text, const char *json)
{
    struct node *n = parse(text);
    _cleanup_json_ json_t *j = node_to_json(n);
    _cleanup_free_ char *s = json_compact(j);
    assert_string_equal(s, json);
    node_free(n);
}

static void test_places(void **state)
{
    (void)state;
    struct node *n = parse("a: 1\nb:\n  - x\n  - {c: d}\n");
    const struct node *b = node_get(n, "b");
    assert_int_equal(b->type, NODE_LIST);
    assert_int_equal(b->key->line, 2);
    assert_int_equal(b->key->column, 1);
    const struct node *c = node_get(b->children[1], "c");
    assert_int_equal(c->line, 4);
    assert_int_equal(c->column, 9);
    assert_string_equal(c->scalar, "d");
    assert_string_equal(c->file, "f.yaml");
    assert_null(node_get(n, "none"));
    node_free(n);
}

static void test_scalars_have_their_json_type(void **state)
{
    (void)state;
    reads_json("[1, -2, +3, 0x1F, 0o17, 1.5, 1e3, true, False, null, ~, '', text]",
               "[1,-2,3,31,15,1.5,1000.0,true,false,null,null,\"\",\"text\"]");
    reads_json("['1', \"true\", yes, on, 1.2.3, 10.0.0.1:80, -, .inf, 123456789012345678901234567890]",
               "[\"1\",\"true\",\"yes\",\"on\",\"1.2.3\",\"10.0.0.1:80\",\"-\",\".inf\",1.2345678901234568e29]");
    reads_json("a: |\n  line\n  two\n", "{\"a\":\"line\\ntwo\\n\"}");
}

static void test_json_round_trip(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,2.5,\"3\",null,true,{}],\"b\":{\"c\":\"\"}}";
    _cleanup_json_ json_t *j = json_loads(text, 0, NULL);
    struct node *n = node_from_json("journal", j);
    _cleanup_json_ json_t *back = node_to_json(n);
    assert_true(json_equal(j, back));
    assert_int_equal(n->line, 0);
    node_free(n);
}

static void test_refused(void **state)
{
    (void)state;
    refuses("a: &x 1\n", "f.yaml:1:4: anchors (&x) are not allowed: write the value out");
    refuses("a: &x [*x]\n", "f.yaml:1:4: anchors (&x) are not allowed: write the value out");
    refuses("a: *x\n", "f.yaml:1:4: aliases (*x) are not allowed: write the value out");
    refuses("<<: {a: 1}\n", "f.yaml:1:1: merge keys (<<) are not allowed: write the keys out");
    refuses("a: !!int 3\n", "f.yaml:1:4: tags (tag:yaml.org,2002:int) are not allowed");
    refuses("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document (---) is not allowed: one document a file");
    refuses("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: duplicate key \"a\" (first in line 1)");
    refuses("x:\n  a: 1\n  \"a\": 3\n", "f.yaml:3:3: duplicate key \"a\" (first in line 2)");
    refuses("? [a]\n: b\n", "f.yaml:1:3: a key must be text");
    refuses("'': b\n", "f.yaml:1:1: a key must not be empty");
    refuses("a: \"x\\0y\"\n", "f.yaml:1:4: a NUL character is not allowed in a text");
    refuses("", "f.yaml: the file is empty");
    refuses("# only a comment\n", "f.yaml: the file is empty");
}

static void test_unquoted_template_says_quote_it(void **state)
{
    (void)state;
    refuses("name: {{ labels.x }}\n",
            "f.yaml:1:8: a map cannot be a key; a value with {{ … }} must be quoted: \"{{ … }}\"");
    refuses("name: {{ labels.x }}-suffix\n",
            "f.yaml:1:8: a map cannot be a key; a value with {{ … }} must be quoted: \"{{ … }}\"");
    refuses("a:\n  name: {{ labels.x | default: vars.y }}\n",
            "f.yaml:2:10: a map cannot be a key; a value with {{ … }} must be quoted: \"{{ … }}\"");
}

static void test_not_yaml(void **state)
{
    (void)state;
    refuses("a: [1, 2\n", "f.yaml:2:1: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence");
    refuses("a: b: c\n", "f.yaml:1:5: not valid YAML: mapping values are not allowed in this context");
    refuses("a: \xff\n", "f.yaml: not valid YAML: invalid leading UTF-8 octet at byte 3");
}

static void test_bounds(void **state)
{
    (void)state;
    struct strbuf b = STRBUF_INIT;
    for (int i = 0; i < 70; i++)
        strbuf_putc(&b, '[');
    refuses(strbuf_str(&b), "f.yaml:1:66: nested more than 64 levels deep");
    strbuf_reset(&b);
    strbuf_putc(&b, '[');
    for (int i = 0; i < 100001; i++)
        strbuf_puts(&b, "1,");
    strbuf_putc(&b, ']');
    refuses(strbuf_str(&b), "f.yaml:1:200000: more than 100000 values in one file");
    strbuf_reset(&b);
    for (int i = 0; i < (1 << 20) + 1; i++)
        strbuf_putc(&b, '#');
    refuses(strbuf_str(&b), "f.yaml: larger than the 1048576 bytes allowed");
    strbuf_free(&b);
}

static void test_faults_are_bounded_and_sorted(void **state)
{
    (void)state;
    struct faults f = {0};
    struct node *n = parse("a: 1\nb: 2\n");
    struct node late = {.file = "f.yaml", .line = 10, .column = 1};
    faults_add(&f, &late, "late");
    faults_add(&f, node_get(n, "b"), "early");
    faults_sort(&f, 0);
    assert_string_equal(f.texts[0], "f.yaml:2:4: early");
    assert_string_equal(f.texts[1], "f.yaml:10:1: late");
    for (int i = 0; i < 1000; i++)
        faults_add(&f, NULL, "fault %d", i);
    assert_int_equal(f.n, 100);
    assert_string_equal(f.texts[99], "further faults are not shown");
    faults_clear(&f);
    faults_clear(NULL);
    node_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_scalars_have_their_json_type),
        cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_unquoted_template_says_quote_it),
        cmocka_unit_test(test_not_yaml),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_faults_are_bounded_and_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
