/*
 * What the flow stage hands on: one record when a record ends, one delta per flow and sweep turn.
 *
 * Side 0 is the initiator, side 1 the responder (RFC 5103: forward and reverse). Times are
 * nanoseconds since 1970. Octets are IP-layer octets (IE 1), payload octets those above the layer-4
 * header.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define FLOW_HISTORY_MAX 27 /* letters kept; then QUALITY_HISTORY_CUT */

/* RFC 5102 §5.11.3, IE 136 flowEndReason. */
enum flow_end_reason {
    END_NONE,
    END_IDLE = 1,
    END_ACTIVE = 2,
    END_DETECTED = 3,
    END_FORCED = 4,
    END_RESOURCES = 5,
};

/* On what evidence the initiator was chosen, weakest first. */
enum direction_basis {
    BASIS_FIRST_PACKET,
    BASIS_REQUEST, /* DNS or ICMP request bit */
    BASIS_SYN_ACK, /* receiver of a SYN-ACK */
    BASIS_SYN,     /* sender of the SYN */
    BASIS_COUNT
};

/* X(SYMBOL, name, help): what to know before trusting a record. Bit n is the n-th line. */
#define FLOW_QUALITY(X)                                                                            \
    X(MIDSTREAM, "midstream", "TCP connection was already running when first seen")                \
    X(ONE_SIDED, "one_sided", "TCP connection of which only one side was seen")                    \
    X(ORPHAN, "fragment_orphan", "fragments whose first fragment never came")                      \
    X(TRUNCATED, "truncated", "a header was cut by the snap length")                               \
    X(LENGTH_LIES, "length_lies", "an IP header claimed more octets than the wire carried")        \
    X(VLAN_CHANGED, "vlan_changed", "VLAN tags differ within the flow")                            \
    X(TUNNEL_CHANGED, "tunnel_changed", "tunnel or its id differ within the flow")                 \
    X(RESET_IGNORED, "reset_ignored", "a TCP reset was outside the window, or data followed it")   \
    X(EVICTED_EARLY, "evicted_early", "ended before its time to make room")                        \
    X(HISTORY_CUT, "history_cut", "history has more events than are kept")                         \
    X(SENSOR_LOSS, "sensor_loss", "the sensor lost packets while this flow was alive")             \
    X(SPAN_DUPLICATES, "span_duplicates", "frames of this flow were seen twice within 10 ms")

enum flow_quality_index {
#define X(symbol, name, help) QUALITY_INDEX_##symbol,
    FLOW_QUALITY(X)
#undef X
        QUALITY_COUNT
};
enum flow_quality {
#define X(symbol, name, help) QUALITY_##symbol = 1 << QUALITY_INDEX_##symbol,
    FLOW_QUALITY(X)
#undef X
};

/* TCP and UDP connection states as Zeek's conn.log defines them. X(SYMBOL, help) */
#define CONN_STATES(X)                                                                             \
    X(OTH, "not TCP or UDP, or midstream")                                                         \
    X(S0, "attempt seen, no reply")                                                                \
    X(S1, "established, not terminated")                                                           \
    X(S2, "established, close by the initiator, no answer to it")                                  \
    X(S3, "established, close by the responder, no answer to it")                                  \
    X(SF, "established and terminated (UDP: both sides spoke)")                                    \
    X(REJ, "attempt rejected")                                                                     \
    X(RSTO, "initiator reset an established connection")                                           \
    X(RSTR, "responder reset")                                                                     \
    X(RSTOS0, "initiator sent SYN then RST, no SYN-ACK")                                           \
    X(RSTRH, "responder sent SYN-ACK then RST, no SYN")                                            \
    X(SH, "initiator sent SYN then FIN, no SYN-ACK")                                               \
    X(SHR, "responder sent SYN-ACK then FIN, no SYN (UDP: only the responder spoke)")

enum conn_state {
#define X(symbol, help) CONN_##symbol,
    CONN_STATES(X)
#undef X
        CONN_STATE_COUNT
};

/* One value per side. */
struct flow_counts {
    uint64_t packets[2];
    uint64_t octets[2];
    uint64_t payload[2];
};

/* Of what an aggregate tells: the flows from a prefix of senders, or to one of receivers. */
enum flow_aggregate { AGGREGATE_NONE, AGGREGATE_FROM, AGGREGATE_TO };

#define AGGREGATE_SAMPLES 4

/*
 * One record. Three kinds share it:
 *   with packets in delta   a flow record: counts of its own interval, and totals
 *   without                 a closing notice: the connection ended after its last record was out;
 *                           only where it was asked for
 *   with aggregate set      an aggregate of delta.packets[0] flows of one packet each
 *                           (flow/fold.h), all from, or all to, one prefix; the other side's
 *                           address and the sender's port are 0. Its flow_id is its own.
 */
