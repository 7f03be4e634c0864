/* `backup:`: where the action backup keeps what is about to be changed. */
#include "config/sections.h"

#include "base/text.h"

static const char *const to_choices[] = {"configmap", "secret", "folder", NULL}; /* as enum backup_to */

#define BACKUP(name) offsetof(struct backup_settings, name)

const struct key backup_keys[] = {
    {"to", FORM_CHOICE, BACKUP(to), .choices = to_choices,
     .doc = "configmap (the default) or secret, beside the object; or folder. A Secret always goes into a Secret"},
    {"folder", FORM_PATH, BACKUP(folder), .doc = "on mendd's host; made with mode 0700 if it is not there"},
    {"retention", FORM_DURATION, BACKUP(retention_ms), .doc = "older ones of the same object go; default 30d"},
    {0},
};

void backup_default(struct config *c)
{
    c->backup = (struct backup_settings){.to = BACKUP_CONFIGMAP, .retention_ms = BACKUP_RETENTION_MS};
}

void read_backup(struct loader *l, const struct node *map, void *field)
{
    struct backup_settings *b = &((struct config *)field)->backup;
    read_map(l, map, "\"backup\"", backup_keys, b);
    if (b->to == BACKUP_FOLDER && !b->folder)
        faults_add(l->faults, map, "\"backup\" with to: folder needs \"folder\"");
    else if (b->to != BACKUP_FOLDER && b->folder)
        faults_add(l->faults, node_get(map, "folder"), "\"folder\" is used with to: folder only");
    if (b->retention_ms <= 0)
        faults_add(l->faults, node_get(map, "retention"), "\"retention\" must be longer than nothing");
}

void backup_clear(struct config *c)
{
    free(c->backup.folder);
}
