/*
 * The packets of a pcap file where they lie in memory (draft-ietf-opsawg-pcap §4, §5), without the
 * two reads and the copy that libpcap makes of each. Pure; whatever is not as usual is left to
 * libpcap, which is the judge of all files.
 */
#pragma once

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PCAP_WALK_HEAD 24   /* octets of a file's header */
#define PCAP_WALK_RECORD 16 /* and of a packet's */

struct pcap_walk {
    bool swapped;
    bool micro;        /* fractions of a second are microseconds, else nanoseconds */
    uint32_t snapshot; /* longer packets are cut, as pcap_snapshot() says */
    uint32_t len_max;  /* still longer ones are not as usual */
};

enum pcap_walk_step {
    PCAP_WALK_PACKET,
    PCAP_WALK_MORE, /* it does not end here; PCAP_WALK_RECORD + len_max octets are enough */
    PCAP_WALK_ODD
};

/* head: the first PCAP_WALK_HEAD octets of a file. False: it is not of the usual kind, a pcap file
 * of version 2.4. */
bool pcap_walk_init(struct pcap_walk *, const uint8_t *head);

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

/* Moves *at over one packet; *h and *frame are then what libpcap would give, with nanoseconds in
 * tv_usec. If there is none, nothing is touched. */
static inline enum pcap_walk_step pcap_walk_next(const struct pcap_walk *w, const uint8_t **at,
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
