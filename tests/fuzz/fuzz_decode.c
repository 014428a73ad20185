/*
 * Any octets as frames. An input is a head of 3 octets (link type, tunnels to open, kind of wire
 * length) and a frame. It becomes a burst: the frame itself, then variants made from it by a
 * generator that the input seeds, so that one input is worth 64 packets and still gives the same
 * result each time.
 *
 * Every frame lies alone: AddressSanitizer knows of each exactly how long it is. Set against
 * decode_packet(), decode_burst() must give the same fields and notes; and what it gives must keep
 * its promises.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "harness/promises.h"

#ifdef __SANITIZE_ADDRESS__
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, len) ((void)(address), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(address, len) ((void)(address), (void)(len))
#endif

#define HEAD_LEN 3
#define FRAME_LEN_MAX 512
#define REPORT_EVERY (UINT64_C(1) << 28)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A frame in its slot, with poisoned octets on both sides. */
struct slot {
    _Alignas(8) uint8_t before[32];
    _Alignas(8) uint8_t octets[FRAME_LEN_MAX];
    uint8_t after[32];
};

static struct slot slots[PACKET_BURST_MAX];
static uint64_t decodes;

static void report(void)
{
    fprintf(stderr, "decodes: %" PRIu64 "\n", decodes);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    ASAN_POISON_MEMORY_REGION(slots, sizeof(slots));
    atexit(report);
    return 0;
}

static _Noreturn void broken(const char *promise, const struct packet *p)
{
    fprintf(stderr, "broken promise: %s\nlink %u cap %u wire %u:", promise, p->link, p->cap_len,
            p->wire_len);
    for (uint32_t i = 0; i < p->cap_len; i++)
        fprintf(stderr, " %02x", p->data[i]);
    fprintf(stderr, "\n");
    abort();
}

static uint32_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 16);
}

static uint64_t seed_of(const uint8_t *data, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

/* Pairs of octets that headers branch on: EtherTypes, ports, PPP, lengths; single ones stand in the
 * low octet. */
static const uint16_t telling[] = {
    0x0800, 0x86dd, 0x8100, 0x88a8, 0x8847, 0x8864, 0x6558, 0x880b, 0x88be, 0x22eb, 0x0806, 0xaaaa,
    4789,   6081,   2152,   53,     0x0021, 0x0057, 0x0281, 0x4500, 0x4600, 0x6000, 0x1101, 0x2f00,
    0x2b00, 0x2c00, 0x3c00, 0x3300, 0x0000, 0x2000, 0x3000, 0x3081, 0x0001, 0xffff, 0x0014, 0x0028,
    4,      6,      17,     41,     47,     58,     43,     44,     51,     60,     132,    0x0800};

static void change(uint8_t *octets, uint32_t len, uint64_t *random)
{
    uint32_t r = next_random(random), at = r % len;
    switch (r >> 16 & 3) {
    case 0:
        octets[at] ^= (uint8_t)(1u << (r >> 20 & 7));
        break;
    case 1:
        octets[at] = (uint8_t)(r >> 20);
        break;
    case 2:
        octets[at] = (uint8_t)telling[(r >> 20) % (sizeof(telling) / sizeof(*telling))];
        break;
    default:
        if (at + 1 == len)
            break;
        octets[at] = (uint8_t)(telling[(r >> 20) % (sizeof(telling) / sizeof(*telling))] >> 8);
        octets[at + 1] = (uint8_t)telling[(r >> 20) % (sizeof(telling) / sizeof(*telling))];
        break;
    }
}

static uint32_t wire_len(uint8_t mode, uint32_t len, uint32_t cap_len, uint64_t *random)
{
    switch (mode & 3) {
    case 0:
        return cap_len;
    case 1:
        return len;
    case 2:
        return cap_len + next_random(random) % 4096;
    default: /* what no capture may say: less than it holds, or any figure */
        return next_random(random) & 1 ? cap_len / 2 : next_random(random);
    }
}

/* Puts one frame into its slot: packet 0 as it is, every third cut, the others changed too. */
static void place(struct burst *burst, uint32_t index, const uint8_t *data, uint32_t len,
                  uint64_t *random)
{
    struct packet *p = &burst->packet[index];
    struct slot *slot = &slots[index];
    uint32_t cap_len =
        index && next_random(random) % 3 == 0 ? next_random(random) % (len + 1) : len;

    ASAN_UNPOISON_MEMORY_REGION(slot->octets, sizeof(slot->octets));
    memcpy(slot->octets, data + HEAD_LEN, len);
    for (uint32_t n = index ? next_random(random) % 5 : 0; n && len; n--)
        change(slot->octets, len, random);
    ASAN_POISON_MEMORY_REGION(slot->octets + cap_len, sizeof(slot->octets) - cap_len);
    *p = (struct packet){
        .data = slot->octets,
        .cap_len = cap_len,
        .wire_len = wire_len(index ? (uint8_t)next_random(random) : data[2], len, cap_len, random),
        .link = index % 8 == 7 ? (uint8_t)(next_random(random) % 16) : data[0] % 16,
    };
    packet_soil(p, 0xa5);
}

static void check(const struct decode_options *options, const struct burst *burst,
                  const struct counters *counters)
{
    struct counters general = {0};

    for (uint32_t i = 0; i < burst->count; i++) {
        const struct packet *p = &burst->packet[i];
        const char *promise = promise_broken(p);
        if (promise)
            broken(promise, p);
        struct packet same = *p;
        packet_soil(&same, 0x5a);
        decode_packet(options, &same, &general);
        if (!packet_same(p, &same))
            broken("the fast path agrees", p);
    }
    if (memcmp(&general, counters, sizeof(general)) != 0)
        broken("the notes agree", &burst->packet[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_LEN || size > HEAD_LEN + FRAME_LEN_MAX)
        return 0;
    struct burst burst = {.count = PACKET_BURST_MAX};
    struct counters counters = {0};
    struct decode_options options = {.tunnels = (uint32_t)~data[1]};
    uint64_t random = seed_of(data, size);

    for (uint32_t i = 0; i < burst.count; i++)
        place(&burst, i, data, (uint32_t)size - HEAD_LEN, &random);
    decode_burst(&options, &burst, &counters);
    check(&options, &burst, &counters);
    decodes += burst.count;
    if (decodes % REPORT_EVERY == 0)
        report();
    return 0;
}
