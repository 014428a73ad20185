#include "host_fixture.h"

#include "weir/host_class.h"

#define IN(n) (0x0a000000u + (n))
#define OUT(n) (0xc6000000u + (n))

static struct host_counters counters_of(const struct tally_table *b, uint32_t address, bool inside)
{
    struct host_key key = key4(address);
    const struct tally_line *l = line_of(b, &key, inside);
    struct host_counters c;

    assert_non_null(l);
    tally_line_counters(b, l, &c);
    return c;
}

static uint64_t value_of(const struct tally_table *b, uint32_t address, enum host_counter counter)
{
    return counters_of(b, address, true).value[counter];
}

static void a_flow_counts_for_both_ends(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 16, 16);
    struct flow_delta d[2] = {delta_tcp(IN(1), IN(2), 22, START_NS),
                              delta_tcp(IN(1), OUT(1), 443, START_NS + 1)};

    tally_feed(t, d, 2);
    struct tally_table *b = hand_over(t);
    const struct host_counters first = counters_of(b, IN(1), true),
                               second = counters_of(b, IN(2), true);
    const uint64_t *one = first.value, *two = second.value;
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
    assert_int_equal(lines_inside(b), 2);
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
    assert_int_equal(value_of(second, IN(1), HOST_OCTETS_OUT), 50);
    tally_give(t, second);
    assert_true(tally_offer(t));
    assert_int_equal(tally_take(t)->used_count, 0);
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
    assert_int_equal(lines_inside(b), 100);
    assert_int_equal(b->inside_refused, 1000 - 400);
    assert_int_equal(b->events, 50);
    assert_int_equal(b->events_missed, 950);
    assert_true(b->other.value[HOST_OCTETS_OUT] > 0);
    assert_sums(b);
    tally_give(t, b);
    tally_destroy(t);
}

static void large_outside_hosts_push_small_ones_out(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 64, 16);
    static struct flow_delta d[20000];

    for (uint32_t i = 0; i < 20000; i++) {
        d[i] = delta_tcp(IN(1), i % 100 == 99 ? OUT(7) : OUT(1000 + i), 80, START_NS + i);
        if (i % 100 == 99)
            d[i].octets[1] = 50000;
    }
    tally_feed(t, d, 20000);
    struct tally_table *b = hand_over(t);
    assert_int_equal(counters_of(b, OUT(7), false).value[HOST_OCTETS_OUT], 200 * 50000);
    assert_sums(b);
    tally_give(t, b);
    tally_destroy(t);
}

/* 256 hosts that are there in each turn, and 20 that are not. */
static void feed_turn(struct tally *t, uint32_t turn)
{
    struct flow_delta d[276];

    for (uint32_t i = 0; i < 256; i++)
        d[i] = delta_tcp(IN(i), OUT(i), 80, START_NS);
    for (uint32_t i = 256; i < 276; i++)
        d[i] = delta_tcp(IN(turn * 1000 + i), OUT(i), 80, START_NS);
    for (uint32_t i = 0; i < 276; i++)
        d[i].slot = i;
    tally_feed(t, d, 276);
}

static void a_table_comes_back_empty(void **state)
{
    (void)state;
    struct tally *t = tally_open(300, 64, 16);

    for (uint32_t turn = 0; turn < 2; turn++) {
        feed_turn(t, 0);
        struct tally_table *b = hand_over(t);
        assert_int_equal(lines_inside(b), 276);
        assert_int_equal(b->total.value[HOST_OCTETS_OUT], 276 * 160);
        assert_int_equal(value_of(b, IN(7), HOST_OCTETS_OUT), 100);
        assert_int_equal(value_of(b, IN(7), HOST_OPENED), 1);
        assert_sums(b);
        tally_give(t, b);
    }
    tally_destroy(t);
}

