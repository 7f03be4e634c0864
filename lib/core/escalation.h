/* What the files of escalations share. Private to lib/core.
 *
 * A story is what belongs together under one key of notices (notice.h): the escalation of a run, the approval that a
 * run waits for, or a single note (a maintenance window, a digest). It outlives its run and is kept as one document,
 * "escalation/…", until it is over. A telling is one notice to one receiver, told at least once: it is open until the
 * receiver took it or it is given up.
 *
 * escalation.c        what happens to a run makes levels, acknowledgements, ends
 * escalation_book.c   the stories: bounds, what the record shows, what leaves with the commit
 * escalation_doc.c    their documents, there and back; status
 * escalation_tell.c   tellings: who goes when, answers, back-off
 * escalation_notice.c the notices' words
 * escalation_digest.c what was repaired
 *
 * The books own the stories and receivers, a story owns its tellings. Nothing is freed but at the end of a call
 * (escalations_write()): until then pointers hold. Times are boot clock, wall clock in documents and in entries of
 * records; what was restored has wall times until escalations_resume(). */
#pragma once

#include "core/internal.h"

enum {
    STORIES_MAX = 2000,
    IN_FLIGHT_MAX = 4, /* a receiver */
    DIGEST_MAX = 200,
    LEVEL_MASK_BITS = 31,
};
#define BACKOFF_FIRST_US (5 * USEC_PER_SEC)
#define BACKOFF_MAX_US (300 * USEC_PER_SEC)
#define RETRY_AFTER_MAX_US (3600 * USEC_PER_SEC)
#define GIVE_UP_US (24 * 3600 * USEC_PER_SEC)
#define OLD_US (7 * 24 * 3600 * USEC_PER_SEC) /* nobody will ever say that such an alert cleared */

#define OVERDUE_ALERT "MenddEscalationOverdue"

enum story_kind { STORY_ESCALATION, STORY_APPROVAL, STORY_NOTE };

enum notice_event {
    NOTICE_TRIGGER,
    NOTICE_UPDATE,
    NOTICE_ACKNOWLEDGE,
    NOTICE_RESOLVE,
    NOTICE_APPROVAL,
    NOTICE_MAINTENANCE,
    NOTICE_DIGEST,
    NOTICE_NOTE,
    NOTICE_COUNT
};

enum telling_status { TELLING_PENDING, TELLING_SENT, TELLING_FAILED };
/* Where an open one stands: behind an earlier one of its story to the same receiver, in the receiver's line, on its
 * way, or resting after a failed try. */
enum telling_place { PLACE_NONE, PLACE_READY, PLACE_FLYING, PLACE_RESTING };

struct receiver_line {
    char *name;
    int in_flight;
    struct telling *ready, *resting;
    UT_hash_handle hh;
};

struct telling {
    uint64_t id;
    struct story *story;
    struct receiver_line *receiver;
    enum notice_event event;
    enum telling_status status;
    enum telling_place place;
    int level, tries;
    bool maybe_told; /* a try was made whose end is not known: it may have arrived */
    bool restored;
    int64_t since_us, next_us;
    char *error;                             /* why the last try failed */
    json_t *words;                           /* what this notice says beside its story's own */
    struct telling *prev, *next;             /* in the receiver's list */
    struct telling *story_prev, *story_next; /* in order of their being asked for */
    UT_hash_handle hh;
};

struct story {
    char *key;        /* of its document */
    char *notice_key; /* "mendd/<run id>" */
    enum story_kind kind;
    char run[ULID_LEN + 1]; /* "" of a note */
    char fingerprint[17];
    char *alertname, *severity;
    json_t *base;    /* what all its notices say */
    json_t *entries; /* record.escalations; shared with the record while the run is in the core */
    int level;
    unsigned overdue; /* levels for which MenddEscalationOverdue fires, as bits */
    bool single;      /* of an overdue alert: told once, never overdue itself */
    bool acknowledged, cleared, restored;
    int64_t since_wall_us, since_us;
    int64_t deadline_us; /* somebody must acknowledge until then; INT64_MAX: nobody must */
    struct telling *tellings;
    size_t n_open;
    bool dirty, news, closed; /* its document changed; what the record shows changed; it is to be forgotten */
    struct story *dirty_next;
    UT_hash_handle hh, hh_alert;
};

