/* The engine as far as the HTTP server knows it: defined here, so that lib/engine is not linked. For one test file. */
#pragma once

#include "base/alloc.h"
#include "config/config.h"
#include "engine/engine.h"

struct engine {
    struct store *store;
    bool ready, later;
    struct ingest_result result;
    ingest_done_cb done;
    void *userdata;
    char *body;
    size_t body_len;
    uint64_t oversized;
    int ingested;
    engine_record_cb on_record;
    void *on_record_userdata;
    int reload_result;
    const struct config *config; /* or NULL */
    json_t *commanded;           /* the last command; the fixture's owner drops it */
    struct engine_reply reply;
};

void engine_command(struct engine *e, json_t *what, engine_command_cb done, void *userdata)
{
    json_decref(e->commanded);
    e->commanded = what;
    done(&e->reply, userdata);
}

void engine_ingest(struct engine *e, char *body, size_t len, ingest_done_cb done, void *userdata)
{
    free(e->body);
    e->body = body;
    e->body_len = len;
    e->ingested++;
    if (e->later) {
        e->done = done;
        e->userdata = userdata;
    } else {
        done(&e->result, userdata);
    }
}
void engine_note_oversized(struct engine *e, uint64_t len)
{
    e->oversized = len;
}
bool engine_is_ready(const struct engine *e, const char **why)
{
    *why = e->ready ? NULL : "the journal is broken";
    return e->ready;
}
struct store *engine_store(struct engine *e)
{
    return e->store;
}
static struct playbook_table no_playbooks;
const struct playbook_table *engine_playbooks(const struct engine *e)
{
    (void)e;
    return &no_playbooks;
}
const struct config *engine_config(const struct engine *e)
{
    return e->config;
}
json_t *engine_status_new(struct engine *e)
{
    (void)e;
    return json_pack("{s:[{s:s,s:i,s:i,s:i}]}", "clusters", "name", "prod\"\n", "requests", 3, "errors", 1, "retries",
                     0);
}
json_t *engine_clusters_new(struct engine *e)
{
    (void)e;
    return json_pack("{s:[], s:[]}", "clusters", "sets");
}
void engine_stats(struct engine *e, struct engine_stats *ret)
{
    *ret = (struct engine_stats){.last_reload_ok = true};
    store_stats(e->store, &ret->store);
}
void engine_on_record(struct engine *e, engine_record_cb cb, void *userdata)
{
    e->on_record = cb;
    e->on_record_userdata = userdata;
}
