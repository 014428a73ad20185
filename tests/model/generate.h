/*
 * Random packet sequences: few endpoints and eventful steps, so that rules meet each other. The
 * same seed gives the same sequence.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow/table.h"
#include "weir/packet.h"

#define SEQUENCE_PACKETS_MIN 20
#define SEQUENCE_PACKETS_MAX 60

struct step {
    struct packet packet; /* its pointers are set by step_point */
    uint8_t addresses[32], outer[32], macs[12];
    bool burst_ends; /* before this packet */
    bool loss;       /* the sensor lost something before this packet */
};

struct sequence {
    uint32_t count;
    bool exact_times; /* all are multiples of what the table keeps */
    bool fragments;
    struct step step[SEQUENCE_PACKETS_MAX];
};

/* Roomy: far more places than flows. Crowded: buckets overflow, nothing is evicted. Full: it has to
 * evict. */
enum table_room { TABLE_ROOMY = 80, TABLE_CROWDED = 28, TABLE_FULL = 16 };

void generate_options(uint64_t seed, enum table_room, struct flow_table_options *);

void generate_sequence(uint64_t seed, const struct flow_table_options *, struct sequence *);

/* Lets the packet's pointers point into its step. */
void step_point(struct step *);
