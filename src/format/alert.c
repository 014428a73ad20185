#include "format/alert.h"

#include <stdio.h>

#include "base/ip.h"
#include "format/json_text.h"
#include "format/names.h"
#include "format/record.h"
#include "format/text.h"
#include "weir/config.h"

#define SYSLOG_FACILITY 16u /* local0 */

const char alert_table_head[] =
    "time                  severity  state      rule              finding\n";

static const char *word(const char *const *names, unsigned count, unsigned at)
{
    return at < count ? names[at] : "?";
}

static const char *severity_of(const struct alert *a)
{
    return word(alert_severity_names, SEVERITY_COUNT, a->severity);
}

static const char *state_of(const struct alert *a)
{
    return word(alert_state_names, ALERT_STATE_COUNT, a->state);
}

static char *put_padded(char *out, const char *text, size_t width)
{
    size_t len = strlen(text);

    out = put_text(out, text);
    for (; len < width; len++)
        *out++ = ' ';
    return out;
}

/* Control characters would break the line. */
static char *put_plain(char *out, const char *text)
{
    for (; *text; text++)
        *out++ = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
    return out;
}

size_t alert_table(const struct config *config, const struct alert *a, char *out)
{
    char *p = put_utc(out, a->ts_ns, 0);

    (void)config;
    p = put_text(p, "Z  ");
    p = put_padded(p, severity_of(a), 10);
    p = put_padded(p, state_of(a), 11);
    p = put_padded(p, a->rule, 16);
    p = put_text(p, "  ");
    p = put_plain(p, a->text);
    *p++ = '\n';
    return (size_t)(p - out);
}

static char *put_key_text(char *out, const struct host_key *key)
{
    return put_address(out, host_key_version(key), host_key_address(key));
}

static char *put_host(char *out, const char *name, const struct host_key *key)
{
    char text[IP_TEXT_MAX + 4];

    return json_quoted(json_key(out, name), text, put_key_text(text, key));
}

/* Whole where it is, else with 4 decimals; what JSON cannot say is 0. */
static char *put_double(char *out, double value)
{
    if (value != value || value > 1e18 || value < -1e18)
        value = 0;
    if (value >= 0 && value == (double)(uint64_t)value)
        return put_u64(out, (uint64_t)value);
    return out + sprintf(out, "%.4f", value);
}

static char *json_double(char *out, const char *name, double value)
{
    return put_double(json_key(out, name), value);
}

static char *json_seconds(char *out, const char *name, uint64_t ns)
{
    return put_seconds(json_key(out, name), ns / NS_PER_US);
}

static char *json_proto(char *out, const char *name, uint8_t proto)
{
    char text[8];

    return json_quoted(json_key(out, name), text, put_proto(text, proto));
}

static char *json_hex(char *out, const char *name, uint64_t value)
{
    char text[16];

    return json_quoted(json_key(out, name), text, put_hex64(text, value));
}

static char *put_window(char *out, uint64_t window_ns)
{
    return json_string(out, "window", window_ns == host_window_ns[WINDOW_MINUTE] ? "1m" : "1h");
}

static char *put_evidence(char *out, const struct alert *a)
{
    out = json_open(out, "evidence");
    for (unsigned i = 0; i < a->evidence_count && i < ALERT_EVIDENCE_MAX; i++)
        out = json_double(out, a->evidence[i].name, a->evidence[i].value);
    return json_close(out);
}

static char *put_service(char *out, const struct alert *a)
{
    if (!a->has_port)
        return out;
    if (protocol_has_ports(a->proto))
        out = json_u64(out, "port", a->port);
    return json_proto(out, "proto", a->proto);
}

