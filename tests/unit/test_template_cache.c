#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "export/template_cache.h"

#define DOMAIN 7

struct test {
    struct template_cache *cache;
    uint8_t message[4096];
    uint32_t len;
    char text[TEMPLATE_TEXT_MAX];
};

static int setup(void **state)
{
    static struct test t;

    memset(&t, 0, sizeof(t));
    *state = &t;
    return template_cache_create(&t.cache);
}

static int teardown(void **state)
{
    template_cache_destroy(((struct test *)*state)->cache);
    return 0;
}

static void put16(struct test *t, unsigned value)
{
    t->message[t->len++] = (uint8_t)(value >> 8);
    t->message[t->len++] = (uint8_t)value;
}

static void begin(struct test *t)
{
    memset(t->message, 0, sizeof(t->message));
    t->message[1] = 10;
    t->message[15] = DOMAIN;
    t->len = MESSAGE_HEADER;
}

/* A set of one template with so many fields of 4 octets. */
static void add_template(struct test *t, unsigned set, unsigned id, unsigned fields)
{
    put16(t, set);
    put16(t, 8 + 4 * fields);
    put16(t, id);
    put16(t, fields);
    for (unsigned i = 0; i < fields; i++) {
        put16(t, 8 + i);
        put16(t, 4);
    }
}

static void add_data(struct test *t, unsigned id)
{
    put16(t, id);
    put16(t, 8);
    put16(t, 1);
    put16(t, 2);
}

static int learn(struct test *t)
{
    return template_cache_learn(t->cache, t->message, &t->len, t->text);
}

static uint32_t say(const struct test *t, uint32_t domain, uint8_t *out, uint32_t room)
{
    uint32_t cursor = 0;

    return template_cache_message(t->cache, t->message, domain, &cursor, out, room);
}

static void says_what_it_learned(void **state)
{
    struct test *t = *state;
    uint8_t out[4096];

    begin(t);
    add_template(t, 2, 256, 3);
    add_template(t, 2, 257, 1);
    uint32_t len = t->len;
    add_data(t, 256);
    assert_int_equal(learn(t), 0);
    assert_int_equal(t->len, len + 8);
    assert_int_equal(say(t, DOMAIN, out, sizeof(out)), len);
    assert_memory_equal(out + MESSAGE_HEADER, t->message + MESSAGE_HEADER, len - MESSAGE_HEADER);
    assert_int_equal(out[2] << 8 | out[3], len);
    assert_int_equal(say(t, DOMAIN + 1, out, sizeof(out)), 0);
}

static void splits_what_is_too_much_for_a_datagram(void **state)
{
    struct test *t = *state;
    uint8_t out[4096];
    uint32_t cursor = 0, len, messages = 0, octets = 0;

    begin(t);
    for (unsigned id = 256; id < 276; id++)
        add_template(t, 2, id, 20);
    assert_int_equal(learn(t), 0);
    while ((len = template_cache_message(t->cache, t->message, DOMAIN, &cursor, out, 600))) {
        assert_true(len <= 600);
        octets += len - MESSAGE_HEADER;
        messages++;
    }
    assert_int_equal(octets, t->len - MESSAGE_HEADER);
    assert_int_equal(messages, 4);
}

static void newer_template_replaces_the_old(void **state)
{
    struct test *t = *state;
    uint8_t out[4096];

    begin(t);
    add_template(t, 2, 256, 3);
    assert_int_equal(learn(t), 0);
    begin(t);
    add_template(t, 2, 256, 5);
    assert_int_equal(learn(t), 0);
    assert_int_equal(say(t, DOMAIN, out, sizeof(out)), t->len);
}

static void withdrawals_are_cut_out(void **state)
{
    struct test *t = *state;
    uint8_t out[4096];

    begin(t);
    add_template(t, 2, 256, 3);
    add_template(t, 2, 257, 3);
    learn(t);
    begin(t);
    add_data(t, 256);
    add_template(t, 2, 257, 0);
    add_data(t, 256);
    assert_int_equal(learn(t), 0);
    assert_int_equal(t->len, MESSAGE_HEADER + 16);
    assert_int_equal(t->message[3], MESSAGE_HEADER + 16);
    assert_int_equal(say(t, DOMAIN, out, sizeof(out)), MESSAGE_HEADER + 4 + 4 + 12);
    begin(t);
    add_template(t, 2, 2, 0); /* all */
    assert_int_equal(learn(t), 0);
    assert_int_equal(say(t, DOMAIN, out, sizeof(out)), 0);
}

static void malformed_is_refused(void **state)
{
    struct test *t = *state;

    begin(t);
    add_template(t, 2, 256, 3);
    t->message[MESSAGE_HEADER + 7] = 4; /* one field more than there is */
    assert_int_equal(learn(t), -EPROTO);
    begin(t);
    add_template(t, 2, 255, 3);
    assert_int_equal(learn(t), -EPROTO);
    begin(t);
    add_template(t, 4, 256, 3);
    assert_int_equal(learn(t), -EPROTO);
    begin(t);
    add_data(t, 256);
    t->message[MESSAGE_HEADER + 3] = 9;
    assert_int_equal(learn(t), -EPROTO);
    t->message[MESSAGE_HEADER + 3] = 3;
    assert_int_equal(learn(t), -EPROTO);
}

static void memory_is_bounded(void **state)
{
    struct test *t = *state;
    int rc = 0;
    unsigned id;

    for (id = 256; !rc && id < 65535; id++) {
        begin(t);
        add_template(t, 2, id, 1);
        rc = learn(t);
    }
    assert_int_equal(rc, -ENOBUFS);
    assert_int_equal(id - 256, TEMPLATE_CACHE_RECORDS + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(says_what_it_learned),
        TEST(splits_what_is_too_much_for_a_datagram),
        TEST(newer_template_replaces_the_old),
        TEST(withdrawals_are_cut_out),
        TEST(malformed_is_refused),
        TEST(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
