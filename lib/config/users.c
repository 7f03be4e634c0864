/* What those may do whom --web.config.file lets in: users of its basic_auth_users, and verified client certificates.
 * That file is exporter-toolkit's and knows no scopes; this list does. Once it is there it is the whole list. */
#include "config/sections.h"

#include "base/alloc.h"
#include "base/text.h"

enum { USERS_MAX = 1000 };

#define USER(field) offsetof(struct user_scopes, field)

const struct key user_keys[] = {
    {"name", FORM_TEXT, USER(name), .doc = "a user of basic_auth_users"},
    {"certificate", FORM_TEXT, USER(certificate),
     .doc = "a name that a verified client certificate bears: DNS, URI, mail, IP; without any such name its CN"},
    {"scopes", FORM_TEXTS, USER(scopes), KEY_REQUIRED, .choices = scope_names, .read = read_scopes,
     .doc = "as those of tokens"},
    {0},
};

static bool is_same(const struct user_scopes *a, const struct user_scopes *b)
{
    return (a->name && str_eq(a->name, b->name)) || (a->certificate && str_eq(a->certificate, b->certificate));
}

static void read_user(struct loader *l, const struct node *map, struct config *c, size_t i)
{
    struct user_scopes *u = &c->users[i];
    read_map(l, map, "a user", user_keys, u);
    if (map->type == NODE_MAP && !node_get(map, "name") == !node_get(map, "certificate"))
        faults_add(l->faults, map, "a user has either \"name\" or \"certificate\"");
    for (size_t k = 0; k < i; k++)
        if (is_same(u, &c->users[k]))
            faults_add(l->faults, map, "there is a user \"%s\" already", u->name ? u->name : u->certificate);
}

void read_users(struct loader *l, const struct node *list, void *field)
{
    struct config *c = field;
    if (!want_type(l, list, NODE_LIST))
        return;
    if (list->n_children == 0 || list->n_children > USERS_MAX) {
        faults_add(l->faults, list, "\"users\" has %zu entries: 1 to %d make sense", list->n_children, USERS_MAX);
        return;
    }
    c->users = xcalloc(list->n_children, sizeof(struct user_scopes));
    c->n_users = list->n_children;
    for (size_t i = 0; i < list->n_children; i++)
        read_user(l, list->children[i], c, i);
}

void users_clear(struct config *c)
{
    for (size_t i = 0; i < c->n_users; i++) {
        free(c->users[i].name);
        free(c->users[i].certificate);
    }
    free(c->users);
}
