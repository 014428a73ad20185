/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Makes one packet of the traffic of blast.c per run, and sends it out of an interface when its
 * time has come. It runs on many frames per call (BPF_F_TEST_XDP_LIVE_FRAMES); each frame comes
 * with the headers of an earlier packet, of which it keeps what does not change.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "blast.h"

const volatile struct blast_plan plan;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, BLAST_THREADS_MAX);
    __type(key, __u32);
    __type(value, struct blast_state);
} states SEC(".maps");

static __always_inline void ends_write(struct blast_frame4 *f, __u32 client_number, __u32 back)
{
    __be32 client = bpf_htonl(BLAST_CLIENT4 + client_number), server = bpf_htonl(BLAST_SERVER4);
    __be16 client_port = bpf_htons(1024 + client_number % 50000),
           server_port = bpf_htons(BLAST_PORT);

    f->source = back ? server : client;
    f->destination = back ? client : server;
    f->source_port = back ? server_port : client_port;
    f->destination_port = back ? client_port : server_port;
}

/* RFC 1071 over the header as it is now. */
static __always_inline void checksum_write(struct blast_frame4 *f)
{
    __u16 *word = (__u16 *)&f->version_length;
    __u32 sum = 0;

    f->checksum = 0;
    for (int i = 0; i < 10; i++)
        sum += word[i];
    sum = (sum & 0xffff) + (sum >> 16);
    f->checksum = (__u16) ~(sum + (sum >> 16));
}

static __always_inline int packet4(void *data, void *end, __u64 number, __u32 client_number,
                                   __u32 back)
{
    struct blast_frame4 *f = data;

    if ((void *)(f + 1) > end)
        return -1;
    f->id = bpf_htons((__u16)number);
    ends_write(f, client_number, back);
    checksum_write(f);
    return 0;
}

static __always_inline int packet6(void *data, void *end, __u32 client_number, __u32 back)
{
    struct blast_frame6 *f = data;
    __be32 client = bpf_htonl(BLAST_CLIENT4 + client_number), server = bpf_htonl(BLAST_SERVER4);
    __be16 client_port = bpf_htons(1024 + client_number % 50000),
           server_port = bpf_htons(BLAST_PORT);

    if ((void *)(f + 1) > end)
        return -1;
    f->source[3] = back ? server : client;
    f->destination[3] = back ? client : server;
    f->source_port = back ? server_port : client_port;
    f->destination_port = back ? client_port : server_port;
    return 0;
}

/* Whether it is time for the next packet. */
static __always_inline int is_due(struct blast_state *s)
{
    __u64 now = bpf_ktime_get_ns();

    if (now < s->next_ns)
        return 0;
    s->next_ns = (now - s->next_ns > BLAST_CATCH_UP_NS ? now : s->next_ns) + plan.gap_ns;
    return 1;
}

/* Which client's packet this one is, and whether an answer to it. */
static __always_inline __u32 client_of(__u64 number, __u32 thread, __u32 *back)
{
    __u64 newcomers = number * plan.new_percent / 100;

    *back = 0;
    if ((number + 1) * plan.new_percent / 100 > newcomers)
        return BLAST_NEWCOMERS + (thread << 24) + ((plan.new_first + (__u32)newcomers) & 0xffffff);
    number -= newcomers;
    *back = plan.both_ways ? number & 1 : 0;
    return thread * BLAST_FLOWS_MAX + (__u32)((plan.both_ways ? number / 2 : number) % plan.flows);
}

SEC("xdp")
int blast(struct xdp_md *frame)
{
    void *data = (void *)(long)frame->data, *end = (void *)(long)frame->data_end;
    __u32 thread = bpf_get_smp_processor_id();
    struct blast_state *s = bpf_map_lookup_elem(&states, &thread);

    if (!s || s->made >= s->limit || (plan.gap_ns && !is_due(s)))
        return XDP_DROP;
    __u64 number = s->made;
    __u32 back, client = client_of(number, thread, &back);
    int status =
        plan.ip6 ? packet6(data, end, client, back) : packet4(data, end, number, client, back);
    if (status != 0)
        return XDP_ABORTED;
    s->made++;
    return (int)bpf_redirect(plan.interface, 0);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
