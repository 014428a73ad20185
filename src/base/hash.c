#include "base/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint64_t siphash13(uint64_t k0, uint64_t k1, const uint8_t *data, size_t len)
{
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};

    /* len is a multiple of 16 here, so only the length octet is left for the last word */
    for (size_t i = 0; i < len; i += 8) {
        uint64_t m = load64(data + i);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)len << 56;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void hash_burst_siphash(const struct hash_secret *secret, struct hash_job *job, uint32_t count,
                        size_t stride)
{
    uint64_t k[4];

    memcpy(k, secret->octet, sizeof(k));
    for (; count; count--, job = hash_job_next(job, stride)) {
        size_t len = (size_t)job->blocks * HASH_BLOCK;
        if (!len)
            continue;
        job->value.place = siphash13(k[0], k[1], job->block[0], len);
        job->value.second = siphash13(k[2], k[3], job->block[0], len);
    }
}

#ifdef __x86_64__

int hash_has_aes(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1");
}

/* Round keys of block b: the secret, told apart by block and round with odd constants. */
__attribute__((target("aes,sse4.1"))) static inline __m128i round_key(__m128i k, int block,
                                                                      int round)
{
    return _mm_add_epi64(
        k, _mm_set1_epi64x((long long)(0x9e3779b97f4a7c15ULL * (uint64_t)(block * 8 + round + 1))));
}

__attribute__((target("aes,sse4.1"))) static inline __m128i absorb(__m128i k0, __m128i k1, int b,
                                                                   const uint8_t *block)
{
    __m128i x = _mm_xor_si128(_mm_loadu_si128((const __m128i *)block), round_key(k0, b, 0));
    x = _mm_aesenc_si128(x, round_key(k1, b, 1));
    x = _mm_aesenc_si128(x, round_key(k0, b, 2));
    x = _mm_aesenc_si128(x, round_key(k1, b, 3));
    return _mm_aesenc_si128(x, round_key(k0, b, 4));
}

__attribute__((target("aes,sse4.1"))) void hash_burst_aes(const struct hash_secret *secret,
                                                          struct hash_job *job, uint32_t count,
                                                          size_t stride)
{
    __m128i k0 = _mm_loadu_si128((const __m128i *)secret->octet);
    __m128i k1 = _mm_loadu_si128((const __m128i *)(secret->octet + 16));

    for (; count; count--, job = hash_job_next(job, stride)) {
        if (!job->blocks)
            continue;
        __m128i x = absorb(k0, k1, 0, job->block[0]);
        if (job->blocks > 1) {
            x = _mm_xor_si128(x, absorb(k0, k1, 1, job->block[1]));
            if (job->blocks > 2)
                x = _mm_xor_si128(x, absorb(k0, k1, 2, job->block[2]));
            x = _mm_aesenc_si128(x, k1);
            x = _mm_aesenc_si128(x, k0);
        }
        _mm_storeu_si128((__m128i *)&job->value, x);
    }
}

#else

int hash_has_aes(void)
{
    return 0;
}

void hash_burst_aes(const struct hash_secret *secret, struct hash_job *job, uint32_t count,
                    size_t stride)
{
    hash_burst_siphash(secret, job, count, stride);
}

#endif

hash_burst_fn *hash_burst_best(void)
{
    return hash_has_aes() ? hash_burst_aes : hash_burst_siphash;
}

int hash_secret_random(struct hash_secret *secret)
{
    struct hash_secret fresh;
    ssize_t n = getrandom(fresh.octet, sizeof(fresh.octet), 0);

    if (n != (ssize_t)sizeof(fresh.octet))
        return n < 0 ? -errno : -EIO;
    *secret = fresh;
    return 0;
}

void hash_secret_fixed(struct hash_secret *secret)
{
    for (unsigned i = 0; i < sizeof(secret->octet); i++)
        secret->octet[i] = (uint8_t)(i * 37 + 11);
}
