/*
 * An entry as a flow_record: sides turned to initiator and responder.
 */
#pragma once

#include "base/number.h"
#include "flow/entry.h"
#include "flow/fold.h"

static inline bool record_open(const struct flow_hot *h)
{
    return (h->kind & KIND_IN_RECORD_BOTH) != 0;
}

/* Last packet of the open record. */
static inline uint64_t flow_record_end(const struct flow_hot *h, const struct flow_cold *c)
{
    uint64_t end = 0;

    /* hot stamps are rounded down, first times are not */
    for (int s = 0; s < 2; s++)
        end =
            max64(end, h->kind & (KIND_IN_RECORD << s) ? max64(c->last_ns[s], c->first_ns[s]) : 0);
    return end;
}

/* Both addresses, the initiator's first. */
void flow_put_addresses(const struct flow_table *, uint32_t index, uint8_t address[2][16]);

/* A connection of one packet as folding takes it. */
void flow_fold_fill(const struct flow_table *, uint32_t index, struct fold_flow *);

/* Everything but end_reason and open; counts the record. The hot counts must be 0. */
void flow_record_fill(struct flow_table *, uint32_t index, struct flow_record *);
