#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "export/crc32c.h"

/* RFC 3720 §B.4. */
static void agrees_with_the_rfc(void **state)
{
    struct crc32c c;
    uint8_t octets[32];

    (void)state;
    crc32c_init(&c);
    memset(octets, 0, 32);
    assert_int_equal(crc32c(&c, octets, 32), 0x8a9136aa);
    memset(octets, 0xff, 32);
    assert_int_equal(crc32c(&c, octets, 32), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        octets[i] = (uint8_t)i;
    assert_int_equal(crc32c(&c, octets, 32), 0x46dd794e);
    assert_int_equal(crc32c(&c, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(&c, "", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_the_rfc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
