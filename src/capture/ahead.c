#include "capture/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/thread.h"
#include "capture/unpack.h"

#define BLOCKS 4

struct block {
    ssize_t len; /* as unpack_read() gave it */
    int failed;  /* its errno */
    const char *error;
    uint64_t offset;
    uint8_t kept[AHEAD_KEPT];
    uint8_t octets[AHEAD_BLOCK];
};

struct ahead {
    struct unpack *unpack; /* the thread's */
    uint64_t start;        /* unpack_offset() before it */
    pthread_t thread;
    sem_t filled, empty;
    uint32_t taken; /* blocks that the caller took; the last of them is held */
    struct block block[BLOCKS];
};

static void *read_ahead(void *context)
{
    struct ahead *a = context;
    struct block *b;
    uint32_t at = 0;

    do {
        sem_wait(&a->empty);
        b = &a->block[at++ % BLOCKS];
        b->len = unpack_read(a->unpack, b->octets, sizeof(b->octets));
        b->failed = errno;
        b->error = unpack_error(a->unpack);
        b->offset = unpack_offset(a->unpack);
        sem_post(&a->filled);
    } while (b->len > 0);
    return NULL;
}

int ahead_start(struct unpack *unpack, struct ahead **out)
{
    struct ahead *a = calloc(1, sizeof(*a));

    if (!a)
        return -ENOMEM;
    a->unpack = unpack;
    a->start = unpack_offset(unpack);
    sem_init(&a->filled, 0, 0);
    sem_init(&a->empty, 0, BLOCKS);
    int rc = thread_start(&a->thread, read_ahead, a);
    if (rc) {
        free(a);
        return rc;
    }
    *out = a;
    return 0;
}

/* The thread ends where it waits: in read(2), or for an empty block. */
void ahead_stop(struct ahead *a)
{
    if (!a)
        return;
    pthread_cancel(a->thread);
    pthread_join(a->thread, NULL);
    sem_destroy(&a->filled);
    sem_destroy(&a->empty);
    free(a);
}

uint8_t *ahead_place(struct ahead *a)
{
    return a->block[a->taken % BLOCKS].octets;
}

static const struct block *last_taken(const struct ahead *a)
{
    return &a->block[(a->taken - 1) % BLOCKS];
}

ssize_t ahead_next(struct ahead *a)
{
    bool ended = a->taken && last_taken(a)->len <= 0;

    if (!ended) {
        if (sem_wait(&a->filled))
            return -1;
        if (a->taken++)
            sem_post(&a->empty);
    }
    errno = last_taken(a)->failed;
    return last_taken(a)->len;
}

const char *ahead_error(const struct ahead *a)
{
    return a->taken ? last_taken(a)->error : NULL;
}

uint64_t ahead_offset(const struct ahead *a)
{
    return a->taken ? last_taken(a)->offset : a->start;
}
