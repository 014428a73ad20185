#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/ip.h"
#include "format/format.h"
#include "format/json_text.h"
#include "format/names.h"
#include "format/record.h"
#include "weir/config.h"
#include "weir/encode.h"
#include "weir/flow.h"

/* The release whose fields these are; all of them stand in every later 8.x and 9.x. */
#define ECS_VERSION "8.11.0"

static const char *const side_names[2] = {"source", "destination"};
static const char *const role_names[2] = {"client", "server"};

static char *put_time(char *out, const char *name, uint64_t ns)
{
    out = json_key(out, name);
    *out++ = '"';
    return put_text(put_utc(out, ns, 6), "Z\"");
}

static char *put_ip(char *out, const char *name, uint8_t version, const uint8_t *address)
{
    char text[IP_TEXT_MAX];
    ip_format(version, address, text);
    return json_string(out, name, text);
}

/* A value that ends at end, written into text by a put_ function. */
static char *put_string(char *out, const char *name, const char *text, const char *end)
{
    return end == text ? out : json_quoted(json_key(out, name), text, end);
}

/* One document per record: two of the same connection and number are the same record (sent twice).
 */
static char *put_event_id(char *out, const struct flow_record *r)
{
    char text[32];
    char *end = put_hex64(text, r->flow_id);
    *end++ = '-';
    end = put_u64(end, r->record_no);
    return put_string(out, "id", text, end);
}

static char *put_event_type(char *out, const struct flow_record *r)
{
    if (flow_record_is_aggregate(r))
        return put_text(json_key(out, "type"), "[\"info\"]");
    out = put_text(json_key(out, "type"), "[\"connection\"");
    if (r->record_no <= 1)
        out = put_text(out, ",\"start\"");
    if (!r->open)
        out = put_text(out, ",\"end\"");
    *out++ = ']';
    return out;
}

static char *put_event(char *out, const struct flow_record *r)
{
    bool aggregate = flow_record_is_aggregate(r);

    out = json_open(out, "event");
    out = json_string(out, "kind", "event");
    out = put_text(json_key(out, "category"), "[\"network\"]");
    out = put_event_type(out, r);
    out = json_string(out, "action", aggregate ? "network_flow_aggregate" : "network_flow");
    out = json_string(out, "dataset", aggregate ? "weir.aggregate" : "weir.flow");
    out = put_event_id(out, r);
    out = put_time(out, "start", r->start_ns);
    out = put_time(out, "end", r->end_ns);
    out = json_u64(out, "duration", r->end_ns > r->start_ns ? r->end_ns - r->start_ns : 0);
    out = json_string(out, "reason", end_reason_text(r->end_reason));
    return json_close(out);
}

static char *put_mac(char *out, const uint8_t mac[6])
{
    static const uint8_t unknown[6];
    char text[17], *p = text;

    if (memcmp(mac, unknown, sizeof(unknown)) == 0)
        return out;
    for (unsigned i = 0; i < 6; i++) {
        if (i)
            *p++ = '-';
        *p++ = "0123456789ABCDEF"[mac[i] >> 4];
        *p++ = "0123456789ABCDEF"[mac[i] & 15];
    }
    return put_string(out, "mac", text, p);
}

static char *put_side(char *out, const char *name, const struct flow_record *r, unsigned side)
{
    out = json_open(out, name);
    out = put_ip(out, "ip", r->ip_version, r->address[side]);
    if (protocol_has_ports(r->proto))
        out = json_u64(out, "port", r->port[side]);
    out = put_mac(out, r->mac[side]);
    out = json_u64(out, "bytes", r->delta.octets[side]);
    out = json_u64(out, "packets", r->delta.packets[side]);
    return json_close(out);
}

/* As seen from the perimeter that hosts.networks draws. */
static const char *direction(const struct config *config, const struct flow_record *r)
{
    if (!config->hosts.networks.count)
        return NULL;
    bool from_inside = record_side_is_local(config, r, 0),
         to_inside = record_side_is_local(config, r, 1);

    if (from_inside)
        return to_inside ? "internal" : "outbound";
    return to_inside ? "inbound" : "external";
}

/* ECS keeps VLAN ids as keywords. */
static char *put_vlan(char *out, uint16_t id)
{
    char text[8];
    out = json_open(out, "vlan");
    out = put_string(out, "id", text, put_u64(text, id));
    return json_close(out);
}

