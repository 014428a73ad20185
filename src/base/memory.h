/*
 * Large arrays: address space reserved at once, pages backed by memory only when touched.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Zeroed, page-aligned, in huge pages where the kernel grants them. NULL and errno on failure. */
void *memory_reserve(size_t octets);
void memory_release(void *base, size_t octets);

/* Zeroed, on cache lines of its own: what one thread writes must not lie on a line with what
 * another touches. NULL without memory; free() gives it back. */
#define MEMORY_LINE 64
void *memory_lines(size_t octets);

/* Memory that could be given to a program now, in octets; 0 = not known. */
uint64_t memory_available(void);
