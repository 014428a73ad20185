/*
 * Copies of an interface by libpcap, inside the capture stage.
 *
 *   live.c         a port: its interface, opening, counters, closing
 *   live_open.c    a queue's packet socket: made, bound, one of a group
 *   live_filter.c  what a queue leaves out, in the kernel or here
 *   live_queue.c   what a worker receives from
 */
#pragma once

#include <pcap/pcap.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "capture/filter.h"
#include "capture/interface.h"
#include "capture/port.h"

#define LIVE_SNAP_LENGTH 2048 /* holds any chain of headers that decode follows */

struct live_port;
struct live_program;

struct live_queue {
    struct capture base;
    struct live_port *owner;
    pcap_t *pcap;
    int fd;
    struct burst *burst; /* being filled */
    uint8_t *arena;      /* its frames: the kernel's block may be given back within a call */
    const struct bpf_program *filter; /* of the burst, where the port leaves out here */
    enum capture_status status;
    char error[CAPTURE_ERROR_MAX];
    /* written by the worker */
    _Atomic uint64_t handed, filtered, filtered_octets;
    /* written by who reads the kernel's counters, which go back to 0 by that */
    _Atomic uint64_t received, missed;
} __attribute__((aligned(MEMORY_LINE)));

struct live_port {
    struct port base;
    const struct port_options *options;  /* while opening */
    const struct capture_filter *filter; /* -F */
    char *source;
    const char *device;
    uint16_t index;
    uint8_t link;
    bool promiscuous;
    struct interface interface; /* of a device other than any */
    struct interface_state first;
    struct port_stats last;
    char about[CAPTURE_ERROR_MAX];
    struct live_program *in_force, *next; /* in the kernel */
    /* Cooked frames have no header in the kernel that a filter could read: they are left out here.
     */
    struct filter_slot leaves;
    uint16_t queue_count;
    struct live_queue queue[];
};

/* All interfaces at once. */
static inline bool live_is_any(const struct live_port *port)
{
    return strcmp(port->device, "any") == 0;
}

extern const struct capture_ops live_queue_ops;

/* Of each queue's ring. */
int live_ring_octets(const struct live_port *);

/* The functions below return 0, or -errno and one line at error. */

/* Opens a queue that lets nothing in yet; *group as fanout_join() has it. */
int live_queue_open(struct live_queue *, int *group, char error[CAPTURE_ERROR_MAX]);
void live_queue_fini(struct live_queue *);

/* What passes -F and capture.ignore is to come in, and comes in from commit() on: see port.h. */
int live_filter_prepare(struct live_port *, const struct capture_config *,
                        char error[CAPTURE_ERROR_MAX]);
int live_filter_commit(struct live_port *, char error[CAPTURE_ERROR_MAX]);
void live_filter_fini(struct live_port *);
/* From here on nothing comes in. */
int live_filter_nothing(struct live_queue *, char error[CAPTURE_ERROR_MAX]);
