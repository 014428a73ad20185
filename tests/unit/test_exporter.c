#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

static uint64_t fake_now(void *context)
{
    return ((struct test *)context)->now_ns;
}

static void remember(void *context, const char *collector, enum log_level level, const char *text)
{
    struct test *t = context;
    size_t used = strlen(t->said);

    (void)level;
    snprintf(t->said + used, sizeof(t->said) - used, "%s: %s\n", collector, text);
}

static struct collector_config *add_collector(struct test *t, uint64_t transport)
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

static void create(struct test *t)
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

static void remove_tree(const char *path)
{
    char inside[512];
    DIR *d = opendir(path);

    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(inside, sizeof(inside), "%s/%s", path, e->d_name);
        if (unlink(inside) < 0)
            remove_tree(inside);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int setup(void **state)
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

static int teardown(void **state)
{
    struct test *t = *state;

    exporter_destroy(t->exporter);
    reader_fini(&t->reader);
    remove_tree(t->directory);
    free(t->config);
    free(t);
    return 0;
}

static uint64_t next_random(struct test *t)
{
    t->random = t->random * 6364136223846793005ull + 1442695040888963407ull;
    return t->random >> 33;
}

static void add(struct test *t, unsigned count)
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

static struct collector_stats stats(struct test *t, uint32_t index)
{
    struct collector_stats s;

    exporter_stats(t->exporter, index, &s);
    return s;
}

static uint64_t dropped(const struct collector_stats *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < DROP_COUNT; i++)
        sum += s->dropped[i].records;
    return sum;
}

static void check_ledgers(struct test *t)
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

static void step(struct test *t, uint64_t ms)
{
    t->now_ns += ms * 1000000;
    exporter_step(t->exporter, 0);
    check_ledgers(t);
}

/* Real sockets, a clock of our own: loopback needs some rounds. */
static void steps(struct test *t, unsigned count)
{
    while (count--) {
        step(t, 10);
        reader_read(&t->reader, SIZE_MAX);
    }
}

static uint64_t missing(const struct test *t)
{
    uint64_t sum = 0;

    for (uint64_t id = 0; id < t->handed; id++)
        sum += !t->reader.seen[id];
    return sum;
}

/* exporter_drain() waits, and so would this one thread: the reader needs its turns. */
static void settle(struct test *t)
{
    for (int i = 0; i < 4000; i++) {
        struct collector_stats s = stats(t, 0);
        if (!s.queued.records && !s.in_flight.records && !s.spooled.records)
            break;
        steps(t, 1);
    }
    steps(t, 5);
}

static void drain(struct test *t)
{
    exporter_drain(t->exporter, t->now_ns);
    check_ledgers(t);
}

static void sends_all_with_templates_first(void **state)
{
    struct test *t = *state;

    add_collector(t, TRANSPORT_TCP);
    create(t);
    add(t, 5000);
    settle(t);
    assert_int_equal(missing(t), 0);
    assert_int_equal(t->reader.records, 5000);
    assert_int_equal(t->reader.connections, 1);
    drain(t);
    assert_int_equal(stats(t, 0).delivered.records, 5000);
    assert_int_equal(stats(t, 0).state, COLLECTOR_CLOSED);
}

static void flushes_in_time(void **state)
{
    struct test *t = *state;

    add_collector(t, TRANSPORT_TCP);
    create(t);
    steps(t, 20);
    add(t, 1);
    steps(t, 40);
    assert_int_equal(t->reader.records, 0);
    steps(t, 20);
    assert_int_equal(t->reader.records, 1);
}

