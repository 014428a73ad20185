/* The field table against what every collector needs of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "export/element.h"
#include "export/schema.h"
#include "weir/config.h"

#define IANA_LOGSTASH_MAX 433 /* Logstash 4.3.4 drops a template with an element that it lacks */

static void test_every_field_is_known(void **state)
{
    (void)state;
    size_t count;
    const struct schema_field *f = schema_fields(&count);

    for (size_t i = 0; i < count; i++) {
        struct ipfix_element e;
        assert_true(ipfix_element_find(f[i].pen, f[i].id, &e));
        assert_ptr_equal(schema_find(f[i].pen, f[i].id), &f[i]); /* none stands twice */
        assert_in_range(strlen(f[i].help), 1, 223);
        assert_int_equal(f[i].are & ~f[i].care, 0);
        assert_int_not_equal(f[i].profiles, 0);
    }
}

/* Lengths that the types allow (RFC 7011 §6.2: only numbers may be shorter). */
static void test_lengths(void **state)
{
    (void)state;
    static const uint16_t natural[] = {
        [TYPE_U8] = 1,  [TYPE_U16] = 2, [TYPE_U32] = 4, [TYPE_U64] = 8, [TYPE_BOOL] = 1,
        [TYPE_MAC] = 6, [TYPE_MS] = 8,  [TYPE_NS] = 8,  [TYPE_IP4] = 4, [TYPE_IP6] = 16,
    };
    size_t count;
    const struct schema_field *f = schema_fields(&count);

    for (size_t i = 0; i < count; i++) {
        struct ipfix_element e;
        ipfix_element_find(f[i].pen, f[i].id, &e);
        uint16_t len = schema_field_len(&f[i]);
        if (e.type >= TYPE_U8 && e.type <= TYPE_U64)
            assert_in_range(len, 1, natural[e.type]);
        else if (e.type != TYPE_STRING && e.type != TYPE_OCTETS)
            assert_int_equal(len, natural[e.type]);
    }
}

static void test_logstash_safe(void **state)
{
    (void)state;
    size_t count;
    const struct schema_field *f = schema_fields(&count);

    for (size_t i = 0; i < count; i++)
        if (f[i].profiles & (1 << PROFILE_ELK)) {
            assert_true(f[i].pen == 0 || f[i].pen == PEN_REVERSE);
            assert_in_range(f[i].id, 1, IANA_LOGSTASH_MAX);
            assert_int_not_equal(schema_field_len(&f[i]), LEN_VARIABLE);
        }
}

/* Collectors that ignore reverse elements would lose half of the traffic. */
static void test_uniflow_has_no_enterprise(void **state)
{
    (void)state;
    size_t count;
    const struct schema_field *f = schema_fields(&count);

    for (size_t i = 0; i < count; i++)
        if (f[i].profiles & (1 << PROFILE_UNIFLOW))
            assert_int_equal(f[i].pen, 0);
}

static unsigned variants(uint64_t profile, unsigned from)
{
    unsigned count = 0;

    for (unsigned v = from; v < from + VARIANT_AGGREGATE; v++)
        count += schema_has_variant(profile, v);
    return count;
}

static void test_variants(void **state)
{
    (void)state;
    assert_int_equal(variants(PROFILE_CORE, 0), 8);
    assert_int_equal(variants(PROFILE_UNIFLOW, 0), 4);
    assert_int_equal(variants(PROFILE_RICH, 0), 40);
    assert_int_equal(variants(PROFILE_ECS, 0), 0);
    for (uint64_t profile = 0; profile < PROFILE_ECS; profile++)
        assert_int_equal(variants(profile, VARIANT_AGGREGATE), 8);
    assert_int_equal(variants(PROFILE_ECS, VARIANT_AGGREGATE), 0);
}

/* An aggregate says of one side which prefix it is, how long, and how many are on the other; of
 * flows nothing says so. */
static void test_fields_of_aggregates(void **state)
{
    (void)state;
    static const struct {
        unsigned variant;
        uint16_t id[3];
    } want[] = {
        {VARIANT_AGGREGATE, {44, 9, 381}},
        {VARIANT_AGGREGATE | VARIANT_V6, {170, 29, 383}},
        {VARIANT_AGGREGATE_TO, {45, 13, 380}},
        {VARIANT_AGGREGATE_TO | VARIANT_V6, {169, 30, 382}},
    };

    for (unsigned v = 0; v < VARIANT_COUNT; v++)
        for (size_t w = 0; w < sizeof(want) / sizeof(*want); w++)
            for (size_t i = 0; i < 3; i++) {
                const struct schema_field *f = schema_find(0, want[w].id[i]);
                assert_int_equal((v & f->care) == f->are,
                                 (v & (VARIANT_AGGREGATE_TO | VARIANT_V6)) == want[w].variant);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_known),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_logstash_safe),
        cmocka_unit_test(test_uniflow_has_no_enterprise),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_fields_of_aggregates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
