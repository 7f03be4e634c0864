#include "core/kinds.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Kinds whose group version is the same on every Kubernetes that mendd meets (1.20 and newer). */
static const struct kind known[] = {
    {"Pod", "", "v1", "pods", true},
    {"Service", "", "v1", "services", true},
    {"Endpoints", "", "v1", "endpoints", true},
    {"ConfigMap", "", "v1", "configmaps", true},
    {"Secret", "", "v1", "secrets", true},
    {"Event", "", "v1", "events", true},
    {"ServiceAccount", "", "v1", "serviceaccounts", true},
    {"PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", true},
    {"ReplicationController", "", "v1", "replicationcontrollers", true},
    {"ResourceQuota", "", "v1", "resourcequotas", true},
    {"Namespace", "", "v1", "namespaces", false},
    {"Node", "", "v1", "nodes", false},
    {"PersistentVolume", "", "v1", "persistentvolumes", false},
    {"Deployment", "apps", "v1", "deployments", true},
    {"ReplicaSet", "apps", "v1", "replicasets", true},
    {"StatefulSet", "apps", "v1", "statefulsets", true},
    {"DaemonSet", "apps", "v1", "daemonsets", true},
    {"ControllerRevision", "apps", "v1", "controllerrevisions", true},
    {"Job", "batch", "v1", "jobs", true},
    {"HorizontalPodAutoscaler", "autoscaling", "v1", "horizontalpodautoscalers", true},
    {"NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", true},
    {"Ingress", "networking.k8s.io", "v1", "ingresses", true},
    {"StorageClass", "storage.k8s.io", "v1", "storageclasses", false},
};

/* Kinds that moved: asked for by discovery, the newest version that the server has wins. */
static const struct {
    const char *kind, *versions[4];
} moved[] = {
    {"CronJob", {"batch/v1", "batch/v1beta1", NULL}},
    {"PodDisruptionBudget", {"policy/v1", "policy/v1beta1", NULL}},
    {"Kustomization",
     {"kustomize.toolkit.fluxcd.io/v1", "kustomize.toolkit.fluxcd.io/v1beta2", "kustomize.toolkit.fluxcd.io/v1beta1",
      NULL}},
    {"HelmRelease",
     {"helm.toolkit.fluxcd.io/v2", "helm.toolkit.fluxcd.io/v2beta2", "helm.toolkit.fluxcd.io/v2beta1", NULL}},
    {"GitRepository",
     {"source.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1beta2", "source.toolkit.fluxcd.io/v1beta1", NULL}},
    {"HelmRepository",
     {"source.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1beta2", "source.toolkit.fluxcd.io/v1beta1", NULL}},
    {"HelmChart",
     {"source.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1beta2", "source.toolkit.fluxcd.io/v1beta1", NULL}},
    {"OCIRepository",
     {"source.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1beta2", "source.toolkit.fluxcd.io/v1beta1", NULL}},
    {"Bucket",
     {"source.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1beta2", "source.toolkit.fluxcd.io/v1beta1", NULL}},
    {"Application", {"argoproj.io/v1alpha1", NULL}},
    {"ScaledJob", {"keda.sh/v1alpha1", NULL}},
    {"ScaledObject", {"keda.sh/v1alpha1", NULL}},
    {"Certificate", {"cert-manager.io/v1", NULL}},
};

/* Where only discovery knows the version: what their resources are called, and that they are in no namespace. */
static const struct {
    const char *kind, *group, *plural;
    bool cluster_scoped;
} named[] = {
    {"CronJob", "batch", "cronjobs", false},
    {"PodDisruptionBudget", "policy", "poddisruptionbudgets", false},
    {"Role", "rbac.authorization.k8s.io", "roles", false},
    {"RoleBinding", "rbac.authorization.k8s.io", "rolebindings", false},
    {"ClusterRole", "rbac.authorization.k8s.io", "clusterroles", true},
    {"ClusterRoleBinding", "rbac.authorization.k8s.io", "clusterrolebindings", true},
    {"CustomResourceDefinition", "apiextensions.k8s.io", "customresourcedefinitions", true},
    {"PriorityClass", "scheduling.k8s.io", "priorityclasses", true},
    {"VolumeAttachment", "storage.k8s.io", "volumeattachments", true},
    {"ClusterIssuer", "cert-manager.io", "clusterissuers", true},
    {"GatewayClass", "gateway.networking.k8s.io", "gatewayclasses", true},
    {"PodMetrics", "metrics.k8s.io", "pods", false},
    {"NodeMetrics", "metrics.k8s.io", "nodes", true},
};

