#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "base/memory.h"

static size_t resident_pages(const void *base, size_t octets)
{
    static unsigned char map[1 << 16];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (octets + page - 1) / page, n = 0;

    assert_true(pages <= sizeof(map));
    assert_int_equal(mincore((void *)(uintptr_t)base, octets, map), 0);
    for (size_t i = 0; i < pages; i++)
        n += map[i] & 1;
    return n;
}

static void is_zeroed_aligned_and_writable(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 64, 4096, 4097, (2u << 20) - 1, 2u << 20, (5u << 20) + 3};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint8_t *base = memory_reserve(sizes[i]);
        assert_non_null(base);
        assert_int_equal((uintptr_t)base % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
        for (size_t k = 0; k < sizes[i]; k++)
            if (base[k])
                fail_msg("octet %zu of %zu is not zero", k, sizes[i]);
        memset(base, 0xa5, sizes[i]);
        assert_int_equal(base[sizes[i] - 1], 0xa5);
        memory_release(base, sizes[i]);
    }
}

static void untouched_memory_is_not_backed(void **state)
{
    (void)state;
    size_t octets = 64u << 20;
    uint8_t *base = memory_reserve(octets);

    assert_non_null(base);
    assert_int_equal(resident_pages(base, octets), 0);
    base[0] = 1;
    /* one page, or one huge page */
    assert_in_range(resident_pages(base, octets), 1, 512);
    memory_release(base, octets);
}

static void reserves_more_than_the_machine_has(void **state)
{
    (void)state;
    size_t octets = (size_t)1 << 40;
    uint8_t *base = memory_reserve(octets);

    assert_non_null(base);
    base[octets - 1] = 1;
    memory_release(base, octets);
}

static void fails_with_errno(void **state)
{
    (void)state;
    errno = 0;
    assert_null(memory_reserve((size_t)1 << 60));
    assert_int_equal(errno, ENOMEM);
    memory_release(NULL, 4096);
}

static void available_memory_is_plausible(void **state)
{
    (void)state;
    uint64_t total = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t now = memory_available();

    assert_true(now > 1u << 20);
    assert_true(now <= total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_zeroed_aligned_and_writable),
        cmocka_unit_test(untouched_memory_is_not_backed),
        cmocka_unit_test(reserves_more_than_the_machine_has),
        cmocka_unit_test(fails_with_errno),
        cmocka_unit_test(available_memory_is_plausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
