#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <rte_ethdev.h>

#include "capture/rss.h"

#define TCP_UDP_4 (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP)
#define TCP_UDP_6 (RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)
#define SCTP_BOTH (RTE_ETH_RSS_NONFRAG_IPV4_SCTP | RTE_ETH_RSS_NONFRAG_IPV6_SCTP)
#define FRAG_OTHER                                                                                 \
    (RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER | RTE_ETH_RSS_FRAG_IPV6 |              \
     RTE_ETH_RSS_NONFRAG_IPV6_OTHER)

/* What drivers of DPDK 22.11 report: ixgbe, i40e, ice, mlx5 as their documentation and headers say
 * (no such NIC was at hand), the virtual ones as they answered here. */
static const struct rss_capabilities ixgbe = {
    .driver = "net_ixgbe",
    .max_rx_queues = 128,
    .hash_key_size = 40,
    .hash_types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | TCP_UDP_4 | TCP_UDP_6 |
                  RTE_ETH_RSS_IPV6_EX | RTE_ETH_RSS_IPV6_TCP_EX | RTE_ETH_RSS_IPV6_UDP_EX,
};
static const struct rss_capabilities i40e = {
    .driver = "net_i40e",
    .max_rx_queues = 192,
    .hash_key_size = 52,
    .hash_types = FRAG_OTHER | TCP_UDP_4 | TCP_UDP_6 | SCTP_BOTH | RTE_ETH_RSS_L2_PAYLOAD,
};
static const struct rss_capabilities ice = {
    .driver = "net_ice",
    .max_rx_queues = 256,
    .hash_key_size = 52,
    .hash_types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | FRAG_OTHER | TCP_UDP_4 | TCP_UDP_6 |
                  SCTP_BOTH | RTE_ETH_RSS_L2_PAYLOAD,
};
static const struct rss_capabilities mlx5 = {
    .driver = "mlx5_pci",
    .max_rx_queues = 1024,
    .hash_key_size = 40,
    .hash_types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | FRAG_OTHER | TCP_UDP_4 | TCP_UDP_6 |
                  RTE_ETH_RSS_IPV6_EX | RTE_ETH_RSS_IPV6_TCP_EX | RTE_ETH_RSS_IPV6_UDP_EX,
};
static const struct rss_capabilities tap = {"net_tap", 16, 40, 0x3afbc};
static const struct rss_capabilities null = {"net_null", 1024, 40, 0x2003ffffc};
static const struct rss_capabilities af_packet_2 = {"net_af_packet", 2, 0, 0};
static const struct rss_capabilities pcap_3 = {"net_pcap", 3, 0, 0};
static const struct rss_capabilities af_xdp = {"net_af_xdp", 1, 0, 0};
static const struct rss_capabilities unknown = {"net_unheard_of", 64, 40, 0};

static const struct rss_capabilities *const nics[] = {&ixgbe, &i40e, &ice, &mlx5};
#define NICS (sizeof(nics) / sizeof(*nics))

static struct rss_plan plan_of(const struct rss_capabilities *can, enum capture_spread spread,
                               uint16_t workers)
{
    struct rss_plan plan;

    rss_plan_make(can, spread, workers, &plan);
    return plan;
}

/* Toeplitz hash (Microsoft's RSS specification), bit by bit. */
static uint32_t toeplitz(const struct rss_plan *plan, const uint8_t *input, size_t len)
{
    uint32_t hash = 0;

    for (size_t bit = 0; bit < len * 8; bit++) {
        if (!(input[bit / 8] >> (7 - bit % 8) & 1))
            continue;
        uint32_t window = 0;
        for (size_t i = 0; i < 32; i++) {
            size_t at = bit + i;
            uint32_t key_bit = plan->key[at / 8] >> (7 - at % 8) & 1;
            window = window << 1 | key_bit;
        }
        hash ^= window;
    }
    return hash;
}

static void the_key_is_symmetric(void **state)
{
    (void)state;
    struct rss_plan plan = plan_of(&ixgbe, SPREAD_L4, 4);
    uint8_t there[12] = {10, 1, 2, 3, 192, 168, 77, 9, 0x9c, 0x40, 0x01, 0xbb};
    uint8_t back[12] = {192, 168, 77, 9, 10, 1, 2, 3, 0x01, 0xbb, 0x9c, 0x40};
    uint8_t there6[32], back6[32];

    assert_int_equal(toeplitz(&plan, there, 12), toeplitz(&plan, back, 12));
    assert_int_equal(toeplitz(&plan, there, 8), toeplitz(&plan, back, 8));
    for (int i = 0; i < 32; i++)
        back6[(i + 16) % 32] = there6[i] = (uint8_t)(i * 37 + 5);
    assert_int_equal(toeplitz(&plan, there6, 32), toeplitz(&plan, back6, 32));
    there[3]++;
    assert_int_not_equal(toeplitz(&plan, there, 12), toeplitz(&plan, back, 12));
}

static void a_nic_spreads_itself_with_a_key_of_its_size(void **state)
{
    (void)state;

    for (size_t i = 0; i < NICS; i++)
        for (enum capture_spread spread = SPREAD_IP; spread <= SPREAD_L4; spread++) {
            struct rss_plan plan = plan_of(nics[i], spread, 8);
            assert_int_equal(plan.method, RSS_HARDWARE);
            assert_int_equal(plan.queues, 8);
            assert_int_equal(plan.key_size, nics[i]->hash_key_size);
            assert_int_not_equal(plan.hash_types, 0);
            assert_int_equal(plan.hash_types & ~nics[i]->hash_types, 0);
            for (uint8_t k = 0; k < plan.key_size; k++)
                assert_int_equal(plan.key[k], k % 2 ? 0x5a : 0x6d);
        }
}

