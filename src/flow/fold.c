#include "flow/fold.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/sketch.h"
#include "flow/rate.h"
#include "flow/table.h"
#include "weir/flow.h"

#define HEADS 2048u
#define PREFIX_OCTETS(version) ((version) == 4 ? 3u : 8u)
#define ADDRESS_BITS(version) ((version) == 4 ? 32u : 128u)
#define NS_PER_S UINT64_C(1000000000)

/* One block of the hash; its port is left out there, so that a prefix' ports lie in one chain. */
struct fold_key {
    uint8_t prefix[8];
    uint16_t port; /* ICMP: type << 8 | code */
    uint8_t side;  /* enum flow_aggregate; AGGREGATE_NONE: the entry is free */
    uint8_t ip_version;
    uint8_t proto;
    uint8_t has_icmp;
    uint8_t any_port; /* of those that found no aggregate with their port */
    uint8_t zero;
};
static_assert(sizeof(struct fold_key) == HASH_BLOCK, "one block");

struct aggregate {
    struct fold_key key;
    uint64_t opened_ns, touched_ns; /* clock */
    uint64_t first_ns, last_ns;     /* packet time */
    uint64_t packets, octets, payload;
    uint8_t address[16]; /* of its first flow's side */
    uint16_t next;       /* in the chain, 0 = none */
    uint16_t head;
    uint16_t ingress; /* of its first flow */
    uint8_t flags;
    uint8_t prefix_length; /* that all have in common with address */
    uint8_t sample_count;
    uint8_t sample[AGGREGATE_SAMPLES][16];
    struct sketch distinct;
};

struct fold {
    struct fold_options options;
    struct rates *rates;
    struct aggregate *aggregate; /* 1 .. FOLD_AGGREGATES */
    uint64_t now_ns;             /* clock of the last fold_expire() */
    uint16_t position;           /* of fold_expire() */
    uint16_t used;               /* indices up to this were ever used */
    uint16_t hand;               /* the last one that made room */
    uint16_t free_count;
    uint16_t free_index[FOLD_AGGREGATES];
    uint16_t head[HEADS];
    struct { /* by packets, octets */
        uint64_t folded[2], made[2];
        uint64_t records;
    } count;
};

