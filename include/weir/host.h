/*
 * Hosts: who they are, and what is counted for each, by window.
 *
 * Every counter counts both ends of the traffic: what one host sent, another received. So the sums
 * of *_out and *_in over all hosts, `other` included, are equal, and equal to the traffic.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* An address as a key: IPv6 as it is, IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). All ones, which
 * is no host's address, is `other`: the hosts that have no entry of their own. All zero stands for
 * no address where one may be missing. */
struct host_key {
    uint8_t address[16];
};

enum host_window { WINDOW_MINUTE, WINDOW_HOUR, WINDOW_COUNT };

static const uint64_t host_window_ns[WINDOW_COUNT] = {60000000000U, 3600000000000U};

/*
 * X(SYMBOL, short name, help). The short names are the field names in stores.
 * out: sent, or as initiator; in: received, or as responder. Octets are IP-layer octets.
 */
#define HOST_COUNTERS(X)                                                                           \
    X(OCTETS_OUT, "oo", "octets sent")                                                             \
    X(OCTETS_IN, "oi", "octets received")                                                          \
    X(PACKETS_OUT, "po", "packets sent")                                                           \
    X(PACKETS_IN, "pi", "packets received")                                                        \
    X(PAYLOAD_OUT, "lo", "payload octets sent")                                                    \
    X(PAYLOAD_IN, "li", "payload octets received")                                                 \
    X(OUTSIDE_OUT, "xo", "octets sent to outside hosts")                                           \
    X(OUTSIDE_IN, "xi", "octets received from outside hosts")                                      \
    X(DNS_OUT, "do", "octets sent on port 53")                                                     \
    X(DNS_IN, "di", "octets received on port 53")                                                  \
    X(TLS_OUT, "to", "octets sent on ports 443, 853 and 8443")                                     \
    X(TLS_IN, "ti", "octets received on ports 443, 853 and 8443")                                  \
    X(ICMP_OUT, "io", "octets sent by ICMP")                                                       \
    X(ICMP_IN, "ii", "octets received by ICMP")                                                    \
    X(ADMIN_OUT, "ao", "octets sent on administration ports")                                      \
    X(ADMIN_IN, "ai", "octets received on administration ports")                                   \
    X(OPENED, "fo", "flows opened as initiator")                                                   \
    X(ACCEPTED, "fa", "flows of those that the responder accepted")                                \
    X(FAILED, "ff", "flows of those that were refused or ended without answer")                    \
    X(OPENED_IN, "go", "flows opened to this host")                                                \
    X(ACCEPTED_IN, "ga", "flows of those that this host accepted")                                 \
    X(FAILED_IN, "gf", "flows of those that this host refused or did not answer")                  \
    X(CLOSED, "fc", "flows of either direction that ended")

enum host_counter {
#define X(symbol, name, help) HOST_##symbol,
    HOST_COUNTERS(X)
#undef X
        HOST_COUNTER_COUNT
};

struct host_counters {
    uint64_t value[HOST_COUNTER_COUNT];
};

/* Numbers of different things seen in a window: exact up to 32, estimated beyond. */
enum host_set {
    HOST_PEERS,   /* other hosts, whoever began */
    HOST_PORTS,   /* protocol and destination port of flows it opened */
    HOST_CALLERS, /* hosts whose flows to it were not accepted at once */
    HOST_SET_COUNT
};

/* One host in one window, as stores and views get it. Values are absolute: since start_ns. */
struct host_row {
    struct host_key key;
    uint64_t start_ns; /* of the window, on the clock */
    struct host_counters counters;
    uint32_t distinct[HOST_SET_COUNT];
    uint32_t open;            /* connections open now, either direction */
    uint64_t oldest_start_ns; /* of those over 5 s old; 0 = none */
    uint8_t window;           /* enum host_window */
    uint8_t inside;
    uint8_t gone; /* the host made room: its counts are part of `other` now, and it has no row */
};

/* What a port or protocol is used for. */
enum host_class { CLASS_OTHER, CLASS_DNS, CLASS_TLS, CLASS_ICMP, CLASS_ADMIN, CLASS_COUNT };

/* Which ends of a flow lie in hosts.networks. */
enum host_inside { INSIDE_INITIATOR = 1 << 0, INSIDE_RESPONDER = 1 << 1 };

static const uint8_t host_key_mapped[12] = {[10] = 0xff, [11] = 0xff};

static inline struct host_key host_key_of(uint8_t ip_version, const uint8_t *address)
{
    struct host_key key;

    if (ip_version == 4) {
        memcpy(key.address, host_key_mapped, 12);
        memcpy(key.address + 12, address, 4);
    } else {
        memcpy(key.address, address, 16);
    }
    return key;
}

static inline uint8_t host_key_version(const struct host_key *key)
{
    return memcmp(key->address, host_key_mapped, 12) == 0 ? 4 : 6;
}

/* The address, as ip_format() takes it. */
static inline const uint8_t *host_key_address(const struct host_key *key)
{
    return key->address + (host_key_version(key) == 4 ? 12 : 0);
}

static inline struct host_key host_key_other(void)
{
    struct host_key key;

    memset(&key, 0xff, sizeof(key));
    return key;
}

static inline bool host_key_is_other(const struct host_key *key)
{
    struct host_key other = host_key_other();

    return memcmp(key, &other, sizeof(other)) == 0;
}

static inline bool host_key_is_none(const struct host_key *key)
{
    static const struct host_key none;

    return memcmp(key, &none, sizeof(none)) == 0;
}
