#include "records.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "weir/flow.h"

#define FIELDS(X)                                                                                  \
    X(delta)                                                                                       \
    X(total)                                                                                       \
    X(record_no)                                                                                   \
    X(rtt_us)                                                                                      \
    X(tunnel_id) X(mpls_top) X(address) X(outer_address) X(mac) X(port) X(ingress) X(vlan)         \
        X(quality) X(ip_version) X(proto) X(end_reason) X(open) X(direction_basis) X(conn_state)   \
            X(flags) X(flags_total) X(first_flags) X(tos) X(ttl_min) X(ttl_max) X(icmp_type)       \
                X(icmp_code) X(tunnel) X(outer_version) X(has_icmp) X(missed) X(history)

#define TIMES(X)                                                                                   \
    X(conn_start_ns) X(start_ns) X(end_ns) X(first_ns[0]) X(first_ns[1]) X(last_ns[0]) X(last_ns[1])

static void key_ends(const struct flow_record *r, uint8_t end[2][18])
{
    for (int s = 0; s < 2; s++) {
        memcpy(end[s], r->address[s], 16);
        end[s][16] = (uint8_t)(r->port[s] >> 8);
        end[s][17] = (uint8_t)r->port[s];
    }
    if (memcmp(end[0], end[1], 18) > 0) {
        uint8_t swap[18];
        memcpy(swap, end[0], 18);
        memcpy(end[0], end[1], 18);
        memcpy(end[1], swap, 18);
    }
}

static int order(const void *left, const void *right)
{
    const struct flow_record *a = left, *b = right;
    uint8_t end_a[2][18], end_b[2][18];

    if (a->proto != b->proto)
        return a->proto < b->proto ? -1 : 1;
    if (a->ip_version != b->ip_version)
        return a->ip_version < b->ip_version ? -1 : 1;
    key_ends(a, end_a);
    key_ends(b, end_b);
    int ends = memcmp(end_a, end_b, sizeof(end_a));
    if (ends)
        return ends;
    if (a->flow_id != b->flow_id)
        return a->flow_id < b->flow_id ? -1 : 1;
    if (a->record_no != b->record_no)
        return a->record_no < b->record_no ? -1 : 1;
    return flow_record_is_notice(a) - flow_record_is_notice(b);
}

void records_sort(struct flow_record *records, uint32_t count)
{
    qsort(records, count, sizeof(*records), order);
}

static bool differs(const char *field, bool same, bool quiet)
{
    if (!same && !quiet)
        printf("  differs: %s\n", field);
    return !same;
}

static bool near(uint64_t a, uint64_t b, uint64_t tolerance)
{
    return (a > b ? a - b : b - a) <= tolerance;
}

bool records_equal(const struct flow_record *a, const struct flow_record *b, uint64_t tolerance_ns,
                   bool quiet)
{
    unsigned differences = 0;

#define X(field)                                                                                   \
    differences += differs(#field, memcmp(&a->field, &b->field, sizeof(a->field)) == 0, quiet);
    FIELDS(X)
#undef X
#define X(field) differences += differs(#field, near(a->field, b->field, tolerance_ns), quiet);
    TIMES(X)
#undef X
    return !differences;
}

static const char *side_fault(const struct flow_record *r, int s)
{
    if (r->first_ns[s] > r->last_ns[s])
        return "a side's first packet is later than its last";
    if ((r->delta.packets[s] != 0) != (r->first_ns[s] != 0))
        return "a side has a time without packets, or packets without a time";
    if (r->delta.packets[s] && (r->ttl_min[s] > r->ttl_max[s]))
        return "TTL minimum above the maximum";
    if (r->delta.packets[s] > r->total.packets[s] || r->delta.octets[s] > r->total.octets[s] ||
        r->delta.payload[s] > r->total.payload[s])
        return "a delta is more than its total";
    if (r->flags[s] & ~r->flags_total[s])
        return "flags of the record that the connection does not have";
    return NULL;
}

const char *record_fault(const struct flow_record *r)
{
    for (int s = 0; s < 2; s++)
        if (side_fault(r, s))
            return side_fault(r, s);
    if (r->start_ns > r->end_ns)
        return "start is later than end";
    if (r->conn_start_ns > r->start_ns)
        return "the record starts before its connection";
    if (r->end_reason < END_IDLE || r->end_reason > END_RESOURCES)
        return "no end reason";
    if (r->open ? r->end_reason > END_ACTIVE : r->end_reason == END_ACTIVE)
        return "open does not fit the end reason";
    return NULL;
}

static void counts_print(const char *name, const struct flow_counts *c)
{
    printf("    %s: packets %" PRIu64 "/%" PRIu64 " octets %" PRIu64 "/%" PRIu64 " payload %" PRIu64
           "/%" PRIu64 "\n",
           name, c->packets[0], c->packets[1], c->octets[0], c->octets[1], c->payload[0],
           c->payload[1]);
}

void record_print(const char *whose, const struct flow_record *r)
{
    char a[IP_TEXT_MAX], b[IP_TEXT_MAX];

    ip_format(r->ip_version, r->address[0], a);
    ip_format(r->ip_version, r->address[1], b);
    printf("  %s: id %" PRIx64 " no %u proto %u %s,%u > %s,%u reason %u open %u state %u '%s'\n",
           whose, r->flow_id, r->record_no, r->proto, a, r->port[0], b, r->port[1], r->end_reason,
           r->open, r->conn_state, r->history);
    counts_print("delta", &r->delta);
    counts_print("total", &r->total);
    printf("    conn %" PRIu64 " start %" PRIu64 " end %" PRIu64 " first %" PRIu64 "/%" PRIu64
           " last %" PRIu64 "/%" PRIu64 "\n",
           r->conn_start_ns, r->start_ns, r->end_ns, r->first_ns[0], r->first_ns[1], r->last_ns[0],
           r->last_ns[1]);
    printf("    flags %02x/%02x of %02x/%02x first %02x/%02x ttl %u-%u/%u-%u tos %u/%u in %u/%u"
           " basis %u quality %04x rtt %u missed %u\n",
           r->flags[0], r->flags[1], r->flags_total[0], r->flags_total[1], r->first_flags[0],
           r->first_flags[1], r->ttl_min[0], r->ttl_max[0], r->ttl_min[1], r->ttl_max[1], r->tos[0],
           r->tos[1], r->ingress[0], r->ingress[1], r->direction_basis, r->quality, r->rtt_us,
           r->missed);
    printf("    vlan %u,%u tunnel %u id %u outer v%u mpls %x icmp %u,%u,%u mac %02x/%02x\n",
           r->vlan[0], r->vlan[1], r->tunnel, r->tunnel_id, r->outer_version, r->mpls_top,
           r->has_icmp, r->icmp_type, r->icmp_code, r->mac[0][5], r->mac[1][5]);
}
