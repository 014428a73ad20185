#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow/tcp.h"
#include "flow_fixture.h"

#define S TCP_SYN
#define A TCP_ACK
#define F TCP_FIN
#define R TCP_RST

/* One segment: side 0 is the client, its ISN is 1000, the server's 5000. */
struct step {
    int side;
    uint8_t flags;
    uint32_t seq, ack, payload;
    uint16_t window; /* 0 = 1000, 1 = none */
    uint64_t after_ns;
};

#define HANDSHAKE                                                                                  \
    {0, S, 1000, 0}, {1, S | A, 5000, 1001},                                                       \
    {                                                                                              \
        0, A, 1001, 5001                                                                           \
    }

static uint64_t play_on(struct fixture *f, const struct step *step, uint32_t count, uint64_t ts)
{
    for (uint32_t i = 0; i < count; i++) {
        struct packet p = packet_tcp(step[i].side, 40000, step[i].flags, 0);
        p.ts_ns = ts += step[i].after_ns ? step[i].after_ns : MS;
        p.tcp_seq = step[i].seq;
        p.tcp_ack = step[i].ack;
        p.payload = step[i].payload;
        p.octets = 40 + p.payload;
        if (step[i].window)
            p.tcp_window = (uint16_t)(step[i].window - 1);
        fixture_send(f, p);
    }
    return ts;
}

static struct fixture *play(const struct step *step, uint32_t count)
{
    struct flow_table_options options = fixture_options();
    struct fixture *f = fixture_open(&options);
    play_on(f, step, count, START_NS);
    fixture_drain(f);
    return f;
}

#define STEPS(...) ((const struct step[]){__VA_ARGS__})
#define PLAY(...) play(STEPS(__VA_ARGS__), sizeof(STEPS(__VA_ARGS__)) / sizeof(struct step))
#define PLAY_ON(f, ts, ...)                                                                        \
    play_on(f, STEPS(__VA_ARGS__), sizeof(STEPS(__VA_ARGS__)) / sizeof(struct step), ts)

/* One connection came of it, with this state and history. */
static void check(struct fixture *f, enum conn_state state, const char *history)
{
    assert_int_equal(f->records, 1);
    assert_int_equal(fixture_last(f)->conn_state, state);
    assert_string_equal(fixture_last(f)->history, history);
    fixture_close(f);
}

static void states_of_connections_that_open(void **state)
{
    (void)state;
    check(PLAY({0, S, 1000, 0}), CONN_S0, "S");
    check(PLAY(HANDSHAKE), CONN_S1, "ShA");
    check(PLAY({0, S, 1000, 0}, {1, S | A, 5000, 1001}), CONN_S1, "Sh");
    check(PLAY(HANDSHAKE, {0, A, 1001, 5001, 10}, {1, A, 5001, 1011}, {1, A, 5001, 1011, 20},
               {0, A, 1011, 5021}),
          CONN_S1, "ShADad");
}

static void states_of_connections_that_end(void **state)
{
    (void)state;
    check(PLAY(HANDSHAKE, {0, F | A, 1001, 5001}, {1, F | A, 5001, 1002}, {0, A, 1002, 5002}),
          CONN_SF, "ShAFf");
    check(PLAY(HANDSHAKE, {0, F | A, 1001, 5001}, {1, A, 5001, 1002}), CONN_S2, "ShAFa");
    check(PLAY(HANDSHAKE, {1, F | A, 5001, 1001}), CONN_S3, "ShAf");
    check(PLAY(HANDSHAKE, {0, R, 1001, 0}), CONN_RSTO, "ShAR");
    check(PLAY(HANDSHAKE, {1, R | A, 5001, 1001}), CONN_RSTR, "ShAr");
}

static void states_of_attempts_that_fail(void **state)
{
    (void)state;
    check(PLAY({0, S, 1000, 0}, {1, R | A, 0, 1001}), CONN_REJ, "Sr");
    check(PLAY({0, S, 1000, 0}, {0, R, 1001, 0}), CONN_RSTOS0, "SR");
    check(PLAY({0, S, 1000, 0}, {0, F, 1001, 0}), CONN_SH, "SF");
}

