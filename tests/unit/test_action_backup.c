/* backup, secret.set and restore: what they plan, where they stop; and that no value of a Secret stands in an effect.
 */
#include "actions/backup.h"
#include "actions/registry.h"
#include "base/base64.h"
#include "checks/registry.h"
#include "config/config.h"
#include "core/internal.h"
#include "core/secret.h"
#include "core/settings.h"
#include "world.h"

extern const struct action action_backup, action_secret_set, action_restore;

#define CONFIG "/api/v1/namespaces/shop/configmaps/settings"
#define CONFIGMAPS "/api/v1/namespaces/shop/configmaps"
#define COPY "mendd-backup-run-configmap-settings"
#define SECRETS "/api/v1/namespaces/shop/secrets"
#define SECRET SECRETS "/db"
#define SECRET_COPY "mendd-backup-run-secret-db"
#define DB "{'metadata':{'name':'db','uid':'s1'},'type':'Opaque','data':{'password':'b2xk','other':'dGhlcmU='}}"

struct fixture {
    struct world w;
    struct backup_settings backup;
    bool approved;
};

static int run_plan(struct fixture *f, const struct action *a, const char *with, struct action_plan *plan,
                    struct error *err)
{
    _cleanup_json_ json_t *params = J(with);
    const struct action_in in = {.target = &f->w.target,
                                 .with = params,
                                 .cluster = "prod",
                                 .key = "run/0/1",
                                 .now = {.wall_us = INT64_C(1767607200) * 1000000}, /* 2026-01-05 */
                                 .max_pods = 3,
                                 .asks = &f->w.asks,
                                 .approved = f->approved,
                                 .backup = &f->backup};
    int r;
    world_again(&f->w);
    while ((r = a->plan(&in, plan, err)) == -EAGAIN) {
        assert_true(f->w.rounds < 10);
        _cleanup_json_ json_t *wanted = json_deep_copy(f->w.asks.wanted);
        size_t i;
        json_t *q;
        json_array_foreach (wanted, i, q) { /* files have no path, and of a list the selector is long */
            const bool list = strstr(json_text_or(q, "path", ""), "?labelSelector=mendd.io%2Fbackup%3D") != NULL;
            const char *known = list ? "copies" : json_text(q, "file");
            const json_t *answer = known ? json_object_get(f->w.answers, known) : NULL;
            if (known)
                asks_answer(&f->w.asks, q,
                            answer ? json_deep_copy(answer) : J("{'status':422,'body':{'message':'cannot open'}}"));
        }
        world_round(&f->w);
    }
    return r;
}

static void plans(struct fixture *f, const struct action *a, const char *with, size_t n, const char *words,
                  struct action_plan *plan)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    *plan = (struct action_plan){0};
    int r = run_plan(f, a, with, plan, &err);
    if (r != 0 || json_array_size(plan->effects) != n || !strstr(plan->note, words))
        fail_msg("%s %s: %d %s, %zu effects, \"%s\"", a->name, with, r, error_message(&err),
                 json_array_size(plan->effects), plan->note);
}

static void refuses(struct fixture *f, const struct action *a, const char *with, int code, const char *words)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct action_plan plan = {0};
    int r = run_plan(f, a, with, &plan, &err);
    if (r != code || !strstr(error_message(&err), words))
        fail_msg("%s %s: %d \"%s\"", a->name, with, r, r < 0 ? error_message(&err) : plan.note);
    assert_null(plan.effects);
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    world_init(&f->w, "Deployment", "api", "app=api");
    world_body(&f->w, CONFIG,
               "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'settings','namespace':'shop','uid':'m1',"
               "'resourceVersion':'7','managedFields':[{}]},'data':{'a':'1'},'status':{'x':1}}");
    world_body(&f->w, SECRET, DB);
    world_body(&f->w, "copies", "{'items':[]}");
}

static json_t *effect_at(const struct action_plan *plan, size_t i)
{
    return json_array_get(plan->effects, i);
}

static const char *hash_of(const json_t *effect, const char *pointer, const char *which)
{
    return json_path_text(effect, "changes", pointer, which, "sha256", NULL);
}

/* ---- backup ---- */

