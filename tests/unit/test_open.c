#include "host_fixture.h"

#include "hosts/book.h"
#include "hosts/open.h"

#define IN(n) (0x0a000000u + (n))

static void feed(struct open_flows *o, const struct flow_delta *d)
{
    struct host_event e = {.delta = *d, .inside = 1};

    open_flows_event(o, &e);
}

static struct open_flows *open_up(uint32_t max)
{
    struct open_flows *o;

    assert_int_equal(open_flows_create(max, &o), 0);
    return o;
}

static size_t count(const struct open_flows *o)
{
    size_t cursor = 0, n = 0;

    while (open_flows_next(o, &cursor))
        n++;
    return n;
}

static void from_their_first_age_to_their_end(void **state)
{
    (void)state;
    struct open_flows *o = open_up(64);
    struct flow_delta d = delta_tcp(IN(1), IN(2), 22, START_NS);
    size_t cursor = 0;

    feed(o, &d);
    assert_int_equal(count(o), 0);
    delta_go_on(&d, 1, 1, START_NS + 6 * SECOND);
    d.aged = 1;
    feed(o, &d);
    delta_go_on(&d, 500, 1, START_NS + 7 * SECOND);
    feed(o, &d);
    assert_int_equal(count(o), 1);
    assert_int_equal(open_flows_next(o, &cursor)->delta.total.octets[0], 601);
    d.closed = 1;
    feed(o, &d);
    assert_int_equal(count(o), 0);
    open_flows_destroy(o);
}

static void the_longest_come_first(void **state)
{
    (void)state;
    struct open_flows *o = open_up(64);
    struct store_connection longest[5];

    for (uint64_t i = 0; i < 20; i++) {
        struct flow_delta d = delta_tcp(IN(1), IN(2), 22, START_NS + i * 7 % 20 * SECOND);
        d.aged = 1;
        feed(o, &d);
    }
    assert_int_equal(open_flows_longest(o, longest, 5), 5);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(longest[i].start_ns, START_NS + i * SECOND);
    assert_int_equal(open_flows_longest(o, longest, 0), 0);
    open_flows_destroy(o);
}

static void a_full_table_keeps_the_old(void **state)
{
    (void)state;
    struct open_flows *o = open_up(64);

    for (uint64_t i = 0; i < 1000; i++) {
        struct flow_delta d = delta_tcp(IN(1), IN(2), 22, START_NS + i);
        d.aged = 1;
        feed(o, &d);
    }
    assert_true(count(o) <= 64);
    assert_true(open_flows_refused(o) >= 1000 - 64);
    struct flow_delta old = delta_tcp(IN(1), IN(2), 22, START_NS - 600 * SECOND);
    old.last_ns = START_NS;
    old.aged = FLOW_AGES;
    feed(o, &old);
    struct store_connection longest;
    assert_int_equal(open_flows_longest(o, &longest, 1), 1);
    assert_int_equal(longest.flow_id, old.flow_id);
    open_flows_destroy(o);
}

static void hosts_know_their_oldest(void **state)
{
    (void)state;
    struct open_flows *o = open_up(64);
    struct book_options options = {.max_inside = 16, .max_outside = 16, .fixed_secret = true};
    struct book *b;
    struct tally *t = tally_open(16, 16, 16);
    struct flow_delta d[2] = {delta_tcp(IN(1), IN(2), 22, START_NS + 5),
                              delta_tcp(IN(1), IN(3), 22, START_NS + 3)};

    assert_int_equal(book_create(&options, &b), 0);
    tally_feed(t, d, 2);
    assert_true(tally_offer(t));
    book_merge(b, tally_take(t), START_NS);
    for (int i = 0; i < 2; i++) {
        d[i].aged = 1;
        feed(o, &d[i]);
    }
    open_flows_oldest(o, b);
    struct host_key one = key4(IN(1)), two = key4(IN(2));
    assert_int_equal(book_find(b, &one)->oldest_start_ns, START_NS + 3);
    assert_int_equal(book_find(b, &two)->oldest_start_ns, START_NS + 5);
    d[1].closed = 1;
    feed(o, &d[1]);
    open_flows_oldest(o, b);
    assert_int_equal(book_find(b, &one)->oldest_start_ns, START_NS + 5);
    tally_destroy(t);
    book_destroy(b);
    open_flows_destroy(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_their_first_age_to_their_end),
        cmocka_unit_test(the_longest_come_first),
        cmocka_unit_test(a_full_table_keeps_the_old),
        cmocka_unit_test(hosts_know_their_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
