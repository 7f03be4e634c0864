/* From an alert to the workloads that are meant: what is asked, what is found, what is refused. */
#include "base/alloc.h"
#include "core/kinds.h"
#include "core/playbook.h"
#include "core/target.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A world: {path: body}; what is not there is 404. Counts the questions. */
struct world {
    json_t *objects, *labels, *vars;
    size_t asked;
};

static const char objects[] =
    "{\"/apis/apps/v1/namespaces/shop/deployments/"
    "api\":{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"api\",\"namespace\":\"shop\","
    "\"uid\":\"d1\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"api\"}}}},"
    "\"/apis/apps/v1/namespaces/shop/replicasets/"
    "api-1\":{\"metadata\":{\"name\":\"api-1\",\"namespace\":\"shop\",\"uid\":\"r1\","
    "\"ownerReferences\":[{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"Deployment\",\"name\":\"api\",\"uid\":\"d1\",\"controller\":true}]}},"
    "\"/api/v1/namespaces/shop/pods/"
    "api-1-x\":{\"metadata\":{\"name\":\"api-1-x\",\"namespace\":\"shop\",\"uid\":\"p1\","
    "\"ownerReferences\":[{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"ReplicaSet\",\"name\":\"api-1\",\"uid\":\"r1\",\"controller\":true}]}},"
    "\"/api/v1/namespaces/shop/pods/lone\":{\"metadata\":{\"name\":\"lone\",\"namespace\":\"shop\",\"uid\":\"p9\"}},"
    "\"/api/v1/namespaces/shop/pods/orphan\":{\"metadata\":{\"name\":\"orphan\",\"namespace\":\"shop\",\"uid\":\"p8\","
    "\"ownerReferences\":[{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"ReplicaSet\",\"name\":\"gone\",\"uid\":\"r0\",\"controller\":true}]}},"
    "\"/apis/apps/v1/namespaces/shop/statefulsets/"
    "pg\":{\"metadata\":{\"name\":\"pg\",\"namespace\":\"shop\",\"uid\":\"s1\","
    "\"ownerReferences\":[{\"apiVersion\":\"postgresql.cnpg.io/"
    "v1\",\"kind\":\"Cluster\",\"name\":\"pg\",\"uid\":\"c1\",\"controller\":true}]}},"
    "\"/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi\":{\"items\":["
    "{\"metadata\":{\"name\":\"api-1-x\",\"namespace\":\"shop\",\"uid\":\"p1\",\"ownerReferences\":[{\"kind\":"
    "\"ReplicaSet\","
    "\"apiVersion\":\"apps/v1\",\"name\":\"api-1\",\"uid\":\"r1\",\"controller\":true}]}},"
    "{\"metadata\":{\"name\":\"api-1-y\",\"namespace\":\"shop\",\"uid\":\"p2\",\"ownerReferences\":[{\"kind\":"
    "\"ReplicaSet\","
    "\"apiVersion\":\"apps/v1\",\"name\":\"api-1\",\"uid\":\"r1\",\"controller\":true}]}},"
    "{\"metadata\":{\"name\":\"alone\",\"namespace\":\"shop\",\"uid\":\"p3\"}}]},"
    "\"/apis/apps/v1/namespaces/shop/deployments?labelSelector=tier%3Dweb\":{\"items\":["
    "{\"metadata\":{\"name\":\"b\",\"namespace\":\"shop\",\"uid\":\"2\"}},{\"metadata\":{\"name\":\"a\",\"namespace\":"
    "\"shop\",\"uid\":\"1\"}}]},"
    "\"/api/v1/nodes/node-1\":{\"metadata\":{\"name\":\"node-1\",\"uid\":\"n1\"}}}";

static int setup(void **state)
{
    struct world *w = xnew0(struct world);
    w->objects = json_loads(objects, 0, NULL);
    assert_non_null(w->objects);
    w->labels = json_pack("{s:s}", "namespace", "shop");
    w->vars = json_pack("{s:s}", "name", "api");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    json_decref(w->objects);
    json_decref(w->labels);
    json_decref(w->vars);
    free(w);
    return 0;
}

static void answer_all(struct world *w, struct asks *a)
{
    _cleanup_json_ json_t *wanted = json_deep_copy(a->wanted);
    size_t i;
    json_t *q;
    json_array_foreach (wanted, i, q) {
        json_t *body = json_object_get(w->objects, json_text(q, "path"));
        w->asked++;
        if (json_is_integer(body))
            asks_answer(a, q, json_pack("{s:O, s:{s:s}}", "status", body, "body", "message", "no"));
        else if (body)
            asks_answer(a, q, json_pack("{s:i, s:O}", "status", 200, "body", body));
        else
            asks_answer(a, q, json_pack("{s:i, s:{s:s}}", "status", 404, "body", "message", "not found"));
    }
}

