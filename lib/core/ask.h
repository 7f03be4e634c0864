/* Questions that pure code puts to the world, and the answers that came back.
 *
 * A question is a JSON object (its canonical text is its key), an answer too. Pure code calls ask_*(); it gets the
 * answer, or NULL, and then the question stands in `wanted` until the engine has answered it. Asks live as long as one
 * try of one thing (one plan of a step, one round of a check): nothing is remembered longer than that.
 *
 * Questions                                                             answers
 *   {"ask":"kube", "cluster":"prod", "path":"/api/v1/…?…"}               {"status":200, "body":{…}}
 *   {"ask":"kube", …, "text":true, "max":65536, "timeout_ms"}            {"status":200, "text":"…", "latency_ms":12}
 *     (logs, and what stands behind the API server's proxy)
 *   {"ask":"http", "url", "method", "headers":{}, "body", "timeout_ms", "ca_file", "insecure",
 *    "header_files":{}, "bearer_token_file", "username", "password_file", "cert_file", "key_file", "aws":{}}
 *     (core/http_ask.h; secrets are read from their files by whoever sends it)
 *                                                                        {"status":503, "text":"…", "latency_ms":12}
 *   {"ask":"tcp", "address":"host:port", "timeout_ms"}                   {"status":0, "latency_ms":1}
 *   {"ask":"tls", "address":"host:port", "server_name", "ca_file", "timeout_ms"}
 *     {"status":0, "not_after", "not_before" (seconds since 1970), "names":[], "issuer", "trusted", "named", "why"}
 *   {"ask":"dns", "name", "server":"10.96.0.10:53", "timeout_ms"}       {"status":0, "rcode":0, "addresses":[],
 * "server"}
 *   {"ask":"redis", "address", "password_file", "command":[…], "timeout_ms"}
 *                                                                        {"status":0, "text":"PONG"} | {…, "integer":3}
 * | {…, "redis_error":"NOAUTH …"}
 *   {"ask":"alertmanager", "peer":0, "path":"/api/v2/alerts?…"}          {"status":200, "body":[…]}
 *   {"ask":"prometheus", "path":"/api/v1/query?query=…"}                 {"status":200, "body":{…}}
 *   {"ask":"exec", "cluster", "namespace", "pod", "container"?, "command":[…], "stdin"?, "timeout_ms", "max"}
 *     (a command in a pod's container: core/exec.h)                      {"status":101, "exit_code":0, "stdout":"…",
 *                                                                         "stderr":"…", "truncated":false}
 *     refused before anything ran: {"status":403, "body":{Status}}; ran, or tried to, but says no exit code: an error,
 *     with "stdout" and "stderr" as far as they came; "protocol" if the connection closed without a status
 *   {"ask":"secret", "file", "scope", "key"}                            {"status":0, "sha256", "bytes"}
 *     (what a file's text hashes to as the value of a Secret's key: core/secret.h; the text itself never comes here)
 *   {"ask":"set", "set":"runners"}                                      {"status":200, "body":{…}}
 *     (a cluster set, as mendd's own watch knows it: core/cluster_set_ask.h)
 *   {"ask":"backup", "file":"…json"}                                    {"status":0, "text":"…"}
 *     (a file of the folder of backups on mendd's host)
 * Nothing could be reached, or the answer was no answer:
 *   {"error":"dns"|"refused"|"timeout"|"tls"|"reset"|"protocol"|"too_large"|"local"|"cancelled", "message":"…"}     (no
 * "status") "local": it could not even be asked (no such cluster, a file that cannot be read). */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>

struct asks {
    json_t *answers; /* {canonical question: answer} */
    json_t *wanted;  /* array of questions without an answer */
};

void asks_init(struct asks *a);
void asks_clear(struct asks *a);
/* The answer (borrowed) or NULL after noting the question. Takes `question_new`. */
const json_t *ask(struct asks *a, json_t *question_new);
/* The engine's side: keeps the answer and takes the question off `wanted`. Takes `answer_new`. */
void asks_answer(struct asks *a, const json_t *question, json_t *answer_new);

/* GET of a Kubernetes path. `path` is complete and encoded: build it with kube_path(). */
const json_t *ask_kube(struct asks *a, const char *cluster, const char *path);
/* Its answer as text, cut off after `max` bytes. timeout_ms 0: what every question has. */
const json_t *ask_kube_text(struct asks *a, const char *cluster, const char *path, int max, int64_t timeout_ms);
const json_t *ask_alertmanager(struct asks *a, int peer, const char *path);

/* HTTP status of an answer, or 0 if there was none. */
int answer_status(const json_t *answer);
const json_t *answer_body(const json_t *answer);
bool answer_ok(const json_t *answer); /* 2xx, or status 0 of tcp/redis without error */

/* Turns an answer that is not 2xx into words and an errno (-ENOENT 404, -EACCES 401/403, -EIO unreachable or 5xx,
 * -EBUSY 429/409, -EINVAL else): "GET deployments.apps \"api\" in shop: forbidden: …". `what` names verb and resource
 * for the reader. 0 if it is fine. */
int answer_error(const json_t *answer, const char *what, struct error *err);
