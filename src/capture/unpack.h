/*
 * The octets of a stored file or a pipe, gzip (RFC 1952) undone. gzip is known by its magic number,
 * not by name; members may follow each other, and what stands behind the last one is passed over,
 * as gzip(1) does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct unpack;

/* Takes the descriptor over, also when it fails. Returns 0 or -ENOMEM. */
int unpack_open(int fd, struct unpack **);
void unpack_close(struct unpack *);

/*
 * Octets at out, at most size: what one read(2) gives, so that a pipe's are there as they come.
 * Returns how many; 0 at the end; -1 and errno. What came before damage is given first.
 */
ssize_t unpack_read(struct unpack *, uint8_t *out, size_t size);

/* Known after the first read. */
bool unpack_is_gzip(const struct unpack *);

/* Why reading failed, where errno cannot say it; else NULL. */
const char *unpack_error(const struct unpack *);

/* Octets taken from the file as stored. */
uint64_t unpack_offset(const struct unpack *);
