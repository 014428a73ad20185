/*
 * What there is to say of a running sensor, as one table per subject: metrics, and the JSON of the
 * control socket, both walk it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sensor_status;

enum status_type {
    STATUS_COUNTER, /* only grows while the sensor runs */
    STATUS_GAUGE
};

enum status_kind { STATUS_U64, STATUS_I64, STATUS_U32, STATUS_INT, STATUS_BOOL };

/* What the elements of an array stand for. */
struct status_dimension {
    const char *label;        /* "reason" */
    const char *const *value; /* of each element; all different */
    const char *const *group; /* or NULL */
    unsigned count;
};

struct status_field {
    const char *name; /* "received_packets": key in JSON, part of a metric's name */
    const char *help;
    enum status_type type;
    enum status_kind kind;
    size_t offset;
    const struct status_dimension *dimension; /* NULL = a single value */
    size_t stride;                            /* between the elements */
    uint64_t divisor;                         /* 0 = as it is; 1e9: nanoseconds told as seconds */
};

enum status_subject {
    STATUS_SENSOR,
    STATUS_PORT,
    STATUS_WORKER,
    STATUS_COLLECTOR,
    STATUS_SUBJECT_COUNT
};

/* Up to a field without name. */
extern const struct status_field *const status_fields[STATUS_SUBJECT_COUNT];

/* How many there are, and the struct that offsets count from. */
unsigned status_count(const struct sensor_status *, enum status_subject);
const void *status_base(const struct sensor_status *, enum status_subject, unsigned index);

/* Writes the value of an element as text that both JSON and Prometheus read. */
void status_print_value(const struct status_field *, const void *base, unsigned element, FILE *);

/* The whole status as one JSON object on one line. */
void status_json(const struct sensor_status *, FILE *);
