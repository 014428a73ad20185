#include "core/status.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "core/sensor.h"

/* --- Dimensions, each from the list that names its elements --- */

#define DIMENSION(name, label_text, list, count_of)                                                \
    static const struct status_dimension name = {label_text, list, NULL, count_of}

static const char *const fate_labels[] = {
#define X(symbol, group, label, help) [FATE_##symbol] = label,
    WEIR_FATES(X)
#undef X
};
static const char *const fate_groups[] = {
#define X(symbol, group, label, help) [FATE_##symbol] = group,
    WEIR_FATES(X)
#undef X
};
static const char *const note_labels[] = {
#define X(symbol, group, label, help) [NOTE_##symbol] = label,
    WEIR_NOTES(X)
#undef X
};
static const char *const note_groups[] = {
#define X(symbol, group, label, help) [NOTE_##symbol] = group,
    WEIR_NOTES(X)
#undef X
};
static const char *const miss_labels[] = {
#define X(symbol, label, help) [MISS_##symbol] = label,
    CAPTURE_MISSES(X)
#undef X
};
static const char *const drop_labels[] = {
#define X(symbol, label, help) [DROP_##symbol] = label,
    EXPORT_DROPS(X)
#undef X
};
static const char *const lane_labels[] = {
#define X(symbol, label) [LANE_##symbol] = label,
    WORKER_LANES(X)
#undef X
};

static const struct status_dimension fates = {"fate", fate_labels, fate_groups, FATE_COUNT};
static const struct status_dimension notes = {"note", note_labels, note_groups, NOTE_COUNT};
DIMENSION(misses, "reason", miss_labels, MISS_COUNT);
DIMENSION(drops, "reason", drop_labels, DROP_COUNT);
DIMENSION(lanes, "lane", lane_labels, LANE_COUNT);
static const char *const redis_error_labels[REDIS_ERROR_COUNT] = {
#define X(symbol, label, advice) label,
    REDIS_ERRORS(X)
#undef X
};
DIMENSION(redis_errors, "kind", redis_error_labels, REDIS_ERROR_COUNT);
DIMENSION(alert_states, "state", alert_state_names, ALERT_STATE_COUNT);

/* --- Fields --- */

#define KIND(x)                                                                                    \
    _Generic((x), uint64_t                                                                         \
             : STATUS_U64, int64_t                                                                 \
             : STATUS_I64, uint32_t                                                                \
             : STATUS_U32, int                                                                     \
             : STATUS_INT, bool                                                                    \
             : STATUS_BOOL)
#define AT(member) .kind = KIND(((SUBJECT *)0)->member), .offset = offsetof(SUBJECT, member)
#define EACH(member, dimension_)                                                                   \
    .kind = KIND(((SUBJECT *)0)->member[0]), .offset = offsetof(SUBJECT, member),                  \
    .stride = sizeof(((SUBJECT *)0)->member[0]), .dimension = &(dimension_)
#define EACH_OF(member, part, dimension_)                                                          \
    .kind = KIND(((SUBJECT *)0)->member[0].part), .offset = offsetof(SUBJECT, member[0].part),     \
    .stride = sizeof(((SUBJECT *)0)->member[0]), .dimension = &(dimension_)
#define COUNTER .type = STATUS_COUNTER
#define GAUGE .type = STATUS_GAUGE
#define AS_SECONDS .divisor = NS_PER_S
/* A struct export_count, or an array of them. */
#define COUNTS(name, type_, member, help)                                                          \
    {name "_records", help ": flow records", type_, AT(member.records)},                           \
        {name "_packets", help ": packets of these records", type_, AT(member.packets)},           \
    {                                                                                              \
        name "_octets", help ": octets of these records", type_, AT(member.octets)                 \
    }
#define COUNTS_EACH(name, member, dimension_, help)                                                \
    {name "_records", help ": flow records", COUNTER, EACH_OF(member, records, dimension_)},       \
        {name "_packets", help ": packets of these records", COUNTER,                              \
         EACH_OF(member, packets, dimension_)},                                                    \
    {                                                                                              \
        name "_octets", help ": octets of these records", COUNTER,                                 \
            EACH_OF(member, octets, dimension_)                                                    \
    }

