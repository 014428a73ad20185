/*
 * A place in a frame. Every read of frame octets goes through cursor_peek() or cursor_take(), which
 * give a pointer to as many octets as the caller names, or NULL.
 *
 * A frame has two ends: where the capture stops (`end`) and where the layer stopped on the wire
 * (`at + wire`). wire >= end - at always, so lengths may be computed behind the snap length and
 * octets are never read there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct cursor {
    const uint8_t *at;  /* next octet */
    const uint8_t *end; /* behind the last captured octet of this layer */
    uint32_t wire;      /* octets of this layer on the wire, from `at` on */
};

/* A frame that claims a wire length below its captured length ends at the wire length. */
static inline struct cursor cursor_init(const uint8_t *data, uint32_t cap_len, uint32_t wire_len)
{
    uint32_t captured = cap_len < wire_len ? cap_len : wire_len;
    return (struct cursor){.at = data, .end = data + captured, .wire = wire_len};
}

static inline uint32_t cursor_captured(const struct cursor *c)
{
    return (uint32_t)(c->end - c->at);
}

/* The next n octets, or NULL when not all of them were captured. */
static inline const uint8_t *cursor_peek(const struct cursor *c, uint32_t n)
{
    return n <= cursor_captured(c) ? c->at : NULL;
}

/* Goes on by n octets, at most to the end; what was not captured is then passed over as well. */
static inline void cursor_skip(struct cursor *c, uint32_t n)
{
    uint32_t captured = cursor_captured(c);
    c->at += n < captured ? n : captured;
    c->wire -= n < c->wire ? n : c->wire;
}

static inline const uint8_t *cursor_take(struct cursor *c, uint32_t n)
{
    const uint8_t *octets = cursor_peek(c, n);
    if (octets)
        cursor_skip(c, n);
    return octets;
}

/* Ends the layer n octets on, if it does not end before. */
static inline void cursor_limit(struct cursor *c, uint32_t n)
{
    if (n < c->wire)
        c->wire = n;
    if (n < cursor_captured(c))
        c->end = c->at + n;
}

/* True when the capture stops within the next n octets, though the wire carried more of them. */
static inline bool cursor_is_cut(const struct cursor *c, uint32_t n)
{
    uint32_t captured = cursor_captured(c);
    return captured < c->wire && captured < n;
}

