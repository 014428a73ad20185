#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "core/pipeline.h"
#include "flow_fixture.h"
#include "harness/packets.h"

/* A capture made of frames in memory. */
struct item {
    struct frame frame;
    uint64_t ts_ns;
};

struct tape {
    struct capture base;
    struct item *item;
    uint32_t count, room, at;
    uint32_t burst;
    uint64_t filtered;
};

static enum capture_status tape_receive(struct capture *c, struct burst *b)
{
    struct tape *tape = (struct tape *)c;

    for (b->count = 0; b->count < tape->burst && tape->at < tape->count; b->count++) {
        struct item *item = &tape->item[tape->at++];
        b->packet[b->count] = (struct packet){.data = frame_data(&item->frame),
                                              .cap_len = frame_len(&item->frame),
                                              .wire_len = frame_len(&item->frame),
                                              .link = item->frame.link,
                                              .ts_ns = item->ts_ns};
    }
    return tape->at < tape->count ? CAPTURE_OK : CAPTURE_END;
}

static void tape_stats(const struct capture *c, struct capture_stats *s)
{
    const struct tape *tape = (const struct tape *)c;
    *s = (struct capture_stats){.received = tape->at + tape->filtered,
                                .filtered = tape->filtered,
                                .filtered_octets = tape->filtered * 60};
}

static const struct capture_ops tape_ops = {.receive = tape_receive, .stats = tape_stats};

static struct tape tape_init(uint32_t room)
{
    struct tape tape = {.base = {&tape_ops}, .room = room, .burst = PACKET_BURST_MAX};
    tape.item = calloc(room, sizeof(*tape.item));
    assert_non_null(tape.item);
    return tape;
}

static struct frame *tape_next(struct tape *tape, uint64_t ts_ns)
{
    assert_true(tape->count < tape->room);
    struct item *item = &tape->item[tape->count++];
    item->ts_ns = ts_ns;
    frame_init(&item->frame, 20);
    return &item->frame;
}

static void tape_udp(struct tape *tape, uint16_t port, uint64_t ts_ns)
{
    struct frame *f = tape_next(tape, ts_ns);
    frame_udp(f, port, 4000);
    frame_ip4(f, 0, 0);
    frame_ethernet(f);
}

/* What a pipeline made of a tape. */
struct run {
    struct config config;
    struct pipeline *pipeline;
    struct ledger ledger;
    struct flow_record *record;
    uint32_t records, room;
    uint64_t written;
};

static void keep_record(void *context, const struct flow_record *r)
{
    struct run *run = context;

    if (run->records == run->room) {
        run->room = run->room ? 2 * run->room : 64;
        run->record = realloc(run->record, run->room * sizeof(*r));
        assert_non_null(run->record);
    }
    run->record[run->records++] = *r;
    run->written += !flow_record_is_notice(r);
}

static void run_open(struct run *run, bool notices)
{
    struct pipeline_options options = {
        .config = &run->config, .notices = notices, .record = keep_record, .context = run};

    assert_int_equal(pipeline_create(&options, &run->pipeline), 0);
}

static void run_tape(struct run *run, struct tape *tape)
{
    while (pipeline_step(run->pipeline, &tape->base) == CAPTURE_OK)
        ;
    pipeline_source_done(run->pipeline, &tape->base);
    free(tape->item);
}

static void run_finish(struct run *run)
{
    pipeline_drain(run->pipeline);
    pipeline_ledger(run->pipeline, &run->ledger);
    run->ledger.handed = run->written;
    if (!ledger_closed(&run->ledger))
        ledger_print(&run->ledger, stderr);
    assert_true(ledger_closed(&run->ledger));
    for (uint32_t i = 0; i < run->records; i++)
        assert_true(run->record[i].start_ns <= run->record[i].end_ns);
}

static void run_close(struct run *run)
{
    pipeline_destroy(run->pipeline);
    free(run->record);
}

static struct run run_init(void)
{
    struct run run = {.config = {.flow = fixture_options().flow}};
    run.config.flow.decap = UINT32_MAX;
    return run;
}

