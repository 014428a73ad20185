/*
 * TCP: when a connection begins and ends, its state and history as Zeek's conn.log has them.
 *
 * Endpoint states and history letters follow Zeek's documentation of conn_state and history.
 * Letters: S SYN, H SYN-ACK, A pure ACK, D data, F FIN, R RST, T retransmission, W zero window, G
 * data acknowledged but never seen, Q SYN with FIN or RST, I FIN with RST, ^ the initiator is not
 * the sender of the first packet. T and W come at the 1st, 10th, 100th ... time.
 */
#pragma once

#include "flow/entry.h"
#include "weir/wire.h"

/* Sequence numbers further than this from what is expected are not of this connection. */
#define TCP_WINDOW (1 << 20)

enum flow_keep tcp_keep(const struct flow_hot *);
enum conn_state conn_state(const struct flow_hot *, const struct flow_cold *);
uint16_t tcp_quality(const struct flow_hot *, const struct flow_cold *);

/* Whether this SYN opens a new connection on an entry in use. clock_ns: the packet's. */
bool tcp_starts_anew(const struct flow_hot *, const struct flow_cold *, int side,
                     const struct packet *, uint64_t clock_ns);

/* Turns the flow so that side is the initiator, if the evidence is better than before and no record
 * is out. */
void flow_direction(struct flow_table *, uint32_t index, int initiator, enum direction_basis);

void history_add(struct flow_table *, uint32_t index, int side, char letter);

/* Everything but ordinary segments of an established connection. */
void tcp_special(struct flow_table *, uint32_t index, int side, const struct packet *);

/* Whether the segment needs tcp_special; else it is done here. */
static inline bool tcp_ordinary(struct flow_hot *h, int side, const struct packet *p)
{
    uint8_t need = p->payload ? SEEN_SEQ | SEEN_DATA : SEEN_SEQ | SEEN_ACK;

    if ((p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK)) != TCP_ACK || !p->tcp_window ||
        (h->seen[side] & need) != need || !(h->state & (STATE_CALM << side)))
        return false;
    if ((h->seen[!side] & SEEN_SEQ) && (int32_t)(p->tcp_ack - h->seq_next[!side]) > 0)
        return false;
    uint32_t end = p->tcp_seq + p->payload;
    int32_t ahead = (int32_t)(end - h->seq_next[side]);
    h->seq_next[side] = ahead > 0 ? end : h->seq_next[side];
    return (ahead > 0) | !p->payload;
}
