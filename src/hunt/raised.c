#include "hunt/raised.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"

#define PROBES 32u
#define FLOW_SILENCE_NS                                                                            \
    UINT64_C(3600000000000) /* a flow that is not heard of for so long is over */

struct standing {
    struct alert alert; /* id 0 = free */
    uint64_t held_ns;   /* when the rule held last */
    uint64_t quiet_until_ns;
    uint8_t cleared;
};

struct raised {
    struct standing *standing;
    uint32_t mask, count;
    uint64_t forgotten;
};

int raised_create(uint32_t max, struct raised **out)
{
    struct raised *r = calloc(1, sizeof(*r));
    uint32_t size = 64;

    if (!r)
        return -ENOMEM;
    while (size < max)
        size *= 2;
    r->mask = size - 1;
    r->standing = memory_reserve(sizeof(*r->standing) * size);
    if (!r->standing) {
        free(r);
        return -ENOMEM;
    }
    *out = r;
    return 0;
}

void raised_destroy(struct raised *r)
{
    if (!r)
        return;
    memory_release(r->standing, sizeof(*r->standing) * (r->mask + 1));
    free(r);
}

static bool is_past(const struct standing *s, uint64_t now_ns)
{
    return s->cleared && now_ns >= s->quiet_until_ns;
}

static struct standing *at(struct raised *r, uint64_t id, uint32_t probe)
{
    return &r->standing[((uint32_t)(id ^ id >> 32) + probe) & r->mask];
}

static struct standing *find(struct raised *r, uint64_t id, uint64_t now_ns)
{
    for (uint32_t i = 0; i < PROBES; i++) {
        struct standing *s = at(r, id, i);
        if (s->alert.id == id && !is_past(s, now_ns))
            return s;
    }
    return NULL;
}

static struct standing *place(struct raised *r, uint64_t id, uint64_t now_ns)
{
    struct standing *cleared = NULL;

    for (uint32_t i = 0; i < PROBES; i++) {
        struct standing *s = at(r, id, i);
        if (!s->alert.id || is_past(s, now_ns))
            return s;
        if (s->cleared && (!cleared || s->quiet_until_ns < cleared->quiet_until_ns))
            cleared = s;
    }
    return cleared;
}

static enum raised_news stand_up(struct raised *r, const struct alert *a, uint64_t now_ns,
                                 uint64_t suppress_ns)
{
    struct standing *s = place(r, a->id, now_ns);

    if (!s) {
        r->forgotten++;
        return RAISED_NEW;
    }
    s->alert = *a;
    s->held_ns = now_ns;
    s->quiet_until_ns = now_ns + suppress_ns;
    s->cleared = 0;
    r->count++;
    return RAISED_NEW;
}

/* Within its time of silence a cleared alert stands up again without a word. */
static void stand_again(struct raised *r, struct standing *s)
{
    s->cleared = 0;
    r->count++;
}

enum raised_news raised_note(struct raised *r, const struct alert *a, uint64_t now_ns,
                             uint64_t suppress_ns)
{
    struct standing *s = find(r, a->id, now_ns);

    if (!s)
        return stand_up(r, a, now_ns, suppress_ns);
    s->held_ns = now_ns;
    if (a->level > s->alert.level) {
        if (s->cleared)
            stand_again(r, s);
        s->alert = *a;
        s->quiet_until_ns = now_ns + suppress_ns;
        return RAISED_HIGHER;
    }
    return RAISED_NOTHING;
}

bool raised_is_known(struct raised *r, uint64_t id, int level, uint64_t now_ns)
{
    struct standing *s = find(r, id, now_ns);

    if (!s || s->alert.level < level)
        return false;
    s->held_ns = now_ns;
    return true;
}

static void clear(struct raised *r, struct standing *s, uint64_t now_ns, struct alert *cleared)
{
    s->cleared = 1;
    r->count--;
    *cleared = s->alert;
    cleared->state = ALERT_CLEARED;
    cleared->ts_ns = now_ns;
}

bool raised_flow_ended(struct raised *r, uint64_t id, uint64_t flow_id, uint64_t now_ns,
                       struct alert *cleared)
{
    struct standing *s = find(r, id, now_ns);

    if (!s || s->cleared || s->alert.flow_id != flow_id)
        return false;
    clear(r, s, now_ns, cleared);
    return true;
}

/* A window has to pass without the rule holding. */
static bool is_over(const struct standing *s, uint64_t now_ns)
{
    uint64_t window = s->alert.window_ns;

    if (!window)
        return now_ns >= s->held_ns + FLOW_SILENCE_NS;
    return now_ns >= s->held_ns - s->held_ns % window + 2 * window;
}

bool raised_next_over(struct raised *r, uint64_t now_ns, uint32_t *cursor, struct alert *cleared)
{
    while (*cursor <= r->mask) {
        struct standing *s = &r->standing[(*cursor)++];
        if (!s->alert.id || s->cleared || !is_over(s, now_ns))
            continue;
        clear(r, s, now_ns, cleared);
        return true;
    }
    return false;
}

uint32_t raised_count(const struct raised *r)
{
    return r->count;
}

uint64_t raised_forgotten(const struct raised *r)
{
    return r->forgotten;
}
