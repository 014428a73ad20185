/*
 * Rules as a rules file. What is written is what src/config/rules.c reads.
 */
#include <inttypes.h>
#include <string.h>

#include "base/ip.h"
#include "hunt/hunt.h"
#include "weir/wire.h"

static void print_value(enum hunt_measure m, double value, FILE *out)
{
    static const char unit[] = {0, 'k', 'M', 'G'};
    unsigned i = 0;

    if (hunt_measures[m].unit == UNIT_SECONDS) {
        fprintf(out, "%gs", value);
        return;
    }
    while (i < 3 && value >= 1000 && (double)(uint64_t)(value / 1000) * 1000 == value) {
        value /= 1000;
        i++;
    }
    fprintf(out, "%.15g", value);
    if (unit[i])
        fputc(unit[i], out);
}

static void print_conditions(const struct hunt_rule *r, FILE *out)
{
    fputs("    when:\n", out);
    for (unsigned i = 0; i < r->condition_count; i++) {
        const struct hunt_condition *c = &r->condition[i];
        fprintf(out, "      %s: \"%s ", hunt_measures[c->measure].name, c->at_most ? "<=" : ">=");
        print_value((enum hunt_measure)c->measure, c->value, out);
        fputs("\"\n", out);
    }
    if (r->level_count < 2)
        return;
    fputs("    levels: [", out);
    for (unsigned i = 0; i < r->level_count; i++) {
        fputs(i ? ", " : "", out);
        print_value((enum hunt_measure)r->condition[0].measure, r->level[i], out);
    }
    fputs("]\n", out);
}

static void print_list(const char *key, const uint16_t *port, unsigned count, FILE *out)
{
    if (!count)
        return;
    fprintf(out, "    %s: [", key);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "%s%u", i ? ", " : "", port[i]);
    fputs("]\n", out);
}

static void print_prefix(const struct ip_prefix *prefix, bool first, FILE *out)
{
    char text[IP_TEXT_MAX + 4];

    ip_prefix_format(prefix, text);
    fprintf(out, "%s\"%s\"", first ? "" : ", ", text);
}

static void print_networks(const char *key, const struct ip_prefix *prefix, unsigned count,
                           FILE *out)
{
    if (!count)
        return;
    fprintf(out, "    %s: [", key);
    for (unsigned i = 0; i < count; i++)
        print_prefix(&prefix[i], i == 0, out);
    fputs("]\n", out);
}

static void print_comparison(const struct hunt_rule *r, FILE *out)
{
    if (r->compare)
        fprintf(out, "    compare: %s\n", hunt_measures[r->compare - 1].name);
    if (r->mads > 0)
        fprintf(out, "    mads: %.15g\n", r->mads);
}

static const char *proto_word(uint8_t proto, char text[8])
{
    if (proto == PROTO_ICMP)
        return "icmp";
    if (proto == PROTO_TCP || proto == PROTO_UDP)
        return proto == PROTO_TCP ? "tcp" : "udp";
    snprintf(text, 8, "%u", proto);
    return text;
}

static void print_quoted(const char *key, const char *text, FILE *out)
{
    if (!*text)
        return;
    fprintf(out, "    %s: '", key);
    for (; *text; text++)
        fputs(*text == '\'' ? "''" : (char[]){*text, 0}, out);
    fputs("'\n", out);
}

static void print_rule(const struct hunt_rule *r, FILE *out)
{
    char text[8];

    fprintf(out, "  - name: %s\n    enabled: %s\n    scope: %s\n", r->name,
            r->enabled ? "true" : "false", alert_scope_names[r->scope]);
    if (r->by_port)
        fputs("    group_by: [port]\n", out);
    if (r->scope != SCOPE_FLOW)
        fprintf(out, "    window: %s\n", hunt_window_names[r->window]);
    fprintf(out, "    direction: %s\n", hunt_direction_names[r->direction]);
    print_networks("hosts", r->only, r->only_count, out);
    if (r->proto)
        fprintf(out, "    proto: %s\n", proto_word(r->proto, text));
    print_list("ports", r->port, r->port_count, out);
    print_conditions(r, out);
    print_comparison(r, out);
    print_networks("allow", r->allow, r->allow_count, out);
    print_list("allow_ports", r->allow_port, r->allow_port_count, out);
    fprintf(out, "    severity: %s\n", alert_severity_names[r->severity]);
    print_quoted("technique", r->technique, out);
    fprintf(out, "    suppress: %" PRIu64 "s\n", r->suppress_ns / 1000000000);
    print_quoted("text", r->template, out);
    print_quoted("source", r->source, out);
}

static void print_tag(const struct hunt_tags *t, uint32_t tag, FILE *out)
{
    bool first = true;

    fprintf(out, "  %s: [", t->name[tag]);
    for (uint32_t i = 0; i < t->prefix_count; i++) {
        if (t->tag[i] != tag)
            continue;
        print_prefix(&t->prefix[i], first, out);
        first = false;
    }
    fputs("]\n", out);
}

void hunt_rules_print(const struct hunt_rules *rules, FILE *out)
{
    fputs(rules->tags.count ? "tags:\n" : "", out);
    for (uint32_t i = 0; i < rules->tags.count; i++)
        print_tag(&rules->tags, i, out);
    fputs("rules:\n", out);
    for (uint32_t i = 0; i < rules->count; i++)
        print_rule(&rules->rule[i], out);
}
