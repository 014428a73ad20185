#include "host_fixture.h"

#define IN(n) (0x0a000000u + (n))
#define OUT(n) (0xc6000000u + (n))

static const struct tally_entry *inside_entry(const struct tally_table *b, uint32_t address)
{
    struct host_key key = key4(address);

    for (uint32_t i = 0; i < b->inside_count; i++)
        if (memcmp(&b->inside[i].key, &key, sizeof(key)) == 0)
            return &b->inside[i];
    return NULL;
}

static uint64_t sum(const struct tally_table *b, enum host_counter counter)
{
    uint64_t total = b->other.counters.value[counter];

    for (uint32_t i = 0; i < b->inside_count; i++)
        total += b->inside[i].counters.value[counter];
    for (uint32_t i = 0; i < b->used_sets; i++)
        for (uint32_t way = 0; way < TALLY_WAYS; way++)
            total += b->outside[b->used_set[i] * TALLY_WAYS + way].counters.value[counter];
    return total;
}

static struct tally_table *hand_over(struct tally *t)
{
    assert_true(tally_offer(t));
    struct tally_table *b = tally_take(t);
    assert_non_null(b);
    return b;
}

static void assert_sums(const struct tally_table *b)
{
    assert_int_equal(sum(b, HOST_OCTETS_OUT), b->total.value[HOST_OCTETS_OUT]);
    assert_int_equal(sum(b, HOST_OCTETS_IN), b->total.value[HOST_OCTETS_OUT]);
    assert_int_equal(sum(b, HOST_PACKETS_OUT), b->total.value[HOST_PACKETS_OUT]);
    assert_int_equal(sum(b, HOST_PACKETS_IN), b->total.value[HOST_PACKETS_OUT]);
    assert_int_equal(sum(b, HOST_PAYLOAD_IN), b->total.value[HOST_PAYLOAD_OUT]);
    assert_int_equal(sum(b, HOST_OPENED), b->total.value[HOST_OPENED]);
    assert_int_equal(sum(b, HOST_OPENED_IN), b->total.value[HOST_OPENED]);
}

static void a_flow_counts_for_both_ends(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 16, 16);
    struct flow_delta d[2] = {delta_tcp(IN(1), IN(2), 22, START_NS),
                              delta_tcp(IN(1), OUT(1), 443, START_NS + 1)};

    tally_feed(t, d, 2);
    struct tally_table *b = hand_over(t);
    const uint64_t *one = inside_entry(b, IN(1))->counters.value;
    const uint64_t *two = inside_entry(b, IN(2))->counters.value;
    assert_int_equal(one[HOST_OCTETS_OUT], 200);
    assert_int_equal(one[HOST_OCTETS_IN], 120);
    assert_int_equal(one[HOST_OUTSIDE_OUT], 100);
    assert_int_equal(one[HOST_ADMIN_OUT], 100);
    assert_int_equal(one[HOST_TLS_IN], 60);
    assert_int_equal(one[HOST_OPENED], 2);
    assert_int_equal(one[HOST_ACCEPTED], 2);
    assert_int_equal(one[HOST_OPENED_IN], 0);
    assert_int_equal(two[HOST_OCTETS_OUT], 60);
    assert_int_equal(two[HOST_PAYLOAD_IN], 60);
    assert_int_equal(two[HOST_OPENED_IN], 1);
    assert_int_equal(two[HOST_ADMIN_IN], 100);
    assert_int_equal(b->inside_count, 2);
    assert_sums(b);
    assert_int_equal(b->last_ns, START_NS + 1);
    tally_give(t, b);
    tally_destroy(t);
}

static void a_late_analyst_stops_nobody(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 16, 64);
    struct flow_delta d = delta_tcp(IN(1), IN(2), 80, START_NS);

    tally_feed(t, &d, 1);
    assert_true(tally_offer(t));
    struct tally_table *first = tally_take(t);
    for (int turn = 0; turn < 5; turn++) {
        delta_go_on(&d, 10, 0, START_NS + SECOND);
        tally_feed(t, &d, 1);
        assert_false(tally_offer(t));
    }
    assert_int_equal(first->total.value[HOST_OCTETS_OUT], 160);
    tally_give(t, first);
    struct tally_table *second = hand_over(t);
    assert_ptr_not_equal(first, second);
    assert_int_equal(inside_entry(second, IN(1))->counters.value[HOST_OCTETS_OUT], 50);
    tally_give(t, second);
    assert_true(tally_offer(t));
    assert_int_equal(tally_take(t)->inside_count, 0);
    tally_destroy(t);
}

static void beyond_the_caps_all_goes_to_other(void **state)
{
    (void)state;
    struct tally *t = tally_open(100, 64, 50);
    struct flow_delta d[1000];

    for (uint32_t i = 0; i < 1000; i++)
        d[i] = delta_tcp(IN(i % 300), OUT(i), 80, START_NS + i);
    tally_feed(t, d, 1000);
    struct tally_table *b = hand_over(t);
    assert_int_equal(b->inside_count, 100);
    assert_int_equal(b->inside_refused, 1000 - 400);
    assert_int_equal(b->events, 50);
    assert_int_equal(b->events_missed, 950);
    assert_true(b->other.counters.value[HOST_OCTETS_OUT] > 0);
    assert_sums(b);
    tally_give(t, b);
    tally_destroy(t);
}

