/* Names that promise a secret, and JSON: where a name and its value stand beside each other in several forms. */
#include "core/redact.h"

#include "base/alloc.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_LEN = 128, WORDS_MAX = 24, MAX_DEPTH = 200 };

/* ---- names ---- */

struct words {
    char text[NAME_MAX_LEN + WORDS_MAX + 1]; /* lower case, each word NUL-terminated */
    char joined[NAME_MAX_LEN + 1];           /* all of them in one */
    const char *word[WORDS_MAX];
    size_t n;
};

/* "dbPassword", "DB_PASSWORD", "db-password" are the same words. */
static void split(const char *name, size_t len, struct words *ret)
{
    char *out = ret->text, *joined = ret->joined;
    bool inside = false, lower = false;
    ret->n = 0;
    if (len > NAME_MAX_LEN) { /* what it is stands at its end */
        name += len - NAME_MAX_LEN;
        len = NAME_MAX_LEN;
    }
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)name[i];
        const bool begins = isalnum(c) && (!inside || (lower && isupper(c)));
        if (inside && (begins || !isalnum(c)))
            *out++ = '\0';
        inside = isalnum(c);
        lower = islower(c);
        if (begins && ret->n == WORDS_MAX)
            break;
        if (begins)
            ret->word[ret->n++] = out;
        if (inside)
            *out++ = *joined++ = (char)tolower(c);
    }
    *out = *joined = '\0';
}

/* What is called so says where a secret is, how long it lives or what serves it; it is none. */
static const char *const harmless_ends[] = {
    "name",    "names",  "ref",    "refs",   "file",    "files",      "path",     "dir",       "mount",
    "count",   "type",   "kind",   "class",  "seconds", "second",     "expiry",   "expires",   "expiration",
    "ttl",     "age",    "policy", "length", "size",    "version",    "endpoint", "issuer",    "provider",
    "service", "server", "svc",    "api",    "manager", "controller", "operator", "namespace", "txt",
    "yaml",    "yml",    "json",   "go",     "py",      "js",         "ts",       "java",      "conf",
    "log",     "status", "error",  "errors", "failed",  "enabled",    "required", "rotation",  NULL};

static const char *const telling_parts[] = {
    "password",      "passwd",       "passphrase", "secret",         "token",         "apikey",     "credential",
    "authorization", "privatekey",   "accesskey",  "signingkey",     "encryptionkey", "masterkey",  "accountkey",
    "storagekey",    "licensekey",   "routingkey", "integrationkey", "clientkey",     "sshkey",     "sharedkey",
    "sessionkey",    "hmackey",      "bearer",     "cookie",         "requirepass",   "masterauth", "connectionstring",
    "sessionid",     "dockerconfig", "dockercfg",  "kubeconfig",     "privatepem",    NULL};

static const char *const telling_words[] = {"pass", "pwd", "sig", "signature", "otp", "creds",
                                            "cred", "psk", "jwt", "dsn",       NULL};

static bool has_telling_part(const char *joined)
{
    for (const char *const *part = telling_parts; *part; part++)
        if (strstr(joined, *part))
            return true;
    return false;
}

bool redact_is_secret_name(const char *name, size_t len)
{
    struct words w;
    split(name, len, &w);
    if (w.n == 0 || str_in(w.word[w.n - 1], harmless_ends))
        return false;
    if (has_telling_part(w.joined))
        return true;
    if (w.n > 1 && str_eq(w.word[w.n - 1], "auth"))
        return true;
    if (len == 3 && strncmp(name, "PWD", 3) == 0) /* the shell's working folder, as OLDPWD */
        return false;
    for (size_t i = 0; i < w.n; i++)
        if (str_in(w.word[i], telling_words))
            return true;
    return false;
}

/* ---- JSON ---- */

struct walk {
    bool secret;        /* below a name that promises one */
    bool secret_object; /* within an object of kind Secret: its data is */
    int depth;
};

static json_t *walk_new(const json_t *value, struct walk w);

/* JSON pointers stand for names too: their last part counts ("/data/password"). */
static const char *name_of(const char *key)
{
    const char *slash = *key == '/' ? strrchr(key, '/') : NULL;
    return slash ? slash + 1 : key;
}

