/* Life of the journal and the loop's side of the writer: open, submit, completions, reopen, close. */
#include "base/alloc.h"
#include "store/internal.h"
#include "store/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITER_STACK = 512 * 1024 };

const int64_t store_commit_bucket_us[STORE_COMMIT_BUCKETS - 1] = {500, 1000, 2500, 5000, 10000, 25000, 100000, 1000000};

static int make_folder(const char *path, struct error *err)
{
    if (mkdir(path, 0750) == 0 || errno == EEXIST)
        return 0;
    return error_set(err, -errno, "cannot create %s: %s", path, strerror(errno));
}

static int take_lock(const char *folder, int *ret_fd, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/mendd.lock", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return error_set(err, -errno, "cannot open %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int r = -errno;
        char owner[24] = "";
        ssize_t n = pread(fd, owner, sizeof(owner) - 1, 0);
        close(fd);
        owner[n > 0 ? n : 0] = '\0';
        owner[strcspn(owner, "\n")] = '\0';
        if (r != -EWOULDBLOCK)
            return error_set(err, r, "cannot lock %s: %s", path, strerror(-r));
        return error_set(err, -EBUSY, "%s is in use by another mendd (pid %s): one process owns a storage path", folder,
                         *owner ? owner : "unknown");
    }
    char text[24];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        int r = errno ? -errno : -EIO;
        close(fd);
        return error_set(err, r, "cannot write %s: %s", path, strerror(-r));
    }
    *ret_fd = fd;
    return 0;
}

static int open_databases(struct store *s, struct error *err)
{
    int r = writer_db_open(s->file, &s->writer, err);
    if (r < 0)
        return r;
    r = reader_open(s->file, &s->reader, err);
    if (r < 0) {
        writer_db_close(&s->writer);
        return r;
    }
    if (s->next_seq < s->writer.reserved_seq)
        s->next_seq = s->writer.reserved_seq;
    if (s->next_seq < 1)
        s->next_seq = 1;
    return 0;
}

static void complete(struct store *s, struct store_batch *b)
{
    _cleanup_error_ struct error err = ERROR_NONE;
    if (b->result == -ECANCELED) {
        error_set(&err, -ECANCELED, "the journal is closing");
    } else if (b->result < 0) { /* a copy: the writer may meet the next failure meanwhile */
        pthread_mutex_lock(&s->lock);
        error_set(&err, s->failure.code, "%s", error_message(&s->failure));
        pthread_mutex_unlock(&s->lock);
    }
    if (b->done)
        b->done(b->result, b->result < 0 ? &err : NULL, b->userdata);
    store_batch_free(b);
}

/* What has come back from the writer. Returns whether there was any. A callback may submit more. */
static bool run_callbacks(struct store *s)
{
    struct batch_list l;
    batch_list_init(&l);
    pthread_mutex_lock(&s->lock);
    batch_list_append(&l, &s->finished);
    pthread_mutex_unlock(&s->lock);
    const bool any = l.head;
    while (l.head) {
        struct store_batch *b = l.head;
        l.head = b->next;
        s->pending--;
        complete(s, b);
    }
    return any;
}

static int on_finished(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    (void)source, (void)events;
    uint64_t count;
    ssize_t n _unused_ = read(fd, &count, sizeof(count));
    run_callbacks(userdata);
    return 0;
}

static int start_thread(struct store *s, struct error *err)
{
    sigset_t all, before;
    pthread_attr_t attr;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WRITER_STACK);
    int rc = pthread_create(&s->thread, &attr, writer_main, s);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return error_set(err, -rc, "cannot start the journal's writer: %s", strerror(rc));
    pthread_setname_np(s->thread, "journal");
    s->thread_started = true;
    return 0;
}

static int start(struct store *s, sd_event *event, struct error *err)
{
    int r = make_folder(s->folder, err);
    if (r < 0 || (r = take_lock(s->folder, &s->lock_fd, err)) < 0 || (r = open_databases(s, err)) < 0)
        return r;
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->event_fd < 0)
        return error_set(err, -errno, "cannot create an eventfd: %s", strerror(errno));
    r = sd_event_add_io(event, &s->source, s->event_fd, EPOLLIN, on_finished, s);
    if (r < 0)
        return error_set(err, r, "cannot watch the journal's writer: %s", strerror(-r));
    sd_event_source_set_description(s->source, "journal");
    return start_thread(s, err);
}