static void by_address_no_port_is_hashed_where_the_nic_can(void **state)
{
    (void)state;
    static const struct rss_capabilities *const able[] = {&ixgbe, &ice, &mlx5};

    for (size_t i = 0; i < sizeof(able) / sizeof(*able); i++) {
        struct rss_plan plan = plan_of(able[i], SPREAD_IP, 4);
        assert_int_equal(plan.hash_types & (TCP_UDP_4 | TCP_UDP_6), 0);
        assert_true(plan.hash_types & RTE_ETH_RSS_IPV4);
        assert_true(plan.hash_types & RTE_ETH_RSS_IPV6);
        assert_null(plan.note);
    }
}

/* i40e hashes a TCP packet only when asked to hash TCP: else all TCP would be one worker's. */
static void a_nic_that_cannot_says_so_and_leaves_no_type_out(void **state)
{
    (void)state;
    struct rss_plan plan = plan_of(&i40e, SPREAD_IP, 4);

    assert_true(plan.hash_types & RTE_ETH_RSS_NONFRAG_IPV4_TCP);
    assert_true(plan.hash_types & RTE_ETH_RSS_NONFRAG_IPV6_UDP);
    assert_non_null(plan.note);
    assert_null(plan_of(&i40e, SPREAD_L4, 4).note);
}

static void virtual_devices_are_not_believed(void **state)
{
    (void)state;

    assert_int_equal(plan_of(&null, SPREAD_IP, 4).method, RSS_DEVICE);
    assert_int_equal(plan_of(&null, SPREAD_IP, 4).queues, 4);
    assert_int_equal(plan_of(&tap, SPREAD_L4, 4).method, RSS_DEVICE);
    assert_int_equal(plan_of(&tap, SPREAD_IP, 4).method, RSS_SOFTWARE);
    assert_int_equal(plan_of(&tap, SPREAD_IP, 4).queues, 1);
    assert_non_null(plan_of(&tap, SPREAD_IP, 4).note);
}

/* A queue that nobody reads would be loss that nobody sees. */
static void every_queue_that_fills_is_read(void **state)
{
    (void)state;

    assert_int_equal(plan_of(&af_packet_2, SPREAD_L4, 1).queues, 2);
    assert_int_equal(plan_of(&af_packet_2, SPREAD_L4, 2).method, RSS_DEVICE);
    assert_int_equal(plan_of(&af_packet_2, SPREAD_IP, 2).method, RSS_SOFTWARE);
    assert_int_equal(plan_of(&af_packet_2, SPREAD_IP, 2).queues, 2);
    assert_int_equal(plan_of(&pcap_3, SPREAD_IP, 1).queues, 3);
    assert_int_equal(plan_of(&pcap_3, SPREAD_IP, 2).method, RSS_DEVICE);
    assert_int_equal(plan_of(&pcap_3, SPREAD_IP, 2).queues, 3);
    assert_int_equal(plan_of(&pcap_3, SPREAD_IP, 4).method, RSS_SOFTWARE);
    assert_int_equal(plan_of(&pcap_3, SPREAD_IP, 4).queues, 3);
}

static void what_cannot_spread_is_spread_in_software(void **state)
{
    (void)state;
    struct rss_capabilities small = ixgbe;

    small.max_rx_queues = 2;
    assert_int_equal(plan_of(&small, SPREAD_IP, 4).method, RSS_SOFTWARE);
    assert_non_null(plan_of(&small, SPREAD_IP, 4).note);
    assert_int_equal(plan_of(&af_xdp, SPREAD_IP, 2).method, RSS_SOFTWARE);
    assert_int_equal(plan_of(&unknown, SPREAD_L4, 2).method, RSS_SOFTWARE);
    assert_int_equal(plan_of(&ixgbe, SPREAD_SOFTWARE, 2).method, RSS_SOFTWARE);
    assert_int_equal(plan_of(&ixgbe, SPREAD_SOFTWARE, 2).queues, 1);
}

static void one_worker_needs_nothing(void **state)
{
    (void)state;

    for (size_t i = 0; i < NICS; i++) {
        struct rss_plan plan = plan_of(nics[i], SPREAD_SOFTWARE, 1);
        assert_int_equal(plan.method, RSS_SINGLE);
        assert_int_equal(plan.queues, 1);
        assert_int_equal(plan.hash_types, 0);
    }
}

static void a_key_size_that_is_not_told_or_too_large_is_bounded(void **state)
{
    (void)state;
    struct rss_capabilities odd = ixgbe;

    odd.hash_key_size = 0;
    assert_int_equal(plan_of(&odd, SPREAD_IP, 2).key_size, 40);
    odd.hash_key_size = 200;
    assert_int_equal(plan_of(&odd, SPREAD_IP, 2).key_size, RSS_KEY_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_is_symmetric),
        cmocka_unit_test(a_nic_spreads_itself_with_a_key_of_its_size),
        cmocka_unit_test(by_address_no_port_is_hashed_where_the_nic_can),
        cmocka_unit_test(a_nic_that_cannot_says_so_and_leaves_no_type_out),
        cmocka_unit_test(virtual_devices_are_not_believed),
        cmocka_unit_test(every_queue_that_fills_is_read),
        cmocka_unit_test(what_cannot_spread_is_spread_in_software),
        cmocka_unit_test(one_worker_needs_nothing),
        cmocka_unit_test(a_key_size_that_is_not_told_or_too_large_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
