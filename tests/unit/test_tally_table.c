/* Random deltas against sums that are kept without any of the tally's means. */
#include "host_fixture.h"

#include "weir/host_class.h"

#define HOSTS 400u
#define TURNS 400u
#define DELTAS 500u
#define PLENTY 10000u
#define SLOTS (TALLY_FLOWS + 100) /* some beyond those that have hints */

struct sum {
    struct host_key key;
    bool inside, used;
    struct host_counters counters;
};

struct model {
    struct flow_delta flow[SLOTS]; /* the last of each slot */
    struct sum sum[2 * HOSTS * 4];
    uint32_t count;
    uint64_t random;
};

static uint32_t draw(struct model *m, uint32_t below)
{
    m->random = m->random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(m->random >> 33) % below;
}

static struct host_counters *sum_of(struct model *m, const struct host_key *key, bool inside)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->sum[i].inside == inside && !memcmp(&m->sum[i].key, key, sizeof(*key)))
            return &m->sum[i].counters;
    assert_true(m->count < sizeof(m->sum) / sizeof(m->sum[0]));
    m->sum[m->count] = (struct sum){.key = *key, .inside = inside};
    return &m->sum[m->count++].counters;
}

static void expect(struct model *m, const struct flow_delta *d, int side, uint8_t inside)
{
    static const int class_out[CLASS_COUNT] = {-1, HOST_DNS_OUT, HOST_TLS_OUT, HOST_ICMP_OUT,
                                               HOST_ADMIN_OUT};
    struct host_key key = host_key_of(d->ip_version, d->address[side]);
    uint64_t *v = sum_of(m, &key, inside >> side & 1)->value;
    int class = class_out[host_class_of(d->proto, d->port)];

    for (int out = 0; out < 2; out++) {
        int from = out ? !side : side;
        v[HOST_OCTETS_OUT + out] += d->octets[from];
        v[HOST_PACKETS_OUT + out] += d->packets[from];
        v[HOST_PAYLOAD_OUT + out] += d->payload[from];
        if (!(inside >> !side & 1))
            v[HOST_OUTSIDE_OUT + out] += d->octets[from];
        if (class >= 0)
            v[class + out] += d->octets[from];
    }
    v[side ? HOST_OPENED_IN : HOST_OPENED] += d->opened;
    v[side ? HOST_ACCEPTED_IN : HOST_ACCEPTED] += d->accepted;
    v[side ? HOST_FAILED_IN : HOST_FAILED] += d->failed;
    v[HOST_CLOSED] += d->closed;
}

/* Of the hosts of a time, which move on slowly: old ones are silent then. */
static void draw_address(struct model *m, struct flow_delta *d, int side, uint32_t time)
{
    uint32_t host = time + draw(m, HOSTS);

    if (d->ip_version == 4) {
        put_ip4(d->address[side], (draw(m, 4) ? 0x0a000000 : 0xc6000000) + host);
        return;
    }
    memset(d->address[side], 0, 16);
    d->address[side][0] = draw(m, 4) ? 0xfd : 0x20;
    d->address[side][14] = (uint8_t)(host >> 8);
    d->address[side][15] = (uint8_t)host;
}

static uint64_t draw_octets(struct model *m)
{
    switch (draw(m, 20)) {
    case 0:
        return (uint64_t)draw(m, 16) << 30;
    case 1:
        return (1u << 31) - draw(m, 3);
    default:
        return draw(m, 100000);
    }
}

static void draw_flow(struct model *m, struct flow_delta *d, uint32_t time)
{
    static const uint16_t port[] = {443, 53, 445, 80, 3389, 8080, 22, 853};
    static const uint8_t proto[] = {PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_SCTP};

    d->ip_version = draw(m, 3) ? 4 : 6;
    d->proto = proto[draw(m, 4)];
    d->port[0] = (uint16_t)draw(m, 65536);
    d->port[1] = port[draw(m, 8)];
    for (int s = 0; s < 2; s++)
        draw_address(m, d, s, time);
}

/* Mostly of the flow that the slot had before. */
static struct flow_delta draw_delta(struct model *m, uint32_t time)
{
    uint32_t slot = draw(m, SLOTS);

