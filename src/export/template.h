/*
 * Templates made of fields: their records on the wire, and the steps that encode a data record,
 * compiled once, so that encoding asks nothing about profiles.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/schema.h"

/* One field: from base[step.base] + offset. */
struct template_step {
    uint8_t op; /* private to template.c */
    uint8_t base;
    uint16_t offset;
    uint16_t size;
};

struct export_template {
    uint16_t id;
    uint16_t scope_count; /* > 0: an options template */
    uint16_t count;
    uint16_t record_max; /* octets of the longest record */
    uint64_t keys;       /* IE 173: bit n = n-th field is a flow key */
    struct {
        uint32_t pen;
        uint16_t id, len;
    } field[TEMPLATE_FIELDS_MAX];
    struct template_step step[TEMPLATE_FIELDS_MAX];
};

/* pen: the field's own, or what PEN_OWN stands for. There must be room. */
void template_add(struct export_template *, const struct schema_field *, uint32_t pen, bool key);

/* The (options) template record; returns its end. */
uint8_t *template_write(const struct export_template *, uint8_t *out);
size_t template_len(const struct export_template *);

/* One data record; returns its end, at most record_max octets on. */
uint8_t *template_encode(const struct export_template *, const uint8_t *const base[BASE_COUNT],
                         uint8_t *out);
