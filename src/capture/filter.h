/*
 * A BPF filter expression (pcap-filter(7)) that several captures share.
 */
#pragma once

#include "weir/capture.h"

struct bpf_program;
struct pcap;
struct capture_filter;

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

struct capture_config;

/*
 * The filter that also leaves out capture.ignore; filter may be NULL. Returns 0, with *out NULL
 * when nothing is to be left out, else a filter for capture_filter_destroy(); or -ENOMEM, or
 * -EINVAL with one line at error.
 */
int capture_filter_with_ignored(const struct capture_filter *filter,
                                const struct capture_config *config, struct capture_filter **out,
                                char error[CAPTURE_ERROR_MAX]);
