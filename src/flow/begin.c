#include "flow/begin.h"

#include <string.h>

#include "flow/bucket.h"
#include "flow/emit.h"
#include "flow/tcp.h"

static uint32_t index_take(struct flow_table *t)
{
    t->newcomers -= t->newcomers > 0;
    if (t->free_count)
        return t->free_index[--t->free_count];
    return t->high_water++;
}

/* An entry with a place in the table. In a full one it is the victim's, mostly with its place: in
 * a flood this is the path of nearly every packet. */
static uint32_t entry_take(struct flow_table *t, uint32_t hash, struct flow_out *out)
{
    struct bucket_slot victim;
    const bool full = t->live >= t->max_flows;

    if (full) {
        bucket_victim(t, hash, false, &victim);
        flow_evict(t, &victim, out);
    }
    uint32_t index = index_take(t);
    struct flow_hot *h = &t->hot[index];
    memset(h, 0, sizeof(*h));
    h->kind = KIND_KEY; /* not to be found, nor evicted as one of the keys, before it is whole */
    if (full && bucket_reuse(t, hash, index, &victim))
        return index;
    while (!bucket_insert(t, hash, index)) {
        bucket_victim(t, hash, true, &victim);
        flow_evict(t, &victim, out);
    }
    return index;
}

/* The cold lines as zeros, line by line: together compilers clear them by a string instruction,
 * which takes longer to start. */
static void cold_clear(struct flow_cold *c)
{
    char *line = (char *)c;

    memset(line, 0, CACHE_LINE);
    memset(line + CACHE_LINE, 0, CACHE_LINE);
    memset(line + 2 * CACHE_LINE, 0, CACHE_LINE);
}

static void cold_begin(struct flow_table *t, uint32_t index, const struct flow_probe *probe,
                       const struct packet *p)
{
    struct flow_cold *c = &t->cold[index];

    cold_clear(c);
    c->hash = bucket_hash(probe->key.value.place);
    c->rank = RANK_NEW;
    c->conn_start_ns = p->ts_ns;
    c->flow_id = t->next_flow_id++;
    c->loss_epoch = t->loss_epoch;
    if ((p->proto == PROTO_ICMP || p->proto == PROTO_ICMP6) && (p->flags & PACKET_HAS_PORTS)) {
        c->icmp_type = p->icmp_type;
        c->icmp_code = p->icmp_code;
        c->marks = MARK_ICMP;
    }
}

static void deep_begin(struct flow_deep *deep, int side, const struct packet *p)
{
    memset(deep, 0, sizeof(*deep));
    deep->mpls_top = p->mpls_top;
    deep->inner_vlan = p->vlan[1];
    deep->tunnel = p->tunnel;
    deep->tunnel_id = p->tunnel_id;
    deep->outer_version = (uint8_t)p->outer_version;
    if (p->outer_addresses) {
        size_t len = p->outer_version == 4 ? 4 : 16;
        memcpy(deep->outer[side], p->outer_addresses, len);
        memcpy(deep->outer[!side], p->outer_addresses + len, len);
    }
}

uint32_t flow_create(struct flow_table *t, struct flow_probe *probe, const struct packet *p,
                     struct flow_out *out)
{
    uint32_t hash = bucket_hash(probe->key.value.place);
    uint32_t index = entry_take(t, hash, out);
    struct flow_hot *h = &t->hot[index];

    memcpy(h, probe->key.block[0], sizeof(struct flow_head));
    if (h->kind & KIND_IP6)
        memcpy(&t->key6[index], probe->key.block[1], sizeof(struct flow_key6));
    if (p->flags & PACKET_DEEP) {
        deep_begin(&t->deep[index], probe->side, p);
        h->kind |= KIND_DEEP;
    }
    h->kind |= (uint8_t)(KIND_INITIATOR * probe->side);
    h->vlan = p->vlan[0];
    h->last[0] = UINT32_MAX;
    cold_begin(t, index, probe, p);
    t->live++;
    t->walked_flows += flow_walked(t, index);
    t->counters->note[NOTE_FLOWS_CREATED]++;
    return index;
}

/* A reply to a group answers no question of the group's. */
static bool to_group(const struct packet *p)
{
    return p->ip_version == 4 ? (p->addresses[4] & 0xf0) == 0xe0 : p->addresses[16] == 0xff;
}

static void connection_side_begin(struct flow_table *t, uint32_t index, int side,
                                  const struct packet *p)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];

    c->before |= (uint8_t)(BEFORE_SEEN << side);
    c->first_flags[side] = p->tcp_flags;
    c->tos[side] = p->tos;
    c->ingress[side] = p->port;
    if (p->macs)
        memcpy(c->mac[side], p->macs + 6, 6);
    if (p->macs && !flow_seen(c, !side))
        memcpy(c->mac[!side], p->macs, 6);
    if (p->hint == HINT_REQUEST || (p->hint == HINT_REPLY && !to_group(p)))
        flow_direction(t, index, p->hint == HINT_REQUEST ? side : !side, BASIS_REQUEST);
    if (h->proto == PROTO_UDP && !(h->kind & KIND_ORPHAN))
        history_add(t, index, side, 'D');
}

/* The side's first packet in the open record, or of a new one. */
void flow_side_begin(struct flow_table *t, uint32_t index, int side, const struct packet *p)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];
    uint64_t arrival = packet_arrival(t, p);

    if (!(h->kind & KIND_IN_RECORD_BOTH)) {
        c->record_ns = arrival;
        c->loss_epoch = t->loss_epoch;
    }
    if (c->arrival_ns < arrival)
        c->arrival_ns = arrival;
    h->kind |= (uint8_t)(KIND_IN_RECORD << side);
    c->first_ns[side] = p->ts_ns;
    c->last_ns[side] = 0;
    if (p->ts_ns < c->conn_start_ns)
        c->conn_start_ns = p->ts_ns;
    h->ttl[side] = c->ttl_min[side] = c->ttl_max[side] = p->ttl;
    if (!flow_seen(c, side))
        connection_side_begin(t, index, side, p);
}
