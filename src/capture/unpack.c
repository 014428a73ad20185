#include "capture/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define STORED_SIZE (64 * 1024)
#define MAGIC_LEN 2
#define WINDOW_GZIP (15 + 16) /* zlib.h: the largest window, a gzip header and trailer */

enum unpack_state {
    UNPACK_START, /* nobody has looked yet */
    UNPACK_PLAIN,
    UNPACK_MEMBER,  /* within a member of a gzip file */
    UNPACK_BETWEEN, /* a member has ended: another one, the end, or what is none of ours */
    UNPACK_END
};

struct unpack {
    int fd;
    enum unpack_state state;
    const char *error;
    uint64_t offset;
    z_stream z; /* next_in, avail_in: what of stored[] is still to be taken */
    uint8_t stored[STORED_SIZE];
};

int unpack_open(int fd, struct unpack **out)
{
    struct unpack *u = calloc(1, sizeof(*u));

    if (!u || inflateInit2(&u->z, WINDOW_GZIP) != Z_OK) {
        free(u);
        close(fd);
        return -ENOMEM;
    }
    u->fd = fd;
    u->z.next_in = u->stored;
    *out = u;
    return 0;
}

void unpack_close(struct unpack *u)
{
    if (!u)
        return;
    inflateEnd(&u->z);
    close(u->fd);
    free(u);
}

static ssize_t stored_read(struct unpack *u, uint8_t *out, size_t size)
{
    ssize_t n = read(u->fd, out, size);

    u->offset += n > 0 ? (uint64_t)n : 0;
    return n;
}

/* One read more behind what is left of stored[]. */
static ssize_t stored_more(struct unpack *u)
{
    memmove(u->stored, u->z.next_in, u->z.avail_in);
    u->z.next_in = u->stored;
    ssize_t n = stored_read(u, u->stored + u->z.avail_in, STORED_SIZE - u->z.avail_in);

    u->z.avail_in += n > 0 ? (uInt)n : 0;
    return n;
}

/* 1, 0, or -1 and errno: whether a gzip member begins here. */
static int member_begins(struct unpack *u)
{
    static const uint8_t magic[MAGIC_LEN] = {0x1f, 0x8b}; /* RFC 1952 §2.3.1 */
    ssize_t n = 1;

    while (u->z.avail_in < MAGIC_LEN && n > 0)
        n = stored_more(u);
    if (n < 0)
        return -1;
    return u->z.avail_in >= MAGIC_LEN && memcmp(u->z.next_in, magic, MAGIC_LEN) == 0;
}

static ssize_t fail(struct unpack *u, const char *why)
{
    u->error = why;
    errno = EIO;
    return -1;
}

static const char *damage(int code)
{
    return code == Z_MEM_ERROR ? "out of memory" : "gzip data are damaged";
}

/* Whatever is given first: octets, the end of the member, or damage. */
static ssize_t member_read(struct unpack *u, uint8_t *out, size_t size)
{
    u->z.next_out = out;
    u->z.avail_out = (uInt)size;
    while (u->z.avail_out == size && u->state == UNPACK_MEMBER) {
        int code = inflate(&u->z, Z_NO_FLUSH);
        ssize_t n = code == Z_BUF_ERROR ? stored_more(u) : 1; /* it wants more */
        if (n <= 0)
            return n < 0 ? n : fail(u, "gzip data end too early");
        if (code == Z_STREAM_END)
            u->state = UNPACK_BETWEEN;
        else if (code != Z_OK && code != Z_BUF_ERROR)
            u->error = damage(code);
        if (u->error && u->z.avail_out == size)
            return fail(u, u->error);
    }
    return (ssize_t)(size - u->z.avail_out);
}

/* 0, or -1 and errno. */
static int member_next(struct unpack *u)
{
    int begins = member_begins(u);

    if (begins < 0)
        return -1;
    inflateReset(&u->z);
    u->state = begins ? UNPACK_MEMBER : UNPACK_END;
    return 0;
}

static ssize_t gzip_read(struct unpack *u, uint8_t *out, size_t size)
{
    ssize_t n = 0;

    while (n == 0 && u->state != UNPACK_END)
        n = u->state == UNPACK_BETWEEN ? member_next(u) : member_read(u, out, size);
    return n;
}

static ssize_t plain_read(struct unpack *u, uint8_t *out, size_t size)
{
    size_t n = u->z.avail_in < size ? u->z.avail_in : size;

    if (!n)
        return stored_read(u, out, size);
    memcpy(out, u->z.next_in, n);
    u->z.next_in += n;
    u->z.avail_in -= (uInt)n;
    return (ssize_t)n;
}

ssize_t unpack_read(struct unpack *u, uint8_t *out, size_t size)
{
    if (u->error)
        return fail(u, u->error);
    if (u->state == UNPACK_START) {
        int begins = member_begins(u);
        if (begins < 0)
            return -1;
        u->state = begins ? UNPACK_MEMBER : UNPACK_PLAIN;
    }
    return u->state == UNPACK_PLAIN ? plain_read(u, out, size) : gzip_read(u, out, size);
}

bool unpack_is_gzip(const struct unpack *u)
{
    return u->state > UNPACK_PLAIN;
}

const char *unpack_error(const struct unpack *u)
{
    return u->error;
}

uint64_t unpack_offset(const struct unpack *u)
{
    return u->offset;
}
