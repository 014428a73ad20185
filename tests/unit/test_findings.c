#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config/config.h"
#include "core/findings.h"
#include "core/machine.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define GIB (UINT64_C(1) << 30)
#define LINES_MAX 6
#define SETTINGS_MAX 4

/* A machine that leaves nothing to be desired, and the ports of each kind as they were recorded. */

static const struct machine_port eth = {
    .source = "eth0",
    .kind = PORT_LIVE,
    .interface = "eth0",
    .driver = "e1000e",
    .up = true,
    .ethernet = true,
    .carrier = true,
    .mtu = 1500,
    .queues = 1,
    .ring = 4096,
    .ring_max = 4096,
    .native_xdp = FACT_NO,
    .default_route = FACT_NO,
    .merges = FACT_NO,
    .numa_node = -1,
};
static const struct machine_port veth = {
    .source = "xdp:mon0",
    .kind = PORT_XDP,
    .interface = "mon0",
    .driver = "veth",
    .up = true,
    .ethernet = true,
    .carrier = true,
    .mtu = 1500,
    .queues = 4,
    .queues_max = 4,
    .native_xdp = FACT_YES,
    .zero_copy = FACT_NO,
    .multi_buffer = FACT_YES,
    .default_route = FACT_NO,
    .hash = HASH_SOFTWARE,
    .merges = FACT_NO,
    .numa_node = -1,
};
static const struct machine_port nic100g = {
    .source = "xdp:ens1",
    .kind = PORT_XDP,
    .interface = "ens1",
    .driver = "mlx5_core",
    .up = true,
    .ethernet = true,
    .carrier = true,
    .mtu = 1500,
    .queues = 8,
    .queues_max = 63,
    .ring = 8192,
    .ring_max = 8192,
    .native_xdp = FACT_YES,
    .zero_copy = FACT_YES,
    .multi_buffer = FACT_YES,
    .default_route = FACT_NO,
    .hash = HASH_SYMMETRIC,
    .hash_ports = FACT_NO,
    .merges = FACT_YES,
    .numa_node = 1,
};
static const struct machine_port pci = {
    .source = "dpdk:3b:00.0",
    .kind = PORT_PCI,
    .device = "0000:3b:00.0",
    .driver = "vfio-pci",
    .iommu = FACT_YES,
    .numa_node = 1,
};
static const struct machine_port vdev = {
    .source = "dpdk:net_af_xdp0,iface=mon0",
    .kind = PORT_VDEV,
    .interface = "mon0",
    .driver = "veth",
    .up = true,
    .ethernet = true,
    .carrier = true,
    .mtu = 1500,
    .queues = 1,
    .queues_max = 1,
    .native_xdp = FACT_YES,
    .default_route = FACT_NO,
    .numa_node = -1,
};

static const struct machine_port null = {
    .source = "dpdk:net_null0", .kind = PORT_VDEV, .numa_node = -1};

/* 2 sockets of 8 cores with 2 threads each: cores 0-7 and 16-23 on node 0. 4-7, 12-15 isolated. */
static void good_machine(struct machine *m, const struct machine_port *port)
{
    memset(m, 0, sizeof(*m));
    m->capabilities = UINT64_MAX;
    m->memlock = UINT64_MAX;
    m->available = 64 * GIB;
    m->huge_free = m->huge_total = 4 * GIB;
    m->bpf_jit = m->can_filter = m->steady_counter = true;
    m->landlock = 4;
    strcpy(m->clock_source, "tsc");
    strcpy(m->governor, "performance");
    m->node_count = 2;
    for (int i = 0; i < 32; i++)
        m->core[i] = (struct machine_core){.online = true,
                                           .allowed = true,
                                           .isolated = i % 8 >= 4,
                                           .node = (int16_t)(i / 8 % 2),
                                           .physical = (int16_t)(i % 16)};
    m->port[m->port_count++] = *port;
}

