#include "world.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/kinds.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void world_init(struct world *w)
{
    *w = (struct world){.table = json_object(), .objects = json_object(), .sent = json_array(), .firing = json_array()};
}

void world_clear(struct world *w)
{
    json_decref(w->table);
    json_decref(w->objects);
    json_decref(w->sent);
    json_decref(w->firing);
}

void world_add_object(struct world *w, const json_t *object)
{
    /* a custom resource lies where its apiVersion and kind say, its plural made with an "s" */
    struct kind custom = {.namespaced = true};
    const struct kind *k = kind_known(json_text_or(object, "kind", ""));
    if (!k) {
        const char *version = json_text_or(object, "apiVersion", "x.io/v1"), *slash = strchr(version, '/');
        snprintf(custom.group, sizeof(custom.group), "%.*s", slash ? (int)(slash - version) : 0, version);
        snprintf(custom.version, sizeof(custom.version), "%s", slash ? slash + 1 : version);
        const char *kind = json_text_or(object, "kind", "x");
        for (size_t i = 0; kind[i] && i < sizeof(custom.plural) - 2; i++)
            custom.plural[i] = (char)tolower((unsigned char)kind[i]), custom.plural[i + 1] = 's';
        k = &custom;
    }
    _cleanup_free_ char *path = kube_path(k, json_path_text(object, "metadata", "namespace", NULL),
                                          json_path_text(object, "metadata", "name", NULL), NULL);
    json_object_set_new(w->objects, path, json_deep_copy(object));
}

void world_alert(struct world *w, const json_t *labels, bool fires)
{
    for (size_t i = json_array_size(w->firing); i-- > 0;)
        if (json_equal(json_array_get(w->firing, i), labels))
            json_array_remove(w->firing, i);
    if (fires)
        json_array_append(w->firing, (json_t *)labels);
}

/* The table's answer: a list is used up but for its last. */
static json_t *scripted(struct world *w, const char *key)
{
    json_t *v = json_object_get(w->table, key);
    if (!json_is_array(v))
        return v ? json_deep_copy(v) : NULL;
    json_t *answer = json_deep_copy(json_array_get(v, 0));
    if (json_array_size(v) > 1)
        json_array_remove(v, 0);
    return answer;
}

static json_t *refused(void)
{
    return json_pack("{s:s, s:s}", "error", "refused", "message", "connection refused");
}

static json_t *not_found(const char *path)
{
    return json_pack("{s:i, s:{s:s, s:s, s:s}}", "status", 404, "body", "kind", "Status", "reason", "NotFound",
                     "message", path);
}

static json_t *list_of(struct world *w, const char *path)
{
    json_t *items = json_array(), *object;
    const char *p;
    const bool all_pods = str_eq(path, "/api/v1/pods");
    json_object_foreach (w->objects, p, object) {
        size_t n = strlen(path);
        if ((strncmp(p, path, n) == 0 && p[n] == '/' && !strchr(p + n + 1, '/')) ||
            (all_pods && str_eq(json_text(object, "kind"), "Pod")))
            json_array_append_new(items, json_deep_copy(object));
    }
    return json_pack("{s:i, s:{s:s, s:{}, s:o}}", "status", 200, "body", "kind", "List", "metadata", "items", items);
}

static json_t *get_object(struct world *w, const char *path)
{
    json_t *object = json_object_get(w->objects, path);
    if (object)
        return json_pack("{s:i, s:o}", "status", 200, "body", json_deep_copy(object));
    const char *last = strrchr(path, '/');
    if (str_starts(path, "/api/v1/namespaces/") && strchr(path + 19, '/') == NULL)
        return json_pack("{s:i, s:{s:s, s:{s:s}}}", "status", 200, "body", "kind", "Namespace", "metadata", "name",
                         last + 1);
    static const char *const collections[] = {"/pods",
                                              "/replicasets",
                                              "/events",
                                              "/endpoints",
                                              "/deployments",
                                              "/horizontalpodautoscalers",
                                              "/resourcequotas",
                                              "/nodes",
                                              "/networkpolicies",
                                              "/cronjobs",
                                              NULL};
    if (str_eq(path, "/api/v1"))
        return json_pack("{s:i, s:{s:[{s:s, s:s, s:s, s:s}]}}", "status", 200, "body", "resources", "name",
                         "pods/eviction", "kind", "Eviction", "group", "policy", "version", "v1");
    return last && str_in(last, collections) ? list_of(w, path) : not_found(path);
}

