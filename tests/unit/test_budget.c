/* Budgets: what counts as which workload, windows, shares, claims, resets, and what is kept. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

enum { RUNS = 4 };

struct fixture {
    struct core core;
    struct settings settings;
    struct rate rates[2];
    struct playbook playbook;
    struct run runs[RUNS]; /* of Deployments d0 … in namespace shop of cluster prod */
    struct object_ref owners[RUNS][2];
    char *keys[RUNS][2];
};

static void own(struct fixture *f, size_t i, size_t k, const char *kind, const char *namespace, const char *name)
{
    f->owners[i][k] = (struct object_ref){
        .kind = (char *)(uintptr_t)kind, .namespace = (char *)(uintptr_t) namespace, .name = (char *)(uintptr_t)name};
    f->runs[i].target.owners = f->owners[i];
    f->runs[i].target.n_owners = f->runs[i].n_keys = k + 1;
    free(f->keys[i][k]);
    f->keys[i][k] = target_owner_key(&f->runs[i].target, k);
}

static int set_up(void **state)
{
    static const char *const names[RUNS] = {"d0", "d1", "d2", "d3"};
    struct fixture *f = xnew0(struct fixture);
    f->core.settings = &f->settings;
    f->core.now = (struct now){.wall_us = 100000 * USEC_PER_SEC, .boot_us = 500 * USEC_PER_SEC};
    f->rates[0] = (struct rate){2, 3600 * MSEC_PER_SEC};
    f->settings.default_cluster = (char *)"prod";
    f->settings.budgets = (struct budget_settings){.enabled = true};
    f->settings.budgets.global.workloads = f->rates;
    f->playbook = (struct playbook){.name = (char *)"p", .mode = MODE_AUTO};
    for (size_t i = 0; i < RUNS; i++) {
        struct run *r = &f->runs[i];
        *r = (struct run){.arrival = i, .playbook = &f->playbook, .keys = f->keys[i]};
        r->target = (struct target){.cluster = (char *)"prod", .namespace = (char *)"shop"};
        own(f, i, 0, "Deployment", "shop", names[i]);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < RUNS * 2; i++)
        free(f->keys[i / 2][i % 2]);
    budgets_free(&f->core);
    free(f);
    return 0;
}

static json_t *effect_of(const char *cluster, const char *kind, const char *namespace, const char *name)
{
    json_t *e = json_pack("{s:s, s:{s:s, s:s}}", "cluster", cluster, "object", "kind", kind, "name", name);
    if (namespace)
        json_set_text(json_object_get(e, "object"), "namespace", namespace);
    return e;
}

static void spend(struct fixture *f, size_t i, const char *kind, const char *name)
{
    _cleanup_json_ json_t *e = effect_of("prod", kind, "shop", name);
    budget_spend(&f->core, &f->runs[i], e);
}

static void pass_time(struct fixture *f, int64_t seconds)
{
    f->core.now.wall_us += seconds * USEC_PER_SEC;
    f->core.now.boot_us += seconds * USEC_PER_SEC;
}

static bool held(struct fixture *f, size_t i)
{
    int64_t until = 0;
    return budget_holds(&f->core, &f->runs[i], &until);
}

static bool is_spent(struct fixture *f, const char *key)
{
    struct spend *s = NULL;
    if (f->core.budgets)
        HASH_FIND_STR(f->core.budgets->spends, key, s);
    return s != NULL;
}

