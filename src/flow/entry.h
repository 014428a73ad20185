/*
 * Memory of one flow, and of the table: who reads which line when.
 *
 * Design note. A flow is an index; its parts lie in parallel arrays, so that a packet of a known
 * IPv4 flow touches one bucket line and one hot line, an IPv6 packet one key6 line (half of it)
 * more.
 *
 *   array     octets  touched
 *   bucket    64/10   every packet: 10 tags of 16 bits, 10 indices, ranks
 *   hot       64      every packet
 *   key6      32      IPv6: every packet (the whole key is compared)
 *   cold      192     line A, B: by the sweep for flows active in this turn; B, C: change; all at
 *                     creation and end
 *   odd       64      FIN, RST, retransmission, closed window, a long history
 *   past      64      a record that ends while its connection goes on, and later ones
 *   deep      44      flows under two VLAN tags, MPLS or a tunnel
 *
 * What odd, past and deep hold is void until a bit (MARK_ODD, record_no, KIND_DEEP) says that they
 * were written, so that the many short connections that need none of them never touch their lines.
 *
 * Sides in hot and cold are canonical (0 = lower address and port), not initiator and responder:
 * turning a flow round flips one bit. Counters in hot are those since the last fold. A side's
 * last[] is valid while its packets[] is not 0; when both are 0, last[0] is the tick (2^30 ns of
 * the clock) of the flow's next deadline, so that the sweep and the first packet after a silence
 * learn from the hot line alone whether anything is due; and last[1] is the number of packets in
 * its open record (UINT32_MAX: ask the cold lines), so that the sweep can sum up what is live.
 *
 * When the table is full the least of the new flow's two buckets goes: rank 0 (parked: record out,
 * connection kept), 1 (new), 2 (several packets), 3 (many). New entries thus enter in the middle,
 * floods of one-packet flows push out each other, and a clock hand takes turns within a rank.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "base/prefetch.h"
#include "flow/table.h"
#include "weir/counters.h"
#include "weir/flow.h"
#include "weir/packet.h"

#define CACHE_LINE 64
#define TICK_SHIFT 30 /* deadline ticks of 1.07 s since 1970: in 32 bits until 2116 */
#define STAMP_SHIFT 3 /* hot time stamps of 8 ns */

/* flow_hot.kind: the lower half is part of the key. */
enum {
    KIND_IP6 = 1 << 0,
    KIND_ONE_WAY_UP = 1 << 1,   /* ICMP without counterpart, sent by the lower side */
    KIND_ONE_WAY_DOWN = 1 << 2, /* the same, by the upper side */
    KIND_ORPHAN = 1 << 3,       /* fragments without their first one */
    KIND_KEY = 0x0f,
    KIND_IN_RECORD_INDEX = 4,
    KIND_IN_RECORD = 1 << KIND_IN_RECORD_INDEX, /* << side: it has packets in the open record */
    KIND_IN_RECORD_BOTH = 3 << 4,
    KIND_DEEP = 1 << 6,      /* inner VLAN, MPLS or tunnel: compared with the cold lines */
    KIND_INITIATOR = 1 << 7, /* side 1 is the initiator */
};

/* flow_hot.seen: history letters given, by side. */
enum {
    SEEN_SYN = 1 << 0,
    SEEN_FIN = 1 << 1,
    SEEN_RST = 1 << 2,
    SEEN_DATA = 1 << 3,
    SEEN_ACK = 1 << 4,
    SEEN_MULTI = 1 << 5,   /* SYN with FIN or RST: Q */
    SEEN_FIN_RST = 1 << 6, /* FIN with RST: I */
    SEEN_SEQ = 1 << 7,     /* seq_next is valid */
};

/* flow_cold.marks */
enum {
    MARK_ODD = 1 << 0,    /* its flow_odd is valid */
    MARK_ICMP = 1 << 1,   /* icmp_type and icmp_code are, isn is not */
    MARK_MISSED = 1 << 2, /* data were acknowledged that did not come by here */
};

/* flow_cold.reported: what is told once. */
enum {
    REPORTED_OPENED = 1 << 0,
    REPORTED_ACCEPTED = 1 << 1,
    REPORTED_FAILED = 1 << 2,
    REPORTED_AGE_SHIFT = 3,   /* the last age told, two bits */
    REPORTED_FOLDED = 1 << 5, /* not by a delta: an aggregate has told of its first packet */
};

/* Endpoint states of Zeek's TCP analysis, three bits a side in flow_hot.state. Above them, for each
 * side, whether it may send ordinary segments: it has begun and not ended, and its peer was not
 * reset. */
enum tcp_endpoint {
    TCP_INACTIVE,
    TCP_SYN_SENT,
    TCP_SYN_ACK_SENT,
    TCP_PARTIAL,
    TCP_ESTABLISHED,
    TCP_CLOSED,
    TCP_RESET,
};

#define STATE_CALM (1 << 6) /* << side */

/* flow_cold.before: the states before the last change, as in flow_hot.state, and above them: */
#define BEFORE_SEEN (1 << 6) /* << side: it has sent a packet */

