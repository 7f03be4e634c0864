/* The socket that systemd passed. */
#include "activation.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static char *unix_address(const struct sockaddr_un *un, socklen_t len)
{
    const size_t path_len = len - offsetof(struct sockaddr_un, sun_path);
    if (path_len == 0)
        return xstrdup("unix:");
    if (un->sun_path[0])
        return xasprintf("unix:%.*s", (int)path_len, un->sun_path);
    return xasprintf("unix:@%.*s", (int)path_len - 1, un->sun_path + 1);
}

int activation_address(int fd, char **ret)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } addr = {0};
    char text[INET6_ADDRSTRLEN];
    socklen_t len = sizeof(addr);
    if (getsockname(fd, &addr.any, &len) < 0)
        return -errno;
    if (addr.any.sa_family == AF_UNIX)
        *ret = unix_address(&addr.un, len);
    else if (addr.any.sa_family == AF_INET)
        *ret = xasprintf("%s:%d", inet_ntop(AF_INET, &addr.v4.sin_addr, text, sizeof(text)), ntohs(addr.v4.sin_port));
    else if (addr.any.sa_family == AF_INET6)
        *ret =
            xasprintf("[%s]:%d", inet_ntop(AF_INET6, &addr.v6.sin6_addr, text, sizeof(text)), ntohs(addr.v6.sin6_port));
    else
        return -EAFNOSUPPORT;
    return 0;
}

/* The one of n that is served, or -1. */
static int choose(int n, char *const *names)
{
    int found = -1;
    if (n == 1)
        return SD_LISTEN_FDS_START;
    for (int i = 0; i < n; i++) {
        if (!str_eq(names[i], "web"))
            continue;
        if (found >= 0)
            return -1;
        found = SD_LISTEN_FDS_START + i;
    }
    return found;
}

int activation_take(int *ret_fd, char **ret_address, struct error *err)
{
    char **names = NULL;
    const int n = sd_listen_fds_with_names(true, &names);
    if (n <= 0)
        return n < 0 ? error_set(err, -EINVAL, "the sockets that were passed (LISTEN_FDS): %s", strerror(-n)) : 0;
    const int fd = choose(n, names);
    for (int i = 0; names[i]; i++)
        free(names[i]);
    free(names);
    if (fd < 0)
        return error_set(err, -EINVAL,
                         "%d sockets were passed, and mendd serves one: call it \"web\" (FileDescriptorName=web)", n);
    for (int other = SD_LISTEN_FDS_START; other < SD_LISTEN_FDS_START + n; other++)
        if (other != fd)
            close(other);
    if (n > 1)
        log_event(LOG_LEVEL_WARN, "more than one socket was passed: only the one called \"web\" is served", NULL);
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 || activation_address(fd, ret_address) < 0)
        return error_set(err, -EINVAL,
                         "the socket that was passed is no listening stream socket (ListenStream=, Accept=no)");
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    *ret_fd = fd;
    return 1;
}
