#include "core/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct {
    int number;
    enum signal_request request;
    const char *name;
} taken[] = {
    {SIGTERM, REQUEST_END, "SIGTERM"},
    {SIGINT, REQUEST_END, "interrupt"},
    {SIGQUIT, REQUEST_END, "SIGQUIT"},
    {SIGPWR, REQUEST_END, "SIGPWR (power fails)"},
    {SIGXCPU, REQUEST_END, "SIGXCPU (ulimit -t)"},
    {SIGHUP, REQUEST_RELOAD, "SIGHUP"},
    {SIGUSR1, REQUEST_LEDGER, "SIGUSR1"},
};

static const int ignored[] = {SIGALRM, SIGVTALRM, SIGPROF, SIGUSR2,
                              SIGIO,   SIGPIPE,   SIGXFSZ, SIGSTKFLT};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void ignore_unless_taken(int number)
{
    struct sigaction now;

    if (sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
        now.sa_handler == SIG_DFL)
        signal(number, SIG_IGN);
}

void signals_ignore_others(void)
{
    for (size_t i = 0; i < COUNT(ignored); i++)
        ignore_unless_taken(ignored[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        ignore_unless_taken(number);
}

int signals_open(struct signals *s)
{
    sigset_t mask;

    sigemptyset(&mask);
    for (size_t i = 0; i < COUNT(taken); i++)
        sigaddset(&mask, taken[i].number);
    pthread_sigmask(SIG_BLOCK, &mask, NULL);
    s->fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    return s->fd < 0 ? -errno : 0;
}

enum signal_request signals_take(const struct signals *s, const char **name)
{
    struct signalfd_siginfo info;

    if (read(s->fd, &info, sizeof(info)) != sizeof(info))
        return REQUEST_NONE;
    for (size_t i = 0; i < COUNT(taken); i++)
        if ((uint32_t)taken[i].number == info.ssi_signo) {
            *name = taken[i].name;
            return taken[i].request;
        }
    return REQUEST_NONE;
}

void signals_close(struct signals *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