static void holds_until_as_many_have_left(void **state)
{
    struct fixture *f = *state;
    int64_t until = 0;
    spend(f, 0, "Pod", "d0-x");
    pass_time(f, 60);
    assert_false(held(f, 1));
    spend(f, 1, "Deployment", "d1");
    pass_time(f, 60);
    assert_true(budget_holds(&f->core, &f->runs[2], &until));
    assert_int_equal(until, f->core.now.boot_us + 3480 * USEC_PER_SEC); /* d0 leaves */
    assert_false(held(f, 0));                                           /* it is in the window already: free */
    spend(f, 0, "Pod", "d0-y");                                         /* and stays there from its last effect on */
    assert_true(budget_holds(&f->core, &f->runs[2], &until));
    assert_int_equal(until, f->core.now.boot_us + 3540 * USEC_PER_SEC); /* now d1 is the first to leave */
    own(f, 2, 1, "Deployment", "shop", "d2b");
    assert_true(budget_holds(&f->core, &f->runs[2], &until)); /* two workloads: both must have left */
    assert_int_equal(until, f->core.now.boot_us + 3600 * USEC_PER_SEC);
    pass_time(f, 3540);
    assert_true(held(f, 2));
    assert_false(held(f, 3));
    f->rates[0].count = 1;
    pass_time(f, 7200);
    assert_true(budget_holds(&f->core, &f->runs[2], &until)); /* two never fit into one */
    assert_int_equal(until, INT64_MAX);
}

static void an_effect_counts_for_what_it_touches(void **state)
{
    struct fixture *f = *state;
    spend(f, 0, "ConfigMap", "settings");
    assert_true(is_spent(f, "prod/Deployment/shop/d0"));
    spend(f, 0, "StatefulSet", "db");
    assert_true(is_spent(f, "prod/StatefulSet/shop/db"));
    assert_int_equal(HASH_COUNT(f->core.budgets->spends), 2);
    _cleanup_json_ json_t *node = effect_of("", "Node", NULL, "n1");
    budget_spend(&f->core, &f->runs[0], node);
    assert_true(is_spent(f, "prod/Node//n1"));
    _cleanup_json_ json_t *elsewhere = effect_of("backup", "ConfigMap", "shop", "settings");
    budget_spend(&f->core, &f->runs[0], elsewhere);
    assert_true(is_spent(f, "backup/ConfigMap/shop/settings"));
    _cleanup_json_ json_t *nameless = json_pack("{s:s}", "method", "POST");
    budget_spend(&f->core, &f->runs[1], nameless);
    assert_true(is_spent(f, "prod/Deployment/shop/d1"));
}

static void nodes_and_workloads_are_counted_apart(void **state)
{
    struct fixture *f = *state;
    f->rates[0].count = 1;
    f->settings.budgets.cluster.nodes = f->rates;
    own(f, 1, 0, "Node", NULL, "n1");
    own(f, 2, 0, "Node", NULL, "n2");
    spend(f, 1, "Pod", "x"); /* a pod that is evicted from the node */
    assert_true(is_spent(f, "prod/Node//n1"));
    assert_false(held(f, 0));
    assert_true(held(f, 2));
}

static void what_is_to_be_sent_decides_half_way(void **state)
{
    struct fixture *f = *state;
    f->rates[0].count = 1;
    spend(f, 0, "Deployment", "d0");
    _cleanup_json_ json_t *own_effect = effect_of("prod", "Deployment", "shop", "d0");
    f->runs[1].current = own_effect; /* d1's run touches d0, which is spent: free */
    assert_false(held(f, 1));
    f->runs[1].current = NULL;
    assert_true(held(f, 1));
}

static void scopes_have_budgets_of_their_own_and_are_reset_by_name(void **state)
{
    struct fixture *f = *state;
    f->rates[0].count = 1;
    f->settings.budgets.global.workloads = NULL;
    f->settings.budgets.cluster.workloads = f->settings.budgets.namespace.workloads = f->rates;
    f->owners[3][0].namespace = (char *)"bank";
    spend(f, 0, "Pod", "x");
    assert_true(held(f, 1));
    assert_true(held(f, 3)); /* by the cluster's */
    assert_false(budget_reset(&f->core, "namespace prod/bank"));
    assert_true(budget_reset(&f->core, "cluster prod"));
    assert_true(held(f, 1)); /* still by the namespace's */
    assert_false(held(f, 3));
    assert_true(budget_reset(&f->core, "namespace prod/shop"));
    assert_false(held(f, 1));
    spend(f, 0, "Pod", "x");
    assert_true(held(f, 1));
    assert_true(budget_reset(&f->core, NULL));
    assert_int_equal(HASH_COUNT(f->core.budgets->spends), 0);
}

