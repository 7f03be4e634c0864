#include "web_peer.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

/* Alertmanager, Prometheus and people stay far below; whoever guesses tokens or passwords does not. */
const struct rate_limit peer_requests = {.burst = 5000, .interval_us = 1000};
const struct rate_limit peer_failures = {.burst = 20, .interval_us = 3000000};

struct key {
    unsigned char family, address[8];
};

struct entry {
    struct peer peer; /* first: peers_get() hands it out */
    struct key key;
    UT_hash_handle hh; /* in the order in which they were last heard of */
};

struct peers {
    struct entry *table;
};

struct peers *peers_new(void)
{
    return xnew0(struct peers);
}

struct peers *peers_free(struct peers *p)
{
    struct entry *e, *next;
    if (!p)
        return NULL;
    HASH_ITER (hh, p->table, e, next) {
        HASH_DEL(p->table, e);
        free(e);
    }
    free(p);
    return NULL;
}

/* Copied out: an address may stand anywhere in memory. */
static bool read_address(const struct sockaddr *a, struct in_addr *v4, struct in6_addr *v6, bool *ret_is_v4)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (a && a->sa_family == AF_INET) {
        memcpy(&in, a, sizeof(in));
        *v4 = in.sin_addr;
        *ret_is_v4 = true;
        return true;
    }
    if (!a || a->sa_family != AF_INET6)
        return false;
    memcpy(&in6, a, sizeof(in6));
    *v6 = in6.sin6_addr;
    *ret_is_v4 = IN6_IS_ADDR_V4MAPPED(v6);
    if (*ret_is_v4)
        memcpy(v4, &v6->s6_addr[12], sizeof(*v4));
    return true;
}

static void forget_one(struct peers *p)
{
    struct entry *e, *next;
    HASH_ITER (hh, p->table, e, next) {
        if (e->peer.connections > 0)
            continue;
        HASH_DEL(p->table, e);
        free(e);
        return;
    }
}

struct peer *peers_get(struct peers *p, const struct sockaddr *address)
{
    struct key key = {0};
    struct in_addr v4;
    struct in6_addr v6;
    struct entry *e = NULL;
    bool is_v4;
    if (!read_address(address, &v4, &v6, &is_v4))
        return NULL;
    key.family = is_v4 ? 4 : 6;
    memcpy(key.address, is_v4 ? (const void *)&v4 : (const void *)&v6, is_v4 ? sizeof(v4) : sizeof(key.address));
    HASH_FIND(hh, p->table, &key, sizeof(key), e);
    if (e) {
        HASH_DEL(p->table, e); /* to the end: heard of just now */
    } else {
        if (HASH_COUNT(p->table) >= PEERS_MAX)
            forget_one(p);
        e = xnew0(struct entry);
        e->key = key;
        e->peer.loopback = is_v4 ? ntohl(v4.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&v6);
    }
    HASH_ADD(hh, p->table, key, sizeof(key), e);
    return &e->peer;
}

size_t peers_count(const struct peers *p)
{
    return HASH_COUNT(p->table);
}

char *peer_name(const struct sockaddr *address, char buf[PEER_NAME_MAX])
{
    struct in_addr v4;
    struct in6_addr v6;
    bool is_v4;
    *buf = '\0';
    if (read_address(address, &v4, &v6, &is_v4))
        inet_ntop(is_v4 ? AF_INET : AF_INET6, is_v4 ? (const void *)&v4 : (const void *)&v6, buf, PEER_NAME_MAX);
    return buf;
}