static void carries_packets_into_records(void **state)
{
    (void)state;
    struct run run = run_init();
    struct tape tape = tape_init(1000);

    for (uint32_t i = 0; i < 600; i++)
        tape_udp(&tape, (uint16_t)(1000 + i % 30), START_NS + i * MS);
    for (uint32_t i = 0; i < 10; i++) {
        struct frame *f = tape_next(&tape, START_NS + 600 * MS + i);
        f->etype = ETYPE_ARP;
        frame_ethernet(f);
    }
    tape.filtered = 17;
    run_open(&run, false);
    run_tape(&run, &tape);
    assert_int_equal(pipeline_packets(run.pipeline), 610);
    run_finish(&run);
    assert_int_equal(run.records, 30);
    for (uint32_t i = 0; i < 30; i++)
        assert_int_equal(run.record[i].delta.packets[0], 20);
    assert_int_equal(run.ledger.received, 627);
    assert_int_equal(run.ledger.delivered, 610);
    assert_int_equal(run.ledger.filtered, 17);
    assert_int_equal(run.ledger.counters.fate_packets[FATE_NOT_IP_ARP], 10);
    run_close(&run);
}

static void an_empty_source_closes_the_ledger(void **state)
{
    (void)state;
    struct run run = run_init();
    struct tape tape = tape_init(1);

    run_open(&run, true);
    run_tape(&run, &tape);
    run_finish(&run);
    assert_int_equal(run.records, 0);
    run_close(&run);
    pipeline_destroy(NULL);
}

static void refuses_what_the_table_refuses(void **state)
{
    (void)state;
    struct run run = run_init();
    struct pipeline_options options = {.config = &run.config};
    struct pipeline *p = NULL;

    run.config.flow.max_flows = 3;
    assert_int_equal(pipeline_create(&options, &p), -EINVAL);
    assert_null(p);
}

/* The same packets in bursts of any size are the same records. */
static void the_size_of_bursts_changes_nothing(void **state)
{
    (void)state;
    const uint32_t sizes[] = {PACKET_BURST_MAX, 1, 7};
    struct run run[3];

    for (int k = 0; k < 3; k++) {
        struct tape tape = tape_init(2000);
        uint64_t ts = START_NS;
        tape.burst = sizes[k];
        for (uint32_t i = 0; i < 2000; i++) {
            ts += i % 500 == 499 ? 40 * SECOND : 30 * MS;
            tape_udp(&tape, (uint16_t)(1000 + i * 7 % 100), ts);
        }
        run[k] = run_init();
        run_open(&run[k], true);
        run_tape(&run[k], &tape);
        run_finish(&run[k]);
        assert_int_equal(run[k].records, run[0].records);
        for (uint32_t i = 0; i < run[0].records; i++)
            assert_memory_equal(&run[k].record[i], &run[0].record[i], sizeof(struct flow_record));
    }
    assert_true(run[0].records > 200);
    for (int k = 0; k < 3; k++)
        run_close(&run[k]);
}

/* Within one burst, ten minutes pass between two packets of a flow. */
static void silence_inside_a_burst_ends_records(void **state)
{
    (void)state;
    struct run run = run_init();
    struct tape tape = tape_init(10);

    tape_udp(&tape, 1000, START_NS);
    tape_udp(&tape, 1000, START_NS + 45 * SECOND);
    tape_udp(&tape, 1000, START_NS + 600 * SECOND);
    run_open(&run, true);
    run_tape(&run, &tape);
    run_finish(&run);
    assert_int_equal(run.records, 4);
    assert_int_equal(run.record[0].end_reason, END_IDLE);
    assert_int_equal(run.record[0].open, 1);
    assert_true(run.record[1].flow_id == run.record[0].flow_id);
    assert_int_equal(run.record[1].record_no, 2);
    assert_true(flow_record_is_notice(&run.record[2]));
    assert_true(run.record[3].flow_id != run.record[0].flow_id);
    run_close(&run);
}

static void duplicates_are_left_out_when_asked_for(void **state)
{
    (void)state;
    for (int dedup = 0; dedup < 2; dedup++) {
        struct run run = run_init();
        struct tape tape = tape_init(10);
        run.config.capture.dedup = dedup;
        for (int i = 0; i < 2; i++) {
            struct frame *f = tape_next(&tape, START_NS + (uint64_t)i * MS);
            frame_udp(f, 1000, 4000);
            frame_ip4(f, 0, 0);
            f->octets[f->at + 5] = 77; /* identification */
            frame_ethernet(f);
        }
        run_open(&run, false);
        run_tape(&run, &tape);
        run_finish(&run);
        assert_int_equal(run.ledger.counters.note[NOTE_SPAN_DUPLICATES], 1);
        assert_int_equal(run.ledger.counters.fate_packets[FATE_DUPLICATE], dedup);
        assert_int_equal(run.record[0].delta.packets[0], 2 - dedup);
        run_close(&run);
    }
}

/* The second half begins an hour before the first: files in the wrong order, or a clock that was
 * set. */
