/*
 * Records in the order of their end times. Records leave the table in the order of their deadlines,
 * so all are held until the last has come; what does not fit into memory waits, sorted, in
 * temporary files.
 */
#pragma once

#include <stdint.h>

struct flow_record;
struct record_order;

typedef void record_sink(void *context, const struct flow_record *);

/* in_memory: records held before a run goes to disk. Returns 0 or -ENOMEM. */
int record_order_create(uint32_t in_memory, record_sink *, void *context, struct record_order **);
void record_order_destroy(struct record_order *);

/* Returns 0, or -errno when memory and disk are both full: the records held so far were then given
 * to the sink, in order among themselves, and nothing is lost but the order across this point. */
int record_order_add(struct record_order *, const struct flow_record *);

/* Gives everything to the sink. Returns 0, or -errno when a temporary file could not be read back.
 */
int record_order_flush(struct record_order *);
