#include "core/ledger.h"

#include <inttypes.h>

static const char *const line_names[LEDGER_LINES] = {
    [LEDGER_RECEIVED] = "received = delivered + filtered",
    [LEDGER_DELIVERED] = "delivered = in flows + not IP + malformed + duplicates",
    [LEDGER_FLOWS] = "in flows = in records + live + held fragments",
    [LEDGER_RECORDS] = "records made = written + lost at the output",
    [LEDGER_ENTRIES] = "connections begun = ended + live",
};

static uint64_t fates_sum(const struct ledger *l)
{
    uint64_t sum = 0;
    for (int i = 0; i < FATE_COUNT; i++)
        if (i != FATE_FILTERED)
            sum += l->counters.fate_packets[i];
    return sum;
}

int64_t ledger_difference(const struct ledger *l, enum ledger_line line)
{
    const struct flow_census *c = &l->census;

    switch (line) {
    case LEDGER_RECEIVED:
        return (int64_t)(l->received - l->delivered - l->counters.fate_packets[FATE_FILTERED]);
    case LEDGER_DELIVERED:
        return (int64_t)(l->delivered - fates_sum(l));
    case LEDGER_FLOWS:
        return (int64_t)(l->counters.fate_packets[FATE_FLOW] - c->made_packets - c->live_packets -
                         c->held_packets);
    case LEDGER_RECORDS:
        return (int64_t)(c->made_records - l->written - l->lost);
    default:
        return (int64_t)(l->counters.note[NOTE_FLOWS_CREATED] - l->counters.note[NOTE_FLOWS_ENDED] -
                         c->flows);
    }
}

bool ledger_closed(const struct ledger *l)
{
    for (int i = 0; i < LEDGER_LINES; i++)
        if (ledger_difference(l, (enum ledger_line)i))
            return false;
    return true;
}

static void print_counter(FILE *out, const struct counter_info *info, uint64_t value)
{
    if (value)
        fprintf(out, "  %-10s %-20s %12" PRIu64 "\n", info->group, info->label, value);
}

void ledger_print(const struct ledger *l, FILE *out)
{
    const struct flow_census *c = &l->census;

    fprintf(out, "packets: received %" PRIu64 ", delivered %" PRIu64 ", filtered %" PRIu64 "\n",
            l->received, l->delivered, l->counters.fate_packets[FATE_FILTERED]);
    for (int i = 0; i < FATE_COUNT; i++)
        print_counter(out, &weir_fate_info[i], l->counters.fate_packets[i]);
    for (int i = 0; i < NOTE_COUNT; i++)
        print_counter(out, &weir_note_info[i], l->counters.note[i]);
    fprintf(out,
            "records: made %" PRIu64 ", written %" PRIu64 ", lost at the output %" PRIu64
            "; packets in them %" PRIu64 ", live %" PRIu64 ", held %" PRIu64 "\n",
            c->made_records, l->written, l->lost, c->made_packets, c->live_packets,
            c->held_packets);
    for (int i = 0; i < LEDGER_LINES; i++) {
        int64_t off = ledger_difference(l, (enum ledger_line)i);
        if (off)
            fprintf(out, "ledger open: %s: off by %" PRId64 "\n", line_names[i], off);
    }
    if (ledger_closed(l))
        fputs("ledger closed\n", out);
}
