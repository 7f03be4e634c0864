/* docs/openapi.json against the routes: every one is described, with the scope that it needs, and nothing else is. */
#include "../../daemon/web_internal.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static json_t *document;

static int setup(void **state)
{
    (void)state;
    document = json_load_file("docs/openapi.json", 0, NULL);
    return document ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

static const json_t *operation(const char *path, const char *method)
{
    _cleanup_free_ char *lower = xstrdup(method);
    for (char *p = lower; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return json_path(document, "paths", path, lower, NULL);
}

static void test_every_route_is_described(void **state)
{
    (void)state;
    for (const struct route *r = web_routes; r->path; r++) {
        const json_t *op = operation(r->path, r->method);
        if (!op)
            fail_msg("%s %s is not in docs/openapi.json", r->method, r->path);
        const json_t *scope =
            json_array_get(json_object_get(json_array_get(json_object_get(op, "security"), 0), "bearer"), 0);
        const char *said = scope ? json_string_value(scope) : "none";
        if (!str_eq(said, auth_scope(r->access)))
            fail_msg("%s %s needs %s, docs/openapi.json says %s", r->method, r->path, auth_scope(r->access), said);
    }
}

static void test_nothing_else_is(void **state)
{
    (void)state;
    const char *path, *method;
    json_t *item, *op;
    json_object_foreach (json_object_get(document, "paths"), path, item)
        json_object_foreach (item, method, op) {
            const struct route *r = web_routes;
            while (r->path && !(str_eq(r->path, path) && strcasecmp(r->method, method) == 0))
                r++;
            if (!r->path)
                fail_msg("docs/openapi.json describes %s %s, which does not exist", method, path);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_is_described),
        cmocka_unit_test(test_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
