/* Happy path: posix_spawn() with two pipes and a memfd as stdin; what comes is kept up to max_out; the child ends, the
 * rest of its group is killed while it is still a zombie (nobody else can bear that group's number until sd-event reaps
 * it, after our handler), what is left in the pipes is read, the callback fires.
 *
 * Failure modes: timeout, too much output and cancelling kill the group and answer at once; the source of the child is
 * then left floating in the loop, where it does nothing but reap. A pipe that somebody outside of the group still holds
 * does not keep the answer: it is read as far as it has bytes, DRAIN_MAX at most. */
#include "io/process.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    TIMEOUT_MS = 30000,
    OUT_MAX = 64 << 10,
    OUTPUT_LIMIT = 64 << 20,
    DRAIN_MAX = 1 << 20, /* a pipe holds that much at most without privileges */
    CHUNK = 64 << 10,
};

struct stream {
    int fd; /* -1: ended */
    sd_event_source *io;
    struct strbuf kept;
    uint64_t total;
};

struct process {
    pid_t pid;
    sd_event_source *child, *timer;
    struct stream out, err;
    int grace_ms;
    uint64_t output_limit;
    bool late; /* SIGTERM was sent: whatever comes now, it is a timeout */
    int64_t started_us;
    process_done_cb done;
    void *userdata;
};

static int64_t monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

/* Not relative to the loop's time, which is when it last woke up: a busy loop would cut the time short. */
static uint64_t in_ms(int ms)
{
    return (uint64_t)(monotonic_us() + ms * USEC_PER_MSEC);
}

static void stream_close(struct stream *s)
{
    s->io = sd_event_source_disable_unref(s->io);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static void process_free(struct process *p)
{
    stream_close(&p->out);
    stream_close(&p->err);
    strbuf_free(&p->out.kept);
    strbuf_free(&p->err.kept);
    sd_event_source_disable_unref(p->timer);
    sd_event_source_disable_unref(p->child);
    free(p);
}

/* Bytes read; 0: there are none now, or the stream has ended. */
static size_t stream_read(struct stream *s)
{
    char chunk[CHUNK];
    ssize_t n = s->fd >= 0 ? read(s->fd, chunk, sizeof(chunk)) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        stream_close(s);
        return 0;
    }
    s->total += (uint64_t)n;
    strbuf_add(&s->kept, chunk, (size_t)n);
    explicit_bzero(chunk, (size_t)n); /* it may have been a credential */
    return (size_t)n;
}

/* The callback comes last: it may free whatever the process belongs to. */
static void finish(struct process *p, enum process_end end, int code)
{
    const struct process_result result = {.end = end,
                                          .code = code,
                                          .out = strbuf_str(&p->out.kept),
                                          .out_len = p->out.kept.len,
                                          .out_total = p->out.total,
                                          .err = strbuf_str(&p->err.kept),
                                          .err_len = p->err.kept.len,
                                          .err_total = p->err.total,
                                          .took_us = monotonic_us() - p->started_us};
    p->done(&result, p->userdata);
    if (p->out.kept.data)
        explicit_bzero(p->out.kept.data, p->out.kept.cap);
    process_free(p);
}

/* Its process is not reaped yet, so that the number is still its own. */
static void kill_group(const struct process *p, int sig)
{
    if (kill(-p->pid, sig) < 0 && errno == ESRCH) /* it has not come as far as setsid() */
        kill(p->pid, sig);
}

static void give_up(struct process *p, enum process_end end)
{
    kill_group(p, SIGKILL);
    sd_event_source_set_userdata(p->child, NULL);
    sd_event_source_set_floating(p->child, true); /* the loop's, to be reaped there */
    p->child = sd_event_source_unref(p->child);
    finish(p, end, 0);
}

static int on_end(sd_event_source *source, const siginfo_t *si, void *userdata)
{
    struct process *p = userdata;
    if (!p) {
        sd_event_source_set_floating(source, false); /* the last reference */
        return 0;
    }
    kill_group(p, SIGKILL);
    for (size_t n = 0, got = 1; got > 0 && n < DRAIN_MAX; n += got)
        got = stream_read(&p->out) + stream_read(&p->err);
    if (p->late)
        finish(p, PROCESS_TIMEOUT, 0);
    else if (p->out.total + p->err.total > p->output_limit)
        finish(p, PROCESS_FLOOD, 0);
    else
        finish(p, si->si_code == CLD_EXITED ? PROCESS_EXITED : PROCESS_SIGNALED, si->si_status);
    return 0;
}

