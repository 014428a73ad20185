#include "capture/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/unpack.h"

const char *capture_stream_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

void capture_stream_ahead(struct capture_stream *s)
{
    if (unpack_is_gzip(s->unpack))
        (void)ahead_start(s->unpack, &s->ahead);
}

/* One read, to where ahead_place() says or, without a thread, to out. Returns as unpack_read(). */
static ssize_t read_once(struct capture_stream *s, uint8_t *out, size_t size)
{
    ssize_t n = s->failed  ? -1
                : s->ahead ? ahead_next(s->ahead)
                           : unpack_read(s->unpack, out, size);

    if (n < 0)
        errno = s->failed = s->failed ? s->failed : errno;
    return n;
}

int capture_stream_more(struct capture_stream *s)
{
    const size_t kept = (size_t)(s->end - s->at);
    uint8_t *block = s->ahead ? ahead_place(s->ahead) : s->memory + AHEAD_KEPT;

    assert(kept <= AHEAD_KEPT);
    memmove(block - kept, s->at, kept);
    s->at = block - kept;
    s->end = block;
    ssize_t n = read_once(s, block, AHEAD_BLOCK);
    if (n <= 0)
        return (int)n;
    s->end = block + n;
    return 1;
}

static ssize_t stream_read(void *cookie, char *buffer, size_t size)
{
    struct capture_stream *s = cookie;

    if (s->at == s->end && !s->ahead)
        return read_once(s, (uint8_t *)buffer, size);
    int more = s->at == s->end ? capture_stream_more(s) : 1;
    if (more <= 0)
        return more;
    size_t n = (size_t)(s->end - s->at) < size ? (size_t)(s->end - s->at) : size;
    memcpy(buffer, s->at, n);
    s->at += n;
    return (ssize_t)n;
}

void capture_stream_by_file(struct capture_stream *s)
{
    setvbuf(s->file, s->buffer, _IOFBF, sizeof(s->buffer));
}

static int stream_close(void *cookie)
{
    struct capture_stream *s = cookie;

    ahead_stop(s->ahead);
    unpack_close(s->unpack);
    s->unpack = NULL;
    return 0;
}

/* Without a buffer: what was at hand must not have gone into the FILE. */
static int file_open(struct capture_stream *s)
{
    static const cookie_io_functions_t functions = {.read = stream_read, .close = stream_close};

    s->file = fopencookie(s, "r", functions);
    if (!s->file) {
        stream_close(s);
        return -ENOMEM;
    }
    setvbuf(s->file, NULL, _IONBF, 0);
    __fsetlocking(s->file, FSETLOCKING_BYCALLER);
    return 0;
}

static int input_open(const char *path, struct stat *st)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, st) != 0) {
        int status = -errno;
        if (fd >= 0)
            close(fd);
        return status;
    }
    if (S_ISDIR(st->st_mode)) {
        close(fd);
        return -EISDIR;
    }
    return fd;
}

int capture_stream_open(const char *path, struct capture_stream *stream,
                        char error[CAPTURE_ERROR_MAX])
{
    struct stat st;
    int status = input_open(path, &st);

    memset(stream, 0, offsetof(struct capture_stream, memory));
    stream->at = stream->end = stream->memory + AHEAD_KEPT;
    if (status >= 0)
        status = unpack_open(status, &stream->unpack);
    if (status >= 0)
        status = file_open(stream);
    if (status < 0) {
        snprintf(error, CAPTURE_ERROR_MAX, "%.180s: %s", capture_stream_name(path),
                 strerror(-status));
        return status;
    }
    stream->octets_total = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    return 0;
}

const char *capture_stream_error(const struct capture_stream *stream)
{
    return stream->ahead ? ahead_error(stream->ahead) : unpack_error(stream->unpack);
}

uint64_t capture_stream_offset(const struct capture_stream *stream)
{
    return stream->ahead ? ahead_offset(stream->ahead) : unpack_offset(stream->unpack);
}
