/*
 * Messages into files (RFC 5655): one after the other, each file a stream of its own that begins
 * with templates.
 *
 * With rotation, path names a series: flows.ipfix becomes flows-20260102T030405Z.ipfix, called
 * .part until it is complete and on disk. Without, path is written itself: a file, a fifo, a
 * device; - is stdout. A message that could only be written in part is cut off again.
 *
 * An IPFIX file of an earlier run is a stream that has ended: it gets the name it would have with
 * rotation, and path begins anew. Lines of JSON are added to those of before. A file that holds
 * something else is nobody's to write to.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "export/session.h"
#include "export/writer.h"

#define FILE_NAME_MAX 256
#define FILE_TRIES 100  /* files of one second */
#define PIPE_CHUNK 4096 /* what a pipe that polls writable takes without waiting */
#define PART ".part"
#define HEAD_LEN 8 /* version, length, export time (RFC 7011 §3.1) */

struct file_session {
    struct session base;
    int directory;
    char name[FILE_NAME_MAX];                /* within it, as configured */
    char part[FILE_NAME_MAX + sizeof(PART)]; /* that is being written, while rotating */
    char whole[FILE_NAME_MAX]; /* its name when complete; else that of what was set aside */
    bool rotates, is_stdout, ipfix, overwrite, regular, began;
    uint64_t opened_ns, size, complete; /* octets; up to the end of a whole message */
    size_t left;                        /* of the message that is being written */
    uint64_t (*utc_ns)(void *);
    void *utc_context;
};

static struct file_session *file_of(struct session *s)
{
    return (struct file_session *)s;
}

static int fail_file(struct file_session *f, const char *doing, int error)
{
    return session_fail(&f->base, error, "%s: cannot %s: %s", f->base.config->path, doing,
                        strerror(-error));
}

/* flows.ipfix at 3:04:05 -> flows-20260102T030405Z.ipfix, then flows-20260102T030405Z.1.ipfix */
static void stamped_name(const struct file_session *f, time_t seconds, unsigned again,
                         char name[FILE_NAME_MAX])
{
    const char *dot = strrchr(f->name, '.');
    int stem = dot && dot != f->name ? (int)(dot - f->name) : (int)strlen(f->name);
    char stamp[24], number[16] = "";
    struct tm utc;

    gmtime_r(&seconds, &utc);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc);
    if (again)
        snprintf(number, sizeof(number), ".%u", again);
    snprintf(name, FILE_NAME_MAX, "%.*s-%s%s%.40s", stem < 160 ? stem : 160, f->name, stamp, number,
             f->name + stem);
}

static bool is_there(const struct file_session *f, const char *name)
{
    return faccessat(f->directory, name, F_OK, 0) == 0;
}

