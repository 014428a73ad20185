#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"

struct key {
    uint8_t block[HASH_BLOCKS_MAX][HASH_BLOCK];
};

static struct hash_job job_of(const struct key *key, uint8_t blocks)
{
    struct hash_job job = {.blocks = blocks};
    memcpy(job.block, key, sizeof(*key));
    return job;
}

static struct hash_value one(hash_burst_fn *twin, const struct hash_secret *secret,
                             const struct key *key, uint8_t blocks)
{
    struct hash_job job = job_of(key, blocks);
    twin(secret, &job, 1, sizeof(job));
    return job.value;
}

static void fill(struct key *input, uint8_t octets)
{
    memset(input, 0, sizeof(*input));
    for (uint8_t i = 0; i < octets; i++)
        input->block[i / HASH_BLOCK][i % HASH_BLOCK] = i;
}

/* Values of CPython's SipHash-1-3 with a zero key: hash(bytes(range(n))), PYTHONHASHSEED=0. */
static void siphash_has_the_known_values(void **state)
{
    (void)state;
    const uint64_t want[] = {0x8972188433a5c5b7, 0x31ef8061c910629b, 0xfe1f2445ba50237f};
    const struct hash_secret zero = {0};
    struct key input;

    for (uint8_t blocks = 1; blocks <= 3; blocks++) {
        fill(&input, (uint8_t)(blocks * HASH_BLOCK));
        assert_true(one(hash_burst_siphash, &zero, &input, blocks).place == want[blocks - 1]);
        assert_true(one(hash_burst_siphash, &zero, &input, blocks).second == want[blocks - 1]);
    }
}

static void twins_repeat_themselves_and_differ(void **state)
{
    (void)state;
    struct hash_secret secret;
    struct key input;

    hash_secret_fixed(&secret);
    for (uint8_t blocks = 1; blocks <= 3; blocks++) {
        fill(&input, 40);
        struct hash_value sip = one(hash_burst_siphash, &secret, &input, blocks);
        struct hash_value again = one(hash_burst_siphash, &secret, &input, blocks);
        assert_memory_equal(&sip, &again, sizeof(sip));
        assert_true(sip.place != sip.second);
        if (!hash_has_aes())
            continue;
        struct hash_value aes = one(hash_burst_aes, &secret, &input, blocks);
        again = one(hash_burst_aes, &secret, &input, blocks);
        assert_memory_equal(&aes, &again, sizeof(aes));
        assert_true(aes.place != sip.place && aes.second != sip.second);
        assert_true(aes.place != aes.second);
    }
}

static void a_burst_hashes_each_key_as_if_alone(void **state)
{
    (void)state;
    hash_burst_fn *twins[] = {hash_burst_siphash, hash_burst_best()};
    struct key input[9];
    struct larger {
        uint64_t before;
        struct hash_job job;
    } larger[10];
    const struct hash_value untouched = {1, 2};
    struct hash_secret secret;

    hash_secret_fixed(&secret);
    for (uint8_t i = 0; i < 9; i++) {
        fill(&input[i], 48);
        input[i].block[0][0] = (uint8_t)(200 + i);
        larger[i].job = job_of(&input[i], (uint8_t)(1 + i % 3));
    }
    larger[9].job = (struct hash_job){.value = untouched};
    for (int twin = 0; twin < 2; twin++) {
        twins[twin](&secret, &larger[0].job, 10, sizeof(larger[0]));
        for (int i = 0; i < 9; i++) {
            struct hash_value alone = one(twins[twin], &secret, &input[i], larger[i].job.blocks);
            assert_memory_equal(&larger[i].job.value, &alone, sizeof(alone));
        }
        assert_memory_equal(&larger[9].job.value, &untouched, sizeof(untouched));
    }
}

static void every_bit_of_secret_and_key_counts(void **state)
{
    (void)state;
    hash_burst_fn *twins[] = {hash_burst_siphash, hash_burst_best()};
    struct hash_secret secret;
    struct key input;

    hash_secret_fixed(&secret);
    fill(&input, 48);
    for (int twin = 0; twin < 2; twin++) {
        struct hash_value base = one(twins[twin], &secret, &input, 3);
        for (unsigned bit = 0; bit < 8 * sizeof(secret); bit++) {
            struct hash_secret other = secret;
            other.octet[bit / 8] ^= (uint8_t)(1 << bit % 8);
            struct hash_value v = one(twins[twin], &other, &input, 3);
            assert_true(v.place != base.place || v.second != base.second);
        }
        unsigned flipped = 0;
        for (unsigned bit = 0; bit < 8 * sizeof(input); bit++) {
            struct key other = input;
            other.block[bit / 128][bit / 8 % 16] ^= (uint8_t)(1 << bit % 8);
            struct hash_value v = one(twins[twin], &secret, &other, 3);
            assert_true(v.place != base.place);
            assert_true(v.second != base.second);
            flipped += (unsigned)__builtin_popcountll(v.place ^ base.place);
        }
        /* half of 64 bits, 384 times */
        assert_in_range(flipped, 384 * 30, 384 * 34);
    }
}

