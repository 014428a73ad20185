/*
 * Time per packet of the engine (decode, flow table, its share of the sweep) beside the floor: the
 * same burst loop that only reads each frame's first line.
 *
 *   engine [--flows N] [--family 4|6] [--mix MIX] [--passes N] [--cpu N] [--fill PERCENT]
 *          [--deltas | --hosts | --hunts] [--active SECONDS] [--export] [--phases] [--quick]
 *
 * A pass goes over 16384 frames in buffers of 2 KB. Frames are written and flushed from the cache
 * outside the measured time; floor and engine take turns pass by pass over the same frames, and the
 * figures are medians over the passes. Packet time runs such that ten packets per flow go by in a
 * turn of the sweep, and the measured passes hold at least three turns. A JSON line per case; exit
 * 1 when the ledger is open or the table does not hold what it should.
 *
 *   --mix     known, new (both by default), crafted (new with keys that collide under another
 * secret than the table's) or exposed (the same, and the table's secret is known)
 *   --fill    percent of the table that the known mix takes (default 50); new fills its table
 *   --deltas  the sweep fills deltas too, as it does when hosts are counted
 *   --hosts   and hosts are counted: what the worker does for them is a part of the engine's time
 * and told as hosts_ns, the analyst's as analyst_ns. Every host has room, so that none is cheap for
 * being refused
 *   --hunts   and hunts looked at too, by the built-in rules
 *   --active  flow.active, so that records are made within the turns measured; mean_ns tells what a
 * packet took over all passes, since records come in some of them only
 *   --export  records go into a ring as they do to the exporter; it is emptied outside the time
 *   --phases  read the clock three times a burst more, and print the phases
 *   --quick   one turn at least instead of three
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/memory.h"
#include "base/spsc.h"
#include "config/config.h"
#include "core/analyst.h"
#include "core/hunter.h"
#include "decode/decode.h"
#include "engine_crafted.h"
#include "engine_pool.h"
#include "engine_traffic.h"
#include "flow/table.h"
#include "weir/counters.h"
#include "weir/flow.h"
#include "weir/packet.h"

#define SEED UINT64_C(20)
#define START_NS UINT64_C(1700000000000000000)
#define PACKETS_PER_TURN 10u /* of each flow */
#define STEP_SHIFT 16        /* packet time in 2^-16 ns, since the step need not be whole */
#define SLICE_FLOWS 32u      /* of the sweep */
#define PREFETCH_AHEAD 16u   /* as decode does */
#define MIN_PASSES 128u
#define WARM_UP_TURNS 3u /* two tables of hosts take turns: each has seen every host then */
#define SERVERS 65536u   /* different addresses of the traffic, beside a client per flow */
#define RING_RECORDS 65536u
#define FLOW_OCTETS 512u /* of memory, at most, of each flow */
#define PROGRAM "engine"

struct arguments {
    uint64_t flows; /* 0 = all */
    unsigned family;
    const char *mix;
    uint64_t passes; /* 0 = by the turns */
    uint64_t fill;
    uint64_t active_s; /* 0 = as configured by default */
    int cpu;
    bool deltas, hosts, hunts, export, phases, quick;
};

/* What traffic: see engine_traffic.h and engine_crafted.h. */
struct mix {
    const char *name;
    bool fresh, crafted;
    bool secret; /* the table's is not the one that keys were crafted with */
    bool asked;  /* only when asked for */
};

static const struct mix mixes[] = {
    {.name = "known"},
    {.name = "new", .fresh = true},
    {.name = "crafted", .fresh = true, .crafted = true, .secret = true, .asked = true},
    {.name = "exposed", .fresh = true, .crafted = true, .asked = true},
};
#define MIX_COUNT (sizeof(mixes) / sizeof(mixes[0]))

/* What is timed pass by pass. */
enum timed {
    TIMED_FLOOR,
    TIMED_ENGINE,
    TIMED_DECODE,
    TIMED_FLOW,
    TIMED_SWEEP,
    TIMED_HOSTS,
    TIMED_COUNT
};

