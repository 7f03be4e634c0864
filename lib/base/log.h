/* The daemon's log: one line an event, a message and fields. logfmt, JSON, or the systemd journal's native fields.
 * Values from outside are escaped: no line break or control character of theirs ever reaches the log raw.
 * The level and the format are process-wide, set once by main (the one exception to "no globals"). */
#pragma once

#include "base/error.h"
#include "base/macro.h"

#include <stdbool.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL };

/* "debug", "info", "warn", "error"; "auto", "logfmt", "json", "journal". 0 or -EINVAL. */
int log_level_parse(const char *s, enum log_level *ret);
int log_format_parse(const char *s, enum log_format *ret);

/* AUTO is the journal when stderr is connected to it (JOURNAL_STREAM), else logfmt. */
void log_open(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);

/* Pairs of strings, ended by NULL: log_event(LOG_LEVEL_INFO, "alert accepted", "alert", name, "run", id, NULL).
 * A NULL value leaves its pair out. Field names are lower case with underscores (MENDD_… in the journal). */
void log_event(enum log_level level, const char *message, ...) __attribute__((sentinel));
