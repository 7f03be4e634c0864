/* resource.patch: the three types, what it never touches, and what it says it changes. */
#include "actions/patch.h"
#include "actions/registry.h"
#include "world.h"

extern const struct action action_resource_patch;
#define API "/apis/apps/v1/namespaces/shop/deployments/api"

static void patch(const char *object, const char *with, int code, const char *words, const char *effect)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    if (object)
        world_body(&w, API, object);
    world_expect(&w, &action_resource_patch, with, code, words, &plan);
    if (code == 0)
        assert_int_equal(json_array_size(plan.effects), effect ? 1 : 0);
    if (effect)
        assert_effect(&plan, 0, effect);
    action_plan_clear(&plan);
    world_clear(&w);
}

#define OBJECT                                                                                                         \
    "{'metadata':{'name':'api','uid':'u1','annotations':{'a':'1'},'labels':{'app':'api'}},'spec':{'paused':true,"      \
    "'template':{'spec':{'containers':[{'name':'c','image':'i1'}]}}}}"

static void merge(void **s _unused_)
{
    patch(OBJECT, "{'patch':{'metadata':{'annotations':{'a':null,'b':'2'}},'spec':{'paused':null,'x':{'y':null}}}}", 0,
          "patch Deployment shop/api",
          "{'content_type':'application/merge-patch+json','recognise':'mark','reversible':true,'changes':{"
          "'/metadata/annotations/a':{'before':'1','after':null},'/metadata/annotations/b':{'after':'2'},"
          "'/spec/paused':{'before':true,'after':null},'/spec/x':{'after':{}}},'body':{'metadata':{'uid':'u1',"
          "'annotations':{'a':null,'b':'2','mendd.io/last-effect':'run/0/1/Deployment.api'}},'spec':{'paused':null,"
          "'x':{'y':null}}}}");
    patch(OBJECT, "{'patch':{'spec':{'paused':true,'none':null}}}", 0, "is already so", NULL);
    patch(OBJECT, "{'patch':{'metadata':{'labels':{'a/b~c':'d'}}}}", 0, "",
          "{'changes':{'/metadata/labels/a~1b~0c':{'after':'d'}}}");
    patch(OBJECT, "{'patch':{}}", -EINVAL, "expected a map", NULL);
    patch(OBJECT, "{'patch':[{'op':'add','path':'/a','value':1}]}", -EINVAL, "expected a map", NULL);
}

static void strategic(void **s _unused_)
{
    patch(OBJECT,
          "{'type':'strategic','patch':{'spec':{'paused':false,'template':{'spec':{'containers':[{'name':'c',"
          "'image':'i2'}]}}}}}",
          0, "patch Deployment shop/api",
          "{'content_type':'application/strategic-merge-patch+json','changes':{'/spec/paused':{'before':true,'after':"
          "false},'/spec/template/spec/containers':{'before':[{'name':'c','image':'i1'}]}}}");
    patch(OBJECT, "{'type':'strategic','patch':{'spec':{'template':{'$patch':'replace','spec':{}}}}}", 0, "",
          "{'changes':{'/spec/template':{'before':{'spec':{'containers':[{'name':'c','image':'i1'}]}}}}}");
    /* directives that reach what is not mendd's */
    patch(OBJECT, "{'type':'strategic','patch':{'$patch':'replace','spec':{}}}", -EPERM, "not mendd's to change", NULL);
    patch(OBJECT, "{'type':'strategic','patch':{'metadata':{'$patch':'delete'}}}", -EPERM, "not mendd's", NULL);
    patch(OBJECT, "{'type':'strategic','patch':{'metadata':{'$deleteFromPrimitiveList/finalizers':['x']}}}", -EPERM,
          "/metadata/finalizers", NULL);
    patch(OBJECT, "{'type':'strategic','patch':{'metadata':{'$setElementOrder/ownerReferences':[]}}}", -EPERM,
          "/metadata/ownerReferences", NULL);
    patch(OBJECT, "{'type':'strategic','patch':{'metadata':{'$retainKeys':['labels'],'labels':{}}}}", -EPERM,
          "not mendd's", NULL);
}

