#include "base/log.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

enum { MAX_FIELDS = 16, MAX_VALUE = 4096 };

static enum log_level current_level = LOG_LEVEL_INFO;
static enum log_format current_format = LOG_FORMAT_LOGFMT;

static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_names[] = {"auto", "logfmt", "json", "journal", NULL};
static const int priorities[] = {7, 6, 4, 3}; /* syslog's numbers */

static int find(const char *s, const char *const names[])
{
    for (int i = 0; names[i]; i++)
        if (str_eq(s, names[i]))
            return i;
    return -EINVAL;
}

int log_level_parse(const char *s, enum log_level *ret)
{
    int i = find(s, level_names);
    if (i >= 0)
        *ret = (enum log_level)i;
    return i < 0 ? i : 0;
}

int log_format_parse(const char *s, enum log_format *ret)
{
    int i = find(s, format_names);
    if (i >= 0)
        *ret = (enum log_format)i;
    return i < 0 ? i : 0;
}

/* JOURNAL_STREAM names the device and inode of the journal's socket (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
    const char *e = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    return e && sscanf(e, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
           st.st_ino == ino;
}

void log_open(enum log_level level, enum log_format format)
{
    current_level = level;
    if (format == LOG_FORMAT_AUTO)
        format = stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_LOGFMT;
    current_format = format;
}

bool log_enabled(enum log_level level)
{
    return level >= current_level;
}

struct field {
    const char *name, *value;
};

static void put_logfmt_value(struct strbuf *b, const char *s)
{
    if (*s && strcspn(s, " =\"\\") == strlen(s) && utf8_valid(s, strlen(s))) {
        bool plain = true;
        for (const char *p = s; *p && plain; p++)
            plain = !iscntrl((unsigned char)*p);
        if (plain) {
            strbuf_puts(b, s);
            return;
        }
    }
    _cleanup_json_ json_t *text = json_text_new(s, strlen(s));
    _cleanup_free_ char *quoted = json_compact(text); /* JSON's escapes are what logfmt readers know */
    strbuf_puts(b, quoted);
}

static void write_line(struct strbuf *b)
{
    strbuf_putc(b, '\n');
    ssize_t n _unused_ = write(STDERR_FILENO, strbuf_str(b), b->len); /* a full pipe must not stop a repair */
}

static void write_logfmt(enum log_level level, const char *message, const struct field *fields, size_t n)
{
    char ts[TIME_TEXT_MAX];
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    strbuf_printf(&b, "ts=%s level=%s msg=", time_format(now_read().wall_us, ts), level_names[level]);
    put_logfmt_value(&b, message);
    for (size_t i = 0; i < n; i++) {
        strbuf_printf(&b, " %s=", fields[i].name);
        put_logfmt_value(&b, fields[i].value);
    }
    write_line(&b);
}

static void write_json(enum log_level level, const char *message, const struct field *fields, size_t n)
{
    char ts[TIME_TEXT_MAX];
    _cleanup_json_ json_t *o = json_object();
    json_set_text(o, "ts", time_format(now_read().wall_us, ts));
    json_set_text(o, "level", level_names[level]);
    json_set_text(o, "msg", message);
    for (size_t i = 0; i < n; i++)
        json_set_text(o, fields[i].name, fields[i].value);
    _cleanup_free_ char *s = json_compact(o);
    _cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
    strbuf_puts(&b, s);
    write_line(&b);
}

static void write_journal(enum log_level level, const char *message, const struct field *fields, size_t n)
{
    struct iovec iov[MAX_FIELDS + 3];
    char *texts[MAX_FIELDS + 3];
    int count = 0;
    texts[count++] = xasprintf("MESSAGE=%s", message);
    texts[count++] = xasprintf("PRIORITY=%d", priorities[level]);
    texts[count++] = xstrdup("SYSLOG_IDENTIFIER=mendd");
    for (size_t i = 0; i < n; i++) {
        char *text = xasprintf("MENDD_%s=%s", fields[i].name, fields[i].value);
        for (char *p = text; *p && *p != '='; p++)
            *p = (char)toupper((unsigned char)*p);
        texts[count++] = text;
    }
    for (int i = 0; i < count; i++)
        iov[i] = (struct iovec){.iov_base = texts[i], .iov_len = strlen(texts[i])};
    sd_journal_sendv(iov, count);
    for (int i = 0; i < count; i++)
        free(texts[i]);
}

void log_event(enum log_level level, const char *message, ...)
{
    if (!log_enabled(level))
        return;
    struct field fields[MAX_FIELDS];
    char *cut[MAX_FIELDS];
    size_t n = 0;
    va_list args;
    va_start(args, message);
    const char *name;
    while ((name = va_arg(args, const char *))) {
        const char *value = va_arg(args, const char *);
        if (!value || n == MAX_FIELDS)
            continue;
        cut[n] = strlen(value) > MAX_VALUE ? xstrndup(value, MAX_VALUE) : NULL;
        fields[n] = (struct field){.name = name, .value = cut[n] ? cut[n] : value};
        n++;
    }
    va_end(args);
    if (current_format == LOG_FORMAT_JOURNAL)
        write_journal(level, message, fields, n);
    else if (current_format == LOG_FORMAT_JSON)
        write_json(level, message, fields, n);
    else
        write_logfmt(level, message, fields, n);
    for (size_t i = 0; i < n; i++)
        free(cut[i]);
}
