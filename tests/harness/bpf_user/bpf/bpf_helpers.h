/*
 * Stands in for libbpf's header where a BPF program is built as a part of a test (steer.c).
 */
#pragma once

#include <linux/types.h>

#define SEC(name)
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value) *name
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#undef __noinline
#define __noinline __attribute__((noinline))

struct xdp_md;

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_redirect_map(void *map, __u64 key, __u64 flags);
__u32 bpf_get_smp_processor_id(void);
__u64 bpf_xdp_get_buff_len(struct xdp_md *frame);
long bpf_xdp_load_bytes(struct xdp_md *frame, __u32 offset, void *to, __u32 len);
long bpf_loop(__u32 rounds, long (*step)(__u32, void *), void *context, __u64 flags);
