/*
 * Which member of a group a record goes to.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/config_limits.h"

struct group {
    uint64_t mode; /* enum export_group_mode */
    uint32_t count;
    uint32_t member[CONFIG_COLLECTORS_MAX]; /* collectors, in their order */
};

/* failover: the first that is available. balance: by flow_id, so that the records of a connection
 * stay with one member; when a member fails only its own connections move. Nobody is available: as
 * if all were. Returns an index into member. available[i] is of member[i]. */
uint32_t group_choose(const struct group *, const bool available[], uint64_t flow_id);
