/* What the core knows of actions and checks: their names, their parameters, and one pure function each.
 *
 * An action and a check read the world only through `struct asks` (core/ask.h): the function asks for what it needs; an
 * answer that is not there yet comes back NULL, the question is noted, and the function returns -EAGAIN. The engine
 * sends the questions and the function is run again, from its beginning, until it asks for nothing new. So one pure
 * function is both "what it must read" and "what it decides", and nothing in it can block, send or read a clock.
 *
 * lib/actions/registry.c and lib/checks/registry.c hold one line for each; the wiring hands both tables to the core. */
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "core/ask.h"
#include "core/target.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- parameters (`with:`) ---- */

enum param_type {
    PARAM_TEXT, /* any text */
    PARAM_NAME, /* DNS-1123 subdomain: the name of an object */
    PARAM_KIND, /* a kind, "Deployment" */
    PARAM_BOOL,
    PARAM_INT,       /* 0 or more */
    PARAM_NUMBER,    /* any real number */
    PARAM_DURATION,  /* text in YAML; integer milliseconds when an action sees it */
    PARAM_TEXTS,     /* a list of text */
    PARAM_TEXT_MAP,  /* a map of text to text */
    PARAM_FILES,     /* a map of text to a file on mendd's host; no templates: no alert chooses what is read */
    PARAM_COMMAND,   /* a program of mendd's host and its arguments, a list; the program takes no templates, an argument
                        that is one may not come out as an option (core/host_command.h) */
    PARAM_HOST_PATH, /* an absolute path on mendd's host; no templates */
    PARAM_SELECTOR,  /* "app=redis,tier=cache" or a map of labels; text in Kubernetes' selector syntax when an action
                        sees it */
    PARAM_CHOICE,    /* one of `choices` */
    PARAM_INT_OR_TEXT, /* replicas: 3, "+1", "x2" */
    PARAM_INTS,        /* one integer or a list: status: 200 or [200, 204]; always a list when an action sees it */
    PARAM_PROMQL,      /* a query; text whose templates' values cannot change it (core/embed.h) */
    PARAM_URL,         /* http:// or https://; templates' values are encoded where they stand (core/embed.h) */
    PARAM_PLAIN,       /* text of any syntax; templates' values may hold nothing that could be syntax (core/embed.h) */
    PARAM_RECEIVERS,   /* a list of receivers of the configuration; no templates: no alert chooses who is told */
    PARAM_MANIFEST,    /* an object of Kubernetes, or a list of them (core/manifest.h); templates as in PARAM_ANY */
    PARAM_MANIFEST_FILE, /* a file with them beside the playbook; `manifest` holds its content when an action sees it */
    PARAM_ANY,           /* any JSON: a patch; templates inside its texts are expanded, keys are not */
};

struct param {
    const char *name;
    enum param_type type;
    bool required;
    const char *const *choices; /* PARAM_CHOICE: NULL-terminated */
    const char *doc;            /* one line, for docs and `mendctl playbooks` */
};

/* ---- actions ---- */

enum action_class {
    ACTION_EFFECT,   /* changes something: its plan holds effects */
    ACTION_EVIDENCE, /* only looks: its plan holds evidence; allowed in `diagnose` */
    ACTION_WAIT,     /* its plan holds wait_ms */
};

/* How an effect is recognised as done, after a crash or a lost answer (semantics.md, "Effects happen once"). */
enum recognition {
    RECOGNISE_MARK,    /* annotation mendd.io/last-effect on the object equals the effect's key */
    RECOGNISE_VALUE,   /* each pointer of `changes` holds its `after` */
    RECOGNISE_UID,     /* a delete: the object is gone, has another UID, or is terminating */
    RECOGNISE_NAME,    /* a create: an object of this name exists and bears the key as its mark */
    RECOGNISE_COMMENT, /* a silence: one whose comment holds the key is there and has not expired */
    RECOGNISE_NEVER,   /* unknowable: never sent a second time */
};

#define MARK_ANNOTATION "mendd.io/last-effect"
#define FIELD_MANAGER "mendd"

/* One request that changes something, frozen before it is sent. JSON, since it is journalled as it is:
 *   key          text: "<run id>/<rung>/<step>/<object>"; never the try
 *   object       {apiVersion, kind, namespace, name, uid}: what it changes
 *   cluster      text, "" = the target's
 *   method       "PATCH", "POST", "PUT" or "DELETE";   path: "/apis/…" with its query, encoded
 *                "EXEC": the command of `body` in the pod of `object` (core/exec.h); path ends in /exec
 *                "FILE": `body` as the file `path` in the folder of backups on mendd's host
 *                "COMMAND": the program `path` of mendd's host, `body` (core/host_command.h)
 *                "NOTIFY": `body` {receivers, title, text?, severity}, told by the core itself (escalation.h)
 *   content_type text;   body: JSON or null
 *   recognise    "mark" | "value" | "uid" | "name" | "comment" | "never"
 *   read         path of the GET that recognises it (and that guards a rollback)
 *   changes      {JSON pointer: {"before": …, "after": …}}: what it changes, for the record and the rollback; a missing
 *                `before` means that the field was not there. `after` may be left out: it is then taken from the
 *                answer
 *   reversible   true: the inverse is to put `before` back at each pointer where `after` still stands
 *   undo         {path, content_type?}: where the inverse PATCH (application/json-patch+json) goes; default `path`
 *                without query. {method: "DELETE"}: what was created goes again, if it is still that object
 *   irreversible text: why there is no inverse (reversible false)
 *   restore      "end": it holds only while the run goes on; undone when the run ends, however it ends
 *   drains       true: the step ends only when the pods of the node have left (node.drained)
 *   settle_each  true: the next effect of the step waits until the target's pods are all Ready again (pods.delete,
 *                only: all)
 *   secret, assemble, undo.from   a Secret's values, which stand in no effect: core/secret.h
 *   made         free JSON for the checks (asks): e.g. {"deleted": [uids], "restartedAt": "…"}
 * Built with effect_new(); the run machine adds what became of it (status, sent, answered, attempts, error). */
