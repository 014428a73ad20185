/* What is written to Redis and what its answers mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/host_key.h"
#include "redis/backoff.h"
#include "redis/command.h"
#include "redis/key.h"
#include "redis/reply.h"
#include "redis/top.h"

#define SECOND UINT64_C(1000000000)

static struct redis_author author = {.sensor = "east", .run = "east@2a"};

static struct host_key host(unsigned last)
{
    return host_key_of(4, (const uint8_t[]){10, 1, 2, (uint8_t)last});
}

static void expect_text(struct resp *r, const char *expected)
{
    assert_false(r->failed);
    assert_int_equal(r->len, strlen(expected));
    assert_memory_equal(r->at, expected, r->len);
    resp_clear(r);
}

static void a_command_is_framed(void **state)
{
    struct resp r = {0};

    (void)state;
    resp_command(&r, 4, "SET");
    resp_bytes(&r, "a\r\nb", 4);
    resp_text(&r, "");
    resp_number(&r, UINT64_MAX);
    expect_text(&r, "*4\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n$20\r\n18446744073709551615\r\n");
    for (int i = 0; i < 10000; i++)
        resp_command(&r, 1, "PING");
    assert_int_equal(r.commands, 10000);
    assert_int_equal(r.len, 10000 * strlen("*1\r\n$4\r\nPING\r\n"));
    resp_fini(&r);
}

static void keys_are_as_they_are_documented(void **state)
{
    struct host_key v4 = host(3), other = host_key_other(), back;
    struct host_key v6 = host_key_of(6, (const uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, [15] = 1});
    char key[KEY_MAX];

    (void)state;
    key_host(&v4, WINDOW_MINUTE, 1700000040 * SECOND, key);
    assert_string_equal(key, "weir:{10.1.2.3}:h:1m:1700000040");
    key_host(&v6, WINDOW_HOUR, 3600 * SECOND, key);
    assert_string_equal(key, "weir:{2001:db8::1}:h:1h:3600");
    key_host(&other, WINDOW_MINUTE, 0, key);
    assert_string_equal(key, "weir:{other}:h:1m:0");
    key_set(&v4, HOST_PEERS, WINDOW_MINUTE, 60 * SECOND, "east", key);
    assert_string_equal(key, "weir:hll:{10.1.2.3}:peers:1m:60:east");
    key_top("east", BY_OUT, WINDOW_MINUTE, 60 * SECOND, key);
    assert_string_equal(key, "weir:top:east:out:1m:60");
    for (int i = 0; i < 3; i++) {
        const struct host_key *k = i == 0 ? &v4 : i == 1 ? &v6 : &other;
        char text[64];
        host_key_text(k, text);
        assert_true(host_key_parse(text, &back));
        assert_memory_equal(&back, k, sizeof(back));
    }
    assert_false(host_key_parse("10.1.2", &back));
}

static void an_alert_has_one_key_on_all_sensors(void **state)
{
    struct alert a = {.id = 0xabc, .rule = "beacon", .window_start_ns = 60 * SECOND};
    char key[KEY_MAX];

    (void)state;
    a.host = host(3);
    key_raised(&a, key);
    assert_string_equal(key, "weir:{alerts}:raised:beacon:10.1.2.3:60:0000000000000abc");
    a.level = 2;
    key_raised(&a, key);
    assert_string_equal(key, "weir:{alerts}:raised:beacon:10.1.2.3:60:0000000000000abc:2");
    a.state = ALERT_CLEARED;
    key_raised(&a, key);
    assert_string_equal(key, "weir:{alerts}:raised:beacon:10.1.2.3:60:0000000000000abc:cleared");
}

static void a_row_writes_what_is_not_zero(void **state)
{
    struct rows_taken t = {.row = {.start_ns = 60 * SECOND}, .had_gauge = 1 << GAUGE_OPEN};
    struct resp r = {0};

    (void)state;
    t.row.key = host(3);
    assert_int_equal(command_row(&r, &author, &(struct rows_taken){0}), 0);
    t.row.counters.value[HOST_OCTETS_IN] = 77;
    assert_int_equal(command_row(&r, &author, &t), 2);
    expect_text(&r, "*6\r\n$4\r\nHSET\r\n$23\r\nweir:{10.1.2.3}:h:1m:60\r\n"
                    "$10\r\neast@2a.oi\r\n$2\r\n77\r\n$10\r\neast@2a.on\r\n$1\r\n0\r\n"
                    "*3\r\n$6\r\nEXPIRE\r\n$23\r\nweir:{10.1.2.3}:h:1m:60\r\n$3\r\n180\r\n");
    resp_fini(&r);
}

static void a_wipe_takes_all_fields_of_the_run(void **state)
{
    struct host_row row = {.start_ns = 60 * SECOND, .gone = 1};
    struct resp r = {0};

    (void)state;
    row.key = host(3);
    assert_int_equal(command_wipe(&r, &author, &row), 1);
    char head[64];
    sprintf(head, "*%d\r\n$4\r\nHDEL\r\n$23\r\nweir:{10.1.2.3}:h:1m:60\r\n",
            2 + HOST_COUNTER_COUNT + GAUGE_COUNT);
    assert_memory_equal(r.at, head, strlen(head));
    for (int i = 0; i < HOST_COUNTER_COUNT + GAUGE_COUNT; i++) {
        char field[32];
        sprintf(field, "\r\neast@2a.%s\r\n",
                i < HOST_COUNTER_COUNT ? key_counter_name[i]
                                       : key_gauge_name[i - HOST_COUNTER_COUNT]);
        assert_non_null(memmem(r.at, r.len, field, strlen(field)));
    }
    resp_fini(&r);
}

static void a_later_run_has_a_greater_name(void **state)
{
    struct redis_author a, b;

    (void)state;
    redis_author_init(&a, "x", 1700000000 * SECOND);
    redis_author_init(&b, "x", 1700000000 * SECOND + SECOND / 5);
    assert_true(strtoull(strchr(a.run, '@') + 1, NULL, 16) <
                strtoull(strchr(b.run, '@') + 1, NULL, 16));
}

static void errors_have_their_kinds(void **state)
{
    static const struct {
        const char *text;
        enum redis_error error;
    } all[] = {
        {"OOM command not allowed when used memory > 'maxmemory'.", REDIS_OOM},
        {"ERR Error running script: -OOM command not allowed", REDIS_OOM},
        {"LOADING Redis is loading the dataset in memory", REDIS_LOADING},
        {"READONLY You can't write against a read only replica.", REDIS_READONLY},
        {"NOAUTH Authentication required.", REDIS_NOAUTH},
        {"WRONGPASS invalid username-password pair", REDIS_NOAUTH},
        {"NOPERM this user has no permissions", REDIS_NOPERM},
        {"MOVED 3999 127.0.0.1:6381", REDIS_MOVED},
        {"ERR unknown command", REDIS_OTHER},
        {"OOMX", REDIS_OTHER},
        {"", REDIS_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        assert_int_equal(reply_error(all[i].text), all[i].error);
    assert_true(reply_error_is_final(REDIS_READONLY));
    assert_false(reply_error_is_final(REDIS_OOM));
}

static void moved_names_a_node(void **state)
{
    char node[32];
    int port = 0;

    (void)state;
    assert_true(reply_moved("MOVED 3999 10.0.0.7:6381", node, sizeof(node), &port));
    assert_string_equal(node, "10.0.0.7");
    assert_int_equal(port, 6381);
    assert_true(reply_moved("MOVED 1 ::1:7000", node, sizeof(node), &port));
    assert_string_equal(node, "::1");
    assert_false(reply_moved("MOVED 3999 :6381", node, sizeof(node), &port));
    assert_false(reply_moved("MOVED 3999 host:66000", node, sizeof(node), &port));
    assert_false(reply_moved("MOVED 3999", node, sizeof(node), &port));
    assert_false(reply_moved("MOVED", node, sizeof(node), &port));
    assert_false(reply_moved("ERR 3999 10.0.0.7:6381", node, sizeof(node), &port));
    assert_false(reply_moved("MOVED 1 a-name-that-is-longer-than-there-is-room:1", node,
                             sizeof(node), &port));
}

static void info_is_found_by_line(void **state)
{
    char out[8];

    (void)state;
    assert_true(reply_info("# Server\r\nx_run_id:no\r\nrun_id:abc\r\n", "run_id", out, 8));
    assert_string_equal(out, "abc");
    assert_false(reply_info("run_id:longer than room\r\n", "run_id", out, 8));
    assert_false(reply_info("", "run_id", out, 8));
    assert_false(reply_info("\n\n", "run_id", out, 8));
}

static void add(struct reply_sum *s, const char *field, const char *value)
{
    reply_sum_field(s, field, strlen(field), value);
}

static void sums_are_over_sensors_and_runs(void **state)
{
    struct host_row row = {.open = 9, .inside = 1};
    struct reply_sum s;

    (void)state;
    reply_sum_begin(&s, &row);
    add(&s, "east@1.oo", "100");
    add(&s, "east@2.oo", "50");
    add(&s, "we.st@7.oo", "1");
    add(&s, "east@2.on", "3"); /* open now: of the last run only */
    add(&s, "east@1.on", "40");
    add(&s, "we.st@7.on", "2");
    add(&s, "east@2.os", "5000");
    add(&s, "we.st@7.os", "4000");
    add(&s, "east@1.dp", "12"); /* distinct: the greatest is a lower bound */
    add(&s, "we.st@7.dp", "10");
    add(&s, "east@2.zz", "999"); /* of another version */
    add(&s, "nothing", "999");
    add(&s, ".oo", "0");
    add(&s, "", "1");
    reply_sum_end(&s);
    assert_int_equal(row.counters.value[HOST_OCTETS_OUT], 151);
    assert_int_equal(row.open, 5);
    assert_int_equal(row.oldest_start_ns, 4 * SECOND);
    assert_int_equal(row.distinct[HOST_PEERS], 12);
    assert_true(row.inside);
}

