/* Who is told and when: receivers, escalation by severity, the digest. */
#include "config/sections.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

/* ---- receivers ---- */

#define RECEIVER(name) offsetof(struct receiver, name)

static const struct key slack_keys[] = {
    {"url", FORM_TEXT, RECEIVER(url), .doc = "the incoming webhook; better in a file"},
    {"url_file", FORM_SECRET, RECEIVER(url_file), .doc = "a file with it"},
    {"channel", FORM_TEXT, RECEIVER(slack.channel), .doc = "honoured by old webhooks only"},
    {"username", FORM_TEXT, RECEIVER(slack.username), .doc = "honoured by old webhooks only"},
    {"ca_file", FORM_PATH, RECEIVER(ca_file), .doc = "whom to trust"},
    {"insecure_skip_verify", FORM_BOOL, RECEIVER(insecure), .doc = "trust anybody"},
    {0},
};
static const struct key pagerduty_keys[] = {
    {"routing_key", FORM_TEXT, RECEIVER(pagerduty.routing_key), .doc = "of an Events v2 integration; better in a file"},
    {"routing_key_file", FORM_SECRET, RECEIVER(pagerduty.routing_key_file), .doc = "a file with it"},
    {"url", FORM_URL, RECEIVER(url), .doc = "default https://events.pagerduty.com/v2/enqueue"},
    {"client_url", FORM_URL, RECEIVER(pagerduty.client_url), .doc = "where mendd is reached"},
    {"ca_file", FORM_PATH, RECEIVER(ca_file), .doc = "whom to trust"},
    {"insecure_skip_verify", FORM_BOOL, RECEIVER(insecure), .doc = "trust anybody"},
    {0},
};
static const struct key webhook_keys[] = {
    {"url", FORM_TEXT, RECEIVER(url), .doc = "where the notice is posted as JSON"},
    {"url_file", FORM_SECRET, RECEIVER(url_file), .doc = "a file with it"},
    {"bearer_token", FORM_TEXT, RECEIVER(webhook.bearer_token), .doc = "better in a file"},
    {"bearer_token_file", FORM_SECRET, RECEIVER(webhook.bearer_token_file), .doc = "a file with the token"},
    {"ca_file", FORM_PATH, RECEIVER(ca_file), .doc = "whom to trust"},
    {"insecure_skip_verify", FORM_BOOL, RECEIVER(insecure), .doc = "trust anybody"},
    {0},
};

static const char *const tls_choices[] = {"", "true", "false", NULL}; /* as enum receiver_tls */

static void read_to(struct loader *l, const struct node *value, void *field)
{
    char ***to = field;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (value->type == NODE_SCALAR && *value->scalar) { /* "a@example.com, b@example.com" */
        size_t n = 0;
        _cleanup_free_ char *text = xstrdup(value->scalar);
        char *rest = text, *part;
        *to = xcalloc(strlen(text) + 2, sizeof(char *));
        while ((part = strsep(&rest, ","))) {
            part += strspn(part, " ");
            if (*part)
                (*to)[n++] = xstrdup(part);
        }
    } else {
        read_form(l, &(struct key){.name = "to", .form = FORM_TEXTS}, value, field);
    }
    for (char **p = *to; p && *p; p++) {
        char *name = NULL, *address = NULL;
        if (mailbox_parse(*p, &name, &address, &err) < 0)
            faults_add(l->faults, value, "\"%s\": %s", *p, error_message(&err));
        free(name);
        free(address);
    }
}

static void read_from(struct loader *l, const struct node *value, void *field)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    char *name = NULL, *address = NULL;
    read_text(l, value, field);
    if (value->type == NODE_SCALAR && *value->scalar && mailbox_parse(value->scalar, &name, &address, &err) < 0)
        faults_add(l->faults, value, "\"%s\": %s", value->scalar, error_message(&err));
    free(name);
    free(address);
}

