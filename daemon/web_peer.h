/* How much one peer may do: connections at once, requests, failed logins. Peers are IPv4 addresses and IPv6 networks of
 * 64 bits; IPv4 addresses within IPv6 count as IPv4. Unix sockets have no peer (NULL) and no limit.
 *
 * The table is bounded: when it is full whoever has no connection and was not heard of for longest is forgotten. */
#pragma once

#include "base/bucket.h"
#include "base/macro.h"

#include <stddef.h>
#include <sys/socket.h>

enum { PEERS_MAX = 8192, PEER_NAME_MAX = 64, PEER_CONNECTIONS = 256, PEER_USERS = 16 };

struct peer_user {
    uint64_t name; /* of its SHA-256: nobody makes a name that counts as somebody else's */
    struct bucket failures;
};

struct peer {
    bool loopback; /* this host: a proxy, a port-forward; its requests are not counted */
    unsigned connections;
    struct bucket requests, failures; /* failures: of tokens, and what is no user with a password */
    struct bucket passwords;          /* failures of all users together */
    struct peer_user users[PEER_USERS];
};

extern const struct rate_limit peer_requests, peer_failures, peer_passwords;

struct peers;
struct peers *peers_new(void);
struct peers *peers_free(struct peers *p);
DEFINE_CLEANUP(struct peers *, peers_free);
/* Valid until the next call, or as long as it has connections. NULL for what is no IP address. */
struct peer *peers_get(struct peers *p, const struct sockaddr *address);
/* Before a password of `user` is looked at: 0, and it counts as a failure of his (peer_failures) and of the peer's
 * (peer_passwords); else how long to wait, and nothing was counted. So guesses at one user lock nobody else out behind
 * the same address, until they are at very many. Of more than PEER_USERS the one with the fewest is forgotten. */
int64_t peer_password_take(struct peer *p, const char *user, int64_t now_us);
/* It was right, or nobody knows. */
void peer_password_put_back(struct peer *p, const char *user);
size_t peers_count(const struct peers *p);
/* "192.0.2.1", "2001:db8::1", "" for what is no IP address. Returns buf. */
char *peer_name(const struct sockaddr *address, char buf[PEER_NAME_MAX]);
