/* field: one field of any object says what it should: a suspended Kustomization, a phase, a number in a status. For
 * conditions there is `condition`, which also knows whether one is of the object's present state. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "checks/common.h"

#include <errno.h>

enum { SHOWN_MAX = 200 };

/* What a playbook writes is text or a number, and templates always yield text: compared as it would be shown. */
static char *shown_new(const json_t *value)
{
    return json_is_string(value) ? xstrdup(json_string_value(value)) : json_compact(value);
}

/* A time that far ahead: a certificate's notAfter. */
static bool is_late_enough(const json_t *later_by, const json_t *value, int64_t wall_us)
{
    int64_t at_us;
    return time_parse(json_string_value(value) ? json_string_value(value) : "", &at_us) == 0 &&
           at_us - wall_us >= json_integer_value(later_by) * USEC_PER_MSEC;
}

static bool is_as_wanted(const json_t *with, const json_t *value, int64_t wall_us)
{
    const json_t *later_by = json_object_get(with, "later_by");
    const json_t *equals = json_object_get(with, "equals"), *at_least = json_object_get(with, "at_least"),
                 *at_most = json_object_get(with, "at_most");
    if (!value || json_is_null(value))
        return false;
    if (later_by)
        return is_late_enough(later_by, value, wall_us);
    if (equals) {
        _cleanup_free_ char *have = shown_new(value);
        return str_eq(have, json_string_value(equals));
    }
    if ((at_least || at_most) && !json_is_number(value))
        return false;
    return (!at_least || json_number_value(value) >= json_number_value(at_least)) &&
           (!at_most || json_number_value(value) <= json_number_value(at_most));
}

static int field_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_workloads_ struct workloads w = {0};
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    const char *pointer = json_text_or(in->with, "pointer", "");
    if (*pointer != '/')
        return check_say(ret, VERDICT_UNKNOWN, "\"%s\" is no JSON pointer: it begins with /", pointer);
    if (str_eq(json_text(in->with, "kind"), "Secret") || str_eq(in->target->kind, "Secret"))
        return check_say(ret, VERDICT_UNKNOWN, "the content of a Secret is not looked at");
    int r = check_workloads(in, NULL, &w, &err);
    if (r < 0)
        return verdict_for(r, &err, ret);
    bool all = true;
    for (size_t i = 0; i < w.n; i++) {
        const json_t *value = json_pointer(w.items[i].object, pointer);
        _cleanup_free_ char *have = value ? shown_new(value) : NULL;
        words_add(&words, "%s: %s is %.*s", w.items[i].label, pointer, SHOWN_MAX, have ? have : "not there");
        all = is_as_wanted(in->with, value, in->now.wall_us) && all;
    }
    return check_say(ret, all ? VERDICT_PASS : VERDICT_FAIL, "%s", strbuf_str(&words));
}

static const struct param field_params[] = {
    {"apiVersion", PARAM_TEXT, false, NULL, "group/version of the kind; needed for custom resources only"},
    {"kind", PARAM_KIND, false, NULL, "any kind but Secret; the target's by default"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"name", PARAM_NAME, false, NULL, "the object; the target's owners by default"},
    {"selector", PARAM_SELECTOR, false, NULL, "all with these labels"},
    {"pointer", PARAM_TEXT, true, NULL, "which field, as a JSON pointer: /status/phase"},
    {"equals", PARAM_TEXT, false, NULL, "what it must be; without any bound it must only be there"},
    {"at_least", PARAM_NUMBER, false, NULL, "a number not below this"},
    {"at_most", PARAM_NUMBER, false, NULL, "a number not above this"},
    {"later_by", PARAM_DURATION, false, NULL, "a time (RFC 3339) at least this far ahead: a certificate's notAfter"},
    {0},
};

static void field_kind(const struct rights_in *in, const struct rights_what *what)
{
    const bool selected = rights_has(in, "selector") && !rights_has(in, "name");
    if (!str_eq(what->kind, "Secret"))
        rights_read(in, what, selected ? "list" : "get");
}

static void field_rights(const struct rights_in *in)
{
    rights_each_kind(in, NULL, field_kind);
}

const struct check check_field = {
    .name = "field",
    .params = field_params,
    .doc = "a field of an object is as it should be",
    .judge = field_judge,
    .rights = field_rights,
};
