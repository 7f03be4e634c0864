/* Programs as children: what they get, how they end, what becomes of what they leave behind. */
#include "base/alloc.h"
#include "base/text.h"
#include "io/process.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct got {
    int fired;
    enum process_end end;
    int code;
    char *out, *err;
    size_t out_len;
    uint64_t out_total;
    int64_t took_us;
};

static sd_event *event;

static void on_done(const struct process_result *r, void *userdata)
{
    struct got *g = userdata;
    const int fired = g->fired + 1;
    *g = (struct got){.fired = fired,
                      .end = r->end,
                      .code = r->code,
                      .out = xmalloc(r->out_len + 1),
                      .err = xstrdup(r->err),
                      .out_len = r->out_len,
                      .out_total = r->out_total,
                      .took_us = r->took_us};
    memcpy(g->out, r->out, r->out_len + 1);
}

static void got_clear(struct got *g)
{
    free(g->out);
    free(g->err);
}
#define _cleanup_got_ _cleanup_(got_clear)

static void turn_until(const struct got *g)
{
    while (!g->fired)
        assert_true(sd_event_run(event, UINT64_MAX) >= 0);
}

static struct got run(struct process_request req)
{
    struct got g = {0};
    _cleanup_error_ struct error err = ERROR_NONE;
    if (process_start(event, &req, on_done, &g, NULL, &err) < 0)
        fail_msg("%s", error_message(&err));
    assert_int_equal(g.fired, 0);
    turn_until(&g);
    return g;
}

static struct got sh(const char *script)
{
    return run((struct process_request){.argv = (const char *const[]){"/bin/sh", "-c", script, NULL}});
}

/* Whoever was killed or reaped is gone as soon as the loop has turned. */
static void assert_no_children(void)
{
    siginfo_t si;
    while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0)
        assert_true(sd_event_run(event, 10000) >= 0);
    assert_int_equal(errno, ECHILD);
}

/* A process that is not our child: it ends by itself after SIGKILL, and init reaps it. */
static void await_gone(pid_t pid)
{
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) {
        _cleanup_free_ char *path = xasprintf("/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "re");
        char state = 'Z';
        if (f) {
            assert_true(fscanf(f, "%*d %*s %c", &state) <= 1);
            fclose(f);
        }
        if (state == 'Z')
            return;
        usleep(10000);
    }
    if (kill(pid, 0) == 0)
        fail_msg("process %d lives on", (int)pid);
}

static void test_ends(void **state _unused_)
{
    _cleanup_got_ struct got ok = sh("echo out; echo err >&2");
    _cleanup_got_ struct got three = sh("exit 3");
    _cleanup_got_ struct got killed = sh("kill -SEGV $$");
    assert_int_equal(ok.end, PROCESS_EXITED);
    assert_int_equal(ok.code, 0);
    assert_string_equal(ok.out, "out\n");
    assert_string_equal(ok.err, "err\n");
    assert_true(ok.took_us > 0);
    assert_int_equal(three.end, PROCESS_EXITED);
    assert_int_equal(three.code, 3);
    assert_int_equal(killed.end, PROCESS_SIGNALED);
    assert_int_equal(killed.code, SIGSEGV);
    assert_no_children();
}

static void test_arguments_are_no_shell(void **state _unused_)
{
    const char *const argv[] = {"printf", "%s|", "a b", "$(id)", "; rm -rf /", "*", "", NULL};
    _cleanup_got_ struct got g = run((struct process_request){.argv = argv});
    assert_string_equal(g.out, "a b|$(id)|; rm -rf /|*||");
}

static void test_input(void **state _unused_)
{
    char big[300000];
    memset(big, 'x', sizeof(big));
    const char *const cat[] = {"cat", NULL};
    _cleanup_got_ struct got some = run((struct process_request){.argv = cat, .input = "a\0b", .input_len = 3});
    assert_int_equal(some.out_len, 3);
    assert_memory_equal(some.out, "a\0b", 3);
    _cleanup_got_ struct got none = run((struct process_request){.argv = cat});
    assert_int_equal(none.out_len, 0);
    assert_int_equal(none.code, 0);
    _cleanup_got_ struct got all =
        run((struct process_request){.argv = cat, .input = big, .input_len = sizeof(big), .max_out = sizeof(big)});
    assert_int_equal(all.out_len, sizeof(big));
    /* what does not read its input is not held up by it, and it cannot change it */
    _cleanup_got_ struct got deaf = run((struct process_request){
        .argv = (const char *const[]){"sh", "-c", "echo x >&0 || exit 7", NULL}, .input = big, .input_len = 9});
    assert_int_not_equal(deaf.code, 0);
}

