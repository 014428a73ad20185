/*
 * What rules can measure, and the words that the text of an alert may hold.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum hunt_unit { UNIT_COUNT, UNIT_OCTETS, UNIT_SECONDS, UNIT_SHARE };

/* Which measures go with a rule, as bits: what it looks at, and whether by port. */
enum hunt_subject_kind {
    SUBJECT_FLOW = 1 << 0,
    SUBJECT_PAIR = 1 << 1,
    SUBJECT_EDGE = 1 << 2, /* pair by port */
    SUBJECT_HOST = 1 << 3,
    SUBJECT_SERVICE = 1 << 4, /* host by port */
    SUBJECT_GROUP = 1 << 5,
    SUBJECT_CONTACT = SUBJECT_PAIR | SUBJECT_EDGE | SUBJECT_SERVICE,
    SUBJECT_HOSTS = SUBJECT_HOST | SUBJECT_GROUP,
    SUBJECTS_PEER = SUBJECT_FLOW | SUBJECT_PAIR | SUBJECT_EDGE,
    SUBJECTS_SERVICE = SUBJECT_FLOW | SUBJECT_EDGE | SUBJECT_SERVICE,
};

/*
 * X(SYMBOL, name, unit, subjects, help). "out" is from the host that the alert is about: the
 * initiator of flows and pairs, the host itself else.
 */
#define HUNT_MEASURES(X)                                                                           \
    X(AGE, "age", UNIT_SECONDS, SUBJECT_FLOW, "how long the connection has been open")             \
    X(OCTETS_OUT, "octets_out", UNIT_OCTETS, SUBJECT_FLOW | SUBJECT_CONTACT | SUBJECT_HOSTS,       \
      "octets sent")                                                                               \
    X(OCTETS_IN, "octets_in", UNIT_OCTETS, SUBJECT_FLOW | SUBJECT_CONTACT | SUBJECT_HOSTS,         \
      "octets received")                                                                           \
    X(PAYLOAD_OUT, "payload_out", UNIT_OCTETS, SUBJECT_FLOW | SUBJECT_HOSTS,                       \
      "payload octets sent")                                                                       \
    X(PAYLOAD_IN, "payload_in", UNIT_OCTETS, SUBJECT_FLOW | SUBJECT_HOSTS,                         \
      "payload octets received")                                                                   \
    X(PACKETS_OUT, "packets_out", UNIT_COUNT, SUBJECT_FLOW | SUBJECT_HOSTS, "packets sent")        \
    X(PACKETS_IN, "packets_in", UNIT_COUNT, SUBJECT_FLOW | SUBJECT_HOSTS, "packets received")      \
    X(MEAN_OUT, "mean_out", UNIT_OCTETS, SUBJECT_FLOW, "octets of a packet sent")                  \
    X(MEAN_IN, "mean_in", UNIT_OCTETS, SUBJECT_FLOW, "octets of a packet received")                \
    X(RATIO, "ratio", UNIT_SHARE, SUBJECT_FLOW | SUBJECT_CONTACT | SUBJECT_HOSTS,                  \
      "(out - in) / (out + in) of octets: 1 pure push, 0 balanced, -1 pure pull")                  \
    X(BALANCE, "balance", UNIT_SHARE, SUBJECT_FLOW,                                                \
      "lesser of out and in, divided by the greater")                                              \
    X(OUTSIDE_OUT, "outside_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent to outside hosts")      \
    X(OUTSIDE_IN, "outside_in", UNIT_OCTETS, SUBJECT_HOSTS, "octets received from outside hosts")  \
    X(OUTSIDE_RATIO, "outside_ratio", UNIT_SHARE, SUBJECT_HOSTS, "ratio of these two")             \
    X(DNS_OUT, "dns_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent on port 53")                    \
    X(ICMP_OUT, "icmp_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent by ICMP")                     \
    X(TLS_OUT, "tls_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent on TLS ports")                  \
    X(ADMIN_OUT, "admin_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent on administration ports")   \
    X(OPENED, "opened", UNIT_COUNT, SUBJECT_CONTACT | SUBJECT_HOSTS, "connections opened")         \
    X(ACCEPTED, "accepted", UNIT_COUNT, SUBJECT_CONTACT | SUBJECT_HOSTS,                           \
      "of these, accepted by the responder")                                                       \
    X(FAILED, "failed", UNIT_COUNT, SUBJECT_CONTACT | SUBJECT_HOSTS,                               \
      "of these, refused or ended without answer")                                                 \
    X(UNANSWERED, "unanswered", UNIT_SHARE, SUBJECT_CONTACT | SUBJECT_HOSTS,                       \
      "share of these that nobody has accepted")                                                   \
    X(MEAN_CONNECTION, "mean_connection", UNIT_OCTETS, SUBJECT_CONTACT,                            \
      "octets of a connection, both ways")                                                         \
    X(HOSTS_TRIED, "hosts_tried", UNIT_COUNT, SUBJECT_SERVICE,                                     \
      "different hosts that did not accept at once")                                               \
    X(PORTS_TRIED, "ports_tried", UNIT_COUNT, SUBJECT_PAIR,                                        \
      "different ports that did not accept at once")                                               \
    X(PEERS, "peers", UNIT_COUNT, SUBJECT_HOST, "different hosts spoken with")                     \
    X(PORTS, "ports", UNIT_COUNT, SUBJECT_HOST, "different ports of connections opened")           \
    X(CALLERS, "callers", UNIT_COUNT, SUBJECT_HOST,                                                \
      "different hosts whose connections were not accepted at once")                               \
    X(OPENED_IN, "opened_in", UNIT_COUNT, SUBJECT_HOSTS, "connections opened to the host")         \
    X(ACCEPTED_IN, "accepted_in", UNIT_COUNT, SUBJECT_HOSTS, "of these, accepted")                 \
    X(UNANSWERED_IN, "unanswered_in", UNIT_SHARE, SUBJECT_HOSTS,                                   \
      "share of these that the host has not accepted")                                             \
    X(OPEN, "open", UNIT_COUNT, SUBJECT_HOST, "connections open now, either way")                  \
    X(STARTS, "starts", UNIT_COUNT, SUBJECT_EDGE, "connections with a known rhythm")               \
    X(REGULARITY, "regularity", UNIT_SHARE, SUBJECT_EDGE,                                          \
      "regularity of intervals, sizes, duration and hours: 1 = like a clock")                      \
    X(FIRST_SEEN, "first_seen", UNIT_COUNT, SUBJECT_EDGE,                                          \
      "1 for an inside host's first connection to an administration port of another")

