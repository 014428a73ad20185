#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/ledger.h"
#include "flow/fold.h"
#include "flow_fixture.h"

#define LINE(n) (1u << (n))

static unsigned open_lines(const struct ledger *l)
{
    unsigned lines = 0;
    for (int i = 0; i < LEDGER_LINES; i++)
        if (ledger_difference(l, (enum ledger_line)i))
            lines |= LINE(i);
    assert_int_equal(ledger_closed(l), lines == 0);
    return lines;
}

static struct ledger ledger_of(const struct fixture *f)
{
    struct ledger l = {.received = f->delivered + 5 + 3 + 2,
                       .delivered = f->delivered,
                       .filtered = 5,
                       .missed = {[MISS_RING_FULL] = 2, [MISS_HARDWARE] = 1},
                       .pending = 2,
                       .handed = f->records,
                       .forwarded = 9,
                       .sent = 8,
                       .send_failed = 1,
                       .counters = f->counters};
    flow_table_census(f->table, &l.census);
    l.handed -= (uint32_t)l.census.notices;
    return l;
}

/* Flows alive with folded and unfolded counts, ended ones, some of them in an aggregate, held
 * fragments, and packets of every fate. */
static struct fixture *busy(void)
{
    struct flow_table_options options = fixture_options();
    options.notices = true;
    options.flow.fold = FOLD_ON;
    options.flow.fold_rate = 150;
    struct fixture *f = fixture_open(&options);
    struct packet held = packet_udp(0, 0, START_NS + 40 * SECOND);

    for (uint16_t i = 0; i < 200; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS + i * MS));
    fixture_turn(f, START_NS + 31 * SECOND);
    for (uint16_t i = 150; i < 300; i++)
        fixture_send(f, packet_udp(1, (uint16_t)(1000 + i), START_NS + 32 * SECOND));
    fixture_turn(f, START_NS + 33 * SECOND);
    for (uint16_t i = 250; i < 400; i++)
        fixture_send(f, packet_udp(i & 1, (uint16_t)(1000 + i), START_NS + 40 * SECOND));
    held.flags = PACKET_FRAGMENT_LATER;
    fixture_send(f, held);
    for (uint8_t fate = 0; fate < FATE_COUNT; fate++)
        if (fate != FATE_FLOW)
            fixture_send(f, (struct packet){.fate = fate});
    return f;
}

static void closes_at_every_stage_of_a_tables_life(void **state)
{
    (void)state;
    struct fixture *f = busy();
    struct ledger l = ledger_of(f);

    assert_int_equal(open_lines(&l), 0);
    assert_true(l.census.held_packets && l.census.live_packets && l.census.made_packets);
    assert_int_equal(l.census.aggregating_packets, 50);
    fixture_turn(f, START_NS + 200 * SECOND);
    l = ledger_of(f);
    assert_int_equal(open_lines(&l), 0);
    assert_int_equal(l.census.held_packets, 0);
    assert_int_equal(l.census.aggregating_packets, 0);
    assert_true(l.census.aggregate_records && l.census.aggregate_packets >= 50);
    fixture_drain(f);
    l = ledger_of(f);
    assert_int_equal(open_lines(&l), 0);
    assert_int_equal(l.census.live_packets, 0);
    assert_true(l.census.made_packets + l.census.aggregate_packets ==
                l.counters.fate_packets[FATE_FLOW]);
    fixture_close(f);
    l = (struct ledger){0};
    assert_true(ledger_closed(&l));
}

/* One term off by one: the lines that have it, and no other, are open by one. */
static void check_term(const struct ledger *good, size_t offset, unsigned lines)
{
    for (int step = -1; step <= 1; step += 2) {
        struct ledger bad = *good;
        uint64_t *term = (uint64_t *)(void *)((char *)&bad + offset);
        *term += (uint64_t)(int64_t)step;
        if (open_lines(&bad) != lines)
            fail_msg("term at %zu: lines %#x, not %#x", offset, open_lines(&bad), lines);
        for (int i = 0; i < LEDGER_LINES; i++) {
            int64_t off = ledger_difference(&bad, (enum ledger_line)i);
            assert_true(off == 0 || off == step || off == -step);
        }
    }
}

