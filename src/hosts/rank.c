#include "hosts/rank.h"

#include "hosts/book.h"

static uint64_t weight_at(const struct book *b, uint32_t at)
{
    return b->host[b->heap[at]].weight;
}

static void put(struct book *b, uint32_t at, uint32_t host)
{
    b->heap[at] = host;
    b->host[host].heap_at = at;
}

static void swap(struct book *b, uint32_t x, uint32_t y)
{
    uint32_t host = b->heap[x];

    put(b, x, b->heap[y]);
    put(b, y, host);
}

static void sift_up(struct book *b, uint32_t at)
{
    for (; at && weight_at(b, at) < weight_at(b, (at - 1) / 2); at = (at - 1) / 2)
        swap(b, at, (at - 1) / 2);
}

static void sift_down(struct book *b, uint32_t at)
{
    for (;;) {
        uint32_t least = 2 * at + 1;
        if (least >= b->outside_count)
            return;
        if (least + 1 < b->outside_count && weight_at(b, least + 1) < weight_at(b, least))
            least++;
        if (weight_at(b, at) <= weight_at(b, least))
            return;
        swap(b, at, least);
        at = least;
    }
}

void rank_add(struct book *b, uint32_t host)
{
    put(b, b->outside_count++, host);
    sift_up(b, b->outside_count - 1);
}

void rank_grown(struct book *b, uint32_t host)
{
    sift_down(b, b->host[host].heap_at);
}

void rank_remove_least(struct book *b)
{
    put(b, 0, b->heap[--b->outside_count]);
    sift_down(b, 0);
}
