/* Passwords of basic_auth_users. bcrypt takes tens of milliseconds by design, so it runs on a helper thread, one at a
 * time, and what was right once is remembered as an HMAC under a key made at the start (never the password itself).
 *
 * A user who does not exist costs as much as one who does. At most PASSWORDS_WAITING wait, of one peer
 * PASSWORDS_OF_PEER and of one user there PASSWORDS_OF_USER, so that guesses leave others a place; the caller bounds
 * how often somebody may ask. The thread is started with the first password. */
#pragma once

#include "base/error.h"
#include "config/web_config.h"

#include <stdint.h>
#include <systemd/sd-event.h>

enum { PASSWORDS_WAITING = 16, PASSWORDS_OF_PEER = 12, PASSWORDS_OF_USER = 8, PASSWORD_MAX = 256 };

enum password_answer { PASSWORD_NONE, PASSWORD_RIGHT, PASSWORD_WRONG, PASSWORD_BUSY };
typedef void (*password_cb)(enum password_answer answer, void *userdata);

struct passwords;
int passwords_new(sd_event *event, struct passwords **ret, struct error *err);
/* Waits for the one that is being worked on; who still waits hears PASSWORD_BUSY. */
struct passwords *passwords_free(struct passwords *p);
DEFINE_CLEANUP(struct passwords *, passwords_free);

/* Whether this was right before, with the hash that the user has now: then nothing else has to be asked. */
bool passwords_known(struct passwords *p, const struct web_config *config, const char *user, const char *password);
/* `done` fires exactly once, on the loop, never from within. -EBUSY: too many wait; it does not fire then. `peer`: any
 * number that tells peers apart. */
int passwords_check(struct passwords *p, const struct web_config *config, uintptr_t peer, const char *user,
                    const char *password, password_cb done, void *userdata);