/* One case: a table and the traffic it gets. */
struct bench {
    const struct arguments *arguments;
    const struct mix *mix;
    struct config config;
    struct traffic traffic;
    uint64_t next_crafted; /* connection to begin with */
    struct decode_options decode;
    struct flow_table *table;
    struct counters counters;
    struct pool *pool;
    uint64_t packets; /* sent so far */
    uint64_t turns;
    uint64_t sweep_debt;                /* packets not yet paid for by the sweep */
    uint64_t step;                      /* packet time, << STEP_SHIFT */
    uint64_t pass_ns[TIMED_COUNT];      /* of the pass at hand */
    struct hunt_generation *generation; /* --hosts */
    struct hunter *hunter;
    struct analyst *analyst;
    uint64_t analyst_ns, analyst_pass_ns; /* all measured passes; this pass */
    struct spsc *ring;                    /* --export */
    uint64_t records;                     /* handed on, of the measured passes */
    uint64_t sink;
    struct burst burst;
    struct flow_out out;
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t packet_time(const struct bench *b, uint64_t n)
{
    return START_NS + (n * b->step >> STEP_SHIFT);
}

/* What capture does. */
static void burst_fill(struct bench *b, uint32_t at)
{
    const uint32_t len = traffic_frame_len(&b->traffic);

    b->burst.count = PACKET_BURST_MAX;
    for (uint32_t i = 0; i < PACKET_BURST_MAX; i++) {
        struct packet *p = &b->burst.packet[i];
        p->data = b->pool->buffer[at + i];
        p->ts_ns = packet_time(b, b->packets + at + i);
        p->cap_len = p->wire_len = len;
        p->port = 0;
        p->link = LINK_ETHERNET;
        p->fate = FATE_FLOW;
    }
    b->burst.now_ns = b->burst.packet[PACKET_BURST_MAX - 1].ts_ns;
}

static uint64_t floor_burst(const struct burst *burst)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < PREFETCH_AHEAD; i++)
        __builtin_prefetch(burst->packet[i].data);
    for (uint32_t i = 0; i < burst->count; i++) {
        uint64_t word;
        if (i + PREFETCH_AHEAD < burst->count)
            __builtin_prefetch(burst->packet[i + PREFETCH_AHEAD].data);
        memcpy(&word, burst->packet[i].data + 24, sizeof(word));
        sum += word;
    }
    return sum;
}

static uint64_t floor_pass(struct bench *b)
{
    uint64_t begin = clock_ns();

    for (uint32_t at = 0; at < POOL_BUFFERS; at += PACKET_BURST_MAX) {
        burst_fill(b, at);
        b->sink += floor_burst(&b->burst);
    }
    return clock_ns() - begin;
}

static void on_alert(void *context, const struct alert *a)
{
    (void)context, (void)a;
}

static int create_hosts(struct bench *b)
{
    static struct hunt_rules rules;

    b->generation = calloc(1, sizeof(*b->generation));
    if (!b->generation)
        return -ENOMEM;
    hunt_builtin(&rules);
    b->config.hosts.max_inside = 2 * (b->traffic.flows + SERVERS);
    b->config.hunts.enabled = b->arguments->hunts;
    hunt_generation_init(b->generation, &b->config, &rules);
    int rc = hunter_create(&b->config, b->generation, true, &b->hunter);
    struct analyst_options options = {
        .config = &b->config, .generation = b->generation, .fixed_secret = true, .alert = on_alert};
    return rc ? rc : analyst_create(&options, &b->analyst);
}

/* What core does with bursts of records and deltas. */
static void hand_on(struct bench *b)
{
    if (b->ring && b->out.record_count)
        b->records += spsc_push_burst(b->ring, b->out.record, b->out.record_count);
    if (b->hunter && b->out.delta_count) {
        uint64_t begin = clock_ns();
        hunter_deltas(b->hunter, b->out.delta, b->out.delta_count);
        b->pass_ns[TIMED_HOSTS] += clock_ns() - begin;
    }
    b->out.record_count = b->out.delta_count = 0;
}

