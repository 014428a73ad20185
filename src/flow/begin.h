/*
 * What a flow begins with: its entry, and what the first packets of its sides say.
 */
#pragma once

#include "flow/entry.h"

/* A new entry for the packet's key; in a full table another one makes room. Returns its index. */
uint32_t flow_create(struct flow_table *, struct flow_probe *, const struct packet *,
                     struct flow_out *);

/* The side's first packet in the open record, or of a new one. */
void flow_side_begin(struct flow_table *, uint32_t index, int side, const struct packet *);
