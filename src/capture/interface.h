/*
 * A network interface as the kernel sees it, over one rtnetlink socket that is opened while there
 * are rights and works without any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct interface {
    int socket;     /* rtnetlink */
    uint32_t index; /* follows the interface when it is renamed */
    uint32_t sequence;
};

struct interface_state {
    bool gone; /* no such interface any more; the rest is 0 */
    bool up;   /* administratively, and with a carrier */
    bool loopback;
    bool promiscuous; /* as its administrator set it */
    bool ethernet;    /* its frames begin with an Ethernet header */
    uint32_t mtu;
    uint32_t rx_queues;
    uint32_t xdp_program; /* id of the XDP program that is attached, 0 = none */
    bool xdp_generic;     /* how it is attached */
    uint64_t rx_packets;  /* since the interface exists */
    uint64_t rx_dropped;  /* rx_dropped + rx_missed_errors: by driver or stack */
};

/* 0, -ENODEV or another -errno of socket(2). */
int interface_open(struct interface *interface, const char *name);
void interface_close(struct interface *interface);

/* 0 or -errno; a removed interface is no error. */
int interface_read(struct interface *interface, struct interface_state *state);

/* Whether an IPv4 or IPv6 default route leaves by the interface: taking it would cut this machine
 * off. Returns 1, 0 or -errno. */
int interface_has_default_route(struct interface *interface);

/* Keeps the interface promiscuous until the descriptor is closed, also when the process is killed.
 * Returns the descriptor or -errno. */
int interface_hold_promiscuous(const struct interface *interface);
