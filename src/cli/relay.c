#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "core/sandbox.h"
#include "export/relay.h"

#define PORT_TO 2055 /* where most collectors of NetFlow and IPFIX read */
#define REMOTE_RATE 20000
#define FINISH_S 2

enum {
    OPTION_LISTEN,
    OPTION_TO,
    OPTION_CA,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_DISTINGUISH,
    OPTION_REFRESH,
    OPTION_RATE,
    OPTION_SANDBOX,
    OPTION_SECCOMP
};

static const struct cli_option options[] = {
    [OPTION_LISTEN] = {"listen", 'l', "URL[,URL]",
                       "where exporters connect: tcp://:4739 (default), tls://:4740, with an "
                       "address before the port to listen there alone"},
    [OPTION_TO] = {"to", 't', "URL", "the collector: udp://127.0.0.1:2055"},
    [OPTION_CA] = {"ca", 0, "FILE",
                   "tls://: certificates that sign exporters' (default: the "
                   "system's)"},
    [OPTION_CERT] = {"cert", 0, "FILE", "tls://: certificate of the relay"},
    [OPTION_KEY] = {"key", 0, "FILE", "tls://: its key (default: in the same file)"},
    [OPTION_DISTINGUISH] = {"distinguish", 0, "source|domain|none",
                            "exporters by a loopback address of their own (default to 127.0.0.0/8) "
                            "or by observation domain ids of their own (default to others)"},
    [OPTION_REFRESH] = {"refresh", 0, "SECONDS", "templates are said again so often (default: 60)"},
    [OPTION_RATE] = {"rate", 0, "N",
                     "datagrams per second at most (default: what a collector on "
                     "this machine takes; 20000 to another)"},
    [OPTION_SANDBOX] = {"sandbox", 0, SANDBOX_LEVEL_WORDS,
                        "confine the process once it listens, as weir run does (default: on)"},
    [OPTION_SECCOMP] = {"seccomp", 0, SANDBOX_FILTER_WORDS,
                        "what a system call off the list does (default: kill)"},
    {0},
};

static const struct cli_command command = {
    .name = "relay",
    .about =
        "Runs beside a collector that reads UDP only: takes IPFIX over TCP or TLS and passes each\n"
        "message on as one datagram. Exporters wait while the collector is away or its socket is\n"
        "full; what the socket drops all the same is counted. SIGTERM ends with totals.",
    .options = options,
    .examples = "  weir relay --listen tcp://:4739 --to udp://127.0.0.1:2055\n"
                "  weir relay --listen tls://:4740 --ca ca.pem --cert relay.pem --to "
                "udp://127.0.0.1:9995\n",
};

struct command {
    struct cli_args args;
    struct relay_options options;
    struct log log;
    struct relay *relay;
};

static int fail(const char *name, const char *value, const char *what)
{
    fprintf(stderr, "weir relay: --%s: \"%s\": %s\n", name, value, what);
    return CLI_USAGE;
}

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return !errno && !*end && *out >= least && *out <= most;
}

static int add_listener(struct relay_options *o, const char *url)
{
    bool tls = strncmp(url, "tls://", 6) == 0;
    char why[RELAY_TEXT_MAX];

    if (!tls && strncmp(url, "tcp://", 6) != 0)
        return fail("listen", url, "tcp://[host]:port or tls://[host]:port is expected");
    if (o->listen_count == RELAY_LISTEN_MAX)
        return fail("listen", url, "too many");
    o->listen[o->listen_count].tls = tls;
    if (address_parse_listen(url + 6, tls ? PORT_IPFIX_TLS : PORT_IPFIX,
                             &o->listen[o->listen_count].at, why, sizeof(why)))
        return fail("listen", url, why);
    o->listen_count++;
    return CLI_OK;
}

static int take_listeners(struct command *c)
{
    const char *value = c->args.value[OPTION_LISTEN];
    char list[512], *rest = list;

    snprintf(list, sizeof(list), "%s", value ? value : "tcp://:4739");
    for (char *url; (url = strsep(&rest, ","));) {
        int rc = add_listener(&c->options, url);
        if (rc)
            return rc;
        if (c->options.listen[c->options.listen_count - 1].tls && !c->args.value[OPTION_CERT])
            return fail("cert", "", "tls:// needs a certificate of the relay's own");
    }
    return CLI_OK;
}

static int take_target(struct command *c)
{
    const char *url = c->args.value[OPTION_TO];
    char why[RELAY_TEXT_MAX];
    struct addresses to;

    if (!url || strncmp(url, "udp://", 6) != 0)
        return fail("to", url ? url : "", "udp://host:port is expected");
    if (address_parse(url + 6, PORT_TO, SOCK_DGRAM, &to, why, sizeof(why)))
        return fail("to", url, why);
    c->options.to = to.address[0];
    return CLI_OK;
}

static bool is_four(const struct address *a)
{
    return a->at.ss_family == AF_INET;
}

