#include "web_peer.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(msg) abort()
#include <uthash.h>

/* Alertmanager, Prometheus and people stay far below; whoever guesses tokens or passwords does not. */
const struct rate_limit peer_requests = {.burst = 5000, .interval_us = 1000};
const struct rate_limit peer_failures = {.burst = 20, .interval_us = 3000000};
const struct rate_limit peer_passwords = {.burst = 100, .interval_us = 1000000};

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

static uint64_t name_of(const char *user)
{
    char digits[17] = "";
    _cleanup_free_ char *hash = sha256_hex_new(user, strlen(user));
    memcpy(digits, hash, sizeof(digits) - 1);
    return strtoull(digits, NULL, 16);
}

/* NULL: not heard of, or forgotten. */
static struct peer_user *find_user(struct peer *p, uint64_t name)
{
    for (size_t i = 0; i < PEER_USERS; i++)
        if (p->users[i].name == name)
            return &p->users[i];
    return NULL;
}

static struct peer_user *user_of(struct peer *p, const char *user)
{
    const uint64_t name = name_of(user);
    struct peer_user *u = find_user(p, name);
    if (u)
        return u;
    u = &p->users[0];
    for (size_t i = 1; i < PEER_USERS; i++)
        if (p->users[i].failures.full_at_us < u->failures.full_at_us)
            u = &p->users[i];
    *u = (struct peer_user){.name = name};
    return u;
}

int64_t peer_password_take(struct peer *p, const char *user, int64_t now_us)
{
    struct peer_user *u = user_of(p, user);
    int64_t wait_us = bucket_take(&u->failures, &peer_failures, now_us);
    if (wait_us > 0)
        return wait_us;
    wait_us = bucket_take(&p->passwords, &peer_passwords, now_us);
    if (wait_us > 0)
        bucket_put_back(&u->failures, &peer_failures);
    return wait_us;
}

void peer_password_put_back(struct peer *p, const char *user)
{
    struct peer_user *u = find_user(p, name_of(user));
    if (u)
        bucket_put_back(&u->failures, &peer_failures);
    bucket_put_back(&p->passwords, &peer_passwords);
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
