#include "core/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "core/sensor.h"
#include "core/status.h"

#define TEXT_MAX 320 /* labels of one sample, escaped */

/* --- Labels --- */

/* A label's value: quote and backslash escaped, what is neither ASCII nor printable replaced. */
static char *put_label_text(char *out, const char *end, const char *text)
{
    for (; *text && out + 2 < end; text++) {
        if (*text == '"' || *text == '\\')
            *out++ = '\\';
        *out++ = *text < ' ' || *text > '~' ? '?' : *text;
    }
    *out = '\0';
    return out;
}

/* Names of collectors are unique, except that one that drains after a reload may have its
 * successor's: it becomes name#2. */
static unsigned nth_of_name(const struct sensor_status *s, unsigned index)
{
    unsigned nth = 1;

    for (unsigned i = 0; i < index; i++)
        nth += strcmp(s->collector[i].name, s->collector[index].name) == 0;
    return nth;
}

static void collector_labels(const struct sensor_status *s, unsigned index, char *out)
{
    char *end =
        put_label_text(stpcpy(out, "collector=\""), out + TEXT_MAX - 16, s->collector[index].name);
    unsigned nth = nth_of_name(s, index);

    if (nth > 1)
        end += sprintf(end, "#%u", nth);
    strcpy(end, "\"");
}

/* The labels that tell one port, worker, collector from the next. */
static void subject_labels(const struct sensor_status *s, enum status_subject subject,
                           unsigned index, char out[TEXT_MAX])
{
    out[0] = '\0';
    if (subject == STATUS_WORKER)
        sprintf(out, "worker=\"%u\"", index);
    else if (subject == STATUS_COLLECTOR)
        collector_labels(s, index, out);
    else if (subject == STATUS_PORT) {
        char *end = out + sprintf(out, "port=\"%u\",source=\"", index);
        strcpy(put_label_text(end, out + TEXT_MAX - 2, s->port[index].source), "\"");
    }
}

/* --- Families that the tables of status.c tell --- */

static const char *const prefix[STATUS_SUBJECT_COUNT] = {
    [STATUS_SENSOR] = "weir_",
    [STATUS_PORT] = "weir_port_",
    [STATUS_WORKER] = "weir_worker_",
    [STATUS_COLLECTOR] = "weir_collector_",
};

static void print_head(const char *name, const char *type, const char *help, FILE *out)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_element(const struct status_field *f, const char *labels, unsigned element,
                          FILE *out)
{
    const struct status_dimension *d = f->dimension;
    const char *comma = labels[0] ? "," : "";

    if (!d)
        fprintf(out, labels[0] ? "{%s}" : "", labels);
    else if (d->group)
        fprintf(out, "{%s%sgroup=\"%s\",%s=\"%s\"}", labels, comma, d->group[element], d->label,
                d->value[element]);
    else
        fprintf(out, "{%s%s%s=\"%s\"}", labels, comma, d->label, d->value[element]);
}

static void render_family(const struct sensor_status *s, enum status_subject subject,
                          const struct status_field *f, FILE *out)
{
    bool counter = f->type == STATUS_COUNTER;
    char name[96], labels[TEXT_MAX];

    snprintf(name, sizeof(name), "%s%s%s", prefix[subject], f->name, counter ? "_total" : "");
    print_head(name, counter ? "counter" : "gauge", f->help, out);
    for (unsigned i = 0; i < status_count(s, subject); i++) {
        subject_labels(s, subject, i, labels);
        for (unsigned e = 0; e < (f->dimension ? f->dimension->count : 1); e++) {
            fputs(name, out);
            print_element(f, labels, e, out);
            fputc(' ', out);
            status_print_value(f, status_base(s, subject, i), e, out);
            fputc('\n', out);
        }
    }
}

/* --- Families of their own --- */

static const char *const line_label[LEDGER_LINES] = {
    [LEDGER_RECEIVED] = "received", [LEDGER_DELIVERED] = "delivered",  [LEDGER_FLOWS] = "flows",
    [LEDGER_FOLDED] = "folded",     [LEDGER_OCTETS] = "folded_octets", [LEDGER_RECORDS] = "records",
    [LEDGER_ENTRIES] = "entries",   [LEDGER_INLINE] = "inline",
};

static void render_info(const struct sensor_status *s, FILE *out)
{
    char name[TEXT_MAX];

    print_head("weir_build_info", "gauge", "The program; always 1.", out);
    fprintf(out, "weir_build_info{version=\"" WEIR_VERSION "\"} 1\n");
    put_label_text(name, name + sizeof(name), s->name);
    print_head("weir_sensor_info", "gauge", "The sensor (sensor.name); always 1.", out);
    fprintf(out, "weir_sensor_info{name=\"%s\"} 1\n", name);
    print_head("weir_state", "gauge", "1 for the state that the sensor is in.", out);
    for (int i = 0; i < SENSOR_STATE_COUNT; i++)
        fprintf(out, "weir_state{state=\"%s\"} %d\n", sensor_state_label[i],
                s->state == (enum sensor_state)i);
}

