/*
 * Sends made packets out of an interface as fast as the kernel can, or at an even pace, and says
 * exactly how many left it: for labs of network namespaces, where nobody else sends.
 *
 *     blast [-n PACKETS] [-t SECONDS] [-r PER_SECOND] [-f FLOWS] [-w PERCENT] [-o FIRST]
 *           [-s OCTETS] [-j THREADS] [-b] [-6] INTERFACE
 *
 * Ends after PACKETS or SECONDS (3), whichever comes first, or on SIGINT or SIGTERM. OCTETS of a
 * frame without checksum, 64 ... 1514 (64). -b: every second packet answers the one before. PERCENT
 * of the packets (0) are flows of their own beside the FLOWS, numbered from FIRST (0) on. Threads
 * run on processors 0, 1, ...; a packet sent on processor n arrives on queue n of a veth. Prints
 * {"sent": .., "refused": .., "octets": .., "seconds": .., "rate": ..}; refused = made, but not
 * taken by the interface.
 *
 * The packets are frames that an XDP program makes and redirects (BPF_F_TEST_XDP_LIVE_FRAMES, Linux
 * 5.18): the far end of a veth must have an XDP program too, or they are refused.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "blast.h"
#include "tests/harness/blast.skel.h"

/* Also those that wait. Setting up a call and taking it down costs milliseconds in which nothing is
 * sent, so there is one for all, and a signal ends it. */
#define RUNS_PER_CALL (1 << 30)
#define BATCH 64
#define FRAME_MIN 64u
#define FRAME_MAX 1514u

struct options {
    struct blast_plan plan;
    uint64_t packets, per_second;
    double seconds;
    uint32_t octets, threads;
    const char *interface;
};

struct blast_run {
    const struct options *options;
    const struct blast *skeleton;
    struct blast_state *states;
    uint8_t frame[FRAME_MAX];
    _Atomic bool stop;
};

struct sender {
    struct blast_run *run;
    pthread_t thread;
    uint32_t processor;
    int status;
    _Atomic bool ended;
};

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const char *what, int status)
{
    fprintf(stderr, "blast: %s: %s\n", what, strerror(-status));
    return 1;
}

/* Packets that have left an interface, as it counts them itself. */
static int sent_read(const char *interface, uint64_t *sent)
{
    char line[512], name[64];
    FILE *f = fopen("/proc/net/dev", "re");
    int status = -ENODEV;

    if (!f)
        return -errno;
    while (status != 0 && fgets(line, sizeof(line), f))
        if (sscanf(line, " %63[^:]: %*u %*u %*u %*u %*u %*u %*u %*u %*u %" SCNu64, name, sent) ==
                2 &&
            strcmp(name, interface) == 0)
            status = 0;
    fclose(f);
    return status;
}

/* --- the frame that the program completes --- */

static void frame4_write(uint8_t *frame, uint32_t octets)
{
    struct blast_frame4 *f = (struct blast_frame4 *)frame;

    f->etype = htons(0x0800);
    f->version_length = 0x45;
    f->total_length = htons((uint16_t)(octets - 14));
    f->ttl = 64;
    f->protocol = IPPROTO_UDP;
    f->length = htons((uint16_t)(octets - 34));
}

static void frame6_write(uint8_t *frame, uint32_t octets)
{
    struct blast_frame6 *f = (struct blast_frame6 *)frame;

    f->etype = htons(0x86dd);
    f->version = htonl(6u << 28);
    f->payload_length = htons((uint16_t)(octets - 54));
    f->next = IPPROTO_UDP;
    f->hops = 64;
    f->source[0] = f->destination[0] = htonl(0xfd000000);
    f->length = f->payload_length;
}

static void frame_write(struct blast_run *run)
{
    const struct options *o = run->options;
    static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

    memcpy(run->frame, macs, sizeof(macs));
    if (o->plan.ip6)
        frame6_write(run->frame, o->octets);
    else
        frame4_write(run->frame, o->octets);
}

/* --- sending --- */

static int call(struct blast_run *run)
{
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = run->frame,
                .data_size_in = run->options->octets, .repeat = RUNS_PER_CALL,
                .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

    return bpf_prog_test_run_opts(bpf_program__fd(run->skeleton->progs.blast), &options) == 0
               ? 0
               : -errno;
}

static void *sender_run(void *user)
{
    struct sender *s = user;
    const struct blast_state *state = &s->run->states[s->processor];
    cpu_set_t processors;

    CPU_ZERO(&processors);
    CPU_SET(s->processor, &processors);
    if (pthread_setaffinity_np(pthread_self(), sizeof(processors), &processors) != 0)
        s->status = -EINVAL;
    while (s->status == 0 && !s->run->stop &&
           __atomic_load_n(&state->made, __ATOMIC_RELAXED) <
               __atomic_load_n(&state->limit, __ATOMIC_RELAXED)) {
        s->status = call(s->run);
        if (s->status == -EINTR)
            s->status = 0;
    }
    if (s->status != 0)
        kill(getpid(), SIGTERM);
    s->ended = true;
    return NULL;
}