static void read_smarthost(struct loader *l, const struct node *value, void *field)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *host = NULL;
    int port;
    read_text(l, value, field);
    if (value->type == NODE_SCALAR && *value->scalar && smarthost_parse(value->scalar, &host, &port, &err) < 0)
        faults_add(l->faults, value, "%s", error_message(&err));
}

static void read_tls(struct loader *l, const struct node *value, void *field)
{
    int choice = RECEIVER_TLS_AUTO;
    read_form(l, &(struct key){.name = "require_tls", .form = FORM_CHOICE, .choices = tls_choices}, value, &choice);
    *(enum receiver_tls *)field = (enum receiver_tls)choice;
}

static const struct key email_keys[] = {
    {"to", FORM_TEXTS, RECEIVER(email.to), KEY_REQUIRED, .read = read_to, .doc = "addresses: a list, or with commas"},
    {"from", FORM_TEXT, RECEIVER(email.from), KEY_REQUIRED, .read = read_from, .doc = "the sender's address"},
    {"smarthost", FORM_TEXT, RECEIVER(email.smarthost), KEY_REQUIRED, .read = read_smarthost,
     .doc = "host:port of the mail server"},
    {"username", FORM_TEXT, RECEIVER(email.username), .doc = "to log in there"},
    {"password", FORM_TEXT, RECEIVER(email.password), .doc = "better in a file"},
    {"password_file", FORM_SECRET, RECEIVER(email.password_file), .doc = "a file with it"},
    {"hello", FORM_TEXT, RECEIVER(email.hello), .doc = "the name in EHLO; default: this host's"},
    {"require_tls", FORM_CHOICE, RECEIVER(email.tls), .choices = tls_choices, .read = read_tls,
     .doc = "default true, but not for a smarthost on this host"},
    {"ca_file", FORM_PATH, RECEIVER(ca_file), .doc = "whom to trust"},
    {"insecure_skip_verify", FORM_BOOL, RECEIVER(insecure), .doc = "trust anybody"},
    {0},
};
const struct key receiver_keys[] = {
    {"name", FORM_NAME, RECEIVER(name), KEY_REQUIRED, .doc = "its name in escalation and records, unique"},
    {"send_resolved", FORM_BOOL, RECEIVER(send_resolved), .doc = "tell it when the alert cleared; default true"},
    {"slack", FORM_MAP, .sub = slack_keys, .doc = "an incoming webhook"},
    {"pagerduty", FORM_MAP, .sub = pagerduty_keys, .doc = "Events v2"},
    {"webhook", FORM_MAP, .sub = webhook_keys, .doc = "JSON to any URL"},
    {"email", FORM_MAP, .sub = email_keys, .doc = "through a mail server"},
    {0},
};

/* One of two keys, not both; `what` names what is missing. */
static void want_one(struct loader *l, const struct node *map, const char *a, const char *b, const char *what)
{
    const struct node *first = node_get(map, a), *second = node_get(map, b);
    if (first && second)
        faults_add(l->faults, second->key, "give either \"%s\" or \"%s\", not both", a, b);
    else if (!first && !second)
        faults_add(l->faults, map, "\"%s\" or \"%s\" is missing: %s", a, b, what);
}

static void check_url(struct loader *l, const struct node *map, const struct receiver *r)
{
    const char *why = NULL;
    want_one(l, map, "url", "url_file", "where to post to");
    /* Slack's and others' URLs may carry a query: only what comes before it has rules. */
    if (r->url) {
        _cleanup_free_ char *bare = xstrndup(r->url, strcspn(r->url, "?"));
        if (!url_ok(bare, &why))
            faults_add(l->faults, node_get(map, "url"), "the URL cannot be used: %s", why);
    }
}

static void check_email(struct loader *l, const struct node *map)
{
    if (node_get(map, "password") && node_get(map, "password_file"))
        faults_add(l->faults, map, "give either \"password\" or \"password_file\", not both");
    if (!node_get(map, "username") != (!node_get(map, "password") && !node_get(map, "password_file")))
        faults_add(l->faults, map, "username and password belong together");
}

