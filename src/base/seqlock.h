/*
 * A value that one thread writes and others copy whole, without making the writer wait.
 *
 * The value is moved in words of 64 bits, each stored with release and loaded with acquire order: a
 * reader that saw a word of a later write then also sees the version change that came before it.
 * No fences, which thread sanitizers do not understand.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct seqlock {
    _Atomic uint64_t version; /* odd while a write goes on */
};

/* Words that hold an object. */
#define SEQLOCK_WORDS(object_size) (((object_size) + 7) / 8)

static inline void seqlock_write(struct seqlock *lock, _Atomic uint64_t *to, const void *from,
                                 size_t octets)
{
    uint64_t version = atomic_load_explicit(&lock->version, memory_order_relaxed);

    atomic_store_explicit(&lock->version, version + 1, memory_order_relaxed);
    for (size_t at = 0; at < octets; at += 8) {
        uint64_t word = 0;
        memcpy(&word, (const char *)from + at, octets - at < 8 ? octets - at : 8);
        atomic_store_explicit(&to[at / 8], word, memory_order_release);
    }
    atomic_store_explicit(&lock->version, version + 2, memory_order_release);
}

static inline uint64_t seqlock_version(const struct seqlock *lock)
{
    return atomic_load_explicit(&lock->version, memory_order_acquire);
}

/* False when a write went on: what is at *to is then not to be used. */
static inline bool seqlock_try_read(const struct seqlock *lock, const _Atomic uint64_t *from,
                                    void *to, size_t octets)
{
    uint64_t version = seqlock_version(lock);

    if (version & 1)
        return false;
    for (size_t at = 0; at < octets; at += 8) {
        uint64_t word = atomic_load_explicit(&from[at / 8], memory_order_acquire);
        memcpy((char *)to + at, &word, octets - at < 8 ? octets - at : 8);
    }
    return atomic_load_explicit(&lock->version, memory_order_relaxed) == version;
}
