/*
 * From a link type or tunnel payload to the IP header: Ethernet, VLAN, LLC/SNAP, MPLS, pseudowires,
 * PPPoE, PPP, Cisco HDLC, Linux cooked and loopback headers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/counters.h"
#include "weir/packet.h"

struct cursor;

#define L2_VLAN_DEPTH 4  /* tags peeled */
#define L2_MPLS_DEPTH 10 /* labels peeled */

/* What may stand at the cursor. */
enum l2_layer {
    L2_ETHERNET,
    L2_ETHERTYPE, /* what l2.type names; below ETYPE_MIN it is an IEEE 802.3 length */
    L2_MPLS,
    L2_PPP,
    L2_NIBBLE, /* IPv4 or IPv6, as its version field says */
    L2_IP4,
    L2_IP6,
    L2_DROP /* no IP: l2.fate says why */
};

/* What the link layers of one frame said. */
struct l2 {
    const uint8_t *macs; /* of the outermost Ethernet header, or NULL */
    uint32_t mpls_top;   /* first label stack entry, 0 = none */
    uint16_t vlan[PACKET_VLAN_MAX];
    uint16_t type;     /* EtherType, where the layer is L2_ETHERTYPE */
    uint8_t vlan_kept; /* tags of the outermost Ethernet header in vlan[] */
    uint8_t vlan_tags; /* tags peeled, those behind a pseudowire too */
    uint8_t labels;    /* MPLS labels peeled */
    uint8_t fate;      /* enum weir_fate */
};

/* The layer a frame of this link type starts with; moves the cursor behind the header that says so.
 */
enum l2_layer l2_start(struct l2 *l2, uint8_t link, struct cursor *frame);

/* Peels what stands at the cursor until it is at an IP header (L2_IP4, L2_IP6) or has no IP
 * (L2_DROP). `l2` comes zeroed, with type set where `layer` is L2_ETHERTYPE. */
enum l2_layer l2_peel(struct l2 *l2, enum l2_layer layer, struct cursor *frame);
