#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hunt/sink.h"

struct file_sink {
    struct alert_sink sink;
    const struct config *config;
    alert_encoder *encode;
    char path[PATH_MAX];
    int fd;
};

static int reopen(struct file_sink *f)
{
    struct stat open_one, named;

    if (f->fd >= 0 && fstat(f->fd, &open_one) == 0 && stat(f->path, &named) == 0 &&
        open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev)
        return 0;
    int fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return f->fd >= 0 ? 0 : -errno; /* the old one is better than none */
    if (f->fd >= 0)
        close(f->fd);
    f->fd = fd;
    return 0;
}

/* One write, so that lines of several sensors in one file stay whole; a short one is lost. */
static int file_write(struct alert_sink *s, const struct alert *alert)
{
    struct file_sink *f = (struct file_sink *)s;
    char line[ALERT_LINE_MAX];
    size_t len = f->encode(f->config, alert, line);
    int rc = reopen(f);
    ssize_t n = -1;

    while (!rc && (n = write(f->fd, line, len)) < 0 && errno == EINTR)
        ;
    if (!rc && n == (ssize_t)len) {
        s->written++;
        return 0;
    }
    s->lost++;
    return rc ? rc : n < 0 ? -errno : -ENOSPC;
}

static void file_close(struct alert_sink *s)
{
    struct file_sink *f = (struct file_sink *)s;

    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

static const struct alert_sink_ops file_ops = {"file", file_write, NULL, file_close};

int alert_sink_file(const char *path, const struct config *config, alert_encoder *encode,
                    struct alert_sink **out)
{
    struct file_sink *f = calloc(1, sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->sink.ops = &file_ops;
    f->config = config;
    f->encode = encode;
    f->fd = -1;
    snprintf(f->path, sizeof(f->path), "%s", path);
    int rc = reopen(f);
    if (rc) {
        file_close(&f->sink);
        return rc;
    }
    *out = &f->sink;
    return 0;
}
