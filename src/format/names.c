#include "format/names.h"

#include <netinet/in.h>
#include <stddef.h>

#include "weir/flow.h"
#include "weir/packet.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define PROTO_OSPF 89
#define PROTO_VRRP 112

struct protocol {
    const char *name;
    const char *iana; /* keyword of the IANA registry in lower case, where it differs */
    bool has_ports;
};

static const struct protocol protocols[256] = {
    [IPPROTO_ICMP] = {.name = "icmp"},
    [IPPROTO_IGMP] = {.name = "igmp"},
    [IPPROTO_IPIP] = {.name = "ipip", .iana = "ipv4"},
    [IPPROTO_TCP] = {.name = "tcp", .has_ports = true},
    [IPPROTO_UDP] = {.name = "udp", .has_ports = true},
    [IPPROTO_DCCP] = {.name = "dccp", .has_ports = true},
    [IPPROTO_IPV6] = {.name = "ipv6"},
    [IPPROTO_GRE] = {.name = "gre"},
    [IPPROTO_ESP] = {.name = "esp"},
    [IPPROTO_AH] = {.name = "ah"},
    [IPPROTO_ICMPV6] = {.name = "icmp6", .iana = "ipv6-icmp"},
    [PROTO_OSPF] = {.name = "ospf", .iana = "ospfigp"},
    [IPPROTO_PIM] = {.name = "pim"},
    [PROTO_VRRP] = {.name = "vrrp"},
    [IPPROTO_SCTP] = {.name = "sctp", .has_ports = true},
    [IPPROTO_UDPLITE] = {.name = "udplite", .has_ports = true},
};

const char *protocol_name(uint8_t proto)
{
    return protocols[proto].name;
}

const char *protocol_iana_name(uint8_t proto)
{
    return protocols[proto].iana ? protocols[proto].iana : protocols[proto].name;
}

const char *protocol_zeek_name(uint8_t proto)
{
    switch (proto) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_ICMP:
        return protocols[proto].name;
    case IPPROTO_ICMPV6:
        return protocols[IPPROTO_ICMP].name;
    default:
        return "unknown_transport";
    }
}

bool protocol_has_ports(uint8_t proto)
{
    return protocols[proto].has_ports;
}

static const struct {
    const char *name;
    const char *text;
} end_reasons[] = {
    [END_NONE] = {NULL, NULL},
    [END_IDLE] = {"idle", "idle timeout"},
    [END_ACTIVE] = {"active", "active timeout"},
    [END_DETECTED] = {"end", "end of flow detected"},
    [END_FORCED] = {"forced", "forced end"},
    [END_RESOURCES] = {"resources", "lack of resources"},
};

const char *end_reason_name(uint8_t reason)
{
    return reason < COUNT(end_reasons) ? end_reasons[reason].name : NULL;
}

const char *end_reason_text(uint8_t reason)
{
    return reason < COUNT(end_reasons) ? end_reasons[reason].text : NULL;
}

const char *conn_state_name(uint8_t state)
{
    static const char *const names[CONN_STATE_COUNT] = {
#define X(symbol, help) [CONN_##symbol] = #symbol,
        CONN_STATES(X)
#undef X
    };
    return state < CONN_STATE_COUNT ? names[state] : names[CONN_OTH];
}

const char *direction_basis_name(uint8_t basis)
{
    static const char *const names[BASIS_COUNT] = {
        [BASIS_FIRST_PACKET] = "first_packet",
        [BASIS_REQUEST] = "request",
        [BASIS_SYN_ACK] = "syn_ack",
        [BASIS_SYN] = "syn",
    };
    return basis < BASIS_COUNT ? names[basis] : NULL;
}

const char *tunnel_name(uint8_t tunnel)
{
    static const char *const names[TUNNEL_KIND_COUNT] = {
#define X(symbol, name, help) [TUNNEL_##symbol] = name,
        TUNNEL_KINDS(X)
#undef X
    };
    return tunnel < TUNNEL_KIND_COUNT ? names[tunnel] : NULL;
}

const char *quality_name(unsigned index)
{
    static const char *const names[QUALITY_COUNT] = {
#define X(symbol, name, help) name,
        FLOW_QUALITY(X)
#undef X
    };
    return index < QUALITY_COUNT ? names[index] : NULL;
}