/* clang-format off */
#define SUBJECT struct sensor_status
static const struct status_field sensor_fields[] = {
    {"start_time_seconds", "When the sensor started, since 1970.", GAUGE, AT(started_ns), AS_SECONDS},
    {"config_generation", "Generation of the configuration, from 1.", GAUGE, AT(generation)},
    {"reloads", "Configurations loaded anew.", COUNTER, AT(reloads)},
    {"reloads_failed", "Reloads that were refused and changed nothing.", COUNTER,
     AT(reloads_failed)},
    {"clock_steps", "Steps of the system's clock.", COUNTER, AT(clock_steps)},
    {"clock_offset_seconds", "UTC minus the workers' clock.", GAUGE, AT(clock_offset_ns),
     AS_SECONDS},
    {"turn_goal_seconds", "How long a turn of the sweep is to take.", GAUGE, AT(turn_goal_ns),
     AS_SECONDS},
    {"log_lines_dropped", "Lines that the reader of the log did not take.", COUNTER,
     AT(log_dropped)},
    {"stuck_workers", "Times a worker was found stuck.", COUNTER, AT(stuck_total)},
    {"alerts", "Alerts told, by what has become of their cause.", COUNTER,
     EACH(hunts.analyst.alerts, alert_states)},
    {"alerts_standing", "Alerts whose cause goes on.", GAUGE, AT(hunts.analyst.alerts_standing)},
    {"alerts_written", "Alerts that file and syslog took.", COUNTER, AT(hunts.written)},
    {"alerts_lost", "Alerts that file or syslog did not take.", COUNTER, AT(hunts.lost)},
    {"hunt_rules", "Hunting rules in force.", GAUGE, AT(hunts.rules)},
    {"hosts_inside", "Inside hosts with counters of their own.", GAUGE,
     AT(hunts.analyst.hosts_inside)},
    {"hosts_outside", "Outside hosts kept, those with most traffic.", GAUGE,
     AT(hunts.analyst.hosts_outside)},
    {"hosts_refused", "Times an inside host found no room: hosts.max_inside.", COUNTER,
     AT(hunts.analyst.hosts_refused)},
    {"hosts_packets", "Packets counted for hosts.", COUNTER, AT(hunts.analyst.packets)},
    {"host_events_missed", "Begins and ends of connections that hunts did not see.", COUNTER,
     AT(hunts.analyst.events_missed)},
    {"redis_connected", "Whether Redis is connected.", GAUGE, AT(redis.connected)},
    {"redis_connects", "Connections made to Redis.", COUNTER, AT(redis.connects)},
    {"redis_memory_losses", "Times Redis had lost what was pushed, and got all windows again.",
     COUNTER, AT(redis.memory_losses)},
    {"redis_commands", "Commands that Redis answered.", COUNTER, AT(redis.commands)},
    {"redis_errors", "Failures of Redis, by kind.", COUNTER, EACH(redis.error, redis_errors)},
    {"redis_rows", "Host rows pushed to Redis.", COUNTER, AT(redis.rows)},
    {"redis_rows_kept", "Host rows held for Redis.", GAUGE, AT(redis.rows_kept)},
    {"redis_rows_waiting", "Of these, to be pushed.", GAUGE, AT(redis.rows_waiting)},
    {"redis_rows_dropped", "Host rows given up before they were pushed.", COUNTER,
     AT(redis.rows_dropped)},
    {"redis_elements_dropped", "Elements of distinct sets not brought to Redis.", COUNTER,
     AT(redis.elements_dropped)},
    {"redis_alerts_known", "Alerts that another sensor had told before.", COUNTER,
     AT(redis.alerts_known)},
    {"redis_alerts_dropped", "Alerts not brought to Redis.", COUNTER, AT(redis.alerts_dropped)},
    {"spread_samples", "Connections compared between workers by the auditor of the spread.", COUNTER,
     AT(audit.samples)},
    {"spread_meetings", "Connections seen on two workers: the spread is wrong for them.", COUNTER,
     AT(audit.meetings)},
    {"output_handed_records", "Records for standard output.", COUNTER, AT(face.handed)},
    {"output_written_records", "Records written to standard output.", COUNTER, AT(face.written)},
    {"output_dropped_records", "Records that standard output did not take.", COUNTER,
     AT(face.dropped)},
    {"output_queued_records", "Records waiting for standard output.", GAUGE, AT(face.queued)},
    {NULL},
};
#undef SUBJECT

