#include "cli/backtest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "export/reader.h"
#include "format/json_in.h"
#include "weir/config.h"
#include "weir/flow.h"

#define BUFFER (256u << 10)
#define PROBLEMS_TOLD 5u

struct backtest {
    const char *path;
    void (*record)(void *context, const struct flow_record *);
    void *context;
    uint64_t records, problems;
};

enum backtest_kind backtest_kind(const char *path)
{
    struct stat st;
    uint8_t begin[2] = {0};
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

    if (fd < 0)
        return BACKTEST_NONE;
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, begin, 2) : 0;
    close(fd);
    if (n == 2 && begin[0] == 0 && begin[1] == 10) /* version 10 of RFC 7011 §3.1 */
        return BACKTEST_IPFIX;
    return n == 2 && begin[0] == '{' ? BACKTEST_JSON : BACKTEST_NONE;
}

static void give(struct backtest *b, const struct flow_record *r)
{
    b->records++;
    b->record(b->context, r);
}

static void complain(struct backtest *b, const char *text)
{
    if (b->problems++ < PROBLEMS_TOLD)
        fprintf(stderr, "weir: %s: %s%s\n", b->path, text,
                b->problems == PROBLEMS_TOLD ? " (further ones are only counted)" : "");
}

static void on_record(void *context, const struct ipfix_record *record)
{
    struct flow_record r;

    if (ipfix_record_to_flow(record, &r))
        give(context, &r);
}

static void on_problem(void *context, enum ipfix_problem kind, const char *text)
{
    (void)kind;
    complain(context, text);
}

static size_t move_down(uint8_t *buffer, size_t used, size_t done)
{
    memmove(buffer, buffer + done, used - done);
    return used - done;
}

static int read_ipfix(struct backtest *b, int fd, uint32_t enterprise, uint8_t *buffer)
{
    struct ipfix_reader_options o = {
        .enterprise = enterprise, .record = on_record, .problem = on_problem, .context = b};
    struct ipfix_reader *reader;
    size_t used = 0;
    ssize_t n;

    if (ipfix_reader_create(&o, &reader))
        return -ENOMEM;
    while ((n = read(fd, buffer + used, BUFFER - used)) > 0) {
        ptrdiff_t taken = ipfix_reader_feed(reader, buffer, used + (size_t)n);
        if (taken < 0)
            break; /* told as a problem */
        used = move_down(buffer, used + (size_t)n, (size_t)taken);
    }
    int rc = n < 0 ? -errno : 0;
    if (!n)
        ipfix_reader_end(reader, used);
    ipfix_reader_destroy(reader);
    return rc;
}

static void read_line(struct backtest *b, char *line, uint64_t number)
{
    char error[JSON_IN_ERROR_MAX], text[JSON_IN_ERROR_MAX + 32];
    struct flow_record r;

    if (!*line)
        return;
    if (json_to_flow(line, &r, error) == 0) {
        give(b, &r);
        return;
    }
    snprintf(text, sizeof(text), "line %" PRIu64 ": %s", number, error);
    complain(b, text);
}

static int read_json(struct backtest *b, int fd, char *buffer)
{
    uint64_t number = 0;
    size_t used = 0;
    ssize_t n;

    while ((n = read(fd, buffer + used, BUFFER - 1 - used)) > 0) {
        char *line = buffer, *end;
        used += (size_t)n;
        while ((end = memchr(line, '\n', (size_t)(buffer + used - line))) != NULL) {
            *end = '\0';
            read_line(b, line, ++number);
            line = end + 1;
        }
        used = move_down((uint8_t *)buffer, used, (size_t)(line - buffer));
        if (used == BUFFER - 1) {
            complain(b, "a line of more than 256 kB: the rest of the file is not read");
            return 0;
        }
    }
    buffer[used] = '\0';
    read_line(b, buffer, ++number);
    return n < 0 ? -errno : 0;
}

int backtest_read(const char *path, enum backtest_kind kind, const struct config *config,
                  void (*record)(void *context, const struct flow_record *), void *context)
{
    struct backtest b = {.path = path, .record = record, .context = context};
    uint8_t *buffer = malloc(BUFFER);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : !buffer ? -ENOMEM : 0;

    if (!rc && kind == BACKTEST_IPFIX)
        rc = read_ipfix(&b, fd, (uint32_t)config->exports.enterprise, buffer);
    else if (!rc)
        rc = read_json(&b, fd, (char *)buffer);
    if (rc)
        complain(&b, strerror(-rc));
    if (fd >= 0)
        close(fd);
    free(buffer);
    fprintf(stderr, "%s: %" PRIu64 " records read, %" PRIu64 " problems\n", path, b.records,
            b.problems);
    return b.problems ? CLI_FAILURE : CLI_OK;
}
