/*
 * Messages that a test can read: IPFIX headers, one set, flow records of 8 octets that hold
 * flow_id. Stands in for src/export/message.c.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/message.h"
#include "weir/config.h"
#include "weir/flow.h"

#define FAKE_HEADER 20 /* message and set */
#define FAKE_TEMPLATE_SET 2
#define FAKE_DATA_SET 256
#define FAKE_STATISTICS_SET 257

struct message_builder {
    uint32_t size, records;
    struct message_info info;
    uint8_t octets[MESSAGE_MAX];
};

static inline void fake_put(uint8_t *at, uint64_t value, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        at[i] = (uint8_t)(value >> 8 * (len - 1 - i));
}

static inline uint64_t fake_get(const uint8_t *at, unsigned len)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < len; i++)
        value = value << 8 | at[i];
    return value;
}

static inline void fake_frame(uint8_t *out, uint32_t len, unsigned set)
{
    memset(out, 0, FAKE_HEADER);
    fake_put(out, 10, 2);
    fake_put(out + 2, len, 2);
    fake_put(out + 16, set, 2);
    fake_put(out + 18, len - 16, 2);
}

int message_builder_create(const struct message_options *o, struct message_builder **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return -ENOMEM;
    (*out)->size = o->message_size;
    return 0;
}

void message_builder_destroy(struct message_builder *b)
{
    free(b);
}

uint32_t message_builder_room(const struct message_builder *b)
{
    return b->size;
}

bool message_builder_add(struct message_builder *b, const struct flow_record *r)
{
    uint32_t at = FAKE_HEADER + 8 * b->records;

    if (at + 8 > b->size)
        return false;
    fake_put(b->octets + at, r->flow_id, 8);
    b->records++;
    b->info.records++;
    b->info.data_records++;
    b->info.packets += r->delta.packets[0] + r->delta.packets[1];
    b->info.octets += r->delta.octets[0] + r->delta.octets[1];
    b->info.len = at + 8;
    return true;
}

uint32_t message_builder_count(const struct message_builder *b)
{
    return b->records;
}

struct message_info message_builder_take(struct message_builder *b, uint8_t *out)
{
    struct message_info info = b->info;

    if (info.len) {
        fake_frame(b->octets, info.len, FAKE_DATA_SET);
        memcpy(out, b->octets, info.len);
    }
    b->info = (struct message_info){0};
    b->records = 0;
    return info;
}

struct message_info message_templates(const struct message_builder *b, uint32_t part, uint8_t *out)
{
    struct message_info info = {.len = part < 2 ? FAKE_HEADER + 4 : 0};

    (void)b;
    if (info.len) {
        fake_frame(out, info.len, FAKE_TEMPLATE_SET);
        fake_put(out + FAKE_HEADER, part, 4);
    }
    return info;
}

struct message_info message_statistics(const struct message_builder *b,
                                       const struct export_statistics *s, uint8_t *out)
{
    struct message_info info = {.len = FAKE_HEADER + 8, .data_records = 1};

    (void)b;
    fake_frame(out, info.len, FAKE_STATISTICS_SET);
    fake_put(out + FAKE_HEADER, s->not_sent_flows, 8);
    return info;
}

uint32_t message_domain(const struct config *config)
{
    return (uint32_t)config->exports.domain;
}

bool message_is_ipfix(uint64_t profile)
{
    return profile < PROFILE_ECS;
}

void message_stamp(uint64_t profile, uint8_t *octets, uint32_t export_s, uint32_t sequence,
                   uint32_t domain)
{
    (void)profile;
    fake_put(octets + 4, export_s, 4);
    fake_put(octets + 8, sequence, 4);
    fake_put(octets + 12, domain, 4);
}
