#include "format/record.h"

#include "base/ip.h"
#include "format/names.h"
#include "format/text.h"
#include "weir/config.h"
#include "weir/flow.h"
#include "weir/packet.h"

bool record_side_is_local(const struct config *config, const struct flow_record *r, unsigned side)
{
    const struct hosts_config *hosts = &config->hosts;

    for (uint32_t i = 0; i < hosts->networks.count; i++)
        if (ip_prefix_contains(&hosts->networks.prefix[i], r->ip_version, r->address[side]))
            return true;
    return false;
}

bool record_is_part(const struct flow_record *r)
{
    return r->open || r->record_no > 1;
}

bool record_has_tunnel_id(const struct flow_record *r)
{
    if (!tunnel_name(r->tunnel) || r->tunnel == TUNNEL_IPIP)
        return false;
    return r->tunnel != TUNNEL_GRE || r->tunnel_id != 0;
}

bool record_has_outer(const struct flow_record *r)
{
    return tunnel_name(r->tunnel) && r->outer_version != 0;
}

unsigned record_ingress(const struct flow_record *r, uint16_t port[2])
{
    unsigned first = r->total.packets[0] == 0 && r->total.packets[1] > 0;

    port[0] = r->ingress[first];
    if (r->total.packets[!first] == 0 || r->ingress[0] == r->ingress[1])
        return 1;
    port[1] = r->ingress[1];
    return 2;
}

unsigned record_aggregate_side(const struct flow_record *r)
{
    return r->aggregate == AGGREGATE_TO;
}

char *put_prefix(char *out, const struct flow_record *r)
{
    out = put_address(out, r->ip_version, r->address[record_aggregate_side(r)]);
    *out++ = '/';
    return put_u64(out, r->prefix_length);
}

char *put_samples(char *out, const struct flow_record *r)
{
    for (unsigned i = 0; i < r->sample_count && i < AGGREGATE_SAMPLES; i++) {
        if (i)
            *out++ = ',';
        out = put_address(out, r->ip_version, r->sample[i]);
    }
    return out;
}

char *put_proto(char *out, uint8_t proto)
{
    const char *name = protocol_name(proto);
    return name ? put_text(out, name) : put_u64(out, proto);
}

char *put_address(char *out, uint8_t version, const uint8_t *address)
{
    return out + ip_format(version, address, out);
}

char *put_history(char *out, const struct flow_record *r)
{
    for (unsigned i = 0; i < FLOW_HISTORY_MAX && r->history[i]; i++) {
        char c = r->history[i];
        if (c == '^' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
            *out++ = c;
    }
    return out;
}

char *put_quality(char *out, const struct flow_record *r)
{
    char *start = out;

    for (unsigned i = 0; i < QUALITY_COUNT; i++) {
        if (!(r->quality & 1u << i))
            continue;
        if (out != start)
            *out++ = ',';
        out = put_text(out, quality_name(i));
    }
    return out;
}

char *put_uid(char *out, uint64_t flow_id)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    *out = 'C';
    for (unsigned i = 11; i > 0; i--, flow_id /= 62)
        out[i] = digits[flow_id % 62];
    return out + 12;
}
