#include "flow/tcp.h"

#include <ctype.h>

static bool closed(const struct flow_hot *h)
{
    unsigned a = tcp_state(h, 0), b = tcp_state(h, 1);
    return a == TCP_RESET || b == TCP_RESET || (a == TCP_CLOSED && b == TCP_CLOSED);
}

enum flow_keep tcp_keep(const struct flow_hot *h)
{
    uint8_t seen = h->seen[0] | h->seen[1];

    if (closed(h))
        return KEEP_TCP_CLOSED;
    if ((seen & SEEN_SYN) && !(seen & (SEEN_DATA | SEEN_ACK | SEEN_FIN)))
        return KEEP_TCP_HALF_OPEN;
    return KEEP_TCP_ESTABLISHED;
}

static enum conn_state udp_state(const struct flow_cold *c, int orig)
{
    bool asked = flow_seen(c, orig), answered = flow_seen(c, !orig);

    if (asked)
        return answered ? CONN_SF : CONN_S0;
    return answered ? CONN_SHR : CONN_OTH;
}

/* Zeek's conn_state, case by case in its order. */
enum conn_state conn_state(const struct flow_hot *h, const struct flow_cold *c)
{
    int o = flow_initiator(h);
    unsigned orig = tcp_state(h, o), resp = tcp_state(h, !o);
    bool o_silent = orig == TCP_INACTIVE || orig == TCP_PARTIAL;
    bool r_silent = resp == TCP_INACTIVE || resp == TCP_PARTIAL;

    if (h->kind & KIND_ORPHAN)
        return CONN_OTH;
    if (h->proto == PROTO_UDP)
        return udp_state(c, o);
    if (h->proto != PROTO_TCP)
        return CONN_OTH;
    if (resp == TCP_RESET) {
        if (orig == TCP_SYN_SENT || orig == TCP_SYN_ACK_SENT ||
            (orig == TCP_RESET && !(c->total.payload[0] | c->total.payload[1])))
            return CONN_REJ;
        return o_silent ? CONN_RSTRH : CONN_RSTR;
    }
    if (orig == TCP_RESET)
        return r_silent ? CONN_RSTOS0 : CONN_RSTO;
    if (orig == TCP_CLOSED && resp == TCP_CLOSED)
        return CONN_SF;
    if (orig == TCP_CLOSED)
        return r_silent ? CONN_SH : CONN_S2;
    if (resp == TCP_CLOSED)
        return o_silent ? CONN_SHR : CONN_S3;
    if (orig == TCP_SYN_SENT && resp == TCP_INACTIVE)
        return CONN_S0;
    return orig == TCP_ESTABLISHED && resp == TCP_ESTABLISHED ? CONN_S1 : CONN_OTH;
}

uint16_t tcp_quality(const struct flow_hot *h, const struct flow_cold *c)
{
    uint8_t flags[2] = {(uint8_t)(c->flags_total[0] | h->flags[0]),
                        (uint8_t)(c->flags_total[1] | h->flags[1])};
    uint16_t quality = 0;

    if (!((flags[0] | flags[1]) & TCP_SYN))
        quality |= QUALITY_MIDSTREAM;
    for (int s = 0; s < 2; s++)
        if (!flow_seen(c, !s) && (flags[s] & TCP_ACK))
            quality |= QUALITY_ONE_SIDED;
    return quality;
}

static bool outside(uint32_t seq, uint32_t expected)
{
    int32_t distance = (int32_t)(seq - expected);
    return distance > TCP_WINDOW || distance < -TCP_WINDOW;
}

#define SYN_IDLE_NS 15000000000ULL

bool tcp_starts_anew(const struct flow_hot *h, const struct flow_cold *c, int side,
                     const struct packet *p, uint64_t clock_ns)
{
    bool silent = !flow_has_counts(h);

    if (!(p->flags & PACKET_HAS_TCP) || (p->tcp_flags & (TCP_FIN | TCP_RST)))
        return false;
    if (p->tcp_flags & TCP_ACK)
        return closed(h) && (h->seen[side] & SEEN_SYN) && c->isn[side] != p->tcp_seq;
    if (closed(h) || (silent && clock_ns >= c->arrival_ns + SYN_IDLE_NS))
        return true;
    if ((h->seen[side] & SEEN_SYN) && c->isn[side] == p->tcp_seq)
        return false;
    return (h->seen[side] & SEEN_SEQ) && outside(p->tcp_seq, h->seq_next[side]);
}

