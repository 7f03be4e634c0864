/* The folder of backups on mendd's host: what the action backup keeps there (method FILE), and what restore reads.
 * The folder has mode 0700, its files 0600; names come from the effect and are looked at again here. Files are small
 * (at most KEEP_MAX), so that writing one holds up the loop for no longer than a disk takes. */
#pragma once

#include "base/json.h"
#include "core/settings.h"

enum { KEEP_MAX = 512 << 10 };

/* Writes the effect's body; a file of the same name is replaced as a whole, so that writing it twice is writing it
 * once. Older ones than the retention, of the same object, go. The answer: {"status": 201} or a refusal. */
json_t *keep_file_new(const struct backup_settings *backup, const json_t *effect, int64_t wall_us);
/* The answer to {"ask":"backup"}: {"status": 0, "text"}. */
json_t *keep_read_new(const struct backup_settings *backup, const json_t *question);
