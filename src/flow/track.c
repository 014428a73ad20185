#include "flow/track.h"

#include <string.h>

#include "base/prefetch.h"
#include "flow/begin.h"
#include "flow/bucket.h"
#include "flow/duplicate.h"
#include "flow/emit.h"
#include "flow/fragment.h"
#include "flow/key.h"
#include "flow/settled.h"
#include "flow/tcp.h"

/* A burst with more than this part unsettled: the next will be so, too. */
#define RESTLESS_SHARE 8

#define PROMOTE_PACKETS 4 /* of one side within a turn, while the table is nearly full */

static bool crowded(const struct flow_table *t)
{
    return t->live >= t->max_flows - t->max_flows / 4;
}

static uint32_t match_in(const struct flow_table *t, uint32_t at, uint16_t tag,
                         const struct flow_probe *probe, const struct packet *p)
{
    const struct bucket *b = &t->bucket[at];

    for (uint32_t m = bucket_match(b, tag); m; m &= m - 1) {
        uint32_t index = b->index[__builtin_ctz(m)];
        if (key_equal(t, index, probe, p))
            return index;
    }
    return 0;
}

static uint32_t find(const struct flow_table *t, const struct flow_probe *probe,
                     const struct packet *p)
{
    uint32_t hash = bucket_hash(probe->key.value.place), at = bucket_first(t, hash);
    uint16_t tag = bucket_tag(hash);
    uint32_t index = match_in(t, at, tag, probe, p);

    if (!index && bucket_overflow(&t->bucket[at]))
        index = match_in(t, bucket_other(t, at, tag), tag | 1, probe, p);
    return index;
}

static void ttl_changed(struct flow_hot *h, struct flow_cold *c, int side, uint8_t ttl)
{
    h->ttl[side] = ttl;
    if (ttl < c->ttl_min[side])
        c->ttl_min[side] = ttl;
    if (ttl > c->ttl_max[side])
        c->ttl_max[side] = ttl;
}

/* Inner VLAN and tunnel are compared with what the flow began with. */
static void deep_compare(const struct flow_table *t, uint32_t index, const struct packet *p)
{
    struct flow_hot *h = &t->hot[index];
    const struct flow_deep *deep = flow_deep(t, index);

    if (p->vlan[1] != deep->inner_vlan)
        h->quality |= HOT_QUALITY(QUALITY_VLAN_CHANGED);
    if (p->tunnel != deep->tunnel || (p->tunnel && p->tunnel_id != deep->tunnel_id))
        h->quality |= HOT_QUALITY(QUALITY_TUNNEL_CHANGED);
}

static void earlier(struct flow_cold *c, int side, uint64_t ts_ns)
{
    if (ts_ns < c->first_ns[side])
        c->first_ns[side] = ts_ns;
    if (ts_ns < c->conn_start_ns)
        c->conn_start_ns = ts_ns;
}

/* Whether the open record, with a packet of this time in it, would outlast the active timeout. */
static bool late_splits(const struct flow_table *t, uint32_t index, uint64_t ts_ns)
{
    const struct flow_cold *c = &t->cold[index];

    if (!t->config.timeouts)
        return false;
    for (int s = 0; s < 2; s++)
        if ((t->hot[index].kind & KIND_IN_RECORD << s) && c->last_ns[s] > ts_ns &&
            c->last_ns[s] - ts_ns > t->config.active_ns)
            return true;
    return false;
}

/* A late packet may need a record of its own: decided before it changes anything in the open one.
 */
static void make_way(struct flow_table *t, uint32_t index, uint64_t ts_ns, struct flow_out *out)
{
    flow_fold(t, index, out);
    if (late_splits(t, index, ts_ns))
        flow_split(t, index, out);
}

static inline bool is_late(const struct flow_table *t, const struct packet *p)
{
    return t->newest_ts > p->ts_ns && t->newest_ts - p->ts_ns > FLOW_LATE_NS;
}

