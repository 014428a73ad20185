/*
 * Records through a profile and back: what must come out equal, said once for unit test and fuzzer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct flow_record;

/* A record that a flow table could make, from octets of any kind; size is that of the struct. */
void round_trip_tame(struct flow_record *);

/* Sends records through profile and message_size, reads them back. Returns NULL, or the name of the
 * first thing that differs. */
const char *round_trip(const struct config *, uint64_t profile, uint32_t message_size,
                       const struct flow_record *, uint32_t count);
