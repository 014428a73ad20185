/*
 * Tunnel headers: is this IP packet the outside of a tunnel, and what stands inside. The checks are
 * strict: stray UDP to a tunnel's port, or a header with features that are not understood, is no
 * tunnel.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decode/cursor.h"
#include "decode/l2.h"
#include "weir/packet.h"
#include "weir/wire.h"

struct ip_header;

#define TUNNEL_DEPTH 4 /* tunnels opened, one inside the other */

struct tunnel {
    struct cursor inner; /* behind the tunnel header; ends with the outer IP packet */
    uint32_t id;         /* VNI, TEID, key or session; 0 = none */
    enum l2_layer layer; /* what stands at inner */
    uint16_t type;       /* EtherType, where layer is L2_ETHERTYPE */
    uint8_t kind;        /* enum tunnel_kind */
};

/* True when `outer` is a tunnel of a kind in `mask` (1 << enum tunnel_kind). Of a later fragment
 * only the protocol is judged, and of *tunnel nothing is set. */
bool tunnel_read(uint32_t mask, const struct ip_header *outer, struct tunnel *tunnel);

#define TUNNEL_UDP_MASK (1u << TUNNEL_VXLAN | 1u << TUNNEL_GENEVE | 1u << TUNNEL_GTPU)

/* UDP to this port may be a tunnel. */
static inline bool tunnel_is_port(uint16_t port)
{
    return port == PORT_VXLAN || port == PORT_GENEVE || port == PORT_GTPU;
}
