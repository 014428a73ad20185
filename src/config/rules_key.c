/*
 * What a rule may hold: one table of keys.
 */
#include <string.h>

#include "config/number.h"
#include "config/rules_reader.h"
#include "weir/wire.h"

#define SUPPRESS_MAX_NS (365 * UINT64_C(86400000000000))

static int read_scope(struct rules_reader *r)
{
    return rules_read_word(r, alert_scope_names, SCOPE_COUNT, "flow, pair, host or group",
                           &r->rule->scope);
}

static int read_severity(struct rules_reader *r)
{
    return rules_read_word(r, alert_severity_names, SEVERITY_COUNT,
                           "info, low, medium, high or critical", &r->rule->severity);
}

static int read_direction(struct rules_reader *r)
{
    return rules_read_word(r, hunt_direction_names, DIRECTION_COUNT,
                           "any, outbound, inbound or internal", &r->rule->direction);
}

static int read_window(struct rules_reader *r)
{
    return rules_read_word(r, hunt_window_names, WINDOW_COUNT, "1m or 1h", &r->rule->window);
}

static int read_enabled(struct rules_reader *r)
{
    static const char *const words[2] = {"false", "true"};
    uint8_t value = 0;
    int rc = rules_read_word(r, words, 2, "true or false", &value);

    if (!rc)
        r->rule->enabled = value;
    return rc;
}

static int read_proto(struct rules_reader *r)
{
    static const char expected[] = "tcp, udp, icmp, any, or a number (1..255)";
    static const struct {
        const char *name;
        uint8_t proto;
    } words[] = {{"any", 0}, {"tcp", PROTO_TCP}, {"udp", PROTO_UDP}, {"icmp", PROTO_ICMP}};
    uint64_t number;
    int rc = rules_want_scalar(r, expected);

    if (rc)
        return rc;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strcmp(words[i].name, config_events_scalar(&r->in)) == 0) {
            r->rule->proto = words[i].proto;
            return 0;
        }
    }
    if (!rules_parse_number(config_events_scalar(&r->in), 255, &number) || !number)
        return rules_fail_value(r, expected);
    r->rule->proto = (uint8_t)number;
    return 0;
}

static int read_suppress(struct rules_reader *r)
{
    int rc = rules_want_scalar(r, "a duration (8h, 30m, 0s)");

    if (!rc && (duration_parse(config_events_scalar(&r->in), &r->rule->suppress_ns) ||
                r->rule->suppress_ns > SUPPRESS_MAX_NS))
        return rules_fail_value(r, "a duration (0s..365d)");
    return rc;
}

static int read_technique(struct rules_reader *r)
{
    return rules_read_text(r, r->rule->technique, sizeof(r->rule->technique),
                           "a MITRE technique id");
}

static int read_source(struct rules_reader *r)
{
    return rules_read_text(r, r->rule->source, sizeof(r->rule->source), "a text");
}

static int read_template(struct rules_reader *r)
{
    int rc = rules_read_text(r, r->rule->template, sizeof(r->rule->template), "a sentence");
    const char *at = r->rule->template, *close;

    while (!rc && (at = strchr(at, '{')) != NULL) {
        close = strchr(at, '}');
        if (!close || hunt_word_find(at + 1, (size_t)(close - at - 1)) < 0)
            return rules_fail_value(r,
                                    "a sentence with {host}, {peer}, {service}, {port}, {times} or "
                                    "{MEASURE} (weir hunts --measures)");
        at = close;
    }
    return rc;
}

static int add_port(struct rules_reader *r, uint16_t *port, uint8_t *count)
{
    uint64_t number;

    if (!rules_parse_number(config_events_scalar(&r->in), 65535, &number))
        return rules_fail_value(r, "a port (0..65535)");
    if (*count == HUNT_PORTS_MAX)
        return RULES_FAIL(r, "more than %d ports", HUNT_PORTS_MAX);
    port[(*count)++] = (uint16_t)number;
    return 0;
}

static int add_own_port(struct rules_reader *r)
{
    return add_port(r, r->rule->port, &r->rule->port_count);
}

static int read_ports(struct rules_reader *r)
{
    r->rule->port_count = 0;
    return rules_read_list(r, "a list of ports", add_own_port);
}

static int add_allowed_port(struct rules_reader *r)
{
    return add_port(r, r->rule->allow_port, &r->rule->allow_port_count);
}

static int read_allow_ports(struct rules_reader *r)
{
    r->rule->allow_port_count = 0;
    return rules_read_list(r, "a list of ports", add_allowed_port);
}

static int add_allowed(struct rules_reader *r)
{
    return rules_add_networks(r, r->rule->allow, &r->rule->allow_count);
}

static int read_allow(struct rules_reader *r)
{
    r->rule->allow_count = 0;
    return rules_read_list(r, "a list of addresses, prefixes or tags", add_allowed);
}

static int add_host(struct rules_reader *r)
{
    return rules_add_networks(r, r->rule->only, &r->rule->only_count);
}

static int read_hosts(struct rules_reader *r)
{
    r->rule->only_count = 0;
    return rules_read_list(r, "a list of addresses, prefixes or tags", add_host);
}

static int add_group_by(struct rules_reader *r)
{
    if (strcmp(config_events_scalar(&r->in), "port") != 0)
        return rules_fail_value(r, "port, which is all that can be grouped by");
    r->rule->by_port = 1;
    return 0;
}

static int read_group_by(struct rules_reader *r)
{
    r->rule->by_port = 0;
    return rules_read_list(r, "a list: [port]", add_group_by);
}

static const struct rule_key {
    const char *name;
    int (*read)(struct rules_reader *);
} rule_keys[] = {
    {"enabled", read_enabled},       {"scope", read_scope},
    {"group_by", read_group_by},     {"window", read_window},
    {"direction", read_direction},   {"hosts", read_hosts},
    {"proto", read_proto},           {"ports", read_ports},
    {"when", rules_read_when},       {"levels", rules_read_levels},
    {"compare", rules_read_compare}, {"mads", rules_read_mads},
    {"allow", read_allow},           {"allow_ports", read_allow_ports},
    {"severity", read_severity},     {"technique", read_technique},
    {"suppress", read_suppress},     {"text", read_template},
    {"source", read_source},
};

#define KEY_COUNT (sizeof(rule_keys) / sizeof(*rule_keys))

int rules_key_find(const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(rule_keys[i].name, name) == 0)
            return (int)i;
    return -1;
}

int rules_key_read(struct rules_reader *r, int key)
{
    return rule_keys[key].read(r);
}
