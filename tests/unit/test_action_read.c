/* resource.read: what is asked for, what is kept of it, and that what cannot be read is evidence too. */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_resource_read;
#define GROUP "/apis/gateway.networking.k8s.io/v1"
#define ROUTES "'apiVersion':'gateway.networking.k8s.io/v1','kind':'HTTPRoute'"
#define ITEMS "{'items':[{'metadata':{'name':'b','namespace':'web'}},{'metadata':{'name':'a','namespace':'web'}}]}"

static const char *evidence(const struct action_plan *plan, size_t i, const char *key)
{
    const char *s = json_text(json_array_get(plan->evidence, i), key);
    return s ? s : "";
}

/* The nth item of what the step keeps bears this name and holds these words. */
static void keeps(struct world *w, const char *with, size_t i, const char *name, const char *words)
{
    struct action_plan plan = {0};
    world_again(w);
    world_expect(w, &action_resource_read, with, 0, "", &plan);
    assert_int_equal(json_array_size(plan.effects), 0);
    assert_string_equal(evidence(&plan, i, "name"), name);
    if (!strstr(evidence(&plan, i, "text"), words))
        fail_msg("\"%s\" is not in \"%s\"", words, evidence(&plan, i, "text"));
    action_plan_clear(&plan);
}

static void which(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(
        &w, "/apis/apps/v1/namespaces/shop/deployments/api",
        "{'metadata':{'name':'api','namespace':'shop','managedFields':[{'manager':'x'}]},'spec':{'replicas':3}}");
    keeps(&w, "{}", 0, "Deployment shop/api", "\"replicas\": 3");
    world_body(&w, GROUP, "{'resources':[{'name':'httproutes','kind':'HTTPRoute','namespaced':true}]}");
    world_body(&w, GROUP "/httproutes", ITEMS);
    world_body(&w, GROUP "/namespaces/shop/httproutes", "{'items':[]}");
    world_body(&w, GROUP "/namespaces/web/httproutes?labelSelector=a%3Db", ITEMS);
    world_body(&w, GROUP "/namespaces/web/httproutes/x", "{'metadata':{'name':'x'},'status':{'reason':'Odd'}}");
    keeps(&w, "{" ROUTES ",'all_namespaces':true}", 0, "HTTPRoute web/a", "{");
    keeps(&w, "{" ROUTES "}", 0, "LIST httproutes.gateway.networking.k8s.io in shop", "there is none");
    keeps(&w, "{" ROUTES ",'namespace':'web','selector':'a=b'}", 1, "HTTPRoute web/b", "{");
    keeps(&w, "{" ROUTES ",'namespace':'web','name':'x'}", 0, "HTTPRoute x", "\"reason\": \"Odd\"");
    world_clear(&w);
}

static void left_out(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api",
               "{'metadata':{'name':'api','managedFields':[{'manager':'x'}],'annotations':{"
               "'kubectl.kubernetes.io/last-applied-configuration':'all of it','a':'b'}}}");
    world_expect(&w, &action_resource_read, "{}", 0, "", &plan);
    assert_null(strstr(evidence(&plan, 0, "text"), "manager"));
    assert_null(strstr(evidence(&plan, 0, "text"), "all of it"));
    assert_non_null(strstr(evidence(&plan, 0, "text"), "\"a\": \"b\""));
    action_plan_clear(&plan);
    _cleanup_json_ json_t *list = json_pack("{s:[]}", "items");
    for (int i = 0; i < 23; i++) {
        _cleanup_free_ char *name = xasprintf("n%02d", i);
        json_array_append_new(json_object_get(list, "items"), json_pack("{s:{s:s}}", "metadata", "name", name));
    }
    _cleanup_free_ char *text = json_compact(list);
    world_body(&w, "/api/v1/nodes", text);
    world_again(&w);
    world_expect(&w, &action_resource_read, "{'kind':'Node'}", 0, "", &plan);
    assert_int_equal(json_array_size(plan.evidence), 21);
    assert_string_equal(evidence(&plan, 20, "text"), "3 more are left out");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void unreadable(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    keeps(&w, "{'kind':'Secret','name':'x'}", 0, "read Secret", "never kept");
    world_answer(&w, GROUP, "{'status':404}");
    keeps(&w, "{" ROUTES "}", 0, "read HTTPRoute", "is its CustomResourceDefinition installed?");
    world_answer(&w, "/api/v1/namespaces/shop/configmaps", "{'status':403,'body':{'message':'no'}}");
    keeps(&w, "{'kind':'ConfigMap'}", 0, "read ConfigMap", "could not be read");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(which), cmocka_unit_test(left_out),
                                       cmocka_unit_test(unreadable)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