struct digest {
    json_t *items; /* or NULL */
    int64_t more;  /* that are only counted */
    int64_t since_wall_us, due_us;
    bool restored;
};

struct escalations {
    struct story *stories;  /* by key, oldest first */
    struct story *by_alert; /* of open alerts, by fingerprint, which need not be distinct */
    struct story *dirty;
    struct telling *tellings; /* by id */
    struct receiver_line *receivers;
    uint64_t next_telling;
    size_t n_acknowledged;
    int64_t next_us;  /* the next deadline or retry */
    int64_t clock_us; /* wall minus boot, to notice that the wall clock was set */
    json_t *internal; /* own alerts that begin or end: {labels, annotations, starts, firing} */
    struct digest digest;
};

/* escalation_book.c */
struct escalations *escalations_get(struct core *c);
struct story *story_new(struct core *c, enum story_kind kind, const char *notice_key, json_t *base_new);
struct story *story_find(const struct core *c, const char *key); /* of the document */
struct story *story_of_run(const struct core *c, enum story_kind kind, const char *run);
void story_track_alert(struct core *c, struct story *s, const char *fingerprint);
void story_untrack_alert(struct core *c, struct story *s);
void story_changed(struct core *c, struct story *s, bool news);
void story_note(struct core *c, const struct story *s, enum note_level level, const char *fmt, ...) _printf_(4, 5);
void story_set_acknowledged(struct core *c, struct story *s);
/* Forgotten with this call, whatever is still open. */
void story_close(struct core *c, struct story *s, const char *why);
void story_free(struct core *c, struct story *s);
/* At the end of the call: what may leave leaves, documents and records are written, what is over is freed. */
void escalations_write(struct core *c);
/* A tick is wanted then. */
void escalations_want(struct core *c, int64_t boot_us);
int64_t to_wall(const struct core *c, int64_t boot_us);

/* escalation_doc.c */
json_t *story_doc_new(const struct core *c, const struct story *s);
int story_restore(struct core *c, const char *key, const json_t *doc, struct error *err);

/* escalation_tell.c */
const char *notice_event_name(enum notice_event e);
bool notice_event_parse(const char *s, enum notice_event *ret);
const char *telling_status_name(enum telling_status s);
bool telling_status_parse(const char *s, enum telling_status *ret);
struct telling *telling_add(struct core *c, struct story *s, const char *receiver, enum notice_event event, int level,
                            json_t *words_new);
/* Out of a document: stands in no line until escalations_resume(); words, level, times are the caller's to set. */
struct telling *telling_restored(struct core *c, struct story *s, const char *receiver, enum notice_event event,
                                 enum telling_status status);
/* Its place in a line, once it may go. */
void telling_place(struct core *c, struct telling *t);
/* Given up without a word: nobody needs it any more. */
void telling_drop(struct core *c, struct telling *t, const char *why);
void telling_free(struct core *c, struct telling *t);
void tellings_awake(struct core *c); /* what rested long enough; says when the next wants to be woken */
void tellings_leave(struct core *c);
/* To each that heard of the story, or may have, or will. */
void story_tell_all(struct core *c, struct story *s, enum notice_event event, json_t *words_new);

/* escalation_notice.c */
json_t *notice_base_new(const struct run *run, const char *severity, enum reason reason, const char *message);
json_t *notice_words_new(const struct core *c, const char *message);
json_t *notice_plan_new(const struct run *run);
json_t *notice_of_step_new(const struct run *run, const json_t *body); /* of the action notify */
json_t *notice_new(const struct telling *t);

/* escalation.c */
void escalation_given_up(struct core *c, struct story *s); /* a trigger or update of its level was given up */
void escalation_answered(struct core *c, struct story *s); /* somebody is on it, or it is over: nobody is overdue */

/* escalation_digest.c */
void digest_tick(struct core *c);
void digest_resume(struct core *c);
void digest_free(struct digest *d);
json_t *digest_doc_new(const struct core *c);
int digest_restore(struct core *c, const json_t *doc, struct error *err);
