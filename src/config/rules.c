/*
 * Walks a rules file. What a rule may hold stands in one table of keys.
 */
#include "config/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "config/config.h"
#include "config/error.h"
#include "config/events.h"
#include "config/number.h"
#include "weir/hunt.h"
#include "weir/wire.h"

struct rules_reader {
    struct config_events in;
    struct hunt_rules *rules;
    struct hunt_rule *rule; /* at hand */
    bool is_new;            /* not one that was there before */
};

#define FAIL(r, ...) CONFIG_EVENTS_FAIL(&(r)->in, __VA_ARGS__)

static const struct hunt_measure_info measures[MEASURE_COUNT] = {
#define X(symbol, name, unit, subjects, help) {name, unit, subjects, help},
    HUNT_MEASURES(X)
#undef X
};

/* A plain value; what it should have been is said where it is not. */
static int want_scalar(struct rules_reader *r, const char *expected)
{
    if (r->in.event.type != YAML_SCALAR_EVENT || config_events_is_null(&r->in))
        return FAIL(r, "expected %s, found %s", expected, config_events_found(&r->in));
    return 0;
}

static int fail_value(struct rules_reader *r, const char *expected)
{
    char quoted[CONFIG_QUOTED_MAX];

    config_quote(config_events_scalar(&r->in), quoted, sizeof(quoted));
    return FAIL(r, "\"%s\" is not %s", quoted, expected);
}

static int read_text(struct rules_reader *r, char *out, size_t size, const char *expected)
{
    int rc = want_scalar(r, expected);
    const char *text = config_events_scalar(&r->in);

    if (rc)
        return rc;
    if (strlen(text) >= size)
        return FAIL(r, "expected %s of less than %zu octets", expected, size);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return FAIL(r, "expected %s without control characters", expected);
    memset(out, 0, size);
    strcpy(out, text);
    return 0;
}

static int read_word(struct rules_reader *r, const char *const *words, unsigned count,
                     const char *expected, uint8_t *out)
{
    int rc = want_scalar(r, expected);

    if (rc)
        return rc;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(words[i], config_events_scalar(&r->in)) == 0) {
            *out = (uint8_t)i;
            return 0;
        }
    }
    return fail_value(r, expected);
}

static int read_scope(struct rules_reader *r)
{
    return read_word(r, alert_scope_names, SCOPE_COUNT, "flow, pair, host or group",
                     &r->rule->scope);
}

static int read_severity(struct rules_reader *r)
{
    return read_word(r, alert_severity_names, SEVERITY_COUNT, "info, low, medium, high or critical",
                     &r->rule->severity);
}

static int read_direction(struct rules_reader *r)
{
    static const char *const words[DIRECTION_COUNT] = {"any", "outbound", "inbound", "internal"};

    return read_word(r, words, DIRECTION_COUNT, "any, outbound, inbound or internal",
                     &r->rule->direction);
}

static int read_window(struct rules_reader *r)
{
    static const char *const words[WINDOW_COUNT] = {"1m", "1h"};

    return read_word(r, words, WINDOW_COUNT, "1m or 1h", &r->rule->window);
}

static int read_enabled(struct rules_reader *r)
{
    static const char *const words[2] = {"false", "true"};
    uint8_t value = 0;
    int rc = read_word(r, words, 2, "true or false", &value);

    if (!rc)
        r->rule->enabled = value;
    return rc;
}

static bool parse_number(const char *text, uint64_t most, uint64_t *out)
{
    return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 12 &&
           (*out = strtoull(text, NULL, 10)) <= most;
}

static int read_proto(struct rules_reader *r)
{
    static const char expected[] = "tcp, udp, icmp, any, or a number (1..255)";
    static const struct {
        const char *name;
        uint8_t proto;
    } words[] = {{"any", 0}, {"tcp", PROTO_TCP}, {"udp", PROTO_UDP}, {"icmp", PROTO_ICMP}};
    uint64_t number;
    int rc = want_scalar(r, expected);

    if (rc)
        return rc;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (strcmp(words[i].name, config_events_scalar(&r->in)) == 0) {
            r->rule->proto = words[i].proto;
            return 0;
        }
    }
    if (!parse_number(config_events_scalar(&r->in), 255, &number) || !number)
        return fail_value(r, expected);
    r->rule->proto = (uint8_t)number;
    return 0;
}

