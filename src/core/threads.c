#include "core/threads.h"

#include <dirent.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 1024
#define ANSWER_SECONDS 5

/* Handed to the handler with the signal. */
struct job {
    int (*work)(void *);
    void *context;
    int result;
    sem_t done;
};

#ifdef __SANITIZE_THREAD__
/* The sanitizer has a thread of its own, which takes no signal. */
static bool is_ours(const char *id)
{
    unsigned long long blocked = 0;
    char path[64], line[128];

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", id);
    FILE *status = fopen(path, "re");
    while (status && fgets(line, sizeof(line), status))
        sscanf(line, "SigBlk: %llx", &blocked);
    if (status)
        fclose(status);
    return !(blocked >> (SIGRTMAX - 1) & 1);
}
#else
static bool is_ours(const char *id)
{
    (void)id;
    return true;
}
#endif

int threads_list(pid_t *ids, size_t room)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    size_t count = 0;

    if (!dir)
        return -errno;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && is_ours(entry->d_name)) {
            if (count < room)
                ids[count] = (pid_t)strtol(entry->d_name, NULL, 10);
            count++;
        }
    closedir(dir);
    return (int)count;
}

/* The signal is one that nobody else uses; what comes from another process carries no job. */
static void on_signal(int signal, siginfo_t *info, void *ucontext)
{
    struct job *job = info->si_value.sival_ptr;
    int saved = errno;

    (void)signal;
    (void)ucontext;
    if (info->si_code != SI_QUEUE || info->si_pid != getpid())
        return;
    job->result = job->work(job->context);
    sem_post(&job->done);
    errno = saved;
}

static int wait_answer(sem_t *done)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ANSWER_SECONDS;
    while (sem_timedwait(done, &until))
        if (errno != EINTR)
            return -EBUSY;
    return 0;
}

/* A thread that has ended meanwhile needs nothing. */
static int run_in(pid_t thread, struct job *job)
{
    siginfo_t info = {.si_signo = SIGRTMAX, .si_code = SI_QUEUE, .si_pid = getpid()};

    info.si_uid = getuid();
    info.si_value.sival_ptr = job;
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, SIGRTMAX, &info))
        return errno == ESRCH ? 0 : -errno;
    int r = wait_answer(&job->done);
    return r ? r : job->result;
}

static int run_in_others(struct job *job, pid_t *failed)
{
    pid_t ids[THREADS_MAX];
    int count = threads_list(ids, THREADS_MAX), r = 0;

    if (count < 0 || count > THREADS_MAX)
        return count < 0 ? count : -E2BIG;
    for (int i = 0; i < count && !r; i++)
        if (ids[i] != gettid()) {
            *failed = ids[i];
            r = run_in(ids[i], job);
        }
    return r;
}

int threads_each(int (*work)(void *), void *context, pid_t *thread)
{
    /* Not on the stack, and not given back after -EBUSY: the thread may still answer. */
    struct job *job =
        mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction before;

    if (job == MAP_FAILED)
        return -errno;
    job->work = work;
    job->context = context;
    sem_init(&job->done, 0, 0);
    sigfillset(&action.sa_mask);
    sigaction(SIGRTMAX, &action, &before);
    int r = run_in_others(job, thread);
    if (r == -EBUSY)
        return r; /* the handler and its job stay for the one that is late; the process ends */
    sigaction(SIGRTMAX, &before, NULL);
    if (!r) {
        *thread = gettid();
        r = work(context);
    }
    sem_destroy(&job->done);
    munmap(job, sizeof(*job));
    return r;
}
