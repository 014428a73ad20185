#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/spsc.h"
#include "core/sensor_internal.h"

/* Nothing but terms of one type. */
static void add_stats(struct capture_stats *to, const struct capture_stats *more)
{
    uint64_t *sum = (uint64_t *)to;
    const uint64_t *from = (const uint64_t *)more;

    for (size_t i = 0; i < sizeof(*to) / sizeof(*sum); i++)
        sum[i] += from[i];
}

static void fill_worker(const struct sensor *s, uint32_t w, struct sensor_status *out)
{
    const struct worker *worker = s->worker[w];
    struct sensor_worker *to = &out->worker[w];

    to->core = s->core[w];
    to->state = worker_state(worker);
    to->thread_id = worker_thread_id(worker);
    to->beats = worker_beats(worker);
    to->stuck = s->known.stuck[w];
    for (int lane = 0; lane < LANE_COUNT; lane++)
        to->ring_used[lane] = spsc_count(worker_ring(worker, (enum worker_lane)lane));
    to->ring_size = spsc_capacity(worker_ring(worker, LANE_MANY));
    if (!worker_snapshot_read(worker, &to->snapshot))
        return;
    worker_snapshot_ledger(&to->snapshot, &to->ledger);
    ledger_add(&out->ledger, &to->ledger);
    if (to->snapshot.turn_goal_ns > out->turn_goal_ns)
        out->turn_goal_ns = to->snapshot.turn_goal_ns;
    for (uint32_t p = 0; p < s->port_count; p++)
        if (s->queue_of[w][p] >= 0)
            add_stats(&out->port[p].queues, &to->snapshot.queue[s->queue_of[w][p]]);
}

/* What the interface received and no queue saw is a line of the whole. */
static void fill_port(const struct sensor *s, uint32_t p, struct sensor_status *out)
{
    struct sensor_port *to = &out->port[p];

    snprintf(to->source, sizeof(to->source), "%s", s->generation->config.capture.port[p]);
    to->interface = s->known.port[p];
    to->misdirected = s->known.misdirected[p];
    to->link_flaps = s->known.link_flaps[p];
    out->ledger.received += to->misdirected;
    out->ledger.missed[MISS_MISDIRECTED] += to->misdirected;
}

static void fill_sensor(struct sensor *s, struct sensor_status *out)
{
    const struct sensor_known *k = &s->known;
    struct clock_reader now;

    clock_reader_init(&now, s->clock);
    out->now_ns = clock_read(&now) + (uint64_t)clock_reader_offset_ns(&now);
    out->started_ns = s->started_ns;
    snprintf(out->name, sizeof(out->name), "%s", s->generation->config.sensor.name);
    out->state = k->state;
    out->generation = s->generation->number;
    out->reloads = k->reloads;
    out->reloads_failed = k->reloads_failed;
    out->clock_steps = k->clock_steps;
    out->clock_offset_ns = k->clock_offset_ns;
    out->stuck_total = k->stuck_total;
    out->log_dropped = atomic_load(&s->log->dropped);
    out->audit = k->audit;
    out->port_count = s->port_count;
    out->worker_count = s->worker_count;
}

void sensor_status(struct sensor *s, struct sensor_status *out)
{
    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&s->lock);
    fill_sensor(s, out);
    for (uint32_t w = 0; w < s->worker_count; w++)
        fill_worker(s, w, out);
    for (uint32_t p = 0; p < s->port_count; p++)
        fill_port(s, p, out);
    pthread_mutex_unlock(&s->lock);
    if (s->hunts)
        hunts_stats(s->hunts, &out->hunts);
    if (s->fleet)
        fleet_stats(s->fleet, &out->redis);
    outlet_status(s->outlet, out);
}

/* --- The ledger in words --- */

static uint64_t all_drops(const struct collector_stats *c)
{
    uint64_t sum = 0;

    for (int i = 0; i < DROP_COUNT; i++)
        sum += c->dropped[i].records;
    return sum;
}

static void print_collector(const struct sensor_collector *c, FILE *out)
{
    const struct collector_stats *s = &c->stats;

    fprintf(out,
            "collector %s: handed %" PRIu64 ", taken over %" PRIu64 ", restored %" PRIu64
            "; delivered %" PRIu64 ", kept %" PRIu64 ", in flight %" PRIu64 ", queued %" PRIu64
            ", spooled %" PRIu64 ", moved %" PRIu64 ", dropped %" PRIu64 "\n",
            c->name, s->handed.records, s->taken.records, s->restored.records, s->delivered.records,
            s->kept.records, s->in_flight.records, s->queued.records, s->spooled.records,
            s->moved.records, all_drops(s));
    for (int i = 0; i < DROP_COUNT; i++)
        if (s->dropped[i].records)
            fprintf(out, "  dropped    %-20s %12" PRIu64 "\n", export_drop_label[i],
                    s->dropped[i].records);
    if (!collector_stats_closed(s))
        fprintf(out, "ledger open: collector %s\n", c->name);
}

static bool face_closed(const struct face_stats *f)
{
    return f->handed == f->written + f->dropped + f->queued;
}

