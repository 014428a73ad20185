/*
 * The relay: IPFIX over TCP or TLS in, one datagram per message out, for collectors that only read
 * UDP. It runs on the collector's host, so that the datagrams travel by loopback alone.
 *
 * A collector knows an exporter by source address and observation domain. So each exporter gets a
 * loopback address of its own to send from (127.0.1.1, 127.0.1.2, ...), or, where that cannot be, a
 * domain id of its own (1, 2, ...). A second relay on the machine begins at 127.1.1.1 and 4097.
 *
 * Loopback loses a datagram only when the collector's socket is full or gone. The relay looks: it
 * stops reading while much waits in that socket or while there is none, so that exporters wait, or
 * spool; and it counts what the kernel dropped all the same.
 *
 *     relay.c         listening, the loop, figures
 *     relay_peer.c    one exporter's connection
 *     relay_out.c     datagrams: addresses, pace, the collector's socket
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "export/tls.h"
#include "weir/config.h"
#include "weir/ipfix.h"

struct relay;

#define RELAY_TEXT_MAX 256
#define RELAY_LISTEN_MAX 8
#define RELAY_CONNECTIONS 256
#define RELAY_REFRESH_NS (60ull * 1000000000)

enum relay_distinguish {
    DISTINGUISH_SOURCE, /* by source address; to 127.0.0.0/8 only */
    DISTINGUISH_DOMAIN, /* by domain ids of its own */
    DISTINGUISH_NONE,   /* all as they come */
    DISTINGUISH_COUNT
};

struct relay_options {
    struct {
        struct addresses at;
        bool tls;
    } listen[RELAY_LISTEN_MAX];
    uint32_t listen_count;
    struct tls_files tls;
    struct address to;
    enum relay_distinguish distinguish;
    uint64_t refresh_ns; /* templates are sent again so often */
    uint32_t rate;       /* datagrams per second at most; 0 = by what the collector takes */
    void (*event)(void *context, enum log_level, const char *line);
    void *context;
};

struct relay_stats {
    uint64_t connections, open, refused_connections;
    uint64_t messages, octets;            /* in, whole */
    uint64_t datagrams, refreshes;        /* out; of these, templates said again */
    uint64_t too_long, malformed, failed; /* messages refused; connections closed; sends failed */
    uint64_t drops;                       /* by the collector's socket, as the kernel counts */
    uint64_t unreachable;                 /* nobody listened there */
};

/* Listens at once. Fails with a line in text. */
int relay_create(const struct relay_options *, struct relay **, char *text);
void relay_destroy(struct relay *);

/* A bounded piece of work; waits at most timeout_ms. */
void relay_step(struct relay *, int timeout_ms);

/* No new connection is taken. True: no message waits in those that are open. */
bool relay_finish(struct relay *);

void relay_stats(const struct relay *, struct relay_stats *);

/* The collector is on this machine: the kernel tells what it takes. */
bool relay_is_local(const struct address *to);

/* The port of a listening socket: where it was 0, the one that was given. */
uint16_t relay_port(const struct relay *, uint32_t index);