static void test_environment(void **state _unused_)
{
    setenv("NOTIFY_SOCKET", "/run/x", 1);
    setenv("MENDD_TEST", "old", 1);
    _cleanup_got_ struct got ours = sh("echo $MENDD_TEST,$NOTIFY_SOCKET,$HOME_OF_NOBODY");
    assert_string_equal(ours.out, "old,,\n");
    _cleanup_(texts_freep) char **env = process_env_new((const char *const[]){"MENDD_TEST=new", "OTHER=a=b", NULL});
    const char *const argv[] = {"/usr/bin/env", NULL};
    _cleanup_got_ struct got added = run((struct process_request){.argv = argv, .env = (const char *const *)env});
    assert_non_null(strstr(added.out, "MENDD_TEST=new\n"));
    assert_non_null(strstr(added.out, "OTHER=a=b\n"));
    assert_non_null(strstr(added.out, "PATH="));
    assert_null(strstr(added.out, "MENDD_TEST=old"));
    assert_null(strstr(added.out, "NOTIFY_SOCKET"));
    _cleanup_got_ struct got only =
        run((struct process_request){.argv = argv, .env = (const char *const[]){"A=1", NULL}, .directory = "/"});
    assert_string_equal(only.out, "A=1\n");
    _cleanup_got_ struct got where =
        run((struct process_request){.argv = (const char *const[]){"/bin/pwd", NULL}, .directory = "/usr"});
    assert_string_equal(where.out, "/usr\n");
    unsetenv("NOTIFY_SOCKET");
}

