/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the two halves of blast share: the plan, the state of a thread, and its packets.
 *
 * Packets are UDP from client 10.0.0.0 + thread * 2^20 + flow, port 1024 + flow % 50000, to server
 * 11.0.0.1 port 9999; with both_ways every second one is its answer. Of a hundred packets
 * new_percent, evenly spread, are not of these flows: each is the only one of a client from
 * 32.0.0.0 + thread * 2^24 + new_first on. IPv6 has these 32 bits behind fd00::.
 */
#pragma once

#include <linux/types.h>

#define BLAST_THREADS_MAX 64
#define BLAST_CLIENT4 0x0a000000u
#define BLAST_NEWCOMERS 0x16000000u /* from the first client on */
#define BLAST_SERVER4 0x0b000001u
#define BLAST_PORT 9999
#define BLAST_FLOWS_MAX (1u << 20) /* of a thread */
#define BLAST_CATCH_UP_NS 2000000u /* a pause up to this long is made up for */

/* Set before the program is loaded. */
struct blast_plan {
    __u64 gap_ns; /* between two packets of a thread; 0 = as fast as it goes */
    __u32 flows;  /* of a thread */
    __u32 both_ways;
    __u32 ip6;
    __u32 interface;
    __u32 new_percent;
    __u32 new_first;
};

/* Of one processor, where one thread runs. */
struct blast_state {
    __u64 limit; /* packets to make; written by user space */
    __u64 made;
    __u64 next_ns;
    __u64 padding[5];
};

struct blast_frame4 {
    __u8 destination_mac[6], source_mac[6];
    __be16 etype;
    __u8 version_length, tos;
    __be16 total_length, id, fragment;
    __u8 ttl, protocol;
    __u16 checksum;
    __be32 source, destination;
    __be16 source_port, destination_port, length, udp_checksum;
} __attribute__((packed));

struct blast_frame6 {
    __u8 destination_mac[6], source_mac[6];
    __be16 etype;
    __be32 version;
    __be16 payload_length;
    __u8 next, hops;
    __be32 source[4], destination[4];
    __be16 source_port, destination_port, length, udp_checksum;
} __attribute__((packed));
