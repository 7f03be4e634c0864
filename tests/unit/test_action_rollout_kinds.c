/* rollout.restart and rollout.undo beyond the one Deployment: other kinds, several owners, revisions by number and age.
 */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_rollout_restart, action_rollout_undo;
#define APPS "/apis/apps/v1/namespaces/shop/"

static void restarts(const char *kind, const char *plural)
{
    struct world w;
    struct action_plan plan = {0};
    _cleanup_free_ char *path = xasprintf(APPS "%s/x", plural),
                        *want = xasprintf("{'path':'%s','read':'%s','key':'run/0/1/%s.x','object':{'apiVersion':"
                                          "'apps/v1','kind':'%s','name':'x','namespace':'shop','uid':'u1'}}",
                                          path, path, kind, kind);
    world_init(&w, kind, "x", "app=x");
    world_body(&w, path, "{'metadata':{'name':'x','uid':'u1'},'spec':{'template':{}}}");
    world_expect(&w, &action_rollout_restart, NULL, 0, "restart ", &plan);
    assert_effect(&plan, 0, want);
    action_plan_clear(&plan);
    world_body(&w, path, "{'metadata':{'name':'x','uid':'u1'},'spec':{'updateStrategy':{'type':'OnDelete'}}}");
    world_expect(&w, &action_rollout_restart, NULL, -EBUSY, "OnDelete", &plan);
    world_clear(&w);
}

static void restart_of_other_kinds(void **s _unused_)
{
    restarts("DaemonSet", "daemonsets");
    restarts("StatefulSet", "statefulsets");
}

/* All are read in one round, and one that refuses stops them all. */
static void restart_of_several(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "a", "app=x");
    world_owner(&w, "StatefulSet", "b");
    world_body(&w, APPS "deployments/a", "{'metadata':{'name':'a','uid':'u1'},'spec':{}}");
    world_body(&w, APPS "statefulsets/b", "{'metadata':{'name':'b','uid':'u2'},'spec':{}}");
    world_expect(&w, &action_rollout_restart, NULL, 0, "restart Deployment shop/a; restart StatefulSet shop/b", &plan);
    assert_int_equal(w.rounds, 1);
    assert_int_equal(json_array_size(plan.effects), 2);
    assert_effect(&plan, 1, "{'key':'run/0/1/StatefulSet.b'}");
    action_plan_clear(&plan);
    world_expect(&w, &action_rollout_restart, "{'kind':'StatefulSet'}", 0, "restart StatefulSet shop/b", &plan);
    assert_int_equal(json_array_size(plan.effects), 1);
    action_plan_clear(&plan);
    world_body(&w, APPS "statefulsets/b", "{'metadata':{'name':'b'},'spec':{'updateStrategy':{'type':'OnDelete'}}}");
    world_expect(&w, &action_rollout_restart, NULL, -EBUSY, "StatefulSet shop/b", &plan);
    world_answer(&w, APPS "statefulsets/b", "{'status':403,'body':{'message':'no'}}");
    world_expect(&w, &action_rollout_restart, NULL, -EACCES, "GET statefulsets.apps \"b\" in shop", &plan);
    world_answer(&w, APPS "statefulsets/b", "{'error':'timeout','message':'slow'}");
    world_expect(&w, &action_rollout_restart, NULL, -EIO, "slow", &plan);
    world_clear(&w);
}

static void restart_by_selector(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    const char *list = APPS "deployments?labelSelector=tier%3Dweb", *with = "{'selector':'tier=web'}";
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, list, "{'items':[{'metadata':{'name':'b','uid':'ub'}},{'metadata':{'name':'a','uid':'ua'}}]}");
    world_expect(&w, &action_rollout_restart, with, 0, "restart Deployment shop/a; restart Deployment shop/b", &plan);
    assert_effect(&plan, 0, "{'path':'" APPS "deployments/a'}");
    action_plan_clear(&plan);
    world_body(&w, list, "{'items':[]}");
    world_expect(&w, &action_rollout_restart, with, -ENOENT, "no Deployment in shop matches", &plan);
    world_clear(&w);
}

/* ---- undo ---- */

#define REVISION(name, uid, n, created, image)                                                                         \
    "{'metadata':{'name':'" name "','creationTimestamp':" created ",'ownerReferences':[{'controller':true,'uid':'" uid \
    "'}],'annotations':{'deployment.kubernetes.io/revision':'" n "'}},'spec':{'template':{'image':'" image "'}}}"
#define OLD "'2026-01-04T10:00:00Z'"
#define YOUNG "'2026-01-05T09:50:00Z'"

static void deployment(struct world *w, const char *spec, const char *revisions)
{
    _cleanup_free_ char *object = xasprintf("{'metadata':{'name':'api','uid':'u1'},'spec':{'selector':{'matchLabels':{"
                                            "'app':'api'}},'template':{'image':'i3'}%s}}",
                                            spec),
                        *list = xasprintf("{'items':[%s]}", revisions);
    world_body(w, APPS "deployments/api", object);
    world_body(w, APPS "replicasets?labelSelector=app%3Dapi", list);
}