static void print_face(const struct face_stats *f, FILE *out)
{
    if (!f->handed && !f->error)
        return;
    fprintf(out,
            "stdout: handed %" PRIu64 "; written %" PRIu64 ", queued %" PRIu64 ", dropped %" PRIu64
            "\n",
            f->handed, f->written, f->queued, f->dropped);
    if (!face_closed(f))
        fputs("ledger open: stdout\n", out);
}

static void print_rings(const struct sensor_status *s, FILE *out)
{
    for (uint32_t w = 0; w < s->worker_count; w++)
        for (int lane = 0; lane < LANE_COUNT; lane++) {
            const struct export_count *lost = &s->worker[w].snapshot.dropped[lane];
            if (lost->records)
                fprintf(out,
                        "worker %u: ring \"%s\" was full: %" PRIu64 " records, %" PRIu64
                        " packets, %" PRIu64 " octets lost; export.ring makes it larger\n",
                        w, worker_lane_label[lane], lost->records, lost->packets, lost->octets);
        }
}

/* Packets that a switch or tap lost before they came to us: an estimate, from ACKs of data that was
 * not seen. */
static void print_upstream(const struct sensor_status *s, FILE *out)
{
    uint64_t tcp = 0, unseen = s->ledger.counters.note[NOTE_ACKED_UNSEEN];

    for (uint32_t w = 0; w < s->worker_count; w++)
        tcp += s->worker[w].snapshot.tcp_packets;
    if (unseen)
        fprintf(out,
                "upstream: %" PRIu64 " ACKs of %" PRIu64
                " TCP packets were for data that never came here (%.3f %%)\n",
                unseen, tcp, tcp ? 100.0 * (double)unseen / (double)tcp : 0.0);
}

/* What the interface itself says, where weir has it for itself. */
static void print_ports(const struct sensor_status *s, FILE *out)
{
    for (uint32_t p = 0; p < s->port_count; p++) {
        const struct port_stats *i = &s->port[p].interface;
        if (!port_takes(s->port[p].source) || !(i->interface_packets | i->passed | i->ignored))
            continue;
        fprintf(out,
                "port %s: interface received %" PRIu64 ", passed on %" PRIu64 ", ignored %" PRIu64
                ", to the workers %" PRIu64 ", unaccounted %" PRIu64 "\n",
                s->port[p].source, i->interface_packets, i->passed, i->ignored,
                s->port[p].queues.received, s->port[p].misdirected);
    }
}

static void print_workers(const struct sensor_status *s, FILE *out)
{
    for (uint32_t w = 0; s->worker_count > 1 && w < s->worker_count; w++) {
        const struct ledger *l = &s->worker[w].ledger;
        fprintf(out,
                "worker %u: received %" PRIu64 ", delivered %" PRIu64 ", missed %" PRIu64
                ", flows %" PRIu64 ", records %" PRIu64 "%s\n",
                w, l->received, l->delivered, ledger_missed(l), l->census.flows,
                l->census.made_records, ledger_closed(l) ? "" : ", not closed");
    }
}

static void print_hunts(const struct hunts_stats *h, FILE *out)
{
    const struct analyst_stats *a = &h->analyst;

    if (!a->packets)
        return;
    fprintf(out,
            "hosts: inside %" PRIu64 ", outside %" PRIu64 " kept, refused %" PRIu64
            "; packets counted %" PRIu64 ", events missed %" PRIu64 "\nalerts: raised %" PRIu64
            ", escalated %" PRIu64 ", cleared %" PRIu64 "; written %" PRIu64 ", lost %" PRIu64 "\n",
            a->hosts_inside, a->hosts_outside, a->hosts_refused, a->packets, a->events_missed,
            a->alerts[ALERT_RAISED], a->alerts[ALERT_ESCALATED], a->alerts[ALERT_CLEARED],
            h->written, h->lost);
    if (a->difference)
        fprintf(out, "ledger open: counted by workers = counted for hosts: off by %" PRId64 "\n",
                a->difference);
}

/* Between two snapshots records are on their way; at the end none is. */
static bool rings_closed(const struct sensor_status *s)
{
    uint64_t inside = 0;

    for (uint32_t w = 0; w < s->worker_count; w++)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            inside += s->worker[w].ring_used[lane];
    return inside || s->state != SENSOR_DRAINING || s->ledger.handed == s->taken;
}

bool sensor_status_closed(const struct sensor_status *s)
{
    bool closed = ledger_closed(&s->ledger) && face_closed(&s->face) && rings_closed(s);

    for (uint32_t i = 0; i < s->collector_count; i++)
        closed = closed && collector_stats_closed(&s->collector[i].stats);
    return closed;
}

void sensor_print_ledger(struct sensor *s, FILE *out)
{
    struct sensor_status *status = calloc(1, sizeof(*status));

    if (!status)
        return;
    sensor_status(s, status);
    print_ports(status, out);
    print_workers(status, out);
    print_rings(status, out);
    print_upstream(status, out);
    for (uint32_t i = 0; i < status->collector_count; i++)
        print_collector(&status->collector[i], out);
    print_face(&status->face, out);
    print_hunts(&status->hunts, out);
    if (!rings_closed(status))
        fprintf(out, "ledger open: handed on = taken by the exporter: off by %" PRId64 "\n",
                (int64_t)(status->ledger.handed - status->taken));
    ledger_print(&status->ledger, out);
    free(status);
}
