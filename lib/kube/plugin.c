/* Happy path: kube_plugin_ask() has no credential, starts the program, says RUNNING; it ends, its answer is parsed,
 * `changed` fires, and the next kube_plugin_ask() says READY until the credential is about to expire.
 *
 * Failure modes: it cannot be started, hangs, ends with another status than 0, prints something else, or a credential
 * that has expired already: FAILED with words until the back-off is over, then it is run again by who asks next. */
#include "kube/plugin.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "io/process.h"
#include "kube/client_internal.h"

#include <errno.h>
#include <string.h>

enum { OUT_MAX = 1 << 20, OUTPUT_LIMIT = 2 << 20, HINT_SHOWN = 500 };
#define BACKOFF_FIRST_US USEC_PER_SEC
#define BACKOFF_MAX_US (60 * USEC_PER_SEC)
#define SKEW_US (10 * USEC_PER_SEC)
#define YOUNG_US (3 * USEC_PER_SEC)

struct kube_plugin {
    sd_event *event;
    const struct kube_config *config;
    struct process *process; /* while it runs */
    struct kube_credential credential;
    unsigned generation; /* 0: there was none yet */
    bool valid, closing;
    int64_t got_us, retry_us, backoff_us; /* monotonic */
    sd_event_source *defer;               /* a start that failed is told from the loop */
    char *why;
    void (*changed)(void *userdata);
    void *userdata;
};

void kube_credential_clear(struct kube_credential *c)
{
    char *const texts[] = {c->token, c->cert, c->key};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (texts[i])
            explicit_bzero(texts[i], strlen(texts[i]));
        free(texts[i]);
    }
    *c = (struct kube_credential){0};
}

static void failed(struct kube_plugin *p, const char *what)
{
    const struct kube_plugin_config *config = p->config->plugin;
    p->valid = false;
    p->backoff_us = p->backoff_us == 0                   ? BACKOFF_FIRST_US
                    : p->backoff_us * 2 < BACKOFF_MAX_US ? p->backoff_us * 2
                                                         : BACKOFF_MAX_US;
    p->retry_us = kube_monotonic_us() + p->backoff_us;
    _cleanup_free_ char *why = xasprintf("the credential plugin %s: %s", config->command, what);
    str_replace(&p->why, why);
    log_event(LOG_LEVEL_WARN, "no credential for a cluster: its kubeconfig's exec plugin failed", "cluster",
              p->config->name, "error", p->why, NULL);
}

static void take(struct kube_plugin *p, struct kube_credential *fresh)
{
    kube_credential_clear(&p->credential);
    p->credential = *fresh;
    p->generation++;
    p->valid = true;
    p->backoff_us = 0;
    p->got_us = kube_monotonic_us();
}

static void judge(struct kube_plugin *p, const struct process_result *r)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    struct kube_credential fresh = {0};
    if (r->end == PROCESS_EXITED && r->code == 0 && r->out_total <= OUT_MAX) {
        if (kube_plugin_answer(r->out, r->out_len, p->config->plugin->api_version, now_read().wall_us, &fresh, &err) >=
            0)
            take(p, &fresh);
        else
            failed(p, error_message(&err));
        return;
    }
    _cleanup_free_ char *end = r->out_total > OUT_MAX && r->end == PROCESS_EXITED
                                   ? xstrdup("it prints more than 1 MiB")
                                   : process_end_text(r, p->config->plugin->timeout_ms);
    _cleanup_free_ char *words = kube_plugin_last_words(r->err, r->err_len);
    _cleanup_free_ char *what = xasprintf("%s%s%s", end, *words ? "; it says: " : "", words);
    failed(p, what);
}

static void on_end(const struct process_result *r, void *userdata)
{
    struct kube_plugin *p = userdata;
    p->process = NULL;
    if (p->closing)
        return;
    judge(p, r);
    p->changed(p->userdata);
}

static int on_defer(sd_event_source *source _unused_, void *userdata)
{
    struct kube_plugin *p = userdata;
    p->changed(p->userdata);
    return 0;
}

/* ---- starting ---- */