static void check_kind(struct loader *l, const struct node *map, const struct receiver *r)
{
    switch (r->kind) {
    case RECEIVER_PAGERDUTY:
        want_one(l, map, "routing_key", "routing_key_file", "the integration's key");
        break;
    case RECEIVER_EMAIL:
        check_email(l, map);
        break;
    case RECEIVER_WEBHOOK:
        if (node_get(map, "bearer_token") && node_get(map, "bearer_token_file"))
            faults_add(l->faults, map, "give either \"bearer_token\" or \"bearer_token_file\", not both");
        check_url(l, map, r);
        break;
    case RECEIVER_SLACK:
        check_url(l, map, r);
        break;
    }
}

static void read_receiver(struct loader *l, const struct node *map, struct receiver *r)
{
    static const char *const kinds[] = {"slack", "pagerduty", "webhook", "email"}; /* as enum receiver_kind */
    const struct node *body = NULL;
    int n = 0;
    receiver_init(r, RECEIVER_SLACK);
    for (int i = 0; map->type == NODE_MAP && i < (int)ARRAY_SIZE(kinds); i++) {
        const struct node *found = node_get(map, kinds[i]);
        if (!found)
            continue;
        n++;
        body = found;
        r->kind = (enum receiver_kind)i;
    }
    read_map(l, map, "a receiver", receiver_keys, r);
    if (map->type == NODE_MAP && n != 1)
        faults_add(l->faults, map, "a receiver is exactly one of slack, pagerduty, webhook and email");
    else if (body && body->type == NODE_MAP)
        check_kind(l, body, r);
}

void read_receivers(struct loader *l, const struct node *list, void *field)
{
    struct config *c = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    c->receivers = xcalloc(list->n_children + 1, sizeof(struct receiver));
    c->n_receivers = list->n_children;
    for (size_t i = 0; i < list->n_children; i++) {
        read_receiver(l, list->children[i], &c->receivers[i]);
        for (size_t k = 0; k < i; k++)
            if (c->receivers[i].name && str_eq(c->receivers[k].name, c->receivers[i].name))
                faults_add(l->faults, list->children[i], "there is a receiver \"%s\" already", c->receivers[i].name);
    }
}

/* ---- escalation ---- */

enum { LEVELS_MAX = 8 };

#define LEVEL(name) offsetof(struct escalation_level, name)

static void read_later_level(struct loader *l, const struct node *value, void *field)
{
    (void)l;
    (void)value;
    (void)field;
}

const struct key escalation_level_keys[] = {
    {"notify", FORM_TEXTS, LEVEL(notify), KEY_REQUIRED, .doc = "receivers"},
    {"response", FORM_DURATION, LEVEL(response_ms), .doc = "somebody must acknowledge within this time"},
    {"then", FORM_TEXTS, .read = read_later_level, .doc = "receivers when nobody did, or a further level"},
    {0},
};

/* Who is told: nobody would be an incident that reaches no one. */
void want_somebody(struct loader *l, const struct node *list)
{
    if (list && list->type == NODE_LIST && list->n_children == 0)
        faults_add(l->faults, list, "nobody would be told: name a receiver");
}

static void add_level(struct loader *l, const struct node *at, struct escalation_policy *p)
{
    if (p->n_levels >= LEVELS_MAX) {
        faults_add(l->faults, at, "at most %d levels", LEVELS_MAX);
        return;
    }
    p->levels = xreallocarray(p->levels, p->n_levels + 1, sizeof(*p->levels));
    struct escalation_level *level = &p->levels[p->n_levels++];
    *level = (struct escalation_level){0};
    want_somebody(l, at->type == NODE_MAP ? node_get(at, "notify") : at);
    if (at->type == NODE_LIST) {
        read_form(l, &(struct key){.name = "then", .form = FORM_TEXTS}, at, &level->notify);
        return;
    }
    read_map(l, at, "an escalation", escalation_level_keys, level);
    const struct node *then = at->type == NODE_MAP ? node_get(at, "then") : NULL;
    if (then && level->response_ms <= 0)
        faults_add(l->faults, then->key, "\"then\" needs \"response\": after which time");
    if (then)
        add_level(l, then, p); /* `level` may have moved */
}

