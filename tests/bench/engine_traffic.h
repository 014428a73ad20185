/*
 * The traffic of the engine benchmark: packet n of a stream, written into a buffer. Everything
 * follows from n, so that the generator keeps nothing per flow.
 *
 *   known  `flows` TCP connections, each once per round of `flows` packets, in an order that is new
 * in each round and has nothing to do with their age. Rounds 0 to 2 are SYN, SYN-ACK, ACK; from
 * then on two segments of the client and two of the server take turns, one of the four a pure ACK.
 *   new    packet n is the first of connection n: a SYN, or a UDP datagram.
 *
 * Frames are as short as they come: 64 octets for IPv4, for IPv6 (headers of 74) 84. Clients send
 * with TTL 64, servers with 57; of half of the connections the client's address is the lower.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TRAFFIC_FRAME_MAX 84u

struct traffic {
    uint64_t flows;
    uint64_t seed;
    uint8_t family; /* 4 or 6 */
    bool fresh;     /* new, not known */
};

uint32_t traffic_frame_len(const struct traffic *);

/* Writes traffic_frame_len() octets. */
void traffic_write(const struct traffic *, uint64_t n, uint8_t *frame);
