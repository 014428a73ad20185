#include "capture/pcap_walk.h"

#define MAGIC_MICRO 0xa1b2c3d4u
#define MAGIC_NANO 0xa1b23c4du

static uint16_t read_u16(bool swapped, const uint8_t *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return swapped ? __builtin_bswap16(value) : value;
}

bool pcap_walk_init(struct pcap_walk *w, const uint8_t *head)
{
    for (int swapped = 0; swapped < 2; swapped++) {
        *w = (struct pcap_walk){.swapped = swapped};
        uint32_t magic = pcap_walk_u32(w, head);
        w->micro = magic == MAGIC_MICRO;
        if (w->micro || magic == MAGIC_NANO)
            return read_u16(swapped, head + 4) == 2 && read_u16(swapped, head + 6) == 4;
    }
    return false;
}