/* Late packets, and those whose octets the hot counts might not hold. */
static void count_apart(struct flow_table *t, uint32_t index, int side, const struct packet *p,
                        struct flow_out *out)
{
    struct flow_addition one = {.packets = 1,
                                .octets = p->octets,
                                .payload = p->payload,
                                .first_ts = p->ts_ns,
                                .last_ts = p->ts_ns};
    if (is_late(t, p))
        t->counters->note[NOTE_LATE_PACKETS]++;
    flow_add(t, index, side, &one, out);
}

static inline bool hot_overflows(const struct flow_hot *h, int side)
{
    return (h->octets[side] | h->payload[side]) >> 31;
}

static inline void count(struct flow_table *t, uint32_t index, int side, const struct packet *p,
                         struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];
    uint32_t stamp = (uint32_t)(p->ts_ns >> STAMP_SHIFT);

    if (__builtin_expect(p->ts_ns < t->folded_ts, 0))
        earlier(&t->cold[index], side, p->ts_ns);
    /* one branch that is hardly ever taken, where the first packet since a fold would be a toss */
    if ((h->packets[side] != 0) & ((int32_t)(stamp - h->last[side]) < 0))
        earlier(&t->cold[index], side, p->ts_ns);
    else
        h->last[side] = stamp;
    h->packets[side]++;
    t->walked_packets += flow_walked(t, index);
    h->octets[side] += p->octets;
    h->payload[side] += p->payload;
    if (__builtin_expect(hot_overflows(h, side), 0))
        flow_fold(t, index, out);
    else if (__builtin_expect(crowded(t), 0) && h->packets[side] == PROMOTE_PACKETS)
        flow_rank(t, index, RANK_MANY);
}

/* What a packet changes besides the counts. */
static inline void observe(struct flow_table *t, uint32_t index, int side, const struct packet *p)
{
    struct flow_hot *h = &t->hot[index];

    if (h->ttl[side] != p->ttl)
        ttl_changed(h, &t->cold[index], side, p->ttl);
    if (p->vlan[0] != h->vlan)
        h->quality |= HOT_QUALITY(QUALITY_VLAN_CHANGED);
    if (p->flags & (PACKET_TRUNCATED | PACKET_LENGTH_LIES)) {
        if (p->flags & PACKET_TRUNCATED)
            h->quality |= HOT_QUALITY(QUALITY_TRUNCATED);
        if (p->flags & PACKET_LENGTH_LIES)
            h->quality |= HOT_QUALITY(QUALITY_LENGTH_LIES);
    }
    if ((p->flags & PACKET_DEEP) || (h->kind & KIND_DEEP))
        deep_compare(t, index, p);
    if ((h->flags[side] | p->tcp_flags) != h->flags[side])
        h->flags[side] |= p->tcp_flags;
    if (h->proto == PROTO_TCP && (p->flags & PACKET_HAS_TCP) && !tcp_ordinary(h, side, p))
        tcp_special(t, index, side, p);
}

/* Whether what is known of the flow ended before this packet: then the packet needs a new entry. */
static inline bool outlived(struct flow_table *t, uint32_t index, int side, const struct packet *p,
                            struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];
    uint64_t clock = packet_arrival(t, p);

    if (((h->packets[0] | h->packets[1]) == 0) & (clock_tick(clock) >= h->last[0]) &&
        flow_due(t, index, clock, 0, out))
        return true;
    if (h->proto == PROTO_TCP && (p->tcp_flags & TCP_SYN) &&
        tcp_starts_anew(h, &t->cold[index], side, p, clock)) {
        flow_finish(t, index, END_DETECTED, out);
        return true;
    }
    return false;
}

