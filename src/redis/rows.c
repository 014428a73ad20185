#include "redis/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "redis/key.h"

#define NONE UINT32_MAX
#define WINDOWS_KEPT 3
#define LATE_NS                                                                                    \
    UINT64_C(15000000000)  /* the last of a window comes after its end; views look back */
#define RESEND_STEP 65536u /* rows looked at in a call, to push all again */

struct slot {
    struct host_row row;
    uint32_t chain; /* next of the same head, or free */
    uint32_t next;  /* to be pushed after this */
    bool used, waiting;
    bool pushed; /* Redis may have it */
    bool wipe;   /* what Redis has of it is to go */
    uint8_t had_gauge;
};

struct rows {
    struct slot *slot;
    uint32_t *head;
    uint32_t max, mask;
    uint32_t high_water, free;
    uint32_t first, last; /* to be pushed */
    uint32_t resend;      /* all from here on are to be pushed; NONE: none */
    uint32_t aged;
    uint32_t unlisted; /* given up while they waited, and still in the list */
    struct hash_secret secret;
    hash_burst_fn *hash;
    struct rows_stats stats;
};

int rows_create(uint32_t max, struct rows **out)
{
    struct rows *t = calloc(1, sizeof(*t));
    uint64_t heads = 1024;

    if (!t)
        return -ENOMEM;
    while (heads < max)
        heads *= 2;
    t->max = max;
    t->hash = hash_burst_best();
    t->mask = (uint32_t)heads - 1;
    t->free = t->first = t->last = t->resend = NONE;
    t->slot = memory_reserve(sizeof(*t->slot) * max);
    t->head = memory_reserve(sizeof(*t->head) * heads);
    if (!t->slot || !t->head || hash_secret_random(&t->secret)) {
        rows_destroy(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

void rows_destroy(struct rows *t)
{
    if (!t)
        return;
    memory_release(t->slot, sizeof(*t->slot) * t->max);
    memory_release(t->head, sizeof(*t->head) * (t->mask + (size_t)1));
    free(t);
}

/* Heads hold an index + 1, so that untouched memory says none. */
static uint32_t *head_of(struct rows *t, const struct host_row *r)
{
    struct hash_job job = {.blocks = 2};
    uint64_t window[2] = {r->start_ns, r->window};

    memcpy(job.block[0], r->key.address, HASH_BLOCK);
    memcpy(job.block[1], window, HASH_BLOCK);
    t->hash(&t->secret, &job, 1, sizeof(job));
    return &t->head[job.value.place & t->mask];
}

static bool same(const struct host_row *a, const struct host_row *b)
{
    return a->start_ns == b->start_ns && a->window == b->window &&
           memcmp(&a->key, &b->key, sizeof(a->key)) == 0;
}

static struct slot *find(struct rows *t, const struct host_row *r)
{
    for (uint32_t at = *head_of(t, r); at; at = t->slot[at - 1].chain)
        if (same(&t->slot[at - 1].row, r))
            return &t->slot[at - 1];
    return NULL;
}

static void set_waiting(struct rows *t, struct slot *s)
{
    uint32_t at = (uint32_t)(s - t->slot);

    if (s->waiting)
        return;
    s->waiting = true;
    s->next = NONE;
    if (t->last == NONE)
        t->first = at;
    else
        t->slot[t->last].next = at;
    t->last = at;
    t->stats.waiting++;
}

/* A waiting slot stays in its list, and is given back when its turn comes. */
static void give_up(struct rows *t, struct slot *s)
{
    uint32_t *link = head_of(t, &s->row), at = (uint32_t)(s - t->slot);

    while (*link != at + 1)
        link = &t->slot[*link - 1].chain;
    *link = s->chain;
    s->used = false;
    t->stats.kept--;
    if (s->waiting) {
        t->unlisted++;
        return;
    }
    s->chain = t->free;
    t->free = at;
}

static void drop(struct rows *t, struct slot *s)
{
    t->stats.dropped += s->waiting && !s->row.gone;
    give_up(t, s);
}

static struct slot *take_first(struct rows *t)
{
    struct slot *s = &t->slot[t->first];

    t->first = s->next;
    if (t->first == NONE)
        t->last = NONE;
    s->waiting = false;
    t->stats.waiting--;
    return s;
}

static void give_back(struct rows *t, struct slot *s)
{
    t->unlisted--;
    s->chain = t->free;
    t->free = (uint32_t)(s - t->slot);
}

static uint64_t end_of(const struct host_row *r)
{
    return r->start_ns + host_window_ns[r->window];
}

/* Rows that were given up while they waited, out of the list. */
static void clean_list(struct rows *t)
{
    uint32_t count = t->stats.waiting;

    while (count--) {
        struct slot *s = take_first(t);
        if (s->used)
            set_waiting(t, s);
        else
            give_back(t, s);
    }
}

/* Gives up the window that ended first; false: none ends before end_ns. */
static bool make_room(struct rows *t, uint64_t end_ns)
{
    uint64_t least = end_ns;

    for (uint32_t i = 0; i < t->high_water; i++)
        if (t->slot[i].used && end_of(&t->slot[i].row) < least)
            least = end_of(&t->slot[i].row);
    if (least == end_ns)
        return false;
    for (uint32_t i = 0; i < t->high_water; i++)
        if (t->slot[i].used && end_of(&t->slot[i].row) == least)
            drop(t, &t->slot[i]);
    clean_list(t);
    return true;
}

static bool is_full(const struct rows *t)
{
    return t->free == NONE && t->high_water == t->max;
}

static struct slot *new_slot(struct rows *t, const struct host_row *r)
{
    if (is_full(t) && t->unlisted)
        clean_list(t);
    if (is_full(t) && !make_room(t, end_of(r)))
        return NULL;
    struct slot *s = &t->slot[t->free != NONE ? t->free : t->high_water++];
    if (t->free != NONE)
        t->free = s->chain;
    uint32_t *head = head_of(t, r);
    *s = (struct slot){.used = true, .chain = *head};
    *head = (uint32_t)(s - t->slot) + 1;
    t->stats.kept++;
    return s;
}

uint8_t rows_gauges(const struct host_row *r)
{
    uint8_t gauges = (uint8_t)((r->open != 0) << GAUGE_OPEN);

    return gauges | (uint8_t)((r->oldest_start_ns != 0) << GAUGE_OLDEST);
}

static void put_gone(struct rows *t, const struct host_row *r)
{
    struct slot *s = find(t, r);

    if (!s)
        return;
    if (!s->pushed) {
        give_up(t, s);
        return;
    }
    s->row = *r;
    s->wipe = true;
    set_waiting(t, s);
}

void rows_put(struct rows *t, const struct host_row *r)
{
    if (r->gone) {
        put_gone(t, r);
        return;
    }
    struct slot *s = find(t, r);
    if (!s)
        s = new_slot(t, r);
    if (!s) {
        t->stats.dropped++;
        return;
    }
    s->had_gauge |= rows_gauges(&s->row);
    s->row = *r;
    set_waiting(t, s);
}

/* The next rows of all that are to be pushed again join the list. */
static void resend_some(struct rows *t)
{
    uint32_t end = t->resend;

    if (t->resend == NONE)
        return;
    end = t->high_water - end > RESEND_STEP ? end + RESEND_STEP : t->high_water;
    for (; t->resend < end; t->resend++)
        if (t->slot[t->resend].used)
            set_waiting(t, &t->slot[t->resend]);
    if (end == t->high_water)
        t->resend = NONE;
}

size_t rows_take(struct rows *t, struct rows_taken *out, size_t max)
{
    size_t count = 0;

    while (t->first == NONE && t->resend != NONE)
        resend_some(t);
    while (count < max && t->first != NONE) {
        struct slot *s = take_first(t);
        if (!s->used) {
            give_back(t, s);
            continue;
        }
        out[count++] =
            (struct rows_taken){.row = s->row, .had_gauge = s->had_gauge, .wipe = s->wipe};
        s->pushed = true;
        s->wipe = false;
    }
    return count;
}

void rows_done(struct rows *t, const struct rows_taken *taken)
{
    struct slot *s = taken->row.gone ? find(t, &taken->row) : NULL;

    if (s && s->row.gone && !s->waiting)
        give_up(t, s);
}

void rows_again(struct rows *t, const struct rows_taken *taken)
{
    struct slot *s = find(t, &taken->row);

    if (!s)
        return;
    s->wipe |= taken->wipe;
    set_waiting(t, s);
}

void rows_all_again(struct rows *t)
{
    t->resend = 0;
}

static bool is_over(const struct slot *s, uint64_t now_ns)
{
    uint64_t kept = s->waiting ? WINDOWS_KEPT * host_window_ns[s->row.window] : LATE_NS;

    return end_of(&s->row) + kept < now_ns;
}

void rows_age(struct rows *t, uint64_t now_ns, uint32_t step)
{
    for (; step && t->high_water; step--) {
        t->aged = t->aged + 1 < t->high_water ? t->aged + 1 : 0;
        struct slot *s = &t->slot[t->aged];
        if (s->used && is_over(s, now_ns))
            drop(t, s);
    }
}

size_t rows_read(const struct rows *t, enum host_window w, uint64_t now_ns, struct host_row *out,
                 size_t max)
{
    uint64_t start = now_ns - now_ns % host_window_ns[w];
    size_t count = 0;

    for (uint32_t i = 0; i < t->high_water && count < max; i++)
        if (t->slot[i].used && !t->slot[i].row.gone && t->slot[i].row.window == w &&
            t->slot[i].row.start_ns == start)
            out[count++] = t->slot[i].row;
    return count;
}

void rows_stats(const struct rows *t, struct rows_stats *out)
{
    *out = t->stats;
    if (t->resend != NONE)
        out->waiting += t->high_water - t->resend;
}
