/*
 * The auditor of the spread: connections that meet on two workers. Both directions of a connection,
 * and all of its packets, must reach one worker, or each has half of it; whether they do is up to
 * the NIC's hash, the kernel's and the tunnels of the traffic, so it is watched rather than
 * believed.
 *
 * Workers publish the digests of a fixed sixty-fourth of all connections, those of which a record
 * has just left. The same digest from two workers within two minutes is a meeting. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

struct auditor;
struct flow_record;

/* Of the connection's endpoints and protocol, the same for both directions; never 0. */
uint64_t audit_digest(const struct hash_secret *, const struct flow_record *);

/* Whether it is of the sixty-fourth. */
static inline bool audit_takes(uint64_t digest)
{
    return digest % 64 == 0;
}

int auditor_create(struct auditor **);
void auditor_destroy(struct auditor *);

/* Takes one digest from a worker. True when it met another worker's: counted once per connection
 * and window. */
bool auditor_see(struct auditor *, uint16_t worker, uint64_t digest, uint64_t now_ns);

uint64_t auditor_samples(const struct auditor *);
uint64_t auditor_meetings(const struct auditor *);
