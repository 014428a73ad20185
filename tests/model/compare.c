#include "compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "generate.h"
#include "records.h"
#include "reference.h"
#include "tally.h"
#include "weir/flow.h"

struct comparison {
    struct flow_table_options options;
    struct counters counters;
    struct flow_table *table;
    struct reference reference;
    bool exact; /* the reference has a say: no evictions */
    bool quiet, failed;

    /* of the sequence */
    struct sequence *sequence;
    uint32_t at;   /* the step whose turn or packet is being looked at */
    uint32_t from; /* first packet that is not handed in yet */
    uint64_t now_ns, newest_ts, turn_end_ns;
    uint64_t id_base; /* the table's flow_id less the reference's; -1 = not known */
    struct counters before;
    struct tally tally;
    uint32_t records; /* of the reference that were compared */
    struct flow_record got[REFERENCE_RECORDS];
    uint32_t got_count;

    /* of the table */
    uint64_t in_packets, in_octets;
    /* of the run */
    uint64_t sum_packets, sum_records, sum_notices, sum_limited;
    struct flow_out out;
};

struct comparison *comparison_create(void)
{
    return calloc(1, sizeof(struct comparison));
}

void comparison_destroy(struct comparison *c)
{
    free(c);
}

bool comparison_open(struct comparison *c, const struct flow_table_options *options)
{
    c->options = *options;
    c->exact = options->flow.max_flows != TABLE_FULL;
    c->in_packets = c->in_octets = 0;
    memset(&c->counters, 0, sizeof(c->counters));
    int rc = flow_table_create(options, &c->counters, &c->table);
    if (rc)
        printf("no table: %s\n", strerror(-rc));
    return !rc;
}

void comparison_close(struct comparison *c)
{
    flow_table_destroy(c->table);
    c->table = NULL;
}

static void fail(struct comparison *c, const char *what)
{
    if (!c->quiet && !c->failed)
        printf("at packet %u: %s\n", c->at, what);
    c->failed = true;
}

/* Takes what the table has made. */
static void collect(struct comparison *c)
{
    for (uint32_t i = 0; i < c->out.record_count && !c->failed; i++) {
        const struct flow_record *r = &c->out.record[i];
        const char *fault = record_fault(r);
        if (fault) {
            fail(c, fault);
            if (!c->quiet)
                record_print("table", r);
        }
        tally_record(&c->tally, r);
        if (c->got_count == REFERENCE_RECORDS)
            fail(c, "more records than the test has room for");
        else
            c->got[c->got_count++] = *r;
        c->sum_records += !flow_record_is_notice(r);
        c->sum_notices += flow_record_is_notice(r);
    }
    for (uint32_t i = 0; i < c->out.delta_count; i++)
        tally_delta(&c->tally, &c->out.delta[i]);
    c->out.record_count = c->out.delta_count = 0;
}

/* Flow ids are compared up to renaming: one name of the table for one of the reference, over the
 * sequence. */
static bool same_name(const struct comparison *c, const struct flow_record *got,
                      const struct flow_record *want)
{
    for (uint32_t i = 0; i < c->got_count; i++) {
        const struct flow_record *g = &c->got[i], *w = &c->reference.record[i];
        if (w == want)
            return true;
        if ((g->flow_id == got->flow_id) != (w->flow_id == want->flow_id))
            return false;
    }
    return true;
}

static void compare_one(struct comparison *c, uint32_t i)
{
    const struct flow_record *got = &c->got[i], *want = &c->reference.record[i];
    uint64_t tolerance = c->sequence->exact_times ? 0 : REFERENCE_STEP_NS - 1;

    if (records_equal(got, want, tolerance, true) && same_name(c, got, want))
        return;
    fail(c, "a record differs");
    if (c->quiet)
        return;
    (void)records_equal(got, want, tolerance, false);
    if (!same_name(c, got, want))
        printf("  differs: flow_id\n");
    record_print("table", got);
    record_print("reference", want);
}

static void print_from(const char *whose, const struct flow_record *records, uint32_t from,
                       uint32_t count)
{
    printf("  %s made %u:\n", whose, count - from);
    for (uint32_t i = from; i < count; i++)
        record_print(whose, &records[i]);
}

/* Both made the same since the last comparison. */
static void compare_new(struct comparison *c)
{
    struct reference *r = &c->reference;

    collect(c);
    if (!c->exact || c->failed)
        return;
    if (r->records != c->got_count) {
        fail(c, "different numbers of records");
        if (c->quiet)
            return;
        print_from("table", c->got, c->records, c->got_count);
        print_from("reference", r->record, c->records, r->records);
        return;
    }
    records_sort(&c->got[c->records], c->got_count - c->records);
    records_sort(&r->record[c->records], r->records - c->records);
    for (; c->records < r->records && !c->failed; c->records++)
        compare_one(c, c->records);
}