void read_escalation(struct loader *l, const struct node *map, void *field)
{
    struct config *c = field;
    if (!want_type(l, map, NODE_MAP))
        return;
    c->escalation.policies = xcalloc(map->n_children + 1, sizeof(struct escalation_policy));
    for (size_t i = 0; i < map->n_children; i++) {
        struct escalation_policy *p = &c->escalation.policies[c->escalation.n_policies++];
        p->severity = xstrdup(map->children[i]->key->scalar);
        if (want_type(l, map->children[i], NODE_MAP))
            add_level(l, map->children[i], p);
    }
}

#define DIGEST(name) offsetof(struct escalation_settings, name)

const struct key digest_keys[] = {
    {"notify", FORM_TEXTS, DIGEST(digest), KEY_REQUIRED, .doc = "receivers"},
    {"every", FORM_DURATION, DIGEST(digest_interval_ms), .doc = "default 24h"},
    {0},
};

void read_digest(struct loader *l, const struct node *map, void *field)
{
    struct escalation_settings *s = &((struct config *)field)->escalation;
    s->digest_interval_ms = 24 * 3600 * MSEC_PER_SEC;
    read_map(l, map, "\"digest\"", digest_keys, s);
    if (map->type == NODE_MAP)
        want_somebody(l, node_get(map, "notify"));
    if (s->digest_interval_ms < 60 * MSEC_PER_SEC)
        faults_add(l->faults, map, "a digest comes at most once a minute");
}

/* ---- names of receivers, when the whole file is read ---- */

void want_receivers(struct loader *l, const struct config *c, const struct node *list)
{
    const char **names = xcalloc(c->n_receivers + 1, sizeof(char *));
    for (size_t i = 0, n = 0; i < c->n_receivers; i++)
        if (c->receivers[i].name)
            names[n++] = c->receivers[i].name;
    for (size_t i = 0; list && list->type == NODE_LIST && i < list->n_children; i++) {
        const struct node *item = list->children[i];
        if (item->type == NODE_SCALAR && !str_in(item->scalar, names))
            fault_suggest(l, item, item->scalar, names, "there is no receiver \"%s\"", item->scalar);
    }
    free(names);
}

static void want_level_receivers(struct loader *l, const struct config *c, const struct node *at)
{
    for (; at && at->type == NODE_MAP; at = node_get(at, "then"))
        want_receivers(l, c, node_get(at, "notify"));
    want_receivers(l, c, at);
}

void check_receiver_names(struct loader *l, const struct node *root, const struct config *c)
{
    const struct node *escalation = node_get(root, "escalation"), *maintenance = node_get(root, "maintenance"),
                      *digest = node_get(root, "digest");
    for (size_t i = 0; escalation && escalation->type == NODE_MAP && i < escalation->n_children; i++)
        want_level_receivers(l, c, escalation->children[i]);
    if (digest && digest->type == NODE_MAP)
        want_receivers(l, c, node_get(digest, "notify"));
    if (!maintenance || maintenance->type != NODE_MAP)
        return;
    want_receivers(l, c, node_get(maintenance, "notify"));
    const struct node *windows = node_get(maintenance, "windows");
    for (size_t i = 0; windows && windows->type == NODE_LIST && i < windows->n_children; i++)
        if (windows->children[i]->type == NODE_MAP)
            want_receivers(l, c, node_get(windows->children[i], "notify"));
}

void receivers_clear(struct config *c)
{
    for (size_t i = 0; i < c->n_receivers; i++)
        receiver_clear(&c->receivers[i]);
    free(c->receivers);
    for (size_t i = 0; i < c->escalation.n_policies; i++) {
        struct escalation_policy *p = &c->escalation.policies[i];
        for (size_t k = 0; k < p->n_levels; k++)
            texts_free(p->levels[k].notify);
        free(p->levels);
        free(p->severity);
    }
    free(c->escalation.policies);
    texts_free(c->escalation.digest);
}
