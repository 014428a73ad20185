#include "host_fixture.h"

#include "hosts/book.h"
#include "hosts/memory.h"
#include "hosts/memory.h"

#define IN(n) (0x0a000000u + (n))
#define OUT(n) (0xc6000000u + (n))

static struct book *book_open(uint32_t inside, uint32_t outside)
{
    struct book_options o = {.max_inside = inside, .max_outside = outside, .fixed_secret = true};
    struct book *b;

    assert_int_equal(book_create(&o, &b), 0);
    return b;
}

static void merge(struct book *b, struct tally *t, uint64_t clock_ns)
{
    assert_true(tally_offer(t));
    struct tally_table *table = tally_take(t);
    book_merge(b, table, clock_ns);
    for (uint32_t i = 0; i < table->events; i++)
        book_event(b, &table->event[i], clock_ns, NULL);
    tally_give(t, table);
}

static struct host_row row_of(struct book *b, uint32_t address, enum host_window w, uint64_t ns)
{
    struct host_key key = key4(address);
    struct host_row row = {0};
    struct book_host *h = book_find(b, &key);

    assert_non_null(h);
    assert_true(book_row(b, h, w, ns, &row));
    return row;
}

/* Over all hosts and `other`, in one window. */
static uint64_t sum(const struct book *b, enum host_window w, enum host_counter counter,
                    uint64_t ns)
{
    uint64_t total = 0;
    struct host_row row;

    for (uint32_t i = 0; i < b->high_water; i++)
        if (b->host[i].used && book_row(b, &b->host[i], w, ns, &row))
            total += row.counters.value[counter];
    return total;
}

static void windows_begin_anew(void **state)
{
    (void)state;
    struct book *b = book_open(16, 16);
    struct tally *t = tally_open(16, 16, 16);

    for (uint64_t minute = 0; minute < 61; minute++) {
        struct flow_delta d = delta_tcp(IN(1), OUT(1), 80, START_NS + minute * 60 * SECOND);
        tally_feed(t, &d, 1);
        merge(b, t, d.last_ns);
        struct host_row row = row_of(b, IN(1), WINDOW_MINUTE, d.last_ns);
        assert_int_equal(row.counters.value[HOST_OCTETS_OUT], 100);
        assert_int_equal(row.start_ns, d.last_ns);
        assert_int_equal(row.distinct[HOST_PEERS], 1);
        row = row_of(b, IN(1), WINDOW_HOUR, d.last_ns);
        assert_int_equal(row.counters.value[HOST_OPENED], minute < 60 ? minute + 1 : 1);
        assert_int_equal(row.open, minute + 1);
    }
    tally_destroy(t);
    book_destroy(b);
}

static void two_workers_add_up(void **state)
{
    (void)state;
    struct book *b = book_open(16, 16);
    struct tally *t[2] = {tally_open(16, 16, 16), tally_open(16, 16, 16)};
    struct flow_delta d = delta_tcp(IN(1), OUT(1), 80, START_NS);

    for (int i = 0; i < 2; i++) {
        tally_feed(t[i], &d, 1);
        merge(b, t[i], START_NS + 1);
    }
    struct host_row row = row_of(b, IN(1), WINDOW_HOUR, START_NS + 1);
    assert_int_equal(row.counters.value[HOST_OCTETS_OUT], 200);
    assert_int_equal(row.distinct[HOST_PEERS], 1);
    for (int i = 0; i < 2; i++)
        tally_destroy(t[i]);
    book_destroy(b);
}

static void distinct_things_are_those_of_the_oracle(void **state)
{
    (void)state;
    struct book *b = book_open(64, 16);
    struct tally *t = tally_open(64, 16, 256);
    struct flow_delta d[60];

    for (uint32_t i = 0; i < 60; i++) { /* 20 peers, 30 ports, half of them not accepted */
        d[i] = delta_tcp(IN(1), IN(100 + i % 20), (uint16_t)(80 + i % 30), START_NS);
        d[i].accepted = i % 2;
    }
    tally_feed(t, d, 60);
    merge(b, t, START_NS);
    struct host_row row = row_of(b, IN(1), WINDOW_MINUTE, START_NS);
    assert_int_equal(row.distinct[HOST_PEERS], 20);
    assert_int_equal(row.distinct[HOST_PORTS], 30);
    assert_int_equal(row.distinct[HOST_CALLERS], 0);
    assert_int_equal(row_of(b, IN(100), WINDOW_MINUTE, START_NS).distinct[HOST_CALLERS], 1);
    assert_int_equal(row_of(b, IN(101), WINDOW_MINUTE, START_NS).distinct[HOST_CALLERS], 0);
    assert_int_equal(row_of(b, IN(101), WINDOW_MINUTE, START_NS).distinct[HOST_PEERS], 1);
    tally_destroy(t);
    book_destroy(b);
}