#define TERM(member) offsetof(struct ledger, member)

static void every_term_counts(void **state)
{
    (void)state;
    struct fixture *f = busy();
    struct ledger good = ledger_of(f);

    check_term(&good, TERM(received), LINE(LEDGER_RECEIVED));
    check_term(&good, TERM(delivered), LINE(LEDGER_RECEIVED) | LINE(LEDGER_DELIVERED));
    check_term(&good, TERM(filtered), LINE(LEDGER_RECEIVED));
    check_term(&good, TERM(pending), LINE(LEDGER_RECEIVED));
    for (size_t i = 0; i < MISS_COUNT; i++)
        check_term(&good, TERM(missed) + 8 * i, LINE(LEDGER_RECEIVED));
    check_term(&good, TERM(forwarded), LINE(LEDGER_INLINE));
    check_term(&good, TERM(sent), LINE(LEDGER_INLINE));
    check_term(&good, TERM(send_failed), LINE(LEDGER_INLINE));
    check_term(&good, TERM(handed), LINE(LEDGER_RECORDS));
    check_term(&good, TERM(lost), LINE(LEDGER_RECORDS));
    for (size_t i = 0; i < FATE_COUNT; i++) {
        unsigned lines = LINE(LEDGER_DELIVERED);
        if (i == FATE_FLOW)
            lines |= LINE(LEDGER_FLOWS);
        check_term(&good, TERM(counters.fate_packets) + 8 * i, lines);
    }
    check_term(&good, TERM(census.made_packets), LINE(LEDGER_FLOWS));
    check_term(&good, TERM(census.live_packets), LINE(LEDGER_FLOWS));
    check_term(&good, TERM(census.held_packets), LINE(LEDGER_FLOWS));
    check_term(&good, TERM(census.folded_packets), LINE(LEDGER_FLOWS) | LINE(LEDGER_FOLDED));
    check_term(&good, TERM(census.aggregate_packets), LINE(LEDGER_FOLDED));
    check_term(&good, TERM(census.aggregating_packets), LINE(LEDGER_FOLDED));
    check_term(&good, TERM(census.folded_octets), LINE(LEDGER_OCTETS));
    check_term(&good, TERM(census.aggregate_octets), LINE(LEDGER_OCTETS));
    check_term(&good, TERM(census.aggregating_octets), LINE(LEDGER_OCTETS));
    check_term(&good, TERM(census.made_records), LINE(LEDGER_RECORDS));
    check_term(&good, TERM(census.aggregate_records), LINE(LEDGER_RECORDS));
    check_term(&good, TERM(census.flows), LINE(LEDGER_ENTRIES));
    check_term(&good, TERM(counters.note[NOTE_FLOWS_CREATED]), LINE(LEDGER_ENTRIES));
    check_term(&good, TERM(counters.note[NOTE_FLOWS_ENDED]), LINE(LEDGER_ENTRIES));
    fixture_close(f);
}

static void a_packet_that_vanished_shows(void **state)
{
    (void)state;
    struct fixture *f = busy();

    f->counters.fate_packets[FATE_FLOW]--;
    f->delivered--;
    struct ledger l = ledger_of(f);
    assert_int_equal(open_lines(&l), LINE(LEDGER_FLOWS));
    assert_int_equal(ledger_difference(&l, LEDGER_FLOWS), -1);
    fixture_close(f);
}

/* An unfolded hot line is zeroed, as a stray write would: its packets are missing. */
static void a_lost_hot_line_shows(void **state)
{
    (void)state;
    struct fixture *f = busy();
    uint32_t packets = 0;

    for (uint32_t i = 1; i < f->table->high_water && !packets; i++) {
        struct flow_hot *h = &f->table->hot[i];
        packets = h->packets[0] + h->packets[1];
        memset(h->packets, 0, sizeof(h->packets));
    }
    assert_true(packets > 0);
    struct ledger l = ledger_of(f);
    assert_int_equal(open_lines(&l), LINE(LEDGER_FLOWS));
    assert_int_equal(ledger_difference(&l, LEDGER_FLOWS), packets);
    fixture_close(f);
}

