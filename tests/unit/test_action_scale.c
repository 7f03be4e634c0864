/* scale: what stands in its way, and where relative numbers end. */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_scale, action_wait;
#define APPS "/apis/apps/v1/namespaces/shop/"
#define HPAS "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers"

static void scalable(struct world *w, int replicas)
{
    _cleanup_free_ char *scale = replicas ? xasprintf("{'metadata':{'uid':'u1'},'spec':{'replicas':%d}}", replicas)
                                          : xstrdup("{'metadata':{'uid':'u1'},'spec':{}}");
    world_body(w, APPS "statefulsets/db", "{'metadata':{'name':'db','uid':'u1'}}");
    world_body(w, APPS "statefulsets/db/scale", scale);
    world_body(w, HPAS, "{'items':[]}");
}

/* To nothing, as a person approved it. */
static void approved_to_nothing(void **s _unused_)
{
    struct world w;
    world_init(&w, "StatefulSet", "db", "app=db");
    scalable(&w, 4);
    _cleanup_json_ json_t *with = J("{'replicas':0,'min':0}");
    struct action_in in = {
        .target = &w.target, .with = with, .cluster = "prod", .key = "run/0/1", .asks = &w.asks, .approved = true};
    struct action_plan plan = {0};
    for (int round = 0; action_scale.plan(&in, &plan, NULL) == -EAGAIN && round < 4; round++)
        world_round(&w);
    assert_int_equal(json_array_size(plan.effects), 1);
    assert_effect(&plan, 0, "{'made':{'replicas':0}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void to(struct world *w, const char *with, int expected)
{
    struct action_plan plan = {0};
    _cleanup_free_ char *want = xasprintf("{'made':{'replicas':%d},'reversible':true,'read':'" APPS
                                          "statefulsets/db/scale','content_type':'application/merge-patch+json'}",
                                          expected);
    world_expect(w, &action_scale, with, 0, "", &plan);
    assert_int_equal(json_array_size(plan.effects), 1);
    assert_effect(&plan, 0, want);
    action_plan_clear(&plan);
}

static void not_to(struct world *w, const char *with, int code, const char *words)
{
    struct action_plan plan = {0};
    world_expect(w, &action_scale, with, code, words, &plan);
    assert_int_equal(json_array_size(plan.effects), 0);
    action_plan_clear(&plan);
}

static void numbers(void **s _unused_)
{
    struct world w;
    world_init(&w, "StatefulSet", "db", "app=db");
    scalable(&w, 4);
    to(&w, "{'replicas':'x1.1'}", 5);
    to(&w, "{'replicas':'x1.25'}", 5); /* not 6: 4 x 1.25 is 5 */
    to(&w, "{'replicas':'+3','max':6}", 6);
    to(&w, "{'replicas':'+1','min':8}", 8);
    to(&w, "{'replicas':2}", 2);
    not_to(&w, "{'replicas':0,'min':0}", -EPERM, "only when a person has approved it");
    not_to(&w, "{'replicas':4}", 0, "already has 4 replicas");
    not_to(&w, "{'replicas':'x1'}", 0, "already has 4 replicas");
    not_to(&w, "{'replicas':'+9','max':4}", 0, "already has 4 replicas");
    not_to(&w, "{'replicas':9,'max':8}", -EINVAL, "9 replicas are not between min 1 and max 8");
    not_to(&w, "{'replicas':2,'min':3}", -EINVAL, "min 3");
    not_to(&w, "{'replicas':2,'min':3,'max':2}", -EINVAL, "min 3 is above max 2");
    static const char *const wrong[] = {"",    "3",   "+",   "x",      "+1.5", "x0.5",  "-1",
                                        "+-1", "x-2", "x 2", "+1 one", "xnan", "x1e99", "x0x2"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_free_ char *with = xasprintf("{'replicas':'%s'}", wrong[i]);
        not_to(&w, with, -EINVAL, "expected 3");
    }
    world_clear(&w);
}

/* The subresource leaves out a zero. */
static void from_nothing(void **s _unused_)
{
    struct world w;
    world_init(&w, "StatefulSet", "db", "app=db");
    scalable(&w, 0);
    to(&w, "{'replicas':'x2'}", 1);
    to(&w, "{'replicas':'+2'}", 2);
    not_to(&w, "{'replicas':0,'min':0}", 0, "already has 0");
    world_clear(&w);
}

static void what_stands_in_the_way(void **s _unused_)
{
    struct world w;
    world_init(&w, "StatefulSet", "db", "app=db");
    scalable(&w, 4);
    world_body(&w, HPAS,
               "{'items':[{'metadata':{'name':'other'},'spec':{'scaleTargetRef':{'kind':'Deployment','name':'db'}}}]}");
    to(&w, "{'replicas':5}", 5);
    world_body(&w, HPAS,
               "{'items':[{'metadata':{'name':'h'},'spec':{'scaleTargetRef':{'kind':'StatefulSet','name':'db'}}}]}");
    not_to(&w, "{'replicas':5}", -EPERM, "is scaled by HorizontalPodAutoscaler h, which would undo it");
    world_answer(&w, HPAS, "{'status':403,'body':{'message':'no'}}"); /* whether there is one is not known: no guess */
    not_to(&w, "{'replicas':5}", -EACCES, "LIST horizontalpodautoscalers.autoscaling in shop");
    scalable(&w, 4);
    world_body(&w, APPS "statefulsets/db",
               "{'metadata':{'ownerReferences':[{'kind':'Deployment','name':'cache','controller':true}]}}");
    not_to(&w, "{'replicas':5}", -EPERM,
           "StatefulSet shop/db belongs to Deployment cache, which would revert the change");
    scalable(&w, 4);
    world_answer(&w, APPS "statefulsets/db/scale", "{'status':404,'body':{'message':'gone'}}");
    not_to(&w, "{'replicas':5}", -ENOENT, "\"db\" in shop (scale)");
    not_to(&w, "{'kind':'DaemonSet','name':'x','replicas':5}", -EINVAL, "DaemonSet x is not a");
    world_clear(&w);
}

static void several(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "StatefulSet", "db", "app=db");
    world_owner(&w, "Deployment", "web");
    scalable(&w, 4);
    world_body(&w, APPS "deployments/web", "{'metadata':{'uid':'u2'}}");
    world_body(&w, APPS "deployments/web/scale", "{'metadata':{'uid':'u2'},'spec':{'replicas':1}}");
    world_expect(&w, &action_scale, "{'replicas':'x2'}", 0,
                 "scale StatefulSet shop/db from 4 to 8; scale Deployment shop/web from 1 to 2", &plan);
    assert_int_equal(w.rounds, 1);
    assert_int_equal(json_array_size(plan.effects), 2);
    action_plan_clear(&plan);
    world_clear(&w);
}

static void waits(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(&w, &action_wait, "{'duration':90000}", 0, "wait 1m30s", &plan);
    assert_int_equal(plan.wait_ms, 90000);
    assert_int_equal(json_array_size(plan.effects), 0);
    assert_int_equal(w.rounds, 0);
    action_plan_clear(&plan);
    world_expect(&w, &action_wait, NULL, -EINVAL, "duration", &plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),      cmocka_unit_test(approved_to_nothing),
        cmocka_unit_test(from_nothing), cmocka_unit_test(what_stands_in_the_way),
        cmocka_unit_test(several),      cmocka_unit_test(waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