/* The place of the nth letter. */
static char *history_letter(struct flow_table *t, uint32_t index, unsigned n)
{
    if (n < COLD_HISTORY)
        return &t->cold[index].history[n];
    return &flow_odd(t, index)->history[n - COLD_HISTORY];
}

void history_add(struct flow_table *t, uint32_t index, int side, char letter)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];

    if (c->history_len >= FLOW_HISTORY_MAX) {
        h->quality |= HOT_QUALITY(QUALITY_HISTORY_CUT);
        return;
    }
    letter |= (char)((side != flow_initiator(h)) << 5); /* lower case */
    *history_letter(t, index, c->history_len++) = letter;
}

void flow_direction(struct flow_table *t, uint32_t index, int initiator, enum direction_basis basis)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];

    if (basis <= c->basis || c->record_no)
        return;
    c->basis = (uint8_t)basis;
    if (initiator == flow_initiator(h))
        return;
    h->kind ^= KIND_INITIATOR;
    for (unsigned i = 0; i < c->history_len; i++) {
        char *letter = history_letter(t, index, i);
        unsigned char was = (unsigned char)*letter;
        *letter = (char)(islower(was) ? toupper(was) : tolower(was));
    }
    if (h->proto == PROTO_TCP || h->proto == PROTO_UDP)
        history_add(t, index, initiator, '^');
}

/* A letter the first time, and again when what it marks stands elsewhere in the sequence space. */
static void history_mark(struct flow_table *t, uint32_t index, int side, uint8_t bit, char letter)
{
    struct flow_hot *h = &t->hot[index];

    if (h->seen[side] & bit)
        return;
    h->seen[side] |= bit;
    history_add(t, index, side, letter);
}

static void history_place(struct flow_table *t, uint32_t index, int side, uint8_t bit, char letter,
                          bool elsewhere)
{
    if ((t->hot[index].seen[side] & bit) && elsewhere)
        history_add(t, index, side, letter);
    history_mark(t, index, side, bit, letter);
}

static void history_scaled(struct flow_table *t, uint32_t index, int side, char letter,
                           uint32_t *count)
{
    uint32_t n = ++*count;

    while (n % 10 == 0)
        n /= 10;
    if (n == 1)
        history_add(t, index, side, letter);
}

static bool is_elsewhere(uint32_t *last, uint32_t seq)
{
    bool elsewhere = *last != seq;

    *last = seq;
    return elsewhere;
}

static void history_flags(struct flow_table *t, uint32_t index, int side, const struct packet *p)
{
    uint8_t flags = p->tcp_flags, special = flags & (TCP_SYN | TCP_FIN | TCP_RST);

    if (special == (TCP_FIN | TCP_RST) || special == (TCP_SYN | TCP_FIN | TCP_RST))
        history_mark(t, index, side, SEEN_FIN_RST, 'I');
    else if (special & (special - 1))
        history_mark(t, index, side, SEEN_MULTI, 'Q');
    else if (special == TCP_SYN)
        history_place(t, index, side, SEEN_SYN, flags & TCP_ACK ? 'H' : 'S',
                      is_elsewhere(&t->cold[index].isn[side], p->tcp_seq));
    else if (special == TCP_FIN)
        history_place(t, index, side, SEEN_FIN, 'F',
                      is_elsewhere(&flow_odd(t, index)->last_fin[side], p->tcp_seq + p->payload));
    else if (special == TCP_RST)
        history_place(t, index, side, SEEN_RST, 'R',
                      is_elsewhere(&flow_odd(t, index)->last_rst[side], p->tcp_seq));
    else if (p->payload)
        history_mark(t, index, side, SEEN_DATA, 'D');
    else if (flags & TCP_ACK)
        history_mark(t, index, side, SEEN_ACK, 'A');
}

static bool is_under_way(unsigned state)
{
    return state == TCP_PARTIAL || state == TCP_ESTABLISHED;
}