static int read_suppress(struct rules_reader *r)
{
    int rc = want_scalar(r, "a duration (8h, 30m, 0s)");

    if (!rc && (duration_parse(config_events_scalar(&r->in), &r->rule->suppress_ns) ||
                r->rule->suppress_ns > 365 * UINT64_C(86400000000000)))
        return fail_value(r, "a duration (0s..365d)");
    return rc;
}

static int read_technique(struct rules_reader *r)
{
    return read_text(r, r->rule->technique, sizeof(r->rule->technique), "a MITRE technique id");
}

static int read_source(struct rules_reader *r)
{
    return read_text(r, r->rule->source, sizeof(r->rule->source), "a text");
}

static bool word_is_known(const char *word, size_t len)
{
    static const char *const words[] = {"host", "peer", "service", "port", "times"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
            return true;
    for (int m = 0; m < MEASURE_COUNT; m++)
        if (strlen(measures[m].name) == len && memcmp(measures[m].name, word, len) == 0)
            return true;
    return false;
}

static int read_template(struct rules_reader *r)
{
    int rc = read_text(r, r->rule->template, sizeof(r->rule->template), "a sentence");
    const char *at = r->rule->template, *close;

    while (!rc && (at = strchr(at, '{')) != NULL) {
        close = strchr(at, '}');
        if (!close || !word_is_known(at + 1, (size_t)(close - at - 1)))
            return fail_value(r, "a sentence with {host}, {peer}, {service}, {port}, {times} or "
                                 "{MEASURE} (weir hunts --measures)");
        at = close;
    }
    return rc;
}

/* Calls element for each of a list, or for the one value that stands in its place. */
static int read_list(struct rules_reader *r, const char *expected,
                     int (*element)(struct rules_reader *))
{
    size_t path_len = strlen(r->in.path);

    if (r->in.event.type == YAML_SCALAR_EVENT && !config_events_is_null(&r->in))
        return element(r);
    if (r->in.event.type != YAML_SEQUENCE_START_EVENT)
        return FAIL(r, "expected %s, found %s", expected, config_events_found(&r->in));
    for (unsigned i = 0;; i++) {
        int rc = config_events_pull(&r->in);
        if (rc || r->in.event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        snprintf(r->in.path + path_len, sizeof(r->in.path) - path_len, "[%u]", i);
        if ((rc = want_scalar(r, "a value")) || (rc = element(r)))
            return rc;
        r->in.path[path_len] = '\0';
    }
}

static int add_port(struct rules_reader *r, uint16_t *port, uint8_t *count)
{
    uint64_t number;

    if (!parse_number(config_events_scalar(&r->in), 65535, &number))
        return fail_value(r, "a port (0..65535)");
    if (*count == HUNT_PORTS_MAX)
        return FAIL(r, "more than %d ports", HUNT_PORTS_MAX);
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
    return read_list(r, "a list of ports", add_own_port);
}

static int add_allowed_port(struct rules_reader *r)
{
    return add_port(r, r->rule->allow_port, &r->rule->allow_port_count);
}

static int read_allow_ports(struct rules_reader *r)
{
    r->rule->allow_port_count = 0;
    return read_list(r, "a list of ports", add_allowed_port);
}

static int add_allowed(struct rules_reader *r)
{
    if (r->rule->allow_count == HUNT_NETWORKS_MAX)
        return FAIL(r, "more than %d networks", HUNT_NETWORKS_MAX);
    if (ip_prefix_parse(config_events_scalar(&r->in), &r->rule->allow[r->rule->allow_count]))
        return fail_value(r, "an address or prefix (192.0.2.0/24, 2001:db8::/32)");
    r->rule->allow_count++;
    return 0;
}

static int read_allow(struct rules_reader *r)
{
    r->rule->allow_count = 0;
    return read_list(r, "a list of addresses or prefixes", add_allowed);
}

static int add_group_by(struct rules_reader *r)
{
    if (strcmp(config_events_scalar(&r->in), "port") != 0)
        return fail_value(r, "port, which is all that can be grouped by");
    r->rule->by_port = 1;
    return 0;
}

static int read_group_by(struct rules_reader *r)
{
    r->rule->by_port = 0;
    return read_list(r, "a list: [port]", add_group_by);
}

/* What a value may be goes by the measure's unit. */
static const char *const expected_value[] = {
    [UNIT_COUNT] = "a number (100, 10k, 5M)",
    [UNIT_OCTETS] = "a number of octets (1500, 20M, 2G)",
    [UNIT_SECONDS] = "a duration (30s, 10m, 4h)",
    [UNIT_SHARE] = "a number between -1 and 1",
};

static bool parse_decimal(const char *text, double *out)
{
    char *end;

    if (!*text || strlen(text) > 24 || strspn(text, "+-.0123456789") != strlen(text))
        return false;
    *out = strtod(text, &end);
    return *end == '\0';
}

static bool parse_value(enum hunt_measure m, const char *text, double *out)
{
    uint64_t whole;

    switch (measures[m].unit) {
    case UNIT_SECONDS:
        if (duration_parse(text, &whole) || whole == UINT64_MAX)
            return false;
        *out = (double)whole / 1e9;
        return true;
    case UNIT_SHARE:
        return parse_decimal(text, out) && *out >= -1 && *out <= 1;
    default:
        if (count_parse(text, &whole) || whole > UINT64_C(1) << 53)
            return false;
        *out = (double)whole;
        return true;
    }
}

static int find_measure(const char *name)
{
    for (int m = 0; m < MEASURE_COUNT; m++)
        if (strcmp(measures[m].name, name) == 0)
            return m;
    return -1;
}

/* ">= 20M", "<= 0.5", or the value alone, which is the least. */
static int read_condition(struct rules_reader *r)
{
    struct hunt_rule *rule = r->rule;
    struct hunt_condition *c = &rule->condition[rule->condition_count];
    int m = find_measure(config_events_scalar(&r->in)), rc;

    if (m < 0)
        return FAIL(r, "no such measure (weir hunts --measures lists all)");
    if (rule->condition_count == HUNT_CONDITIONS_MAX)
        return FAIL(r, "more than %d conditions", HUNT_CONDITIONS_MAX);
    for (unsigned i = 0; i < rule->condition_count; i++)
        if (rule->condition[i].measure == m)
            return FAIL(r, "given twice");
    if ((rc = config_events_pull(&r->in)) ||
        (rc = want_scalar(r, expected_value[measures[m].unit])))
        return rc;
    const char *text = config_events_scalar(&r->in);
    bool at_most = strncmp(text, "<=", 2) == 0;
    if (at_most || strncmp(text, ">=", 2) == 0)
        text += 2;
    text += strspn(text, " ");
    if (!parse_value((enum hunt_measure)m, text, &c->value))
        return FAIL(r, "expected \">= VALUE\" or \"<= VALUE\", VALUE being %s",
                    expected_value[measures[m].unit]);
    c->measure = (uint8_t)m;
    c->at_most = at_most;
    rule->condition_count++;
    return 0;
}

static int read_when(struct rules_reader *r)
{
    size_t path_len = strlen(r->in.path);

    r->rule->condition_count = 0;
    if (r->in.event.type != YAML_MAPPING_START_EVENT)
        return FAIL(r, "expected measures, found %s", config_events_found(&r->in));
    for (;;) {
        int rc = config_events_pull(&r->in);
        if (rc || r->in.event.type == YAML_MAPPING_END_EVENT)
            return rc;
        if ((rc = config_events_enter(&r->in)) || (rc = read_condition(r)))
            return rc;
        r->in.path[path_len] = '\0';
    }
}

static int add_level(struct rules_reader *r)
{
    struct hunt_rule *rule = r->rule;
    enum hunt_measure m = (enum hunt_measure)rule->condition[0].measure;

    if (!rule->condition_count)
        return FAIL(r, "levels are those of the first measure: give when before them");
    if (rule->level_count == HUNT_LEVELS_MAX)
        return FAIL(r, "more than %d levels", HUNT_LEVELS_MAX);
    if (!parse_value(m, config_events_scalar(&r->in), &rule->level[rule->level_count]))
        return fail_value(r, expected_value[measures[m].unit]);
    if (rule->level_count && rule->level[rule->level_count] <= rule->level[rule->level_count - 1])
        return FAIL(r, "levels must rise");
    rule->level_count++;
    return 0;
}

static int read_levels(struct rules_reader *r)
{
    r->rule->level_count = 0;
    return read_list(r, "a list of values", add_level);
}

static int read_mads(struct rules_reader *r)
{
    static const char expected[] = "a number (0..1000)";
    int rc = want_scalar(r, expected);

    if (!rc && (!parse_decimal(config_events_scalar(&r->in), &r->rule->mads) || r->rule->mads < 0 ||
                r->rule->mads > 1000))
        return fail_value(r, expected);
    return rc;
}

static const struct rule_key {
    const char *name;
    int (*read)(struct rules_reader *);
} rule_keys[] = {
    {"enabled", read_enabled},   {"scope", read_scope},         {"group_by", read_group_by},
    {"window", read_window},     {"direction", read_direction}, {"proto", read_proto},
    {"ports", read_ports},       {"when", read_when},           {"levels", read_levels},
    {"mads", read_mads},         {"allow", read_allow},         {"allow_ports", read_allow_ports},
    {"severity", read_severity}, {"technique", read_technique}, {"suppress", read_suppress},
    {"text", read_template},     {"source", read_source},
};

#define KEY_COUNT (sizeof(rule_keys) / sizeof(*rule_keys))

static int find_key(const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(rule_keys[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The rule called so, or a new one. */
static int enter_rule(struct rules_reader *r)
{
    char name[ALERT_NAME_MAX];
    int rc = read_text(r, name, sizeof(name), "a name");

    if (rc)
        return rc;
    if (!*name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(name))
        return fail_value(r, "a name (a-z, 0-9, - and _)");
    for (uint32_t i = 0; i < r->rules->count && !r->rule; i++)
        if (strcmp(r->rules->rule[i].name, name) == 0)
            r->rule = &r->rules->rule[i];
    r->is_new = !r->rule;
    if (r->rule)
        return 0;
    if (r->rules->count == HUNT_RULES_MAX)
        return FAIL(r, "more than %d rules", HUNT_RULES_MAX);
    r->rule = &r->rules->rule[r->rules->count++];
    memset(r->rule, 0, sizeof(*r->rule));
    memcpy(r->rule->name, name, sizeof(name));
    r->rule->enabled = true;
    r->rule->severity = SEVERITY_MEDIUM;
    r->rule->window = WINDOW_HOUR;
    r->rule->suppress_ns = UINT64_C(3600000000000);
    return 0;
}

/* A rule as a whole: conditions that fit what it looks at, levels that fit the first. */
static int check_rule(struct rules_reader *r, unsigned given)
{
    struct hunt_rule *rule = r->rule;
    unsigned subject = rule->scope == SCOPE_FLOW   ? SUBJECT_FLOW
                       : rule->scope == SCOPE_PAIR ? (rule->by_port ? SUBJECT_EDGE : SUBJECT_PAIR)
                       : rule->scope == SCOPE_HOST
                           ? (rule->by_port ? SUBJECT_SERVICE : SUBJECT_HOST)
                           : SUBJECT_GROUP;

    if (r->is_new && (!(given & 1u << find_key("scope")) || !rule->condition_count))
        return FAIL(r, "a new rule needs scope and when");
    for (unsigned i = 0; i < rule->condition_count; i++)
        if (!(measures[rule->condition[i].measure].subjects & subject))
            return FAIL(r, "%s cannot be measured of this scope (%s%s)",
                        measures[rule->condition[i].measure].name, alert_scope_names[rule->scope],
                        rule->by_port ? " by port" : "");
    bool service = subject & (SUBJECT_FLOW | SUBJECT_EDGE | SUBJECT_SERVICE);
    if (!service && (rule->port_count || rule->allow_port_count || rule->proto))
        return FAIL(r, "ports and proto need scope flow, or group_by: [port]");
    if (rule->mads > 0 && subject != SUBJECT_HOST)
        return FAIL(r, "mads needs scope host");
    if (rule->scope == SCOPE_FLOW)
        rule->window = rule->by_port = 0; /* a flow has neither */
    /* levels of a built-in rule whose conditions were changed are gone; the first one is the
     * condition itself */
    if ((given & 1u << find_key("when")) && !(given & 1u << find_key("levels")))
        rule->level_count = 0;
    if (rule->level_count && rule->condition[0].at_most)
        return FAIL(r, "levels need a first condition with >=");
    if (rule->level_count)
        rule->level[0] =
            rule->level[0] > rule->condition[0].value ? rule->level[0] : rule->condition[0].value;
    return 0;
}

static int read_pair(struct rules_reader *r, unsigned *given)
{
    int rc = config_events_enter(&r->in), key;

    if (rc)
        return rc;
    const char *name = config_events_scalar(&r->in);
    if (!r->rule) {
        if (strcmp(name, "name") != 0)
            return FAIL(r, "a rule begins with its name");
        return (rc = config_events_pull(&r->in)) ? rc : enter_rule(r);
    }
    key = find_key(name);
    if (key < 0)
        return FAIL(r, "%s", strcmp(name, "name") == 0 ? "given twice" : "no such key of a rule");
    if (*given & 1u << key)
        return FAIL(r, "given twice");
    *given |= 1u << key;
    return (rc = config_events_pull(&r->in)) ? rc : rule_keys[key].read(r);
}

static int read_rule(struct rules_reader *r)
{
    size_t path_len = strlen(r->in.path);
    unsigned given = 0;

    r->rule = NULL;
    if (r->in.event.type != YAML_MAPPING_START_EVENT)
        return FAIL(r, "expected a rule, found %s", config_events_found(&r->in));
    for (;;) {
        int rc = config_events_pull(&r->in);
        if (rc)
            return rc;
        if (r->in.event.type == YAML_MAPPING_END_EVENT)
            return r->rule ? check_rule(r, given) : FAIL(r, "a rule begins with its name");
        if ((rc = read_pair(r, &given)))
            return rc;
        r->in.path[path_len] = '\0';
    }
}

static int read_rules(struct rules_reader *r)
{
    size_t path_len = strlen(r->in.path);

    if (r->in.event.type != YAML_SEQUENCE_START_EVENT)
        return config_events_is_null(&r->in)
                   ? 0
                   : FAIL(r, "expected a list of rules, found %s", config_events_found(&r->in));
    for (unsigned i = 0;; i++) {
        int rc = config_events_pull(&r->in);
        if (rc || r->in.event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        snprintf(r->in.path + path_len, sizeof(r->in.path) - path_len, "[%u]", i);
        if ((rc = read_rule(r)))
            return rc;
        r->in.path[path_len] = '\0';
    }
}

static int read_top(struct rules_reader *r)
{
    bool given = false;

    if (config_events_is_null(&r->in))
        return 0;
    if (r->in.event.type != YAML_MAPPING_START_EVENT)
        return FAIL(r, "expected rules:, found %s", config_events_found(&r->in));
    for (;;) {
        int rc = config_events_pull(&r->in);
        if (rc || r->in.event.type == YAML_MAPPING_END_EVENT)
            return rc;
        if ((rc = config_events_enter(&r->in)))
            return rc;
        if (given || strcmp(config_events_scalar(&r->in), "rules") != 0)
            return FAIL(r, "%s",
                        given ? "given twice" : "no such key (a rules file has rules: alone)");
        given = true;
        if ((rc = config_events_pull(&r->in)) || (rc = read_rules(r)))
            return rc;
        r->in.path[0] = '\0';
    }
}

static int read_document(void *context)
{
    return read_top(context);
}

int config_load_rules_memory(const char *name, const void *bytes, size_t len,
                             struct hunt_rules *rules, struct config_error *error)
{
    struct hunt_rules *next = malloc(sizeof(*next));
    struct rules_reader r = {.rules = next};

    if (!next)
        return config_fail(error, -ENOMEM, "out of memory");
    *next = *rules;
    int rc = config_events_read(&r.in, name, bytes, len, error, read_document, &r);
    if (!rc)
        *rules = *next;
    free(next);
    return rc;
}
