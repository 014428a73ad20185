#include "export/schema.h"

#include "export/values.h"
#include "weir/config.h"
#include "weir/flow.h"
#include "weir/packet.h"

#define SIZE(type, field) sizeof(((type *)0)->field)
#define SOURCE(b, type, enc, field)                                                                \
    {                                                                                              \
        .base = (b), .encoding = (enc), .offset = offsetof(type, field), .size = SIZE(type, field) \
    }
#define RECORD(field) SOURCE(BASE_RECORD, struct flow_record, ENCODE_NUMBER, field)
#define RECORD_OCTETS(field, len)                                                                  \
    {                                                                                              \
        .base = BASE_RECORD, .encoding = ENCODE_OCTETS,                                            \
        .offset = offsetof(struct flow_record, field), .size = (len)                               \
    }
#define RECORD_TEXT(field) SOURCE(BASE_RECORD, struct flow_record, ENCODE_TEXT, field)
#define VALUE(field) SOURCE(BASE_VALUES, struct export_values, ENCODE_NUMBER, field)
#define VALUE_OCTETS(field) SOURCE(BASE_VALUES, struct export_values, ENCODE_OCTETS, field)
#define VALUE_TEXT(field) SOURCE(BASE_VALUES, struct export_values, ENCODE_TEXT, field)

#define CORE (1 << PROFILE_CORE | 1 << PROFILE_ELK)
#define UNI (1 << PROFILE_UNIFLOW)
#define SILK (1 << PROFILE_SILK)
#define RICH (1 << PROFILE_RICH)
#define BIFLOW (CORE | SILK | RICH)
#define PLAIN (CORE | UNI | SILK)
#define ALL (BIFLOW | UNI)

/* Which variants: .care, .are. "All" are aggregates, too; "flows" are not. */
#define IN_ALL 0, 0
#define IN_V4 VARIANT_V6, 0
#define IN_V6 VARIANT_V6, VARIANT_V6
#define IN_PORTS VARIANT_ICMP, 0
#define IN_ICMP4 VARIANT_V6 | VARIANT_ICMP, VARIANT_ICMP
#define IN_ICMP6 VARIANT_V6 | VARIANT_ICMP, VARIANT_V6 | VARIANT_ICMP
#define IN_FLOWS VARIANT_AGGREGATE, 0
#define IN_FLOWS_PORTS VARIANT_AGGREGATE | VARIANT_ICMP, 0
#define IN_REVERSE VARIANT_AGGREGATE | VARIANT_REVERSE, VARIANT_REVERSE
#define IN_REVERSE_PORTS VARIANT_AGGREGATE | VARIANT_REVERSE | VARIANT_ICMP, VARIANT_REVERSE
#define IN_TUNNEL VARIANT_TUNNEL, VARIANT_TUNNEL
#define IN_OTHER_TUNNEL VARIANT_TUNNEL_MASK, VARIANT_TUNNEL
#define IN_VXLAN VARIANT_TUNNEL_MASK, VARIANT_VXLAN
#define IN_GRE VARIANT_TUNNEL_MASK, VARIANT_GRE
#define IN_GTP VARIANT_TUNNEL_MASK, VARIANT_GTP
#define IN_AGGREGATES VARIANT_AGGREGATE, VARIANT_AGGREGATE
#define IN_FROM4 VARIANT_AGGREGATE_TO | VARIANT_V6, VARIANT_AGGREGATE
#define IN_FROM6 VARIANT_AGGREGATE_TO | VARIANT_V6, VARIANT_AGGREGATE | VARIANT_V6
#define IN_TO4 VARIANT_AGGREGATE_TO | VARIANT_V6, VARIANT_AGGREGATE_TO
#define IN_TO6 VARIANT_AGGREGATE_TO | VARIANT_V6, VARIANT_AGGREGATE_TO | VARIANT_V6

/*
 * Reverse fields come first: nfdump 1.7 lets a later field of the same element win, whichever its
 * direction. Then the order that nfcapd, nfacctd, Logstash, ipfixDump and tshark were seen to read.
 * pmacct reads TCP flags right in one octet only.
 */
