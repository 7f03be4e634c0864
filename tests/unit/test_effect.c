#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"
#include "core/internal.h"

static json_t *object_new(const char *uid, int replicas, const char *mark)
{
    json_t *o = json_pack("{s:i, s:{s:{s:s, s:{s:s}}, s:{s:i}}}", "status", 200, "body", "metadata", "uid", uid,
                          "annotations", "a", "b", "spec", "replicas", replicas);
    if (mark)
        json_set_text(json_path(o, "body", "metadata", "annotations", NULL), MARK_ANNOTATION, mark);
    return o;
}

static json_t *scale_new(enum recognition how)
{
    json_t *e = effect_new("k", "PATCH", "/apis/apps/v1/namespaces/n/deployments/d?fieldManager=mendd",
                           "application/merge-patch+json", json_object(), how);
    json_object_set_new(
        e, "object",
        json_pack("{s:s, s:s, s:s, s:s}", "kind", "Deployment", "namespace", "n", "name", "d", "uid", "u1"));
    json_object_set_new(e, "changes", json_pack("{s:{s:i, s:i}}", "/spec/replicas", "before", 2, "after", 5));
    json_object_set_new(e, "reversible", json_true());
    return e;
}

static enum seen look(enum recognition how, json_t *answer_new, const char *words_hold)
{
    _cleanup_json_ json_t *e = scale_new(how), *answer = answer_new;
    _cleanup_free_ char *words = NULL;
    enum seen seen = effect_recognise(e, answer, &words);
    if (words_hold)
        assert_non_null(strstr(words, words_hold));
    return seen;
}

static void recognises_values_and_marks(void **state)
{
    (void)state;
    assert_int_equal(look(RECOGNISE_VALUE, object_new("u1", 5, NULL), NULL), SEEN_DONE);
    assert_int_equal(look(RECOGNISE_VALUE, object_new("u1", 2, NULL), NULL), SEEN_NOT_DONE);
    assert_int_equal(look(RECOGNISE_VALUE, object_new("u1", 7, NULL), "/spec/replicas: it is now 7"), SEEN_CHANGED);
    assert_int_equal(look(RECOGNISE_VALUE, object_new("u2", 5, NULL), "replaced"), SEEN_CHANGED);
    assert_int_equal(look(RECOGNISE_MARK, object_new("u1", 7, "k"), NULL), SEEN_DONE);
    assert_int_equal(look(RECOGNISE_MARK, object_new("u1", 2, "other"), NULL), SEEN_NOT_DONE);
    assert_int_equal(look(RECOGNISE_VALUE, json_pack("{s:i}", "status", 404), NULL), SEEN_GONE);
    assert_int_equal(look(RECOGNISE_VALUE, json_pack("{s:i}", "status", 503), NULL), SEEN_UNKNOWN);
    assert_int_equal(look(RECOGNISE_NEVER, object_new("u1", 5, NULL), NULL), SEEN_UNKNOWN);
}

static void recognises_deletes_and_creates(void **state)
{
    (void)state;
    json_t *leaving = object_new("u1", 2, NULL);
    json_set_text(json_path(leaving, "body", "metadata", NULL), "deletionTimestamp", "2026-01-05T10:00:00Z");
    assert_int_equal(look(RECOGNISE_UID, leaving, NULL), SEEN_DONE);
    assert_int_equal(look(RECOGNISE_UID, object_new("u2", 2, NULL), NULL), SEEN_DONE);
    assert_int_equal(look(RECOGNISE_UID, object_new("u1", 2, NULL), NULL), SEEN_NOT_DONE);
    assert_int_equal(look(RECOGNISE_UID, json_pack("{s:i}", "status", 404), NULL), SEEN_DONE);
    assert_int_equal(look(RECOGNISE_NAME, json_pack("{s:i}", "status", 404), NULL), SEEN_NOT_DONE);
    assert_int_equal(look(RECOGNISE_NAME, object_new("u9", 2, "k"), NULL), SEEN_DONE);
    assert_int_equal(look(RECOGNISE_NAME, object_new("u9", 2, NULL), NULL), SEEN_CHANGED);
}

static void undoes_only_what_is_ours(void **state)
{
    (void)state;
    _cleanup_json_ json_t *e = scale_new(RECOGNISE_MARK);
    _cleanup_json_ json_t *ours = object_new("u1", 5, "k"), *theirs = object_new("u1", 7, "k");
    _cleanup_free_ char *words = NULL;
    assert_null(effect_inverse_new(e, answer_body(theirs), &words));
    assert_non_null(strstr(words, "/spec/replicas"));
    _cleanup_json_ json_t *inverse = effect_inverse_new(e, answer_body(ours), NULL);
    _cleanup_free_ char *body = json_compact(json_object_get(inverse, "body"));
    assert_string_equal(body, "[{\"op\":\"test\",\"path\":\"/metadata/uid\",\"value\":\"u1\"},"
                              "{\"op\":\"test\",\"path\":\"/spec/replicas\",\"value\":5},"
                              "{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2},"
                              "{\"op\":\"add\",\"path\":\"/metadata/annotations/mendd.io~1last-effect\","
                              "\"value\":\"k/undo\"}]");
    assert_string_equal(json_text(inverse, "path"), "/apis/apps/v1/namespaces/n/deployments/d?fieldManager=mendd");
    assert_string_equal(json_text(inverse, "content_type"), "application/json-patch+json");
}

