#include "cli/interrupt.h"

#include <signal.h>

static volatile sig_atomic_t seen; /* the signal; a handler has nothing else to write to */

static void on_signal(int number)
{
    seen = number;
}

void interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupt_seen(void)
{
    return seen != 0;
}

void interrupt_pass_on(void)
{
    if (!seen)
        return;
    signal(seen, SIG_DFL);
    raise(seen);
}