static void check_notes(struct comparison *c)
{
    static const enum weir_note notes[] = {
        NOTE_SPAN_DUPLICATES,    NOTE_LATE_PACKETS,   NOTE_FLOWS_CREATED,
        NOTE_FLOWS_ENDED,        NOTE_FRAGMENTS_HELD, NOTE_FRAGMENTS_JOINED,
        NOTE_FRAGMENTS_ORPHANED, NOTE_RESETS_IGNORED, NOTE_ACKED_UNSEEN};

    for (size_t i = 0; c->exact && i < sizeof(notes) / sizeof(notes[0]); i++) {
        uint64_t counted = c->counters.note[notes[i]] - c->before.note[notes[i]];
        if (counted == c->reference.note[notes[i]])
            continue;
        fail(c, weir_note_info[notes[i]].label);
        if (!c->quiet)
            printf("  table %" PRIu64 ", reference %" PRIu64 "\n", counted,
                   c->reference.note[notes[i]]);
    }
}

static void check_ledger(struct comparison *c)
{
    struct flow_census census;

    flow_table_census(c->table, &census);
    if (c->in_packets != census.made_packets + census.live_packets + census.held_packets ||
        c->in_octets != census.made_octets + census.live_octets + census.held_octets)
        fail(c, "the ledger does not close");
    if (census.flows != c->counters.note[NOTE_FLOWS_CREATED] - c->counters.note[NOTE_FLOWS_ENDED])
        fail(c, "flows in use are not those created less those ended");
    if (census.flows > census.max_flows)
        fail(c, "more flows than the table may hold");
}

static void hand_in(struct comparison *c, uint32_t to)
{
    struct packet packet[PACKET_BURST_MAX];
    uint32_t from = c->from, count = to - from;

    if (!count)
        return;
    for (uint32_t i = 0; i < count; i++)
        packet[i] = c->sequence->step[from + i].packet;
    for (uint32_t i = 0; i < count; i++)
        packet_set_plain(&packet[i]);
    flow_table_burst(c->table, packet, count, &c->out);
    for (uint32_t i = 0; i < count; i++) {
        struct packet mine = c->sequence->step[from + i].packet;
        if (c->exact) {
            reference_packet(&c->reference, &mine);
            if (mine.fate != packet[i].fate)
                fail(c, "a packet's fate differs");
        }
        if (packet[i].fate != FATE_FLOW)
            continue;
        tally_packet(&c->tally, &packet[i]);
        c->in_packets++;
        c->in_octets += packet[i].octets;
    }
    c->from = to;
    compare_new(c);
    check_ledger(c);
    check_notes(c);
}

static void turn(struct comparison *c)
{
    bool done;

    do {
        done = flow_sweep_step(c->table, c->now_ns, 1 + (uint32_t)(c->now_ns >> 3) % 100, &c->out);
        collect(c);
    } while (!done);
    if (c->exact)
        reference_turn(&c->reference, c->now_ns);
    compare_new(c);
    check_ledger(c);
    check_notes(c);
    c->turn_end_ns = c->now_ns + FLOW_TURN_NS; /* no lifetime of the test is shorter */
}

static void advance(struct comparison *c, uint32_t i)
{
    const struct step *s = &c->sequence->step[i];
    uint64_t ts = s->packet.ts_ns;
    bool turns = ts >= c->newest_ts && ts >= c->turn_end_ns;

    c->at = i;
    if (turns || s->burst_ends || s->loss)
        hand_in(c, i);
    if (s->loss) {
        flow_table_note_loss(c->table);
        c->reference.losses++;
    }
    if (ts >= c->newest_ts)
        c->newest_ts = c->now_ns = ts;
    if (turns)
        turn(c);
}

static void begin(struct comparison *c, struct sequence *sequence)
{
    c->sequence = sequence;
    c->failed = false;
    c->from = c->got_count = c->records = 0;
    c->now_ns = c->newest_ts = c->turn_end_ns = 0;
    c->before = c->counters;
    c->out.record_count = c->out.delta_count = 0;
    tally_init(&c->tally, !sequence->fragments);
    reference_init(&c->reference, &c->options);
    flow_table_clock_offset(c->table,
                            0); /* as if fresh: the time of the last sequence is forgotten */
}

