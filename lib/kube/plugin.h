/* Credentials from a kubeconfig's exec plugin (client.authentication.k8s.io/v1, v1beta1): one program run for all
 * requests that wait, its credential kept until it expires or the API server refuses it.
 *
 * The program is run without a shell, with mendd's environment, the kubeconfig's `env` and KUBERNETES_EXEC_INFO, no
 * stdin, 30 s at most, 1 MiB of stdout; the last words of its stderr go into the error, without what looks like a
 * secret. It is asked again 10 s before its credential expires. After a failure it is left alone for 1 s, then 2 s, up
 * to a minute; what is asked meanwhile fails at once with the same words. A 401 has it run again once, but not within
 * 3 s of the last time: a fresh credential that is refused is the API server's last word. */
#pragma once

#include "kube/kubeconfig.h"

#include <stdint.h>
#include <systemd/sd-event.h>

struct kube_plugin;

struct kube_credential { /* PEM texts and token; NULL: none of it */
    char *token, *cert, *key;
    int64_t expires_wall_us; /* INT64_MAX: not said */
};
void kube_credential_clear(struct kube_credential *c);

/* `config` is borrowed and has a plugin. `changed` fires on the loop whenever a run of the program has ended. */
int kube_plugin_new(sd_event *event, const struct kube_config *config, void (*changed)(void *userdata), void *userdata,
                    struct kube_plugin **ret, struct error *err);
/* `changed` does not fire. */
struct kube_plugin *kube_plugin_free(struct kube_plugin *p);
DEFINE_CLEANUP(struct kube_plugin *, kube_plugin_free);

enum kube_plugin_state {
    KUBE_PLUGIN_READY,
    KUBE_PLUGIN_RUNNING, /* wait for `changed` */
    KUBE_PLUGIN_FAILED,  /* kube_plugin_why() */
};
/* Starts the program if a credential is needed. */
enum kube_plugin_state kube_plugin_ask(struct kube_plugin *p);
const char *kube_plugin_why(const struct kube_plugin *p);
/* When READY. The generation grows with each credential, from 1. */
const struct kube_credential *kube_plugin_credential(const struct kube_plugin *p, unsigned *ret_generation);
/* The credential of that generation got a 401. True: ask again, there is or will be another. */
bool kube_plugin_refused(struct kube_plugin *p, unsigned generation);

/* plugin_answer.c: what the program is told (KUBERNETES_EXEC_INFO=…; the caller frees), and what it printed. -EPROTO
 * with words that hold nothing of a credential. */
int kube_plugin_info_new(const struct kube_config *config, char **ret, struct error *err);
int kube_plugin_answer(const char *text, size_t len, const char *api_version, int64_t now_wall_us,
                       struct kube_credential *ret, struct error *err);
/* The last words of its stderr, on one line; the caller frees. */
char *kube_plugin_last_words(const char *text, size_t len);
