/*
 * The XDP program (bpf/xdp_redirect.bpf.c) as a part of a test: the same source, with the kernel's
 * helpers played by steer.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "weir/xdp_shared.h"

#define STEER_FRAME_MAX 4096

struct steer {
    struct xdp_settings settings;
    struct xdp_control control;
    uint64_t table_sizes[XDP_TABLES];
    struct xdp_range networks[XDP_NETWORK_ENTRIES];
    uint64_t ports[XDP_PORT_ENTRIES];
    struct xdp_counters counters;
    uint32_t sockets; /* that the map holds */
    uint32_t socket;  /* of the last frame that was redirected */
};

/* One queue, 0, with that many sockets, running. */
void steer_init(struct steer *, enum xdp_spread, uint32_t sockets);

/* Returns what the program does with the frame: XDP_REDIRECT, XDP_DROP or XDP_PASS. */
int steer_frame(struct steer *, const uint8_t *frame, size_t len, uint32_t queue);
