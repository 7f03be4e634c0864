#include "core/markdown.h"

#include <string.h>
#include <strings.h>

/* Characters that may not be seen but change what is: U+200B-200F, U+2028-202E, U+2060-2069, U+FEFF, C1 controls. Bytes
 * to skip, 0: none. */
static size_t hidden(const unsigned char *p)
{
    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
        return 2;
    if (p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae)))
        return 3;
    if (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xa9)
        return 3;
    return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf ? 3 : 0;
}

/* As an entity where a backslash could be read in two ways (before a table's bar), and where GitHub makes links of
 * plain text; as code where it makes mentions and mail links of whatever the text says in the end. */
static const char *escaped(const char *p)
{
    static const struct {
        char c;
        const char *as;
    } table[] = {{'\\', "&#92;"}, {'`', "&#96;"}, {'|', "&#124;"}, {'<', "&lt;"},
                 {'>', "&gt;"},   {'&', "&amp;"}, {'@', "`@`"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (*p == table[i].c)
            return table[i].as;
    if (strncmp(p, "://", 3) == 0)
        return "&#58;";
    if (strncasecmp(p, "www.", 4) == 0)
        return *p == 'w' ? "&#119;" : "&#87;";
    return NULL;
}

/* Cleaned first, looked at then: "www." with something hidden within is a link once that has gone. */
static void clean(struct strbuf *b, const char *text)
{
    for (const char *p = text; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        const size_t skip = hidden((const unsigned char *)p);
        if (skip)
            p += skip - 1;
        else if ((c >= 0x20 || c == '\n' || c == '\t') && c != 0x7f)
            strbuf_putc(b, *p);
    }
}

void markdown_inline(struct strbuf *b, const char *text)
{
    _cleanup_strbuf_ struct strbuf content = STRBUF_INIT;
    clean(&content, text ? text : "");
    if (content.len == 0)
        strbuf_putc(b, '-');
    for (const char *p = strbuf_str(&content); *p; p++) {
        const char *as = escaped(p);
        if (*p == '\n' || *p == '\t')
            strbuf_putc(b, ' ');
        else if (as)
            strbuf_puts(b, as);
        else if (strchr("*_[]{}#!~$", *p))
            strbuf_printf(b, "\\%c", *p);
        else
            strbuf_putc(b, *p);
    }
}

static size_t longest_run(const char *text, char c)
{
    size_t longest = 0, run = 0;
    for (; *text; text++) {
        run = *text == c ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    return longest;
}

void markdown_block(struct strbuf *b, const char *language, const char *text)
{
    _cleanup_strbuf_ struct strbuf content = STRBUF_INIT;
    clean(&content, text);
    if (content.len > 0 && content.data[content.len - 1] != '\n')
        strbuf_putc(&content, '\n');
    const size_t run = longest_run(strbuf_str(&content), '`'), fence = run < 3 ? 3 : run + 1;
    for (size_t i = 0; i < fence; i++)
        strbuf_putc(b, '`');
    strbuf_printf(b, "%s\n%s", language, strbuf_str(&content));
    for (size_t i = 0; i < fence; i++)
        strbuf_putc(b, '`');
    strbuf_putc(b, '\n');
}
