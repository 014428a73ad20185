/*
 * The octets of a file, read and unpacked ahead of their use by a thread of its own.
 *
 * Design note. A few blocks form a ring; the thread fills them in turn, the caller takes them in
 * turn. Two semaphores count the filled and the empty ones, and by its semaphore a block goes over
 * to the other side. A block holds what one unpack_read() gave, so that the octets of a pipe are
 * handed on as they come; behind the one that tells the end the thread is done. The octets in front
 * of each block are the caller's at any time.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct ahead;
struct unpack;

#define AHEAD_KEPT (256 * 1024 + 64) /* octets that may stand in front of a block */
#define AHEAD_BLOCK (256 * 1024)

/* The source is the thread's until ahead_stop(). Returns 0 or -errno. */
int ahead_start(struct unpack *, struct ahead **);

/* Also while the thread waits for octets that do not come. NULL is fine. */
void ahead_stop(struct ahead *);

/* Where the octets of the next block will lie. */
uint8_t *ahead_place(struct ahead *);

/*
 * Takes the next block, and gives the one before back. Returns its octets as unpack_read() does;
 * after 0 or -1 for ever the same. EINTR where a signal's handler broke off the wait: then nothing
 * was taken.
 */
ssize_t ahead_next(struct ahead *);

/* As of the block that was taken last: unpack_error(), unpack_offset(). */
const char *ahead_error(const struct ahead *);
uint64_t ahead_offset(const struct ahead *);
