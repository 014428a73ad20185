/*
 * Receives from live ports and says what became of every packet: the parts below `weir run`, alone.
 *
 *     receive [--KEY=VALUE]... [--take-over] [--filter=BPF] [--stall=WORKER] SOURCE
 *
 * KEY is a key of the configuration, such as capture.workers. Prints how the port was opened and
 * `ready` on stderr; on SIGTERM or SIGINT it stops the port, empties the queues and prints one JSON
 * object. SIGUSR1 prints one without ending. --stall: that worker takes no packet until the end.
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

#define REST_NS 200000000L /* a queue that stays empty for so long is drained */

struct receiver {
    struct capture *capture;
    pthread_t thread;
    bool stalled;
    _Atomic bool *stop;
    _Atomic uint64_t packets, octets, cut; /* cut: captured shorter than they were */
};

struct options {
    struct config config;
    const char *source, *expression;
    struct capture_filter *filter;
    bool take_over;
    int stalled;
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

static void *receiver_run(void *user)
{
    struct receiver *r = user;
    struct burst burst;
    long idle_ns = 0;

    while (r->stalled && !*r->stop)
        nanosleep(&moment, NULL);
    while (!*r->stop || idle_ns < REST_NS) {
        capture_receive(r->capture, &burst);
        burst_count(r, &burst);
        idle_ns = burst.count ? 0 : idle_ns + moment.tv_nsec;
        if (!burst.count)
            nanosleep(&moment, NULL);
    }
    return NULL;
}

static void stats_add(struct capture_stats *sum, const struct capture_stats *one)
{
    sum->received += one->received;
    sum->pending += one->pending;
    sum->filtered += one->filtered;
    for (int i = 0; i < MISS_COUNT; i++)
        sum->missed[i] += one->missed[i];
}

static void print_json(struct port *port, struct receiver *receivers, unsigned count)
{
    static const char *const names[] = {
#define X(symbol, label, help) label,
        CAPTURE_MISSES(X)
#undef X
    };
    struct capture_stats sum = {0}, one;
    struct port_stats port_stats;
    uint64_t packets = 0, octets = 0, cut = 0;

    port->ops->stats(port, &port_stats);
    printf("{\"workers\": [");
    for (unsigned i = 0; i < count; i++) {
        capture_stats(receivers[i].capture, &one);
        stats_add(&sum, &one);
        packets += receivers[i].packets;
        octets += receivers[i].octets;
        cut += receivers[i].cut;
        printf("%s%" PRIu64, i ? ", " : "", (uint64_t)receivers[i].packets);
    }
    printf("], \"delivered\": %" PRIu64 ", \"octets\": %" PRIu64 ", \"cut\": %" PRIu64
           ", \"received\": %" PRIu64 ", \"pending\": %" PRIu64 ", \"filtered\": %" PRIu64,
           packets, octets, cut, sum.received, sum.pending, sum.filtered);
    for (int i = 0; i < MISS_COUNT; i++)
        printf(", \"%s\": %" PRIu64, names[i], sum.missed[i]);
    printf(", \"interface\": %" PRIu64 ", \"dropped\": %" PRIu64 ", \"passed\": %" PRIu64
           ", \"ignored\": %" PRIu64 ", \"ignored_octets\": %" PRIu64
           ", \"link_up\": %s, \"gone\": %s}\n",
           port_stats.interface_packets, port_stats.interface_dropped, port_stats.passed,
           port_stats.ignored, port_stats.ignored_octets, port_stats.link_up ? "true" : "false",
           port_stats.gone ? "true" : "false");
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
        o->source = argument;
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

/* Waits for signals and answers them; returns when the port is to be left. */
static void serve(struct port *port, struct receiver *receivers, unsigned count,
                  const sigset_t *signals)
{
    int number;

    while (sigwait(signals, &number) == 0 && number == SIGUSR1)
        print_json(port, receivers, count);
}

static int receive(struct port *port, const struct options *o, unsigned workers)
{
    struct receiver *receivers = calloc(workers, sizeof(*receivers));
    _Atomic bool stop = false;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    for (unsigned i = 0; i < workers; i++) {
        receivers[i].capture = port->ops->queue(port, i);
        receivers[i].stop = &stop;
        receivers[i].stalled = o->stalled == (int)i;
        pthread_create(&receivers[i].thread, NULL, receiver_run, &receivers[i]);
    }
    if (port->ops->start)
        port->ops->start(port);
    fprintf(stderr, "%s\nready\n", port->ops->describe(port));
    serve(port, receivers, workers, &signals);
    port_stop(port);
    stop = true;
    for (unsigned i = 0; i < workers; i++)
        pthread_join(receivers[i].thread, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL); /* misdirected frames show late */
    print_json(port, receivers, workers);
    free(receivers);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {.stalled = -1};
    char error[CAPTURE_ERROR_MAX];
    struct port *port;

    config_defaults(&o.config);
    for (int i = 1; i < argc; i++)
        if (option_take(&o, argv[i]) != 0)
            return 2;
    if (!o.source)
        return fail("no source is named");
    if (o.expression && capture_filter_create(o.expression, &o.filter, error) != 0)
        return fail(error);
    unsigned workers = o.config.capture.workers ? (unsigned)o.config.capture.workers : 1;
    struct port_options options = {
        .config = &o.config,
        .filter = o.filter,
        .source = o.source,
        .workers = (uint16_t)workers,
        .all_sources = &o.source,
        .source_count = 1,
        .take_over = o.take_over,
    };
    if (port_open(&options, &port, error) != 0)
        return fail(error);
    int status = receive(port, &o, workers);
    port_close(port);
    capture_filter_destroy(o.filter);
    return status;
}
