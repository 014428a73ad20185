#include "hosts/contacts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/number.h"
#include "hosts/book.h"
#include "hosts/distinct.h"
#include "hosts/tally.h"
#include "weir/host_class.h"
#include "weir/wire.h"

#define SLOTS_MIN 64
#define WAYS 8u
#define TRACEROUTE_FIRST 33434u
#define TRACEROUTE_LAST 33523u
#define RHYTHM_FROM 4u /* connections of an edge before its rhythm is kept */

struct contact {
    struct contact_key key;
    struct contact_window window[WINDOW_COUNT];
    struct distinct tried[WINDOW_COUNT];
    uint64_t flow_id, first_ns, last_start_ns;
    uint32_t rhythm; /* + 1; 0 = none */
};

struct contact_set {
    uint32_t tag[WAYS]; /* 0 = free */
};

struct contact_table {
    struct contact *contact;
    struct contact_set *set;
    uint32_t set_mask;
};

struct contacts {
    const struct book *book;
    struct contact_table table[CONTACT_KIND_COUNT];
    struct distinct_pools pools;
    struct contact_rhythm *rhythm;
    uint32_t *free_rhythm;
    uint64_t *known; /* hashes, open addressing; 0 = free */
    uint32_t max_rhythm, rhythm_used, rhythm_free, known_mask, known_count;
    struct contacts_stats stats;
};

static int table_init(struct contact_table *t, uint32_t max)
{
    uint32_t sets = power_of_two(max64(max / WAYS, SLOTS_MIN));

    t->set_mask = sets - 1;
    t->contact = memory_reserve(sizeof(*t->contact) * sets * WAYS);
    t->set = memory_reserve(sizeof(*t->set) * sets);
    return t->contact && t->set ? 0 : -ENOMEM;
}

static void table_fini(struct contact_table *t)
{
    memory_release(t->contact, sizeof(*t->contact) * (t->set_mask + 1) * WAYS);
    memory_release(t->set, sizeof(*t->set) * (t->set_mask + 1));
}

int contacts_create(const struct contacts_options *o, const struct book *book,
                    struct contacts **out)
{
    struct contacts *c = calloc(1, sizeof(*c));
    int rc = 0;

    if (!c)
        return -ENOMEM;
    c->book = book;
    c->max_rhythm = o->max_rhythm;
    c->known_mask = power_of_two(max64(2 * o->max_known, SLOTS_MIN)) - 1;
    c->rhythm = memory_reserve(sizeof(*c->rhythm) * o->max_rhythm);
    c->free_rhythm = memory_reserve(sizeof(uint32_t) * o->max_rhythm);
    c->known = memory_reserve(sizeof(uint64_t) * (c->known_mask + 1));
    for (int i = 0; i < CONTACT_KIND_COUNT && !rc; i++)
        rc = table_init(&c->table[i], o->max);
    if (!rc)
        rc = distinct_pools_init(&c->pools, o->max / 2 + 64, o->max / 8 + 64, o->max / 32 + 64);
    if (rc || !c->rhythm || !c->free_rhythm || !c->known) {
        contacts_destroy(c);
        return -ENOMEM;
    }
    *out = c;
    return 0;
}

void contacts_destroy(struct contacts *c)
{
    if (!c)
        return;
    for (int i = 0; i < CONTACT_KIND_COUNT; i++)
        table_fini(&c->table[i]);
    memory_release(c->rhythm, sizeof(*c->rhythm) * c->max_rhythm);
    memory_release(c->free_rhythm, sizeof(uint32_t) * c->max_rhythm);
    memory_release(c->known, sizeof(uint64_t) * (c->known_mask + 1));
    distinct_pools_fini(&c->pools);
    free(c);
}

void contacts_stats(const struct contacts *c, struct contacts_stats *stats)
{
    *stats = c->stats;
}

/* Two address hashes and a mix: the halves are keyed, so the whole is. */
static uint64_t key_hash(const struct contacts *c, const struct contact_key *key)
{
    uint8_t rest[16] = {key->kind, key->proto, (uint8_t)(key->port >> 8), (uint8_t)key->port};
    uint64_t a = book_hash(c->book, key->initiator.address);
    uint64_t b = book_hash(c->book, key->responder.address);

    memcpy(rest + 4, &a, 8);
    for (int i = 0; i < 4; i++)
        rest[12 + i] = (uint8_t)(b >> 8 * i);
    return book_hash(c->book, rest) ^ (b >> 32) * 0x9e3779b97f4a7c15u;
}

