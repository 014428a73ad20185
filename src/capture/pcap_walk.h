/*
 * The packets of a file where they lie in memory, without the two reads and the copy that libpcap
 * makes of each: of pcap (draft-ietf-opsawg-pcap §4, §5) and pcapng (draft-ietf-opsawg-pcapng §4).
 * Pure; whatever is not as usual is left to libpcap, which is the judge of all files.
 */
#pragma once

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PCAP_WALK_RECORD 16 /* octets of a packet's header in pcap */
#define PCAP_WALK_BLOCK 32  /* and of one in pcapng, with the trailer */

#define PCAPNG_SECTION 0x0a0d0d0au
#define PCAPNG_INTERFACE 1
#define PCAPNG_PACKET 6 /* the enhanced one; older kinds are 2 and 3 */

struct pcap_walk {
    bool pcapng;
    bool swapped;
    bool micro;        /* fractions of a second are microseconds, else nanoseconds */
    uint32_t head_len; /* octets in front of the first packet, or of what else may stand there */
    uint32_t snapshot; /* as pcap_snapshot() says: longer packets are cut in pcap, odd in pcapng */
    uint32_t len_max;  /* still longer ones are not as usual */
};

enum pcap_walk_step {
    PCAP_WALK_PACKET,
    PCAP_WALK_OTHER, /* a block without a packet */
    PCAP_WALK_MORE,  /* it does not end here; PCAP_WALK_BLOCK + len_max octets are enough */
    PCAP_WALK_ODD
};

/*
 * head: how a file begins. PCAP_WALK_PACKET: it is of the usual kind, and the walk begins head_len
 * octets behind; of pcap, version 2.4; of pcapng, with one interface described first, and times in
 * micro- or nanoseconds. Else PCAP_WALK_MORE or PCAP_WALK_ODD.
 */
enum pcap_walk_step pcap_walk_init(struct pcap_walk *, const uint8_t *head, size_t len);

static inline uint32_t pcap_walk_u32(const struct pcap_walk *w, const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return w->swapped ? __builtin_bswap32(value) : value;
}

/* libpcap takes the parts of a time as signed in a file of its own byte order, else as unsigned. */
static inline long pcap_walk_time(const struct pcap_walk *w, const uint8_t *at)
{
    uint32_t part = pcap_walk_u32(w, at);

    return w->swapped ? (long)part : (int32_t)part;
}

static inline enum pcap_walk_step pcap_walk_record(const struct pcap_walk *w, const uint8_t **at,
                                                   const uint8_t *end, struct pcap_pkthdr *h,
                                                   const uint8_t **frame)
{
    const uint8_t *record = *at;

    if (end - record < PCAP_WALK_RECORD)
        return PCAP_WALK_MORE;
    uint32_t len = pcap_walk_u32(w, record + 8);
    if (len > w->len_max)
        return PCAP_WALK_ODD;
    if ((size_t)(end - record) - PCAP_WALK_RECORD < len)
        return PCAP_WALK_MORE;
    h->ts.tv_sec = pcap_walk_time(w, record);
    h->ts.tv_usec = pcap_walk_time(w, record + 4) * (w->micro ? 1000 : 1);
    h->caplen = len < w->snapshot ? len : w->snapshot;
    h->len = pcap_walk_u32(w, record + 12);
    *frame = record + PCAP_WALK_RECORD;
    *at = *frame + len;
    return PCAP_WALK_PACKET;
}

/* A whole block, whose length stands at both its ends. Its length at *len. */
static inline enum pcap_walk_step pcapng_block(const struct pcap_walk *w, const uint8_t *block,
                                               const uint8_t *end, uint32_t *len)
{
    if (end - block < 12)
        return PCAP_WALK_MORE;
    *len = pcap_walk_u32(w, block + 4);
    if (*len < 12 || *len % 4 || *len > PCAP_WALK_BLOCK + w->len_max)
        return PCAP_WALK_ODD;
    if ((size_t)(end - block) < *len)
        return PCAP_WALK_MORE;
    return pcap_walk_u32(w, block + *len - 4) == *len ? PCAP_WALK_OTHER : PCAP_WALK_ODD;
}

static inline enum pcap_walk_step pcapng_packet(const struct pcap_walk *w, const uint8_t *block,
                                                uint32_t len, struct pcap_pkthdr *h)
{
    if (len < PCAP_WALK_BLOCK || pcap_walk_u32(w, block + 8) != 0) /* of the first interface */
        return PCAP_WALK_ODD;
    uint64_t time = (uint64_t)pcap_walk_u32(w, block + 12) << 32 | pcap_walk_u32(w, block + 16);
    h->caplen = pcap_walk_u32(w, block + 20);
    if (h->caplen > len - PCAP_WALK_BLOCK || h->caplen > w->snapshot)
        return PCAP_WALK_ODD;
    h->len = pcap_walk_u32(w, block + 24);
    h->ts.tv_sec = (long)(w->micro ? time / 1000000 : time / 1000000000);
    h->ts.tv_usec = (long)(w->micro ? time % 1000000 * 1000 : time % 1000000000);
    return PCAP_WALK_PACKET;
}

static inline enum pcap_walk_step pcapng_walk(const struct pcap_walk *w, const uint8_t **at,
                                              const uint8_t *end, struct pcap_pkthdr *h,
                                              const uint8_t **frame)
{
    const uint8_t *block = *at;
    uint32_t len;
    enum pcap_walk_step step = pcapng_block(w, block, end, &len);

    if (step != PCAP_WALK_OTHER)
        return step;
    uint32_t type = pcap_walk_u32(w, block);
    if (type == PCAPNG_PACKET)
        step = pcapng_packet(w, block, len, h);
    else if (type == PCAPNG_SECTION || (type >= PCAPNG_INTERFACE && type < 4))
        return PCAP_WALK_ODD;
    if (step == PCAP_WALK_ODD)
        return step;
    *frame = block + 28;
    *at = block + len;
    return step;
}

/* Moves *at over one packet or block; *h and *frame of a packet are then what libpcap would give,
 * with nanoseconds in tv_usec. After PCAP_WALK_MORE and PCAP_WALK_ODD *at is where it was. */
static inline enum pcap_walk_step pcap_walk_next(const struct pcap_walk *w, const uint8_t **at,
                                                 const uint8_t *end, struct pcap_pkthdr *h,
                                                 const uint8_t **frame)
{
    return w->pcapng ? pcapng_walk(w, at, end, h, frame) : pcap_walk_record(w, at, end, h, frame);
}
