/*
 * Fragments: later ones carry no ports and join the flow of their first one (RFC 791 §3.2, RFC 8200
 * §4.5: same addresses, identification and protocol). Nothing is reassembled.
 *
 * A set-associative table of datagrams, bounded. A datagram is known (its first fragment was seen:
 * later ones get its ports), or held (later ones came before: they wait as counts). A held one
 * whose first fragment does not come in time, or that must make room, becomes an orphan.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow/emit.h"
#include "weir/packet.h"

struct fragments;

enum fragment_state { FRAGMENT_FREE, FRAGMENT_KNOWN, FRAGMENT_HELD };

struct fragment {
    uint64_t clock_ns; /* first seen */
    uint32_t id;
    uint8_t state;
    uint8_t ip_version;
    uint8_t proto;
    uint8_t icmp_type, icmp_code;
    uint16_t flags; /* of the first fragment: PACKET_ICMP_ONE_WAY, PACKET_HAS_PORTS */
    uint16_t port[2];
    uint8_t address[32];
    struct flow_addition held;
    struct packet sample; /* of the first held fragment; its pointers point into this entry */
    uint8_t outer[32];
};

#define FRAGMENT_WAYS 4

int fragments_create(uint64_t max, uint64_t timeout_ns, struct fragments **);
void fragments_destroy(struct fragments *);

enum fragment_fate {
    FRAGMENT_GOES_ON, /* count it in its flow */
    FRAGMENT_WAITS,   /* it was held, nothing more to do */
    FRAGMENT_JOINED,  /* a first one that found held ones: *released has them, to be added to its
                         flow */
    FRAGMENT_PUSHED, /* as GOES_ON or WAITS by p->flags, and *released is an orphan that had to make
                        room */
    FRAGMENT_PUSHED_WAITS,
};

/* Looks at one fragment; a later one of a known datagram gets its ports. released is overwritten.
 */
enum fragment_fate fragments_see(struct fragments *, struct flow_table *, struct packet *,
                                 struct fragment *released);

/* Takes one held datagram that is older than its time (or any, when all), into *released; false
 * when there is none. */
bool fragments_expire(struct fragments *, uint64_t now_ns, bool all, struct fragment *released);

void fragments_held(const struct fragments *, uint64_t *packets, uint64_t *octets);
