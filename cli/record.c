/* One record for a person: what fired, what was decided, what was sent, what was seen. */
#include "cli.h"

#include "base/alloc.h"
#include "base/text.h"

#include <string.h>

char *print_target_new(const json_t *record)
{
    const json_t *t = json_object_get(record, "target");
    const char *namespace = json_text(t, "namespace"), *name = json_text(t, "name");
    if (!json_is_object(t))
        return xstrdup("-");
    return xasprintf("%s %s%s%s", json_text_or(t, "kind", "?"), namespace ? namespace : "", namespace ? "/" : "",
                     name ? name : "*");
}

static void print_field(const char *name, const char *value)
{
    if (!str_empty(value))
        printf("%-10s %s\n", name, value);
}

static void print_requests(const json_t *requests)
{
    size_t i;
    json_t *q;
    json_array_foreach (requests, i, q) {
        _cleanup_free_ char *changes = json_compact(json_object_get(q, "changes"));
        printf("      %s %s  %s", json_text_or(q, "method", "?"), json_text_or(q, "path", "?"),
               json_text_or(q, "status", "?"));
        if (json_int_or(q, "code", 0))
            printf(" (%d)", (int)json_int_or(q, "code", 0));
        putchar('\n');
        if (json_object_size(json_object_get(q, "changes")))
            printf("      changed %s\n", changes);
        if (json_text(q, "error"))
            printf("      %s\n", json_text(q, "error"));
    }
}

static void print_steps(const json_t *steps)
{
    size_t i;
    json_t *s;
    json_array_foreach (steps, i, s) {
        const char *words = json_text(s, "error") ? json_text(s, "error") : json_text_or(s, "note", "");
        printf("  %-8s %s  [%s]  %s\n", json_text_or(s, "status", "?"), json_text_or(s, "action", "?"),
               json_text_or(s, "rung_name", ""), words);
        print_requests(json_object_get(s, "requests"));
    }
}

static void print_checks(const json_t *checks)
{
    size_t i;
    json_t *c;
    json_array_foreach (checks, i, c)
        printf("  %-8s %s  (%d tries)  %s\n", json_text_or(c, "verdict", "?"), json_text_or(c, "check", "?"),
               (int)json_int_or(c, "tries", 0), json_text_or(c, "seen", ""));
}

static void print_timeline(const json_t *timeline)
{
    size_t i;
    json_t *t;
    json_array_foreach (timeline, i, t)
        printf("  %s  %-12s %s\n", json_text_or(t, "time", "?"), json_text_or(t, "state", "?"),
               json_text_or(t, "event", ""));
}

static void print_approval(const json_t *a)
{
    if (!json_is_object(a))
        return;
    _cleanup_free_ char *words =
        xasprintf("%s%s%s%s%s, plan %s", json_text_or(a, "status", "?"), json_text(a, "by") ? " by " : "",
                  json_text_or(a, "by", ""), json_text(a, "expires") ? ", until " : "", json_text_or(a, "expires", ""),
                  json_text_or(a, "hash", "?"));
    print_field("approval", words);
}

static void print_held(const json_t *held)
{
    const char *reason = json_text_or(held, "reason", "?"), *message = json_text(held, "message");
    const bool said = message && strncmp(message, reason, strlen(reason)) == 0;
    _cleanup_free_ char *words =
        xasprintf("%s%s%s", said ? "" : reason, message && !said ? ": " : "", message ? message : "");
    if (json_is_object(held))
        print_field("held by", words);
}

void print_record(const json_t *r)
{
    _cleanup_free_ char *target = print_target_new(r);
    _cleanup_free_ char *labels = json_compact(json_path(r, "alert", "labels", NULL));
    const char *outcome = json_text(r, "outcome"), *colour = print_outcome_colour(outcome);
    print_field("run", json_text(r, "id"));
    print_field("alert", json_path_text(r, "alert", "labels", "alertname", NULL));
    print_field("labels", labels);
    print_field("target", target);
    print_field("playbook", json_text(r, "playbook"));
    print_field("cluster", json_text(r, "cluster"));
    printf("%-10s %s%s%s%s\n", "state", colour, json_text_or(r, "state", "?"), outcome ? ", " : "",
           outcome ? outcome : "");
    if (*colour)
        fputs("\033[0m", stdout);
    print_field("reason", json_text(r, "reason"));
    print_approval(json_object_get(r, "approval"));
    print_held(json_object_get(r, "held"));
    print_field("because", json_text(r, "message"));
    print_field("rollback", json_text(r, "rollback"));
    puts("steps");
    print_steps(json_object_get(r, "steps"));
    puts("checks");
    print_checks(json_object_get(r, "checks"));
    puts("timeline");
    print_timeline(json_object_get(r, "timeline"));
}
