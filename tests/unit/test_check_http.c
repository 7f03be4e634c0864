/* http through the API server's proxy: who is asked, who failed to answer, and in what time. */
#include "checks/registry.h"
#include "world.h"

extern const struct check check_http;
#define NS "/api/v1/namespaces/shop/"
#define WEB NS "services/web:80/proxy/up"
#define SERVICE(more) "{'url':'http://web/up','via':'service'" more "}"
#define POD(n, more) "{'metadata':{'name':'" n "','uid':'u" n "'" more "}}"

static void service(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_answer(&w, WEB, "{'status':200,'latency_ms':40,'text':'{}'}");
    world_verdict(&w, &check_http, SERVICE(), NULL, VERDICT_PASS, "service shop/web answered 200");
    world_verdict(&w, &check_http, SERVICE(",'max_latency':40"), NULL, VERDICT_PASS, "");
    world_verdict(&w, &check_http, SERVICE(",'max_latency':39"), NULL, VERDICT_FAIL, "answered 200 after 40 ms");
    world_verdict(&w, &check_http, SERVICE(",'status':[204,200]"), NULL, VERDICT_PASS, "");
    world_verdict(&w, &check_http, SERVICE(",'contains':'pong'"), NULL, VERDICT_FAIL, "without \"pong\"");
    world_verdict(&w, &check_http, SERVICE(",'method':'HEAD'"), NULL, VERDICT_UNKNOWN, "only a plain GET");
    world_verdict(&w, &check_http, SERVICE(",'headers':{'a':'b'}"), NULL, VERDICT_UNKNOWN, "only a plain GET");
    world_verdict(&w, &check_http, SERVICE(",'body':'x'"), NULL, VERDICT_UNKNOWN, "only a plain GET");
    /* an answer that is JSON comes parsed where it is none of 2xx */
    world_answer(&w, WEB,
                 "{'status':503,'latency_ms':1,'body':{'kind':'Status','apiVersion':'v1','message':'no endpoints'}}");
    world_verdict(&w, &check_http, SERVICE(), NULL, VERDICT_FAIL, "answered 503");
    world_verdict(&w, &check_http, SERVICE(",'status':[503],'json':{'pointer':'/message','equals':'no endpoints'}"),
                  NULL, VERDICT_PASS, "");
    world_answer(&w, NS "services/https:web:443/proxy/", "{'status':200,'text':''}");
    world_verdict(&w, &check_http, "{'url':'https://web.shop.svc','via':'service'}", NULL, VERDICT_PASS, "shop/web");
    world_answer(&w, "/api/v1/namespaces/other/services/web:8080/proxy/", "{'status':200,'text':''}");
    world_verdict(&w, &check_http, "{'url':'http://web.other:8080','via':'service'}", NULL, VERDICT_PASS, "other/web");
    world_clear(&w);
}

/* 401 and 403 are the API server's only if it signed them. */
static void refusals(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_answer(&w, WEB,
                 "{'status':403,'body':{'kind':'Status','apiVersion':'v1','message':'services/proxy is forbidden'}}");
    world_verdict(&w, &check_http, SERVICE(), NULL, VERDICT_UNKNOWN, "the API server answered 403");
    world_answer(&w, WEB, "{'status':403,'text':'<html>members only</html>'}");
    world_verdict(&w, &check_http, SERVICE(), NULL, VERDICT_FAIL, "answered 403");
    world_answer(&w, WEB, "{'error':'refused','message':'nobody there'}");
    world_verdict(&w, &check_http, SERVICE(), NULL, VERDICT_UNKNOWN, "the API server could not be asked: nobody there");
    world_clear(&w);
}

