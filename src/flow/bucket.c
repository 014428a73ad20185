#include "flow/bucket.h"

#include "base/prefetch.h"

#define OVERFLOW_ONE (1u << 24)
#define OVERFLOW_MAX 255u
#define HAND_SHIFT 20
#define PREFETCH_FLOWS 8 /* while all are inserted */
#define VICTIM_BUCKETS 8 /* looked at beyond the two, for something below an elephant */

static int free_slot(const struct bucket *b)
{
    uint32_t free = bucket_match(b, 0);
    return free ? __builtin_ctz(free) : -1;
}

static void place(struct bucket *b, int slot, uint16_t tag, uint32_t index, unsigned rank)
{
    b->tag[slot] = tag;
    b->index[slot] = index;
    bucket_set_rank(b, (unsigned)slot, rank);
}

/* A count that has reached its end stays there: the second bucket is then read for nothing, never
 * missed. */
static void overflow_add(struct bucket *b)
{
    if (bucket_overflow(b) < OVERFLOW_MAX)
        b->control += OVERFLOW_ONE;
}

static void overflow_drop(struct bucket *b)
{
    if (bucket_overflow(b) < OVERFLOW_MAX)
        b->control -= OVERFLOW_ONE;
}

/* Moves one entry of bucket at to its other bucket. */
static bool make_room(struct flow_table *t, uint32_t at)
{
    struct bucket *b = &t->bucket[at];

    for (unsigned slot = 0; slot < BUCKET_SLOTS; slot++) {
        uint16_t tag = b->tag[slot];
        struct bucket *other = &t->bucket[bucket_other(t, at, tag & 0xfffe)];
        int room = free_slot(other);
        if (room < 0 || other == b)
            continue;
        place(other, room, tag ^ 1, b->index[slot], bucket_rank(b, slot));
        if (tag & 1)
            overflow_drop(other);
        else
            overflow_add(b);
        b->tag[slot] = 0;
        b->index[slot] = 0;
        return true;
    }
    return false;
}

bool bucket_insert(struct flow_table *t, uint32_t hash, uint32_t index)
{
    uint16_t tag = bucket_tag(hash);
    uint32_t first = bucket_first(t, hash);
    struct bucket *b = &t->bucket[first];
    int slot = free_slot(b);

    if (slot >= 0) {
        place(b, slot, tag, index, RANK_NEW);
        return true;
    }
    struct bucket *other = &t->bucket[bucket_other(t, first, tag)];
    slot = free_slot(other);
    if (slot >= 0) {
        place(other, slot, tag | 1, index, RANK_NEW);
        overflow_add(b);
        return true;
    }
    if (!make_room(t, first))
        return false;
    place(b, free_slot(b), tag, index, RANK_NEW);
    return true;
}

/* The bucket and slot that hold index. */
static struct bucket *locate(struct flow_table *t, uint32_t hash, uint32_t index, unsigned *slot)
{
    uint16_t tag = bucket_tag(hash);
    uint32_t at = bucket_first(t, hash);

    for (unsigned second = 0; second < 2; second++) {
        struct bucket *b = &t->bucket[at];
        for (uint32_t m = bucket_match(b, tag | (uint16_t)second); m; m &= m - 1) {
            *slot = (unsigned)__builtin_ctz(m);
            if (b->index[*slot] == index)
                return b;
        }
        at = bucket_other(t, at, tag);
    }
    return NULL;
}

void bucket_remove(struct flow_table *t, uint32_t hash, uint32_t index)
{
    unsigned slot;
    struct bucket *b = locate(t, hash, index, &slot);

    assert(b);
    if (b->tag[slot] & 1)
        overflow_drop(&t->bucket[bucket_first(t, hash)]);
    place(b, (int)slot, 0, 0, 0);
}

void bucket_promote(struct flow_table *t, uint32_t hash, uint32_t index, unsigned rank)
{
    unsigned slot;
    struct bucket *b = locate(t, hash, index, &slot);

    assert(b);
    bucket_set_rank(b, slot, rank);
}

bool bucket_insert_all(struct flow_table *t)
{
    for (uint32_t i = 1; i < t->high_water; i++) {
        const struct flow_cold *c = &t->cold[i];
        prefetch_read(&t->cold[i + PREFETCH_FLOWS].hash);
        prefetch_write(&t->bucket[bucket_first(t, t->cold[i + PREFETCH_FLOWS / 2].hash)]);
        if (t->hot[i].kind == KIND_KEY)
            continue;
        if (!bucket_insert(t, c->hash, i))
            return false;
        if (c->rank != RANK_NEW)
            bucket_promote(t, c->hash, i, c->rank);
    }
    return true;
}

/* The least rank in b below *best, from the hand on. */
static void consider(struct bucket *b, unsigned *best, uint32_t *index, struct bucket **where)
{
    const uint32_t taken = bucket_taken(b);

    for (unsigned rank = RANK_PARKED; rank < *best; rank++) {
        uint32_t slots = bucket_ranked(b, taken, rank);
        if (!slots)
            continue;
        *best = rank;
        *index = b->index[bucket_from_hand(b, slots)];
        *where = b;
    }
}

static void advance_hand(struct bucket *b)
{
    unsigned hand = (bucket_hand(b) + 1) % BUCKET_SLOTS;
    b->control = (b->control & ~(15u << HAND_SHIFT)) | hand << HAND_SHIFT;
}

uint32_t bucket_victim(struct flow_table *t, uint32_t hash, bool own_only)
{
    uint32_t first = bucket_first(t, hash), index = 0;
    struct bucket *where = NULL;
    unsigned best = RANK_MANY + 1;

    consider(&t->bucket[first], &best, &index, &where);
    consider(&t->bucket[bucket_other(t, first, bucket_tag(hash))], &best, &index, &where);
    for (uint32_t i = 1; !own_only && i <= t->bucket_mask; i++) {
        if (best < RANK_SEVERAL || (index && i > VICTIM_BUCKETS))
            break;
        consider(&t->bucket[(first + i) & t->bucket_mask], &best, &index, &where);
    }
    if (where)
        advance_hand(where);
    return index;
}