static void undo_by_age_and_number(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    const char *three = REVISION("a", "u1", "1", OLD, "i1") "," REVISION("b", "u1", "2", OLD, "i2") "," REVISION(
        "c", "u1", "3", YOUNG, "i3");
    world_init(&w, "Deployment", "api", "app=api");
    deployment(&w, "", three);
    world_expect(&w, &action_rollout_undo, "{'max_age':3600000}", 0, "revision 2", &plan);
    assert_effect(&plan, 0, "{'made':{'revision':2}}");
    action_plan_clear(&plan);
    world_expect(&w, &action_rollout_undo, "{'max_age':540000}", -EBUSY, "10m old, older than max_age 9m", &plan);
    world_expect(&w, &action_rollout_undo, "{'to_revision':1}", 0, "revision 1", &plan);
    assert_effect(&plan, 0,
                  "{'made':{'revision':1},'changes':{'/spec/template':{'before':{'image':'i3'},'after':{"
                  "'image':'i1'}}}}");
    action_plan_clear(&plan);
    world_expect(&w, &action_rollout_undo, "{'to_revision':1,'max_age':540000}", -EBUSY, "not to blame", &plan);
    world_expect(&w, &action_rollout_undo, "{'to_revision':9}", -ENOENT, "no revision 9", &plan);
    world_expect(&w, &action_rollout_undo, "{'to_revision':3}", 0, "already has", &plan);
    assert_int_equal(json_array_size(plan.effects), 0);
    action_plan_clear(&plan);
    deployment(&w, ",'paused':true", three);
    world_expect(&w, &action_rollout_undo, NULL, -EBUSY, "is paused", &plan);
    world_clear(&w);
}

static void undo_with_nothing_to_go_back_to(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    deployment(&w, "", REVISION("c", "u1", "3", YOUNG, "i3"));
    world_expect(&w, &action_rollout_undo, NULL, -ENOENT, "no revision before the present one", &plan);
    deployment(&w, "", REVISION("b", "other", "2", OLD, "i2") "," REVISION("c", "u1", "3", YOUNG, "i3"));
    world_expect(&w, &action_rollout_undo, NULL, -ENOENT, "no revision before", &plan); /* not its own */
    deployment(&w, "", REVISION("b", "u1", "2", OLD, "i3") "," REVISION("c", "u1", "3", YOUNG, "i3"));
    world_expect(&w, &action_rollout_undo, NULL, 0, "already has the template of revision 2", &plan);
    assert_int_equal(json_array_size(plan.effects), 0);
    action_plan_clear(&plan);
    /* an age that is not known is no proof of youth */
    deployment(&w, "", REVISION("b", "u1", "2", OLD, "i2") "," REVISION("c", "u1", "3", "null", "i3"));
    world_expect(&w, &action_rollout_undo, "{'max_age':60000}", -EBUSY, "does not say since when", &plan);
    world_answer(&w, APPS "replicasets?labelSelector=app%3Dapi", "{'status':403,'body':{'message':'no'}}");
    world_expect(&w, &action_rollout_undo, NULL, -EACCES, "LIST replicasets.apps in shop", &plan);
    world_clear(&w);
}

static void undo_of_a_daemonset(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
#define CONTROLLED(n) "'revision':" n ",'metadata':{'ownerReferences':[{'controller':true,'uid':'u1'}]}"
    world_init(&w, "DaemonSet", "log", "app=log");
    world_body(&w, APPS "daemonsets/log",
               "{'metadata':{'name':'log','uid':'u1'},'spec':{'selector':{'matchLabels':{'app':'log'}},'template':{'i':"
               "3}}}");
    world_body(&w, APPS "controllerrevisions?labelSelector=app%3Dlog",
               "{'items':[{" CONTROLLED("3") ",'data':{'spec':{'template':{'i':3,'$patch':'replace'}}}},{" CONTROLLED(
                   "1") ",'data':{'spec':{'template':{'i':1,'$patch':'replace'}}}},{" CONTROLLED("2") ",'data':{}}]}");
    world_expect(&w, &action_rollout_undo, NULL, -ENOENT, "revision 2 of DaemonSet shop/log has no template", &plan);
    world_expect(&w, &action_rollout_undo, "{'to_revision':1}", 0, "DaemonSet shop/log back to revision 1", &plan);
    assert_effect(&plan, 0,
                  "{'path':'" APPS "daemonsets/log','body':{'metadata':{'uid':'u1','annotations':{'mendd.io/"
                  "last-effect':'run/0/1/DaemonSet.log'}},'spec':{'template':{'$patch':'replace','i':1}}}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restart_of_other_kinds),
        cmocka_unit_test(restart_of_several),
        cmocka_unit_test(restart_by_selector),
        cmocka_unit_test(undo_by_age_and_number),
        cmocka_unit_test(undo_with_nothing_to_go_back_to),
        cmocka_unit_test(undo_of_a_daemonset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
