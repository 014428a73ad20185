#include "core/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "core/sandbox_landlock.h"
#include "core/machine_file.h"
#include "weir/config.h"

#define HUGE_FOLDER "/sys/kernel/mm/hugepages"
#define KIB UINT64_C(1024)

static uint64_t effective_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

    if (syscall(SYS_capget, &header, data) != 0)
        return 0;
    return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static void gather_kernel(struct machine *m)
{
    struct utsname name;
    unsigned major, minor;

    if (uname(&name) != 0)
        return;
    snprintf(m->kernel, sizeof(m->kernel), "%.63s", name.release);
    if (sscanf(name.release, "%u.%u", &major, &minor) == 2)
        m->kernel_version = major << 8 | minor;
}

static void gather_rights(struct machine *m, const char *user)
{
    struct rlimit limit;

    m->capabilities = effective_capabilities();
    m->root = geteuid() == 0;
    m->user_missing = *user && !getpwnam(user);
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
        m->memlock = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    m->landlock = landlock_abi();
#ifdef WEIR_SECCOMP
    m->can_filter = true;
#endif
}

/* hugepages-2048kB and its kind. */
static void gather_huge_size(struct machine *m, const char *folder)
{
    char path[320];
    unsigned long long kib;
    uint64_t pages;

    if (sscanf(folder, "hugepages-%llukB", &kib) != 1)
        return;
    snprintf(path, sizeof(path), HUGE_FOLDER "/%s/free_hugepages", folder);
    if (machine_read_number(path, &pages) == 0)
        m->huge_free += pages * kib * KIB;
    snprintf(path, sizeof(path), HUGE_FOLDER "/%s/nr_hugepages", folder);
    if (machine_read_number(path, &pages) == 0)
        m->huge_total += pages * kib * KIB;
}

static void gather_memory(struct machine *m)
{
    DIR *sizes = opendir(HUGE_FOLDER);
    FILE *info = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kib;

    for (struct dirent *e; sizes && (e = readdir(sizes));)
        gather_huge_size(m, e->d_name);
    while (info && fgets(line, sizeof(line), info))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            m->available = kib * KIB;
    if (sizes)
        closedir(sizes);
    if (info)
        fclose(info);
}

/* CPUID 8000_0007h EDX bit 8: the counter runs at a constant rate in all power states. */
static bool has_steady_counter(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
#else
    return false;
#endif
}

static void gather_clock(struct machine *m)
{
    uint64_t jit = 1;

    m->steady_counter = has_steady_counter();
    machine_read_word("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                      m->clock_source, sizeof(m->clock_source));
    machine_read_word("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", m->governor,
                      sizeof(m->governor));
    machine_read_number("/proc/sys/net/core/bpf_jit_enable", &jit);
    m->bpf_jit = jit != 0;
}

void machine_gather(struct machine *m, const struct config *config)
{
    memset(m, 0, sizeof(*m));
    gather_kernel(m);
    gather_rights(m, config->sensor.user);
    gather_memory(m);
    gather_clock(m);
    machine_gather_cores(m);
    for (uint32_t i = 0; i < config->capture.port_count; i++)
        machine_gather_port(&m->port[m->port_count++], config, i);
    machine_gather_files(m, config);
}
