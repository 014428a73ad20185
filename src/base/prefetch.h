/*
 * Lines that will be needed soon.
 *
 * To gcc a prefetch has no effect: a function that does nothing else is pure, and calls to it are
 * left out. The empty statement behind it is one that must not be.
 */
#pragma once

static inline __attribute__((always_inline)) void prefetch_read(const void *line)
{
    __builtin_prefetch(line, 0);
    __asm__ volatile("");
}

static inline __attribute__((always_inline)) void prefetch_write(const void *line)
{
    __builtin_prefetch(line, 1);
    __asm__ volatile("");
}