static void an_object_is_kept(void **s _unused_)
{
    struct fixture f;
    struct action_plan plan;
    begin(&f);
    plans(&f, &action_backup, "{'kind':'ConfigMap','name':'settings'}", 1, "keep ConfigMap shop/settings", &plan);
    const json_t *e = effect_at(&plan, 0), *body = json_object_get(e, "body");
    assert_string_equal(json_text(e, "path"), CONFIGMAPS);
    assert_string_equal(json_text(e, "recognise"), "name");
    assert_string_equal(json_path_text(body, "metadata", "name", NULL), COPY);
    assert_string_equal(json_path_text(body, "metadata", "annotations", "mendd.io/backup-of", NULL),
                        "ConfigMap/settings");
    assert_string_equal(json_path_text(body, "metadata", "annotations", MARK_ANNOTATION, NULL), json_text(e, "key"));
    assert_string_equal(json_path_text(body, "data", "manifest.json", NULL),
                        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                        "\"settings\",\"namespace\":\"shop\"}}");
    action_plan_clear(&plan);
    f.backup.to = BACKUP_SECRET;
    plans(&f, &action_backup, "{'kind':'ConfigMap','name':'settings'}", 1, "in Secret " COPY, &plan);
    assert_string_equal(json_text(effect_at(&plan, 0), "path"), SECRETS);
    assert_non_null(json_path_text(effect_at(&plan, 0), "body", "stringData", "manifest.json", NULL));
    action_plan_clear(&plan);
    f.backup.to = BACKUP_FOLDER;
    plans(&f, &action_backup, "{'kind':'ConfigMap','name':'settings'}", 1, "in file " COPY ".json", &plan);
    assert_effect(&plan, 0, "{'method':'FILE','path':'" COPY ".json','recognise':'value','read':'" CONFIG "'}");
    action_plan_clear(&plan);
    world_clear(&f.w);
}

static void the_first_copy_of_a_run_stays(void **s _unused_)
{
    struct fixture f;
    struct action_plan plan;
    begin(&f);
    world_body(&f.w, CONFIGMAPS "/" COPY, "{'metadata':{'name':'" COPY "'}}");
    plans(&f, &action_backup, "{'kind':'ConfigMap','name':'settings'}", 0, "is kept already", &plan);
    action_plan_clear(&plan);
    refuses(&f, &action_backup, "{'kind':'ConfigMap','name':'nobody'}", -ENOENT, "nobody");
    world_clear(&f.w);
}

static void old_copies_go(void **s _unused_)
{
    static const char COPIES[] =
        "{'items':[{'metadata':{'name':'old','uid':'o1',"
        "'creationTimestamp':'2025-11-01T10:00:00Z'}},"
        "{'metadata':{'name':'young','uid':'o2','creationTimestamp':'2026-01-01T10:00:00Z'}}]}";
    struct fixture f;
    struct action_plan plan;
    begin(&f);
    world_body(&f.w, "copies", COPIES);
    plans(&f, &action_backup, "{'kind':'ConfigMap','name':'settings'}", 2, "keep", &plan);
    assert_effect(&plan, 1, "{'method':'DELETE','path':'" CONFIGMAPS "/old','recognise':'uid'}");
    action_plan_clear(&plan);
    plans(&f, &action_backup, "{'kind':'Secret','name':'db'}", 1, "keep", &plan); /* no Secret goes in mode auto */
    action_plan_clear(&plan);
    f.approved = true;
    plans(&f, &action_backup, "{'kind':'Secret','name':'db'}", 2, "keep", &plan);
    action_plan_clear(&plan);
    world_clear(&f.w);
}

static void a_name_that_is_none(void **s _unused_)
{
    const struct action_in in = {.key = "run/0/1"};
    char longest[300];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    static const char *const odd[] = {"system:node", "a b", "Up", "..", "x/../../etc/passwd"};
    for (size_t i = 0; i <= ARRAY_SIZE(odd); i++) {
        _cleanup_free_ char *name = backup_name_new(&in, "Role", i < ARRAY_SIZE(odd) ? odd[i] : longest, NULL);
        assert_true(is_dns1123_subdomain(name));
        assert_true(strlen(name) <= 240);
    }
}

/* ---- Secrets ---- */

static void nothing_of_it(const struct action_plan *plan)
{
    _cleanup_free_ char *text = json_compact(plan->effects);
    static const char *const values[] = {"b2xk", "dGhlcmU", "old", "there", "bmV3"};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        if (strstr(text, values[i]))
            fail_msg("%s stands in %s", values[i], text);
}

static void set_hash(struct fixture *f, const char *file, const char *key, const char *base64)
{
    _cleanup_free_ char *hash = secret_hash_new("shop/db", key, base64);
    json_object_set_new(f->w.answers, file,
                        json_pack("{s:i, s:s, s:i}", "status", 0, "sha256", hash, "bytes", (int)strlen(base64)));
}

