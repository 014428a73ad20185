/*
 * Every kind of packet, cut at every length, as a snap length cuts it and as a short wire would.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "decode/decode.h"
#include "harness/kinds.h"
#include "harness/promises.h"

static const struct decode_options all_tunnels = {.tunnels = UINT32_MAX};

#define CHECK(kind, len, condition)                                                                \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s cut to %u of %u: %s", (kind)->name, len, frame_len(&(kind)->frame),       \
                     #condition);                                                                  \
    } while (0)

static struct packet decode_cut(const struct packet_kind *kind, uint32_t cap_len, uint32_t wire_len,
                                struct counters *counters)
{
    struct burst burst = {.count = 1};
    struct packet *p = &burst.packet[0];

    *p = frame_packet(&kind->frame, cap_len, wire_len);
    packet_soil(p, 0xa5);
    decode_burst(&all_tunnels, &burst, counters);
    const char *broken = promise_broken(p);
    if (broken)
        fail_msg("%s cut to %u of %u: %s", kind->name, cap_len, wire_len, broken);
    free((void *)p->data);
    return *p;
}

static void check_whole(const struct packet_kind *k)
{
    struct counters counters = {0};
    uint32_t len = frame_len(&k->frame);
    struct packet p = decode_cut(k, len, len, &counters);

    CHECK(k, len, p.fate == FATE_FLOW);
    CHECK(k, len, p.ip_version == k->ip_version);
    CHECK(k, len, p.proto == k->proto);
    CHECK(k, len, p.ttl == 63);
    CHECK(k, len, p.tos == 0x2e);
    CHECK(k, len, (p.flags & ~PACKET_PLAIN) == k->flags);
    CHECK(k, len, p.src_port == k->src_port && p.dst_port == k->dst_port);
    CHECK(k, len, p.octets == k->octets);
    CHECK(k, len, p.payload == k->payload);
    CHECK(k, len, p.vlan_count == k->vlan_count && p.vlan[0] == k->vlan);
    CHECK(k, len, p.tunnel == k->tunnel && p.tunnel_id == k->tunnel_id);
    CHECK(k, len, p.tunnel_depth == k->tunnel_depth);
    for (int i = 0; i < NOTE_COUNT; i++)
        CHECK(k, len, counters.note[i] == 0);
}

/* The fields of a packet of which only the first octets were captured. */
static void check_snapped(const struct packet_kind *k, uint32_t len)
{
    struct counters counters = {0};
    struct packet p = decode_cut(k, len, frame_len(&k->frame), &counters);

    if (len < k->outer_at + k->outer_header) {
        CHECK(k, len,
              p.fate == FATE_BAD_LINK_SHORT || p.fate == FATE_BAD_IP4_SHORT ||
                  p.fate == FATE_BAD_IP6_SHORT);
        return;
    }
    CHECK(k, len, p.fate == FATE_FLOW);
    CHECK(k, len, !(p.flags & PACKET_LENGTH_LIES));
    CHECK(k, len, counters.note[NOTE_TRUNCATED] == !!(p.flags & PACKET_TRUNCATED));
    if (len < k->ip_at + k->ip_header) {
        CHECK(k, len, p.tunnel_depth < k->tunnel_depth);
        CHECK(k, len, p.tunnel_depth > 0 || p.octets == k->outer_octets);
        return;
    }
    CHECK(k, len, p.tunnel == k->tunnel && p.tunnel_depth == k->tunnel_depth);
    CHECK(k, len, p.ip_version == k->ip_version);
    CHECK(k, len, p.octets == k->octets);
    if (p.flags & PACKET_HAS_PORTS) {
        CHECK(k, len, p.src_port == k->src_port && p.dst_port == k->dst_port);
        CHECK(k, len, p.proto == k->proto);
    } else if (k->flags & PACKET_HAS_PORTS) {
        CHECK(k, len, p.flags & PACKET_TRUNCATED);
    }
}

static void check_short_on_the_wire(const struct packet_kind *k, uint32_t len)
{
    struct counters counters = {0};
    struct packet p = decode_cut(k, len, len, &counters);

    if (p.fate != FATE_FLOW)
        return;
    CHECK(k, len, p.octets <= len - k->outer_at);
    CHECK(k, len, !(p.flags & PACKET_TRUNCATED));
    if (k->length_unsaid)
        return;
    CHECK(k, len, p.flags & PACKET_LENGTH_LIES);
    CHECK(k, len, counters.note[NOTE_LENGTH_LIES] == 1);
}

static void whole_packets_are_what_they_were_built_as(void **state)
{
    (void)state;
    struct packet_kind kind;

    assert_true(packet_kind_count() >= 200);
    for (uint32_t i = 0; i < packet_kind_count(); i++) {
        packet_kind_build(i, &kind);
        check_whole(&kind);
    }
}

static void snapped_at_every_length(void **state)
{
    (void)state;
    struct packet_kind kind;

    for (uint32_t i = 0; i < packet_kind_count(); i++) {
        packet_kind_build(i, &kind);
        for (uint32_t len = 0; len < frame_len(&kind.frame); len++)
            check_snapped(&kind, len);
    }
}

static void short_on_the_wire_at_every_length(void **state)
{
    (void)state;
    struct packet_kind kind;

    for (uint32_t i = 0; i < packet_kind_count(); i++) {
        packet_kind_build(i, &kind);
        for (uint32_t len = 0; len < frame_len(&kind.frame); len++)
            check_short_on_the_wire(&kind, len);
    }
}

/* A capture may claim a wire length below what it holds: nothing behind that is the packet. */
static void wire_length_below_the_captured(void **state)
{
    (void)state;
    struct packet_kind kind;

    for (uint32_t i = 0; i < packet_kind_count(); i += 7) {
        packet_kind_build(i, &kind);
        uint32_t whole = frame_len(&kind.frame);
        for (uint32_t wire = 0; wire < whole; wire++) {
            struct counters counters = {0};
            struct packet p = decode_cut(&kind, whole, wire, &counters);
            struct packet q = decode_cut(&kind, wire, wire, &counters);
            assert_int_equal(p.fate, q.fate);
            assert_int_equal(p.octets, q.octets);
            assert_int_equal(p.flags, q.flags);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_packets_are_what_they_were_built_as),
        cmocka_unit_test(snapped_at_every_length),
        cmocka_unit_test(short_on_the_wire_at_every_length),
        cmocka_unit_test(wire_length_below_the_captured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
