#include "notify/mime.h"

#include "base/alloc.h"
#include "base/text.h"
#include "notify/notice.h"

#include <ctype.h>
#include <string.h>

enum { LINE_MAX_BYTES = 76, WORD_FRAME = 12 /* "=?utf-8?q?" and "?=" */ };

static const char HEX[] = "0123456789ABCDEF";

static bool is_plain(const char *s)
{
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            return false;
    return !strstr(s, "=?"); /* else a reader would decode what an alert wrote */
}

static void add_q(struct strbuf *b, unsigned char c)
{
    if (c == ' ')
        strbuf_putc(b, '_');
    else if (isascii(c) && (isalnum(c) || strchr("!*+-/", c)))
        strbuf_putc(b, (char)c);
    else
        strbuf_printf(b, "=%c%c", HEX[c >> 4], HEX[c & 15]);
}

/* Encoded words, each on a line of its own, no character torn apart (RFC 2047, section 5). */
static void add_words(struct strbuf *b, const char *s, size_t column)
{
    _cleanup_strbuf_ struct strbuf word = STRBUF_INIT, next = STRBUF_INIT;
    while (*s) {
        const size_t len = utf8_len(s);
        strbuf_reset(&next);
        for (size_t i = 0; i < len; i++)
            add_q(&next, (unsigned char)s[i]);
        if (word.len && column + WORD_FRAME + word.len + next.len > LINE_MAX_BYTES) {
            strbuf_printf(b, "=?utf-8?q?%s?=\r\n ", strbuf_str(&word));
            strbuf_reset(&word);
            column = 1;
        }
        strbuf_puts(&word, strbuf_str(&next));
        s += len;
    }
    if (word.len)
        strbuf_printf(b, "=?utf-8?q?%s?=", strbuf_str(&word));
}

void mime_header(struct strbuf *b, const char *name, const char *value)
{
    _cleanup_free_ char *line = text_line(value, NOTICE_TEXT_MAX);
    const size_t column = strlen(name) + 2;
    strbuf_printf(b, "%s: ", name);
    if (is_plain(line) && column + strlen(line) <= LINE_MAX_BYTES)
        strbuf_puts(b, line);
    else
        add_words(b, line, column);
    strbuf_puts(b, "\r\n");
}

/* Words that need no quotes in front of an address (RFC 5322, 3.2.3). */
static bool is_atoms(const char *s)
{
    for (const char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(" !#$%&'*+-/=?^_`{|}~", *p))
            return false;
    return *s != '\0';
}

void mime_phrase(struct strbuf *b, const char *name, size_t column)
{
    _cleanup_free_ char *line = text_line(name, NOTICE_TEXT_MAX);
    if (!is_plain(line) || column + strlen(line) + 2 > LINE_MAX_BYTES) {
        add_words(b, line, column);
        return;
    }
    if (is_atoms(line)) {
        strbuf_puts(b, line);
        return;
    }
    strbuf_putc(b, '"');
    for (const char *p = line; *p; p++) {
        if (*p == '"' || *p == '\\')
            strbuf_putc(b, '\\');
        strbuf_putc(b, *p);
    }
    strbuf_putc(b, '"');
}

void mime_body(struct strbuf *b, const char *text)
{
    size_t column = 0;
    for (const char *p = text; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c == '\n') {
            strbuf_puts(b, "\r\n");
            column = 0;
            continue;
        }
        const bool at_end = p[1] == '\n' || !p[1];
        const bool literal = c >= 33 && c <= 126 && c != '=';
        const bool blank = (c == ' ' || c == '\t') && !at_end;
        const size_t need = literal || blank ? 1 : 3;
        if (column + need > LINE_MAX_BYTES - 1) { /* the last column is for the soft break */
            strbuf_puts(b, "=\r\n");
            column = 0;
        }
        if (literal || blank)
            strbuf_putc(b, (char)c);
        else
            strbuf_printf(b, "=%c%c", HEX[c >> 4], HEX[c & 15]);
        column += need;
    }
    if (column > 0)
        strbuf_puts(b, "\r\n");
}
