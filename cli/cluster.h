/* The real clusters of a config, asked one question at a time: a command may wait. Reads only, except for dry runs. */
#pragma once

#include "config/config.h"

struct cluster_reader;

int cluster_reader_new(const struct config *config, struct cluster_reader **ret, struct error *err);
struct cluster_reader *cluster_reader_free(struct cluster_reader *r);
DEFINE_CLEANUP(struct cluster_reader *, cluster_reader_free);

/* A cluster's client, for who asks many things at once; NULL with words. */
struct kube_client *cluster_client(struct cluster_reader *r, const char *name, struct error *err);
/* Lets time pass until *done is set: everything that was started has its own timeout. false: the loop failed. */
bool cluster_wait(struct cluster_reader *r, const bool *done);
/* The answer to a question of core/ask.h; caller owns. Only "kube" is asked. */
json_t *cluster_answer_new(struct cluster_reader *r, const json_t *question);
/* A planned request with dryRun=All; the API server's answer, caller owns. */
json_t *cluster_dry_run_new(struct cluster_reader *r, const json_t *request);
