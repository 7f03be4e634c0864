/* volumes.claimed: what outlives a pod, by the workload's template. */
#include "checks/registry.h"
#include "world.h"

extern const struct check check_volumes_claimed;
#define API "/apis/apps/v1/namespaces/shop/deployments/api"
#define VOLUMES(list) "{'spec':{'template':{'spec':{'volumes':[" list "]}}}}"

static void judged(void **s _unused_)
{
    static const struct {
        const char *body;
        enum verdict verdict;
        const char *words;
    } cases[] = {
        {VOLUMES("{'name':'a','emptyDir':{}},{'name':'b','persistentVolumeClaim':{'claimName':'c'}}"), VERDICT_PASS,
         "Deployment shop/api has a claim"},
        {VOLUMES("{'name':'a','emptyDir':{}}"), VERDICT_FAIL, "Deployment shop/api has no claim: what its pods hold"},
        {VOLUMES("{'name':'a','ephemeral':{}},{'name':'b','hostPath':{'path':'/x'}}"), VERDICT_FAIL, "no claim"},
        {"{'spec':{'template':{'spec':{}}}}", VERDICT_FAIL, "no claim"},
        {"{'spec':{'volumeClaimTemplates':[{'metadata':{'name':'data'}}]}}", VERDICT_PASS, "has a claim"},
        {"{'spec':{'volumeClaimTemplates':[]}}", VERDICT_FAIL, "no claim"},
    };
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *seen = NULL;
        world_again(&w);
        world_body(&w, API, cases[i].body);
        const enum verdict v = world_judge(&w, &check_volumes_claimed, "{}", NULL, &seen);
        if (v != cases[i].verdict || !strstr(seen, cases[i].words))
            fail_msg("%zu: %s \"%s\"", i, verdict_name(v), seen);
    }
    _cleanup_free_ char *seen = NULL;
    world_again(&w);
    world_answer(&w, API, "{'status':403,'body':{'message':'no'}}");
    assert_int_equal(world_judge(&w, &check_volumes_claimed, "{}", NULL, &seen), VERDICT_UNKNOWN);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
