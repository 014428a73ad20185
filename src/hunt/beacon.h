/*
 * How much an edge is like a beacon, as RITA v5 scores it: the mean of four scores, each 0..1.
 *
 *   intervals  (1 - |Bowley skew| + (median - MAD) / median) / 2 of the times between starts
 *   sizes      the same of the octets that the initiator sent
 *   duration   share of 12 hours over which it was seen, at least 6
 *   histogram  1 - coefficient of variation of the connections by hour, over the hours seen
 */
#pragma once

#include "weir/contact.h"

double beacon_score(const struct contact_rhythm *);

/* One of the first two; reorders values. */
double beacon_regularity(double *values, unsigned count);
