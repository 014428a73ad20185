/*
 * Hunts over what is read from files: alerts in place of flows, in packet time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "weir/alert.h"

struct cli_output;
struct config;
struct flow_delta;
struct flow_record;
struct hunting;

/* The built-in rules, or those of hunts.rules. Returns an enum cli_exit; after one line to stderr
 * where it is not CLI_OK. */
int hunting_create(const struct config *, alert_encoder *encode, struct cli_output *,
                   struct hunting **);
void hunting_destroy(struct hunting *);

void hunting_deltas(struct hunting *, const struct flow_delta *, uint32_t count);
void hunting_turn(struct hunting *, uint64_t clock_ns);

/* A record that was exported, in place of deltas; sees to the turns itself, by the records' ends.
 */
void hunting_record(void *hunting, const struct flow_record *);

/* From here on connections end because the input does: that clears no alert. */
void hunting_ends(struct hunting *);

/* How many alerts of which rules, and whether hosts account for all packets, those of records
 * besides; false when they do not. */
bool hunting_summary(const struct hunting *, uint64_t packets, FILE *);
