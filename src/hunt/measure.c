#include "hunt/beacon.h"
#include "hunt/hunt.h"

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double ratio(double out, double in)
{
    return share(out - in, out + in);
}

static double flow_value(enum hunt_measure m, const struct hunt_subject *s)
{
    const struct flow_delta *d = s->flow;
    const struct flow_counts *t = &d->total;
    double out = (double)t->octets[0], in = (double)t->octets[1];
    uint64_t until = s->now_ns > d->last_ns ? s->now_ns : d->last_ns;

    switch (m) {
    case MEASURE_AGE:
        return (double)(until - d->conn_start_ns) / 1e9;
    case MEASURE_OCTETS_OUT:
        return out;
    case MEASURE_OCTETS_IN:
        return in;
    case MEASURE_PAYLOAD_OUT:
        return (double)t->payload[0];
    case MEASURE_PAYLOAD_IN:
        return (double)t->payload[1];
    case MEASURE_PACKETS_OUT:
        return (double)t->packets[0];
    case MEASURE_PACKETS_IN:
        return (double)t->packets[1];
    case MEASURE_MEAN_OUT:
        return share(out, (double)t->packets[0]);
    case MEASURE_MEAN_IN:
        return share(in, (double)t->packets[1]);
    case MEASURE_RATIO:
        return ratio(out, in);
    case MEASURE_BALANCE:
        return out < in ? share(out, in) : share(in, out);
    default:
        return 0;
    }
}

static double contact_value(enum hunt_measure m, enum host_window window,
                            const struct contact_view *c)
{
    const struct contact_window *w = &c->window[window];

    switch (m) {
    case MEASURE_OCTETS_OUT:
        return (double)w->octets[0];
    case MEASURE_OCTETS_IN:
        return (double)w->octets[1];
    case MEASURE_RATIO:
        return ratio((double)w->octets[0], (double)w->octets[1]);
    case MEASURE_OPENED:
        return w->opened;
    case MEASURE_ACCEPTED:
        return w->accepted;
    case MEASURE_FAILED:
        return w->failed;
    case MEASURE_UNANSWERED:
        return w->accepted < w->opened ? 1 - share(w->accepted, w->opened) : 0;
    case MEASURE_MEAN_CONNECTION:
        return share((double)(w->octets[0] + w->octets[1]), w->opened);
    case MEASURE_HOSTS_TRIED:
    case MEASURE_PORTS_TRIED:
        return w->tried;
    case MEASURE_STARTS:
        return c->rhythm ? c->rhythm->starts : 0;
    case MEASURE_REGULARITY:
        return c->rhythm ? beacon_score(c->rhythm) : 0;
    case MEASURE_FIRST_SEEN:
        return c->is_new;
    default:
        return 0;
    }
}

/* Measures that are a counter, + 1. */
static const int8_t plain[MEASURE_COUNT] = {
    [MEASURE_OCTETS_OUT] = HOST_OCTETS_OUT + 1,   [MEASURE_OCTETS_IN] = HOST_OCTETS_IN + 1,
    [MEASURE_PAYLOAD_OUT] = HOST_PAYLOAD_OUT + 1, [MEASURE_PAYLOAD_IN] = HOST_PAYLOAD_IN + 1,
    [MEASURE_PACKETS_OUT] = HOST_PACKETS_OUT + 1, [MEASURE_PACKETS_IN] = HOST_PACKETS_IN + 1,
    [MEASURE_OUTSIDE_OUT] = HOST_OUTSIDE_OUT + 1, [MEASURE_OUTSIDE_IN] = HOST_OUTSIDE_IN + 1,
    [MEASURE_DNS_OUT] = HOST_DNS_OUT + 1,         [MEASURE_ICMP_OUT] = HOST_ICMP_OUT + 1,
    [MEASURE_TLS_OUT] = HOST_TLS_OUT + 1,         [MEASURE_ADMIN_OUT] = HOST_ADMIN_OUT + 1,
    [MEASURE_OPENED] = HOST_OPENED + 1,           [MEASURE_ACCEPTED] = HOST_ACCEPTED + 1,
    [MEASURE_FAILED] = HOST_FAILED + 1,           [MEASURE_OPENED_IN] = HOST_OPENED_IN + 1,
    [MEASURE_ACCEPTED_IN] = HOST_ACCEPTED_IN + 1,
};

/* What a measure cannot exceed, as the sum of two counters, + 1. */
static const int8_t bound[MEASURE_COUNT][2] = {
    [MEASURE_CALLERS] = {HOST_OPENED_IN + 1},
    [MEASURE_PORTS] = {HOST_OPENED + 1},
    [MEASURE_PEERS] = {HOST_OPENED + 1, HOST_OPENED_IN + 1},
};

static bool exceeds(const struct hunt_condition *c, const struct host_counters *counters)
{
    uint64_t most = 0;

    if (plain[c->measure])
        most = counters->value[plain[c->measure] - 1];
    else if (!bound[c->measure][0])
        return false;
    for (int i = 0; i < 2; i++)
        if (!plain[c->measure] && bound[c->measure][i])
            most += counters->value[bound[c->measure][i] - 1];
    return c->value > (double)most;
}

bool hunt_may_hold(const struct hunt_rule *r, const struct host_counters *counters)
{
    for (unsigned i = 0; i < r->condition_count; i++)
        if (!r->condition[i].at_most && exceeds(&r->condition[i], counters))
            return false;
    return true;
}

static double host_value(enum hunt_measure m, const struct host_row *row)
{
    const uint64_t *v = row->counters.value;

    if (plain[m])
        return (double)v[plain[m] - 1];
    switch (m) {
    case MEASURE_RATIO:
        return ratio((double)v[HOST_OCTETS_OUT], (double)v[HOST_OCTETS_IN]);
    case MEASURE_OUTSIDE_RATIO:
        return ratio((double)v[HOST_OUTSIDE_OUT], (double)v[HOST_OUTSIDE_IN]);
    case MEASURE_UNANSWERED:
        return v[HOST_ACCEPTED] < v[HOST_OPENED]
                   ? 1 - share((double)v[HOST_ACCEPTED], (double)v[HOST_OPENED])
                   : 0;
    case MEASURE_UNANSWERED_IN:
        return v[HOST_ACCEPTED_IN] < v[HOST_OPENED_IN]
                   ? 1 - share((double)v[HOST_ACCEPTED_IN], (double)v[HOST_OPENED_IN])
                   : 0;
    case MEASURE_PEERS:
        return row->distinct[HOST_PEERS];
    case MEASURE_PORTS:
        return row->distinct[HOST_PORTS];
    case MEASURE_CALLERS:
        return row->distinct[HOST_CALLERS];
    case MEASURE_OPEN:
        return row->open;
    default:
        return 0;
    }
}

double hunt_value(enum hunt_measure m, enum host_window window, const struct hunt_subject *s)
{
    if (s->flow)
        return flow_value(m, s);
    if (s->contact)
        return contact_value(m, window, s->contact);
    return s->host_row ? host_value(m, s->host_row) : 0;
}
