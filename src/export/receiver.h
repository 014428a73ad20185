/*
 * What the kernel knows of the UDP socket that a collector on this machine reads from: whether it
 * is there, how much waits in it, and how many datagrams it lost for want of room (/proc/net/udp).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

struct receiver {
    bool found;
    uint64_t inode;   /* another one = the collector was started again */
    uint64_t waiting; /* octets of kernel memory; the fullest of several sockets */
    uint64_t drops;
};

/* Adds what a text like /proc/net/udp says of sockets that get what is sent to `to`. Pure. */
void receiver_parse(const char *text, const struct address *to, struct receiver *);

/* The kernel's word now. 0, or -errno: it cannot be had. */
int receiver_read(const struct address *to, struct receiver *);

/* The address is this machine's: loopback. */
bool receiver_is_local(const struct address *to);
