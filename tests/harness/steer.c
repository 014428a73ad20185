#include "harness/steer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The program's constants become what the test at hand says. */
#define settings (*steer_settings)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas" /* gcc before 14 does not know the next one */
#pragma GCC diagnostic ignored "-Wmissing-variable-declarations"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include "../../bpf/xdp_redirect.bpf.c"
#pragma GCC diagnostic pop

#undef settings

/* The helpers know the program's maps and context only. */
static struct steer *steering;
static const uint8_t *steered;
static size_t steered_len;

#define ENTRY(array, key)                                                                          \
    (*(const __u32 *)(key) < sizeof(array) / sizeof(*(array)) ? &(array)[*(const __u32 *)(key)]    \
                                                              : NULL)

void *bpf_map_lookup_elem(void *map, const void *key)
{
    if (map == &control)
        return &steering->control;
    if (map == &counters)
        return &steering->counters;
    if (map == &table_sizes)
        return ENTRY(steering->table_sizes, key);
    if (map == &networks)
        return ENTRY(steering->networks, key);
    if (map == &ports)
        return ENTRY(steering->ports, key);
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
    (void)frame;
    return steered_len;
}

long bpf_xdp_load_bytes(struct xdp_md *frame, __u32 offset, void *to, __u32 len)
{
    (void)frame;
    if ((size_t)offset + len > steered_len)
        return -EINVAL;
    memcpy(to, steered + offset, len);
    return 0;
}

long bpf_loop(__u32 rounds, long (*step)(__u32, void *), void *context, __u64 flags)
{
    __u32 i = 0;

    (void)flags;
    while (i < rounds && step(i, context) == 0)
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

int steer_frame(struct steer *s, const uint8_t *frame, size_t len, uint32_t queue)
{
    struct xdp_md md = {.rx_queue_index = queue};

    steering = s;
    steered = frame;
    steered_len = len;
    steer_settings = &s->settings;
    return xdp_redirect(&md);
}
