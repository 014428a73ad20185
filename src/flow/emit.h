/*
 * The end of things: folding what was counted, records, connections.
 */
#pragma once

#include "flow/entry.h"

struct bucket_slot;

/* Packets that are added in one go: late ones, held fragments. */
struct flow_addition {
    uint32_t packets;
    uint64_t octets, payload;
    uint64_t first_ts, last_ts;
};

/* Moves hot counts into the cold lines, makes a delta, sets the next deadline. */
void flow_fold(struct flow_table *, uint32_t index, struct flow_out *);

/* Ranks the flow among those that may have to make room, here and in its bucket. */
void flow_rank(struct flow_table *, uint32_t index, unsigned rank);

/* Sets the hot line's deadline; the hot counts must be 0. */
void flow_arm(struct flow_table *, uint32_t index);

/* Ends what is due at now_ns with lifetimes shortened by shift bits. True when the connection ended
 * and the entry is free. The hot counts must be 0. */
bool flow_due(struct flow_table *, uint32_t index, uint64_t now_ns, unsigned shift,
              struct flow_out *);

/* Ends the open record; the connection goes on. The hot counts must be 0. */
void flow_split(struct flow_table *, uint32_t index, struct flow_out *);

/* Ends the connection, whatever its deadlines: one record or notice, and the entry is free. */
void flow_finish(struct flow_table *, uint32_t index, enum flow_end_reason, struct flow_out *);

/* As flow_finish, for one that must make room. */
void flow_evict(struct flow_table *, const struct bucket_slot *, struct flow_out *);

/* Adds to the cold lines; the side must be in the record. */
void flow_add(struct flow_table *, uint32_t index, int side, const struct flow_addition *,
              struct flow_out *);

/* The aggregate behind out's last record is a record, too. */
static inline void flow_put_aggregate(struct flow_table *t, struct flow_out *out)
{
    out->record[out->record_count++].flow_id = t->next_flow_id++;
}

/* TCP that has ended: FIN both ways, or RST. */
bool flow_is_closed(const struct flow_hot *);

/* Packet time of a hot stamp. */
static inline uint64_t stamp_widen(const struct flow_table *t, uint32_t stamp)
{
    uint64_t newest = t->newest_ts >> STAMP_SHIFT;
    return (newest - (uint32_t)((uint32_t)newest - stamp)) << STAMP_SHIFT;
}