struct flow_record {
    struct flow_counts delta; /* this record */
    struct flow_counts total; /* since conn_start_ns, this record included */
    uint64_t flow_id;         /* IE 148; one per connection, unique over restarts and workers */
    uint64_t conn_start_ns;   /* first packet of the connection */
    uint64_t start_ns;        /* first packet of this record (notice: of the connection) */
    uint64_t end_ns;          /* last packet of this record (notice: of the connection) */
    uint64_t first_ns[2];     /* per side, of this record; 0 = side has no packet */
    uint64_t last_ns[2];
    uint32_t record_no; /* 1, 2, ... within the connection */
    uint32_t rtt_us;    /* TCP handshake: SYN to SYN-ACK plus SYN-ACK to ACK; 0 = not seen */
    uint32_t tunnel_id;
    uint32_t mpls_top;
    uint8_t address[2][16]; /* network order; IPv4 in the first 4 octets */
    union {
        struct { /* of a connection */
            uint8_t outer_address[2][16];
            char history[FLOW_HISTORY_MAX + 1]; /* Zeek's letters, upper case = initiator */
            uint8_t mac[2][6]; /* of the first packet's frame, by side; zero = unknown */
        };
        struct {                                   /* of an aggregate */
            uint8_t sample[AGGREGATE_SAMPLES][16]; /* addresses of the other side, the first ones */
            uint32_t distinct;                     /* addresses of the other side, estimated */
            uint8_t sample_count;
            uint8_t prefix_length; /* that all addresses of this side have in common */
        };
    };
    uint16_t port[2];
    uint16_t ingress[2]; /* ingress port by side */
    uint16_t vlan[2];    /* outer, inner; 0 = none */
    uint16_t quality;    /* enum flow_quality */
    uint8_t ip_version;
    uint8_t proto;
    uint8_t end_reason;      /* enum flow_end_reason */
    uint8_t open;            /* 1 = the connection goes on */
    uint8_t direction_basis; /* enum direction_basis */
    uint8_t conn_state;      /* enum conn_state, of the connection so far */
    uint8_t flags[2];        /* TCP flags of this record, union */
    uint8_t flags_total[2];  /* of the connection */
    uint8_t first_flags[2];  /* of the first packet of the connection, by side */
    uint8_t tos[2];          /* of the first packet, by side (IE 5) */
    uint8_t ttl_min[2];      /* 255, 0 where the side has no packet */
    uint8_t ttl_max[2];
    uint8_t icmp_type; /* of the first packet */
    uint8_t icmp_code;
    uint8_t tunnel; /* enum tunnel_kind */
    uint8_t outer_version;
    uint8_t has_icmp;
    uint8_t missed;    /* 1 = a TCP ACK covered data that was never seen */
    uint8_t aggregate; /* enum flow_aggregate */
};

/* What one flow did in one sweep turn, and where it stands. The flags opened, accepted, failed and
 * closed are each set in one delta of a connection, or in none. */
struct flow_delta {
    struct flow_counts total; /* since conn_start_ns, this turn included */
    uint64_t octets[2];       /* this turn */
    uint64_t payload[2];
    uint32_t packets[2];
    uint64_t conn_start_ns;
    uint64_t last_ns; /* last packet */
    uint64_t flow_id;
    uint8_t address[2][16];
    uint16_t port[2];
    uint8_t ip_version;
    uint8_t proto;
    uint8_t opened;   /* first delta of the connection */
    uint8_t accepted; /* the responder has answered with more than a reset, or no answer is due */
    uint8_t failed;   /* refused, or ended without having been accepted */
    uint8_t closed;   /* last delta: the connection ended */
    uint8_t aged;     /* the connection has come of age n, see flow_ages_ns; 0 = no news */
    uint32_t slot;    /* its number in the table: its own while it lives, then another's */
};
static_assert(sizeof(struct flow_delta) == 160, "no holes");

/* Ages at which a connection is told anew. */
#define FLOW_AGES 3
static const uint64_t flow_ages_ns[FLOW_AGES] = {5000000000U, 60000000000U, 600000000000U};

/* Bursts the flow stage fills and core empties. */
#define FLOW_RECORD_BURST 512
#define FLOW_DELTA_BURST 512

struct flow_out {
    uint32_t record_count;
    uint32_t delta_count;
    struct flow_record record[FLOW_RECORD_BURST];
    struct flow_delta delta[FLOW_DELTA_BURST];
};

static inline bool flow_record_is_aggregate(const struct flow_record *r)
{
    return r->aggregate != AGGREGATE_NONE;
}

static inline bool flow_record_is_notice(const struct flow_record *r)
{
    return r->delta.packets[0] + r->delta.packets[1] == 0;
}
