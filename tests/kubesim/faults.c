#include "faults.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#define MAX_RULES 256

struct rule {
    struct fault fault;
    pcre2_code *method, *path;
    int64_t after, left; /* left < 0: no end */
    json_t *source;
};

struct faults {
    struct rule rules[MAX_RULES];
    size_t n;
};

static const char *const names[] = {"",      "conflict", "throttle", "error", "reset_before", "reset_after",
                                    "stall", "slow",     "truncate"};

const char *fault_name(enum fault_kind kind)
{
    return names[kind];
}

struct faults *faults_new(void)
{
    return xnew0(struct faults);
}

static void rule_free(struct rule *r)
{
    pcre2_code_free(r->method);
    pcre2_code_free(r->path);
    json_decref(r->source);
    *r = (struct rule){0};
}

void faults_clear(struct faults *f)
{
    for (size_t i = 0; i < f->n; i++)
        rule_free(&f->rules[i]);
    f->n = 0;
}

void faults_free(struct faults *f)
{
    if (!f)
        return;
    faults_clear(f);
    free(f);
}

static pcre2_code *compile(const char *pattern)
{
    int code;
    PCRE2_SIZE at;
    return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
}

static bool matches(const pcre2_code *code, const char *text)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    const int rc = pcre2_match(code, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, data, NULL);
    pcre2_match_data_free(data);
    return rc >= 0;
}

static enum fault_kind kind_named(const char *name)
{
    for (size_t i = 1; i < ARRAY_SIZE(names); i++)
        if (str_eq(names[i], name))
            return (enum fault_kind)i;
    return FAULT_NONE;
}

static int add_rule(struct faults *f, const json_t *source, struct error *err)
{
    struct rule r = {.fault.kind = kind_named(json_text(source, "kind"))};
    const int64_t count = json_int_or(source, "count", 1);
    if (r.fault.kind == FAULT_NONE)
        return error_set(err, -EINVAL,
                         "a fault needs a kind: conflict, throttle, error, reset_before, reset_after, "
                         "stall, slow or truncate");
    if (f->n == MAX_RULES)
        return error_set(err, -EINVAL, "there are %d faults already", MAX_RULES);
    r.method = compile(json_text_or(source, "method", ""));
    r.path = compile(json_text_or(source, "path", ""));
    if (!r.method || !r.path) {
        rule_free(&r);
        return error_set(err, -EINVAL, "a fault's method or path is no regular expression");
    }
    const enum fault_kind k = r.fault.kind;
    r.left = count == 0 ? -1 : count;
    r.after = json_int_or(source, "after", 0);
    r.fault.code = (int)json_int_or(source, "code", 500);
    r.fault.retry_after_s = (int)json_int_or(source, "retry_after_s", k == FAULT_THROTTLE ? 1 : 0);
    r.fault.ms = json_int_or(source, "ms", k == FAULT_STALL ? 600000 : k == FAULT_SLOW ? 1000 : 0);
    r.fault.apply = k == FAULT_RESET_AFTER || k == FAULT_SLOW || k == FAULT_TRUNCATE ||
                    (k == FAULT_STALL && json_bool_or(source, "apply", false));
    r.source = json_deep_copy(source);
    f->rules[f->n++] = r;
    return 0;
}

int faults_add(struct faults *f, const json_t *rules, struct error *err)
{
    if (!json_is_array(rules))
        return add_rule(f, rules, err);
    size_t i;
    json_t *rule;
    json_array_foreach (rules, i, rule) {
        int r = add_rule(f, rule, err);
        if (r < 0)
            return r;
    }
    return 0;
}

json_t *faults_json(const struct faults *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->n; i++) {
        json_t *entry = json_deep_copy(f->rules[i].source);
        json_object_set_new(entry, "left", json_integer(f->rules[i].left));
        json_array_append_new(list, entry);
    }
    return list;
}

struct fault faults_match(struct faults *f, const char *method, const char *path)
{
    for (size_t i = 0; i < f->n; i++) {
        struct rule *r = &f->rules[i];
        if (r->left == 0 || !matches(r->method, method) || !matches(r->path, path))
            continue;
        if (r->after > 0) {
            r->after--;
            continue;
        }
        if (r->left > 0)
            r->left--;
        return r->fault;
    }
    return (struct fault){0};
}
