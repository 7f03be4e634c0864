/* What the builders share: a notice's texts in forms that may be shown, and bounds. Pure. */
#pragma once

#include "base/json.h"
#include "base/strbuf.h"

enum {
    NOTICE_TEXT_MAX = 4096,
    NOTICE_NESTED_MAX = 128 * 1024, /* of all texts in labels, annotations, plan and items together */
    NOTICE_MEMBERS_MAX = 64,
    NOTICE_ITEMS_MAX = 200,
    NOTICE_FIELDS_MAX = 10
};

/* A copy with every text at most NOTICE_TEXT_MAX bytes, every object NOTICE_MEMBERS_MAX members, every array
 * NOTICE_ITEMS_MAX elements, and what is nested at most NOTICE_NESTED_MAX in all (PagerDuty takes 512 KB); control
 * characters other than line break and tab become blanks. */
json_t *notice_bounded_new(const json_t *notice);

/* At most max bytes, cut between UTF-8 characters; what was cut ends in "…". max >= 4. The caller frees. */
char *text_cut(const char *s, size_t max);
/* The same on one line: line breaks and tabs become blanks too, blanks at both ends go. */
char *text_line(const char *s, size_t max);
/* Length in bytes of the UTF-8 character at s (1 to 4; 1 for what is none). */
size_t utf8_len(const char *s);

/* What is the matter, on one line: "critical: redis is down …", "Resolved: …". The caller frees. */
char *notice_title(const json_t *notice, size_t max);
/* The sentence, or else the summary. Borrowed. */
const char *notice_sentence(const json_t *notice);

struct notice_field {
    const char *name; /* static, for people: "Alert" */
    char *value;      /* one line */
};
/* The fields that are known, most telling first; each value at most max bytes. Gives their number. */
size_t notice_fields(const json_t *notice, size_t max, struct notice_field ret[NOTICE_FIELDS_MAX]);
void notice_fields_clear(struct notice_field *fields, size_t n);

/* The link if it is http(s) and holds nothing that could end it where it is shown; else NULL. */
const char *link_ok(const char *url);
