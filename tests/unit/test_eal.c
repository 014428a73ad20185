#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "capture/eal.h"
#include "capture/rights.h"

#define MIB (UINT64_C(1) << 20)

static const char *const sources[] = {"eth0", "dpdk:net_null0,size=64"};

static struct eal_plan plan_with(const char *extra, uint64_t huge_octets)
{
    return (struct eal_plan){
        .sources = sources,
        .source_count = 2,
        .extra = extra,
        .prefix = "weir-7",
        .core = 3,
        .memory_octets = 100 * MIB,
        .huge_octets = huge_octets,
    };
}

static const char *line_of(const struct eal_plan *plan, char line[1024])
{
    struct eal_arguments a;
    char error[CAPTURE_ERROR_MAX];
    size_t used = 0;

    assert_int_equal(eal_arguments_make(plan, &a, error), 0);
    assert_null(a.word[a.count]);
    for (int i = 0; i < a.count; i++)
        used += (size_t)snprintf(line + used, 1024 - used, "%s%s", i ? " " : "", a.word[i]);
    return line;
}

static void huge_pages_are_used_when_enough_are_free(void **state)
{
    (void)state;
    char line[1024];
    struct eal_plan plan = plan_with("", 164 * MIB);

    assert_string_equal(line_of(&plan, line), "weir -l 3 --file-prefix=weir-7 --no-telemetry "
                                              "--in-memory --no-pci");
}

static void without_them_ordinary_memory_is(void **state)
{
    (void)state;
    char line[1024];
    struct eal_plan plan = plan_with(NULL, 163 * MIB);

    assert_string_equal(line_of(&plan, line), "weir -l 3 --file-prefix=weir-7 --no-telemetry "
                                              "--no-huge --no-shconf -m 264 --no-pci");
}

static void the_users_words_decide(void **state)
{
    (void)state;
    char line[1024];
    struct eal_plan plan = plan_with("  --no-huge \t-m 900 ", 1000 * MIB);

    assert_string_equal(line_of(&plan, line), "weir -l 3 --file-prefix=weir-7 --no-telemetry "
                                              "--no-shconf --no-pci --no-huge -m 900");
    plan = plan_with("--in-memory --huge-dir=/x--no-huge", 0);
    assert_string_equal(line_of(&plan, line),
                        "weir -l 3 --file-prefix=weir-7 --no-telemetry --no-pci --in-memory "
                        "--huge-dir=/x--no-huge");
}

static void only_named_pci_devices_are_touched(void **state)
{
    (void)state;
    static const char *const pci[] = {"dpdk:0000:3b:00.0", "dpdk:3b:00.1,foo=1", "dpdk:net_ring0"};
    char line[1024];
    struct eal_plan plan = plan_with("", 1000 * MIB);

    plan.sources = pci;
    plan.source_count = 3;
    assert_string_equal(line_of(&plan, line),
                        "weir -l 3 --file-prefix=weir-7 --no-telemetry --in-memory -a 0000:3b:00.0 "
                        "-a 3b:00.1,foo=1");
}

static void too_many_words_are_refused(void **state)
{
    (void)state;
    struct eal_arguments a;
    char error[CAPTURE_ERROR_MAX] = "", words[512] = "";

    for (int i = 0; i < 100; i++)
        strcat(words, "-v ");
    struct eal_plan plan = plan_with(words, 0);
    assert_int_equal(eal_arguments_make(&plan, &a, error), -EINVAL);
    assert_non_null(strstr(error, "capture.eal"));
}

static void words_that_weir_cannot_work_with_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"--help", "--help is"},
        {"-m 64 -h", "-h is"},
        {"--proc-type=secondary", "--proc-type is"},
        {"--no-huge --proc-type auto", "--proc-type is"},
        {"--he", "--help is"},
        {"--proc=auto", "--proc-type is"},
        {"-hv", "-h is"},
        {"--telemetry", "--telemetry is"},
    };
    static const char *const good[] = {
        "--huge-dir=/mnt", "--huge-unlink",       "--helper", "--no-telemetry",
        "-m 64",           "--match-allocations", "h",        "--vdev=net_null9"};
    struct eal_arguments a;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct eal_plan plan = plan_with(bad[i][0], 0);
        char error[CAPTURE_ERROR_MAX] = "";
        assert_int_equal(eal_arguments_make(&plan, &a, error), -EINVAL);
        assert_non_null(strstr(error, "capture.eal: "));
        assert_non_null(strstr(error, bad[i][1]));
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct eal_plan plan = plan_with(good[i], 0);
        char error[CAPTURE_ERROR_MAX] = "";
        assert_int_equal(eal_arguments_make(&plan, &a, error), 0);
    }
}

static void devices_are_named_as_dpdk_names_them(void **state)
{
    (void)state;
    static const struct {
        const char *source, *name;
        bool pci;
    } cases[] = {
        {"dpdk:net_tap0,iface=x", "net_tap0", false},
        {"dpdk:0000:3B:00.0", "0000:3b:00.0", true},
        {"dpdk:3b:00.0,a=b:c", "0000:3b:00.0", true},
        {"dpdk:net_null0", "net_null0", false},
        {"dpdk:beef", "beef", false},
    };
    char name[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        eal_device_name(cases[i].source, name, sizeof(name));
        assert_string_equal(name, cases[i].name);
        assert_int_equal(eal_is_pci(cases[i].source), cases[i].pci);
    }
}

