/*
 * The traffic of the engine benchmark: packet n of a stream, written into a buffer. Everything
 * follows from n, so that the generator keeps nothing per flow.
 *
 *   known  `flows` TCP connections, each once per round of `flows` packets, in an order that is new
 * in each round and has nothing to do with their age. Rounds 0 to 2 are SYN, SYN-ACK, ACK; from
 * then on two segments of the client and two of the server take turns, one of the four a pure ACK.
 *   new    packet n is the first of connection n: a SYN, or a UDP datagram.
 *   mixed  known alone, until the table must have seen that they go on; then `room` newcomers as in
 * new; from then on `new_percent` of a hundred packets, evenly spread, are newcomers, and the
 * others go on as known.
 *
 * All frames of a stream are of one length. Unless asked for longer, they are as short as they
 * come: 64 octets for IPv4, for IPv6 (headers of 74) 84. What carries data fills its frame, the
 * rest is padded; payload octets are whatever the buffer holds. Clients send with TTL 64, servers
 * with 57; of half of the connections the client's address is the lower.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TRAFFIC_TURN 10u /* packets of each known flow in a turn of the sweep */
#define TRAFFIC_FRAME_MIN 64u
#define TRAFFIC_FRAME_MAX 1518u

struct traffic {
    uint64_t flows; /* known ones */
    uint64_t seed;
    uint64_t room;       /* mixed: newcomers before the stream proper */
    uint8_t new_percent; /* 0 = known, 100 = new */
    uint8_t family;      /* 4 or 6 */
    uint16_t frame_len;  /* at least; 0 = as short as they come */
};

uint32_t traffic_frame_len(const struct traffic *);

/* Packets before the stream proper. */
uint64_t traffic_ready(const struct traffic *);

/* Newcomers among the first n packets. */
uint64_t traffic_newcomers(const struct traffic *, uint64_t n);

/* Writes a frame's headers; behind them it ends at traffic_frame_len(). */
void traffic_write(const struct traffic *, uint64_t n, uint8_t *frame);
