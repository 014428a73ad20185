/*
 * Flow records as deltas: hunts over what was exported, without the packets. A record that does not
 * know its connection's totals is added to those of its flow_id, or of its addresses and ports,
 * before it.
 *
 * Design note. Connections that are open at a record's end are kept in one array with open
 * addressing, by flow_id or a hash of the key, until a record says they ended; when there is no
 * room near a place, the one that was heard of least recently goes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/flow.h"

struct record_deltas;

/* Returns 0 or -ENOMEM. */
int record_deltas_create(uint32_t max_open, struct record_deltas **);
void record_deltas_destroy(struct record_deltas *);

/* Fills a delta; false for notices and records without packets, and for aggregates: whose flows
 * they were is not told. */
bool record_deltas_add(struct record_deltas *, const struct flow_record *, struct flow_delta *);