static void rhythm_give(struct contacts *c, struct contact *e)
{
    if (e->rhythm)
        c->free_rhythm[c->rhythm_free++] = e->rhythm - 1;
    e->rhythm = 0;
}

static void rhythm_take(struct contacts *c, struct contact *e)
{
    uint32_t at;

    if (c->rhythm_free)
        at = c->free_rhythm[--c->rhythm_free];
    else if (c->rhythm_used < c->max_rhythm)
        at = c->rhythm_used++;
    else {
        c->stats.unrhythmed++;
        return;
    }
    memset(&c->rhythm[at], 0, sizeof(c->rhythm[at]));
    e->rhythm = at + 1;
}

static struct contact *contact_new(struct contacts *c, struct contact_table *t, uint32_t set,
                                   uint32_t way, uint32_t tag)
{
    struct contact *e = &t->contact[set * WAYS + way];

    if (t->set[set].tag[way]) {
        c->stats.replaced++;
        rhythm_give(c, e);
        for (int w = 0; w < WINDOW_COUNT; w++)
            distinct_clear(&c->pools, &e->tried[w]);
    }
    t->set[set].tag[way] = tag;
    memset(e, 0, sizeof(*e));
    return e;
}

static bool goes_before(const struct contact *a, const struct contact *b)
{
    if (a->window[WINDOW_HOUR].start_ns != b->window[WINDOW_HOUR].start_ns)
        return a->window[WINDOW_HOUR].start_ns < b->window[WINDOW_HOUR].start_ns;
    if (a->window[WINDOW_HOUR].opened != b->window[WINDOW_HOUR].opened)
        return a->window[WINDOW_HOUR].opened < b->window[WINDOW_HOUR].opened;
    return a->last_start_ns < b->last_start_ns;
}

static struct contact *contact_find(struct contacts *c, const struct contact_key *key)
{
    struct contact_table *t = &c->table[key->kind];
    uint64_t hash = key_hash(c, key);
    uint32_t set = (uint32_t)hash & t->set_mask, tag = (uint32_t)(hash >> 32) | 1, least = 0;
    struct contact *e = &t->contact[set * WAYS];

    for (uint32_t way = 0; way < WAYS; way++) {
        if (!t->set[set].tag[way]) {
            least = way;
            break;
        }
        if (t->set[set].tag[way] == tag && memcmp(&e[way].key, key, sizeof(*key)) == 0)
            return &e[way];
        if (goes_before(&e[way], &e[least]))
            least = way;
    }
    e = contact_new(c, t, set, least, tag);
    e->key = *key;
    return e;
}

static void windows_turn(struct contacts *c, struct contact *e, uint64_t clock_ns)
{
    for (int w = 0; w < WINDOW_COUNT; w++) {
        uint64_t start = host_window_start((enum host_window)w, clock_ns);
        if (start <= e->window[w].start_ns)
            continue;
        e->window[w] = (struct contact_window){.start_ns = start};
        distinct_clear(&c->pools, &e->tried[w]);
    }
}

