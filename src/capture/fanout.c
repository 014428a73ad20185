#include "capture/fanout.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "weir/wire.h"

#define VLAN_TAGS 3
#define MPLS_LABELS 4
#define ETHERNET_HEADER 14

enum { SLOT_TYPE, SLOT_HASH, SLOT_OFFSET, SLOT_FIRST };

/* X holds the offset of the header at hand, A its type, at the border between two blocks. */
struct writer {
    struct sock_filter *code;
    unsigned count;
    uint32_t base; /* what offsets count from: link layer or network layer */
};

static void put_jump(struct writer *w, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    assert(w->count < FANOUT_PROGRAM_MAX);
    w->code[w->count++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = k};
}

static void put(struct writer *w, uint16_t code, uint32_t k)
{
    put_jump(w, code, k, 0, 0);
}

static void put_load(struct writer *w, uint16_t size, uint32_t offset)
{
    put(w, BPF_LD | size | BPF_IND, w->base + offset);
}

/* 5 instructions; A stays. */
static void put_advance(struct writer *w, uint32_t octets)
{
    put(w, BPF_ST, SLOT_TYPE);
    put(w, BPF_MISC | BPF_TXA, 0);
    put(w, BPF_ALU | BPF_ADD | BPF_K, octets);
    put(w, BPF_MISC | BPF_TAX, 0);
    put(w, BPF_LD | BPF_MEM, SLOT_TYPE);
}

