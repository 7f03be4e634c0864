/* Effects: how they are made, how one whose outcome is not known is recognised as done, and how it is undone
 * (semantics.md, "Effects happen once"). Pure functions on JSON. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/foreign.h"
#include "core/internal.h"
#include "core/secret.h"

#include <string.h>

static const char *const recognition_names[] = {
    [RECOGNISE_MARK] = "mark", [RECOGNISE_VALUE] = "value",     [RECOGNISE_UID] = "uid",
    [RECOGNISE_NAME] = "name", [RECOGNISE_COMMENT] = "comment", [RECOGNISE_NEVER] = "never"};

json_t *effect_new(const char *key, const char *method, const char *path, const char *content_type, json_t *body_new,
                   enum recognition how)
{
    json_t *e = json_object();
    json_set_text(e, "key", key);
    json_set_text(e, "cluster", "");
    json_set_text(e, "method", method);
    json_set_text(e, "path", path);
    if (content_type)
        json_set_text(e, "content_type", content_type);
    json_object_set_new(e, "body", body_new ? body_new : json_null());
    json_set_text(e, "recognise", recognition_names[how]);
    return e;
}

bool effect_is_notice(const json_t *effect)
{
    return str_eq(json_text(effect, "method"), "NOTIFY");
}

char *effect_describe(const json_t *effect)
{
    const json_t *o = json_object_get(effect, "object");
    const char *ns = json_text(o, "namespace"), *name = json_text(o, "name");
    if (!name)
        return xasprintf("%s %s", json_text_or(effect, "method", ""), json_text_or(effect, "path", ""));
    return xasprintf("%s %s %s%s%s", json_text_or(effect, "method", ""), json_text_or(o, "kind", "object"),
                     ns ? ns : "", ns ? "/" : "", name);
}

static void say(char **words, char *text_new)
{
    if (!words) {
        free(text_new);
        return;
    }
    free(*words);
    *words = text_new;
}

static bool has_mark(const json_t *effect, const json_t *object)
{
    return str_eq(json_path_text(object, "metadata", "annotations", MARK_ANNOTATION, NULL), json_text(effect, "key"));
}

/* NULL (not there) equals NULL and JSON null. */
static bool same(const json_t *a, const json_t *b)
{
    a = json_is_null(a) ? NULL : a;
    b = json_is_null(b) ? NULL : b;
    return (!a && !b) || (a && b && json_equal(a, b));
}

/* Whether every pointer of `changes` holds its `which` value; *ret_odd names the first that does not. */
static bool all_hold(const json_t *effect, const json_t *object, const char *which, const char **ret_odd)
{
    const char *pointer;
    json_t *change, *changes = json_object_get(effect, "changes");
    json_object_foreach (changes, pointer, change) {
        if (str_eq(which, "after") && !json_object_get(change, "after"))
            continue; /* said by the server only */
        _cleanup_json_ json_t *seen = secret_seen_new(effect, pointer, object);
        if (!same(seen, json_object_get(change, which))) {
            *ret_odd = pointer;
            return false;
        }
    }
    return true;
}

static bool says_after(const json_t *effect)
{
    const char *pointer;
    json_t *change;
    json_object_foreach (json_object_get(effect, "changes"), pointer, change) {
        if (json_object_get(change, "after"))
            return true;
    }
    return false;
}

static enum seen recognise_change(const json_t *effect, const json_t *object, const char *how, char **words)
{
    const char *odd = NULL, *uid = json_path_text(effect, "object", "uid", NULL),
               *now = json_path_text(object, "metadata", "uid", NULL);
    if (uid && now && !str_eq(uid, now)) {
        say(words, xasprintf("the object was replaced by another of the same name (uid %s, was %s)", now, uid));
        return SEEN_CHANGED;
    }
    if (str_eq(how, "mark") && has_mark(effect, object))
        return SEEN_DONE;
    if (says_after(effect) && all_hold(effect, object, "after", &odd))
        return SEEN_DONE;
    if (all_hold(effect, object, "before", &odd))
        return SEEN_NOT_DONE;
    _cleanup_json_ json_t *seen = secret_seen_new(effect, odd, object);
    _cleanup_free_ char *value = effect_is_secret(effect) ? xstrdup("another value") : json_compact(seen);
    say(words, xasprintf("somebody else changed %s: it is now %.200s", odd, value));
    return SEEN_CHANGED;
}