/* One side has many addresses, and no octets of its own come from receivers. */
static char *put_aggregate_end(char *out, const char *name, const struct flow_record *r,
                               unsigned side)
{
    out = json_open(out, name);
    if (side == record_aggregate_side(r))
        out = put_ip(out, "ip", r->ip_version, r->address[side]);
    if (side && r->port[side])
        out = json_u64(out, "port", r->port[side]);
    out = json_u64(out, "bytes", r->delta.octets[side]);
    out = json_u64(out, "packets", r->delta.packets[side]);
    return json_close(out);
}

static char *put_network(char *out, const struct config *config, const struct flow_record *r)
{
    char text[COMMUNITY_ID_LEN];

    out = json_open(out, "network");
    out = json_u64(out, "bytes", r->delta.octets[0] + r->delta.octets[1]);
    out = json_u64(out, "packets", r->delta.packets[0] + r->delta.packets[1]);
    out = json_string(out, "transport", protocol_iana_name(r->proto));
    out = put_string(out, "iana_number", text, put_u64(text, r->proto));
    out = json_string(out, "type", r->ip_version == 4 ? "ipv4" : "ipv6");
    if (r->vlan[0])
        out = put_vlan(out, r->vlan[0]);
    if (r->vlan[1])
        out = json_close(put_vlan(json_open(out, "inner"), r->vlan[1]));
    if (!flow_record_is_aggregate(r)) {
        out = json_string(out, "direction", direction(config, r));
        out = put_string(out, "community_id", text, text + community_id(r, text));
    }
    return json_close(out);
}

static char *put_related(char *out, const struct flow_record *r)
{
    char text[(1 + AGGREGATE_SAMPLES) * IP_TEXT_MAX + 1], *end = text;
    unsigned first = flow_record_is_aggregate(r) ? record_aggregate_side(r) : 0;

    out = json_open(out, "related");
    end = put_address(end, r->ip_version, r->address[first]);
    if (!flow_record_is_aggregate(r) || r->sample_count)
        *end++ = ',';
    if (flow_record_is_aggregate(r))
        end = put_samples(end, r);
    else
        end = put_address(end, r->ip_version, r->address[1]);
    out = json_words(json_key(out, "ip"), text, end);
    return json_close(out);
}

static char *put_observer(char *out, const struct config *config, const struct flow_record *r)
{
    uint16_t port[2];
    char text[12], *end;

    out = json_open(out, "observer");
    if (config->sensor.name[0])
        out = json_escaped(out, "name", config->sensor.name);
    out = json_string(out, "type", "sensor");
    out = json_string(out, "product", "weir");
    out = json_open(json_open(out, "ingress"), "interface");
    unsigned count = record_ingress(r, port);
    end = put_u64(text, port[0]);
    if (count == 2) {
        *end++ = ',';
        end = put_u64(end, port[1]);
        out = json_words(json_key(out, "id"), text, end);
    } else {
        out = put_string(out, "id", text, end);
    }
    return json_close(json_close(json_close(out)));
}

static char *put_total(char *out, const struct flow_record *r, unsigned side)
{
    out = json_open(out, "total");
    out = json_u64(out, "bytes", r->total.octets[side]);
    out = json_u64(out, "packets", r->total.packets[side]);
    out = json_u64(out, "payload_bytes", r->total.payload[side]);
    return json_close(out);
}

/* What ECS has no name for, of one side. */
static char *put_extra_side(char *out, const struct flow_record *r, unsigned side)
{
    out = json_open(out, side_names[side]);
    out = json_u64(out, "payload_bytes", r->delta.payload[side]);
    if (r->proto == IPPROTO_TCP) {
        out = json_u64(out, "flags", r->flags[side]);
        out = json_u64(out, "flags_total", r->flags_total[side]);
        out = json_u64(out, "flags_first", r->first_flags[side]);
    }
    if (r->total.packets[side] > 0) {
        out = json_u64(out, "tos", r->tos[side]);
        if (r->ttl_min[side] <= r->ttl_max[side]) {
            out = json_u64(out, "ttl_min", r->ttl_min[side]);
            out = json_u64(out, "ttl_max", r->ttl_max[side]);
        }
    }
    if (record_is_part(r))
        out = put_total(out, r, side);
    return json_close(out);
}

