/* field: what it compares, of which objects, and what it will not look at. */
#include "checks/registry.h"
#include "world.h"

extern const struct check check_field;
#define FLUX "/apis/kustomize.toolkit.fluxcd.io/v1"
#define APPS FLUX "/namespaces/flux-system/kustomizations/apps"
#define WHICH                                                                                                          \
    "'apiVersion':'kustomize.toolkit.fluxcd.io/v1','kind':'Kustomization','namespace':'flux-system','name':'apps'"

static void judged(struct world *w, const char *with, enum verdict expected, const char *words)
{
    _cleanup_free_ char *seen = NULL;
    world_again(w);
    const enum verdict v = world_judge(w, &check_field, with, NULL, &seen);
    if (v != expected || !strstr(seen, words))
        fail_msg("%s: %s \"%s\", expected %s with \"%s\"", with, verdict_name(v), seen, verdict_name(expected), words);
}

static void fields(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api", "{'spec':{'replicas':3},'status':{'phase':'Up'}}");
    world_body(&w, FLUX, "{'resources':[{'name':'kustomizations','kind':'Kustomization','namespaced':true}]}");
    world_body(&w, APPS, "{'spec':{'suspend':true,'path':null}}");
    judged(&w, "{'pointer':'/status/phase','equals':'Up'}", VERDICT_PASS, "Deployment shop/api: /status/phase is Up");
    judged(&w, "{'pointer':'/status/phase','equals':'Down'}", VERDICT_FAIL, "is Up");
    judged(&w, "{'pointer':'/spec/replicas','equals':'3'}", VERDICT_PASS, "is 3");
    judged(&w, "{'pointer':'/spec/replicas','at_least':3,'at_most':3}", VERDICT_PASS, "is 3");
    judged(&w, "{'pointer':'/spec/replicas','at_least':4}", VERDICT_FAIL, "is 3");
    judged(&w, "{'pointer':'/spec/replicas','at_most':2}", VERDICT_FAIL, "is 3");
    judged(&w, "{'pointer':'/status/phase','at_least':0}", VERDICT_FAIL, "is Up");
    judged(&w, "{'pointer':'/spec/replicas'}", VERDICT_PASS, "is 3");
    judged(&w, "{'pointer':'/spec/none'}", VERDICT_FAIL, "is not there");
    judged(&w, "{" WHICH ",'pointer':'/spec/suspend','equals':'true'}", VERDICT_PASS, "Kustomization flux-system/apps");
    judged(&w, "{" WHICH ",'pointer':'/spec/path'}", VERDICT_FAIL, "null");
    world_clear(&w);
}

static void times(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    w.check_now.wall_us = INT64_C(1767607200) * USEC_PER_SEC; /* 2026-01-05T10:00:00Z */
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api",
               "{'status':{'notAfter':'2026-01-12T10:00:00Z','text':'soon','number':9999999999}}");
    judged(&w, "{'pointer':'/status/notAfter','later_by':604800000}", VERDICT_PASS, "is 2026-01-12");
    judged(&w, "{'pointer':'/status/notAfter','later_by':604801000}", VERDICT_FAIL, "is 2026-01-12");
    judged(&w, "{'pointer':'/status/text','later_by':1000}", VERDICT_FAIL, "is soon");
    judged(&w, "{'pointer':'/status/number','later_by':1000}", VERDICT_FAIL, "is 9999999999");
    judged(&w, "{'pointer':'/status/none','later_by':1000}", VERDICT_FAIL, "not there");
    world_clear(&w);
}

static void not_looked_at(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    judged(&w, "{'pointer':'spec'}", VERDICT_UNKNOWN, "no JSON pointer");
    judged(&w, "{'kind':'Secret','name':'x','pointer':'/data/a','equals':'b'}", VERDICT_UNKNOWN, "a Secret is not");
    world_answer(&w, "/apis/apps/v1/namespaces/shop/deployments/api", "{'status':403,'body':{'message':'no'}}");
    judged(&w, "{'pointer':'/spec'}", VERDICT_UNKNOWN, "");
    world_answer(&w, "/apis/apps/v1/namespaces/shop/deployments/api", "{'status':404,'body':{}}");
    judged(&w, "{'pointer':'/spec'}", VERDICT_FAIL, "");
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fields), cmocka_unit_test(times),
                                       cmocka_unit_test(not_looked_at)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
