#include "core/findings.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/machine.h"
#include "core/placement.h"
#include "weir/config.h"
#include "weir/packet.h"

#define MIB (UINT64_C(1) << 20)
#define HUGE_PAGE (2 * MIB)
#define FRAME_OCTETS 2048   /* of an AF_XDP socket's memory, with an MTU of 1500 */
#define PACKET_OCTETS 2688  /* of a DPDK buffer */
#define POOL_EXTRA 3072     /* buffers that are sent or cached */
#define CERTIFICATE_SOON 30 /* days */

const char *const finding_level_name[FINDING_LEVEL_COUNT] = {
    [FINDING_OK] = "ok", [FINDING_WARNING] = "warning", [FINDING_ERROR] = "error"};

void finding_add(struct findings *f, enum finding_level level, const char *format, ...)
{
    struct finding *one = &f->finding[f->count < FINDINGS_MAX ? f->count++ : FINDINGS_MAX - 1];
    va_list args;

    one->level = level;
    one->remedy[0] = '\0';
    va_start(args, format);
    vsnprintf(one->text, sizeof(one->text), format, args);
    va_end(args);
    f->per_level[level]++;
}

void finding_mend(struct findings *f, const char *format, ...)
{
    struct finding *one = &f->finding[f->count - 1];
    va_list args;

    va_start(args, format);
    vsnprintf(one->remedy, sizeof(one->remedy), format, args);
    va_end(args);
}

uint32_t findings_sockets(const struct findings *f, const struct machine_port *p)
{
    uint32_t queues = p->queues ? p->queues : 1;

    if (f->config->capture.spread == SPREAD_SOFTWARE)
        return queues * f->workers;
    return queues > f->workers ? queues : f->workers;
}

/* --- Rights --- */

struct right {
    unsigned capability, instead; /* another one that includes it */
    const char *name;
};

static const struct right rights[] = {
    {CAP_NET_RAW, CAP_NET_RAW, "NET_RAW"},
    {CAP_NET_ADMIN, CAP_NET_ADMIN, "NET_ADMIN"},
    {CAP_BPF, CAP_SYS_ADMIN, "BPF"},
    {CAP_IPC_LOCK, CAP_IPC_LOCK, "IPC_LOCK"},
    {CAP_SYS_ADMIN, CAP_SYS_ADMIN, "SYS_ADMIN"},
};
enum { NET_RAW = 1, NET_ADMIN = 2, BPF = 4, IPC_LOCK = 8, SYS_ADMIN = 16 }; /* 1 << index */

/* Memory of the sockets of AF_XDP ports is locked. */
static uint64_t locked_octets(const struct findings *f)
{
    uint64_t sockets = 0;

    for (uint32_t i = 0; i < f->machine->port_count; i++)
        if (f->machine->port[i].kind == PORT_XDP)
            sockets += findings_sockets(f, &f->machine->port[i]);
    return sockets * (f->config->capture.ring + PACKET_BURST_MAX) * FRAME_OCTETS;
}

static unsigned rights_for(const struct findings *f, const struct machine_port *port)
{
    switch (port->kind) {
    case PORT_LIVE:
        return NET_RAW;
    case PORT_XDP:
        return NET_RAW | NET_ADMIN | BPF | (f->machine->memlock < locked_octets(f) ? IPC_LOCK : 0);
    case PORT_VDEV:
        if (strstr(port->source, "net_af_xdp"))
            return NET_RAW | NET_ADMIN | BPF | IPC_LOCK | SYS_ADMIN; /* libxdp's program ids */
        return strstr(port->source, "net_af_packet") ? NET_RAW | NET_ADMIN
               : strstr(port->source, "net_tap")     ? NET_ADMIN
                                                     : 0;
    default:
        return 0;
    }
}

static bool has_right(const struct machine *m, const struct right *right)
{
    return m->capabilities >> right->capability & 1 || m->capabilities >> right->instead & 1;
}

