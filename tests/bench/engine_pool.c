#include "engine_pool.h"

#include <errno.h>
#include <stddef.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "base/memory.h"

#define CACHE_LINE 64u
#define WALK_LEN ((size_t)256 << 20) /* several times the last-level cache */

int pool_init(struct pool *pool, uint64_t seed)
{
    pool->memory = memory_reserve((size_t)POOL_BUFFERS * POOL_BUFFER_LEN);
    pool->walk = NULL;
    if (!pool->memory)
        return -ENOMEM;
#ifndef __x86_64__
    pool->walk = memory_reserve(WALK_LEN);
    if (!pool->walk) {
        pool_fini(pool);
        return -ENOMEM;
    }
#endif
    for (size_t i = 0; i < POOL_BUFFERS; i++)
        pool->buffer[i] = pool->memory + i * POOL_BUFFER_LEN;
    for (size_t i = POOL_BUFFERS - 1; i > 0; i--) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        size_t other = (size_t)(seed >> 33) % (i + 1);
        uint8_t *swap = pool->buffer[i];
        pool->buffer[i] = pool->buffer[other];
        pool->buffer[other] = swap;
    }
    return 0;
}

void pool_fini(struct pool *pool)
{
    memory_release(pool->walk, WALK_LEN);
    memory_release(pool->memory, (size_t)POOL_BUFFERS * POOL_BUFFER_LEN);
}

void pool_flush(const struct pool *pool, uint32_t len)
{
#ifdef __x86_64__
    for (size_t i = 0; i < POOL_BUFFERS; i++)
        for (uint32_t at = 0; at < len; at += CACHE_LINE)
            _mm_clflush(pool->buffer[i] + at);
    _mm_mfence();
#else
    (void)len;
    for (size_t at = 0; at < WALK_LEN; at += CACHE_LINE)
        (*(volatile uint8_t *)(pool->walk + at))++;
#endif
}
