/* What playbooks need, told from their text: verbs, namespaces, names, modes, budgets; nothing wider than it must be.
 */
#include "actions/registry.h"
#include "base/alloc.h"
#include "base/text.h"
#include "checks/registry.h"
#include "config/config.h"
#include "core/rights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct loaded {
    struct config *config;
    struct playbook_table *table;
    struct settings settings;
    struct rights rights;
};

static char *write_file(const char *name, const char *text)
{
    char *path = xasprintf("/tmp/mendd-test-rights-%d-%s", getpid(), name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static bool with_events; /* what their rights add would hide the others */

static void load(const char *config, const char *playbooks, struct loaded *l)
{
    static const struct registry registry = {all_actions, all_checks};
    _cleanup_(faults_clear) struct faults faults = {0};
    _cleanup_free_ char *config_path = config ? write_file("config.yaml", config) : NULL;
    _cleanup_free_ char *path = write_file("playbooks.yaml", playbooks);
    const char *const paths[] = {path, NULL};
    *l = (struct loaded){0};
    config_load(config_path, &l->config, &faults);
    if (l->config)
        playbooks_load(paths, l->config, &registry, &l->table, &faults);
    unlink(path);
    if (config_path)
        unlink(config_path);
    if (faults.n)
        fail_msg("%s", faults.texts[0]);
    settings_from_config(l->config, l->table, &l->settings);
    l->settings.events = with_events;
    rights_of_table(&l->settings, &l->rights);
}

static void unload(struct loaded *l)
{
    rights_clear(&l->rights);
    playbook_table_free(l->table);
    config_free(l->config);
}

/* One line a right: "namespace group/resource name verb", "*" for all of them and "-" for none. */
static char *lines_new(const struct rights *r)
{
    struct strbuf b = STRBUF_INIT;
    for (size_t i = 0; i < r->n; i++) {
        const struct right *x = &r->items[i];
        strbuf_printf(&b, "%s %s/%s %s %s\n",
                      x->namespace    ? x->namespace
                      : x->namespaced ? "*"
                                      : "-",
                      x->group, x->resource, x->name ? x->name : "*", x->verb);
    }
    return strbuf_take(&b);
}

static void expect(const char *config, const char *playbooks, const char *lines)
{
    struct loaded l;
    load(config, playbooks, &l);
    _cleanup_free_ char *have = lines_new(&l.rights);
    if (l.rights.n_faults)
        fail_msg("%s", l.rights.faults[0]);
    assert_string_equal(have, lines);
    unload(&l);
}

#define RESTART(matchers, target)                                                                                      \
    "playbooks:\n- name: a\n  matchers: ['alertname=\"A\"'" matchers "]\n  target: " target                            \
    "\n  vars: {n: shop}\n  steps: [{action: rollout.restart}]\n"                                                      \
    "  verify: {checks: [{check: rollout.complete}]}\n"
#define AUTO "  mode: auto\n"

/* ---- namespaces and names ---- */

static void fixed(void **state)
{
    (void)state;
    expect(NULL, RESTART("", "{kind: Deployment, namespace: '{{ vars.n }}', name: api}") AUTO,
           "shop /namespaces shop get\n"
           "shop apps/deployments api get\n"
           "shop apps/deployments api patch\n");
}

#define OF_LABELS "{kind: Deployment, namespace: '{{ labels.namespace }}', name: '{{ labels.deployment }}'}"

static void any_namespace(void **state)
{
    (void)state;
    expect(NULL, RESTART(", 'namespace=~\".+\"', 'namespace!~\"kube-.*\"'", OF_LABELS) AUTO,
           "- /namespaces * get\n* apps/deployments * get\n* apps/deployments * patch\n");
}

/* A regex that is a list, less what another matcher takes away; a dot is only one where it is escaped. */
static void alternatives(void **state)
{
    static const char one[] = "pay /namespaces pay get\npay apps/deployments * get\npay apps/deployments * patch\n";
    (void)state;
    expect(NULL, RESTART(", 'namespace=~\"shop|pay\"', 'namespace!=\"shop\"'", OF_LABELS) AUTO, one);
    expect(NULL, RESTART(", 'namespace=~\"(?:pay)\"'", OF_LABELS) AUTO, one);
    expect(NULL, RESTART(", 'namespace=\"pay\"'", OF_LABELS) AUTO, one);
    expect(NULL, RESTART(", 'namespace=~\"pay|sh.p\"'", OF_LABELS) AUTO,
           "- /namespaces * get\n* apps/deployments * get\n* apps/deployments * patch\n");
}

/* A label that may be missing falls back to the var. */
static void fallback(void **state)
{
    (void)state;
    expect(NULL,
           RESTART(", 'namespace=~\"|pay\"'",
                   "{kind: Deployment, namespace: '{{ labels.namespace | default: vars.n }}', name: api}") AUTO,
           "pay /namespaces pay get\npay apps/deployments api get\npay apps/deployments api patch\n"
           "shop /namespaces shop get\nshop apps/deployments api get\nshop apps/deployments api patch\n");
}

static void by_selector(void **state)
{
    (void)state;
    expect(NULL, RESTART("", "{kind: StatefulSet, namespace: db, selector: app=x}") AUTO,
           "db /namespaces db get\ndb apps/statefulsets * get\ndb apps/statefulsets * list\n"
           "db apps/statefulsets * patch\n");
}

/* ---- modes ---- */

static void modes(void **state)
{
#define TARGET "{kind: Deployment, namespace: shop, name: api}"
    (void)state;
    expect(NULL, RESTART("", TARGET) "  mode: observe\n", "shop apps/deployments api get\n");
    expect(NULL, RESTART("", TARGET) "  mode: plan\n", "shop /namespaces shop get\nshop apps/deployments api get\n");
    expect("clusters: [{name: prod}]\nprotected_namespaces: [sh*]\n", RESTART("", TARGET) AUTO,
           "shop /namespaces shop get\nshop apps/deployments api get\n");
    expect("clusters: [{name: prod}]\nprotected_namespaces: [sh*]\n", RESTART("", TARGET) AUTO "  protected: allow\n",
           "shop /namespaces shop get\nshop apps/deployments api get\nshop apps/deployments api patch\n");
    expect(NULL, "playbooks: [{name: i, matchers: ['a=\"b\"'], decision: ignore, reason: known}]\n", "");
}

/* A pod's controller may be any of these; who is restarted is one of three. */
static void above_a_pod(void **state)
{
    struct loaded l;
    (void)state;
    load(NULL, RESTART("", "{kind: Pod, namespace: shop, name: '{{ labels.pod }}'}") AUTO, &l);
    _cleanup_free_ char *have = lines_new(&l.rights);
    static const char *const wanted[] = {"shop /pods * get\n",
                                         "shop apps/replicasets * get\n",
                                         "shop batch/cronjobs * get\n",
                                         "shop apps/daemonsets * patch\n",
                                         "shop apps/deployments * patch\n",
                                         "shop apps/statefulsets * patch\n"};
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (!strstr(have, wanted[i]))
            fail_msg("%s is not in\n%s", wanted[i], have);
    assert_null(strstr(have, "replicasets * patch"));
    assert_null(strstr(have, "pods * patch"));
    unload(&l);
}

/* ---- the core's own ---- */

static void budgets(void **state)
{
    (void)state;
    expect(
        "clusters: [{name: prod}]\nbudgets: {enabled: true, workloads: 5/1h, per_namespace: {workloads_percent: 30}}\n",
        RESTART("", TARGET) "  mode: observe\n",
        "shop apps/daemonsets * list\nshop apps/deployments * list\nshop apps/deployments api get\n"
        "shop apps/statefulsets * list\n");
    expect("clusters: [{name: prod}]\nbudgets: {enabled: true, nodes_percent: 30}\n",
           "playbooks:\n- name: n\n  matchers: ['a=\"b\"']\n  target: {kind: Node, name: n1}\n  mode: observe\n"
           "  steps: [{action: node.cordon}]\n",
           "- /nodes * list\n- /nodes n1 get\n");
}

/* On what is changed and on the target; of what is in no namespace they are in "default". */
static void events(void **state)
{
    (void)state;
    with_events = true;
    expect(NULL, RESTART("", TARGET) AUTO,
           "shop /events * create\nshop /events * patch\nshop /namespaces shop get\n"
           "shop apps/deployments api get\nshop apps/deployments api patch\n");
    expect(NULL, RESTART("", TARGET) "  mode: plan\n", "shop /namespaces shop get\nshop apps/deployments api get\n");
    expect(NULL,
           "playbooks:\n- name: n\n  matchers: ['a=\"b\"']\n  target: {kind: Node, name: n1}\n  mode: approve\n"
           "  steps: [{action: node.uncordon}]\n",
           "- /nodes n1 get\n- /nodes n1 patch\ndefault /events * create\ndefault /events * patch\n");
    with_events = false;
}

static void watch(void **state)
{
    (void)state;
    expect("clusters: [{name: prod, watch: {}}]\n",
           "playbooks: [{name: i, matchers: ['a=\"b\"'], decision: ignore, reason: known}]\n",
           "- /nodes * list\n* /pods * list\n- metrics.k8s.io/nodes * list\n");
}

/* ---- kinds ---- */

static void kinds(void **state)
{
    static const struct {
        const char *version, *kind, *resource;
        bool namespaced, guessed;
    } cases[] = {
        {NULL, "Endpoints", "/endpoints", true, false},
        {"v1", "Node", "/nodes", false, false},
        {NULL, "CronJob", "batch/cronjobs", true, false},
        {"batch/v1beta1", "CronJob", "batch/cronjobs", true, false},
        {"networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/ingresses", true, false},
        {"rbac.authorization.k8s.io/v1", "ClusterRole", "rbac.authorization.k8s.io/clusterroles", false, false},
        {"gateway.networking.k8s.io/v1", "Gateway", "gateway.networking.k8s.io/gateways", true, true},
        {"cilium.io/v2", "CiliumNetworkPolicy", "cilium.io/ciliumnetworkpolicies", true, true},
        {"x.io/v1", "Box", "x.io/boxes", true, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kind k;
        bool guessed;
        assert_int_equal(kind_offline(cases[i].version, cases[i].kind, &k, &guessed, NULL), 0);
        _cleanup_free_ char *resource = xasprintf("%s/%s", k.group, k.plural);
        assert_string_equal(resource, cases[i].resource);
        assert_int_equal(k.namespaced, cases[i].namespaced);
        assert_int_equal(guessed, cases[i].guessed);
    }
    struct kind k;
    bool guessed;
    assert_true(kind_offline(NULL, "Widget", &k, &guessed, NULL) < 0);
    assert_true(kind_offline("../v1", "Widget", &k, &guessed, NULL) < 0);
}

static void kind_of_the_alert(void **state)
{
    struct loaded l;
    (void)state;
    load(NULL, RESTART("", "{kind: '{{ labels.kind }}', namespace: shop, name: api}") AUTO, &l);
    assert_true(l.rights.n_faults > 0);
    assert_non_null(strstr(l.rights.faults[0], "playbook a, its target: its kind comes from the alert"));
    unload(&l);
    load(NULL,
         RESTART(", 'kind=~\"Deployment|DaemonSet\"'", "{kind: '{{ labels.kind }}', namespace: shop, name: api}") AUTO,
         &l);
    _cleanup_free_ char *have = lines_new(&l.rights);
    assert_int_equal(l.rights.n_faults, 0);
    assert_non_null(strstr(have, "shop apps/daemonsets api patch\nshop apps/deployments api get\n"));
    unload(&l);
}

/* ---- one within another ---- */

static void covered(void **state)
{
    struct loaded l;
    (void)state;
    load(NULL,
         RESTART("", TARGET) AUTO "- name: b\n  matchers: ['alertname=\"B\"']\n  target: {kind: Deployment, namespace: "
                                  "'{{ labels.x }}', name: api}\n"
                                  "  steps: [{action: scale, with: {replicas: 2}}]\n  mode: plan\n",
         &l);
    _cleanup_free_ char *have = lines_new(&l.rights);
    assert_string_equal(have, "- /namespaces * get\n"
                              "* apps/deployments api get\n"
                              "* apps/deployments/scale api get\n"
                              "* autoscaling/horizontalpodautoscalers * list\n"
                              "shop apps/deployments api patch\n");
    assert_int_equal(l.rights.items[1].n_whys, 5); /* what the wider one took over is still told */
    assert_string_equal(l.rights.items[1].whys[0], "playbook a, check rollout.complete");
    unload(&l);
}

/* ---- clusters ---- */

static void clusters(void **state)
{
    struct loaded l;
    struct rights one;
    (void)state;
    load("clusters: [{name: prod}, {name: spare}]\n",
         RESTART("", TARGET) "  mode: observe\n"
                             "- name: b\n  matchers: ['a=\"B\"']\n  target: {kind: Node, name: n1, cluster: spare}\n  "
                             "mode: observe\n"
                             "  steps: [{action: wait, with: {duration: 1s}}]\n"
                             "- name: c\n  matchers: ['a=\"C\"']\n  target: {kind: Node, name: n2, cluster: '{{ "
                             "labels.cluster }}'}\n"
                             "  mode: observe\n  steps: [{action: wait, with: {duration: 1s}}]\n",
         &l);
    rights_of_cluster(&l.rights, "prod", &one);
    _cleanup_free_ char *prod = lines_new(&one);
    assert_string_equal(prod, "- /nodes n2 get\nshop apps/deployments api get\n");
    rights_clear(&one);
    rights_of_cluster(&l.rights, "spare", &one);
    _cleanup_free_ char *spare = lines_new(&one);
    assert_string_equal(spare, "- /nodes n1 get\n- /nodes n2 get\n");
    rights_clear(&one);
    unload(&l);
}

/* Every action and check that asks the API server says so; the others are known by name. */
static void all_declared(void **state)
{
    static const char *const without[] = {
        "cluster.read",  "command.run", "http.read",      "http.request", "notify",        "promql.query",
        "redis.command", "redis.read",  "silence.create", "wait",         "alert.cleared", "cluster.active",
        "dns",           "promql",      "redis",          "tcp",          "tls",           NULL};
    (void)state;
    for (size_t i = 0; all_actions[i]; i++)
        assert_int_equal(all_actions[i]->rights == NULL, str_in(all_actions[i]->name, without));
    for (size_t i = 0; all_checks[i]; i++)
        assert_int_equal(all_checks[i]->rights == NULL, str_in(all_checks[i]->name, without));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed),       cmocka_unit_test(any_namespace), cmocka_unit_test(alternatives),
        cmocka_unit_test(fallback),    cmocka_unit_test(by_selector),   cmocka_unit_test(modes),
        cmocka_unit_test(above_a_pod), cmocka_unit_test(budgets),       cmocka_unit_test(events),
        cmocka_unit_test(watch),       cmocka_unit_test(kinds),         cmocka_unit_test(kind_of_the_alert),
        cmocka_unit_test(covered),     cmocka_unit_test(clusters),      cmocka_unit_test(all_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
