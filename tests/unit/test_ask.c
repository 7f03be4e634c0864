/* Questions are asked once, answers are found again, refusals have words and a code. */
#include "core/ask.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_question_is_asked_once(void **state)
{
    (void)state;
    struct asks a;
    asks_init(&a);
    assert_null(ask_kube(&a, "prod", "/api/v1/nodes"));
    assert_null(ask(&a, json_pack("{s:s, s:s, s:s}", "path", "/api/v1/nodes", "ask", "kube", "cluster", "prod")));
    assert_int_equal(json_array_size(a.wanted), 1);
    assert_null(ask_kube(&a, "other", "/api/v1/nodes"));
    assert_null(ask_kube_text(&a, "prod", "/api/v1/nodes", 10, 0));
    assert_null(ask_alertmanager(&a, 0, "/api/v2/alerts"));
    assert_int_equal(json_array_size(a.wanted), 4);
    asks_answer(&a, json_array_get(a.wanted, 0), json_pack("{s:i}", "status", 200)); /* the very one that is removed */
    assert_int_equal(json_array_size(a.wanted), 3);
    assert_int_equal(answer_status(ask_kube(&a, "prod", "/api/v1/nodes")), 200);
    assert_int_equal(json_array_size(a.wanted), 3);
    asks_clear(&a);
    assert_null(a.answers);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        int status, code;
    } cases[] = {{200, 0},      {201, 0},       {401, -EACCES}, {403, -EACCES}, {404, -ENOENT},
                 {409, -EBUSY}, {422, -EINVAL}, {429, -EBUSY},  {500, -EIO},    {503, -EIO}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_json_ json_t *a = json_pack("{s:i, s:{s:s}}", "status", cases[i].status, "body", "message", "because");
        assert_int_equal(answer_error(a, "GET pods in shop", &err), cases[i].code);
        assert_int_equal(answer_ok(a), cases[i].code == 0);
        if (cases[i].code) {
            assert_non_null(strstr(error_message(&err), "GET pods in shop: "));
            assert_non_null(strstr(error_message(&err), "because"));
        }
    }
}

static void no_answer(void **state)
{
    (void)state;
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_json_ json_t *lost = json_pack("{s:s, s:s}", "error", "refused", "message", "connection refused");
    assert_false(answer_ok(lost));
    assert_int_equal(answer_status(lost), 0);
    assert_int_equal(answer_error(lost, "GET nodes", &err), -EIO);
    assert_non_null(strstr(error_message(&err), "connection refused"));
    assert_int_equal(answer_error(NULL, "GET nodes", &err), -EIO);
    _cleanup_json_ json_t *redis = json_pack("{s:i, s:s}", "status", 0, "redis_error", "NOAUTH");
    assert_false(answer_ok(redis));
    _cleanup_json_ json_t *tcp = json_pack("{s:i, s:i}", "status", 0, "latency_ms", 1);
    assert_true(answer_ok(tcp));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_question_is_asked_once), cmocka_unit_test(refusals),
                                       cmocka_unit_test(no_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
