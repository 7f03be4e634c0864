/* A URL from a playbook, taken apart and checked. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct url {
    bool https;
    char host[256], port[6]; /* port "" if it is not said */
    const char *path;        /* path and query; "" or starts with '/' or '?'; borrowed from the text */
};

/* -EINVAL with words: not http(s), spaces or control characters, a user, a port that is none. */
int url_parse(const char *text, struct url *ret, struct error *err);