int store_open(const char *path, sd_event *event, struct store **ret, struct error *err)
{
    /* No global statistics of sqlite's allocator (they cost a mutex an allocation); refused without harm once sqlite is
     * in use. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    struct store *s = xnew0(struct store);
    s->folder = xstrdup(path);
    s->file = xasprintf("%s/mendd.db", path);
    s->lock_fd = s->event_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    pthread_cond_init(&s->idle, NULL);
    batch_list_init(&s->queue);
    batch_list_init(&s->finished);
    int r = start(s, event, err);
    if (r < 0) {
        store_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void wait_idle(struct store *s)
{
    while (s->busy)
        pthread_cond_wait(&s->idle, &s->lock);
}

/* What was submitted after the failure builds on what was lost with it: it fails as well, even if the writer did not
 * come to it while the journal was broken. */
static void fail_queued(struct store *s)
{
    if (!s->broken || !s->queue.head)
        return;
    for (struct store_batch *b = s->queue.head; b; b = b->next) {
        batch_clear(b);
        b->result = s->failure.code;
    }
    batch_list_append(&s->finished, &s->queue);
    const uint64_t one = 1;
    ssize_t n _unused_ = write(s->event_fd, &one, sizeof(one));
}

int store_reopen(struct store *s, struct error *err)
{
    pthread_mutex_lock(&s->lock);
    wait_idle(s);
    fail_queued(s);
    sqlite3_close(s->reader);
    s->reader = NULL;
    writer_db_close(&s->writer);
    int r = open_databases(s, err);
    if (r == 0)
        s->broken = false; /* `failure` stays: callbacks that are under way show it */
    pthread_mutex_unlock(&s->lock);
    return r;
}

void store_submit(struct store *s, struct store_batch *taken, store_done_cb done, void *userdata)
{
    taken->done = done;
    taken->userdata = userdata;
    s->pending++;
    pthread_mutex_lock(&s->lock);
    if (s->closing) {
        batch_clear(taken);
        taken->result = -ECANCELED;
        batch_list_push(&s->finished, taken);
    } else {
        const bool first = !s->queue.head;
        if (first && !s->busy)
            s->progress_us = store_monotonic_us();
        batch_list_push(&s->queue, taken);
        if (first && !s->held)
            pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
}

size_t store_pending(const struct store *s)
{
    return s->pending;
}

void store_prune(struct store *s, int64_t before_us, int max_rows, store_done_cb done, void *userdata)
{
    struct store_batch *b = store_batch_new();
    b->prune = true;
    b->prune_before_us = before_us;
    b->prune_max_rows = max_rows;
    store_submit(s, b, done, userdata);
}

struct store *store_close(struct store *s)
{
    if (!s)
        return NULL;
    pthread_mutex_lock(&s->lock);
    s->stop = s->closing = true;
    s->held = false;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->thread_started)
        pthread_join(s->thread, NULL);
    while (run_callbacks(s))
        ;
    sd_event_source_disable_unref(s->source);
    sqlite3_close(s->reader); /* first: the last one to close copies the WAL back */
    writer_db_close(&s->writer);
    if (s->event_fd >= 0)
        close(s->event_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->idle);
    error_clear(&s->failure);
    free(s->folder);
    free(s->file);
    free(s);
    return NULL;
}

int64_t store_stalled_us(const struct store *s)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock;
    pthread_mutex_lock(lock);
    const int64_t since_us = s->busy || s->queue.head ? s->progress_us : 0;
    pthread_mutex_unlock(lock);
    return since_us ? store_monotonic_us() - since_us : 0;
}

void store_stats(const struct store *s, struct store_stats *ret)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock;
    pthread_mutex_lock(lock);
    *ret = s->stats;
    pthread_mutex_unlock(lock);
    ret->stalled_us = store_stalled_us(s);
    struct stat st;
    ret->db_bytes = stat(s->file, &st) == 0 ? st.st_size : 0;
}

void store_fail_commits(struct store *s, int count)
{
    pthread_mutex_lock(&s->lock);
    s->fail_commits = count;
    pthread_mutex_unlock(&s->lock);
}

void store_hold_writer(struct store *s, bool held)
{
    pthread_mutex_lock(&s->lock);
    s->held = held;
    if (!held)
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}