/* Neither the file nor its .part may be there already. */
static int open_part(struct file_session *f)
{
    time_t seconds = (time_t)(f->utc_ns(f->utc_context) / NS_PER_S);

    for (unsigned again = 0; again < FILE_TRIES; again++) {
        stamped_name(f, seconds, again, f->whole);
        if (is_there(f, f->whole))
            continue;
        snprintf(f->part, sizeof(f->part), "%s" PART, f->whole);
        int fd = openat(f->directory, f->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (fd >= 0 || errno != EEXIST)
            return fd < 0 ? -errno : fd;
    }
    return -EEXIST;
}

/* --- What is there before --- */

/* The begin of what path names: HEAD_LEN; 0: nothing, or no file that holds something; -EEXIST:
 * other than what would be written. */
static int read_head(const struct file_session *f, uint8_t head[HEAD_LEN])
{
    struct stat st;

    if (fstatat(f->directory, f->name, &st, 0) < 0 || !S_ISREG(st.st_mode) || !st.st_size)
        return 0;
    int fd = openat(f->directory, f->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    bool whole = read(fd, head, HEAD_LEN) == HEAD_LEN;
    close(fd);
    bool same = f->ipfix ? load_be16(head) == IPFIX_VERSION && load_be16(head + 2) >= MESSAGE_HEADER
                         : head[0] == '{';
    return whole && same ? HEAD_LEN : -EEXIST;
}

/* The stream of an earlier run gets a name of its own, left at f->whole. */
static int set_aside(struct file_session *f, time_t began)
{
    for (unsigned again = 0; again < FILE_TRIES; again++) {
        stamped_name(f, began, again, f->whole);
        if (!is_there(f, f->whole))
            return renameat(f->directory, f->name, f->directory, f->whole) < 0 ? -errno : 0;
    }
    return -EEXIST;
}

static int make_way(struct file_session *f)
{
    uint8_t head[HEAD_LEN];
    int len = f->began ? 0 : read_head(f, head);

    f->whole[0] = '\0';
    if (len == -EEXIST)
        return session_fail(&f->base, len, "%.200s: holds something else: remove it first",
                            f->base.config->path);
    if (len < 0)
        return fail_file(f, "read", len);
    if (!len || !f->ipfix || f->overwrite)
        return 0;
    int rc = set_aside(f, (time_t)load_be32(head + 4));
    return rc ? fail_file(f, "rename what was there", rc) : 0;
}

static int open_plain(struct file_session *f)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK;

    if (f->is_stdout)
        return STDOUT_FILENO;
    int fd = openat(f->directory, f->name, flags | (f->overwrite ? O_TRUNC : O_APPEND), 0640);
    return fd < 0 ? -errno : fd;
}

/* --- The session --- */

/* Where it leads, as it is told. */
static void name_peer(struct file_session *f)
{
    char before[FILE_NAME_MAX + 32] = "";

    if (!f->rotates && f->whole[0])
        snprintf(before, sizeof(before), " (what was there: %.100s)", f->whole);
    snprintf(f->base.peer, sizeof(f->base.peer), "%.120s%s",
             f->rotates ? f->part : f->base.config->path, before);
}

static int open_file(struct file_session *f, uint64_t now_ns)
{
    struct stat st;
    int rc = f->rotates || f->is_stdout ? 0 : make_way(f);

    if (rc)
        return rc;
    int fd = f->rotates ? open_part(f) : open_plain(f);
    if (fd < 0)
        return fail_file(f, "open", fd);
    name_peer(f);
    f->base.fd = fd;
    f->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    f->size = f->complete = f->regular && !f->is_stdout ? (uint64_t)st.st_size : 0;
    f->left = 0;
    f->opened_ns = now_ns;
    f->base.resumes = f->began && f->complete > 0;
    f->began = true;
    f->overwrite = false; /* what is opened again goes on */
    return 0;
}

static int file_open(struct session *s, uint64_t now_ns)
{
    int rc = open_file(file_of(s), now_ns);

    s->produced = 0;
    if (!rc)
        s->state = SESSION_UP;
    return rc;
}

/* The file gets its name when all of it is on disk; one without content goes. */
static int complete_part(struct file_session *f)
{
    if (!f->complete)
        return unlinkat(f->directory, f->part, 0) < 0 ? -errno : 0;
    return renameat(f->directory, f->part, f->directory, f->whole) < 0 ? -errno : 0;
}

static int close_file(struct file_session *f)
{
    int rc = 0;

    if (f->base.fd < 0)
        return 0;
    if (f->left && f->regular && !f->is_stdout && ftruncate(f->base.fd, (off_t)f->complete) < 0)
        rc = -errno;
    if (f->regular && fdatasync(f->base.fd) < 0)
        rc = -errno;
    if (f->rotates && !rc)
        rc = complete_part(f);
    if (!f->is_stdout)
        close(f->base.fd);
    f->base.fd = -1;
    return rc ? fail_file(f, "complete", rc) : 0;
}

static bool is_old(const struct file_session *f, uint64_t now_ns)
{
    uint64_t age = f->base.config->rotate_ns;

    return f->rotates && age && f->base.fd >= 0 && now_ns - f->opened_ns >= age;
}

static int file_step(struct session *s, uint32_t events, uint64_t now_ns)
{
    struct file_session *f = file_of(s);

    (void)events;
    return is_old(f, now_ns) && !f->left ? close_file(f) : 0;
}

static bool is_full(const struct file_session *f, uint32_t len)
{
    uint64_t most = f->base.config->rotate_octets;

    return f->rotates && most && f->size && f->size + len > most;
}

static bool file_turn(struct session *s, uint32_t len, uint64_t now_ns)
{
    struct file_session *f = file_of(s);

    if (is_full(f, len) || is_old(f, now_ns))
        close_file(f);
    return f->base.fd < 0 && open_file(f, now_ns) == 0;
}

/* A pipe or a terminal behind stdout is shared, so it cannot be told not to wait: it is asked. */
static bool would_wait(const struct file_session *f)
{
    struct pollfd p = {.fd = f->base.fd, .events = POLLOUT};

    return !f->regular && poll(&p, 1, 0) == 0;
}

static ssize_t file_write(struct session *s, const uint8_t *octets, size_t len)
{
    struct file_session *f = file_of(s);

    if (s->fd < 0)
        return -EIO; /* text says why it could not be opened */
    if (would_wait(f))
        return -EAGAIN;
    f->left = len;
    ssize_t n = write(s->fd, octets, f->regular || len < PIPE_CHUNK ? len : PIPE_CHUNK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    if (n < 0)
        return fail_file(f, "write", -errno);
    f->size += (uint64_t)n;
    f->left -= (size_t)n;
    if (!f->left)
        f->complete = f->size;
    s->produced += (uint64_t)n;
    return n;
}

static uint64_t file_acknowledged(struct session *s)
{
    return s->produced;
}

static void file_finish(struct session *s)
{
    close_file(file_of(s));
    s->state = SESSION_FINISHED;
}

static void file_close(struct session *s)
{
    char text[SESSION_TEXT_MAX];

    memcpy(text, s->text, sizeof(text)); /* what went wrong first is what matters */
    if (!close_file(file_of(s)) || text[0])
        memcpy(s->text, text, sizeof(text));
    s->state = SESSION_CLOSED;
}

static void file_destroy(struct session *s)
{
    file_close(s);
    if (file_of(s)->directory >= 0)
        close(file_of(s)->directory);
    free(s);
}

static const struct session_ops file_ops = {
    .open = file_open,
    .step = file_step,
    .turn = file_turn,
    .write = file_write,
    .acknowledged = file_acknowledged,
    .finish = file_finish,
    .close = file_close,
    .destroy = file_destroy,
};

static int open_directory(struct file_session *f, const char *path, char *text)
{
    const char *slash = strrchr(path, '/');
    char directory[CONFIG_PATH_MAX] = ".";

    if (slash)
        snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path) + 1, path);
    snprintf(f->name, sizeof(f->name), "%s", slash ? slash + 1 : path);
    f->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->directory >= 0)
        return 0;
    int error = -errno;
    snprintf(text, SESSION_TEXT_MAX, "%.200s: directory: %s", directory, strerror(-error));
    return error;
}

int session_file_create(const struct session_options *options, struct session **out, char *text)
{
    const struct collector_config *config = options->config;
    struct file_session *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->base = (struct session){.ops = &file_ops, .config = config, .fd = -1};
    f->directory = -1;
    f->is_stdout = strcmp(config->path, "-") == 0;
    f->rotates = !f->is_stdout && (config->rotate_octets || config->rotate_ns);
    f->ipfix = options->ipfix;
    f->overwrite = options->overwrite;
    f->utc_ns = options->utc_ns;
    f->utc_context = options->utc_context;
    int rc = f->is_stdout ? 0 : open_directory(f, config->path, text);
    if (rc)
        free(f);
    else
        *out = &f->base;
    return rc;
}