struct judgement {
    const char *name;
    const struct machine_port *port;
    void (*spoil)(struct machine *); /* or NULL */
    const char *settings[SETTINGS_MAX];
    const char *lines[LINES_MAX]; /* what is said beside what is ok */
};

static struct machine_port *port_of(struct machine *m)
{
    return &m->port[0];
}

#define SPOIL(name, statement)                                                                     \
    static void name(struct machine *m)                                                            \
    {                                                                                              \
        statement;                                                                                 \
    }

SPOIL(no_rights, m->capabilities = 0)
SPOIL(no_lock, m->capabilities &= ~(UINT64_C(1) << CAP_IPC_LOCK); m->memlock = 8 << 20)
SPOIL(much_memlock, m->capabilities &= ~(UINT64_C(1) << CAP_IPC_LOCK); m->memlock = GIB)
SPOIL(old_bpf, m->capabilities &= ~(UINT64_C(1) << CAP_BPF))
SPOIL(as_root, m->root = true)
SPOIL(no_user, m->user_missing = true)
SPOIL(no_sandbox, m->landlock = 0; m->can_filter = false)
SPOIL(no_huge, m->huge_free = 0; m->huge_total = 1 << 30)
SPOIL(slow_clock, m->steady_counter = false; strcpy(m->clock_source, "hpet"))
SPOIL(other_clock, m->steady_counter = false; strcpy(m->clock_source, "arch_sys_counter"))
SPOIL(no_jit, m->bpf_jit = false)
SPOIL(lazy_clock, strcpy(m->governor, "powersave"))
SPOIL(pinned, m->core[13].pinned_pid = 77; strcpy(m->core[13].pinned_name, "ovs"))
SPOIL(forbidden, m->core[13].allowed = false)
SPOIL(gone, port_of(m)->missing = true)
SPOIL(not_built, strcpy(port_of(m)->unusable, "xdp:mon0: this build of weir lacks it"))
SPOIL(down, port_of(m)->up = port_of(m)->carrier = false)
SPOIL(no_ethernet, port_of(m)->ethernet = false)
SPOIL(unplugged, port_of(m)->carrier = false)
SPOIL(on_default_route, port_of(m)->default_route = FACT_YES)
SPOIL(has_program, port_of(m)->xdp_program = 42; port_of(m)->xdp_generic = true)
SPOIL(no_native, port_of(m)->native_xdp = FACT_NO)
SPOIL(jumbo, port_of(m)->mtu = 9000)
SPOIL(jumbo_whole, port_of(m)->mtu = 9000; port_of(m)->multi_buffer = FACT_NO)
SPOIL(two_queues, port_of(m)->queues = 2)
SPOIL(asymmetric, port_of(m)->hash = HASH_ASYMMETRIC)
SPOIL(unknown_hash, port_of(m)->hash = HASH_UNKNOWN)
SPOIL(hashes_ports, port_of(m)->hash_ports = FACT_YES)
SPOIL(small_ring, port_of(m)->ring = 512)
SPOIL(merging, port_of(m)->merges = FACT_YES)
SPOIL(kernel_driver, strcpy(port_of(m)->driver, "ice"))
SPOIL(no_driver, port_of(m)->driver[0] = '\0')
SPOIL(no_iommu, port_of(m)->iommu = FACT_NO)
SPOIL(no_name, m->name[m->name_count++] = ((struct machine_name){"redis.address", "r.example",
                                                                 "Name not known"}))
SPOIL(in_use, m->listen[m->listen_count++] = ((struct machine_name){"sensor.metrics", "[::1]:9100",
                                                                    "Address already in use"}))
SPOIL(second_sensor, m->listen[m->listen_count++] = ((struct machine_name){
                         "sensor.control", "/run/w.sock", "a sensor that runs answers there"}))
SPOIL(bad_certificate, m->certificate[m->certificate_count++] = ((struct machine_certificate){
                           2, "c.pem: holds no certificate", 0}))
SPOIL(old_certificate,
      m->certificate[m->certificate_count++] = ((struct machine_certificate){0, "", -3}))
