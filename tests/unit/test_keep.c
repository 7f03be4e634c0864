/* The folder of backups: modes, names, replacement, retention; what is refused. */
#include "base/alloc.h"
#include "base/text.h"
#include "core/ask.h"
#include "engine/assemble.h"
#include "engine/keep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_US (INT64_C(1767607200) * 1000000)
#define NAME "mendd-backup-run2-configmap-settings.json"
#define OLD "mendd-backup-run1-configmap-settings.json"
#define OTHER "mendd-backup-run1-configmap-other.json"

struct place {
    char root[64], *folder;
    struct backup_settings backup;
};

static int set_up(void **state)
{
    struct place *p = xnew0(struct place);
    strcpy(p->root, "/tmp/mendd-keep-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    p->folder = xasprintf("%s/backups", p->root);
    p->backup = (struct backup_settings){.to = BACKUP_FOLDER, .folder = p->folder, .retention_ms = 3600 * 1000};
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    static const char *const files[] = {NAME, OLD, OTHER, "secret", "nul"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_free_ char *path = xasprintf("%s/%s", p->folder, files[i]);
        unlink(path);
    }
    rmdir(p->folder);
    rmdir(p->root);
    free(p->folder);
    free(p);
    return 0;
}

static int64_t keep(const struct place *p, const char *name, const char *value)
{
    _cleanup_json_ json_t *effect = json_pack("{s:s, s:{s:s}}", "path", name, "body", "a", value);
    _cleanup_json_ json_t *answer = keep_file_new(&p->backup, effect, NOW_US);
    return answer_status(answer);
}

static json_t *read_back(const struct place *p, const char *name)
{
    _cleanup_json_ json_t *question = json_pack("{s:s, s:s}", "ask", "backup", "file", name);
    return keep_read_new(&p->backup, question);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_mode & 0777 : 0;
}

static void aged(const struct place *p, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", p->folder, name);
    const struct timespec old[2] = {{.tv_sec = NOW_US / 1000000 - 7200}, {.tv_sec = NOW_US / 1000000 - 7200}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

static void a_file_is_private_and_whole(void **state)
{
    const struct place *p = *state;
    _cleanup_free_ char *path = xasprintf("%s/%s", p->folder, NAME);
    umask(0);
    assert_int_equal(keep(p, NAME, "1"), 201);
    assert_int_equal(keep(p, NAME, "2"), 201);
    assert_int_equal(mode_of(p->folder), 0700);
    assert_int_equal(mode_of(path), 0600);
    _cleanup_json_ json_t *answer = read_back(p, NAME);
    assert_string_equal(json_text(answer, "text"), "{\n  \"a\": \"2\"\n}");
}

static void old_ones_of_the_same_object_go(void **state)
{
    const struct place *p = *state;
    assert_int_equal(keep(p, OLD, "1"), 201);
    assert_int_equal(keep(p, OTHER, "1"), 201);
    aged(p, OLD);
    aged(p, OTHER);
    assert_int_equal(keep(p, NAME, "2"), 201);
    _cleanup_json_ json_t *gone = read_back(p, OLD), *stays = read_back(p, OTHER);
    assert_int_equal(answer_status(gone), 404);
    assert_int_equal(answer_status(stays), 0);
}

static void what_is_refused(void **state)
{
    struct place *p = *state;
    static const char *const names[] = {"../mendd-backup-x", "mendd-backup-../x", "mendd-backup-/etc/x", "x.json", ""};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_json_ json_t *answer = read_back(p, names[i]);
        assert_int_equal(answer_status(answer), 422);
        assert_int_equal(keep(p, names[i], "1"), 422);
    }
    assert_int_equal(mkdir(p->folder, 0755), 0);
    assert_int_equal(chmod(p->folder, 0755), 0);
    assert_int_equal(keep(p, NAME, "1"), 422);
    p->backup.folder = NULL;
    assert_int_equal(keep(p, NAME, "1"), 422);
}

/* What a file hashes to, and nothing of what it holds. */
static void the_hash_of_a_file(void **state)
{
    const struct place *p = *state;
    assert_int_equal(mkdir(p->folder, 0700), 0);
    _cleanup_free_ char *path = xasprintf("%s/secret", p->folder), *nul = xasprintf("%s/nul", p->folder);
    FILE *f = fopen(path, "w");
    fputs("hunter2\n", f);
    fclose(f);
    f = fopen(nul, "w");
    fwrite("a\0b", 1, 3, f);
    fclose(f);
    _cleanup_json_ json_t *q = json_pack("{s:s, s:s, s:s}", "file", path, "scope", "shop/db", "key", "password");
    _cleanup_json_ json_t *answer = assemble_hash_new(q);
    _cleanup_free_ char *text = json_compact(answer);
    assert_int_equal(strlen(json_text_or(answer, "sha256", "")), 64);
    assert_null(strstr(text, "hunter2"));
    assert_null(strstr(text, "aHVudGVyMg"));
    json_set_text(q, "scope", "shop/other");
    _cleanup_json_ json_t *other = assemble_hash_new(q);
    assert_string_not_equal(json_text(other, "sha256"), json_text(answer, "sha256"));
    json_set_text(q, "file", nul);
    _cleanup_json_ json_t *refused = assemble_hash_new(q);
    assert_int_equal(answer_status(refused), 422);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_private_and_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_ones_of_the_same_object_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_hash_of_a_file, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
