/*
 * What capture.ignore_networks and capture.ignore_ports name, as the XDP program reads it: pure.
 */
#pragma once

#include "weir/config.h"
#include "weir/xdp_shared.h"

/* The program's maps of what is ignored: all sets. */
struct xdp_ignored {
    uint64_t *sizes;            /* of XDP_TABLES tables */
    struct xdp_range *networks; /* XDP_NETWORKS_MAX of each table */
    uint64_t *ports;            /* XDP_PORT_WORDS of each set */
};

/* Whether anything is named; else the program need not read headers for it. */
bool xdp_ignores(const struct capture_config *);
void xdp_ignored_write(const struct capture_config *, const struct xdp_ignored *, uint32_t set);