enum seen effect_recognise(const json_t *effect, const json_t *answer, char **words)
{
    const char *how = json_text_or(effect, "recognise", "never");
    const json_t *object = answer_body(answer);
    int status = answer_status(answer);
    if (status == 404) {
        say(words, xstrdup("the object is not there"));
        return str_eq(how, "uid") ? SEEN_DONE : str_eq(how, "name") ? SEEN_NOT_DONE : SEEN_GONE;
    }
    if (str_eq(how, "comment") && answer_ok(answer) && json_is_array(object))
        return silence_bears(object, json_text_or(effect, "key", "")) ? SEEN_DONE : SEEN_NOT_DONE;
    if (!answer_ok(answer) || !json_is_object(object)) {
        _cleanup_error_ struct error err = ERROR_NONE;
        answer_error(answer, json_text_or(effect, "read", "GET"), &err);
        say(words, xstrdup(error_message(&err)));
        return SEEN_UNKNOWN;
    }
    if (str_eq(how, "uid")) {
        const char *uid = json_path_text(effect, "object", "uid", NULL);
        bool same_uid = str_eq(json_path_text(object, "metadata", "uid", NULL), uid);
        bool leaving = json_path_text(object, "metadata", "deletionTimestamp", NULL) != NULL;
        return !same_uid || leaving ? SEEN_DONE : SEEN_NOT_DONE;
    }
    if (str_eq(how, "name")) {
        if (has_mark(effect, object))
            return SEEN_DONE;
        say(words, xstrdup("an object of this name exists that mendd did not make"));
        return SEEN_CHANGED;
    }
    if (str_eq(how, "never"))
        return SEEN_UNKNOWN;
    return recognise_change(effect, object, how, words);
}

/* ---- done ---- */

static void copy_keys(json_t *to, const json_t *from, const char *const keys[])
{
    for (; *keys; keys++) {
        json_t *v = json_object_get(from, *keys);
        if (v)
            json_object_set_new(to, *keys, json_deep_copy(v));
    }
}

static json_t *trimmed_new(const json_t *body)
{
    static const char *const top[] = {"apiVersion", "kind", NULL};
    static const char *const meta[] = {"name", "namespace", "uid", "generation", "resourceVersion", NULL};
    static const char *const status[] = {"observedGeneration", "replicas",       "updatedReplicas", "readyReplicas",
                                         "availableReplicas",  "updateRevision", "currentRevision", NULL};
    json_t *r = json_object(), *m = json_object(), *s = json_object(), *annotations = json_object(), *value;
    copy_keys(r, body, top);
    copy_keys(m, json_object_get(body, "metadata"), meta);
    copy_keys(s, json_object_get(body, "status"), status);
    const char *key;
    json_object_foreach (json_path(body, "metadata", "annotations", NULL), key, value) {
        bool ours = strstr(key, "mendd.io/") || strstr(key, "kubectl.kubernetes.io/restartedAt");
        if (ours)
            json_object_set(annotations, key, value);
    }
    json_object_set_new(m, "annotations", annotations);
    json_object_set_new(r, "metadata", m);
    json_object_set_new(r, "status", s);
    return r;
}

void effect_found_done(json_t *effect, const json_t *body)
{
    json_set_text(effect, "status", "done");
    if (json_is_object(body))
        json_object_set_new(effect, "answer", trimmed_new(body));
}

void effect_done(json_t *effect, const json_t *body)
{
    effect_found_done(effect, body);
    if (!json_is_object(body))
        return;
    const char *pointer;
    json_t *change;
    json_object_foreach (json_object_get(effect, "changes"), pointer, change) {
        _cleanup_json_ json_t *after = secret_seen_new(effect, pointer, body); /* "2000m" comes back as "2" */
        json_object_set_new(change, "after", after ? json_deep_copy(after) : json_null());
    }
}

/* ---- undo ---- */

static void patch_op(json_t *patch, const char *op, const char *path, const json_t *value)
{
    json_t *o = json_pack("{s:s, s:s}", "op", op, "path", path);
    if (value)
        json_object_set_new(o, "value", json_deep_copy(value));
    json_array_append_new(patch, o);
}

static void put_back(json_t *patch, const char *pointer, const json_t *before, const json_t *after)
{
    if (after)
        patch_op(patch, "test", pointer, after);
    if (before)
        patch_op(patch, after ? "replace" : "add", pointer, before);
    else if (after)
        patch_op(patch, "remove", pointer, NULL);
}

static char *undo_path(const json_t *effect)
{
    const char *path = json_path_text(effect, "undo", "path", NULL);
    if (path && strchr(path, '?'))
        return xstrdup(path);
    path = path ? path : json_text_or(effect, "path", "");
    return xasprintf("%.*s?fieldManager=" FIELD_MANAGER, (int)strcspn(path, "?"), path);
}

static bool is_scale(const char *path)
{
    size_t n = strcspn(path, "?");
    return n > 6 && strncmp(path + n - 6, "/scale", 6) == 0;
}