#define SUBJECT struct sensor_port
static const struct status_field port_fields[] = {
    {"up", "Whether the link is up.", GAUGE, AT(interface.link_up)},
    {"gone", "Whether the interface does not exist any more.", GAUGE, AT(interface.gone)},
    {"link_flaps", "Times the link went down.", COUNTER, AT(link_flaps)},
    {"interface_packets", "Packets the interface counted since the port was opened.", COUNTER,
     AT(interface.interface_packets)},
    {"interface_dropped_packets", "Packets dropped by the interface or its driver.", COUNTER,
     AT(interface.interface_dropped)},
    {"passed_packets", "Packets handed on to the operating system.", COUNTER, AT(interface.passed)},
    {"ignored_packets", "Packets left out in the kernel or NIC by capture.ignore.", COUNTER,
     AT(interface.ignored)},
    {"ignored_octets", "Octets of these packets.", COUNTER, AT(interface.ignored_octets)},
    {"misdirected_packets", "Packets the interface received and nobody accounts for.", COUNTER,
     AT(misdirected)},
    {"received_packets", "Packets that reached the workers' queues, missed ones included.", COUNTER,
     AT(queues.received)},
    {"filtered_packets", "Packets left out by the queues' filters.", COUNTER, AT(queues.filtered)},
    {"filtered_octets", "Octets of these packets, where known.", COUNTER,
     AT(queues.filtered_octets)},
    {"missed_packets", "Packets that reached the port and no worker.", COUNTER,
     EACH(queues.missed, misses)},
    {"pending_packets", "Packets waiting in rings.", GAUGE, AT(queues.pending)},
    {"sent_packets", "Packets sent on (inline).", COUNTER, AT(queues.sent)},
    {"send_failed_packets", "Packets that could not be sent on (inline).", COUNTER,
     AT(queues.send_failed)},
    {NULL},
};
#undef SUBJECT

#define SUBJECT struct sensor_worker
static const struct status_field worker_fields[] = {
    {"stuck", "Whether it does not move.", GAUGE, AT(stuck)},
    {"core", "Core it is pinned to, -1 = none.", GAUGE, AT(core)},
    {"polls", "Times it looked at its queues.", COUNTER, AT(beats)},
    {"turns", "Turns of the sweep.", COUNTER, AT(snapshot.turns)},
    {"turn_seconds", "How long the last turn of the sweep took.", GAUGE, AT(snapshot.turn_ns),
     AS_SECONDS},
    {"busy_seconds", "Time with work to do; its rate is the worker's load.", COUNTER,
     AT(snapshot.busy_ns), AS_SECONDS},
    {"delivered_packets", "Packets that came out of its queues.", COUNTER, AT(snapshot.delivered)},
    {"packets", "Packets by what became of them; each has one fate.", COUNTER,
     EACH(snapshot.counters.fate_packets, fates)},
    {"octets", "Wire octets of these packets.", COUNTER,
     EACH(snapshot.counters.fate_octets, fates)},
    {"notes", "What was noticed on the way; not a fate.", COUNTER,
     EACH(snapshot.counters.note, notes)},
    {"tcp_packets", "Packets of TCP flows.", COUNTER, AT(snapshot.tcp_packets)},
    {"forwarded_packets", "Packets handed back to be sent on (inline).", COUNTER,
     AT(snapshot.forwarded)},
    {"flows", "Connections in the flow table.", GAUGE, AT(snapshot.census.flows)},
    {"flows_max", "Room of the flow table.", GAUGE, AT(snapshot.census.max_flows)},
    {"live_packets", "Packets in open records.", GAUGE, AT(snapshot.census.live_packets)},
    {"held_packets", "Fragments waiting for their first one.", GAUGE,
     AT(snapshot.census.held_packets)},
    {"held_octets", "Octets of these fragments.", GAUGE, AT(snapshot.census.held_octets)},
    {"made_records", "Flow records made.", COUNTER, AT(snapshot.census.made_records)},
    {"made_packets", "Packets of these records.", COUNTER, AT(snapshot.census.made_packets)},
    {"made_octets", "Octets of these records.", COUNTER, AT(snapshot.census.made_octets)},
    {"folded_packets", "Packets of flows that are told in aggregates.", COUNTER,
     AT(snapshot.census.folded_packets)},
    {"folded_octets", "Octets of these packets.", COUNTER, AT(snapshot.census.folded_octets)},
    {"aggregate_records", "Aggregates made.", COUNTER, AT(snapshot.census.aggregate_records)},
    {"aggregate_packets", "Packets of these aggregates.", COUNTER,
     AT(snapshot.census.aggregate_packets)},
    {"aggregating_packets", "Packets in aggregates that are open.", GAUGE,
     AT(snapshot.census.aggregating_packets)},
    {"ring_used_records", "Records waiting for the exporter.", GAUGE, EACH(ring_used, lanes)},
    {"ring_size_records", "Room for records, of each lane.", GAUGE, AT(ring_size)},
    COUNTS_EACH("ring_handed", snapshot.handed, lanes, "Handed to the exporter"),
    COUNTS_EACH("ring_dropped", snapshot.dropped, lanes, "Dropped, the exporter was too slow"),
    {"notices_dropped", "Closing notices dropped, the exporter was too slow.", COUNTER,
     AT(snapshot.notices_dropped)},
    {NULL},
};
#undef SUBJECT

