/*
 * An exporter on a fake clock, in a directory of its own, with a collector that reads what it
 * sends.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "export/exporter.h"
#include "fake_reader.h"

#define SECOND UINT64_C(1000000000)

struct test {
    struct config *config;
    struct exporter *exporter;
    struct reader reader;
    uint64_t now_ns;
    uint64_t handed; /* records, flow_id 0, 1, ... */
    uint64_t random;
    char directory[64], said[8192];
};

static inline uint64_t fake_now(void *context)
{
    return ((struct test *)context)->now_ns;
}

static inline void remember(void *context, const char *collector, enum log_level level,
                            const char *text)
{
    struct test *t = context;
    size_t used = strlen(t->said);

    (void)level;
    snprintf(t->said + used, sizeof(t->said) - used, "%s: %s\n", collector, text);
}

static inline struct collector_config *add_collector(struct test *t, uint64_t transport)
{
    struct collector_config *c =
        &t->config->exports.collector[t->config->exports.collector_count++];

    *c = (struct collector_config){
        .transport = transport,
        .host = "127.0.0.1",
        .port = t->reader.port,
        .message_size = 512,
        .reconnect_ns = SECOND,
        .options_ns = 60 * SECOND,
        .template_ns = 600 * SECOND,
    };
    snprintf(c->name, sizeof(c->name), "c%u", t->config->exports.collector_count);
    return c;
}

static inline void create(struct test *t)
{
    char error[EXPORTER_ERROR_MAX];
    struct exporter_options options = {
        .config = t->config,
        .clock = {fake_now, fake_now, t},
        .event = remember,
        .context = t,
    };
    int rc = exporter_create(&options, &t->exporter, error);

    if (rc)
        fail_msg("%s", error);
}

static inline void remove_tree(const char *path)
{
    char inside[512];
    DIR *d = opendir(path);

    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(inside, sizeof(inside), "%.200s/%.255s", path, e->d_name);
        if (unlink(inside) < 0)
            remove_tree(inside);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static inline int setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    signal(SIGPIPE, SIG_IGN);
    t->config = calloc(1, sizeof(*t->config));
    t->config->exports.domain = 77;
    t->config->exports.queue_octets = 64 << 10;
    t->config->exports.replay_octets = 32 << 10;
    t->config->exports.flush_ns = SECOND / 2;
    t->config->sensor.drain_timeout_ns = SECOND;
    t->now_ns = 1000 * SECOND;
    t->random = 1;
    snprintf(t->directory, sizeof(t->directory), "/tmp/weir-exporter-XXXXXX");
    assert_non_null(mkdtemp(t->directory));
    reader_init(&t->reader);
    *state = t;
    return 0;
}

static inline int teardown(void **state)
{
    struct test *t = *state;

    exporter_destroy(t->exporter);
    reader_fini(&t->reader);
    remove_tree(t->directory);
    free(t->config);
    free(t);
    return 0;
}

static inline uint64_t next_random(struct test *t)
{
    t->random = t->random * 6364136223846793005ull + 1442695040888963407ull;
    return t->random >> 33;
}

static inline void add(struct test *t, unsigned count)
{
    for (; count && t->handed < RECORDS_MAX; count--) {
        struct flow_record r = {.flow_id = t->handed, .record_no = 1};
        r.delta.packets[0] = 1 + t->handed % 3;
        r.delta.packets[1] = t->handed % 2;
        r.delta.octets[0] = 100 + t->handed % 7;
        exporter_add(t->exporter, &r);
        t->handed++;
    }
}

static inline struct collector_stats stats(struct test *t, uint32_t index)
{
    struct collector_stats s;

    exporter_stats(t->exporter, index, &s);
    return s;
}

static inline uint64_t dropped(const struct collector_stats *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < DROP_COUNT; i++)
        sum += s->dropped[i].records;
    return sum;
}

static inline void check_ledgers(struct test *t)
{
    for (uint32_t i = 0; i < exporter_count(t->exporter); i++) {
        struct collector_stats s = stats(t, i);
        if (!collector_stats_closed(&s))
            fail_msg("%s: handed %lu taken %lu restored %lu delivered %lu kept %lu in flight %lu "
                     "queued %lu spooled %lu moved %lu dropped %lu",
                     s.config->name, s.handed.records, s.taken.records, s.restored.records,
                     s.delivered.records, s.kept.records, s.in_flight.records, s.queued.records,
                     s.spooled.records, s.moved.records, dropped(&s));
    }
}

static inline void step(struct test *t, uint64_t ms)
{
    t->now_ns += ms * 1000000;
    exporter_step(t->exporter, 0);
    check_ledgers(t);
}

/* Real sockets, a clock of our own: loopback needs some rounds. */
static inline void steps(struct test *t, unsigned count)
{
    while (count--) {
        step(t, 10);
        reader_read(&t->reader, SIZE_MAX);
    }
}

static inline uint64_t missing(const struct test *t)
{
    uint64_t sum = 0;

    for (uint64_t id = 0; id < t->handed; id++)
        sum += !t->reader.seen[id];
    return sum;
}

/* exporter_drain() waits, and so would this one thread: the reader needs its turns. */
static inline void settle(struct test *t)
{
    for (int i = 0; i < 4000; i++) {
        struct collector_stats s = stats(t, 0);
        if (!s.queued.records && !s.in_flight.records && !s.spooled.records)
            break;
        steps(t, 1);
    }
    steps(t, 5);
}

static inline void drain(struct test *t)
{
    exporter_drain(t->exporter, t->now_ns);
    check_ledgers(t);
}

/* Flow records in a file of messages, which must be a stream as RFC 5655 has it. */
static inline uint64_t file_records(const char *path, unsigned *messages)
{
    uint8_t header[16], body[MESSAGE_MAX];
    FILE *f = fopen(path, "rb");
    uint64_t records = 0, sequence = 0;

    assert_non_null(f);
    while (fread(header, 1, 16, f) == 16) {
        assert_true(fake_get(header + 8, 4) >= sequence); /* RFC 5655: a file is one session */
        sequence = fake_get(header + 8, 4);
        size_t rest = fake_get(header + 2, 2) - 16;
        assert_int_equal(fread(body, 1, rest, f), rest);
        if (!*messages)
            assert_int_equal(fake_get(body, 2), FAKE_TEMPLATE_SET);
        if (fake_get(body, 2) == FAKE_DATA_SET)
            records += (rest - 4) / 8;
        ++*messages;
    }
    fclose(f);
    return records;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
