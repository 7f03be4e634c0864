/* Socket activation (sd_listen_fds(3)): the listening socket that systemd, or whoever started mendd, opened before. It
 * is taken in the place of --web.listen-address, and what it is bound to decides like that address whether others can
 * reach it. One socket is served: the only one, or of several the one that is called "web" (FileDescriptorName=web). */
#pragma once

#include "base/error.h"

/* 1: `ret_fd` is the socket (the caller's) and `ret_address` what it is bound to, written as --web.listen-address (the
 * caller frees); 0: none was passed; -EINVAL: what was passed cannot be served. */
int activation_take(int *ret_fd, char **ret_address, struct error *err);
/* "127.0.0.1:9490", "[::1]:9490", "unix:/run/x", "unix:@x" (abstract). -errno if it is no such socket. */
int activation_address(int fd, char **ret);