SPOIL(certificate_ends,
      m->certificate[m->certificate_count++] = ((struct machine_certificate){0, "", 29}))
SPOIL(no_spool, m->path[m->path_count++] = ((struct machine_path){"export.spool", "/v",
                                                                  NEED_DIRECTORY, ENOENT, 0}))
SPOIL(closed_spool, m->path[m->path_count++] = ((struct machine_path){"export.spool", "/v",
                                                                      NEED_DIRECTORY, 0, EACCES}))
SPOIL(closed_rules,
      m->path[m->path_count++] = ((struct machine_path){"hunts.rules", "/r", NEED_READ, 0, EACCES}))

static const struct judgement judgements[] = {
    {"a laptop", &eth, NULL, {NULL}, {NULL}},
    {"a veth", &veth, NULL, {"capture.workers 4"}, {NULL}},
    {"a 100G NIC", &nic100g, NULL, {"capture.cores 12-15", "capture.workers 4"}, {NULL}},
    {"a DPDK port", &pci, NULL, {"capture.cores 12-15"}, {NULL}},
    {"net_af_xdp", &vdev, NULL, {NULL}, {NULL}},

    {"no rights",
     &eth,
     no_rights,
     {NULL},
     {"error: rights: without NET_RAW the ports cannot be opened; "
      "start as root, or setcap cap_net_raw+ep weir"}},
    {"no rights for XDP",
     &veth,
     no_rights,
     {NULL},
     {"error: rights: without NET_RAW NET_ADMIN BPF the ports cannot be opened; "
      "start as root, or setcap cap_net_raw,cap_net_admin,cap_bpf+ep weir"}},
    {"no rights for net_af_xdp",
     &vdev,
     no_rights,
     {NULL},
     {"error: rights: without NET_RAW NET_ADMIN BPF IPC_LOCK SYS_ADMIN the ports cannot be opened; "
      "start as root, or setcap "
      "cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock,cap_sys_admin+ep weir"}},
    {"memory cannot be locked",
     &veth,
     no_lock,
     {NULL},
     {"error: rights: without IPC_LOCK the ports cannot be opened; "
      "start as root, or setcap cap_ipc_lock+ep weir"}},
    {"memory can be locked", &veth, much_memlock, {NULL}, {NULL}},
    {"SYS_ADMIN is BPF", &veth, old_bpf, {NULL}, {NULL}},
    {"root",
     &eth,
     as_root,
     {NULL},
     {"warning: sensor.user: the sensor stays root, though without capabilities; "
      "sensor.user: weir, or another user of its own"}},
    {"user", &eth, as_root, {"sensor.user weir"}, {NULL}},
    {"no user",
     &eth,
     no_user,
     {"sensor.user weir"},
     {"error: sensor.user: there is no user \"weir\"; "
      "useradd --system --shell /usr/sbin/nologin weir"}},
    {"no sandbox",
     &eth,
     no_sandbox,
     {NULL},
     {"error: sandbox: the kernel has no Landlock; "
      "boot with lsm=landlock,... (Linux 5.13), or weir run --sandbox partial",
      "error: sandbox: this build cannot filter system calls; "
      "build it with libseccomp, or weir run --sandbox partial"}},
    {"no huge pages",
     &pci,
     no_huge,
     {"capture.cores 12-15"},
     {"warning: huge pages: 0 MiB free of 1024, DPDK needs some 261: it would take ordinary "
      "memory, "
      "which is slower; sysctl vm.nr_hugepages=706"}},
    {"huge pages are DPDK's", &veth, no_huge, {NULL}, {NULL}},
    {"slow clock",
     &eth,
     slow_clock,
     {NULL},
     {"warning: clock: each reading of hpet takes about a microsecond; "
      "boot with clocksource=tsc tsc=reliable, if the processor's counter is sound"}},
    {"another clock", &eth, other_clock, {NULL}, {NULL}},
    {"no JIT",
     &veth,
     no_jit,
     {NULL},
     {"warning: xdp: BPF programs are interpreted, not compiled; "
      "sysctl net.core.bpf_jit_enable=1"}},
    {"governor",
     &eth,
     lazy_clock,
     {NULL},
     {"warning: cores: governor powersave: they clock up too late for a burst; "
      "cpupower frequency-set -g performance"}},

    {"cores of everybody",
     &nic100g,
     NULL,
     {"capture.cores 8-9, 12"},
     {"warning: capture.cores: 8,9: other programs run there too; "
      "boot with isolcpus=8,9 nohz_full=8,9"}},
    {"far cores",
     &nic100g,
     NULL,
     {"capture.cores 4, 5, 12"},
     {"warning: xdp:ens1: NUMA node 1, but not 2 of 3 workers; capture.cores: 8, 9, 10"}},
    {"chosen cores", &nic100g, NULL, {"capture.workers 2"}, {NULL}},
    {"all cores",
     &nic100g,
     NULL,
     {"capture.workers auto", "capture.spread software"},
     {"warning: capture.cores: 1 and 17 are halves of one core, and others; leave one of each pair "
      "out",
      "error: xdp:ens1: 8 queues for 31 workers need more than 128 sockets; "
      "ethtool -L ens1 combined 8",
      "warning: xdp:ens1: NUMA node 1, but not 15 of 31 workers; "
      "capture.cores: 8, 9, 10, 11, 12, 13, 14, 15"}},
    {"no Ethernet",
     &veth,
     no_ethernet,
     {NULL},
     {"error: xdp:mon0: is no Ethernet interface; -i mon0 observes it by a copy"}},
    {"halves",
     &eth,
     NULL,
     {"capture.cores 4, 20"},
     {"warning: capture.cores: 4 and 20 are halves of one core; leave one of each pair out"}},
    {"no such core",
     &eth,
     NULL,
     {"capture.cores 4, 40"},
     {"error: capture.cores: core 40 is not there or not online; lscpu -e lists the cores"}},
    {"pinned",
     &eth,
     pinned,
     {"capture.cores 13"},
     {"warning: capture.cores: process 77 (ovs) is pinned to core 13 too; "
      "taskset -pc CORES 77, or name another core"}},
    {"forbidden",
     &eth,
     forbidden,
     {"capture.cores 13"},
     {"error: capture.cores: core 13 is not allowed to this process; "
      "start it without taskset, or with AllowedCPUs= in its unit"}},
    {"too many workers",
     &eth,
     NULL,
     {"capture.workers 33"},
     {"warning: capture.workers: 33 workers on 32 cores; capture.workers: 32"}},

    {"missing", &eth, gone, {NULL}, {"error: eth0: no such interface; ip link lists them"}},
    {"missing PCI",
     &pci,
     gone,
     {"capture.cores 12"},
     {"error: dpdk:3b:00.0: no such PCI device; lspci -D lists them"}},
    {"not built", &veth, not_built, {NULL}, {"error: xdp:mon0: this build of weir lacks it"}},
    {"down", &eth, down, {NULL}, {"error: eth0: the interface is down; ip link set dev eth0 up"}},
    {"unplugged",
     &eth,
     unplugged,
     {NULL},
     {"warning: eth0: no carrier; plug in the cable, or set the other end up"}},
    {"default route observed", &eth, on_default_route, {NULL}, {NULL}},
    {"default route taken",
     &veth,
     on_default_route,
     {NULL},
     {"error: xdp:mon0: holds the default route: taking it would cut this machine off; "
      "name another port; if that is meant, say --take-over"}},
    {"default route taken by DPDK",
     &vdev,
     on_default_route,
     {NULL},
     {"error: dpdk:net_af_xdp0,iface=mon0: holds the default route: taking it would cut this "
      "machine off; name another port; if that is meant, say --take-over"}},
    {"program",
     &veth,
     has_program,
     {NULL},
     {"error: xdp:mon0: an XDP program is attached already (id 42, generic); end what attached it "
      "(bpftool prog show id 42), or ip link set dev mon0 xdpgeneric off"}},
    {"program before a copy",
     &eth,
     has_program,
     {NULL},
     {"warning: eth0: an XDP program is attached (id 42): what it takes is not in the copy; "
      "bpftool prog show id 42 says what it is"}},
    {"generic",
     &veth,
     no_native,
     {NULL},
     {"warning: xdp:mon0: driver veth runs no XDP programs: only generic mode, which is slower; "
      "another NIC, or dpdk: where DPDK has a driver for it"}},
    {"generic refused",
     &veth,
     no_native,
     {"capture.xdp_mode native"},
     {"error: xdp:mon0: driver veth runs no XDP programs: only generic mode, which is slower; "
      "capture.xdp_mode: auto, or another port"}},
    {"generic wanted", &veth, no_native, {"capture.xdp_mode generic"}, {NULL}},
    {"jumbo", &veth, jumbo, {NULL}, {NULL}},
    {"jumbo in one piece",
     &veth,
     jumbo_whole,
     {NULL},
     {"warning: xdp:mon0: MTU 9000: the driver gives XDP no frames in parts, as those beyond 3498 "
      "need; ip link set dev mon0 mtu 3498, if no larger frames come"}},
    {"jumbo with DPDK",
     &vdev,
     jumbo,
     {NULL},
     {"error: dpdk:net_af_xdp0,iface=mon0: MTU 9000: net_af_xdp takes at most 3498; "
      "ip link set dev mon0 mtu 3498, or the source xdp:mon0"}},
    {"few queues",
     &veth,
     two_queues,
     {"capture.workers 3"},
     {"warning: xdp:mon0: 2 queues for 3 workers, who have to share; "
      "ethtool -L mon0 combined 3"}},
    {"few queues, software",
     &veth,
     two_queues,
     {"capture.workers 3", "capture.spread software"},
     {NULL}},
    {"asymmetric",
     &nic100g,
     asymmetric,
     {"capture.cores 12-15"},
     {"warning: xdp:ens1: its hash sends the two directions of a connection to different queues; "
      "ethtool -X ens1 hkey 6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:"
      "6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a, or capture.spread: software"}},
    {"asymmetric, one worker", &nic100g, asymmetric, {"capture.cores 12"}, {NULL}},
    {"asymmetric, software",
     &nic100g,
     asymmetric,
     {"capture.cores 12-15", "capture.spread software"},
     {NULL}},
    {"unknown hash",
     &nic100g,
     unknown_hash,
     {"capture.cores 12-15"},
     {"warning: xdp:ens1: not known whether both directions of a connection get to one queue; "
      "capture.spread: software, if weir run reports connections that are split"}},
    {"ports in the hash",
     &nic100g,
     hashes_ports,
     {"capture.cores 12-15"},
     {"warning: xdp:ens1: its hash takes ports: fragments part from their connection; "
      "ethtool -N ens1 rx-flow-hash udp4 sd, likewise tcp4, udp6 and tcp6"}},
    {"ports in the hash, wanted",
     &nic100g,
     hashes_ports,
     {"capture.cores 12-15", "capture.spread l4"},
     {NULL}},
    {"small ring",
     &nic100g,
     small_ring,
     {"capture.cores 12-15"},
     {"warning: xdp:ens1: the NIC's ring has 512 of 8192 descriptors; ethtool -G ens1 rx 4096"}},
    {"merging",
     &eth,
     merging,
     {NULL},
     {"warning: eth0: packets are merged before the copy is taken, and count as one; "
      "ethtool -K eth0 gro off lro off"}},
    {"kernel's driver",
     &pci,
     kernel_driver,
     {"capture.cores 12"},
     {"error: dpdk:3b:00.0: driver ice, which DPDK cannot use; "
      "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0"}},
    {"no driver",
     &pci,
     no_driver,
     {"capture.cores 12"},
     {"error: dpdk:3b:00.0: no driver, which DPDK cannot use; "
      "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0"}},
    {"no IOMMU",
     &pci,
     no_iommu,
     {"capture.cores 12"},
     {"warning: dpdk:3b:00.0: no IOMMU: the NIC can write all of the memory; "
      "boot with intel_iommu=on or amd_iommu=on, and enable it in the firmware"}},

    {"no name",
     &eth,
     no_name,
     {NULL},
     {"warning: redis.address: r.example: Name not known; "
      "correct the name or /etc/resolv.conf, or name an address"}},
    {"in use",
     &eth,
     in_use,
     {NULL},
     {"error: sensor.metrics: [::1]:9100: Address already in use; "
      "ss -ltnp sport = :9100 shows who listens there"}},
    {"second sensor",
     &eth,
     second_sensor,
     {NULL},
     {"error: sensor.control: /run/w.sock: a sensor that runs answers there; "
      "end the sensor that answers there, or name another path"}},
    {"bad certificate",
     &eth,
     bad_certificate,
     {NULL},
     {"error: export.collectors[2]: c.pem: holds no certificate; "
      "name the certificate, its key and the authority in PEM files"}},
    {"old certificate",
     &eth,
     old_certificate,
     {NULL},
     {"error: export.collectors[0].cert: expired 3 days ago: no peer takes it; "
      "renew the certificate"}},
    {"certificate ends",
     &eth,
     certificate_ends,
     {NULL},
     {"warning: export.collectors[0].cert: expires in 29 days; "
      "renew the certificate, then kill -HUP"}},
    {"no spool",
     &eth,
     no_spool,
     {"sensor.user weir"},
     {"error: export.spool: files cannot be made in /v: No such file or directory; "
      "install -d -o weir /v"}},
    {"closed spool",
     &eth,
     closed_spool,
     {"sensor.user weir"},
     {"error: export.spool: user weir: files cannot be made in /v: Permission denied; "
      "setfacl -m u:weir:rwx /v, or name another"}},
    {"closed rules",
     &eth,
     closed_rules,
     {"sensor.user weir"},
     {"warning: hunts.rules: user weir: cannot read /r: Permission denied; "
      "setfacl -m u:weir:r /r, or name another"}},
};

