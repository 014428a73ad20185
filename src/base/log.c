#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE 512u /* what a write takes at once where poll() says so */

static const struct {
    const char *name;
    int syslog; /* RFC 5424 severity */
} levels[LOG_LEVEL_COUNT] = {
    [LOG_ERROR] = {"error", 3},
    [LOG_WARNING] = {"warning", 4},
    [LOG_INFO] = {"info", 6},
    [LOG_DEBUG] = {"debug", 7},
};

/* systemd.exec(5): device and inode of the stream to the journal. */
static bool goes_to_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && !fstat(fd, &st) &&
           st.st_dev == device && st.st_ino == inode;
}

void log_init(struct log *log, int fd, enum log_level level)
{
    log->fd = fd;
    log->journal = goes_to_journal(fd);
    log->dropped = 0;
    log_set_level(log, level);
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store_explicit(&log->level, level, memory_order_relaxed);
}

static size_t put_head(const struct log *log, enum log_level level, char *line, size_t room)
{
    struct timespec now;
    struct tm tm;
    char time[32];

    if (log->journal)
        return (size_t)snprintf(line, room, "<%d>", levels[level].syslog);
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm);
    return (size_t)snprintf(line, room, "%s.%03ldZ %s ", time, now.tv_nsec / 1000000,
                            levels[level].name);
}

/* What an input may have put into a message must not look like another line or move a terminal. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static bool write_line(struct log *log, char *line, size_t len)
{
    struct pollfd ready = {.fd = log->fd, .events = POLLOUT};

    make_printable(line);
    line[len] = '\n';
    if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
        return false;
    return write(log->fd, line, len + 1) == (ssize_t)len + 1;
}

static void tell_dropped(struct log *log)
{
    char line[128];
    uint64_t dropped = atomic_exchange(&log->dropped, 0);

    if (!dropped)
        return;
    size_t len = put_head(log, LOG_WARNING, line, sizeof(line));
    len += (size_t)snprintf(line + len, sizeof(line) - len,
                            "log: %" PRIu64 " lines were dropped, nobody read them", dropped);
    if (!write_line(log, line, len))
        atomic_fetch_add(&log->dropped, dropped);
}

void log_line(struct log *log, enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list args;

    if ((uint64_t)level > atomic_load_explicit(&log->level, memory_order_relaxed))
        return;
    tell_dropped(log);
    size_t len = put_head(log, level, line, sizeof(line));
    va_start(args, format);
    int text = vsnprintf(line + len, sizeof(line) - len, format, args);
    va_end(args);
    len += text > 0 ? (size_t)text : 0;
    if (len > sizeof(line) - 1)
        len = sizeof(line) - 1;
    if (!write_line(log, line, len))
        atomic_fetch_add(&log->dropped, 1);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

bool log_text(struct log *log, const char *text, size_t len, unsigned timeout_ms)
{
    struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
    uint64_t until = now_ms() + timeout_ms, now;

    while (len && (now = now_ms()) <= until) {
        if (poll(&ready, 1, (int)(until - now)) != 1 || !(ready.revents & POLLOUT))
            break;
        ssize_t n = write(log->fd, text, len < PIECE ? len : PIECE);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            break;
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return len == 0;
}
