/*
 * Connections that have been open for some time: of each the last delta, so that age is judged
 * while nothing happens, and the longest can be listed. The analyst's alone.
 *
 * Design note. Found by flow_id, open addressing over one array. When it is full a newcomer of
 * 10 minutes or more takes the place of one under a minute, if there is any near; else it is
 * counted as refused.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "hosts/memory.h"
#include "weir/flow.h"
#include "weir/host.h"

struct book;
struct host_event;
struct open_flows;

struct open_flow {
    struct flow_delta delta; /* the last event's; flow_id 0 = free */
    uint8_t inside;          /* enum host_inside */
};

/* Returns 0 or -ENOMEM. */
int open_flows_create(uint32_t max, struct open_flows **);
void open_flows_destroy(struct open_flows *);

/* Takes over, renews or forgets the connection of an event. */
void open_flows_event(struct open_flows *, const struct host_event *);

/* All that are open, in no order. */
const struct open_flow *open_flows_next(const struct open_flows *, size_t *cursor);

/* Sets every host's oldest connection in the book. */
void open_flows_oldest(const struct open_flows *, struct book *);

/* The longest, the oldest first; returns how many. */
size_t open_flows_longest(const struct open_flows *, struct store_connection *, size_t max);

uint64_t open_flows_refused(const struct open_flows *);
