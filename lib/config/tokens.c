/* Who may call the API: `tokens`, each with a name for the audit log and scopes. What is compared is a SHA-256 of each
 * secret; the secret itself does not stay in memory. */
#include "config/sections.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { TOKENS_MAX = 1000, SECRETS_MAX = 16 };

struct token_draft {
    char *name, *token, *token_file;
    unsigned scopes;
};

#define TOKEN(field) offsetof(struct token_draft, field)

const char *const scope_names[] = {"webhook", "viewer", "approve", "operator", NULL}; /* as enum token_scope */

void read_scopes(struct loader *l, const struct node *list, void *field)
{
    unsigned *scopes = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    for (size_t i = 0; i < list->n_children; i++) {
        const struct node *item = list->children[i];
        size_t k = 0;
        while (scope_names[k] && !str_eq(scope_names[k], item->scalar))
            k++;
        if (scope_names[k])
            *scopes |= 1U << k;
        else
            fault_suggest(l, item, item->scalar ? item->scalar : "", scope_names,
                          "a scope is webhook, viewer, approve or operator, not \"%s\"",
                          item->scalar ? item->scalar : "");
    }
    if (list->n_children == 0)
        faults_add(l->faults, list, "\"scopes\" is empty: that opens nothing");
}

const struct key token_keys[] = {
    {"name", FORM_NAME, TOKEN(name), KEY_REQUIRED, .doc = "who this is, in records and in the log; unique"},
    {"token", FORM_TEXT, TOKEN(token), .doc = "the secret, 16 characters or more; better in a file"},
    {"token_file", FORM_SECRET, TOKEN(token_file),
     .doc = "a file with it; several lines while a new one takes the place of an old one"},
    {"scopes", FORM_TEXTS, TOKEN(scopes), KEY_REQUIRED, .choices = scope_names, .read = read_scopes,
     .doc = "webhook (send alerts), viewer (look), approve (say yes or no to plans), operator (all of it)"},
    {0},
};

const char *token_secret_fault(const char *secret)
{
    const size_t len = strlen(secret);
    for (const char *p = secret; *p; p++)
        if (!isgraph((unsigned char)*p))
            return "holds a blank or a character that is not ASCII";
    return len < TOKEN_SECRET_MIN ? "is shorter than 16 characters" : NULL;
}

static void add_secret(struct token *t, const char *secret)
{
    t->hashes = xreallocarray(t->hashes, t->n_hashes + 1, sizeof(*t->hashes));
    t->hashes[t->n_hashes++] = sha256_hex_new(secret, strlen(secret));
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

static void read_token(struct loader *l, const struct node *map, struct token *t)
{
    struct token_draft draft = {0};
    read_map(l, map, "a token", token_keys, &draft);
    t->name = draft.name;
    t->file = draft.token_file;
    t->scopes = draft.scopes;
    const char *why = draft.token ? token_secret_fault(draft.token) : NULL;
    if (map->type == NODE_MAP && !node_get(map, "token") == !node_get(map, "token_file"))
        faults_add(l->faults, map, "a token has either \"token\" or \"token_file\"");
    else if (why)
        faults_add(l->faults, node_get(map, "token"), "the token %s", why); /* never the token itself */
    else if (draft.token)
        add_secret(t, draft.token);
    wipe(draft.token);
}

void read_tokens(struct loader *l, const struct node *list, void *field)
{
    struct config *c = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    if (list->n_children == 0 || list->n_children > TOKENS_MAX) {
        faults_add(l->faults, list, "\"tokens\" has %zu entries: 1 to %d make sense", list->n_children, TOKENS_MAX);
        return;
    }
    c->tokens = xcalloc(list->n_children, sizeof(struct token));
    c->n_tokens = list->n_children;
    for (size_t i = 0; i < list->n_children; i++) {
        read_token(l, list->children[i], &c->tokens[i]);
        for (size_t k = 0; k < i; k++)
            if (c->tokens[i].name && str_eq(c->tokens[k].name, c->tokens[i].name))
                faults_add(l->faults, list->children[i], "there is a token \"%s\" already", c->tokens[i].name);
    }
}

/* ---- the files, when the daemon loads or reloads ---- */

static int read_file(struct token *t, struct error *err)
{
    char *text = NULL, *rest, *line;
    int r = secret_read(t->file, &text, err);
    if (r < 0)
        return error_prefix(err, "token \"%s\"", t->name);
    size_t n = 0;
    for (rest = text; r == 0 && (line = strsep(&rest, "\r\n"));) {
        const char *why = *line ? token_secret_fault(line) : NULL;
        if (why)
            r = error_set(err, -EINVAL, "token \"%s\": a line of %s %s", t->name, t->file, why);
        else if (*line && ++n > SECRETS_MAX)
            r = error_set(err, -E2BIG, "token \"%s\": %s has more than %d lines", t->name, t->file, SECRETS_MAX);
        else if (*line)
            add_secret(t, line);
        explicit_bzero(line, strlen(line));
    }
    wipe(text);
    if (r == 0 && n == 0)
        r = error_set(err, -EINVAL, "token \"%s\": %s is empty", t->name, t->file);
    return r;
}

int config_read_tokens(struct config *c, struct faults *faults)
{
    int worst = 0;
    for (size_t i = 0; i < c->n_tokens; i++) {
        _cleanup_error_ struct error err = ERROR_NONE;
        if (!c->tokens[i].file || read_file(&c->tokens[i], &err) == 0)
            continue;
        faults_add(faults, NULL, "%s", error_message(&err));
        worst = -EINVAL;
    }
    return worst;
}

void tokens_clear(struct config *c)
{
    for (size_t i = 0; i < c->n_tokens; i++) {
        struct token *t = &c->tokens[i];
        for (size_t k = 0; k < t->n_hashes; k++)
            free(t->hashes[k]);
        free(t->hashes);
        free(t->name);
        free(t->file);
    }
    free(c->tokens);
}
