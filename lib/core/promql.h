/* Instant queries to Prometheus (or what speaks its API): the question, and what came of it in numbers. */
#pragma once

#include "core/ask.h"

struct sample {
    double value; /* NaN and infinities as they came */
    char *labels; /* {pod="a", …} without the name; "" for a scalar; redaction is the record's matter */
};

struct samples {
    struct sample *items;
    size_t n;
};

void samples_clear(struct samples *s);

/* 0 with the samples of an instant vector or a scalar (none is no error); -EAGAIN: not answered yet; -EIO when
 * Prometheus cannot be asked, is not configured or could not evaluate it in time; -EINVAL when it refuses the query or
 * answers with what is neither, or with more than SAMPLES_MAX. */
enum { SAMPLES_MAX = 1000 };
int ask_promql(struct asks *asks, const char *query, struct samples *ret, struct error *err);
