/* Evidence: pod.logs, pod.describe and events.list, their choice of pods and containers, and their bounds. */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_pod_logs, action_events_list, action_pod_describe;
#define PODS "/api/v1/namespaces/shop/pods"
#define OURS PODS "?labelSelector=app%3Dapi"
#define LOG(pod, rest) PODS "/" pod "/log?" rest "&limitBytes=65536"
#define EVENTS "/api/v1/namespaces/shop/events?limit=1000"
#define READY "{'type':'Ready','status':'True'}"

static const char *evidence(const struct action_plan *plan, size_t i, const char *key)
{
    const char *s = json_text(json_array_get(plan->evidence, i), key);
    return s ? s : "";
}

static void logs(struct world *w, const char *with, const char *path, const char *name)
{
    struct action_plan plan = {0};
    json_object_clear(w->asks.answers);
    world_answer(w, path, "{'status':200,'text':'hello'}");
    world_expect(w, &action_pod_logs, with, 0, "", &plan);
    if (strcmp(evidence(&plan, 0, "text"), "hello") != 0 || strcmp(evidence(&plan, 0, "name"), name) != 0)
        fail_msg("%s: \"%s\" instead of \"%s\" from %s; asked: %s", evidence(&plan, 0, "text"),
                 evidence(&plan, 0, "name"), name, path, json_dumps(w->asked, 0));
    action_plan_clear(&plan);
}

static void which_log(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, OURS,
               "{'items':[{'metadata':{'name':'a'},'spec':{'containers':[{'name':'main'},{'name':'side'}]},'status':{"
               "'containerStatuses':[{'name':'main','ready':true,'restartCount':0},{'name':'side','ready':false,"
               "'restartCount':2}],'initContainerStatuses':[{'name':'init','restartCount':1}]}}]}");
    logs(&w, NULL, LOG("a", "container=side&tailLines=100"), "log of a, container side");
    logs(&w, "{'previous':true,'tail':7}", LOG("a", "container=side&previous=true&tailLines=7"),
         "log of a, container side (before its restart)");
    /* one that never restarted has no previous log: the present one is better than an error */
    logs(&w, "{'previous':true,'container':'main'}", LOG("a", "container=main&tailLines=100"),
         "log of a, container main");
    logs(&w, "{'previous':true,'container':'init'}", LOG("a", "container=init&previous=true&tailLines=100"),
         "log of a, container init (before its restart)");
    logs(&w, "{'since':90500}", LOG("a", "container=side&tailLines=100&sinceSeconds=91"), "log of a, container side");
    logs(&w, "{'container':'x&previous=true/..'}", LOG("a", "container=x%26previous%3Dtrue%2F..&tailLines=100"),
         "log of a, container x&previous=true/..");
    world_body(&w, PODS "/b",
               "{'metadata':{'name':'b','annotations':{'kubectl.kubernetes.io/default-container':'app'}},'spec':{"
               "'containers':[{'name':'proxy'},{'name':'app'}]},'status':{}}");
    logs(&w, "{'name':'b'}", LOG("b", "container=app&tailLines=100"), "log of b, container app");
    world_body(&w, PODS "/b", "{'metadata':{'name':'b'},'spec':{'containers':[{'name':'proxy'},{'name':'app'}]}}");
    logs(&w, "{'name':'b'}", LOG("b", "container=proxy&tailLines=100"), "log of b, container proxy");
    world_clear(&w);
}

/* Three pods at most, the sick ones first; what cannot be read is evidence too. */
static void which_pods(void **s _unused_)
{
#define WELL(n) "{'metadata':{'name':'" n "'},'spec':{'containers':[{'name':'c'}]},'status':{'conditions':[" READY "]}}"
#define SICK(n) "{'metadata':{'name':'" n "'},'spec':{'containers':[{'name':'c'}]}}"
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, OURS, "{'items':[" WELL("a") "," WELL("b") "," SICK("y") "," SICK("z") "]}");
    world_answer(&w, LOG("y", "container=c&tailLines=100"), "{'status':200,'text':'of y'}");
    world_answer(&w, LOG("z", "container=c&tailLines=100"), "{'status':400,'text':'waiting to start'}");
    world_answer(&w, LOG("a", "container=c&tailLines=100"), "{'error':'timeout','message':'slow'}");
    world_expect(&w, &action_pod_logs, NULL, 0, "", &plan);
    assert_int_equal(json_array_size(plan.evidence), 3);
    assert_int_equal(w.rounds, 2);
    assert_string_equal(evidence(&plan, 0, "text"), "of y");
    assert_string_equal(evidence(&plan, 1, "name"), "log of z, container c");
    assert_non_null(strstr(evidence(&plan, 1, "text"), "could not be read: GET pods/log: HTTP 400: waiting to start"));
    assert_non_null(strstr(evidence(&plan, 2, "text"), "slow"));
    action_plan_clear(&plan);
    world_body(&w, OURS, "{'items':[]}");
    world_expect(&w, &action_pod_logs, NULL, 0, "", &plan);
    assert_string_equal(evidence(&plan, 0, "text"), "there are no pods");
    action_plan_clear(&plan);
    world_clear(&w);
}

