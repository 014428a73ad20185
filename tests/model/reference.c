#include "reference.h"

#include <assert.h>
#include <string.h>

#include "weir/wire.h"

#define LATE_NS 1000000000ULL
#define DUPLICATE_NS 10000000ULL
#define NEVER UINT64_MAX

static uint64_t max64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void reference_init(struct reference *r, const struct flow_table_options *options)
{
    r->options = *options;
    memset(r->connection, 0, sizeof(r->connection[0]) * r->connections);
    memset(r->datagram, 0, sizeof(r->datagram));
    memset(&r->previous, 0, sizeof(r->previous));
    memset(r->note, 0, sizeof(r->note));
    r->newest_ns = r->next_id = r->losses = 0;
    r->connections = r->records = 0;
}

/* Key and the side of the sender. */
static int key_of(const struct reference *r, const struct packet *p, struct reference_key *key)
{
    size_t len = p->ip_version == 4 ? 4 : 16;
    int order = memcmp(p->addresses, p->addresses + len, len);
    int side = order > 0 || (order == 0 && p->src_port > p->dst_port);

    memset(key, 0, sizeof(*key));
    key->version = p->ip_version;
    key->proto = p->proto;
    memcpy(key->address[side], p->addresses, len);
    memcpy(key->address[!side], p->addresses + len, len);
    key->port[side] = p->src_port;
    key->port[!side] = p->dst_port;
    if (p->flags & PACKET_ICMP_ONE_WAY)
        key->one_way = (uint8_t)(1 + side);
    if (r->options.flow.vlan_in_key)
        memcpy(key->vlan, p->vlan, sizeof(key->vlan));
    if (r->options.flow.tunnel_in_key && p->tunnel) {
        key->tunnel = p->tunnel;
        key->tunnel_id = p->tunnel_id;
    }
    return side;
}

static struct reference_connection *find(struct reference *r, const struct reference_key *key)
{
    for (uint32_t i = 0; i < r->connections; i++) {
        struct reference_connection *c = &r->connection[i];
        if (c->used && memcmp(&c->key, key, sizeof(*key)) == 0)
            return c;
    }
    return NULL;
}

static enum flow_keep keep_of(const struct reference_connection *c)
{
    if (c->key.orphan)
        return KEEP_OTHER;
    if (c->key.proto == PROTO_TCP)
        return reference_tcp_keep(c);
    return c->key.proto == PROTO_UDP ? KEEP_UDP : KEEP_OTHER;
}

static bool is_closed(const struct reference_connection *c)
{
    return keep_of(c) == KEEP_TCP_CLOSED;
}

static bool record_open(const struct reference_connection *c)
{
    return c->side[0].in_record || c->side[1].in_record;
}

static uint16_t quality_of(const struct reference *r, const struct reference_connection *c)
{
    uint8_t flags[2] = {c->side[0].all_flags, c->side[1].all_flags};
    uint16_t quality = c->quality;

    if (c->loss != r->losses)
        quality |= QUALITY_SENSOR_LOSS;
    if (c->key.orphan)
        return quality | QUALITY_ORPHAN;
    if (c->key.proto != PROTO_TCP)
        return quality;
    if (!((flags[0] | flags[1]) & TCP_SYN))
        quality |= QUALITY_MIDSTREAM;
    if ((!c->side[1].spoke && (flags[0] & TCP_ACK)) || (!c->side[0].spoke && (flags[1] & TCP_ACK)))
        quality |= QUALITY_ONE_SIDED;
    return quality;
}

/* Rounding down does not put the last packet before the first. */
static uint64_t last_of(const struct reference_side *side)
{
    return max64(side->last_ns, side->first_ns);
}

static void put_side(const struct reference_connection *c, int from, int s, struct flow_record *r)
{
    const struct reference_side *side = &c->side[from];

    r->delta.packets[s] = side->record_packets;
    r->delta.octets[s] = side->record_octets;
    r->delta.payload[s] = side->record_payload;
    r->total.packets[s] = side->packets;
    r->total.octets[s] = side->octets;
    r->total.payload[s] = side->payload;
    r->first_ns[s] = side->in_record ? side->first_ns : 0;
    r->last_ns[s] = side->in_record ? last_of(side) : 0;
    memcpy(r->address[s], c->key.address[from], 16);
    memcpy(r->outer_address[s], c->outer[from], 16);
    memcpy(r->mac[s], side->mac, 6);
    r->port[s] = c->key.port[from];
    r->ingress[s] = side->ingress;
    r->flags[s] = side->record_flags;
    r->flags_total[s] = side->all_flags;
    r->first_flags[s] = side->first_flags;
    r->tos[s] = side->tos;
    r->ttl_min[s] = side->in_record ? side->ttl_min : 255;
    r->ttl_max[s] = side->in_record ? side->ttl_max : 0;
}