static void add_mark(json_t *patch, const json_t *changes, const json_t *object, const char *key)
{
    const json_t *whole = json_object_get(changes, "/metadata/annotations");
    const json_t *have = whole ? json_object_get(whole, "before") : json_path(object, "metadata", "annotations", NULL);
    if (json_is_object(have)) {
        _cleanup_json_ json_t *value = json_string(key);
        patch_op(patch, "add", "/metadata/annotations/mendd.io~1last-effect", value);
    } else {
        _cleanup_json_ json_t *value = json_pack("{s:s}", MARK_ANNOTATION, key);
        patch_op(patch, "add", "/metadata/annotations", value);
    }
}

static bool all_known(json_t *changes, const char **ret_odd)
{
    const char *pointer;
    json_t *change;
    json_object_foreach (changes, pointer, change) {
        if (!json_object_get(change, "after")) {
            *ret_odd = pointer;
            return false;
        }
    }
    return true;
}

/* What this effect made goes again: only the very object (its uid), and only if it was made, not found there. An apply
 * that was answered 200 changed somebody's object; one whose answer was lost may have. */
static json_t *inverse_delete_new(const json_t *effect, const json_t *object, char **words)
{
    const char *made = json_path_text(effect, "answer", "metadata", "uid", NULL);
    const char *uid = json_path_text(object, "metadata", "uid", NULL);
    const bool created = str_eq(json_text(effect, "method"), "POST") || json_int_or(effect, "code", 0) == 201;
    if (!uid || !(made ? str_eq(made, uid) : has_mark(effect, object))) {
        say(words, xstrdup("the object is another one by now, or somebody else's; it is left alone"));
        return NULL;
    }
    if (!created) {
        say(words, xstrdup("whether mendd created it is not known; it is left alone"));
        return NULL;
    }
    json_t *body = json_pack("{s:s, s:s, s:{s:s}, s:s}", "apiVersion", "v1", "kind", "DeleteOptions", "preconditions",
                             "uid", uid, "propagationPolicy", "Background");
    _cleanup_free_ char *key = xasprintf("%s/undo", json_text_or(effect, "key", ""));
    json_t *inverse =
        effect_new(key, "DELETE", json_text_or(effect, "read", ""), "application/json", body, RECOGNISE_UID);
    static const char *const kept[] = {"object", "cluster", "read", "rung", "step", NULL};
    copy_keys(inverse, effect, kept);
    json_set_text(json_object_get(inverse, "object"), "uid", uid);
    return inverse;
}

json_t *effect_inverse_new(const json_t *effect, const json_t *object, char **words)
{
    if (str_eq(json_path_text(effect, "undo", "method", NULL), "DELETE"))
        return inverse_delete_new(effect, object, words);
    const char *odd = NULL, *pointer, *uid = json_path_text(effect, "object", "uid", NULL);
    json_t *change, *changes = json_object_get(effect, "changes");
    if (uid && !str_eq(uid, json_path_text(object, "metadata", "uid", NULL))) {
        say(words, xstrdup("the object is another one by now"));
        return NULL;
    }
    if (!all_known(changes, &odd)) {
        say(words, xasprintf("what the server made of %s is not known; it is left alone", odd));
        return NULL;
    }
    if (!all_hold(effect, object, "after", &odd)) {
        say(words, xasprintf("%s no longer holds what mendd wrote; it is left alone", odd));
        return NULL;
    }
    if (effect_is_secret(effect)) {
        json_t *inverse = secret_inverse_new(effect, object);
        if (!inverse)
            say(words, xstrdup("nothing keeps what stood there before; it is left alone"));
        return inverse;
    }
    json_t *patch = json_array(), *inverse_changes = json_object();
    uid = json_path_text(object, "metadata", "uid", NULL);
    _cleanup_json_ json_t *uid_value = uid ? json_string(uid) : NULL;
    if (uid_value)
        patch_op(patch, "test", "/metadata/uid", uid_value);
    json_object_foreach (changes, pointer, change) {
        const json_t *before = json_object_get(change, "before"), *after = json_pointer(object, pointer);
        before = json_is_null(before) ? NULL : before;
        put_back(patch, pointer, before, after);
        json_t *back = json_object();
        if (after)
            json_object_set_new(back, "before", json_deep_copy(after));
        if (before)
            json_object_set_new(back, "after", json_deep_copy(before));
        json_object_set_new(inverse_changes, pointer, back);
    }
    _cleanup_free_ char *path = undo_path(effect);
    _cleanup_free_ char *key = xasprintf("%s/undo", json_text_or(effect, "key", ""));
    if (!is_scale(path))
        add_mark(patch, changes, object, key);
    json_t *inverse = effect_new(key, "PATCH", path, "application/json-patch+json", patch,
                                 is_scale(path) ? RECOGNISE_VALUE : RECOGNISE_MARK);
    static const char *const kept[] = {"object", "cluster", "read", "rung", "step", NULL};
    copy_keys(inverse, effect, kept);
    json_object_set_new(inverse, "changes", inverse_changes);
    return inverse;
}