static void render_ledger(const struct sensor_status *s, FILE *out)
{
    print_head("weir_ledger_difference", "gauge",
               "Left minus right side of each line of a worker's ledger; 0 = closed.", out);
    for (unsigned i = 0; i < s->worker_count; i++)
        for (int line = 0; line < LEDGER_LINES; line++)
            fprintf(out, "weir_ledger_difference{worker=\"%u\",line=\"%s\"} %" PRId64 "\n", i,
                    line_label[line],
                    ledger_difference(&s->worker[i].ledger, (enum ledger_line)line));
    print_head("weir_ledger_closed", "gauge", "Whether every line closes.", out);
    fprintf(out, "weir_ledger_closed %d\n", ledger_closed(&s->ledger));
}

/* Loss before the port: what a SPAN port or a tap never delivered. */
static void render_upstream_loss(const struct sensor_status *s, FILE *out)
{
    print_head("weir_worker_upstream_loss_ratio", "gauge",
               "TCP ACKs for data never seen, per TCP packet, since the start: loss before the "
               "sensor.",
               out);
    for (unsigned i = 0; i < s->worker_count; i++) {
        const struct worker_snapshot *w = &s->worker[i].snapshot;
        double unseen = (double)w->counters.note[NOTE_ACKED_UNSEEN];
        fprintf(out, "weir_worker_upstream_loss_ratio{worker=\"%u\"} %.9f\n", i,
                w->tcp_packets ? unseen / (double)w->tcp_packets : 0.0);
    }
}

static void render_snapshot_age(const struct sensor_status *s, FILE *out)
{
    print_head("weir_worker_snapshot_age_seconds", "gauge",
               "How old the worker's counters are, which it tells once per turn.", out);
    for (unsigned i = 0; i < s->worker_count; i++) {
        uint64_t then = s->worker[i].snapshot.utc_ns;
        fprintf(out, "weir_worker_snapshot_age_seconds{worker=\"%u\"} %.9f\n", i,
                then && s->now_ns > then ? (double)(s->now_ns - then) / 1e9 : 0.0);
    }
}

static void render_collectors(const struct sensor_status *s, FILE *out)
{
    char labels[TEXT_MAX];

    print_head("weir_collector_state", "gauge", "1 for the state that the session is in.", out);
    for (unsigned i = 0; i < s->collector_count; i++) {
        subject_labels(s, STATUS_COLLECTOR, i, labels);
        for (int state = 0; state < COLLECTOR_STATE_COUNT; state++)
            fprintf(out, "weir_collector_state{%s,state=\"%s\"} %d\n", labels,
                    collector_state_label[state],
                    s->collector[i].stats.state == (enum collector_state)state);
    }
    print_head("weir_collector_ledger_closed", "gauge", "Whether the collector's ledger closes.",
               out);
    for (unsigned i = 0; i < s->collector_count; i++) {
        subject_labels(s, STATUS_COLLECTOR, i, labels);
        fprintf(out, "weir_collector_ledger_closed{%s} %d\n", labels,
                collector_stats_closed(&s->collector[i].stats));
    }
}

void metrics_render(const struct sensor_status *s, FILE *out)
{
    render_info(s, out);
    for (unsigned subject = 0; subject < STATUS_SUBJECT_COUNT; subject++)
        for (const struct status_field *f = status_fields[subject]; f->name; f++)
            render_family(s, (enum status_subject)subject, f, out);
    render_ledger(s, out);
    render_upstream_loss(s, out);
    render_snapshot_age(s, out);
    render_collectors(s, out);
}

/* --- Health --- */

static bool say(char *line, size_t room, const char *what, unsigned index, const char *name)
{
    snprintf(line, room, "%s %u: %s", what, index, name);
    return false;
}

static bool workers_healthy(const struct sensor_status *s, char *line, size_t room)
{
    for (unsigned i = 0; i < s->worker_count; i++) {
        if (s->worker[i].stuck)
            return say(line, room, "worker", i, "stuck");
        for (int l = 0; l < LEDGER_LINES; l++)
            if (ledger_difference(&s->worker[i].ledger, (enum ledger_line)l))
                return say(line, room, "ledger open at worker", i,
                           ledger_line_name((enum ledger_line)l));
    }
    return true;
}

static bool ports_healthy(const struct sensor_status *s, char *line, size_t room)
{
    for (unsigned i = 0; i < s->port_count; i++)
        if (s->port[i].interface.gone) {
            snprintf(line, room, "port %s: gone", s->port[i].source);
            return false;
        }
    return true;
}

static bool collectors_healthy(const struct sensor_status *s, char *line, size_t room)
{
    for (unsigned i = 0; i < s->collector_count; i++)
        if (!collector_stats_closed(&s->collector[i].stats)) {
            snprintf(line, room, "ledger open at collector %s", s->collector[i].name);
            return false;
        }
    return true;
}

bool metrics_healthy(const struct sensor_status *s, char *line, size_t room)
{
    if (s->state != SENSOR_RUNNING) {
        snprintf(line, room, "%s", sensor_state_label[s->state]);
        return false;
    }
    if (!workers_healthy(s, line, room) || !ports_healthy(s, line, room) ||
        !collectors_healthy(s, line, room))
        return false;
    bool closed = sensor_status_closed(s);
    snprintf(line, room, closed ? "ok" : "ledger open");
    return closed;
}
