/*
 * A flow table that is slow, and short enough to be read against the rules: connections in a list,
 * every counter 64 bits, every deadline worked out afresh, every TCP segment taken through every
 * rule. The model test compares it with src/flow.
 *
 * What it takes over from the table, since the rules leave it open:
 *   - deadlines are looked at when a turn runs, and at the first packet after a turn in which the
 * connection was silent; what is due then ends with the reason that came first, as if at its own
 * time
 *   - a packet up to 1 s behind the newest arrived at its own time, a later one when the newest did
 *   - times of last packets are kept in steps of 8 ns
 *   - held fragments count in packets, octets and times, and leave no other trace in their flow
 * It has no limit on flows and datagrams that a test could reach, so it knows neither eviction nor
 * pressure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/counters.h"
#include "weir/flow.h"
#include "weir/packet.h"
#include "flow/table.h"

#define REFERENCE_CONNECTIONS 128
#define REFERENCE_DATAGRAMS 16
#define REFERENCE_RECORDS 1024
#define REFERENCE_STEP_NS 8

struct reference_key {
    uint8_t address[2][16]; /* lower first */
    uint32_t tunnel_id;
    uint16_t port[2];
    uint16_t vlan[2];
    uint8_t version, proto;
    uint8_t one_way; /* ICMP without counterpart: 1 + side of the sender */
    uint8_t orphan;
    uint8_t tunnel;
    uint8_t zero[3];
};

enum reference_endpoint {
    ENDPOINT_INACTIVE,
    ENDPOINT_SYN_SENT,
    ENDPOINT_SYN_ACK_SENT,
    ENDPOINT_PARTIAL,
    ENDPOINT_ESTABLISHED,
    ENDPOINT_CLOSED,
    ENDPOINT_RESET,
};

struct reference_tcp {
    enum reference_endpoint state, before;
    bool syn, fin, rst, data, ack, multi, fin_rst; /* its letter was given */
    bool follows;                                  /* next is known */
    uint32_t next, syn_at, fin_at, rst_at;
    uint64_t retransmissions, zero_windows;
};

struct reference_side {
    bool spoke;
    uint8_t first_flags, all_flags, tos, mac[6];
    uint16_t ingress;
    uint64_t packets, octets, payload; /* of the connection */
    uint64_t unswept_octets, unswept_payload;
    bool in_record;
    uint64_t record_packets, record_octets, record_payload, first_ns, last_ns;
    uint8_t record_flags, ttl_min, ttl_max;
    struct reference_tcp tcp;
};

struct reference_connection {
    bool used;
    bool busy; /* a packet was counted since the last turn */
    struct reference_key key;
    struct reference_side side[2]; /* as in key */
    int initiator;
    enum direction_basis basis;
    uint64_t id, start_ns, end_ns, arrival_ns, record_ns, syn_ns;
    uint64_t record_no;
    uint64_t rtt_us;
    uint64_t loss;
    uint16_t quality;
    bool missed;
    char history[FLOW_HISTORY_MAX + 1];
    struct packet first;
    uint8_t outer[2][16]; /* by side */
};

struct reference_datagram {
    bool used, known;
    struct packet sample; /* the first one, or the first held one */
    uint8_t address[32], outer[32];
    uint64_t clock_ns;
    uint64_t packets, octets, payload, first_ns, last_ns; /* held */
};

struct reference {
    struct flow_table_options options;
    struct reference_connection connection[REFERENCE_CONNECTIONS];
    uint32_t connections; /* places ever used */
    struct reference_datagram datagram[REFERENCE_DATAGRAMS];
    struct packet previous; /* that can have a duplicate */
    struct reference_key previous_key;
    int previous_side;
    uint64_t newest_ns, next_id, losses;
    uint64_t note[NOTE_COUNT];
    struct flow_record record[REFERENCE_RECORDS];
    uint32_t records;
};

void reference_init(struct reference *, const struct flow_table_options *);
void reference_packet(struct reference *, struct packet *);
void reference_turn(struct reference *, uint64_t now_ns);
void reference_drain(struct reference *);

/* reference_tcp.c */
bool reference_tcp_closed(const struct reference_connection *);
enum flow_keep reference_tcp_keep(const struct reference_connection *);
enum conn_state reference_state(const struct reference_connection *);
bool reference_tcp_anew(const struct reference_connection *, int side, const struct packet *,
                        uint64_t clock_ns);
void reference_tcp_segment(struct reference *, struct reference_connection *, int side,
                           const struct packet *);
void reference_direction(struct reference_connection *, int initiator, enum direction_basis);
void reference_letter(struct reference_connection *, int side, char letter);
