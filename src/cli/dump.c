#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "cli/cli.h"
#include "cli/ipfix_json.h"
#include "cli/options.h"
#include "export/reader.h"
#include "export/schema.h"

#define CONNECTIONS_MAX 256
#define BUFFER (128u << 10) /* holds any message, and more */
#define TOLD_MAX 5          /* problems of one kind and source that are told one by one */
#define TCP "tcp://"

enum { OPTION_ONCE };

static const struct cli_option options[] = {
    {"once", 0, NULL, "tcp://: end when the last connection has ended"},
    {0},
};

static const struct cli_command command = {
    .name = "dump",
    .about = "Reads IPFIX, whoever wrote it, and prints its data records as JSON lines to stdout,\n"
             "and what is wrong with it to stderr. INPUT is a file of messages (RFC 5655), - for\n"
             "standard input, or tcp://host:port to listen there; port 0 takes a free one. Own\n"
             "elements of profile rich are named where export.enterprise is set.",
    .operand = "INPUT",
    .options = options,
    .examples =
        "  weir dump flows.ipfix\n"
        "  weir dump tcp://0.0.0.0:4739 | jq -c 'select(.destinationTransportPort == 443)'\n",
};

struct dump;

struct source {
    struct dump *dump;
    int fd;
    const char *from; /* in the lines; NULL = a file */
    char name[256];
    struct ipfix_reader *reader;
    size_t used;
    bool failed;
    uint8_t buffer[BUFFER];
};

struct dump {
    const struct config *config;
    struct cli_output output;
    struct source *source[CONNECTIONS_MAX];
    uint32_t open;
    bool once, stopped;
    int exit_code;
};

static void fail(struct dump *d, const char *name, const char *text)
{
    fprintf(stderr, "weir: %s: %s\n", name, text);
    d->exit_code = CLI_FAILURE;
}

static void take_record(void *context, const struct ipfix_record *record)
{
    struct source *s = context;
    ipfix_json_write(&s->dump->output, s->from, record);
}

/* What is taken for IPFIX now and then, by how it begins; "" = something else. */
static const char *guess(const struct source *s)
{
    static const struct {
        uint8_t len, begin[4];
        const char *text;
    } known[] = {
        {4, {0xd4, 0xc3, 0xb2, 0xa1}, ": a capture, which weir read takes"},
        {4, {0xa1, 0xb2, 0xc3, 0xd4}, ": a capture, which weir read takes"},
        {4, {0x4d, 0x3c, 0xb2, 0xa1}, ": a capture, which weir read takes"},
        {4, {0xa1, 0xb2, 0x3c, 0x4d}, ": a capture, which weir read takes"},
        {4, {0x0a, 0x0d, 0x0d, 0x0a}, ": a capture, which weir read takes"},
        {2, {0x1f, 0x8b}, ": compressed by gzip"},
        {2, {0x16, 0x03}, ": TLS, which weir relay takes"},
        {2, {0, 9}, ": NetFlow 9"},
        {2, {0, 5}, ": NetFlow 5"},
        {1, {'{'}, ": lines of JSON"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (s->used >= known[i].len && memcmp(s->buffer, known[i].begin, known[i].len) == 0)
            return known[i].text;
    return "";
}

static void take_problem(void *context, enum ipfix_problem kind, const char *text)
{
    struct source *s = context;
    struct ipfix_reader_stats stats = ipfix_reader_stats(s->reader);
    bool first = kind == PROBLEM_VERSION && !stats.messages;

    s->dump->exit_code = CLI_FAILURE;
    if (stats.problem[kind] <= TOLD_MAX)
        fprintf(stderr, "weir: %s: %s%s%s\n", s->name, text, first ? guess(s) : "",
                stats.problem[kind] == TOLD_MAX ? " (further ones are only counted)" : "");
}

static struct source *source_open(struct dump *d, int fd, const char *name, bool connection)
{
    struct source *s = calloc(1, sizeof(*s));
    struct ipfix_reader_options o = {.enterprise = (uint32_t)d->config->exports.enterprise,
                                     .record = take_record,
                                     .problem = take_problem,
                                     .context = s};

    if (!s || ipfix_reader_create(&o, &s->reader)) {
        fail(d, name, strerror(ENOMEM));
        free(s);
        return NULL;
    }
    s->dump = d;
    s->fd = fd;
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->from = connection ? s->name : NULL;
    return s;
}

static void print_stats(const struct source *s)
{
    struct ipfix_reader_stats stats = ipfix_reader_stats(s->reader);

    fprintf(stderr,
            "%s: messages %" PRIu64 ", octets %" PRIu64 ", records %" PRIu64 ", options %" PRIu64
            ", missing %" PRIu64 "\n",
            s->name, stats.messages, stats.octets, stats.records, stats.options, stats.missing);
    for (int i = 0; i < PROBLEM_COUNT; i++)
        if (stats.problem[i])
            fprintf(stderr, "%s: problem %s %" PRIu64 "\n", s->name, ipfix_problem_name[i],
                    stats.problem[i]);
}

static void source_close(struct source *s)
{
    if (!s->failed)
        ipfix_reader_end(s->reader, s->used);
    print_stats(s);
    ipfix_reader_destroy(s->reader);
    close(s->fd);
    free(s);
}

/* One read. False: nothing more will come. */
static bool source_step(struct source *s)
{
    ssize_t n = read(s->fd, s->buffer + s->used, sizeof(s->buffer) - s->used);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n < 0)
        fail(s->dump, s->name, strerror(errno));
    if (n <= 0)
        return false;
    s->used += (size_t)n;
    ptrdiff_t taken = ipfix_reader_feed(s->reader, s->buffer, s->used);
    if (taken < 0) {
        s->failed = true;
        return false;
    }
    s->used -= (size_t)taken;
    memmove(s->buffer, s->buffer + taken, s->used);
    return true;
}

static void dump_file(struct dump *d, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        fail(d, path, strerror(errno));
        return;
    }
    struct source *s = source_open(d, fd, is_stdin ? "stdin" : path, false);
    if (!s) {
        close(fd);
        return;
    }
    while (source_step(s) && !d->output.error)
        if (is_stdin)
            cli_output_flush(&d->output); /* a pipe may pause */
    source_close(s);
}

