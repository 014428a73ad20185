#include "tally.h"

#include <assert.h>
#include <string.h>

#include "weir/packet.h"

void tally_init(struct tally *t, bool ports)
{
    t->flows = t->sums = 0;
    t->ports = ports;
}

static struct tally_flow *flow_of(struct tally *t, uint64_t flow_id)
{
    for (uint32_t i = t->flows; i-- > 0;)
        if (t->flow[i].flow_id == flow_id)
            return &t->flow[i];
    assert(t->flows < TALLY_MAX);
    t->flow[t->flows] = (struct tally_flow){.flow_id = flow_id};
    return &t->flow[t->flows++];
}

static struct tally_sum *sum_of(struct tally *t, const struct tally_key *key)
{
    for (uint32_t i = 0; i < t->sums; i++)
        if (memcmp(&t->sum[i].key, key, sizeof(*key)) == 0)
            return &t->sum[i];
    assert(t->sums < TALLY_MAX);
    t->sum[t->sums] = (struct tally_sum){.key = *key};
    return &t->sum[t->sums++];
}

/* Lower end first. Returns whether the ends changed places. */
static int canonical(const struct tally *t, struct tally_key *key)
{
    struct tally_key k = *key;

    if (!t->ports)
        key->port[0] = key->port[1] = k.port[0] = k.port[1] = 0;
    int order = memcmp(k.address[0], k.address[1], 16);
    if (order < 0 || (order == 0 && k.port[0] <= k.port[1]))
        return 0;
    for (int s = 0; s < 2; s++) {
        memcpy(key->address[s], k.address[!s], 16);
        key->port[s] = k.port[!s];
    }
    return 1;
}

static bool one_end(const struct tally_key *key)
{
    return key->port[0] == key->port[1] && memcmp(key->address[0], key->address[1], 16) == 0;
}

void tally_packet(struct tally *t, const struct packet *p)
{
    struct tally_key key = {
        .version = p->ip_version, .proto = p->proto, .port = {p->src_port, p->dst_port}};
    size_t len = p->ip_version == 4 ? 4 : 16;

    memcpy(key.address[0], p->addresses, len);
    memcpy(key.address[1], p->addresses + len, len);
    int side = canonical(t, &key);
    struct tally_sum *sum = sum_of(t, &key);
    sum->packets[side]++;
    sum->octets[side] += p->octets;
    sum->payload[side] += p->payload;
}

static void sum_record(struct tally *t, const struct flow_record *r)
{
    struct tally_key key = {
        .version = r->ip_version, .proto = r->proto, .port = {r->port[0], r->port[1]}};

    memcpy(key.address, r->address, sizeof(key.address));
    int turned = canonical(t, &key);
    struct tally_sum *sum = sum_of(t, &key);
    for (int s = 0; s < 2; s++) {
        int side = one_end(&key) ? 0 : s ^ turned;
        sum->packets[side] -= (int64_t)r->delta.packets[s];
        sum->octets[side] -= (int64_t)r->delta.octets[s];
        sum->payload[side] -= (int64_t)r->delta.payload[s];
    }
}

static void add(uint64_t sum[3], const struct flow_counts *c)
{
    sum[0] += c->packets[0] + c->packets[1];
    sum[1] += c->octets[0] + c->octets[1];
    sum[2] += c->payload[0] + c->payload[1];
}

void tally_record(struct tally *t, const struct flow_record *r)
{
    struct tally_flow *f = flow_of(t, r->flow_id);
    uint64_t total[3] = {0};

    sum_record(t, r);
    add(f->record, &r->delta);
    add(total, &r->total);
    if (memcmp(total, f->record, sizeof(total)) != 0)
        f->fault = "a total is not the sum of the records";
    if (!flow_record_is_notice(r))
        f->records++;
    if (r->record_no != f->records)
        f->fault = "record_no does not count up by one";
    if (f->ended)
        f->fault = "a record behind the end of its connection";
    f->ended = !r->open;
}

void tally_delta(struct tally *t, const struct flow_delta *d)
{
    struct tally_flow *f = flow_of(t, d->flow_id);
    struct flow_counts counts = {.packets = {d->packets[0], d->packets[1]},
                                 .octets = {d->octets[0], d->octets[1]},
                                 .payload = {d->payload[0], d->payload[1]}};

    if (d->opened == f->opened)
        f->fault = "opened is not in the first delta alone";
    if (f->closed)
        f->fault = "a delta behind the last";
    if (d->last_ns < d->conn_start_ns)
        f->fault = "a delta ends before its connection starts";
    f->opened = true;
    f->closed = d->closed;
    add(f->delta, &counts);
}

static const char *flow_fault(const struct tally_flow *f, bool deltas)
{
    if (f->fault)
        return f->fault;
    if (!deltas)
        return NULL;
    if (!f->opened || !f->closed)
        return "a flow without first or last delta";
    if (memcmp(f->delta, f->record, sizeof(f->delta)) != 0)
        return "a flow's deltas do not add up to its total";
    return NULL;
}

const char *tally_fault(const struct tally *t, bool deltas)
{
    for (uint32_t i = 0; i < t->flows; i++)
        if (flow_fault(&t->flow[i], deltas))
            return flow_fault(&t->flow[i], deltas);
    for (uint32_t i = 0; i < t->sums; i++)
        for (int s = 0; s < 2; s++)
            if (t->sum[i].packets[s] || t->sum[i].octets[s] || t->sum[i].payload[s])
                return "the records of a key do not add up to its packets";
    return NULL;
}
