#include "capture/xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <bpf/xdp_redirect.skel.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "capture/xdp_ignored.h"
#include "capture/xdp_plan.h"

#define SETTLE_NS 50000000

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
    return 0;
}

/* --- mappings --- */

static size_t counters_octets(const struct xdp_program *p)
{
    return p->processors * sizeof(*p->counters);
}

#define SIZES_OCTETS (XDP_TABLES * sizeof(uint64_t))
#define NETWORKS_OCTETS (XDP_NETWORK_ENTRIES * sizeof(struct xdp_range))
#define PORTS_OCTETS (XDP_PORT_ENTRIES * sizeof(uint64_t))

/* *status is 0 or of what failed before: then this does nothing. */
static void *map_open(const struct bpf_map *map, size_t octets, int protection, int *status)
{
    void *mapped = NULL;

    if (*status == 0)
        mapped = mmap(NULL, octets, protection, MAP_SHARED, bpf_map__fd(map), 0);
    if (mapped != MAP_FAILED)
        return mapped;
    *status = -errno;
    return NULL;
}

static void map_close(void *mapped, size_t octets)
{
    if (mapped)
        munmap(mapped, octets);
}

static int maps_open(struct xdp_program *p)
{
    const int write = PROT_READ | PROT_WRITE;
    struct xdp_redirect *s = p->skeleton;
    int status = 0;

    p->control = map_open(s->maps.control, sizeof(*p->control), write, &status);
    p->counters = map_open(s->maps.counters, counters_octets(p), PROT_READ, &status);
    p->ignored.sizes = map_open(s->maps.table_sizes, SIZES_OCTETS, write, &status);
    p->ignored.networks = map_open(s->maps.networks, NETWORKS_OCTETS, write, &status);
    p->ignored.ports = map_open(s->maps.ports, PORTS_OCTETS, write, &status);
    return status;
}

static void maps_close(struct xdp_program *p)
{
    map_close(p->control, sizeof(*p->control));
    map_close(p->counters, counters_octets(p));
    map_close(p->ignored.sizes, SIZES_OCTETS);
    map_close(p->ignored.networks, NETWORKS_OCTETS);
    map_close(p->ignored.ports, PORTS_OCTETS);
    p->control = NULL;
    p->counters = NULL;
    p->ignored = (struct xdp_ignored){0};
}

/* --- life --- */

static int skeleton_load(struct xdp_program *p, const struct xdp_plan *plan, const uint64_t key[2])
{
    struct xdp_settings settings = {.key = {key[0], key[1]}, .spread = plan->spread};
    int processors = libbpf_num_possible_cpus();

    if (processors < 0)
        return processors;
    p->processors = (uint32_t)processors;
    p->skeleton = xdp_redirect__open();
    if (!p->skeleton)
        return -errno;
    memcpy((void *)&p->skeleton->rodata->settings, &settings, sizeof(settings));
    int status = bpf_map__set_max_entries(p->skeleton->maps.counters, p->processors);
    if (status == 0)
        status = xdp_redirect__load(p->skeleton);
    return status;
}

int xdp_program_load(struct xdp_program *p, const struct xdp_plan *plan,
                     const struct capture_config *config, const uint64_t key[2])
{
    libbpf_set_print(quiet);
    p->link = -1;
    int status = skeleton_load(p, plan, key);
    if (status == 0)
        status = maps_open(p);
    if (status != 0)
        return status;
    memcpy(p->control->queue, plan->queue, sizeof(plan->queue));
    xdp_program_prepare(p, config);
    xdp_program_commit(p);
    return 0;
}

int xdp_program_set_socket(struct xdp_program *p, uint32_t socket, int fd)
{
    int map = bpf_map__fd(p->skeleton->maps.sockets);

    return bpf_map_update_elem(map, &socket, &fd, BPF_ANY) == 0 ? 0 : -errno;
}

int xdp_program_attach(struct xdp_program *p, uint32_t interface, bool generic)
{
    LIBBPF_OPTS(bpf_link_create_opts, options,
                .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
    int fd = bpf_link_create(bpf_program__fd(p->skeleton->progs.xdp_redirect), (int)interface,
                             BPF_XDP, &options);

    if (fd < 0)
        return -errno;
    p->link = fd;
    return 0;
}

void xdp_program_close(struct xdp_program *p)
{
    if (p->link >= 0)
        close(p->link);
    p->link = -1;
    maps_close(p);
    xdp_redirect__destroy(p->skeleton);
    p->skeleton = NULL;
}

/* --- in use --- */

void xdp_program_run(struct xdp_program *p, bool running)
{
    __atomic_store_n(&p->control->running, running, __ATOMIC_RELEASE);
}

/*
 * The kernel runs program and delivery of a frame within one section of RCU, and this call returns
 * when all sections that had begun have ended. Where it is not to be had, a pause must do.
 */
void xdp_program_settle(void)
{
    static const struct timespec pause = {.tv_nsec = SETTLE_NS};

    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0)
        nanosleep(&pause, NULL);
}

/* Frames under way may still look at what was in force before. */
void xdp_program_prepare(struct xdp_program *p, const struct capture_config *config)
{
    uint32_t set = p->control->ignoring == 1 ? 1 : 0;

    xdp_program_settle();
    xdp_ignored_write(config, &p->ignored, set);
    p->prepared = xdp_ignores(config) ? set + 1 : 0;
}

void xdp_program_commit(struct xdp_program *p)
{
    __atomic_store_n(&p->control->ignoring, p->prepared, __ATOMIC_RELEASE);
}

static uint64_t sum(const struct xdp_program *p, size_t offset)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < p->processors; i++)
        total +=
            __atomic_load_n((uint64_t *)((uint8_t *)&p->counters[i] + offset), __ATOMIC_RELAXED);
    return total;
}

uint64_t xdp_program_steered(const struct xdp_program *p, uint32_t socket)
{
    return sum(p, offsetof(struct xdp_counters, steered) + socket * sizeof(uint64_t));
}

void xdp_program_totals(const struct xdp_program *p, struct xdp_counters *total)
{
    total->ignored = sum(p, offsetof(struct xdp_counters, ignored));
    total->ignored_octets = sum(p, offsetof(struct xdp_counters, ignored_octets));
    total->passed = sum(p, offsetof(struct xdp_counters, passed));
}