/* The first packet seen is the server's: its receiver is the initiator. */
static void states_without_the_syn(void **state)
{
    (void)state;
    check(PLAY({1, S | A, 5000, 1001}, {1, R, 5001, 0}), CONN_RSTRH, "^hr");
    check(PLAY({1, S | A, 5000, 1001}, {1, F | A, 5001, 1001}), CONN_SHR, "^hf");
    check(PLAY({0, A, 1001, 5001, 10}, {1, A, 5001, 1011, 5}), CONN_OTH, "Dd");
}

static void initiator_is_who_sent_the_syn(void **state)
{
    (void)state;
    struct fixture *f = PLAY({1, S | A, 5000, 1001}, {0, A, 1001, 5001});
    assert_int_equal(fixture_last(f)->port[0], 40000);
    assert_int_equal(fixture_last(f)->direction_basis, BASIS_SYN_ACK);
    fixture_close(f);
    f = PLAY({1, A, 5000, 1001}, {0, S, 1000, 0});
    assert_int_equal(fixture_last(f)->port[0], 40000);
    assert_int_equal(fixture_last(f)->direction_basis, BASIS_SYN);
    fixture_close(f);
    f = PLAY({1, A, 5000, 1001}, {0, A, 1001, 5001});
    assert_int_equal(fixture_last(f)->port[0], 443);
    assert_int_equal(fixture_last(f)->direction_basis, BASIS_FIRST_PACKET);
    fixture_close(f);
}

static void weaker_evidence_turns_nothing(void **state)
{
    (void)state;
    struct flow_hot h = {.proto = PROTO_TCP};
    struct flow_cold c = {0};
    struct flow_table t = {.hot = &h, .cold = &c};

    history_add(&t, 0, 0, 'S');
    history_add(&t, 0, 1, 'H');
    flow_direction(&t, 0, 1, BASIS_SYN_ACK);
    assert_int_equal(flow_initiator(&h), 1);
    assert_string_equal(c.history, "sH^");
    flow_direction(&t, 0, 0, BASIS_REQUEST);
    flow_direction(&t, 0, 0, BASIS_SYN_ACK);
    assert_int_equal(flow_initiator(&h), 1);
    assert_int_equal(c.basis, BASIS_SYN_ACK);
    c.record_no = 1;
    flow_direction(&t, 0, 0, BASIS_SYN);
    assert_int_equal(flow_initiator(&h), 1);
    c.record_no = 0;
    flow_direction(&t, 0, 0, BASIS_SYN);
    assert_int_equal(flow_initiator(&h), 0);
}

static uint32_t letters(const struct fixture *f, char letter)
{
    uint32_t n = 0;
    for (const char *p = fixture_last(f)->history; *p; p++)
        n += *p == letter;
    return n;
}

/* 1st, 10th and 100th: three letters for 100 to 999 events. */
static void repeated_events_give_letters_by_tens(void **state)
{
    (void)state;
    const struct {
        uint32_t times, letters;
    } want[] = {{1, 1}, {9, 1}, {10, 2}, {99, 2}, {100, 3}, {999, 3}, {1000, 4}};

    for (unsigned i = 0; i < sizeof(want) / sizeof(*want); i++) {
        struct flow_table_options options = fixture_options();
        struct fixture *f = fixture_open(&options);
        uint64_t ts = PLAY_ON(f, START_NS, HANDSHAKE, {0, A, 1001, 5001, 100});
        for (uint32_t n = 0; n < want[i].times; n++) {
            ts = PLAY_ON(f, ts, {0, A, 1001, 5001, 100});
            ts = PLAY_ON(f, ts, {1, A, 5001, 1101, 0, 1});
        }
        fixture_drain(f);
        assert_int_equal(letters(f, 'T'), want[i].letters);
        assert_int_equal(letters(f, 't'), 0);
        assert_int_equal(letters(f, 'w'), want[i].letters);
        assert_int_equal(letters(f, 'W'), 0);
        fixture_close(f);
    }
}

