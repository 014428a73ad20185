/*
 * How the kernel shares the packets of one interface among several packet sockets (packet(7),
 * PACKET_FANOUT): every packet goes to exactly one of them.
 *
 * The kernel's own hash takes the ports where it finds them, so that the fragments of a flow part
 * from it. The program here hashes the pair of addresses alone, the same for both directions.
 */
#pragma once

#include <stdint.h>

#include "weir/config.h"

struct sock_filter;

#define FANOUT_PROGRAM_MAX 256

/*
 * Writes a classic BPF program that returns a hash of the addresses of IPv4 and IPv6, behind up to
 * 3 VLAN tags, PPPoE or 4 MPLS labels; 0 for all other packets. ethernet: the frames begin with an
 * Ethernet header; else with what the kernel calls their protocol. Room for FANOUT_PROGRAM_MAX;
 * returns its length.
 */
unsigned fanout_program(struct sock_filter *program, bool ethernet);

/*
 * Makes the socket a member of a group that spreads its packets. *group is -1 for the first, which
 * writes the group's id there. Returns 0 or -errno.
 */
int fanout_join(int fd, enum capture_spread spread, bool ethernet, int *group);
