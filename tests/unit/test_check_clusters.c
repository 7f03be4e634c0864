/* cluster.active, pods.gone, and the evidence cluster.read. */
#include "checks/registry.h"
#include "core/cluster_set_ask.h"
#include "world.h"

extern const struct check check_cluster_active, check_pods_gone;
extern const struct action action_cluster_read;
#define SET "{'set':'runners'}"
#define BALANCED "{'set':'runners','balanced':true}"
#define BELOW "{'set':'runners','capacity_below':80}"
#define PODS "/api/v1/namespaces/arc/pods"
#define ARC "{'namespace':'arc'}"

static void set_is(struct world *w, const char *status, const char *constrained, int capacity)
{
    _cleanup_free_ char *text =
        xasprintf("{'name':'runners','status':%s,'balance':{'nodes_constrained':%s,'constraining_side':'secondary'},"
                  "'primary':{'capacity_percent':10},'secondary':{'capacity_percent':%d}}",
                  status, constrained, capacity);
    world_body(w, "runners", text);
}

static void active(void **s _unused_)
{
    struct world w;
    world_init(&w, "Node", "n1", NULL);
    set_is(&w, "'ACTIVE'", "false", 79);
    world_verdict(&w, &check_cluster_active, SET, NULL, VERDICT_PASS, "runners is ACTIVE");
    world_verdict(&w, &check_cluster_active, BALANCED, NULL, VERDICT_PASS, "ACTIVE");
    world_verdict(&w, &check_cluster_active, BELOW, NULL, VERDICT_PASS, "79 %");
    set_is(&w, "'ACTIVE'", "true", 80);
    world_verdict(&w, &check_cluster_active, SET, NULL, VERDICT_PASS, "ACTIVE");
    world_verdict(&w, &check_cluster_active, BALANCED, NULL, VERDICT_FAIL, "too few nodes: secondary");
    world_verdict(&w, &check_cluster_active, BELOW, NULL, VERDICT_FAIL, "80 %");
    set_is(&w, "'BLOCKED_SECONDARY_UNAVAILABLE'", "null", 10);
    world_verdict(&w, &check_cluster_active, BALANCED, NULL, VERDICT_FAIL, "runners is BLOCKED_SECONDARY_UNAVAILABLE");
    set_is(&w, "null", "null", 10);
    world_verdict(&w, &check_cluster_active, SET, NULL, VERDICT_UNKNOWN, "not known yet");
    set_is(&w, "'ACTIVE'", "null", -1);
    world_verdict(&w, &check_cluster_active, BALANCED, NULL, VERDICT_UNKNOWN, "balance is not known");
    world_verdict(&w, &check_cluster_active, BELOW, NULL, VERDICT_UNKNOWN, "capacity is not known");
    world_verdict(&w, &check_cluster_active, "{'set':'none'}", NULL, VERDICT_UNKNOWN, "names no cluster set");
    world_answer(&w, "runners", "{'error':'local','message':'not here'}");
    world_verdict(&w, &check_cluster_active, SET, NULL, VERDICT_UNKNOWN, "not here");
    world_clear(&w);
}

static void gone(void **s _unused_)
{
    struct world w;
    world_init(&w, "Node", "n1", NULL);
    world_body(
        &w, PODS,
        "{'items':[{'metadata':{'name':'a','deletionTimestamp':'2026-01-05T10:00:00Z'},'spec':{'nodeName':'n1'}},"
        "{'metadata':{'name':'b'},'spec':{'nodeName':'n1'},'status':{'phase':'Running'}}]}");
    world_verdict(&w, &check_pods_gone, ARC, NULL, VERDICT_FAIL, "2 pods are left in arc: a on n1; b on n1");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'a'},'spec':{'nodeName':'n1'},'status':{'phase':'Succeeded'}},"
               "{'metadata':{'name':'b'},'spec':{'nodeName':'n1'},'status':{'phase':'Failed'}},"
               "{'metadata':{'name':'c'},'spec':{},'status':{'phase':'Pending'}}]}");
    world_verdict(&w, &check_pods_gone, ARC, NULL, VERDICT_PASS, "no pod runs in arc");
    world_body(&w, PODS "?labelSelector=app%3Dx", "{'items':[]}");
    world_verdict(&w, &check_pods_gone, "{'namespace':'arc','selector':'app=x'}", NULL, VERDICT_PASS, "no pod runs");
    world_answer(&w, PODS, "{'status':403,'body':{'message':'no'}}");
    world_verdict(&w, &check_pods_gone, ARC, NULL, VERDICT_UNKNOWN, "");
    world_clear(&w);
}

static void kept(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Node", "n1", NULL);
    set_is(&w, "'ACTIVE'", "false", 79);
    world_expect(&w, &action_cluster_read, SET, 0, "", &plan);
    assert_string_equal(json_text(json_object_get(json_array_get(plan.evidence, 0), "data"), "status"), "ACTIVE");
    action_plan_clear(&plan);
    world_expect(&w, &action_cluster_read, "{'set':'none'}", 0, "", &plan);
    assert_non_null(strstr(json_text(json_array_get(plan.evidence, 0), "text"), "names no cluster set"));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void answered(void **s _unused_)
{
    _cleanup_json_ json_t *sets = J("[{'name':'a'},{'name':'runners','status':'ACTIVE'}]");
    _cleanup_json_ json_t *asked = J("{'ask':'set','set':'runners'}"), *other = J("{'ask':'set','set':'b'}");
    _cleanup_json_ json_t *yes = cluster_set_answer_new(sets, asked), *no = cluster_set_answer_new(sets, other);
    assert_string_equal(json_path_text(yes, "body", "status", NULL), "ACTIVE");
    assert_int_equal(answer_status(no), 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(active),
        cmocka_unit_test(gone),
        cmocka_unit_test(kept),
        cmocka_unit_test(answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
