/*
 * Buffers as a port's memory pool has them: 2 KB each, in huge pages where there are some, handed
 * out in an order that no prefetcher of the processor guesses. Flushed, they are as a frame is that
 * a port has just written to memory.
 */
#pragma once

#include <stdint.h>

#define POOL_BUFFERS 16384u
#define POOL_BUFFER_LEN 2048u

struct pool {
    uint8_t *buffer[POOL_BUFFERS]; /* in the order of use */
    uint8_t *memory;
    uint8_t *walk; /* without an instruction that flushes: what is read instead */
};

/* 0 or -errno. */
int pool_init(struct pool *, uint64_t seed);
void pool_fini(struct pool *);

/* Puts the first len octets of every buffer out of all caches. */
void pool_flush(const struct pool *, uint32_t len);
