/* The sections of the configuration file that have rules of their own. Private to lib/config. */
#pragma once

#include "config/read.h"

extern const struct key cluster_keys[], alertmanager_keys[], prometheus_keys[], auth_keys[];
extern const struct key budgets_keys[], storm_keys[], breaker_keys[], maintenance_keys[], receiver_keys[],
    cluster_set_keys[], watch_keys[], escalation_level_keys[], digest_keys[], schedule_keys[], token_keys[],
    user_keys[], backup_keys[];

/* safety.c; field: the config */
void read_budgets(struct loader *l, const struct node *map, void *field);
void read_storm(struct loader *l, const struct node *map, void *field);
void read_breaker(struct loader *l, const struct node *map, void *field);
void read_maintenance(struct loader *l, const struct node *map, void *field);
void read_schedules(struct loader *l, const struct node *list, void *field);
void safety_clear(struct config *c);

/* cluster_sets.c */
void read_watch(struct loader *l, const struct node *map, void *field); /* field: the cluster */
void read_cluster_sets(struct loader *l, const struct node *list, void *field);
void cluster_sets_finish(struct config *c); /* once all is read: who is watched */
void cluster_sets_clear(struct config *c);

/* receivers.c */
void read_receivers(struct loader *l, const struct node *list, void *field);
void read_escalation(struct loader *l, const struct node *map, void *field);
void read_digest(struct loader *l, const struct node *map, void *field);
/* Every receiver that the file names exists. */
void check_receiver_names(struct loader *l, const struct node *root, const struct config *c);
void receivers_clear(struct config *c);

/* tokens.c */
extern const char *const scope_names[]; /* as enum token_scope */
void read_scopes(struct loader *l, const struct node *list, void *field);
void read_tokens(struct loader *l, const struct node *list, void *field);
void tokens_clear(struct config *c);

/* users.c */
void read_users(struct loader *l, const struct node *list, void *field);
void users_clear(struct config *c);

/* backup.c */
void read_backup(struct loader *l, const struct node *map, void *field);
void backup_default(struct config *c);
void backup_clear(struct config *c);
