/* job.succeeded: whether Jobs have done their work, with the last lines of their logs, so that the record says more
 * than "failed", and a long one shows that it goes on. */
#include "base/alloc.h"
#include "base/text.h"
#include "checks/common.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LOG_LINES = 3, LOG_BYTES = 400 };

static const struct kind *job_kind(void)
{
    return kind_known("Job");
}

static const json_t *condition(const json_t *job, const char *type)
{
    size_t i;
    json_t *c;
    json_array_foreach (json_path(job, "status", "conditions", NULL), i, c) {
        if (str_eq(json_text(c, "type"), type) && str_eq(json_text(c, "status"), "True"))
            return c;
    }
    return NULL;
}

/* ---- its last words ---- */

/* The newest of the Job's pods; NULL: none, or not known (who may not ask is told so in `b`). */
static int newest_pod(const struct check_in *in, const char *namespace, const json_t *job, const json_t **ret,
                      struct strbuf *b)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *selector = xasprintf("job-name=%s", object_name(job));
    const json_t *list = NULL;
    size_t i;
    json_t *pod;
    int r = list_kube(in->asks, in->cluster, &kind_pod, namespace, selector, &list, &err);
    if (r == -EAGAIN)
        return r;
    if (r == -EACCES)
        strbuf_printf(b, "; its log is not known: %s", error_message(&err));
    *ret = NULL;
    const char *latest = "";
    json_array_foreach (json_object_get(list, "items"), i, pod) {
        const char *created = json_path_text(pod, "metadata", "creationTimestamp", NULL);
        if (object_is_controlled_by(pod, object_uid(job)) && strcmp(created ? created : "", latest) >= 0) {
            *ret = pod;
            latest = created ? created : "";
        }
    }
    return 0;
}

/* One line: line ends become " | ", other control characters spaces. */
static void add_text(struct strbuf *b, const char *text)
{
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\n')
            strbuf_puts(b, " | ");
        else
            strbuf_putc(b, iscntrl((unsigned char)text[i]) ? ' ' : text[i]);
    }
}

static int add_last_lines(const struct check_in *in, const char *namespace, const json_t *pod, struct strbuf *b)
{
    const json_t *first = json_array_get(json_path(pod, "spec", "containers", NULL), 0);
    char number[16];
    _cleanup_free_ char *path = kube_path(&kind_pod, namespace, object_name(pod), "log");
    kube_path_query(&path, "container", json_text_or(first, "name", ""));
    snprintf(number, sizeof(number), "%d", LOG_LINES);
    kube_path_query(&path, "tailLines", number);
    snprintf(number, sizeof(number), "%d", LOG_BYTES);
    kube_path_query(&path, "limitBytes", number);
    const json_t *answer = ask_kube_text(in->asks, in->cluster, path, LOG_BYTES, 0);
    if (!answer)
        return -EAGAIN;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (answer_error(answer, "GET pods/log", &err) == -EACCES)
        strbuf_printf(b, "; its log is not known: %s", error_message(&err));
    const char *text = answer_ok(answer) ? json_text(answer, "text") : NULL;
    if (str_empty(text))
        return 0;
    strbuf_puts(b, "; its log ends: ");
    add_text(b, text);
    return 0;
}

/* The log of a pod that runs or ran; of one that does not, why. */
static int add_words(const struct check_in *in, const char *namespace, const json_t *job, struct strbuf *b)
{
    const json_t *pod = NULL;
    int r = newest_pod(in, namespace, job, &pod, b);
    if (r < 0 || !pod)
        return r;
    if (str_eq(json_path_text(pod, "status", "phase", NULL), "Pending")) {
        _cleanup_free_ char *why = pod_why_not_ready(pod);
        strbuf_printf(b, "; pod %s: %s", object_name(pod), why);
        return 0;
    }
    return add_last_lines(in, namespace, pod, b);
}

/* ---- the verdict ---- */

