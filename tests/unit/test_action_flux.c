/* Flux and cert-manager: what is sent, what is refused, and when Flux counts as ready. */
#include "actions/registry.h"
#include "world.h"

extern const struct action action_flux_reconcile, action_flux_suspend, action_flux_resume, action_certificate_renew,
    action_gitops_suspend;
extern const struct check check_flux_ready;
#define GROUP "/apis/kustomize.toolkit.fluxcd.io/v1"
#define APPS GROUP "/namespaces/flux-system/kustomizations/apps"
#define NAMED "'kind':'Kustomization','namespace':'flux-system','name':'apps'"

static void flux(struct world *w, const char *object)
{
    world_init(w, "Deployment", "api", "app=api");
    world_body(w, GROUP, "{'resources':[{'name':'kustomizations','kind':'Kustomization','namespaced':true}]}");
    world_body(w, APPS, object);
}

static void reconcile(void **s _unused_)
{
    struct world w;
    flux(&w, "{'metadata':{'name':'apps','namespace':'flux-system','uid':'u5'},'spec':{}}");
    world_sends(&w, &action_flux_reconcile, "{" NAMED "}", "",
                "{'method':'PATCH','path':'" APPS "','reversible':false,'recognise':'mark','content_type':'application/"
                "merge-patch+json'}");
    world_says(&w, &action_flux_reconcile, "{" NAMED ",'force':true}", -EINVAL, "force is for a HelmRelease");
    world_says(&w, &action_flux_resume, "{" NAMED "}", 0, "not suspended already");
    world_sends(&w, &action_flux_suspend, "{" NAMED "}", "",
                "{'changes':{'/spec/suspend':{'after':true}},'reversible':true}");
    world_says(&w, &action_flux_reconcile, "{'kind':'Deployment'}", -EINVAL, "is not a Kustomization");
    world_clear(&w);
    flux(&w, "{'metadata':{'name':'apps','namespace':'flux-system','uid':'u5'},'spec':{'suspend':true}}");
    world_says(&w, &action_flux_reconcile, "{" NAMED "}", -EBUSY, "is suspended");
    world_sends(&w, &action_flux_resume, "{" NAMED "}", "",
                "{'changes':{'/spec/suspend':{'before':true,'after':false}}}");
    world_clear(&w);
}

static void renew(void **s _unused_)
{
    struct world w;
    world_init(&w, "Deployment", "api", "app=api");
    world_body(&w, "/apis/cert-manager.io/v1",
               "{'resources':[{'name':'certificates','kind':'Certificate','namespaced':true}]}");
    world_body(&w, "/apis/cert-manager.io/v1/namespaces/shop/certificates/tls",
               "{'metadata':{'name':'tls','uid':'u6','generation':3},'status':{'conditions':[{'type':'Ready','status':"
               "'True'}]}}");
    world_sends(
        &w, &action_certificate_renew, "{'kind':'Certificate','name':'tls'}", "",
        "{'path':'/apis/cert-manager.io/v1/namespaces/shop/certificates/tls/status','recognise':'value','reversible':"
        "false}");
    world_body(&w, "/apis/cert-manager.io/v1/namespaces/shop/certificates/tls",
               "{'metadata':{'name':'tls','uid':'u6'},'status':{'conditions':[{'type':'Issuing','status':'True'}]}}");
    world_says(&w, &action_certificate_renew, "{'kind':'Certificate','name':'tls'}", 0, "being issued already");
    world_says(&w, &action_certificate_renew, "{'kind':'Deployment'}", -EINVAL, "is not a Certificate");
    world_clear(&w);
}

static void suspended_with_the_run(void **s _unused_)
{
    struct world w;
    flux(&w, "{'metadata':{'name':'apps','namespace':'flux-system','uid':'u5'},'spec':{}}");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api",
               "{'metadata':{'name':'api','uid':'u1','labels':{'kustomize.toolkit.fluxcd.io/name':'apps','kustomize."
               "toolkit.fluxcd.io/namespace':'flux-system'}}}");
    world_sends(&w, &action_gitops_suspend, "{}", "",
                "{'path':'" APPS
                "','restore':'end','reversible':true,'recognise':'value','changes':{'/spec/suspend':{'after':"
                "true}}}");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api",
               "{'metadata':{'name':'api','uid':'u1','labels':{'kustomize.toolkit.fluxcd.io/name':'../x'}}}");
    world_says(&w, &action_gitops_suspend, "{}", -EINVAL, "is no name");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api", "{'metadata':{'name':'api','uid':'u1'}}");
    world_says(&w, &action_gitops_suspend, "{}", 0, "neither Flux nor Argo CD");
    world_body(&w, "/apis/argoproj.io/v1alpha1",
               "{'resources':[{'name':'applications','kind':'Application','namespaced':true}]}");
    world_body(&w, "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop",
               "{'metadata':{'name':'shop','uid':'u8'},'spec':{'syncPolicy':{'automated':{'prune':true}}}}");
    world_body(&w, "/apis/apps/v1/namespaces/shop/deployments/api",
               "{'metadata':{'name':'api','uid':'u1','annotations':{'argocd.argoproj.io/tracking-id':'shop:apps/"
               "Deployment:shop/api'}}}");
    world_sends(&w, &action_gitops_suspend, "{}", "",
                "{'changes':{'/spec/syncPolicy/automated':{'before':{'prune':true},'after':null}},'restore':'end'}");
    world_clear(&w);
}

static void ready(void **s _unused_)
{
    static const struct {
        const char *object, *words;
        enum verdict verdict;
    } cases[] = {
        {"{'metadata':{'generation':2},'spec':{},'status':{'observedGeneration':2,'conditions':[{'type':'Ready','"
         "status':"
         "'True'}]}}",
         "Ready=True", VERDICT_PASS},
        {"{'metadata':{'generation':3},'spec':{},'status':{'observedGeneration':2,'conditions':[{'type':'Ready','"
         "status':"
         "'True'}]}}",
         "not seen the last change", VERDICT_FAIL},
        {"{'metadata':{'annotations':{'reconcile.fluxcd.io/requestedAt':'t2'}},'spec':{},'status':{"
         "'lastHandledReconcileAt':'t1','conditions':[{'type':'Ready','status':'True'}]}}",
         "not handled the request of t2", VERDICT_FAIL},
        {"{'metadata':{},'spec':{},'status':{'conditions':[{'type':'Ready','status':'False','message':'boom'}]}}",
         "boom", VERDICT_FAIL},
        {"{'metadata':{},'spec':{'suspend':true},'status':{}}", "is suspended", VERDICT_FAIL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct world w;
        flux(&w, cases[i].object);
        world_verdict(&w, &check_flux_ready, "{" NAMED "}", NULL, cases[i].verdict, cases[i].words);
        world_clear(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reconcile),
        cmocka_unit_test(renew),
        cmocka_unit_test(suspended_with_the_run),
        cmocka_unit_test(ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