/* Killed again and again, at any moment: nothing is missing, duplicates stay within the window. */
static void loses_nothing_to_resets(void **state)
{
    struct test *t = *state;
    uint64_t kills = 0;

    t->config->exports.queue_octets = 16 << 20;
    t->config->exports.replay_octets = 1 << 20;
    add_collector(t, TRANSPORT_TCP)->reconnect_ns = SECOND / 100;
    create(t);
    for (int round = 0; round < 600; round++) {
        add(t, (unsigned)(next_random(t) % 200));
        step(t, next_random(t) % 20);
        reader_read(&t->reader, next_random(t) % 8000);
        if (next_random(t) % 20 == 0 && t->reader.fd >= 0) {
            reader_drop(&t->reader, next_random(t) % 2);
            kills++;
        }
    }
    settle(t);
    assert_true(kills > 10);
    assert_int_equal(missing(t), 0);
    struct collector_stats s = stats(t, 0);
    assert_true(s.replayed_records > 0);
    assert_int_equal(s.sent_records, t->handed + s.replayed_records);
    assert_int_equal(s.losses + 1, s.connects);
}

/* Without a spool the queue's bound decides, and the count is what is really missing. */
static void counts_what_is_lost(void **state)
{
    struct test *t = *state;

    add_collector(t, TRANSPORT_TCP);
    create(t);
    add(t, 1000);
    settle(t);
    reader_drop(&t->reader, 0);
    reader_close(&t->reader);
    for (int i = 0; i < 100; i++) {
        add(t, 300);
        step(t, 50);
    }
    reader_listen(&t->reader);
    for (int i = 0; i < 40; i++)
        step(t, 50), reader_read(&t->reader, SIZE_MAX);
    settle(t);
    steps(t, 200); /* the news of the drops follows within a second */
    struct collector_stats s = stats(t, 0);
    assert_true(dropped(&s) > 0);
    assert_int_equal(missing(t), dropped(&s));
    assert_int_equal(t->reader.told_not_sent, dropped(&s));
    assert_non_null(strstr(t->said, "dropped"));
}

static void spools_while_the_collector_is_away(void **state)
{
    struct test *t = *state;

    snprintf(t->config->exports.spool, CONFIG_PATH_MAX, "%s/spool", t->directory);
    add_collector(t, TRANSPORT_TCP)->spool_octets = 4 << 20;
    create(t);
    add(t, 1000);
    settle(t);
    reader_drop(&t->reader, 0);
    reader_close(&t->reader);
    for (int i = 0; i < 100; i++) {
        add(t, 300);
        step(t, 50);
    }
    assert_true(stats(t, 0).spooled.records > 20000);
    reader_listen(&t->reader);
    for (int i = 0; i < 100; i++) {
        add(t, 10);
        step(t, 50);
        reader_read(&t->reader, SIZE_MAX);
    }
    settle(t);
    struct collector_stats s = stats(t, 0);
    assert_int_equal(dropped(&s), 0);
    assert_int_equal(missing(t), 0);
    assert_int_equal(s.spooled.records, 0);
    assert_non_null(strstr(t->said, "records go to the spool"));
}

/* Drained while the collector is away, started again: all is there. */
static void restart_picks_up_the_spool(void **state)
{
    struct test *t = *state;

    snprintf(t->config->exports.spool, CONFIG_PATH_MAX, "%s/spool", t->directory);
    add_collector(t, TRANSPORT_TCP)->spool_octets = 4 << 20;
    create(t);
    add(t, 5000);
    settle(t);
    add(t, 3000);
    reader_drop(&t->reader, 0);
    reader_close(&t->reader);
    step(t, 1);
    add(t, 3000);
    step(t, 1);
    drain(t);
    exporter_destroy(t->exporter);
    reader_listen(&t->reader);
    create(t);
    assert_true(stats(t, 0).restored.records >= 3000);
    settle(t);
    assert_int_equal(missing(t), 0);
    drain(t);
    exporter_destroy(t->exporter);
    create(t);
    assert_int_equal(stats(t, 0).restored.records, 0);
}

/* What an outage, a stall, a small spool and a killed reader do together: whatever happens, every
 * record is accounted for, and what was not dropped arrives. */
