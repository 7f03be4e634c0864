/* job.run and job.from_cronjob: the Job that is sent, where they stop; job.succeeded: what it says of it. */
#include "actions/registry.h"
#include "checks/registry.h"
#include "world.h"

extern const struct action action_job_run, action_job_from_cronjob;
extern const struct check check_job_succeeded;

#define JOB "/apis/batch/v1/namespaces/shop/jobs/mendd-run-0-1"
#define CRONJOB "/apis/batch/v1beta1/namespaces/shop/cronjobs/clean"
#define PODS "/api/v1/namespaces/shop/pods?labelSelector=job-name%3Dmendd-run-0-1"
#define LOG "/api/v1/namespaces/shop/pods/p1/log?container=job&tailLines=3&limitBytes=400"

static json_t *job_of(const struct action_plan *plan)
{
    assert_int_equal(json_array_size(plan->effects), 1);
    return json_object_get(json_array_get(plan->effects, 0), "body");
}

static void assert_json(const json_t *value, const char *expected)
{
    _cleanup_json_ json_t *want = J(expected);
    _cleanup_free_ char *a = json_canonical(value), *b = json_canonical(want);
    assert_string_equal(a, b);
}

static void a_job_of_its_own(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(&w, &action_job_run,
                 "{'image':'shop/tool:1','command':['clean','--all'],'env':{'A':'1'},'node':'node-1','timeout':1500}",
                 0, "run shop/tool:1 as Job shop/mendd-run-0-1, for at most 2 s", &plan);
    assert_effect(&plan, 0,
                  "{'method':'POST','path':'/apis/batch/v1/namespaces/shop/jobs','recognise':'name','read':'" JOB
                  "','reversible':false,'key':'run/0/1/Job.mendd-run-0-1','object':{'apiVersion':'batch/v1','kind':"
                  "'Job','namespace':'shop','name':'mendd-run-0-1'}}");
    assert_json(json_object_get(job_of(&plan), "metadata"),
                "{'name':'mendd-run-0-1','namespace':'shop','labels':{'app.kubernetes.io/managed-by':'mendd',"
                "'mendd.io/run':'run'},'annotations':{'mendd.io/last-effect':'run/0/1/Job.mendd-run-0-1'}}");
    assert_json(json_object_get(job_of(&plan), "spec"),
                "{'backoffLimit':0,'activeDeadlineSeconds':2,'template':{'metadata':{'labels':{'app.kubernetes.io/"
                "managed-by':'mendd'}},'spec':{'restartPolicy':'Never','nodeName':'node-1',"
                "'automountServiceAccountToken':false,'containers':[{'name':'job','image':'shop/tool:1','command':["
                "'clean','--all'],'env':[{'name':'A','value':'1'}],'securityContext':{'allowPrivilegeEscalation':false}"
                "}]}}}");
    action_plan_clear(&plan);
    world_expect(&w, &action_job_run, "{'image':'i','service_account':'ops','namespace':'other'}", 0, "600 s", &plan);
    assert_json(json_path(job_of(&plan), "spec", "template", "spec", NULL),
                "{'restartPolicy':'Never','serviceAccountName':'ops','containers':[{'name':'job','image':'i',"
                "'securityContext':{'allowPrivilegeEscalation':false}}]}");
    assert_effect(&plan, 0, "{'path':'/apis/batch/v1/namespaces/other/jobs'}");
    action_plan_clear(&plan);
    world_expect(&w, &action_job_run, "{'image':'a b'}", -EINVAL, "no image reference", &plan);
    world_expect(&w, &action_job_run, "{'image':'a','env':{'1A':'x'}}", -EINVAL, "no name of a variable", &plan);
    world_expect(&w, &action_job_run, "{'image':'a','env':{'A=B':'x'}}", -EINVAL, "no name of a variable", &plan);
    world_clear(&w);
}

#define SOCKET "'host_paths':{'/run/docker.sock':'/var/run/docker.sock'}"