/* The analyst runs on another core: its time is not the engine's. */
static void end_turn(struct bench *b)
{
    if (!b->hunter)
        return;
    hunter_turn(b->hunter);
    uint64_t begin = clock_ns();
    analyst_step(b->analyst, &b->hunter, 1, b->burst.now_ns);
    b->analyst_pass_ns += clock_ns() - begin;
}

/* A turn visits every entry once while ten packets of each go by. */
static void sweep_share(struct bench *b)
{
    b->sweep_debt += PACKET_BURST_MAX;
    if (b->sweep_debt < SLICE_FLOWS * PACKETS_PER_TURN)
        return;
    b->sweep_debt -= SLICE_FLOWS * PACKETS_PER_TURN;
    bool ended = flow_sweep_step(b->table, b->burst.now_ns, SLICE_FLOWS, &b->out);
    hand_on(b);
    if (ended)
        end_turn(b);
    b->turns += ended;
}

static void engine_burst(struct bench *b)
{
    decode_burst(&b->decode, &b->burst, &b->counters);
    flow_table_burst(b->table, b->burst.packet, b->burst.count, &b->out);
    hand_on(b);
    sweep_share(b);
}

static void engine_burst_phases(struct bench *b)
{
    uint64_t t0 = clock_ns();
    decode_burst(&b->decode, &b->burst, &b->counters);
    uint64_t t1 = clock_ns();
    flow_table_burst(b->table, b->burst.packet, b->burst.count, &b->out);
    hand_on(b);
    uint64_t t2 = clock_ns();
    sweep_share(b);
    uint64_t t3 = clock_ns();
    b->pass_ns[TIMED_DECODE] += t1 - t0;
    b->pass_ns[TIMED_FLOW] += t2 - t1;
    b->pass_ns[TIMED_SWEEP] += t3 - t2;
}

static uint64_t engine_pass(struct bench *b)
{
    const bool phases = b->arguments->phases;
    uint64_t begin = clock_ns();

    b->analyst_pass_ns = 0;
    for (uint32_t at = 0; at < POOL_BUFFERS; at += PACKET_BURST_MAX) {
        burst_fill(b, at);
        if (phases)
            engine_burst_phases(b);
        else
            engine_burst(b);
    }
    b->analyst_ns += b->analyst_pass_ns;
    return clock_ns() - begin - b->analyst_pass_ns;
}

/* What the exporter does on another core. */
static void empty_ring(struct bench *b)
{
    static struct flow_record record[FLOW_RECORD_BURST];

    while (b->ring && spsc_pop_burst(b->ring, record, FLOW_RECORD_BURST))
        continue;
}

static void write_frames(struct bench *b)
{
    for (uint32_t i = 0; i < POOL_BUFFERS; i++)
        if (b->mix->crafted)
            crafted_write(&b->traffic, &b->next_crafted, b->pool->buffer[i]);
        else
            traffic_write(&b->traffic, b->packets + i, b->pool->buffer[i]);
}

/* Turns, and what is left of a pass: makes the flows and hosts, and lets tables grow settled. */
static void warm_up(struct bench *b)
{
    uint64_t want = WARM_UP_TURNS * b->traffic.flows * PACKETS_PER_TURN;

    while (b->packets < want) {
        write_frames(b);
        (void)engine_pass(b);
        empty_ring(b);
        b->packets += POOL_BUFFERS;
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double mean(const uint64_t *sample, uint64_t count)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < count; i++)
        sum += sample[i];
    return (double)sum / (double)(count * POOL_BUFFERS);
}

/* ns per packet */
static double median(uint64_t *sample, uint64_t count)
{
    qsort(sample, count, sizeof(*sample), by_value);
    uint64_t middle = (sample[count / 2] + sample[(count - 1) / 2]) / 2;
    return (double)middle / POOL_BUFFERS;
}

