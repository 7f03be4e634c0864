/* Typed reading of maps by tables of keys. One table a kind of map: its names, forms, places in a struct and one line
 * of words. Unknown keys, wrong types, missing keys and suggestions come from the table, and so does the JSON Schema
 * for editors (schema.c). Reading never stops at a fault; every reader leaves its field as it was when the value is
 * wrong.
 */
#pragma once

#include "config/config.h"

#include <stddef.h>

enum key_form {
    FORM_TEXT,     /* char *: any scalar, as written, not empty */
    FORM_NAME,     /* char *: a DNS-1123 label */
    FORM_URL,      /* char *: http(s), no credentials, no query; no trailing slash */
    FORM_PATH,     /* char *: a relative one is looked up in $CREDENTIALS_DIRECTORY, then beside the config file */
    FORM_SECRET,   /* char *: the same, of a file that holds nothing but a secret */
    FORM_BOOL,     /* bool */
    FORM_COUNT,    /* int, 1 or more */
    FORM_DURATION, /* int64_t milliseconds, up to ten years */
    FORM_CHOICE,   /* int: the index into `choices` */
    FORM_TEXTS,    /* char **, NULL-terminated */
    FORM_URLS,     /* char **, NULL-terminated, each as FORM_URL */
    FORM_RATES,    /* struct rate *, ended by count 0: "3/1h" or "3/1h, 7/1d" or a list of them */
    FORM_VARS,     /* json_t *: a map of texts */
    FORM_TEMPLATE, /* char *: text with templates, checked */
    FORM_SELECTOR, /* char *: Kubernetes' selector syntax or a map of labels; templates allowed */
    FORM_MAP,      /* the keys of `sub`; the field is the struct itself */
    /* those below have a reader of their own */
    FORM_LIST,     /* a list of maps of `sub` */
    FORM_MAP_OF,   /* a map of any names to maps of `sub` */
    FORM_MATCHERS, /* a list of matchers */
    FORM_ACTION,   /* an action's name */
    FORM_CHECK,    /* a check's name */
    FORM_WITH,     /* the parameters of an action or check */
    FORM_ABSENT,   /* a key of the design that this version does not act on */
};

enum { KEY_REQUIRED = 1 << 0 };

struct loader {
    struct faults *faults;
    const struct registry *registry; /* NULL while reading the config */
    const struct config *config;     /* NULL: a playbook from the journal */
    const json_t *vars;              /* of the playbook being read */
    unsigned template_flags;         /* for FORM_TEMPLATE */
    const char *folder;              /* of the config file */
};

struct key {
    const char *name;
    enum key_form form;
    size_t offset;
    unsigned flags;
    const struct key *sub;
    const char *const *choices;
    void (*read)(struct loader *l, const struct node *value, void *field); /* instead of the form's own */
    const char *doc;
};

/* `what` is how such a map is called in messages: "a playbook". Reads in the table's order. */
void read_map(struct loader *l, const struct node *map, const char *what, const struct key *keys, void *out);

/* Whether it is of that type; else a fault "KEY must be a map, not a list". */
bool want_type(struct loader *l, const struct node *n, enum node_type type);
char *node_label_new(const struct node *n); /* the node's key, quoted for messages; the caller frees */
/* A fault with "(did you mean …)" if there is something near. fmt's text comes first. */
void fault_suggest(struct loader *l, const struct node *at, const char *word, const char *const *candidates,
                   const char *fmt, ...) _printf_(5, 6);

void read_form(struct loader *l, const struct key *key, const struct node *value, void *field);
void read_text(struct loader *l, const struct node *value, char **field);

/* limits.c */
extern const struct key limits_keys[];
struct limits_draft { /* limits as they are read: lists ended by count 0 */
    int64_t cooldown_ms, expires_ms;
    struct rate *attempts;
    int concurrent, pods;
};
void read_rates(struct loader *l, const struct node *value, struct rate **field);
void limits_default(struct limits *ret);
void limits_copy(const struct limits *from, struct limits *ret);
struct limits_draft limits_to_draft(const struct limits *from);
void limits_from_draft(struct limits_draft *taken, struct limits *field);
void limits_read(struct loader *l, const struct node *value, struct limits *field);
char *rates_format(const struct rate *rates, size_t n); /* "3/1h, 7/1d"; the caller frees */

/* steps.c */
extern const struct key step_keys[], evidence_keys[], check_keys[], rung_keys[];
void read_later(struct loader *l, const struct node *value, void *field); /* of a key that is read by hand */
void read_steps(struct loader *l, const struct node *list, struct step **steps, size_t *n, bool evidence_only);
void read_rung_steps(struct loader *l, const struct node *steps, struct rung *ret);
void add_gitops_step(struct loader *l, struct playbook *p);
void read_ladder(struct loader *l, const struct node *list, struct playbook *p);
void read_checks(struct loader *l, const struct node *list, struct check_step **checks, size_t *n);

/* with.c */
json_t *read_with(struct loader *l, const struct node *with, const struct node *owner, const char *what,
                  const struct param *params);

void check_with_templates(struct loader *l, const struct node *value); /* every one inside */

/* manifest.c: with.manifest of resource.apply, from the step or from a file */
void read_manifest(struct loader *l, const struct node *value, json_t *with);
void read_manifest_file(struct loader *l, const struct node *value, json_t *with);

/* receivers.c */
void want_somebody(struct loader *l, const struct node *list); /* a list of receivers that is not empty */
void want_receivers(struct loader *l, const struct config *c, const struct node *list); /* that the config names */

/* target.c */
extern const struct key target_keys[];
void read_cluster(struct loader *l, const struct node *value, void *field);
void check_cluster(struct loader *l, const struct node *at, const char *cluster); /* a literal must be in the config */
void read_target(struct loader *l, const struct node *value, struct target_spec *target);

/* playbook.c */
extern const struct key playbook_keys[], verify_keys[];
struct verify verify_default(const struct config *c); /* NULL: mendd's own times */
void check_verify_times(struct loader *l, const struct node *at, const struct verify *v);
extern const char *const mode_choices[], *const gitops_choices[], *const class_choices[];
struct playbook *read_playbook(struct loader *l, const struct node *map);
bool vars_read(struct loader *l, const struct node *value, json_t **field);

/* source.c: the normalised form, which reads back as an equal playbook */
json_t *playbook_to_json(const struct playbook *p);

/* reach.c: warnings that need the whole table */
void warn_unreachable(struct faults *f, const struct playbook_table *t, size_t i, const struct node *at);
void warn_irreversible(struct faults *f, const struct playbook *p, const struct node *at);

/* config.c */
extern const struct key config_keys[];
extern const struct playbook_defaults builtin_defaults; /* semantics.md, "Guards" */

/* playbooks.c */
extern const struct key playbook_file_keys[];
