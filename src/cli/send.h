/*
 * Records on their way to collectors, for a command that can wait for them: nothing is dropped
 * while a collector is slow; one that cannot be reached is given up, and the others go on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/config.h"

struct cli_send;
struct flow_record;

/* Opens the collectors of the configuration. NULL after one line to stderr. */
struct cli_send *cli_send_open(const struct config *);

/* Waits until every collector has room. */
void cli_send_record(struct cli_send *, const struct flow_record *);

/* Records given so far, closing notices apart. */
uint64_t cli_send_count(const struct cli_send *);

/* Waits until all is acknowledged, sent or written; one line to stderr for each collector, one more
 * for what it did not get. Returns CLI_OK, or CLI_FAILURE when one did not get everything. */
int cli_send_finish(struct cli_send *);

void cli_send_close(struct cli_send *);