static unsigned state_before(const struct flow_cold *c, int side)
{
    return (c->before >> (3 * side)) & 7u;
}

static void state_set(struct flow_hot *h, struct flow_cold *c, int side, enum tcp_endpoint state)
{
    unsigned peer = tcp_state(h, !side), own = state;

    c->before &= (uint8_t) ~(7u << (3 * side));
    c->before |= (uint8_t)(tcp_state(h, side) << (3 * side));
    h->state = (uint8_t)(own << (3 * side) | peer << (3 * !side));
    if (is_under_way(own) && peer != TCP_RESET)
        h->state |= (uint8_t)(STATE_CALM << side);
    if (is_under_way(peer) && own != TCP_RESET)
        h->state |= (uint8_t)(STATE_CALM << !side);
}

static void advance_inactive(struct flow_hot *h, struct flow_cold *c, int side,
                             const struct packet *p)
{
    bool orig = side == flow_initiator(h), ack = p->tcp_flags & TCP_ACK;
    unsigned peer = tcp_state(h, !side);

    if ((p->tcp_flags & TCP_SYN) && orig) {
        state_set(h, c, side, ack ? TCP_SYN_ACK_SENT : TCP_SYN_SENT);
    } else if (p->tcp_flags & TCP_SYN) {
        if (peer == TCP_SYN_SENT)
            state_set(h, c, !side, TCP_ESTABLISHED);
        state_set(h, c, side, TCP_ESTABLISHED);
    }
    if (p->tcp_flags & TCP_FIN)
        state_set(h, c, side, TCP_CLOSED);
    if (p->tcp_flags & TCP_RST)
        state_set(h, c, side, TCP_RESET);
    if (tcp_state(h, side) != TCP_INACTIVE)
        return;
    if (!orig && !p->payload && peer == TCP_SYN_SENT)
        return; /* an ACK before the SYN-ACK is no partial connection */
    state_set(h, c, side, ack && peer == TCP_ESTABLISHED ? TCP_ESTABLISHED : TCP_PARTIAL);
}

static void advance_established(struct flow_hot *h, struct flow_cold *c, int side,
                                const struct packet *p)
{
    unsigned own = tcp_state(h, side), peer = tcp_state(h, !side);
    uint8_t flags = p->tcp_flags;

    if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && own == TCP_PARTIAL && peer == TCP_INACTIVE)
        state_set(h, c, side, TCP_SYN_SENT);
    if ((flags & (TCP_FIN | TCP_RST)) == TCP_FIN) {
        state_set(h, c, side, TCP_CLOSED);
        /* a RST behind a FIN of the peer was a normal end after all */
        if (peer == TCP_RESET && state_before(c, !side) == TCP_CLOSED)
            state_set(h, c, !side, TCP_CLOSED);
    }
    if (flags & TCP_RST)
        state_set(h, c, side, TCP_RESET);
}

static void advance(struct flow_hot *h, struct flow_cold *c, int side, const struct packet *p)
{
    switch (tcp_state(h, side)) {
    case TCP_INACTIVE:
        advance_inactive(h, c, side, p);
        break;
    case TCP_SYN_SENT:
    case TCP_SYN_ACK_SENT:
        if (p->tcp_flags & TCP_FIN)
            state_set(h, c, side, TCP_CLOSED);
        if (p->tcp_flags & TCP_RST)
            state_set(h, c, side, TCP_RESET);
        break;
    case TCP_PARTIAL:
    case TCP_ESTABLISHED:
        advance_established(h, c, side, p);
        break;
    case TCP_CLOSED:
        if ((p->tcp_flags & TCP_RST) && tcp_state(h, !side) != TCP_CLOSED)
            state_set(h, c, side, TCP_RESET);
        break;
    default:
        break;
    }
}