static void silent_hosts_make_room_for_new_ones(void **state)
{
    (void)state;
    struct tally *t = tally_open(300, 64, 16);

    for (uint32_t turn = 0; turn < 200; turn++) {
        feed_turn(t, turn);
        struct tally_table *b = hand_over(t);
        assert_int_equal(b->inside_refused, 0);
        assert_int_equal(lines_inside(b), 276);
        for (uint32_t i = 256; i < 276; i++)
            assert_int_equal(value_of(b, IN(turn * 1000 + i), HOST_OCTETS_OUT), 100);
        for (uint32_t i = 0; i < 256; i++)
            assert_int_equal(value_of(b, IN(i), HOST_OCTETS_OUT), 100);
        assert_sums(b);
        tally_give(t, b);
    }
    tally_destroy(t);
}

/* What is listed as silent may have spoken again since. */
static void a_host_that_is_back_keeps_its_line(void **state)
{
    (void)state;
    struct tally *t = tally_open(100, 64, 16);
    struct flow_delta d[200];

    for (uint32_t i = 0; i < 200; i++)
        d[i] = delta_tcp(IN(i), OUT(1), 80, START_NS);
    for (int table = 0; table < 2;
         table++) { /* 100 hosts; in the next turn of each 90 are silent */
        tally_feed(t, d, 100);
        tally_give(t, hand_over(t));
    }
    for (int table = 0; table < 2; table++) {
        tally_feed(t, d, 10);
        tally_give(t, hand_over(t));
    }
    tally_feed(t, d, 200);
    struct tally_table *b = hand_over(t);
    assert_int_equal(lines_inside(b), 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(value_of(b, IN(i), HOST_OCTETS_OUT), 100);
    assert_int_equal(b->inside_refused, 100);
    assert_sums(b);
    tally_give(t, b);
    tally_destroy(t);
}

/* Turns of one table lie two apart. */
static void a_slot_of_another_flow_misleads_nobody(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 64, 16);
    const uint32_t ends[4][2] = {{IN(1), IN(2)}, {IN(2), IN(1)}, {IN(3), OUT(1)}, {OUT(1), IN(3)}};

    for (uint32_t turn = 0; turn < 16; turn++) {
        const uint32_t *end = ends[turn / 2 % 4];
        struct flow_delta d = delta_tcp(end[0], end[1], 443, START_NS);
        d.slot = 5;
        tally_feed(t, &d, 1);
        struct tally_table *b = hand_over(t);
        assert_int_equal(b->used_count, 2);
        assert_int_equal(counters_of(b, end[0], end[0] < OUT(0)).value[HOST_OCTETS_OUT], 100);
        assert_int_equal(counters_of(b, end[1], end[1] < OUT(0)).value[HOST_OCTETS_OUT], 60);
        assert_sums(b);
        tally_give(t, b);
    }
    tally_destroy(t);
}

static void counts_go_on_past_32_bits(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 16, 64);
    static const uint64_t octets[] = {(1u << 31) - 1,    1u << 31, UINT32_MAX,    (1u << 31) - 1,
                                      UINT64_C(1) << 40, 1,        (1u << 31) - 2};
    uint64_t out = 0, packets = 0;

    for (size_t i = 0; i < sizeof(octets) / sizeof(*octets); i++) {
        struct flow_delta d = delta_tcp(IN(1), OUT(1), 443, START_NS);
        delta_go_on(&d, octets[i], octets[i] / 2, START_NS);
        d.packets[0] = UINT32_MAX - (uint32_t)i;
        d.slot = 3;
        tally_feed(t, &d, 1);
        out += octets[i];
        packets += d.packets[0];
    }
    struct tally_table *b = hand_over(t);
    assert_int_equal(value_of(b, IN(1), HOST_OCTETS_OUT), out);
    assert_int_equal(value_of(b, IN(1), HOST_OUTSIDE_OUT), out);
    assert_int_equal(value_of(b, IN(1), HOST_TLS_OUT), out);
    assert_int_equal(value_of(b, IN(1), HOST_PAYLOAD_OUT), out);
    assert_int_equal(value_of(b, IN(1), HOST_PACKETS_OUT), packets);
    assert_int_equal(counters_of(b, OUT(1), false).value[HOST_OCTETS_IN], out);
    assert_sums(b);
    tally_give(t, b);
    struct flow_delta d = delta_tcp(IN(1), OUT(1), 443, START_NS);
    for (int i = 0; i < 40; i++) { /* none of them large */
        delta_go_on(&d, 1u << 30, 0, START_NS);
        tally_feed(t, &d, 1);
    }
    b = hand_over(t);
    assert_int_equal(value_of(b, IN(1), HOST_OCTETS_OUT), UINT64_C(40) << 30);
    assert_sums(b);
    tally_give(t, b);
    tally_destroy(t);
}

