#include "core/order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "weir/flow.h"

#define RUNS_MAX 512
#define CACHE_LINE 64
#define PREFETCH_AHEAD 4 /* records: they lie in another order than they are given */

struct order_key {
    uint64_t end_ns;
    uint64_t flow_id;
    uint32_t record_no;
    uint32_t slot;
};

struct run {
    FILE *file;              /* NULL: of what is held */
    struct flow_record head; /* next to give */
};

struct record_order {
    record_sink *sink;
    void *context;
    struct flow_record *record;
    struct order_key *key;
    uint32_t count, room;
    uint32_t given; /* of the held, while flushing */
    struct run *run[RUNS_MAX];
    uint32_t run_count;
};

static int compare_keys(const void *a, const void *b)
{
    const struct order_key *x = a, *y = b;

    if (x->end_ns != y->end_ns)
        return x->end_ns < y->end_ns ? -1 : 1;
    if (x->flow_id != y->flow_id)
        return x->flow_id < y->flow_id ? -1 : 1;
    if (x->record_no != y->record_no)
        return x->record_no < y->record_no ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static struct order_key key_of(const struct flow_record *r, uint32_t slot)
{
    return (struct order_key){r->end_ns, r->flow_id, r->record_no, slot};
}

int record_order_create(uint32_t in_memory, record_sink *sink, void *context,
                        struct record_order **out)
{
    struct record_order *o = calloc(1, sizeof(*o));

    if (!o)
        return -ENOMEM;
    o->sink = sink;
    o->context = context;
    o->room = in_memory;
    o->record = memory_reserve(in_memory * sizeof(*o->record));
    o->key = memory_reserve(in_memory * sizeof(*o->key));
    if (!o->record || !o->key) {
        record_order_destroy(o);
        return -ENOMEM;
    }
    *out = o;
    return 0;
}

void record_order_destroy(struct record_order *o)
{
    if (!o)
        return;
    for (uint32_t i = 0; i < o->run_count; i++) {
        fclose(o->run[i]->file);
        free(o->run[i]);
    }
    memory_release(o->record, o->room * sizeof(*o->record));
    memory_release(o->key, o->room * sizeof(*o->key));
    free(o);
}

static void sort_held(struct record_order *o)
{
    if (!o->count)
        return;
    for (uint32_t i = 0; i < o->count; i++)
        o->key[i] = key_of(&o->record[i], i);
    qsort(o->key, o->count, sizeof(*o->key), compare_keys);
}

/* The held record that comes at place i. */
static const struct flow_record *held_at(const struct record_order *o, uint32_t i)
{
    if (i + PREFETCH_AHEAD < o->count) {
        const char *next = (const char *)&o->record[o->key[i + PREFETCH_AHEAD].slot];
        for (size_t at = 0; at < sizeof(struct flow_record); at += CACHE_LINE)
            __builtin_prefetch(next + at);
    }
    return &o->record[o->key[i].slot];
}

static void give_held(struct record_order *o)
{
    sort_held(o);
    for (uint32_t i = 0; i < o->count; i++)
        o->sink(o->context, held_at(o, i));
    o->count = 0;
}

/* A file without a name, in $TMPDIR. */
static FILE *temporary(void)
{
    const char *folder = getenv("TMPDIR");
    int fd = open(folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EOPNOTSUPP ? tmpfile() : NULL;
    FILE *file = fdopen(fd, "w+");
    if (!file)
        close(fd);
    return file;
}

static int run_write(struct record_order *o, struct run *run)
{
    run->file = temporary();
    if (!run->file)
        return -errno;
    sort_held(o);
    for (uint32_t i = 0; i < o->count; i++)
        if (fwrite(held_at(o, i), sizeof(struct flow_record), 1, run->file) != 1)
            break;
    if (fflush(run->file) || ferror(run->file) || fseek(run->file, 0, SEEK_SET)) {
        int rc = errno ? -errno : -EIO;
        fclose(run->file);
        return rc;
    }
    return 0;
}

/* What is held becomes a sorted run on disk. */
static int spill(struct record_order *o)
{
    struct run *run = o->run_count < RUNS_MAX ? calloc(1, sizeof(*run)) : NULL;
    int rc = run ? run_write(o, run) : -ENOSPC;

    if (rc) {
        free(run);
        give_held(o);
        return rc;
    }
    o->run[o->run_count++] = run;
    o->count = 0;
    return 0;
}

int record_order_add(struct record_order *o, const struct flow_record *r)
{
    int rc = 0;

    if (o->count == o->room)
        rc = spill(o);
    o->record[o->count++] = *r;
    return rc;
}

/* Reads the next record of a run; false at its end. */
static bool run_next(struct record_order *o, struct run *run)
{
    if (!run->file) {
        if (o->given == o->count)
            return false;
        run->head = *held_at(o, o->given++);
        return true;
    }
    return fread(&run->head, sizeof(run->head), 1, run->file) == 1;
}

static bool run_before(const struct run *a, const struct run *b)
{
    struct order_key x = key_of(&a->head, 0), y = key_of(&b->head, 0);
    return compare_keys(&x, &y) < 0;
}

static void sift_down(struct run **heap, uint32_t n, uint32_t i)
{
    for (;;) {
        uint32_t least = i;
        for (uint32_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (run_before(heap[child], heap[least]))
                least = child;
        if (least == i)
            return;
        struct run *swap = heap[i];
        heap[i] = heap[least];
        heap[least] = swap;
        i = least;
    }
}

int record_order_flush(struct record_order *o)
{
    struct run held = {0}, *heap[RUNS_MAX + 1];
    uint32_t n = 0;
    int rc = 0;

    if (!o->run_count) {
        give_held(o);
        return 0;
    }
    sort_held(o);
    o->given = 0;
    if (run_next(o, &held))
        heap[n++] = &held;
    for (uint32_t i = 0; i < o->run_count; i++)
        if (run_next(o, o->run[i]))
            heap[n++] = o->run[i];
    for (uint32_t i = n; i-- > 0;)
        sift_down(heap, n, i);
    while (n) {
        o->sink(o->context, &heap[0]->head);
        if (!run_next(o, heap[0]))
            heap[0] = heap[--n];
        sift_down(heap, n, 0);
    }
    for (uint32_t i = 0; i < o->run_count; i++)
        if (ferror(o->run[i]->file))
            rc = -EIO;
    o->count = 0;
    return rc;
}