static void large_outside_hosts_push_small_ones_out(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 64, 16);
    static struct flow_delta d[20000];
    struct host_key large = key4(OUT(7));
    bool found = false;

    for (uint32_t i = 0; i < 20000; i++) {
        d[i] = delta_tcp(IN(1), i % 100 == 99 ? OUT(7) : OUT(1000 + i), 80, START_NS + i);
        if (i % 100 == 99)
            d[i].octets[1] = 50000;
    }
    tally_feed(t, d, 20000);
    struct tally_table *b = hand_over(t);
    for (uint32_t i = 0; i < b->used_sets * TALLY_WAYS; i++) {
        const struct tally_entry *e =
            &b->outside[b->used_set[i / TALLY_WAYS] * TALLY_WAYS + i % TALLY_WAYS];
        if (memcmp(&e->key, &large, sizeof(large)) == 0) {
            found = true;
            assert_int_equal(e->counters.value[HOST_OCTETS_OUT], 200 * 50000);
        }
    }
    assert_true(found);
    assert_sums(b);
    tally_give(t, b);
    tally_destroy(t);
}

static void a_table_comes_back_empty(void **state)
{
    (void)state;
    struct tally *t = tally_open(300, 64, 16);
    struct flow_delta d[256];

    for (int turn = 0; turn < 50; turn++) {
        for (uint32_t i = 0; i < 256; i++)
            d[i] = delta_tcp(IN((uint32_t)turn * 256 + i), OUT(i), 80, START_NS);
        tally_feed(t, d, 256);
        struct tally_table *b = hand_over(t);
        assert_int_equal(b->inside_count, 256);
        assert_int_equal(b->total.value[HOST_OCTETS_OUT], 256 * 160);
        assert_sums(b);
        tally_give(t, b);
    }
    tally_destroy(t);
}

static void events_of_a_connection_add_up_to_its_octets(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 16, 1000);
    struct flow_delta d = delta_tcp(IN(1), OUT(1), 443, START_NS);
    uint64_t octets[2] = {0, 0};
    unsigned steps = 0;

    tally_feed(t, &d, 1);
    for (uint64_t i = 1; i < 100; i++) {
        delta_go_on(&d, 300000 * (i % 3), 1000, START_NS + i * SECOND);
        tally_feed(t, &d, 1);
    }
    delta_go_on(&d, 0, 0, START_NS + 100 * SECOND);
    d.closed = 1;
    tally_feed(t, &d, 1);
    struct tally_table *b = hand_over(t);
    assert_int_equal(b->event[0].kind, EVENT_OPENED | EVENT_ACCEPTED);
    for (uint32_t i = 0; i < b->events; i++) {
        octets[0] += b->event[i].octets[0];
        octets[1] += b->event[i].octets[1];
        steps += (b->event[i].kind & EVENT_STEP) != 0;
    }
    assert_int_equal(b->event[b->events - 1].kind, EVENT_CLOSED);
    assert_int_equal(octets[0], d.total.octets[0]);
    assert_int_equal(octets[1], d.total.octets[1]);
    assert_int_equal(steps, d.total.octets[0] / HOST_STEP_OCTETS);
    tally_give(t, b);
    tally_destroy(t);
}

static void marked_deltas_become_events(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 16, 16);
    struct flow_delta d[2] = {delta_tcp(IN(1), OUT(1), 443, START_NS),
                              delta_tcp(OUT(2), OUT(1), 443, START_NS)};
    uint8_t inside[2], mark[2] = {1, 1};

    d[0].opened = d[0].accepted = 0;
    tally_inside_burst(t, d, 2, inside);
    assert_int_equal(inside[0], INSIDE_INITIATOR);
    assert_int_equal(inside[1], 0);
    tally_burst(t, d, 2, inside, mark);
    struct tally_table *b = hand_over(t);
    assert_int_equal(b->events, 1); /* nobody watches what is outside at both ends */
    assert_int_equal(b->event[0].kind, EVENT_NOTABLE);
    tally_give(t, b);
    tally_destroy(t);
}

static void networks_of_any_length_are_inside(void **state)
{
    (void)state;
    struct ip_prefixes p = {.count = 4,
                            .prefix = {{.address = {10, 1}, .version = 4, .length = 16},
                                       {.address = {10, 2, 3, 128}, .version = 4, .length = 25},
                                       {.address = {172, 16}, .version = 4, .length = 12},
                                       {.address = {0xfc}, .version = 6, .length = 7}}};
    static struct inside in;
    uint8_t six[16] = {0xfd, 1};
    static const struct {
        uint8_t address[4];
        bool inside;
    } four[] = {{{10, 1, 2, 3}, true},   {{10, 2, 3, 127}, false}, {{10, 2, 3, 128}, true},
                {{172, 31, 0, 1}, true}, {{172, 32, 0, 1}, false}, {{10, 0, 255, 255}, false},
                {{11, 1, 0, 0}, false}};

    inside_init(&in, &p);
    for (size_t i = 0; i < sizeof(four) / sizeof(*four); i++)
        assert_int_equal(inside_has(&in, 4, four[i].address), four[i].inside);
    assert_true(inside_has(&in, 6, six));
    six[0] = 0xfe;
    assert_false(inside_has(&in, 6, six));
    p = (struct ip_prefixes){.count = 1, .prefix = {{.version = 4}}};
    inside_init(&in, &p);
    assert_true(inside_has(&in, 4, (const uint8_t[]){255, 255, 255, 255}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_counts_for_both_ends),
        cmocka_unit_test(a_late_analyst_stops_nobody),
        cmocka_unit_test(beyond_the_caps_all_goes_to_other),
        cmocka_unit_test(large_outside_hosts_push_small_ones_out),
        cmocka_unit_test(a_table_comes_back_empty),
        cmocka_unit_test(events_of_a_connection_add_up_to_its_octets),
        cmocka_unit_test(marked_deltas_become_events),
        cmocka_unit_test(networks_of_any_length_are_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
