/* configmap.set, service.switch, networkpolicy.quarantine and pvc.expand: what they send, where they stop. */
#include "actions/registry.h"
#include "checks/registry.h"
#include "world.h"

extern const struct action action_configmap_set, action_service_switch, action_networkpolicy_quarantine,
    action_pvc_expand;
extern const struct check check_nodes_ready;

#define CONFIG "/api/v1/namespaces/shop/configmaps/settings"
#define SERVICE "/api/v1/namespaces/shop/services/web"
#define POLICIES "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
#define CLAIM "/api/v1/namespaces/shop/persistentvolumeclaims/data"
#define CLASS "/apis/storage.k8s.io/v1/storageclasses/fast"

static const struct action *acting;

static void a_configmap(void **s _unused_)
{
    struct world w;
    acting = &action_configmap_set;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, CONFIG, "{'metadata':{'name':'settings','uid':'m1'},'data':{'a':'1','b':'2'}}");
    world_sends(
        &w, acting, "{'name':'settings','data':{'a':'9','c':'3','b':'2'}}", "set ConfigMap shop/settings",
        "{'method':'PATCH','path':'" CONFIG "','recognise':'mark','reversible':true,'changes':{'/data/a':{'before':'1'"
        ",'after':'9'},'/data/c':{'after':'3'}},'body':{'data':{'a':'9','b':'2','c':'3'},'metadata':{'uid':'m1',"
        "'annotations':{'mendd.io/last-effect':'run/0/1/ConfigMap.settings'}}}}");
    world_sends(&w, acting, "{'name':'settings','key':'a','value':'7'}", "set ConfigMap shop/settings",
                "{'changes':{'/data/a':{'before':'1','after':'7'}}}");
    world_says(&w, acting, "{'name':'settings','key':'../a','value':'7'}", -EINVAL, "no key of a ConfigMap");
    world_says(&w, acting, "{'name':'settings','key':'a'}", -EINVAL, "go together");
    world_says(&w, acting, "{'name':'settings','data':{'a':'1'}}", 0, "already so");
    world_says(&w, acting, "{'data':{'a':'1'}}", -EINVAL, "say which one");
    world_says(&w, acting, "{'name':'settings','data':{}}", -EINVAL, "nothing to set");
    world_says(&w, acting, "{'name':'settings','data':{'a/b':'1'}}", -EINVAL, "no key of a ConfigMap");
    world_says(&w, acting, "{'name':'nope','data':{'a':'1'}}", -ENOENT, "nope");
    _cleanup_free_ char *large = xcalloc(1, 70000);
    memset(large, 'x', 69000);
    _cleanup_free_ char *with = xasprintf("{'name':'settings','data':{'a':'%s'}}", large);
    world_says(&w, acting, with, -EINVAL, "do not belong in the journal");
    world_body(&w, CONFIG, "{'metadata':{'name':'settings','uid':'m1'},'immutable':true}");
    world_says(&w, acting, "{'name':'settings','data':{'a':'1'}}", -EBUSY, "immutable");
    world_clear(&w);
}

#define READY "{'metadata':{'name':'p'},'status':{'conditions':[{'type':'Ready','status':'True'}]}}"