static void a_freed_flow_shows(void **state)
{
    (void)state;
    struct fixture *f = busy();
    struct flow_hot *h = &f->table->hot[f->table->high_water - 1];

    assert_int_not_equal(h->kind, KIND_KEY);
    memset(h, 0, sizeof(*h));
    h->kind = KIND_KEY;
    struct ledger l = ledger_of(f);
    assert_int_equal(open_lines(&l), LINE(LEDGER_FLOWS) | LINE(LEDGER_ENTRIES));
    fixture_close(f);
}

static void a_lost_record_shows(void **state)
{
    (void)state;
    struct fixture *f = busy();
    struct ledger l;

    fixture_drain(f);
    f->records--;
    l = ledger_of(f);
    assert_int_equal(open_lines(&l), LINE(LEDGER_RECORDS));
    assert_int_equal(ledger_difference(&l, LEDGER_RECORDS), 1);
    f->records += 2;
    l = ledger_of(f);
    assert_int_equal(ledger_difference(&l, LEDGER_RECORDS), -1);
    fixture_close(f);
}

static void a_lost_aggregate_shows(void **state)
{
    (void)state;
    struct fixture *f = busy();

    fold_destroy(f->table->fold);
    f->table->fold = NULL;
    struct ledger l = ledger_of(f);
    assert_int_equal(open_lines(&l), LINE(LEDGER_FLOWS));
    assert_int_equal(ledger_difference(&l, LEDGER_FLOWS), 50);
    fixture_close(f);
}

static void a_record_counted_and_not_made_shows(void **state)
{
    (void)state;
    struct fixture *f = busy();
    struct flow_cold *c = &f->table->cold[f->table->high_water - 1];

    c->total.packets[0]--; /* an end that forgot one packet */
    fixture_drain(f);
    struct ledger l = ledger_of(f);
    assert_int_equal(open_lines(&l), LINE(LEDGER_FLOWS));
    assert_int_equal(ledger_difference(&l, LEDGER_FLOWS), 1);
    fixture_close(f);
}

/* Of two workers the terms add up; what is open in one stays open in the sum. */
static void a_sum_is_as_open_as_its_parts(void **state)
{
    (void)state;
    struct fixture *f = busy();
    struct ledger good = ledger_of(f), sum = {0};

    ledger_add(&sum, &good);
    ledger_add(&sum, &good);
    assert_int_equal(open_lines(&sum), 0);
    assert_true(sum.received == 2 * good.received && sum.census.flows == 2 * good.census.flows);
    good.sent++;
    ledger_add(&sum, &good);
    assert_int_equal(open_lines(&sum), LINE(LEDGER_INLINE));
    fixture_close(f);
}

static char *printed(const struct ledger *l)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    ledger_print(l, out);
    fclose(out);
    return text;
}

static void print_names_what_is_open(void **state)
{
    (void)state;
    struct fixture *f = busy();
    struct ledger l = ledger_of(f);
    char *text = printed(&l);

    assert_non_null(strstr(text, "ledger closed\n"));
    assert_null(strstr(text, "ledger open"));
    assert_non_null(strstr(text, "arp"));
    assert_null(strstr(text, "acked_unseen"));
    free(text);
    l.handed--;
    text = printed(&l);
    assert_null(strstr(text, "ledger closed"));
    assert_non_null(strstr(text, ": off by 1\n"));
    assert_non_null(strstr(text, "ledger open: records made = handed on"));
    free(text);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_at_every_stage_of_a_tables_life),
        cmocka_unit_test(every_term_counts),
        cmocka_unit_test(a_packet_that_vanished_shows),
        cmocka_unit_test(a_lost_hot_line_shows),
        cmocka_unit_test(a_freed_flow_shows),
        cmocka_unit_test(a_lost_record_shows),
        cmocka_unit_test(a_lost_aggregate_shows),
        cmocka_unit_test(a_record_counted_and_not_made_shows),
        cmocka_unit_test(a_sum_is_as_open_as_its_parts),
        cmocka_unit_test(print_names_what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