static bool is_secret_key(const char *key)
{
    const char *name = name_of(key);
    return redact_is_secret_name(name, strlen(name)) || str_eq(name, "auth") || str_eq(name, "Auth");
}

static bool is_harmless_key(const char *key)
{
    struct words w;
    split(key, strlen(key), &w);
    return w.n > 0 && str_in(w.word[w.n - 1], harmless_ends);
}

static bool is_secret_data(const char *key)
{
    return str_eq(key, "data") || str_eq(key, "stringData") || str_eq(key, "/data") || str_eq(key, "/stringData") ||
           str_starts(key, "/data/") || str_starts(key, "/stringData/") || strstr(key, "last-applied-configuration");
}

/* The object is a Secret, a list of them, or what is sent to one. */
static bool is_about_secret(const json_t *object)
{
    const char *kind = json_text(object, "kind"), *path = json_text(object, "path");
    const char *inner = json_path_text(object, "object", "kind", NULL),
               *with = json_path_text(object, "with", "kind", NULL);
    return str_eq(kind, "Secret") || str_eq(kind, "SecretList") || str_eq(inner, "Secret") || str_eq(with, "Secret") ||
           (path && strstr(path, "/secrets/"));
}

/* {"name": "DB_PASSWORD", "value": …}, as in env lists and header lists; {"path": "/data/x", "value": …}, as in JSON
 * patches. */
static bool value_is_secret(const json_t *object, struct walk w)
{
    static const char *const says[] = {"name", "key", "header", "path", NULL};
    for (const char *const *s = says; *s; s++) {
        const char *name = json_text(object, *s);
        if (name && (is_secret_key(name) || (w.secret_object && is_secret_data(name))))
            return true;
    }
    return false;
}

static json_t *object_new(const json_t *object, struct walk w)
{
    json_t *copy = json_object(), *member;
    const char *key;
    w.secret_object = w.secret_object || is_about_secret(object);
    const bool paired = json_object_get(object, "value") && value_is_secret(object, w);
    json_object_foreach ((json_t *)object, key, member) {
        struct walk inner = w;
        inner.secret = (w.secret && !is_harmless_key(key)) || is_secret_key(key) ||
                       (w.secret_object && is_secret_data(key)) || (paired && str_eq(key, "value"));
        json_object_set_new(copy, key, walk_new(member, inner));
    }
    return copy;
}

/* ["AUTH", "hunter2"], ["--password", "hunter2"], ["CONFIG", "SET", "requirepass", "hunter2"]: commands as lists. */
static json_t *array_new(const json_t *array, struct walk w)
{
    json_t *copy = json_array(), *item;
    size_t i;
    bool rest = false, next = false;
    const bool acl = strcasecmp(json_string_value(json_array_get(array, 0)) ?: "", "ACL") == 0;
    json_array_foreach ((json_t *)array, i, item) {
        const char *s = json_string_value(item);
        struct walk inner = w;
        inner.secret = w.secret || ((rest || next) && s) || (acl && s && *s && strchr("<>#", *s));
        json_array_append_new(copy, walk_new(item, inner));
        rest = rest || (s && strcasecmp(s, "AUTH") == 0);
        next = s && (*s == '-' || strcasecmp(s, "requirepass") == 0 || strcasecmp(s, "masterauth") == 0) &&
               !strchr(s, '=') && redact_is_secret_name(s, strlen(s));
    }
    return copy;
}

static json_t *walk_new(const json_t *value, struct walk w)
{
    if (w.depth++ > MAX_DEPTH)
        return json_string(REDACTED);
    if (json_is_object(value))
        return object_new(value, w);
    if (json_is_array(value))
        return array_new(value, w);
    if (w.secret && (json_is_string(value) || json_is_number(value)))
        return json_string(json_string_length(value) || json_is_number(value) ? REDACTED : "");
    if (!json_is_string(value))
        return json_deep_copy(value);
    _cleanup_free_ char *text = redact_text_new(json_string_value(value));
    return json_text_new(text, strlen(text));
}

json_t *redact_json_new(const json_t *value)
{
    return value ? walk_new(value, (struct walk){0}) : NULL;
}
