/*
 * Messages: what a session sends whole, and the unit of acknowledgement, spool and loss counting.
 * An IPFIX message (RFC 7011 §3.1), or some JSON lines. Pure: no I/O, no clock.
 *
 *   message_format    one per profile: ops that turn flow records into messages
 *   message_builder   collects records until a message is full or due
 *
 * Messages are built before it is known when and in which session they go out: export time,
 * sequence number and observation domain are written by message_stamp() when they do, and again
 * when a message is replayed or comes out of the spool.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct flow_record;
struct record_encoder;

#define MESSAGE_MAX 65535 /* RFC 7011 §3.1 */

/* What a message holds; lies before its octets in queue and spool. */
struct message_info {
    uint32_t len;          /* octets */
    uint32_t records;      /* flow records; a split biflow counts once */
    uint32_t data_records; /* that count in the sequence: data records, options included */
    uint64_t packets;      /* of the flow records, both ways */
    uint64_t octets;
    uint64_t first_ns, last_ns; /* end times of the records: least, greatest; 0 = none */
};

struct message_builder;

/* What an Exporting Process says of itself in options records (RFC 7011 §4). */
struct export_statistics {
    uint64_t exported_messages, exported_records, exported_octets; /* 41, 42, 40 */
    uint64_t ignored_packets, ignored_octets;                      /* 164, 165 */
    uint64_t ignored_first_ms, ignored_last_ms;                    /* 323 twice */
    uint64_t not_sent_flows, not_sent_packets, not_sent_octets;    /* 166, 167, 168 */
    uint64_t not_sent_first_ms, not_sent_last_ms;
};

#define MESSAGE_MIN 512 /* holds the longest record and the longest template */

struct message_options {
    const struct config *config;          /* must outlive the builder */
    uint64_t profile;                     /* enum export_profile */
    const struct record_encoder *encoder; /* of JSON profiles; NULL for IPFIX */
    uint32_t message_size;                /* octets at most, MESSAGE_MIN..MESSAGE_MAX */
    /* Writes the Community ID's 30 letters of a record; NULL = profile rich goes without. */
    size_t (*community_id)(const struct flow_record *, char *out);
};

/* Returns 0; -EINVAL: no such profile, size out of range, a JSON profile without encoder; -ENOMEM.
 */
int message_builder_create(const struct message_options *, struct message_builder **);
void message_builder_destroy(struct message_builder *);

/* Octets that out must have room for below: message_size; for JSON at least ENCODE_MAX, since a
 * line that is longer than message_size becomes a message of its own. */
uint32_t message_builder_room(const struct message_builder *);

/* False: it does not fit, take the message first. A record alone always fits. Closing notices
 * (flow_record_is_notice) are taken and left out: no profile has a place for them. */
bool message_builder_add(struct message_builder *, const struct flow_record *);

/* Records that wait. */
uint32_t message_builder_count(const struct message_builder *);

/* Moves the message to out. Nothing waits: len 0. */
struct message_info message_builder_take(struct message_builder *, uint8_t *out);

/* What a session begins with and repeats: templates, options templates and the constant options
 * records (flow keys, names, timeouts; none in profile elk), in as many messages as they need:
 * call with part 0, 1, ... until len is 0. JSON has none. */
struct message_info message_templates(const struct message_builder *, uint32_t part, uint8_t *out);

/* Options records with these statistics (RFC 7011 §4.1-4.3); len 0 where the profile has none. */
struct message_info message_statistics(const struct message_builder *,
                                       const struct export_statistics *, uint8_t *out);

/* The observation domain id of this sensor: export.domain, or made from sensor.name; never 0. */
uint32_t message_domain(const struct config *);

/* True for IPFIX: messages carry a sequence number and need templates. */
bool message_is_ipfix(uint64_t profile);

/* Writes export time, sequence number and domain into an IPFIX message; nothing for JSON. */
void message_stamp(uint64_t profile, uint8_t *octets, uint32_t export_s, uint32_t sequence,
                   uint32_t domain);
