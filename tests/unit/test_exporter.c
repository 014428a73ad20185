#include "exporter_fixture.h"

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
        TEST(sends_datagrams),
        TEST(failover_hands_over),
        TEST(reload_keeps_what_did_not_change),
        TEST(reload_passes_on_to_the_same_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