static int on_output(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata)
{
    struct process *p = userdata;
    stream_read(fd == p->out.fd ? &p->out : &p->err);
    if (p->out.total + p->err.total > p->output_limit)
        give_up(p, PROCESS_FLOOD);
    return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
    struct process *p = userdata;
    if (p->late || p->grace_ms <= 0) {
        give_up(p, PROCESS_TIMEOUT);
        return 0;
    }
    p->late = true;
    kill_group(p, SIGTERM);
    sd_event_source_set_time(source, in_ms(p->grace_ms));
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* ---- starting ---- */

/* A file of memory that nobody can change, at its beginning. -1 with errno. */
static int input_open(const void *input, size_t len)
{
    if (!input)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int fd = memfd_create("mendd-stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    for (size_t done = 0; done < len;) {
        const ssize_t n = write(fd, (const char *)input + done, len - done);
        if (n < 0) {
            const int saved = errno;
            close(fd);
            errno = saved;
            return -1;
        }
        done += (size_t)n;
    }
    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

struct ends { /* the child's */
    int in, out, err;
};

static void ends_close(struct ends *e)
{
    for (size_t i = 0; i < 3; i++) {
        const int fd = (const int[]){e->in, e->out, e->err}[i];
        if (fd >= 0)
            close(fd);
    }
}

/* Away from 0 to 2, which are free where our own were closed: the child's would overwrite each other there. */
static int above_stderr(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    const int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return higher;
}

static int pipe_open(struct stream *s, int *ret_end)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    s->fd = fds[0];
    *ret_end = above_stderr(fds[1]);
    return *ret_end < 0 ? -errno : 0;
}

static int spawn(const struct process_request *req, const struct ends *ends, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_adddup2(&actions, ends->in, 0);
    posix_spawn_file_actions_adddup2(&actions, ends->out, 1);
    posix_spawn_file_actions_adddup2(&actions, ends->err, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (req->directory)
        posix_spawn_file_actions_addchdir_np(&actions, req->directory);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    _cleanup_(texts_freep) char **env = req->env ? texts_dup((char *const *)req->env) : process_env_new(NULL);
    const int r = posix_spawnp(ret_pid, req->argv[0], &actions, &attr, (char *const *)req->argv, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return -r;
}

static int watch(struct process *p, sd_event *event, int timeout_ms)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int r = -pthread_sigmask(SIG_BLOCK, &child, NULL);
    if (r >= 0)
        r = sd_event_add_child(event, &p->child, p->pid, WEXITED, on_end, p);
    if (r >= 0)
        r = sd_event_add_io(event, &p->out.io, p->out.fd, EPOLLIN, on_output, p);
    if (r >= 0)
        r = sd_event_add_io(event, &p->err.io, p->err.fd, EPOLLIN, on_output, p);
    if (r >= 0)
        r = sd_event_add_time(event, &p->timer, CLOCK_MONOTONIC, in_ms(timeout_ms), 1000, on_timeout, p);
    return r;
}

static int open_and_spawn(struct process *p, const struct process_request *req)
{
    struct ends ends = {-1, -1, -1};
    ends.in = above_stderr(input_open(req->input, req->input_len));
    int r = ends.in < 0 ? -errno : pipe_open(&p->out, &ends.out);
    if (r >= 0)
        r = pipe_open(&p->err, &ends.err);
    if (r >= 0)
        r = spawn(req, &ends, &p->pid);
    ends_close(&ends);
    return r;
}

int process_start(sd_event *event, const struct process_request *req, process_done_cb done, void *userdata,
                  struct process **ret, struct error *err)
{
    const size_t max_out = req->max_out ? req->max_out : OUT_MAX;
    struct process *p = xnew0(struct process);
    *p = (struct process){.out = {.fd = -1, .kept = {.max = max_out}},
                          .err = {.fd = -1, .kept = {.max = max_out}},
                          .grace_ms = req->grace_ms,
                          .output_limit = req->output_limit ? req->output_limit : OUTPUT_LIMIT,
                          .started_us = monotonic_us(),
                          .done = done,
                          .userdata = userdata};
    int r = open_and_spawn(p, req);
    if (r >= 0) {
        r = watch(p, event, req->timeout_ms > 0 ? req->timeout_ms : TIMEOUT_MS);
        if (r < 0) { /* no loop to reap it: it was killed a moment after its start, so this wait is short */
            kill_group(p, SIGKILL);
            waitpid(p->pid, NULL, 0);
        }
    }
    if (r < 0) {
        process_free(p);
        return error_set(err, r, "cannot run %s: %s", req->argv[0], strerror(-r));
    }
    if (ret)
        *ret = p;
    return 0;
}

void process_cancel(struct process *p)
{
    give_up(p, PROCESS_CANCELLED);
}

char *process_end_text(const struct process_result *result, int timeout_ms)
{
    char took[TIME_TEXT_MAX];
    switch (result->end) {
    case PROCESS_EXITED:
        return xasprintf("exit status %d", result->code);
    case PROCESS_SIGNALED:
        return xasprintf("killed by signal %d (%s)", result->code, strsignal(result->code));
    case PROCESS_TIMEOUT:
        return xasprintf("no end within %s", duration_format(timeout_ms > 0 ? timeout_ms : TIMEOUT_MS, took));
    case PROCESS_FLOOD:
        return xstrdup("too much output, it was killed");
    case PROCESS_CANCELLED:
        return xstrdup("cancelled");
    }
    return xstrdup("an unknown end");
}

static bool same_name(const char *a, const char *b)
{
    const size_t len = strcspn(a, "=");
    return strncmp(a, b, len) == 0 && (b[len] == '=' || b[len] == '\0');
}

static bool is_in(const char *variable, const char *const *list)
{
    for (; list && *list; list++)
        if (same_name(variable, *list))
            return true;
    return false;
}

char **process_env_new(const char *const *extra)
{
    static const char *const ours[] = {"NOTIFY_SOCKET", "LISTEN_FDS",   "LISTEN_PID", "LISTEN_FDNAMES",
                                       "WATCHDOG_USEC", "WATCHDOG_PID", NULL};
    size_t max = 1, n = 0;
    for (size_t i = 0; environ[i]; i++)
        max++;
    for (size_t i = 0; extra && extra[i]; i++)
        max++;
    char **env = xcalloc(max, sizeof(*env));
    for (size_t i = 0; environ[i]; i++)
        if (!is_in(environ[i], ours) && !is_in(environ[i], extra))
            env[n++] = xstrdup(environ[i]);
    for (size_t i = 0; extra && extra[i]; i++)
        env[n++] = xstrdup(extra[i]);
    return env;
}