static int judge_job(const struct check_in *in, const char *namespace, const char *name, const char *uid,
                     enum verdict *worst, struct strbuf *b, struct error *err)
{
    const json_t *job = NULL, *c;
    _cleanup_free_ char *path = kube_path(job_kind(), namespace, name, NULL);
    _cleanup_free_ char *what = kube_what("GET", job_kind(), namespace, name);
    int r = read_kube(in->asks, in->cluster, path, what, &job, err);
    if (r < 0)
        return r;
    if (uid && !str_eq(uid, object_uid(job))) {
        words_add(b, "Job %s/%s is another one by now", namespace, name);
        *worst = VERDICT_FAIL;
        return 0;
    }
    const json_t *status = json_object_get(job, "status");
    if (condition(job, "Complete")) {
        words_add(b, "Job %s/%s succeeded", namespace, name);
    } else if ((c = condition(job, "Failed"))) {
        words_add(b, "Job %s/%s failed: %s: %s", namespace, name, json_text_or(c, "reason", "no reason given"),
                  json_text_or(c, "message", ""));
        *worst = VERDICT_FAIL;
    } else {
        words_add(b, "Job %s/%s is still running: %lld active", namespace, name,
                  (long long)json_int_or(status, "active", 0));
        *worst = VERDICT_FAIL;
    }
    return add_words(in, namespace, job, b);
}

/* The Jobs that the run's effects made, each asked for where it was made. */
static int judge_made(const struct check_in *in, size_t *ret_n, enum verdict *worst, struct strbuf *b,
                      struct error *err)
{
    bool again = false;
    size_t i;
    json_t *effect;
    json_array_foreach (in->effects, i, effect) {
        const json_t *object = json_object_get(effect, "object");
        if (!str_eq(json_text(object, "kind"), "Job") || str_eq(json_text(effect, "method"), "DELETE"))
            continue;
        struct check_in there = *in;
        const char *cluster = json_text(effect, "cluster");
        there.cluster = str_empty(cluster) ? in->cluster : cluster;
        ++*ret_n;
        int r = judge_job(&there, json_text(object, "namespace"), json_text_or(object, "name", ""),
                          json_path_text(effect, "answer", "metadata", "uid", NULL), worst, b, err);
        if (r < 0 && r != -EAGAIN)
            return r;
        again = again || r == -EAGAIN;
    }
    return again ? -EAGAIN : 0;
}

static int succeeded_judge(const struct check_in *in, struct check_result *ret)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_strbuf_ struct strbuf words = {.max = 1000};
    const char *name = json_text(in->with, "name"), *namespace = json_text(in->with, "namespace");
    enum verdict worst = VERDICT_PASS;
    size_t n = 1;
    int r;
    namespace = namespace ? namespace : target_namespace(in->target);
    if (name && str_empty(namespace))
        return check_say(ret, VERDICT_UNKNOWN, "the target is in no namespace: say which one (namespace)");
    if (name) {
        r = judge_job(in, namespace, name, NULL, &worst, &words, &err);
    } else {
        n = 0;
        r = judge_made(in, &n, &worst, &words, &err);
    }
    if (r < 0)
        return verdict_for(r, &err, ret);
    if (n == 0)
        return check_say(ret, VERDICT_UNKNOWN, "this rung has made no Job: say which one (name)");
    return check_say(ret, worst, "%s", strbuf_str(&words));
}

static const struct param succeeded_params[] = {
    {"name", PARAM_NAME, false, NULL, "the Job; by default those that the rung has made"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {0},
};

static void succeeded_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = rights_param(in, "name");
    rights_read(in, &(struct rights_what){.kind = "Job", .names = &names}, "get");
    rights_list(in, "Pod"); /* for its last words */
    rights_read(in, &(struct rights_what){.kind = "Pod", .subresource = "log"}, "get");
}

const struct check check_job_succeeded = {
    .name = "job.succeeded",
    .params = succeeded_params,
    .doc = "Jobs have completed",
    .judge = succeeded_judge,
    .rights = succeeded_rights,
};