static void put_first(const struct reference_connection *c, struct flow_record *r)
{
    const struct packet *p = &c->first;

    r->mpls_top = p->mpls_top;
    memcpy(r->vlan, p->vlan, sizeof(r->vlan));
    if ((p->proto == PROTO_ICMP || p->proto == PROTO_ICMP6) && (p->flags & PACKET_HAS_PORTS)) {
        r->icmp_type = p->icmp_type;
        r->icmp_code = p->icmp_code;
        r->has_icmp = 1;
    }
    if (p->flags & PACKET_DEEP) {
        r->tunnel = p->tunnel;
        r->tunnel_id = p->tunnel_id;
        r->outer_version = p->outer_version;
    }
}

static void put_times(const struct reference_connection *c, struct flow_record *r)
{
    r->conn_start_ns = c->start_ns;
    r->start_ns = c->start_ns;
    r->end_ns = c->end_ns;
    if (!record_open(c))
        return;
    r->start_ns = NEVER;
    r->end_ns = 0;
    for (int s = 0; s < 2; s++) {
        if (!c->side[s].in_record)
            continue;
        r->start_ns = min64(r->start_ns, c->side[s].first_ns);
        r->end_ns = max64(r->end_ns, last_of(&c->side[s]));
    }
}

static void record_end(struct reference *r, struct reference_connection *c,
                       enum flow_end_reason reason, bool open)
{
    assert(r->records < REFERENCE_RECORDS);
    struct flow_record *record = &r->record[r->records++];

    memset(record, 0, sizeof(*record));
    if (record_open(c))
        c->record_no++;
    put_side(c, c->initiator, 0, record);
    put_side(c, !c->initiator, 1, record);
    put_first(c, record);
    put_times(c, record);
    record->flow_id = c->id;
    record->record_no = (uint32_t)c->record_no;
    record->rtt_us = (uint32_t)c->rtt_us;
    record->quality = quality_of(r, c);
    record->ip_version = c->key.version;
    record->proto = c->key.proto;
    record->end_reason = (uint8_t)reason;
    record->open = open;
    record->direction_basis = (uint8_t)c->basis;
    record->conn_state = (uint8_t)reference_state(c);
    record->missed = c->missed;
    memcpy(record->history, c->history, sizeof(record->history));
    for (int s = 0; s < 2; s++) {
        struct reference_side *side = &c->side[s];
        side->record_packets = side->record_octets = side->record_payload = 0;
        side->record_flags = 0;
        side->in_record = false;
    }
}

static void connection_end(struct reference *r, struct reference_connection *c,
                           enum flow_end_reason reason)
{
    if (record_open(c) || r->options.notices)
        record_end(r, c, reason, false);
    c->used = false;
    r->note[NOTE_FLOWS_ENDED]++;
}

/* Ends what is due; true when the connection is gone. */
static bool ended_by(struct reference *r, struct reference_connection *c, uint64_t now_ns)
{
    const struct flow_config *config = &r->options.flow;
    bool closed = is_closed(c);
    uint64_t connection = c->arrival_ns + config->keep_ns[keep_of(c)];
    uint64_t idle = c->arrival_ns + config->idle_ns, active = c->record_ns + config->active_ns;
    uint64_t record = min64(idle, active);

    if (!config->timeouts && !closed)
        return false;
    if (record_open(c) && !closed && record < connection && record <= now_ns) {
        record_end(r, c, active <= idle ? END_ACTIVE : END_IDLE, true);
        return ended_by(r, c, now_ns);
    }
    if (now_ns < connection)
        return false;
    connection_end(r, c, closed ? END_DETECTED : END_IDLE);
    return true;
}

static struct reference_connection *connection_begin(struct reference *r,
                                                     const struct reference_key *key, int side,
                                                     const struct packet *p)
{
    struct reference_connection *c = r->connection;

    while (c->used)
        c++;
    assert(c < r->connection + REFERENCE_CONNECTIONS);
    if (c >= r->connection + r->connections)
        r->connections = (uint32_t)(c - r->connection) + 1;
    memset(c, 0, sizeof(*c));
    c->used = true;
    c->key = *key;
    c->initiator = side;
    c->id = ++r->next_id;
    c->start_ns = p->ts_ns;
    c->first = *p;
    if ((p->flags & PACKET_DEEP) && p->outer_addresses) {
        size_t len = p->outer_version == 4 ? 4 : 16;
        memcpy(c->outer[side], p->outer_addresses, len);
        memcpy(c->outer[!side], p->outer_addresses + len, len);
    }
    r->note[NOTE_FLOWS_CREATED]++;
    return c;
}

