/* One TLS handshake, to see the certificate that a server shows: nothing is sent over it afterwards. The certificate is
 * taken whatever it is; what is wrong with it is part of the answer. TLS 1.2 and newer, one connection of its own. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdint.h>
#include <systemd/sd-event.h>

struct tls_look;
/* {"status": 0, "not_after", "not_before" (seconds since 1970; of the chain, the one that ends first, its own one that
 * begins last), "names": […], "subject", "issuer", "trusted": bool, "named": bool, "why": words}, or {"error", …}. */
typedef void (*tls_look_cb)(json_t *answer_new, void *userdata);

struct tls_look_request { /* copied */
    const char *address;  /* an IP, never a name (that would block) */
    int port;
    const char *where;       /* for people */
    const char *server_name; /* for SNI (unless it is an address) and for `named` */
    const char *ca_file;     /* NULL: whom the system trusts */
    int64_t timeout_us;
};

/* The callback fires exactly once, from the loop; from within tls_look_cancel() with "cancelled". */
int tls_look_start(sd_event *event, const struct tls_look_request *req, tls_look_cb done, void *userdata,
                   struct tls_look **ret, struct error *err);
void tls_look_cancel(struct tls_look *look);
