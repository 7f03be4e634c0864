/* Effects on Secrets on their way: what the journal must not hold is put into the body here, at the last moment
 * (core/secret.h, `assemble`), out of a Secret in the cluster or a file of mendd's host.
 *
 * Happy path: the Secret that the values come from is read, then (for a PATCH) the one that is changed; all values hash
 * to what was journalled; the body gets them and, for a PATCH, the resourceVersion that was just read, so that nobody
 * else's change is overwritten; it leaves. Failure modes: a source is gone or hashes to something else -> 412 with the
 * words, nothing is sent; what is to be changed is not what it was -> 409, and the core looks at it; a question that is
 * not answered -> that error, with "sent": false. */
#pragma once

#include "kube/client.h"

/* `done` fires exactly once, from the loop. The effect is copied. */
void assemble_start(struct kube_client *client, const json_t *effect, int timeout_ms, kube_done_cb done,
                    void *userdata);

/* The answer to {"ask":"secret"}: {"status", "sha256", "bytes"}, or 422 with the words: no file,
 * no access, a NUL byte. */
json_t *assemble_hash_new(const json_t *question);
