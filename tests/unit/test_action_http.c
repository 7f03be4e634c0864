/* http.request and http.read: what is planned of a step, and what is refused. */
#include "actions/registry.h"
#include "core/foreign.h"
#include "world.h"

extern const struct action action_http_request, action_http_read;
#define URL "'url':'https://api.example/v1/thing'"

static void planned(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(&w, &action_http_request, "{" URL "}", 0, "POST https://api.example/v1/thing", &plan);
    assert_effect(&plan, 0,
                  "{'key':'run/0/1/request','cluster':'prod','method':'POST','path':'https://api.example/v1/thing',"
                  "'body':null,'recognise':'never','reversible':false,"
                  "'request':{'ask':'http'," URL ",'method':'POST','timeout_ms':30000}}");
    assert_false(foreign_may_repeat(json_array_get(plan.effects, 0)));
    action_plan_clear(&plan);
    world_expect(&w, &action_http_request,
                 "{" URL ",'method':'PUT','json':{'a':[1]},'status':[200,409],'timeout':700,'bearer_token_file':'t'}",
                 0, "PUT", &plan);
    assert_effect(&plan, 0,
                  "{'body':{'a':[1]},'accept':[200,409],'idempotent':true,'request':{'ask':'http'," URL
                  ",'method':'PUT','timeout_ms':700,'bearer_token_file':'t','body':'{\\'a\\':[1]}',"
                  "'headers':{'Content-Type':'application/json'}}}");
    action_plan_clear(&plan);
    world_clear(&w);
}

/* A form is encoded, its type is said unless the step says another; an author may call a POST idempotent. */
static void forms(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_expect(&w, &action_http_request,
                 "{" URL ",'form':{'Action':'Reboot & run','Id':'a=b'},'idempotent':true,"
                 "'headers':{'content-type':'x/y'}}",
                 0, "POST", &plan);
    const json_t *q = json_object_get(json_array_get(plan.effects, 0), "request");
    assert_string_equal(json_text(q, "body"), "Action=Reboot%20%26%20run&Id=a%3Db");
    assert_string_equal(json_path_text(q, "headers", "content-type", NULL), "x/y");
    assert_int_equal(json_object_size(json_object_get(q, "headers")), 1);
    assert_true(foreign_may_repeat(json_array_get(plan.effects, 0)));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void refused(void **s _unused_)
{
    static const char *const cases[][2] = {
        {"{'url':'ftp://a/b'}", "no http:// or https:// URL"},
        {"{'url':'http://u:p@a/b'}", "names no host"},
        {"{" URL ",'headers':{'Authorization':'Bearer x'}}", "holds a secret: give it in header_files"},
        {"{" URL ",'headers':{'X-Api-Key':'x'}}", "holds a secret"},
        {"{" URL ",'body':'x','json':{}}", "more than one of body, json and form"},
        {"{" URL ",'username':'u'}", "belong together"},
        {"{" URL ",'cert_file':'c'}", "belong together"},
        {"{" URL ",'bearer_token_file':'t','username':'u','password_file':'p'}", "more than one of"},
        {"{" URL ",'aws':{'service':'ecs'}}", "needs service and region"},
        {"{" URL ",'aws':{'servise':'ecs'}}", "did you mean \"service\"?"},
        {"{" URL ",'aws':{'service':'ecs','region':'r'}}", "access_key_id"},
        {"{" URL ",'aws':{'service':'ecs','region':'r','access_key_id':'a'}}", "secret_access_key_file"},
    };
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        world_expect(&w, &action_http_request, cases[i][0], -EINVAL, cases[i][1], &plan);
    world_clear(&w);
}

static void read_is_evidence(void **s _unused_)
{
    struct world w;
    struct action_plan plan = {0};
    world_init(&w, "Deployment", "api", "app=api");
    world_answer(&w, "https://api.example/v1/thing", "{'status':503,'text':'busy'}");
    world_expect(&w, &action_http_read, "{" URL "}", 0, "", &plan);
    const json_t *e = json_array_get(plan.evidence, 0);
    assert_int_equal(json_array_size(plan.effects), 0);
    assert_string_equal(json_text(e, "name"), "GET https://api.example/v1/thing: 503");
    assert_string_equal(json_text(e, "text"), "busy");
    action_plan_clear(&plan);
    world_answer(&w, "https://api.example/v1/thing", "{'error':'dns','message':'no such name'}");
    world_expect(&w, &action_http_read, "{" URL "}", 0, "", &plan);
    e = json_array_get(plan.evidence, 0);
    assert_true(json_bool_or(e, "missing", false));
    assert_non_null(strstr(json_text(e, "text"), "no such name"));
    action_plan_clear(&plan);
    world_clear(&w);
}

static void judged(void **s _unused_)
{
    static const struct {
        const char *effect, *answer;
        enum foreign_end end;
        const char *words;
    } cases[] = {
        {"", "{'status':200}", FOREIGN_DONE, NULL},
        {"", "{'status':299}", FOREIGN_DONE, NULL},
        {"", "{'status':301,'text':''}", FOREIGN_REFUSED, "HTTP 301"},
        {"", "{'status':404,'text':'no\\nsuch'}", FOREIGN_REFUSED, "POST http://a: HTTP 404: no such"},
        {"", "{'status':409}", FOREIGN_REFUSED, "409"},
        {"", "{'status':401}", FOREIGN_FORBIDDEN, "401"},
        {"", "{'status':429}", FOREIGN_LATER, "429"},
        {"", "{'status':408}", FOREIGN_UNSURE, "408"},
        {"", "{'status':502,'text':'password=hunter2'}", FOREIGN_UNSURE, "[redacted]"},
        {"", "{'error':'reset','message':'gone'}", FOREIGN_UNSURE, "gone (reset)"},
        {",'accept':[404]", "{'status':404}", FOREIGN_DONE, NULL},
        {",'accept':[404]", "{'status':200}", FOREIGN_REFUSED, "200"},
        {",'accept':[500]", "{'status':500}", FOREIGN_DONE, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *text =
            xasprintf("{'method':'POST','path':'http://a','request':{'ask':'http'}%s}", cases[i].effect);
        _cleanup_json_ json_t *effect = J(text), *answer = J(cases[i].answer);
        _cleanup_free_ char *words = NULL;
        const enum foreign_end end = foreign_judge(effect, answer, &words);
        if (end != cases[i].end || (cases[i].words ? !words || !strstr(words, cases[i].words) : words != NULL))
            fail_msg("%s: %d \"%s\"", cases[i].answer, (int)end, words ? words : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(planned), cmocka_unit_test(forms), cmocka_unit_test(refused),
                                       cmocka_unit_test(read_is_evidence), cmocka_unit_test(judged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
