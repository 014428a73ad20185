/*
 * What the hosts of one worker did since the last hand-over. The worker fills one of two tables and
 * offers it at the end of a turn; the analyst takes it, merges it, and gives it back empty. While
 * the analyst has one, the worker goes on in the other, however long that takes: nobody waits.
 *
 * What happens once per connection, or rarely, is written down as an event, for the measures that
 * need more than sums. When the events of a turn do not fit, the rest is counted as missed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hosts/inside.h"
#include "hosts/tally_table.h"
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

#define HOST_STEP_SHIFT 20
#define HOST_STEP_OCTETS (UINT64_C(1) << HOST_STEP_SHIFT)

/* octets: of each side, what is news since the events of this connection before; over all events
 * of a connection they add up to its totals. */
struct host_event {
    struct flow_delta delta;
    uint64_t octets[2];
    uint8_t kind;
    uint8_t inside; /* enum host_inside */
};

struct tally_options {
    const struct ip_prefixes *networks;
    uint32_t max_inside;
    uint32_t max_outside;
    uint32_t max_events;
    uint32_t max_flows; /* of the worker; deltas of slots beyond it cost more */
    bool fixed_secret;
};

/* Everything the worker writes; only `offered` is shared, one side sets it, the other clears it. */
struct tally {
    struct tally_shape shape;
    struct tally_table table[2];
    struct tally_table *filling;
    struct tally_table *offered; /* atomic; set by the worker, cleared by the analyst */
    struct inside inside;        /* the worker's: tally_networks() changes it */
};

/* Returns 0 or -ENOMEM. Reserves memory for the maxima; what is not used is not touched. */
int tally_create(const struct tally_options *, struct tally **);
void tally_destroy(struct tally *);

/* A new generation of hosts.networks: for deltas from here on. */
void tally_networks(struct tally *, const struct ip_prefixes *);

/* Worker. inside gets the enum host_inside bits of each delta; and the lines of the hosts are asked
 * for, so that they are there when tally_burst() counts. */
void tally_look_burst(const struct tally *, const struct flow_delta *, uint32_t count,
                      uint8_t inside[]);

/* Worker. mark[i] != 0 makes delta i an event of kind EVENT_NOTABLE; NULL = none. */
void tally_burst(struct tally *, const struct flow_delta *, uint32_t count, const uint8_t inside[],
                 const uint8_t mark[]);

/* Worker, at the end of a turn. False when the analyst still has the other table. */
bool tally_offer(struct tally *);

/* Analyst. The table offered, or NULL; to be given back. */
struct tally_table *tally_take(struct tally *);
void tally_give(struct tally *, struct tally_table *);
