#include "core/ledger.h"

#include <assert.h>
#include <inttypes.h>

static const char *const line_names[LEDGER_LINES] = {
    [LEDGER_RECEIVED] = "received = delivered + filtered + missed + pending",
    [LEDGER_DELIVERED] = "delivered = in flows + not IP + malformed + filtered + duplicates",
    [LEDGER_FLOWS] = "in flows = in records + live + held fragments + folded",
    [LEDGER_FOLDED] = "folded = in aggregates made + in open ones",
    [LEDGER_OCTETS] = "octets folded = in aggregates made + in open ones",
    [LEDGER_RECORDS] = "records made = handed on + lost",
    [LEDGER_ENTRIES] = "connections begun = ended + live",
    [LEDGER_INLINE] = "forwarded = sent + send failures",
};

static uint64_t sum_of(const uint64_t *term, int count)
{
    uint64_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += term[i];
    return sum;
}

uint64_t ledger_missed(const struct ledger *l)
{
    return sum_of(l->missed, MISS_COUNT);
}

int64_t ledger_difference(const struct ledger *l, enum ledger_line line)
{
    const struct flow_census *c = &l->census;

    switch (line) {
    case LEDGER_RECEIVED:
        return (int64_t)(l->received - l->delivered - l->filtered - ledger_missed(l) - l->pending);
    case LEDGER_DELIVERED:
        return (int64_t)(l->delivered - sum_of(l->counters.fate_packets, FATE_COUNT));
    case LEDGER_FLOWS:
        return (int64_t)(l->counters.fate_packets[FATE_FLOW] - c->made_packets - c->live_packets -
                         c->held_packets - c->folded_packets);
    case LEDGER_FOLDED:
        return (int64_t)(c->folded_packets - c->aggregate_packets - c->aggregating_packets);
    case LEDGER_OCTETS:
        return (int64_t)(c->folded_octets - c->aggregate_octets - c->aggregating_octets);
    case LEDGER_RECORDS:
        return (int64_t)(c->made_records + c->aggregate_records - l->handed - l->lost);
    case LEDGER_INLINE:
        return (int64_t)(l->forwarded - l->sent - l->send_failed);
    default:
        return (int64_t)(l->counters.note[NOTE_FLOWS_CREATED] - l->counters.note[NOTE_FLOWS_ENDED] -
                         c->flows);
    }
}

const char *ledger_line_name(enum ledger_line line)
{
    return line_names[line];
}

bool ledger_closed(const struct ledger *l)
{
    for (int i = 0; i < LEDGER_LINES; i++)
        if (ledger_difference(l, (enum ledger_line)i))
            return false;
    return true;
}

/* A ledger is nothing but terms of one type. */
void ledger_add(struct ledger *l, const struct ledger *more)
{
    uint64_t *to = (uint64_t *)l;
    const uint64_t *from = (const uint64_t *)more;

    static_assert(sizeof(struct ledger) % sizeof(uint64_t) == 0, "only terms");
    for (size_t i = 0; i < sizeof(*l) / sizeof(*to); i++)
        to[i] += from[i];
}

static void print_counter(FILE *out, const struct counter_info *info, uint64_t value)
{
    if (value)
        fprintf(out, "  %-10s %-20s %12" PRIu64 "\n", info->group, info->label, value);
}

static void print_misses(FILE *out, const struct ledger *l)
{
    static const struct counter_info info[MISS_COUNT] = {
#define X(symbol, label, help) {"missed", label, help},
        CAPTURE_MISSES(X)
#undef X
    };

    for (int i = 0; i < MISS_COUNT; i++)
        print_counter(out, &info[i], l->missed[i]);
}

static void print_packets(FILE *out, const struct ledger *l)
{
    fprintf(out, "packets: received %" PRIu64 ", delivered %" PRIu64 ", filtered %" PRIu64,
            l->received, l->delivered, l->filtered + l->counters.fate_packets[FATE_FILTERED]);
    if (ledger_missed(l) || l->pending)
        fprintf(out, ", missed %" PRIu64 ", pending %" PRIu64, ledger_missed(l), l->pending);
    if (l->forwarded)
        fprintf(out, "; forwarded %" PRIu64 ", sent %" PRIu64 ", not sent %" PRIu64, l->forwarded,
                l->sent, l->send_failed);
    fputc('\n', out);
}

static void print_folded(FILE *out, const struct flow_census *c)
{
    if (c->folded_packets)
        fprintf(out,
                "folded: packets %" PRIu64 ", octets %" PRIu64 "; aggregates %" PRIu64
                ", packets in them %" PRIu64 ", in open ones %" PRIu64 "\n",
                c->folded_packets, c->folded_octets, c->aggregate_records, c->aggregate_packets,
                c->aggregating_packets);
}

void ledger_print(const struct ledger *l, FILE *out)
{
    const struct flow_census *c = &l->census;

    print_packets(out, l);
    print_misses(out, l);
    for (int i = 0; i < FATE_COUNT; i++)
        print_counter(out, &weir_fate_info[i],
                      l->counters.fate_packets[i] + (i == FATE_FILTERED ? l->filtered : 0));
    for (int i = 0; i < NOTE_COUNT; i++)
        print_counter(out, &weir_note_info[i], l->counters.note[i]);
    fprintf(out,
            "records: made %" PRIu64 ", handed on %" PRIu64 ", lost %" PRIu64
            "; packets in them %" PRIu64 ", live %" PRIu64 ", held %" PRIu64 "\n",
            c->made_records + c->aggregate_records, l->handed, l->lost, c->made_packets,
            c->live_packets, c->held_packets);
    print_folded(out, c);
    for (int i = 0; i < LEDGER_LINES; i++) {
        int64_t off = ledger_difference(l, (enum ledger_line)i);
        if (off)
            fprintf(out, "ledger open: %s: off by %" PRId64 "\n", line_names[i], off);
    }
    if (ledger_closed(l))
        fputs("ledger closed\n", out);
}
