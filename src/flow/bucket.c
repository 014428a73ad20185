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

bool bucket_reuse(struct flow_table *t, uint32_t hash, uint32_t index,
                  const struct bucket_slot *cleared)
{
    if (cleared->bucket != &t->bucket[bucket_first(t, hash)])
        return false;
    place(cleared->bucket, (int)cleared->slot, bucket_tag(hash), index, RANK_NEW);
    return true;
}

/* Where index is. */
static struct bucket_slot locate(struct flow_table *t, uint32_t hash, uint32_t index)
{
    uint16_t tag = bucket_tag(hash);
    uint32_t at = bucket_first(t, hash);

    for (unsigned second = 0; second < 2; second++) {
        struct bucket *b = &t->bucket[at];
        for (uint32_t m = bucket_match(b, tag | (uint16_t)second); m; m &= m - 1) {
            unsigned slot = (unsigned)__builtin_ctz(m);
            if (b->index[slot] == index)
                return (struct bucket_slot){b, slot};
        }
        at = bucket_other(t, at, tag);
    }
    assert(!"an entry is in one of its buckets");
    return (struct bucket_slot){0};
}

void bucket_clear(struct flow_table *t, uint32_t hash, const struct bucket_slot *at)
{
    if (at->bucket->tag[at->slot] & 1)
        overflow_drop(&t->bucket[bucket_first(t, hash)]);
    place(at->bucket, (int)at->slot, 0, 0, 0);
}

void bucket_remove(struct flow_table *t, uint32_t hash, uint32_t index)
{
    struct bucket_slot at = locate(t, hash, index);

    bucket_clear(t, hash, &at);
}

void bucket_promote(struct flow_table *t, uint32_t hash, uint32_t index, unsigned rank)
{
    struct bucket_slot at = locate(t, hash, index);

    bucket_set_rank(at.bucket, at.slot, rank);
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
static void consider(struct bucket *b, unsigned *best, struct bucket_slot *victim)
{
    const uint32_t taken = bucket_taken(b);

    for (unsigned rank = RANK_PARKED; rank < *best; rank++) {
        uint32_t slots = bucket_ranked(b, taken, rank);
        if (!slots)
            continue;
        *best = rank;
        *victim = (struct bucket_slot){b, bucket_from_hand(b, slots)};
    }
}

static void advance_hand(struct bucket *b)
{
    unsigned hand = bucket_hand(b) + 1;

    hand = hand < BUCKET_SLOTS ? hand : 0;
    b->control = (b->control & ~(15u << HAND_SHIFT)) | hand << HAND_SHIFT;
}

uint32_t bucket_victim(struct flow_table *t, uint32_t hash, bool own_only,
                       struct bucket_slot *victim)
{
    uint32_t first = bucket_first(t, hash);
    unsigned best = RANK_MANY + 1;

    consider(&t->bucket[first], &best, victim);
    consider(&t->bucket[bucket_other(t, first, bucket_tag(hash))], &best, victim);
    for (uint32_t i = 1; !own_only && i <= t->bucket_mask; i++) {
        if (best < RANK_SEVERAL || (best <= RANK_MANY && i > VICTIM_BUCKETS))
            break;
        consider(&t->bucket[(first + i) & t->bucket_mask], &best, victim);
    }
    if (best > RANK_MANY)
        return 0;
    advance_hand(victim->bucket);
    return victim->bucket->index[victim->slot];
}
