/*
 * The command line of DPDK's environment abstraction layer (EAL). Pure: no DPDK in it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/capture.h"

#define EAL_ARGUMENTS_MAX 64
#define EAL_TEXT_MAX 4096

struct eal_plan {
    const char *const *sources; /* all that are opened; those of other kinds are passed over */
    uint16_t source_count;
    const char *extra;      /* words of the user, or NULL */
    const char *prefix;     /* of what the EAL would call files */
    unsigned core;          /* the one core the EAL knows */
    uint64_t memory_octets; /* for packets, over all ports */
    uint64_t huge_octets;   /* free huge pages */
};

struct eal_arguments {
    int count;
    char *word[EAL_ARGUMENTS_MAX]; /* into text; a NULL behind the last */
    char text[EAL_TEXT_MAX];
    bool huge_pages; /* in use */
};

/*
 * Huge pages are used, without files, when enough are free, else ordinary memory: --in-memory and
 * --no-huge exclude each other, and the user's words decide when they hold one of them. Returns 0,
 * or -EINVAL with one line at error when words do not fit, or are not for weir.
 */
int eal_arguments_make(const struct eal_plan *, struct eal_arguments *,
                       char error[CAPTURE_ERROR_MAX]);

/* The device a source names ("net_tap0" of dpdk:net_tap0,iface=x; a PCI address with its domain),
 * which is the name of its port. */
void eal_device_name(const char *source, char *name, size_t size);

bool eal_is_pci(const char *source);

/* The value of a device argument such as iface, into value; false when it is not there. */
bool eal_device_argument(const char *source, const char *key, char *value, size_t size);

/* --- eal_reason.c --- */

/* The line of a log that says best why something failed: what the kernel said, else the first line
 * that is not a library's comment on its own work. Changes log; NULL when it has no line. */
char *eal_log_reason(char *log);

/* Under which a device could not be set up. */
struct eal_circumstances {
    const char *device;    /* net_af_xdp0 */
    const char *interface; /* of the kernel, that it stands on or makes; "" = none */
    bool interface_exists;
    uint32_t xdp_program; /* on it before the device came; 0 = none */
    uint64_t rights;      /* as rights_effective() */
};

/* Why, and how to mend it; said is what DPDK said itself. */
void eal_explain(const struct eal_circumstances *, const char *said, char text[CAPTURE_ERROR_MAX]);