static uint64_t pass_count(const struct bench *b)
{
    uint64_t turns = b->arguments->quick ? 1 : 3, active_ns = b->arguments->active_s * 1000000000U;

    if (active_ns) /* in which each flow has one record */
        turns = active_ns / FLOW_TURN_NS;
    uint64_t passes = turns * PACKETS_PER_TURN * b->traffic.flows / POOL_BUFFERS + 2;

    if (b->arguments->passes)
        return b->arguments->passes;
    return passes < MIN_PASSES ? MIN_PASSES : passes;
}

static bool complain(const struct bench *b, const char *what)
{
    fprintf(stderr, PROGRAM ": IPv%u, %s, %" PRIu64 " flows: %s\n", b->traffic.family, b->mix->name,
            b->traffic.flows, what);
    return false;
}

/* The ledger, and that the case was what it says it is. */
static bool verify(const struct bench *b)
{
    struct flow_census census;
    const uint64_t *note = b->counters.note;

    flow_table_census(b->table, &census);
    if (b->packets != census.made_packets + census.live_packets + census.held_packets)
        return complain(b, "ledger open: packets in are not those of records and live flows");
    if (note[NOTE_FLOWS_CREATED] - note[NOTE_FLOWS_ENDED] != census.flows)
        return complain(b, "ledger open: flows made are not those ended and live");
    if (note[NOTE_SPAN_DUPLICATES] || note[NOTE_ACKED_UNSEEN] || note[NOTE_LATE_PACKETS])
        return complain(b, "traffic was not what it should be");
    if (!b->traffic.fresh && (census.flows != b->traffic.flows || note[NOTE_FLOWS_EVICTED] ||
                              note[NOTE_FLOWS_CREATED] != b->traffic.flows))
        return complain(b, "the table does not hold exactly the flows sent");
    if (b->traffic.fresh && !note[NOTE_FLOWS_EVICTED])
        return complain(b, "no flow was evicted");
    return true;
}

static uint64_t memory_mb(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss / 1024;
}

static void print_hosts(const struct bench *b, double worker_ns, uint64_t passes)
{
    struct analyst_stats stats;

    analyst_stats(b->analyst, &stats);
    printf(",\"hosts_ns\":%.1f,\"analyst_ns\":%.1f,\"hosts\":%" PRIu64, worker_ns,
           (double)b->analyst_ns / (double)(passes * POOL_BUFFERS),
           (uint64_t)stats.hosts_inside + stats.hosts_outside);
}

static void print_result(const struct bench *b, const double ns[], uint64_t passes, uint64_t turns)
{
    printf("{\"family\":%u,\"mix\":\"%s\",\"flows\":%" PRIu64
           ",\"floor_ns\":%.1f,\"engine_ns\":%.1f,"
           "\"ratio\":%.2f,\"memory_mb\":%" PRIu64,
           b->traffic.family, b->mix->name, b->traffic.flows, ns[TIMED_FLOOR], ns[TIMED_ENGINE],
           ns[TIMED_ENGINE] / ns[TIMED_FLOOR], memory_mb());
    if (b->arguments->phases)
        printf(",\"decode_ns\":%.1f,\"flow_ns\":%.1f,\"sweep_ns\":%.1f", ns[TIMED_DECODE],
               ns[TIMED_FLOW], ns[TIMED_SWEEP]);
    if (b->arguments->active_s)
        printf(",\"mean_ns\":%.1f", ns[TIMED_COUNT]);
    if (b->ring)
        printf(",\"records\":%" PRIu64, b->records);
    if (b->hunter)
        print_hosts(b, ns[TIMED_HOSTS], passes);
    printf(",\"turns\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"frame_len\":%u,\"evicted\":%" PRIu64
           "}\n",
           turns, passes * POOL_BUFFERS, traffic_frame_len(&b->traffic),
           b->counters.note[NOTE_FLOWS_EVICTED]);
    fflush(stdout);
}