    if (!m->flow[slot].ip_version || !draw(m, 4))
        draw_flow(m, &m->flow[slot], time);
    struct flow_delta d = m->flow[slot];
    d.slot = slot;
    d.last_ns = START_NS;
    for (int s = 0; s < 2; s++) {
        d.octets[s] = draw_octets(m);
        d.payload[s] = d.octets[s] / 2;
        d.packets[s] = draw(m, 50) ? draw(m, 1000) : UINT32_MAX - draw(m, 5);
    }
    d.opened = !draw(m, 4);
    d.accepted = d.opened && draw(m, 2);
    d.failed = !d.accepted && !draw(m, 8);
    d.closed = !draw(m, 8);
    return d;
}

static void feed(struct model *m, struct tally *t, uint32_t time)
{
    static struct flow_delta d[DELTAS];
    uint8_t inside[DELTAS];

    for (uint32_t i = 0; i < DELTAS; i++)
        d[i] = draw_delta(m, time);
    for (uint32_t from = 0, n; from < DELTAS; from += n) {
        n = 1 + draw(m, DELTAS - from);
        tally_look_burst(t, d + from, n, inside + from);
        tally_burst(t, d + from, n, inside + from, NULL);
    }
    for (uint32_t i = 0; i < DELTAS; i++)
        for (int s = 0; s < 2; s++)
            expect(m, &d[i], s, inside[i]);
}

/* Now and then of other networks, as after a reload. */
static void draw_networks(struct model *m, struct tally *t)
{
    struct ip_prefixes p = {.count = 2,
                            .prefix = {{.address = {10}, .version = 4, .length = 8},
                                       {.address = {0xfd}, .version = 6, .length = 8}}};

    if (draw(m, 8) == 0)
        p.prefix[draw(m, 2)].address[0] = 0xc6;
    if (draw(m, 8) == 0)
        p.prefix[0].length = 31 - (uint8_t)draw(m, 16);
    tally_networks(t, &p);
}

/* Every host with a line has all that is its own; and nothing is lost. */
static void verify(struct model *m, const struct tally_table *b, bool room)
{
    struct host_counters c;

    for (uint32_t i = 0; i < m->count; i++) {
        const struct tally_line *l = line_of(b, &m->sum[i].key, m->sum[i].inside);
        assert_true(l || !room);
        if (!l)
            continue;
        tally_line_counters(b, l, &c);
        if (room)
            assert_memory_equal(&c, &m->sum[i].counters, sizeof(c));
        for (int k = 0; k < HOST_COUNTER_COUNT; k++)
            assert_true(c.value[k] <= m->sum[i].counters.value[k]);
    }
    if (room)
        assert_int_equal(b->used_count, m->count);
    for (int k = 0; k < HOST_COUNTER_COUNT; k++) {
        uint64_t total = 0;
        for (uint32_t i = 0; i < m->count; i++)
            total += m->sum[i].counters.value[k];
        assert_int_equal(tally_sum(b, (enum host_counter)k), total);
    }
    assert_sums(b);
    m->count = 0;
}

/* Of three turns one finds the analyst late. */
static void run(uint32_t max_inside, uint32_t max_outside, bool room)
{
    struct model *m = calloc(1, sizeof(*m));
    struct tally *t = tally_open(max_inside, max_outside, 16);
    struct tally_table *kept = NULL;
    uint64_t refused = 0;

    assert_non_null(m);
    m->random = max_inside;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        draw_networks(m, t);
        feed(m, t, turn * 3);
        if (kept) {
            assert_false(tally_offer(t));
            tally_give(t, kept);
            kept = NULL;
            continue;
        }
        struct tally_table *b = hand_over(t);
        verify(m, b, room);
        refused += b->inside_refused;
        if (draw(m, 3))
            tally_give(t, b);
        else
            kept = b;
    }
    assert_true(room ? refused == 0 : refused > 0);
    assert_true(t->table[0].inside_count == max_inside || max_inside == PLENTY);
    tally_destroy(t);
    free(m);
}

static void with_room_all_counts_are_the_hosts_own(void **state)
{
    (void)state;
    run(PLENTY, 1 << 16, true);
}

static void lines_are_taken_over_without_a_trace(void **state)
{
    (void)state;
    run(1500, 1 << 16, true);
}

static void in_narrow_tables_the_rest_is_in_other(void **state)
{
    (void)state;
    run(300, 64, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_room_all_counts_are_the_hosts_own),
        cmocka_unit_test(lines_are_taken_over_without_a_trace),
        cmocka_unit_test(in_narrow_tables_the_rest_is_in_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