static void jump_back(bool files)
{
    struct run run = run_init();
    struct tape tape = tape_init(10000);

    run_open(&run, false);
    for (uint32_t half = 0; half < 2; half++) {
        uint64_t ts = START_NS - half * 3600 * SECOND;
        for (uint32_t i = 0; i < 5000; i++)
            tape_udp(&tape, (uint16_t)(1000 + i % 50 + 1000 * half), ts + i * 10 * MS);
        if (files || half)
            run_tape(&run, &tape);
        if (files && !half)
            tape = tape_init(5000);
    }
    run_finish(&run);
    assert_int_equal(run.ledger.counters.note[NOTE_CLOCK_REBASED], 1);
    assert_in_range(run.ledger.counters.note[NOTE_LATE_PACKETS], 0, files ? 0 : 300);
    /* 50 s each: one record for each flow, nothing cut, and each half's in its own time */
    assert_int_equal(run.records, 100);
    for (uint32_t i = 0; i < run.records; i++) {
        const struct flow_record *r = &run.record[i];
        uint64_t file = r->port[0] >= 2000;
        assert_int_equal(r->delta.packets[0], 100);
        assert_true(r->start_ns >= START_NS - file * 3600 * SECOND);
        assert_true(r->end_ns <= START_NS - file * 3600 * SECOND + 50 * SECOND);
    }
    run_close(&run);
}

static void time_that_jumps_back_moves_the_clock_once(void **state)
{
    (void)state;
    jump_back(false);
    jump_back(true);
}

/* One packet claims to be of next year: the others go on after a while as if it had not been. */
static void a_stray_time_does_not_stop_the_clock(void **state)
{
    (void)state;
    struct run run = run_init();
    struct tape tape = tape_init(20000);

    for (uint32_t i = 0; i < 20000; i++)
        tape_udp(&tape, 1000, START_NS + i * 10 * MS + (i == 1000) * 31536000 * SECOND);
    run_open(&run, false);
    run_tape(&run, &tape);
    run_finish(&run);
    assert_int_equal(run.ledger.counters.note[NOTE_CLOCK_REBASED], 1);
    /* 190 s after it are cut at the active time */
    uint32_t cut = 0;
    for (uint32_t i = 0; i < run.records; i++)
        cut += run.record[i].end_reason == END_ACTIVE;
    assert_in_range(cut, 3, 4);
    run_close(&run);
}

/* A few packets out of place, as multi-queue captures have them: late, or not even that. */
static void reordered_packets_do_not_move_the_clock(void **state)
{
    (void)state;
    struct run run = run_init();
    struct tape tape = tape_init(10000);

    for (uint32_t i = 0; i < 10000; i++) {
        uint64_t back = i % 10 == 3 ? 500 * MS : i % 100 == 57 ? 5 * SECOND : 0;
        tape_udp(&tape, (uint16_t)(1000 + i % 20), START_NS + 10 * SECOND + i * MS - back);
    }
    run_open(&run, false);
    run_tape(&run, &tape);
    run_finish(&run);
    assert_int_equal(run.ledger.counters.note[NOTE_CLOCK_REBASED], 0);
    assert_int_equal(run.ledger.counters.note[NOTE_LATE_PACKETS], 100);
    assert_int_equal(run.records, 20);
    run_close(&run);
}

/* Far more flows than places, over time that passes quickly. */
static void a_flood_closes_the_ledger(void **state)
{
    (void)state;
    struct run run = run_init();
    struct tape tape = tape_init(60000);

    run.config.flow.max_flows = 500;
    for (uint32_t i = 0; i < 60000; i++)
        tape_udp(&tape, (uint16_t)(i * 7919), START_NS + i * 300000);
    run_open(&run, true);
    run_tape(&run, &tape);
    run_finish(&run);
    assert_true(run.ledger.counters.note[NOTE_FLOWS_EVICTED] > 1000);
    assert_true(run.ledger.census.made_packets == 60000);
    assert_int_equal(run.ledger.census.notices, run.records - run.written);
    run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_packets_into_records),
        cmocka_unit_test(an_empty_source_closes_the_ledger),
        cmocka_unit_test(refuses_what_the_table_refuses),
        cmocka_unit_test(the_size_of_bursts_changes_nothing),
        cmocka_unit_test(silence_inside_a_burst_ends_records),
        cmocka_unit_test(duplicates_are_left_out_when_asked_for),
        cmocka_unit_test(time_that_jumps_back_moves_the_clock_once),
        cmocka_unit_test(a_stray_time_does_not_stop_the_clock),
        cmocka_unit_test(reordered_packets_do_not_move_the_clock),
        cmocka_unit_test(a_flood_closes_the_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