static void the_node_only_with_a_persons_yes(void **s _unused_)
{
    static const char *const odd[] = {"'run':'/x'", "'/a':'x'",         "'/':'/x'",
                                      "'/a':'/'",   "'/a':'/x/../etc'", "'/a':'/x/..'"};
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(&w, &action_job_run, "{'image':'a'," SOCKET "}", -EPERM, "only for a person to allow", &plan);
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        _cleanup_free_ char *with = xasprintf("{'image':'a','host_paths':{%s}}", odd[i]);
        world_expect(&w, &action_job_run, with, -EINVAL, "no absolute paths", &plan);
    }
    _cleanup_json_ json_t *with = J("{'image':'a'," SOCKET "}");
    const struct action_in in = {
        .target = &w.target, .with = with, .key = "run/2/0", .asks = &w.asks, .approved = true};
    assert_int_equal(action_job_run.plan(&in, &plan, NULL), 0);
    const json_t *spec = json_path(job_of(&plan), "spec", "template", "spec", NULL);
    assert_json(json_object_get(spec, "volumes"), "[{'name':'host-0','hostPath':{'path':'/var/run/docker.sock'}}]");
    assert_json(json_object_get(json_array_get(json_object_get(spec, "containers"), 0), "volumeMounts"),
                "[{'name':'host-0','mountPath':'/run/docker.sock'}]");
    action_plan_clear(&plan);
    world_clear(&w);
}

static void a_job_without_a_namespace(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Node", "node-1", NULL);
    free(w.target.namespace);
    free(w.target.owners[0].namespace);
    w.target.namespace = w.target.owners[0].namespace = NULL;
    world_expect(&w, &action_job_run, "{'image':'a'}", -EINVAL, "say which one (namespace)", &plan);
    world_clear(&w);
}

/* Whatever the run's id: a DNS-1123 label of at most 63. */
static void names_stay_names(void **s _unused_)
{
    static const char *const keys[] = {"01HZX3J7M8Q9R0S1T2V3W4X5Y6/0/1", "run/10/22",
                                       "01HZX3J7M8Q9R0S1T2V3W4X5Y6/0/1/0123456789012345678901234567890123456789"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct world w;
        world_init(&w, "Deployment", "api", "app=api");
        _cleanup_json_ json_t *with = J("{'image':'a'}");
        const struct action_in in = {.target = &w.target, .with = with, .key = keys[i], .asks = &w.asks};
        struct action_plan plan = {0};
        assert_int_equal(action_job_run.plan(&in, &plan, NULL), 0);
        assert_true(is_dns1123_label(json_path_text(job_of(&plan), "metadata", "name", NULL)));
        action_plan_clear(&plan);
        world_clear(&w);
    }
}

static void cronjob(struct world *w, const char *template)
{
    world_init(w, "Deployment", "api", "app=api");
    world_body(w, "/apis/batch/v1", "{'resources':[{'name':'jobs','kind':'Job','namespaced':true}]}");
    world_body(w, "/apis/batch/v1beta1", "{'resources':[{'name':'cronjobs','kind':'CronJob','namespaced':true}]}");
    _cleanup_free_ char *body =
        xasprintf("{'metadata':{'name':'clean','uid':'c1'},'spec':{'suspend':true,'jobTemplate':%s}}", template);
    world_body(w, CRONJOB, body);
}

static void from_a_cronjob(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    cronjob(&w, "{'metadata':{'labels':{'a':'b'},'annotations':{'c':'d'}},'spec':{'backoffLimit':6,"
                "'ttlSecondsAfterFinished':10,'template':{'spec':{'restartPolicy':'OnFailure','containers':[{'name':'x'"
                "}]}}}}");
    world_expect(&w, &action_job_from_cronjob, "{'cronjob':'clean'}", 0, "run CronJob shop/clean now", &plan);
    assert_json(json_object_get(job_of(&plan), "metadata"),
                "{'name':'mendd-run-0-1','namespace':'shop','labels':{'a':'b','app.kubernetes.io/managed-by':'mendd',"
                "'mendd.io/run':'run'},'annotations':{'c':'d','cronjob.kubernetes.io/instantiate':'manual',"
                "'mendd.io/last-effect':'run/0/1/Job.mendd-run-0-1'},'ownerReferences':[{'apiVersion':'batch/v1beta1',"
                "'kind':'CronJob','name':'clean','uid':'c1','controller':true}]}");
    assert_json(json_object_get(job_of(&plan), "spec"),
                "{'backoffLimit':0,'activeDeadlineSeconds':600,'template':{'spec':{'restartPolicy':'Never',"
                "'containers':[{'name':'x'}]}}}");
    action_plan_clear(&plan);
    world_expect(&w, &action_job_from_cronjob, "{'cronjob':'nope'}", -ENOENT,
                 "there is no CronJob shop/nope to take the Job from", &plan);
    world_clear(&w);
    cronjob(&w, "{'spec':{}}");
    world_expect(&w, &action_job_from_cronjob, "{'cronjob':'clean'}", -EINVAL, "has no pod template", &plan);
    world_clear(&w);
}

