/* What keeps pods from starting and Services from being reached, told apart. */
#include "checks/registry.h"
#include "world.h"

extern const struct check check_pods_none_waiting, check_service_selects, check_service_port;
#define PODS "/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi"
#define SERVICE "/api/v1/namespaces/shop/services/api"
#define IMAGE "{'reason':['ImagePullBackOff','ErrImagePull']}"
#define CRASH "{'reason':['CrashLoopBackOff']}"
#define PENDING "{'reason':['Pending']}"

static void service(struct world *w, const char *selector, const char *target_port)
{
    _cleanup_free_ char *text =
        xasprintf("{'metadata':{'name':'api'},'spec':{'selector':%s,'ports':[{'port':80,'targetPort':%s}]}}", selector,
                  target_port);
    world_body(w, SERVICE, text);
}

static void reasons_told_apart(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'a','uid':'ua'},'spec':{'nodeName':'n'},'status':{'phase':'Pending',"
               "'containerStatuses':[{'name':'c','state':{'waiting':{'reason':'ImagePullBackOff','message':'no such "
               "image'}}}]}}]}");
    world_verdict(&w, &check_pods_none_waiting, IMAGE, NULL, VERDICT_FAIL, "a: ImagePullBackOff: no such image");
    world_verdict(&w, &check_pods_none_waiting, CRASH, NULL, VERDICT_PASS, "none of 1 pod waits");
    world_verdict(&w, &check_pods_none_waiting, PENDING, NULL, VERDICT_PASS, "none of 1 pod waits");
    world_verdict(&w, &check_pods_none_waiting, IMAGE, "[{'made':{'deleted':['ua']}}]", VERDICT_PASS, "none of 0 pods");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'a'},'spec':{},'status':{'phase':'Pending','conditions':[{'type':"
               "'PodScheduled','status':'False','reason':'Unschedulable','message':'0/3 nodes'}]}},"
               "{'metadata':{'name':'b','deletionTimestamp':'2026-01-05T10:00:00Z'},'spec':{},'status':{'phase':"
               "'Pending'}}]}");
    world_verdict(&w, &check_pods_none_waiting, PENDING, NULL, VERDICT_FAIL, "a: Unschedulable: 0/3 nodes");
    world_verdict(&w, &check_pods_none_waiting, CRASH, NULL, VERDICT_PASS, "none of 1 pod");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'a'},'spec':{'nodeName':'n'},'status':{'phase':'Pending',"
               "'initContainerStatuses':[{'name':'i','state':{'waiting':{'reason':'CrashLoopBackOff'}}}]}}]}");
    world_verdict(&w, &check_pods_none_waiting, CRASH, NULL, VERDICT_FAIL, "init container i: CrashLoopBackOff");
    world_answer(&w, PODS, "{'status':403,'body':{'message':'no'}}");
    world_verdict(&w, &check_pods_none_waiting, CRASH, NULL, VERDICT_UNKNOWN, "");
    world_clear(&w);
}

static void selectors(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    service(&w, "{'app':'api'}", "8080");
    world_body(&w, PODS, "{'items':[{'metadata':{'name':'a'},'spec':{},'status':{'phase':'Pending'}}]}");
    world_verdict(&w, &check_service_selects, NULL, NULL, VERDICT_PASS, "selects 1 pod (app=api)");
    world_body(&w, PODS, "{'items':[{'metadata':{'name':'a'},'spec':{},'status':{'phase':'Failed'}}]}");
    world_verdict(&w, &check_service_selects, NULL, NULL, VERDICT_FAIL, "selects no pod");
    service(&w, "{'app':'other'}", "8080");
    world_body(&w, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dother", "{'items':[]}");
    world_verdict(&w, &check_service_selects, NULL, NULL, VERDICT_FAIL,
                  "its selector is app=other (the target's pods: app=api)");
    world_verdict(&w, &check_service_port, NULL, NULL, VERDICT_FAIL, "selects no pod");
    service(&w, "null", "8080");
    world_verdict(&w, &check_service_selects, NULL, NULL, VERDICT_UNKNOWN, "by hand");
    world_verdict(&w, &check_service_selects, "{'service':'none'}", NULL, VERDICT_FAIL, "");
    world_clear(&w);
}

static void ports(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'a'},'spec':{'containers':[{'ports':[{'containerPort':3000,'name':'http'}"
               "]}]}}]}");
    service(&w, "{'app':'api'}", "3000");
    world_verdict(&w, &check_service_port, NULL, NULL, VERDICT_PASS, "declared");
    service(&w, "{'app':'api'}", "'http'");
    world_verdict(&w, &check_service_port, NULL, NULL, VERDICT_PASS, "declared");
    service(&w, "{'app':'api'}", "'web'");
    world_verdict(&w, &check_service_port, NULL, NULL, VERDICT_FAIL, "leads to \"web\", its pods declare 3000 http");
    service(&w, "{'app':'api'}", "8080");
    world_verdict(&w, &check_service_port, NULL, NULL, VERDICT_FAIL, "port 80 leads to 8080");
    world_body(&w, SERVICE, "{'metadata':{'name':'api'},'spec':{'selector':{'app':'api'},'ports':[{'port':80}]}}");
    world_verdict(&w, &check_service_port, NULL, NULL, VERDICT_FAIL, "port 80 leads to 80,");
    world_body(&w, PODS, "{'items':[{'metadata':{'name':'a'},'spec':{'containers':[{}]}}]}");
    world_verdict(&w, &check_service_port, NULL, NULL, VERDICT_PASS, "declare none");
    service(&w, "{'app':'api'}", "'web'");
    world_verdict(&w, &check_service_port, NULL, NULL, VERDICT_FAIL, "declare none");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasons_told_apart),
        cmocka_unit_test(selectors),
        cmocka_unit_test(ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
