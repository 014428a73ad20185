#include <ctype.h>
#include <string.h>

#include "reference.h"
#include "weir/wire.h"

#define WINDOW (1LL << 20)
#define SYN_IDLE_NS 15000000000ULL

/* How far a sequence number is ahead of another, over the wrap. */
static int64_t ahead(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static bool outside(uint32_t seq, uint32_t expected)
{
    return ahead(seq, expected) > WINDOW || ahead(seq, expected) < -WINDOW;
}

bool reference_tcp_closed(const struct reference_connection *c)
{
    enum reference_endpoint a = c->side[0].tcp.state, b = c->side[1].tcp.state;

    if (a == ENDPOINT_RESET || b == ENDPOINT_RESET)
        return true;
    return a == ENDPOINT_CLOSED && b == ENDPOINT_CLOSED;
}

/* Half open: a SYN, and nothing but SYN, SYN-ACK since. */
enum flow_keep reference_tcp_keep(const struct reference_connection *c)
{
    const struct reference_tcp *a = &c->side[0].tcp, *b = &c->side[1].tcp;

    if (reference_tcp_closed(c))
        return KEEP_TCP_CLOSED;
    if (!a->syn && !b->syn)
        return KEEP_TCP_ESTABLISHED;
    if (a->data || a->ack || a->fin || b->data || b->ack || b->fin)
        return KEEP_TCP_ESTABLISHED;
    return KEEP_TCP_HALF_OPEN;
}

static enum conn_state udp_state(bool asked, bool answered)
{
    if (asked)
        return answered ? CONN_SF : CONN_S0;
    return answered ? CONN_SHR : CONN_OTH;
}

static bool no_handshake(enum reference_endpoint e)
{
    return e == ENDPOINT_INACTIVE || e == ENDPOINT_PARTIAL;
}

static enum conn_state responder_reset(const struct reference_connection *c,
                                       enum reference_endpoint orig)
{
    if (orig == ENDPOINT_SYN_SENT || orig == ENDPOINT_SYN_ACK_SENT)
        return CONN_REJ;
    if (orig == ENDPOINT_RESET && c->side[0].payload + c->side[1].payload == 0)
        return CONN_REJ;
    return no_handshake(orig) ? CONN_RSTRH : CONN_RSTR;
}

static enum conn_state tcp_state(const struct reference_connection *c)
{
    enum reference_endpoint orig = c->side[c->initiator].tcp.state;
    enum reference_endpoint resp = c->side[!c->initiator].tcp.state;

    if (resp == ENDPOINT_RESET)
        return responder_reset(c, orig);
    if (orig == ENDPOINT_RESET)
        return no_handshake(resp) ? CONN_RSTOS0 : CONN_RSTO;
    if (orig == ENDPOINT_CLOSED && resp == ENDPOINT_CLOSED)
        return CONN_SF;
    if (orig == ENDPOINT_CLOSED)
        return no_handshake(resp) ? CONN_SH : CONN_S2;
    if (resp == ENDPOINT_CLOSED)
        return no_handshake(orig) ? CONN_SHR : CONN_S3;
    if (orig == ENDPOINT_ESTABLISHED && resp == ENDPOINT_ESTABLISHED)
        return CONN_S1;
    return orig == ENDPOINT_SYN_SENT && resp == ENDPOINT_INACTIVE ? CONN_S0 : CONN_OTH;
}

enum conn_state reference_state(const struct reference_connection *c)
{
    if (c->key.orphan)
        return CONN_OTH;
    if (c->key.proto == PROTO_UDP)
        return udp_state(c->side[c->initiator].spoke, c->side[!c->initiator].spoke);
    return c->key.proto == PROTO_TCP ? tcp_state(c) : CONN_OTH;
}

/* What comes with FIN or RST begins nothing: its number is no initial one. */
bool reference_tcp_anew(const struct reference_connection *c, int side, const struct packet *p,
                        uint64_t clock_ns)
{
    const struct reference_tcp *own = &c->side[side].tcp;

    if (c->key.proto != PROTO_TCP || !(p->flags & PACKET_HAS_TCP))
        return false;
    switch (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_FIN | TCP_RST)) {
    case TCP_SYN | TCP_ACK: /* of a connection whose SYN went by elsewhere */
        return reference_tcp_closed(c) && own->syn && own->syn_at != p->tcp_seq;
    case TCP_SYN:
        if (reference_tcp_closed(c) || clock_ns >= c->arrival_ns + SYN_IDLE_NS)
            return true;
        if (own->syn && own->syn_at == p->tcp_seq)
            return false;
        return own->follows && outside(p->tcp_seq, own->next);
    default:
        return false;
    }
}

