#include "format/fields.h"

#include <netinet/in.h>
#include <stddef.h>

#include "format/format.h"
#include "format/names.h"
#include "format/record.h"
#include "format/text.h"
#include "weir/config.h"
#include "weir/flow.h"

struct field_view field_view_record(const struct config *config, const struct flow_record *r)
{
    return (struct field_view){.config = config,
                               .record = r,
                               .counts = &r->delta,
                               .flags = r->flags,
                               .start_ns = r->start_ns};
}

struct field_view field_view_connection(const struct config *config, const struct flow_record *r)
{
    return (struct field_view){.config = config,
                               .record = r,
                               .counts = &r->total,
                               .flags = r->flags_total,
                               .start_ns = r->conn_start_ns};
}

char *field_write(const struct format_field *f, const struct field_view *v, char *out)
{
    if (flow_record_is_aggregate(v->record) && !(f->faces & OF_AGGREGATE))
        return out;
    return f->write(v, f->side, out);
}

static char *put_known(char *out, const char *name)
{
    return name ? put_text(out, name) : out;
}

static char *put_time(char *out, uint64_t ns)
{
    return put_seconds(out, ns / NS_PER_US);
}

static char *write_nothing(const struct field_view *v, unsigned side, char *out)
{
    (void)v, (void)side;
    return out;
}

static char *write_ts(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_time(out, v->start_ns);
}

static char *write_uid(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_uid(out, v->record->flow_id);
}

/* One side of an aggregate has many addresses. */
static char *write_host(const struct field_view *v, unsigned side, char *out)
{
    if (flow_record_is_aggregate(v->record) && side != record_aggregate_side(v->record))
        return out;
    return put_address(out, v->record->ip_version, v->record->address[side]);
}

static char *write_port(const struct field_view *v, unsigned side, char *out)
{
    if (flow_record_is_aggregate(v->record) && !(side && v->record->port[side]))
        return out;
    return put_u64(out, v->record->port[side]);
}

static char *write_proto(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_proto(out, v->record->proto);
}

static char *write_proto_zeek(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_text(out, protocol_zeek_name(v->record->proto));
}

static char *write_duration(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_seconds(out, us_between(v->start_ns, v->record->end_ns));
}

static char *write_payload(const struct field_view *v, unsigned side, char *out)
{
    return put_u64(out, v->counts->payload[side]);
}

static char *write_packets(const struct field_view *v, unsigned side, char *out)
{
    return put_u64(out, v->counts->packets[side]);
}

static char *write_octets(const struct field_view *v, unsigned side, char *out)
{
    return put_u64(out, v->counts->octets[side]);
}

static char *write_conn_state(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_text(out, conn_state_name(v->record->conn_state));
}

static char *write_local(const struct field_view *v, unsigned side, char *out)
{
    if (!v->config->hosts.networks.count)
        return out;
    if (flow_record_is_aggregate(v->record) && side != record_aggregate_side(v->record))
        return out;
    return put_text(out, record_side_is_local(v->config, v->record, side) ? "true" : "false");
}

/* The flow stage knows that octets are missing, not how many. */
static char *write_missed(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return v->record->missed ? out : put_text(out, "0");
}

static char *write_history(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_history(out, v->record);
}

/* Takes the tag's position for side: 0 outer, 1 inner. */
static char *write_vlan(const struct field_view *v, unsigned side, char *out)
{
    return v->record->vlan[side] ? put_u64(out, v->record->vlan[side]) : out;
}

static char *write_ip_proto(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_u64(out, v->record->proto);
}

static char *write_flags(const struct field_view *v, unsigned side, char *out)
{
    return v->record->proto == IPPROTO_TCP ? put_u64(out, v->flags[side]) : out;
}

static char *write_icmp_type(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return v->record->has_icmp ? put_u64(out, v->record->icmp_type) : out;
}

static char *write_icmp_code(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return v->record->has_icmp ? put_u64(out, v->record->icmp_code) : out;
}