/* --- tcp:// --- */

static int listen_on(struct dump *d, const char *url)
{
    struct addresses found;
    char why[256];

    int rc = address_parse_listen(url + strlen(TCP), ADDRESS_NO_PORT, &found, why, sizeof(why));
    if (rc) {
        fprintf(stderr, "weir dump: %s: %s\n", url, why);
        d->exit_code = rc == -EINVAL ? CLI_USAGE : CLI_FAILURE;
        return -1;
    }
    int fd = address_listen(&found.address[0], SOMAXCONN);
    if (fd < 0) {
        snprintf(why, sizeof(why), "cannot listen: %s", strerror(-fd));
        fail(d, url, why);
    }
    return fd;
}

static void tell_listening(int fd)
{
    struct address at = {0};
    char name[ADDRESS_TEXT_MAX];

    address_of_socket(fd, &at);
    address_format(&at, name);
    fprintf(stderr, "listening on tcp://%s\n", name);
}

static void accept_one(struct dump *d, int listening)
{
    struct address from = {.len = sizeof(from.at)};
    char name[ADDRESS_TEXT_MAX];
    unsigned i = 0;

    int fd =
        accept4(listening, (struct sockaddr *)&from.at, &from.len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    address_format(&from, name);
    while (i < CONNECTIONS_MAX && d->source[i])
        i++;
    struct source *s = i < CONNECTIONS_MAX ? source_open(d, fd, name, true) : NULL;
    if (!s) {
        fail(d, name, "refused: no room for another connection");
        close(fd);
        return;
    }
    d->source[i] = s;
    d->open++;
}

static void end_connection(struct dump *d, unsigned i)
{
    source_close(d->source[i]);
    d->source[i] = NULL;
    d->open--;
    if (d->once && !d->open)
        d->stopped = true;
}

/* One wait; false = poll failed. */
static bool wait_once(struct dump *d, int listening, int signals)
{
    struct pollfd p[CONNECTIONS_MAX + 2];
    unsigned index[CONNECTIONS_MAX], count = 0;

    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        if (d->source[i]) {
            p[count] = (struct pollfd){.fd = d->source[i]->fd, .events = POLLIN};
            index[count++] = i;
        }
    p[count] = (struct pollfd){.fd = listening, .events = POLLIN};
    p[count + 1] = (struct pollfd){.fd = signals, .events = POLLIN};
    if (poll(p, count + 2, -1) < 0)
        return errno == EINTR;
    for (unsigned i = 0; i < count; i++)
        if (p[i].revents && !source_step(d->source[index[i]]))
            end_connection(d, index[i]);
    if (p[count].revents)
        accept_one(d, listening);
    if (p[count + 1].revents)
        d->stopped = true;
    return true;
}

static void dump_tcp(struct dump *d, const char *url)
{
    sigset_t set;
    int listening = listen_on(d, url);

    if (listening < 0)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    tell_listening(listening);
    while (!d->stopped && !d->output.error && wait_once(d, listening, signals))
        cli_output_flush(&d->output);
    close(listening);
    close(signals);
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
        if (d->source[i])
            end_connection(d, i);
}

static void dump_input(struct dump *d, const char *input)
{
    const char *scheme = strstr(input, "://");

    if (strncmp(input, TCP, strlen(TCP)) == 0)
        dump_tcp(d, input);
    else if (scheme && strspn(input, "abcdefghijklmnopqrstuvwxyz") == (size_t)(scheme - input)) {
        fprintf(stderr, "weir dump: %s: listens to tcp:// only\n", input);
        d->exit_code = CLI_USAGE;
    } else
        dump_file(d, input);
}

int cli_dump(int argc, char **argv)
{
    static struct cli_args args;
    static struct dump d;

    if (!cli_parse(&command, argc, argv, &args))
        return args.exit_code;
    d.config = &args.config;
    d.once = args.value[OPTION_ONCE];
    for (int i = 0; i < args.operand_count && !d.stopped; i++)
        dump_input(&d, args.operands[i]);
    int flushed = cli_output_finish(&d.output);
    return flushed ? flushed : d.exit_code;
}
