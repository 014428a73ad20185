#include "hosts/tally.h"

#include <errno.h>

#include "base/memory.h"

#define TAKE_TRIES 64u /* silent lines looked at for a new host */

static uint32_t lines(const struct tally_shape *s)
{
    return 1 + s->max_inside + (s->set_mask + 1) * TALLY_WAYS;
}

int tally_table_init(struct tally_table *b, const struct tally_shape *s)
{
    uint64_t count = lines(s);

    b->shape = s;
    b->turn = 1;
    b->line = memory_reserve(sizeof(*b->line) * count);
    b->wide = memory_reserve(sizeof(*b->wide) * count);
    b->used = memory_reserve(sizeof(*b->used) * count);
    b->silent = memory_reserve(sizeof(*b->silent) * s->max_inside);
    b->index = memory_reserve(sizeof(*b->index) * ((uint64_t)s->index_mask + 1));
    b->hint = memory_reserve(sizeof(*b->hint) * s->max_slots);
    b->event = memory_reserve(sizeof(*b->event) * s->max_events);
    return b->line && b->wide && b->used && b->silent && b->index && b->hint && b->event ? 0
                                                                                         : -ENOMEM;
}

void tally_table_fini(struct tally_table *b)
{
    const struct tally_shape *s = b->shape;

    if (!s)
        return;
    uint64_t count = lines(s);
    memory_release(b->line, sizeof(*b->line) * count);
    memory_release(b->wide, sizeof(*b->wide) * count);
    memory_release(b->used, sizeof(*b->used) * count);
    memory_release(b->silent, sizeof(*b->silent) * s->max_inside);
    memory_release(b->index, sizeof(*b->index) * ((uint64_t)s->index_mask + 1));
    memory_release(b->hint, sizeof(*b->hint) * s->max_slots);
    memory_release(b->event, sizeof(*b->event) * s->max_events);
}