/* ---- shares ---- */

static json_t *listing(int items, int rest)
{
    json_t *list = json_array(), *meta = json_object();
    for (int i = 0; i < items; i++)
        json_array_append_new(list, json_object());
    if (rest)
        json_set_text(meta, "continue", "token");
    if (rest > 0)
        json_object_set_new(meta, "remainingItemCount", json_integer(rest));
    return json_pack("{s:i, s:{s:o, s:o}}", "status", 200, "body", "metadata", meta, "items", list);
}

/* Answers every wanted question; daemonsets get `last`, a list that goes on without saying how far gets the whole. */
static void answer_all(struct askset *set, json_t *last_new)
{
    _cleanup_json_ json_t *wanted = json_copy(set->asks.wanted), *last = last_new;
    size_t i;
    json_t *q;
    json_array_foreach (wanted, i, q) {
        const char *path = json_text(q, "path");
        json_t *answer = strstr(path, "/daemonsets") && strchr(path, '?') ? json_incref(last)
                         : strchr(path, '?')                              ? listing(1, 1)
                                                                          : listing(4, 0);
        asks_answer(&set->asks, q, answer);
    }
}

static enum guard_answer guard(struct fixture *f, size_t i, struct askset *set, struct guard_result *ret)
{
    *ret = (struct guard_result){.until_us = INT64_MAX};
    return budget_guard(&f->core, &f->runs[i], set, ret);
}

static void a_share_is_asked_once_a_minute(void **state)
{
    struct fixture *f = *state;
    struct askset set;
    struct guard_result r;
    f->settings.budgets.global =
        (struct budget){.workloads_percent = 20, .window_ms = 3600 * MSEC_PER_SEC}; /* of 2 + 2 + 4: 1.6 */
    assert_false(held(f, 0));                                                       /* nothing is known yet */
    askset_open(&f->core, &set, INT64_MAX, false);
    assert_int_equal(guard(f, 0, &set, &r), GUARD_ASKING);
    assert_int_equal(json_array_size(set.asks.wanted), 3);
    answer_all(&set, listing(1, -1));
    assert_int_equal(guard(f, 0, &set, &r), GUARD_ASKING); /* the server does not say how many remain */
    assert_int_equal(json_array_size(set.asks.wanted), 1);
    answer_all(&set, NULL);
    assert_int_equal(guard(f, 0, &set, &r), GUARD_PASS);
    askset_close(&f->core, &f->runs[0], &set);
    spend(f, 0, "Pod", "x");
    assert_false(held(f, 1));
    spend(f, 1, "Pod", "x");
    assert_true(held(f, 2));
    askset_open(&f->core, &set, INT64_MAX, false);
    assert_int_equal(guard(f, 2, &set, &r), GUARD_WAIT); /* young enough: not asked again */
    assert_int_equal(r.reason, REASON_BUDGET);
    assert_non_null(strstr(r.message, "the budget \"global\" is spent: 2 workloads within 1h, 2 allowed by its share"));
    guard_result_clear(&r);
    pass_time(f, 61);
    assert_int_equal(guard(f, 2, &set, &r), GUARD_ASKING);
    assert_int_equal(guard(f, 0, &set, &r), GUARD_PASS); /* free: nothing to ask */
    askset_close(&f->core, &f->runs[0], &set);
}

static void a_share_that_cannot_be_told_stops(void **state)
{
    static const struct {
        const char *answer;
        enum reason reason;
        const char *words;
    } cases[] = {
        {"{\"status\": 403, \"body\": {\"message\": \"no\"}}", REASON_FORBIDDEN, "LIST daemonsets.apps in shop: forb"},
        {"{\"error\": \"refused\"}", REASON_ACTION_FAILED, "LIST daemonsets.apps in shop"},
        {"{\"status\": 500}", REASON_ACTION_FAILED, "HTTP 500"}};
    struct fixture *f = *state;
    f->settings.budgets.global.workloads = NULL;
    f->settings.budgets.namespace = (struct budget){.workloads_percent = 20, .window_ms = 3600 * MSEC_PER_SEC};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct askset set;
        struct guard_result r;
        askset_open(&f->core, &set, INT64_MAX, false);
        assert_int_equal(guard(f, 0, &set, &r), GUARD_ASKING);
        answer_all(&set, json_loads(cases[i].answer, 0, NULL));
        assert_int_equal(guard(f, 0, &set, &r), GUARD_FINAL);
        assert_int_equal(r.reason, cases[i].reason);
        assert_non_null(strstr(r.message, cases[i].words));
        guard_result_clear(&r);
        askset_close(&f->core, &f->runs[0], &set);
    }
}

