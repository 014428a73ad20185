/*
 * Packets into flows.
 */
#pragma once

#include "flow/entry.h"

struct fragment;

/* Counts held fragments as a flow of their own, without ports. */
void track_orphan(struct flow_table *, struct fragment *, struct flow_out *);
