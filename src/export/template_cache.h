/*
 * The templates that an exporter has announced, kept as octets, so that a relay can say them again
 * to a collector that may have missed them (RFC 7011 §8.4). Pure; any octets are safe to give;
 * memory is bounded.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "export/writer.h" /* MESSAGE_HEADER */

struct template_cache;

#define TEMPLATE_CACHE_RECORDS 4096        /* per cache */
#define TEMPLATE_CACHE_OCTETS (512u << 10) /* of their records */

int template_cache_create(struct template_cache **);
void template_cache_destroy(struct template_cache *);

/* Learns what a whole message announces or withdraws. Sets that withdraw are cut out of it, *len is
 * what is left, since over UDP they must not be sent (RFC 7011 §8.4). -EPROTO: its sets or
 * templates are malformed; -ENOBUFS: more than is kept. text says what, in TEMPLATE_TEXT_MAX. */
#define TEMPLATE_TEXT_MAX 80
int template_cache_learn(struct template_cache *, uint8_t *message, uint32_t *len, char *text);

/* Writes a message of at most room octets with templates of this domain, under the header given.
 * Begin with *cursor 0; 0 = there are no more. */
uint32_t template_cache_message(const struct template_cache *, const uint8_t *header,
                                uint32_t domain, uint32_t *cursor, uint8_t *out, uint32_t room);
