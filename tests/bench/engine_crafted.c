#include "engine_crafted.h"

#include <stdbool.h>

#include "base/hash.h"
#include "decode/decode.h"
#include "flow/bucket.h"
#include "flow/key.h"
#include "weir/counters.h"

static uint32_t guessed_hash(const uint8_t *frame, uint32_t len)
{
    static const struct flow_table plain; /* no VLAN nor tunnel in the key */
    static struct counters counters;
    const struct decode_options decode = {0};
    struct packet p = {.data = frame, .cap_len = len, .wire_len = len, .link = LINK_ETHERNET};
    struct hash_secret guess;
    struct flow_probe probe;

    decode_packet(&decode, &p, &counters);
    key_build(&plain, &p, false, &probe);
    hash_secret_fixed(&guess);
    hash_burst_best()(&guess, &probe.key, 1, sizeof(probe));
    return bucket_hash(probe.key.value.place);
}

void crafted_write(const struct traffic *traffic, uint64_t *next, uint8_t *frame)
{
    const uint32_t len = traffic_frame_len(traffic);

    do
        traffic_write(traffic, (*next)++, frame);
    while (guessed_hash(frame, len) % CRAFTED_SHARE);
}
