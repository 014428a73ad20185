/*
 * One table of a worker's tally: a line for each host.
 *
 * Design note. A host has a number: inside hosts one of 1 .. max_inside, found through an index of
 * 8 octets a slot with linear probing; outside hosts one of the TALLY_WAYS of a set, those behind.
 * Numbers outlive turns. So the numbers of a flow's two hosts are noted by the flow's slot, and
 * most deltas find their lines by that alone, without a hash: a note is only a hint, believed when
 * the line holds the very address, on the side of the networks where it now is.
 *
 * A line of 64 octets holds the key and, in 32 bits, the counts of which most deltas have some. Its
 * first delta of a turn empties it and puts it on the list of the turn, which is all that the
 * analyst reads. The other counters, and what grows to 2^31, are in a wide entry of 192 octets,
 * which a line gets when it needs one, for the turn; entries lie densely in that order.
 *
 * Once half of the inside lines have a host, the analyst lists those whose host was silent for the
 * turn, a clock hand going round; new hosts take over those that are silent still. Hosts of the
 * turn before keep their line, whatever comes in between; a host for which there is none is
 * refused. In a set of outside hosts the silent give way first, then the least to what is larger.
 * The counts of who has no line are in `other`: sums over lines and `other` are always those of the
 * deltas.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "weir/host.h"

#define TALLY_WAYS 4
#define TALLY_NONE 0u
#define TALLY_COUNTS (HOST_OUTSIDE_IN + 3)
#define TALLY_TLS_OUT (HOST_OUTSIDE_IN + 1) /* then TLS_IN */
#define TALLY_FOLD_SHIFT 31                 /* counts below 2^31 take another without a carry */

struct tally_line {
    struct host_key key;
    uint32_t count[TALLY_COUNTS]; /* by enum host_counter up to OUTSIDE_IN; TLS out, in */
    uint32_t turn;                /* of the table, when last counted */
    uint32_t wide;                /* + 1; 0 = none */
} __attribute__((aligned(64)));
static_assert(sizeof(struct tally_line) == 64, "a line of the cache");

struct tally_wide {
    struct host_counters counters;
} __attribute__((aligned(64)));
static_assert(HOST_OPENED * sizeof(uint64_t) == 128, "what is told once a connection is one line");

struct tally_slot {
    uint32_t tag; /* the hash's low half */
    uint32_t number;
};

struct tally_hint {
    uint32_t number[2]; /* of initiator and responder */
};

/* What the two tables have in common; no change after tally_create(). */
struct tally_shape {
    struct hash_secret secret;
    hash_burst_fn *hash_burst;
    uint32_t max_inside, max_slots, max_events, index_mask, set_mask;
};

struct host_event;

struct tally_table {
    const struct tally_shape *shape;
    struct tally_line *line;
    struct tally_wide *wide;
    struct tally_slot *index;
    struct tally_hint *hint;
    uint32_t *used;   /* numbers counted in this turn */
    uint32_t *silent; /* numbers that may be taken over */
    struct host_event *event;
    struct host_counters other;
    struct host_counters total; /* of the deltas, counted apart: outs and ins by side */
    uint32_t turn, inside_count, used_count, wide_count, silent_count, events;
    uint32_t hand; /* the line that was taken over last */
    uint64_t events_missed, inside_refused;
    uint64_t first_ns, last_ns; /* newest packet of the first delta, of all; 0 = no delta */
} __attribute__((aligned(64)));

/* Returns 0 or -ENOMEM; in either case to be ended with fini. */
int tally_table_init(struct tally_table *, const struct tally_shape *);
void tally_table_fini(struct tally_table *);

/* The host's number, for this turn; TALLY_NONE: it counts for `other`. An inside host keeps the
 * number for the turn, an outside host until another is looked for. octets: what it brings. */
uint32_t tally_table_inside(struct tally_table *, const struct host_key *,
                            const struct hash_value *);
uint32_t tally_table_outside(struct tally_table *, const struct host_key *,
                             const struct hash_value *, uint64_t octets);

/* The wide counters of a line, which gets some if it has none. */
uint64_t *tally_table_wide(struct tally_table *, struct tally_line *);

/* Moves a line's counts to its wide entry. */
void tally_table_fold(struct tally_table *, struct tally_line *);

/* All that a line counts. */
void tally_line_counters(const struct tally_table *, const struct tally_line *,
                         struct host_counters *);

/* Forgets the turn, not the numbers. */
void tally_table_empty(struct tally_table *);

static inline bool tally_is_inside(const struct tally_table *b, uint32_t number)
{
    return number - 1 < b->shape->max_inside;
}

/* The first number of the set where an outside host may be. */
static inline uint32_t tally_set_first(const struct tally_table *b, const struct hash_value *hash)
{
    return 1 + b->shape->max_inside + ((uint32_t)hash->place & b->shape->set_mask) * TALLY_WAYS;
}

/* The line is counted in this turn. */
static inline void tally_line_begin(struct tally_table *b, uint32_t number)
{
    struct tally_line *l = &b->line[number];

    if (__builtin_expect(l->turn == b->turn, 0))
        return;
    memset(l->count, 0, sizeof(l->count));
    l->wide = 0;
    l->turn = b->turn;
    b->used[b->used_count++] = number;
}
