/*
 * What the kernel says of an interface's XDP (generic netlink family "netdev", Linux 6.3).
 */
#pragma once

#include <stdint.h>

/* NETDEV_XDP_ACT_* of linux/netdev.h, which older headers lack. */
#define NETDEV_XDP_BASIC (UINT64_C(1) << 0)
#define NETDEV_XDP_REDIRECT (UINT64_C(1) << 1)
#define NETDEV_XDP_ZEROCOPY (UINT64_C(1) << 3)
#define NETDEV_XDP_RX_SG (UINT64_C(1) << 5)

/* 0; -ENOENT: this kernel has no such family; or another -errno. */
int netdev_xdp_features(unsigned interface, uint64_t *features);