static void a_secret_from_files(void **s _unused_)
{
    struct fixture f;
    struct action_plan plan;
    begin(&f);
    set_hash(&f, "pw", "password", "bmV3");
    set_hash(&f, "more", "user", "bmV3");
    plans(&f, &action_secret_set, "{'name':'db','from_files':{'password':'pw','user':'more'}}", 2,
          "set 2 keys of Secret shop/db; what stands there is kept in Secret " SECRET_COPY, &plan);
    const json_t *copy = effect_at(&plan, 0), *set = effect_at(&plan, 1);
    assert_string_equal(json_path_text(copy, "assemble", "from", NULL), SECRET);
    assert_int_equal(json_object_size(json_path(copy, "assemble", "keys", NULL)), 2);
    assert_string_equal(json_path_text(set, "assemble", "keys", "password", "file", NULL), "pw");
    assert_string_equal(json_path_text(set, "undo", "from", NULL), SECRETS "/" SECRET_COPY);
    _cleanup_free_ char *old = secret_hash_new("shop/db", "password", "b2xk");
    assert_string_equal(hash_of(set, "/data/password", "before"), old);
    assert_null(hash_of(set, "/data/user", "before"));
    nothing_of_it(&plan);
    action_plan_clear(&plan);
    set_hash(&f, "pw", "password", "b2xk"); /* what stands there already */
    plans(&f, &action_secret_set, "{'name':'db','from_files':{'password':'pw'}}", 0, "is already so", &plan);
    action_plan_clear(&plan);
    world_clear(&f.w);
}

/* A copy of this run that does not hold what is about to change is no copy of it. */
static void a_copy_of_something_else(void **s _unused_)
{
    struct fixture f;
    struct action_plan plan;
    begin(&f);
    set_hash(&f, "pw", "password", "bmV3");
    world_body(&f.w, SECRETS "/" SECRET_COPY, "{'data':{'password':'b2xk'}}");
    plans(&f, &action_secret_set, "{'name':'db','from_files':{'password':'pw'}}", 1, "Secret " SECRET_COPY, &plan);
    action_plan_clear(&plan);
    world_body(&f.w, SECRETS "/" SECRET_COPY, "{'data':{'password':'b2xkZXI='}}");
    plans(&f, &action_secret_set, "{'name':'db','from_files':{'password':'pw'}}", 2, SECRET_COPY "-0-1", &plan);
    action_plan_clear(&plan);
    world_body(&f.w, SECRETS "/" SECRET_COPY "-0-1", "{'data':{}}");
    refuses(&f, &action_secret_set, "{'name':'db','from_files':{'password':'pw'}}", -EBUSY, "hold something else");
    world_clear(&f.w);
}

static void secrets_that_are_left_alone(void **s _unused_)
{
    struct fixture f;
    begin(&f);
    set_hash(&f, "pw", "password", "bmV3");
    set_hash(&f, "empty", "password", "");
    refuses(&f, &action_secret_set, "{'from_files':{'a':'pw'}}", -EINVAL, "say which one");
    refuses(&f, &action_secret_set, "{'name':'db','from_files':{}}", -EINVAL, "nothing to set");
    refuses(&f, &action_secret_set, "{'name':'db','from_files':{'a/b':'pw'}}", -EINVAL, "no key of a Secret");
    refuses(&f, &action_secret_set, "{'name':'db','from_files':{'a':'../../shadow'}}", -EINVAL, "leads out");
    refuses(&f, &action_secret_set, "{'name':'db','from_files':{'a':'gone'}}", -EINVAL, "cannot open");
    refuses(&f, &action_secret_set, "{'name':'db','from_files':{'password':'empty'}}", -EINVAL, "is empty");
    refuses(&f, &action_secret_set, "{'name':'none','from_files':{'password':'pw'}}", -ENOENT, "none");
    world_body(&f.w, SECRET, "{'metadata':{'name':'db','uid':'s1'},'immutable':true,'data':{}}");
    refuses(&f, &action_secret_set, "{'name':'db','from_files':{'password':'pw'}}", -EBUSY, "immutable");
    world_body(&f.w, SECRET, "{'metadata':{'name':'db','uid':'s1'},'type':'kubernetes.io/service-account-token'}");
    refuses(&f, &action_secret_set, "{'name':'db','from_files':{'password':'pw'}}", -EPERM, "the cluster makes");
    world_clear(&f.w);
}

