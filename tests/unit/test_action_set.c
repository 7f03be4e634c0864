/* set.image, set.resources and the actions that are one merge patch: what they send, where they stop. */
#include "actions/registry.h"
#include "core/quantity.h"
#include "world.h"

extern const struct action action_set_image, action_set_resources, action_rollout_pause, action_rollout_resume,
    action_hpa_set, action_resource_annotate, action_resource_label, action_keda_pause, action_keda_resume;
#define API "/apis/apps/v1/namespaces/shop/deployments/api"
#define HPAS "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers"

static const struct action *acting;

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
    world_sends(
        &w, acting, "{'container':'app','image':'shop/api:2'}", "",
        "{'method':'PATCH','content_type':'application/"
        "strategic-merge-patch+json','recognise':'mark','reversible':true,"
        "'body':{'metadata':{'uid':'u1','annotations':{'mendd.io/last-effect':'run/0/1/"
        "Deployment.api'}},'spec':{'template':{'spec':{'containers':[{'name':'app','image':'shop/api:2'}"
        "]}}}},'changes':{'/spec/template/spec/containers/1/image':{'before':'shop/api:1','after':'shop/api:2'}}}");
    world_says(&w, acting, "{'container':'app','image':'shop/api:1'}", 0, "already runs");
    world_says(&w, acting, "{'image':'shop/api:2'}", -EINVAL, "has 2 containers: say which one");
    world_says(&w, acting, "{'container':'web','image':'shop/api:2'}", -ENOENT, "no container \"web\"");
    static const char *const wrong[] = {"", "a b", "-x", "a;b", "a\\nb", "$(x)"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_free_ char *with = xasprintf("{'container':'app','image':'%s'}", wrong[i]);
        world_says(&w, acting, with, -EINVAL, "no image reference");
    }
    world_clear(&w);
    deployment(&w, "{'paused':true,'template':{'spec':{'containers':[{'name':'a','image':'x'}]}}}");
    world_says(&w, acting, "{'image':'y'}", -EBUSY, "is paused");
    world_clear(&w);
}

#define LIMITS(l, r) POD("{'name':'app','resources':{'limits':{" l "},'requests':{" r "}}}")

static void resources(void **s _unused_)
{
    struct world w;
    acting = &action_set_resources;
    deployment(&w, LIMITS("'memory':'512Mi','cpu':'500m'", "'memory':'256Mi','cpu':'500m'"));
    world_sends(
        &w, acting, "{'memory':'x1.5','max':'2Gi'}", "",
        "{'changes':{'/spec/template/spec/containers/0/resources/limits/memory':{'before':'512Mi','after':'768Mi'}},"
        "'reversible':true,'recognise':'mark'}");
    world_sends(
        &w, acting, "{'memory':'x8','max':'1Gi'}", "",
        "{'changes':{'/spec/template/spec/containers/0/resources/limits/memory':{'before':'512Mi','after':'1024Mi'}}}");
    world_sends(&w, acting, "{'cpu':'750m'}", "", /* Guaranteed stays Guaranteed: the request goes along */
                "{'changes':{'/spec/template/spec/containers/0/resources/limits/cpu':{'before':'500m','after':'750m'},"
                "'/spec/template/spec/containers/0/resources/requests/cpu':{'before':'500m','after':'750m'}}}");
    world_sends(
        &w, acting, "{'memory':'128Mi'}", "", /* a request must not be above its limit */
        "{'changes':{'/spec/template/spec/containers/0/resources/limits/memory':{'before':'512Mi','after':'128Mi'},"
        "'/spec/template/spec/containers/0/resources/requests/memory':{'before':'256Mi','after':'128Mi'}}}");
    world_says(&w, acting, "{'memory':'512Mi'}", 0, "already so");
    world_says(&w, acting, "{'memory':'x1.5','max':'512Mi'}", 0, "already so, or at their maximum");
    world_says(&w, acting, "{'memory':'x1.5'}", -EINVAL, "needs max");
    world_says(&w, acting, "{'memory':'4Gi','max':'2Gi'}", -EINVAL, "above max");
    world_says(&w, acting, "{'memory':'x0.5','max':'2Gi'}", -EINVAL, "neither a quantity nor a factor");
    world_says(&w, acting, "{'memory':'lots'}", -EINVAL, "no quantity");
    world_says(&w, acting, "{'memory':'0'}", -EINVAL, "0 is no limit");
    world_says(&w, acting, "{}", -EINVAL, "needs memory, cpu or both");
    world_clear(&w);
    deployment(&w, POD("{'name':'app'}"));
    world_says(&w, acting, "{'memory':'x2','max':'1Gi'}", -EINVAL, "no memory limit is set");
    world_sends(&w, acting, "{'memory':'1Gi'}", "",
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
    world_sends(&w, acting, "{}", "",
                "{'body':{'metadata':{'uid':'u1','annotations':{'mendd.io/last-effect':'run/0/1/"
                "Deployment.api'}},'spec':{'paused':true}},'reversible':true}");
    acting = &action_rollout_resume;
    world_says(&w, acting, "{}", 0, "not paused already");
    world_clear(&w);
    deployment(&w, "{'paused':true}");
    world_sends(&w, acting, "{}", "", "{'changes':{'/spec/paused':{'before':true,'after':false}}}");
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
    world_sends(&w, acting, "{'max':'+2'}", "",
                "{'path':'" HPAS "/h','changes':{'/spec/maxReplicas':{'before':5,'after':7}},'reversible':true}");
    world_sends(&w, acting, "{'min':3,'max':9}", "",
                "{'changes':{'/spec/minReplicas':{'before':2,'after':3},'/spec/maxReplicas':{'before':5,'after':9}}}");
    world_says(&w, acting, "{'max':5}", 0, "already so");
    world_says(&w, acting, "{'max':'+9','limit':10}", -EPERM, "above the limit of 10");
    world_says(&w, acting, "{'min':9}", -EINVAL, "min 9 is above max 5");
    world_says(&w, acting, "{'name':'other','max':9}", -ENOENT, "no HorizontalPodAutoscaler other");
    world_says(&w, acting, "{}", -EINVAL, "needs min, max or both");
    world_says(&w, acting, "{'max':0}", -EINVAL, "expected a number");
    world_clear(&w);
}

static void metadata(void **s _unused_)
{
    struct world w;
    deployment(&w, "{'replicas':2}");
    acting = &action_resource_annotate;
    world_sends(&w, acting, "{'annotations':{'x.io/a':'b'}}", "",
                "{'body':{'metadata':{'uid':'u1','annotations':{'x.io/a':'b','mendd.io/last-effect':'run/0/1/"
                "Deployment.api'}}}}");
    world_says(&w, acting, "{'annotations':{'mendd.io/last-effect':'x'}}", -EINVAL, "may be set");
    world_says(&w, acting, "{'annotations':{'a b':'x'}}", -EINVAL, "may be set");
    acting = &action_resource_label;
    world_sends(
        &w, acting, "{'labels':{'tier':'gold'}}", "",
        "{'body':{'metadata':{'uid':'u1','labels':{'tier':'gold'},'annotations':{'mendd.io/last-effect':'run/0/1/"
        "Deployment.api'}}}}");
    world_says(&w, acting, "{'labels':{'tier':'a b'}}", -EINVAL, "the value of label tier is none");
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
