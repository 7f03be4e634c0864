/* Playbooks as the core sees them: typed, validated, immutable, reference-counted. lib/config builds them from YAML, or
 * from the JSON that the journal kept of them (a run keeps the playbook that it began with).
 *
 * The table is searched in order: files in byte order of their paths, playbooks in file order, first match wins. */
#pragma once

#include "core/alert.h"
#include "core/matcher.h"
#include "core/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum playbook_mode { MODE_OBSERVE, MODE_PLAN, MODE_APPROVE, MODE_AUTO }; /* strictest first */
enum resolve_mode { RESOLVE_DEFAULT, RESOLVE_POST, RESOLVE_WAIT };
enum gitops_rule { GITOPS_REFUSE, GITOPS_SUSPEND, GITOPS_ALLOW };
/* What kind of trouble it is (`class:`). All but routine need a human: never mode auto; of a security incident the
 * evidence must be in the record before anything is touched. */
enum playbook_class { CLASS_ROUTINE, CLASS_SECURITY, CLASS_DATA, CLASS_INFRASTRUCTURE };

const char *mode_name(enum playbook_mode m);

struct check_step {
    const struct check *check;
    json_t *with;  /* as written: templates unexpanded; an object, maybe empty */
    char *cluster; /* template or NULL */
    int line;
};

struct step {
    char *name; /* or NULL */
    const struct action *action;
    json_t *with;
    char *cluster;
    struct check_step *condition; /* `if:` or `unless:`, or NULL */
    bool negate;                  /* `unless:` */
    struct verify *verify;        /* what must hold before the next step, or NULL */
    bool on_error_continue, idempotent;
    int64_t timeout_ms; /* 0: the default (60 s) */
    int line;
};

struct rung {
    char *name; /* never NULL: "rung 1" if not said */
    struct step *steps;
    size_t n_steps;
    enum playbook_mode mode; /* the stricter of its own and the playbook's */
};

struct rate { /* "3/1h" */
    int count;
    int64_t window_ms;
};

struct limits {
    int64_t cooldown_ms, expires_ms;
    struct rate *attempts; /* several windows */
    size_t n_attempts;
    int concurrent, pods;
};

struct target_spec {                                    /* templates */
    char *cluster, *kind, *namespace, *name, *selector; /* selector: Kubernetes syntax */
    char *api_version;                                  /* no template; NULL: the kind is one that mendd knows */
    int line;
};

struct verify {
    bool present;
    int64_t timeout_ms, interval_ms, for_ms;
    struct check_step *checks;
    size_t n_checks;
};

struct playbook {
    unsigned refs;
    json_t *source; /* the playbook as JSON, for the journal and the API */
    char *hash;     /* of the canonical source: its name in the journal */
    char *name, *summary, *runbook, *file;
    int line;
    struct matcher **matchers;
    size_t n_matchers;
    bool ignore; /* decision: ignore */
    char *ignore_reason;
    bool has_target;
    struct target_spec target;
    enum playbook_mode mode;
    char *severity; /* NULL: the alert's label */
    int64_t delay_ms, settle_ms, run_timeout_ms;
    struct limits limits;
    json_t *vars; /* the playbook's own defaults under the config's vars, already merged */
    struct step *diagnose;
    size_t n_diagnose;
    struct check_step *precheck;
    size_t n_precheck;
    struct rung *ladder;
    size_t n_rungs;
    struct verify verify;
    enum resolve_mode resolve;
    bool rollback, escalate;     /* on_failure */
    bool still_firing_next_rung; /* on_still_firing: next_rung */
    bool protected_allowed;      /* protected: allow */
    bool maintenance_only;       /* maintenance: only; runs inside a window, waits outside */
    bool budget_exempt;          /* budget: exempt; only with an approval */
    enum gitops_rule gitops;
    enum playbook_class class;
    int parallel;                /* a step's effects leave in waves of so many; 0: no waves */
    int64_t approval_expires_ms; /* approval: {expires: 30m} */
};

struct playbook *playbook_ref(struct playbook *p);
struct playbook *playbook_unref(struct playbook *p); /* NULL accepted; returns NULL */
DEFINE_CLEANUP(struct playbook *, playbook_unref);

struct playbook_table {
    struct playbook **playbooks;
    size_t n;
    json_t *by_alertname, *any_alertname; /* index: {alertname: [positions]}, and those that may fit any */
};

struct playbook_table *playbook_table_new(void);
void playbook_table_add(struct playbook_table *t, struct playbook *taken);
struct playbook_table *playbook_table_free(struct playbook_table *t);
DEFINE_CLEANUP(struct playbook_table *, playbook_table_free);

/* The first that matches, or NULL. `others` (may be NULL) gets the names of the further ones that match, as an array of
 * texts. -ELOOP through err: a regex hit its limit in playbook NAME; no playbook is chosen then. */
struct playbook *playbook_table_find(const struct playbook_table *t, const json_t *labels, json_t *others,
                                     struct error *err);