static json_t *ask_alertmanagers(struct world *w, int peer, const char *path)
{
    _cleanup_free_ char *key = xasprintf("alertmanager %d %.*s", peer, (int)strcspn(path, "?"), path);
    json_t *answer = scripted(w, key);
    if (answer)
        return answer;
    if (str_starts(path, "/api/v2/status"))
        return json_pack("{s:i, s:{s:s}}", "status", 200, "body", "uptime", "2026-01-01T00:00:00Z");
    json_t *alerts = json_array();
    size_t i;
    json_t *labels;
    json_array_foreach (w->firing, i, labels) {
        if (w->alertmanager_fires)
            json_array_append_new(alerts, json_pack("{s:O, s:{s:s}}", "labels", labels, "status", "state", "active"));
    }
    return json_pack("{s:i, s:o}", "status", 200, "body", alerts);
}

json_t *world_answer_ask(struct world *w, const json_t *q)
{
    const char *what = json_text_or(q, "ask", "");
    if (str_eq(what, "alertmanager"))
        return ask_alertmanagers(w, (int)json_int_or(q, "peer", 0), json_text_or(q, "path", ""));
    if (!str_eq(what, "kube")) {
        const char *url = json_text(q, "url");
        const char *pod = json_text(q, "pod");
        _cleanup_free_ char *key = url   ? xasprintf("%s %s", json_text_or(q, "method", "GET"), url)
                                   : pod ? xasprintf("%s %s/%s", what, json_text_or(q, "namespace", ""), pod)
                                         : xasprintf("%s %s", what, json_text_or(q, "address", ""));
        json_t *answer = scripted(w, key);
        return answer ? answer : refused();
    }
    const char *path = json_text_or(q, "path", "");
    _cleanup_free_ char *bare = xstrndup(path, strcspn(path, "?"));
    _cleanup_free_ char *key = xasprintf("GET %s", bare);
    w->reads++;
    _cleanup_free_ char *of_cluster = xasprintf("%s: %s", json_text_or(q, "cluster", ""), key);
    json_t *answer = scripted(w, of_cluster);
    if (!answer)
        answer = scripted(w, key);
    return answer ? answer : get_object(w, bare);
}

/* ---- effects ---- */

static void merge(json_t *to, const json_t *patch)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)patch, key, value) {
        json_t *have = json_object_get(to, key);
        if (json_is_null(value)) {
            json_object_del(to, key);
        } else if (json_is_object(value)) {
            if (!json_is_object(have)) {
                have = json_object();
                json_object_set_new(to, key, have);
            }
            merge(have, value);
        } else {
            json_object_set_new(to, key, json_deep_copy(value));
        }
    }
}

static bool patch_one(json_t *object, const json_t *op)
{
    const char *path = json_text_or(op, "path", ""), *name = json_text_or(op, "op", ""), *last = strrchr(path, '/');
    json_t *value = json_object_get(op, "value"), *have = json_pointer(object, path);
    if (str_eq(name, "test"))
        return have && json_equal(have, value);
    _cleanup_free_ char *up = xstrndup(path, (size_t)(last - path));
    json_t *parent = json_pointer(object, up), *wrapped = json_object();
    _cleanup_json_ json_t *owned = wrapped;
    if (!json_is_object(parent) || (!str_eq(name, "add") && !have))
        return false;
    struct strbuf key = STRBUF_INIT;
    for (const char *c = last + 1; *c; c++) {
        bool escaped = *c == '~' && (c[1] == '0' || c[1] == '1');
        strbuf_putc(&key, escaped ? (*++c == '1' ? '/' : '~') : *c);
    }
    if (str_eq(name, "remove"))
        json_object_del(parent, strbuf_str(&key));
    else
        json_object_set_new(parent, strbuf_str(&key), json_deep_copy(value));
    strbuf_free(&key);
    return true;
}