static void random_walk(struct test *t)
{
    for (int round = 0; round < 1500; round++) {
        switch (next_random(t) % 12) {
        case 0:
            reader_drop(&t->reader, next_random(t) % 2);
            break;
        case 1:
            next_random(t) % 4 ? (void)0 : reader_close(&t->reader);
            break;
        case 2:
            if (t->reader.listener < 0)
                reader_listen(&t->reader);
            break;
        case 3:
            if (t->reader.fd >= 0)
                shutdown(t->reader.fd, SHUT_WR);
            break;
        case 4:
        case 5:
        case 6:
            add(t, (unsigned)(next_random(t) % 400));
            check_ledgers(t);
            break;
        case 7:
        case 8:
            reader_read(&t->reader, next_random(t) % 30000);
            break;
        default:
            step(t, next_random(t) % 300);
        }
    }
    if (t->reader.listener < 0)
        reader_listen(&t->reader);
    settle(t);
    steps(t, 300);
}

static void walk_keeps_the_ledger(void **state)
{
    struct test *t = *state;
    const char *seed = getenv("WEIR_SEED");

    t->random = seed ? strtoull(seed, NULL, 10) : 4739;
    add_collector(t, TRANSPORT_TCP)->reconnect_ns = SECOND / 10;
    create(t);
    random_walk(t);
    struct collector_stats s = stats(t, 0);
    assert_int_equal(missing(t), dropped(&s));
    assert_int_equal(t->reader.told_not_sent, dropped(&s));
}

static void walk_with_spool_keeps_the_ledger(void **state)
{
    struct test *t = *state;

    snprintf(t->config->exports.spool, CONFIG_PATH_MAX, "%s/spool", t->directory);
    struct collector_config *c = add_collector(t, TRANSPORT_TCP);
    c->spool_octets = 256 << 10;
    c->reconnect_ns = SECOND / 10;
    create(t);
    random_walk(t);
    struct collector_stats s = stats(t, 0);
    assert_int_equal(missing(t), dropped(&s));
    assert_int_equal(s.spooled.records, 0);
}

static uint64_t file_records(const char *path, unsigned *messages)
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

static void writes_a_file(void **state)
{
    struct test *t = *state;
    unsigned messages = 0;
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/flows.ipfix", t->directory);
    create(t);
    add(t, 5000);
    steps(t, 200);
    drain(t);
    assert_int_equal(stats(t, 0).delivered.records, 5000);
    assert_int_equal(file_records(c->path, &messages), 5000);
}

