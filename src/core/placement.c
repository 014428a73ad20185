#include "core/placement.h"

#include <stdbool.h>

#include "capture/port.h"
#include "weir/config.h"

static bool takes_a_port(const struct config *c)
{
    for (uint32_t i = 0; i < c->capture.port_count; i++)
        if (port_takes(c->capture.port[i]))
            return true;
    return false;
}

/* A port that is taken gets all cores but the one for everything else; observing takes one. */
uint32_t placement_workers(const struct config *c, const cpu_set_t *usable)
{
    uint32_t cores = (uint32_t)CPU_COUNT(usable);

    if (c->capture.workers)
        return (uint32_t)c->capture.workers;
    if (c->capture.core_count)
        return c->capture.core_count;
    if (!takes_a_port(c) || cores < 3)
        return 1;
    return cores - 1 < CONFIG_WORKERS_MAX ? cores - 1 : CONFIG_WORKERS_MAX;
}

/* By hand; else, where a port is taken and there are enough cores, from the last one down, since
 * the first has interrupts and the rest of the system. */
void placement_cores(const struct config *c, const cpu_set_t *usable, uint32_t workers, int *core)
{
    bool choose = takes_a_port(c) && workers < (uint32_t)CPU_COUNT(usable);
    int next = CPU_SETSIZE;

    for (uint32_t w = 0; w < workers; w++) {
        core[w] = -1;
        if (c->capture.core_count) {
            core[w] = (int)c->capture.core[w % c->capture.core_count];
        } else if (choose) {
            while (!CPU_ISSET(--next, usable))
                ;
            core[w] = next;
        }
    }
}
