/* What the daemon is and does: /status, /clusters, /playbooks, health, reload. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "core/redact.h"

#include <string.h>

static const char text_type[] = "text/plain; charset=utf-8";

void api_status(struct request *req)
{
    reply_json(req, 200, engine_status_new(req->web->engine));
}

void api_clusters(struct request *req)
{
    reply_json(req, 200, engine_clusters_new(req->web->engine));
}

static json_t *playbook_new(const struct playbook *p)
{
    json_t *o = json_object();
    json_set_text(o, "name", p->name);
    json_set_text(o, "summary", p->summary);
    json_set_text(o, "runbook", p->runbook);
    json_set_text(o, "mode", p->ignore ? "ignore" : mode_name(p->mode));
    json_set_text(o, "file", p->file);
    json_object_set_new(o, "line", json_integer(p->line));
    json_set_text(o, "hash", p->hash);
    json_object_set_new(o, "source", redact_json_new(p->source));
    return o;
}

void api_playbooks(struct request *req)
{
    const struct playbook_table *t = engine_playbooks(req->web->engine);
    json_t *list = json_array();
    for (size_t i = 0; i < t->n; i++)
        json_array_append_new(list, playbook_new(t->playbooks[i]));
    json_t *o = json_object();
    json_object_set_new(o, "playbooks", list);
    reply_json(req, 200, o);
}

void api_healthy(struct request *req)
{
    static const char ok[] = "mendd is healthy.\n";
    reply_static(req, 200, text_type, ok, sizeof(ok) - 1);
}

void api_ready(struct request *req)
{
    static const char ok[] = "mendd is ready.\n";
    const char *why = NULL;
    if (engine_is_ready(req->web->engine, &why))
        reply_static(req, 200, text_type, ok, sizeof(ok) - 1);
    else
        reply_busy(req, 5, "not_ready", why ? why : "mendd is not ready");
}

void api_reload(struct request *req)
{
    static const char ok[] = "{\"reloaded\":true}\n";
    struct faults faults = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = req->web->reload(req->web->reload_userdata, &faults, &err);
    web_audit(req, "reload", req->caller, r < 0 ? 500 : 200, r < 0 ? error_message(&err) : "reloaded");
    if (r >= 0) {
        reply_static(req, 200, "application/json; charset=utf-8", ok, sizeof(ok) - 1);
    } else {
        _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
        strbuf_printf(&b, "the old configuration stays: %s", error_message(&err));
        for (size_t i = 0; i < faults.n; i++)
            strbuf_printf(&b, "\n%s", faults.texts[i]);
        reply_error(req, 500, "reload_failed", "%s", strbuf_str(&b));
    }
    faults_clear(&faults);
}
