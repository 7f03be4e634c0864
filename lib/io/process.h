/* A program of this host as a child on sd-event: started without a shell, watched by pidfd (sd_event_add_child),
 * bounded in time and output. For credential plugins of kubeconfigs and for command.run.
 *
 * The child starts in a session of its own (it can ask nobody on a terminal, and its process group is killed as one),
 * with default signals, with no descriptor but its three, and without the variables by which systemd speaks to us
 * (NOTIFY_SOCKET, LISTEN_FDS, …). When the program itself has ended, was given up or is cancelled, SIGKILL goes to what
 * is left of its process group; what has left the group by setsid() is not found. Nobody waits for a child that even
 * SIGKILL does not end (a dead NFS): the answer is given, and it is reaped later, if ever.
 *
 * process_start() itself returns once the program has been loaded (posix_spawn): a wrong path, a script without "#!" or
 * missing rights are its error, in words. SIGCHLD must be blocked for sd-event; it blocks it in the calling thread
 * (main blocks it before there are threads). */
#pragma once

#include "base/error.h"
#include "base/macro.h"

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct process;

struct process_request {     /* copied */
    const char *const *argv; /* NULL-terminated; argv[0] with a '/': that file, without: looked up in our $PATH */
    const char *const *env;  /* the whole environment, "NAME=value", NULL-terminated (process_env_new()); NULL: ours */
    const char *directory;   /* where it starts; NULL: ours */
    const void *input;       /* its stdin, then its end; NULL: /dev/null */
    size_t input_len;
    int timeout_ms;        /* 0: 30 s */
    int grace_ms;          /* after the timeout SIGTERM first, and SIGKILL so much later; 0: SIGKILL at once */
    size_t max_out;        /* bytes kept of stdout and stderr each, the first ones; 0: 64 KiB */
    uint64_t output_limit; /* bytes of both together after which it is killed; 0: 64 MiB */
};

enum process_end {
    PROCESS_EXITED,   /* code: its exit status */
    PROCESS_SIGNALED, /* code: the signal that ended it, not sent by us */
    PROCESS_TIMEOUT,
    PROCESS_FLOOD, /* over output_limit */
    PROCESS_CANCELLED,
};

struct process_result { /* valid during the callback only */
    enum process_end end;
    int code;
    const char *out, *err; /* NUL-terminated, never NULL; may hold any bytes */
    size_t out_len, err_len;
    uint64_t out_total, err_total; /* bytes that came, kept or not */
    int64_t took_us;
};
typedef void (*process_done_cb)(const struct process_result *result, void *userdata);

/* Negative errno with words ("cannot run /x/y: No such file or directory") when it cannot be started; the callback does
 * not fire then. Otherwise it fires exactly once, from the loop or from process_cancel(). ret may be NULL; it is valid
 * until the callback fires. `event` must outlive it. */
int process_start(sd_event *event, const struct process_request *req, process_done_cb done, void *userdata,
                  struct process **ret, struct error *err);
/* The callback fires from within, with PROCESS_CANCELLED. */
void process_cancel(struct process *p);

/* How it ended, for people: "exit status 3", "killed by signal 11 (Segmentation fault)", "no end within 30s". The
 * caller frees. */
char *process_end_text(const struct process_result *result, int timeout_ms);
/* Our environment with `extra` ("NAME=value", NULL-terminated, or NULL) in place of or after what is there;
 * texts_free() it. */
char **process_env_new(const char *const *extra);
