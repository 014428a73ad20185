/*
 * Any octets as a frame that meets the XDP program. An input is a head of 3 octets (how to spread,
 * what to leave out, which queue) and a frame. Every frame must be counted exactly once, as what
 * the program does with it, and go to a socket of its queue; and the same frame must go there
 * again.
 */
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "harness/steer.h"

#define HEAD_LEN 3
#define SOCKETS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static struct xdp_range network(uint64_t high, uint64_t low, unsigned host_bits)
{
    uint64_t host = (UINT64_C(1) << host_bits) - 1;

    return high ? (struct xdp_range){{high, 0}, {high | host, UINT64_MAX}}
                : (struct xdp_range){{0, low}, {0, low | host}};
}

static void prepare(struct steer *s, const uint8_t *head)
{
    uint32_t set = head[1] >> 3 & 1;
    struct xdp_range *network4 = &s->networks[2 * set * XDP_NETWORKS_MAX];

    steer_init(s, (enum xdp_spread)(head[0] % XDP_SPREAD_COUNT), SOCKETS);
    s->control.ignoring = head[1] & 7 ? set + 1 : 0;
    s->table_sizes[2 * set] = head[1] & 1 ? 2 : 0;
    network4[0] = network(0, 0x0a000000, 24);
    network4[1] = network(0, 0xc0000000, 23);
    s->table_sizes[2 * set + 1] = head[1] >> 1 & 1;
    network4[XDP_NETWORKS_MAX] = network(UINT64_C(0x2000) << 48, 0, 59);
    if (head[1] & 4)
        s->ports[set * XDP_PORT_WORDS + 443 / 64] = UINT64_MAX;
    s->control.queue[1] = (struct xdp_queue_sockets){.first = 5, .count = 3};
}

static uint64_t steered(const struct steer *s)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < XDP_SOCKETS_MAX; i++)
        sum += s->counters.steered[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct steer s;

    if (size < HEAD_LEN || size - HEAD_LEN > STEER_FRAME_MAX)
        return 0;
    prepare(&s, data);
    uint32_t queue = data[2] % 3; /* the last has no socket */
    const struct xdp_queue_sockets *of = &s.control.queue[queue];
    int action = steer_frame(&s, data + HEAD_LEN, size - HEAD_LEN, queue);
    uint32_t socket = s.socket;
    check(s.counters.ignored == (action == XDP_DROP));
    check(s.counters.passed == (action == XDP_PASS));
    check(steered(&s) == (action == XDP_REDIRECT));
    check((action == XDP_PASS) == (queue == 2));
    check(action != XDP_REDIRECT || (socket >= of->first && socket < of->first + of->count));
    check(steer_frame(&s, data + HEAD_LEN, size - HEAD_LEN, queue) == action && s.socket == socket);
    return 0;
}