static void odd_flags_have_letters(void **state)
{
    (void)state;
    check(PLAY({0, S | R, 1000, 0}), CONN_RSTOS0, "Q");
    check(PLAY(HANDSHAKE, {0, F | R, 1001, 5001}), CONN_RSTO, "ShAI");
}

static void acks_of_unseen_data_are_noted(void **state)
{
    (void)state;
    struct fixture *f =
        PLAY(HANDSHAKE, {1, A, 5001, 3001}, {1, A, 5001, 4001}, {0, A, 4001, 5001, 10});
    assert_int_equal(f->counters.note[NOTE_ACKED_UNSEEN], 2);
    assert_int_equal(fixture_last(f)->missed, 1);
    assert_int_equal(letters(f, 'G'), 1);
    fixture_close(f);
}

static void history_is_cut_at_its_end(void **state)
{
    (void)state;
    struct flow_hot h = {0};
    struct flow_cold c = {0};
    struct flow_odd o;
    struct flow_table t = {.hot = &h, .cold = &c, .odd = &o};

    memset(&o, 0xff, sizeof(o)); /* void until it is marked */
    for (int i = 0; i < FLOW_HISTORY_MAX; i++) {
        assert_int_equal(h.quality, 0);
        assert_int_equal(flow_has_odd(&c), i > COLD_HISTORY);
        history_add(&t, 0, i & 1, i & 1 ? 'A' : 'D');
    }
    history_add(&t, 0, 0, 'X');
    assert_int_equal(c.history_len, FLOW_HISTORY_MAX);
    assert_memory_equal(c.history, "DaDaDaDaDa", COLD_HISTORY);
    assert_memory_equal(o.history, "DaDaDaDaDaDaDaDaD", sizeof(o.history));
    assert_int_equal(o.last_fin[0] | o.retransmitted[1], 0);
    assert_int_equal(h.quality, HOT_QUALITY(QUALITY_HISTORY_CUT));
}

/* A turn reaches the letters that are odd, too. */
static void a_long_history_turns_whole(void **state)
{
    (void)state;
    struct flow_hot h = {.proto = PROTO_TCP};
    struct flow_cold c = {0};
    struct flow_odd o = {0};
    struct flow_table t = {.hot = &h, .cold = &c, .odd = &o};

    for (int i = 0; i < COLD_HISTORY + 3; i++)
        history_add(&t, 0, i & 1, i & 1 ? 'A' : 'D');
    flow_direction(&t, 0, 1, BASIS_SYN);
    assert_memory_equal(c.history, "dAdAdAdAdA", COLD_HISTORY);
    assert_string_equal(o.history, "dAd^");
}

static void a_reset_outside_the_window_is_ignored(void **state)
{
    (void)state;
    const int32_t distance[] = {TCP_WINDOW + 1, -TCP_WINDOW - 1, INT32_MIN};

    for (int i = 0; i < 3; i++) {
        struct fixture *f = PLAY(HANDSHAKE, {1, R, 5001 + (uint32_t)distance[i], 0});
        assert_int_equal(fixture_last(f)->conn_state, CONN_S1);
        assert_true(fixture_last(f)->quality & QUALITY_RESET_IGNORED);
        assert_int_equal(f->counters.note[NOTE_RESETS_IGNORED], 1);
        fixture_close(f);
    }
    struct fixture *f = PLAY(HANDSHAKE, {1, R, 5001 + TCP_WINDOW, 0});
    assert_int_equal(fixture_last(f)->conn_state, CONN_RSTR);
    assert_false(fixture_last(f)->quality & QUALITY_RESET_IGNORED);
    fixture_close(f);
}

/* A forged reset: the other end goes on sending as if nothing had been. */
static void data_after_a_reset_cancel_it(void **state)
{
    (void)state;
    struct fixture *f = PLAY(HANDSHAKE, {1, R, 5001, 0}, {0, A, 1001, 5001, 50});
    assert_int_equal(fixture_last(f)->conn_state, CONN_S1);
    assert_true(fixture_last(f)->quality & QUALITY_RESET_IGNORED);
    assert_int_equal(fixture_last(f)->end_reason, END_FORCED);
    fixture_close(f);
}

