#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *memory_reserve(size_t octets)
{
    void *base = mmap(NULL, octets, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    /* advice only: without huge pages it works, with more TLB misses */
    if (octets >= HUGE_PAGE)
        (void)madvise(base, octets, MADV_HUGEPAGE);
    return base;
}

void memory_release(void *base, size_t octets)
{
    if (base)
        munmap(base, octets);
}

void *memory_lines(size_t octets)
{
    const size_t whole = (octets + MEMORY_LINE - 1) / MEMORY_LINE * MEMORY_LINE;
    void *base = aligned_alloc(MEMORY_LINE, whole);

    return base ? memset(base, 0, whole) : NULL;
}

uint64_t memory_available(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kib = 0;

    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    fclose(f);
    return (uint64_t)kib * 1024;
}