static void device_arguments_are_found_whole(void **state)
{
    (void)state;
    const char *source = "dpdk:net_af_xdp0,myiface=no,iface=eth7,start_queue=3";
    char value[16];

    assert_true(eal_device_argument(source, "iface", value, sizeof(value)));
    assert_string_equal(value, "eth7");
    assert_true(eal_device_argument(source, "start_queue", value, sizeof(value)));
    assert_string_equal(value, "3");
    assert_false(eal_device_argument(source, "queue", value, sizeof(value)));
    assert_false(eal_device_argument("dpdk:net_null0", "iface", value, sizeof(value)));
}

static void check_reason(const char *text, const char *expected)
{
    char log[1024];

    snprintf(log, sizeof(log), "%s", text);
    const char *reason = eal_log_reason(log);
    if (expected)
        assert_string_equal(reason, expected);
    else
        assert_null(reason);
}

static void a_log_is_searched_for_the_reason(void **state)
{
    (void)state;
    check_reason("", NULL);
    check_reason("\n  \nEAL: \n", NULL);
    check_reason("EAL: failed to parse device \"net_x\"\nEAL: Bus (vdev) probe failed\n",
                 "failed to parse device \"net_x\"");
    check_reason("libbpf: elf: skipping unrecognized data section(8) .xdp_run_config\n"
                 "libxdp: No bpffs found at /sys/fs/bpf\n"
                 "xsk_configure(): Failed to create xsk socket.\n",
                 "Failed to create xsk socket.");
    check_reason("libbpf: elf: skipping unrecognized data section(8) .xdp_run_config\n"
                 "libbpf: Kernel error message: veth: Peer MTU is too large to set XDP\n"
                 "xsk_configure(): Failed to create xsk socket.\n",
                 "veth: Peer MTU is too large to set XDP");
    check_reason("libxdp: No bpffs found at /sys/fs/bpf\n", "No bpffs found at /sys/fs/bpf");
    check_reason("libbpf: prog 'xdp_dispatcher': -- BEGIN PROG LOAD LOG --\n"
                 "148: R1=ctx() R10=fp0\n"
                 "R1 pointer comparison prohibited\n"
                 "-- END PROG LOAD LOG --\n"
                 "xsk_configure(): Failed to create xsk socket.\n",
                 "Failed to create xsk socket.");
    check_reason("libxdp: Failed to load dispatcher: Too many open files\n"
                 "xsk_configure(): Failed to create xsk socket.\n",
                 "Failed to load dispatcher: Too many open files");
}

/* --- What drivers do not say --- */

static void assert_explained(const struct eal_circumstances *c, const char *said, const char *words)
{
    char text[CAPTURE_ERROR_MAX] = "";

    eal_explain(c, said, text);
    if (!strstr(text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, text);
}

static void missing_rights_are_named(void **state)
{
    (void)state;
    struct eal_circumstances c = {.device = "net_af_xdp0", .interface = "eth1"};

    assert_explained(&c, "Failed to create umem",
                     "lacks: CAP_NET_RAW, CAP_NET_ADMIN, CAP_IPC_LOCK, CAP_SYS_ADMIN; run");
    c.rights = RIGHT(CAP_NET_RAW) | RIGHT(CAP_NET_ADMIN) | RIGHT(CAP_IPC_LOCK);
    assert_explained(&c, "Failed to create xsk socket.", "lacks: CAP_SYS_ADMIN; run weir as root");
    c.device = "net_af_packet0";
    c.rights = RIGHT(CAP_NET_ADMIN);
    assert_explained(&c, "Could not open AF_PACKET socket", "lacks: CAP_NET_RAW;");
    c.device = "net_tap0";
    c.rights = 0;
    assert_explained(&c, "Unable to create TAP interface", "lacks: CAP_NET_ADMIN;");
    c.device = "net_null0";
    assert_explained(&c, "as it is", "as it is");
}

static void what_is_in_the_way_is_named(void **state)
{
    (void)state;
    struct eal_circumstances c = {
        .device = "net_af_xdp0", .interface = "eth1", .rights = UINT64_MAX};

    assert_explained(&c, "Failed to create xsk socket.", "ss --xdp -p");
    c.xdp_program = 77;
    assert_explained(&c, "Failed to create xsk socket.", "(id 77)");
    assert_explained(&c, "Failed to create xsk socket.", "ip link set dev eth1 xdp off");
    assert_explained(&c, "Peer MTU is too large", "ip link set dev eth1 mtu");
    assert_explained(&c, "Failed to load dispatcher: Too many open files", "ulimit -n");
    assert_explained(&c, "something else", "something else");
    c.device = "net_tap0";
    c.interface_exists = true;
    assert_explained(&c, "Unable to create TAP interface", "an interface eth1 already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(huge_pages_are_used_when_enough_are_free),
        cmocka_unit_test(without_them_ordinary_memory_is),
        cmocka_unit_test(the_users_words_decide),
        cmocka_unit_test(only_named_pci_devices_are_touched),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(words_that_weir_cannot_work_with_are_refused),
        cmocka_unit_test(devices_are_named_as_dpdk_names_them),
        cmocka_unit_test(device_arguments_are_found_whole),
        cmocka_unit_test(a_log_is_searched_for_the_reason),
        cmocka_unit_test(missing_rights_are_named),
        cmocka_unit_test(what_is_in_the_way_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
