/*
 * A ring of fixed-size elements between one thread that pushes and one that pops. Neither ever
 * waits for the other, and neither calls the kernel.
 *
 * Design note. Positions run freely in 32 bits and are masked where the array is touched, so that
 * all slots are usable; each side keeps its own position and the last it saw of the other's in one
 * cache line of its own, and reads the other's line only when by its copy there is no room or no
 * element. A push stores its position with release after the elements are copied, a pop loads it
 * with acquire before copying them out, and the same the other way round for slots that are free
 * again. The array is reserved, and its pages backed when first used.
 *
 * Full: spsc_push_burst() takes as many as fit, in order, and says so; what becomes of the rest is
 * the caller's affair.
 */
#pragma once

#include <stdint.h>

struct spsc;

/* capacity: elements, a power of two up to 2^30. Returns 0; -EINVAL; -ENOMEM. */
int spsc_create(uint32_t capacity, uint32_t element_octets, struct spsc **);
/* Neither side may use it any more. NULL is fine. */
void spsc_destroy(struct spsc *);

/* The pushing thread. Returns how many of count were taken: the first ones. */
uint32_t spsc_push_burst(struct spsc *, const void *elements, uint32_t count);

/* The popping thread. Returns how many of up to count were given, oldest first. */
uint32_t spsc_pop_burst(struct spsc *, void *elements, uint32_t count);

/* Any thread: elements inside, as of some moment within the call. */
uint32_t spsc_count(const struct spsc *);
uint32_t spsc_capacity(const struct spsc *);
