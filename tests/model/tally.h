/*
 * Sums that hold whatever a full table evicts: per flow, over its deltas and over its records; per
 * key, over packets and over records.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/flow.h"

struct packet;

#define TALLY_MAX 256

struct tally_flow {
    uint64_t flow_id;
    uint64_t delta[3], record[3]; /* packets, octets, payload of both sides */
    uint32_t records;
    bool opened, closed, ended;
    const char *fault;
};

struct tally_key {
    uint8_t address[2][16];
    uint16_t port[2];
    uint8_t version, proto;
    uint8_t zero[2];
};

struct tally_sum {
    struct tally_key key;
    int64_t packets[2], octets[2], payload[2]; /* packets less records: 0 at the end */
};

struct tally {
    uint32_t flows, sums;
    bool ports; /* of packets and records are the same: no fragments */
    struct tally_flow flow[TALLY_MAX];
    struct tally_sum sum[TALLY_MAX];
};

void tally_init(struct tally *, bool ports);
void tally_packet(struct tally *, const struct packet *);
void tally_record(struct tally *, const struct flow_record *);
void tally_delta(struct tally *, const struct flow_delta *);

/* After a drain: NULL, or what does not add up. */
const char *tally_fault(const struct tally *, bool deltas);