static void put_start(struct writer *w, bool ethernet)
{
    w->base = (uint32_t)(ethernet ? SKF_LL_OFF : SKF_NET_OFF);
    put(w, BPF_LDX | BPF_IMM, ethernet ? ETHERNET_HEADER : 0);
    if (ethernet)
        put(w, BPF_LD | BPF_H | BPF_ABS, w->base + ETHERNET_HEADER - 2);
    else
        put(w, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
}

static void put_vlan(struct writer *w)
{
    put_jump(w, BPF_JMP | BPF_JEQ, ETYPE_VLAN, 2, 0);
    put_jump(w, BPF_JMP | BPF_JEQ, ETYPE_QINQ, 1, 0);
    put_jump(w, BPF_JMP | BPF_JEQ, ETYPE_QINQ_9100, 0, 6);
    put_load(w, BPF_H, 2);
    put_advance(w, 4);
}

/* PPP's protocol numbers become EtherTypes (RFC 2516 §4, RFC 1661 §2). */
static void put_pppoe(struct writer *w)
{
    put_jump(w, BPF_JMP | BPF_JEQ, ETYPE_PPPOE_SESSION, 0, 10);
    put_load(w, BPF_H, 6);
    put_advance(w, 8);
    put_jump(w, BPF_JMP | BPF_JEQ, 0x0021, 0, 1);
    put(w, BPF_LD | BPF_IMM, ETYPE_IP4);
    put_jump(w, BPF_JMP | BPF_JEQ, 0x0057, 0, 1);
    put(w, BPF_LD | BPF_IMM, ETYPE_IP6);
}

/* A becomes the EtherType again at the bottom of the stack (RFC 3032 §2.1), by the version nibble
 * (RFC 4928). */
static void put_mpls_label(struct writer *w)
{
    put_jump(w, BPF_JMP | BPF_JEQ, ETYPE_MPLS, 0, 16);
    put_load(w, BPF_W, 0);
    put_advance(w, 4);
    put_jump(w, BPF_JMP | BPF_JSET, 0x100, 2, 0);
    put(w, BPF_LD | BPF_IMM, ETYPE_MPLS);
    put(w, BPF_JMP | BPF_JA, 7);
    put_load(w, BPF_B, 0);
    put(w, BPF_ALU | BPF_RSH | BPF_K, 4);
    put_jump(w, BPF_JMP | BPF_JEQ, 4, 0, 2);
    put(w, BPF_LD | BPF_IMM, ETYPE_IP4);
    put(w, BPF_JMP | BPF_JA, 2);
    put_jump(w, BPF_JMP | BPF_JEQ, 6, 0, 1);
    put(w, BPF_LD | BPF_IMM, ETYPE_IP6);
}

/* Hashes the words of one address into A; X is kept aside. */
static void put_address(struct writer *w, uint32_t offset, unsigned words)
{
    put(w, BPF_LD | BPF_IMM, 0);
    put(w, BPF_ST, SLOT_HASH);
    for (unsigned i = 0; i < words; i++) {
        put(w, BPF_LDX | BPF_MEM, SLOT_OFFSET);
        put_load(w, BPF_W, offset + 4 * i);
        put(w, BPF_LDX | BPF_MEM, SLOT_HASH);
        put(w, BPF_ALU | BPF_XOR | BPF_X, 0);
        put(w, BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1);
        put(w, BPF_ST, SLOT_HASH);
    }
    put(w, BPF_ALU | BPF_RSH | BPF_K, 15);
    put(w, BPF_LDX | BPF_MEM, SLOT_HASH);
    put(w, BPF_ALU | BPF_XOR | BPF_X, 0);
}

/* The sum of both addresses' hashes, equal in both directions. The sum of the addresses themselves,
 * or what they differ in, would be the same for many pairs of two networks. */
static void put_pair(struct writer *w, uint32_t offset, unsigned words)
{
    put(w, BPF_STX, SLOT_OFFSET);
    put_address(w, offset, words);
    put(w, BPF_ST, SLOT_FIRST);
    put_address(w, offset + 4 * words, words);
    put(w, BPF_LDX | BPF_MEM, SLOT_FIRST);
    put(w, BPF_ALU | BPF_ADD | BPF_X, 0);
}

/* The kernel takes the remainder, so that all bits must matter in the low ones. */
static void put_return_mixed(struct writer *w)
{
    put(w, BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1);
    put(w, BPF_ST, SLOT_HASH);
    put(w, BPF_ALU | BPF_RSH | BPF_K, 15);
    put(w, BPF_LDX | BPF_MEM, SLOT_HASH);
    put(w, BPF_ALU | BPF_XOR | BPF_X, 0);
    put(w, BPF_ALU | BPF_MUL | BPF_K, 0x85ebca6b);
    put(w, BPF_ALU | BPF_RSH | BPF_K, 8);
    put(w, BPF_RET | BPF_A, 0);
}

static void put_ip(struct writer *w, uint32_t type, uint32_t offset, unsigned words)
{
    unsigned start = w->count;

    put_jump(w, BPF_JMP | BPF_JEQ, type, 0, 0);
    put_pair(w, offset, words);
    put_return_mixed(w);
    w->code[start].jf = (uint8_t)(w->count - start - 1);
}

unsigned fanout_program(struct sock_filter *program, bool ethernet)
{
    struct writer w = {.code = program};

    put_start(&w, ethernet);
    for (unsigned i = 0; i < VLAN_TAGS; i++)
        put_vlan(&w);
    put_pppoe(&w);
    for (unsigned i = 0; i < MPLS_LABELS; i++)
        put_mpls_label(&w);
    put_ip(&w, ETYPE_IP4, 12, 1);
    put_ip(&w, ETYPE_IP6, 8, 4);
    put(&w, BPF_RET | BPF_K, 0);
    return w.count;
}

static int program_set(int fd, bool ethernet)
{
    struct sock_filter code[FANOUT_PROGRAM_MAX];
    struct sock_fprog program = {.filter = code};

    program.len = (unsigned short)fanout_program(code, ethernet);
    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program)) == 0 ? 0
                                                                                          : -errno;
}

static int group_create(int fd, enum capture_spread spread, bool ethernet, int *group)
{
    uint32_t type = spread == SPREAD_L4 ? PACKET_FANOUT_HASH : PACKET_FANOUT_CBPF;
    uint32_t value = (type | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    socklen_t length = sizeof(value);

    if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof(value)) != 0 ||
        getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &length) != 0)
        return -errno;
    *group = value & 0xffff;
    return type == PACKET_FANOUT_CBPF ? program_set(fd, ethernet) : 0;
}

int fanout_join(int fd, enum capture_spread spread, bool ethernet, int *group)
{
    uint32_t type = spread == SPREAD_L4 ? PACKET_FANOUT_HASH : PACKET_FANOUT_CBPF;
    uint32_t value = type << 16 | (uint32_t)*group;

    if (*group < 0)
        return group_create(fd, spread, ethernet, group);
    return setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, sizeof(value)) == 0 ? 0 : -errno;
}