/* The flow of a packet, its record open for the packet's side. */
static inline uint32_t flow_of(struct flow_table *t, struct flow_probe *probe,
                               const struct packet *p, struct flow_out *out)
{
    uint32_t index = probe->index;

    if (!index || !key_equal(t, index, probe, p))
        index = find(t, probe, p);
    if (!index || outlived(t, index, probe->side, p, out))
        index = flow_create(t, probe, p, out);
    if (__builtin_expect(is_late(t, p), 0))
        make_way(t, index, p->ts_ns, out);
    if (!(t->hot[index].kind & (KIND_IN_RECORD << probe->side)))
        flow_side_begin(t, index, probe->side, p);
    return index;
}

static __attribute__((noinline)) uint32_t update(struct flow_table *t, struct flow_probe *probe,
                                                 const struct packet *p, struct flow_out *out)
{
    uint32_t index = flow_of(t, probe, p, out);
    int side = probe->side;

    t->unsettled++;
    if (p->ts_ns >= t->newest_ts)
        t->newest_ts = p->ts_ns;
    observe(t, index, side, p); /* first: counting may set a deadline, by the state */
    /* late, or too large for the hot counts; newest_ts is not before it: one test, no branch */
    if (__builtin_expect((t->newest_ts - p->ts_ns > FLOW_LATE_NS) | (p->octets >> 31), 0))
        count_apart(t, index, side, p, out);
    else
        count(t, index, side, p, out);
    return index;
}

/* A probe of its own, apart from the passes. */
static struct flow_probe probe_one(struct flow_table *t, const struct packet *p, bool orphan)
{
    struct flow_probe probe = {0};

    key_build(t, p, orphan, &probe);
    t->hash_burst(&t->secret, &probe.key, 1, sizeof(probe));
    key_finish(&probe);
    return probe;
}

void track_orphan(struct flow_table *t, struct fragment *f, struct flow_out *out)
{
    struct packet *p = &f->sample;

    p->src_port = p->dst_port = 0;
    p->flags &= (uint16_t) ~(PACKET_HAS_PORTS | PACKET_ICMP_ONE_WAY);
    struct flow_probe probe = probe_one(t, p, true);
    uint32_t index = flow_of(t, &probe, p, out);
    t->counters->note[NOTE_FRAGMENTS_ORPHANED] += f->held.packets;
    flow_add(t, index, probe.side, &f->held, out);
}

/* True when the packet goes on to its flow. */
static bool fragment_step(struct flow_table *t, struct packet *p, struct flow_out *out,
                          struct fragment *joined, bool *has_joined)
{
    switch (fragments_see(t->fragments, t, p, joined)) {
    case FRAGMENT_WAITS:
        return false;
    case FRAGMENT_PUSHED_WAITS:
        track_orphan(t, joined, out);
        return false;
    case FRAGMENT_PUSHED:
        track_orphan(t, joined, out);
        return true;
    case FRAGMENT_JOINED:
        *has_joined = true;
        return true;
    default:
        return true;
    }
}

/* Fragments are rare and depend on each other's order: one after the other, apart from the passes.
 */
static void track_fragment(struct flow_table *t, struct packet *p, struct flow_out *out)
{
    struct fragment joined;
    bool has_joined = false;

    if (!fragment_step(t, p, out, &joined, &has_joined)) {
        if (p->ts_ns > t->newest_ts)
            t->newest_ts = p->ts_ns;
        return;
    }
    struct flow_probe probe = probe_one(t, p, false);
    uint32_t index = update(t, &probe, p, out);
    if (has_joined)
        flow_add(t, index, probe.side, &joined.held, out);
}

/* Packets of one pass. */
struct span {
    uint32_t from, to;
};

/* The chunk `lag` chunks before that at `at`; empty before the first and behind the last packet. */
static struct span chunk(uint32_t at, uint32_t lag, uint32_t count)
{
    if (at < lag * CHUNK || at - lag * CHUNK >= count)
        return (struct span){0, 0};
    uint32_t from = at - lag * CHUNK;
    return (struct span){from, count - from < CHUNK ? count : from + CHUNK};
}