/* A reply to a group answers no question of the group's. */
static bool to_group(const struct packet *p)
{
    return p->ip_version == 4 ? p->addresses[4] >> 4 == 14 : p->addresses[16] == 0xff;
}

static void side_speaks(struct reference_connection *c, int side, const struct packet *p)
{
    struct reference_side *own = &c->side[side], *peer = &c->side[!side];

    own->spoke = true;
    own->first_flags = p->tcp_flags;
    own->tos = p->tos;
    own->ingress = p->port;
    if (p->macs)
        memcpy(own->mac, p->macs + 6, 6);
    if (p->macs && !peer->spoke)
        memcpy(peer->mac, p->macs, 6);
    if (p->hint == HINT_REQUEST)
        reference_direction(c, side, BASIS_REQUEST);
    if (p->hint == HINT_REPLY && !to_group(p))
        reference_direction(c, !side, BASIS_REQUEST);
    if (c->key.proto == PROTO_UDP && !c->key.orphan)
        reference_letter(c, side, 'D');
}

static void side_joins_record(struct reference *r, struct reference_connection *c, int side,
                              const struct packet *p)
{
    struct reference_side *own = &c->side[side];
    uint64_t clock = max64(r->newest_ns, p->ts_ns);

    if (!record_open(c)) {
        c->record_ns = clock;
        c->loss = r->losses;
    }
    c->arrival_ns = max64(c->arrival_ns, clock);
    own->in_record = true;
    own->first_ns = p->ts_ns;
    own->last_ns = 0;
    own->ttl_min = own->ttl_max = p->ttl;
    c->start_ns = min64(c->start_ns, p->ts_ns);
    if (!own->spoke)
        side_speaks(c, side, p);
}

static void turn_over(struct reference_connection *c)
{
    c->busy = false;
    for (int s = 0; s < 2; s++)
        c->side[s].unswept_octets = c->side[s].unswept_payload = 0;
}

static bool is_late(const struct reference *r, const struct packet *p)
{
    return r->newest_ns > p->ts_ns && r->newest_ns - p->ts_ns > LATE_NS;
}

/* No record is longer than the active timeout: a packet from before it opens one of its own. */
static void make_way(struct reference *r, struct reference_connection *c, const struct packet *p)
{
    bool too_long = false;

    for (int s = 0; s < 2; s++)
        too_long |=
            c->side[s].in_record && c->side[s].last_ns > p->ts_ns + r->options.flow.active_ns;
    turn_over(c);
    if (too_long && r->options.flow.timeouts)
        record_end(r, c, END_ACTIVE, true);
}

/* The connection of a packet, its record open for the packet's side. */
static struct reference_connection *connection_of(struct reference *r, const struct packet *p,
                                                  const struct reference_key *key, int side)
{
    struct reference_connection *c = find(r, key);
    uint64_t clock = max64(r->newest_ns, p->ts_ns);

    if (c && !c->busy && ended_by(r, c, clock))
        c = NULL;
    if (c && reference_tcp_anew(c, side, p, clock)) {
        connection_end(r, c, END_DETECTED);
        c = NULL;
    }
    if (!c)
        c = connection_begin(r, key, side, p);
    if (is_late(r, p))
        make_way(r, c, p);
    if (!c->side[side].in_record)
        side_joins_record(r, c, side, p);
    return c;
}

static void count_times(struct reference_connection *c, int side, uint64_t first_ns,
                        uint64_t last_ns)
{
    struct reference_side *own = &c->side[side];

    own->first_ns = min64(own->first_ns, first_ns);
    own->last_ns = max64(own->last_ns, last_ns);
    c->start_ns = min64(c->start_ns, first_ns);
    c->end_ns = max64(c->end_ns, last_of(own));
}

static void count_sizes(struct reference_side *own, uint64_t packets, uint64_t octets,
                        uint64_t payload)
{
    own->packets += packets;
    own->octets += octets;
    own->payload += payload;
    own->record_packets += packets;
    own->record_octets += octets;
    own->record_payload += payload;
}

/* Packets from the past: they arrive now, and the next packet looks at the deadlines. */
static void count_past(struct reference *r, struct reference_connection *c, int side,
                       const struct reference_datagram *d)
{
    count_sizes(&c->side[side], d->packets, d->octets, d->payload);
    count_times(c, side, d->first_ns, d->last_ns);
    c->arrival_ns = max64(c->arrival_ns, r->newest_ns);
    turn_over(c);
}