static void set(struct config *config, const char *setting)
{
    char key[64];
    struct config_error error;
    size_t len = strcspn(setting, " ");

    snprintf(key, sizeof(key), "%.*s", (int)len, setting);
    if (config_set(config, key, setting + len + 1, &error) < 0)
        fail_msg("%s", error.text);
}

static void compare(const struct judgement *j, const struct findings *f)
{
    unsigned next = 0;
    char line[2 * FINDING_TEXT_MAX + 16];

    for (uint32_t i = 0; i < f->count; i++) {
        const struct finding *one = &f->finding[i];
        if (one->level == FINDING_OK) {
            assert_string_equal(one->remedy, "");
            continue;
        }
        snprintf(line, sizeof(line), "%s: %s%s%s", finding_level_name[one->level], one->text,
                 *one->remedy ? "; " : "", one->remedy);
        if (next == LINES_MAX || !j->lines[next] || strcmp(line, j->lines[next]) != 0)
            fail_msg("%s: %s", j->name, line);
        next++;
    }
    if (next < LINES_MAX && j->lines[next])
        fail_msg("%s: not said: %s", j->name, j->lines[next]);
}

static void machines_are_judged(void **state)
{
    (void)state;
    struct machine *m = malloc(sizeof(*m));
    struct findings *f = calloc(1, sizeof(*f));
    struct config *config = malloc(sizeof(*config));
    struct config_error error;

    f->machine = m;
    f->config = config;
    for (size_t i = 0; i < COUNT(judgements); i++) {
        const struct judgement *j = &judgements[i];
        config_defaults(config);
        assert_int_equal(config_add_port(config, j->port->source, &error), 0);
        bool placed = false;
        for (int s = 0; s < SETTINGS_MAX && j->settings[s]; s++) {
            set(config, j->settings[s]);
            placed |= strncmp(j->settings[s], "capture.workers", 15) == 0;
        }
        if (!placed && !config->capture.core_count)
            config->capture.workers = 4;
        good_machine(m, j->port);
        if (j->spoil)
            j->spoil(m);
        findings_make(f);
        assert_true(f->per_level[FINDING_OK] > 0);
        compare(j, f);
    }
    free(config);
    free(f);
    free(m);
}