static bool goes_by_passes(const struct packet *p)
{
    return p->fate == FATE_FLOW && !(p->flags & (PACKET_FRAGMENT_FIRST | PACKET_FRAGMENT_LATER));
}

static inline void prefetch_probed(const struct flow_table *t, const struct flow_probe *probe)
{
    prefetch_read(&t->bucket[bucket_first(t, bucket_hash(probe->key.value.place))]);
}

static inline void prefetch_found(const struct flow_table *t, const struct flow_probe *probe)
{
    prefetch_write(&t->hot[probe->index]);
    if (probe->newcomer)
        flow_prefetch_cold(t, probe->index);
    else if (probe->key.blocks == 3)
        prefetch_read(&t->key6[probe->index]);
}

/* Not looked up, or behind the burst: what looks ahead finds nothing there. */
static inline void probe_clear(struct flow_probe *probe)
{
    probe->key.blocks = 0;
    probe->index = 0;
    probe->newcomer = false;
}

/* First pass: keys and hashes. */
static inline void pass_keys(struct flow_table *t, const struct packet *packet, struct span span)
{
    for (uint32_t i = span.from; i < span.to; i++) {
        if (goes_by_passes(&packet[i]))
            key_build(t, &packet[i], false, &t->probe[i]);
        else
            probe_clear(&t->probe[i]);
    }
    t->hash_burst(&t->secret, &t->probe[span.from].key, span.to - span.from, sizeof(t->probe[0]));
    for (uint32_t i = span.from; i < span.to; i++) {
        struct flow_probe *probe = &t->probe[i];
        key_finish(probe);
        if (span.from == 0) /* no chunk before it to do this */
            prefetch_probed(t, probe);
    }
}

/* The cold lines that a change of state writes. */
static inline void prefetch_change(const struct flow_cold *c)
{
    prefetch_write(&c->arrival_ns);
    prefetch_write(&c->syn_ns);
}

/* The entry that a flow which is likely new will get: the next free one, or in a full table, that
 * of a flow of its own bucket. A guess; 0 = none. */
static uint32_t newcomer_entry(struct flow_table *t, uint32_t hash)
{
    uint32_t first = bucket_first(t, hash), before = t->newcomers;

    if (t->live + before < t->max_flows) {
        t->newcomers++;
        return before < t->free_count ? t->free_index[t->free_count - 1 - before]
                                      : t->high_water + (before - t->free_count);
    }
    prefetch_write(&t->bucket[bucket_other(t, first, bucket_tag(hash))]);
    return bucket_candidate(&t->bucket[first]);
}

/* Second pass: candidates by tag; buckets of the next chunk on their way. */
static void pass_candidates(struct flow_table *t, const struct packet *packet, struct span span)
{
    for (uint32_t i = span.from; i < span.to; i++) {
        struct flow_probe *probe = &t->probe[i];
        prefetch_probed(t, probe + CHUNK);
        if (!probe->key.blocks)
            continue;
        uint32_t hash = bucket_hash(probe->key.value.place);
        const struct bucket *b = &t->bucket[bucket_first(t, hash)];
        uint32_t m = bucket_match(b, bucket_tag(hash));
        probe->newcomer = !m;
        probe->index = m ? b->index[__builtin_ctz(m)] : newcomer_entry(t, hash);
        probe->digest = duplicate_digest(probe, &packet[i]);
        duplicate_prefetch(t->duplicates, probe->digest);
        if (span.from == 0)
            prefetch_found(t, probe);
        if (probe->newcomer)
            continue;
        if (packet[i].tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))
            prefetch_change(&t->cold[probe->index]);
        if (packet[i].tcp_flags & (TCP_FIN | TCP_RST))
            prefetch_write(&t->odd[probe->index]);
    }
}

