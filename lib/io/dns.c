#include "io/dns.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

enum { HEADER = 12, LABEL_MAX = 63, NAME_MAX_WIRE = 255, RECORDS_MAX = 256 };

/* The name as labels with their lengths; its length on the wire, 0 if it is no name. */
static size_t name_to_wire(const char *name, unsigned char *out)
{
    size_t len = 0;
    for (const char *p = name; *p;) {
        const size_t n = strcspn(p, ".");
        if (n == 0 || n > LABEL_MAX || len + n + 2 > NAME_MAX_WIRE)
            return 0;
        out[len++] = (unsigned char)n;
        memcpy(out + len, p, n);
        len += n;
        p += n + (p[n] == '.');
    }
    if (len > 0)
        out[len++] = 0;
    return len;
}

int dns_query(uint16_t id, const char *name, int type, unsigned char out[DNS_QUERY_MAX], struct error *err)
{
    memset(out, 0, HEADER);
    out[0] = (unsigned char)(id >> 8);
    out[1] = (unsigned char)id;
    out[2] = 1; /* recursion is desired */
    out[5] = 1; /* one question */
    const size_t n = name_to_wire(name, out + HEADER);
    if (n == 0)
        return error_set(err, -EINVAL, "\"%.100s\" is no name that DNS could be asked for", name);
    unsigned char *end = out + HEADER + n;
    end[0] = 0;
    end[1] = (unsigned char)type;
    end[2] = 0;
    end[3] = 1; /* class IN */
    return (int)(HEADER + n + 4);
}

static unsigned u16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* Behind the name at `at`; 0 if it reaches out of the message. What a pointer points to is not followed. */
static size_t skip_name(const unsigned char *m, size_t len, size_t at)
{
    while (at < len) {
        const unsigned n = m[at];
        if ((n & 0xc0) == 0xc0)
            return at + 2 <= len ? at + 2 : 0;
        if (n > LABEL_MAX)
            return 0;
        at += 1 + n;
        if (n == 0)
            return at <= len ? at : 0;
    }
    return 0;
}

static int check_question(const unsigned char *m, size_t len, uint16_t id, const char *name, int type, size_t *ret_at)
{
    unsigned char wire[NAME_MAX_WIRE + 1];
    const size_t n = name_to_wire(name, wire);
    if (len < HEADER || !(m[2] & 0x80) || u16(m) != id || u16(m + 4) != 1 || n == 0)
        return -ENOENT;
    if (len < HEADER + n + 4)
        return -EBADMSG;
    if (strncasecmp((const char *)m + HEADER, (const char *)wire, n) != 0 || u16(m + HEADER + n) != (unsigned)type)
        return -ENOENT;
    *ret_at = HEADER + n + 4;
    return 0;
}

int dns_answer(const unsigned char *m, size_t len, uint16_t id, const char *name, int type, json_t *addresses,
               int *ret_code)
{
    size_t at = 0;
    int r = check_question(m, len, id, name, type, &at);
    if (r < 0)
        return r;
    const unsigned n = u16(m + 6);
    for (unsigned i = 0; i < n && i < RECORDS_MAX; i++) {
        at = skip_name(m, len, at);
        if (at == 0 || len - at < 10)
            return -EBADMSG;
        const unsigned kind = u16(m + at), size = u16(m + at + 8);
        at += 10;
        if (len - at < size)
            return -EBADMSG;
        char text[INET6_ADDRSTRLEN];
        if (kind == (unsigned)type && size == (type == DNS_A ? 4u : 16u) &&
            json_array_size(addresses) < DNS_ADDRESSES_MAX &&
            inet_ntop(type == DNS_A ? AF_INET : AF_INET6, m + at, text, sizeof(text)))
            json_array_append_new(addresses, json_string(text));
        at += size;
    }
    *ret_code = m[3] & 15;
    return 0;
}