static int resolve(struct world *w, struct target_spec spec, struct target *t, struct error *err)
{
    struct asks a;
    asks_init(&a);
    const struct template_vars v = {.labels = w->labels, .vars = w->vars};
    int r;
    for (int round = 0; (r = target_resolve(&spec, "prod", &v, 10, &a, t, err)) == -EAGAIN; round++) {
        assert_true(round < 10);
        assert_true(json_array_size(a.wanted) > 0);
        answer_all(w, &a);
    }
    asks_clear(&a);
    return r;
}

static void expect_owner(struct world *w, struct target_spec spec, const char *key, size_t asked)
{
    struct target t = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    if (resolve(w, spec, &t, &err) < 0)
        fail_msg("%s", error_message(&err));
    assert_int_equal(t.n_owners, 1);
    _cleanup_free_ char *have = target_owner_key(&t, 0);
    assert_string_equal(have, key);
    assert_int_equal(w->asked, asked);
    _cleanup_json_ json_t *j = target_to_json(&t);
    struct target again;
    target_from_json(j, &again);
    _cleanup_json_ json_t *j2 = target_to_json(&again);
    assert_true(json_equal(j, j2));
    target_clear(&again);
    target_clear(&t);
}

static void expect_refused(struct world *w, struct target_spec spec, int code, const char *words)
{
    struct target t = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = resolve(w, spec, &t, &err);
    if (r != code || !strstr(error_message(&err), words))
        fail_msg("%d '%s', expected %d '%s'", r, error_message(&err), code, words);
}

#define NS .namespace = (char *)"{{ labels.namespace }}"

static void a_deployment_by_name_costs_one_get(void **state)
{
    expect_owner(*state, (struct target_spec){.kind = (char *)"Deployment", NS, .name = (char *)"{{ vars.name }}"},
                 "prod/Deployment/shop/api", 1);
}

static void a_pod_leads_to_its_deployment(void **state)
{
    expect_owner(*state, (struct target_spec){.kind = (char *)"Pod", NS, .name = (char *)"api-1-x"},
                 "prod/Deployment/shop/api", 3);
}

static void a_pod_without_controller_stands_for_itself(void **state)
{
    expect_owner(*state, (struct target_spec){.kind = (char *)"Pod", NS, .name = (char *)"lone"}, "prod/Pod/shop/lone",
                 1);
}

static void a_pod_whose_controller_is_gone_stands_for_itself(void **state)
{
    expect_owner(*state, (struct target_spec){.kind = (char *)"Pod", NS, .name = (char *)"orphan"},
                 "prod/Pod/shop/orphan", 2);
}

static void a_custom_resource_is_noted(void **state)
{
    struct target t = {0};
    assert_int_equal(
        resolve(*state, (struct target_spec){.kind = (char *)"StatefulSet", NS, .name = (char *)"pg"}, &t, NULL), 0);
    assert_string_equal(t.custom_owner, "Cluster shop/pg");
    assert_string_equal(t.owners[0].name, "pg");
    target_clear(&t);
}

static void pods_by_selector_give_distinct_owners_in_name_order(void **state)
{
    struct world *w = *state;
    struct target t = {0};
    assert_int_equal(
        resolve(w, (struct target_spec){.kind = (char *)"Pod", NS, .selector = (char *)"app=api"}, &t, NULL), 0);
    assert_int_equal(t.n_owners, 2);
    assert_string_equal(t.owners[0].name, "alone");
    assert_string_equal(t.owners[1].name, "api");
    assert_int_equal(w->asked, 3); /* the list, the ReplicaSet once, the Deployment once */
    target_clear(&t);
}

static void workloads_by_selector_in_name_order(void **state)
{
    struct target t = {0};
    assert_int_equal(resolve(*state,
                             (struct target_spec){.kind = (char *)"Deployment", NS, .selector = (char *)"tier=web"}, &t,
                             NULL),
                     0);
    assert_int_equal(t.n_owners, 2);
    assert_string_equal(t.owners[0].name, "a");
    target_clear(&t);
}

static void a_node_has_no_namespace(void **state)
{
    expect_owner(*state, (struct target_spec){.kind = (char *)"Node", .name = (char *)"node-1"}, "prod/Node//node-1",
                 1);
}

static void the_selector_comes_from_the_workload(void **state)
{
    struct target t = {0};
    assert_int_equal(
        resolve(*state, (struct target_spec){.kind = (char *)"Pod", NS, .name = (char *)"api-1-x"}, &t, NULL), 0);
    assert_string_equal(t.selector, "app=api");
    target_clear(&t);
}

