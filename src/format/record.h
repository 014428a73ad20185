/*
 * What several faces ask of a record, and how they write its parts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct config;
struct flow_record;

/* The address of side lies in hosts.networks. */
bool record_side_is_local(const struct config *config, const struct flow_record *record,
                          unsigned side);

/* The record is not the whole of its connection: its totals tell something new. */
bool record_is_part(const struct flow_record *record);

/* tunnel_id means something; a GRE tunnel without a key has none. */
bool record_has_tunnel_id(const struct flow_record *record);

/* The outer addresses of the tunnel are known. */
bool record_has_outer(const struct flow_record *record);

/* Ingress ports of the sides that sent packets: writes one or two numbers, returns how many; two
 * are different. */
unsigned record_ingress(const struct flow_record *record, uint16_t port[2]);

/* Of an aggregate: the side whose prefix it has, that prefix with its length, and up to
 * AGGREGATE_SAMPLES addresses of the other side with ',' between them. */
unsigned record_aggregate_side(const struct flow_record *record);
char *put_prefix(char *out, const struct flow_record *record);
char *put_samples(char *out, const struct flow_record *record);

char *put_proto(char *out, uint8_t proto); /* its name, else its number */
char *put_address(char *out, uint8_t version, const uint8_t *address);

/* Letters and '^' only, whatever the record holds; may be empty. */
char *put_history(char *out, const struct flow_record *record);

/* Names of the quality bits with ',' between them; may be empty. */
char *put_quality(char *out, const struct flow_record *record);

/* "C" and 11 digits of base 62, one to one with flow_id. */
char *put_uid(char *out, uint64_t flow_id);