static void strategic_on_a_custom_resource(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    const char *path = "/apis/db.example.com/v1/namespaces/shop/redises/cache";
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/apis/db.example.com/v1", "{'resources':[{'name':'redises','kind':'Redis','namespaced':true}]}");
    world_body(&w, path, "{'metadata':{'name':'cache','uid':'u9'},'spec':{'size':1}}");
#define CUSTOM "'apiVersion':'db.example.com/v1','kind':'Redis','name':'cache','patch':{'spec':{'size':2}}"
    world_expect(&w, &action_resource_patch, "{'type':'strategic'," CUSTOM "}", -EINVAL, "use type: merge", &plan);
    world_expect(&w, &action_resource_patch, "{" CUSTOM "}", 0, "patch Redis shop/cache", &plan);
    assert_effect(&plan, 0,
                  "{'path':'/apis/db.example.com/v1/namespaces/shop/redises/cache','object':{'apiVersion':"
                  "'db.example.com/v1','kind':'Redis','name':'cache','namespace':'shop','uid':'u9'}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void json(void **s _unused_)
{
    /* what is among a list's elements changes the list; an inner change goes with the outer one */
    patch(OBJECT,
          "{'type':'json','patch':[{'op':'replace','path':'/spec/template/spec/containers/0/image','value':'i2'},{'op':"
          "'add','path':'/spec/template/spec/containers/-','value':{}},{'op':'remove','path':'/spec/paused'},{'op':"
          "'test','path':'/metadata/name','value':'api'}]}",
          0, "patch Deployment shop/api",
          "{'changes':{'/spec/template/spec/containers':{'before':[{'name':'c','image':'i1'}]},'/spec/paused':{'before'"
          ":true}}}");
    patch(OBJECT,
          "{'type':'json','patch':[{'op':'move','from':'/spec/paused','path':'/spec/stopped'},{'op':'copy','from':"
          "'/metadata/uid','path':'/metadata/labels/u'}]}",
          0, "",
          "{'changes':{'/spec/paused':{'before':true},'/spec/stopped':{},'/metadata/labels/u':{}},'body':[{'op':'test',"
          "'path':'/metadata/uid','value':'u1'},{'op':'move','from':'/spec/paused','path':'/spec/stopped'},{'op':"
          "'copy','from':'/metadata/uid','path':'/metadata/labels/u'},{'op':'add','path':'/metadata/annotations/"
          "mendd.io~1last-effect','value':'run/0/1/Deployment.api'}]}");
    patch(OBJECT, "{'type':'json','patch':[]}", -EINVAL, "list of operations", NULL);
    patch(OBJECT, "{'type':'json','patch':{'spec':{}}}", -EINVAL, "list of operations", NULL);
    patch(OBJECT, "{'type':'json','patch':[{'op':'inject','path':'/a'}]}", -EINVAL, "operation 1", NULL);
    patch(OBJECT, "{'type':'json','patch':[{'op':'replace','path':'','value':{}}]}", -EINVAL, "operation 1", NULL);
    patch(OBJECT, "{'type':'json','patch':[{'op':'replace','path':'/metadata/annotations','value':{}}]}", -EPERM,
          "as a whole", NULL);
    patch(OBJECT, "{'type':'json','patch':[{'op':'remove','path':'/metadata/annotations/mendd.io~1last-effect'}]}",
          -EPERM, "mendd's own mark", NULL);
}

static void never(const char *field)
{
    _cleanup_free_ char *merged = xasprintf("{'patch':{'metadata':{'%s':'x'}}}", field);
    _cleanup_free_ char *strategic_one = xasprintf("{'type':'strategic','patch':{'metadata':{'%s':[{'a':1}]}}}", field);
    _cleanup_free_ char *added =
        xasprintf("{'type':'json','patch':[{'op':'add','path':'/metadata/%s/-','value':1}]}", field);
    _cleanup_free_ char *copied =
        xasprintf("{'type':'json','patch':[{'op':'copy','from':'/spec','path':'/metadata/%s'}]}", field);
    _cleanup_free_ char *moved =
        xasprintf("{'type':'json','patch':[{'op':'move','from':'/metadata/%s','path':'/spec/x'}]}", field);
    const char *const all[] = {merged, strategic_one, added, copied, moved};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        patch(OBJECT, all[i], -EPERM, field, NULL);
}

static void what_is_never_touched(void **s _unused_)
{
    static const char *const fields[] = {"name", "namespace", "uid", "ownerReferences", "finalizers"};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        never(fields[i]);
    patch(OBJECT, "{'patch':{'kind':'Pod'}}", -EPERM, "/kind", NULL);
    patch(OBJECT, "{'patch':{'apiVersion':'v1'}}", -EPERM, "/apiVersion", NULL);
    patch(OBJECT, "{'type':'json','patch':[{'op':'remove','path':'/metadata'}]}", -EPERM, "/metadata", NULL);
    patch(OBJECT, "{'patch':{'metadata':{'annotations':null}}}", -EPERM, "annotations", NULL);
}

/* A Secret is not even read. */
static void secrets(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Secret", "key", "app=api");
    world_expect(&w, &action_resource_patch, "{'kind':'Secret','name':'x','patch':{'data':{'a':'b'}}}", -EPERM,
                 "a Secret's content must not stand in the journal", &plan);
    assert_int_equal(json_array_size(w.asked), 0);
    world_expect(&w, &action_resource_patch, "{'name':'x','patch':{'data':{'a':'b'}}}", -EPERM, "Secret", &plan);
    assert_int_equal(json_array_size(w.asked), 0);
    world_expect(&w, &action_resource_patch, "{'patch':{'data':{'a':'b'}}}", -EPERM, "Secret", &plan);
    assert_int_equal(json_array_size(w.asked), 0);
    world_clear(&w);
}

static void what_another_would_revert(void **s _unused_)
{
    const char *owned =
        "{'metadata':{'uid':'u1','ownerReferences':[{'kind':'ReplicaSet','name':'x','controller':true}]}}";
    patch(owned, "{'patch':{'spec':{'paused':true}}}", -EPERM, "belongs to ReplicaSet x", NULL);
    patch(owned, "{'type':'json','patch':[{'op':'add','path':'/spec/paused','value':true}]}", -EPERM, "ReplicaSet x",
          NULL);
    patch(owned, "{'patch':{'metadata':{'labels':{'a':'b'}}}}", 0, "patch ", "{'reversible':true}");
    patch(NULL, "{'patch':{'spec':{'paused':true}}}", -ENOENT, "deployments.apps \"api\" in shop", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merge),
        cmocka_unit_test(strategic),
        cmocka_unit_test(json),
        cmocka_unit_test(strategic_on_a_custom_resource),
        cmocka_unit_test(secrets),
        cmocka_unit_test(what_is_never_touched),
        cmocka_unit_test(what_another_would_revert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
