#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "decode/cursor.h"
#include "decode/l2.h"
#include "harness/packets.h"
#include "weir/wire.h"

static struct l2 l2;

/* Peels; returns the layer, and how many octets stood before it in *at. */
static enum l2_layer peel(const struct frame *f, uint32_t *at)
{
    struct cursor c = cursor_init(frame_data(f), frame_len(f), frame_len(f));

    l2 = (struct l2){0};
    enum l2_layer layer = l2_peel(&l2, l2_start(&l2, f->link, &c), &c);
    *at = (uint32_t)(c.at - frame_data(f));
    return layer;
}

static enum weir_fate fate_of(const struct frame *f)
{
    uint32_t at;
    assert_int_equal(peel(f, &at), L2_DROP);
    return l2.fate;
}

static void start_ip4(struct frame *f)
{
    frame_init(f, 32);
    frame_tcp(f, 1, 2, 0, 0);
    frame_ip4(f, 0, 0);
}

/* An Ethernet frame whose payload is these octets. */
static void ethernet_of(struct frame *f, uint16_t type, const void *payload, uint32_t len)
{
    frame_init(f, 0);
    memcpy(frame_push(f, len), payload, len);
    f->etype = type;
    frame_ethernet(f);
}

static void ids_of_the_two_outermost_tags_are_kept(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;

    start_ip4(&f);
    frame_vlan(&f, ETYPE_VLAN, 30);
    frame_vlan(&f, ETYPE_VLAN, 20);
    frame_vlan(&f, ETYPE_QINQ, 10);
    frame_ethernet(&f);
    assert_int_equal(peel(&f, &at), L2_IP4);
    assert_int_equal(at, ETHERNET_LEN + 3 * VLAN_LEN);
    assert_int_equal(l2.vlan_kept, 2);
    assert_int_equal(l2.vlan[0], 10);
    assert_int_equal(l2.vlan[1], 20);
    assert_int_equal(l2.vlan_tags, 3);
    assert_ptr_equal(l2.macs, frame_data(&f));
}

static void a_fifth_tag_is_too_many(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;

    start_ip4(&f);
    for (int i = 0; i < 4; i++)
        frame_vlan(&f, ETYPE_VLAN, 0);
    struct frame five = f;
    frame_ethernet(&f);
    assert_int_equal(peel(&f, &at), L2_IP4);
    assert_int_equal(l2.vlan_kept, 2); /* priority tags are tags */
    frame_vlan(&five, ETYPE_VLAN, 0);
    frame_ethernet(&five);
    assert_int_equal(fate_of(&five), FATE_BAD_VLAN_DEPTH);
}

static void an_eleventh_label_is_too_many(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;

    start_ip4(&f);
    for (uint32_t i = 1; i <= 10; i++)
        frame_mpls(&f, i);
    struct frame eleven = f;
    frame_ethernet(&f);
    assert_int_equal(peel(&f, &at), L2_IP4);
    assert_int_equal(l2.labels, 10);
    assert_int_equal(l2.mpls_top, 10u << 12 | 64);
    frame_mpls(&eleven, 11);
    frame_ethernet(&eleven);
    assert_int_equal(fate_of(&eleven), FATE_BAD_MPLS_DEPTH);
}

static void tags_and_addresses_behind_a_pseudowire_are_not_the_frames(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;

    start_ip4(&f);
    frame_vlan(&f, ETYPE_VLAN, 99);
    frame_ethernet(&f);
    frame_control_word(&f);
    frame_mpls(&f, 16);
    frame_vlan(&f, ETYPE_VLAN, 5);
    frame_ethernet(&f);
    assert_int_equal(peel(&f, &at), L2_IP4);
    assert_int_equal(l2.vlan_kept, 1);
    assert_int_equal(l2.vlan[0], 5);
    assert_int_equal(l2.vlan_tags, 2);
    assert_ptr_equal(l2.macs, frame_data(&f));
}

static void mpls_payload_is_not_guessed(void **state)
{
    (void)state;
    struct frame f;

    start_ip4(&f);
    frame_ethernet(&f); /* destination 02:...: first nibble 0, but no control word */
    frame_mpls(&f, 16);
    frame_ethernet(&f);
    assert_int_equal(fate_of(&f), FATE_NOT_IP_MPLS);
}

static void llc_is_ip_only_by_snap_or_its_own_access_point(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;
    static const uint8_t stp[] = {0x42, 0x42, 0x03, 0, 0, 0, 0, 0, 0};
    static const uint8_t cdp[] = {0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00, 1};
    static const uint8_t arp[] = {0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x06, 0};
    static const uint8_t twice[] = {0xaa, 0xaa, 0x03, 0, 0, 0, 0, 9,
                                    0xaa, 0xaa, 0x03, 0, 0, 0, 8, 0};
    static const uint8_t ip[] = {0x06, 0x06, 0x03, 0x45};

    ethernet_of(&f, sizeof(stp), stp, sizeof(stp));
    assert_int_equal(fate_of(&f), FATE_NOT_IP_LLC);
    ethernet_of(&f, sizeof(cdp), cdp, sizeof(cdp));
    assert_int_equal(fate_of(&f), FATE_NOT_IP_LLC);
    ethernet_of(&f, sizeof(arp), arp, sizeof(arp));
    assert_int_equal(fate_of(&f), FATE_NOT_IP_ARP);
    ethernet_of(&f, sizeof(twice), twice, sizeof(twice));
    assert_int_equal(fate_of(&f), FATE_NOT_IP_LLC);
    ethernet_of(&f, sizeof(ip), ip, sizeof(ip));
    assert_int_equal(peel(&f, &at), L2_IP4);
    assert_int_equal(at, ETHERNET_LEN + LLC_LEN);
    ethernet_of(&f, 1535, stp, sizeof(stp));
    assert_int_equal(fate_of(&f), FATE_NOT_IP_LLC);
}

