/* Kinds and paths: the table, discovery of what moved, encoding of every part. */
#include "core/kinds.h"

#include "base/alloc.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void paths_are_encoded(void **state)
{
    (void)state;
    const struct kind *d = kind_known("Deployment"), *node = kind_known("Node");
    _cleanup_free_ char *object = kube_path(d, "shop", "api", "scale"), *all = kube_path(d, NULL, NULL, NULL),
                        *hostile = kube_path(d, "../../secrets", "a/b?c#d", NULL),
                        *cluster = kube_path(node, "shop", "n1", NULL);
    assert_string_equal(object, "/apis/apps/v1/namespaces/shop/deployments/api/scale");
    assert_string_equal(all, "/apis/apps/v1/deployments");
    assert_string_equal(hostile, "/apis/apps/v1/namespaces/..%2F..%2Fsecrets/deployments/a%2Fb%3Fc%23d");
    assert_string_equal(cluster, "/api/v1/nodes/n1");
    kube_path_query(&all, "labelSelector", "a=b,c in (d)");
    kube_path_query(&all, "limit", "5");
    assert_string_equal(all, "/apis/apps/v1/deployments?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5");
    assert_null(kind_known("deployment"));
    assert_null(kind_known(NULL));
}

static int find_cronjob(struct asks *a, struct kind *k, struct error *err)
{
    return kind_find(a, "prod", NULL, "CronJob", k, err);
}

static void the_table_asks_nothing(void **state)
{
    (void)state;
    struct asks a;
    struct kind k;
    _cleanup_error_ struct error err = ERROR_NONE;
    asks_init(&a);
    assert_int_equal(kind_find(&a, "prod", "apps/v1", "Deployment", &k, &err), 0);
    assert_string_equal(k.plural, "deployments");
    assert_int_equal(json_array_size(a.wanted), 0);
    assert_true(kind_find(&a, "prod", NULL, "", &k, &err) < 0);
    assert_true(kind_find(&a, "prod", NULL, "Databse", &k, &err) < 0);
    assert_true(kind_find(&a, "prod", "../v1", "X", &k, &err) < 0);
    assert_int_equal(json_array_size(a.wanted), 0); /* a hostile apiVersion never becomes a path */
    asks_clear(&a);
}

static void an_older_server_is_asked_for_the_older_version(void **state)
{
    (void)state;
    struct asks a;
    struct kind k;
    _cleanup_error_ struct error err = ERROR_NONE;
    asks_init(&a);
    assert_int_equal(find_cronjob(&a, &k, &err), -EAGAIN);
    asks_answer(&a, json_array_get(a.wanted, 0), json_pack("{s:i}", "status", 404));
    assert_int_equal(find_cronjob(&a, &k, &err), -EAGAIN);
    assert_string_equal(json_text(json_array_get(a.wanted, 0), "path"), "/apis/batch/v1beta1");
    asks_answer(&a, json_array_get(a.wanted, 0),
                json_pack("{s:i, s:{s:[{s:s,s:s,s:b},{s:s,s:s,s:b}]}}", "status", 200, "body", "resources", "name",
                          "cronjobs/status", "kind", "CronJob", "namespaced", 1, "name", "cronjobs", "kind", "CronJob",
                          "namespaced", 1));
    assert_int_equal(find_cronjob(&a, &k, &err), 0);
    assert_string_equal(k.version, "v1beta1");
    assert_string_equal(k.plural, "cronjobs");
    assert_true(k.namespaced);
    asks_clear(&a);
}

static void a_forbidden_discovery_says_so(void **state)
{
    (void)state;
    struct asks a;
    struct kind k;
    _cleanup_error_ struct error err = ERROR_NONE;
    asks_init(&a);
    assert_int_equal(kind_find(&a, "prod", "x.io/v1", "Thing", &k, &err), -EAGAIN);
    asks_answer(&a, json_array_get(a.wanted, 0), json_pack("{s:i}", "status", 403));
    assert_int_equal(kind_find(&a, "prod", "x.io/v1", "Thing", &k, &err), -EACCES);
    assert_non_null(strstr(error_message(&err), "x.io/v1"));
    asks_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(paths_are_encoded), cmocka_unit_test(the_table_asks_nothing),
                                       cmocka_unit_test(an_older_server_is_asked_for_the_older_version),
                                       cmocka_unit_test(a_forbidden_discovery_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
