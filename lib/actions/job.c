/* job.run and job.from_cronjob: a Job named by the effect's key, so that it runs once whatever happens to mendd. It
 * never tries again by itself (backoffLimit 0, restartPolicy Never) and is never tidied away (no
 * ttlSecondsAfterFinished): it is evidence. How it ends is the check job.succeeded's matter. From a CronJob as `kubectl
 * create job --from=cronjob/NAME` does it (kubectl, create_job.go). */
#include "actions/create.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

enum { DEADLINE_S = 600, IMAGE_MAX = 512 };

static const char what_stays[] = "what its command did is not undone; the Job stays as evidence";

static bool is_image(const char *s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./:@_-";
    return s && *s && strlen(s) <= IMAGE_MAX && s[strspn(s, allowed)] == '\0' && strchr("./:@_-", *s) == NULL;
}

/* Whole seconds, at least one; 0: not said. */
static int64_t deadline_s(const struct action_in *in, int64_t otherwise)
{
    const int64_t ms = json_int_or(in->with, "timeout", 0);
    return ms > 0 ? (ms + MSEC_PER_SEC - 1) / MSEC_PER_SEC : otherwise;
}

static void plan_job(const struct action_in *in, const char *namespace, json_t *job_new, struct action_plan *plan)
{
    json_t *effect = effect_create_new(in, kind_known("Job"), namespace, job_new);
    effect_irreversible(effect, what_stays);
    if (!plan->effects)
        plan->effects = json_array();
    plan_effect(plan, effect);
}

/* ---- job.run ---- */

static int env_list(const json_t *map, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *list = json_array();
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)map, key, value) {
        const char *rest = key + (*key >= '0' && *key <= '9'); /* a name begins with no digit */
        if (rest != key || !*key ||
            key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
            return error_set(err, -EINVAL, "env: '%.80s' is no name of a variable", key);
        json_array_append_new(list, json_pack("{s:s, s:O}", "name", key, "value", value));
    }
    *ret = TAKE_PTR(list);
    return 0;
}

static bool is_host_path(const char *path)
{
    return path && *path == '/' && path[1] && !strstr(path, "/../") && !str_ends(path, "/..") && !strstr(path, "//");
}

/* A path of the node in the container is the node in the container. */
static int check_host_paths(const struct action_in *in, struct error *err)
{
    const char *inside;
    json_t *path;
    json_object_foreach (json_object_get(in->with, "host_paths"), inside, path) {
        if (!is_host_path(inside) || !is_host_path(json_string_value(path)))
            return error_set(err, -EINVAL, "host_paths: '%.80s: %.80s' are no absolute paths", inside,
                             json_string_value(path));
        if (!in->approved)
            return error_set(err, -EPERM,
                             "a Job that reaches into its node (%s) is only for a person to allow (mode: approve)",
                             json_string_value(path));
    }
    return 0;
}

static void add_host_paths(const json_t *paths, json_t *pod_spec)
{
    json_t *mounts = json_array(), *volumes = json_array(), *path;
    const char *inside;
    json_object_foreach ((json_t *)paths, inside, path) {
        _cleanup_free_ char *name = xasprintf("host-%zu", json_array_size(volumes));
        json_array_append_new(mounts, json_pack("{s:s, s:s}", "name", name, "mountPath", inside));
        json_array_append_new(volumes, json_pack("{s:s, s:{s:O}}", "name", name, "hostPath", "path", path));
    }
    json_object_set_new(json_array_get(json_object_get(pod_spec, "containers"), 0), "volumeMounts", mounts);
    json_object_set_new(pod_spec, "volumes", volumes);
}

static json_t *container_new(const struct action_in *in, json_t *env)
{
    json_t *c = json_pack("{s:s, s:s, s:{s:b}}", "name", "job", "image", json_text(in->with, "image"),
                          "securityContext", "allowPrivilegeEscalation", 0);
    json_t *command = json_object_get(in->with, "command");
    if (json_array_size(command) > 0)
        json_object_set(c, "command", command);
    if (json_array_size(env) > 0)
        json_object_set(c, "env", env);
    return c;
}

