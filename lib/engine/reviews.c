/* Happy path: the rights of every cluster stand in one list; AT_ONCE questions are under way, each answer starts the
 * next. Failure: an answer that is none (no route, 401, a server without the API) makes its cluster unknown, and its
 * other rights are not asked for. Freed with questions under way, it lives on, deaf, until the last is answered. */
#include "engine/reviews.h"

#include "base/alloc.h"
#include "base/text.h"
#include "core/settings.h"

#include <string.h>

#define REVIEW_PATH "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
enum { AT_ONCE = 4, TIMEOUT_MS = 10000, WORDS_MAX = 5 };

struct place {
    const char *name; /* owned */
    struct kube_client *client;
    struct rights rights;
    bool unknown;
};

struct reviews {
    struct place *places;
    size_t n_places, at_place, at_right;
    unsigned in_flight;
    bool deaf, told;
    json_t *result;
    void (*done)(const json_t *result, void *userdata);
    void *userdata;
};

struct question {
    struct reviews *reviews;
    size_t place, right;
};

static void destroy(struct reviews *r)
{
    for (size_t i = 0; i < r->n_places; i++) {
        rights_clear(&r->places[i].rights);
        free((char *)(uintptr_t)r->places[i].name);
    }
    free(r->places);
    json_decref(r->result);
    free(r);
}

struct reviews *reviews_free(struct reviews *r)
{
    if (!r)
        return NULL;
    r->deaf = true;
    if (r->in_flight == 0)
        destroy(r);
    return NULL;
}

/* ---- what came of it ---- */

static void add_unknown(struct reviews *r, struct place *p, const char *why)
{
    if (p->unknown)
        return;
    p->unknown = true;
    json_array_append_new(json_object_get(r->result, "unknown"),
                          json_pack("{s:s, s:o}", "cluster", p->name, "why", json_text_new(why, strlen(why))));
}

static void add_missing(struct reviews *r, const struct place *p, const struct right *right)
{
    _cleanup_free_ char *words = right_words_new(right);
    json_t *whys = json_array(), *m = json_object();
    for (size_t i = 0; i < right->n_whys; i++)
        json_array_append_new(whys, json_string(right->whys[i]));
    json_set_text(m, "cluster", p->name);
    json_set_text(m, "right", words);
    json_set_text(m, "verb", right->verb);
    json_set_text(m, "group", right->group);
    json_set_text(m, "resource", right->resource);
    json_set_text(m, "namespace", right->namespace);
    json_set_text(m, "name", right->name);
    json_object_set_new(m, "for", whys);
    json_array_append_new(json_object_get(r->result, "missing"), m);
}

static void take_answer(struct reviews *r, struct place *p, const struct right *right, const json_t *answer)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const json_t *allowed = json_path(answer_body(answer), "status", "allowed", NULL);
    if (answer_error(answer, "POST selfsubjectaccessreviews.authorization.k8s.io", &err) < 0)
        add_unknown(r, p, error_message(&err));
    else if (!json_is_boolean(allowed))
        add_unknown(r, p, "the API server's answer to an access review is none");
    else if (json_is_false(allowed))
        add_missing(r, p, right);
}

/* ---- asking ---- */

static json_t *review_new(const struct right *right)
{
    const char *slash = strchr(right->resource, '/');
    _cleanup_free_ char *resource = xstrndup(right->resource, strcspn(right->resource, "/"));
    json_t *a = json_object();
    json_set_text(a, "verb", right->verb);
    json_set_text(a, "group", right->group);
    json_set_text(a, "resource", resource);
    json_set_text(a, "subresource", slash ? slash + 1 : NULL);
    json_set_text(a, "namespace", right->namespace);
    json_set_text(a, "name", right->name);
    return json_pack("{s:s, s:s, s:{s:o}}", "apiVersion", "authorization.k8s.io/v1", "kind", "SelfSubjectAccessReview",
                     "spec", "resourceAttributes", a);
}

static void go_on(struct reviews *r);

