#include "capture/xdp_plan.h"

#include <errno.h>
#include <string.h>

static int socket_add(struct xdp_plan *plan, uint32_t queue, uint32_t worker)
{
    if (plan->sockets == XDP_SOCKETS_MAX)
        return -E2BIG;
    plan->socket[plan->sockets++] =
        (struct xdp_plan_socket){.queue = (uint8_t)queue, .worker = (uint8_t)worker};
    plan->queue[queue].count++;
    return 0;
}

static int queue_plan(struct xdp_plan *plan, uint32_t queue, uint32_t workers, bool shared)
{
    uint32_t first = shared ? 0 : queue % workers;
    uint32_t step = shared ? 1 : plan->queues;
    int status = 0;

    plan->queue[queue].first = plan->sockets;
    for (uint32_t worker = first; status == 0 && worker < workers; worker += step)
        status = socket_add(plan, queue, worker);
    return status;
}

int xdp_plan_make(struct xdp_plan *plan, uint32_t queues, uint32_t workers,
                  enum capture_spread spread)
{
    int status = queues > XDP_QUEUES_MAX ? -E2BIG : 0;

    memset(plan, 0, sizeof(*plan));
    plan->queues = queues;
    for (uint32_t q = 0; status == 0 && q < queues; q++)
        status = queue_plan(plan, q, workers, spread == SPREAD_SOFTWARE);
    if (status == 0 && plan->sockets > queues)
        plan->spread = spread == SPREAD_L4 ? XDP_SPREAD_ENDPOINT : XDP_SPREAD_ADDRESS;
    return status;
}
