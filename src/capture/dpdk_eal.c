#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/dpdk.h"
#include "capture/eal.h"
#include "weir/config.h"

#define HUGE_FOLDER "/sys/kernel/mm/hugepages"
#define WORDS_MAX 16384
#define RUN_FOLDER "/var/run/dpdk"

/* --- what the EAL says --- */

void dpdk_words_begin(struct dpdk_words *words, bool shown)
{
    *words = (struct dpdk_words){.saved_stderr = -1};
    rte_log_set_global_level(shown ? RTE_LOG_DEBUG : RTE_LOG_ERR);
    if (shown || !(words->file = tmpfile()))
        return;
    rte_openlog_stream(words->file);
    fflush(stderr);
    words->saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (words->saved_stderr >= 0)
        dup2(fileno(words->file), STDERR_FILENO);
}

static char *words_read(FILE *file)
{
    char *text = calloc(1, WORDS_MAX + 1);

    fflush(file);
    if (text && pread(fileno(file), text, WORDS_MAX, 0) < 0)
        *text = '\0';
    return text;
}

const char *dpdk_words_line(struct dpdk_words *words, const char *fallback)
{
    free(words->text);
    words->text = words->file ? words_read(words->file) : NULL;
    const char *line = words->text ? eal_log_reason(words->text) : NULL;
    return line ? line : fallback;
}

void dpdk_words_end(struct dpdk_words *words)
{
    if (words->saved_stderr >= 0) {
        dup2(words->saved_stderr, STDERR_FILENO);
        close(words->saved_stderr);
    }
    if (words->file) {
        dpdk_silence();
        fclose(words->file);
    }
    free(words->text);
    words->text = NULL;
}

void dpdk_silence(void)
{
    rte_openlog_stream(NULL); /* which is standard output */
    rte_log_set_global_level(0);
}

static dpdk_print_setter symbol_find(const char *library, const char *name)
{
    void *loaded = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);

    if (!loaded)
        return NULL;
    dpdk_print_setter symbol = (dpdk_print_setter)(uintptr_t)dlsym(loaded, name);
    dlclose(loaded); /* the driver holds it */
    return symbol;
}

void dpdk_printers_find(dpdk_print_setter found[DPDK_PRINTERS])
{
    found[0] = symbol_find("libbpf.so.1", "libbpf_set_print");
    found[1] = symbol_find("libxdp.so.1", "libxdp_set_print");
}

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

/* The folder is empty: without a shared configuration there are no files for it. */
static void run_folder_remove(bool parent_too)
{
    rmdir(rte_eal_get_runtime_dir());
    if (parent_too)
        rmdir(RUN_FOLDER);
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
    bool had_folder = access(RUN_FOLDER, F_OK) == 0;

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
    status = eal_init(&arguments, &cores);
    run_folder_remove(!had_folder);
    return status == 0 ? 0 : explain_init(options, status, words, error);
}

void dpdk_eal_stop(void)
{
    if (rte_lcore_count() > 0 && rte_eth_dev_count_avail() == 0)
        rte_eal_cleanup();
}