static void count_present(struct reference_connection *c, int side, const struct packet *p)
{
    struct reference_side *own = &c->side[side];
    uint64_t stepped = p->ts_ns - p->ts_ns % REFERENCE_STEP_NS;

    count_sizes(own, 1, p->octets, p->payload);
    count_times(c, side, p->ts_ns, stepped);
    c->arrival_ns = max64(c->arrival_ns, stepped);
    c->busy = true;
    own->unswept_octets += p->octets;
    own->unswept_payload += p->payload;
    if ((own->unswept_octets | own->unswept_payload) >> 31)
        turn_over(c);
}

static void observe(struct reference_connection *c, int side, const struct packet *p)
{
    struct reference_side *own = &c->side[side];
    const struct packet *first = &c->first;

    if (p->ttl < own->ttl_min)
        own->ttl_min = p->ttl;
    if (p->ttl > own->ttl_max)
        own->ttl_max = p->ttl;
    own->record_flags |= p->tcp_flags;
    own->all_flags |= p->tcp_flags;
    if (p->flags & PACKET_TRUNCATED)
        c->quality |= QUALITY_TRUNCATED;
    if (p->flags & PACKET_LENGTH_LIES)
        c->quality |= QUALITY_LENGTH_LIES;
    if (p->vlan[0] != first->vlan[0] || p->vlan[1] != first->vlan[1])
        c->quality |= QUALITY_VLAN_CHANGED;
    if (p->tunnel != first->tunnel || (p->tunnel && p->tunnel_id != first->tunnel_id))
        c->quality |= QUALITY_TUNNEL_CHANGED;
}

static struct reference_connection *count(struct reference *r, const struct packet *p)
{
    struct reference_key key;
    int side = key_of(r, p, &key);
    struct reference_connection *c = connection_of(r, p, &key, side);
    struct reference_datagram one = {.packets = 1,
                                     .octets = p->octets,
                                     .payload = p->payload,
                                     .first_ns = p->ts_ns,
                                     .last_ns = p->ts_ns};

    r->newest_ns = max64(r->newest_ns, p->ts_ns);
    r->note[NOTE_LATE_PACKETS] += is_late(r, p);
    if (is_late(r, p) || p->octets >> 31)
        count_past(r, c, side, &one);
    else
        count_present(c, side, p);
    observe(c, side, p);
    if (p->proto == PROTO_TCP && (p->flags & PACKET_HAS_TCP))
        reference_tcp_segment(r, c, side, p);
    return c;
}

static void orphan(struct reference *r, struct reference_datagram *d)
{
    struct packet *p = &d->sample;
    struct reference_key key;

    d->used = false;
    if (d->known)
        return;
    p->src_port = p->dst_port = 0;
    p->flags &= (uint16_t) ~(PACKET_HAS_PORTS | PACKET_ICMP_ONE_WAY);
    p->macs = NULL;
    int side = key_of(r, p, &key);
    key.orphan = 1;
    r->note[NOTE_FRAGMENTS_ORPHANED] += d->packets;
    count_past(r, connection_of(r, p, &key, side), side, d);
}

static bool outdated(const struct reference *r, const struct reference_datagram *d, uint64_t now_ns)
{
    return now_ns >= d->clock_ns + r->options.flow.fragment_ns;
}

static struct reference_datagram *datagram_of(struct reference *r, const struct packet *p)
{
    size_t len = p->ip_version == 4 ? 8 : 32;

    for (int i = 0; i < REFERENCE_DATAGRAMS; i++) {
        struct reference_datagram *d = &r->datagram[i];
        if (d->used && d->sample.fragment_id == p->fragment_id && d->sample.proto == p->proto &&
            d->sample.ip_version == p->ip_version && memcmp(d->address, p->addresses, len) == 0)
            return d;
    }
    return NULL;
}

static struct reference_datagram *datagram_begin(struct reference *r, const struct packet *p,
                                                 uint64_t clock_ns)
{
    struct reference_datagram *d = r->datagram;

    while (d->used)
        d++;
    assert(d < r->datagram + REFERENCE_DATAGRAMS);
    memset(d, 0, sizeof(*d));
    d->used = true;
    d->clock_ns = clock_ns;
    d->sample = *p;
    memcpy(d->address, p->addresses, p->ip_version == 4 ? 8 : 32);
    d->sample.addresses = d->address;
    if (p->outer_addresses) {
        memcpy(d->outer, p->outer_addresses, p->outer_version == 4 ? 8 : 32);
        d->sample.outer_addresses = d->outer;
    }
    return d;
}

