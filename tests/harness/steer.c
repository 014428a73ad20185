#include "harness/steer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The program's constants become what the test at hand says. */
#define settings (*steer_settings)
#define ignored_ports (*steer_ports)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas" /* gcc before 14 does not know the next one */
#pragma GCC diagnostic ignored "-Wmissing-variable-declarations"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wint-to-pointer-cast"
#include "../../bpf/xdp_redirect.bpf.c"
#pragma GCC diagnostic pop

#undef settings
#undef ignored_ports

static struct steer *steering; /* the helpers know the program's maps only */

static bool network_holds(const struct steer_network *n, uint8_t version, const uint8_t *address)
{
    uint32_t whole = n->length / 8, rest = n->length % 8;

    if (n->version != version || memcmp(n->address, address, whole) != 0)
        return false;
    return !rest || (n->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static void *network_find(uint8_t version, const uint8_t *address)
{
    for (uint32_t i = 0; i < steering->network_count; i++)
        if (network_holds(&steering->network[i], version, address))
            return &steering->network[i];
    return NULL;
}

void *bpf_map_lookup_elem(void *map, const void *key)
{
    if (map == &control)
        return &steering->control;
    if (map == &counters)
        return &steering->counters;
    if (map == &networks4)
        return network_find(4, ((const struct xdp_network4 *)key)->address);
    if (map == &networks6)
        return network_find(6, ((const struct xdp_network6 *)key)->address);
    abort();
}

long bpf_redirect_map(void *map, __u64 key, __u64 flags)
{
    if (map != &sockets)
        abort();
    if (key >= steering->sockets)
        return (long)flags;
    steering->socket = (uint32_t)key;
    return XDP_REDIRECT;
}

__u32 bpf_get_smp_processor_id(void)
{
    return 0;
}

__u64 bpf_xdp_get_buff_len(struct xdp_md *frame)
{
    return frame->data_end - frame->data;
}

long bpf_loop(__u32 rounds, long (*step)(__u32, struct walk *), struct walk *walk, __u64 flags)
{
    __u32 i = 0;

    (void)flags;
    while (i < rounds && step(i, walk) == 0)
        i++;
    return i;
}

void steer_init(struct steer *s, enum xdp_spread spread, uint32_t socket_count)
{
    memset(s, 0, sizeof(*s));
    s->settings.key[0] = 0x0123456789abcdef;
    s->settings.key[1] = 0xfedcba9876543210;
    s->settings.spread = spread;
    s->sockets = socket_count;
    s->control.running = 1;
    s->control.queue[0].count = socket_count;
}

/* The program holds addresses of frames in 32 bits. */
static uint8_t *page_before_nothing(size_t page)
{
    uint8_t *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0)
        abort();
    return pages;
}

int steer_frame(struct steer *s, const uint8_t *frame, size_t len, uint32_t queue)
{
    static uint8_t *pages;
    size_t page = STEER_FRAME_MAX;
    struct xdp_md md = {.rx_queue_index = queue};

    if (!pages)
        pages = page_before_nothing(page);
    memcpy(pages + page - len, frame, len);
    md.data = (__u32)(uintptr_t)(pages + page - len);
    md.data_end = (__u32)(uintptr_t)(pages + page);
    steering = s;
    steer_settings = &s->settings;
    steer_ports = (const volatile __u64(*)[XDP_PORT_WORDS]) & s->ports;
    return xdp_redirect(&md);
}
