/* set.image, set.resources and the actions that are one merge patch: what they send, where they stop. */
#include "actions/registry.h"
#include "core/quantity.h"
#include "world.h"

extern const struct action action_set_image, action_set_resources, action_rollout_pause, action_rollout_resume,
    action_hpa_set, action_resource_annotate, action_resource_label, action_keda_pause, action_keda_resume;
#define API "/apis/apps/v1/namespaces/shop/deployments/api"
#define HPAS "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers"

static const struct action *acting;

static void sends(struct world *w, const char *with, const char *want)
{
    struct action_plan plan = {0};
    world_expect(w, acting, with, 0, "", &plan);
    assert_int_equal(json_array_size(plan.effects), 1);
    assert_effect(&plan, 0, want);
    action_plan_clear(&plan);
}

static void says(struct world *w, const char *with, int code, const char *words)
{
    struct action_plan plan = {0};
    world_expect(w, acting, with, code, words, &plan);
    assert_int_equal(json_array_size(plan.effects), 0);
    action_plan_clear(&plan);
}

static void deployment(struct world *w, const char *spec)
{
    world_init(w, "Deployment", "api", "app=api");
    _cleanup_free_ char *body = xasprintf("{'metadata':{'name':'api','uid':'u1'},'spec':%s}", spec);
    world_body(w, API, body);
}

#define POD(containers) "{'template':{'spec':{'containers':[" containers "]}}}"

static void image(void **s _unused_)
{
    struct world w;
    acting = &action_set_image;
    deployment(&w, POD("{'name':'side','image':'s:1'},{'name':'app','image':'shop/api:1'}"));
    sends(&w, "{'container':'app','image':'shop/api:2'}",
          "{'method':'PATCH','content_type':'application/"
          "strategic-merge-patch+json','recognise':'mark','reversible':true,"
          "'body':{'metadata':{'uid':'u1','annotations':{'mendd.io/last-effect':'run/0/1/"
          "Deployment.api'}},'spec':{'template':{'spec':{'containers':[{'name':'app','image':'shop/api:2'}"
          "]}}}},'changes':{'/spec/template/spec/containers/1/image':{'before':'shop/api:1','after':'shop/api:2'}}}");
    says(&w, "{'container':'app','image':'shop/api:1'}", 0, "already runs");
    says(&w, "{'image':'shop/api:2'}", -EINVAL, "has 2 containers: say which one");
    says(&w, "{'container':'web','image':'shop/api:2'}", -ENOENT, "no container \"web\"");
    static const char *const wrong[] = {"", "a b", "-x", "a;b", "a\\nb", "$(x)"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_free_ char *with = xasprintf("{'container':'app','image':'%s'}", wrong[i]);
        says(&w, with, -EINVAL, "no image reference");
    }
    world_clear(&w);
    deployment(&w, "{'paused':true,'template':{'spec':{'containers':[{'name':'a','image':'x'}]}}}");
    says(&w, "{'image':'y'}", -EBUSY, "is paused");
    world_clear(&w);
}

#define LIMITS(l, r) POD("{'name':'app','resources':{'limits':{" l "},'requests':{" r "}}}")

static void resources(void **s _unused_)
{
    struct world w;
    acting = &action_set_resources;
    deployment(&w, LIMITS("'memory':'512Mi','cpu':'500m'", "'memory':'256Mi','cpu':'500m'"));
    sends(&w, "{'memory':'x1.5','max':'2Gi'}",
          "{'changes':{'/spec/template/spec/containers/0/resources/limits/memory':{'before':'512Mi','after':'768Mi'}},"
          "'reversible':true,'recognise':'mark'}");
    sends(
        &w, "{'memory':'x8','max':'1Gi'}",
        "{'changes':{'/spec/template/spec/containers/0/resources/limits/memory':{'before':'512Mi','after':'1024Mi'}}}");
    sends(&w, "{'cpu':'750m'}", /* Guaranteed stays Guaranteed: the request goes along */
          "{'changes':{'/spec/template/spec/containers/0/resources/limits/cpu':{'before':'500m','after':'750m'},"
          "'/spec/template/spec/containers/0/resources/requests/cpu':{'before':'500m','after':'750m'}}}");
    sends(&w, "{'memory':'128Mi'}", /* a request must not be above its limit */
          "{'changes':{'/spec/template/spec/containers/0/resources/limits/memory':{'before':'512Mi','after':'128Mi'},"
          "'/spec/template/spec/containers/0/resources/requests/memory':{'before':'256Mi','after':'128Mi'}}}");
    says(&w, "{'memory':'512Mi'}", 0, "already so");
    says(&w, "{'memory':'x1.5','max':'512Mi'}", 0, "already so, or at their maximum");
    says(&w, "{'memory':'x1.5'}", -EINVAL, "needs max");
    says(&w, "{'memory':'4Gi','max':'2Gi'}", -EINVAL, "above max");
    says(&w, "{'memory':'x0.5','max':'2Gi'}", -EINVAL, "neither a quantity nor a factor");
    says(&w, "{'memory':'lots'}", -EINVAL, "no quantity");
    says(&w, "{'memory':'0'}", -EINVAL, "0 is no limit");
    says(&w, "{}", -EINVAL, "needs memory, cpu or both");
    world_clear(&w);
    deployment(&w, POD("{'name':'app'}"));
    says(&w, "{'memory':'x2','max':'1Gi'}", -EINVAL, "no memory limit is set");
    sends(&w, "{'memory':'1Gi'}",
          "{'changes':{'/spec/template/spec/containers/0/resources/limits/memory':{'after':'1024Mi'}}}");
    world_clear(&w);
}