/* clang-format off */
static const struct schema_field fields[] = {
    {PEN_REVERSE, 1, RECORD(delta.octets[1]), BIFLOW, IN_REVERSE, KEY_NOT,
     "IP octets of the responder"},
    {PEN_REVERSE, 2, RECORD(delta.packets[1]), BIFLOW, IN_REVERSE, KEY_NOT,
     "packets of the responder"},
    {PEN_REVERSE, 6, RECORD(flags[1]), BIFLOW, IN_REVERSE_PORTS, KEY_NOT,
     "union of the responder's TCP flags, low octet"},
    {PEN_REVERSE, 152, VALUE(reverse_start_ms), BIFLOW, IN_REVERSE, KEY_NOT,
     "first packet of the responder in this record"},
    {PEN_REVERSE, 153, VALUE(reverse_end_ms), BIFLOW, IN_REVERSE, KEY_NOT,
     "last packet of the responder in this record"},
    {PEN_REVERSE, 5, RECORD(tos[1]), RICH, IN_REVERSE, KEY_NOT,
     "type of service of the responder's first packet"},
    {PEN_REVERSE, 52, VALUE(ttl_min[1]), RICH, IN_REVERSE, KEY_NOT,
     "least TTL or hop limit of the responder"},
    {PEN_REVERSE, 53, VALUE(ttl_max[1]), RICH, IN_REVERSE, KEY_NOT,
     "greatest TTL or hop limit of the responder"},
    {PEN_REVERSE, 10, VALUE(reverse_ingress), RICH, IN_REVERSE, KEY_NOT,
     "ingress port of the responder's packets + 1"},
    {PEN_REVERSE, 85, RECORD(total.octets[1]), RICH, IN_REVERSE, KEY_NOT,
     "IP octets of the responder since the connection's start"},
    {PEN_REVERSE, 86, RECORD(total.packets[1]), RICH, IN_REVERSE, KEY_NOT,
     "packets of the responder since the connection's start"},
    {PEN_CERT, 14 | 0x4000, VALUE(first_flags[1]), SILK | RICH, IN_REVERSE_PORTS, KEY_NOT,
     "TCP flags of the responder's first packet; 0 after the first record"},
    {PEN_CERT, 15 | 0x4000, VALUE(rest_flags[1]), SILK | RICH, IN_REVERSE_PORTS, KEY_NOT,
     "union of the TCP flags behind it; a SYN sent again is not told apart"},

    {0, 8, RECORD_OCTETS(address[0], 4), ALL, IN_V4, KEY_ALWAYS,
     "initiator; uniflow: sender"},
    {0, 12, RECORD_OCTETS(address[1], 4), ALL, IN_V4, KEY_ALWAYS,
     "responder; uniflow: receiver"},
    {0, 27, RECORD_OCTETS(address[0], 16), ALL, IN_V6, KEY_ALWAYS,
     "initiator; uniflow: sender"},
    {0, 28, RECORD_OCTETS(address[1], 16), ALL, IN_V6, KEY_ALWAYS,
     "responder; uniflow: receiver"},
    {0, 7, RECORD(port[0]), ALL, IN_PORTS, KEY_ALWAYS,
     "its port; 0 without ports"},
    {0, 11, RECORD(port[1]), ALL, IN_PORTS, KEY_ALWAYS,
     "its port; 0 without ports"},
    {0, 32, VALUE(icmp), ALL, IN_ICMP4, KEY_ALWAYS,
     "type * 256 + code of the first packet"},
    {0, 139, VALUE(icmp), ALL, IN_ICMP6, KEY_ALWAYS,
     "type * 256 + code of the first packet"},
    {0, 4, RECORD(proto), ALL, IN_ALL, KEY_ALWAYS,
     "behind all extension headers"},
    {0, 60, RECORD(ip_version), ALL, IN_ALL, KEY_ALWAYS,
     "4 or 6"},
    {0, 5, RECORD(tos[0]), ALL, IN_FLOWS, KEY_NOT,
     "type of service or traffic class of the first packet"},
    {0, 1, RECORD(delta.octets[0]), ALL, IN_ALL, KEY_NOT,
     "IP octets of the initiator"},
    {0, 2, RECORD(delta.packets[0]), ALL, IN_ALL, KEY_NOT,
     "packets of the initiator"},
    {0, 152, VALUE(start_ms), ALL, IN_ALL, KEY_NOT,
     "first packet of this record, whoever sent it; uniflow: of the sender"},
    {0, 153, VALUE(end_ms), ALL, IN_ALL, KEY_NOT,
     "last packet of this record, whoever sent it; uniflow: of the sender"},
    {0, 161, VALUE(duration_ms), ALL, IN_ALL, KEY_NOT,
     "153 - 152; 2^32 - 1 where it is longer"},
    {0, 6, RECORD(flags[0]), ALL, IN_PORTS, KEY_NOT,
     "union of the initiator's TCP flags in this record, low octet (RFC 9565)"},
    {0, 136, RECORD(end_reason), ALL, IN_ALL, KEY_NOT,
     "1 idle, 2 active, 3 end, 4 forced, 5 resources; behind 1, 2 the connection may go on"},
    {0, 239, VALUE(biflow_direction), ALL, IN_FLOWS, KEY_NOT,
     "1: the source is the initiator; uniflow also 2: it is the responder"},
    {0, 58, RECORD(vlan[0]), PLAIN, IN_FLOWS, KEY_VLAN,
     "outer VLAN of the first packet; 0 = none"},
    {0, 243, RECORD(vlan[0]), ALL, IN_FLOWS, KEY_VLAN,
     "the same"},
    {0, 245, RECORD(vlan[1]), RICH, IN_FLOWS, KEY_VLAN,
     "inner VLAN; 0 = none"},
    {0, 56, RECORD_OCTETS(mac[0], 6), ALL, IN_FLOWS, KEY_NOT,
     "of the initiator's side; 0 = unknown"},
    {0, 80, RECORD_OCTETS(mac[1], 6), ALL, IN_FLOWS, KEY_NOT,
     "of the responder's side; 0 = unknown"},
    {0, 10, VALUE(ingress), ALL, IN_ALL, KEY_NOT,
     "ingress port + 1, named in options records"},
    {0, 14, VALUE(egress), PLAIN, IN_FLOWS, KEY_NOT,
     "0: a tap does not know"},
    {0, 52, VALUE(ttl_min[0]), ALL, IN_FLOWS, KEY_NOT,
     "least TTL or hop limit of the initiator"},
    {0, 53, VALUE(ttl_max[0]), ALL, IN_FLOWS, KEY_NOT,
     "greatest TTL or hop limit of the initiator"},
    {0, 138, VALUE(observation_point), PLAIN, IN_ALL, KEY_NOT,
     "as ingressInterface"},
    {0, 148, RECORD(flow_id), ALL, IN_ALL, KEY_NOT,
     "of the connection: the same in all its records; of an aggregate: its own"},

    {0, 44, VALUE_OCTETS(prefix4), ALL, IN_FROM4, KEY_NOT,
     "aggregate: prefix that all its flows come from"},
    {0, 9, VALUE(prefix_length), ALL, IN_FROM4, KEY_NOT,
     "its length: the bits that all senders have in common, from 24"},
    {0, 381, VALUE(distinct32), ALL, IN_FROM4, KEY_NOT,
     "receivers, estimated (mean error 1.8 %)"},
    {0, 170, VALUE_OCTETS(prefix6), ALL, IN_FROM6, KEY_NOT,
     "aggregate: prefix that all its flows come from"},
    {0, 29, VALUE(prefix_length), ALL, IN_FROM6, KEY_NOT,
     "its length: the bits that all senders have in common, from 64"},
    {0, 383, VALUE(distinct64), ALL, IN_FROM6, KEY_NOT,
     "receivers, estimated (mean error 1.8 %)"},
    {0, 45, VALUE_OCTETS(prefix4), ALL, IN_TO4, KEY_NOT,
     "aggregate: prefix that all its flows go to"},
    {0, 13, VALUE(prefix_length), ALL, IN_TO4, KEY_NOT,
     "its length: the bits that all receivers have in common, from 24"},
    {0, 380, VALUE(distinct32), ALL, IN_TO4, KEY_NOT,
     "senders, estimated (mean error 1.8 %)"},
    {0, 169, VALUE_OCTETS(prefix6), ALL, IN_TO6, KEY_NOT,
     "aggregate: prefix that all its flows go to"},
    {0, 30, VALUE(prefix_length), ALL, IN_TO6, KEY_NOT,
     "its length: the bits that all receivers have in common, from 64"},
    {0, 382, VALUE(distinct64), ALL, IN_TO6, KEY_NOT,
     "senders, estimated (mean error 1.8 %)"},
    {0, 375, VALUE(flows), ALL, IN_AGGREGATES, KEY_NOT,
     "aggregate: flows of one packet each that are in it; no other record has them (RFC 7015)"},
    {0, 3, VALUE(flows), ALL, IN_AGGREGATES, KEY_NOT,
     "the same"},

    {PEN_CERT, 14, VALUE(first_flags[0]), SILK | RICH, IN_FLOWS_PORTS, KEY_NOT,
     "TCP flags of the initiator's first packet; 0 after the first record"},
    {PEN_CERT, 15, VALUE(rest_flags[0]), SILK | RICH, IN_FLOWS_PORTS, KEY_NOT,
     "union of the TCP flags behind it; a SYN sent again is not told apart"},
    {PEN_CERT, 21, VALUE(reverse_delta_ms), SILK | RICH, IN_REVERSE, KEY_NOT,
     "from 152 to the responder's first packet"},
    {0, 156, VALUE(start_ntp), RICH, IN_ALL, KEY_NOT,
     "152 to the nanosecond"},
    {0, 157, VALUE(end_ntp), RICH, IN_ALL, KEY_NOT,
     "153 to the nanosecond"},
    {0, 231, RECORD(delta.payload[0]), RICH, IN_ALL, KEY_NOT,
     "octets above layer 4 of the initiator"},
    {0, 232, RECORD(delta.payload[1]), RICH, IN_FLOWS, KEY_NOT,
     "octets above layer 4 of the responder"},
    {0, 85, RECORD(total.octets[0]), RICH, IN_FLOWS, KEY_NOT,
     "IP octets of the initiator since the connection's start"},
    {0, 86, RECORD(total.packets[0]), RICH, IN_FLOWS, KEY_NOT,
     "packets of the initiator since the connection's start"},
    {0, 70, VALUE_OCTETS(mpls), RICH, IN_FLOWS, KEY_NOT,
     "top MPLS label of the first packet; 0 = none"},
    {0, 351, VALUE(segment), RICH, IN_VXLAN, KEY_TUNNEL,
     "1 << 56 + VNI of the VXLAN tunnel"},
    {0, 296, RECORD(tunnel_id), RICH, IN_GRE, KEY_TUNNEL,
     "key of the GRE tunnel"},
    {0, 507, RECORD(tunnel_id), RICH, IN_GTP, KEY_TUNNEL,
     "TEID of the GTP-U tunnel"},

    {PEN_OWN, 1, VALUE(conn_start_ntp), RICH, IN_FLOWS, KEY_NOT,
     "first packet of the connection"},
    {PEN_OWN, 2, RECORD(record_no), RICH, IN_FLOWS, KEY_NOT,
     "1, 2, ... within the connection"},
    {PEN_OWN, 3, VALUE(open), RICH, IN_FLOWS, KEY_NOT,
     "the connection goes on behind this record"},
    {PEN_OWN, 4, VALUE_TEXT(state), RICH, IN_FLOWS, KEY_NOT,
     "of the connection so far, as Zeek's conn_state"},
    {PEN_OWN, 5, RECORD_TEXT(history), RICH, IN_FLOWS, KEY_NOT,
     "of the connection so far, in Zeek's letters"},
    {PEN_OWN, 6, RECORD(quality), RICH, IN_FLOWS, KEY_NOT,
     "what to know before trusting the record, bits from the lowest:"
#define X(symbol, name, help) " " name
     FLOW_QUALITY(X)
#undef X
    },
    {PEN_OWN, 7, RECORD(direction_basis), RICH, IN_FLOWS, KEY_NOT,
     "how the initiator was told: 0 first packet, 1 request, 2 SYN-ACK, 3 SYN"},
    {PEN_OWN, 8, RECORD(rtt_us), RICH, IN_FLOWS_PORTS, KEY_NOT,
     "TCP handshake: SYN to SYN-ACK to ACK; 0 = not seen"},
    {PEN_OWN, 9, VALUE_OCTETS(community_id), RICH, IN_FLOWS, KEY_NOT,
     "Community ID v1, seed 0"},
    {PEN_OWN, 10, RECORD(tunnel), RICH, IN_TUNNEL, KEY_TUNNEL,
     "innermost tunnel, from 1:"
#define X(symbol, name, help) " " name
     TUNNEL_KINDS(X)
#undef X
    },
    {PEN_OWN, 11, RECORD(tunnel_id), RICH, IN_OTHER_TUNNEL, KEY_TUNNEL,
     "its session id or VNI"},
    {PEN_OWN, 12, VALUE_OCTETS(outer[0]), RICH, IN_TUNNEL, KEY_NOT,
     "outer address on the initiator's side; IPv4 as ::ffff:a.b.c.d"},
    {PEN_OWN, 13, VALUE_OCTETS(outer[1]), RICH, IN_TUNNEL, KEY_NOT,
     "outer address on the responder's side; IPv4 as ::ffff:a.b.c.d"},
    {PEN_OWN, 14, VALUE_OCTETS(sample[0]), RICH, IN_AGGREGATES, KEY_NOT,
     "aggregate: an address of the other side; IPv4 as ::ffff:a.b.c.d, :: where there is none"},
    {PEN_OWN, 15, VALUE_OCTETS(sample[1]), RICH, IN_AGGREGATES, KEY_NOT,
     "another one"},
    {PEN_OWN, 16, VALUE_OCTETS(sample[2]), RICH, IN_AGGREGATES, KEY_NOT,
     "another one"},
    {PEN_OWN, 17, VALUE_OCTETS(sample[3]), RICH, IN_AGGREGATES, KEY_NOT,
     "another one"},
};
/* clang-format on */

