#include "core/notify.h"
#include "base/clock.h"

#ifdef WEIR_SYSTEMD

#include <stdlib.h>
#include <systemd/sd-daemon.h>

/* Answers are not looked at: a manager that does not listen any more is no reason to stop. */

void notify_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                     (unsigned long long)clock_monotonic_ns() / 1000);
}

void notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void notify_status(const char *line)
{
    (void)sd_notifyf(0, "STATUS=%s", line);
}

void notify_watchdog(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

bool notify_wanted(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

#else

void notify_ready(void)
{
}

void notify_reloading(void)
{
}

void notify_stopping(void)
{
}

void notify_status(const char *line)
{
    (void)line;
}

void notify_watchdog(void)
{
}

bool notify_wanted(void)
{
    return false;
}

#endif