static int take_rest(struct command *c)
{
    const char *const *value = c->args.value;
    const char *distinguish = value[OPTION_DISTINGUISH];
    bool local = relay_is_local(&c->options.to);
    uint64_t refresh = RELAY_REFRESH_NS / NS_PER_S, rate = local ? 0 : REMOTE_RATE;

    if (value[OPTION_REFRESH] && !parse_number(value[OPTION_REFRESH], 1, 86400, &refresh))
        return fail("refresh", value[OPTION_REFRESH], "not a number of seconds 1..86400");
    if (value[OPTION_RATE] && !parse_number(value[OPTION_RATE], 1, 10000000, &rate))
        return fail("rate", value[OPTION_RATE], "not a number 1..10000000");
    c->options.refresh_ns = refresh * NS_PER_S;
    c->options.rate = (uint32_t)rate;
    c->options.distinguish =
        local && is_four(&c->options.to) ? DISTINGUISH_SOURCE : DISTINGUISH_DOMAIN;
    if (distinguish)
        c->options.distinguish = distinguish[0] == 's'   ? DISTINGUISH_SOURCE
                                 : distinguish[0] == 'd' ? DISTINGUISH_DOMAIN
                                                         : DISTINGUISH_NONE;
    c->options.tls = (struct tls_files){
        .ca = value[OPTION_CA],
        .cert = value[OPTION_CERT] ? value[OPTION_CERT] : "",
        .key = value[OPTION_KEY] ? value[OPTION_KEY] : value[OPTION_CERT],
    };
    return CLI_OK;
}

static void log_event(void *context, enum log_level level, const char *line)
{
    struct command *c = context;

    log_line(&c->log, level, "relay: %s", line);
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool is_told_to_end(int signals)
{
    struct pollfd p = {.fd = signals, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

/* What exporters have already got rid of is passed on, for a moment. */
static void finish(struct relay *relay)
{
    uint64_t until = clock_monotonic_ns() + FINISH_S * NS_PER_S;
    struct relay_stats before, after;

    do {
        relay_stats(relay, &before);
        relay_step(relay, 50);
        relay_stats(relay, &after);
    } while (clock_monotonic_ns() < until &&
             (!relay_finish(relay) || after.messages != before.messages));
}

static void print_totals(const struct relay *relay)
{
    struct relay_stats s;

    relay_stats(relay, &s);
    fprintf(stderr,
            "relay: connections %" PRIu64 ", refused %" PRIu64 ", malformed %" PRIu64
            "; messages %" PRIu64 ", octets %" PRIu64 ", too long %" PRIu64 "; datagrams %" PRIu64
            ", refreshes %" PRIu64 ", failed %" PRIu64
            "; dropped by the collector's socket %" PRIu64 ", unreachable %" PRIu64 "\n",
            s.connections, s.refused_connections, s.malformed, s.messages, s.octets, s.too_long,
            s.datagrams, s.refreshes, s.failed, s.drops, s.unreachable);
}

/* What exporters send is parsed with next to no rights. */
static int enter_sandbox(struct command *c)
{
    static struct sandbox_plan plan;
    const struct tls_files *tls = &c->options.tls;
    char line[SANDBOX_LINE_MAX];

    sandbox_plan_init(&plan);
    sandbox_plan_words(&plan, c->args.value[OPTION_SANDBOX], c->args.value[OPTION_SECCOMP]);
    snprintf(plan.user, sizeof(plan.user), "%s", c->args.config.sensor.user);
    const char *const files[] = {tls->ca, tls->cert, tls->key};
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (files[i])
            sandbox_plan_beside(&plan, files[i], SANDBOX_READ, "tls");
    if (sandbox_enter(&plan, line)) {
        fprintf(stderr, "weir relay: %s\n", line);
        return CLI_FAILURE;
    }
    log_info(&c->log, "relay: %s", line);
    return CLI_OK;
}

static void say_ready(struct command *c)
{
    for (uint32_t i = 0; relay_port(c->relay, i); i++)
        log_info(&c->log, "relay: listening at port %u", relay_port(c->relay, i));
}

static int run(struct command *c)
{
    char text[RELAY_TEXT_MAX];
    int signals = open_signals();

    if (signals < 0 || relay_create(&c->options, &c->relay, text)) {
        fprintf(stderr, "weir relay: %s\n", signals < 0 ? strerror(errno) : text);
        return CLI_FAILURE;
    }
    if (enter_sandbox(c)) {
        relay_destroy(c->relay);
        close(signals);
        return CLI_FAILURE;
    }
    say_ready(c);
    while (!is_told_to_end(signals))
        relay_step(c->relay, 100);
    finish(c->relay);
    print_totals(c->relay);
    relay_destroy(c->relay);
    close(signals);
    return CLI_OK;
}

int cli_relay(int argc, char **argv)
{
    static struct command c;

    if (!cli_parse(&command, argc, argv, &c.args))
        return c.args.exit_code;
    log_init(&c.log, STDERR_FILENO, (enum log_level)c.args.config.sensor.log_level);
    c.options.event = log_event;
    c.options.context = &c;
    int rc = take_target(&c);
    if (!rc)
        rc = take_listeners(&c);
    if (!rc)
        rc = take_rest(&c);
    return rc ? rc : run(&c);
}