json_t *effect_new(const char *key, const char *method, const char *path, const char *content_type, json_t *body_new,
                   enum recognition how);

struct backup_settings;
struct escalation_settings;

struct action_in {
    const struct target *target;
    const json_t *with;  /* parameters: templates expanded, types as in enum param_type, defaults not filled in */
    const char *cluster; /* where the step acts */
    const char *key;     /* "<run id>/<rung>/<step>": effects append "/<object>" */
    struct now now;      /* frozen at the first run of the function for this step */
    int max_pods;        /* limits.pods: more pods than this is refused whole */
    struct asks *asks;
    bool approved;                                /* a person said yes to this plan, or is about to be asked */
    const struct backup_settings *backup;         /* core/settings.h; NULL: the defaults */
    int n_alertmanagers;                          /* peers of ask_alertmanager(): 0 … n-1 */
    const struct escalation_settings *escalation; /* core/settings.h; NULL: nobody */
    const char *severity;                         /* of the playbook, else of the alert; NULL: none */
};

struct action_plan {
    json_t *effects;  /* array of effects, in the order in which they are sent; empty: nothing to do (see note) */
    json_t *evidence; /* array of {"name", "text" | "data", "missing"?: it could not be read}: for ACTION_EVIDENCE */
    int64_t wait_ms;  /* ACTION_WAIT */
    char *note;       /* one line on what will happen or why nothing has to: "1 of 3 pods is not ready" */
};

void action_plan_clear(struct action_plan *plan);

struct rights_in; /* core/rights.h */

struct action {
    const char *name; /* noun.verb */
    enum action_class class;
    bool reversible;            /* whether its effects have an inverse (mendctl check warns) */
    const struct param *params; /* ended by name == NULL */
    const char *doc;            /* one line */
    /* 0 with the plan; -EAGAIN: questions were asked, run me again; another negative errno: refused, the error says
     * why: -ENOENT nothing of that name, -EPERM what mendd never does, -EBUSY the object is not in a state for it
     * (paused), -E2BIG more pods than limits.pods, -EACCES the API server said 401/403, -EIO it cannot be asked,
     * -EINVAL parameters. */
    int (*plan)(const struct action_in *in, struct action_plan *ret, struct error *err);
    const char *feature; /* of --enable-feature, without which it is a load error; NULL: always there */
    bool changes_spec;   /* of a workload: who owns it (GitOps, a custom resource) would revert that */
    bool makes_pods;     /* it may change a workload's pod template: what is ready is then told by revision */
    /* Which rights on the Kubernetes API a step with these parameters needs; NULL: none. In the words of core/rights.h.
     */
    void (*rights)(const struct rights_in *in);
};

/* ---- checks ---- */

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_UNKNOWN };

struct check_in {
    const struct target *target;
    const json_t *with;
    const char *cluster;
    const json_t
        *effects; /* array: the effects sent so far by this run's current rung (with `answer`: the object returned) */
    const json_t *alert; /* {labels, annotations, startsAt, fingerprint} */
    int n_alertmanagers; /* peers of ask_alertmanager(): 0 … n-1 */
    struct now now;
    struct asks *asks;
};

struct check_result {
    enum verdict verdict;
    char *seen; /* one line: what was seen, for the record: "2 of 3 pods ready; redis-x2x7p: CrashLoopBackOff" */
};

void check_result_clear(struct check_result *r);
/* Sets both; for `return check_say(ret, VERDICT_FAIL, "…")`. Always 0. */
int check_say(struct check_result *r, enum verdict v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

struct check {
    const char *name;
    const struct param *params;
    const char *doc;
    /* 0 with a verdict; -EAGAIN: questions were asked. Anything else that goes wrong is a verdict (unknown, with the
     * words). */
    int (*judge)(const struct check_in *in, struct check_result *ret);
    void (*rights)(const struct rights_in *in); /* as an action's */
};

const char *verdict_name(enum verdict v);

/* ---- the tables ---- */

struct registry {
    const struct action *const *actions; /* NULL-terminated */
    const struct check *const *checks;
};

const struct action *registry_action(const struct registry *r, const char *name);
const struct check *registry_check(const struct registry *r, const char *name);
const struct param *param_find(const struct param *params, const char *name);
