/*
 * A BPF filter expression (pcap-filter(7)) that several captures share.
 */
#pragma once

#include <stdatomic.h>

#include "weir/capture.h"

struct bpf_program;
struct capture_config;
struct capture_filter;
struct pcap;

/* Checks that some supported link type accepts the expression. Returns 0 and a filter for
 * capture_filter_destroy(), -EINVAL with one line at error, or -ENOMEM. */
int capture_filter_create(const char *expression, struct capture_filter **out,
                          char error[CAPTURE_ERROR_MAX]);
void capture_filter_destroy(struct capture_filter *filter);

/* Compiles for the link type and byte order of an open capture. Returns 0 and a program for
 * pcap_freecode(), or -EINVAL with one line at error: an expression such as "vlan" is right for one
 * link type and impossible on another. */
int capture_filter_compile(const struct capture_filter *filter, struct pcap *pcap,
                           struct bpf_program *program, char error[CAPTURE_ERROR_MAX]);

/*
 * The filter that also leaves out capture.ignore; filter may be NULL. Returns 0, with *out NULL
 * when nothing is to be left out, else a filter for capture_filter_destroy(); or -ENOMEM, or
 * -EINVAL with one line at error.
 */
int capture_filter_with_ignored(const struct capture_filter *filter,
                                const struct capture_config *config, struct capture_filter **out,
                                char error[CAPTURE_ERROR_MAX]);

/*
 * What the workers of a port leave out, exchanged by the control thread while they receive. A
 * worker asks once per burst. Begins as zeroes: everything passes.
 */
struct filter_slot {
    _Atomic(struct bpf_program *) current; /* NULL: everything passes */
    struct bpf_program *next, *last;
};

/*
 * Compiles filter (or NULL) and capture.ignore for a link type; nothing changes before
 * filter_slot_commit(). Releases what was in force before the last commit: since then each worker
 * must have begun a burst. 0, or -errno and one line at error.
 */
int filter_slot_prepare(struct filter_slot *, const struct capture_filter *filter,
                        const struct capture_config *, int dlt, char error[CAPTURE_ERROR_MAX]);
void filter_slot_commit(struct filter_slot *);
void filter_slot_fini(struct filter_slot *);

/* For bpf_filter(); NULL: everything passes. Valid for one burst. */
static inline const struct bpf_program *filter_slot_get(const struct filter_slot *slot)
{
    return atomic_load_explicit(&slot->current, memory_order_acquire);
}