static void first_fragment(struct reference *r, struct reference_datagram *d, struct packet *p,
                           uint64_t clock_ns)
{
    struct reference_datagram held = *d;
    struct reference_key key;

    if (!d->known && d->packets) {
        d->used = false;
        d = datagram_begin(r, p, clock_ns);
        r->note[NOTE_FRAGMENTS_JOINED] += held.packets;
    }
    d->known = true;
    d->sample = *p;
    struct reference_connection *c = count(r, p);
    if (!held.known && held.packets)
        count_past(r, c, key_of(r, p, &key), &held);
}

static void joins(struct reference *r, const struct reference_datagram *d, struct packet *p)
{
    const struct packet *first = &d->sample;

    p->src_port = first->src_port;
    p->dst_port = first->dst_port;
    p->icmp_type = first->icmp_type;
    p->icmp_code = first->icmp_code;
    p->flags |= first->flags & (PACKET_HAS_PORTS | PACKET_ICMP_ONE_WAY);
    r->note[NOTE_FRAGMENTS_JOINED]++;
    count(r, p);
}

static void waits(struct reference *r, struct reference_datagram *d, const struct packet *p)
{
    if (!d->packets)
        d->first_ns = d->last_ns = p->ts_ns;
    d->packets++;
    d->octets += p->octets;
    d->payload += p->payload;
    d->first_ns = min64(d->first_ns, p->ts_ns);
    d->last_ns = max64(d->last_ns, p->ts_ns);
    r->newest_ns = max64(r->newest_ns, p->ts_ns);
    r->note[NOTE_FRAGMENTS_HELD]++;
}

static void fragment(struct reference *r, struct packet *p)
{
    struct reference_datagram *d = datagram_of(r, p);
    uint64_t clock = max64(r->newest_ns, p->ts_ns);

    if (d && outdated(r, d, clock)) {
        orphan(r, d);
        d = NULL;
    }
    if (!d)
        d = datagram_begin(r, p, clock);
    if (p->flags & PACKET_FRAGMENT_FIRST)
        first_fragment(r, d, p, clock);
    else if (d->known)
        joins(r, d, p);
    else
        waits(r, d, p);
}

/* Copies come right behind each other in this test. */
static bool duplicate(struct reference *r, const struct packet *p)
{
    struct reference_key key;
    const struct packet *q = &r->previous;

    if ((!p->fragment_id && !p->payload) || (!p->fragment_id && !p->checksum))
        return false;
    int side = key_of(r, p, &key);
    bool same = q->ip_version && side == r->previous_side && p->tcp_seq == q->tcp_seq &&
                p->tcp_ack == q->tcp_ack && p->checksum == q->checksum &&
                p->fragment_id == q->fragment_id && p->payload == q->payload &&
                memcmp(&key, &r->previous_key, sizeof(key)) == 0 && p->ts_ns >= q->ts_ns &&
                p->ts_ns - q->ts_ns <= DUPLICATE_NS;
    r->previous = *p;
    r->previous_key = key;
    r->previous_side = side;
    return same;
}

void reference_packet(struct reference *r, struct packet *p)
{
    if (p->flags & (PACKET_FRAGMENT_FIRST | PACKET_FRAGMENT_LATER)) {
        fragment(r, p);
        return;
    }
    bool copy = duplicate(r, p);
    r->note[NOTE_SPAN_DUPLICATES] += copy;
    if (copy && r->options.dedup) {
        struct reference_connection *of = find(r, &r->previous_key);
        if (of)
            of->quality |= QUALITY_SPAN_DUPLICATES;
        p->fate = FATE_DUPLICATE;
        return;
    }
    struct reference_connection *c = count(r, p);
    if (copy)
        c->quality |= QUALITY_SPAN_DUPLICATES;
}

void reference_turn(struct reference *r, uint64_t now_ns)
{
    for (int i = 0; i < REFERENCE_DATAGRAMS; i++)
        if (r->datagram[i].used && outdated(r, &r->datagram[i], now_ns))
            orphan(r, &r->datagram[i]);
    for (uint32_t i = 0; i < r->connections; i++) {
        if (!r->connection[i].used)
            continue;
        turn_over(&r->connection[i]);
        ended_by(r, &r->connection[i], now_ns);
    }
}

void reference_drain(struct reference *r)
{
    for (int i = 0; i < REFERENCE_DATAGRAMS; i++)
        if (r->datagram[i].used)
            orphan(r, &r->datagram[i]);
    for (uint32_t i = 0; i < r->connections; i++)
        if (r->connection[i].used)
            connection_end(r, &r->connection[i],
                           is_closed(&r->connection[i]) ? END_DETECTED : END_FORCED);
}
