#include "core/alert.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct alert *alert_free(struct alert *a)
{
    if (!a)
        return NULL;
    json_decref(a->labels);
    json_decref(a->annotations);
    free(a->sent_fingerprint);
    free(a->generator_url);
    free(a);
    return NULL;
}

const char *alert_name(const struct alert *a)
{
    return json_text_or(a->labels, "alertname", "");
}

bool alert_name_is_internal(const char *name)
{
    static const char *const names[] = {
        "MenddSchedule", "MenddStorm", "MenddClusterUnavailable", "MenddClusterSet", "MenddEscalationOverdue", NULL};
    return str_in(name, names);
}

/* ---- fingerprint ---- */

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* model.LabelSet.Fingerprint of prometheus/common: a separator byte that UTF-8 never holds after each name and value.
 */
void alert_fingerprint(const json_t *labels, char ret[17])
{
    static const unsigned char separator = 0xff;
    const char *keys[ALERT_MAX_LABELS];
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)labels, key, value)
        if (n < ALERT_MAX_LABELS)
            keys[n++] = key;
    qsort(keys, n, sizeof(keys[0]), compare_keys);
    uint64_t hash = FNV1A64_INIT;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_text_or(labels, keys[i], "");
        hash = fnv1a64(hash, keys[i], strlen(keys[i]));
        hash = fnv1a64(hash, &separator, 1);
        hash = fnv1a64(hash, text, strlen(text));
        hash = fnv1a64(hash, &separator, 1);
    }
    snprintf(ret, 17, "%016" PRIx64, hash);
}

/* ---- from what senders send ---- */

static int check_texts(const json_t *object, const char *what, struct error *err)
{
    const char *key;
    json_t *value;
    if (json_object_size(object) > ALERT_MAX_LABELS)
        return error_set(err, -E2BIG, "%s: %zu of them are more than the %d allowed", what, json_object_size(object),
                         ALERT_MAX_LABELS);
    json_object_foreach ((json_t *)object, key, value) {
        if (!*key || strlen(key) > ALERT_MAX_NAME)
            return error_set(err, -EINVAL, "%s: a name is empty or longer than %d bytes", what, ALERT_MAX_NAME);
        if (!json_is_string(value))
            return error_set(err, -EINVAL, "%s: the value of \"%.64s\" is no text", what, key);
        if (json_string_length(value) > ALERT_MAX_VALUE)
            return error_set(err, -E2BIG, "%s: the value of \"%.64s\" is %zu bytes long, at most %d are allowed", what,
                             key, json_string_length(value), ALERT_MAX_VALUE);
    }
    return 0;
}

static int read_labels(const json_t *j, struct alert *a, struct error *err)
{
    const json_t *labels = json_object_get(j, "labels"), *annotations = json_object_get(j, "annotations");
    if (!json_is_object(labels) || json_object_size(labels) == 0)
        return error_set(err, -EINVAL, "labels: missing, empty or no map of texts");
    if (annotations && !json_is_object(annotations) && !json_is_null(annotations))
        return error_set(err, -EINVAL, "annotations: no map of texts");
    int r = check_texts(labels, "labels", err);
    if (r == 0 && json_is_object(annotations))
        r = check_texts(annotations, "annotations", err);
    if (r < 0)
        return r;
    a->labels = json_incref((json_t *)labels);
    a->annotations = json_is_object(annotations) ? json_incref((json_t *)annotations) : json_object();
    return 0;
}

/* The zero time of Go stands for "not said"; some senders leave the field out. */
static int read_time(const json_t *j, const char *key, int64_t *ret, struct error *err)
{
    const json_t *v = json_object_get(j, key);
    *ret = 0;
    if (!v || json_is_null(v))
        return 0;
    const char *s = json_string_value(v);
    if (!s || (*s && time_parse(s, ret) < 0))
        return error_set(err, -EINVAL, "%s: no time as RFC 3339 writes it", key);
    if (str_starts(s, "0001-01-01"))
        *ret = 0;
    return 0;
}

static int read_text(const json_t *j, const char *key, char **ret, struct error *err)
{
    const json_t *v = json_object_get(j, key);
    if (!v || json_is_null(v))
        return 0;
    if (!json_is_string(v) || json_string_length(v) > ALERT_MAX_VALUE)
        return error_set(err, -EINVAL, "%s: no text, or too long", key);
    if (json_string_length(v))
        *ret = xstrdup(json_string_value(v));
    return 0;
}