static void waits_double_up_to_half_a_minute(void **state)
{
    struct backoff b = {0};
    uint64_t wait = 0;

    (void)state;
    assert_in_range(backoff_next_ns(&b, 0), SECOND / 20, SECOND / 10);
    for (int i = 0; i < 100; i++) {
        wait = backoff_next_ns(&b, (uint32_t)i * 40000000u);
        assert_true(wait <= 30 * SECOND);
    }
    assert_true(wait >= 15 * SECOND);
    assert_int_equal(backoff_next_ns(&b, UINT32_MAX), 30 * SECOND);
    backoff_reset(&b);
    assert_int_equal(backoff_next_ns(&b, UINT32_MAX), SECOND / 10);
}

static void lists_hold_the_greatest(void **state)
{
    static struct top_lists lists;
    struct resp r = {0};

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct host_row row = {.start_ns = 60 * SECOND};
        row.key = host(i);
        row.counters.value[HOST_OCTETS_OUT] = (i * 7) % 200 + 1;
        assert_int_equal(top_offer(&lists, &row, &author, &r), 0);
    }
    const struct top_list *l = &lists.list[WINDOW_MINUTE][BY_OUT];
    assert_int_equal(l->count, TOP_HOSTS);
    for (unsigned i = 0; i < l->count; i++)
        assert_true(l->host[i].value > 200 - TOP_HOSTS);
    struct host_row next = {.start_ns = 120 * SECOND, .key = host(1)};
    next.counters.value[HOST_OCTETS_OUT] = 5;
    assert_int_equal(top_offer(&lists, &next, &author, &r), 3);
    assert_int_equal(top_write(&lists, &author, &r), 3);
    assert_int_equal(top_write(&lists, &author, &r), 0);
    assert_int_equal(top_offer(&lists,
                               &(struct host_row){.key = host_key_other(), .counters.value[0] = 9},
                               &author, &r),
                     0);
    assert_int_equal(top_write(&lists, &author, &r), 0);
    resp_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_framed),
        cmocka_unit_test(keys_are_as_they_are_documented),
        cmocka_unit_test(an_alert_has_one_key_on_all_sensors),
        cmocka_unit_test(a_row_writes_what_is_not_zero),
        cmocka_unit_test(a_wipe_takes_all_fields_of_the_run),
        cmocka_unit_test(a_later_run_has_a_greater_name),
        cmocka_unit_test(errors_have_their_kinds),
        cmocka_unit_test(moved_names_a_node),
        cmocka_unit_test(info_is_found_by_line),
        cmocka_unit_test(sums_are_over_sensors_and_runs),
        cmocka_unit_test(waits_double_up_to_half_a_minute),
        cmocka_unit_test(lists_hold_the_greatest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