static json_t *evict(struct world *w, const char *path, const json_t *body)
{
    _cleanup_free_ char *pod_path = xstrndup(path, strlen(path) - strlen("/eviction"));
    const json_t *pod = json_object_get(w->objects, pod_path);
    const char *uid = json_path_text(body, "deleteOptions", "preconditions", "uid", NULL);
    if (!pod)
        return not_found(pod_path);
    if (!str_eq(uid, json_path_text(pod, "metadata", "uid", NULL)))
        return json_pack("{s:i, s:{s:s}}", "status", 409, "body", "message", "the UID does not match");
    json_object_del(w->objects, pod_path);
    return json_pack("{s:i, s:{s:s}}", "status", 201, "body", "kind", "Status");
}

static json_t *create(struct world *w, const char *path, const json_t *body)
{
    if (json_object_get(w->objects, path))
        return json_pack("{s:i, s:{s:s}}", "status", 409, "body", "message", "already exists");
    json_t *made = json_deep_copy(body);
    _cleanup_free_ char *uid = xasprintf("made-%s", strrchr(path, '/') + 1);
    json_set_text(json_object_get(made, "metadata"), "uid", uid);
    json_object_set_new(w->objects, path, made);
    return json_pack("{s:i, s:o}", "status", 201, "body", json_deep_copy(made));
}

static json_t *apply(struct world *w, const char *method, const char *path, const json_t *body)
{
    if (str_eq(method, "POST") && str_ends(path, "/eviction"))
        return evict(w, path, body);
    if (str_eq(method, "POST") && json_path_text(body, "metadata", "name", NULL)) {
        _cleanup_free_ char *own = xasprintf("%s/%s", path, json_path_text(body, "metadata", "name", NULL));
        return create(w, own, body);
    }
    json_t *object = json_object_get(w->objects, path);
    if (!object && str_eq(method, "PATCH") && json_text(body, "kind")) /* server-side apply */
        return create(w, path, body);
    if (!object)
        return not_found(path);
    if (str_eq(method, "DELETE")) {
        json_object_del(w->objects, path);
        return json_pack("{s:i, s:{s:s}}", "status", 200, "body", "kind", "Status");
    }
    _cleanup_json_ json_t *changed = json_deep_copy(object);
    size_t i;
    json_t *op;
    if (json_is_object(body))
        merge(changed, body);
    json_array_foreach ((json_t *)body, i, op) {
        if (!patch_one(changed, op))
            return json_pack("{s:i, s:{s:s}}", "status", 422, "body", "message", "the test of a JSON patch failed");
    }
    json_t *meta = json_object_get(changed, "metadata");
    json_object_set_new(meta, "generation", json_integer(json_int_or(meta, "generation", 1) + 1));
    json_object_set(w->objects, path, changed);
    return json_pack("{s:i, s:o}", "status", 200, "body", json_deep_copy(changed));
}

json_t *world_answer_send(struct world *w, const json_t *effect)
{
    const char *method = json_text_or(effect, "method", ""), *path = json_text_or(effect, "path", "");
    _cleanup_free_ char *bare = xstrndup(path, strcspn(path, "?"));
    _cleanup_free_ char *key = xasprintf("%s %s", method, bare);
    json_array_append_new(w->sent, json_string(key));
    json_t *answer = scripted(w, key);
    if (answer && !json_bool_or(answer, "apply", false))
        return answer;
    json_t *done = apply(w, method, bare, json_object_get(effect, "body"));
    if (!answer)
        return done;
    json_decref(done);
    return answer;
}

json_t *world_answer_scripted(struct world *w, const char *key)
{
    return scripted(w, key);
}

json_t *world_answer_post(struct world *w, const json_t *what)
{
    _cleanup_free_ char *key = xasprintf("post %d", (int)json_int_or(what, "peer", 0));
    w->posts++;
    json_t *answer = scripted(w, key);
    size_t i;
    json_t *alert;
    json_array_foreach (json_object_get(what, "alerts"), i, alert) {
        if (!answer)
            world_alert(w, json_object_get(alert, "labels"), false);
    }
    return answer ? answer : json_pack("{s:i}", "status", 200);
}
