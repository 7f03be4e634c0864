/* mendctl: what its verbs share. A file a verb, one line each in main.c's table.
 *
 * Exit codes: 0 ok, 1 the answer is no (a fault found, a test missed, not found), 2 wrong usage, 3 the daemon cannot be
 * reached. Output: a table on a terminal, JSON in a pipe, unless -o says otherwise; colours on a terminal only. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

enum output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML };

struct cli {
    const char *url, *token_file, *config_file;
    const char *user, *password_file;           /* of --web.config.file's users */
    const char *ca_file, *cert_file, *key_file; /* https: whom to trust, and who we are */
    const char **playbooks;                     /* NULL-terminated, NULL if none was given */
    bool url_given;                             /* --url was said: plan asks that daemon too */
    enum output output;
    bool output_given; /* -o was said; reports for people are text in a pipe too unless it was */
};

struct verb {
    const char *name, *synopsis, *summary;
    bool hidden;                                         /* not in --help */
    int (*run)(struct cli *cli, int argc, char *argv[]); /* argv[0] is the verb's name; exit code */
};

/* One verb's `--help`, and the words for wrong usage of it. */
int cli_usage(const struct verb *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* main.c: the verbs by their files */
extern const struct verb verb_check, verb_plan, verb_rbac, verb_test, verb_schema, verb_yaml;
extern const struct verb verb_actions, verb_fire, verb_playbooks, verb_status, verb_clusters;
extern const struct verb verb_cancel, verb_pause, verb_resume, verb_reset, verb_replay;

/* actions.c: the whole id of one of the newest records, from its first characters. An exit code, having said why. */
int actions_find_id(struct cli *cli, const char *prefix, char **ret);
/* actions_report.c */
int actions_report(struct cli *cli, int argc, char *argv[]);
/* actions_answer.c: argv[0] is approve, reject, acknowledge or cancel */
int actions_answer(struct cli *cli, int argc, char *argv[]);
/* record.c: one record for a person */
void print_record(const json_t *record);
/* "Deployment shop/api", "-" without one; the caller frees. */
char *print_target_new(const json_t *record);

/* command.c: a command to the daemon, with the caller's login name; prints what it answers. Takes the body. */
int command_send(struct cli *cli, const char *path, json_t *body_taken);
/* The same to /actions/ID/VERB, with the first characters of an id. */
int command_send_to_run(struct cli *cli, const char *prefix, const char *verb, json_t *body_taken);

/* client.c: one request to the daemon. Returns EXIT_OK with the body (JSON, NULL if it is none), or an exit code having
 * said on stderr what went wrong. */
int client_request(const struct cli *cli, const char *method, const char *path, const json_t *body, json_t **ret);
/* The same for any URL (Alertmanager's API). */
int client_request_url(const struct cli *cli, const char *method, const char *url, const json_t *body, json_t **ret);
/* Lines of a text/event-stream, until `line` returns false or the stream ends. */
int client_stream(const struct cli *cli, const char *path, bool (*line)(const char *text, void *userdata),
                  void *userdata);

/* print.c */
bool print_colours(void); /* stdout is a terminal and NO_COLOR is not set */
/* Columns as wide as their widest cell; cells are cleaned of control characters. Rows of n_columns texts, NULL cells
 * are "-". */
struct table;
struct table *table_new(const char *const *columns, size_t n_columns);
void table_row(struct table *t, const char *const *cells);
void table_print(struct table *t, FILE *f); /* prints and frees */
/* What came from an alert or an API server must not steer the terminal: control characters become blanks. "-" for NULL;
 * the caller frees. */
char *print_clean_new(const char *s);
/* A list of objects as a table: a column a key, in the order of the first objects; what is nested becomes words.
 * Nothing for an empty list. */
void print_objects(const char *title, const json_t *list);
void print_json(const json_t *value);
void print_yaml(const json_t *value);
/* For -o json|yaml: prints and returns true. */
bool print_structured(const struct cli *cli, const json_t *value);
/* The same for verbs whose output is a report (check, test, plan): only when -o was said. */
bool print_report_structured(const struct cli *cli, const json_t *value);
/* "3m", "2h", "5d" since an RFC 3339 time; "-" if there is none. Returns buf. */
char *print_age(const char *rfc3339, char buf[40]);
/* The word in the colour of its meaning (resolved green, failed red, …), or plain. */
const char *print_outcome_colour(const char *outcome);