/* Follows the sender's sequence space; tells a retransmission. */
static void follow(struct flow_table *t, uint32_t index, int side, const struct packet *p)
{
    struct flow_hot *h = &t->hot[index];
    uint8_t flags = p->tcp_flags;
    uint32_t end =
        p->tcp_seq + (flags & TCP_RST ? 0 : p->payload) + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);

    if (!(h->seen[side] & SEEN_SEQ)) {
        h->seen[side] |= SEEN_SEQ;
        h->seq_next[side] = end;
    } else if ((flags & (TCP_SYN | TCP_RST)) && outside(end, h->seq_next[side])) {
        return;
    } else if (tcp_state(h, side) == TCP_RESET) {
        return;
    } else if ((int32_t)(end - h->seq_next[side]) > 0) {
        h->seq_next[side] = end;
    } else if (p->payload) {
        history_scaled(t, index, side, 'T', &flow_odd(t, index)->retransmitted[side]);
    }
}

static void zero_window(struct flow_table *t, uint32_t index, int side, const struct packet *p)
{
    const struct flow_hot *h = &t->hot[index];

    if (!p->tcp_window && !(p->tcp_flags & TCP_RST) && tcp_state(h, !side) != TCP_CLOSED &&
        tcp_state(h, side) != TCP_RESET)
        history_scaled(t, index, side, 'W', &flow_odd(t, index)->zero_windows[side]);
}

/* The peer's data up to this ACK were sent, and did not come by here. */
static void acked_unseen(struct flow_table *t, uint32_t index, int side, const struct packet *p)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];
    int peer = !side;

    if (!(p->tcp_flags & TCP_ACK) || (p->tcp_flags & (TCP_FIN | TCP_RST)) ||
        !(h->seen[peer] & SEEN_SEQ) || (int32_t)(p->tcp_ack - h->seq_next[peer]) <= 0 ||
        outside(p->tcp_ack, h->seq_next[peer]))
        return;
    h->seq_next[peer] = p->tcp_ack;
    t->counters->note[NOTE_ACKED_UNSEEN]++;
    if (!(c->marks & MARK_MISSED))
        history_add(t, index, peer, 'G');
    c->marks |= MARK_MISSED;
}

static void handshake(const struct flow_hot *h, struct flow_cold *c, int side,
                      const struct packet *p)
{
    bool orig = side == flow_initiator(h);

    if (p->tcp_flags & TCP_SYN) {
        if (orig && !(p->tcp_flags & TCP_ACK))
            c->syn_ns = p->ts_ns;
    } else if (orig && !c->rtt_us && c->syn_ns && (p->tcp_flags & TCP_ACK) &&
               (h->seen[!side] & SEEN_SYN) && !((h->seen[0] | h->seen[1]) & SEEN_RST) &&
               !(h->seen[side] & (SEEN_ACK | SEEN_DATA)) && p->ts_ns >= c->syn_ns) {
        uint64_t us = (p->ts_ns - c->syn_ns) / 1000;
        c->rtt_us = us > UINT32_MAX ? UINT32_MAX : us ? (uint32_t)us : 1;
    }
}

static void ignore_reset(struct flow_table *t, struct flow_hot *h)
{
    h->quality |= HOT_QUALITY(QUALITY_RESET_IGNORED);
    t->counters->note[NOTE_RESETS_IGNORED]++;
}

void tcp_special(struct flow_table *t, uint32_t index, int side, const struct packet *p)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];
    uint8_t flags = p->tcp_flags;

    if ((flags & (TCP_SYN | TCP_FIN | TCP_RST)) == TCP_SYN)
        flow_direction(t, index, flags & TCP_ACK ? !side : side,
                       flags & TCP_ACK ? BASIS_SYN_ACK : BASIS_SYN);
    handshake(h, c, side, p);
    history_flags(t, index, side, p);
    zero_window(t, index, side, p);
    bool stray =
        (flags & TCP_RST) && (h->seen[side] & SEEN_SEQ) && outside(p->tcp_seq, h->seq_next[side]);
    follow(t, index, side, p);
    if (stray) {
        ignore_reset(t, h);
        return;
    }
    if (p->payload && !(flags & TCP_RST) && tcp_state(h, !side) == TCP_RESET &&
        tcp_state(h, side) != TCP_RESET) {
        state_set(h, c, !side, (enum tcp_endpoint)state_before(c, !side));
        ignore_reset(t, h);
    }
    advance(h, c, side, p);
    acked_unseen(t, index, side, p);
}
