/* How much one peer may do: connections at once, requests, failed logins. Peers are IPv4 addresses and IPv6 networks of
 * 64 bits; IPv4 addresses within IPv6 count as IPv4. Unix sockets have no peer (NULL) and no limit.
 *
 * The table is bounded: when it is full whoever has no connection and was not heard of for longest is forgotten. */
#pragma once

#include "base/bucket.h"
#include "base/macro.h"

#include <stddef.h>
#include <sys/socket.h>

enum { PEERS_MAX = 8192, PEER_NAME_MAX = 64, PEER_CONNECTIONS = 256 };

struct peer {
    bool loopback; /* this host: a proxy, a port-forward; its requests are not counted */
    unsigned connections;
    struct bucket requests, failures;
};

extern const struct rate_limit peer_requests, peer_failures;

struct peers;
struct peers *peers_new(void);
struct peers *peers_free(struct peers *p);
DEFINE_CLEANUP(struct peers *, peers_free);
/* Valid until the next call, or as long as it has connections. NULL for what is no IP address. */
struct peer *peers_get(struct peers *p, const struct sockaddr *address);
size_t peers_count(const struct peers *p);
/* "192.0.2.1", "2001:db8::1", "" for what is no IP address. Returns buf. */
char *peer_name(const struct sockaddr *address, char buf[PEER_NAME_MAX]);