static void sequence_numbers_wrap(void **state)
{
    (void)state;
    struct fixture *f = PLAY({0, S, 0xfffffff0, 0}, {1, S | A, 0xfffffffe, 0xfffffff1},
                             {0, A, 0xfffffff1, 0xffffffff}, {0, A, 0xfffffff1, 0xffffffff, 100},
                             {1, A, 0xffffffff, 0x55, 100}, {0, A, 0x55, 0x63, 10},
                             {1, F | A, 0x63, 0x5f}, {0, F | A, 0x5f, 0x64});
    assert_int_equal(fixture_last(f)->conn_state, CONN_SF);
    assert_string_equal(fixture_last(f)->history, "ShADdfF");
    assert_int_equal(f->counters.note[NOTE_ACKED_UNSEEN], 0);
    fixture_close(f);
}

static void round_trip_time_is_that_of_the_handshake(void **state)
{
    (void)state;
    struct fixture *f = PLAY({0, S, 1000, 0}, {1, S | A, 5000, 1001, .after_ns = 30 * MS},
                             {0, A, 1001, 5001, .after_ns = 12 * MS}, {0, A, 1001, 5001, 10});
    assert_int_equal(fixture_last(f)->rtt_us, 42000);
    fixture_close(f);
    f = PLAY({0, A, 1000, 5001}, {1, A, 5000, 1001});
    assert_int_equal(fixture_last(f)->rtt_us, 0);
    fixture_close(f);
}

static void quality_tells_what_was_not_seen(void **state)
{
    (void)state;
    struct fixture *f = PLAY({0, A, 1000, 5001, 10}, {1, A, 5001, 1010, 10});
    assert_true(fixture_last(f)->quality & QUALITY_MIDSTREAM);
    assert_false(fixture_last(f)->quality & QUALITY_ONE_SIDED);
    fixture_close(f);
    f = PLAY({0, S, 1000, 0}, {0, A, 1001, 5001});
    assert_false(fixture_last(f)->quality & QUALITY_MIDSTREAM);
    assert_true(fixture_last(f)->quality & QUALITY_ONE_SIDED);
    fixture_close(f);
    f = PLAY({0, S, 1000, 0});
    assert_int_equal(fixture_last(f)->quality, 0);
    fixture_close(f);
}

static struct flow_hot hot_in(enum tcp_endpoint a, enum tcp_endpoint b, uint8_t seen)
{
    unsigned calm[2] = {(a == TCP_PARTIAL || a == TCP_ESTABLISHED) && b != TCP_RESET,
                        (b == TCP_PARTIAL || b == TCP_ESTABLISHED) && a != TCP_RESET};

    return (struct flow_hot){
        .proto = PROTO_TCP,
        .state = (uint8_t)(a | b << 3 | STATE_CALM * calm[0] | (STATE_CALM << 1) * calm[1]),
        .seen = {seen, seen},
        .seq_next = {1001, 5001}};
}

static void keeps_entries_by_state(void **state)
{
    (void)state;
    const struct {
        struct flow_hot hot;
        enum flow_keep keep;
    } want[] = {
        {hot_in(TCP_SYN_SENT, TCP_INACTIVE, SEEN_SYN), KEEP_TCP_HALF_OPEN},
        {hot_in(TCP_ESTABLISHED, TCP_ESTABLISHED, SEEN_SYN), KEEP_TCP_HALF_OPEN},
        {hot_in(TCP_ESTABLISHED, TCP_ESTABLISHED, SEEN_SYN | SEEN_ACK), KEEP_TCP_ESTABLISHED},
        {hot_in(TCP_PARTIAL, TCP_PARTIAL, SEEN_DATA), KEEP_TCP_ESTABLISHED},
        {hot_in(TCP_CLOSED, TCP_ESTABLISHED, SEEN_SYN | SEEN_FIN), KEEP_TCP_ESTABLISHED},
        {hot_in(TCP_CLOSED, TCP_CLOSED, SEEN_SYN | SEEN_FIN), KEEP_TCP_CLOSED},
        {hot_in(TCP_RESET, TCP_ESTABLISHED, SEEN_RST), KEEP_TCP_CLOSED},
        {hot_in(TCP_SYN_SENT, TCP_RESET, SEEN_SYN), KEEP_TCP_CLOSED},
    };
    for (unsigned i = 0; i < sizeof(want) / sizeof(*want); i++)
        assert_int_equal(tcp_keep(&want[i].hot), want[i].keep);
}

