/*
 * What the parts of the relay share.
 */
#pragma once

#include "export/message.h"
#include "export/receiver.h"
#include "export/relay.h"
#include "export/template_cache.h"

#define PEERS_MAX 4096   /* exporters that keep their address or domains while they are away */
#define DOMAINS_MAX 4096 /* per connection 64 */
#define DOMAINS_PER_PEER 64
#define BLOCKS 16 /* relays on one machine */

/* An exporter, by address: two at once from one address are two. */
struct relay_exporter {
    uint8_t address[16];
    bool busy;        /* connected */
    uint64_t left_ns; /* when it was last */
};

struct relay_out {
    struct address to;
    bool local;
    uint64_t credit;    /* octets that may go before the collector's socket is looked at again */
    uint64_t looked_ns; /* when it was */
    uint64_t inode;
    uint64_t drops_base, drops_seen;
    uint64_t epoch; /* rises when the collector may have lost its templates */
    bool known, away;
    uint64_t rate_credit_ns, rate_ns;
};

struct relay_domain {
    uint32_t id, sent_as;
    uint64_t refresh_ns; /* when templates are due again */
    uint64_t epoch;
};

struct relay_peer {
    struct relay_peer *next;
    struct relay *relay;
    int fd, out;
    uint32_t exporter; /* index */
    SSL *ssl;
    bool shaken;
    uint64_t since_ns; /* accepted */
    char name[ADDRESS_TEXT_MAX];
    struct template_cache *templates;
    struct relay_domain domain[DOMAINS_PER_PEER];
    uint32_t domains;
    bool ended; /* the exporter has */
    bool closed;
    uint32_t used, done; /* of buffer */
    uint8_t buffer[MESSAGE_MAX + 4096];
};

struct relay {
    struct relay_options options;
    int epoll;
    int listener[RELAY_LISTEN_MAX];
    bool listener_tls[RELAY_LISTEN_MAX];
    uint32_t listeners;
    SSL_CTX *ctx;
    struct relay_peer *peers;
    struct relay_exporter exporter[PEERS_MAX];
    uint32_t exporters;
    struct {
        uint32_t exporter, id;
    } renumbered[DOMAINS_MAX]; /* domain 1 + index, in the relay's block */
    uint32_t renumbered_count;
    struct relay_out out;
    int guard;      /* a socket whose name says that the block is taken */
    uint32_t block; /* of addresses and domain ids, among the relays of this machine */
    struct relay_stats stats;
    uint64_t now_ns, told_ns, told_drops, told_too_long;
    uint8_t scratch[MESSAGE_MAX];
};

void relay_say(struct relay *, enum log_level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- relay_peer.c --- */
void relay_accept(struct relay *, uint32_t listener);
/* Reads and sends what it may. Closes a malformed one. True: it could go on at once. */
bool relay_peer_step(struct relay_peer *, bool readable);
void relay_peer_close(struct relay_peer *);
/* A message in memory is still to be passed on. */
bool relay_peer_waits(const struct relay_peer *);

/* --- relay_out.c --- */
int relay_out_open(struct relay *, char *text);
/* A socket to the collector for this exporter. */
int relay_out_socket(struct relay *, uint32_t exporter);
/* A datagram may go now. */
bool relay_out_ready(struct relay *);
/* False: it could not go and is to be tried again. */
bool relay_out_send(struct relay *, int fd, const uint8_t *octets, uint32_t len);
/* The collector's socket is looked at, and losses are noted. */
void relay_out_look(struct relay *);