static char *write_tunnel_type(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_known(out, tunnel_name(v->record->tunnel));
}

static char *write_tunnel_id(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return record_has_tunnel_id(v->record) ? put_u64(out, v->record->tunnel_id) : out;
}

static char *write_tunnel_host(const struct field_view *v, unsigned side, char *out)
{
    const struct flow_record *r = v->record;
    return record_has_outer(r) ? put_address(out, r->outer_version, r->outer_address[side]) : out;
}

static char *write_community_id(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return out + community_id(v->record, out);
}

static char *write_flow_id(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_hex64(out, v->record->flow_id);
}

static char *write_record_no(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_u64(out, v->record->record_no);
}

static char *write_conn_start(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_time(out, v->record->conn_start_ns);
}

static char *write_end_reason(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_known(out, end_reason_name(v->record->end_reason));
}

static char *write_open(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_text(out, v->record->open ? "true" : "false");
}

static char *write_quality(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_quality(out, v->record);
}

static char *write_ingress(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    uint16_t port[2];
    unsigned count = record_ingress(v->record, port);

    out = put_u64(out, port[0]);
    if (count == 1)
        return out;
    *out++ = ',';
    return put_u64(out, port[1]);
}

static char *write_basis(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return put_known(out, direction_basis_name(v->record->direction_basis));
}

static char *write_rtt(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return v->record->rtt_us ? put_seconds(out, v->record->rtt_us) : out;
}

static char *write_total_payload(const struct field_view *v, unsigned side, char *out)
{
    return record_is_part(v->record) ? put_u64(out, v->record->total.payload[side]) : out;
}

static char *write_total_packets(const struct field_view *v, unsigned side, char *out)
{
    return record_is_part(v->record) ? put_u64(out, v->record->total.packets[side]) : out;
}

static char *write_total_octets(const struct field_view *v, unsigned side, char *out)
{
    return record_is_part(v->record) ? put_u64(out, v->record->total.octets[side]) : out;
}

static char *write_aggregate_side(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    if (!flow_record_is_aggregate(v->record))
        return out;
    return put_text(out, record_aggregate_side(v->record) ? "resp" : "orig");
}

static char *write_prefix(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return flow_record_is_aggregate(v->record) ? put_prefix(out, v->record) : out;
}

static char *write_distinct(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return flow_record_is_aggregate(v->record) ? put_u64(out, v->record->distinct) : out;
}

static char *write_samples(const struct field_view *v, unsigned side, char *out)
{
    (void)side;
    return flow_record_is_aggregate(v->record) ? put_samples(out, v->record) : out;
}

/* One object each, so that neighbours are known to share it by its address. */
static const char tunnel[] = "tunnel";
static const char aggregate[] = "aggregate";

