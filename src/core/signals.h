/*
 * Signals as requests to a sensor, taken by descriptor in one thread:
 *
 *   SIGTERM, SIGINT, SIGQUIT, SIGPWR, SIGXCPU   end, and drain first
 *   SIGHUP                                      load the configuration again
 *   SIGUSR1                                     log the ledger
 *
 * All others that would end the process are ignored then, apart from SIGKILL and those of faults
 * (SIGSEGV, SIGABRT and the like).
 */
#pragma once

enum signal_request { REQUEST_NONE, REQUEST_END, REQUEST_RELOAD, REQUEST_LEDGER };

struct signals {
    int fd; /* readable when there is one to take; -1 = closed */
};

/* Before any thread: threads inherit the mask. 0 or -errno. */
int signals_open(struct signals *);
/* Once all is open: libraries, such as DPDK's net_tap, look for signals that nobody has taken. */
void signals_ignore_others(void);
/* The next request, and what it is called; REQUEST_NONE when no more is there. Does not wait. */
enum signal_request signals_take(const struct signals *, const char **name);
/* What comes from here on finds a process at its end, and does not cut that short. */
void signals_close(struct signals *);