/* The program stops at once when its limits fall to 0. */
static void wait_for_end(struct blast_run *run, const sigset_t *signals)
{
    const struct options *o = run->options;
    double end = seconds_now() + o->seconds;
    const struct timespec moment = {.tv_nsec = 2000000};
    bool done = false;

    while (!done && seconds_now() < end && sigtimedwait(signals, NULL, &moment) < 0) {
        done = true;
        for (uint32_t i = 0; i < o->threads; i++)
            done = done &&
                   __atomic_load_n(&run->states[i].made, __ATOMIC_RELAXED) >= run->states[i].limit;
    }
    run->stop = true;
    for (uint32_t i = 0; i < o->threads; i++)
        __atomic_store_n(&run->states[i].limit, 0, __ATOMIC_RELAXED);
}

static void wake(int number)
{
    (void)number; /* that it came is all: the call of the kernel ends by it */
}

/* Repeated, since a signal that comes before the call does not end it. */
static int sender_end(struct sender *s)
{
    const struct timespec moment = {.tv_nsec = 2000000};

    while (!s->ended) {
        pthread_kill(s->thread, SIGUSR1);
        nanosleep(&moment, NULL);
    }
    pthread_join(s->thread, NULL);
    return s->status;
}

static int send_all(struct blast_run *run)
{
    const struct options *o = run->options;
    struct sender senders[BLAST_THREADS_MAX] = {0};
    sigset_t signals;
    int status = 0;

    signal(SIGUSR1, wake);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    for (uint32_t i = 0; i < o->threads; i++) {
        run->states[i].limit = (o->packets + i) / o->threads;
        senders[i] = (struct sender){.run = run, .processor = i};
        pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]);
    }
    wait_for_end(run, &signals);
    for (uint32_t i = 0; i < o->threads; i++) {
        int one = sender_end(&senders[i]);
        status = status ? status : one;
    }
    return status;
}

/* The interface counts what the kernel has sent a moment after the last frame was made. */
static int report(const struct blast_run *run, uint64_t before, double began)
{
    const struct options *o = run->options;
    double seconds = seconds_now() - began;
    uint64_t made = 0, after;
    int status = sent_read(o->interface, &after);

    if (status != 0)
        return fail(o->interface, status);
    for (uint32_t i = 0; i < o->threads; i++)
        made += run->states[i].made;
    uint64_t sent = after - before;
    printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRId64 ", \"octets\": %" PRIu64
           ", \"seconds\": %.3f, \"rate\": %.0f}\n",
           sent, (int64_t)(made - sent), sent * o->octets, seconds, (double)sent / seconds);
    return 0;
}

static int blast_open(struct blast_run *run, struct blast *skeleton)
{
    const struct options *o = run->options;
    size_t octets = BLAST_THREADS_MAX * sizeof(struct blast_state);

    memcpy((void *)&skeleton->rodata->plan, &o->plan, sizeof(o->plan));
    int status = blast__load(skeleton);
    if (status != 0)
        return fail("the program does not load, which needs root", status);
    run->skeleton = skeleton;
    run->states = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED,
                       bpf_map__fd(skeleton->maps.states), 0);
    if (run->states == MAP_FAILED)
        return fail("mmap", -errno);
    frame_write(run);
    return 0;
}

static int blast_run(const struct options *o)
{
    struct blast_run run = {.options = o};
    struct blast *skeleton = blast__open();
    uint64_t before;

    if (!skeleton)
        return fail("no memory", -errno);
    int status = blast_open(&run, skeleton);
    if (status == 0) {
        status = sent_read(o->interface, &before);
        double began = seconds_now();
        if (status == 0)
            status = send_all(&run);
        status = status ? fail(o->interface, status) : report(&run, before, began);
    }
    blast__destroy(skeleton);
    return status;
}

/* --- options --- */

static bool option_take(struct options *o, int letter, const char *value)
{
    switch (letter) {
    case 'n':
        return (o->packets = strtoull(value, NULL, 10)) > 0;
    case 't':
        return (o->seconds = atof(value)) > 0;
    case 'r':
        return (o->per_second = strtoull(value, NULL, 10)) > 0;
    case 'f':
        o->plan.flows = (uint32_t)atoi(value);
        return o->plan.flows > 0 && o->plan.flows <= BLAST_FLOWS_MAX;
    case 'w':
        o->plan.new_percent = (uint32_t)atoi(value);
        return o->plan.new_percent <= 100;
    case 'o':
        o->plan.new_first = (uint32_t)atoi(value);
        return true;
    case 's':
        o->octets = (uint32_t)atoi(value);
        return o->octets >= FRAME_MIN && o->octets <= FRAME_MAX;
    case 'j':
        o->threads = (uint32_t)atoi(value);
        return o->threads > 0 && o->threads <= BLAST_THREADS_MAX;
    case 'b':
        return (o->plan.both_ways = 1);
    case '6':
        return (o->plan.ip6 = 1);
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    struct options o = {
        .packets = UINT64_MAX / 2, .seconds = 3, .octets = 64, .threads = 1, .plan.flows = 1};
    int letter;

    while ((letter = getopt(argc, argv, "n:t:r:f:w:o:s:j:b6")) != -1)
        if (!option_take(&o, letter, optarg))
            return 2;
    if (optind + 1 != argc)
        return 2;
    o.interface = argv[optind];
    o.plan.interface = if_nametoindex(o.interface);
    if (!o.plan.interface)
        return fail(o.interface, -ENODEV);
    if (o.per_second)
        o.plan.gap_ns = 1000000000u * o.threads / o.per_second;
    return blast_run(&o);
}
