/*
 * From what a DPDK port can do to how its packets find their worker. Pure: tested on recorded
 * capabilities of drivers that are not at hand.
 *
 * Both directions of a flow must meet. A receive-side scaling (RSS) key of 0x6d5a over and over
 * makes the Toeplitz hash symmetric: it has the period of 16 bits, by which source and destination
 * may change places (S. Woo, K. Park: Scalable TCP session monitoring with symmetric receive-side
 * scaling, KAIST 2012).
 */
#pragma once

#include <stdint.h>

#include "weir/config.h"

#define RSS_KEY_MAX 64

/* As struct rte_eth_dev_info has them. */
struct rss_capabilities {
    const char *driver;
    uint16_t max_rx_queues;
    uint8_t hash_key_size; /* 0 = the driver does not say: 40 */
    uint64_t hash_types;   /* flow_type_rss_offloads: RTE_ETH_RSS_* */
};

enum rss_method {
    RSS_SINGLE,   /* one worker: nothing to spread */
    RSS_HARDWARE, /* a queue per worker, spread by the port with the key */
    RSS_DEVICE,   /* queues that the device fills as it is set up, at least one per worker */
    RSS_SOFTWARE  /* a thread of the port spreads what it receives */
};

struct rss_plan {
    enum rss_method method;
    uint16_t queues;     /* worker w reads w, w + workers, ... */
    uint64_t hash_types; /* RSS_HARDWARE; else 0 */
    uint8_t key_size;
    uint8_t key[RSS_KEY_MAX];
    const char *note; /* why it is not what was asked for, or what to know; NULL = nothing */
};

void rss_plan_make(const struct rss_capabilities *, enum capture_spread, uint16_t workers,
                   struct rss_plan *);
