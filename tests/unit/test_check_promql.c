/* promql: what an answer of Prometheus means, and promql.query. */
#include "actions/registry.h"
#include "checks/registry.h"
#include "world.h"

extern const struct check check_promql;
extern const struct action action_promql_query;
#define PATH "/api/v1/query?query=up"
#define OK(data) "{'status':200,'body':{'status':'success','data':{" data "}}}"
#define VECTOR(items) OK("'resultType':'vector','result':[" items "]")
#define SAMPLE(labels, v) "{'metric':{" labels "},'value':[1.5,'" v "']}"

static void judge(struct world *w, const char *answer, const char *bounds, enum verdict v, const char *words)
{
    _cleanup_free_ char *with = xasprintf("{'query':'up'%s%s}", *bounds ? "," : "", bounds);
    world_answer(w, PATH, answer);
    world_verdict(w, &check_promql, with, NULL, v, words);
}

static void bounds(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    judge(&w, VECTOR(SAMPLE("", "0.5")), "'at_most':0.5", VERDICT_PASS, "0.5, at most 0.5 is fine");
    judge(&w, VECTOR(SAMPLE("", "0.6")), "'at_most':0.5", VERDICT_FAIL, "1 of 1 samples are not at most 0.5: 0.6");
    judge(&w, VECTOR(SAMPLE("", "0.6")), "'at_least':1,'at_most':2", VERDICT_FAIL, "at least 1 and at most 2");
    judge(&w, VECTOR(SAMPLE("", "1")), "'equals':1", VERDICT_PASS, "exactly 1");
    judge(&w, VECTOR(SAMPLE("", "1.1")), "'equals':1", VERDICT_FAIL, "1.1");
    judge(&w, OK("'resultType':'scalar','result':[1,'3']"), "'at_least':3", VERDICT_PASS, "3");
    judge(&w, VECTOR(SAMPLE("", "+Inf")), "'at_most':1e300", VERDICT_FAIL, "inf");
    judge(&w, VECTOR(SAMPLE("", "1")), "", VERDICT_UNKNOWN, "needs at_least, at_most or equals");
    world_clear(&w);
}

/* All must hold; one that does not is named; NaN hides no failure and is no success. */
static void several(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    judge(&w, VECTOR(SAMPLE("'pod':'a'", "1") "," SAMPLE("'pod':'b'", "2")), "'at_most':2", VERDICT_PASS, "all 2");
    judge(&w, VECTOR(SAMPLE("'pod':'a'", "1") "," SAMPLE("'__name__':'up','pod':'b'", "3")), "'at_most':2",
          VERDICT_FAIL, "1 of 2 samples are not at most 2: 3 {pod=\"b\"}");
    judge(&w, VECTOR(SAMPLE("", "NaN")), "'at_most':2", VERDICT_UNKNOWN, "NaN");
    judge(&w, VECTOR(SAMPLE("", "1") "," SAMPLE("", "NaN")), "'at_most':2", VERDICT_UNKNOWN, "1 of 2");
    judge(&w, VECTOR(SAMPLE("", "9") "," SAMPLE("", "NaN")), "'at_most':2", VERDICT_FAIL, "9");
    world_clear(&w);
}

static void empty(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    judge(&w, VECTOR(""), "'at_most':1", VERDICT_UNKNOWN, "no sample");
    judge(&w, VECTOR(""), "'at_most':1,'empty':'pass'", VERDICT_PASS, "no sample");
    judge(&w, VECTOR(""), "'at_most':1,'empty':'fail'", VERDICT_FAIL, "no sample");
    world_clear(&w);
}

static void no_answer(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    judge(&w, "{'error':'refused','message':'nobody there'}", "'at_most':1", VERDICT_UNKNOWN, "nobody there");
    judge(&w, "{'error':'local','message':'no such Prometheus is in the configuration'}", "'at_most':1",
          VERDICT_UNKNOWN, "no such Prometheus");
    judge(&w, "{'status':400,'body':{'status':'error','errorType':'bad_data','error':'parse error at char 3'}}",
          "'at_most':1", VERDICT_UNKNOWN, "refused the query: parse error at char 3");
    judge(&w, "{'status':401,'text':'no'}", "'at_most':1", VERDICT_UNKNOWN, "401");
    judge(&w, "{'status':200,'text':'<html>'}", "'at_most':1", VERDICT_UNKNOWN, "none of Prometheus");
    judge(&w, OK("'resultType':'matrix','result':[]"), "'at_most':1", VERDICT_UNKNOWN, "yields a matrix");
    judge(&w, OK("'resultType':'string','result':[1,'x']"), "'at_most':1", VERDICT_UNKNOWN, "yields a string");
    judge(&w, VECTOR("{'metric':{},'histogram':[1,{}]}"), "'at_most':1", VERDICT_UNKNOWN, "histogram");
    judge(&w, VECTOR("{'metric':{},'value':[1]}"), "'at_most':1", VERDICT_UNKNOWN, "without a value");
    judge(&w, VECTOR("7"), "'at_most':1", VERDICT_UNKNOWN, "without a value");
    world_clear(&w);
}

/* The query is encoded as a whole. */
static void query_is_encoded(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_verdict(&w, &check_promql, "{'query':'a&b=+1 #','at_most':1}", NULL, VERDICT_UNKNOWN, "404");
    assert_string_equal(json_string_value(json_array_get(w.asked, 0)), "/api/v1/query?query=a%26b%3D%2B1%20%23");
    world_clear(&w);
}

static const json_t *evidence(struct world *w, const char *answer, struct action_plan *plan)
{
    world_answer(w, PATH, answer);
    world_expect(w, &action_promql_query, "{'query':'up'}", 0, "", plan);
    assert_int_equal(json_array_size(plan->effects), 0);
    return json_array_get(plan->evidence, 0);
}

static void kept(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    const json_t *e = evidence(&w, VECTOR(SAMPLE("'pod':'a'", "1") "," SAMPLE("", "2.5")), &plan);
    assert_string_equal(json_text(e, "name"), "up");
    assert_string_equal(json_text(e, "text"), "{pod=\"a\"} 1\n2.5\n");
    action_plan_clear(&plan);
    assert_string_equal(json_text(evidence(&w, VECTOR(""), &plan), "text"), "no sample");
    action_plan_clear(&plan);
    e = evidence(&w, "{'error':'timeout','message':'no answer'}", &plan);
    assert_true(json_bool_or(e, "missing", false));
    assert_non_null(strstr(json_text(e, "text"), "could not be asked: "));
    action_plan_clear(&plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds),    cmocka_unit_test(several),          cmocka_unit_test(empty),
        cmocka_unit_test(no_answer), cmocka_unit_test(query_is_encoded), cmocka_unit_test(kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
