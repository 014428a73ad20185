#include <assert.h>
#include <inttypes.h>

#include "core/sensor.h"
#include "core/status.h"
#include "format/text.h"

#define TEXT_MAX EXPORTER_ERROR_MAX /* the longest of a status */

static_assert(TEXT_MAX >= CONFIG_SOURCE_MAX && TEXT_MAX >= CONFIG_NAME_MAX, "raise TEXT_MAX");

static void print_string(const char *text, FILE *out)
{
    char escaped[6 * TEXT_MAX];
    char *end = put_json_text(escaped, text);

    fprintf(out, "\"%.*s\"", (int)(end - escaped), escaped);
}

static void print_text(const char *key, const char *text, FILE *out)
{
    fprintf(out, "\"%s\":", key);
    print_string(text, out);
    fputc(',', out);
}

static void print_elements(const struct status_field *f, const void *base, FILE *out)
{
    fputc('{', out);
    for (unsigned i = 0; i < f->dimension->count; i++) {
        fprintf(out, "%s\"%s\":", i ? "," : "", f->dimension->value[i]);
        status_print_value(f, base, i, out);
    }
    fputc('}', out);
}

static void print_fields(enum status_subject subject, const void *base, FILE *out)
{
    for (const struct status_field *f = status_fields[subject]; f->name; f++) {
        fprintf(out, "%s\"%s\":", f == status_fields[subject] ? "" : ",", f->name);
        if (f->dimension)
            print_elements(f, base, out);
        else if (f->kind == STATUS_BOOL)
            fputs(*(const bool *)((const char *)base + f->offset) ? "true" : "false", out);
        else
            status_print_value(f, base, 0, out);
    }
}

static void print_port(const struct sensor_port *p, FILE *out)
{
    print_text("source", p->source, out);
}

static void print_worker(const struct sensor_worker *w, FILE *out)
{
    fprintf(out, "\"thread_id\":%d,\"ledger_closed\":%s,", w->thread_id,
            ledger_closed(&w->ledger) ? "true" : "false");
}

static void print_collector(const struct sensor_collector *c, FILE *out)
{
    print_text("name", c->name, out);
    print_text("state", collector_state_label[c->stats.state], out);
    print_text("error", c->error, out);
    fprintf(out, "\"ledger_closed\":%s,", collector_stats_closed(&c->stats) ? "true" : "false");
}

static void print_list(const struct sensor_status *s, enum status_subject subject, const char *key,
                       FILE *out)
{
    fprintf(out, "\"%s\":[", key);
    for (unsigned i = 0; i < status_count(s, subject); i++) {
        const void *base = status_base(s, subject, i);
        fputs(i ? ",{" : "{", out);
        if (subject == STATUS_PORT)
            print_port(base, out);
        else if (subject == STATUS_WORKER)
            print_worker(base, out);
        else
            print_collector(base, out);
        print_fields(subject, base, out);
        fputc('}', out);
    }
    fputs("],", out);
}

void status_json(const struct sensor_status *s, FILE *out)
{
    fputc('{', out);
    print_text("name", s->name, out);
    print_text("state", sensor_state_label[s->state], out);
    fprintf(out, "\"time\":%" PRIu64 ".%09" PRIu64 ",", s->now_ns / 1000000000,
            s->now_ns % 1000000000);
    fprintf(out, "\"ledger_closed\":%s,", ledger_closed(&s->ledger) ? "true" : "false");
    print_list(s, STATUS_PORT, "ports", out);
    print_list(s, STATUS_WORKER, "workers", out);
    print_list(s, STATUS_COLLECTOR, "collectors", out);
    print_fields(STATUS_SENSOR, s, out);
    fputs("}\n", out);
}
