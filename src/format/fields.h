/*
 * The one table of named fields behind json, csv and zeek: their order, names, types and sources.
 */
#pragma once

#include <stdint.h>

struct config;
struct flow_record;

enum field_kind {
    FIELD_TIME,     /* seconds since 1970 with 6 decimals */
    FIELD_INTERVAL, /* seconds with 6 decimals */
    FIELD_STRING,
    FIELD_ADDRESS,
    FIELD_PORT,
    FIELD_ENUM,
    FIELD_COUNT,
    FIELD_BOOL,   /* "true" or "false" */
    FIELD_NAMES,  /* words, ',' between them */
    FIELD_COUNTS, /* numbers, ',' between them */
    FIELD_KIND_COUNT
};

enum field_faces {
    IN_JSON = 1 << 0, /* json and csv */
    IN_ZEEK = 1 << 1,
    IN_ALL = IN_JSON | IN_ZEEK,
    OF_AGGREGATE = 1 << 2, /* applies to aggregates, too */
};

/* A record as one face looks at it: its own interval (json, csv), or the connection from its first
 * packet (zeek). */
struct field_view {
    const struct config *config;
    const struct flow_record *record;
    const struct flow_counts *counts;
    const uint8_t *flags;
    uint64_t start_ns;
};

/* No field is longer than this, whatever the record holds. */
#define FIELD_TEXT_MAX 256

struct format_field {
    const char *object; /* json nests the field in this object; csv and zeek write object.name */
    const char *name;
    uint8_t kind;  /* enum field_kind */
    uint8_t faces; /* enum field_faces */
    uint8_t side;  /* 0 initiator, 1 responder; what write() is told */
    /* Writes the plain value at out, in letters that no face must escape, and returns its end. out
     * itself = the field does not apply to this record, or is not known. */
    char *(*write)(const struct field_view *, unsigned side, char *out);
    const char *source; /* one line: IPFIX element and meaning */
};

/* The field's plain value, as its write(); out itself where it does not apply. */
char *field_write(const struct format_field *, const struct field_view *, char *out);

/* Of this record alone, and of its connection as a whole. */
struct field_view field_view_record(const struct config *, const struct flow_record *);
struct field_view field_view_connection(const struct config *, const struct flow_record *);
