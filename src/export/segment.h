/*
 * A segment file of the spool: a header, then frames. Reads and writes at offsets; knows no queue.
 *
 *     0   struct segment_header   magic; mark: everything before this offset was delivered
 *     32  struct segment_frame    of one message: account, hash of its templates, two checksums
 *         octets of the message
 *     ... the next frame
 *
 * in the byte order of the machine. Each frame stands for itself: where one is damaged, the next is
 * searched for by its magic and proved by the checksum over its header.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "export/crc32c.h"
#include "export/message.h"

#define SEGMENT_MAGIC 0x314c505352494557ull /* "WEIRSPL1" in a little-endian file */
#define FRAME_MAGIC 0x454d5246u             /* "FRME" */

struct segment_header {
    uint64_t magic;
    uint64_t mark, mark_check; /* the second is its complement; else the mark is not to be used */
    uint64_t reserved;
};
static_assert(sizeof(struct segment_header) == 32, "layout of a segment");

struct segment_frame {
    uint32_t magic;
    uint32_t header_crc; /* of what follows, up to the message */
    uint32_t message_crc;
    uint32_t templates;
    struct message_info info;
    uint64_t profile;
};
static_assert(sizeof(struct segment_frame) == 16 + sizeof(struct message_info) + 8,
              "no padding in a frame");

/* System calls, so that tests can make them fail. */
struct spool_io {
    ssize_t (*pread)(int fd, void *, size_t, off_t);
    ssize_t (*pwrite)(int fd, const void *, size_t, off_t);
    int (*fdatasync)(int fd);
};

struct segment_file {
    int fd;
    uint64_t size; /* octets that count: header and whole frames when writing, all when reading */
    const struct spool_io *io;
    const struct crc32c *crc;
};

/* 0 or -errno. */
int segment_write_header(struct segment_file *, uint64_t mark);

/* Where reading begins: the mark, else behind the header. What has no header is read from 0. */
uint64_t segment_begin(struct segment_file *, int *error);

/* Appends one frame. On failure the segment is as before. buffer has room for frame and message. */
int segment_append(struct segment_file *, struct segment_frame *, const uint8_t *octets,
                   uint8_t *buffer);

/* The first frame at or behind *at that checks; *at is then its place. False: there is none, *at is
 * the end. *error: -errno of a read that failed. */
bool segment_find(struct segment_file *, uint64_t *at, struct segment_frame *, int *error);

/* The message of a frame. -EBADMSG: it does not check; or -errno. */
int segment_message(struct segment_file *, uint64_t at, const struct segment_frame *,
                    uint8_t *octets);