static void new_elements_are_written_down(void **state)
{
    (void)state;
    struct book *b = book_open(16, 16);
    struct tally *t = tally_open(16, 16, 16);
    struct flow_delta d = delta_tcp(IN(1), IN(2), 80, START_NS);
    struct store_element e[BOOK_ELEMENTS];

    tally_feed(t, &d, 1);
    assert_true(tally_offer(t));
    struct tally_table *table = tally_take(t);
    book_merge(b, table, START_NS);
    assert_int_equal(book_event(b, &table->event[0], START_NS, e), 6);
    assert_int_equal(book_event(b, &table->event[0], START_NS, e), 0);
    tally_destroy(t);
    book_destroy(b);
}

static void heavy_outside_hosts_stay(void **state)
{
    (void)state;
    struct book *b = book_open(64, 16);
    struct tally *t = tally_open(64, 4096, 16);
    uint64_t want = 0;

    for (uint32_t turn = 0; turn < 200; turn++) {
        struct flow_delta d[40];
        for (uint32_t i = 0; i < 40; i++) {
            d[i] = delta_tcp(IN(1), i < 8 ? OUT(i) : OUT(1000 + turn * 40 + i), 80, START_NS);
            d[i].octets[1] = i < 8 ? 100000 : 10;
            want += d[i].octets[0] + d[i].octets[1];
        }
        tally_feed(t, d, 40);
        merge(b, t, START_NS);
        assert_true(b->outside_count <= 16);
    }
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(row_of(b, OUT(i), WINDOW_HOUR, START_NS).counters.value[HOST_OCTETS_OUT],
                         200 * 100000);
    assert_int_equal(sum(b, WINDOW_HOUR, HOST_OCTETS_OUT, START_NS), want);
    assert_int_equal(sum(b, WINDOW_HOUR, HOST_OCTETS_IN, START_NS), want);
    assert_int_equal(b->merged.value[HOST_OCTETS_OUT], b->dealt.value[HOST_OCTETS_OUT]);
    tally_destroy(t);
    book_destroy(b);
}

/* Elements of one host's peers in the hour that a call hands out, by their last three octets. */
static unsigned peers_handed_out(struct book *b, uint32_t peer, uint64_t ns, uint8_t seen[1 << 16])
{
    struct store_element element[BOOK_ELEMENTS];
    struct host_event e = {.delta = delta_tcp(IN(1), OUT(peer), 80, ns),
                           .kind = EVENT_OPENED,
                           .inside = INSIDE_INITIATOR};
    unsigned n = book_event(b, &e, ns, element), count = 0;

    for (unsigned i = 0; i < n; i++) {
        if (element[i].set != HOST_PEERS || element[i].window != WINDOW_HOUR)
            continue;
        seen[element[i].element[14] << 8 | element[i].element[15]] = 1;
        count++;
    }
    return count;
}

/* A set that only estimates does not change for most of its new elements: a store that unites the
 * sets of several sensors must get them all the same, again in the next window, but not for each
 * connection. */
static void every_peer_is_handed_out(void **state)
{
    (void)state;
    static uint8_t seen[1 << 16];
    struct book *b = book_open(16, 16);
    struct tally *t = tally_open(16, 16, 16);
    struct flow_delta d = delta_tcp(IN(1), OUT(0), 80, START_NS);

    tally_feed(t, &d, 1);
    merge(b, t, START_NS);
    for (uint64_t ns = START_NS; ns <= START_NS + 3600 * SECOND; ns += 3600 * SECOND) {
        unsigned count = 0, again = 0, different = 0;
        memset(seen, 0, sizeof(seen));
        for (uint32_t i = 1; i <= 20000; i++)
            count += peers_handed_out(b, i, ns, seen);
        for (uint32_t i = 0; i < sizeof(seen); i++)
            different += seen[i];
        assert_int_equal(different, 20000);
        assert_int_equal(count, 20000);
        peers_handed_out(b, 1, ns, seen);
        for (int i = 0; i < 100; i++)
            again += peers_handed_out(b, 1, ns, seen);
        assert_int_equal(again, 0);
    }
    tally_destroy(t);
    book_destroy(b);
}

