/*
 * What the hosts of one worker did since the last hand-over. The worker fills one of two tables and
 * offers it at the end of a turn; the analyst takes it, merges it, and gives it back empty. While
 * the analyst has one, the worker goes on in the other, however long that takes: nobody waits.
 *
 * Design note. Inside hosts have an entry of 256 octets each, found through an index of 8 octets a
 * slot; entries lie densely in the order of their first delta, so that the analyst reads and
 * empties only what was used. A delta touches two index lines and one to three lines of two
 * entries, all prefetched in passes over the burst. Outside hosts share sets of four: the least of
 * a set makes room for what is larger, and its counts go to `other`; so do the counts of inside
 * hosts beyond the cap. Sums over entries and `other` are always those of the deltas.
 *
 * What happens once per connection, or rarely, is written down as an event, for the measures that
 * need more than sums. When the events of a turn do not fit, the rest is counted as missed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "hosts/inside.h"
#include "weir/flow.h"
#include "weir/host.h"

enum host_event_kind {
    EVENT_OPENED = 1 << 0,
    EVENT_CLOSED = 1 << 1,
    EVENT_ACCEPTED = 1 << 2,
    EVENT_FAILED = 1 << 3,
    EVENT_AGED = 1 << 4,
    EVENT_STEP = 1 << 5,    /* a side passed a multiple of HOST_STEP_OCTETS */
    EVENT_NOTABLE = 1 << 6, /* marked by the caller */
};

#define HOST_STEP_OCTETS (UINT64_C(1) << 20)

/* octets: of each side, what is news since the events of this connection before; over all events
 * of a connection they add up to its totals. */
struct host_event {
    struct flow_delta delta;
    uint64_t octets[2];
    uint8_t kind;
    uint8_t inside; /* enum host_inside */
};

struct tally_entry {
    struct host_key key;
    struct host_counters counters;
} __attribute__((aligned(64)));

struct tally_slot {
    uint32_t tag;
    uint32_t entry; /* + 1; 0 = free */
};

#define TALLY_WAYS 4

struct tally_set {
    uint32_t tag[TALLY_WAYS]; /* 0 = free */
};

struct tally_table {
    struct tally_entry *inside;
    uint32_t *inside_slot; /* of the index, by entry: for emptying it */
    struct tally_slot *index;
    struct tally_entry *outside; /* TALLY_WAYS a set */
    struct tally_set *set;
    uint32_t *used_set;
    struct host_event *event;
    struct tally_entry other;
    struct host_counters total; /* of the deltas, counted apart: outs and ins by side */
    uint32_t inside_count, used_sets, events;
    uint64_t events_missed, inside_refused;
    uint64_t first_ns, last_ns; /* newest packet of the first delta, of all; 0 = no delta */
};

struct tally_options {
    const struct ip_prefixes *networks;
    uint32_t max_inside;
    uint32_t max_outside;
    uint32_t max_events;
    bool fixed_secret;
};

/* Everything the worker writes; only `offered` is shared, one side sets it, the other clears it. */
struct tally {
    struct tally_table table[2];
    struct tally_table *filling;
    struct tally_table *offered; /* atomic; set by the worker, cleared by the analyst */
    struct hash_secret secret;
    hash_burst_fn *hash_burst;
    struct inside inside; /* the worker's: tally_networks() changes it */
    uint32_t max_inside, index_mask, set_mask, max_events;
};

/* Returns 0 or -ENOMEM. Reserves memory for the maxima; what is not used is not touched. */
int tally_create(const struct tally_options *, struct tally **);
void tally_destroy(struct tally *);

/* A new generation of hosts.networks: for deltas from here on. */
void tally_networks(struct tally *, const struct ip_prefixes *);

/* Worker. inside gets the enum host_inside bits of each delta. */
void tally_inside_burst(const struct tally *, const struct flow_delta *, uint32_t count,
                        uint8_t inside[]);

/* Worker. mark[i] != 0 makes delta i an event of kind EVENT_NOTABLE; NULL = none. */
void tally_burst(struct tally *, const struct flow_delta *, uint32_t count, const uint8_t inside[],
                 const uint8_t mark[]);

/* Worker, at the end of a turn. False when the analyst still has the other table. */
bool tally_offer(struct tally *);

/* Analyst. The table offered, or NULL; to be given back. */
struct tally_table *tally_take(struct tally *);
void tally_give(struct tally *, struct tally_table *);
