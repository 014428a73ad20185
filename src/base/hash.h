/*
 * Keyed hash of short keys, for tables that an attacker feeds. 128 bits come out: the low half
 * places a key, the high half stands for it where it is too long to be stored beside the counters.
 *
 * Two twins with the same promise and different values: AES rounds where the processor has them
 * (each 16-octet block goes through four rounds under its own keys, the blocks are combined by XOR,
 * and two more rounds finish), SipHash-1-3 elsewhere (Aumasson, Bernstein 2012). Neither is linear
 * in the key.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_BLOCK 16
#define HASH_BLOCKS_MAX 3

struct hash_secret {
    uint8_t octet[32];
};

struct hash_value {
    uint64_t place;
    uint64_t second;
};

/* One key and its hash: blocks of 16 octets, unused octets zero. blocks 0: none, value stays. */
struct hash_job {
    uint8_t block[HASH_BLOCKS_MAX][HASH_BLOCK];
    struct hash_value value;
    uint8_t blocks;
};

/* stride: octets from one job to the next, so that jobs may be part of something larger. */
typedef void hash_burst_fn(const struct hash_secret *, struct hash_job *first, uint32_t count,
                           size_t stride);

hash_burst_fn hash_burst_siphash;
hash_burst_fn hash_burst_aes; /* only where hash_has_aes() */

int hash_has_aes(void);

static inline struct hash_job *hash_job_next(struct hash_job *job, size_t stride)
{
    return (struct hash_job *)(void *)((char *)job + stride);
}

/* The faster twin of this processor. */
hash_burst_fn *hash_burst_best(void);

/* A secret from the kernel. Returns 0 or -errno. */
int hash_secret_random(struct hash_secret *);

/* A fixed one, so that the same capture gives the same output. */
void hash_secret_fixed(struct hash_secret *);
