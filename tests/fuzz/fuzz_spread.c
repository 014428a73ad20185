/*
 * Software spread: any octets as a frame. Beyond not reading outside, the hash must not depend on
 * MAC addresses, and exchanging the two addresses of a bare IPv4 packet must not change it.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "capture/spread.h"
#include "weir/wire.h"

#define SEED UINT64_C(0x5eed)
#define FRAME_MOST 2048
#define ADDRESSES 26 /* of an IPv4 packet in an Ethernet frame */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same_with(const uint8_t *data, uint32_t size, uint32_t at, const uint8_t *octets,
                             uint32_t count)
{
    uint8_t other[FRAME_MOST];

    memcpy(other, data, size);
    memcpy(other + at, octets, count);
    assert(spread_hash(other, size, SEED) == spread_hash(data, size, SEED));
}

static int is_plain_ip4(const uint8_t *data, uint32_t size)
{
    return size >= ETHERNET_LEN + IP4_LEN && data[12] == 8 && data[13] == 0 && data[14] >> 4 == 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t macs[12] = {2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24};
    uint8_t swapped[8];
    uint32_t len = (uint32_t)size;

    if (size > FRAME_MOST)
        return 0;
    spread_hash(data, len, SEED);
    if (len >= sizeof(macs))
        assert_same_with(data, len, 0, macs, sizeof(macs));
    if (!is_plain_ip4(data, len))
        return 0;
    memcpy(swapped, data + ADDRESSES + 4, 4);
    memcpy(swapped + 4, data + ADDRESSES, 4);
    assert_same_with(data, len, ADDRESSES, swapped, sizeof(swapped));
    return 0;
}
