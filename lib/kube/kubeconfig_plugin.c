/* `exec` of a kubeconfig's user. What client-go would refuse is refused here too, at load and not at 3 a.m. */
#include "kube/kubeconfig.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

enum { WORDS_MAX = 256 };

struct kube_plugin_config *kube_plugin_config_free(struct kube_plugin_config *p)
{
    if (!p)
        return NULL;
    for (char **e = p->env; e && *e; e++)
        explicit_bzero(*e, strlen(*e));
    texts_free(p->args);
    texts_free(p->env);
    free(p->api_version);
    free(p->command);
    free(p->install_hint);
    json_decref(p->cluster_config);
    free(p);
    return NULL;
}

/* null is as good as nothing: that is how kubectl writes empty lists. */
static int list_of(const json_t *exec, const char *key, const json_t **ret, struct error *err)
{
    const json_t *list = json_object_get(exec, key);
    *ret = json_is_null(list) ? NULL : list;
    if (*ret && (!json_is_array(list) || json_array_size(list) > WORDS_MAX))
        return error_set(err, -EINVAL, "exec: %s is no list of at most %d", key, WORDS_MAX);
    return 0;
}

static int read_args(const json_t *exec, char ***ret, struct error *err)
{
    const json_t *list = NULL;
    size_t i;
    json_t *word;
    int r = list_of(exec, "args", &list, err);
    if (r < 0)
        return r;
    *ret = xcalloc(json_array_size(list) + 1, sizeof(**ret));
    json_array_foreach (list, i, word) {
        if (!json_is_string(word))
            return error_set(err, -EINVAL, "exec: args are texts: quote them");
        (*ret)[i] = xstrdup(json_string_value(word));
    }
    return 0;
}

static int read_env(const json_t *exec, char ***ret, struct error *err)
{
    const json_t *list = NULL;
    size_t i;
    json_t *entry;
    int r = list_of(exec, "env", &list, err);
    if (r < 0)
        return r;
    *ret = xcalloc(json_array_size(list) + 1, sizeof(**ret));
    json_array_foreach (list, i, entry) {
        const char *name = json_text(entry, "name"), *value = json_text(entry, "value");
        if (str_empty(name) || strchr(name, '=') || !value)
            return error_set(err, -EINVAL, "exec: env is a list of {name: …, value: …}, both texts");
        (*ret)[i] = xasprintf("%s=%s", name, value);
    }
    return 0;
}

static int check_version(const char *version, struct error *err)
{
    static const char *const known[] = {"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1",
                                        NULL};
    if (str_in(version ? version : "", known))
        return 0;
    return error_set(err, -EINVAL, "exec: apiVersion \"%s\": %s or %s is expected", version ? version : "", known[0],
                     known[1]);
}

int kube_plugin_config_read(const json_t *exec, const char *folder, struct kube_plugin_config **ret, struct error *err)
{
    _cleanup_(kube_plugin_config_freep) struct kube_plugin_config *p = xnew0(struct kube_plugin_config);
    const char *version = json_text(exec, "apiVersion"), *command = json_text(exec, "command");
    int r = check_version(version, err);
    if (r < 0)
        return r;
    if (str_empty(command))
        return error_set(err, -EINVAL, "exec has no command");
    if (str_eq(json_text(exec, "interactiveMode"), "Always"))
        return error_set(err, -ENOTSUP, "exec: interactiveMode Always: there is nobody at mendd's terminal");
    r = read_args(exec, &p->args, err);
    if (r >= 0)
        r = read_env(exec, &p->env, err);
    if (r < 0)
        return r;
    p->api_version = xstrdup(version);
    p->command = strchr(command, '/') && command[0] != '/' ? xasprintf("%s/%s", folder, command) : xstrdup(command);
    p->install_hint = xstrdup(json_text(exec, "installHint"));
    p->provide_cluster_info = json_bool_or(exec, "provideClusterInfo", false);
    *ret = TAKE_PTR(p);
    return 0;
}
