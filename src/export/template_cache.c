#include "export/template_cache.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define ENTERPRISE_BIT 0x80

struct template_record {
    uint32_t domain;
    uint16_t set, id, len;
    uint8_t *octets; /* the template record as it came */
};

struct template_cache {
    uint32_t count, octets;
    struct template_record record[TEMPLATE_CACHE_RECORDS];
};

struct cursor {
    const uint8_t *at, *end;
};

int template_cache_create(struct template_cache **out)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : -ENOMEM;
}

void template_cache_destroy(struct template_cache *c)
{
    for (uint32_t i = 0; c && i < c->count; i++)
        free(c->record[i].octets);
    free(c);
}

static void remove_record(struct template_cache *c, uint32_t index)
{
    c->octets -= c->record[index].len;
    free(c->record[index].octets);
    c->record[index] = c->record[--c->count];
}

/* All of a domain and kind where id is that of the kind's set (RFC 7011 §8.1). */
static void withdraw(struct template_cache *c, uint32_t domain, uint16_t set, uint16_t id)
{
    for (uint32_t i = c->count; i-- > 0;) {
        const struct template_record *r = &c->record[i];
        if (r->domain == domain && r->set == set && (r->id == id || id == set))
            remove_record(c, i);
    }
}

static struct template_record *find(struct template_cache *c, uint32_t domain, uint16_t id)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->record[i].domain == domain && c->record[i].id == id)
            return &c->record[i];
    return NULL;
}

static int keep(struct template_cache *c, struct template_record new, const uint8_t *octets)
{
    struct template_record *r = find(c, new.domain, new.id);

    if (r && r->set == new.set && r->len == new.len &&memcmp(r->octets, octets, new.len) == 0)
        return 0;
    if (r)
        remove_record(c, (uint32_t)(r - c->record));
    if (c->count == TEMPLATE_CACHE_RECORDS || c->octets + new.len > TEMPLATE_CACHE_OCTETS)
        return -ENOBUFS;
    new.octets = malloc(new.len);
    if (!new.octets)
        return -ENOMEM;
    memcpy(new.octets, octets, new.len);
    c->octets += new.len;
    c->record[c->count++] = new;
    return 0;
}

/* Length of the template record at the cursor; 0: it runs past its set. */
static size_t record_length(const struct cursor *c, uint16_t set, uint16_t fields)
{
    size_t at = set == SET_OPTIONS_TEMPLATE ? 6 : 4, room = (size_t)(c->end - c->at);

    for (uint32_t i = 0; i < fields; i++) {
        if (at + 4 > room)
            return 0;
        at += c->at[at] & ENTERPRISE_BIT ? 8 : 4;
    }
    return at <= room ? at : 0;
}

/* One template or withdrawal. 1: a withdrawal, 0, or -errno. */
static int learn_record(struct template_cache *c, struct cursor *at, uint32_t domain, uint16_t set)
{
    uint16_t id = load_be16(at->at), fields = load_be16(at->at + 2);

    if (fields == 0) {
        withdraw(c, domain, set, id);
        at->at += 4;
        return 1;
    }
    size_t len = record_length(at, set, fields);
    if (!len || id < SET_DATA_MIN)
        return -EPROTO;
    struct template_record new = {.domain = domain, .set = set, .id = id, .len = (uint16_t)len};
    int rc = keep(c, new, at->at);
    at->at += len;
    return rc;
}

/* Up to 3 octets of padding end a set. 1: it holds withdrawals alone, 0, or -errno. */
static int learn_set(struct template_cache *c, struct cursor at, uint32_t domain, uint16_t set)
{
    bool withdrawals = false, templates = false;

    while (at.end - at.at >= 4) {
        int rc = learn_record(c, &at, domain, set);
        if (rc < 0)
            return rc;
        withdrawals |= rc == 1;
        templates |= rc == 0;
    }
    return withdrawals && !templates;
}

static int complain(char *text, int error, const char *what)
{
    snprintf(text, TEMPLATE_TEXT_MAX, "%s", what);
    return error;
}

/* 1: the set is to be cut out. */
static int take_set(struct template_cache *c, const uint8_t *set, uint32_t len, uint32_t domain,
                    char *text)
{
    uint16_t id = load_be16(set);

    if (id >= SET_DATA_MIN)
        return 0;
    if (id != SET_TEMPLATE && id != SET_OPTIONS_TEMPLATE)
        return complain(text, -EPROTO, "set with a reserved id");
    int rc = learn_set(c, (struct cursor){set + SET_HEADER, set + len}, domain, id);
    if (rc == -EPROTO)
        return complain(text, rc, "malformed template");
    if (rc < 0)
        return complain(text, rc, "more templates than are kept");
    return rc;
}

int template_cache_learn(struct template_cache *c, uint8_t *message, uint32_t *len, char *text)
{
    uint32_t domain = load_be32(message + 12), at = MESSAGE_HEADER;

    while (at < *len) {
        uint32_t size = *len - at >= SET_HEADER ? load_be16(message + at + 2) : 0;
        if (size < SET_HEADER || size > *len - at)
            return complain(text, -EPROTO, "set that does not fit its message");
        int rc = take_set(c, message + at, size, domain, text);
        if (rc < 0)
            return rc;
        if (rc == 0) {
            at += size;
            continue;
        }
        memmove(message + at, message + at + size, *len - at - size);
        *len -= size;
    }
    put_be16(message + 2, *len);
    return 0;
}

/* The next record of the domain at or behind *cursor that belongs into the same set as the first.
 */
static const struct template_record *next_record(const struct template_cache *c, uint32_t domain,
                                                 uint32_t *cursor)
{
    while (*cursor < c->count && c->record[*cursor].domain != domain)
        ++*cursor;
    return *cursor < c->count ? &c->record[*cursor] : NULL;
}

/* Each record in a set of its own: some collectors read only the first of a set. */
uint32_t template_cache_message(const struct template_cache *c, const uint8_t *header,
                                uint32_t domain, uint32_t *cursor, uint8_t *out, uint32_t room)
{
    const struct template_record *r;
    uint32_t len = MESSAGE_HEADER;

    while ((r = next_record(c, domain, cursor)) && len + SET_HEADER + r->len <= room) {
        put_be16(out + len, r->set);
        put_be16(out + len + 2, SET_HEADER + r->len);
        memcpy(out + len + SET_HEADER, r->octets, r->len);
        len += SET_HEADER + r->len;
        ++*cursor;
    }
    if (len == MESSAGE_HEADER)
        return 0;
    memcpy(out, header, MESSAGE_HEADER);
    put_be16(out + 2, len);
    return len;
}