static char **env_new(const struct kube_config *config, struct error *err)
{
    const struct kube_plugin_config *p = config->plugin;
    size_t n = 0;
    _cleanup_free_ char *info = NULL;
    if (kube_plugin_info_new(config, &info, err) < 0)
        return NULL;
    while (p->env[n])
        n++;
    _cleanup_free_ const char **extra = xcalloc(n + 2, sizeof(*extra));
    for (size_t i = 0; i < n; i++)
        extra[i] = p->env[i];
    extra[n] = info;
    return process_env_new(extra);
}

static int run(struct kube_plugin *p, struct error *err)
{
    const struct kube_plugin_config *config = p->config->plugin;
    _cleanup_(texts_freep) char **env = env_new(p->config, err);
    size_t n = 0;
    if (!env)
        return -EINVAL;
    while (config->args[n])
        n++;
    _cleanup_free_ const char **argv = xcalloc(n + 2, sizeof(*argv));
    argv[0] = config->command;
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = config->args[i];
    const struct process_request req = {.argv = argv,
                                        .env = (const char *const *)env,
                                        .timeout_ms = config->timeout_ms,
                                        .max_out = OUT_MAX,
                                        .output_limit = OUTPUT_LIMIT};
    return process_start(p->event, &req, on_end, p, &p->process, err);
}

static void start(struct kube_plugin *p)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    const char *hint = p->config->plugin->install_hint;
    if (run(p, &err) >= 0)
        return;
    _cleanup_free_ char *what =
        xasprintf("%s%s%.*s", error_message(&err), hint ? ". " : "", HINT_SHOWN, hint ? hint : "");
    failed(p, what);
    sd_event_source_set_enabled(p->defer, SD_EVENT_ONESHOT);
}

static bool is_fresh(const struct kube_plugin *p)
{
    const int64_t now_us = now_read().wall_us, expires_us = p->credential.expires_wall_us;
    if (!p->valid)
        return false;
    /* one that lives shorter than the margin serves at least those that waited for it */
    return expires_us == INT64_MAX || now_us < expires_us - SKEW_US ||
           (now_us < expires_us && kube_monotonic_us() - p->got_us < USEC_PER_SEC);
}

enum kube_plugin_state kube_plugin_ask(struct kube_plugin *p)
{
    if (p->process)
        return KUBE_PLUGIN_RUNNING;
    if (is_fresh(p))
        return KUBE_PLUGIN_READY;
    if (p->backoff_us > 0 && kube_monotonic_us() < p->retry_us)
        return KUBE_PLUGIN_FAILED;
    p->valid = false;
    start(p);
    return p->process ? KUBE_PLUGIN_RUNNING : KUBE_PLUGIN_FAILED;
}

bool kube_plugin_refused(struct kube_plugin *p, unsigned generation)
{
    if (p->process || generation != p->generation)
        return true;
    if (kube_monotonic_us() - p->got_us < YOUNG_US)
        return false;
    p->valid = false;
    return true;
}

const char *kube_plugin_why(const struct kube_plugin *p)
{
    return p->why ? p->why : "no credential";
}

const struct kube_credential *kube_plugin_credential(const struct kube_plugin *p, unsigned *ret_generation)
{
    *ret_generation = p->generation;
    return &p->credential;
}

int kube_plugin_new(sd_event *event, const struct kube_config *config, void (*changed)(void *userdata), void *userdata,
                    struct kube_plugin **ret, struct error *err)
{
    _cleanup_(kube_plugin_freep) struct kube_plugin *p = xnew0(struct kube_plugin);
    p->event = sd_event_ref(event);
    p->config = config;
    p->changed = changed;
    p->userdata = userdata;
    int r = sd_event_add_defer(event, &p->defer, on_defer, p);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->defer, SD_EVENT_OFF);
    if (r < 0)
        return error_set(err, r, "cannot add the credential plugin to the event loop");
    *ret = TAKE_PTR(p);
    return 0;
}

struct kube_plugin *kube_plugin_free(struct kube_plugin *p)
{
    if (!p)
        return NULL;
    p->closing = true;
    if (p->process)
        process_cancel(p->process);
    sd_event_source_disable_unref(p->defer);
    kube_credential_clear(&p->credential);
    free(p->why);
    sd_event_unref(p->event);
    free(p);
    return NULL;
}