/* flow_hot.quality: what packets raise; the bits of flow_quality shifted into one octet. */
#define HOT_QUALITY_SHIFT QUALITY_INDEX_TRUNCATED
#define HOT_QUALITY(bits) ((uint8_t)((bits) >> HOT_QUALITY_SHIFT))

/* The part of the key that is compared in one go. IPv4: addresses; IPv6: the hash's second half. */
struct flow_head {
    uint64_t address;
    uint16_t port[2];
    uint8_t proto;
    uint8_t kind;
    uint16_t zero; /* hashed, not compared */
};
static_assert(sizeof(struct flow_head) == 16, "one block of the hash");

struct flow_hot {
    union {
        uint64_t address;
        uint32_t address4[2]; /* network order, by side */
    };
    uint16_t port[2];
    uint8_t proto;
    uint8_t kind;
    uint8_t ttl[2];
    uint32_t packets[2];
    uint32_t octets[2];
    uint32_t payload[2];
    uint32_t last[2];
    uint32_t seq_next[2];
    uint8_t flags[2]; /* of the open record */
    uint8_t seen[2];
    uint8_t state;
    uint8_t quality;
    uint16_t vlan;
};
static_assert(sizeof(struct flow_hot) == CACHE_LINE, "one line");

#define COLD_HISTORY 10 /* letters; the others are odd */

struct flow_cold {
    /* A: what was counted */
    struct flow_counts total;
    uint64_t last_ns[2]; /* packet time, of the open record */
    /* B: when and who */
    uint64_t arrival_ns; /* clock of the last packet */
    uint64_t record_ns;  /* clock of the open record's first packet */
    uint64_t conn_start_ns;
    uint64_t flow_id;
    uint64_t first_ns[2];  /* of the open record */
    uint32_t open_packets; /* folded into the open record; UINT32_MAX: total tells */
    uint32_t record_no;
    uint32_t hash; /* place: bucket and tag */
    uint8_t rank;
    uint8_t reported; /* what deltas have told, REPORTED_... */
    uint8_t basis;
    uint8_t marks;
    /* C: what was seen */
    uint64_t syn_ns;
    union {
        uint32_t isn[2]; /* of the last SYN that came without FIN and RST */
        struct {
            uint8_t icmp_type, icmp_code;
        };
    };
    uint32_t rtt_us;
    uint32_t loss_epoch;
    uint16_t ingress[2];
    uint8_t mac[2][6];
    uint16_t quality; /* since the connection began */
    uint8_t first_flags[2], flags_total[2], tos[2], ttl_min[2], ttl_max[2];
    uint8_t before; /* endpoint states before the last change, BEFORE_SEEN */
    uint8_t history_len;
    char history[COLD_HISTORY];
} __attribute__((aligned(CACHE_LINE)));
static_assert(sizeof(struct flow_cold) == 3 * CACHE_LINE, "three lines");
static_assert(offsetof(struct flow_cold, arrival_ns) == CACHE_LINE &&
                  offsetof(struct flow_cold, syn_ns) == 2 * CACHE_LINE,
              "a fold touches A and B, a change B and C");

/* What most connections do not come to. */
struct flow_odd {
    uint32_t last_fin[2], last_rst[2]; /* where in the sequence space */
    uint32_t retransmitted[2], zero_windows[2];
    char history[FLOW_HISTORY_MAX - COLD_HISTORY]; /* behind those in the cold lines */
} __attribute__((aligned(CACHE_LINE)));
static_assert(sizeof(struct flow_odd) == CACHE_LINE, "one line");

/* The records that are out; void while there is none. */
struct flow_past {
    struct flow_counts total; /* when the last of them ended */
    uint64_t end_ns;          /* last packet of them */
} __attribute__((aligned(CACHE_LINE)));
static_assert(sizeof(struct flow_past) == CACHE_LINE, "one line");

/* Both addresses, lower first. */
struct flow_key6 {
    uint8_t address[2][16];
};

/* Under the outermost VLAN tag, as the connection's first packet had it. */
struct flow_deep {
    uint32_t mpls_top;
    uint32_t tunnel_id;
    uint16_t inner_vlan;
    uint8_t tunnel;
    uint8_t outer_version;
    uint8_t outer[2][16]; /* by side */
};

#define BUCKET_SLOTS 10

struct bucket {
    uint16_t tag[BUCKET_SLOTS]; /* 0 = free; bit 0: here as in its second bucket */
    uint32_t control; /* ranks: low bits of the slots, high bits << 10; hand 4 bits << 20; overflow
                         8 bits
                         << 24 */
    uint32_t index[BUCKET_SLOTS];
};
static_assert(sizeof(struct bucket) == CACHE_LINE, "one line");

/* One packet looked up: its canonical key and where it was found. */
struct flow_probe {
    struct hash_job key; /* block 0 begins with a flow_head; no blocks: not looked up */
    uint32_t index;      /* candidate, or the entry that a newcomer will get; 0 = none */
    bool newcomer;       /* no candidate in its first bucket */
    uint8_t side;        /* of the sender */
    uint64_t digest;     /* for duplicates, 0 = none */
};