static uint32_t saturated(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static void rhythm_add(struct contact_rhythm *r, const struct host_event *e)
{
    const struct flow_delta *d = &e->delta;

    if (e->kind & EVENT_OPENED) {
        if (!r->starts)
            r->first_ns = d->conn_start_ns;
        else if (d->conn_start_ns > r->last_ns)
            r->interval_ms[(r->starts - 1) % CONTACT_SAMPLES] =
                saturated((d->conn_start_ns - r->last_ns) / 1000000);
        else
            return; /* out of order: neither an interval nor a start */
        r->last_ns = d->conn_start_ns;
        r->starts++;
        uint16_t *hour = &r->hour[d->conn_start_ns / host_window_ns[WINDOW_HOUR] % CONTACT_HOURS];
        *hour += *hour < UINT16_MAX;
    }
    if (e->kind & EVENT_CLOSED)
        r->size[r->sizes++ % CONTACT_SAMPLES] = saturated(d->total.octets[0]);
}

/* Protocols with ports; a traceroute goes through those of UDP from 33434 on, three a hop. */
static bool is_port_tried(const struct flow_delta *d)
{
    if (d->proto == PROTO_UDP)
        return d->port[1] < TRACEROUTE_FIRST || d->port[1] > TRACEROUTE_LAST;
    return d->proto == PROTO_TCP || d->proto == PROTO_SCTP;
}

static void count_tried(struct contacts *c, struct contact *e, const struct flow_delta *d)
{
    uint8_t element[16] = {d->proto, (uint8_t)(d->port[1] >> 8), (uint8_t)d->port[1]};

    if (e->key.kind == CONTACT_EDGE || (e->key.kind == CONTACT_PAIR && !is_port_tried(d)))
        return;
    if (e->key.kind == CONTACT_SERVICE) {
        struct host_key responder = host_key_of(d->ip_version, d->address[1]);
        memcpy(element, responder.address, 16);
    }
    uint64_t hash = book_hash(c->book, element);
    for (int w = 0; w < WINDOW_COUNT; w++) {
        distinct_add(&c->pools, &e->tried[w], hash);
        e->window[w].tried = distinct_count(&c->pools, &e->tried[w]);
    }
}

static void contact_count(struct contacts *c, struct contact *e, const struct host_event *event,
                          uint64_t clock_ns)
{
    const struct flow_delta *d = &event->delta;

    windows_turn(c, e, clock_ns);
    for (int w = 0; w < WINDOW_COUNT; w++) {
        struct contact_window *window = &e->window[w];
        window->octets[0] += event->octets[0];
        window->octets[1] += event->octets[1];
        window->opened += d->opened;
        window->accepted += d->accepted;
        window->failed += d->failed;
    }
    e->flow_id = d->flow_id;
    if (!d->opened)
        return;
    if (!e->first_ns)
        e->first_ns = d->conn_start_ns;
    e->last_start_ns = d->conn_start_ns;
    if (!d->accepted)
        count_tried(c, e, d);
}

static void edge_count(struct contacts *c, struct contact *e, const struct host_event *event)
{
    if (!e->rhythm && e->window[WINDOW_HOUR].opened >= RHYTHM_FROM)
        rhythm_take(c, e);
    if (e->rhythm)
        rhythm_add(&c->rhythm[e->rhythm - 1], event);
}

/* True the first time. */
static bool known_add(struct contacts *c, uint64_t hash)
{
    hash |= 1;
    uint32_t at = (uint32_t)(hash >> 32) & c->known_mask;

    for (; c->known[at]; at = (at + 1) & c->known_mask)
        if (c->known[at] == hash)
            return false;
    if (c->known_count > c->known_mask / 2) {
        c->stats.unlearned++;
        return false;
    }
    c->known[at] = hash;
    c->known_count++;
    return true;
}

static bool edge_is_new(struct contacts *c, const struct contact_key *key,
                        const struct host_event *e)
{
    return e->delta.accepted && e->inside == (INSIDE_INITIATOR | INSIDE_RESPONDER) &&
           port_is_admin(key->port) && known_add(c, key_hash(c, key));
}

/* 224.0.0.0/4, 255.255.255.255, ff00::/8 (RFC 5771, 919, 4291): nobody answers for these. */
static bool is_group(const struct flow_delta *d)
{
    const uint8_t *to = d->address[1];

    return d->ip_version == 4 ? to[0] >= 224 : to[0] == 0xff;
}

static struct contact_key key_of(const struct flow_delta *d, enum contact_kind kind)
{
    struct contact_key key = {.initiator = host_key_of(d->ip_version, d->address[0]),
                              .kind = (uint8_t)kind};

    if (kind != CONTACT_SERVICE)
        key.responder = host_key_of(d->ip_version, d->address[1]);
    if (kind != CONTACT_PAIR) {
        key.port = d->port[1];
        key.proto = d->proto;
    }
    return key;
}

unsigned contacts_event(struct contacts *c, const struct host_event *e, uint64_t clock_ns,
                        struct contact_view view[CONTACT_KIND_COUNT])
{
    unsigned count = 0;

    if (is_group(&e->delta))
        return 0;
    for (int kind = 0; kind < CONTACT_KIND_COUNT; kind++) {
        struct contact_key key = key_of(&e->delta, (enum contact_kind)kind);
        struct contact *contact = contact_find(c, &key);
        contact_count(c, contact, e, clock_ns);
        bool is_new = kind == CONTACT_EDGE && edge_is_new(c, &key, e);
        if (kind == CONTACT_EDGE)
            edge_count(c, contact, e);
        struct contact_view *v = &view[count++];
        v->key = key;
        memcpy(v->window, contact->window, sizeof(v->window));
        v->flow_id = contact->flow_id;
        v->first_ns = contact->first_ns;
        v->rhythm = contact->rhythm ? &c->rhythm[contact->rhythm - 1] : NULL;
        v->inside = e->inside;
        v->is_new = is_new;
    }
    return count;
}
