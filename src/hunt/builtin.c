/*
 * The built-in rules, with the sources of their thresholds.
 */
#include <assert.h>
#include <string.h>

#include "hunt/hunt.h"

#define MINUTE UINT64_C(60000000000)
#define HOUR (60 * MINUTE)
#define MB 1e6
#define LEAST(m, v)                                                                                \
    {                                                                                              \
        .measure = MEASURE_##m, .value = (v)                                                       \
    }
#define MOST(m, v)                                                                                 \
    {                                                                                              \
        .measure = MEASURE_##m, .value = (v), .at_most = 1                                         \
    }
#define COUNT_OF(type, ...) (uint8_t)(sizeof((const type[]){__VA_ARGS__}) / sizeof(type))
#define WHEN(...)                                                                                  \
    .condition = {__VA_ARGS__}, .condition_count = COUNT_OF(struct hunt_condition, __VA_ARGS__)
#define LEVELS(...) .level = {__VA_ARGS__}, .level_count = COUNT_OF(double, __VA_ARGS__)
#define COMPARE(m) .compare = MEASURE_##m + 1
#define PORTS(...) .port = {__VA_ARGS__}, .port_count = COUNT_OF(uint16_t, __VA_ARGS__)

static const struct hunt_rule rules[] = {
    {.name = "exfil-volume",
     .scope = SCOPE_FLOW,
     .direction = DIRECTION_OUTBOUND,
     WHEN(LEAST(OCTETS_OUT, 20 * MB), LEAST(RATIO, 0.4)),
     LEVELS(20 * MB, 200 * MB, 2000 * MB),
     COMPARE(OUTSIDE_OUT),
     .severity = SEVERITY_MEDIUM,
     .technique = "T1048",
     .suppress_ns = 8 * HOUR,
     .template = "{host} sent {octets_out} to {service} in {age}, {times} times what it received",
     .source = "Evernote largeUpload (Zeek): 20 MB sent by one connection, PCR over 0.4, "
               "suppressed for 8 h"},
    {.name = "upload-ratio",
     .scope = SCOPE_PAIR,
     .window = WINDOW_HOUR,
     .direction = DIRECTION_OUTBOUND,
     WHEN(LEAST(OCTETS_OUT, 10 * MB), LEAST(RATIO, 0.8)),
     LEVELS(10 * MB, 100 * MB, 1000 * MB),
     COMPARE(OUTSIDE_OUT),
     .severity = SEVERITY_LOW,
     .technique = "T1041",
     .suppress_ns = 8 * HOUR,
     .template = "{host} sent {octets_out} to {peer} in an hour and received {octets_in}: "
                 "{times} times as much",
     .source = "producer/consumer ratio, SEI FloCon 2014: 10 MB up against 1 MB down is 0.82"},
    {.name = "upload-volume",
     .scope = SCOPE_HOST,
     .window = WINDOW_HOUR,
     WHEN(LEAST(OUTSIDE_OUT, 100 * MB), LEAST(OUTSIDE_RATIO, 0.4)),
     LEVELS(100 * MB, 1000 * MB, 10000 * MB),
     .mads = 8,
     .severity = SEVERITY_LOW,
     .technique = "T1030",
     .suppress_ns = 8 * HOUR,
     .template = "{host} sent {outside_out} to outside hosts in an hour and received {outside_in}",
     .source = "Elastic: unusual volume sent, by host; in pieces that exfil-volume and "
               "upload-ratio do not see, so a multiple of theirs; modified z-score (Iglewicz and "
               "Hoaglin 1993): over 5 MADs is an outlier"},
    {.name = "long-connection",
     .scope = SCOPE_FLOW,
     WHEN(LEAST(AGE, 3600)),
     LEVELS(3600, 4 * 3600, 8 * 3600, 12 * 3600),
     .severity = SEVERITY_INFO,
     .technique = "T1071",
     .suppress_ns = 24 * HOUR,
     .template = "{host} has been connected with {service} for {age}: {octets_out} sent, "
                 "{octets_in} received",
     .source = "RITA: 1 h base, 4 h low, 8 h medium, 12 h high; Zeek long-connections: 1 h, 12 h"},
    {.name = "dns-tunnel",
     .scope = SCOPE_FLOW,
     PORTS(53),
     WHEN(LEAST(PACKETS_OUT, 100), LEAST(OCTETS_OUT, 10000), LEAST(MEAN_OUT, 90), LEAST(AGE, 10)),
     .severity = SEVERITY_HIGH,
     .technique = "T1572",
     .suppress_ns = 8 * HOUR,
     .template = "{host} put {packets_out} packets with {octets_out} into one DNS flow to "
                 "{service} within {age}, {mean_out} each",
     .source = "stub resolvers ask once per port: Ellens 2013 watches octets and packets of DNS "
               "flows; a plain query has 60 to 80 octets"},
    {.name = "icmp-tunnel",
     .scope = SCOPE_FLOW,
     .proto = 1,
     WHEN(LEAST(OCTETS_OUT, 20000), LEAST(MEAN_OUT, 150), LEAST(PACKETS_OUT, 50), LEAST(AGE, 30)),
     .severity = SEVERITY_HIGH,
     .technique = "T1095",
     .suppress_ns = 8 * HOUR,
     .template = "{host} sent {octets_out} by ICMP to {peer} in {age}, {mean_out} a packet",
     .source = "Elastic: ICMP to the outside of 256 octets and more; Splunk: over 1000; ping sends "
               "60 or 84 a packet"},
    {.name = "tls-vpn",
     .scope = SCOPE_FLOW,
     .direction = DIRECTION_OUTBOUND,
     PORTS(443, 853, 8443),
     WHEN(LEAST(OCTETS_OUT, 10 * MB), LEAST(OCTETS_IN, 10 * MB), LEAST(BALANCE, 0.25),
          LEAST(AGE, 600)),
     .severity = SEVERITY_MEDIUM,
     .technique = "T1572",
     .suppress_ns = 24 * HOUR,
     .template = "{host} exchanged {octets_out} out and {octets_in} in with {service} for {age}",
     .source = "web traffic is mostly down: 10 MB both ways for 10 min on one connection is a "
               "tunnel's shape (Zeek long-connections' first mark is 10 min)"},
    {.name = "lateral-movement",
     .scope = SCOPE_PAIR,
     .by_port = 1,
     .window = WINDOW_HOUR,
     .direction = DIRECTION_INTERNAL,
     WHEN(LEAST(FIRST_SEEN, 1)),
     .severity = SEVERITY_MEDIUM,
     .technique = "T1021",
     .suppress_ns = 24 * HOUR,
     .template = "{host} used {service} for the first time",
     .source = "Elastic lateral movement detection and new_terms: an inside pair that was not seen "
               "on an administration port while learning (hunts.learn)"},
    {.name = "host-sweep",
     .scope = SCOPE_HOST,
     .by_port = 1,
     .window = WINDOW_HOUR,
     WHEN(LEAST(HOSTS_TRIED, 25), LEAST(UNANSWERED, 0.5)),
     LEVELS(25, 250),
     .severity = SEVERITY_MEDIUM,
     .technique = "T1046",
     .suppress_ns = 1 * HOUR,
     .template = "{host} tried {hosts_tried} hosts on {port}, {accepted} of {opened} connections "
                 "were accepted",
     .source = "Zeek scan.zeek: 25 hosts with failed connections on one port; Splunk: 250 in an "
               "hour"},
    {.name = "port-scan",
     .scope = SCOPE_PAIR,
     .window = WINDOW_HOUR,
     WHEN(LEAST(PORTS_TRIED, 50), LEAST(UNANSWERED, 0.5)),
     LEVELS(50, 500),
     .severity = SEVERITY_MEDIUM,
     .technique = "T1046",
     .suppress_ns = 1 * HOUR,
     .template = "{host} tried {ports_tried} ports of {peer}, {accepted} of {opened} connections "
                 "were accepted",
     .source =
         "Elastic: 50 ports of a pair in a minute; Sentinel: over 50 in 5 min; Splunk: 500 in "
         "an hour; the UDP ports of traceroute are left out"},
    {.name = "brute-force",
     .scope = SCOPE_PAIR,
     .by_port = 1,
     .window = WINDOW_HOUR,
     PORTS(21, 22, 23, 110, 143, 445, 1433, 3306, 3389, 5432, 5900, 5985, 5986),
     WHEN(LEAST(ACCEPTED, 30), MOST(MEAN_CONNECTION, 20000), MOST(UNANSWERED, 0.5)),
     LEVELS(30, 300),
     .severity = SEVERITY_MEDIUM,
     .technique = "T1110",
     .suppress_ns = 1 * HOUR,
     .template = "{host} opened {opened} connections to {service} within an hour, "
                 "{mean_connection} each",
     .source = "Zeek detect-bruteforcing: 30 guesses in 30 min; a guess is a short connection"},
    {.name = "connection-count",
     .scope = SCOPE_HOST,
     .window = WINDOW_MINUTE,
     WHEN(LEAST(OPENED, 2000)),
     LEVELS(2000, 20000),
     .mads = 8,
     .severity = SEVERITY_LOW,
     .technique = "T1071",
     .suppress_ns = 1 * HOUR,
     .template = "{host} opened {opened} connections in a minute, {accepted} were accepted",
     .source = "ntopng flow flood: 256 flows/s are an attack, an eighth of it for a minute is "
               "looked at when the host's own subnet does not do the same"},
    {.name = "flood-victim",
     .scope = SCOPE_HOST,
     .window = WINDOW_MINUTE,
     WHEN(LEAST(CALLERS, 1000), LEAST(UNANSWERED_IN, 0.8)),
     LEVELS(1000, 10000),
     .severity = SEVERITY_HIGH,
     .technique = "T1498",
     .suppress_ns = 1 * HOUR,
     .template = "{host} was called by {callers} hosts in a minute and accepted {accepted_in} of "
                 "{opened_in} connections",
     .source = "FastNetMon: 3500 flows/s; here by sources that got no answer, which a popular "
               "server does not have"},
    {.name = "beacon",
     .scope = SCOPE_PAIR,
     .by_port = 1,
     .window = WINDOW_HOUR,
     .direction = DIRECTION_OUTBOUND,
     WHEN(LEAST(REGULARITY, 0.8), LEAST(STARTS, 24)),
     LEVELS(0.8, 0.9),
     .severity = SEVERITY_MEDIUM,
     .technique = "T1071",
     .suppress_ns = 24 * HOUR,
     .template = "{host} calls {service} like a clock: regularity {regularity} over {starts} "
                 "connections",
     .source = "RITA: score 0.7 low, 0.9 medium, 1 high; over 23 connections a day"},
    {.name = "policy-port",
     .scope = SCOPE_PAIR,
     .by_port = 1,
     .window = WINDOW_HOUR,
     .direction = DIRECTION_OUTBOUND,
     PORTS(23, 135, 139, 445, 3389, 5900, 5985, 5986),
     WHEN(LEAST(ACCEPTED, 1)),
     .severity = SEVERITY_LOW,
     .technique = "T1048",
     .suppress_ns = 24 * HOUR,
     .template = "{host} used {service} outside; {accepted} of {opened} connections were accepted",
     .source = "Elastic: SMB, RDP, Telnet, VNC and RPC to the Internet"},
};

static_assert(sizeof(rules) / sizeof(*rules) <= HUNT_RULES_MAX, "raise HUNT_RULES_MAX");

void hunt_builtin(struct hunt_rules *out)
{
    memset(out, 0, sizeof(*out));
    out->count = sizeof(rules) / sizeof(*rules);
    memcpy(out->rule, rules, sizeof(rules));
    for (uint32_t i = 0; i < out->count; i++)
        out->rule[i].enabled = true;
}