static void slow(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_answer(&w, WEB, "{'error':'timeout','message':'no complete answer'}");
    world_body(&w, "/version", "{'major':'1'}");
    world_verdict(&w, &check_http, SERVICE(",'timeout':700"), NULL, VERDICT_FAIL,
                  "service shop/web: no answer within 700 ms");
    world_answer(&w, "/version", "{'status':403,'body':{}}"); /* an answer all the same */
    world_verdict(&w, &check_http, SERVICE(), NULL, VERDICT_FAIL, "within 5000 ms");
    world_answer(&w, "/version", "{'error':'timeout','message':'x'}");
    world_verdict(&w, &check_http, SERVICE(), NULL, VERDICT_UNKNOWN, "the API server could not be asked");
    world_clear(&w);
}

/* The question carries the time that it may take. */
static void asks_with_its_timeout(void **s _unused_)
{
    struct world w;
    struct check_result result = {0};
    world_init(&w, "Deployment", "api", "app=api");
    _cleanup_json_ json_t *with = J(SERVICE(",'timeout':700"));
    const struct check_in in = {.target = &w.target, .with = with, .cluster = "prod", .asks = &w.asks};
    assert_int_equal(check_http.judge(&in, &result), -EAGAIN);
    const json_t *q = json_array_get(w.asks.wanted, 0);
    assert_string_equal(json_text(q, "path"), WEB);
    assert_int_equal(json_int_or(q, "timeout_ms", 0), 700);
    world_clear(&w);
}

#define PROXY(pod) NS "pods/" pod ":8080/proxy/up"
#define PODS(more) "{'url':'http://any:8080/up','via':'pod'" more "}"
static void pods(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, NS "pods?labelSelector=app%3Dapi",
               "{'items':[" POD("a", "") "," POD("b", "") "," POD("c", ",'deletionTimestamp':'x'") "]}");
    world_answer(&w, PROXY("a"), "{'status':200,'text':''}");
    world_answer(&w, PROXY("b"), "{'status':200,'text':''}");
    world_verdict(&w, &check_http, PODS(), NULL, VERDICT_PASS, "pod a answered 200; pod b answered 200");
    assert_int_equal(json_array_size(w.asked), 3); /* not the one that goes */
    world_answer(&w, PROXY("b"), "{'error':'reset','message':'x'}");
    world_verdict(&w, &check_http, PODS(), NULL, VERDICT_UNKNOWN, "pod b: the API server could not be asked");
    world_answer(&w, PROXY("a"), "{'status':500,'text':''}");
    world_verdict(&w, &check_http, PODS(), NULL, VERDICT_FAIL, "pod a answered 500"); /* the worst of them */
    world_verdict(&w, &check_http, PODS(), "[{'made':{'deleted':['ua','ub']}}]", VERDICT_FAIL,
                  "there is no pod to ask");
    world_body(&w, NS "pods/b", POD("b", ""));
    world_answer(&w, PROXY("b"), "{'status':200,'text':''}");
    world_verdict(&w, &check_http, PODS(",'pod':'b'"), NULL, VERDICT_PASS, "pod b answered 200");
    world_verdict(&w, &check_http, PODS(",'pod':'none'"), NULL, VERDICT_FAIL, "404");
    world_answer(&w, NS "pods?labelSelector=app%3Dapi", "{'status':403,'body':{'message':'no'}}");
    world_verdict(&w, &check_http, PODS(), NULL, VERDICT_UNKNOWN, "LIST pods in shop: forbidden");
    world_clear(&w);
}

static void five_pods_at_most(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, NS "pods?labelSelector=app%3Dapi",
               "{'items':[" POD("a", "") "," POD("b", "") "," POD("c", "") "," POD("d", "") "," POD("e", "") "," POD(
                   "f", "") "]}");
    world_verdict(&w, &check_http, PODS(), NULL, VERDICT_FAIL, "pod e answered 404");
    assert_int_equal(json_array_size(w.asked), 6);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(service), cmocka_unit_test(refusals),
        cmocka_unit_test(slow),    cmocka_unit_test(asks_with_its_timeout),
        cmocka_unit_test(pods),    cmocka_unit_test(five_pods_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