/* Whether the packet opens its side of a record, or is the first of its kind: what is likely to
 * write cold lines. */
static inline bool likely_changes(const struct flow_hot *h, unsigned side, const struct packet *p)
{
    uint8_t letter = p->flags & PACKET_HAS_TCP ? p->payload ? SEEN_DATA : SEEN_ACK : 0;

    return !(h->kind & KIND_IN_RECORD << side) || (letter & ~h->seen[side]);
}

/* Where flows are young: half a chunk ahead of the third pass, when the hot lines are there. */
static __attribute__((noinline)) void prefetch_likely(struct flow_table *t,
                                                      const struct packet *packet, uint32_t i)
{
    const struct flow_probe *probe = &t->probe[i];

    if (probe->key.blocks && !probe->newcomer &&
        likely_changes(&t->hot[probe->index], probe->side, &packet[i]))
        prefetch_change(&t->cold[probe->index]);
}

/* The second copy of a frame. */
static __attribute__((noinline)) void track_copy(struct flow_table *t, struct flow_probe *probe,
                                                 struct packet *p, struct flow_out *out)
{
    t->counters->note[NOTE_SPAN_DUPLICATES]++;
    if (t->dedup)
        p->fate = FATE_DUPLICATE;
    uint32_t index = t->dedup ? find(t, probe, p) : update(t, probe, p, out);
    if (index)
        t->cold[index].quality |= QUALITY_SPAN_DUPLICATES;
}

/* Third pass, one packet after the other: duplicates, flows, counts; hot lines of the next chunk on
 * their way. settles: see burst_settles(). */
static inline __attribute__((always_inline)) void pass_update(struct flow_table *t,
                                                              struct packet *packet,
                                                              struct span span, bool settles,
                                                              struct flow_out *out)
{
    for (uint32_t i = span.from; i < span.to; i++) {
        struct packet *p = &packet[i];
        struct flow_probe *probe = &t->probe[i];
        prefetch_found(t, probe + CHUNK);
        if (t->restless)
            prefetch_likely(t, packet, i + CHUNK / 2);
        if (__builtin_expect(!probe->key.blocks, 0)) {
            if (p->fate == FATE_FLOW)
                track_fragment(t, p, out);
        } else if (__builtin_expect(duplicate_seen(t->duplicates, probe->digest, p), 0)) {
            track_copy(t, probe, p, out);
        } else if (!settles || !settled_count(t, probe, p)) {
            update(t, probe, p, out);
        } else if (__builtin_expect(hot_overflows(&t->hot[probe->index], probe->side), 0)) {
            flow_fold(t, probe->index, out);
        }
    }
}

/* Whether packets may be taken as settled: not while the table is so full that counts change ranks.
 */
static bool burst_settles(const struct flow_table *t)
{
    return !t->portable && !crowded(t);
}

/*
 * The passes take turns chunk by chunk, so that the lines which one has asked for arrive while the
 * others compute. Each pass asks for one line of the next chunk per packet: all of a chunk at once
 * are more than a processor waits for at a time, and it stops until there is room (1 M flows: 45 ns
 * per packet, 37 one by one).
 */
void flow_table_burst(struct flow_table *t, struct packet *packet, uint32_t count,
                      struct flow_out *out)
{
    const uint64_t unsettled = t->unsettled;

    t->newcomers = 0;
    for (uint32_t i = count; i < count + CHUNK; i++)
        probe_clear(&t->probe[i]);
    for (uint32_t at = 0; at < count + 2 * CHUNK; at += CHUNK) {
        pass_keys(t, packet, chunk(at, 0, count));
        pass_candidates(t, packet, chunk(at, 1, count));
        if (burst_settles(t))
            pass_update(t, packet, chunk(at, 2, count), true, out);
        else
            pass_update(t, packet, chunk(at, 2, count), false, out);
    }
    t->restless = (t->unsettled - unsettled) * RESTLESS_SHARE > count;
}
