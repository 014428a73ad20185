#include "cli/hunting.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "config/config.h"
#include "config/rules.h"
#include "core/analyst.h"
#include "core/hunter.h"
#include "core/record_deltas.h"

#define OPEN_RECORDS_MAX (256u << 10)
#define TURN_NS UINT64_C(500000000)

struct hunting {
    const struct config *config;
    struct hunt_generation generation;
    struct hunter *hunter;
    struct analyst *analyst;
    alert_encoder *encode;
    struct cli_output *output;
    struct record_deltas *records;
    uint64_t clock_ns, turned_ns;
    uint64_t record_packets;
    uint32_t raised[HUNT_RULES_MAX]; /* by rule */
    bool ends;
};

static void count_rule(struct hunting *h, const struct alert *a)
{
    for (uint32_t i = 0; i < h->generation.rules.count; i++)
        if (strcmp(h->generation.rules.rule[i].name, a->rule) == 0)
            h->raised[i]++;
}

static void write_alert(void *context, const struct alert *alert)
{
    struct hunting *h = context;
    char line[ALERT_LINE_MAX];

    if (h->ends && alert->state == ALERT_CLEARED)
        return;
    if (alert->state == ALERT_RAISED)
        count_rule(h, alert);
    cli_output_add(h->output, line, h->encode(h->config, alert, line), 0);
}

static int load_rules(const struct config *config, struct hunt_rules *rules)
{
    struct config_error error;

    hunt_builtin(rules);
    if (!config->hunts.rules[0] || config_load_rules(config->hunts.rules, rules, &error) == 0)
        return CLI_OK;
    fprintf(stderr, "weir: %s\n", error.text);
    return CLI_USAGE;
}

static int make_parts(struct hunting *h)
{
    struct analyst_options options = {.config = h->config,
                                      .generation = &h->generation,
                                      .fixed_secret = true,
                                      .alert = write_alert,
                                      .context = h};
    int rc = hunter_create(h->config, &h->generation, true, &h->hunter);

    rc = rc ? rc : analyst_create(&options, &h->analyst);
    rc = rc ? rc : record_deltas_create(OPEN_RECORDS_MAX, &h->records);
    if (!rc)
        return CLI_OK;
    fprintf(stderr, "weir: hosts.max_inside: memory for the hosts: %s\n", strerror(-rc));
    return CLI_FAILURE;
}

int hunting_create(const struct config *config, alert_encoder *encode, struct cli_output *output,
                   struct hunting **out)
{
    struct hunting *h = calloc(1, sizeof(*h));
    static struct hunt_rules rules;

    if (!h) {
        fputs("weir: out of memory\n", stderr);
        return CLI_FAILURE;
    }
    h->config = config;
    h->encode = encode;
    h->output = output;
    int exit_code = load_rules(config, &rules);
    if (exit_code == CLI_OK) {
        hunt_generation_init(&h->generation, config, &rules);
        exit_code = make_parts(h);
    }
    if (exit_code != CLI_OK) {
        hunting_destroy(h);
        return exit_code;
    }
    *out = h;
    return CLI_OK;
}

void hunting_destroy(struct hunting *h)
{
    if (!h)
        return;
    record_deltas_destroy(h->records);
    analyst_destroy(h->analyst);
    hunter_destroy(h->hunter);
    free(h);
}

void hunting_deltas(struct hunting *h, const struct flow_delta *d, uint32_t count)
{
    hunter_deltas(h->hunter, d, count);
}

void hunting_turn(struct hunting *h, uint64_t clock_ns)
{
    if (clock_ns > h->clock_ns)
        h->clock_ns = clock_ns;
    hunter_turn(h->hunter);
    analyst_step(h->analyst, &h->hunter, 1, h->clock_ns);
}

/* Records come in about the order of their ends: the clock follows the latest. */
void hunting_record(void *context, const struct flow_record *r)
{
    struct hunting *h = context;
    struct flow_delta d;

    if (!record_deltas_add(h->records, r, &d))
        return;
    if (d.last_ns >= h->turned_ns + TURN_NS) {
        h->turned_ns = d.last_ns;
        hunting_turn(h, d.last_ns);
    }
    if (d.last_ns > h->clock_ns)
        h->clock_ns = d.last_ns;
    h->record_packets += (uint64_t)d.packets[0] + d.packets[1];
    hunter_deltas(h->hunter, &d, 1);
}

void hunting_ends(struct hunting *h)
{
    h->ends = true;
}

bool hunting_summary(const struct hunting *h, uint64_t packets, FILE *out)
{
    struct analyst_stats s;

    packets += h->record_packets;
    analyst_stats(h->analyst, &s);
    fprintf(out, "alerts: raised %" PRIu64 ", escalated %" PRIu64 "\n", s.alerts[ALERT_RAISED],
            s.alerts[ALERT_ESCALATED]);
    for (uint32_t i = 0; i < h->generation.rules.count; i++)
        if (h->raised[i])
            fprintf(out, "  %-20s would have alerted %" PRIu32 " time%s\n",
                    h->generation.rules.rule[i].name, h->raised[i], h->raised[i] == 1 ? "" : "s");
    fprintf(out,
            "hosts: inside %" PRIu64 ", outside %" PRIu64 " kept; packets counted %" PRIu64
            ", events missed %" PRIu64 "\n",
            s.hosts_inside, s.hosts_outside, s.packets, s.events_missed);
    if (s.packets == packets && !s.difference)
        return true;
    fprintf(out, "ledger open: in flows = counted for hosts: off by %" PRId64 "\n",
            (int64_t)(packets - s.packets));
    return false;
}