/* No descriptor of ours, no signal blocked or ignored (glibc keeps 32 and 33 for itself), no terminal. */
static void test_what_it_inherits(void **state _unused_)
{
    const int leaked = dup(0); /* without close-on-exec */
    signal(SIGPIPE, SIG_IGN);
    _cleanup_free_ char *script =
        xasprintf("[ -e /proc/$$/fd/%d ] && echo leaked; [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] || "
                  "echo no session; exec grep -E 'Sig(Blk|Ign)' /proc/self/status",
                  leaked);
    _cleanup_got_ struct got g = sh(script);
    unsigned long long blocked = 1, ignored = 1;
    assert_int_equal(sscanf(g.out, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    assert_int_equal(ignored & 0x7fffffff, 0);
    close(leaked);
}

static void test_timeout_kills_the_group(void **state _unused_)
{
    const char *const argv[] = {"/bin/sh", "-c", "echo begun; sleep 1000 & echo $! >&2; wait", NULL};
    _cleanup_got_ struct got g = run((struct process_request){.argv = argv, .timeout_ms = 300});
    assert_int_equal(g.end, PROCESS_TIMEOUT);
    assert_string_equal(g.out, "begun\n");
    assert_true(g.took_us >= 300000);
    await_gone((pid_t)atoi(g.err));
    assert_no_children();
    _cleanup_free_ char *text =
        process_end_text(&(struct process_result){.end = PROCESS_TIMEOUT, .out = "", .err = ""}, 1500);
    assert_string_equal(text, "no end within 1s500ms");
}

static void test_grace(void **state _unused_)
{
    const char *const tidy[] = {"/bin/sh", "-c", "trap 'echo tidy; exit 0' TERM; sleep 1000 & wait", NULL};
    _cleanup_got_ struct got g = run((struct process_request){.argv = tidy, .timeout_ms = 300, .grace_ms = 20000});
    assert_int_equal(g.end, PROCESS_TIMEOUT);
    assert_string_equal(g.out, "tidy\n");
    assert_true(g.took_us < 15000000);
    const char *const deaf[] = {"/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", NULL};
    _cleanup_got_ struct got k = run((struct process_request){.argv = deaf, .timeout_ms = 200, .grace_ms = 200});
    assert_int_equal(k.end, PROCESS_TIMEOUT);
    assert_true(k.took_us >= 400000);
    assert_no_children();
}

static void test_output_is_bounded(void **state _unused_)
{
    _cleanup_got_ struct got kept = run((struct process_request){
        .argv = (const char *const[]){"/bin/sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x", NULL},
        .max_out = 1000});
    assert_int_equal(kept.end, PROCESS_EXITED);
    assert_int_equal(kept.out_len, 1000);
    assert_int_equal(kept.out_total, 1000000);
    _cleanup_got_ struct got flood = run(
        (struct process_request){.argv = (const char *const[]){"yes", NULL}, .max_out = 1000, .output_limit = 1 << 20});
    assert_int_equal(flood.end, PROCESS_FLOOD);
    assert_true(flood.out_total > 1 << 20 && flood.out_total < 2 << 20);
    assert_no_children();
}

/* Who stays behind in the group is killed; who has left it is not found, and does not keep the answer. */
static void test_what_is_left_behind(void **state _unused_)
{
    _cleanup_got_ struct got g = sh("sleep 1000 & echo $!");
    assert_int_equal(g.end, PROCESS_EXITED);
    assert_true(g.took_us < 60000000);
    await_gone((pid_t)atoi(g.out));
    _cleanup_got_ struct got away = sh("f=$(mktemp -u); export f; setsid -f sh -c 'echo $$; : > $f; exec sleep 1000'; "
                                       "until [ -e $f ]; do sleep 0.01; done; rm $f");
    assert_int_equal(away.end, PROCESS_EXITED);
    const pid_t pid = (pid_t)atoi(away.out);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static int refused(const char *path, const char *words)
{
    struct got g = {0};
    struct process *p = NULL;
    _cleanup_error_ struct error err = ERROR_NONE;
    const int r = process_start(event, &(struct process_request){.argv = (const char *const[]){path, NULL}}, on_done,
                                &g, &p, &err);
    if (r >= 0 || !strstr(err.message, words) || !strstr(err.message, path))
        fail_msg("%s: %d, %s", path, r, error_message(&err));
    assert_null(p);
    assert_int_equal(g.fired, 0);
    assert_no_children();
    return r;
}

static void test_cannot_start(void **state _unused_)
{
    char folder[] = "/tmp/mendd-process-XXXXXX";
    assert_non_null(mkdtemp(folder));
    _cleanup_free_ char *script = xasprintf("%s/script", folder);
    FILE *f = fopen(script, "we");
    fputs("echo no shell is asked\n", f); /* without "#!" */
    fclose(f);
    assert_int_equal(refused(script, "Permission denied"), -EACCES);
    assert_int_equal(chmod(script, 0755), 0);
    assert_int_equal(refused(script, "Exec format error"), -ENOEXEC);
    assert_int_equal(refused("/nonexistent/x", "No such file or directory"), -ENOENT);
    assert_int_equal(refused("mendd-no-such-program", "No such file or directory"), -ENOENT);
    unlink(script);
    rmdir(folder);
}

static void test_cancel(void **state _unused_)
{
    struct got g = {0};
    struct process *p = NULL;
    const struct process_request req = {.argv = (const char *const[]){"sleep", "1000", NULL}};
    assert_int_equal(process_start(event, &req, on_done, &g, &p, NULL), 0);
    process_cancel(p);
    assert_int_equal(g.fired, 1);
    assert_int_equal(g.end, PROCESS_CANCELLED);
    assert_no_children();
    assert_int_equal(g.fired, 1);
    got_clear(&g);
}

/* The loop may go before the child has been reaped. */
static void test_loop_ends_first(void **state _unused_)
{
    struct got g = {0};
    struct process *p = NULL;
    sd_event *other = NULL;
    assert_true(sd_event_new(&other) >= 0);
    const struct process_request req = {.argv = (const char *const[]){"sleep", "1000", NULL}};
    assert_int_equal(process_start(other, &req, on_done, &g, &p, NULL), 0);
    process_cancel(p);
    assert_null(sd_event_unref(other));
    assert_int_equal(g.end, PROCESS_CANCELLED);
    assert_true(waitpid(-1, NULL, 0) > 0); /* killed it was all the same */
    assert_no_children();
    got_clear(&g);
}

/* Many at once, each with its own answer. */
static void test_many(void **state _unused_)
{
    struct got got[40] = {0};
    for (int i = 0; i < 40; i++) {
        _cleanup_free_ char *n = xasprintf("%d", i);
        const struct process_request req = {.argv = (const char *const[]){"echo", n, NULL}};
        assert_int_equal(process_start(event, &req, on_done, &got[i], NULL, NULL), 0);
    }
    for (int i = 0; i < 40; i++) {
        turn_until(&got[i]);
        assert_int_equal(atoi(got[i].out), i);
        got_clear(&got[i]);
    }
    assert_no_children();
}

static int setup(void **state _unused_)
{
    return sd_event_new(&event) < 0;
}

static int teardown(void **state _unused_)
{
    event = sd_event_unref(event);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_arguments_are_no_shell),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_what_it_inherits),
        cmocka_unit_test(test_timeout_kills_the_group),
        cmocka_unit_test(test_grace),
        cmocka_unit_test(test_output_is_bounded),
        cmocka_unit_test(test_what_is_left_behind),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_loop_ends_first),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests_name("process", tests, setup, teardown);
}
