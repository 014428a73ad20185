/*
 * The XDP program of a port (bpf/xdp_redirect.bpf.c): loaded with the settings of the
 * configuration, attached by a bpf_link, so that the kernel takes it away when the process ends in
 * whatever way. Counters, control and what is ignored are mapped: they need no rights and no system
 * call once the program is loaded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/xdp_ignored.h"
#include "weir/config.h"
#include "weir/xdp_shared.h"

struct xdp_plan;
struct xdp_redirect;

struct xdp_program {
    struct xdp_redirect *skeleton;
    int link;
    uint32_t processors;
    uint32_t prepared; /* what control->ignoring is to become */
    struct xdp_control *control;
    struct xdp_ignored ignored;    /* one set is in force, the other is written */
    struct xdp_counters *counters; /* one per processor */
};

/* key: of the hash that spreads. 0 or -errno; then xdp_program_close() takes what is half open. */
int xdp_program_load(struct xdp_program *, const struct xdp_plan *, const struct capture_config *,
                     const uint64_t key[2]);
int xdp_program_set_socket(struct xdp_program *, uint32_t socket, int fd);
int xdp_program_attach(struct xdp_program *, uint32_t interface, bool generic);
void xdp_program_close(struct xdp_program *);

/* Frames are steered from now on; or go on to the operating system again. */
void xdp_program_run(struct xdp_program *, bool running);

/* Returns when every frame that the program had begun with lies where it was steered to. */
void xdp_program_settle(void);

/* Another capture.ignore_*: made ready beside the one in force, which frames see until it is put in
 * force by one store, so that each is judged by the one or the other. */
void xdp_program_prepare(struct xdp_program *, const struct capture_config *);
void xdp_program_commit(struct xdp_program *);

/* Sums over the processors. */
uint64_t xdp_program_steered(const struct xdp_program *, uint32_t socket);
void xdp_program_totals(const struct xdp_program *, struct xdp_counters *); /* without steered */