enum hunt_measure {
#define X(symbol, name, unit, subjects, help) MEASURE_##symbol,
    HUNT_MEASURES(X)
#undef X
        MEASURE_COUNT
};

struct hunt_measure_info {
    const char *name;
    uint8_t unit;     /* enum hunt_unit */
    uint8_t subjects; /* enum hunt_subject_kind */
    const char *help;
};

static const struct hunt_measure_info hunt_measures[MEASURE_COUNT] = {
#define X(symbol, name, unit, subjects, help) {name, unit, subjects, help},
    HUNT_MEASURES(X)
#undef X
};

/* X(SYMBOL, word, help): what a text may hold in braces beside the names of measures. */
#define HUNT_WORDS(X)                                                                              \
    X(HOST, "host", "address, or subnet, that the alert is about")                                 \
    X(PEER, "peer", "address of the other end")                                                    \
    X(SERVICE, "service", "the same with its port")                                                \
    X(PORT, "port", "protocol and port")                                                           \
    X(TIMES, "times", "octets sent divided by octets received")

/* A word's number: those of the measures, then the others. */
enum hunt_word {
    WORD_BEFORE = MEASURE_COUNT - 1,
#define X(symbol, word, help) WORD_##symbol,
    HUNT_WORDS(X)
#undef X
        WORD_COUNT
};

/* The number of a word, -1 = there is none such. */
static inline int hunt_word_find(const char *name, size_t len)
{
    static const char *const words[] = {
#define X(symbol, word, help) word,
        HUNT_WORDS(X)
#undef X
    };

    for (int i = 0; i < WORD_COUNT; i++) {
        const char *word = i < MEASURE_COUNT ? hunt_measures[i].name : words[i - MEASURE_COUNT];
        if (strlen(word) == len && memcmp(word, name, len) == 0)
            return i;
    }
    return -1;
}

/* The measure called so, -1 = there is none such. */
static inline int hunt_measure_find(const char *name)
{
    int word = hunt_word_find(name, strlen(name));

    return word < MEASURE_COUNT ? word : -1;
}
