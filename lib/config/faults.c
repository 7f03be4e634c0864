/* The list of faults: bounded, so that a hostile file of a million faults does not fill the memory or the screen. */
#include "config/node.h"

#include "base/alloc.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

enum { MAX_FAULTS = 100 };

/* Part of it is the file's: it must not steer the terminal of who reads it. */
static char *located(const struct node *at, const char *fmt, va_list args)
{
    _cleanup_free_ char *what = xvasprintf(fmt, args);
    for (char *p = what; *p; p++)
        if (iscntrl((unsigned char)*p) && *p != '\n')
            *p = '?';
    if (!at)
        return TAKE_PTR(what);
    if (at->line == 0)
        return xasprintf("%s: %s", at->file, what);
    return xasprintf("%s:%d:%d: %s", at->file, at->line, at->column, what);
}

static void append(char ***texts, size_t *n, char *text)
{
    if (*n < MAX_FAULTS) {
        *texts = xreallocarray(*texts, *n + 1, sizeof(char *));
        (*texts)[(*n)++] = text;
        return;
    }
    free(text);
    str_replace(&(*texts)[MAX_FAULTS - 1], "further faults are not shown");
}

void faults_add(struct faults *f, const struct node *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    append(&f->texts, &f->n, located(at, fmt, args));
    va_end(args);
}

void faults_warn(struct faults *f, const struct node *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    append(&f->warnings, &f->n_warnings, located(at, fmt, args));
    va_end(args);
}

static void texts_clear(char ***texts, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        free((*texts)[i]);
    free(*texts);
    *texts = NULL;
    *n = 0;
}

void faults_clear(struct faults *f)
{
    if (!f)
        return;
    texts_clear(&f->texts, &f->n);
    texts_clear(&f->warnings, &f->n_warnings);
}

static int in_file_order(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b); /* file:9:1 before file:10:1 */
}

void faults_sort(struct faults *f, size_t from)
{
    if (f->n > from)
        qsort(f->texts + from, f->n - from, sizeof(char *), in_file_order);
}
