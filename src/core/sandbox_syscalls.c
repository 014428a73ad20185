#include "core/sandbox_syscalls.h"

#include <errno.h>

#ifdef WEIR_SECCOMP

#include <linux/bpf.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

#define C(call) SCMP_SYS(call)

/* clang-format off */
/* Whatever their arguments. What they reach is bounded by Landlock and by having no capability. */
static const int allowed[] = {
    /* files: configuration, spool, file collectors, alerts, /proc and /sys */
    C(open), C(openat), C(close), C(read), C(write), C(readv), C(writev), C(pread64), C(pwrite64),
    C(preadv), C(pwritev), C(lseek), C(stat), C(lstat), C(fstat), C(newfstatat), C(statx),
    C(statfs), C(fstatfs), C(access), C(faccessat), C(faccessat2), C(readlink), C(readlinkat),
    C(getcwd), C(getdents64), C(fsync), C(fdatasync), C(sync_file_range), C(ftruncate),
    C(fallocate), C(fadvise64), C(flock), C(rename), C(renameat), C(renameat2), C(unlink),
    C(unlinkat), C(mkdir), C(mkdirat), C(rmdir), C(umask), C(fcntl), C(dup), C(dup2), C(dup3),
    C(sendfile),
    /* sockets: collectors, Redis, metrics, control; AF_XDP and packet sockets that are open */
    C(bind), C(connect), C(listen), C(accept), C(accept4), C(getsockname), C(getpeername),
    C(getsockopt), C(setsockopt), C(sendto), C(recvfrom), C(sendmsg), C(recvmsg), C(sendmmsg),
    C(recvmmsg), C(shutdown),
    /* waiting */
    C(poll), C(ppoll), C(select), C(pselect6), C(epoll_create), C(epoll_create1), C(epoll_ctl),
    C(epoll_wait), C(epoll_pwait), C(eventfd2), C(pipe), C(pipe2), C(timerfd_create),
    C(timerfd_settime), C(timerfd_gettime), C(signalfd4), C(futex), C(nanosleep),
    C(clock_nanosleep), C(sched_yield), C(restart_syscall),
    /* time and the machine */
    C(clock_gettime), C(clock_getres), C(gettimeofday), C(time), C(getrandom), C(sysinfo),
    C(uname), C(getrusage), C(times), C(getcpu), C(get_mempolicy),
    /* memory; mmap and mprotect below */
    C(munmap), C(mremap), C(madvise), C(brk), C(mlock), C(munlock), C(membarrier),
    /* threads; clone below */
    C(exit), C(exit_group), C(set_robust_list), C(rseq), C(set_tid_address), C(gettid),
    C(getpid), C(getppid), C(getuid), C(geteuid), C(getgid), C(getegid), C(sched_setaffinity),
    C(sched_getaffinity), C(sched_getparam), C(sched_getscheduler), C(rt_sigaction),
    C(rt_sigprocmask), C(rt_sigreturn), C(rt_sigtimedwait), C(sigaltstack),
};
/* clang-format on */

/* One argument decides. */
struct condition {
    int call;
    struct scmp_arg_cmp argument;
};

#define MASKED(call, n, mask, value)                                                               \
    {                                                                                              \
        SCMP_SYS(call),                                                                            \
        {                                                                                          \
            n, SCMP_CMP_MASKED_EQ, (mask), (value)                                                 \
        }                                                                                          \
    }
#define EQUAL(call, n, value)                                                                      \
    {                                                                                              \
        SCMP_SYS(call),                                                                            \
        {                                                                                          \
            n, SCMP_CMP_EQ, (value), 0                                                             \
        }                                                                                          \
    }
#define THREAD_FLAGS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
#define IOCTL(request) MASKED(ioctl, 1, UINT32_MAX, (request))

static const struct condition conditions[] = {
    MASKED(mmap, 2, PROT_EXEC, 0),
    MASKED(mprotect, 2, PROT_EXEC, 0),
    MASKED(clone, 0, THREAD_FLAGS, THREAD_FLAGS), /* no process */
    EQUAL(socket, 0, AF_UNIX),
    EQUAL(socket, 0, AF_INET),
    EQUAL(socket, 0, AF_INET6),
    EQUAL(socket, 0, AF_NETLINK), /* getaddrinfo() looks which addresses the machine has */
    EQUAL(socketpair, 0, AF_UNIX),
    EQUAL(prctl, 0, PR_SET_NAME),
    EQUAL(prctl, 0, PR_GET_NAME),
    EQUAL(prlimit64, 2, 0), /* reads limits */
    EQUAL(bpf, 0, BPF_MAP_LOOKUP_ELEM),
    IOCTL(TCGETS),
    IOCTL(TIOCGWINSZ),
    IOCTL(FIONREAD),
    IOCTL(FIONBIO),
    IOCTL(SIOCOUTQ),
    IOCTL(SIOCGIFFLAGS),
    IOCTL(SIOCGIFINDEX),
    IOCTL(SIOCGIFNAME),
    IOCTL(SIOCGIFMTU),
    IOCTL(SIOCGIFHWADDR),
    IOCTL(SIOCETHTOOL), /* link state and statistics; settings need a capability */
};

/* Those that a library tries and can do without. */
static const struct {
    int call, error;
} refused[] = {
    {SCMP_SYS(clone3), ENOSYS}, /* its flags cannot be seen; the C library then takes clone */
};

static int add_all(scmp_filter_ctx filter)
{
    int r = 0;

    for (size_t i = 0; i < COUNT(allowed) && !r; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; i < COUNT(conditions) && !r; i++)
        r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, conditions[i].call, 1,
                                   &conditions[i].argument);
    for (size_t i = 0; i < COUNT(refused) && !r; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint16_t)refused[i].error), refused[i].call,
                             0);
    /* loading a library: refused like a file that may not be executed */
    if (!r)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(mmap), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    /* abort(), pthread_kill(): signals to itself only */
    if (!r)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    return r;
}

int syscalls_confine(enum sandbox_filter action)
{
    scmp_filter_ctx filter =
        seccomp_init(action == FILTER_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);

    if (!filter)
        return -ENOMEM;
    int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!r)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: few steps per call */
    if (!r)
        r = add_all(filter);
    if (!r)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}

#else

int syscalls_confine(enum sandbox_filter action)
{
    (void)action;
    return -ENOTSUP;
}

#endif
