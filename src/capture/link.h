/*
 * libpcap's link types (DLT) as decode calls them.
 */
#pragma once

#include "weir/packet.h"

enum link_type link_of_dlt(int dlt);

/* libpcap's name of a link type, or its number written into buffer. */
const char *link_dlt_name(int dlt, char buffer[16]);
