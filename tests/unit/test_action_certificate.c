/* certificate.reissue: what goes and what is made again, and what it leaves alone. */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_certificate_reissue;
#define API "/apis/cert-manager.io/v1"
#define CERTIFICATES API "/namespaces/shop/certificates"
#define SECRET "/api/v1/namespaces/shop/secrets/web-tls"
#define CERTIFICATE(metadata)                                                                                          \
    "{'kind':'Certificate','metadata':{'name':'web','namespace':'shop','uid':'c1','resourceVersion':'7'," metadata     \
    "},'spec':{'secretName':'web-tls'},'status':{'conditions':[]}}"
#define LABELS "'labels':{'app':'web'}"
#define WEB "{'kind':'Certificate','name':'web'}"

static void world_of_cert_manager(struct world *w, const char *certificate)
{
    world_init(w, "Deployment", "api", "app=api");
    world_body(w, API, "{'resources':[{'name':'certificates','kind':'Certificate','namespaced':true}]}");
    world_body(w, CERTIFICATES "/web", certificate);
}

static int plan(struct world *w, bool approved, struct action_plan *ret, struct error *err)
{
    _cleanup_json_ json_t *with = J(WEB);
    const struct action_in in = {.target = &w->target,
                                 .with = with,
                                 .cluster = "prod",
                                 .key = "run/1/2",
                                 .asks = &w->asks,
                                 .approved = approved};
    int r;
    *ret = (struct action_plan){0};
    while ((r = action_certificate_reissue.plan(&in, ret, err)) == -EAGAIN)
        world_round(w);
    return r;
}

static void refuses(const char *certificate, const char *secret, bool approved, int code, const char *words)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct world w;
    struct action_plan p;
    world_of_cert_manager(&w, certificate);
    if (secret)
        world_body(&w, SECRET, secret);
    assert_int_equal(plan(&w, approved, &p, &err), code);
    if (!strstr(error_message(&err), words))
        fail_msg("\"%s\", expected \"%s\"", error_message(&err), words);
    world_clear(&w);
}

static void all_in_one_step(void **s _unused_)
{
    struct world w;
    struct action_plan p;
    world_of_cert_manager(&w, CERTIFICATE(LABELS));
    world_body(&w, SECRET,
               "{'metadata':{'name':'web-tls','uid':'s1','annotations':{'cert-manager.io/certificate-name':'web'}},"
               "'data':{'tls.key':'c2VjcmV0'}}");
    assert_int_equal(plan(&w, true, &p, NULL), 0);
    assert_int_equal(json_array_size(p.effects), 3);
    assert_effect(&p, 0,
                  "{'key':'run/1/2/Certificate.web.delete','method':'DELETE','path':'" CERTIFICATES
                  "/web','recognise':'uid'}");
    assert_effect(&p, 1, "{'method':'DELETE','path':'" SECRET "','recognise':'uid'}");
    assert_effect(
        &p, 2,
        "{'key':'run/1/2/Certificate.web','method':'POST','path':'" CERTIFICATES "','recognise':'name','body':{"
        "'apiVersion':'cert-manager.io/v1','kind':'Certificate','metadata':{'name':'web','namespace':'shop'," LABELS
        ",'annotations':{'mendd.io/last-effect':'run/1/2/Certificate.web'}},'spec':{'secretName':'web-tls'}}}");
    _cleanup_free_ char *text = json_compact(p.effects);
    assert_null(strstr(text, "c2VjcmV0"));
    action_plan_clear(&p);
    world_clear(&w);
}

static void without_a_secret(void **s _unused_)
{
    struct world w;
    struct action_plan p;
    world_of_cert_manager(&w, CERTIFICATE("'generation':2"));
    assert_int_equal(plan(&w, true, &p, NULL), 0);
    assert_int_equal(json_array_size(p.effects), 2);
    assert_null(json_path(json_array_get(p.effects, 1), "body", "metadata", "labels", NULL));
    action_plan_clear(&p);
    world_clear(&w);
}

static void left_alone(void **s _unused_)
{
    refuses(CERTIFICATE(LABELS), NULL, false, -EPERM, "only a person may say so");
    refuses(CERTIFICATE("'finalizers':['x/y']"), NULL, true, -EBUSY, "has finalizers");
    refuses(CERTIFICATE("'deletionTimestamp':'2026-01-05T10:00:00Z'"), NULL, true, -EBUSY, "is being deleted");
    refuses(CERTIFICATE("'ownerReferences':[{'kind':'Ingress','name':'web','controller':true}]"), NULL, true, -EPERM,
            "belongs to Ingress web");
    refuses("{'metadata':{'name':'web','uid':'c1'},'spec':{'secretName':'../x'}}", NULL, true, -EINVAL,
            "names no Secret");
    refuses(CERTIFICATE(LABELS), "{'metadata':{'name':'web-tls','uid':'s1'}}", true, -EPERM, "is not marked as");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_in_one_step), cmocka_unit_test(without_a_secret),
                                       cmocka_unit_test(left_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
