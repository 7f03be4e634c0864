/* The watchdog is petted while loop and journal make progress, and not while the writer stands still. */
#include "../../daemon/watchdog.h"
#include "unit/store_fixture.h"

#include "base/clock.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

enum { INTERVAL_MS = 300 };

struct service_manager {
    struct fixture *f;
    int fd;
    struct sockaddr_un address;
    struct error err;
};

static int open_manager(void **state)
{
    struct service_manager *m = xnew0(struct service_manager);
    assert_int_equal(setup((void **)&m->f), 0);
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    m->address.sun_family = AF_UNIX;
    snprintf(m->address.sun_path, sizeof(m->address.sun_path), "%s/notify", m->f->path);
    assert_int_equal(bind(m->fd, (struct sockaddr *)&m->address, sizeof(m->address)), 0);
    setenv("NOTIFY_SOCKET", m->address.sun_path, 1);
    setenv("WATCHDOG_USEC", "300000", 1);
    *state = m;
    return 0;
}

static int close_manager(void **state)
{
    struct service_manager *m = *state;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(m->fd);
    error_clear(&m->err);
    assert_int_equal(teardown((void **)&m->f), 0);
    free(m);
    return 0;
}

/* How often WATCHDOG=1 came while the loop turned for so long. */
static int petted(struct service_manager *m, int ms)
{
    int n = 0;
    char text[256];
    const int64_t end_us = now_read().boot_us + ms * USEC_PER_MSEC;
    for (int64_t left; (left = end_us - now_read().boot_us) > 0;) {
        assert_true(sd_event_run(m->f->event, (uint64_t)left) >= 0);
        for (ssize_t len; (len = recv(m->fd, text, sizeof(text) - 1, 0)) > 0;) {
            text[len] = '\0';
            assert_string_equal(text, "WATCHDOG=1");
            n++;
        }
    }
    return n;
}

static void while_all_is_well_it_is_petted_in_time(void **state)
{
    struct service_manager *m = *state;
    assert_int_equal(watchdog_start(m->f->event, m->f->store, &m->err), 0);
    assert_true(petted(m, INTERVAL_MS * 3) >= 3);
    struct store_run done = row("a", "done");
    put(m->f, &done);
    settle(m->f);
    assert_int_equal(store_stalled_us(m->f->store), 0);
    assert_true(petted(m, INTERVAL_MS) >= 1);
}

static void a_writer_that_stands_still_is_left_to_the_watchdog(void **state)
{
    struct service_manager *m = *state;
    assert_int_equal(watchdog_start(m->f->event, m->f->store, &m->err), 0);
    store_hold_writer(m->f->store, true);
    struct store_run done = row("a", "done");
    put(m->f, &done);
    petted(m, INTERVAL_MS * 2 / 3); /* so long it may only be slow */
    assert_true(store_stalled_us(m->f->store) > INTERVAL_MS / 2 * USEC_PER_MSEC);
    assert_int_equal(petted(m, INTERVAL_MS * 2), 0);
    store_hold_writer(m->f->store, false);
    settle(m->f);
    assert_true(petted(m, INTERVAL_MS * 2) >= 2);
}

static void nobody_asks_for_it(void **state)
{
    struct service_manager *m = *state;
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(watchdog_start(m->f->event, m->f->store, &m->err), 0);
    assert_int_equal(petted(m, INTERVAL_MS), 0);
    setenv("WATCHDOG_USEC", "soon", 1);
    assert_true(watchdog_start(m->f->event, m->f->store, &m->err) < 0);
    assert_non_null(strstr(error_message(&m->err), "WATCHDOG_USEC"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(while_all_is_well_it_is_petted_in_time, open_manager, close_manager),
        cmocka_unit_test_setup_teardown(a_writer_that_stands_still_is_left_to_the_watchdog, open_manager,
                                        close_manager),
        cmocka_unit_test_setup_teardown(nobody_asks_for_it, open_manager, close_manager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
