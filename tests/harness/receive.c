/*
 * Receives from live ports and says what became of every packet: the parts below `weir run`, alone.
 *
 *     receive [--KEY=VALUE]... [--take-over] [--filter=BPF] [--stall=WORKER] SOURCE...
 *
 * KEY is a key of the configuration, such as capture.workers. Prints how the port was opened and
 * `ready` on stderr; on SIGTERM or SIGINT it stops the ports, empties the queues and prints one
 * JSON object. SIGUSR1 prints one without ending. --stall: that worker takes no packet until the
 * end. With --capture.mode=inline frames are sent on.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/filter.h"
#include "capture/port.h"
#include "config/config.h"
#include "weir/config.h"
#include "weir/packet.h"

#define REST_NS 50000000L /* a queue that stays empty for so long is drained */

struct receiver {
    struct capture *capture[CONFIG_PORTS_MAX];
    unsigned captures;
    bool forwards;
    pthread_t thread;
    bool stalled;
    _Atomic bool *stop;
    _Atomic uint64_t packets, octets, cut; /* cut: captured shorter than they were */
};

struct options {
    struct config config;
    const char *source[CONFIG_PORTS_MAX], *expression;
    unsigned sources;
    struct capture_filter *filter;
    bool take_over;
    int stalled;
};

struct session {
    struct port *port[CONFIG_PORTS_MAX];
    unsigned ports;
    struct receiver *receiver;
    unsigned workers;
};

static const struct timespec moment = {.tv_nsec = 100000};

static void burst_count(struct receiver *r, const struct burst *burst)
{
    uint64_t octets = 0, cut = 0;

    for (uint32_t i = 0; i < burst->count; i++) {
        octets += burst->packet[i].wire_len;
        cut += burst->packet[i].cap_len < burst->packet[i].wire_len;
    }
    atomic_fetch_add(&r->packets, burst->count);
    atomic_fetch_add(&r->octets, octets);
    atomic_fetch_add(&r->cut, cut);
}

static unsigned receiver_poll(struct receiver *r, struct burst *burst)
{
    unsigned count = 0;

    for (unsigned i = 0; i < r->captures; i++) {
        capture_receive(r->capture[i], burst);
        burst_count(r, burst);
        count += burst->count;
        if (r->forwards)
            r->capture[i]->ops->forward(r->capture[i]);
    }
    return count;
}

static void *receiver_run(void *user)
{
    struct receiver *r = user;
    struct burst burst;
    long idle_ns = 0;

    for (unsigned i = 0; i < r->captures; i++)
        capture_enter(r->capture[i]);
    while (r->stalled && !*r->stop)
        nanosleep(&moment, NULL);
    while (!*r->stop || idle_ns < REST_NS) {
        if (receiver_poll(r, &burst)) {
            idle_ns = 0;
            continue;
        }
        idle_ns += moment.tv_nsec;
        nanosleep(&moment, NULL);
    }
    for (unsigned i = 0; i < r->captures; i++)
        capture_leave(r->capture[i]);
    return NULL;
}

static void stats_add(struct capture_stats *sum, const struct capture_stats *one)
{
    sum->received += one->received;
    sum->pending += one->pending;
    sum->filtered += one->filtered;
    sum->sent += one->sent;
    sum->send_failed += one->send_failed;
    for (int i = 0; i < MISS_COUNT; i++)
        sum->missed[i] += one->missed[i];
}

static void port_stats_add(struct port_stats *sum, struct port *port)
{
    struct port_stats one;

    port->ops->stats(port, &one);
    sum->interface_packets += one.interface_packets;
    sum->interface_dropped += one.interface_dropped;
    sum->passed += one.passed;
    sum->ignored += one.ignored;
    sum->ignored_octets += one.ignored_octets;
    sum->link_up &= one.link_up;
    sum->gone |= one.gone;
}

static void print_workers(const struct session *s, struct capture_stats *sum)
{
    struct capture_stats one;
    uint64_t packets = 0, octets = 0, cut = 0;

    printf("{\"workers\": [");
    for (unsigned i = 0; i < s->workers; i++) {
        const struct receiver *r = &s->receiver[i];
        for (unsigned k = 0; k < r->captures; k++) {
            capture_stats(r->capture[k], &one);
            stats_add(sum, &one);
        }
        packets += r->packets;
        octets += r->octets;
        cut += r->cut;
        printf("%s%" PRIu64, i ? ", " : "", (uint64_t)r->packets);
    }
    printf("], \"delivered\": %" PRIu64 ", \"octets\": %" PRIu64 ", \"cut\": %" PRIu64, packets,
           octets, cut);
}

static void print_json(const struct session *s)
{
    static const char *const names[] = {
#define X(symbol, label, help) label,
        CAPTURE_MISSES(X)
#undef X
    };
    struct capture_stats sum = {0};
    struct port_stats ports = {.link_up = true};

    for (unsigned i = 0; i < s->ports; i++)
        port_stats_add(&ports, s->port[i]);
    print_workers(s, &sum);
    printf(", \"received\": %" PRIu64 ", \"pending\": %" PRIu64 ", \"filtered\": %" PRIu64
           ", \"sent\": %" PRIu64 ", \"send_failed\": %" PRIu64,
           sum.received, sum.pending, sum.filtered, sum.sent, sum.send_failed);
    for (int i = 0; i < MISS_COUNT; i++)
        printf(", \"%s\": %" PRIu64, names[i], sum.missed[i]);
    printf(", \"interface\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"passed\": %" PRIu64
           ", \"ignored\": %" PRIu64 ", \"ignored_octets\": %" PRIu64
           ", \"link_up\": %s, \"gone\": %s}\n",
           ports.interface_packets, ports.interface_dropped, ports.passed, ports.ignored,
           ports.ignored_octets, ports.link_up ? "true" : "false", ports.gone ? "true" : "false");
    fflush(stdout);
}

