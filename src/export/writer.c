#include "export/writer.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"

void writer_init(struct writer *w, uint8_t *out, uint32_t size)
{
    *w = (struct writer){.start = out, .limit = out + size, .end = out + MESSAGE_HEADER};
}

bool writer_fits(const struct writer *w, uint16_t set_id, uint32_t len)
{
    bool goes_on = w->set && w->set_id == set_id;
    return (size_t)(w->limit - w->end) >= len + (goes_on ? 0u : SET_HEADER);
}

static void close_set(struct writer *w)
{
    if (w->set)
        put_be16(w->set + 2, (uint16_t)(w->end - w->set));
    w->set = NULL;
}

void writer_open(struct writer *w, uint16_t set_id, bool fresh)
{
    if (w->set && w->set_id == set_id && !fresh)
        return;
    close_set(w);
    w->set = w->end;
    w->set_id = set_id;
    put_be16(w->set, set_id);
    w->end += SET_HEADER;
}

uint32_t writer_finish(struct writer *w)
{
    uint32_t len = (uint32_t)(w->end - w->start);

    close_set(w);
    w->end = w->start + MESSAGE_HEADER;
    if (len == MESSAGE_HEADER)
        return 0;
    memset(w->start, 0, MESSAGE_HEADER);
    put_be16(w->start, IPFIX_VERSION);
    put_be16(w->start + 2, (uint16_t)len);
    return len;
}

void writer_stamp(uint8_t *message, uint32_t export_s, uint32_t sequence, uint32_t domain)
{
    uint8_t *at = put_be32(message + 4, export_s);
    at = put_be32(at, sequence);
    put_be32(at, domain);
}