static char *put_tunnel(char *out, const struct flow_record *r)
{
    if (!tunnel_name(r->tunnel))
        return out;
    out = json_open(out, "tunnel");
    out = json_string(out, "type", tunnel_name(r->tunnel));
    if (record_has_tunnel_id(r))
        out = json_u64(out, "id", r->tunnel_id);
    if (record_has_outer(r)) {
        out = put_ip(out, "src", r->outer_version, r->outer_address[0]);
        out = put_ip(out, "dst", r->outer_version, r->outer_address[1]);
    }
    return json_close(out);
}

/* What a connection is, beside what the record counts. */
static char *put_connection(char *out, const struct flow_record *r)
{
    char text[FLOW_HISTORY_MAX + 1];

    out = put_string(out, "uid", text, put_uid(text, r->flow_id));
    out = put_string(out, "flow_id", text, put_hex64(text, r->flow_id));
    out = json_u64(out, "record_no", r->record_no);
    out = json_bool(out, "open", r->open);
    out = put_time(out, "conn_start", r->conn_start_ns);
    out = json_string(out, "conn_state", conn_state_name(r->conn_state));
    out = put_string(out, "history", text, put_history(text, r));
    out = json_string(out, "end_reason", end_reason_name(r->end_reason));
    return json_string(out, "direction_basis", direction_basis_name(r->direction_basis));
}

static char *put_icmp(char *out, const struct flow_record *r)
{
    out = json_u64(json_open(out, "icmp"), "type", r->icmp_type);
    return json_close(json_u64(out, "code", r->icmp_code));
}

/* Everything without a name in ECS stands below one prefix of its own. */
static char *put_extras(char *out, const struct flow_record *r)
{
    char quality[256], *end = put_quality(quality, r);

    out = put_connection(json_open(out, "weir"), r);
    if (end != quality)
        out = json_words(json_key(out, "quality"), quality, end);
    if (r->rtt_us)
        out = json_u64(out, "rtt_us", r->rtt_us);
    if (r->missed)
        out = json_bool(out, "missed", true);
    if (r->has_icmp)
        out = put_icmp(out, r);
    if (r->mpls_top)
        out = json_close(json_u64(json_open(out, "mpls"), "label", r->mpls_top >> 12));
    out = put_tunnel(out, r);
    for (unsigned side = 0; side < 2; side++)
        out = put_extra_side(out, r, side);
    return json_close(out);
}

/* What is said of an aggregate in place of all that is said of a connection. */
static char *put_aggregate(char *out, const struct flow_record *r)
{
    char text[AGGREGATE_SAMPLES * IP_TEXT_MAX];

    out = json_open(json_open(out, "weir"), "aggregate");
    out = json_string(out, "side", side_names[record_aggregate_side(r)]);
    out = put_string(out, "prefix", text, put_prefix(text, r));
    out = json_u64(out, "flows", r->delta.packets[0]);
    out = json_u64(out, "distinct", r->distinct);
    if (r->sample_count)
        out = json_words(json_key(out, "samples"), text, put_samples(text, r));
    out = json_close(out);
    out = put_string(out, "flow_id", text, put_hex64(text, r->flow_id));
    if (r->proto == IPPROTO_TCP)
        out = json_u64(out, "flags", r->flags[0]);
    if (r->has_icmp)
        out = put_icmp(out, r);
    return json_close(out);
}

static char *put_ends(char *out, const struct flow_record *r, const char *const names[2])
{
    for (unsigned side = 0; side < 2; side++)
        out = flow_record_is_aggregate(r) ? put_aggregate_end(out, names[side], r, side)
                                          : put_side(out, names[side], r, side);
    return out;
}

static size_t ecs_record(const struct config *config, const struct flow_record *r, char *out)
{
    if (flow_record_is_notice(r))
        return 0;

    char *p = out;
    *p++ = '{';
    p = put_time(p, "@timestamp", r->end_ns);
    p = json_close(json_string(json_open(p, "ecs"), "version", ECS_VERSION));
    p = put_event(p, r);
    p = put_ends(p, r, side_names);
    p = put_ends(p, r, role_names);
    p = put_network(p, config, r);
    p = put_related(p, r);
    p = put_observer(p, config, r);
    p = flow_record_is_aggregate(r) ? put_aggregate(p, r) : put_extras(p, r);
    p = put_text(p, "}\n");
    return (size_t)(p - out);
}

static size_t nothing(const struct config *config, char *out)
{
    (void)config, (void)out;
    return 0;
}

const struct record_encoder format_ecs = {
    .name = "ecs",
    .summary = "Elastic Common Schema, one JSON document per line and record",
    .head = nothing,
    .record = ecs_record,
    .tail = nothing,
};
