#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/machine.h"
#include "core/machine_file.h"

#define SYSTEM "/sys/devices/system"

static void gather_sets(struct machine *m)
{
    cpu_set_t online, isolated, allowed;

    machine_read_cores(SYSTEM "/cpu/online", &online);
    machine_read_cores(SYSTEM "/cpu/isolated", &isolated);
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        CPU_ZERO(&allowed);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        /* Without sysfs what this process may use is all that is known. */
        m->core[i].online = CPU_ISSET(i, &online) || CPU_ISSET(i, &allowed);
        m->core[i].isolated = CPU_ISSET(i, &isolated);
        m->core[i].allowed = CPU_ISSET(i, &allowed);
        m->core[i].node = -1;
        m->core[i].physical = (int16_t)i;
    }
}

static void gather_nodes(struct machine *m)
{
    char path[96];
    cpu_set_t cores;

    for (int node = 0; node < MACHINE_NODES_MAX; node++) {
        snprintf(path, sizeof(path), SYSTEM "/node/node%d/cpulist", node);
        if (machine_read_cores(path, &cores) < 0)
            continue;
        m->node_count++;
        for (int i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &cores))
                m->core[i].node = (int16_t)node;
    }
}

static void gather_siblings(struct machine *m)
{
    char path[96];
    cpu_set_t siblings;

    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!m->core[i].online)
            continue;
        snprintf(path, sizeof(path), SYSTEM "/cpu/cpu%d/topology/thread_siblings_list", i);
        machine_read_cores(path, &siblings);
        for (int s = 0; s < i; s++)
            if (CPU_ISSET(s, &siblings)) {
                m->core[i].physical = (int16_t)s;
                break;
            }
    }
}

/* Of a thread's status: its name, and the core it is pinned to alone; -1 when it is not, or is the
 * kernel's, which has no memory of its own. */
static int pinned_core(const char *path, char name[16])
{
    FILE *f = fopen(path, "re");
    char line[512];
    int core = -1;
    bool has_memory = false;

    while (f && fgets(line, sizeof(line), f)) {
        char *end;
        has_memory |= strncmp(line, "VmSize:", 7) == 0;
        sscanf(line, "Name: %15s", name);
        if (strncmp(line, "Cpus_allowed_list:", 18) != 0)
            continue;
        long only = strtol(line + 18, &end, 10);
        core = *end == '\n' && only >= 0 && only < CPU_SETSIZE ? (int)only : -1;
    }
    if (f)
        fclose(f);
    return has_memory ? core : -1;
}

static void gather_process(struct machine *m, int pid)
{
    char path[320];

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    for (struct dirent *e; threads && (e = readdir(threads));) {
        char name[16] = "";
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, e->d_name);
        int core = pinned_core(path, name);
        if (core < 0 || m->core[core].pinned_pid)
            continue;
        m->core[core].pinned_pid = pid;
        memcpy(m->core[core].pinned_name, name, sizeof(name));
    }
    if (threads)
        closedir(threads);
}

/* On a machine with one core everything is pinned to it. */
static void gather_pinned(struct machine *m)
{
    DIR *processes = m->core[1].online ? opendir("/proc") : NULL;

    for (struct dirent *e; processes && (e = readdir(processes));) {
        int pid = atoi(e->d_name);
        if (pid > 0 && pid != getpid())
            gather_process(m, pid);
    }
    if (processes)
        closedir(processes);
}

void machine_gather_cores(struct machine *m)
{
    gather_sets(m);
    gather_nodes(m);
    gather_siblings(m);
    gather_pinned(m);
}
