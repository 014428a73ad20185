/*
 * Which cache lines worker threads share. Linked into a weir that is instrumented as for
 * ThreadSanitizer, in place of its runtime: each load and store of compiled code, and each atomic
 * one, is noted by line and thread. Copies inside libc are not seen.
 *
 * At exit the file that WEIR_LINES names gets a line for each cache line that one worker wrote and
 * another worker touched,
 *
 *   shared ADDRESS writers MASK touched MASK times N by OFFSET
 *
 * where masks have a bit per worker, N is how often workers wrote it and OFFSET the place in the
 * program of the last such store; and at the end
 *
 *   lines SEEN handed HANDED lost LOST
 *
 * how many lines workers touched, how many of these they share with other threads (rings and
 * snapshots: never 0), and how many accesses found no room here.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define LINE_SHIFT 6
#define SLOTS (UINT32_C(1) << 22)
#define TRIES 64
#define WORKER_NAME "weir-work-"
#define WORKERS_MAX 16
#define WORKERS ((1u << WORKERS_MAX) - 1)
#define OTHERS (1u << WORKERS_MAX) /* threads that are no workers */

struct line {
    atomic_uintptr_t number; /* address >> LINE_SHIFT; 0 = free */
    atomic_uint wrote, read; /* by thread */
    atomic_uintptr_t code;
    atomic_ulong times; /* that workers wrote it */
};

static struct line *lines;
static atomic_ulong lost;
static int report = -1;
static _Thread_local unsigned who;
extern const char __executable_start;