static void quantities(void **s _unused_)
{
    static const struct {
        const char *text;
        int64_t milli;
    } good[] = {{"1", 1000},     {"500m", 500},    {"1.5", 1500}, {"1Ki", 1024000}, {"2Gi", INT64_C(2147483648000)},
                {"1k", 1000000}, {"1e3", 1000000}, {"0", 0}};
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        int64_t milli = -1;
        assert_int_equal(quantity_parse(good[i].text, &milli, NULL), 0);
        assert_int_equal(milli, good[i].milli);
    }
    static const char *const bad[] = {"", "-1", "Gi", "1 Gi", "1Zi", "1e99", "nan", "0x10", "1GiB", "inf"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t milli;
        if (quantity_parse(bad[i], &milli, NULL) != -EINVAL)
            fail_msg("%s was taken", bad[i]);
    }
}

static void rollouts(void **s _unused_)
{
    struct world w;
    deployment(&w, "{'replicas':2}");
    acting = &action_rollout_pause;
    sends(&w, "{}",
          "{'body':{'metadata':{'uid':'u1','annotations':{'mendd.io/last-effect':'run/0/1/"
          "Deployment.api'}},'spec':{'paused':true}},'reversible':true}");
    acting = &action_rollout_resume;
    says(&w, "{}", 0, "not paused already");
    world_clear(&w);
    deployment(&w, "{'paused':true}");
    sends(&w, "{}", "{'changes':{'/spec/paused':{'before':true,'after':false}}}");
    world_clear(&w);
}

static void autoscalers(void **s _unused_)
{
    struct world w;
    acting = &action_hpa_set;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(
        &w, HPAS,
        "{'items':[{'metadata':{'name':'h','uid':'u7'},'spec':{'minReplicas':2,'maxReplicas':5,'scaleTargetRef':{"
        "'kind':'Deployment','name':'api'}}}]}");
    sends(&w, "{'max':'+2'}",
          "{'path':'" HPAS "/h','changes':{'/spec/maxReplicas':{'before':5,'after':7}},'reversible':true}");
    sends(&w, "{'min':3,'max':9}",
          "{'changes':{'/spec/minReplicas':{'before':2,'after':3},'/spec/maxReplicas':{'before':5,'after':9}}}");
    says(&w, "{'max':5}", 0, "already so");
    says(&w, "{'max':'+9','limit':10}", -EPERM, "above the limit of 10");
    says(&w, "{'min':9}", -EINVAL, "min 9 is above max 5");
    says(&w, "{'name':'other','max':9}", -ENOENT, "no HorizontalPodAutoscaler other");
    says(&w, "{}", -EINVAL, "needs min, max or both");
    says(&w, "{'max':0}", -EINVAL, "expected a number");
    world_clear(&w);
}

static void metadata(void **s _unused_)
{
    struct world w;
    deployment(&w, "{'replicas':2}");
    acting = &action_resource_annotate;
    sends(&w, "{'annotations':{'x.io/a':'b'}}",
          "{'body':{'metadata':{'uid':'u1','annotations':{'x.io/a':'b','mendd.io/last-effect':'run/0/1/"
          "Deployment.api'}}}}");
    says(&w, "{'annotations':{'mendd.io/last-effect':'x'}}", -EINVAL, "may be set");
    says(&w, "{'annotations':{'a b':'x'}}", -EINVAL, "may be set");
    acting = &action_resource_label;
    sends(&w, "{'labels':{'tier':'gold'}}",
          "{'body':{'metadata':{'uid':'u1','labels':{'tier':'gold'},'annotations':{'mendd.io/last-effect':'run/0/1/"
          "Deployment.api'}}}}");
    says(&w, "{'labels':{'tier':'a b'}}", -EINVAL, "the value of label tier is none");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image),    cmocka_unit_test(resources),   cmocka_unit_test(quantities),
        cmocka_unit_test(rollouts), cmocka_unit_test(autoscalers), cmocka_unit_test(metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