static void on_answer(json_t *answer_new, void *userdata)
{
    _cleanup_json_ json_t *answer = answer_new;
    _cleanup_free_ struct question *q = userdata;
    struct reviews *r = q->reviews;
    struct place *p = &r->places[q->place];
    r->in_flight--;
    if (!r->deaf) {
        take_answer(r, p, &p->rights.items[q->right], answer);
        go_on(r);
    } else if (r->in_flight == 0) {
        destroy(r);
    }
}

static void ask_next(struct reviews *r)
{
    struct place *p = &r->places[r->at_place];
    if (p->unknown || r->at_right >= p->rights.n) {
        r->at_place++;
        r->at_right = 0;
        return;
    }
    struct question *q = xnew0(struct question);
    *q = (struct question){r, r->at_place, r->at_right++};
    _cleanup_json_ json_t *body = review_new(&p->rights.items[q->right]);
    const struct kube_request request = {.class = KUBE_CHECK,
                                         .method = "POST",
                                         .path = REVIEW_PATH,
                                         .content_type = "application/json",
                                         .body = body,
                                         .timeout_ms = TIMEOUT_MS};
    r->in_flight++;
    json_object_set_new(r->result, "asked", json_integer(json_int_or(r->result, "asked", 0) + 1));
    kube_request_start(p->client, &request, on_answer, q);
}

static void go_on(struct reviews *r)
{
    while (r->at_place < r->n_places && r->in_flight < AT_ONCE)
        ask_next(r);
    if (r->in_flight > 0 || r->at_place < r->n_places || r->told)
        return;
    r->told = true;
    r->done(r->result, r->userdata);
}

struct reviews *reviews_start(const struct reviews_in *in)
{
    struct reviews *r = xnew0(struct reviews);
    _cleanup_rights_ struct rights all = {0};
    r->done = in->done;
    r->userdata = in->userdata;
    r->result = json_pack("{s:i, s:[], s:[], s:[]}", "asked", 0, "missing", "unknown", "faults");
    rights_of_table(in->settings, &all);
    for (size_t i = 0; i < all.n_faults; i++)
        json_array_append_new(json_object_get(r->result, "faults"), json_string(all.faults[i]));
    for (const char *const *name = in->clusters; *name; name++) {
        const char *why = NULL;
        r->places = xreallocarray(r->places, r->n_places + 1, sizeof(*r->places));
        struct place *p = &r->places[r->n_places++];
        *p = (struct place){.name = xstrdup(*name)};
        rights_of_cluster(&all, *name, &p->rights);
        p->client = p->rights.n ? in->client(*name, &why, in->userdata) : NULL;
        if (p->rights.n && !p->client)
            add_unknown(r, p, why ? why : "it cannot be used");
    }
    go_on(r);
    return r;
}

/* ---- words ---- */

char *reviews_whys_new(const json_t *whys)
{
    struct strbuf b = STRBUF_INIT;
    size_t i;
    json_t *why;
    json_array_foreach (whys, i, why) {
        if (i < WORDS_MAX)
            strbuf_printf(&b, "%s%s", i ? "; " : "", json_string_value(why));
    }
    if (i > WORDS_MAX)
        strbuf_printf(&b, "; and %zu more", i - WORDS_MAX);
    return strbuf_take(&b);
}

json_t *reviews_words_new(const json_t *result)
{
    json_t *out = json_array(), *item;
    size_t i;
    json_array_foreach (json_object_get(result, "missing"), i, item) {
        _cleanup_free_ char *whys = reviews_whys_new(json_object_get(item, "for"));
        json_array_append_new(out, json_sprintf("cluster %s: %s: may not %s", json_text_or(item, "cluster", "?"), whys,
                                                json_text_or(item, "right", "?")));
    }
    json_array_foreach (json_object_get(result, "unknown"), i, item)
        json_array_append_new(out, json_sprintf("cluster %s: what mendd may do there is not known: %s",
                                                json_text_or(item, "cluster", "?"), json_text_or(item, "why", "?")));
    json_array_foreach (json_object_get(result, "faults"), i, item)
        json_array_append_new(out, json_incref(item));
    return out;
}