static void what_is_sound_is_said(void **state)
{
    (void)state;
    static const struct {
        const struct machine_port *port;
        const char *lines;
    } cases[] = {
        {&eth, "rights: NET_RAW|sensor.user: weir|sandbox: Landlock 4, filter of system calls|"
               "clock: the processor's counter; the kernel uses tsc|cores: 32 for 2 workers|"
               "eth0: interface eth0 is up|"},
        {&veth, "rights: NET_RAW NET_ADMIN BPF|sensor.user: weir|"
                "sandbox: Landlock 4, filter of system calls|"
                "clock: the processor's counter; the kernel uses tsc|cores: 32 for 2 workers|"
                "xdp:mon0: driver veth: native XDP, copied|xdp:mon0: 4 queues|"
                "xdp:mon0: both directions of a connection get to one queue|"},
        {&nic100g, "rights: NET_RAW NET_ADMIN BPF|sensor.user: weir|"
                   "sandbox: Landlock 4, filter of system calls|"
                   "clock: the processor's counter; the kernel uses tsc|cores: 32 for 2 workers|"
                   "xdp:ens1: driver mlx5_core: native XDP, zero-copy|xdp:ens1: 8 queues|"
                   "xdp:ens1: both directions of a connection get to one queue|"
                   "xdp:ens1: NUMA node 1, as its workers|"},
        {&null, "sensor.user: weir|sandbox: Landlock 4, filter of system calls|"
                "huge pages: 4096 MiB free|"
                "clock: the processor's counter; the kernel uses tsc|cores: 32 for 2 workers|"
                "dpdk:net_null0: a virtual device of DPDK|"},
    };
    struct machine *m = malloc(sizeof(*m));
    struct findings *f = calloc(1, sizeof(*f));
    struct config *config = malloc(sizeof(*config));
    struct config_error error;

    f->machine = m;
    f->config = config;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char lines[4096] = "";
        config_defaults(config);
        assert_int_equal(config_add_port(config, cases[i].port->source, &error), 0);
        set(config, "sensor.user weir");
        set(config, "capture.workers 2");
        good_machine(m, cases[i].port);
        findings_make(f);
        for (uint32_t n = 0; n < f->count; n++) {
            strcat(lines, f->finding[n].text);
            strcat(lines, "|");
        }
        assert_string_equal(lines, cases[i].lines);
    }
    free(config);
    free(f);
    free(m);
}

static void the_default_route_may_be_taken_when_told_so(void **state)
{
    (void)state;
    struct machine *m = malloc(sizeof(*m));
    struct findings *f = calloc(1, sizeof(*f));
    struct config *config = malloc(sizeof(*config));

    config_defaults(config);
    good_machine(m, &veth);
    on_default_route(m);
    f->machine = m;
    f->config = config;
    f->take_over = true;
    findings_make(f);
    assert_int_equal(f->per_level[FINDING_ERROR], 0);
    free(config);
    free(f);
    free(m);
}

static void more_findings_than_there_is_room_are_counted(void **state)
{
    (void)state;
    struct findings *f = calloc(1, sizeof(*f));

    for (int i = 0; i < FINDINGS_MAX + 10; i++)
        finding_add(f, FINDING_ERROR, "%d", i);
    assert_int_equal(f->count, FINDINGS_MAX);
    assert_int_equal(f->per_level[FINDING_ERROR], FINDINGS_MAX + 10);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_are_judged),
        cmocka_unit_test(what_is_sound_is_said),
        cmocka_unit_test(the_default_route_may_be_taken_when_told_so),
        cmocka_unit_test(more_findings_than_there_is_room_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
