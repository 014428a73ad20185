#include "flow/delta.h"

#include <string.h>

#include "flow/bucket.h"
#include "flow/entry.h"
#include "flow/record.h"
#include "flow/tcp.h"

/* Behind its SYN the initiator sends more only when it was answered, seen here or not. */
static bool has_gone_on(uint8_t seen)
{
    return (seen & SEEN_SYN) && (seen & (SEEN_DATA | SEEN_ACK));
}

/* A reset alone is a refusal. ICMP errors and orphaned fragments expect no answer. */
static bool is_accepted(const struct flow_hot *h, const struct flow_cold *c)
{
    int responder = !flow_initiator(h);

    if (h->kind & (KIND_ONE_WAY_UP | KIND_ONE_WAY_DOWN | KIND_ORPHAN))
        return true;
    if (h->proto == PROTO_TCP)
        return (h->seen[responder] & (SEEN_SYN | SEEN_DATA | SEEN_ACK | SEEN_FIN)) ||
               has_gone_on(h->seen[!responder]);
    return c->total.packets[responder] != 0;
}

static bool is_refused(const struct flow_hot *h)
{
    return h->proto == PROTO_TCP && tcp_state(h, !flow_initiator(h)) == TCP_RESET;
}

/* True the first time that what is told by the bit is so. */
static uint8_t tell_once(struct flow_cold *c, bool is_so, uint8_t bit)
{
    if (!is_so || (c->reported & bit))
        return 0;
    c->reported |= bit;
    return 1;
}

static uint8_t tell_age(struct flow_cold *c, uint64_t age_ns)
{
    uint8_t told = c->reported >> REPORTED_AGE_SHIFT, age = told;

    while (age < FLOW_AGES && age_ns >= flow_ages_ns[age])
        age++;
    if (age == told)
        return 0;
    c->reported =
        (uint8_t)((c->reported & ((1 << REPORTED_AGE_SHIFT) - 1)) | age << REPORTED_AGE_SHIFT);
    return age;
}

/* All that is left to tell of an accepted connection are its ages and its end. */
static void delta_flags(struct flow_delta *d, const struct flow_hot *h, struct flow_cold *c,
                        bool closed)
{
    d->opened = d->accepted = d->failed = 0;
    d->closed = closed;
    d->aged = tell_age(c, d->last_ns - d->conn_start_ns);
    if ((c->reported & REPORTED_ACCEPTED) && (c->reported & REPORTED_OPENED))
        return;
    bool accepted = is_accepted(h, c);
    d->opened = tell_once(c, true, REPORTED_OPENED);
    d->accepted = tell_once(c, accepted, REPORTED_ACCEPTED);
    d->failed = tell_once(c, !accepted && (closed || is_refused(h)), REPORTED_FAILED);
}

static struct flow_delta *delta_begin(struct flow_table *t, uint32_t index, bool closed,
                                      struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];
    struct flow_delta *d = &out->delta[out->delta_count++];
    int first = flow_initiator(h);

    flow_put_addresses(t, index, d->address);
    for (int s = 0; s < 2; s++) {
        int side = s ^ first;
        d->port[s] = h->port[side];
        d->total.packets[s] = c->total.packets[side];
        d->total.octets[s] = c->total.octets[side];
        d->total.payload[s] = c->total.payload[side];
    }
    d->ip_version = h->kind & KIND_IP6 ? 6 : 4;
    d->proto = h->proto;
    d->slot = index;
    d->conn_start_ns = c->conn_start_ns;
    d->last_ns = max64(c->conn_start_ns, max64(c->last_ns[0], c->last_ns[1]));
    d->flow_id = c->flow_id;
    delta_flags(d, h, c, closed);
    return d;
}

struct flow_delta *delta_add(struct flow_table *t, uint32_t index, struct flow_out *out)
{
    return delta_begin(t, index, false, out);
}

void delta_close(struct flow_table *t, uint32_t index, struct flow_out *out)
{
    struct flow_delta *d = delta_begin(t, index, true, out);

    memset(d->packets, 0, sizeof(d->packets));
    memset(d->octets, 0, sizeof(d->octets));
    memset(d->payload, 0, sizeof(d->payload));
}
