/*
 * Hosts, connections and alerts as the control socket tells them: JSON lines.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "weir/host.h"

struct config;
struct hunts;

/* X(SYMBOL, word, help): what hosts can be ordered by. */
#define VIEW_ORDERS(X)                                                                             \
    X(OUT, "out", "octets sent")                                                                   \
    X(IN, "in", "octets received")                                                                 \
    X(RATIO, "ratio", "(sent - received) / (sent + received)")                                     \
    X(OPENED, "conns", "connections begun")                                                        \
    X(OPEN, "open", "connections open now")                                                        \
    X(PEERS, "peers", "other hosts")                                                               \
    X(OLDEST, "age", "age of the oldest open connection")

enum view_order {
#define X(symbol, word, help) VIEW_##symbol,
    VIEW_ORDERS(X)
#undef X
        VIEW_ORDER_COUNT
};
extern const char *const view_order_word[VIEW_ORDER_COUNT];

/* In [-1, 1]: 1 = sends only. */
double view_ratio(const struct host_row *);

/* The greatest first. */
void view_sort(struct host_row *, size_t count, enum view_order);

/* A young window says little: views show the one of this time. */
uint64_t view_time(uint64_t now_ns);

/* Commands of the control socket. hosts: "[1m|1h] [ORDER] [COUNT]". */
void view_hosts(struct hunts *, const char *argument, FILE *out);
void view_connections(struct hunts *, FILE *out);
void view_alerts(struct hunts *, const struct config *, FILE *out);
