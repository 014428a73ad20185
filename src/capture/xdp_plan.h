/*
 * Which AF_XDP sockets a port needs: pure arithmetic.
 *
 * A frame that arrives on a queue can only go to a socket bound to that queue. With as many queues
 * as workers, or more, each queue has one socket and worker i reads queues i, i + workers, ... With
 * fewer, or with software spread, the workers of a queue each have a socket on it and the program
 * chooses by a hash; software spread gives every worker a socket on every queue.
 */
#pragma once

#include <stdint.h>

#include "weir/config.h"
#include "weir/xdp_shared.h"

struct xdp_plan_socket {
    uint8_t queue;
    uint8_t worker;
};

struct xdp_plan {
    uint32_t queues;
    uint32_t sockets;
    enum xdp_spread spread;
    struct xdp_queue_sockets queue[XDP_QUEUES_MAX];
    struct xdp_plan_socket socket[XDP_SOCKETS_MAX]; /* those of a queue stand together */
};

/* queues and workers >= 1. Returns 0, or -E2BIG when there would be more than XDP_SOCKETS_MAX. */
int xdp_plan_make(struct xdp_plan *, uint32_t queues, uint32_t workers, enum capture_spread);
