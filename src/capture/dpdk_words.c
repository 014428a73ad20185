#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <rte_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/dpdk.h"
#include "capture/eal.h"
#include "capture/rights.h"

#define WORDS_MAX 16384

/* --- what the EAL says --- */

void dpdk_words_begin(struct dpdk_words *words, bool shown)
{
    *words = (struct dpdk_words){.saved = {-1, -1}};
    rte_log_set_global_level(shown ? RTE_LOG_DEBUG : RTE_LOG_ERR);
    if (shown)
        return;
    int fd = memfd_create("words", MFD_CLOEXEC);
    words->file = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (!words->file)
        return;
    rte_openlog_stream(words->file);
    for (int i = 0; i < DPDK_OUTPUTS; i++) {
        fflush(i ? stderr : stdout);
        words->saved[i] = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (words->saved[i] >= 0)
            dup2(fd, STDOUT_FILENO + i);
    }
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
    for (int i = 0; i < DPDK_OUTPUTS; i++) {
        if (words->saved[i] < 0)
            continue;
        fflush(i ? stderr : stdout);
        dup2(words->saved[i], STDOUT_FILENO + i);
        close(words->saved[i]);
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

/* --- what went wrong --- */

int dpdk_explain(const struct dpdk_port *port, int status, const char *what, const char *why,
                 char error[CAPTURE_ERROR_MAX])
{
    snprintf(error, CAPTURE_ERROR_MAX, "%.120s: %.60s: %.300s", port->source, what, why);
    return status < 0 ? status : -EIO;
}

static const char *interface_of(const struct dpdk_port *port, char name[DPDK_NAME_MAX])
{
    return eal_device_argument(port->source, "iface", name, DPDK_NAME_MAX) ? name : "";
}

int dpdk_explain_device(const struct dpdk_port *port, int status, const char *what,
                        struct dpdk_words *words, char error[CAPTURE_ERROR_MAX])
{
    char name[DPDK_NAME_MAX], why[CAPTURE_ERROR_MAX];
    const struct eal_circumstances circumstances = {
        .device = port->device,
        .interface = interface_of(port, name),
        .interface_exists = if_nametoindex(name) != 0,
        .xdp_program = port->first.xdp_program,
        .rights = rights_effective(),
    };

    eal_explain(&circumstances, dpdk_words_line(words, strerror(-status)), why);
    return dpdk_explain(port, status, what, why, error);
}

int dpdk_explain_pci(const struct dpdk_port *port, char error[CAPTURE_ERROR_MAX])
{
    char path[200];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.100s", port->device);
    if (access(path, F_OK) != 0)
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: no such PCI device: lspci -D lists them",
                 port->source);
    else
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.200s: no driver of DPDK took the device: bind it with dpdk-devbind.py "
                 "--bind=vfio-pci %.100s (not needed for mlx5)",
                 port->source, port->device);
    return -ENODEV;
}

/* --- what the port says of itself --- */

static const char *spread_text(const struct dpdk_port *port, char buffer[64])
{
    if (port->only_worker >= 0) {
        snprintf(buffer, 64, "1 queue, for worker %d", port->only_worker);
        return buffer;
    }
    switch (port->plan.method) {
    case RSS_HARDWARE:
        snprintf(buffer, 64, "%u queues, spread by the port (symmetric RSS)", port->plan.queues);
        return buffer;
    case RSS_DEVICE:
        snprintf(buffer, 64, "%u queues, as the device fills them", port->plan.queues);
        return buffer;
    case RSS_SOFTWARE:
        snprintf(buffer, 64, "%u queue%s, spread over %u workers in software", port->plan.queues,
                 port->plan.queues == 1 ? "" : "s", port->workers);
        return buffer;
    default:
        snprintf(buffer, 64, "%u queue%s, 1 worker", port->plan.queues,
                 port->plan.queues == 1 ? "" : "s");
        return buffer;
    }
}

/* These drivers do not count what the kernel drops before them. */
static const char *loss_text(const char *driver)
{
    return strcmp(driver, "net_af_packet") == 0 || strcmp(driver, "net_tap") == 0
               ? "; loss in the kernel before this device is not visible"
               : "";
}

void dpdk_about_write(struct dpdk_port *port)
{
    struct rte_eth_dev_info info = {.driver_name = ""};
    char buffer[64];

    rte_eth_dev_info_get(port->id, &info);
    snprintf(port->about, sizeof(port->about),
             "%.150s: driver %.40s, %s, %s memory, NUMA node %d%s%s%.150s", port->source,
             info.driver_name, spread_text(port, buffer),
             port->huge_pages ? "huge pages as" : "no huge pages: ordinary", port->socket,
             loss_text(info.driver_name), port->plan.note ? "; " : "",
             port->plan.note ? port->plan.note : "");
}
