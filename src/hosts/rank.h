/*
 * The ranking of outside hosts: a heap of their weights, the least first.
 */
#pragma once

#include <stdint.h>

struct book;

void rank_add(struct book *, uint32_t host);
void rank_grown(struct book *, uint32_t host); /* its weight rose */
void rank_remove_least(struct book *);
