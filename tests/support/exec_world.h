/* A Kubernetes client before a scripted WebSocket server, for the tests of commands in pods. Header only. */
#pragma once

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "kube/exec_internal.h"
#include "support/websocket_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define V4 "v4.channel.k8s.io"
#define V5 "v5.channel.k8s.io"
#define SUCCESS "{\"metadata\":{},\"status\":\"Success\"}"

struct exec_world {
    sd_event *event;
    struct kube_client *client;
    struct ws_server *server;
    char token_path[64];
};

static inline void write_token(const char *path, const char *token)
{
    FILE *f = fopen(path, "w");
    fputs(token, f);
    fclose(f);
}

static inline int setup(void **state)
{
    struct exec_world *w = xnew0(struct exec_world);
    strcpy(w->token_path, "/tmp/mendd-token-XXXXXX");
    close(mkstemp(w->token_path));
    write_token(w->token_path, "old-token\n");
    assert_true(sd_event_new(&w->event) >= 0);
    w->server = ws_start();
    struct kube_config *k = xnew0(struct kube_config);
    k->name = xstrdup("test");
    k->server = xasprintf("http://127.0.0.1:%d/prefix", w->server->port);
    k->token_file = xstrdup(w->token_path);
    assert_int_equal(kube_client_new(w->event, k, &w->client, NULL), 0);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct exec_world *w = *state;
    kube_client_free(w->client);
    ws_stop(w->server);
    sd_event_unref(w->event);
    unlink(w->token_path);
    free(w);
    return 0;
}

static inline void on_answer(json_t *answer_new, void *userdata)
{
    json_t **ret = userdata;
    assert_null(*ret);
    *ret = answer_new;
}

static inline void start(struct exec_world *w, struct kube_exec_request req, json_t **ret)
{
    _cleanup_json_ json_t *command = json_pack("[s, s]", "say", "a b/\xc3\xa4&c");
    req.class = KUBE_WRITE;
    req.namespace = req.namespace ? req.namespace : "shop";
    req.pod = "redis-0";
    req.command = req.command ? req.command : command;
    kube_exec_start(w->client, &req, on_answer, ret);
    assert_null(*ret); /* never from within */
}

static inline json_t *run_script(struct exec_world *w, ws_script script, struct kube_exec_request req)
{
    json_t *answer = NULL;
    w->server->script = script;
    start(w, req, &answer);
    while (!answer)
        assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
    return answer;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
