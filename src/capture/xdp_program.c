#include "capture/xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <bpf/xdp_redirect.skel.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/xdp_plan.h"

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
    return 0;
}

/* --- settings --- */

void xdp_ports_write(const struct capture_config *config, uint64_t words[XDP_PORT_WORDS])
{
    memset(words, 0, XDP_PORT_WORDS * sizeof(*words));
    for (uint32_t i = 0; i < config->ignore_port_count; i++)
        words[config->ignore_port[i] / 64 % XDP_PORT_WORDS] |= UINT64_C(1)
                                                               << config->ignore_port[i] % 64;
}

static bool has_networks(const struct capture_config *config, uint8_t version)
{
    for (uint32_t i = 0; i < config->ignore_networks.count; i++)
        if (config->ignore_networks.prefix[i].version == version)
            return true;
    return false;
}

static void settings_write(struct xdp_redirect *skeleton, const struct xdp_plan *plan,
                           const struct capture_config *config, const uint64_t key[2])
{
    struct xdp_settings settings = {
        .key = {key[0], key[1]},
        .spread = plan->spread,
        .has_networks4 = has_networks(config, 4),
        .has_networks6 = has_networks(config, 6),
        .has_ports = config->ignore_port_count > 0,
    };

    memcpy((void *)&skeleton->rodata->settings, &settings, sizeof(settings));
    xdp_ports_write(config, (uint64_t *)skeleton->rodata->ignored_ports);
}

static int networks_write(struct xdp_redirect *skeleton, const struct ip_prefixes *networks)
{
    const uint8_t yes = 1;
    int status = 0;

    for (uint32_t i = 0; status == 0 && i < networks->count; i++) {
        const struct ip_prefix *p = &networks->prefix[i];
        struct xdp_network6 key = {.length = p->length};
        bool is4 = p->version == 4;
        memcpy(key.address, p->address, is4 ? 4 : 16);
        int map = bpf_map__fd(is4 ? skeleton->maps.networks4 : skeleton->maps.networks6);
        status = bpf_map_update_elem(map, &key, &yes, BPF_ANY) == 0 ? 0 : -errno;
    }
    return status;
}

/* --- mappings --- */

static size_t counters_octets(const struct xdp_program *p)
{
    return p->processors * sizeof(*p->counters);
}

static int maps_map(struct xdp_program *p)
{
    void *control = mmap(NULL, sizeof(*p->control), PROT_READ | PROT_WRITE, MAP_SHARED,
                         bpf_map__fd(p->skeleton->maps.control), 0);
    if (control == MAP_FAILED)
        return -errno;
    p->control = control;
    void *counters = mmap(NULL, counters_octets(p), PROT_READ, MAP_SHARED,
                          bpf_map__fd(p->skeleton->maps.counters), 0);
    if (counters == MAP_FAILED)
        return -errno;
    p->counters = counters;
    return 0;
}

/* --- life --- */

static int skeleton_load(struct xdp_program *p, const struct xdp_plan *plan,
                         const struct capture_config *config, const uint64_t key[2])
{
    int processors = libbpf_num_possible_cpus();

    if (processors < 0)
        return processors;
    p->processors = (uint32_t)processors;
    p->skeleton = xdp_redirect__open();
    if (!p->skeleton)
        return -errno;
    settings_write(p->skeleton, plan, config, key);
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
    int status = skeleton_load(p, plan, config, key);
    if (status == 0)
        status = networks_write(p->skeleton, &config->ignore_networks);
    if (status == 0)
        status = maps_map(p);
    if (status == 0)
        memcpy(p->control->queue, plan->queue, sizeof(plan->queue));
    return status;
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
    if (p->counters)
        munmap(p->counters, counters_octets(p));
    if (p->control)
        munmap(p->control, sizeof(*p->control));
    p->counters = NULL;
    p->control = NULL;
    xdp_redirect__destroy(p->skeleton);
    p->skeleton = NULL;
}

/* --- in use --- */

void xdp_program_run(struct xdp_program *p, bool running)
{
    __atomic_store_n(&p->control->running, running, __ATOMIC_RELEASE);
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
