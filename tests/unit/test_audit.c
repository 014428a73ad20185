#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "core/audit.h"
#include "weir/flow.h"

#define SECOND UINT64_C(1000000000)
#define START (1700000000 * SECOND)

static struct flow_record record(uint8_t host, uint16_t port)
{
    struct flow_record r = {.ip_version = 4, .proto = 6, .port = {port, 443}};

    memcpy(r.address[0], (uint8_t[]){10, 0, 0, host}, 4);
    memcpy(r.address[1], (uint8_t[]){10, 0, 1, 1}, 4);
    return r;
}

static struct flow_record turned(const struct flow_record *r)
{
    struct flow_record t = *r;

    for (int s = 0; s < 2; s++) {
        memcpy(t.address[s], r->address[!s], 16);
        t.port[s] = r->port[!s];
    }
    return t;
}

static void a_digest_is_of_the_connection(void **state)
{
    (void)state;
    struct hash_secret secret;

    hash_secret_fixed(&secret);
    struct flow_record a = record(1, 1000), back = turned(&a), b = record(1, 1001),
                       c = record(2, 1000);
    uint64_t digest = audit_digest(&secret, &a);
    assert_true(digest == audit_digest(&secret, &back));
    assert_true(digest != audit_digest(&secret, &b));
    assert_true(digest != audit_digest(&secret, &c));
    b = a;
    b.proto = 17;
    assert_true(digest != audit_digest(&secret, &b));
    /* endpoints that differ by their ports alone, as between two processes of one host */
    memcpy(a.address[1], a.address[0], 16);
    back = turned(&a);
    assert_true(audit_digest(&secret, &a) == audit_digest(&secret, &back));
}

static void one_in_sixty_four_is_taken(void **state)
{
    (void)state;
    struct hash_secret secret;
    unsigned taken = 0;

    hash_secret_fixed(&secret);
    for (unsigned i = 0; i < 64000; i++) {
        struct flow_record r = record((uint8_t)(i >> 8), (uint16_t)i);
        taken += audit_takes(audit_digest(&secret, &r));
    }
    assert_in_range(taken, 850, 1150);
}

static void a_connection_on_two_workers_is_a_meeting(void **state)
{
    (void)state;
    struct auditor *a;

    assert_int_equal(auditor_create(&a), 0);
    assert_false(auditor_see(a, 0, 6400, START));
    assert_false(auditor_see(a, 0, 6400, START + SECOND));
    assert_false(auditor_see(a, 1, 12800, START + SECOND));
    assert_true(auditor_see(a, 1, 6400, START + 2 * SECOND));
    assert_false(auditor_see(a, 0, 6400, START + 3 * SECOND)); /* told already */
    assert_int_equal(auditor_meetings(a), 1);
    assert_int_equal(auditor_samples(a), 5);
    auditor_destroy(a);
}

/* The same addresses and ports again much later are another connection. */
static void a_meeting_is_within_the_window(void **state)
{
    (void)state;
    struct auditor *a;

    assert_int_equal(auditor_create(&a), 0);
    assert_false(auditor_see(a, 0, 6400, START));
    assert_false(auditor_see(a, 1, 6400, START + 121 * SECOND));
    assert_true(auditor_see(a, 0, 6400, START + 122 * SECOND));
    auditor_destroy(a);
}

/* Far more connections than are remembered: no false meeting, and young ones are still found. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct auditor *a;

    assert_int_equal(auditor_create(&a), 0);
    for (uint64_t i = 1; i < 200000; i++)
        assert_false(auditor_see(a, (uint16_t)(i % 2), i * 64, START + i));
    for (uint64_t i = 199900; i < 200000; i++)
        assert_true(auditor_see(a, (uint16_t)((i + 1) % 2), i * 64, START + 200000));
    auditor_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digest_is_of_the_connection),
        cmocka_unit_test(one_in_sixty_four_is_taken),
        cmocka_unit_test(a_connection_on_two_workers_is_a_meeting),
        cmocka_unit_test(a_meeting_is_within_the_window),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