const struct schema_field *schema_fields(size_t *count)
{
    *count = sizeof(fields) / sizeof(*fields);
    return fields;
}

const struct schema_field *schema_find(uint32_t pen, uint16_t id)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (fields[i].id == id && fields[i].pen == pen)
            return &fields[i];
    return NULL;
}

uint16_t schema_field_len(const struct schema_field *f)
{
    return f->source.encoding == ENCODE_TEXT ? LEN_VARIABLE : f->source.size;
}

/* Of flows; bit n is variant n. */
#define VARIANTS_UNIFLOW UINT64_C(0x0f)
#define VARIANTS_BIFLOW UINT64_C(0xff)
/* Bits 3, 4 and 5 of a variant: without tunnel, or one of its four kinds. */
#define VARIANTS_RICH                                                                              \
    (VARIANTS_BIFLOW | VARIANTS_BIFLOW << 8 | VARIANTS_BIFLOW << 24 | VARIANTS_BIFLOW << 40 |      \
     VARIANTS_BIFLOW << 56)

static uint64_t flow_variants(uint64_t profile)
{
    switch (profile) {
    case PROFILE_CORE:
    case PROFILE_ELK:
    case PROFILE_SILK:
        return VARIANTS_BIFLOW;
    case PROFILE_UNIFLOW:
        return VARIANTS_UNIFLOW;
    case PROFILE_RICH:
        return VARIANTS_RICH;
    default:
        return 0;
    }
}