/* Packets of a burst that a pass takes at a time. With 8, 12, 16 and 24 the table took 22.6, 21.4,
 * 22.0 and 21.7 ns per IPv4 packet of 10 k flows, 30.9, 29.6, 31.5, 34.9 of 100 k, 35.8, 37.2,
 * 36.5, 42.4 of 1 M. */
#define CHUNK 12u

struct duplicates;
struct fold;
struct fragments;

struct flow_table {
    struct flow_hot *hot;
    struct flow_cold *cold;
    struct flow_key6 *key6;
    struct flow_deep *deep;
    struct flow_odd *odd;
    struct flow_past *past;
    struct bucket *bucket;
    uint32_t *free_index; /* stack */
    uint32_t free_count;
    uint32_t newcomers;  /* of the burst at hand, that are likely to take a free index soon */
    uint32_t high_water; /* indices 1 .. high_water - 1 were ever used */
    uint32_t max_flows;
    uint32_t bucket_mask;
    uint32_t grow_at; /* flows for which these buckets are too few; UINT32_MAX = they stay */
    uint32_t live;

    struct flow_config config;
    bool dedup, deltas, notices, scoped;
    bool portable;      /* no packet is taken as settled */
    bool restless;      /* many packets of the last burst were not settled */
    uint64_t unsettled; /* packets so far */
    uint8_t pressure;   /* lifetimes are shortened by 2 * pressure bits */
    bool repricing;     /* this turn re-reads every deadline, pressure has changed */
    bool draining;      /* position is the drain's */
    uint32_t position;  /* of the sweep */
    /* The entries before position as they are now; the whole table at a turn's end. */
    uint64_t walked_flows, walked_packets;
    uint32_t loss_epoch;
    int64_t clock_offset;
    uint64_t newest_ts; /* packet time */
    uint64_t folded_ts; /* newest_ts when a flow was last folded: hot stamps know of later packets
                           only */
    uint64_t next_flow_id;
    uint64_t made_records, made_packets, made_octets, made_notices;

    struct counters *counters;
    struct fragments *fragments;
    struct fold *fold; /* NULL: every record goes out */
    struct duplicates *duplicates;
    struct hash_secret secret;
    hash_burst_fn *hash_burst;
    struct flow_probe probe[PACKET_BURST_MAX + CHUNK]; /* those behind a burst are void */
};

/* Whether this turn of the sweep has passed the entry: what changes in it changes the sums. */
static inline bool flow_walked(const struct flow_table *t, uint32_t index)
{
    return index < t->position;
}

static inline unsigned tcp_state(const struct flow_hot *h, int side)
{
    return (h->state >> (3 * side)) & 7u;
}

/* Whether the side has sent a packet of the connection. */
static inline bool flow_seen(const struct flow_cold *c, int side)
{
    return c->before & BEFORE_SEEN << side;
}

static inline bool flow_has_odd(const struct flow_cold *c)
{
    return c->marks & MARK_ODD;
}

/* For writing; zeros at first. */
static inline struct flow_odd *flow_odd(struct flow_table *t, uint32_t index)
{
    if (!flow_has_odd(&t->cold[index])) {
        t->cold[index].marks |= MARK_ODD;
        memset(&t->odd[index], 0, sizeof(t->odd[index]));
    }
    return &t->odd[index];
}

/* Counts of the records that are out. */
static inline const struct flow_counts *flow_base(const struct flow_table *t, uint32_t index)
{
    static const struct flow_counts none;

    return t->cold[index].record_no ? &t->past[index].total : &none;
}

/* What lies under the outermost VLAN tag; zeros where nothing does. */
static inline const struct flow_deep *flow_deep(const struct flow_table *t, uint32_t index)
{
    static const struct flow_deep shallow;

    return t->hot[index].kind & KIND_DEEP ? &t->deep[index] : &shallow;
}

/* Packets since the last fold. */
static inline bool flow_has_counts(const struct flow_hot *h)
{
    return (h->packets[0] | h->packets[1]) != 0;
}

static inline int flow_initiator(const struct flow_hot *h)
{
    return (h->kind & KIND_INITIATOR) != 0;
}

/* All that the end of a flow touches beside its hot line. */
static inline void flow_prefetch_cold(const struct flow_table *t, uint32_t index)
{
    const char *cold = (const char *)&t->cold[index];

    for (size_t line = 0; line < sizeof(struct flow_cold); line += CACHE_LINE)
        prefetch_write(cold + line);
}

/* Time on the clock as deadlines are kept. */
static inline uint32_t clock_tick(uint64_t clock_ns)
{
    uint64_t tick = clock_ns >> TICK_SHIFT;
    return tick > UINT32_MAX ? UINT32_MAX : (uint32_t)tick;
}

static inline uint64_t packet_clock(const struct flow_table *t, uint64_t ts_ns)
{
    return ts_ns + (uint64_t)t->clock_offset;
}

/* Clock of a packet's arrival: a late one arrives with the newest. */
static inline uint64_t packet_arrival(const struct flow_table *t, const struct packet *p)
{
    return packet_clock(t, t->newest_ts > p->ts_ns ? t->newest_ts : p->ts_ns);
}
