/*
 * Flow records into the exporter, at rate: what tests of collectors, spool and groups load it with.
 *
 *     export_load CONFIG RECORDS RATE
 *
 * CONFIG is a weir.yaml. Records have flow_id 1, 2, ...; RATE is per second, 0 = as fast as there
 * is room. Prints a JSON line every 100 ms and at the end:
 *     {"handed":N,"cpu_ms":N,"done":false,"collectors":[{"name":...,"state":...,"delivered":N,...}]}
 * Ends when all records are delivered, or by SIGTERM like a sensor: with what is left in the spool.
 * SIGUSR1: no more records, however few they were.
 * Events go to stderr. Exit code 0; 1 when a ledger did not close; 2 when it could not begin.
 */
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "config/config.h"
#include "core/sandbox.h"
#include "export/exporter.h"
#include "format/format.h"
#include "weir/config.h"
#include "weir/flow.h"

#define SECOND UINT64_C(1000000000)
#define PRINT_NS (SECOND / 10)
#define TURN 256

static volatile sig_atomic_t told_to_end, enough;

static void on_signal(int signal)
{
    if (signal == SIGUSR1)
        enough = 1;
    else
        told_to_end = 1;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void say(void *context, const char *collector, enum log_level level, const char *text)
{
    (void)context;
    (void)level;
    fprintf(stderr, "%s: %s\n", collector, text);
}

static void add(struct exporter *e, uint64_t id)
{
    struct flow_record r = {.flow_id = id, .record_no = 1, .ip_version = 4, .proto = 17};

    r.conn_start_ns = r.start_ns = 1700000000 * SECOND + id * 1000000;
    r.end_ns = r.start_ns + SECOND;
    r.address[0][0] = r.address[1][0] = 10;
    for (int i = 0; i < 3; i++)
        r.address[0][3 - i] = (uint8_t)(id >> 8 * i);
    r.port[0] = (uint16_t)(1024 + id % 60000);
    r.port[1] = 53;
    for (int side = 0; side < 2; side++) {
        r.delta.packets[side] = 1 + (id + (uint64_t)side) % 3;
        r.delta.octets[side] = 100 + id % 7;
        r.first_ns[side] = r.start_ns;
        r.last_ns[side] = r.end_ns;
    }
    r.total = r.delta;
    r.end_reason = END_IDLE;
    exporter_add(e, &r);
}

static uint64_t dropped(const struct collector_stats *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < DROP_COUNT; i++)
        sum += s->dropped[i].records;
    return sum;
}

static void print_drops(const struct collector_stats *s)
{
    fputs(",\"drops\":{", stdout);
    for (unsigned i = 0; i < DROP_COUNT; i++)
        printf("%s\"%s\":%" PRIu64, i ? "," : "", export_drop_label[i], s->dropped[i].records);
    fputs("}", stdout);
}

static bool print_collector(const struct exporter *e, uint32_t index)
{
    struct collector_stats s;
    const char *const name[] = {"handed", "taken",     "restored", "delivered", "moved",
                                "kept",   "in_flight", "queued",   "spooled"};

    exporter_stats(e, index, &s);
    const struct export_count *const count[] = {&s.handed,    &s.taken,  &s.restored,
                                                &s.delivered, &s.moved,  &s.kept,
                                                &s.in_flight, &s.queued, &s.spooled};
    printf("%s{\"name\":\"%s\",\"state\":\"%s\"", index ? "," : "", s.config->name,
           collector_state_label[s.state]);
    for (unsigned i = 0; i < sizeof(name) / sizeof(*name); i++)
        printf(",\"%s\":%" PRIu64, name[i], count[i]->records);
    printf(",\"dropped\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"connects\":%" PRIu64
           ",\"losses\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"spool_errors\":%" PRIu64
           ",\"spool_skipped\":%" PRIu64 ",\"spool_octets\":%" PRIu64 ",\"closed\":%s",
           dropped(&s), s.replayed_records, s.connects, s.losses, s.sent_records, s.spool_errors,
           s.spool_skipped, s.spool_octets, collector_stats_closed(&s) ? "true" : "false");
    print_drops(&s);
    fputs("}", stdout);
    return collector_stats_closed(&s);
}

static bool print_all(const struct exporter *e, uint64_t handed, bool done)
{
    struct rusage used;
    bool closed = true;

    getrusage(RUSAGE_SELF, &used);
    printf("{\"handed\":%" PRIu64 ",\"cpu_ms\":%ld,\"done\":%s,\"collectors\":[", handed,
           (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
               (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000,
           done ? "true" : "false");
    for (uint32_t i = 0; i < exporter_count(e); i++)
        closed &= print_collector(e, i);
    puts("]}");
    fflush(stdout);
    return closed;
}

static bool all_delivered(const struct exporter *e)
{
    struct collector_stats s;

    for (uint32_t i = 0; i < exporter_count(e); i++) {
        exporter_stats(e, i, &s);
        if (s.queued.records || s.in_flight.records || s.spooled.records)
            return false;
    }
    return true;
}

static uint64_t run(struct exporter *e, uint64_t records, uint64_t rate, bool *closed)
{
    uint64_t begin = now_ns(), printed = begin, id = 0;

    while (!told_to_end && (id < records || !all_delivered(e))) {
        uint64_t now = now_ns(), due = rate ? (now - begin) * rate / SECOND : records;
        if (enough)
            records = id;
        for (int i = 0; i < TURN && id < records && id < due && (rate || exporter_room(e)); i++)
            add(e, ++id);
        exporter_step(e,
                      id < records && id < due && exporter_room(e) ? 0 : 5 + 45 * (id == records));
        if (now - printed >= PRINT_NS) {
            printed = now;
            *closed &= print_all(e, id, false);
        }
    }
    return id;
}

/* As a sensor does, so that what sessions need is in its sandbox. */
static int confine(const char *file, const struct config *config, char error[EXPORTER_ERROR_MAX])
{
    static struct sandbox_plan plan;

    static_assert(EXPORTER_ERROR_MAX >= SANDBOX_LINE_MAX, "room for the sandbox's line");
    sandbox_plan_make(&plan, config, file);
    plan.level = SANDBOX_PARTIAL;
    return sandbox_enter(&plan, error);
}

int main(int argc, char **argv)
{
    static struct config config;
    struct config_error why;
    char error[EXPORTER_ERROR_MAX];
    struct exporter_options options = {
        .config = &config, .ecs = format_find("ecs"), .json = format_find("json"), .event = say};
    struct exporter *e;
    bool closed = true;

    signal(SIGTERM, on_signal);
    signal(SIGUSR1, on_signal);
    signal(SIGPIPE, SIG_IGN);
    if (argc != 4 || config_load(argv[1], &config, &why) || config_check(&config, &why)) {
        fprintf(stderr, "%s\n", argc == 4 ? why.text : "export_load CONFIG RECORDS RATE");
        return 2;
    }
    if (exporter_create(&options, &e, error)) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    if (confine(argv[1], &config, error)) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    uint64_t id = run(e, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), &closed);
    exporter_drain(e, now_ns() + config.sensor.drain_timeout_ns);
    closed &= print_all(e, id, true);
    exporter_destroy(e);
    return closed ? 0 : 1;
}
