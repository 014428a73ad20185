#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "capture/xdp_port.h"

/* --- one line for each thing that may be wrong --- */

struct explanation {
    int step;
    int status; /* 0 = any */
    const char *text;
};

/* The text is a format for the device, its argument may stand in it several times (%1$s). */
static const struct explanation explanations[] = {
    {XDP_STEP_INTERFACE, -ENODEV, "no such interface: ip link lists them"},
    {XDP_STEP_ETHERNET, 0, "is no Ethernet interface; observe it by a copy: -i %1$s"},
    {XDP_STEP_DEFAULT_ROUTE, 0,
     "holds the default route, and taking it would cut this machine off: observe it by a copy with "
     "-i %1$s, or give --take-over"},
    {XDP_STEP_PLAN, -E2BIG,
     "more AF_XDP sockets would be needed than the port program can hold: reduce the queues with "
     "ethtool -L %1$s combined N, or set capture.workers"},
    {XDP_STEP_SOCKET, -EAFNOSUPPORT, "this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)"},
    {XDP_STEP_SOCKET, -EPERM, "may not open an AF_XDP socket: give CAP_NET_RAW, or run as root"},
    {XDP_STEP_UMEM, -ENOBUFS,
     "the packet memory is more than may be locked: give CAP_IPC_LOCK, raise the limit (ulimit -l, "
     "LimitMEMLOCK=), or lower capture.ring"},
    {XDP_STEP_UMEM, -EPERM, "may not register packet memory: give CAP_NET_ADMIN and CAP_IPC_LOCK"},
    {XDP_STEP_BIND, -EBUSY,
     "another process has an AF_XDP socket on a queue of it: end that one (ss --xdp -p shows it)"},
    {XDP_STEP_BIND, -ENOPROTOOPT,
     "this kernel cannot poll the driver from here: set capture.busy_poll: false"},
    {XDP_STEP_BIND, -EPERM, "may not bind an AF_XDP socket: give CAP_NET_RAW and CAP_NET_ADMIN"},
    {XDP_STEP_PROMISCUOUS, 0,
     "cannot be made promiscuous: give CAP_NET_RAW, or set capture.promiscuous: false"},
    {XDP_STEP_LOAD, -EPERM,
     "the kernel refuses the XDP program: give CAP_BPF and CAP_NET_ADMIN, outside of a user "
     "namespace"},
    {XDP_STEP_ATTACH, -EPERM, "may not attach the XDP program: give CAP_NET_ADMIN and CAP_BPF"},
    {XDP_STEP_ATTACH, -EBUSY,
     "another XDP program is attached: bpftool net shows it; end who attached it, or ip link set "
     "dev %1$s xdp off"},
    {XDP_STEP_ATTACH, -EOPNOTSUPP,
     "its driver has no native XDP: set capture.xdp_mode: auto or generic"},
    {XDP_STEP_ATTACH, -ENOSPC,
     "too few receive queues for native XDP, the far end sends on more: give both ends the same "
     "number with ethtool -L %1$s rx N, or set capture.xdp_mode: generic"},
    {XDP_STEP_ATTACH, -ERANGE,
     "its MTU is too large for native XDP: lower it with ip link set dev %1$s mtu 3498, or set "
     "capture.xdp_mode: generic"},
    {XDP_STEP_ATTACH, -EINVAL,
     "its driver refuses native XDP as it is set up: try ethtool -K %1$s lro off, or set "
     "capture.xdp_mode: generic"},
};

static const char *step_name(int step)
{
    switch (step) {
    case XDP_STEP_MEMORY:
    case XDP_STEP_UMEM:
        return "packet memory";
    case XDP_STEP_SOCKET:
        return "AF_XDP socket";
    case XDP_STEP_RING:
        return "rings of an AF_XDP socket";
    case XDP_STEP_BIND:
        return "binding an AF_XDP socket";
    case XDP_STEP_LOAD:
        return "loading the XDP program";
    case XDP_STEP_ATTACH:
        return "attaching the XDP program";
    default:
        return "asking for the interface";
    }
}

static const char *explanation_of(int step, int status)
{
    if (status == -EMFILE)
        return "too many open files: raise the limit (ulimit -n, LimitNOFILE=)";
    if (step == XDP_STEP_ATTACH && status == -EEXIST)
        status = -EBUSY;
    for (size_t i = 0; i < sizeof(explanations) / sizeof(*explanations); i++)
        if (explanations[i].step == step &&
            (!explanations[i].status || explanations[i].status == status))
            return explanations[i].text;
    return NULL;
}

/* Puts the name of the device where %1$s stands. */
static void text_expand(const char *text, const char *device, char out[CAPTURE_ERROR_MAX])
{
    const char *mark = strstr(text, "%1$s");

    if (mark)
        snprintf(out, CAPTURE_ERROR_MAX, "%.*s%.64s%s", (int)(mark - text), text, device, mark + 4);
    else
        snprintf(out, CAPTURE_ERROR_MAX, "%s", text);
}

static void explain_foreign(const struct xdp_port *port, char out[CAPTURE_ERROR_MAX])
{
    snprintf(out, CAPTURE_ERROR_MAX,
             "has an XDP program attached already (id %u): end who attached it (bpftool prog show "
             "id %u, bpftool link), or ip link set dev %.64s xdp off",
             port->first.xdp_program, port->first.xdp_program, port->device);
}

static void explain_rights(char out[CAPTURE_ERROR_MAX])
{
    char names[RIGHTS_TEXT_MAX];

    rights_missing(XDP_RIGHTS, rights_effective(), names);
    snprintf(out, CAPTURE_ERROR_MAX,
             "taking a port needs rights that this process lacks: %s; run as root, or give them "
             "(AmbientCapabilities= in the unit, or setpriv --ambient-caps)",
             names);
}

static void explain_load(const struct xdp_port *port, int status, char out[CAPTURE_ERROR_MAX])
{
    struct utsname kernel = {.release = "?"};

    uname(&kernel);
    snprintf(out, CAPTURE_ERROR_MAX,
             "the kernel refuses the XDP program (%s): it needs Linux 5.18 or later with "
             "CONFIG_BPF_SYSCALL, this is %.64s; observe the interface by a copy: -i %.64s",
             strerror(-status), kernel.release, port->device);
}

int xdp_explain(const struct xdp_port *port, int step, int status, char error[CAPTURE_ERROR_MAX])
{
    const char *known = explanation_of(step, status);
    char text[CAPTURE_ERROR_MAX];

    if (step == XDP_STEP_FILTER)
        return status; /* said where the filter was compiled */
    if (step == XDP_STEP_FOREIGN_PROGRAM)
        explain_foreign(port, text);
    else if (step == XDP_STEP_RIGHTS)
        explain_rights(text);
    else if (step == XDP_STEP_LOAD && !known)
        explain_load(port, status, text);
    else if (known)
        text_expand(known, port->device, text);
    else
        snprintf(text, sizeof(text), "%s failed: %s", step_name(step), strerror(-status));
    snprintf(error, CAPTURE_ERROR_MAX, "%.100s: %.400s", port->source, text);
    return status;
}
