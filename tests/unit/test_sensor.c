#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "core/outlet.h"
#include "core/sensor_internal.h"
#include "format/format.h"
#include "worker_fixture.h"

/* --- What an interface received and nobody accounts for --- */

static void what_is_under_way_is_not_lost(void **state)
{
    (void)state;
    struct port_watch w = {0};

    for (uint64_t i = 1; i < 20; i++)
        assert_int_equal(port_watch_rest(&w, 1000 * i, 1000 * i - (i % 3 ? 64 : 0)), 0);
}

static void what_stays_missing_is_lost(void **state)
{
    (void)state;
    struct port_watch w = {0};

    assert_int_equal(port_watch_rest(&w, 1000, 900), 0);
    assert_int_equal(port_watch_rest(&w, 2000, 1850), 0);
    assert_int_equal(port_watch_rest(&w, 3000, 2880), 100);
    assert_int_equal(port_watch_rest(&w, 4000, 3500), 120);
    assert_int_equal(port_watch_rest(&w, 5000, 5003), 0); /* counted late: not negative */
}

/* --- The ledger of the whole --- */

/* Two workers, a collector and stdout, with something in every term, closed and drained. */
static struct sensor_status *closed_status(void)
{
    struct sensor_status *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->state = SENSOR_DRAINING;
    s->worker_count = 2;
    s->collector_count = 1;
    s->ledger = (struct ledger){.received = 100,
                                .missed = {[MISS_RING_FULL] = 8},
                                .filtered = 2,
                                .delivered = 90,
                                .handed = 40,
                                .lost = 5};
    s->ledger.counters.fate_packets[FATE_FLOW] = 80;
    s->ledger.counters.fate_packets[FATE_NOT_IP_ARP] = 10;
    s->ledger.census.made_packets = 80;
    s->ledger.census.made_records = 45;
    s->taken = 40;
    s->face = (struct face_stats){.handed = 40, .written = 30, .dropped = 10};
    s->collector[0].stats.handed = (struct export_count){40, 80, 8000};
    s->collector[0].stats.delivered = (struct export_count){30, 60, 6000};
    s->collector[0].stats.dropped[DROP_STOPPED] = (struct export_count){10, 20, 2000};
    return s;
}

static void every_term_of_the_whole_counts(void **state)
{
    (void)state;
    struct sensor_status *s = closed_status();
    uint64_t *terms[] = {&s->ledger.received,
                         &s->ledger.missed[MISS_RING_FULL],
                         &s->ledger.filtered,
                         &s->ledger.delivered,
                         &s->ledger.handed,
                         &s->ledger.lost,
                         &s->ledger.counters.fate_packets[FATE_FLOW],
                         &s->ledger.census.made_records,
                         &s->taken,
                         &s->face.handed,
                         &s->face.written,
                         &s->face.dropped,
                         &s->collector[0].stats.handed.records,
                         &s->collector[0].stats.delivered.packets,
                         &s->collector[0].stats.dropped[DROP_STOPPED].octets};

    assert_true(sensor_status_closed(s));
    for (size_t i = 0; i < sizeof(terms) / sizeof(*terms); i++) {
        (*terms[i])++;
        if (sensor_status_closed(s))
            fail_msg("term %zu may be off by one", i);
        (*terms[i])--;
    }
    assert_true(sensor_status_closed(s));
    free(s);
}

/* While it runs, records are on their way between two counts. */
static void rings_are_judged_at_the_end(void **state)
{
    (void)state;
    struct sensor_status *s = closed_status();

    s->taken = 30;
    assert_false(sensor_status_closed(s));
    s->worker[1].ring_used[LANE_ONE] = 10;
    assert_true(sensor_status_closed(s));
    s->worker[1].ring_used[LANE_ONE] = 0;
    s->state = SENSOR_RUNNING;
    assert_true(sensor_status_closed(s));
    free(s);
}

/* --- The exporter thread --- */

static void *run_outlet(void *context)
{
    outlet_run(context);
    return NULL;
}

/* A worker drains into small rings while the outlet empties them: all records come out, in lanes,
 * each once. */
static void the_outlet_takes_all_that_workers_hand_on(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct sensor_status *status = calloc(1, sizeof(*status));
    char path[] = "/tmp/weir-test-XXXXXX";
    struct outlet *outlet;
    struct face *face;
    pthread_t thread;
    int fd = mkstemp(path);

    assert_non_null(status);
    rig->config.exports.ring = 64;
    rig_start(rig);
    assert_int_equal(face_create(format_find("csv"), &rig->config, fd, &face), 0);
    struct outlet_options options = {&rig->worker, 1, NULL, face};
    assert_int_equal(outlet_create(&options, &outlet), 0);
    for (uint16_t i = 0; i < 2000; i++)
        rig_put(rig, 0, (uint16_t)(1000 + i % 1500), 0);
    while (worker_poll(rig->worker))
        ;
    assert_int_equal(pthread_create(&thread, NULL, run_outlet, outlet), 0);
    worker_order_drain(rig->worker, UINT64_MAX);
    worker_drain(rig->worker);
    outlet_order_drain(outlet, UINT64_MAX);
    pthread_join(thread, NULL);
    assert_true(outlet_done(outlet));
    outlet_status(outlet, status);
    assert_int_equal(status->taken, 1500);
    assert_int_equal(status->face.written, 1500);
    assert_int_equal(rig_snapshot(rig).handed[LANE_MANY].records, 500);
    check_ledger(rig);
    outlet_destroy(outlet);
    face_destroy(face);
    unlink(path);
    close(fd);
    free(status);
    rig_close(rig);
}

/* Nobody reads stdout, and time is up: what the rings still hold is dropped and counted. */
static void what_the_rings_hold_at_the_end_is_counted(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct sensor_status *status = calloc(1, sizeof(*status));
    struct outlet *outlet;
    struct face *face;
    int fd[2];

    assert_non_null(status);
    assert_int_equal(pipe(fd), 0);
    rig->config.exports.ring = 4096;
    rig_start(rig);
    assert_int_equal(face_create(format_find("json"), &rig->config, fd[1], &face), 0);
    while (face_room(face))
        face_add(face, &(struct flow_record){.delta.packets = {1, 0}, .ip_version = 4});
    struct outlet_options options = {&rig->worker, 1, NULL, face};
    assert_int_equal(outlet_create(&options, &outlet), 0);
    for (uint16_t i = 0; i < 2000; i++)
        rig_put(rig, 0, (uint16_t)(1000 + i), 0);
    worker_order_drain(rig->worker, 1);
    worker_drain(rig->worker);
    outlet_order_drain(outlet, 1);
    outlet_run(outlet);
    outlet_status(outlet, status);
    assert_true(status->taken > 0);
    assert_int_equal(status->taken, rig_snapshot(rig).handed[LANE_ONE].records);
    assert_true(status->face.handed == status->face.written + status->face.dropped);
    outlet_destroy(outlet);
    face_destroy(face);
    close(fd[0]);
    close(fd[1]);
    free(status);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_under_way_is_not_lost),
        cmocka_unit_test(what_stays_missing_is_lost),
        cmocka_unit_test(every_term_of_the_whole_counts),
        cmocka_unit_test(rings_are_judged_at_the_end),
        cmocka_unit_test(the_outlet_takes_all_that_workers_hand_on),
        cmocka_unit_test(what_the_rings_hold_at_the_end_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
