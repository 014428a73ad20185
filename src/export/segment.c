#include "export/segment.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define SEARCH_CHUNK 16384

/* What a read that ends early leaves is zero. Octets read or -errno. */
static ssize_t read_at(const struct segment_file *f, void *out, size_t len, uint64_t at)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = f->io->pread(f->fd, (uint8_t *)out + have, len - have, (off_t)(at + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static int write_at(const struct segment_file *f, const void *octets, size_t len, uint64_t at)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n =
            f->io->pwrite(f->fd, (const uint8_t *)octets + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

int segment_write_header(struct segment_file *f, uint64_t mark)
{
    struct segment_header header = {.magic = SEGMENT_MAGIC, .mark = mark, .mark_check = ~mark};

    return write_at(f, &header, sizeof(header), 0);
}

uint64_t segment_begin(struct segment_file *f, int *error)
{
    struct segment_header header = {0};
    ssize_t n = read_at(f, &header, sizeof(header), 0);

    *error = n < 0 ? (int)n : 0;
    if (n < (ssize_t)sizeof(header) || header.magic != SEGMENT_MAGIC)
        return 0;
    if (header.mark != ~header.mark_check || header.mark < sizeof(header) || header.mark > f->size)
        return sizeof(header);
    return header.mark;
}

static uint32_t header_crc(const struct segment_file *f, const struct segment_frame *frame)
{
    size_t from = offsetof(struct segment_frame, message_crc);

    return crc32c(f->crc, (const uint8_t *)frame + from, sizeof(*frame) - from);
}

int segment_append(struct segment_file *f, struct segment_frame *frame, const uint8_t *octets,
                   uint8_t *buffer)
{
    frame->magic = FRAME_MAGIC;
    frame->message_crc = crc32c(f->crc, octets, frame->info.len);
    frame->header_crc = header_crc(f, frame);
    memcpy(buffer, frame, sizeof(*frame));
    memcpy(buffer + sizeof(*frame), octets, frame->info.len);
    int rc = write_at(f, buffer, sizeof(*frame) + frame->info.len, f->size);
    if (!rc) {
        f->size += sizeof(*frame) + frame->info.len;
        return 0;
    }
    /* What was written of it does not check, and is written over: a failure here loses nothing. */
    return ftruncate(f->fd, (off_t)f->size) < 0 ? rc : rc;
}

static bool is_frame(const struct segment_file *f, uint64_t at, const struct segment_frame *frame)
{
    return frame->magic == FRAME_MAGIC && frame->info.len <= MESSAGE_MAX && frame->info.len > 0 &&
           at + sizeof(*frame) + frame->info.len <= f->size &&
           frame->header_crc == header_crc(f, frame);
}

/* The place of the next magic in a chunk that begins at `at`, or its end. */
static size_t next_magic(const uint8_t *chunk, size_t len, size_t from)
{
    const uint32_t magic = FRAME_MAGIC;
    const uint8_t *found = len > from ? memmem(chunk + from, len - from, &magic, 4) : NULL;

    return found ? (size_t)(found - chunk) : len;
}

static bool find_in_chunk(const struct segment_file *f, const uint8_t *chunk, size_t len,
                          uint64_t *at, struct segment_frame *frame)
{
    for (size_t i = next_magic(chunk, len, 0); i + sizeof(*frame) <= len;
         i = next_magic(chunk, len, i + 1)) {
        memcpy(frame, chunk + i, sizeof(*frame));
        if (is_frame(f, *at + i, frame)) {
            *at += i;
            return true;
        }
    }
    return false;
}

static bool search_frame(struct segment_file *f, uint64_t *at, struct segment_frame *frame,
                         int *error)
{
    uint8_t chunk[SEARCH_CHUNK];

    while (*at + sizeof(*frame) <= f->size) {
        ssize_t n = read_at(f, chunk, sizeof(chunk), *at);
        if (n < 0)
            *error = (int)n;
        if (n < (ssize_t)sizeof(*frame))
            break;
        if (find_in_chunk(f, chunk, (size_t)n, at, frame))
            return true;
        *at += (uint64_t)n - sizeof(*frame) + 1;
    }
    *at = f->size;
    return false;
}

bool segment_find(struct segment_file *f, uint64_t *at, struct segment_frame *frame, int *error)
{
    *error = 0;
    if (*at + sizeof(*frame) > f->size) {
        *at = f->size;
        return false;
    }
    ssize_t n = read_at(f, frame, sizeof(*frame), *at);
    if (n == (ssize_t)sizeof(*frame) && is_frame(f, *at, frame))
        return true;
    if (n < 0)
        *error = (int)n;
    return search_frame(f, at, frame, error);
}

int segment_message(struct segment_file *f, uint64_t at, const struct segment_frame *frame,
                    uint8_t *octets)
{
    ssize_t n = read_at(f, octets, frame->info.len, at + sizeof(*frame));

    if (n < 0)
        return (int)n;
    if (n < (ssize_t)frame->info.len ||
        crc32c(f->crc, octets, frame->info.len) != frame->message_crc)
        return -EBADMSG;
    return 0;
}
