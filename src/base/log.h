/*
 * The log: one line per event, for people and for journald. Any thread but those on the packet
 * path.
 *
 *     2026-11-28T19:19:36.123Z warning xdp:eth1: link is down
 *
 * Where the log goes to journald itself (JOURNAL_STREAM names the descriptor), lines begin with its
 * level prefix, <4>, in place of time and level. A line that the other end does not take at once is
 * dropped and counted, and the count is told with the next one: whoever reads the log must not be
 * able to stop the sensor.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/config.h"

#define LOG_LINE_MAX 2048 /* longer ones are cut */

struct log {
    int fd;
    bool journal;
    _Atomic uint64_t level; /* enum log_level */
    _Atomic uint64_t dropped;
};

void log_init(struct log *, int fd, enum log_level);
void log_set_level(struct log *, enum log_level);

void log_line(struct log *, enum log_level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(log, ...) log_line(log, LOG_ERROR, __VA_ARGS__)
#define log_warning(log, ...) log_line(log, LOG_WARNING, __VA_ARGS__)
#define log_info(log, ...) log_line(log, LOG_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_line(log, LOG_DEBUG, __VA_ARGS__)

/* Text as it is, whatever the level. Waits for who reads the log, but no longer than so in all;
 * false when not all could be written. */
bool log_text(struct log *, const char *text, size_t len, unsigned timeout_ms);
