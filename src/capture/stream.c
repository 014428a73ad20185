#include "capture/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* zlib gives nothing of the read in which it meets damage, so a read is short there. */
#define GZIP_BUFFER (16 * 1024)

const char *capture_stream_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static const char *gzip_error(gzFile gz)
{
    int code;

    gzerror(gz, &code);
    switch (code) {
    case Z_OK:
        return NULL;
    case Z_ERRNO:
        return strerror(errno);
    case Z_BUF_ERROR:
        return "gzip data end too early";
    case Z_MEM_ERROR:
        return "out of memory";
    default:
        return "gzip data are damaged";
    }
}

/* gzread() reports a cut file as a normal end and tells so only here. */
static ssize_t gzip_read(void *cookie, char *buffer, size_t size)
{
    struct capture_stream *s = cookie;
    int n = gzread(s->gz, buffer, (unsigned)size);

    if (n > 0)
        return n;
    s->error = gzip_error(s->gz);
    if (!s->error)
        return 0;
    errno = EIO;
    return -1;
}

static int gzip_close(void *cookie)
{
    struct capture_stream *s = cookie;

    gzclose_r(s->gz);
    s->gz = NULL;
    return 0;
}

static FILE *gzip_open(struct capture_stream *s, int fd)
{
    static const cookie_io_functions_t functions = {.read = gzip_read, .close = gzip_close};

    s->gz = gzdopen(fd, "r");
    if (!s->gz) {
        close(fd);
        return NULL;
    }
    FILE *file = fopencookie(s, "r", functions);
    if (!file)
        gzip_close(s);
    return file;
}

static FILE *plain_open(int fd)
{
    FILE *file = fdopen(fd, "r");

    if (!file)
        close(fd);
    return file;
}

/* A pipe cannot be looked into, so it goes through zlib, which passes plain octets as they are. */
static bool needs_gzip(int fd, const struct stat *st)
{
    static const unsigned char magic[2] = {0x1f, 0x8b}; /* RFC 1952 §2.3.1 */
    unsigned char start[2];
    off_t here = S_ISREG(st->st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;

    if (here < 0)
        return true;
    return pread(fd, start, sizeof(start), here) == (ssize_t)sizeof(start) &&
           memcmp(start, magic, sizeof(magic)) == 0;
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
    int fd = input_open(path, &st);

    memset(stream, 0, sizeof(*stream));
    if (fd >= 0) {
        errno = ENOMEM;
        stream->octets_total = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
        stream->file = needs_gzip(fd, &st) ? gzip_open(stream, fd) : plain_open(fd);
        fd = stream->file ? fd : -errno;
    }
    if (fd < 0) {
        snprintf(error, CAPTURE_ERROR_MAX, "%.180s: %s", capture_stream_name(path), strerror(-fd));
        return fd;
    }
    /* by itself glibc reads 4 KiB at a time, one system call per 50 small packets */
    setvbuf(stream->file, stream->buffer, _IOFBF,
            stream->gz ? GZIP_BUFFER : CAPTURE_STREAM_BUFFER);
    __fsetlocking(stream->file, FSETLOCKING_BYCALLER);
    return 0;
}

uint64_t capture_stream_offset(const struct capture_stream *stream)
{
    off_t offset = stream->gz ? gzoffset(stream->gz) : ftello(stream->file);

    return offset > 0 ? (uint64_t)offset : 0;
}
