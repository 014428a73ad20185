/*
 * One sequence through the flow table and the reference, turns driven as core/pipeline.c drives
 * them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "flow/table.h"

struct comparison;
struct sequence;

struct comparison *comparison_create(void);
void comparison_destroy(struct comparison *);

/* A fresh table; false, and says why, when there is none. */
bool comparison_open(struct comparison *, const struct flow_table_options *);
void comparison_close(struct comparison *);

/* True when all agreed; else the difference was printed. The table is empty afterwards. */
bool comparison_run(struct comparison *, struct sequence *);

/* Leaves out what the difference does not need, and prints options and packets that are left. */
void comparison_shrink(struct comparison *, const struct flow_table_options *, struct sequence *);

/* What was compared. */
void comparison_report(const struct comparison *, uint64_t sequences);
