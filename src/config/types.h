/*
 * How one type of key is read, written and described; value.c picks by the type.
 *
 * base is the struct config; for a key of a section in a list it is moved on by whole strides, so
 * that base + key->offset is the field.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "config/keys.h"

struct config_type_ops {
    const char *name; /* as `weir check --keys` says it */
    const char *noun; /* completes: "x" is not ... */
    bool list;
    /* Sets the field, or adds one element to a list. -EINVAL, -ERANGE, or -ENOSPC: list full. */
    int (*read)(const struct config_key *, const char *text, void *base);
    /* As it stands in YAML; of a list what stands between the brackets. */
    void (*write)(const struct config_key *, const void *base, FILE *out);
    void (*range)(const struct config_key *, char *out); /* CONFIG_RANGE_MAX */
};

extern const struct config_type_ops config_bool, config_count, config_number, config_port,
    config_octets, config_duration, config_choice, config_label, config_text;
extern const struct config_type_ops config_mask, config_prefixes, config_counts, config_texts;

static inline void *config_field(const struct config_key *key, void *base)
{
    return (char *)base + key->offset;
}

static inline const void *config_const_field(const struct config_key *key, const void *base)
{
    return (const char *)base + key->offset;
}

/* In double quotes, escaped: any text that config_text takes. */
void config_write_quoted(const char *text, FILE *out);

/* Any printable UTF-8 of one line; YAML reads it back when it stands in double quotes. */
bool config_text_is_printable(const char *text);
