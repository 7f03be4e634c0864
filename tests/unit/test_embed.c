/* Values of alerts within PromQL and URLs: what they may be, and where. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/embed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *said;
static char *got;

static int expand(const char *text, const char *value, template_put put)
{
    static char words[512];
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *labels = json_pack("{s:s}", "x", value),
                          *vars =
                              json_pack("{s:s, s:s}", "own", "sum(up{a=\"b\"})", "url", "https://api.example:8443/v1");
    const struct template_vars v = {.labels = labels, .vars = vars};
    free(got);
    got = NULL;
    const int r = template_expand_into(text, &v, put, &got, &err);
    snprintf(words, sizeof(words), "%s", r < 0 ? error_message(&err) : "");
    said = words;
    return r;
}

static void fits(const char *text, const char *value, template_put put, const char *expected)
{
    if (expand(text, value, put) < 0)
        fail_msg("%s with \"%s\": %s", text, value, said);
    assert_string_equal(got, expected);
}

static void refused(const char *text, const char *value, template_put put, const char *words)
{
    if (expand(text, value, put) == 0)
        fail_msg("%s with \"%s\" became %s", text, value, got);
    if (!strstr(said, words))
        fail_msg("%s with \"%s\": \"%s\", expected \"%s\"", text, value, said, words);
}

static void promql(void **s)
{
    (void)s;
    const char *quoted = "up{pod=\"{{ labels.x }}\"} > 0";
    fits(quoted, "api-7d4f:9100/x y*", embed_promql, "up{pod=\"api-7d4f:9100/x y*\"} > 0");
    fits(quoted, "", embed_promql, "up{pod=\"\"} > 0");
    static const char *const hostile[] = {
        "\"} or vector(1) #", "a\\", "a\"", "a'", "a`", "a\nb", "{", "}", "\x7f", NULL};
    for (size_t i = 0; hostile[i]; i++) {
        refused(quoted, hostile[i], embed_promql, "could change the query");
        refused("up{pod='{{ labels.x }}'}", hostile[i], embed_promql, "could change the query");
        refused("up{pod=`{{ labels.x }}`}", hostile[i], embed_promql, "could change the query");
    }
    /* a pattern would widen what is asked; a dot stands in every address */
    fits("up{i=~\"{{ labels.x }}.*\"}", "10.0.0.1:9", embed_promql, "up{i=~\"10.0.0.1:9.*\"}");
    refused("up{i=~\"{{ labels.x }}\"}", ".*", embed_promql, "would be a pattern");
    refused("up{i!~ \"{{ labels.x }}\"}", "a|b", embed_promql, "would be a pattern");
    fits("up{i=\"{{ labels.x }}\"}", "a|b", embed_promql, "up{i=\"a|b\"}");
    /* outside of strings one word */
    fits("up > {{ labels.x }}", "0.5", embed_promql, "up > 0.5");
    refused("up > {{ labels.x }}", "0 or vector(1)", embed_promql, "outside of quotes");
    refused("up > {{ labels.x }}", "", embed_promql, "outside of quotes");
    refused("up{a=\"\\\"\"} > {{ labels.x }}", "1 or up", embed_promql, "outside of quotes");
    refused("up # it's\n> {{ labels.x }}", "1 or up", embed_promql, "outside of quotes");
    fits("up{a=`\\`} > {{ labels.x }}", "1", embed_promql, "up{a=`\\`} > 1");
    refused("up{a=`\\`} > {{ labels.x }}", "1 or up", embed_promql, "outside of quotes");
    /* the operator's own text is put as it is, unless the alert has a say in it */
    fits("{{ vars.own }} > 1", "", embed_promql, "sum(up{a=\"b\"}) > 1");
    fits("{{ vars.own | replace: \"b\", \"c\" }}", "", embed_promql, "sum(up{a=\"c\"})");
    refused("{{ labels.x | default: vars.own }}", "", embed_promql, "outside of quotes");
    refused("{{ vars.own | default: labels.x }}", "", embed_promql, "outside of quotes");
}

static void urls(void **s)
{
    (void)s;
    fits("http://{{ labels.x }}.example/a", "db-1", embed_url, "http://db-1.example/a");
    refused("http://{{ labels.x }}.example/a", "evil.com/", embed_url, "no part of a host's name");
    refused("http://{{ labels.x }}/a", "u@evil", embed_url, "no part of a host's name");
    refused("http://a:{{ labels.x }}/a", "80@evil", embed_url, "no part of a host's name");
    refused("{{ labels.x }}", "http://evil", embed_url, "no part of a host's name");
    refused("{{ labels.x }}://a/b", "", embed_url, "no part of a host's name");
    fits("{{ vars.url }}/r/{{ labels.x }}/sync", "own/er?&#%", embed_url,
         "https://api.example:8443/v1/r/own%2Fer%3F%26%23%25/sync");
    refused("http://a/{{ labels.x }}/b", "..", embed_url, "no part of a path");
    refused("http://a/{{ labels.x }}/b", "x/../../y", embed_url, "no part of a path");
    refused("http://a/{{ labels.x }}/b", "x\\..", embed_url, "no part of a path");
    refused("http://a/{{ labels.x }}/b", "", embed_url, "no part of a path");
    fits("http://a/b?c={{ labels.x }}&d", "", embed_url, "http://a/b?c=&d");
    fits("http://a?c={{ labels.x }}", "x&y=/../", embed_url, "http://a?c=x%26y%3D%2F..%2F");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(promql), cmocka_unit_test(urls)};
    const int r = cmocka_run_group_tests(tests, NULL, NULL);
    free(got);
    return r;
}
