/* The listening socket: TCP on one address or on all, or a unix socket. */
#include "web_internal.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(struct error *err, const char *address, const char *what)
{
    const int code = errno ? -errno : -EIO;
    return error_set(err, code, "cannot listen on %s: %s: %s", address, what, strerror(-code));
}

/* A socket that a killed mendd left behind refuses connections; one in use answers. */
static bool is_stale(const struct sockaddr_un *addr)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int listen_unix(const char *address, const char *path, int *ret_fd, char **ret_path, struct error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (str_empty(path) || strlen(path) >= sizeof(addr.sun_path))
        return error_set(err, -EINVAL, "cannot listen on %s: the path must have 1 to %zu bytes", address,
                         sizeof(addr.sun_path) - 1);
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(err, address, "socket");
    if (is_stale(&addr))
        unlink(path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0660) < 0 || listen(fd, SOMAXCONN) < 0) {
        int r = fail(err, address, "bind");
        close(fd);
        return r;
    }
    *ret_fd = fd;
    *ret_path = xstrdup(path);
    return 0;
}

/* "host:port", "[v6]:port", ":port". */
static int split(const char *address, char host[256], char port[8], struct error *err)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    const char *from = address;
    if (colon && len >= 2 && address[0] == '[' && colon[-1] == ']') {
        from++;
        len -= 2;
    } else if (colon && memchr(address, ':', len)) {
        colon = NULL; /* an IPv6 address without brackets */
    }
    if (!colon || len >= 256 || !colon[1] || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
        return error_set(err, -EINVAL, "cannot listen on '%s': write host:port, [v6 address]:port, :port or unix:PATH",
                         address);
    memcpy(host, from, len);
    host[len] = '\0';
    strcpy(port, colon + 1);
    return 0;
}

static int bind_one(const struct addrinfo *ai)
{
    const int yes = 1, no = 0;
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)); /* ":port" is both */
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    const int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int web_port_of(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return 0;
    if (addr.ss_family != AF_INET && addr.ss_family != AF_INET6)
        return 0;
    return ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                            : ((struct sockaddr_in *)&addr)->sin_port);
}

int web_listen(const char *address, int *ret_fd, char **ret_unix_path, int *ret_port, struct error *err)
{
    if (str_starts(address, "unix:"))
        return listen_unix(address, address + 5, ret_fd, ret_unix_path, err);
    char host[256], port[8];
    int r = split(address, host, port, err);
    if (r < 0)
        return r;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    r = getaddrinfo(*host ? host : NULL, port, &hints, &list);
    if (r)
        return error_set(err, -EADDRNOTAVAIL, "cannot listen on %s: %s", address, gai_strerror(r));
    int fd = -1;
    for (int family = 0; family < 2 && fd < 0; family++) /* every address: IPv6 first, it takes IPv4 along */
        for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
            if (*host || (ai->ai_family == AF_INET6) == (family == 0))
                fd = bind_one(ai);
    freeaddrinfo(list);
    if (fd < 0)
        return fail(err, address, "bind");
    *ret_fd = fd;
    *ret_port = web_port_of(fd);
    return 0;
}