/* ---- claims, exemptions, shadows ---- */

static void what_one_was_let_in_for_is_kept_for_it(void **state)
{
    struct fixture *f = *state;
    struct core *c = &f->core;
    f->rates[0].count = 1;
    budget_claim(c, &f->runs[0], true);
    budget_claim(c, &f->runs[1], true);
    assert_false(held(f, 0)); /* it came first */
    assert_true(held(f, 1));
    assert_true(held(f, 2));
    budget_claim(c, &f->runs[0], false);
    assert_false(held(f, 1));
    budget_claim(c, &f->runs[1], false);
    assert_false(held(f, 2));
    pass_time(f, 1);
    budget_claim(c, &f->runs[0], true);
    spend(f, 0, "Pod", "x");
    pass_time(f, 3601); /* still at work; what it was let in for is used and has left */
    assert_false(held(f, 2));
    budget_claim(c, &f->runs[0], false);
}

static void only_the_approved_are_exempt_and_are_counted(void **state)
{
    struct fixture *f = *state;
    struct playbook exempt = f->playbook;
    exempt.budget_exempt = true;
    f->rates[0].count = 1;
    spend(f, 0, "Pod", "x");
    f->runs[1].playbook = &exempt;
    assert_true(held(f, 1));
    f->runs[1].approved = true;
    assert_false(held(f, 1));
    f->runs[1].approved = false;
    exempt.mode = MODE_APPROVE; /* on its way to a person */
    assert_false(held(f, 1));
    spend(f, 1, "Pod", "y");
    assert_int_equal(HASH_COUNT(f->core.budgets->spends), 2);
}

static void shadows_count_for_shadows_only(void **state)
{
    struct fixture *f = *state;
    struct playbook plan = f->playbook;
    f->rates[0].count = 1;
    plan.mode = MODE_PLAN;
    f->runs[0].playbook = f->runs[1].playbook = &plan;
    budget_would_have_spent(&f->core, &f->runs[0]);
    assert_true(held(f, 1));
    assert_false(held(f, 2));
    _cleanup_json_ json_t *status = budgets_status_new(&f->core);
    assert_int_equal(json_int_or(json_array_get(status, 0), "used", -1), 0);
    spend(f, 2, "Pod", "x");
    assert_true(held(f, 1));
}

static void what_was_refused_is_given_back(void **state)
{
    struct fixture *f = *state;
    _cleanup_json_ json_t *e = effect_of("prod", "Pod", "shop", "x");
    f->rates[0].count = 1;
    budget_spend(&f->core, &f->runs[0], e);
    assert_true(held(f, 1));
    budget_answered(&f->core, &f->runs[0], e, true);
    assert_false(held(f, 1));
    assert_false(is_spent(f, "prod/Deployment/shop/d0"));
    budget_spend(&f->core, &f->runs[0], e);
    pass_time(f, 10);
    budget_answered(&f->core, &f->runs[0], e, false); /* counts from its answer on */
    pass_time(f, 3595);
    assert_true(held(f, 1));
    budget_spend(&f->core, &f->runs[0], e);
    budget_answered(&f->core, &f->runs[0], e, true); /* the one before stays */
    assert_true(held(f, 1));
    pass_time(f, 5);
    assert_false(held(f, 1));
}

/* ---- status, kept, time ---- */