static void hosts_change_sides_with_the_networks(void **state)
{
    (void)state;
    struct tally *t = tally_open(16, 64, 16);
    struct flow_delta d = delta_tcp(IN(1), OUT(1), 443, START_NS);
    struct ip_prefixes networks = networks_10();

    d.slot = 5;
    for (uint32_t turn = 0; turn < 8; turn++) {
        bool is_inside = turn / 2 % 2 == 0;
        networks.prefix[0].address[0] = is_inside ? 10 : 198;
        tally_networks(t, &networks);
        tally_feed(t, &d, 1);
        struct tally_table *b = hand_over(t);
        assert_int_equal(b->used_count, 2);
        assert_int_equal(counters_of(b, IN(1), is_inside).value[HOST_OCTETS_OUT], 100);
        assert_int_equal(counters_of(b, OUT(1), !is_inside).value[HOST_OCTETS_OUT], 60);
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
    tally_look_burst(t, d, 2, inside);
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

static void ports_have_their_class(void **state)
{
    (void)state;
    static const struct {
        uint16_t port;
        enum host_class tcp, udp;
    } known[] = {{53, CLASS_DNS, CLASS_DNS},       {443, CLASS_TLS, CLASS_TLS},
                 {853, CLASS_TLS, CLASS_TLS},      {8443, CLASS_TLS, CLASS_TLS},
                 {22, CLASS_ADMIN, CLASS_OTHER},   {23, CLASS_ADMIN, CLASS_OTHER},
                 {135, CLASS_ADMIN, CLASS_OTHER},  {139, CLASS_ADMIN, CLASS_OTHER},
                 {445, CLASS_ADMIN, CLASS_OTHER},  {3389, CLASS_ADMIN, CLASS_ADMIN},
                 {5900, CLASS_ADMIN, CLASS_OTHER}, {5985, CLASS_ADMIN, CLASS_OTHER},
                 {5986, CLASS_ADMIN, CLASS_OTHER}};
    unsigned found = 0;

    for (uint32_t port = 0; port < 65536; port++) {
        enum host_class tcp = CLASS_OTHER, udp = CLASS_OTHER;
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
            if (known[i].port != port)
                continue;
            tcp = known[i].tcp;
            udp = known[i].udp;
            found++;
        }
        assert_int_equal(host_class_of_port(PROTO_TCP, (uint16_t)port), tcp);
        assert_int_equal(host_class_of_port(PROTO_UDP, (uint16_t)port), udp);
    }
    assert_int_equal(found, sizeof(known) / sizeof(*known));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_counts_for_both_ends),
        cmocka_unit_test(a_late_analyst_stops_nobody),
        cmocka_unit_test(beyond_the_caps_all_goes_to_other),
        cmocka_unit_test(large_outside_hosts_push_small_ones_out),
        cmocka_unit_test(a_table_comes_back_empty),
        cmocka_unit_test(silent_hosts_make_room_for_new_ones),
        cmocka_unit_test(a_host_that_is_back_keeps_its_line),
        cmocka_unit_test(a_slot_of_another_flow_misleads_nobody),
        cmocka_unit_test(counts_go_on_past_32_bits),
        cmocka_unit_test(hosts_change_sides_with_the_networks),
        cmocka_unit_test(events_of_a_connection_add_up_to_its_octets),
        cmocka_unit_test(marked_deltas_become_events),
        cmocka_unit_test(networks_of_any_length_are_inside),
        cmocka_unit_test(ports_have_their_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
