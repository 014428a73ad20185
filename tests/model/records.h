/*
 * Two records field by field, and what every record promises by itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct flow_record;

/* An order that does not depend on where a table keeps its flows. */
void records_sort(struct flow_record *, uint32_t count);

/* Names the fields that differ, flow_id apart, on stdout unless quiet; times may differ by
 * tolerance_ns. */
bool records_equal(const struct flow_record *table, const struct flow_record *reference,
                   uint64_t tolerance_ns, bool quiet);

/* NULL, or what is wrong with a record by itself. */
const char *record_fault(const struct flow_record *);

void record_print(const char *whose, const struct flow_record *);