/* Floor and engine over the same frames. */
static void measure_pass(struct bench *b, uint32_t frame_len)
{
    write_frames(b);
    memset(b->pass_ns, 0, sizeof(b->pass_ns));
    pool_flush(b->pool, frame_len);
    b->pass_ns[TIMED_FLOOR] = floor_pass(b);
    pool_flush(b->pool, frame_len);
    b->pass_ns[TIMED_ENGINE] = engine_pass(b);
    empty_ring(b);
    b->packets += POOL_BUFFERS;
}

static int measure(struct bench *b)
{
    const uint64_t passes = pass_count(b);
    const uint32_t frame_len = traffic_frame_len(&b->traffic);
    uint64_t *sample = calloc(TIMED_COUNT * passes, sizeof(*sample));
    double ns[TIMED_COUNT + 1]; /* and the engine's mean */

    if (!sample)
        return -ENOMEM;
    warm_up(b);
    uint64_t turns = b->turns;
    b->analyst_ns = b->records = 0;
    for (uint64_t i = 0; i < passes; i++) {
        measure_pass(b, frame_len);
        for (unsigned k = 0; k < TIMED_COUNT; k++)
            sample[k * passes + i] = b->pass_ns[k];
    }
    ns[TIMED_COUNT] = mean(sample + TIMED_ENGINE * passes, passes);
    for (unsigned k = 0; k < TIMED_COUNT; k++)
        ns[k] = median(sample + k * passes, passes);
    print_result(b, ns, passes, b->turns - turns);
    free(sample);
    return verify(b) ? 0 : -EPROTO;
}

static struct flow_table_options table_options(const struct bench *b)
{
    struct flow_table_options options = {.flow = b->config.flow,
                                         .deltas = b->arguments->deltas || b->arguments->hosts,
                                         .fixed_secret = !b->mix->secret};

    options.flow.max_flows = b->traffic.flows;
    if (!b->traffic.fresh)
        options.flow.max_flows = b->traffic.flows * 100 / b->arguments->fill;
    return options;
}

static int run_case(const struct arguments *arguments, struct pool *pool, const struct mix *mix,
                    struct traffic traffic)
{
    struct bench *b = calloc(1, sizeof(*b));
    int rc = -ENOMEM;

    if (!b)
        return rc;
    b->arguments = arguments;
    b->pool = pool;
    b->mix = mix;
    b->traffic = traffic;
    b->step = (FLOW_TURN_NS << STEP_SHIFT) / (PACKETS_PER_TURN * traffic.flows);
    config_defaults(&b->config);
    if (arguments->active_s)
        b->config.flow.active_ns = arguments->active_s * 1000000000U;
    b->decode.tunnels = b->config.flow.decap;
    struct flow_table_options options = table_options(b);
    if (traffic.flows * FLOW_OCTETS > memory_available())
        (void)complain(b, "not enough memory");
    else
        rc = flow_table_create(&options, &b->counters, &b->table);
    if (!rc && arguments->hosts)
        rc = create_hosts(b);
    if (!rc && arguments->export)
        rc = spsc_create(RING_RECORDS, sizeof(struct flow_record), &b->ring);
    if (!rc)
        rc = measure(b);
    spsc_destroy(b->ring);
    analyst_destroy(b->analyst);
    hunter_destroy(b->hunter);
    free(b->generation);
    flow_table_destroy(b->table);
    free(b);
    return rc;
}

static int run_all(const struct arguments *a, struct pool *pool)
{
    static const uint64_t sizes[] = {10000, 100000, 1000000, 4000000};
    const size_t size_count = a->flows ? 1 : sizeof(sizes) / sizeof(sizes[0]);
    int rc = 0;

    for (uint8_t family = 4; family <= 6; family += 2) {
        for (const struct mix *mix = mixes; mix < mixes + MIX_COUNT; mix++) {
            for (size_t i = 0; i < size_count; i++) {
                struct traffic traffic = {.flows = a->flows ? a->flows : sizes[i],
                                          .seed = SEED,
                                          .family = family,
                                          .fresh = mix->fresh};
                bool wanted = (!a->family || a->family == family) &&
                              (a->mix ? !strcmp(a->mix, mix->name) : !mix->asked);
                int failed = wanted ? run_case(a, pool, mix, traffic) : 0;
                if (failed)
                    rc = failed;
            }
        }
    }
    return rc;
}

