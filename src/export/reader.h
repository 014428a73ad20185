/*
 * A Collecting Process without I/O: IPFIX messages in, data records out (RFC 7011). For `weir dump`
 * and for reading back what was exported. Any octets are safe to give; memory is bounded.
 *
 * One reader per Transport Session (a TCP connection, a file): templates and sequence numbers
 * belong to session and observation domain.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/element.h"

struct flow_record;
struct schema_field;
struct ipfix_reader;

/* What may be wrong with what came, counted by kind. X(SYMBOL, name, help) */
#define IPFIX_PROBLEMS(X)                                                                          \
    X(VERSION, "version", "not an IPFIX message: the version is not 10")                           \
    X(LENGTH, "message_length", "message shorter than its header")                                 \
    X(CUT, "message_cut", "the stream ended inside a message")                                     \
    X(SET_ID, "set_id", "set with a reserved id")                                                  \
    X(SET_LENGTH, "set_length", "set that is shorter than its header or runs past its message")    \
    X(TEMPLATE, "template", "template that runs past its set, or cannot have records")             \
    X(TEMPLATE_CHANGED, "template_changed", "another template under an id in use")                 \
    X(TEMPLATE_LIMIT, "template_limit", "more templates than are kept")                            \
    X(WITHDRAWAL, "withdrawal", "withdrawal of a template that is not known")                      \
    X(NO_TEMPLATE, "no_template", "set of data without its template, skipped")                     \
    X(RECORD, "record", "record that runs past its set")                                           \
    X(SEQUENCE, "sequence", "sequence number that leaves records out, or comes back")              \
    X(DOMAIN_LIMIT, "domain_limit", "more observation domains than are followed")

enum ipfix_problem {
#define X(symbol, name, help) PROBLEM_##symbol,
    IPFIX_PROBLEMS(X)
#undef X
        PROBLEM_COUNT
};
extern const char *const ipfix_problem_name[PROBLEM_COUNT];

struct ipfix_field {
    struct ipfix_element element;      /* name NULL: not known; pen and id are always set */
    const struct schema_field *schema; /* what weir's own profiles mean by it, NULL = nothing */
    uint16_t len;                      /* in the template; LEN_VARIABLE */
    uint16_t occurrence;               /* 0, or the how-maniest of this element in the template */
};

struct ipfix_value {
    const uint8_t *octets; /* in the message, network order */
    uint16_t len;
};

struct ipfix_record {
    uint32_t domain, export_s, sequence; /* of the message */
    uint16_t template_id;
    uint16_t scope_count; /* > 0: described by an options template */
    uint16_t count;
    const struct ipfix_field *field; /* count of both, in the template's order */
    const struct ipfix_value *value;
};

struct ipfix_reader_options {
    uint32_t enterprise; /* PEN of weir's own elements, 0 = they are not expected */
    void (*record)(void *context, const struct ipfix_record *); /* valid during the call */
    void (*problem)(void *context, enum ipfix_problem, const char *text); /* NULL = count only */
    void *context;
};

struct ipfix_reader_stats {
    uint64_t messages, octets;
    uint64_t records, options; /* data records by templates, by options templates */
    uint64_t missing;          /* data records that sequence numbers tell of */
    uint64_t problem[PROBLEM_COUNT];
};

int ipfix_reader_create(const struct ipfix_reader_options *, struct ipfix_reader **);
void ipfix_reader_destroy(struct ipfix_reader *);

/* Length of the message that begins at octets; 0 = more octets are needed to tell (4 are enough);
 * -EPROTO = no IPFIX message begins here: the stream cannot be followed further. */
int ipfix_frame(const uint8_t *octets, size_t len);

/* Reads whole messages; returns how many octets they took: the rest is the begin of another one.
 * -EPROTO as above, told as a problem. */
ptrdiff_t ipfix_reader_feed(struct ipfix_reader *, const uint8_t *octets, size_t len);

/* The stream ended with len octets not taken. */
void ipfix_reader_end(struct ipfix_reader *, size_t len);

struct ipfix_reader_stats ipfix_reader_stats(const struct ipfix_reader *);

/* An unsigned number of 1 to 8 octets (RFC 7011 §6.2: any element's may be shortened); else 0. */
uint64_t ipfix_value_number(const struct ipfix_value *);

/* What the record says as a flow record; fields it does not have are as in an empty record that is
 * the whole of its connection. One half of a split biflow becomes a record of one side; the half of
 * the responder is turned back. False: it is no flow (options, no addresses). */
bool ipfix_record_to_flow(const struct ipfix_record *, struct flow_record *out);