static bool same_key(const struct host_key *a, const struct host_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* --- Counters --- */

uint64_t *tally_table_wide(struct tally_table *b, struct tally_line *l)
{
    if (!l->wide)
        l->wide = ++b->wide_count;
    return b->wide[l->wide - 1].counters.value;
}

static void add_counts(uint64_t *value, const struct tally_line *l)
{
    for (int i = 0; i <= HOST_OUTSIDE_IN; i++)
        value[i] += l->count[i];
    value[HOST_TLS_OUT] += l->count[TALLY_TLS_OUT];
    value[HOST_TLS_IN] += l->count[TALLY_TLS_OUT + 1];
}

void tally_table_fold(struct tally_table *b, struct tally_line *l)
{
    add_counts(tally_table_wide(b, l), l);
    memset(l->count, 0, sizeof(l->count));
}

void tally_line_counters(const struct tally_table *b, const struct tally_line *l,
                         struct host_counters *out)
{
    if (l->wide)
        *out = b->wide[l->wide - 1].counters;
    else
        memset(out, 0, sizeof(*out));
    add_counts(out->value, l);
}

/* --- Inside hosts --- */

static uint32_t tag_of(const struct hash_value *hash)
{
    return (uint32_t)hash->place;
}

/* The slot that holds the key, or the free one where it would go. */
static uint32_t slot_of(const struct tally_table *b, const struct host_key *key, uint32_t tag)
{
    const uint32_t mask = b->shape->index_mask;

    for (uint32_t i = tag & mask;; i = (i + 1) & mask) {
        const struct tally_slot *s = &b->index[i];
        if (!s->number || (s->tag == tag && same_key(&b->line[s->number].key, key)))
            return i;
    }
}

/* Closes the gap of a slot that becomes free, as linear probing needs it. */
static void slot_free(struct tally_table *b, uint32_t gap)
{
    const uint32_t mask = b->shape->index_mask;

    for (uint32_t i = (gap + 1) & mask; b->index[i].number; i = (i + 1) & mask) {
        if (((i - b->index[i].tag) & mask) < ((i - gap) & mask))
            continue;
        b->index[gap] = b->index[i];
        gap = i;
    }
    b->index[gap] = (struct tally_slot){0};
}

static void forget(struct tally_table *b, uint32_t number)
{
    struct hash_job job = {.blocks = 1};

    memcpy(job.block[0], &b->line[number].key, sizeof(struct host_key));
    b->shape->hash_burst(&b->shape->secret, &job, 1, sizeof(job));
    slot_free(b, slot_of(b, &b->line[number].key, tag_of(&job.value)));
}

/* A number for a new host: a fresh one, or one whose host is silent still. */
static uint32_t take_number(struct tally_table *b)
{
    if (b->inside_count < b->shape->max_inside)
        return ++b->inside_count;
    for (uint32_t tries = 0; b->silent_count && tries < TAKE_TRIES; tries++) {
        uint32_t number = b->silent[--b->silent_count];
        if (b->line[number].turn == b->turn)
            continue;
        forget(b, number);
        b->hand = number;
        return number;
    }
    b->inside_refused++;
    return TALLY_NONE;
}

uint32_t tally_table_inside(struct tally_table *b, const struct host_key *key,
                            const struct hash_value *hash)
{
    uint32_t tag = tag_of(hash), number = b->index[slot_of(b, key, tag)].number;

    if (!number) {
        number = take_number(b);
        if (!number)
            return TALLY_NONE;
        b->line[number].key = *key; /* the slot anew: taking may have moved it */
        b->index[slot_of(b, key, tag)] = (struct tally_slot){.tag = tag, .number = number};
    }
    tally_line_begin(b, number);
    return number;
}

/* --- Outside hosts --- */

/* What a line of this turn has to lose. */
static uint64_t weight(const struct tally_table *b, const struct tally_line *l)
{
    uint64_t octets = (uint64_t)l->count[HOST_OCTETS_OUT] + l->count[HOST_OCTETS_IN];

    if (!l->wide)
        return octets;
    const uint64_t *wide = b->wide[l->wide - 1].counters.value;
    return octets + wide[HOST_OCTETS_OUT] + wide[HOST_OCTETS_IN];
}

static void give_way(struct tally_table *b, struct tally_line *l)
{
    struct host_counters counters;

    tally_line_counters(b, l, &counters);
    for (int i = 0; i < HOST_COUNTER_COUNT; i++)
        b->other.value[i] += counters.value[i];
    memset(l->count, 0, sizeof(l->count));
    if (l->wide)
        memset(&b->wide[l->wide - 1], 0, sizeof(*b->wide));
}

/* The way of a set that a host may have which brings so many octets. */
static uint32_t take_way(struct tally_table *b, uint32_t first, uint64_t octets)
{
    uint32_t least = first;
    uint64_t least_octets = UINT64_MAX;

    for (uint32_t number = first; number < first + TALLY_WAYS; number++) {
        const struct tally_line *l = &b->line[number];
        uint64_t w = l->turn == b->turn ? weight(b, l) + 1 : 0;
        if (w >= least_octets)
            continue;
        least_octets = w;
        least = number;
    }
    if (least_octets > octets)
        return TALLY_NONE;
    if (least_octets)
        give_way(b, &b->line[least]);
    return least;
}

uint32_t tally_table_outside(struct tally_table *b, const struct host_key *key,
                             const struct hash_value *hash, uint64_t octets)
{
    uint32_t first = tally_set_first(b, hash), number = first;

    while (number < first + TALLY_WAYS && !same_key(&b->line[number].key, key))
        number++;
    if (number == first + TALLY_WAYS) {
        number = take_way(b, first, octets);
        if (!number)
            return TALLY_NONE;
        b->line[number].key = *key;
    }
    tally_line_begin(b, number);
    return number;
}

/* --- Turns --- */

/* From the hand on, so that the line behind it is taken first. */
static void list_silent(struct tally_table *b)
{
    b->silent_count = 0;
    if (b->inside_count <= b->shape->max_inside / 2)
        return;
    for (uint32_t n = 0; n < b->inside_count; n++) {
        uint32_t number = b->hand > n ? b->hand - n : b->hand + b->inside_count - n;
        if (b->line[number].turn != b->turn)
            b->silent[b->silent_count++] = number;
    }
}

void tally_table_empty(struct tally_table *b)
{
    list_silent(b);
    memset(b->wide, 0, sizeof(*b->wide) * b->wide_count);
    b->turn++;
    b->used_count = b->wide_count = b->events = 0;
    b->events_missed = b->inside_refused = 0;
    b->first_ns = b->last_ns = 0;
    memset(&b->other, 0, sizeof(b->other));
    memset(&b->total, 0, sizeof(b->total));
}
