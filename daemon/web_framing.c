/* Where a request ends: what two readers could see differently is refused, so that nothing can be smuggled past a proxy
 * in front of mendd.
 *
 * libmicrohttpd 0.9.75 takes a bare LF for a line's end, joins a folded line with the *name* of the header before it
 * ("Content: 5", " -Length" becomes Content-Length: 5), and lets a bare CR or a NUL stand in a value. It parses in
 * place, and what it does to the bytes between name and value and behind the value shows all of that. Newer versions
 * refuse these themselves and parse differently, so they are asked nothing. */
#include "web_internal.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PARSES_IN_PLACE (MHD_VERSION < 0x00097700)

struct look {
    struct framing *f;
    int lengths, encodings, hosts;
};

static bool is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("!#$%&'*+-.^_`|~", s[i]))
            return false;
    return len > 0;
}

static bool is_value(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
            return false;
    return true;
}

/* CR and LF were both overwritten with NUL; behind a bare LF the next line begins at once. The bytes looked at are
 * within the header: an empty line follows it. */
static bool ends_with_crlf(const char *value, size_t len)
{
    return !PARSES_IN_PLACE || (value[len] == '\0' && value[len + 1] == '\0');
}

/* "name" NUL blanks "value": a folded header's name was moved elsewhere. */
static bool is_one_line(const char *name, size_t name_len, const char *value)
{
    const char *p = name + name_len + 1;
    return !PARSES_IN_PLACE || p + strspn(p, " \t") == value;
}

static void look_at_length(struct look *look, const char *value, size_t len)
{
    struct framing *f = look->f;
    if (look->lengths++ > 0)
        f->fault = "Content-Length is given twice";
    else if (len == 0 || len > 18 || strspn(value, "0123456789") != len)
        f->fault = "Content-Length is not a number";
    else
        f->length = strtoull(value, NULL, 10);
}

static enum MHD_Result look_at_header(void *cls, enum MHD_ValueKind kind _unused_, const char *name, size_t name_len,
                                      const char *value, size_t value_len)
{
    struct look *look = cls;
    struct framing *f = look->f;
    if (!is_token(name, name_len))
        f->fault = "a header's name holds what no name holds"; /* "Content-Length : 5" */
    else if (!value || !is_value(value, value_len))
        f->fault = "a header holds a control character";
    else if (!is_one_line(name, name_len, value))
        f->fault = "a header goes on in a second line";
    else if (!ends_with_crlf(value, value_len))
        f->fault = "a header's line does not end with CR and LF";
    else if (strcasecmp(name, "Content-Length") == 0)
        look_at_length(look, value, value_len);
    else if (strcasecmp(name, "Host") == 0 && look->hosts++ > 0)
        f->fault = "Host is given twice";
    else if (strcasecmp(name, "Transfer-Encoding") == 0 && (look->encodings++ > 0 || strcasecmp(value, "chunked") != 0))
        f->fault = "a Transfer-Encoding other than chunked is not understood here";
    return f->fault ? MHD_NO : MHD_YES;
}

void web_look_at_framing(struct request *req, const char *version, struct framing *ret)
{
    struct look look = {.f = ret};
    *ret = (struct framing){0};
    MHD_get_connection_values_n(req->connection, MHD_HEADER_KIND, look_at_header, &look);
    ret->chunked = look.encodings > 0;
    if (ret->fault)
        return;
    const bool current = str_eq(version, "HTTP/1.1");
    if (!current && !str_eq(version, "HTTP/1.0"))
        ret->fault = "the version is neither HTTP/1.1 nor HTTP/1.0";
    else if (!ends_with_crlf(version, strlen(version)))
        ret->fault = "the request's line does not end with CR and LF";
    else if (look.lengths > 0 && look.encodings > 0)
        ret->fault = "both Content-Length and Transfer-Encoding are given";
    else if (look.encodings > 0 && !current)
        ret->fault = "HTTP/1.0 knows no Transfer-Encoding";
}