/* No alert chooses which file of mendd's host is read. */
static void files_are_named_by_the_playbook(void **s _unused_)
{
    static const struct registry registry = {.actions = all_actions, .checks = all_checks};
    static const char *const files[] = {"db-password", "{{ labels.file }}"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        struct playbook *p = NULL;
        _cleanup_json_ json_t *source = J("{'name':'p','matchers':['a=b'],'mode':'plan',"
                                          "'target':{'kind':'Deployment','namespace':'n','name':'x'},"
                                          "'steps':[{'action':'secret.set','with':{'name':'db','from_files':{}}}]}");
        json_object_set_new(json_path(json_array_get(json_object_get(source, "steps"), 0), "with", "from_files", NULL),
                            "password", json_string(files[i]));
        assert_int_equal(playbook_from_json(source, NULL, &registry, &p, &err), i == 0 ? 0 : -EINVAL);
        if (i == 1)
            assert_non_null(strstr(error_message(&err), "must not choose which file is read"));
        playbook_unref(p);
    }
}

/* The rollback: from the copy, only where mendd's value stands; the words say no value. */
static void the_inverse_of_a_secret(void **s _unused_)
{
    struct fixture f;
    struct action_plan plan;
    _cleanup_free_ char *words = NULL;
    begin(&f);
    set_hash(&f, "pw", "password", "bmV3");
    set_hash(&f, "more", "user", "bmV3");
    plans(&f, &action_secret_set, "{'name':'db','from_files':{'password':'pw','user':'more'}}", 2, "", &plan);
    json_t *e = effect_at(&plan, 1);
    _cleanup_json_ json_t *after =
        J("{'metadata':{'name':'db','uid':'s1'},'data':{'password':'bmV3','user':'bmV3','other':'dGhlcmU='}}");
    effect_done(e, after);
    nothing_of_it(&plan);
    _cleanup_json_ json_t *inverse = effect_inverse_new(e, after, &words);
    assert_non_null(inverse);
    assert_string_equal(json_path_text(inverse, "assemble", "from", NULL), SECRETS "/" SECRET_COPY);
    assert_string_equal(json_path_text(inverse, "assemble", "keys", "password", "sha256", NULL),
                        hash_of(e, "/data/password", "before"));
    assert_true(json_is_null(json_path(inverse, "assemble", "keys", "user", NULL)));
    assert_string_equal(json_path_text(inverse, "body", "metadata", "uid", NULL), "s1");
    assert_false(json_bool_or(inverse, "reversible", false));
    _cleanup_json_ json_t *now = json_pack("{s:i, s:o}", "status", 200, "body", J(DB)); /* it was put back */
    assert_int_equal(effect_recognise(inverse, now, &words), SEEN_DONE);
    assert_int_equal(effect_recognise(e, now, &words), SEEN_NOT_DONE);
    json_object_set_new(json_object_get(after, "data"), "password", json_string("dGhpcmQ="));
    assert_null(effect_inverse_new(e, after, &words));
    assert_non_null(strstr(words, "/data/password no longer holds what mendd wrote"));
    _cleanup_json_ json_t *third = json_pack("{s:i, s:O}", "status", 200, "body", after);
    assert_int_equal(effect_recognise(e, third, &words), SEEN_CHANGED);
    assert_null(strstr(words, "dGhpcmQ"));
    action_plan_clear(&plan);
    world_clear(&f.w);
}

/* ---- restore ---- */

static void copy_of_settings(struct fixture *f, const char *of, const char *manifest)
{
    _cleanup_json_ json_t *m = J(manifest);
    _cleanup_free_ char *text = json_compact(m);
    json_object_set_new(f->w.answers, CONFIGMAPS "/kept",
                        json_pack("{s:i, s:{s:{s:{s:s}}, s:{s:s}}}", "status", 200, "body", "metadata", "annotations",
                                  "mendd.io/backup-of", of, "data", "manifest.json", text));
}