/* A linear hash has h(a) ^ h(b) ^ h(c) = h(a ^ b ^ c), and differences that collide for one key do
 * for all. */
static void neither_twin_is_linear(void **state)
{
    (void)state;
    hash_burst_fn *twins[] = {hash_burst_siphash, hash_burst_best()};
    struct hash_secret secret;

    hash_secret_fixed(&secret);
    for (int twin = 0; twin < 2; twin++)
        for (uint32_t i = 1; i <= 2000; i++) {
            struct key a = {0}, b = {0}, c = {0}, sum = {0};
            uint32_t x = i * 2654435761u, y = i * 40503u;
            memcpy(a.block[0], &x, 4);
            memcpy(b.block[1], &y, 4);
            memcpy(c.block[2], &i, 4);
            for (unsigned k = 0; k < sizeof(sum); k++)
                (&sum.block[0][0])[k] =
                    (&a.block[0][0])[k] ^ (&b.block[0][0])[k] ^ (&c.block[0][0])[k];
            assert_true((one(twins[twin], &secret, &a, 3).place ^
                         one(twins[twin], &secret, &b, 3).place ^
                         one(twins[twin], &secret, &c, 3).place) !=
                        one(twins[twin], &secret, &sum, 3).place);
        }
}

/* The same octets in another block, and blocks exchanged, are other keys. */
static void blocks_are_told_apart(void **state)
{
    (void)state;
    hash_burst_fn *twins[] = {hash_burst_siphash, hash_burst_best()};
    struct hash_secret secret;
    struct key a, swapped, equal = {0};

    hash_secret_fixed(&secret);
    fill(&a, 48);
    swapped = a;
    memcpy(swapped.block[1], a.block[2], 16);
    memcpy(swapped.block[2], a.block[1], 16);
    for (int twin = 0; twin < 2; twin++) {
        assert_true(one(twins[twin], &secret, &a, 3).place !=
                    one(twins[twin], &secret, &swapped, 3).place);
        /* equal blocks must not cancel out */
        struct key other = equal;
        memset(other.block[1], 7, 32);
        assert_true(one(twins[twin], &secret, &equal, 3).place !=
                    one(twins[twin], &secret, &other, 3).place);
        assert_true(one(twins[twin], &secret, &equal, 1).place !=
                    one(twins[twin], &secret, &equal, 2).place);
    }
}

#define CELLS 1024
#define KEYS (CELLS * 64)

/* Chi-square of 1023 degrees of freedom: mean 1023, deviation 45; six of them to either side. */
static void check_spread(hash_burst_fn *twin, unsigned shift, unsigned step, uint8_t blocks)
{
    static uint32_t cell[2][CELLS];
    struct hash_secret secret;

    memset(cell, 0, sizeof(cell));
    hash_secret_fixed(&secret);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct key input = {0};
        uint32_t x = i * step;
        memcpy(input.block[blocks - 1] + 4, &x, 4);
        struct hash_value v = one(twin, &secret, &input, blocks);
        cell[0][v.place >> shift & (CELLS - 1)]++;
        cell[1][v.second >> shift & (CELLS - 1)]++;
    }
    for (int half = 0; half < 2; half++) {
        double chi = 0;
        for (int i = 0; i < CELLS; i++) {
            double off = (double)cell[half][i] - KEYS / CELLS;
            chi += off * off / (KEYS / CELLS);
        }
        assert_in_range((uint32_t)chi, 1023 - 6 * 45, 1023 + 6 * 45);
    }
}

static void keys_in_series_spread_evenly(void **state)
{
    (void)state;
    hash_burst_fn *twins[] = {hash_burst_siphash, hash_burst_best()};

    for (int twin = 0; twin < 2; twin++)
        for (unsigned shift = 0; shift <= 50; shift += 10)
            for (uint8_t blocks = 1; blocks <= 3; blocks++) {
                check_spread(twins[twin], shift, 1, blocks);
                check_spread(twins[twin], shift, 65536, blocks);
            }
}

static void secrets_are_fresh_or_fixed(void **state)
{
    (void)state;
    struct hash_secret a, b, zero = {0};

    hash_secret_fixed(&a);
    hash_secret_fixed(&b);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_int_equal(hash_secret_random(&a), 0);
    assert_int_equal(hash_secret_random(&b), 0);
    assert_memory_not_equal(&a, &b, sizeof(a));
    assert_memory_not_equal(&a, &zero, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_has_the_known_values),
        cmocka_unit_test(twins_repeat_themselves_and_differ),
        cmocka_unit_test(a_burst_hashes_each_key_as_if_alone),
        cmocka_unit_test(every_bit_of_secret_and_key_counts),
        cmocka_unit_test(neither_twin_is_linear),
        cmocka_unit_test(blocks_are_told_apart),
        cmocka_unit_test(keys_in_series_spread_evenly),
        cmocka_unit_test(secrets_are_fresh_or_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