static void drain(struct comparison *c)
{
    struct flow_census census;

    while (!flow_table_drain(c->table, &c->out))
        collect(c);
    if (c->exact)
        reference_drain(&c->reference);
    compare_new(c);
    check_ledger(c);
    check_notes(c);
    flow_table_census(c->table, &census);
    if (census.flows || census.live_packets || census.held_packets)
        fail(c, "something is left in a drained table");
    const char *fault = tally_fault(&c->tally, c->options.deltas);
    if (fault)
        fail(c, fault);
}

bool comparison_run(struct comparison *c, struct sequence *sequence)
{
    begin(c, sequence);
    for (uint32_t i = 0; i < sequence->count && !c->failed; i++)
        advance(c, i);
    if (!c->failed)
        hand_in(c, sequence->count);
    c->at = sequence->count;
    if (!c->failed)
        drain(c);
    c->sum_packets += sequence->count;
    c->sum_limited += !c->exact;
    return !c->failed;
}

static bool fails(struct comparison *c, const struct flow_table_options *options,
                  struct sequence *sequence)
{
    if (!comparison_open(c, options))
        return false;
    bool same = comparison_run(c, sequence);
    comparison_close(c);
    return !same;
}

static void sequence_without(const struct sequence *from, uint32_t leave, struct sequence *to)
{
    *to = *from;
    to->count = 0;
    for (uint32_t i = 0; i < from->count; i++)
        if (i != leave) {
            to->step[to->count] = from->step[i];
            step_point(&to->step[to->count++]);
        }
}

static void packet_print(const struct step *s, uint32_t i)
{
    const struct packet *p = &s->packet;
    size_t len = p->ip_version == 4 ? 4 : 16;
    char a[IP_TEXT_MAX], b[IP_TEXT_MAX];

    ip_format(p->ip_version, p->addresses, a);
    ip_format(p->ip_version, p->addresses + len, b);
    printf("%2u%s%s ts %" PRIu64
           " proto %u %s,%u > %s,%u flags %x tcp %02x seq %u ack %u win %u pay %u"
           " len %u ttl %u hint %u vlan %u,%u tun %u/%u\n",
           i, s->burst_ends ? " burst" : "", s->loss ? " loss" : "", p->ts_ns, p->proto, a,
           p->src_port, b, p->dst_port, p->flags, p->tcp_flags, p->tcp_seq, p->tcp_ack,
           p->tcp_window, p->payload, p->octets, p->ttl, p->hint, p->vlan[0], p->vlan[1], p->tunnel,
           p->tunnel_id);
}

static void options_print(const struct flow_table_options *o)
{
    printf("options: idle %" PRIu64 " active %" PRIu64 " keep", o->flow.idle_ns, o->flow.active_ns);
    for (int k = 0; k < KEEP_COUNT; k++)
        printf(" %" PRIu64, o->flow.keep_ns[k]);
    printf(" timeouts %d max_flows %" PRIu64 " vlan_in_key %d tunnel_in_key %d dedup %d notices %d"
           " portable %d\n",
           o->flow.timeouts, o->flow.max_flows, o->flow.vlan_in_key, o->flow.tunnel_in_key,
           o->dedup, o->notices, o->portable);
}

void comparison_shrink(struct comparison *c, const struct flow_table_options *options,
                       struct sequence *sequence)
{
    struct sequence fewer;

    c->quiet = true;
    bool shrinks = fails(c, options, sequence);
    for (uint32_t i = 0; shrinks && i < sequence->count;) {
        sequence_without(sequence, i, &fewer);
        if (fails(c, options, &fewer))
            sequence_without(sequence, i, &fewer), *sequence = fewer;
        else
            i++;
    }
    c->quiet = false;
    for (uint32_t i = 0; i < sequence->count; i++)
        step_point(&sequence->step[i]);
    printf(shrinks ? "shrunk to %u packets:\n" : "not seen with a fresh table, all %u packets:\n",
           sequence->count);
    options_print(options);
    for (uint32_t i = 0; i < sequence->count; i++)
        packet_print(&sequence->step[i], i);
    if (shrinks)
        (void)fails(c, options, sequence);
}

void comparison_report(const struct comparison *c, uint64_t sequences)
{
    printf("%" PRIu64 " sequences agree (%" PRIu64
           " of them sums only, in tables too small), %" PRIu64 " packets, %" PRIu64
           " records, %" PRIu64 " notices\n",
           sequences, c->sum_limited, c->sum_packets, c->sum_records, c->sum_notices);
}