static void put_back(void **s _unused_)
{
    static const char WITH[] = "{'from':'kept','kind':'ConfigMap','name':'settings'}";
    struct fixture f;
    struct action_plan plan;
    begin(&f);
    refuses(&f, &action_restore, WITH, -EPERM, "only a person may say so");
    f.approved = true;
    refuses(&f, &action_restore, WITH, -ENOENT, "no backup kept");
    copy_of_settings(&f, "ConfigMap/other", "{}");
    refuses(&f, &action_restore, WITH, -EINVAL, "is a backup of ConfigMap/other");
    copy_of_settings(&f, "ConfigMap/settings", "{'kind':'ConfigMap','metadata':{'name':'other'}}");
    refuses(&f, &action_restore, WITH, -EINVAL, "of another object");
    copy_of_settings(&f, "ConfigMap/settings",
                     "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'settings','namespace':'shop'},"
                     "'data':{'a':'0','c':'3'}}");
    plans(&f, &action_restore, WITH, 1, "put back ConfigMap shop/settings", &plan);
    assert_effect(&plan, 0, "{'method':'PATCH','path':'" CONFIG "','reversible':true}");
    _cleanup_free_ char *data = json_canonical(json_path(effect_at(&plan, 0), "body", "data", NULL));
    assert_string_equal(data, "{\"a\":\"0\",\"c\":\"3\"}");
    action_plan_clear(&plan);
    json_object_del(f.w.answers, CONFIG);
    plans(&f, &action_restore, WITH, 1, "make ConfigMap shop/settings again", &plan);
    assert_effect(&plan, 0, "{'method':'POST','path':'" CONFIGMAPS "','undo':{'method':'DELETE'}}");
    action_plan_clear(&plan);
    refuses(&f, &action_restore, "{'from':'kept','kind':'Namespace','name':'shop'}", -EPERM, "not put back");
    world_clear(&f.w);
}

/* An object that was kept in a Secret (to: secret). */
static void put_back_out_of_a_secret(void **s _unused_)
{
    static const char WITH[] = "{'from':'kept','kind':'ConfigMap','name':'settings'}";
    static const char MANIFEST[] =
        "{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"settings\"},\"data\":{\"a\":\"0\"}}";
    struct fixture f;
    struct action_plan plan;
    begin(&f);
    f.approved = true;
    f.backup.to = BACKUP_SECRET;
    for (size_t i = 0; i <= 3; i++) {
        _cleanup_free_ char *text = xasprintf("%s%.*s", MANIFEST, (int)i, "  "), *data = base64_new(text, strlen(text));
        json_object_set_new(f.w.answers, SECRETS "/kept",
                            json_pack("{s:i, s:{s:{s:{s:s}}, s:{s:s}}}", "status", 200, "body", "metadata",
                                      "annotations", "mendd.io/backup-of", "ConfigMap/settings", "data",
                                      "manifest.json", i < 3 ? data : "!"));
        if (i == 3)
            refuses(&f, &action_restore, WITH, -EINVAL, "holds no manifest.json");
        else
            plans(&f, &action_restore, WITH, 1, "put back ConfigMap", &plan);
        if (i < 3)
            action_plan_clear(&plan);
    }
    world_clear(&f.w);
}

static void a_secret_put_back(void **s _unused_)
{
    static const char WITH[] = "{'from':'kept','kind':'Secret','name':'db'}";
    struct fixture f;
    struct action_plan plan;
    begin(&f);
    f.approved = true;
    world_body(&f.w, SECRETS "/kept",
               "{'metadata':{'annotations':{'mendd.io/backup-of':'Secret/db','mendd.io/backup-type':'x/y'}},"
               "'data':{'password':'b2xkZXI='}}");
    plans(&f, &action_restore, WITH, 2, "put back 2 keys of Secret shop/db", &plan);
    const json_t *e = effect_at(&plan, 1);
    assert_string_equal(json_path_text(e, "assemble", "from", NULL), SECRETS "/kept");
    assert_true(json_is_null(json_path(e, "assemble", "keys", "other", NULL)));
    nothing_of_it(&plan);
    action_plan_clear(&plan);
    json_object_del(f.w.answers, SECRET);
    plans(&f, &action_restore, WITH, 1, "make Secret shop/db again", &plan);
    assert_string_equal(json_path_text(effect_at(&plan, 0), "body", "type", NULL), "x/y");
    nothing_of_it(&plan);
    action_plan_clear(&plan);
    world_clear(&f.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_kept),
        cmocka_unit_test(the_first_copy_of_a_run_stays),
        cmocka_unit_test(old_copies_go),
        cmocka_unit_test(a_name_that_is_none),
        cmocka_unit_test(a_secret_from_files),
        cmocka_unit_test(a_copy_of_something_else),
        cmocka_unit_test(secrets_that_are_left_alone),
        cmocka_unit_test(files_are_named_by_the_playbook),
        cmocka_unit_test(the_inverse_of_a_secret),
        cmocka_unit_test(put_back),
        cmocka_unit_test(put_back_out_of_a_secret),
        cmocka_unit_test(a_secret_put_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
