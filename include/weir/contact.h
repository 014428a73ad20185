/*
 * Who speaks with whom: counts of connections that belong together, by window.
 */
#pragma once

#include <stdint.h>

#include "weir/host.h"

/* What the connections of a contact have in common. */
enum contact_kind {
    CONTACT_PAIR,    /* initiator and responder */
    CONTACT_SERVICE, /* initiator, protocol and responder's port */
    CONTACT_EDGE,    /* all of these */
    CONTACT_KIND_COUNT
};

struct contact_window {
    uint64_t start_ns;
    uint64_t octets[2]; /* sent by the initiator, by the responder: of ended connections, and whole
                           MiB of open ones */
    uint32_t opened, accepted, failed;
    uint32_t tried; /* different things whose connections were not accepted at once: pair: ports;
                       service: hosts */
};

/* Starts and sizes of the last connections of an edge, for the regularity of both. */
#define CONTACT_SAMPLES 64
#define CONTACT_HOURS 24

struct contact_rhythm {
    uint64_t first_ns, last_ns; /* starts */
    uint32_t starts, sizes;     /* ever; the last CONTACT_SAMPLES are kept */
    uint32_t interval_ms[CONTACT_SAMPLES];
    uint32_t size[CONTACT_SAMPLES]; /* octets sent by the initiator, saturated */
    uint16_t hour[CONTACT_HOURS];   /* connections by hour, modulo a day */
};

struct contact_key {
    struct host_key initiator;
    struct host_key responder; /* service: all zero */
    uint16_t port;             /* of the responder; pair: 0 */
    uint8_t proto;             /* pair: 0 */
    uint8_t kind;              /* enum contact_kind */
};

/* One contact as rules see it. */
struct contact_view {
    struct contact_key key;
    struct contact_window window[WINDOW_COUNT];
    uint64_t flow_id;                    /* of the last connection */
    uint64_t first_ns;                   /* when its first connection was seen */
    const struct contact_rhythm *rhythm; /* edges with several connections; or NULL */
    uint8_t inside;                      /* enum host_inside */
    uint8_t is_new; /* edge between inside hosts that this connection is the first of */
};
