/*
 * Folding: where one-packet flows from or to a prefix come faster than a rate, what exceeds it gets
 * no records of its own but is counted in aggregates. A flood then costs a collector a bounded
 * number of records, and no packet is left out: each is in a record or in an aggregate.
 *
 * Design note. A flow is a candidate when its connection has had one packet in all and its first
 * record ends. It counts for two prefixes, its sender's and its receiver's: /24 of IPv4, /64 of
 * IPv6. In each second of packet time the first `rate` flows of a prefix pass; those behind them
 * are folded, by the sender's prefix where it exceeds the rate, else by the receiver's: a scan is
 * told by who scans, a flood from forged addresses by whom it hits.
 *
 * An aggregate belongs to one side and prefix, protocol, and port of the receiver (ICMP: type and
 * code). Behind FOLD_PORTS ports of a prefix and protocol all others share one aggregate without a
 * port, so that a scan of ports is no flood of aggregates. It holds packets, octets, first and last
 * time, union of TCP flags, the longest prefix that its flows' addresses have in common, a sketch
 * (base/sketch.h) and the first AGGREGATE_SAMPLES addresses of the other side. VLAN, tunnel, MAC
 * addresses and quality are not kept.
 *
 *   array      octets      touched
 *   rates      256 KiB     two lines per candidate (flow/rate.h)
 *   heads      4 KiB       once per folded flow
 *   aggregate  1024 * 2.3k the one that is added to: two lines, and a line of its sketch
 *
 * An aggregate becomes a record after flow.active, after a silence of flow.idle, at a drain, or,
 * when all are in use, to make room: a hand goes round them. Memory is reserved at the
 * start and never grows; addresses reach tables through a keyed hash only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

#define FOLD_AGGREGATES 1024
#define FOLD_PORTS 8

struct flow_census;
struct flow_record;
struct fold;

struct fold_options {
    uint64_t rate; /* flows per second and prefix that pass */
    uint64_t idle_ns, active_ns;
    bool timeouts; /* false: neither ends an aggregate */
    hash_burst_fn *hash_burst;
    const struct hash_secret *secret; /* must outlive it */
};

/* A flow of one packet, as its sender sees it. */
struct fold_flow {
    uint8_t address[2][16]; /* sender, receiver; IPv4 in the first 4 octets, the rest 0 */
    uint64_t time_ns;       /* of the packet */
    uint64_t octets, payload;
    uint16_t port; /* the receiver's; ICMP: type << 8 | code */
    uint16_t ingress;
    uint8_t ip_version, proto, flags, has_icmp;
};

/* Returns 0 or -ENOMEM. */
int fold_create(const struct fold_options *, struct fold **);
void fold_destroy(struct fold *);

/* True: the flow is in an aggregate, and must get no record. *pushed: an aggregate had to make room
 * and is in *out, but for its flow_id. */
bool fold_take(struct fold *, const struct fold_flow *, struct flow_record *out, bool *pushed);

/* Ends one aggregate that is due (or any, when all) into *out, but for its flow_id; false when
 * there is none. now_ns is the clock that later flows are added at. */
bool fold_expire(struct fold *, uint64_t now_ns, bool all, struct flow_record *out);

/* Sets the census' lines on aggregates; what is open is summed by walking. NULL: none. */
void fold_census(const struct fold *, struct flow_census *);
