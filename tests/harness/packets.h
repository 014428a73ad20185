/*
 * Builds frames from the inside out: payload first, then every header in front of what is there.
 * Each header takes its length and its next-protocol fields from what it is put before, so that any
 * composition is a consistent packet.
 *
 *     struct frame f;
 *     frame_init(&f, 32);
 *     frame_tcp(&f, 40000, 443, TCP_SYN, 0);
 *     frame_ip4(&f, 0, 0);
 *     frame_ethernet(&f);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct packet;

#define FRAME_MAX 1024

struct frame {
    uint8_t octets[FRAME_MAX]; /* the frame fills the end of it */
    uint32_t at;
    uint16_t etype; /* EtherType of the header in front */
    uint8_t proto;  /* its protocol number, where IP may carry it */
    uint8_t link;   /* enum link_type */
};

const uint8_t *frame_data(const struct frame *f);
uint32_t frame_len(const struct frame *f);

/* Starts with a payload of that many octets. */
void frame_init(struct frame *f, uint32_t payload_len);

/* Puts len zero octets in front and returns them. */
uint8_t *frame_push(struct frame *f, uint32_t len);

/* Layer 4 */
void frame_tcp(struct frame *f, uint16_t src, uint16_t dst, uint8_t flags, uint32_t option_words);
void frame_udp(struct frame *f, uint16_t src, uint16_t dst);
void frame_udplite(struct frame *f, uint16_t src, uint16_t dst);
void frame_sctp(struct frame *f, uint16_t src, uint16_t dst);
void frame_dccp(struct frame *f, uint16_t src, uint16_t dst, uint8_t words);
void frame_icmp(struct frame *f, uint8_t proto, uint8_t type, uint8_t code);

/* IP: 192.0.2.10 > 198.51.100.20, 2001:db8::a > 2001:db8::14. `fragment` is the field of flags and
 * offset as in the header. */
void frame_ip4(struct frame *f, uint16_t fragment, uint32_t option_words);
void frame_ip6(struct frame *f);
void frame_ip6_extension(struct frame *f, uint8_t kind,
                         uint32_t len); /* a multiple of 8 (AH: of 4) */
void frame_ip6_jumbo(struct frame *f);  /* a hop-by-hop header with a jumbo length */
void frame_ip6_fragment(struct frame *f, uint16_t fragment);

/* Link. The lowest one also sets the frame's link type. */
void frame_ethernet(struct frame *f);
void frame_vlan(struct frame *f, uint16_t tpid, uint16_t id);
void frame_snap(struct frame *f); /* IEEE 802.3 length, LLC, SNAP */
void frame_mpls(struct frame *f, uint32_t label);
void frame_control_word(struct frame *f);
void frame_ppp(struct frame *f, bool framing, bool compressed);
void frame_pppoe(struct frame *f);
void frame_null(struct frame *f, uint8_t link, bool big_endian);
void frame_raw(struct frame *f, uint8_t link);
void frame_sll(struct frame *f);
void frame_sll2(struct frame *f);
void frame_chdlc(struct frame *f);

/* Tunnels */
void frame_gre(struct frame *f, uint16_t flags,
               uint32_t key); /* flags: C 0x8000, K 0x2000, S 0x1000 */
void frame_pptp(struct frame *f, uint16_t call);
void frame_erspan_ii(struct frame *f, uint16_t session);
void frame_erspan_iii(struct frame *f, uint16_t session, bool platform);
void frame_vxlan(struct frame *f, uint32_t vni, bool group_policy);
void frame_geneve(struct frame *f, uint32_t vni, uint8_t option_words);
void frame_gtpu(struct frame *f, uint32_t teid, unsigned extensions);

/* A packet as capture hands it on, its data in a heap block of exactly cap_len octets, so that a
 * sanitizer sees any octet read beyond. free() packet.data. */
struct packet frame_packet(const struct frame *f, uint32_t cap_len, uint32_t wire_len);
