/*
 * The inside of reading a rules file: rules.c walks the file, rules_key.c knows the keys of a rule,
 * rules_when.c its conditions, rules_value.c plain values and lists.
 */
#pragma once

#include <stdbool.h>

#include "config/events.h"
#include "weir/hunt.h"

struct rules_reader {
    struct config_events in;
    struct hunt_rules *rules;
    struct hunt_rule *rule; /* at hand */
    bool is_new;            /* not one that was there before */
    unsigned line;          /* where it begins */
    uint64_t named;         /* rules that this file has named, as bits */
};

/* Fails with the line and key at hand. */
#define RULES_FAIL(r, ...) CONFIG_EVENTS_FAIL(&(r)->in, __VA_ARGS__)

/* Each reads the value at hand: 0, or -EINVAL and what was expected. */

/* --- rules_value.c --- */
int rules_want_scalar(struct rules_reader *, const char *expected);
int rules_fail_value(struct rules_reader *, const char *expected);
int rules_read_text(struct rules_reader *, char *out, size_t size, const char *expected);
int rules_read_word(struct rules_reader *, const char *const *words, unsigned count,
                    const char *expected, uint8_t *out);
/* Names of tags and rules. */
int rules_read_name(struct rules_reader *, char out[ALERT_NAME_MAX]);
/* Calls element for each of a list, or for the one value that stands in its place. */
int rules_read_list(struct rules_reader *, const char *expected,
                    int (*element)(struct rules_reader *));
/* Calls pair for each of a mapping, its name at hand. */
int rules_read_mapping(struct rules_reader *, const char *expected,
                       int (*pair)(struct rules_reader *, void *context), void *context);
bool rules_parse_number(const char *text, uint64_t most, uint64_t *out);
bool rules_parse_decimal(const char *text, double *out);

/* --- rules_when.c --- */
int rules_read_when(struct rules_reader *);
int rules_read_levels(struct rules_reader *);
int rules_read_mads(struct rules_reader *);
int rules_read_compare(struct rules_reader *);

/* --- rules_key.c --- */
/* Number of a rule's key, as a bit of what was given; -1 = there is none such. */
int rules_key_find(const char *name);
int rules_key_read(struct rules_reader *, int key);

/* --- rules_tags.c --- */
int rules_read_tags(struct rules_reader *);
/* The text at hand: a prefix, or a tag that stands for its prefixes. */
int rules_add_networks(struct rules_reader *, struct ip_prefix *prefix, uint8_t *count);