size_t alert_json(const struct config *config, const struct alert *a, char *out)
{
    char *p = out;

    *p++ = '{';
    p = json_seconds(p, "ts", a->ts_ns);
    p = json_escaped(p, "rule", a->rule);
    p = json_string(p, "severity", severity_of(a));
    p = json_string(p, "state", state_of(a));
    p = json_string(p, "scope", word(alert_scope_names, SCOPE_COUNT, a->scope));
    p = put_host(p, "host", &a->host);
    if (a->group_bits)
        p = json_u64(p, "prefix", a->group_bits);
    if (a->has_peer)
        p = put_host(p, "peer", &a->peer);
    p = put_service(p, a);
    if (a->window_ns)
        p = put_window(p, a->window_ns);
    p = json_double(p, "value", a->value);
    p = json_double(p, "threshold", a->threshold);
    p = json_escaped(p, "text", a->text);
    if (a->technique[0])
        p = json_escaped(p, "technique", a->technique);
    if (a->flow_id)
        p = json_hex(p, "flow_id", a->flow_id);
    p = json_string(p, "community_id", a->community_id);
    p = json_escaped(p, "sensor", config->sensor.name);
    p = json_string(p, "measure", a->measure);
    p = json_hex(p, "id", a->id);
    p = put_evidence(p, a);
    *p++ = '}';
    *p++ = '\n';
    return (size_t)(p - out);
}

/* ECS wants 1..99, higher is worse. */
static char *put_event(char *out, const struct alert *a)
{
    static const uint8_t risk[SEVERITY_COUNT] = {21, 35, 47, 73, 99};

    out = json_open(out, "event");
    out = json_string(out, "kind", "alert");
    out = put_text(json_key(out, "category"), "[\"network\",\"intrusion_detection\"]");
    out = put_text(json_key(out, "type"), a->state == ALERT_CLEARED ? "[\"end\"]" : "[\"info\"]");
    out = json_string(out, "action", state_of(a));
    out = json_string(out, "dataset", "weir.alert");
    out = json_string(out, "module", "weir");
    out = json_hex(out, "id", a->id);
    out = json_u64(out, "severity", a->severity < SEVERITY_COUNT ? risk[a->severity] : 99);
    return json_close(out);
}

static char *put_technique(char *out, const char *technique)
{
    if (!*technique)
        return out;
    out = json_open(out, "threat");
    out = json_string(out, "framework", "MITRE ATT&CK");
    out = json_open(out, "technique");
    out = put_text(json_key(out, "id"), "[\"");
    out = put_json_text(out, technique);
    out = put_text(out, "\"]");
    return json_close(json_close(out));
}

static char *put_side(char *out, const char *name, const struct host_key *key, bool port,
                      const struct alert *a)
{
    out = put_host(json_open(out, name), "ip", key);
    if (port && a->has_port && protocol_has_ports(a->proto))
        out = json_u64(out, "port", a->port);
    return json_close(out);
}

static char *put_related(char *out, const struct alert *a)
{
    char text[2 * IP_TEXT_MAX + 8], *end = put_key_text(text, &a->host);

    if (a->has_peer) {
        *end++ = ',';
        end = put_key_text(end, &a->peer);
    }
    out = json_open(out, "related");
    return json_close(json_words(json_key(out, "ip"), text, end));
}

static char *put_network(char *out, const struct alert *a)
{
    if (!a->has_port && !a->community_id[0])
        return out;
    out = json_open(out, "network");
    if (a->has_port)
        out = json_string(out, "transport", protocol_iana_name(a->proto));
    out = json_string(out, "community_id", a->community_id);
    return json_close(out);
}

static char *put_weir(char *out, const struct alert *a)
{
    out = json_open(json_open(out, "weir"), "alert");
    out = json_string(out, "measure", a->measure);
    out = json_double(out, "value", a->value);
    out = json_double(out, "threshold", a->threshold);
    out = json_u64(out, "level", a->level);
    if (a->flow_id)
        out = json_hex(out, "flow_id", a->flow_id);
    out = put_evidence(out, a);
    return json_close(json_close(out));
}

