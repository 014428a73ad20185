#include "format_records.h"

#include "format/record.h"

static uint64_t uid_value(const char *uid)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t value = 0;

    assert_int_equal(uid[0], 'C');
    for (unsigned i = 1; i < 12; i++) {
        const char *digit = strchr(digits, uid[i]);
        assert_non_null(digit);
        value = value * 62 + (uint64_t)(digit - digits);
    }
    return value;
}

static void uid_gives_the_flow_id_back(void **state)
{
    (void)state;
    uint64_t seed = 521288629;

    for (unsigned i = 0; i < 1000; i++) {
        char uid[16];
        uint64_t id = i == 0 ? 0 : i == 1 ? UINT64_MAX : random_next(&seed);
        assert_int_equal(put_uid(uid, id) - uid, 12);
        assert_true(uid_value(uid) == id);
    }
}

static void history_keeps_only_its_letters(void **state)
{
    (void)state;
    struct flow_record r = {.history = "^Sh\"\\\n\xff,A"};
    char text[FLOW_HISTORY_MAX + 1];

    *put_history(text, &r) = '\0';
    assert_string_equal(text, "^ShA");
    memset(r.history, 'd', sizeof(r.history)); /* no end mark */
    assert_int_equal(put_history(text, &r) - text, FLOW_HISTORY_MAX);
}

static void tunnels_without_an_id(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind;
        uint32_t id;
        bool expected;
    } cases[] = {{TUNNEL_NONE, 1, false},      {TUNNEL_IPIP, 1, false}, {TUNNEL_GRE, 0, false},
                 {TUNNEL_GRE, 1, true},        {TUNNEL_VXLAN, 0, true}, {TUNNEL_GTPU, 0, true},
                 {TUNNEL_KIND_COUNT, 1, false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct flow_record r = {.tunnel = cases[i].kind, .tunnel_id = cases[i].id};
        assert_int_equal(record_has_tunnel_id(&r), cases[i].expected);
    }
}

static void ingress_by_the_sides_that_spoke(void **state)
{
    (void)state;
    static const struct {
        uint64_t packets[2];
        uint16_t ingress[2];
        unsigned count;
        uint16_t expected[2];
    } cases[] = {
        {{1, 1}, {4, 4}, 1, {4}},
        {{1, 1}, {4, 5}, 2, {4, 5}},
        {{1, 0}, {4, 5}, 1, {4}},
        {{0, 1}, {4, 5}, 1, {5}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint16_t port[2];
        struct flow_record r = {.ingress = {cases[i].ingress[0], cases[i].ingress[1]}};
        memcpy(r.total.packets, cases[i].packets, sizeof(r.total.packets));
        assert_int_equal(record_ingress(&r, port), cases[i].count);
        for (unsigned k = 0; k < cases[i].count; k++)
            assert_int_equal(port[k], cases[i].expected[k]);
    }
}

static void a_part_is_open_or_not_the_first(void **state)
{
    (void)state;
    struct flow_record whole = {.record_no = 1}, first = {.record_no = 1, .open = 1},
                       last = {.record_no = 2};

    assert_false(record_is_part(&whole));
    assert_true(record_is_part(&first));
    assert_true(record_is_part(&last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uid_gives_the_flow_id_back),
        cmocka_unit_test(history_keeps_only_its_letters),
        cmocka_unit_test(tunnels_without_an_id),
        cmocka_unit_test(ingress_by_the_sides_that_spoke),
        cmocka_unit_test(a_part_is_open_or_not_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
