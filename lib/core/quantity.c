#include "core/quantity.h"

#include "base/alloc.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_MILLI 9e15

static const struct suffix {
    const char *text;
    double factor;
} suffixes[] = {
    {"", 1},
    {"n", 1e-9}, /* as the metrics server writes CPU */
    {"u", 1e-6},
    {"m", 1e-3},
    {"k", 1e3},
    {"M", 1e6},
    {"G", 1e9},
    {"T", 1e12},
    {"P", 1e15},
    {"Ki", 1024.0},
    {"Mi", 1048576.0},
    {"Gi", 1073741824.0},
    {"Ti", 1099511627776.0},
    {"Pi", 1125899906842624.0},
};

int quantity_parse(const char *s, int64_t *ret_milli, struct error *err)
{
    char *end = NULL;
    if (!s || !*s || strlen(s) > 32 || strspn(s, "0123456789.") == 0 || strpbrk(s, "xX"))
        return error_set(err, -EINVAL, "'%.40s' is no quantity: write it like 512Mi, 2Gi, 500m or 1.5", s ? s : "");
    double n = strtod(s, &end);
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        if (!str_eq(end, suffixes[i].text))
            continue;
        double milli = ceil(n * suffixes[i].factor * 1000 - 1e-6);
        if (!isfinite(milli) || milli < 0 || milli > MOST_MILLI)
            break;
        *ret_milli = (int64_t)milli;
        return 0;
    }
    return error_set(err, -EINVAL, "'%.40s' is no quantity: write it like 512Mi, 2Gi, 500m or 1.5", s);
}

char *quantity_memory_new(int64_t milli)
{
    const int64_t bytes = (milli + 999) / 1000, mi = 1048576;
    return bytes >= mi ? xasprintf("%" PRId64 "Mi", (bytes + mi - 1) / mi) : xasprintf("%" PRId64, bytes);
}

char *quantity_cpu_new(int64_t milli)
{
    return milli % 1000 == 0 ? xasprintf("%" PRId64, milli / 1000) : xasprintf("%" PRId64 "m", milli);
}
