/*
 * The words that every face uses for the numbers of a record. A number outside its enum gets NULL,
 * unless said.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* "tcp", "icmp6", ... ; NULL where the digits serve better. */
const char *protocol_name(uint8_t proto);

/* As ECS network.transport wants it: "ipv6-icmp" for 58. */
const char *protocol_iana_name(uint8_t proto);

/* As Zeek's transport_proto: tcp, udp, icmp (both versions), unknown_transport. */
const char *protocol_zeek_name(uint8_t proto);

/* The protocol's header begins with source and destination port. */
bool protocol_has_ports(uint8_t proto);

/* "idle", "active", "end", "forced", "resources". */
const char *end_reason_name(uint8_t reason);

/* The same in words: "idle timeout", ... */
const char *end_reason_text(uint8_t reason);

/* As Zeek's conn_state; "OTH" for a number outside the enum. */
const char *conn_state_name(uint8_t state);

/* "first_packet", "request", "syn_ack", "syn". */
const char *direction_basis_name(uint8_t basis);

/* As flow.decap lists it: "gre", ...; NULL for no tunnel. */
const char *tunnel_name(uint8_t tunnel);

/* Of bit index, below QUALITY_COUNT. */
const char *quality_name(unsigned index);