/* A spoofed flood: nothing grows beyond the caps, and the sums are still those of the traffic. */
static void a_flood_of_sources_stays_within_the_caps(void **state)
{
    (void)state;
    struct book *b = book_open(1000, 100);
    struct tally *t = tally_open(1000, 100, 500);
    static struct flow_delta d[512];
    uint64_t want = 0;

    for (uint32_t burst = 0; burst < 400; burst++) {
        for (uint32_t i = 0; i < 512; i++) {
            uint32_t n = burst * 512 + i;
            d[i] = delta_tcp(n % 2 ? 0x0b000000u + n : IN(n + 1000), IN(1), 80,
                             START_NS + burst * SECOND / 8);
            want += 160;
        }
        tally_feed(t, d, 512);
        if (burst % 4 == 3)
            merge(b, t, START_NS + burst * SECOND / 8);
    }
    uint64_t now = START_NS + 400 * SECOND / 8;
    assert_int_equal(b->inside_count, 1000);
    assert_true(b->outside_count <= 100);
    assert_true(b->inside_refused > 0);
    assert_int_equal(sum(b, WINDOW_HOUR, HOST_OCTETS_OUT, now), want);
    assert_int_equal(sum(b, WINDOW_HOUR, HOST_OCTETS_IN, now), want);
    assert_int_equal(sum(b, WINDOW_HOUR, HOST_OPENED, now), 400 * 512);
    tally_destroy(t);
    book_destroy(b);
}

static void old_hosts_give_their_entries_back(void **state)
{
    (void)state;
    struct book *b = book_open(1000, 16);
    struct tally *t = tally_open(1000, 16, 5000);
    static struct flow_delta d[1000];
    uint64_t ns = START_NS;

    for (uint32_t round = 0; round < 3; round++, ns += 3 * 3600 * SECOND) {
        for (int turn = 0; turn < 2; turn++)
            merge(b, t, ns); /* in which all are silent */
        for (uint32_t i = 0; i < 999; i++) {
            d[i] = delta_tcp(IN(round * 5000 + i), IN(9999), 80, ns);
            d[i].closed = 1;
        }
        tally_feed(t, d, 999);
        merge(b, t, ns);
        assert_int_equal(b->inside_count, 1000);
        for (uint32_t i = 0; i < 999; i += 37) { /* deleting left no hole in the index */
            struct host_key key = key4(IN(round * 5000 + i));
            assert_non_null(book_find(b, &key));
        }
        book_age(b, ns + 3600 * SECOND, 5000);
        assert_int_equal(b->inside_count, 1000);
        book_age(b, ns + 2 * 3600 * SECOND, 5000);
        assert_int_equal(b->inside_count, 0);
    }
    tally_destroy(t);
    book_destroy(b);
}

static void only_what_changed_is_told(void **state)
{
    (void)state;
    struct book *b = book_open(16, 16);
    struct tally *t = tally_open(16, 16, 16);
    struct flow_delta d[2] = {delta_tcp(IN(1), IN(2), 80, START_NS),
                              delta_tcp(IN(3), IN(4), 80, START_NS)};
    uint32_t count;

    tally_feed(t, d, 2);
    merge(b, t, START_NS);
    book_take_changed(b, &count);
    assert_int_equal(count, 5); /* and other */
    delta_go_on(&d[0], 1, 1, START_NS);
    tally_feed(t, d, 1);
    merge(b, t, START_NS);
    const uint32_t *changed = book_take_changed(b, &count);
    assert_int_equal(count, 3);
    struct host_key key = key4(IN(1));
    assert_ptr_equal(&b->host[changed[0]], book_find(b, &key));
    book_take_changed(b, &count);
    assert_int_equal(count, 0);
    tally_destroy(t);
    book_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_begin_anew),
        cmocka_unit_test(two_workers_add_up),
        cmocka_unit_test(distinct_things_are_those_of_the_oracle),
        cmocka_unit_test(new_elements_are_written_down),
        cmocka_unit_test(heavy_outside_hosts_stay),
        cmocka_unit_test(every_peer_is_handed_out),
        cmocka_unit_test(a_flood_of_sources_stays_within_the_caps),
        cmocka_unit_test(old_hosts_give_their_entries_back),
        cmocka_unit_test(only_what_changed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