const struct kind *kind_known(const char *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (str_eq(known[i].kind, kind))
            return &known[i];
    return NULL;
}

static bool same_version(const struct kind *k, const char *api_version)
{
    char text[sizeof(k->group) + sizeof(k->version) + 1];
    snprintf(text, sizeof(text), "%s%s%s", k->group, k->group[0] ? "/" : "", k->version);
    return str_eq(text, api_version);
}

static int split_version(const char *api_version, struct kind *ret, struct error *err)
{
    const char *slash = strchr(api_version, '/');
    const char *version = slash ? slash + 1 : api_version;
    const size_t group_len = slash ? (size_t)(slash - api_version) : 0;
    _cleanup_free_ char *group = xstrndup(api_version, group_len);
    if ((slash && !is_dns1123_subdomain(group)) || !is_dns1123_label(version) || group_len >= sizeof(ret->group) ||
        strlen(version) >= sizeof(ret->version))
        return error_set(err, -EINVAL, "'%.80s' is no apiVersion (write it like v1 or apps/v1)", api_version);
    *ret = (struct kind){0};
    memcpy(ret->group, group, group_len);
    memcpy(ret->version, version, strlen(version));
    return 0;
}

/* Looks the kind up in an APIResourceList. Subresources ("pods/log") bear their parent's kind: left out. */
static int find_in_list(const json_t *list, const char *kind, struct kind *k)
{
    size_t i;
    json_t *r;
    json_array_foreach (json_object_get(list, "resources"), i, r) {
        const char *plural = json_text_or(r, "name", "");
        if (!str_eq(json_text(r, "kind"), kind) || strchr(plural, '/'))
            continue;
        if (!is_dns1123_label(plural) || strlen(plural) >= sizeof(k->plural) || strlen(kind) >= sizeof(k->kind))
            return -EBADMSG;
        snprintf(k->plural, sizeof(k->plural), "%s", plural);
        snprintf(k->kind, sizeof(k->kind), "%s", kind);
        k->namespaced = json_bool_or(r, "namespaced", false);
        return 0;
    }
    return -ENOENT;
}

static int discover(struct asks *a, const char *cluster, const char *api_version, const char *kind, struct kind *ret,
                    struct error *err)
{
    struct kind k;
    int r = split_version(api_version, &k, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *path =
        k.group[0] ? xasprintf("/apis/%s/%s", k.group, k.version) : xasprintf("/api/%s", k.version);
    const json_t *answer = ask_kube(a, cluster, path);
    if (!answer)
        return -EAGAIN;
    if (answer_status(answer) == 404)
        return error_set(err, -ENOENT, "the API server does not know %s: is its CustomResourceDefinition installed?",
                         api_version);
    _cleanup_free_ char *what = xasprintf("discovery of %s", api_version);
    r = answer_error(answer, what, err);
    if (r < 0)
        return r;
    r = find_in_list(answer_body(answer), kind, &k);
    if (r < 0)
        return error_set(err, -ENOENT, "the API server knows no kind %s in %s", kind, api_version);
    *ret = k;
    return 0;
}

static int find_moved(struct asks *a, const char *cluster, const char *kind, struct kind *ret, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
        if (!str_eq(moved[i].kind, kind))
            continue;
        int r = -ENOENT;
        for (size_t v = 0; moved[i].versions[v] && r == -ENOENT; v++)
            r = discover(a, cluster, moved[i].versions[v], kind, ret, err);
        return r;
    }
    return error_set(err, -EINVAL, "kind %.64s is not one that mendd knows by itself: say its apiVersion", kind);
}

