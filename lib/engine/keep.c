#include "engine/keep.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *refused_new(const char *what, const char *why)
{
    _cleanup_free_ char *text = xasprintf("the folder of backups: %s: %s", what, why);
    return json_pack("{s:i, s:{s:s}}", "status", 422, "body", "message", text);
}

static bool name_is_safe(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    return str_starts(name, "mendd-backup-") && strlen(name) <= NAME_MAX && name[strspn(name, allowed)] == '\0';
}

static void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Only a folder that nobody else can look into. */
static int open_folder(const char *path, const char **ret_why)
{
    struct stat st;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        *ret_why = strerror(errno);
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        *ret_why = strerror(errno);
    } else if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        *ret_why = "it must belong to mendd's user and have mode 0700";
    } else {
        return fd;
    }
    closep(&fd);
    return -1;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_file(int folder, const char *name, const char *text)
{
    static const char temporary[] = ".mendd-backup.tmp"; /* one loop, one writer */
    unlinkat(folder, temporary, 0);
    _cleanup_(closep) int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd >= 0 && write_all(fd, text, strlen(text)) && fdatasync(fd) == 0 &&
           renameat(folder, temporary, folder, name) == 0 && fsync(folder) == 0;
}

static void closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

/* "mendd-backup-<run>-<what>": files of the same object differ in the run only. */
static const char *object_part(const char *name)
{
    const char *run = name + strlen("mendd-backup-"), *dash = strchr(run, '-');
    return dash ? dash : "";
}

static void prune(int folder, const char *kept, int64_t before_s)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_(closedirp) DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *d;
    struct stat st;
    if (!dir && copy >= 0)
        close(copy);
    while (dir && (d = readdir(dir))) {
        if (name_is_safe(d->d_name) && !str_eq(d->d_name, kept) && str_eq(object_part(d->d_name), object_part(kept)) &&
            fstatat(folder, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_mtime < before_s)
            unlinkat(folder, d->d_name, 0);
    }
}

json_t *keep_file_new(const struct backup_settings *backup, const json_t *effect, int64_t wall_us)
{
    const char *name = json_text_or(effect, "path", ""), *why = NULL;
    if (!backup->folder || !name_is_safe(name))
        return refused_new(name, backup->folder ? "no name of a backup" : "none is configured (backup.folder)");
    _cleanup_(closep) int folder = open_folder(backup->folder, &why);
    if (folder < 0)
        return refused_new(backup->folder, why);
    _cleanup_free_ char *text = json_dumps(json_object_get(effect, "body"), JSON_INDENT(2) | JSON_SORT_KEYS);
    if (!text || strlen(text) > KEEP_MAX)
        return refused_new(name, "too large");
    if (!write_file(folder, name, text))
        return refused_new(name, strerror(errno));
    prune(folder, name, (wall_us - backup->retention_ms * USEC_PER_MSEC) / USEC_PER_SEC);
    return json_pack("{s:i}", "status", 201);
}

json_t *keep_read_new(const struct backup_settings *backup, const json_t *question)
{
    const char *name = json_text_or(question, "file", "");
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    if (!backup->folder || !name_is_safe(name))
        return refused_new(name, backup->folder ? "no name of a backup" : "none is configured (backup.folder)");
    _cleanup_free_ char *path = xasprintf("%s/%s", backup->folder, name);
    if (file_read(path, KEEP_MAX, &text, &len, &err) < 0)
        return json_pack("{s:i, s:{s:s}}", "status", 404, "body", "message", error_message(&err));
    json_t *answer = json_pack("{s:i}", "status", 0);
    json_object_set_new(answer, "text", json_text_new(text, len));
    return answer;
}
