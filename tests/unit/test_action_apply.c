/* resource.apply and resource.delete: what they send, and what is not for mendd alone. */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_resource_apply, action_resource_delete;

#define CONFIG "/api/v1/namespaces/shop/configmaps/settings"
#define API "/apis/apps/v1/namespaces/shop/deployments/api"
#define APPLY "?fieldManager=mendd&force=false"

static const struct action *acting;

#define SETTINGS "{'manifest':{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'settings'%s},'data':{'a':'1'}}}"

static void settings_with(struct world *w, const char *more, int code, const char *words)
{
    _cleanup_free_ char *with = xasprintf(SETTINGS, more);
    world_says(w, acting, with, code, words);
}

static void what_is_not_there_is_made(void **s _unused_)
{
    struct world w;
    acting = &action_resource_apply;
    world_init(&w, "Deployment", "api", "app=api");
    _cleanup_free_ char *with = xasprintf(SETTINGS, ",'uid':'x','creationTimestamp':null,'managedFields':[]");
    world_sends(
        &w, acting, with, "make ConfigMap shop/settings",
        "{'method':'PATCH','path':'" CONFIG APPLY "','read':'" CONFIG "','content_type':'application/"
        "apply-patch+yaml','recognise':'name','reversible':true,'undo':{'method':'DELETE'},'body':{'apiVersion':'v1',"
        "'kind':'ConfigMap','metadata':{'name':'settings','namespace':'shop','annotations':{'mendd.io/last-effect':"
        "'run/0/1/ConfigMap.settings'}},'data':{'a':'1'}},'object':{'apiVersion':'v1','kind':'ConfigMap','name':"
        "'settings','namespace':'shop'}}");
    world_clear(&w);
}

static void what_is_there_is_changed(void **s _unused_)
{
    struct world w;
    acting = &action_resource_apply;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(
        &w, CONFIG,
        "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'settings','uid':'m1'},'data':{'a':'0','b':'2'}}");
    _cleanup_free_ char *with = xasprintf(SETTINGS, "");
    world_sends(&w, acting, with, "apply ConfigMap shop/settings (1 change)",
                "{'path':'" CONFIG
                "?fieldManager=mendd&force=true','recognise':'mark','reversible':true,'changes':{'/data/"
                "a':{'before':'0','after':'1'}},'body':{'apiVersion':"
                "'v1','kind':'ConfigMap','metadata':{'name':'settings','namespace':'shop','uid':'m1','annotations':{"
                "'mendd.io/last-effect':'run/0/1/ConfigMap.settings'}},'data':{'a':'1'}}}");
    world_body(&w, CONFIG,
               "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'settings','uid':'m1'},'data':{'a':"
               "'1','b':'2'}}");
    settings_with(&w, "", 0, "already so");
    world_body(&w, CONFIG, "{'metadata':{'name':'settings','uid':'m1','deletionTimestamp':'x'},'data':{'a':'0'}}");
    settings_with(&w, "", -EBUSY, "being deleted");
    world_clear(&w);
}

/* Defaults that the server adds to each element are no difference. */
static void lists_are_compared_by_what_is_wanted(void **s _unused_)
{
    struct world w;
    acting = &action_resource_apply;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, API,
               "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'api','uid':'u1'},'spec':{'replicas':2,"
               "'template':{'spec':{'containers':[{'name':'c','image':'i:1','imagePullPolicy':'Always'}]}}}}");
    static const char deployment[] =
        "{'manifest':{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'api'},'spec':{'template':{'spec':{"
        "'containers':[{'name':'c','image':'i:%d'}]}}%s}}}";
    _cleanup_free_ char *same = xasprintf(deployment, 1, ""), *other = xasprintf(deployment, 2, "");
    _cleanup_free_ char *more = xasprintf(deployment, 1, ",'replicas':3");
    world_says(&w, acting, same, 0, "already so");
    world_sends(&w, acting, other, "1 change",
                "{'changes':{'/spec/template/spec/containers':{'before':[{'name':'c','image':'i:1','imagePullPolicy':"
                "'Always'}]}}}");
    world_body(&w, "/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers",
               "{'items':[{'metadata':{'name':'h'},'spec':{'scaleTargetRef':{'kind':'Deployment','name':'api'}}}]}");
    world_says(&w, acting, more, -EPERM, "use hpa.set");
    world_clear(&w);
}

/* Never by force where one of the fields is somebody else's. */
static void what_others_manage_is_theirs(void **s _unused_)
{
    struct world w;
    acting = &action_resource_apply;
    world_init(&w, "Deployment", "api", "app=api");
    _cleanup_free_ char *with = xasprintf(SETTINGS, "");
    static const char *const owners[] = {"{'manager':'other','fieldsV1':{'f:data':{'f:a':{}}}}",
                                         "{'manager':'other','fieldsV1':{'f:data':{'f:b':{}}}}",
                                         "{'manager':'mendd','fieldsV1':{'f:data':{'f:a':{}}}}",
                                         "{'manager':'other','fieldsV1':{'f:a':{'f:b':{}}}}",
                                         "{'manager':'mendd'},{'fieldsV1':{'f:data':{'f:a':{}}}}",
                                         "{'manager':'other'}"};
    static const bool theirs[] = {true, false, false, false, true, false};
    for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
        _cleanup_free_ char *object =
            xasprintf("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'settings','uid':'m1','managedFields':["
                      "%s]},'data':{'a':'0'}}",
                      owners[i]);
        world_body(&w, CONFIG, object);
        world_sends(&w, acting, with, "1 change",
                    theirs[i] ? "{'path':'" CONFIG APPLY "'}" : "{'path':'" CONFIG "?fieldManager=mendd&force=true'}");
    }
    world_clear(&w);
}

