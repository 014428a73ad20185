#include "core/face.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "weir/encode.h"
#include "weir/flow.h"

#define BUFFER (4u << 20)
#define LINES (64u << 10) /* in the buffer, a power of two */
#define FILE_PIECE (256u << 10)
#define WAIT_MS 100 /* for room, before the clock is read again */

/* Lines lie in a buffer that is moved down when its end is near; their lengths in a ring. */
struct face {
    const struct record_encoder *encoder;
    const struct config *config;
    int fd;
    size_t piece; /* octets that a write takes without waiting, once poll() has said so */
    size_t from, to;
    uint32_t first, count; /* lines in the buffer */
    size_t done;           /* octets of the first line that are written */
    struct face_stats stats;
    struct {
        uint32_t len;
        uint32_t records;
    } line[LINES];
    char buffer[BUFFER];
};

static void append(struct face *f, const char *text, size_t len, uint32_t records)
{
    memcpy(f->buffer + f->to, text, len);
    f->to += len;
    f->line[(f->first + f->count) % LINES].len = (uint32_t)len;
    f->line[(f->first + f->count++) % LINES].records = records;
    f->stats.queued += records;
}

static void move_down(struct face *f)
{
    memmove(f->buffer, f->buffer + f->from, f->to - f->from);
    f->to -= f->from;
    f->from = 0;
}

bool face_room(const struct face *f)
{
    return f->stats.error || (BUFFER - (f->to - f->from) >= ENCODE_MAX && f->count < LINES);
}

static bool make_room(struct face *f)
{
    if (f->stats.error || !face_room(f))
        return false;
    if (BUFFER - f->to < ENCODE_MAX)
        move_down(f);
    return true;
}

static void add_edge(struct face *f, size_t (*edge)(const struct config *, char *))
{
    char text[ENCODE_MAX];
    size_t len = edge ? edge(f->config, text) : 0;

    if (len && make_room(f))
        append(f, text, len, 0);
}

/* POSIX: a pipe that polls writable takes PIPE_BUF octets without waiting. */
static size_t piece_of(int fd)
{
    struct stat st;

    return !fstat(fd, &st) && S_ISREG(st.st_mode) ? FILE_PIECE : PIPE_BUF;
}

int face_create(const struct record_encoder *encoder, const struct config *config, int fd,
                struct face **out)
{
    struct face *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->encoder = encoder;
    f->config = config;
    f->fd = fd;
    f->piece = piece_of(fd);
    add_edge(f, encoder->head);
    *out = f;
    return 0;
}

void face_destroy(struct face *f)
{
    free(f);
}

void face_add(struct face *f, const struct flow_record *r)
{
    char text[ENCODE_MAX];
    uint32_t records = !flow_record_is_notice(r);

    f->stats.handed += records;
    if (!make_room(f)) {
        f->stats.dropped += records;
        return;
    }
    size_t len = f->encoder->record(f->config, r, text);
    if (len)
        append(f, text, len, records);
    else
        f->stats.written += records; /* this face has nothing to say of it */
}

static void drop_all(struct face *f)
{
    f->stats.dropped += f->stats.queued;
    f->stats.queued = 0;
    f->from = f->to = 0;
    f->count = 0;
    f->done = 0;
}

static void lines_written(struct face *f, size_t octets)
{
    f->from += octets;
    f->done += octets;
    while (f->count && f->done >= f->line[f->first].len) {
        f->done -= f->line[f->first].len;
        f->stats.written += f->line[f->first].records;
        f->stats.queued -= f->line[f->first].records;
        f->first = (f->first + 1) % LINES;
        f->count--;
    }
}

/* One write that does not wait. False: nothing more goes now. */
static bool write_piece(struct face *f, int timeout_ms)
{
    struct pollfd ready = {.fd = f->fd, .events = POLLOUT};
    size_t len = f->to - f->from;

    if (!len || f->stats.error || poll(&ready, 1, timeout_ms) <= 0)
        return false;
    ssize_t n = write(f->fd, f->buffer + f->from, len < f->piece ? len : f->piece);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (n < 0) {
        f->stats.error = errno;
        drop_all(f);
        return false;
    }
    lines_written(f, (size_t)n);
    return true;
}

/* Someone who went away shows before there is something to write. */
static void look_for_reader(struct face *f)
{
    struct pollfd gone = {.fd = f->fd};

    if (!f->stats.error && poll(&gone, 1, 0) == 1 && (gone.revents & (POLLERR | POLLNVAL))) {
        f->stats.error = gone.revents & POLLNVAL ? EBADF : EPIPE;
        drop_all(f);
    }
}

void face_step(struct face *f, int timeout_ms)
{
    look_for_reader(f);
    while (write_piece(f, timeout_ms))
        timeout_ms = 0;
}

void face_drain(struct face *f, uint64_t deadline_ns)
{
    uint64_t now;

    add_edge(f, f->encoder->tail);
    while (f->to > f->from && !f->stats.error && (now = clock_monotonic_ns()) < deadline_ns) {
        uint64_t left_ms = (deadline_ns - now) / 1000000u + 1;
        write_piece(f, left_ms < WAIT_MS ? (int)left_ms : WAIT_MS);
    }
    drop_all(f);
}

void face_stats(const struct face *f, struct face_stats *out)
{
    *out = f->stats;
}