void reference_letter(struct reference_connection *c, int side, char letter)
{
    size_t n = strlen(c->history);

    if (n == FLOW_HISTORY_MAX) {
        c->quality |= QUALITY_HISTORY_CUT;
        return;
    }
    c->history[n] = side == c->initiator ? letter : (char)tolower((unsigned char)letter);
}

void reference_direction(struct reference_connection *c, int initiator, enum direction_basis basis)
{
    if (c->record_no > 0 || basis <= c->basis)
        return;
    c->basis = basis;
    if (initiator == c->initiator)
        return;
    c->initiator = initiator;
    for (char *h = c->history; *h; h++)
        *h = (char)(isupper((unsigned char)*h) ? tolower((unsigned char)*h)
                                               : toupper((unsigned char)*h));
    if (c->key.proto == PROTO_TCP || c->key.proto == PROTO_UDP)
        reference_letter(c, initiator, '^');
}

/* Once. */
static void mark(struct reference_connection *c, int side, bool *given, char letter)
{
    if (!*given)
        reference_letter(c, side, letter);
    *given = true;
}

/* Once at each place of the sequence space. */
static void mark_at(struct reference_connection *c, int side, bool *given, uint32_t *at,
                    uint32_t seq, char letter)
{
    if (!*given || *at != seq)
        reference_letter(c, side, letter);
    *given = true;
    *at = seq;
}

/* The 1st, 10th, 100th ... time. */
static void mark_scaled(struct reference_connection *c, int side, uint64_t *times, char letter)
{
    ++*times;
    for (uint64_t power = 1; power <= *times; power *= 10)
        if (power == *times)
            reference_letter(c, side, letter);
}

static void letters(struct reference_connection *c, int side, const struct packet *p)
{
    struct reference_tcp *own = &c->side[side].tcp;
    bool syn = p->tcp_flags & TCP_SYN, fin = p->tcp_flags & TCP_FIN, rst = p->tcp_flags & TCP_RST;
    bool ack = p->tcp_flags & TCP_ACK;

    if (fin && rst)
        mark(c, side, &own->fin_rst, 'I');
    else if (syn && (fin || rst))
        mark(c, side, &own->multi, 'Q');
    else if (syn)
        mark_at(c, side, &own->syn, &own->syn_at, p->tcp_seq, ack ? 'H' : 'S');
    else if (fin)
        mark_at(c, side, &own->fin, &own->fin_at, p->tcp_seq + p->payload, 'F');
    else if (rst)
        mark_at(c, side, &own->rst, &own->rst_at, p->tcp_seq, 'R');
    else if (p->payload)
        mark(c, side, &own->data, 'D');
    else if (ack)
        mark(c, side, &own->ack, 'A');
}

static void handshake(struct reference_connection *c, int side, const struct packet *p)
{
    struct reference_tcp *own = &c->side[side].tcp, *peer = &c->side[!side].tcp;

    if (p->tcp_flags & TCP_SYN) {
        if (side == c->initiator && !(p->tcp_flags & TCP_ACK))
            c->syn_ns = p->ts_ns;
        return;
    }
    if (side != c->initiator || !(p->tcp_flags & TCP_ACK) || !c->syn_ns || c->rtt_us)
        return;
    if (!peer->syn || own->rst || peer->rst || own->ack || own->data || p->ts_ns < c->syn_ns)
        return;
    c->rtt_us = (p->ts_ns - c->syn_ns) / 1000;
    if (c->rtt_us == 0)
        c->rtt_us = 1;
    if (c->rtt_us > UINT32_MAX)
        c->rtt_us = UINT32_MAX;
}

static void enter(struct reference_tcp *e, enum reference_endpoint state)
{
    e->before = e->state;
    e->state = state;
}

static void first_segment(struct reference_connection *c, int side, const struct packet *p)
{
    struct reference_tcp *own = &c->side[side].tcp, *peer = &c->side[!side].tcp;
    enum reference_endpoint peer_was = peer->state;
    bool orig = side == c->initiator, ack = p->tcp_flags & TCP_ACK;

    if (p->tcp_flags & TCP_SYN) {
        if (!orig && peer_was == ENDPOINT_SYN_SENT)
            enter(peer, ENDPOINT_ESTABLISHED);
        enter(own, !orig ? ENDPOINT_ESTABLISHED : ack ? ENDPOINT_SYN_ACK_SENT : ENDPOINT_SYN_SENT);
    }
    if (p->tcp_flags & TCP_FIN)
        enter(own, ENDPOINT_CLOSED);
    if (p->tcp_flags & TCP_RST)
        enter(own, ENDPOINT_RESET);
    if (p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))
        return;
    if (!orig && p->payload == 0 && peer_was == ENDPOINT_SYN_SENT)
        return; /* an ACK before the SYN-ACK */
    enter(own, ack && peer_was == ENDPOINT_ESTABLISHED ? ENDPOINT_ESTABLISHED : ENDPOINT_PARTIAL);
}