/* A Job without an account of its own gets no token of the cluster either. */
static json_t *pod_spec_new(const struct action_in *in, json_t *env)
{
    const char *account = json_text(in->with, "service_account"), *node = json_text(in->with, "node");
    json_t *spec = json_pack("{s:s, s:[o]}", "restartPolicy", "Never", "containers", container_new(in, env));
    json_set_text(spec, "serviceAccountName", account);
    if (!account)
        json_object_set_new(spec, "automountServiceAccountToken", json_false());
    if (json_object_size(json_object_get(in->with, "host_paths")) > 0)
        add_host_paths(json_object_get(in->with, "host_paths"), spec);
    json_set_text(spec, "nodeName", node); /* past the scheduler: a cordoned node can be worked on too */
    return spec;
}

static int run_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    const char *image = json_text(in->with, "image"), *namespace = step_namespace(in, err);
    _cleanup_json_ json_t *env = NULL;
    if (!namespace)
        return -EINVAL;
    if (!is_image(image))
        return error_set(err, -EINVAL, "'%.80s' is no image reference", image ? image : "");
    int r = env_list(json_object_get(in->with, "env"), &env, err);
    if (r == 0)
        r = check_host_paths(in, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *name = made_name_new(in);
    const int64_t seconds = deadline_s(in, DEADLINE_S);
    json_t *job = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:i, s:I, s:{s:{s:{s:s}}, s:o}}}", "apiVersion", "batch/v1",
                            "kind", "Job", "metadata", "name", name, "namespace", namespace, "spec", "backoffLimit", 0,
                            "activeDeadlineSeconds", (json_int_t)seconds, "template", "metadata", "labels",
                            "app.kubernetes.io/managed-by", "mendd", "spec", pod_spec_new(in, env));
    plan_job(in, namespace, job, ret);
    plan_note(ret, "run %s as Job %s/%s, for at most %lld s", image, namespace, name, (long long)seconds);
    return 0;
}

/* ---- job.from_cronjob ---- */

static json_t *owner_new(const struct kind *k, const json_t *cronjob)
{
    _cleanup_free_ char *api_version = kind_version_text(k);
    return json_pack("{s:s, s:s, s:s, s:s, s:b}", "apiVersion", api_version, "kind", "CronJob", "name",
                     object_name(cronjob), "uid", object_uid(cronjob), "controller", 1);
}

/* The template as it is, but for what would run it twice, tidy it away or tie it to another Job's pods. */
static json_t *job_spec_new(const struct action_in *in, const json_t *cronjob)
{
    static const char *const dropped[] = {"ttlSecondsAfterFinished", "selector", "manualSelector", "suspend"};
    json_t *spec = json_deep_copy(json_path(cronjob, "spec", "jobTemplate", "spec", NULL));
    if (!json_is_object(json_path(spec, "template", "spec", NULL))) {
        json_decref(spec);
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
        json_object_del(spec, dropped[i]);
    json_object_set_new(spec, "backoffLimit", json_integer(0));
    json_set_text(json_path(spec, "template", "spec", NULL), "restartPolicy", "Never");
    const int64_t seconds = deadline_s(in, 0);
    if (seconds > 0 || !json_object_get(spec, "activeDeadlineSeconds"))
        json_object_set_new(spec, "activeDeadlineSeconds", json_integer(seconds > 0 ? seconds : DEADLINE_S));
    return spec;
}

static json_t *job_from_new(const struct action_in *in, const struct kind *k, const char *namespace,
                            const json_t *cronjob, const char *name)
{
    json_t *spec = job_spec_new(in, cronjob);
    if (!spec)
        return NULL;
    json_t *labels = json_deep_copy(json_path(cronjob, "spec", "jobTemplate", "metadata", "labels", NULL));
    json_t *notes = json_deep_copy(json_path(cronjob, "spec", "jobTemplate", "metadata", "annotations", NULL));
    notes = json_is_object(notes) ? notes : json_object();
    json_set_text(notes, "cronjob.kubernetes.io/instantiate", "manual");
    json_t *metadata = json_pack("{s:s, s:s, s:o, s:o, s:[o]}", "name", name, "namespace", namespace, "labels",
                                 json_is_object(labels) ? labels : json_object(), "annotations", notes,
                                 "ownerReferences", owner_new(k, cronjob));
    return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "batch/v1", "kind", "Job", "metadata", metadata, "spec",
                     spec);
}