static bool anew(const struct flow_hot *h, uint8_t flags, uint32_t seq, uint64_t clock_ns)
{
    struct flow_cold c = {.isn = {1000, 5000}, .arrival_ns = START_NS};
    struct packet p = packet_tcp(0, 40000, flags, START_NS);
    p.tcp_seq = seq;
    return tcp_starts_anew(h, &c, 0, &p, clock_ns);
}

static void a_syn_begins_anew_only_where_the_old_is_over(void **state)
{
    (void)state;
    uint8_t seen = SEEN_SYN | SEEN_SEQ | SEEN_ACK;
    struct flow_hot open = hot_in(TCP_ESTABLISHED, TCP_ESTABLISHED, seen);
    struct flow_hot done = hot_in(TCP_CLOSED, TCP_CLOSED, seen);
    struct flow_hot reset = hot_in(TCP_ESTABLISHED, TCP_RESET, seen);
    struct flow_hot busy = open;
    uint64_t now = START_NS + SECOND, late = START_NS + 15 * SECOND;

    busy.packets[1] = 1;
    assert_true(anew(&done, S, 7000, now));
    assert_true(anew(&reset, S, 7000, now));
    /* open: a retransmission, and one inside the window, belong to it */
    assert_false(anew(&open, S, 1000, now));
    assert_false(anew(&open, S, 1001 + TCP_WINDOW, now));
    assert_true(anew(&open, S, 1002 + TCP_WINDOW, now));
    assert_true(anew(&open, S, 1000u - TCP_WINDOW, now));
    /* after a long silence any is new, while there was none only a strange one */
    assert_true(anew(&open, S, 1500, late));
    assert_false(anew(&open, S, 1500, late - 1));
    assert_false(anew(&busy, S, 1500, late));
    /* a SYN-ACK whose SYN was missed */
    assert_true(anew(&done, S | A, 7000, now));
    assert_false(anew(&done, S | A, 1000, now));
    assert_false(anew(&open, S | A, 7000000, now));
    /* contradictions begin nothing */
    assert_false(anew(&done, S | F, 7000, now));
    assert_false(anew(&done, S | R, 7000, now));
}

/* The same ports within a second of the FIN, and of a reset. */
static void reused_ports_are_two_connections(void **state)
{
    (void)state;
    struct fixture *f =
        PLAY(HANDSHAKE, {0, F | A, 1001, 5001}, {1, F | A, 5001, 1002}, {0, A, 1002, 5002},
             {0, S, 90000, 0, .after_ns = 900 * MS}, {1, S | A, 70000, 90001}, {0, A, 90001, 70001},
             {1, R, 70001, 0}, {0, S, 500, 0}, {1, S | A, 600, 501});
    assert_int_equal(f->records, 3);
    const struct flow_record *r = f->record;
    assert_int_equal(r[0].conn_state, CONN_SF);
    assert_int_equal(r[0].end_reason, END_DETECTED);
    assert_string_equal(r[1].history, "ShAr");
    assert_int_equal(r[2].conn_state, CONN_S1);
    for (int i = 0; i < 2; i++) {
        assert_true(r[i].flow_id != r[i + 1].flow_id);
        assert_true(r[i].end_ns < r[i + 1].start_ns);
        assert_int_equal(r[i + 1].record_no, 1);
        assert_true(r[i + 1].conn_start_ns == r[i + 1].start_ns);
    }
    assert_int_equal(r[0].total.packets[0] + r[0].total.packets[1], 6);
    fixture_close(f);
}