int fold_create(const struct fold_options *options, struct fold **out)
{
    struct fold *f = memory_lines(sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->options = *options;
    f->position = 1;
    f->aggregate = memory_reserve((FOLD_AGGREGATES + 1) * sizeof(*f->aggregate));
    int rc = f->aggregate ? rates_create(&f->rates) : -ENOMEM;
    if (rc) {
        fold_destroy(f);
        return rc;
    }
    *out = f;
    return 0;
}

void fold_destroy(struct fold *f)
{
    if (!f)
        return;
    rates_destroy(f->rates);
    if (f->aggregate)
        memory_release(f->aggregate, (FOLD_AGGREGATES + 1) * sizeof(*f->aggregate));
    free(f);
}

/* --- Which flows --- */

static uint64_t hash_one(const struct fold *f, const void *block)
{
    struct hash_job job = {.blocks = 1};

    memcpy(job.block[0], block, HASH_BLOCK);
    f->options.hash_burst(f->options.secret, &job, 1, sizeof(job));
    return job.value.place;
}

#define IP4_PREFIX UINT64_C(0xffffff0000000000)

/* A prefix of one side in one second. */
static void rate_key(const struct fold_flow *flow, enum flow_aggregate side, uint32_t second,
                     struct hash_job *job)
{
    const uint64_t address = load_be64(flow->address[side - AGGREGATE_FROM]);
    const uint64_t key[2] = {
        flow->ip_version == 4 ? address & IP4_PREFIX : address,
        (uint64_t)second << 32 | (uint64_t)flow->ip_version << 8 | (uint64_t)side,
    };

    memcpy(job->block[0], key, sizeof(key));
    job->blocks = 1;
}

/* Counts the flow for both its prefixes, in its second. Of which it is one too many. */
static enum flow_aggregate side_of(struct fold *f, const struct fold_flow *flow)
{
    const uint32_t second = (uint32_t)(flow->time_ns / NS_PER_S);
    struct hash_job job[2];

    rate_key(flow, AGGREGATE_FROM, second, &job[0]);
    rate_key(flow, AGGREGATE_TO, second, &job[1]);
    f->options.hash_burst(f->options.secret, job, 2, sizeof(job[0]));
    bool from = rates_count(f->rates, job[0].value.place, second) > f->options.rate;
    bool to = rates_count(f->rates, job[1].value.place, second) > f->options.rate;
    return from ? AGGREGATE_FROM : to ? AGGREGATE_TO : AGGREGATE_NONE;
}

/* --- Aggregates --- */

/* ports: how many ports of the key's prefix and protocol have an aggregate of their own. */
static struct aggregate *find(struct fold *f, const struct fold_key *key, uint16_t head,
                              unsigned *ports)
{
    *ports = 0;
    for (uint16_t i = f->head[head]; i; i = f->aggregate[i].next) {
        struct aggregate *a = &f->aggregate[i];
        struct fold_key same_port = a->key;
        if (memcmp(&a->key, key, sizeof(*key)) == 0)
            return a;
        same_port.port = key->port;
        *ports += memcmp(&same_port, key, sizeof(*key)) == 0;
    }
    return NULL;
}

static void put_record(const struct aggregate *a, enum flow_end_reason reason,
                       struct flow_record *r)
{
    unsigned side = a->key.side - AGGREGATE_FROM;
    unsigned whole = a->prefix_length / 8u;

    memset(r, 0, sizeof(*r));
    r->delta.packets[0] = a->packets;
    r->delta.octets[0] = a->octets;
    r->delta.payload[0] = a->payload;
    r->total = r->delta;
    r->conn_start_ns = r->start_ns = r->first_ns[0] = a->first_ns;
    r->end_ns = r->last_ns[0] = a->last_ns;
    r->record_no = 1;
    memcpy(r->address[side], a->address, whole);
    if (a->prefix_length % 8)
        r->address[side][whole] = (uint8_t)(a->address[whole] & 0xff << (8 - a->prefix_length % 8));
    memcpy(r->sample, a->sample, sizeof(r->sample));
    r->sample_count = a->sample_count;
    r->distinct = (uint32_t)min64(sketch_estimate(&a->distinct), a->packets);
    r->prefix_length = a->prefix_length;
    r->ingress[0] = r->ingress[1] = a->ingress;
    r->ip_version = a->key.ip_version;
    r->proto = a->key.proto;
    r->has_icmp = a->key.has_icmp;
    r->port[1] = a->key.has_icmp ? 0 : a->key.port;
    r->icmp_type = a->key.has_icmp ? (uint8_t)(a->key.port >> 8) : 0;
    r->icmp_code = a->key.has_icmp ? (uint8_t)a->key.port : 0;
    r->flags[0] = r->flags_total[0] = a->flags;
    r->ttl_min[0] = r->ttl_min[1] = UINT8_MAX;
    r->end_reason = (uint8_t)reason;
    r->aggregate = a->key.side;
}

static void end(struct fold *f, uint16_t index, enum flow_end_reason reason,
                struct flow_record *out)
{
    struct aggregate *a = &f->aggregate[index];
    uint16_t *link = &f->head[a->head];

    put_record(a, reason, out);
    f->count.records++;
    f->count.made[0] += a->packets;
    f->count.made[1] += a->octets;
    while (*link != index)
        link = &f->aggregate[*link].next;
    *link = a->next;
    a->key.side = AGGREGATE_NONE;
    f->free_index[f->free_count++] = index;
}

static uint16_t index_take(struct fold *f, struct flow_record *out, bool *pushed)
{
    if (!f->free_count && f->used < FOLD_AGGREGATES)
        return ++f->used;
    if (!f->free_count) {
        f->hand = (uint16_t)(f->hand % FOLD_AGGREGATES + 1);
        end(f, f->hand, END_RESOURCES, out);
        *pushed = true;
    }
    return f->free_index[--f->free_count];
}

static struct aggregate *begin(struct fold *f, const struct fold_key *key, uint16_t head,
                               const struct fold_flow *flow, uint16_t index)
{
    struct aggregate *a = &f->aggregate[index];

    memset(a, 0, offsetof(struct aggregate, distinct));
    sketch_clear(&a->distinct);
    a->key = *key;
    a->opened_ns = f->now_ns;
    a->first_ns = flow->time_ns;
    memcpy(a->address, flow->address[key->side - AGGREGATE_FROM], sizeof(a->address));
    a->prefix_length = (uint8_t)ADDRESS_BITS(key->ip_version);
    a->ingress = flow->ingress;
    a->head = head;
    a->next = f->head[head];
    f->head[head] = index;
    return a;
}

static struct aggregate *aggregate_of(struct fold *f, const struct fold_flow *flow,
                                      enum flow_aggregate side, struct flow_record *out,
                                      bool *pushed)
{
    struct fold_key key = {
        .side = (uint8_t)side, .ip_version = flow->ip_version, .proto = flow->proto};
    unsigned ports;

    memcpy(key.prefix, flow->address[side - AGGREGATE_FROM], PREFIX_OCTETS(flow->ip_version));
    uint16_t head = (uint16_t)(hash_one(f, &key) % HEADS);
    key.port = flow->port;
    key.has_icmp = flow->has_icmp;
    struct aggregate *a = find(f, &key, head, &ports);
    if (!a && ports >= FOLD_PORTS) {
        key.port = 0;
        key.has_icmp = 0;
        key.any_port = 1;
        a = find(f, &key, head, &ports);
    }
    return a ? a : begin(f, &key, head, flow, index_take(f, out, pushed));
}

/* Bits that two addresses have in common, at most most. */
static unsigned common_bits(const uint8_t *a, const uint8_t *b, unsigned most)
{
    unsigned i = 0;

    while (i < most / 8 && a[i] == b[i])
        i++;
    if (i == 16)
        return most;
    unsigned differ = a[i] ^ b[i];
    unsigned bits = differ ? 8 * i + (unsigned)__builtin_clz(differ) - 24 : 8 * i + 8;
    return bits < most ? bits : most;
}

static void add_sample(struct aggregate *a, const uint8_t *address)
{
    for (unsigned i = 0; i < a->sample_count; i++)
        if (memcmp(a->sample[i], address, 16) == 0)
            return;
    memcpy(a->sample[a->sample_count++], address, 16);
}

static void add(struct fold *f, struct aggregate *a, const struct fold_flow *flow)
{
    unsigned side = a->key.side - AGGREGATE_FROM;

    a->packets++;
    a->octets += flow->octets;
    a->payload += flow->payload;
    a->first_ns = min64(a->first_ns, flow->time_ns);
    a->last_ns = max64(a->last_ns, flow->time_ns);
    a->touched_ns = f->now_ns;
    a->flags |= flow->flags;
    a->prefix_length = (uint8_t)common_bits(a->address, flow->address[side], a->prefix_length);
    if (a->sample_count < AGGREGATE_SAMPLES)
        add_sample(a, flow->address[!side]);
    sketch_add(&a->distinct, hash_one(f, flow->address[!side]));
}

bool fold_take(struct fold *f, const struct fold_flow *flow, struct flow_record *out, bool *pushed)
{
    enum flow_aggregate side = side_of(f, flow);

    *pushed = false;
    if (side == AGGREGATE_NONE)
        return false;
    add(f, aggregate_of(f, flow, side, out, pushed), flow);
    f->count.folded[0]++;
    f->count.folded[1] += flow->octets;
    return true;
}

/* END_NONE: it goes on. */
static enum flow_end_reason reason_to_end(const struct fold *f, const struct aggregate *a)
{
    if (!f->options.timeouts)
        return END_NONE;
    if (f->now_ns - a->touched_ns >= f->options.idle_ns)
        return END_IDLE;
    return f->now_ns - a->opened_ns >= f->options.active_ns ? END_ACTIVE : END_NONE;
}

bool fold_expire(struct fold *f, uint64_t now_ns, bool all, struct flow_record *out)
{
    if (!all)
        f->now_ns = now_ns;
    for (; f->position <= f->used; f->position++) {
        struct aggregate *a = &f->aggregate[f->position];
        if (a->key.side == AGGREGATE_NONE)
            continue;
        enum flow_end_reason reason = all ? END_FORCED : reason_to_end(f, a);
        if (reason != END_NONE) {
            end(f, f->position, reason, out);
            return true;
        }
    }
    f->position = 1;
    return false;
}

void fold_census(const struct fold *f, struct flow_census *census)
{
    if (!f)
        return;
    census->folded_packets = f->count.folded[0];
    census->folded_octets = f->count.folded[1];
    census->aggregate_records = f->count.records;
    census->aggregate_packets = f->count.made[0];
    census->aggregate_octets = f->count.made[1];
    census->aggregating_packets = census->aggregating_octets = 0;
    for (uint16_t i = 1; i <= f->used; i++) {
        const struct aggregate *a = &f->aggregate[i];
        census->aggregating_packets += a->key.side ? a->packets : 0;
        census->aggregating_octets += a->key.side ? a->octets : 0;
    }
}