#define MADE "[{'method':'POST','object':{'kind':'Job','namespace':'shop','name':'mendd-run-0-1'}%s}]"

static void verdict(struct world *w, const char *answer, enum verdict v, const char *words)
{
    _cleanup_free_ char *effects = xasprintf(MADE, answer);
    world_verdict(w, &check_job_succeeded, NULL, effects, v, words);
}

static void job_is(struct world *w, const char *status)
{
    _cleanup_free_ char *body = xasprintf("{'metadata':{'name':'mendd-run-0-1','uid':'j1'},'status':%s}", status);
    world_body(w, JOB, body);
}

static void how_it_ended(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    job_is(&w, "{'succeeded':1,'conditions':[{'type':'Complete','status':'True'}]}");
    verdict(&w, "", VERDICT_PASS, "Job shop/mendd-run-0-1 succeeded");
    verdict(&w, ",'answer':{'metadata':{'uid':'other'}}", VERDICT_FAIL, "is another one by now");
    job_is(&w, "{'failed':1,'conditions':[{'type':'Failed','status':'True','reason':'DeadlineExceeded','message':'too "
               "long'}]}");
    verdict(&w, ",'answer':{'metadata':{'uid':'j1'}}", VERDICT_FAIL, "failed: DeadlineExceeded: too long");
    job_is(&w, "{'active':1}");
    verdict(&w, "", VERDICT_FAIL, "is still running: 1 active");
    world_verdict(&w, &check_job_succeeded, NULL, "[]", VERDICT_UNKNOWN, "has made no Job");
    world_verdict(&w, &check_job_succeeded, "{'name':'nope'}", "[]", VERDICT_FAIL, "not found");
    world_answer(&w, JOB, "{'status':403,'body':{'message':'no'}}");
    verdict(&w, "", VERDICT_UNKNOWN, "no");
    world_clear(&w);
}

/* A Job that a step made in another cluster is asked for there. */
static void where_it_was_made(void **s _unused_)
{
    struct asks asks;
    struct target target = {.cluster = (char *)"prod", .kind = (char *)"Node", .name = (char *)"n1"};
    struct check_result result = {0};
    asks_init(&asks);
    _cleanup_json_ json_t *with = json_object();
    _cleanup_json_ json_t *effects = J("[{'method':'POST','cluster':'west','object':{'kind':'Job','namespace':'shop',"
                                       "'name':'mendd-run-0-1'}}]");
    const struct check_in in = {.target = &target, .with = with, .cluster = "prod", .effects = effects, .asks = &asks};
    assert_int_equal(check_job_succeeded.judge(&in, &result), -EAGAIN);
    assert_string_equal(json_text(json_array_get(asks.wanted, 0), "cluster"), "west");
    check_result_clear(&result);
    asks_clear(&asks);
}

static void its_last_words(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    job_is(&w, "{'active':1}");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'p1','ownerReferences':[{'uid':'j1','controller':true}]},'spec':{"
               "'containers':[{'name':'job'}]},'status':{'phase':'Running'}}]}");
    world_answer(&w, LOG, "{'status':200,'text':'one\\ntwo\\u0007\\n'}");
    verdict(&w, "", VERDICT_FAIL, "1 active; its log ends: one | two");
    world_answer(&w, LOG, "{'status':403,'body':{}}");
    verdict(&w, "", VERDICT_FAIL, "1 active");
    world_body(&w, PODS,
               "{'items':[{'metadata':{'name':'p1','ownerReferences':[{'uid':'j1','controller':true}]},'status':{"
               "'phase':'Pending','containerStatuses':[{'name':'job','state':{'waiting':{'reason':"
               "'ImagePullBackOff'}}}]}}]}");
    verdict(&w, "", VERDICT_FAIL, "pod p1: ImagePullBackOff");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_of_its_own),
        cmocka_unit_test(the_node_only_with_a_persons_yes),
        cmocka_unit_test(a_job_without_a_namespace),
        cmocka_unit_test(names_stay_names),
        cmocka_unit_test(from_a_cronjob),
        cmocka_unit_test(how_it_ended),
        cmocka_unit_test(where_it_was_made),
        cmocka_unit_test(its_last_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
