#include "base/file.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_MAX = 1 << 20 };

static void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int file_read(const char *path, size_t max_len, char **ret, size_t *ret_len, struct error *err)
{
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_set(err, -errno, "%s: cannot open: %s", path, strerror(errno));
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    char chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, -errno, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0)
            break;
        strbuf_add(&b, chunk, (size_t)n);
        if (b.len > max_len)
            return error_set(err, -E2BIG, "%s: larger than the %zu bytes allowed", path, max_len);
    }
    if (ret_len)
        *ret_len = b.len;
    *ret = strbuf_take(&b);
    return 0;
}

static char *credential_path(const char *path)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (!dir || path[0] == '/')
        return NULL;
    char *full = xasprintf("%s/%s", dir, path);
    if (access(full, R_OK) == 0)
        return full;
    free(full);
    return NULL;
}

int secret_read(const char *path, char **ret, struct error *err)
{
    _cleanup_free_ char *credential = credential_path(path);
    _cleanup_free_ char *text = NULL;
    size_t len;
    int r = file_read(credential ? credential : path, SECRET_MAX, &text, &len, err);
    if (r < 0)
        return r;
    if (strlen(text) != len)
        return error_set(err, -EINVAL, "%s: holds a NUL byte", path);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    *ret = TAKE_PTR(text);
    return 0;
}
