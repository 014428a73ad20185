#include <sched.h>

#include "cli/cli.h"

unsigned cli_cpus(void)
{
    cpu_set_t usable;

    return sched_getaffinity(0, sizeof(usable), &usable) ? 1 : (unsigned)CPU_COUNT(&usable);
}
