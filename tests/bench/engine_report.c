#include "engine_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core/analyst.h"
#include "engine_case.h"
#include "flow/table.h"

#define KNOWN_AGAIN_SHARE 100u /* of known flows, at most, that mixed lets begin again */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double report_mean(const uint64_t *sample, uint64_t count)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < count; i++)
        sum += sample[i];
    return (double)sum / (double)(count * POOL_BUFFERS);
}

double report_median(uint64_t *sample, uint64_t count)
{
    qsort(sample, count, sizeof(*sample), by_value);
    uint64_t middle = (sample[count / 2] + sample[(count - 1) / 2]) / 2;
    return (double)middle / POOL_BUFFERS;
}

bool report_complain(const struct bench *b, const char *what)
{
    fprintf(stderr, PROGRAM ": IPv%u, %s, %" PRIu64 " flows: %s\n", b->traffic.family, b->mix->name,
            b->traffic.flows, what);
    return false;
}

/* Known flows that came back as new ones. */
static uint64_t known_begun_again(const struct bench *b)
{
    uint64_t begun = b->traffic.flows + traffic_newcomers(&b->traffic, b->packets);

    return b->mix->known ? b->counters.note[NOTE_FLOWS_CREATED] - begun : 0;
}

bool report_verify(const struct bench *b)
{
    struct flow_census census;
    const uint64_t *note = b->counters.note;

    flow_table_census(b->table, &census);
    if (b->packets != census.made_packets + census.live_packets + census.held_packets)
        return report_complain(b,
                               "ledger open: packets in are not those of records and live flows");
    if (note[NOTE_FLOWS_CREATED] - note[NOTE_FLOWS_ENDED] != census.flows)
        return report_complain(b, "ledger open: flows made are not those ended and live");
    if (note[NOTE_SPAN_DUPLICATES] || note[NOTE_ACKED_UNSEEN] || note[NOTE_LATE_PACKETS])
        return report_complain(b, "traffic was not what it should be");
    if (!b->mix->fresh && (census.flows != b->traffic.flows || note[NOTE_FLOWS_EVICTED] ||
                           note[NOTE_FLOWS_CREATED] != b->traffic.flows))
        return report_complain(b, "the table does not hold exactly the flows sent");
    if (b->mix->fresh && !note[NOTE_FLOWS_EVICTED])
        return report_complain(b, "no flow was evicted");
    if (known_begun_again(b) > b->traffic.flows / KNOWN_AGAIN_SHARE)
        return report_complain(b, "newcomers pushed out known flows");
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

void report_print(const struct bench *b, const double ns[], uint64_t passes, uint64_t turns)
{
    printf("{\"family\":%u,\"mix\":\"%s\",\"flows\":%" PRIu64
           ",\"floor_ns\":%.1f,\"engine_ns\":%.1f,"
           "\"ratio\":%.2f,\"memory_mb\":%" PRIu64,
           b->traffic.family, b->mix->name, b->traffic.flows, ns[TIMED_FLOOR], ns[TIMED_ENGINE],
           ns[TIMED_ENGINE] / ns[TIMED_FLOOR], memory_mb());
    if (b->mix->known && b->mix->fresh)
        printf(",\"new_percent\":%u,\"known_again\":%" PRIu64, b->traffic.new_percent,
               known_begun_again(b));
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
