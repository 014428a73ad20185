/*
 * What became of the frames that the XDP program steered to one socket: pure arithmetic.
 *
 * The kernel drops without any count of its own what was steered to a socket that is not bound to
 * the frame's queue, or not bound any more. Such frames are found as those that were steered and
 * never landed. A frame is under way for some microseconds between its count by the program and
 * its landing, so what landed now is held against what was steered XDP_ACCOUNT_LAG_NS ago: while
 * frames arrive this is a lower bound, at rest it is exact, and it is never too high.
 */
#pragma once

#include <stdint.h>

#define XDP_ACCOUNT_LAG_NS UINT64_C(500000000)

/* Read in this order: a frame that moves on meanwhile is counted twice rather than not at all. */
struct xdp_reading {
    uint64_t steered;
    uint64_t pending;   /* in the socket's ring */
    uint64_t delivered; /* taken out of it */
    uint64_t missed;    /* dropped, and counted by the kernel */
};

struct xdp_account {
    uint64_t then_ns, steered_then; /* the reading that the next one is held against */
    uint64_t misdirected;           /* never falls */
};

/* Takes a reading; now_ns is of a clock that does not step. Returns all misdirected so far. */
uint64_t xdp_account_step(struct xdp_account *, const struct xdp_reading *, uint64_t now_ns);
