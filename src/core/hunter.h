/*
 * The worker's part in hosts and hunts: its tally, and the flow rules that it looks at.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "hosts/tally.h"
#include "hunt/hunt.h"
#include "weir/config.h"

/* A generation of rules and networks: immutable once offered. */
struct hunt_generation {
    struct hunt_rules rules;
    struct hunt_filter filter;
    struct ip_prefixes networks;
    uint64_t learn_ns; /* hunts.learn */
    bool enabled;
};

void hunt_generation_init(struct hunt_generation *, const struct config *,
                          const struct hunt_rules *);

struct hunter {
    struct tally *tally;
    _Atomic(const struct hunt_generation *) offered; /* any thread writes, the worker reads */
    _Atomic(const struct hunt_generation *) used;    /* the worker writes, any thread reads */
    uint8_t inside[FLOW_DELTA_BURST];                /* the worker's own from here */
    uint8_t mark[FLOW_DELTA_BURST];
};

/* fixed_secret: the same input gives the same output. Returns 0 or -errno. */
int hunter_create(const struct config *, const struct hunt_generation *, bool fixed_secret,
                  struct hunter **);
void hunter_destroy(struct hunter *);

/* Worker: deltas as the flow stage made them; and the end of a turn. */
void hunter_deltas(void *hunter, const struct flow_delta *, uint32_t count);
void hunter_turn(void *hunter);

/* Another thread: takes effect at the next turn, from when on hunter_uses() says so. */
void hunter_offer(struct hunter *, const struct hunt_generation *);
const struct hunt_generation *hunter_uses(const struct hunter *);
