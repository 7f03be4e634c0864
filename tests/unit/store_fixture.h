/* A journal in a folder of its own, a loop, and what came back of each batch: for the tests of lib/store. */
#pragma once

#include "base/alloc.h"
#include "base/strbuf.h"
#include "store/internal.h"
#include "store/test.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char path[64];
    sd_event *event;
    struct store *store;
    int results[64];
    int n;
};

static inline int open_at(struct fixture *f, struct error *err)
{
    return store_open(f->path, f->event, &f->store, err);
}

static inline void remove_folder(const char *path)
{
    _cleanup_free_ char *command = xasprintf("rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static inline int setup(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    strcpy(f->path, "/tmp/mendd-store-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(sd_event_new(&f->event), 0);
    assert_int_equal(open_at(f, NULL), 0);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    sd_event_unref(f->event);
    remove_folder(f->path);
    free(f);
    return 0;
}

static inline void note(int result, const struct error *err, void *userdata)
{
    struct fixture *f = userdata;
    assert_int_equal(result < 0, err != NULL);
    f->results[f->n++] = result;
}

static inline void settle(struct fixture *f)
{
    while (store_pending(f->store))
        assert_true(sd_event_run(f->event, 10 * 1000 * 1000) >= 0);
}

static inline struct store_run row(const char *id, const char *state)
{
    return (struct store_run){.id = id,
                              .state = state,
                              .created_us = 1000,
                              .open = strcmp(state, "done") != 0,
                              .doc = xasprintf("{\"id\":\"%s\"}", id)};
}

static inline void put(struct fixture *f, const struct store_run *run)
{
    struct store_batch *b = store_batch_new();
    store_batch_run(b, run);
    store_submit(f->store, b, note, f);
}

static inline int64_t put_inbox(struct fixture *f, const char *text)
{
    struct store_batch *b = store_batch_new();
    int64_t seq = store_batch_inbox(f->store, b, INBOX_ALERT, xstrdup(text), strlen(text), 42);
    store_submit(f->store, b, note, f);
    return seq;
}

static inline int gather(const char *id, const char *doc, size_t len, void *userdata)
{
    assert_int_equal(strlen(doc), len);
    strbuf_puts(userdata, id);
    strbuf_putc(userdata, ' ');
    return 0;
}

static inline void assert_list(struct fixture *f, const struct store_filter *filter, const char *expected)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = store_list(f->store, filter, gather, &b, &err);
    if (r < 0)
        fail_msg("%s", error_message(&err));
    assert_string_equal(strbuf_str(&b), expected);
}

static inline int gather_inbox(int64_t seq, enum inbox_form form, int64_t wall_us, const char *bytes, size_t len,
                               void *userdata)
{
    (void)seq;
    assert_int_equal(form, INBOX_ALERT);
    assert_int_equal(wall_us, 42);
    strbuf_add(userdata, bytes, len);
    strbuf_putc(userdata, ' ');
    return 0;
}

static inline void assert_inbox(struct fixture *f, int64_t after, size_t limit, const char *expected)
{
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    assert_int_equal(store_each_inbox(f->store, after, limit, gather_inbox, &b, NULL), 0);
    assert_string_equal(strbuf_str(&b), expected);
}

static inline uint64_t commits(struct fixture *f)
{
    struct store_stats st;
    store_stats(f->store, &st);
    return st.commits;
}