static int from_cronjob_plan(const struct action_in *in, struct action_plan *ret, struct error *err)
{
    const char *cronjob_name = json_text_or(in->with, "cronjob", ""), *namespace = step_namespace(in, err);
    const json_t *cronjob = NULL;
    struct kind k;
    if (!namespace)
        return -EINVAL;
    int r = kind_find(in->asks, in->cluster, NULL, "CronJob", &k, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *path = kube_path(&k, namespace, cronjob_name, NULL);
    _cleanup_free_ char *what = kube_what("GET", &k, namespace, cronjob_name);
    r = read_kube(in->asks, in->cluster, path, what, &cronjob, err);
    if (r == -ENOENT)
        return error_set(
            err, -ENOENT,
            "there is no CronJob %s/%s to take the Job from: make it (it may be suspended), or name another", namespace,
            cronjob_name);
    if (r < 0)
        return r;
    if (object_is_terminating(cronjob))
        return error_set(err, -EBUSY, "CronJob %s/%s is being deleted: its Job would go with it", namespace,
                         cronjob_name);
    _cleanup_free_ char *name = made_name_new(in);
    json_t *job = job_from_new(in, &k, namespace, cronjob, name);
    if (!job)
        return error_set(err, -EINVAL, "CronJob %s/%s has no pod template", namespace, cronjob_name);
    plan_job(in, namespace, job, ret);
    plan_note(ret, "run CronJob %s/%s now, as Job %s", namespace, cronjob_name, name);
    return 0;
}

/* ---- tables ---- */

static const struct param run_params[] = {
    {"image", PARAM_TEXT, true, NULL, "the image reference, tag or digest included"},
    {"command", PARAM_TEXTS, false, NULL, "program and arguments; the image's own by default"},
    {"env", PARAM_TEXT_MAP, false, NULL, "NAME: value; never a password: it stands in the journal"},
    {"node", PARAM_NAME, false, NULL, "the node to run on, cordoned or not; the scheduler's choice by default"},
    {"timeout", PARAM_DURATION, false, NULL, "the Job is stopped after this long (10m)"},
    {"service_account", PARAM_NAME, false, NULL, "its account; by default it gets no token of the cluster"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {"host_paths", PARAM_FILES, false, NULL,
     "{path in the container: path on the node}, mounted; only in an approved run, and no templates"},
    {0},
};

static const struct param from_cronjob_params[] = {
    {"cronjob", PARAM_NAME, true, NULL, "the CronJob whose template is run now, suspended or not"},
    {"timeout", PARAM_DURATION, false, NULL, "the Job is stopped after this long (the template's, else 10m)"},
    {"namespace", PARAM_NAME, false, NULL, "the target's by default"},
    {0},
};

static void run_rights(const struct rights_in *in)
{
    rights_create(in, &(struct rights_what){.kind = "Job"}, false);
}

static void from_cronjob_rights(const struct rights_in *in)
{
    _cleanup_choices_ struct choices names = rights_param(in, "cronjob");
    rights_read(in, &(struct rights_what){.kind = "CronJob", .names = &names}, "get");
    run_rights(in);
}

const struct action action_job_run = {
    .name = "job.run",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = run_params,
    .doc = "runs a command in a pod of its own, once",
    .plan = run_plan,
    .rights = run_rights,
};

const struct action action_job_from_cronjob = {
    .name = "job.from_cronjob",
    .class = ACTION_EFFECT,
    .reversible = false,
    .params = from_cronjob_params,
    .doc = "runs a CronJob's template now, once",
    .plan = from_cronjob_plan,
    .rights = from_cronjob_rights,
};