static void a_service(void **s _unused_)
{
    struct world w;
    acting = &action_service_switch;
    world_init(&w, "Service", "web", NULL);
    world_body(&w, SERVICE,
               "{'metadata':{'name':'web','uid':'s1'},'spec':{'selector':{'app':'web','version':'blue'}}}");
    world_body(&w, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb%2Cversion%3Dgreen", "{'items':[" READY "]}");
    world_body(&w, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb%2Cversion%3Dred", "{'items':[{}]}");
    world_sends(
        &w, acting, "{'selector':{'version':'green'}}", "1 ready pod behind",
        "{'path':'" SERVICE "','recognise':'mark','reversible':true,'changes':{'/spec/selector/version':{'before':"
        "'blue','after':'green'}},'body':{'spec':{'selector':{'app':'web','version':'green'}},'metadata':{'uid':'s1',"
        "'annotations':{'mendd.io/last-effect':'run/0/1/Service.web'}}}}");
    world_says(&w, acting, "{'selector':{'version':'red'}}", -EBUSY, "no ready pod matches app=web,version=red");
    world_says(&w, acting, "{'selector':{'version':'blue'}}", 0, "already");
    world_says(&w, acting, "{'selector':{'version':'','app':''}}", -EPERM, "every pod");
    world_says(&w, acting, "{'selector':{'version':'a b'}}", -EINVAL, "no label");
    world_says(&w, acting, "{'selector':{'version':'green'},'to':'x'}", -EINVAL, "either");
    world_says(&w, acting, "{}", -EINVAL, "either");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/green",
               "{'spec':{'selector':{'matchLabels':{'tier':'green'}}}}");
    world_body(&w, "/api/v1/namespaces/shop/pods?labelSelector=tier%3Dgreen", "{'items':[" READY "]}");
    world_sends(
        &w, acting, "{'to':'green'}", "",
        "{'changes':{'/spec/selector/version':{'before':'blue','after':null},'/spec/selector/app':{'before':'web',"
        "'after':null},'/spec/selector/tier':{'after':'green'}}}");
    world_body(&w, SERVICE, "{'metadata':{'name':'web','uid':'s1'},'spec':{'type':'ExternalName'}}");
    world_says(&w, acting, "{'selector':{'version':'green'}}", -EPERM, "has no selector");
    world_clear(&w);
}

static void a_quarantine(void **s _unused_)
{
    struct world w;
    acting = &action_networkpolicy_quarantine;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, POLICIES,
               "{'items':[{'metadata':{'name':'deny'},'spec':{}},{'metadata':{'name':'allow-dns'},'spec':{'egress':[{}]"
               "}}]}");
    world_sends(
        &w, acting, NULL, "policies there that may still allow something: allow-dns",
        "{'method':'POST','path':'" POLICIES "','recognise':'name','reversible':true,'undo':{'method':'DELETE'},"
        "'read':'" POLICIES "/mendd-run-0-1','body':{'apiVersion':'networking.k8s.io/v1','kind':'NetworkPolicy',"
        "'metadata':{'name':'mendd-run-0-1','namespace':'shop','labels':{'app.kubernetes.io/managed-by':'mendd',"
        "'mendd.io/run':'run'},'annotations':{'mendd.io/last-effect':'run/0/1/NetworkPolicy.mendd-run-0-1'}},'spec':{"
        "'podSelector':{'matchLabels':{'app':'api'}},'policyTypes':['Ingress','Egress']}}}");
    struct action_plan plan = {0};
    world_expect(&w, acting, "{'name':'cut','selector':'a=b, c!=d,e in (f,g),h notin (i),j,!k'}", 0, "cut the pods",
                 &plan);
    _cleanup_json_ json_t *want =
        J("{'matchLabels':{'a':'b'},'matchExpressions':[{'key':'c','operator':'NotIn','values':['d']},{'key':'e',"
          "'operator':'In','values':['f','g']},{'key':'h','operator':'NotIn','values':['i']},{'key':'j','operator':"
          "'Exists'},{'key':'k','operator':'DoesNotExist'}]}");
    assert_true(json_equal(
        want, json_path(json_object_get(json_array_get(plan.effects, 0), "body"), "spec", "podSelector", NULL)));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void claim(struct world *w, const char *spec, const char *status)
{
    _cleanup_free_ char *body = xasprintf("{'metadata':{'name':'data','uid':'p1'},'spec':{%s'resources':{'requests':{"
                                          "'storage':'10Gi'}}},'status':%s}",
                                          spec, status);
    world_body(w, CLAIM, body);
}

#define BOUND "{'phase':'Bound','capacity':{'storage':'10Gi'}}"
#define FAST "'storageClassName':'fast',"

static void more_room(void **s _unused_)
{
    struct world w;
    acting = &action_pvc_expand;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi",
               "{'items':[{'metadata':{'name':'a'},'spec':{'volumes':[{'emptyDir':{}},{'persistentVolumeClaim':{"
               "'claimName':'data'}}]}},{'metadata':{'name':'b'},'spec':{'volumes':[{'persistentVolumeClaim':{"
               "'claimName':'data'}}]}}]}");
    world_body(&w, CLASS, "{'metadata':{'name':'fast'},'allowVolumeExpansion':true}");
    claim(&w, FAST, BOUND);
    world_sends(
        &w, acting, "{'size':'+10Gi','max':'50Gi'}", "expand to 20Gi PersistentVolumeClaim shop/data",
        "{'path':'" CLAIM "','reversible':false,'irreversible':'a claim cannot shrink','recognise':'mark','changes':{"
        "'/spec/resources/requests/storage':{'before':'10Gi','after':'20Gi'}},'body':{'spec':{'resources':{'requests':"
        "{'storage':'20Gi'}}},'metadata':{'uid':'p1','annotations':{'mendd.io/last-effect':'run/0/1/"
        "PersistentVolumeClaim.data'}}}}");
    world_sends(&w, acting, "{'size':'x1.25','max':'50Gi'}", "expand to 12800Mi", "{}");
    world_sends(&w, acting, "{'size':'x9','max':'50Gi'}", "expand to 50Gi", "{}");
    world_sends(&w, acting, "{'name':'data','size':'50Gi'}", "expand to 50Gi", "{}");
    world_says(&w, acting, "{'size':'+10Gi','max':'10Gi'}", 0, "or the maximum");
    world_says(&w, acting, "{'size':'+10Gi','max':'5Gi'}", 0, "or the maximum");
    world_says(&w, acting, "{'size':'10Gi'}", 0, "already");
    world_says(&w, acting, "{'size':'5Gi'}", -EPERM, "cannot shrink");
    world_says(&w, acting, "{'size':'+10Gi'}", -EINVAL, "needs max");
    world_says(&w, acting, "{'size':'50Gi','max':'20Gi'}", -EINVAL, "above max");
    world_says(&w, acting, "{'size':'x0.5','max':'20Gi'}", -EINVAL, "neither a quantity");
    world_says(&w, acting, "{'size':'much'}", -EINVAL, "no quantity");
    world_says(&w, acting, "{'name':'nope','size':'50Gi'}", -ENOENT, "nope");
    world_body(&w, CLASS, "{'metadata':{'name':'fast'}}");
    world_says(&w, acting, "{'size':'50Gi'}", -EPERM, "StorageClass fast, which does not allow expansion");
    claim(&w, "", BOUND);
    world_says(&w, acting, "{'size':'50Gi'}", -EPERM, "no StorageClass");
    claim(&w, FAST, "{'phase':'Pending'}");
    world_says(&w, acting, "{'size':'50Gi'}", -EBUSY, "is Pending, not Bound");
    claim(&w, FAST, "{'phase':'Bound','capacity':{'storage':'5Gi'}}");
    world_says(&w, acting, "{'size':'50Gi'}", -EBUSY, "still under way (it has 5Gi)");
    world_body(&w, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi", "{'items':[{'spec':{}}]}");
    world_says(&w, acting, "{'size':'50Gi'}", -ENOENT, "none of the target's pods mounts a volume claim");
    world_clear(&w);
}

#define NODE(name, ready, spec)                                                                                        \
    "{'metadata':{'name':'" name "'},'spec':{" spec "},'status':{'conditions':[{'type':'Ready','status':'" ready       \
    "','reason':'KubeletReady'}]}}"

static void nodes(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/api/v1/nodes", "{'items':[" NODE("a", "True", "") "," NODE("b", "True", "") "]}");
    world_verdict(&w, &check_nodes_ready, NULL, NULL, VERDICT_PASS, "2 of 2 nodes ready and schedulable, 2 needed");
    world_verdict(&w, &check_nodes_ready, "{'min':3}", NULL, VERDICT_FAIL, "3 needed");
    world_body(&w, "/api/v1/nodes",
               "{'items':[" NODE("a", "True", "") "," NODE("b", "True", "'unschedulable':true") "," NODE("c", "Unknown",
                                                                                                         "") "]}");
    world_verdict(&w, &check_nodes_ready, NULL, NULL, VERDICT_FAIL,
                  "1 of 3 nodes ready and schedulable, 3 needed; b: cordoned; c: not ready (KubeletReady)");
    world_verdict(&w, &check_nodes_ready, "{'min':1}", NULL, VERDICT_PASS, "1 of 3");
    world_body(&w, "/api/v1/nodes?labelSelector=pool%3Dx", "{'items':[]}");
    world_verdict(&w, &check_nodes_ready, "{'selector':'pool=x','min':0}", NULL, VERDICT_FAIL, "0 of 0");
    world_body(&w, "/api/v1/nodes/a", NODE("a", "True", ""));
    world_verdict(&w, &check_nodes_ready, "{'name':'a'}", NULL, VERDICT_PASS, "1 of 1");
    world_answer(&w, "/api/v1/nodes", "{'status':403,'body':{'message':'forbidden'}}");
    world_verdict(&w, &check_nodes_ready, NULL, NULL, VERDICT_UNKNOWN, "forbidden");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configmap), cmocka_unit_test(a_service), cmocka_unit_test(a_quarantine),
        cmocka_unit_test(more_room),   cmocka_unit_test(nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
