/* One look at a cluster: what it asks, what it makes of the answers, how much it reads at most. */
#include "core/cluster_watch.h"
#include "world.h"

static int look(struct world *w, struct cluster_view *v)
{
    int r;
    while ((r = cluster_look(&w->asks, "west", v)) == -EAGAIN) {
        assert_true(w->rounds < 30);
        world_round(w);
    }
    return r;
}

static void setup_world(struct world *w, struct cluster_view *v)
{
    world_init(w, "Deployment", "api", NULL);
    *v = (struct cluster_view){0};
    world_answer(w, "/readyz", "{'status': 200, 'text': 'ok'}");
}

static void test_counts_nodes_and_their_use(void **state)
{
    (void)state;
    struct world w;
    struct cluster_view v;
    setup_world(&w, &v);
    world_body(
        &w, "/api/v1/nodes?limit=500",
        "{'items': [{'spec': {}, 'status': {'allocatable': {'cpu': '2', 'memory': '4Gi', 'pods': '30'},"
        "  'conditions': [{'type': 'DiskPressure', 'status': 'True'}, {'type': 'Ready', 'status': 'True'}]}},"
        " {'spec': {'unschedulable': true}, 'status': {'allocatable': {'cpu': '2', 'memory': '4Gi', 'pods': '30'},"
        "  'conditions': [{'type': 'Ready', 'status': 'True'}]}},"
        " {'spec': {}, 'status': {'allocatable': {'pods': '1000'}, 'conditions': [{'type': 'Ready', 'status': "
        "'Unknown'}]}}]}");
    world_body(&w, "/api/v1/pods?limit=1", "{'items': [{}], 'metadata': {'remainingItemCount': 14}}");
    json_object_set_new(w.answers, "/apis/metrics.k8s.io/v1beta1/nodes",
                        json_pack("{s:i, s:s}", "status", 200, "text",
                                  "{\"items\": [{\"usage\": {\"cpu\": \"3000000000n\", \"memory\": \"1Gi\"}}]}"));
    assert_int_equal(look(&w, &v), 0);
    assert_int_equal(v.cause, CAUSE_NONE);
    assert_int_equal(v.nodes, 3);
    assert_int_equal(v.ready, 2);
    assert_int_equal(v.schedulable, 1);
    assert_int_equal(v.pods_percent, 25);
    assert_int_equal(v.cpu_percent, 75);
    assert_int_equal(v.memory_percent, 12);
    assert_int_equal(cluster_view_percent(&v), 75);
    cluster_view_clear(&v);
    world_clear(&w);
}

/* Nothing else is asked of an API server that is away or not ready. */
static void test_away(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum cluster_cause cause;
        const char *words;
    } cases[] = {
        {"{'error': 'refused', 'message': 'connection refused'}", CAUSE_UNREACHABLE, "connection refused (refused)"},
        {"{'error': 'local', 'message': 'no such file'}", CAUSE_UNREACHABLE, "no such file (local)"},
        {"{'status': 500, 'text': 'etcd failed'}", CAUSE_NOT_READY, "GET /readyz: HTTP 500"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct world w;
        struct cluster_view v;
        setup_world(&w, &v);
        world_answer(&w, "/readyz", cases[i].answer);
        assert_int_equal(look(&w, &v), 0);
        assert_int_equal(v.cause, cases[i].cause);
        assert_string_equal(v.words, cases[i].words);
        assert_int_equal(v.ready, -1);
        assert_int_equal(json_array_size(w.asked), 1);
        cluster_view_clear(&v);
        world_clear(&w);
    }
}

static void test_what_is_refused_is_only_not_known(void **state)
{
    (void)state;
    struct world w;
    struct cluster_view v;
    setup_world(&w, &v);
    world_answer(&w, "/readyz", "{'status': 401}");
    world_answer(&w, "/api/v1/nodes?limit=500", "{'status': 403, 'body': {'message': 'nodes is forbidden'}}");
    assert_int_equal(look(&w, &v), 0);
    assert_int_equal(v.cause, CAUSE_NONE);
    assert_int_equal(v.ready, -1);
    assert_non_null(strstr(v.unknown, "nodes is forbidden"));
    assert_int_equal(cluster_view_percent(&v), -1);
    cluster_view_clear(&v);
    world_clear(&w);
}

static void test_nobody_could_look(void **state)
{
    (void)state;
    static const char *const paths[] = {"/readyz", "/api/v1/nodes?limit=500"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct world w;
        struct cluster_view v;
        setup_world(&w, &v);
        world_answer(&w, paths[i], "{'error': 'cancelled'}");
        assert_int_equal(look(&w, &v), -ECANCELED);
        world_clear(&w);
    }
}

/* Page by page, each with the token of the one before; never more than ten. */
static void test_pages(void **state)
{
    (void)state;
    struct world w;
    struct cluster_view v;
    setup_world(&w, &v);
    const char *page = "{'items': [{'status': {'conditions': [{'type': 'Ready', 'status': 'True'}]}}],"
                       " 'metadata': {'continue': 'a/b=='}}";
    world_body(&w, "/api/v1/nodes?limit=500", page);
    world_body(&w, "/api/v1/nodes?limit=500&continue=a%2Fb%3D%3D", page);
    assert_int_equal(look(&w, &v), 0);
    assert_int_equal(v.nodes, 10);
    cluster_view_clear(&v);
    world_again(&w);
    world_body(&w, "/api/v1/nodes?limit=500&continue=a%2Fb%3D%3D",
               "{'items': [{'status': {'conditions': [{'type': 'Ready', 'status': 'True'}]}}], 'metadata': {}}");
    assert_int_equal(look(&w, &v), 0);
    assert_int_equal(v.nodes, 2);
    cluster_view_clear(&v);
    world_clear(&w);
}

/* A metrics server that is away, or says something else: its part is not known. */
static void test_without_metrics(void **state)
{
    (void)state;
    static const char *const answers[] = {"{'status': 404}", "{'status': 503, 'text': 'no endpoints'}",
                                          "{'status': 200, 'text': 'not json'}", "{'error': 'timeout'}"};
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        struct world w;
        struct cluster_view v;
        setup_world(&w, &v);
        world_body(&w, "/api/v1/nodes?limit=500",
                   "{'items': [{'status': {'allocatable': {'cpu': '2', 'pods': '10'}, 'conditions': [{'type': 'Ready', "
                   "'status': 'True'}]}}]}");
        world_body(&w, "/api/v1/pods?limit=1", "{'items': [], 'metadata': {}}");
        world_answer(&w, "/apis/metrics.k8s.io/v1beta1/nodes", answers[i]);
        assert_int_equal(look(&w, &v), 0);
        assert_int_equal(v.cpu_percent, -1);
        assert_int_equal(v.pods_percent, 0);
        cluster_view_clear(&v);
        world_clear(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_nodes_and_their_use),
        cmocka_unit_test(test_away),
        cmocka_unit_test(test_what_is_refused_is_only_not_known),
        cmocka_unit_test(test_nobody_could_look),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_without_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