int kind_find(struct asks *a, const char *cluster, const char *api_version, const char *kind, struct kind *ret,
              struct error *err)
{
    if (str_empty(kind))
        return error_set(err, -EINVAL, "the kind is empty");
    const struct kind *k = kind_known(kind);
    if (k && (str_empty(api_version) || same_version(k, api_version))) {
        *ret = *k;
        return 0;
    }
    if (!str_empty(api_version))
        return discover(a, cluster, api_version, kind, ret, err);
    return find_moved(a, cluster, kind, ret, err);
}

/* As the API machinery guesses it (apimachinery, meta.UnsafeGuessKindToResource), which is also what generators of
 * custom resources write by default. */
static char *guessed_plural(const char *kind)
{
    static const char *const hissing[] = {"s", "x", "z", "ch", "sh"};
    _cleanup_free_ char *lower = xstrdup(kind);
    const size_t n = strlen(lower);
    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    for (size_t i = 0; i < ARRAY_SIZE(hissing); i++)
        if (str_ends(lower, hissing[i]))
            return xasprintf("%ses", lower);
    if (n > 1 && lower[n - 1] == 'y' && !strchr("aeiou", lower[n - 2]))
        return xasprintf("%.*sies", (int)n - 1, lower);
    return xasprintf("%ss", lower);
}

static void copy_text(char *to, size_t size, const char *text)
{
    const size_t n = strlen(text) < size ? strlen(text) : size - 1;
    memcpy(to, text, n);
    to[n] = '\0';
}

/* The group of a kind that mendd finds by itself (`moved`): that of its first version. */
static const char *moved_version(const char *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(moved); i++)
        if (str_eq(moved[i].kind, kind))
            return moved[i].versions[0];
    return NULL;
}

int kind_offline(const char *api_version, const char *kind, struct kind *ret, bool *ret_guessed, struct error *err)
{
    const struct kind *k = kind_known(kind);
    struct kind found;
    *ret_guessed = false;
    if (k && (str_empty(api_version) || same_version(k, api_version))) {
        *ret = *k;
        return 0;
    }
    const char *version = str_empty(api_version) ? moved_version(kind) : api_version;
    if (!version)
        return error_set(err, -EINVAL, "kind %.64s is not one that mendd knows by itself: say its apiVersion", kind);
    int r = split_version(version, &found, err);
    _cleanup_free_ char *plural = guessed_plural(kind);
    if (r == 0 && strlen(plural) >= sizeof(found.plural))
        r = error_set(err, -EINVAL, "'%.80s' is no kind", kind);
    if (r < 0)
        return r;
    const bool same = k && str_eq(k->group, found.group);
    copy_text(found.kind, sizeof(found.kind), kind);
    copy_text(found.plural, sizeof(found.plural), same ? k->plural : plural);
    found.namespaced = !same || k->namespaced;
    *ret_guessed = !same && !moved_version(kind);
    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        if (!str_eq(named[i].kind, kind) || !str_eq(named[i].group, found.group))
            continue;
        copy_text(found.plural, sizeof(found.plural), named[i].plural);
        found.namespaced = !named[i].cluster_scoped;
        *ret_guessed = false;
    }
    *ret = found;
    return 0;
}

static void add_part(struct strbuf *b, const char *part)
{
    strbuf_putc(b, '/');
    url_encode(b, part);
}

char *kube_path(const struct kind *k, const char *namespace, const char *name, const char *subresource)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, k->group[0] ? "/apis" : "/api");
    if (k->group[0])
        add_part(&b, k->group);
    add_part(&b, k->version);
    if (k->namespaced && namespace) {
        strbuf_puts(&b, "/namespaces");
        add_part(&b, namespace);
    }
    add_part(&b, k->plural);
    if (name)
        add_part(&b, name);
    if (subresource)
        add_part(&b, subresource);
    return strbuf_take(&b);
}

void kube_path_query(char **path, const char *key, const char *value)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, *path);
    strbuf_putc(&b, strchr(*path, '?') ? '&' : '?');
    url_encode(&b, key);
    strbuf_putc(&b, '=');
    url_encode(&b, value);
    free(*path);
    *path = strbuf_take(&b);
}
