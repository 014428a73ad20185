#include "base/spsc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define CAPACITY_MAX (1u << 30)

struct side {
    _Atomic uint32_t position; /* written by this side, read by the other */
    uint32_t other;            /* the other's position when it was last looked at */
} __attribute__((aligned(MEMORY_LINE)));

struct spsc {
    char *element;
    uint32_t mask;
    uint32_t octets; /* of an element */
    struct side push, pop;
};

int spsc_create(uint32_t capacity, uint32_t element_octets, struct spsc **out)
{
    struct spsc *r;

    if (!capacity || capacity > CAPACITY_MAX || (capacity & (capacity - 1)) || !element_octets)
        return -EINVAL;
    r = memory_lines(sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->mask = capacity - 1;
    r->octets = element_octets;
    r->element = memory_reserve((size_t)capacity * element_octets);
    if (!r->element) {
        free(r);
        return -ENOMEM;
    }
    *out = r;
    return 0;
}

void spsc_destroy(struct spsc *r)
{
    if (!r)
        return;
    memory_release(r->element, ((size_t)r->mask + 1) * r->octets);
    free(r);
}

/* Elements from a position on lie in one piece up to the end of the array, the rest at its start.
 */
static uint32_t first_piece(const struct spsc *r, uint32_t position, uint32_t count)
{
    uint32_t to_end = r->mask + 1 - (position & r->mask);
    return count < to_end ? count : to_end;
}

static char *slot(const struct spsc *r, uint32_t position)
{
    return r->element + (size_t)(position & r->mask) * r->octets;
}

static void copy_in(struct spsc *r, uint32_t position, const char *from, uint32_t count)
{
    uint32_t first = first_piece(r, position, count);

    memcpy(slot(r, position), from, (size_t)first * r->octets);
    memcpy(r->element, from + (size_t)first * r->octets, (size_t)(count - first) * r->octets);
}

static void copy_out(const struct spsc *r, uint32_t position, char *to, uint32_t count)
{
    uint32_t first = first_piece(r, position, count);

    memcpy(to, slot(r, position), (size_t)first * r->octets);
    memcpy(to + (size_t)first * r->octets, r->element, (size_t)(count - first) * r->octets);
}

uint32_t spsc_push_burst(struct spsc *r, const void *elements, uint32_t count)
{
    uint32_t at = atomic_load_explicit(&r->push.position, memory_order_relaxed);
    uint32_t room = r->mask + 1 - (at - r->push.other);

    if (room < count) {
        r->push.other = atomic_load_explicit(&r->pop.position, memory_order_acquire);
        room = r->mask + 1 - (at - r->push.other);
    }
    if (count > room)
        count = room;
    if (!count)
        return 0;
    copy_in(r, at, elements, count);
    atomic_store_explicit(&r->push.position, at + count, memory_order_release);
    return count;
}

uint32_t spsc_pop_burst(struct spsc *r, void *elements, uint32_t count)
{
    uint32_t at = atomic_load_explicit(&r->pop.position, memory_order_relaxed);
    uint32_t there = r->pop.other - at;

    if (there < count) {
        r->pop.other = atomic_load_explicit(&r->push.position, memory_order_acquire);
        there = r->pop.other - at;
    }
    if (count > there)
        count = there;
    if (!count)
        return 0;
    copy_out(r, at, elements, count);
    atomic_store_explicit(&r->pop.position, at + count, memory_order_release);
    return count;
}

/* The popper's position first: what is pushed meanwhile may count, what was popped does not make it
 * negative. */
uint32_t spsc_count(const struct spsc *r)
{
    uint32_t pop = atomic_load_explicit(&r->pop.position, memory_order_acquire);
    uint32_t count = atomic_load_explicit(&r->push.position, memory_order_acquire) - pop;

    return count > r->mask + 1 ? r->mask + 1 : count;
}

uint32_t spsc_capacity(const struct spsc *r)
{
    return r->mask + 1;
}