static void the_scale_subresource_carries_no_mark(void **state)
{
    (void)state;
    _cleanup_json_ json_t *e = scale_new(RECOGNISE_VALUE), *ours = object_new("u1", 5, NULL);
    json_set_text(e, "path", "/apis/apps/v1/namespaces/n/deployments/d/scale?fieldManager=mendd");
    _cleanup_json_ json_t *inverse = effect_inverse_new(e, answer_body(ours), NULL);
    assert_int_equal(json_array_size(json_object_get(inverse, "body")), 3);
    assert_string_equal(json_text(inverse, "recognise"), "value");
}

static void a_field_that_was_not_there_is_removed(void **state)
{
    (void)state;
    _cleanup_json_ json_t *e = scale_new(RECOGNISE_MARK), *ours = object_new("u1", 5, NULL);
    json_object_del(json_path(e, "changes", "/spec/replicas", NULL), "before");
    _cleanup_json_ json_t *inverse = effect_inverse_new(e, answer_body(ours), NULL);
    const json_t *op = json_array_get(json_object_get(inverse, "body"), 2);
    assert_string_equal(json_text(op, "op"), "remove");
}

static void done_keeps_what_the_server_wrote(void **state)
{
    (void)state;
    _cleanup_json_ json_t *e = scale_new(RECOGNISE_VALUE), *answer = object_new("u1", 6, NULL);
    effect_done(e, answer_body(answer));
    assert_string_equal(json_text(e, "status"), "done");
    assert_int_equal(json_int_or(json_path(e, "changes", "/spec/replicas", NULL), "after", 0), 6);
    assert_string_equal(json_path_text(e, "answer", "metadata", "uid", NULL), "u1");
    assert_null(json_path(e, "answer", "spec", NULL));
}

static json_t *made_new(const char *method, int code)
{
    json_t *e = effect_new("k", method, "/apis/x", "application/json", json_object(), RECOGNISE_NAME);
    json_object_set_new(e, "object", json_pack("{s:s, s:s, s:s}", "kind", "Job", "namespace", "n", "name", "j"));
    json_object_set_new(e, "undo", json_pack("{s:s}", "method", "DELETE"));
    json_object_set_new(e, "code", code ? json_integer(code) : json_null());
    json_set_text(e, "read", "/apis/x/j");
    return e;
}

/* A rollback deletes what the run created, and only that very object. */
static void what_was_made_is_deleted(void **state)
{
    (void)state;
    _cleanup_json_ json_t *post = made_new("POST", 0), *created = made_new("PATCH", 201),
                          *merged = made_new("PATCH", 200), *lost = made_new("PATCH", 0);
    _cleanup_json_ json_t *ours = object_new("u1", 1, "k"), *theirs = object_new("u1", 1, "other"),
                          *replaced = object_new("u2", 1, "other");
    _cleanup_json_ json_t *inverse = effect_inverse_new(post, answer_body(ours), NULL);
    assert_string_equal(json_text(inverse, "method"), "DELETE");
    assert_string_equal(json_text(inverse, "path"), "/apis/x/j");
    assert_string_equal(json_text(inverse, "recognise"), "uid");
    assert_string_equal(json_path_text(inverse, "body", "preconditions", "uid", NULL), "u1");
    assert_string_equal(json_path_text(inverse, "object", "uid", NULL), "u1");
    _cleanup_json_ json_t *of_apply = effect_inverse_new(created, answer_body(ours), NULL);
    assert_string_equal(json_text(of_apply, "method"), "DELETE");
    _cleanup_free_ char *words = NULL;
    assert_null(effect_inverse_new(merged, answer_body(ours), &words));
    assert_non_null(strstr(words, "whether mendd created it"));
    assert_null(effect_inverse_new(lost, answer_body(ours), &words));
    assert_null(effect_inverse_new(post, answer_body(theirs), &words));
    assert_non_null(strstr(words, "another one by now"));
    effect_done(post, answer_body(ours));
    _cleanup_json_ json_t *of_known = effect_inverse_new(post, answer_body(theirs), NULL);
    assert_non_null(of_known); /* a later step has put its own mark on it */
    assert_null(effect_inverse_new(post, answer_body(replaced), &words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recognises_values_and_marks),
                                       cmocka_unit_test(recognises_deletes_and_creates),
                                       cmocka_unit_test(undoes_only_what_is_ours),
                                       cmocka_unit_test(what_was_made_is_deleted),
                                       cmocka_unit_test(the_scale_subresource_carries_no_mark),
                                       cmocka_unit_test(a_field_that_was_not_there_is_removed),
                                       cmocka_unit_test(done_keeps_what_the_server_wrote)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
