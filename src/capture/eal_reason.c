#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "capture/eal.h"
#include "capture/rights.h"

/* --- what the log says --- */

/* "EAL: ", "eth_dev_init(): " and their like say nothing to a reader. */
static char *without_origin(char *line)
{
    char *at = line + strspn(line, " ");
    char *colon = strstr(at, ": ");

    while (colon && colon - at < 40 && !memchr(at, ' ', (size_t)(colon - at))) {
        at = colon + 2;
        colon = strstr(at, ": ");
    }
    return at;
}

static bool from_library(const char *line)
{
    return strncmp(line, "libbpf: ", 8) == 0 || strncmp(line, "libxdp: ", 8) == 0;
}

/* libbpf shows a program that the kernel refused, instruction by instruction. True: the line is
 * part of that; *listing: the next one is, too. */
static bool in_listing(const char *line, bool *listing)
{
    if (strstr(line, "-- BEGIN PROG LOAD LOG"))
        *listing = true;
    else if (!strstr(line, "-- END PROG LOAD LOG"))
        return *listing;
    else
        *listing = false;
    return true;
}

char *eal_log_reason(char *log)
{
    static const char kernel[] = "Kernel error message: ";
    char *reason = NULL, *comment = NULL, *line;
    bool listing = false;

    while ((line = strsep(&log, "\n"))) {
        char *said = strstr(line, kernel);
        if (said)
            return said + strlen(kernel);
        if (in_listing(line, &listing) || !*without_origin(line))
            continue;
        if (strstr(line, strerror(EMFILE)))
            return without_origin(line);
        char **first = from_library(line) ? &comment : &reason;
        if (!*first)
            *first = without_origin(line);
    }
    return reason ? reason : comment;
}

/* --- what it does not say --- */

static bool is_driver(const struct eal_circumstances *c, const char *driver)
{
    return strncmp(c->device, driver, strlen(driver)) == 0;
}

/* libxdp asks for programs by id, which CAP_BPF does not allow. */
static uint64_t rights_of(const struct eal_circumstances *c)
{
    if (is_driver(c, "net_af_xdp"))
        return RIGHT(CAP_NET_RAW) | RIGHT(CAP_NET_ADMIN) | RIGHT(CAP_IPC_LOCK) |
               RIGHT(CAP_SYS_ADMIN);
    if (is_driver(c, "net_af_packet"))
        return RIGHT(CAP_NET_RAW) | RIGHT(CAP_NET_ADMIN);
    return is_driver(c, "net_tap") ? RIGHT(CAP_NET_ADMIN) : 0;
}

static void explain_taken(const struct eal_circumstances *c, char text[CAPTURE_ERROR_MAX])
{
    if (c->xdp_program)
        snprintf(text, CAPTURE_ERROR_MAX,
                 "%s has an XDP program (id %u) that is another's, or its queue is taken: end who "
                 "has it (bpftool prog show id %u, ss --xdp -p), or ip link set dev %s xdp off",
                 c->interface, c->xdp_program, c->xdp_program, c->interface);
    else
        snprintf(text, CAPTURE_ERROR_MAX,
                 "the queue of %s is taken, or there is none: ss --xdp -p shows who has it; "
                 "devices on one interface need start_queue=0, 1, ...",
                 c->interface);
}

void eal_explain(const struct eal_circumstances *c, const char *said, char text[CAPTURE_ERROR_MAX])
{
    char names[RIGHTS_TEXT_MAX];

    if (rights_missing(rights_of(c), c->rights, names))
        snprintf(text, CAPTURE_ERROR_MAX,
                 "the driver needs rights that this process lacks: %s; run weir as root", names);
    else if (strstr(said, strerror(EMFILE)))
        snprintf(text, CAPTURE_ERROR_MAX, "%.200s: raise the limit (ulimit -n, LimitNOFILE=)",
                 said);
    else if (is_driver(c, "net_tap") && c->interface_exists)
        snprintf(text, CAPTURE_ERROR_MAX,
                 "there is an interface %s already, and net_tap makes its own: iface= another name",
                 c->interface);
    else if (is_driver(c, "net_af_xdp") && strstr(said, "MTU"))
        snprintf(text, CAPTURE_ERROR_MAX,
                 "%.100s: ip link set dev %s mtu 1500, at its far end too, or -i xdp:%s", said,
                 c->interface, c->interface);
    else if (is_driver(c, "net_af_xdp") && strstr(said, "xsk socket"))
        explain_taken(c, text);
    else
        snprintf(text, CAPTURE_ERROR_MAX, "%.300s", said);
}