static int read_status(const json_t *j, const char *payload_status, struct now now, struct alert *a, struct error *err)
{
    const json_t *v = json_object_get(j, "status");
    const char *s = json_string_value(v);
    if (v && !json_is_null(v) && !s)
        return error_set(err, -EINVAL, "status: no text");
    if (!s && a->ends_us && a->ends_us <= now.wall_us)
        s = "resolved";
    if (!s)
        s = payload_status ? payload_status : "firing";
    if (!str_eq(s, "firing") && !str_eq(s, "resolved"))
        return error_set(err, -EINVAL, "status: \"%.32s\" is neither firing nor resolved", s);
    a->firing = str_eq(s, "firing");
    return 0;
}

struct alert *alert_from_json(const json_t *j, const char *payload_status, struct now now, struct error *err)
{
    if (!json_is_object(j)) {
        error_set(err, -EINVAL, "an element of alerts is no map");
        return NULL;
    }
    _cleanup_(alert_freep) struct alert *a = xnew0(struct alert);
    int r = read_labels(j, a, err);
    if (r == 0)
        r = read_time(j, "startsAt", &a->starts_us, err);
    if (r == 0)
        r = read_time(j, "endsAt", &a->ends_us, err);
    if (r == 0)
        r = read_status(j, payload_status, now, a, err);
    if (r == 0)
        r = read_text(j, "fingerprint", &a->sent_fingerprint, err);
    if (r == 0)
        r = read_text(j, "generatorURL", &a->generator_url, err);
    if (r < 0)
        return NULL;
    alert_fingerprint(a->labels, a->fingerprint);
    return TAKE_PTR(a);
}

/* ---- records ---- */

static void put_time(json_t *o, const char *key, int64_t us)
{
    char buf[TIME_TEXT_MAX];
    if (us)
        json_set_text(o, key, time_format(us, buf));
}

json_t *alert_to_json(const struct alert *a)
{
    json_t *o = json_object();
    json_object_set(o, "labels", a->labels);
    json_object_set(o, "annotations", a->annotations);
    json_set_text(o, "fingerprint", a->fingerprint);
    json_set_text(o, "sent_fingerprint", a->sent_fingerprint);
    put_time(o, "startsAt", a->starts_us);
    put_time(o, "endsAt", a->ends_us);
    json_set_text(o, "generatorURL", a->generator_url);
    json_set_text(o, "status", a->firing ? "firing" : "resolved");
    return o;
}

struct alert *alert_from_record(const json_t *j)
{
    struct alert *a = xnew0(struct alert);
    json_t *labels = json_object_get(j, "labels"), *annotations = json_object_get(j, "annotations");
    a->labels = labels ? json_incref(labels) : json_object();
    a->annotations = annotations ? json_incref(annotations) : json_object();
    a->sent_fingerprint = xstrdup(json_text(j, "sent_fingerprint"));
    a->generator_url = xstrdup(json_text(j, "generatorURL"));
    read_time(j, "startsAt", &a->starts_us, NULL);
    read_time(j, "endsAt", &a->ends_us, NULL);
    a->firing = !str_eq(json_text(j, "status"), "resolved");
    alert_fingerprint(a->labels, a->fingerprint);
    return a;
}

int payload_from_json(const json_t *document, struct payload *ret, struct error *err)
{
    const json_t *alerts = json_object_get(document, "alerts");
    const json_t *status = json_object_get(document, "status");
    if (!json_is_object(document))
        return error_set(err, -EBADMSG, "not a webhook of Alertmanager: the body is no JSON object");
    if (!json_is_array(alerts))
        return error_set(err, -EBADMSG, "not a webhook of Alertmanager: it has no list \"alerts\"");
    if (json_array_size(alerts) == 0)
        return error_set(err, -EBADMSG, "the list \"alerts\" is empty");
    const char *s = json_string_value(status);
    const int64_t truncated = json_int_or(document, "truncatedAlerts", 0);
    *ret = (struct payload){.alerts = alerts,
                            .status = str_eq(s, "firing") || str_eq(s, "resolved") ? s : NULL,
                            .truncated = truncated > 0 ? truncated : 0};
    return 0;
}