static void shows_before_and_after_it_is_spent(void **state)
{
    struct fixture *f = *state;
    json_t *s = budgets_status_new(&f->core), *first = json_array_get(s, 0);
    assert_int_equal(json_array_size(s), 1);
    assert_string_equal(json_text(first, "scope"), "global");
    assert_string_equal(json_text(first, "limit"), "2/1h");
    assert_int_equal(json_int_or(first, "left", -1), 2);
    assert_true(json_is_null(json_object_get(first, "resets")));
    json_decref(s);
    f->settings.budgets.namespace = (struct budget){.workloads_percent = 10, .window_ms = 60 * MSEC_PER_SEC};
    spend(f, 0, "Pod", "x");
    s = budgets_status_new(&f->core);
    assert_int_equal(json_int_or(json_array_get(s, 0), "left", -1), 1);
    assert_string_equal(json_text(json_array_get(s, 0), "resets"), "1970-01-02T04:46:40.000000Z");
    assert_string_equal(json_text(json_array_get(s, 1), "scope"), "namespace prod/shop");
    assert_string_equal(json_text(json_array_get(s, 1), "limit"), "10%/1m");
    assert_true(json_is_null(json_object_get(json_array_get(s, 1), "left"))); /* nobody was asked yet */
    json_decref(s);
}

static void is_kept_and_read_back(void **state)
{
    struct fixture *f = *state;
    _cleanup_error_ struct error err = ERROR_NONE;
    f->rates[0].count = 1;
    spend(f, 0, "Pod", "x");
    assert_true(f->core.kept_dirty & 1U << KEPT_BUDGETS);
    _cleanup_json_ json_t *doc = budgets_doc_new(&f->core);
    budgets_free(&f->core);
    assert_false(held(f, 1));
    assert_int_equal(budgets_restore(&f->core, doc, &err), 0);
    assert_true(held(f, 1));
    _cleanup_json_ json_t *again = budgets_doc_new(&f->core);
    assert_true(json_equal(doc, again));
    json_set_text(json_array_get(json_object_get(doc, "spends"), 0), "spent", "yesterday");
    assert_int_equal(budgets_restore(&f->core, doc, &err), -EBADMSG);
}

static void clocks_give_nothing_back(void **state)
{
    struct fixture *f = *state;
    f->rates[0].count = 1;
    spend(f, 0, "Pod", "x");
    f->core.now.wall_us += 7200 * USEC_PER_SEC;
    budgets_shift(&f->core, 7200 * USEC_PER_SEC);
    assert_true(held(f, 1));
    f->core.now.wall_us -= 86400 * USEC_PER_SEC; /* set back while mendd was down: nobody could say so */
    budgets_prune(&f->core);
    pass_time(f, 3601);
    assert_false(held(f, 1));
    budgets_prune(&f->core);
    assert_int_equal(HASH_COUNT(f->core.budgets->spends), 0);
}

static void off_is_off(void **state)
{
    struct fixture *f = *state;
    f->settings.budgets.enabled = false;
    f->rates[0].count = 1;
    spend(f, 0, "Pod", "x");
    assert_null(f->core.budgets);
    assert_false(held(f, 1));
    assert_false(budget_reset(&f->core, NULL));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(holds_until_as_many_have_left),
                                       TEST(an_effect_counts_for_what_it_touches),
                                       TEST(nodes_and_workloads_are_counted_apart),
                                       TEST(what_is_to_be_sent_decides_half_way),
                                       TEST(scopes_have_budgets_of_their_own_and_are_reset_by_name),
                                       TEST(a_share_is_asked_once_a_minute),
                                       TEST(a_share_that_cannot_be_told_stops),
                                       TEST(what_one_was_let_in_for_is_kept_for_it),
                                       TEST(only_the_approved_are_exempt_and_are_counted),
                                       TEST(shadows_count_for_shadows_only),
                                       TEST(what_was_refused_is_given_back),
                                       TEST(shows_before_and_after_it_is_spent),
                                       TEST(is_kept_and_read_back),
                                       TEST(clocks_give_nothing_back),
                                       TEST(off_is_off)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