static __attribute__((constructor(101))) void lines_begin(void)
{
    const char *path = getenv("WEIR_LINES");

    if (!path)
        return;
    report = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    lines = mmap(NULL, SLOTS * sizeof(*lines), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (report < 0 || lines == MAP_FAILED)
        abort();
}

static unsigned count_bits(unsigned mask)
{
    return (unsigned)__builtin_popcount(mask & WORKERS);
}

static __attribute__((destructor)) void lines_end(void)
{
    unsigned long seen = 0, handed = 0;

    for (uint32_t i = 0; lines && i < SLOTS; i++) {
        unsigned wrote = lines[i].wrote, touched = wrote | lines[i].read;
        seen += (touched & WORKERS) != 0;
        handed += (touched & WORKERS) && (touched & OTHERS);
        if ((wrote & WORKERS) && count_bits(touched) > 1)
            dprintf(report, "shared %#lx writers %#x touched %#x times %lu by %#lx\n",
                    (unsigned long)lines[i].number << LINE_SHIFT, wrote & WORKERS,
                    touched & WORKERS, (unsigned long)lines[i].times, (unsigned long)lines[i].code);
    }
    if (lines)
        dprintf(report, "lines %lu handed %lu lost %lu\n", seen, handed, (unsigned long)lost);
}

/* A thread is named before it begins. */
static unsigned me(void)
{
    char name[16] = "";

    if (who)
        return who;
    who = OTHERS;
    if (!prctl(PR_GET_NAME, name) && !strncmp(name, WORKER_NAME, strlen(WORKER_NAME)))
        who = 1u << (unsigned)atoi(name + strlen(WORKER_NAME)) % WORKERS_MAX;
    return who;
}

static struct line *line_of(uintptr_t number)
{
    uint32_t at = (uint32_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 40) % SLOTS;

    for (unsigned i = 0; i < TRIES; i++) {
        struct line *l = &lines[(at + i) % SLOTS];
        uintptr_t there = atomic_load_explicit(&l->number, memory_order_relaxed);
        if (!there && atomic_compare_exchange_strong(&l->number, &there, number))
            return l;
        if (there == number)
            return l;
    }
    return NULL;
}

static void note(uintptr_t number, bool write, const void *code)
{
    struct line *l = line_of(number);
    unsigned thread = me();

    if (!l) {
        lost++;
        return;
    }
    atomic_uint *mask = write ? &l->wrote : &l->read;
    if (!(atomic_load_explicit(mask, memory_order_relaxed) & thread))
        atomic_fetch_or(mask, thread);
    if (!write || thread == OTHERS)
        return;
    atomic_fetch_add_explicit(&l->times, 1, memory_order_relaxed);
    atomic_store_explicit(&l->code, (uintptr_t)code - (uintptr_t)&__executable_start,
                          memory_order_relaxed);
}

static void touch(const volatile void *at, size_t len, bool write, const void *code)
{
    uintptr_t first = (uintptr_t)at, last = first + (len ? len - 1 : 0);

    for (uintptr_t n = first >> LINE_SHIFT; lines && n <= last >> LINE_SHIFT; n++)
        note(n, write, code);
}

#define HERE __builtin_return_address(0)

/* --- What the compiler calls: the interface of ThreadSanitizer's runtime --- */

#define ACCESS(name, len, write)                                                                   \
    void __tsan_##name(void *at);                                                                  \
    void __tsan_##name(void *at)                                                                   \
    {                                                                                              \
        touch(at, len, write, HERE);                                                               \
    }
#define ACCESSES(len)                                                                              \
    ACCESS(read##len, len, false)                                                                  \
    ACCESS(write##len, len, true)                                                                  \
    ACCESS(unaligned_read##len, len, false)                                                        \
    ACCESS(unaligned_write##len, len, true)
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void *at, size_t len);
void __tsan_read_range(void *at, size_t len)
{
    touch(at, len, false, HERE);
}

void __tsan_write_range(void *at, size_t len);
void __tsan_write_range(void *at, size_t len)
{
    touch(at, len, true, HERE);
}

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
    (void)order;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#define UPDATE(bits, op)                                                                           \
    uint##bits##_t __tsan_atomic##bits##_fetch_##op(volatile void *at, uint##bits##_t value,       \
                                                    int order);                                    \
    uint##bits##_t __tsan_atomic##bits##_fetch_##op(volatile void *at, uint##bits##_t value,       \
                                                    int order)                                     \
    {                                                                                              \
        (void)order;                                                                               \
        touch(at, bits / 8, true, HERE);                                                           \
        return __atomic_fetch_##op((volatile uint##bits##_t *)at, value, __ATOMIC_SEQ_CST);        \
    }
#define ATOMICS(bits)                                                                              \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile void *at, int order);                 \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile void *at, int order)                  \
    {                                                                                              \
        (void)order;                                                                               \
        touch(at, bits / 8, false, HERE);                                                          \
        return __atomic_load_n((const volatile uint##bits##_t *)at, __ATOMIC_SEQ_CST);             \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile void *at, uint##bits##_t value, int order);          \
    void __tsan_atomic##bits##_store(volatile void *at, uint##bits##_t value, int order)           \
    {                                                                                              \
        (void)order;                                                                               \
        touch(at, bits / 8, true, HERE);                                                           \
        __atomic_store_n((volatile uint##bits##_t *)at, value, __ATOMIC_SEQ_CST);                  \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile void *at, uint##bits##_t value,         \
                                                  int order);                                      \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile void *at, uint##bits##_t value,         \
                                                  int order)                                       \
    {                                                                                              \
        (void)order;                                                                               \
        touch(at, bits / 8, true, HERE);                                                           \
        return __atomic_exchange_n((volatile uint##bits##_t *)at, value, __ATOMIC_SEQ_CST);        \
    }                                                                                              \
    bool __tsan_atomic##bits##_compare_exchange_strong(                                            \
        volatile void *at, void *expected, uint##bits##_t value, int order, int failed);           \
    bool __tsan_atomic##bits##_compare_exchange_strong(                                            \
        volatile void *at, void *expected, uint##bits##_t value, int order, int failed)            \
    {                                                                                              \
        (void)order, (void)failed;                                                                 \
        touch(at, bits / 8, true, HERE);                                                           \
        return __atomic_compare_exchange_n((volatile uint##bits##_t *)at,                          \
                                           (uint##bits##_t *)expected, value, false,               \
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                    \
    }                                                                                              \
    UPDATE(bits, add)                                                                              \
    UPDATE(bits, sub)                                                                              \
    UPDATE(bits, and)                                                                              \
    UPDATE(bits, or)
ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)
