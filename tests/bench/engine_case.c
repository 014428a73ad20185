#include "engine_case.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/spsc.h"
#include "config/config.h"
#include "core/analyst.h"
#include "core/hunter.h"
#include "engine_report.h"
#include "flow/table.h"

#define SERVERS 65536u /* different addresses of the traffic, beside a client per flow */
#define RING_RECORDS 65536u
#define FLOW_OCTETS 512u /* of memory, at most, of each flow */

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

static uint64_t table_flows(const struct bench *b)
{
    uint64_t fill = b->arguments->fill && b->mix->known ? b->arguments->fill : b->mix->fill;

    return b->traffic.flows * 100 / fill;
}

/* Complains unless there is room for all entries that will be touched. */
static int check_memory(const struct bench *b)
{
    uint64_t touched = b->mix->fresh ? b->max_flows : b->traffic.flows;

    if (touched * FLOW_OCTETS <= memory_available())
        return 0;
    (void)report_complain(b, "not enough memory");
    return -ENOMEM;
}

static int create_table(struct bench *b)
{
    struct flow_table_options options = {.flow = b->config.flow,
                                         .deltas = b->arguments->deltas || b->arguments->hosts,
                                         .fixed_secret = !b->mix->secret};

    options.flow.max_flows = (uint32_t)b->max_flows;
    return flow_table_create(&options, &b->counters, &b->table);
}

int bench_open(struct bench *b, const struct arguments *arguments, struct pool *pool,
               const struct mix *mix, const struct traffic *traffic)
{
    b->arguments = arguments;
    b->pool = pool;
    b->mix = mix;
    b->traffic = *traffic;
    b->max_flows = table_flows(b);
    b->traffic.room = b->max_flows - traffic->flows;
    config_defaults(&b->config);
    if (arguments->active_s)
        b->config.flow.active_ns = arguments->active_s * 1000000000U;
    b->decode.tunnels = b->config.flow.decap;
    int rc = check_memory(b);
    if (!rc)
        rc = create_table(b);
    if (!rc && arguments->hosts)
        rc = create_hosts(b);
    if (!rc && arguments->export)
        rc = spsc_create(RING_RECORDS, sizeof(struct flow_record), &b->ring);
    return rc;
}

void bench_close(struct bench *b)
{
    if (!b)
        return;
    spsc_destroy(b->ring);
    analyst_destroy(b->analyst);
    hunter_destroy(b->hunter);
    free(b->generation);
    flow_table_destroy(b->table);
}
