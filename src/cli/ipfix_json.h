/*
 * Data records of IPFIX as lines of JSON, whoever made them.
 *
 *     {"domain":7,"template":256,"export":"2026-01-02T03:05:00Z","octetDeltaCount":1500,...}
 *
 * Elements have their IANA names, reverse ones begin with "reverse" (RFC 5103), unknown ones are
 * "PEN:ID" with their octets in hex. A name's second occurrence in a record ends in "#2". "scope"
 * is the number of scope fields of an options record. Values that have not the length of their type
 * are in hex.
 */
#pragma once

#include <stdint.h>

struct cli_output;
struct ipfix_record;

/* from: where the record came from, a JSON string without quotes; NULL = not said. */
void ipfix_json_write(struct cli_output *, const char *from, const struct ipfix_record *);
