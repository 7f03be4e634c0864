/* How fast the journal takes what a storm of webhooks gives it: single-row batches, 64 in flight, and each row deleted
 * again soon after, as the engine does. Prints one JSON line. */
#include "base/alloc.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROW_BYTES = 1000, SECONDS = 3, DELETE_EVERY = 200 };

struct bench {
    sd_event *event;
    struct store *store;
    uint64_t done;
    int64_t first_kept, next;
    int in_flight;
};

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void on_done(int result, const struct error *err, void *userdata)
{
    (void)err;
    struct bench *b = userdata;
    if (result == 0)
        b->done++;
    b->in_flight--;
}

static void submit(struct bench *b, char *fill)
{
    struct store_batch *batch = store_batch_new();
    char *bytes = xmalloc(ROW_BYTES);
    memcpy(bytes, fill, ROW_BYTES);
    b->next = store_batch_inbox(b->store, batch, INBOX_PAYLOAD, bytes, ROW_BYTES, 1);
    b->in_flight++;
    store_submit(b->store, batch, on_done, b);
    if (!b->first_kept)
        b->first_kept = b->next;
    if (b->next - b->first_kept < 2 * DELETE_EVERY)
        return;
    batch = store_batch_new();
    for (int i = 0; i < DELETE_EVERY; i++)
        store_batch_inbox_done(batch, b->first_kept++);
    store_submit(b->store, batch, NULL, NULL);
}

int main(int argc, char *argv[])
{
    const int width = argc > 1 ? atoi(argv[1]) : 64;
    char path[] = "mendd-bench-XXXXXX", fill[ROW_BYTES];
    struct bench b = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    memset(fill, 'x', sizeof(fill));
    if (!mkdtemp(path) || sd_event_new(&b.event) < 0 || store_open(path, b.event, &b.store, &err) < 0) {
        fprintf(stderr, "cannot open a journal in %s: %s\n", path, error_message(&err));
        return 1;
    }
    const double start = now_s();
    while (now_s() - start < SECONDS) {
        while (b.in_flight < width)
            submit(&b, fill);
        sd_event_run(b.event, UINT64_MAX);
    }
    const double took = now_s() - start;
    struct store_stats st;
    store_stats(b.store, &st);
    printf("{\"bench\":\"store\",\"in_flight\":%d,\"rows_per_second\":%.0f,\"commits_per_second\":%.0f,"
           "\"commit_us_mean\":%.0f,\"commit_us_max\":%.0f}\n",
           width, (double)b.done / took, (double)st.commits / took, (double)st.sum_commit_us / (double)st.commits,
           (double)st.max_commit_us);
    store_close(b.store);
    sd_event_unref(b.event);
    _cleanup_free_ char *command = xasprintf("rm -rf '%s'", path);
    return system(command) ? 1 : 0;
}
