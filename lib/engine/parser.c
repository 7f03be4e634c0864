/* The helper thread of large bodies: one queue in, one queue out, an eventfd to wake the loop. The thread is started
 * with the first large body, so that a quiet daemon has none. */
#include "engine/parser.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MAX_WAITING = 16 };

struct job {
    parse_fn parse;
    char *body;
    size_t len;
    struct parsed *parsed;
    parsed_cb done;
    void *userdata;
    struct job *next;
};

struct parser {
    sd_event_source *source;
    int fd;
    pthread_t thread;
    bool running, stop; /* `stop` under the lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *queued, *finished; /* under the lock; oldest first */
    size_t waiting;                /* loop's thread only */
};

static struct job *next_job(struct parser *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->queued && !p->stop)
        pthread_cond_wait(&p->wake, &p->lock);
    struct job *j = p->stop ? NULL : p->queued;
    if (j)
        p->queued = j->next;
    pthread_mutex_unlock(&p->lock);
    return j;
}

static void *run(void *userdata)
{
    struct parser *p = userdata;
    for (struct job *j; (j = next_job(p));) {
        j->parsed = j->parse(j->body, j->len, now_read());
        pthread_mutex_lock(&p->lock);
        struct job **tail = &p->finished;
        while (*tail)
            tail = &(*tail)->next;
        j->next = NULL;
        *tail = j;
        pthread_mutex_unlock(&p->lock);
        eventfd_write(p->fd, 1);
    }
    return NULL;
}

static void deliver(struct parser *p)
{
    pthread_mutex_lock(&p->lock);
    struct job *j = TAKE_PTR(p->finished);
    pthread_mutex_unlock(&p->lock);
    while (j) {
        struct job *next = j->next;
        p->waiting--;
        j->done(j->parsed, j->userdata);
        free(j);
        j = next;
    }
}

static int on_finished(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
    eventfd_t n;
    eventfd_read(fd, &n);
    deliver(userdata);
    return 0;
}

int parser_new(sd_event *event, struct parser **ret, struct error *err)
{
    struct parser *p = xnew0(struct parser);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = p->fd < 0 ? -errno : sd_event_add_io(event, &p->source, p->fd, EPOLLIN, on_finished, p);
    if (r < 0) {
        parser_free(p);
        return error_set(err, r, "cannot start the parser: %s", strerror(-r));
    }
    *ret = p;
    return 0;
}

static int start_thread(struct parser *p)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals belong to the loop */
    int r = pthread_create(&p->thread, NULL, run, p);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    p->running = r == 0;
    return -r;
}

int parser_submit(struct parser *p, parse_fn parse, char *body_taken, size_t len, parsed_cb done, void *userdata)
{
    if (p->waiting >= MAX_WAITING || (!p->running && start_thread(p) < 0)) {
        free(body_taken);
        return -EBUSY;
    }
    struct job *j = xnew0(struct job);
    *j = (struct job){.parse = parse, .body = body_taken, .len = len, .done = done, .userdata = userdata};
    p->waiting++;
    pthread_mutex_lock(&p->lock);
    struct job **tail = &p->queued;
    while (*tail)
        tail = &(*tail)->next;
    *tail = j;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

struct parser *parser_free(struct parser *p)
{
    if (!p)
        return NULL;
    if (p->running) {
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
        deliver(p);
        p->finished = TAKE_PTR(p->queued);
        for (struct job *j = p->finished; j; j = j->next)
            j->parsed = parse_nothing(j->body, j->len, (struct now){0});
        deliver(p);
    }
    sd_event_source_disable_unref(p->source);
    if (p->fd >= 0)
        close(p->fd);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}
