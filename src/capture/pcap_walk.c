#include "capture/pcap_walk.h"

#define PCAP_HEAD 24
#define PCAP_MICRO 0xa1b2c3d4u
#define PCAP_NANO 0xa1b23c4du

#define SECTION_MIN 28
#define INTERFACE_MIN 20
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define HEAD_BLOCK_MAX (64 * 1024) /* a description of a section or an interface */

enum { OPTION_END = 0, OPTION_TIME_RESOLUTION = 9, OPTION_TIME_OFFSET = 14 };

static uint16_t read_u16(const struct pcap_walk *w, const uint8_t *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return w->swapped ? __builtin_bswap16(value) : value;
}

static enum pcap_walk_step pcap_head(struct pcap_walk *w, const uint8_t *head)
{
    for (int swapped = 0; swapped < 2; swapped++) {
        w->swapped = swapped;
        uint32_t magic = pcap_walk_u32(w, head);
        w->micro = magic == PCAP_MICRO;
        w->head_len = PCAP_HEAD;
        if (w->micro || magic == PCAP_NANO)
            return read_u16(w, head + 4) == 2 && read_u16(w, head + 6) == 4 ? PCAP_WALK_PACKET
                                                                            : PCAP_WALK_ODD;
    }
    return PCAP_WALK_ODD;
}

/* Microseconds are told by an option, too, or by none. */
static enum pcap_walk_step interface_options(struct pcap_walk *w, const uint8_t *at,
                                             const uint8_t *end)
{
    unsigned resolution = 6;

    while (end - at >= 4 && read_u16(w, at) != OPTION_END) {
        uint16_t code = read_u16(w, at), len = read_u16(w, at + 2);
        if (len > end - at - 4 || code == OPTION_TIME_OFFSET)
            return PCAP_WALK_ODD;
        if (code == OPTION_TIME_RESOLUTION)
            resolution = len == 1 ? at[4] : 0;
        at += 4 + (len + 3) / 4 * 4;
    }
    w->micro = resolution == 6;
    return w->micro || resolution == 9 ? PCAP_WALK_PACKET : PCAP_WALK_ODD;
}

static enum pcap_walk_step pcapng_head(struct pcap_walk *w, const uint8_t *head, size_t len)
{
    const uint8_t *end = head + len;
    uint32_t section, interface;

    w->pcapng = true;
    w->swapped = pcap_walk_u32(w, head + 8) != BYTE_ORDER_MAGIC;
    w->len_max = HEAD_BLOCK_MAX;
    enum pcap_walk_step step = pcapng_block(w, head, end, &section);
    if (step == PCAP_WALK_OTHER)
        step = section < SECTION_MIN ? PCAP_WALK_ODD
                                     : pcapng_block(w, head + section, end, &interface);
    if (step != PCAP_WALK_OTHER)
        return step;
    const uint8_t *block = head + section;
    if (pcap_walk_u32(w, block) != PCAPNG_INTERFACE || interface < INTERFACE_MIN)
        return PCAP_WALK_ODD;
    w->head_len = section + interface;
    return interface_options(w, block + 16, block + interface - 4);
}

enum pcap_walk_step pcap_walk_init(struct pcap_walk *w, const uint8_t *head, size_t len)
{
    *w = (struct pcap_walk){0};
    if (len < PCAP_HEAD)
        return PCAP_WALK_MORE;
    return pcap_walk_u32(w, head) == PCAPNG_SECTION ? pcapng_head(w, head, len)
                                                    : pcap_head(w, head);
}