static void running_segment(struct reference_tcp *own, struct reference_tcp *peer, uint8_t flags)
{
    bool syn = flags & TCP_SYN, fin = flags & TCP_FIN, rst = flags & TCP_RST, ack = flags & TCP_ACK;

    if (syn && !ack && own->state == ENDPOINT_PARTIAL && peer->state == ENDPOINT_INACTIVE)
        enter(own, ENDPOINT_SYN_SENT);
    if (fin && !rst) {
        enter(own, ENDPOINT_CLOSED);
        /* the peer reset behind its own FIN: a normal end after all */
        if (peer->state == ENDPOINT_RESET && peer->before == ENDPOINT_CLOSED)
            enter(peer, ENDPOINT_CLOSED);
    }
    if (rst)
        enter(own, ENDPOINT_RESET);
}

static void advance(struct reference_connection *c, int side, const struct packet *p)
{
    struct reference_tcp *own = &c->side[side].tcp, *peer = &c->side[!side].tcp;

    switch (own->state) {
    case ENDPOINT_INACTIVE:
        first_segment(c, side, p);
        return;
    case ENDPOINT_SYN_SENT:
    case ENDPOINT_SYN_ACK_SENT:
        if (p->tcp_flags & TCP_FIN)
            enter(own, ENDPOINT_CLOSED);
        if (p->tcp_flags & TCP_RST)
            enter(own, ENDPOINT_RESET);
        return;
    case ENDPOINT_PARTIAL:
    case ENDPOINT_ESTABLISHED:
        running_segment(own, peer, p->tcp_flags);
        return;
    case ENDPOINT_CLOSED:
        if ((p->tcp_flags & TCP_RST) && peer->state != ENDPOINT_CLOSED)
            enter(own, ENDPOINT_RESET);
        return;
    case ENDPOINT_RESET:
        return;
    }
}

static void follow(struct reference_connection *c, int side, const struct packet *p)
{
    struct reference_tcp *own = &c->side[side].tcp;
    bool syn = p->tcp_flags & TCP_SYN, fin = p->tcp_flags & TCP_FIN, rst = p->tcp_flags & TCP_RST;
    uint32_t end = p->tcp_seq + (rst ? 0 : p->payload) + syn + fin;

    if (!own->follows) {
        own->follows = true;
        own->next = end;
        return;
    }
    if (own->state == ENDPOINT_RESET || ((syn || rst) && outside(end, own->next)))
        return;
    if (ahead(end, own->next) > 0)
        own->next = end;
    else if (p->payload)
        mark_scaled(c, side, &own->retransmissions, 'T');
}

static void acknowledged(struct reference *r, struct reference_connection *c, int side,
                         const struct packet *p)
{
    struct reference_tcp *peer = &c->side[!side].tcp;

    if ((p->tcp_flags & (TCP_ACK | TCP_FIN | TCP_RST)) != TCP_ACK || !peer->follows)
        return;
    if (ahead(p->tcp_ack, peer->next) <= 0 || outside(p->tcp_ack, peer->next))
        return;
    peer->next = p->tcp_ack;
    r->note[NOTE_ACKED_UNSEEN]++;
    mark(c, !side, &c->missed, 'G');
}

static void reset_ignored(struct reference *r, struct reference_connection *c)
{
    c->quality |= QUALITY_RESET_IGNORED;
    r->note[NOTE_RESETS_IGNORED]++;
}

void reference_tcp_segment(struct reference *r, struct reference_connection *c, int side,
                           const struct packet *p)
{
    struct reference_tcp *own = &c->side[side].tcp, *peer = &c->side[!side].tcp;
    bool syn = p->tcp_flags & TCP_SYN, fin = p->tcp_flags & TCP_FIN, rst = p->tcp_flags & TCP_RST;
    bool ack = p->tcp_flags & TCP_ACK;

    if (syn && !fin && !rst)
        reference_direction(c, ack ? !side : side, ack ? BASIS_SYN_ACK : BASIS_SYN);
    handshake(c, side, p);
    letters(c, side, p);
    if (p->tcp_window == 0 && !rst && peer->state != ENDPOINT_CLOSED &&
        own->state != ENDPOINT_RESET)
        mark_scaled(c, side, &own->zero_windows, 'W');
    bool stray = rst && own->follows && outside(p->tcp_seq, own->next);
    follow(c, side, p);
    if (stray) {
        reset_ignored(r, c);
        return;
    }
    if (p->payload && !rst && peer->state == ENDPOINT_RESET && own->state != ENDPOINT_RESET) {
        enter(peer, peer->before);
        reset_ignored(r, c);
    }
    advance(c, side, p);
    acknowledged(r, c, side, p);
}