static void limit_files(rlim_t octets)
{
    struct rlimit limit = {octets, RLIM_INFINITY};

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_file_goes_on_when_there_is_room_again(void **state)
{
    struct test *t = *state;
    unsigned messages = 0;
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/flows.ipfix", t->directory);
    signal(SIGXFSZ, SIG_IGN);
    create(t);
    limit_files(20000);
    add(t, 5000);
    steps(t, 200);
    limit_files(RLIM_INFINITY);
    assert_true(stats(t, 0).losses > 0 && stats(t, 0).delivered.records < 5000);
    steps(t, 2000);
    drain(t);
    assert_int_equal(stats(t, 0).delivered.records, 5000);
    assert_int_equal(file_records(c->path, &messages), 5000);
}

/* The file of an earlier run is a session of its own, and keeps all it holds. */
static void a_new_run_begins_a_new_file(void **state)
{
    struct test *t = *state;
    char before[400];
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/flows.ipfix", t->directory);
    for (uint64_t run = 0; run < 3; run++) {
        unsigned messages = 0;
        create(t);
        add(t, 100 + run);
        steps(t, 20);
        drain(t);
        exporter_destroy(t->exporter);
        assert_int_equal(file_records(c->path, &messages), 100 + run);
    }
    create(t); /* nothing is written, and nothing more is set aside than was there */
    drain(t);
    for (uint64_t run = 0; run < 3; run++) {
        unsigned messages = 0;
        snprintf(before, sizeof(before), "%s/flows-19700101T001640Z%s.ipfix", t->directory,
                 run == 0   ? ""
                 : run == 1 ? ".1"
                            : ".2");
        assert_int_equal(file_records(before, &messages), 100 + run);
    }
    assert_non_null(strstr(t->said, "(what was there: flows-19700101T001640Z.ipfix)"));
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    fputs(text, f);
    fclose(f);
}

static void a_file_that_holds_something_else_is_left_alone(void **state)
{
    struct test *t = *state;
    char text[64] = "";
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/thesis.txt", t->directory);
    write_text(c->path, "all of my work");
    create(t);
    add(t, 100);
    steps(t, 20);
    drain(t);
    assert_int_equal(stats(t, 0).dropped[DROP_STOPPED].records, 100);
    assert_non_null(strstr(t->said, "thesis.txt: holds something else: remove it first"));
    FILE *f = fopen(c->path, "r");
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    assert_string_equal(text, "all of my work");
}

static void rotates_files(void **state)
{
    struct test *t = *state;
    uint64_t records = 0;
    unsigned files = 0;
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/flows.ipfix", t->directory);
    c->rotate_octets = 4096;
    c->rotate_ns = 10 * SECOND;
    create(t);
    for (int i = 0; i < 60; i++) {
        add(t, 100);
        step(t, 500);
    }
    drain(t);
    DIR *d = opendir(t->directory);
    for (struct dirent *e; (e = readdir(d));) {
        char path[400];
        unsigned messages = 0;
        if (e->d_name[0] == '.')
            continue;
        assert_null(strstr(e->d_name, ".part"));
        assert_int_equal(strncmp(e->d_name, "flows-1970", 10), 0);
        snprintf(path, sizeof(path), "%s/%s", t->directory, e->d_name);
        records += file_records(path, &messages);
        files++;
    }
    closedir(d);
    assert_true(files > 5);
    assert_int_equal(records, t->handed);
}

static void full_disk_costs_what_the_queue_does_not_hold(void **state)
{
    struct test *t = *state;
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "/dev/full");
    create(t);
    for (int i = 0; i < 100; i++) {
        add(t, 1000);
        step(t, 100);
    }
    struct collector_stats s = stats(t, 0);
    assert_int_equal(s.delivered.records, 0);
    assert_true(s.losses > 3);
    assert_true(dropped(&s) > 0);
    assert_non_null(strstr(t->said, "/dev/full: cannot write: No space left on device"));
    drain(t);
}

static void sends_datagrams(void **state)
{
    struct test *t = *state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    uint8_t message[2048];
    unsigned records = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    add_collector(t, TRANSPORT_UDP)->port = ntohs(at.sin_port);
    create(t);
    add(t, 500);
    for (int i = 0; i < 100; i++) {
        step(t, 10);
        for (ssize_t n; (n = recv(fd, message, sizeof(message), 0)) > 0;)
            if (fake_get(message + 16, 2) == FAKE_DATA_SET)
                records += (unsigned)(n - FAKE_HEADER) / 8;
    }
    assert_int_equal(records, 500);
    assert_int_equal(stats(t, 0).delivered.records, 500);
    close(fd);
}

static void failover_hands_over(void **state)
{
    struct test *t = *state;
    struct reader second;

    reader_init(&second);
    struct collector_config *a = add_collector(t, TRANSPORT_TCP);
    struct collector_config *b = add_collector(t, TRANSPORT_TCP);
    snprintf(a->group, sizeof(a->group), "pair");
    snprintf(b->group, sizeof(b->group), "pair");
    a->group_mode = b->group_mode = GROUP_FAILOVER;
    b->port = second.port;
    create(t);
    add(t, 500);
    steps(t, 100);
    assert_int_equal(stats(t, 1).handed.records, 0);
    add(t, 500);
    reader_drop(&t->reader, 0);
    reader_close(&t->reader);
    for (int i = 0; i < 100; i++) {
        add(t, 10);
        step(t, 20);
        reader_read(&second, SIZE_MAX);
    }
    steps(t, 100);
    for (int i = 0; i < 100; i++) {
        step(t, 20);
        reader_read(&second, SIZE_MAX);
    }
    for (uint64_t id = 0; id < t->handed; id++)
        assert_true(t->reader.seen[id] || second.seen[id]);
    assert_true(stats(t, 0).moved.records >= 500);
    assert_int_equal(stats(t, 0).moved.records, stats(t, 1).taken.records);
    reader_fini(&second);
}