static void empty_values_are_no_target(void **state)
{
    struct world *w = *state;
    expect_refused(w, (struct target_spec){.kind = (char *)"Deployment", NS, .name = (char *)"{{ labels.deployment }}"},
                   -ENOENT, "comes out empty");
    assert_int_equal(w->asked, 0);
}

static void hostile_names_never_reach_a_path(void **state)
{
    static const char *const names[] = {"../../nodes", "a/b", "a;b", "a b", "A", "a\nb", "a%2f", "-a"};
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        json_object_set_new(w->labels, "x", json_string(names[i]));
        expect_refused(w, (struct target_spec){.kind = (char *)"Deployment", NS, .name = (char *)"{{ labels.x }}"},
                       -ENOENT, "is no name of an object");
        expect_refused(w,
                       (struct target_spec){
                           .kind = (char *)"Deployment", .namespace = (char *)"{{ labels.x }}", .name = (char *)"a"},
                       -ENOENT, "is no name of a namespace");
    }
    assert_int_equal(w->asked, 0);
}

static void a_label_cannot_add_to_a_selector(void **state)
{
    static const char *const values[] = {"", "a,tier in (x,y)", "a,b=c", "a)", "a b", "!a"};
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        json_object_set_new(w->labels, "app", json_string(values[i]));
        expect_refused(w, (struct target_spec){.kind = (char *)"Pod", NS, .selector = (char *)"app={{ labels.app }}"},
                       -ENOENT, "selector");
    }
    assert_int_equal(w->asked, 0);
}

static void what_does_not_exist_is_no_target(void **state)
{
    expect_refused(*state, (struct target_spec){.kind = (char *)"Deployment", NS, .name = (char *)"nope"}, -ENOENT,
                   "there is no Deployment shop/nope");
    expect_refused(*state, (struct target_spec){.kind = (char *)"Pod", NS, .selector = (char *)"app=nope"}, -ENOENT,
                   "not found");
}

static void forbidden_says_verb_and_resource(void **state)
{
    struct world *w = *state;
    json_object_set_new(w->objects, "/apis/apps/v1/namespaces/shop/deployments/api", json_integer(403));
    expect_refused(w, (struct target_spec){.kind = (char *)"Deployment", NS, .name = (char *)"api"}, -EACCES,
                   "GET deployments.apps \"api\" in shop");
}

static void more_pods_than_allowed_are_refused_whole(void **state)
{
    struct world *w = *state;
    json_t *items = json_path(w->objects, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi", "items", NULL);
    while (json_array_size(items) < 11)
        json_array_append_new(items, json_pack("{s:{s:s}}", "metadata", "name", "p"));
    expect_refused(w, (struct target_spec){.kind = (char *)"Pod", NS, .selector = (char *)"app=api"}, -E2BIG,
                   "limits.pods allows 10");
}

static void the_exporter_is_not_the_sick_pod(void **state)
{
    struct world *w = *state;
    json_object_set_new(w->labels, "pod", json_string("exporter-x"));
    json_object_set_new(w->labels, "exported_pod", json_string("api-1-x"));
    expect_refused(w, (struct target_spec){.kind = (char *)"Pod", NS, .name = (char *)"{{ labels.pod }}"}, -ENOENT,
                   "labels.exported_pod");
    json_object_del(w->labels, "exported_pod");
    json_object_set_new(w->labels, "container", json_string("kube-state-metrics"));
    expect_refused(w, (struct target_spec){.kind = (char *)"Pod", NS, .name = (char *)"{{ labels.pod }}"}, -ENOENT,
                   "kube-state-metrics");
}

static void paths_are_encoded(void **state _unused_)
{
    const struct kind *k = kind_known("Deployment");
    _cleanup_free_ char *path = kube_path(k, "a/b", "../c d", "scale");
    assert_string_equal(path, "/apis/apps/v1/namespaces/a%2Fb/deployments/..%2Fc%20d/scale");
    kube_path_query(&path, "labelSelector", "a=b&c");
    assert_true(strstr(path, "?labelSelector=a%3Db%26c"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_deployment_by_name_costs_one_get),
        T(a_pod_leads_to_its_deployment),
        T(a_pod_without_controller_stands_for_itself),
        T(a_pod_whose_controller_is_gone_stands_for_itself),
        T(a_custom_resource_is_noted),
        T(pods_by_selector_give_distinct_owners_in_name_order),
        T(workloads_by_selector_in_name_order),
        T(a_node_has_no_namespace),
        T(the_selector_comes_from_the_workload),
        T(empty_values_are_no_target),
        T(hostile_names_never_reach_a_path),
        T(a_label_cannot_add_to_a_selector),
        T(what_does_not_exist_is_no_target),
        T(forbidden_says_verb_and_resource),
        T(more_pods_than_allowed_are_refused_whole),
        T(the_exporter_is_not_the_sick_pod),
        T(paths_are_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