bool schema_has_variant(uint64_t profile, unsigned variant)
{
    static const unsigned of_aggregates =
        VARIANT_AGGREGATE | VARIANT_V6 | VARIANT_ICMP | VARIANT_REVERSE;
    uint64_t flows = flow_variants(profile);

    if (variant & VARIANT_AGGREGATE)
        return flows && !(variant & ~of_aggregates);
    return flows >> variant & 1;
}

static unsigned tunnel_variant(const struct flow_record *r)
{
    switch (r->tunnel) {
    case TUNNEL_NONE:
        return 0;
    case TUNNEL_VXLAN:
        return VARIANT_VXLAN;
    case TUNNEL_GRE:
        return VARIANT_GRE;
    case TUNNEL_GTPU:
        return VARIANT_GTP;
    default:
        return VARIANT_TUNNEL;
    }
}

unsigned schema_variant_of(uint64_t profile, const struct flow_record *r)
{
    unsigned variant = (r->ip_version == 6 ? VARIANT_V6 : 0u) | (r->has_icmp ? VARIANT_ICMP : 0u);

    if (flow_record_is_aggregate(r))
        return variant | (r->aggregate == AGGREGATE_TO ? VARIANT_AGGREGATE_TO : VARIANT_AGGREGATE);
    if (profile == PROFILE_UNIFLOW)
        return variant;
    if (r->delta.packets[1])
        variant |= VARIANT_REVERSE;
    return profile == PROFILE_RICH ? variant | tunnel_variant(r) : variant;
}