/* ACKs that come after the end join the closed connection. */
static void late_acks_join_the_closed(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    struct fixture *f = fixture_open(&options);
    uint64_t ts = PLAY_ON(f, START_NS, HANDSHAKE, {0, F | A, 1001, 5001}, {1, F | A, 5001, 1002});

    fixture_turn(f, ts + 500 * MS);
    ts = PLAY_ON(f, ts, {0, A, 1002, 5002, .after_ns = 1500 * MS});
    fixture_turn(f, ts);
    assert_int_equal(f->records, 0);
    fixture_turn(f, ts + 3 * SECOND);
    assert_int_equal(f->records, 1);
    assert_int_equal(fixture_last(f)->total.packets[0], 4);
    assert_int_equal(fixture_last(f)->end_reason, END_DETECTED);
    assert_int_equal(f->table->live, 0);
    fixture_close(f);
}

/* What the fast path does must be what the slow one would have done. */
static void ordinary_segments_take_the_short_way(void **state)
{
    (void)state;
    struct flow_hot h =
        hot_in(TCP_ESTABLISHED, TCP_ESTABLISHED, SEEN_SYN | SEEN_SEQ | SEEN_ACK | SEEN_DATA);
    struct packet p = packet_tcp(0, 40000, A, START_NS);

    p.tcp_seq = 1001;
    p.tcp_ack = 5001;
    p.payload = 100;
    assert_true(tcp_ordinary(&h, 0, &p));
    assert_int_equal(h.seq_next[0], 1101);
    assert_false(tcp_ordinary(&h, 0, &p)); /* a retransmission */
    p.tcp_seq = 1101;
    p.tcp_ack = 5002;
    assert_false(tcp_ordinary(&h, 0, &p)); /* acknowledges what was not seen */
    p.tcp_ack = 5001;
    p.tcp_window = 0;
    assert_false(tcp_ordinary(&h, 0, &p));
    p.tcp_window = 1000;
    const uint8_t flags[] = {0, S | A, F | A, R, R | A};
    for (unsigned i = 0; i < sizeof(flags); i++) {
        p.tcp_flags = flags[i];
        assert_false(tcp_ordinary(&h, 0, &p));
    }
    p.tcp_flags = A;
    h.seen[0] &= (uint8_t)~SEEN_DATA;
    assert_false(tcp_ordinary(&h, 0, &p)); /* its letter is due */
    h.seen[0] |= SEEN_DATA;
    h.state = hot_in(TCP_ESTABLISHED, TCP_RESET, 0).state;
    assert_false(tcp_ordinary(&h, 0, &p)); /* it cancels a reset */
    h.state = hot_in(TCP_ESTABLISHED, TCP_ESTABLISHED, 0).state;
    assert_true(tcp_ordinary(&h, 0, &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_of_connections_that_open),
        cmocka_unit_test(states_of_connections_that_end),
        cmocka_unit_test(states_of_attempts_that_fail),
        cmocka_unit_test(states_without_the_syn),
        cmocka_unit_test(initiator_is_who_sent_the_syn),
        cmocka_unit_test(weaker_evidence_turns_nothing),
        cmocka_unit_test(repeated_events_give_letters_by_tens),
        cmocka_unit_test(odd_flags_have_letters),
        cmocka_unit_test(acks_of_unseen_data_are_noted),
        cmocka_unit_test(history_is_cut_at_its_end),
        cmocka_unit_test(a_long_history_turns_whole),
        cmocka_unit_test(a_reset_outside_the_window_is_ignored),
        cmocka_unit_test(data_after_a_reset_cancel_it),
        cmocka_unit_test(sequence_numbers_wrap),
        cmocka_unit_test(round_trip_time_is_that_of_the_handshake),
        cmocka_unit_test(quality_tells_what_was_not_seen),
        cmocka_unit_test(keeps_entries_by_state),
        cmocka_unit_test(a_syn_begins_anew_only_where_the_old_is_over),
        cmocka_unit_test(reused_ports_are_two_connections),
        cmocka_unit_test(late_acks_join_the_closed),
        cmocka_unit_test(ordinary_segments_take_the_short_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