/* So that the scheduler does not carry it from cache to cache; without the right to, it runs
 * unpinned. */
static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu < 0 ? sched_getcpu() : cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        fprintf(stderr, PROGRAM ": not pinned to a processor: %s\n", strerror(errno));
}

static bool number(const char *name, const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
    char *end;

    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || value < low || value > high) {
        fprintf(stderr, PROGRAM ": --%s: \"%s\" is not a number (%" PRIu64 "..%" PRIu64 ")\n", name,
                text, low, high);
        return false;
    }
    *out = value;
    return true;
}

static const struct option options[] = {
    {"flows", required_argument, NULL, 'n'}, {"family", required_argument, NULL, 'f'},
    {"mix", required_argument, NULL, 'm'},   {"passes", required_argument, NULL, 'p'},
    {"cpu", required_argument, NULL, 'c'},   {"fill", required_argument, NULL, 'l'},
    {"deltas", no_argument, NULL, 'd'},      {"phases", no_argument, NULL, 'P'},
    {"quick", no_argument, NULL, 'q'},       {"hosts", no_argument, NULL, 'h'},
    {"hunts", no_argument, NULL, 'u'},       {"active", required_argument, NULL, 'a'},
    {"export", no_argument, NULL, 'e'},      {0},
};

static bool is_mix(const char *name)
{
    for (size_t i = 0; i < MIX_COUNT; i++)
        if (!strcmp(mixes[i].name, name))
            return true;
    return false;
}

static bool take_option(struct arguments *a, int letter, const char *name)
{
    uint64_t value = 0;
    bool ok = true;

    switch (letter) {
    case 'n':
        return number(name, optarg, 1000, 1 << 24, &a->flows);
    case 'p':
        return number(name, optarg, 1, 1 << 24, &a->passes);
    case 'l':
        return number(name, optarg, 1, 100, &a->fill);
    case 'c':
        ok = number(name, optarg, 0, CPU_SETSIZE - 1, &value);
        a->cpu = (int)value;
        return ok;
    case 'f':
        ok = !strcmp(optarg, "4") || !strcmp(optarg, "6");
        a->family = (unsigned)(optarg[0] - '0');
        break;
    case 'm':
        ok = is_mix(optarg);
        a->mix = optarg;
        break;
    case 'd':
        a->deltas = true;
        break;
    case 'h':
        a->hosts = true;
        break;
    case 'u':
        a->hosts = a->hunts = true;
        break;
    case 'a':
        return number(name, optarg, 1, 3600, &a->active_s);
    case 'e':
        a->export = true;
        break;
    case 'P':
        a->phases = true;
        break;
    case 'q':
        a->quick = true;
        break;
    default:
        return false;
    }
    if (!ok)
        fprintf(stderr, PROGRAM ": --%s: \"%s\" is not %s\n", name, optarg,
                letter == 'f' ? "4 or 6" : "known, new, crafted or exposed");
    return ok;
}

int main(int argc, char **argv)
{
    struct arguments a = {.cpu = -1, .fill = 50};
    struct pool pool;
    int letter, which = 0;

    while ((letter = getopt_long(argc, argv, "", options, &which)) != -1)
        if (!take_option(&a, letter, options[which].name))
            return 2;
    if (optind != argc) {
        fprintf(stderr, PROGRAM ": unexpected argument \"%s\"\n", argv[optind]);
        return 2;
    }
    pin(a.cpu);
    int rc = pool_init(&pool, SEED);
    if (!rc) {
        rc = run_all(&a, &pool);
        pool_fini(&pool);
    }
    if (rc)
        fprintf(stderr, PROGRAM ": failed: %s\n", strerror(-rc));
    return rc ? 1 : 0;
}