static void manifests_that_are_refused(void **s _unused_)
{
    struct world w;
    acting = &action_resource_apply;
    world_init(&w, "Deployment", "api", "app=api");
    settings_with(&w, ",'namespace':'other'", -EPERM, "is in namespace other, the step acts in shop");
    settings_with(&w, ",'ownerReferences':[{}]", -EPERM, "not mendd's to set");
    world_says(&w, acting, "{'manifest':'x'}", -EINVAL, "expected an object");
    world_says(&w, acting, "{'manifest':[]}", -EINVAL, "expected an object, or a list");
    world_says(&w, acting, "{'manifest':{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'A B'}}}", -EINVAL,
               "no name");
    world_says(&w, acting, "{'manifest':{'apiVersion':'v1','kind':'Secret','metadata':{'name':'s'}}}", -EPERM,
               "Secret's content");
    world_says(&w, acting, "{'manifest':{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'s'}}}", -EPERM,
               "unless a person has approved it");
    world_says(&w, acting, "{'manifest':{'apiVersion':'frob.io/v1','kind':'Frob','metadata':{'name':'s'}}}", -ENOENT,
               "CustomResourceDefinition installed");
    world_clear(&w);
}

static void several_in_one_round(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(
        &w, &action_resource_apply,
        "{'manifest':[{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a'}},{'apiVersion':'v1','kind':"
        "'Service','metadata':{'name':'b'}}]}",
        0, "make ConfigMap shop/a; make Service shop/b", &plan);
    assert_int_equal(json_array_size(plan.effects), 2);
    assert_int_equal(w.rounds, 1);
    action_plan_clear(&plan);
    world_clear(&w);
}

static void deletes(void **s _unused_)
{
    struct world w;
    acting = &action_resource_delete;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, CONFIG, "{'metadata':{'name':'settings','uid':'m1'}}");
    world_sends(&w, acting, "{'kind':'ConfigMap','name':'settings'}", "delete ConfigMap shop/settings",
                "{'method':'DELETE','path':'" CONFIG
                "','recognise':'uid','reversible':false,'body':{'apiVersion':'v1','kind':"
                "'DeleteOptions','preconditions':{'uid':'m1'},'propagationPolicy':'Background'}}");
    world_says(&w, acting, "{'kind':'ConfigMap','name':'nope'}", 0, "ConfigMap shop/nope is not there");
    static const char *const grave[] = {"Namespace", "PersistentVolume",         "PersistentVolumeClaim",
                                        "Secret",    "CustomResourceDefinition", "Node"};
    for (size_t i = 0; i < ARRAY_SIZE(grave); i++) {
        _cleanup_free_ char *with = xasprintf("{'kind':'%s','name':'x'}", grave[i]);
        world_says(&w, acting, with, -EPERM, "unless a person has approved it");
    }
    world_body(&w, "/api/v1/namespaces/shop/pods/p", "{'metadata':{'name':'p','uid':'p1'}}");
    world_says(&w, acting, "{'kind':'Pod','name':'p'}", -EPERM, "pods.delete");
    world_body(&w, "/apis/apps/v1/namespaces/shop/replicasets/r",
               "{'metadata':{'name':'r','uid':'r1','ownerReferences':[{'kind':'Deployment','name':'api','controller':"
               "true}]}}");
    world_says(&w, acting, "{'kind':'ReplicaSet','name':'r'}", -EPERM, "belongs to Deployment api");
    world_clear(&w);
}

/* With a person's yes a Secret may go, guarded by its uid as everything else. */
static void approved_deletes(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/api/v1/namespaces/shop/secrets/tls",
               "{'metadata':{'name':'tls','uid':'t1'},'data':{'k':'c2VjcmV0'}}");
    _cleanup_json_ json_t *with = J("{'kind':'Secret','name':'tls'}");
    const struct action_in in = {
        .target = &w.target, .with = with, .cluster = "prod", .key = "run/0/1", .asks = &w.asks, .approved = true};
    struct action_plan plan = {0};
    while (action_resource_delete.plan(&in, &plan, NULL) == -EAGAIN)
        world_round(&w);
    assert_int_equal(json_array_size(plan.effects), 1);
    assert_effect(&plan, 0, "{'path':'/api/v1/namespaces/shop/secrets/tls'}");
    _cleanup_free_ char *text = json_compact(plan.effects);
    assert_null(strstr(text, "c2VjcmV0"));
    action_plan_clear(&plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_made),
        cmocka_unit_test(what_is_there_is_changed),
        cmocka_unit_test(lists_are_compared_by_what_is_wanted),
        cmocka_unit_test(what_others_manage_is_theirs),
        cmocka_unit_test(manifests_that_are_refused),
        cmocka_unit_test(several_in_one_round),
        cmocka_unit_test(deletes),
        cmocka_unit_test(approved_deletes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