static void other_ethertypes_have_their_fates(void **state)
{
    (void)state;
    struct frame f;
    static const uint8_t zeros[46];
    static const struct {
        uint16_t type;
        enum weir_fate fate;
    } cases[] = {
        {ETYPE_ARP, FATE_NOT_IP_ARP},
        {ETYPE_RARP, FATE_NOT_IP_ARP},
        {0x88cc, FATE_NOT_IP_ETHERTYPE},
        {ETYPE_PPPOE_DISCOVERY, FATE_NOT_IP_PPP},
        {ETYPE_TEB, FATE_NOT_IP_ETHERTYPE},
        {ETYPE_PPPOE_SESSION, FATE_NOT_IP_PPP},
        {ETYPE_ERSPAN_II, FATE_NOT_IP_ETHERTYPE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ethernet_of(&f, cases[i].type, zeros, sizeof(zeros));
        assert_int_equal(fate_of(&f), cases[i].fate);
    }
}

static void ppp_control_is_not_ip(void **state)
{
    (void)state;
    struct frame f;
    static const uint8_t lcp[] = {0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4};

    frame_init(&f, 0);
    memcpy(frame_push(&f, sizeof(lcp)), lcp, sizeof(lcp));
    f.link = LINK_PPP;
    assert_int_equal(fate_of(&f), FATE_NOT_IP_PPP);
    f.etype = ETYPE_PPPOE_SESSION;
    frame_pppoe(&f);
    frame_ethernet(&f);
    assert_int_equal(fate_of(&f), FATE_NOT_IP_PPP);
}

/* RFC 1547 links: keep-alives and discovery share the header. */
static void hdlc_control_is_not_ip(void **state)
{
    (void)state;
    struct frame f;
    static const uint16_t types[] = {0x8035, 0x2000, 0x0004};

    for (int i = 0; i < 3; i++) {
        start_ip4(&f);
        f.etype = types[i];
        frame_chdlc(&f);
        assert_int_equal(fate_of(&f), FATE_NOT_IP_ETHERTYPE);
    }
}

/* A PPP link may carry Cisco framing: the first octet tells. */
static void cisco_framing_on_a_ppp_link(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;

    start_ip4(&f);
    frame_chdlc(&f);
    frame_raw(&f, LINK_PPP);
    assert_int_equal(peel(&f, &at), L2_IP4);
    assert_int_equal(at, CHDLC_LEN);
}

static void loopback_families_of_every_system(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;
    static const uint8_t ip6_families[] = {10, 23, 24, 28, 30};

    for (size_t i = 0; i < sizeof(ip6_families); i++) {
        for (int big = 0; big < 2; big++) {
            frame_init(&f, 40);
            frame_push(&f, NULL_LEN)[big ? 3 : 0] = ip6_families[i];
            frame_raw(&f, LINK_NULL);
            assert_int_equal(peel(&f, &at), L2_IP6);
            assert_int_equal(at, NULL_LEN);
        }
    }
    frame_init(&f, 40);
    frame_push(&f, NULL_LEN)[0] = 7;
    frame_raw(&f, LINK_LOOP);
    assert_int_equal(fate_of(&f), FATE_NOT_IP_ETHERTYPE);
}

static void cooked_frames_may_hold_llc(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;

    start_ip4(&f);
    frame_snap(&f);
    f.etype = 4;
    frame_sll(&f);
    assert_int_equal(peel(&f, &at), L2_IP4);
    assert_int_equal(at, SLL_LEN + LLC_SNAP_LEN);
    start_ip4(&f);
    f.etype = 0x000c; /* CAN */
    frame_sll2(&f);
    assert_int_equal(fate_of(&f), FATE_NOT_IP_ETHERTYPE);
}

static void raw_goes_by_the_version_and_unknown_links_are_named(void **state)
{
    (void)state;
    struct frame f;
    uint32_t at;

    start_ip4(&f);
    frame_raw(&f, LINK_RAW);
    assert_int_equal(peel(&f, &at), L2_IP4);
    assert_null(l2.macs);
    f.octets[f.at] = 0x55;
    assert_int_equal(fate_of(&f), FATE_BAD_IP_VERSION);
    frame_raw(&f, LINK_UNSUPPORTED);
    assert_int_equal(fate_of(&f), FATE_NOT_IP_LINK);
    frame_raw(&f, 200);
    assert_int_equal(fate_of(&f), FATE_NOT_IP_LINK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_the_two_outermost_tags_are_kept),
        cmocka_unit_test(a_fifth_tag_is_too_many),
        cmocka_unit_test(an_eleventh_label_is_too_many),
        cmocka_unit_test(tags_and_addresses_behind_a_pseudowire_are_not_the_frames),
        cmocka_unit_test(mpls_payload_is_not_guessed),
        cmocka_unit_test(llc_is_ip_only_by_snap_or_its_own_access_point),
        cmocka_unit_test(other_ethertypes_have_their_fates),
        cmocka_unit_test(ppp_control_is_not_ip),
        cmocka_unit_test(hdlc_control_is_not_ip),
        cmocka_unit_test(cisco_framing_on_a_ppp_link),
        cmocka_unit_test(loopback_families_of_every_system),
        cmocka_unit_test(cooked_frames_may_hold_llc),
        cmocka_unit_test(raw_goes_by_the_version_and_unknown_links_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
