/*
 * Deltas: what a flow did in a turn, as hosts and hunts want it.
 */
#pragma once

#include <stdint.h>

struct flow_delta;
struct flow_out;
struct flow_table;

/* One more delta with everything but this turn's counts, which the caller is to fill. To be called
 * when the totals are up to date; tells each of opened, accepted, failed and the ages once per
 * connection. */
struct flow_delta *delta_add(struct flow_table *, uint32_t index, struct flow_out *);

/* The last delta of a connection: closed, and failed when it was never accepted. */
void delta_close(struct flow_table *, uint32_t index, struct flow_out *);