static void reload_keeps_what_did_not_change(void **state)
{
    struct test *t = *state;
    struct config *next = malloc(sizeof(*next));
    char error[EXPORTER_ERROR_MAX];

    struct collector_config *file = add_collector(t, TRANSPORT_FILE);
    snprintf(file->path, sizeof(file->path), "%s/flows.ipfix", t->directory);
    add_collector(t, TRANSPORT_TCP);
    create(t);
    add(t, 1000);
    steps(t, 100);
    *next = *t->config;
    next->exports.collector[0] = next->exports.collector[1];
    next->exports.collector_count = 1;
    assert_int_equal(exporter_reload(t->exporter, next, error), 0);
    add(t, 1000);
    steps(t, 200);
    assert_int_equal(exporter_count(t->exporter), 1);
    assert_int_equal(stats(t, 0).connects, 1);
    assert_int_equal(missing(t), 0);
    unsigned messages = 0;
    assert_int_equal(file_records(file->path, &messages), 1000);
    snprintf(next->exports.collector[0].host, CONFIG_ADDRESS_MAX, "no.such.host.invalid");
    assert_int_not_equal(exporter_reload(t->exporter, next, error), 0);
    assert_non_null(strstr(error, "export.collectors[0]"));
    add(t, 10);
    steps(t, 100);
    assert_int_equal(missing(t), 0);
    free(next);
}

/* The same name elsewhere: what it holds, spool included, goes there. */
static void reload_passes_on_to_the_same_name(void **state)
{
    struct test *t = *state;
    struct config *next = malloc(sizeof(*next));
    char error[EXPORTER_ERROR_MAX];

    snprintf(t->config->exports.spool, CONFIG_PATH_MAX, "%s/spool", t->directory);
    struct collector_config *c = add_collector(t, TRANSPORT_TCP);
    c->spool_octets = 4 << 20;
    c->port = 1; /* nobody */
    create(t);
    for (int i = 0; i < 20; i++) {
        add(t, 300);
        step(t, 100);
    }
    assert_true(stats(t, 0).spooled.records > 0);
    *next = *t->config;
    next->exports.collector[0].port = t->reader.port;
    assert_int_equal(exporter_reload(t->exporter, next, error), 0);
    check_ledgers(t);
    settle(t);
    assert_int_equal(missing(t), 0);
    next->exports.domain = 78;
    assert_int_equal(exporter_reload(t->exporter, next, error), -EBUSY);
    assert_non_null(strstr(error, "export.domain"));
    next->exports.domain = 77;
    next->exports.collector[0].profile = PROFILE_UNIFLOW; /* its spool is another's */
    assert_int_not_equal(exporter_reload(t->exporter, next, error), 0);
    add(t, 10);
    settle(t);
    assert_int_equal(missing(t), 0);
    free(next);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sends_all_with_templates_first),
        TEST(flushes_in_time),
        TEST(loses_nothing_to_resets),
        TEST(counts_what_is_lost),
        TEST(spools_while_the_collector_is_away),
        TEST(restart_picks_up_the_spool),
        TEST(walk_keeps_the_ledger),
        TEST(walk_with_spool_keeps_the_ledger),
        TEST(writes_a_file),
        TEST(a_file_goes_on_when_there_is_room_again),
        TEST(a_new_run_begins_a_new_file),
        TEST(a_file_that_holds_something_else_is_left_alone),
        TEST(rotates_files),
        TEST(full_disk_costs_what_the_queue_does_not_hold),
        TEST(sends_datagrams),
        TEST(failover_hands_over),
        TEST(reload_keeps_what_did_not_change),
        TEST(reload_passes_on_to_the_same_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