static int fail(const char *text)
{
    fprintf(stderr, "receive: %s\n", text);
    return 1;
}

static int option_take(struct options *o, char *argument)
{
    struct config_error error;
    char *value = strchr(argument, '=');

    if (strncmp(argument, "--", 2) != 0) {
        if (o->sources == CONFIG_PORTS_MAX)
            return fail("too many sources");
        o->source[o->sources++] = argument;
        return 0;
    }
    if (strcmp(argument, "--take-over") == 0) {
        o->take_over = true;
        return 0;
    }
    if (!value)
        return fail(argument);
    *value++ = '\0';
    if (strcmp(argument, "--filter") == 0)
        o->expression = value;
    else if (strcmp(argument, "--stall") == 0)
        o->stalled = atoi(value);
    else if (config_set(&o->config, argument + 2, value, &error) != 0)
        return fail(error.text);
    return 0;
}

/* Waits for signals and answers them; returns when the ports are to be left. */
static void serve(const struct session *s, const sigset_t *signals)
{
    int number;

    while (sigwait(signals, &number) == 0 && number == SIGUSR1)
        print_json(s);
}

static void receiver_start(struct session *s, unsigned worker, const struct options *o,
                           _Atomic bool *stop)
{
    struct receiver *r = &s->receiver[worker];

    r->stop = stop;
    r->stalled = o->stalled == (int)worker;
    r->forwards = o->config.capture.mode == MODE_INLINE;
    for (unsigned i = 0; i < s->ports; i++) {
        struct capture *queue = s->port[i]->ops->queue(s->port[i], worker);
        if (queue)
            r->capture[r->captures++] = queue;
    }
    pthread_create(&r->thread, NULL, receiver_run, r);
}

static bool is_settled(const struct session *s)
{
    struct capture_stats sum = {0}, one;
    uint64_t accounted = 0;

    for (unsigned i = 0; i < s->workers; i++) {
        const struct receiver *r = &s->receiver[i];
        for (unsigned k = 0; k < r->captures; k++) {
            capture_stats(r->capture[k], &one);
            stats_add(&sum, &one);
        }
        accounted += r->packets;
    }
    for (int i = 0; i < MISS_COUNT; i++)
        accounted += sum.missed[i];
    return sum.received == accounted + sum.pending + sum.filtered;
}

/* What the kernel lost without a count shows only after a while. */
static void settle(const struct session *s)
{
    for (int i = 0; i < 20 && !is_settled(s); i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

static void receive(struct session *s, const struct options *o)
{
    _Atomic bool stop = false;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    for (unsigned i = 0; i < s->ports; i++) {
        if (s->port[i]->ops->start)
            s->port[i]->ops->start(s->port[i]);
        fprintf(stderr, "%s\n", s->port[i]->ops->describe(s->port[i]));
    }
    for (unsigned i = 0; i < s->workers; i++)
        receiver_start(s, i, o, &stop);
    fprintf(stderr, "ready\n");
    serve(s, &signals);
    for (unsigned i = 0; i < s->ports; i++)
        port_stop(s->port[i]);
    stop = true;
    for (unsigned i = 0; i < s->workers; i++)
        pthread_join(s->receiver[i].thread, NULL);
    settle(s);
    print_json(s);
}

static int ports_open(struct session *s, const struct options *o)
{
    char error[CAPTURE_ERROR_MAX];

    for (; s->ports < o->sources; s->ports++) {
        struct port_options options = {
            .config = &o->config,
            .filter = o->filter,
            .source = o->source[s->ports],
            .index = (uint16_t)s->ports,
            .workers = (uint16_t)s->workers,
            .all_sources = o->source,
            .source_count = (uint16_t)o->sources,
            .inline_mode = o->config.capture.mode == MODE_INLINE,
            .take_over = o->take_over,
        };
        if (port_open(&options, &s->port[s->ports], error) != 0)
            return fail(error);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {.stalled = -1};
    char error[CAPTURE_ERROR_MAX];

    config_defaults(&o.config);
    for (int i = 1; i < argc; i++)
        if (option_take(&o, argv[i]) != 0)
            return 2;
    if (!o.sources)
        return fail("no source is named");
    if (o.expression && capture_filter_create(o.expression, &o.filter, error) != 0)
        return fail(error);
    struct session s = {.workers =
                            o.config.capture.workers ? (unsigned)o.config.capture.workers : 1};
    s.receiver = calloc(s.workers, sizeof(*s.receiver));
    int status = ports_open(&s, &o);
    if (status == 0)
        receive(&s, &o);
    for (unsigned i = 0; i < s.ports; i++)
        port_close(s.port[i]);
    free(s.receiver);
    capture_filter_destroy(o.filter);
    return status;
}
