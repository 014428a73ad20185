/*
 * A catalogue of packets: what stands outside x IP x layer 4, and tunnels x IP x layer 4, each with
 * what decode must make of the whole frame. Expectations come from how the frame was built, not
 * from reading it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "harness/packets.h"

#define KIND_NAME_MAX 96

struct packet_kind {
    char name[KIND_NAME_MAX];
    struct frame frame;
    uint32_t ip_at;     /* offset of the innermost IP header in the frame */
    uint32_t ip_header; /* octets of it needed to be an IP packet at all: 20 or 40 */
    uint32_t outer_at;  /* offset of the outermost IP header */
    uint32_t outer_header;
    uint32_t octets; /* of the innermost IP packet */
    uint32_t outer_octets;
    uint32_t payload;
    uint32_t tunnel_id;
    uint16_t src_port;
    uint16_t dst_port;
    uint16_t flags; /* enum packet_flag, all of them */
    uint16_t vlan;
    uint8_t ip_version;
    uint8_t proto;
    uint8_t vlan_count;
    uint8_t tunnel;
    uint8_t tunnel_depth;
    bool length_unsaid; /* the IP header itself does not hold the length */
};

uint32_t packet_kind_count(void);

/* Builds kind number `index`; the same for the same index. */
void packet_kind_build(uint32_t index, struct packet_kind *kind);