/* "NET_RAW NET_ADMIN" and, for setcap, "cap_net_raw,cap_net_admin". */
static void rights_write(unsigned mask, char text[128], char setcap[192])
{
    size_t n = 0, s = 0;

    text[0] = setcap[0] = '\0';
    for (unsigned i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
        if (!(mask >> i & 1))
            continue;
        n += (size_t)snprintf(text + n, 128 - n, "%s%s", n ? " " : "", rights[i].name);
        s += (size_t)snprintf(setcap + s, 192 - s, "%scap_%s", s ? "," : "", rights[i].name);
    }
    for (char *c = setcap; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
}

static void judge_rights(struct findings *f)
{
    const struct machine *m = f->machine;
    char text[128], setcap[192];
    unsigned needed = 0, lacking = 0;

    for (uint32_t i = 0; i < m->port_count; i++)
        needed |= *m->port[i].unusable ? 0 : rights_for(f, &m->port[i]);
    for (unsigned i = 0; i < sizeof(rights) / sizeof(*rights); i++)
        if (needed >> i & 1 && !has_right(m, &rights[i]))
            lacking |= 1u << i;
    rights_write(lacking ? lacking : needed, text, setcap);
    if (lacking) {
        finding_add(f, FINDING_ERROR, "rights: without %s the ports cannot be opened", text);
        finding_mend(f, "start as root, or setcap %s+ep weir", setcap);
    } else if (needed) {
        finding_add(f, FINDING_OK, "rights: %s", text);
    }
}

static void judge_user(struct findings *f)
{
    const struct machine *m = f->machine;
    const char *user = f->config->sensor.user;

    if (*user && m->user_missing) {
        finding_add(f, FINDING_ERROR, "sensor.user: there is no user \"%s\"", user);
        finding_mend(f, "useradd --system --shell /usr/sbin/nologin %s", user);
    } else if (m->root && !*user) {
        finding_add(f, FINDING_WARNING,
                    "sensor.user: the sensor stays root, though without capabilities");
        finding_mend(f, "sensor.user: weir, or another user of its own");
    } else if (*user) {
        finding_add(f, FINDING_OK, "sensor.user: %s", user);
    }
}

static void judge_sandbox(struct findings *f)
{
    const struct machine *m = f->machine;

    if (!m->landlock) {
        finding_add(f, FINDING_ERROR, "sandbox: the kernel has no Landlock");
        finding_mend(f, "boot with lsm=landlock,... (Linux 5.13), or weir run --sandbox partial");
    }
    if (!m->can_filter) {
        finding_add(f, FINDING_ERROR, "sandbox: this build cannot filter system calls");
        finding_mend(f, "build it with libseccomp, or weir run --sandbox partial");
    }
    if (m->landlock && m->can_filter)
        finding_add(f, FINDING_OK, "sandbox: Landlock %d, filter of system calls", m->landlock);
}

/* --- Memory and clock --- */

/* Of DPDK's packets: a pool for each queue, which holds three rings and some. */
static uint64_t packet_octets(const struct findings *f)
{
    uint64_t ports = 0, pool = 3 * f->config->capture.ring + POOL_EXTRA;

    for (uint32_t i = 0; i < f->machine->port_count; i++)
        ports += f->machine->port[i].kind == PORT_PCI || f->machine->port[i].kind == PORT_VDEV;
    return ports ? ports * (f->workers + 1) * pool * PACKET_OCTETS + 64 * MIB : 0;
}

static void judge_huge_pages(struct findings *f)
{
    const struct machine *m = f->machine;
    uint64_t octets = packet_octets(f);

    if (!octets)
        return;
    if (m->huge_free >= octets) {
        finding_add(f, FINDING_OK, "huge pages: %" PRIu64 " MiB free", m->huge_free / MIB);
        return;
    }
    finding_add(f, FINDING_WARNING,
                "huge pages: %" PRIu64 " MiB free of %" PRIu64 ", DPDK needs some %" PRIu64
                ": it would take ordinary memory, which is slower",
                m->huge_free / MIB, m->huge_total / MIB, octets / MIB + 1);
    uint64_t pages = (m->huge_total - m->huge_free + octets) / HUGE_PAGE + 64;
    finding_mend(f, "sysctl vm.nr_hugepages=%" PRIu64, pages < 256 ? 256 : pages);
}

static void judge_clock(struct findings *f)
{
    const struct machine *m = f->machine;
    const char *source = m->clock_source;

    if (m->steady_counter) {
        finding_add(f, FINDING_OK, "clock: the processor's counter; the kernel uses %s",
                    *source ? source : "an unknown one");
        return;
    }
    if (strcmp(source, "hpet") != 0 && strcmp(source, "acpi_pm") != 0) {
        finding_add(f, FINDING_OK, "clock: %s", *source ? source : "of an unknown source");
        return;
    }
    finding_add(f, FINDING_WARNING, "clock: each reading of %s takes about a microsecond", source);
    finding_mend(f, "boot with clocksource=tsc tsc=reliable, if the processor's counter is sound");
}

static void judge_jit(struct findings *f)
{
    for (uint32_t i = 0; i < f->machine->port_count; i++) {
        if (f->machine->port[i].kind != PORT_XDP || f->machine->bpf_jit)
            continue;
        finding_add(f, FINDING_WARNING, "xdp: BPF programs are interpreted, not compiled");
        finding_mend(f, "sysctl net.core.bpf_jit_enable=1");
        return;
    }
}

/* --- Files, certificates, names --- */

static const char *owner(const struct findings *f)
{
    return *f->config->sensor.user ? f->config->sensor.user : "USER";
}

static void mend_path(struct findings *f, const struct machine_path *p, int error)
{
    bool directory = p->need != NEED_READ;

    if (error == ENOENT && directory)
        finding_mend(f, "install -d -o %s %s", owner(f), p->path);
    else if (error == ENOENT)
        finding_mend(f, "%s: name a file that exists", p->key);
    else if (error == EACCES || error == EPERM)
        finding_mend(f, "setfacl -m u:%s:%s %s, or name another", owner(f), directory ? "rwx" : "r",
                     p->path);
    else
        finding_mend(f, "%s: name another %s", p->key, directory ? "directory" : "file");
}

static void judge_path(struct findings *f, const struct machine_path *p)
{
    const char *what = p->need == NEED_READ ? "cannot read" : "files cannot be made in";
    bool fatal = p->error || p->need != NEED_READ;
    int error = p->error ? p->error : p->user_error;

    if (!error) {
        finding_add(f, FINDING_OK, "%s: %s", p->key, p->path);
        return;
    }
    if (p->error)
        finding_add(f, FINDING_ERROR, "%s: %s %s: %s", p->key, what, p->path, strerror(error));
    else
        finding_add(f, fatal ? FINDING_ERROR : FINDING_WARNING, "%s: user %s: %s %s: %s", p->key,
                    f->config->sensor.user, what, p->path, strerror(error));
    mend_path(f, p, error);
}

static void judge_certificate(struct findings *f, const struct machine_certificate *c)
{
    unsigned i = c->collector;

    if (*c->why) {
        finding_add(f, FINDING_ERROR, "export.collectors[%u]: %s", i, c->why);
        finding_mend(f, "name the certificate, its key and the authority in PEM files");
    } else if (c->days_left < 0) {
        finding_add(f, FINDING_ERROR,
                    "export.collectors[%u].cert: expired %" PRId64 " days ago: no peer takes it", i,
                    -c->days_left);
        finding_mend(f, "renew the certificate");
    } else if (c->days_left < CERTIFICATE_SOON) {
        finding_add(f, FINDING_WARNING, "export.collectors[%u].cert: expires in %" PRId64 " days",
                    i, c->days_left);
        finding_mend(f, "renew the certificate, then kill -HUP");
    } else {
        finding_add(f, FINDING_OK, "export.collectors[%u].cert: valid for %" PRId64 " days", i,
                    c->days_left);
    }
}

static void judge_name(struct findings *f, const struct machine_name *n)
{
    if (!*n->why) {
        finding_add(f, FINDING_OK, "%s: %s is known", n->key, n->name);
        return;
    }
    finding_add(f, FINDING_WARNING, "%s: %s: %s", n->key, n->name, n->why);
    finding_mend(f, "correct the name or /etc/resolv.conf, or name an address");
}

static void judge_listen(struct findings *f, const struct machine_name *n)
{
    const char *port = strrchr(n->name, ':');

    if (!*n->why) {
        finding_add(f, FINDING_OK, "%s: %s is free", n->key, n->name);
        return;
    }
    finding_add(f, FINDING_ERROR, "%s: %s: %s", n->key, n->name, n->why);
    if (port && *n->name != '/')
        finding_mend(f, "ss -ltnp sport = %s shows who listens there", port);
    else
        finding_mend(f, "end the sensor that answers there, or name another path");
}

static void judge_lists(struct findings *f)
{
    const struct machine *m = f->machine;

    for (uint32_t i = 0; i < m->path_count; i++)
        judge_path(f, &m->path[i]);
    for (uint32_t i = 0; i < m->certificate_count; i++)
        judge_certificate(f, &m->certificate[i]);
    for (uint32_t i = 0; i < m->name_count; i++)
        judge_name(f, &m->name[i]);
    for (uint32_t i = 0; i < m->listen_count; i++)
        judge_listen(f, &m->listen[i]);
}

static void place_workers(struct findings *f)
{
    cpu_set_t usable;

    CPU_ZERO(&usable);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (f->machine->core[i].allowed)
            CPU_SET(i, &usable);
    f->workers = placement_workers(f->config, &usable);
    placement_cores(f->config, &usable, f->workers, f->core);
}

void findings_make(struct findings *f)
{
    f->count = 0;
    memset(f->per_level, 0, sizeof(f->per_level));
    place_workers(f);
    judge_rights(f);
    judge_user(f);
    judge_sandbox(f);
    judge_huge_pages(f);
    judge_clock(f);
    judge_jit(f);
    findings_cores(f);
    for (uint32_t i = 0; i < f->machine->port_count; i++)
        findings_port(f, &f->machine->port[i]);
    judge_lists(f);
}