/* clang-format off */
static const struct format_field fields[] = {
    {NULL, "ts", FIELD_TIME, IN_ALL | OF_AGGREGATE, 0, write_ts,
     "IE 152: first packet; zeek: of the connection"},
    {NULL, "uid", FIELD_STRING, IN_ALL | OF_AGGREGATE, 0, write_uid,
     "flow_id in base 62"},
    {NULL, "id.orig_h", FIELD_ADDRESS, IN_ALL | OF_AGGREGATE, 0, write_host,
     "IE 8/27: address of the initiator"},
    {NULL, "id.orig_p", FIELD_PORT, IN_ALL | OF_AGGREGATE, 0, write_port,
     "IE 7: its port; ICMP: type; 0 without ports"},
    {NULL, "id.resp_h", FIELD_ADDRESS, IN_ALL | OF_AGGREGATE, 1, write_host,
     "IE 12/28: address of the responder"},
    {NULL, "id.resp_p", FIELD_PORT, IN_ALL | OF_AGGREGATE, 1, write_port,
     "IE 11: its port; ICMP: type of the answer, or code; 0 without ports"},
    {NULL, "proto", FIELD_ENUM, IN_JSON | OF_AGGREGATE, 0, write_proto,
     "IE 4: name, or number where it has none here"},
    {NULL, "proto", FIELD_ENUM, IN_ZEEK | OF_AGGREGATE, 0, write_proto_zeek,
     "IE 4: tcp, udp, icmp (both versions) or unknown_transport"},
    {NULL, "service", FIELD_STRING, IN_ALL, 0, write_nothing,
     "never known: payload is not read"},
    {NULL, "duration", FIELD_INTERVAL, IN_ALL | OF_AGGREGATE, 0, write_duration,
     "IE 153 - IE 152: last packet less first"},
    {NULL, "orig_bytes", FIELD_COUNT, IN_ALL | OF_AGGREGATE, 0, write_payload,
     "octets above TCP, UDP or ICMP sent by the initiator"},
    {NULL, "resp_bytes", FIELD_COUNT, IN_ALL, 1, write_payload,
     "the same of the responder"},
    {NULL, "conn_state", FIELD_STRING, IN_ALL, 0, write_conn_state,
     "Zeek's state of the connection so far"},
    {NULL, "local_orig", FIELD_BOOL, IN_ALL | OF_AGGREGATE, 0, write_local,
     "id.orig_h lies in hosts.networks"},
    {NULL, "local_resp", FIELD_BOOL, IN_ALL | OF_AGGREGATE, 1, write_local,
     "id.resp_h lies in hosts.networks"},
    {NULL, "missed_bytes", FIELD_COUNT, IN_ALL, 0, write_missed,
     "0; unknown where TCP acknowledged what was never seen"},
    {NULL, "history", FIELD_STRING, IN_ALL, 0, write_history,
     "Zeek's letters of the connection so far"},
    {NULL, "orig_pkts", FIELD_COUNT, IN_ALL | OF_AGGREGATE, 0, write_packets,
     "IE 2: packets of the initiator"},
    {NULL, "orig_ip_bytes", FIELD_COUNT, IN_ALL | OF_AGGREGATE, 0, write_octets,
     "IE 1: IP octets of the initiator"},
    {NULL, "resp_pkts", FIELD_COUNT, IN_ALL, 1, write_packets,
     "IE 29305/2: packets of the responder"},
    {NULL, "resp_ip_bytes", FIELD_COUNT, IN_ALL, 1, write_octets,
     "IE 29305/1: IP octets of the responder"},
    {NULL, "tunnel_parents", FIELD_NAMES, IN_ALL, 0, write_nothing,
     "never known: see tunnel"},
    {NULL, "vlan", FIELD_COUNT, IN_ALL, 0, write_vlan,
     "IE 58, 243: outer tag of the first packet"},
    {NULL, "inner_vlan", FIELD_COUNT, IN_ALL, 1, write_vlan,
     "IE 245: inner tag"},
    {NULL, "ip_proto", FIELD_COUNT, IN_ALL | OF_AGGREGATE, 0, write_ip_proto,
     "IE 4: number"},

    {NULL, "orig_flags", FIELD_COUNT, IN_ALL | OF_AGGREGATE, 0, write_flags,
     "IE 6: union of the initiator's TCP flags"},
    {NULL, "resp_flags", FIELD_COUNT, IN_ALL, 1, write_flags,
     "IE 29305/6: union of the responder's"},
    {NULL, "icmp_type", FIELD_COUNT, IN_ALL | OF_AGGREGATE, 0, write_icmp_type,
     "IE 32/139: type of the first packet"},
    {NULL, "icmp_code", FIELD_COUNT, IN_ALL | OF_AGGREGATE, 0, write_icmp_code,
     "IE 32/139: code of the first packet"},
    {tunnel, "type", FIELD_ENUM, IN_ALL, 0, write_tunnel_type,
     "innermost tunnel: gre, erspan, ipip, vxlan, geneve, gtp"},
    {tunnel, "id", FIELD_COUNT, IN_ALL, 0, write_tunnel_id,
     "its GRE key, session, VNI or TEID"},
    {tunnel, "src", FIELD_ADDRESS, IN_ALL, 0, write_tunnel_host,
     "its outer address on the initiator's side"},
    {tunnel, "dst", FIELD_ADDRESS, IN_ALL, 1, write_tunnel_host,
     "its outer address on the responder's side"},
    {NULL, "community_id", FIELD_STRING, IN_ALL, 0, write_community_id,
     "Community ID v1, seed 0"},
    {NULL, "flow_id", FIELD_STRING, IN_ALL | OF_AGGREGATE, 0, write_flow_id,
     "IE 148: of the connection, 16 hex digits"},
    {NULL, "record_no", FIELD_COUNT, IN_ALL, 0, write_record_no,
     "1, 2, ... within the connection"},
    {NULL, "conn_start", FIELD_TIME, IN_JSON, 0, write_conn_start,
     "first packet of the connection"},
    {NULL, "end_reason", FIELD_ENUM, IN_ALL | OF_AGGREGATE, 0, write_end_reason,
     "IE 136: idle, active, end, forced or resources"},
    {NULL, "open", FIELD_BOOL, IN_JSON, 0, write_open,
     "the connection goes on behind this record"},
    {NULL, "quality", FIELD_NAMES, IN_ALL, 0, write_quality,
     "what to know before trusting the record"},
    {NULL, "ingress", FIELD_COUNTS, IN_ALL | OF_AGGREGATE, 0, write_ingress,
     "IE 10 less 1: ingress port; one of each side where they differ"},
    {NULL, "direction_basis", FIELD_ENUM, IN_ALL, 0, write_basis,
     "how the initiator was told: first_packet, request, syn_ack or syn"},
    {NULL, "rtt", FIELD_INTERVAL, IN_ALL, 0, write_rtt,
     "TCP handshake: SYN to SYN-ACK to ACK"},

    /* Where the record is not the whole connection; zeek's counts are totals already. */
    {NULL, "total_orig_bytes", FIELD_COUNT, IN_JSON, 0, write_total_payload,
     "orig_bytes since conn_start"},
    {NULL, "total_orig_pkts", FIELD_COUNT, IN_JSON, 0, write_total_packets,
     "IE 86: orig_pkts since conn_start"},
    {NULL, "total_orig_ip_bytes", FIELD_COUNT, IN_JSON, 0, write_total_octets,
     "IE 85: orig_ip_bytes since conn_start"},
    {NULL, "total_resp_bytes", FIELD_COUNT, IN_JSON, 1, write_total_payload,
     "resp_bytes since conn_start"},
    {NULL, "total_resp_pkts", FIELD_COUNT, IN_JSON, 1, write_total_packets,
     "IE 29305/86: resp_pkts since conn_start"},
    {NULL, "total_resp_ip_bytes", FIELD_COUNT, IN_JSON, 1, write_total_octets,
     "IE 29305/85: resp_ip_bytes since conn_start"},

    /* One-packet flows of a prefix, each in no other record; orig_pkts is their number. */
    {aggregate, "side", FIELD_ENUM, IN_JSON | OF_AGGREGATE, 0, write_aggregate_side,
     "orig: flows from a prefix, resp: to one"},
    {aggregate, "prefix", FIELD_STRING, IN_JSON | OF_AGGREGATE, 0, write_prefix,
     "IE 44/45/169/170 and length: what the addresses of that side have in common"},
    {aggregate, "distinct", FIELD_COUNT, IN_JSON | OF_AGGREGATE, 0, write_distinct,
     "IE 380-383: addresses of the other side, estimated"},
    {aggregate, "samples", FIELD_NAMES, IN_JSON | OF_AGGREGATE, 0, write_samples,
     "some of them, up to 4"},
};
/* clang-format on */

const struct format_field *format_fields(size_t *count)
{
    *count = sizeof(fields) / sizeof(*fields);
    return fields;
}
