/*
 * What a record says in other words: the values of IPFIX fields that do not lie in struct
 * flow_record as such. Host order; 0 = does not apply.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/flow.h"

struct export_values {
    uint64_t start_ms, end_ms; /* since 1970 (IE 152, 153) */
    uint64_t reverse_start_ms, reverse_end_ms;
    uint64_t start_ntp, end_ntp, conn_start_ntp; /* RFC 7011 §6.1.10: since 1900, 2^-32 s */
    uint64_t observation_point;                  /* ingress port + 1 */
    uint64_t segment;                            /* IE 351: 1 = VXLAN << 56, VNI */
    uint32_t duration_ms;                        /* end_ms - start_ms, at most 2^32 - 1 */
    uint32_t reverse_delta_ms; /* CERT 21: start to the first reverse packet, likewise */
    uint32_t ingress, reverse_ingress;
    uint32_t egress;          /* never known */
    uint16_t icmp;            /* type << 8 | code */
    uint8_t biflow_direction; /* IE 239 */
    uint8_t ttl_min[2], ttl_max[2];
    uint8_t first_flags[2]; /* CERT 14 */
    uint8_t rest_flags[2];  /* CERT 15 */
    uint8_t open;           /* boolean of RFC 7011 §6.1.5: 1 = true, 2 = false */
    uint8_t outer[2][16];   /* IPv4 as ::ffff:a.b.c.d */
    uint8_t mpls[3];        /* IE 70: label 20, exp 3, bos 1 */
    char state[8];          /* enum conn_state as Zeek writes it */
    char community_id[30];
    /* of an aggregate */
    uint64_t flows;
    uint64_t distinct64;
    uint32_t distinct32;
    uint8_t prefix_length;
    uint8_t prefix4[4], prefix6[16];
    uint8_t sample[AGGREGATE_SAMPLES][16]; /* as outer; all zero where there is none */
};

enum biflow_direction { DIRECTION_INITIATOR = 1, DIRECTION_REVERSE_INITIATOR = 2 };

/* The values that every profile has. */
void export_values_fill(struct export_values *, const struct flow_record *);

/* Those that only profile rich has; community_id apart. */
void export_values_fill_rich(struct export_values *, const struct flow_record *);

/* One direction of record as a record of its own: side's packets, from side to the other. */
void export_split(const struct flow_record *record, unsigned side, struct flow_record *half);

/* Nanoseconds since 1970 of an NTP timestamp. Seconds before 1970 are of the era that begins in
 * 2036 (RFC 7011 §6.1.10). */
uint64_t export_ns_of_ntp(uint64_t ntp);

/* The way back: sets what values know and record does not say. has_icmp: values.icmp was there. */
void export_values_restore(const struct export_values *, bool has_icmp, struct flow_record *record);

/* The same of an aggregate; record.aggregate says of which. */
void export_values_restore_aggregate(const struct export_values *, struct flow_record *record);
