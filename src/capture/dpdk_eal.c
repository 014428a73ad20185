#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/dpdk.h"
#include "capture/eal.h"
#include "weir/config.h"

#define HUGE_FOLDER "/sys/kernel/mm/hugepages"

/* --- what it finds --- */

static uint64_t huge_octets_of(const char *folder)
{
    char path[300];
    unsigned long long size_kib, count = 0;

    if (sscanf(folder, "hugepages-%llukB", &size_kib) != 1)
        return 0;
    snprintf(path, sizeof(path), HUGE_FOLDER "/%.100s/free_hugepages", folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu", &count) != 1)
        count = 0;
    fclose(file);
    return count * size_kib * 1024;
}

static uint64_t huge_octets_free(void)
{
    uint64_t octets = 0;
    DIR *folder = opendir(HUGE_FOLDER);

    if (!folder)
        return 0;
    for (struct dirent *e = readdir(folder); e; e = readdir(folder))
        octets += huge_octets_of(e->d_name);
    closedir(folder);
    return octets;
}

static unsigned first_core(const cpu_set_t *cores)
{
    for (unsigned i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, cores))
            return i;
    return 0;
}

/* --- starting and ending it --- */

bool dpdk_eal_logs(const struct port_options *options)
{
    return strstr(options->config->capture.eal, "--log-level");
}

/* The EAL pins its caller, and starts a thread that has the caller's signal mask. */
static int eal_init(struct eal_arguments *arguments, const cpu_set_t *cores)
{
    int status = rte_eal_init(arguments->count, arguments->word) < 0 ? -rte_errno : 0;
    sched_setaffinity(0, sizeof(*cores), cores);
    return status;
}

/* Where the EAL makes a folder for this process: eal_create_runtime_dir() of DPDK. */
static void run_parent(char path[PATH_MAX])
{
    const char *own = getenv("XDG_RUNTIME_DIR");

    snprintf(path, PATH_MAX, "%s/dpdk", getuid() == 0 ? "/var/run" : own ? own : "/tmp");
}

/* The folder is empty: without a shared configuration there are no files for it. made: what it
 * stands in was not there before. */
static void run_folder_remove(const char *parent, bool made)
{
    const char *folder = rte_eal_get_runtime_dir();
    size_t length = strlen(parent);

    rmdir(folder);
    if (made && strncmp(folder, parent, length) == 0 && folder[length] == '/')
        rmdir(parent);
}

static int explain_init(const struct port_options *options, int status, struct dpdk_words *words,
                        char error[CAPTURE_ERROR_MAX])
{
    if (status == -EALREADY)
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.150s: DPDK's environment can start only once in a process", options->source);
    else
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.150s: DPDK's environment does not start: %.200s (huge pages: sysctl "
                 "vm.nr_hugepages=256; more of its log: capture.eal: --log-level=debug)",
                 options->source, dpdk_words_line(words, strerror(-status)));
    return status < 0 ? status : -EIO;
}

int dpdk_eal_start(const struct port_options *options, uint64_t memory_octets,
                   struct dpdk_words *words, char error[CAPTURE_ERROR_MAX])
{
    struct eal_arguments arguments;
    char prefix[32];
    cpu_set_t cores;
    char parent[PATH_MAX];

    if (rte_lcore_count() > 0)
        return 0;
    snprintf(prefix, sizeof(prefix), "weir-%d", getpid());
    sched_getaffinity(0, sizeof(cores), &cores);
    const struct eal_plan plan = {
        .sources = options->all_sources,
        .source_count = options->source_count,
        .extra = options->config->capture.eal,
        .prefix = prefix,
        .core = first_core(&cores),
        .memory_octets = memory_octets,
        .huge_octets = huge_octets_free(),
    };
    int status = eal_arguments_make(&plan, &arguments, error);
    if (status != 0)
        return status;
    run_parent(parent);
    bool had_parent = access(parent, F_OK) == 0;
    status = eal_init(&arguments, &cores);
    run_folder_remove(parent, !had_parent);
    return status == 0 ? 0 : explain_init(options, status, words, error);
}

void dpdk_eal_stop(void)
{
    if (rte_lcore_count() > 0 && rte_eth_dev_count_avail() == 0)
        rte_eal_cleanup();
}
