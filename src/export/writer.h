/*
 * The frame of an IPFIX message: header and sets (RFC 7011 §3.1, §3.3), filled one record at a
 * time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_HEADER 16
#define SET_HEADER 4
#define IPFIX_VERSION 10

enum set_id { SET_TEMPLATE = 2, SET_OPTIONS_TEMPLATE = 3, SET_DATA_MIN = 256 };

struct writer {
    uint8_t *start, *limit;
    uint8_t *end;    /* behind what is written; records are appended here */
    uint8_t *set;    /* the open set, NULL = none */
    uint16_t set_id; /* its id */
};

void writer_init(struct writer *, uint8_t *out, uint32_t size);

/* len octets of records fit, in the open set if it is one of this id. */
bool writer_fits(const struct writer *, uint16_t set_id, uint32_t len);

/* The open set becomes one of this id; fresh: not the one that is open already. */
void writer_open(struct writer *, uint16_t set_id, bool fresh);

/* Completes the message and starts the next at the same place. Returns its length; 0 = it had no
 * set. Export time, sequence number and domain are zero. */
uint32_t writer_finish(struct writer *);

void writer_stamp(uint8_t *message, uint32_t export_s, uint32_t sequence, uint32_t domain);