size_t alert_ecs(const struct config *config, const struct alert *a, char *out)
{
    char *p = out;

    *p++ = '{';
    p = json_key(p, "@timestamp");
    *p++ = '"';
    p = put_text(put_utc(p, a->ts_ns, 6), "Z\"");
    p = json_escaped(p, "message", a->text);
    p = json_close(json_string(json_open(p, "ecs"), "version", "8.11.0"));
    p = put_event(p, a);
    p = json_close(json_escaped(json_open(p, "rule"), "name", a->rule));
    p = put_technique(p, a->technique);
    p = put_side(p, "source", &a->host, false, a);
    if (a->has_peer)
        p = put_side(p, "destination", &a->peer, true, a);
    p = put_network(p, a);
    p = put_related(p, a);
    p = json_open(p, "observer");
    p = json_escaped(p, "name", config->sensor.name);
    p = json_string(json_string(p, "type", "sensor"), "product", "weir");
    p = json_close(p);
    p = put_weir(p, a);
    *p++ = '}';
    *p++ = '\n';
    return (size_t)(p - out);
}

/* RFC 5424 §6.2.1: emergency 0 .. debug 7. */
static unsigned syslog_severity(const struct alert *a)
{
    static const uint8_t number[SEVERITY_COUNT] = {6, 5, 4, 3, 2};

    if (a->state == ALERT_CLEARED)
        return 6;
    return a->severity < SEVERITY_COUNT ? number[a->severity] : 2;
}

/* §6.2: printable ASCII without space, "-" for nothing. */
static char *put_syslog_name(char *out, const char *text, size_t max)
{
    char *begin = out;

    for (; *text && (size_t)(out - begin) < max; text++)
        if (*text > ' ' && *text < 0x7f)
            *out++ = *text;
    return out == begin ? put_text(out, "-") : out;
}

/* §6.3.3: '"', '\' and ']' are escaped. */
static char *put_param(char *out, const char *name, const char *text, const char *end)
{
    *out++ = ' ';
    out = put_text(out, name);
    out = put_text(out, "=\"");
    for (; text < end; text++) {
        if (*text == '"' || *text == '\\' || *text == ']')
            *out++ = '\\';
        *out++ = *text;
    }
    *out++ = '"';
    return out;
}

static char *put_params(char *out, const struct alert *a)
{
    char text[64];

    out = put_param(out, "rule", a->rule, a->rule + strnlen(a->rule, sizeof(a->rule)));
    out = put_param(out, "state", state_of(a), state_of(a) + strlen(state_of(a)));
    out = put_param(out, "severity", severity_of(a), severity_of(a) + strlen(severity_of(a)));
    out = put_param(out, "host", text, put_key_text(text, &a->host));
    if (a->has_peer)
        out = put_param(out, "peer", text, put_key_text(text, &a->peer));
    if (a->has_port && protocol_has_ports(a->proto))
        out = put_param(out, "port", text, put_u64(text, a->port));
    if (a->has_port)
        out = put_param(out, "proto", text, put_proto(text, a->proto));
    out = put_param(out, "value", text, put_double(text, a->value));
    out = put_param(out, "threshold", text, put_double(text, a->threshold));
    if (a->technique[0])
        out = put_param(out, "technique", a->technique, a->technique + strlen(a->technique));
    if (a->community_id[0])
        out = put_param(out, "community_id", a->community_id,
                        a->community_id + strlen(a->community_id));
    return put_param(out, "id", text, put_hex64(text, a->id));
}

/* SD-ID with the enterprise number that RFC 5612 §3 keeps for documents. */
size_t alert_syslog(const struct config *config, const struct alert *a, char *out)
{
    char *p = out;

    *p++ = '<';
    p = put_u64(p, SYSLOG_FACILITY * 8 + syslog_severity(a));
    p = put_text(p, ">1 ");
    p = put_text(put_utc(p, a->ts_ns, 6), "Z ");
    p = put_syslog_name(p, config->sensor.name, 255);
    p = put_text(p, " weir - ");
    p = put_syslog_name(p, a->rule, 32);
    p = put_text(p, " [alert@32473");
    p = put_params(p, a);
    p = put_text(p, "] ");
    p = put_plain(p, a->text);
    return (size_t)(p - out);
}
