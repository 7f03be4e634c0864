/* The table of peers: who counts as one, what each may do, and that it never grows without end. */
#include "../../daemon/web_peer.h"

#include "base/bucket.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct peer *get(struct peers *p, const char *text)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&a, &v4, sizeof(v4));
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
        memcpy(&a, &v6, sizeof(v6));
    }
    return peers_get(p, (const struct sockaddr *)&a);
}

static void an_ipv6_network_is_one_peer(void **state)
{
    (void)state;
    _cleanup_(peers_freep) struct peers *p = peers_new();
    assert_ptr_equal(get(p, "2001:db8:0:1::1"), get(p, "2001:db8:0:1:ffff::2"));
    assert_ptr_not_equal(get(p, "2001:db8:0:1::1"), get(p, "2001:db8:0:2::1"));
    assert_ptr_equal(get(p, "192.0.2.1"), get(p, "::ffff:192.0.2.1"));
    assert_ptr_not_equal(get(p, "192.0.2.1"), get(p, "192.0.2.2"));
    assert_ptr_not_equal(get(p, "32.1.13.184"), get(p, "2001:db8::")); /* the same bytes */
    assert_int_equal(peers_count(p), 6);
}

static void who_is_this_host(void **state)
{
    (void)state;
    _cleanup_(peers_freep) struct peers *p = peers_new();
    static const char *const here[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    static const char *const there[] = {"128.0.0.1", "192.0.2.1", "::2", "fe80::1", "::ffff:10.0.0.1"};
    for (size_t i = 0; i < ARRAY_SIZE(here); i++)
        assert_true(get(p, here[i])->loopback);
    for (size_t i = 0; i < ARRAY_SIZE(there); i++)
        if (strcmp(there[i], "::2") != 0) /* of the same network as ::1 */
            assert_false(get(p, there[i])->loopback);
    const struct sockaddr unix_socket = {.sa_family = AF_UNIX};
    assert_null(peers_get(p, &unix_socket));
    assert_null(peers_get(p, NULL));
}

/* Whoever has a connection is never forgotten, however many others come by. */
static void the_table_is_bounded(void **state)
{
    (void)state;
    _cleanup_(peers_freep) struct peers *p = peers_new();
    struct peer *mine = get(p, "192.0.2.1");
    mine->connections = 1;
    mine->failures.full_at_us = 4711;
    get(p, "192.0.2.2")->failures.full_at_us = 4711;
    for (unsigned i = 0; i < 3 * PEERS_MAX; i++) {
        char text[40];
        snprintf(text, sizeof(text), "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
        get(p, text);
        assert_true(peers_count(p) <= PEERS_MAX);
    }
    assert_ptr_equal(get(p, "192.0.2.1"), mine);
    assert_int_equal(mine->failures.full_at_us, 4711);
    assert_int_equal(get(p, "192.0.2.2")->failures.full_at_us, 0); /* forgotten, made anew */
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    (void)state;
    const struct rate_limit limit = {.burst = 3, .interval_us = 10};
    struct bucket b = {0};
    int64_t now_us = 1000000;
    for (int i = 0; i < 3; i++)
        assert_int_equal(bucket_take(&b, &limit, now_us), 0);
    assert_int_equal(bucket_take(&b, &limit, now_us), 10); /* how long to wait */
    assert_int_equal(bucket_take(&b, &limit, now_us + 9), 1);
    assert_int_equal(bucket_take(&b, &limit, now_us + 10), 0);
    assert_int_equal(bucket_take(&b, &limit, now_us + 10), 10);
    bucket_put_back(&b, &limit);
    assert_int_equal(bucket_take(&b, &limit, now_us + 10), 0);
    now_us += 1000; /* it is full again, and no fuller */
    for (int i = 0; i < 3; i++)
        assert_int_equal(bucket_take(&b, &limit, now_us), 0);
    assert_int_not_equal(bucket_take(&b, &limit, now_us), 0);
}

static void limits_are_those_that_are_documented(void **state)
{
    (void)state;
    struct bucket requests = {0}, failures = {0};
    int n = 0;
    while (bucket_take(&requests, &peer_requests, USEC_PER_SEC) == 0)
        n++;
    assert_int_equal(n, 5000);
    for (n = 0; bucket_take(&failures, &peer_failures, USEC_PER_SEC) == 0;)
        n++;
    assert_int_equal(n, 20);
    assert_int_equal(bucket_take(&failures, &peer_failures, 4 * USEC_PER_SEC), 0);
    assert_int_equal(peer_passwords.burst, 100);
    assert_int_equal(peer_passwords.interval_us, USEC_PER_SEC);
}

/* Guesses at one user leave the others alone, until they are at very many. */
static void each_user_of_a_peer_has_his_own_failures(void **state)
{
    (void)state;
    struct peer p = {0};
    int n = 0;
    while (peer_password_take(&p, "eve", USEC_PER_SEC) == 0)
        n++;
    assert_int_equal(n, 20);
    assert_int_equal(peer_password_take(&p, "alice", USEC_PER_SEC), 0);
    peer_password_put_back(&p, "alice");
    for (n = 0; n < 200; n++) {
        char name[24];
        snprintf(name, sizeof(name), "nobody%d", n);
        if (peer_password_take(&p, name, USEC_PER_SEC) != 0)
            break;
    }
    assert_int_equal(n, 80);
    assert_int_not_equal(peer_password_take(&p, "alice", USEC_PER_SEC), 0);
    assert_int_not_equal(peer_password_take(&p, "eve", USEC_PER_SEC), 0); /* other names did not push hers out */
    assert_int_equal(peer_password_take(&p, "alice", 2 * USEC_PER_SEC), 0);
    for (n = 0; n < 30; n++) { /* what was put back counts for neither */
        peer_password_put_back(&p, "alice");
        assert_int_equal(peer_password_take(&p, "alice", 2 * USEC_PER_SEC), 0);
    }
    assert_int_not_equal(peer_password_take(&p, "eve", 3 * USEC_PER_SEC), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv6_network_is_one_peer),
        cmocka_unit_test(who_is_this_host),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
        cmocka_unit_test(limits_are_those_that_are_documented),
        cmocka_unit_test(each_user_of_a_peer_has_his_own_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
