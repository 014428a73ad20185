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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_expressions_are_accepted),
        cmocka_unit_test(a_wrong_expression_is_named_and_leaves_the_result_alone),
        cmocka_unit_test(a_long_expression_gives_one_bounded_line),
        cmocka_unit_test(compiling_depends_on_the_link_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
