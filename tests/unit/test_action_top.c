/* metrics.top: usage beside limits, and what is said where nothing can be measured. */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_metrics_top;
#define NS "/api/v1/namespaces/shop/"
#define METRICS "/apis/metrics.k8s.io/v1beta1"
#define POD(n, node, limits)                                                                                           \
    "{'metadata':{'name':'" n "','uid':'u" n "'},'spec':{'nodeName':'" node                                            \
    "','containers':[{'name':'a','resources':{'limits':{" limits "}}}]}}"

static const char *text_of(const struct action_plan *plan, size_t i)
{
    return json_text(json_array_get(plan->evidence, i), "text");
}

static void prepare(struct world *w)
{
    world_init(w, "Deployment", "api", "app=api");
    world_body(w, NS "pods?labelSelector=app%3Dapi",
               "{'items':[" POD("api-1", "n1", "'cpu':'500m','memory':'1Gi'") "," POD("api-2", "n1", "") "]}");
    world_body(w, METRICS "/namespaces/shop/pods",
               "{'items':[{'metadata':{'name':'api-1'},'containers':[{'usage':{'cpu':'200m','memory':'512Mi'}},"
               "{'usage':{'cpu':'50000000n','memory':'0'}}]},{'metadata':{'name':'other'},'containers':[]}]}");
    world_body(w, METRICS "/nodes",
               "{'items':[{'metadata':{'name':'n2'},'usage':{'cpu':'1','memory':'1Gi'}},"
               "{'metadata':{'name':'n1'},'usage':{'cpu':'1500m','memory':'3Gi'}}]}");
    world_body(w, "/api/v1/nodes",
               "{'items':[{'metadata':{'name':'n1'},'status':{'allocatable':{'cpu':'2','memory':'4Gi'}}}]}");
}

static void measured(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    prepare(&w);
    world_expect(&w, &action_metrics_top, NULL, 0, "", &plan);
    assert_string_equal(text_of(&plan, 0), "api-1: cpu 250m of 500m (50%), memory 512Mi of 1024Mi (50%)\n"
                                           "api-2: not measured yet\n");
    assert_string_equal(text_of(&plan, 1), "n1: cpu 1500m of 2 (75%), memory 3072Mi of 4096Mi (75%)\n");
    assert_int_equal(json_array_size(plan.effects), 0);
    action_plan_clear(&plan);
    world_expect(&w, &action_metrics_top, "{'nodes':false}", 0, "", &plan);
    assert_int_equal(json_array_size(plan.evidence), 1);
    action_plan_clear(&plan);
    world_clear(&w);
}

static void absent(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    prepare(&w);
    json_object_del(w.answers, METRICS "/namespaces/shop/pods");
    world_answer(&w, METRICS "/nodes", "{'status':503,'body':{'message':'the server is currently unable'}}");
    world_expect(&w, &action_metrics_top, NULL, 0, "", &plan);
    assert_non_null(strstr(text_of(&plan, 0), "metrics-server is not installed"));
    assert_non_null(strstr(text_of(&plan, 1), "could not be read: "));
    assert_true(json_bool_or(json_array_get(plan.evidence, 0), "missing", false));
    assert_true(json_bool_or(json_array_get(plan.evidence, 1), "missing", false));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void of_a_node(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    prepare(&w);
    free(w.target.kind);
    w.target.kind = xstrdup("Node");
    world_expect(&w, &action_metrics_top, NULL, 0, "", &plan);
    assert_int_equal(json_array_size(plan.evidence), 1);
    assert_non_null(strstr(text_of(&plan, 0), "n1: cpu 1500m of 2 (75%)"));
    assert_non_null(strstr(text_of(&plan, 0), "n2: cpu 1, memory 1024Mi\n"));
    action_plan_clear(&plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(measured), cmocka_unit_test(absent),
                                       cmocka_unit_test(of_a_node)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