#define SUBJECT struct sensor_collector
static const struct status_field collector_fields[] = {
    COUNTS("handed", COUNTER, stats.handed, "Handed to the collector's session"),
    COUNTS("taken", COUNTER, stats.taken, "Taken over from a failed member of its group"),
    COUNTS("restored", COUNTER, stats.restored, "Found in the spool at the start"),
    COUNTS("delivered", COUNTER, stats.delivered, "Acknowledged, sent (udp) or written (file)"),
    COUNTS("moved", COUNTER, stats.moved, "Moved to another member of its group"),
    COUNTS_EACH("dropped", stats.dropped, drops, "Not sent and not to be sent"),
    COUNTS("kept", GAUGE, stats.kept, "Acknowledged, kept for a collector that dies"),
    COUNTS("in_flight", GAUGE, stats.in_flight, "Sent, not yet acknowledged"),
    COUNTS("queued", GAUGE, stats.queued, "Waiting in memory"),
    COUNTS("spooled", GAUGE, stats.spooled, "Waiting on disk"),
    {"replayed_records", "Records sent again on a later connection.", COUNTER,
     AT(stats.replayed_records)},
    {"sent_messages", "Messages sent, repeated ones included.", COUNTER, AT(stats.sent_messages)},
    {"sent_records", "Records sent, repeated ones included.", COUNTER, AT(stats.sent_records)},
    {"sent_octets", "Octets of messages sent, repeated ones included.", COUNTER,
     AT(stats.sent_octets)},
    {"connect_attempts", "Attempts to connect.", COUNTER, AT(stats.attempts)},
    {"connects", "Connections made.", COUNTER, AT(stats.connects)},
    {"connection_losses", "Connections that ended and not by the sensor.", COUNTER,
     AT(stats.losses)},
    {"refused_messages", "Messages refused by the collector's host (udp).", COUNTER,
     AT(stats.refused)},
    {"sequence", "Sequence number of the next message.", GAUGE, AT(stats.sequence)},
    {"queue_octets", "Octets of messages in memory.", GAUGE, AT(stats.queue_octets)},
    {"spool_octets", "Octets of messages on disk.", GAUGE, AT(stats.spool_octets)},
    {"spool_segments", "Files of the spool.", GAUGE, AT(stats.spool_segments)},
    {"spool_errors", "Reads and writes of the spool that failed.", COUNTER,
     AT(stats.spool_errors)},
    {"spool_skipped_octets", "Octets of damaged files of the spool.", COUNTER,
     AT(stats.spool_skipped)},
    {NULL},
};
#undef SUBJECT
/* clang-format on */

const struct status_field *const status_fields[STATUS_SUBJECT_COUNT] = {
    [STATUS_SENSOR] = sensor_fields,
    [STATUS_PORT] = port_fields,
    [STATUS_WORKER] = worker_fields,
    [STATUS_COLLECTOR] = collector_fields,
};

unsigned status_count(const struct sensor_status *s, enum status_subject subject)
{
    switch (subject) {
    case STATUS_PORT:
        return s->port_count;
    case STATUS_WORKER:
        return s->worker_count;
    case STATUS_COLLECTOR:
        return s->collector_count;
    default:
        return 1;
    }
}

const void *status_base(const struct sensor_status *s, enum status_subject subject, unsigned index)
{
    switch (subject) {
    case STATUS_PORT:
        return &s->port[index];
    case STATUS_WORKER:
        return &s->worker[index];
    case STATUS_COLLECTOR:
        return &s->collector[index];
    default:
        return s;
    }
}

static int64_t signed_value(const struct status_field *f, const char *at)
{
    int64_t wide;
    int narrow;

    if (f->kind == STATUS_I64) {
        memcpy(&wide, at, sizeof(wide));
        return wide;
    }
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
}

static uint64_t unsigned_value(const struct status_field *f, const char *at)
{
    uint64_t wide;
    uint32_t narrow;

    switch (f->kind) {
    case STATUS_U64:
        memcpy(&wide, at, sizeof(wide));
        return wide;
    case STATUS_U32:
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    default:
        return *(const bool *)(const void *)at;
    }
}

void status_print_value(const struct status_field *f, const void *base, unsigned element, FILE *out)
{
    const char *at = (const char *)base + f->offset + element * f->stride;
    bool is_signed = f->kind == STATUS_I64 || f->kind == STATUS_INT;
    int64_t negative = is_signed ? signed_value(f, at) : 0;
    uint64_t value = !is_signed     ? unsigned_value(f, at)
                     : negative < 0 ? -(uint64_t)negative
                                    : (uint64_t)negative;

    if (negative < 0)
        fputc('-', out);
    if (f->divisor)
        fprintf(out, "%" PRIu64 ".%09" PRIu64, value / f->divisor, value % f->divisor);
    else
        fprintf(out, "%" PRIu64, value);
}
