#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/config.h"
#include "core/machine_file.h"
#include "core/placement.h"
#include "weir/config.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void workers_get_cores(void **state)
{
    (void)state;
    static const struct {
        const char *ports, *usable, *workers, *cores;
        uint32_t count;
        int first, last;
    } cases[] = {
        {"eth0", "0-31", "auto", "none", 1, -1, -1},
        {"eth0", "0-31", "4", "none", 4, -1, -1},
        {"eth0", "0-31", "auto", "2-5", 4, 2, 5},
        {"xdp:eth0", "0", "auto", "none", 1, -1, -1},
        {"xdp:eth0", "0-1", "auto", "none", 1, 1, 1},
        {"xdp:eth0", "0-7", "auto", "none", 7, 7, 1},
        {"xdp:eth0", "2,4,9", "auto", "none", 2, 9, 4},
        {"eth0, dpdk:net_null0", "0-7", "2", "none", 2, 7, 6},
        {"xdp:eth0", "0-7", "8", "none", 8, -1, -1},
        {"xdp:eth0", "0-7", "2", "1, 3, 5", 2, 1, 3},
        {"xdp:eth0", "0-199", "auto", "none", CONFIG_WORKERS_MAX, 199, 136},
    };
    static struct config config;
    struct config_error error;
    int core[CONFIG_WORKERS_MAX];

    for (size_t i = 0; i < COUNT(cases); i++) {
        cpu_set_t usable;
        machine_parse_cores(cases[i].usable, &usable);
        config_defaults(&config);
        assert_int_equal(config_set(&config, "capture.ports", cases[i].ports, &error), 0);
        assert_int_equal(config_set(&config, "capture.workers", cases[i].workers, &error), 0);
        assert_int_equal(config_set(&config, "capture.cores", cases[i].cores, &error), 0);
        uint32_t count = placement_workers(&config, &usable);
        assert_int_equal(count, cases[i].count);
        placement_cores(&config, &usable, count, core);
        assert_int_equal(core[0], cases[i].first);
        assert_int_equal(core[count - 1], cases[i].last);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(workers_get_cores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
