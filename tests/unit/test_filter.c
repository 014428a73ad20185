#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pcap/pcap.h>

#include "capture/filter.h"
#include "weir/config.h"

static void good_expressions_are_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",          "tcp port 22", "host 192.0.2.1 and not icmp", "ip6 proto 6", "vlan 7 and udp",
        "len < 100", "ifindex 2", /* only Linux cooked v2 knows interfaces */
    };
    char error[CAPTURE_ERROR_MAX] = "";

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct capture_filter *filter = NULL;
        assert_int_equal(capture_filter_create(good[i], &filter, error), 0);
        assert_non_null(filter);
        capture_filter_destroy(filter);
    }
}

static void a_wrong_expression_is_named_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {"tcp prt 22", "port 99999", "host 300.1.1.1.1", "(tcp",
                                        "vlan 5000"};
    char error[CAPTURE_ERROR_MAX], expected[64];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct capture_filter *filter = (struct capture_filter *)error;
        assert_int_equal(capture_filter_create(wrong[i], &filter, error), -EINVAL);
        assert_ptr_equal(filter, error);
        snprintf(expected, sizeof(expected), "filter \"%s\": ", wrong[i]);
        assert_memory_equal(error, expected, strlen(expected));
        assert_true(strlen(error) > strlen(expected));
        assert_null(strchr(error, '\n'));
    }
}

static void a_long_expression_gives_one_bounded_line(void **state)
{
    (void)state;
    char expression[4000], error[CAPTURE_ERROR_MAX];
    struct capture_filter *filter = NULL;

    memset(expression, '(', sizeof(expression) - 1);
    expression[sizeof(expression) - 1] = '\0';
    assert_int_equal(capture_filter_create(expression, &filter, error), -EINVAL);
    assert_null(filter);
    assert_true(strlen(error) < CAPTURE_ERROR_MAX);
}

static void compiling_depends_on_the_link_type(void **state)
{
    (void)state;
    char error[CAPTURE_ERROR_MAX];
    struct capture_filter *filter;
    struct bpf_program program;
    pcap_t *ethernet = pcap_open_dead(DLT_EN10MB, 65535), *hdlc = pcap_open_dead(DLT_C_HDLC, 65535);

    assert_int_equal(capture_filter_create("vlan", &filter, error), 0);
    assert_int_equal(capture_filter_compile(filter, ethernet, &program, error), 0);
    pcap_freecode(&program);
    assert_int_equal(capture_filter_compile(filter, hdlc, &program, error), -EINVAL);
    assert_memory_equal(error, "filter \"vlan\": ", 15);
    capture_filter_destroy(filter);
    pcap_close(ethernet);
    pcap_close(hdlc);
}

/* An IPv4 frame of UDP from and to these ports. */
static bool passes(const struct filter_slot *slot, uint8_t source_port, uint8_t destination_port)
{
    uint8_t frame[64] = {[12] = 8, [14] = 0x45, [17] = 50, [23] = 17};
    const struct bpf_program *program = filter_slot_get(slot);

    frame[35] = source_port;
    frame[37] = destination_port;
    return !program || bpf_filter(program->bf_insns, frame, sizeof(frame), sizeof(frame));
}

static void what_is_left_out_is_exchanged(void **state)
{
    (void)state;
    struct capture_config first = {.ignore_port_count = 1, .ignore_port = {53}};
    struct capture_config second = {.ignore_port_count = 2, .ignore_port = {80, 22}}, none = {0};
    struct filter_slot slot = {0};
    char error[CAPTURE_ERROR_MAX];

    assert_true(passes(&slot, 53, 80));
    assert_int_equal(filter_slot_prepare(&slot, NULL, &first, DLT_EN10MB, error), 0);
    assert_true(passes(&slot, 53, 80)); /* not yet */
    filter_slot_commit(&slot);
    assert_false(passes(&slot, 53, 99));
    assert_true(passes(&slot, 80, 99));
    assert_int_equal(filter_slot_prepare(&slot, NULL, &none, DLT_EN10MB, error), 0);
    assert_int_equal(filter_slot_prepare(&slot, NULL, &second, DLT_EN10MB, error), 0);
    assert_false(passes(&slot, 53, 99));
    filter_slot_commit(&slot);
    assert_true(passes(&slot, 53, 99));
    assert_false(passes(&slot, 99, 22));
    assert_int_equal(filter_slot_prepare(&slot, NULL, &none, DLT_EN10MB, error), 0);
    filter_slot_commit(&slot);
    assert_true(passes(&slot, 80, 22));
    filter_slot_fini(&slot);
}

/* The expression may be wrong for the link type of one port. */
static void what_cannot_be_compiled_changes_nothing(void **state)
{
    (void)state;
    struct capture_config config = {.ignore_port_count = 1, .ignore_port = {53}};
    struct capture_filter *filter;
    struct filter_slot slot = {0};
    char error[CAPTURE_ERROR_MAX];

    assert_int_equal(filter_slot_prepare(&slot, NULL, &config, DLT_EN10MB, error), 0);
    filter_slot_commit(&slot);
    assert_int_equal(capture_filter_create("vlan", &filter, error), 0);
    assert_int_equal(filter_slot_prepare(&slot, filter, &config, DLT_C_HDLC, error), -EINVAL);
    assert_non_null(strstr(error, "vlan"));
    assert_false(passes(&slot, 53, 99));
    assert_true(passes(&slot, 80, 99));
    capture_filter_destroy(filter);
    filter_slot_fini(&slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_expressions_are_accepted),
        cmocka_unit_test(a_wrong_expression_is_named_and_leaves_the_result_alone),
        cmocka_unit_test(a_long_expression_gives_one_bounded_line),
        cmocka_unit_test(compiling_depends_on_the_link_type),
        cmocka_unit_test(what_is_left_out_is_exchanged),
        cmocka_unit_test(what_cannot_be_compiled_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