/* What is asked for is bounded, whatever the API server sends. */
static void bounds(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, OURS, "{'items':[" SICK("y") "]}");
    while (true) { /* up to the question for the log */
        _cleanup_json_ json_t *with = J("{'tail':1000000}");
        const struct action_in in = {.target = &w.target, .with = with, .cluster = "prod", .asks = &w.asks};
        assert_int_equal(action_pod_logs.plan(&in, &plan, NULL), -EAGAIN);
        const json_t *q = json_array_get(w.asks.wanted, 0);
        if (strstr(json_text(q, "path"), "/log?")) {
            assert_true(json_bool_or(q, "text", false));
            assert_int_equal(json_int_or(q, "max", 0), 65536);
            break;
        }
        world_round(&w);
    }
    world_clear(&w);
}

#define EVENT(kind, name, time, message)                                                                               \
    "{'type':'Warning','reason':'R','count':3,'lastTimestamp':'" time "','involvedObject':{'kind':'" kind              \
    "','name':'" name "'},'message':'" message "'}"

static void events(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_body(
        &w, EVENTS,
        "{'items':[" EVENT("Pod", "api-x-y", "2026-01-05T10:00:02Z", "two\\nlines") "," EVENT(
            "Deployment", "api", "2026-01-05T10:00:01Z", "first") "," EVENT("Pod", "apix-1", "2026-01-05T10:00:03Z",
                                                                            "other") "],'metadata':{'continue':'x'}}");
    world_expect(&w, &action_events_list, NULL, 0, "", &plan);
    assert_string_equal(evidence(&plan, 0, "text"), "2026-01-05T10:00:01Z Warning R Deployment/api (x3): first\n"
                                                    "2026-01-05T10:00:02Z Warning R Pod/api-x-y (x3): two lines\n"
                                                    "(there are more events than were read)\n");
    action_plan_clear(&plan);
    world_expect(&w, &action_events_list, "{'all':true}", 0, "", &plan);
    assert_non_null(strstr(evidence(&plan, 0, "text"), "Pod/apix-1 (x3): other"));
    action_plan_clear(&plan);
    world_body(&w, EVENTS, "{'items':[]}");
    world_expect(&w, &action_events_list, NULL, 0, "", &plan);
    assert_string_equal(evidence(&plan, 0, "text"), "no events\n");
    action_plan_clear(&plan);
    world_answer(&w, EVENTS, "{'status':403,'body':{'message':'no'}}");
    world_expect(&w, &action_events_list, NULL, 0, "", &plan);
    assert_non_null(strstr(evidence(&plan, 0, "text"), "events could not be read: LIST events: forbidden (403): no"));
    action_plan_clear(&plan);
    world_clear(&w);
}

/* The newest 50. */
static void many_events(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    json_t *items = json_array();
    for (int i = 0; i < 80; i++) {
        _cleanup_free_ char *at = xasprintf("2026-01-05T10:%02d:00Z", i % 60),
                            *name = xasprintf("api-%d", i < 60 ? i : 100 + i);
        json_array_append_new(
            items, json_pack("{s:s, s:{s:s, s:s}}", "eventTime", at, "involvedObject", "kind", "Pod", "name", name));
    }
    world_init(&w, "Deployment", "api", "app=api");
    json_object_set_new(w.answers, EVENTS, json_pack("{s:i, s:{s:o}}", "status", 200, "body", "items", items));
    world_expect(&w, &action_events_list, NULL, 0, "", &plan);
    const char *text = evidence(&plan, 0, "text");
    assert_true(str_starts(text, "(30 older events left out)\n"));
    assert_non_null(strstr(text, "10:59:00Z"));
    assert_null(strstr(text, "10:00:00Z"));
    action_plan_clear(&plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_log), cmocka_unit_test(which_pods),  cmocka_unit_test(bounds),
        cmocka_unit_test(events),    cmocka_unit_test(many_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
