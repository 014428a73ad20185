/*
 * The records of a capture, held to be ordered by end time (core/order.h). What goes wrong with
 * that is said on stderr.
 */
#pragma once

#include <stdbool.h>

#include "core/order.h"

struct ordered {
    struct record_order *order; /* NULL: none is held */
    bool spilled_badly;         /* it was said */
};

/* Returns 0 or -ENOMEM. */
int ordered_init(struct ordered *, record_sink *, void *context);
void ordered_fini(struct ordered *);

void ordered_add(struct ordered *, const struct flow_record *);

/* Gives everything to the sink. False: records are missing. */
bool ordered_flush(struct ordered *);
