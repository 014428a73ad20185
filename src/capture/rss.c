#include "capture/rss.h"

#include <rte_ethdev.h>
#include <string.h>

#define KEY_SIZE_USUAL 40
#define KEY_HIGH 0x6d
#define KEY_LOW 0x5a

/* Hash both addresses of any IP packet, fragments included, and nothing else. */
#define TYPES_BY_ADDRESS                                                                           \
    (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER |                   \
     RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER |                   \
     RTE_ETH_RSS_IPV6_EX)
#define TYPES_BY_PORT                                                                              \
    (TYPES_BY_ADDRESS | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |              \
     RTE_ETH_RSS_NONFRAG_IPV4_SCTP | RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP | \
     RTE_ETH_RSS_NONFRAG_IPV6_SCTP | RTE_ETH_RSS_IPV6_TCP_EX | RTE_ETH_RSS_IPV6_UDP_EX)

/* Virtual devices whose queues are filled by what stands behind them, whatever RSS they claim. */
struct device {
    const char *driver;
    bool by_port; /* the kernel's flow hash: ports where it finds them */
    bool fixed;   /* all its queues are filled, asked for or not: none may be left out */
};

static const struct device devices[] = {
    {"net_af_packet", true, true}, {"net_tap", true, false},    {"net_af_xdp", true, true},
    {"net_null", false, false},    {"net_pcap", false, true},   {"net_ring", false, false},
    {"net_memif", false, false},   {"net_vhost", false, false},
};

static const struct device *device_of(const char *driver)
{
    for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
        if (strcmp(devices[i].driver, driver) == 0)
            return &devices[i];
    return NULL;
}

static void plan_software(struct rss_plan *plan, const char *note)
{
    plan->method = RSS_SOFTWARE;
    plan->note = note;
}

static void plan_device(const struct device *device, enum capture_spread spread, uint16_t workers,
                        struct rss_plan *plan)
{
    if (device->by_port && spread == SPREAD_IP) {
        plan_software(plan, "the kernel would spread by ports, which parts fragments");
        return;
    }
    plan->method = RSS_DEVICE;
    if (!device->fixed)
        plan->queues = workers;
}

static void plan_hardware(const struct rss_capabilities *can, enum capture_spread spread,
                          uint16_t workers, struct rss_plan *plan)
{
    uint64_t wanted = spread == SPREAD_L4 ? TYPES_BY_PORT : TYPES_BY_ADDRESS;

    /* Drivers that tell packet types apart hash TCP only when asked for TCP. */
    if (spread == SPREAD_IP && !(can->hash_types & RTE_ETH_RSS_IPV4)) {
        wanted = TYPES_BY_PORT;
        plan->note = "the port cannot hash addresses alone: fragments may part from their flow, "
                     "unless capture.spread is software";
    }
    plan->method = RSS_HARDWARE;
    plan->queues = workers;
    plan->hash_types = wanted & can->hash_types;
    plan->key_size = can->hash_key_size ? can->hash_key_size : KEY_SIZE_USUAL;
    if (plan->key_size > RSS_KEY_MAX)
        plan->key_size = RSS_KEY_MAX;
    for (uint8_t i = 0; i < plan->key_size; i++)
        plan->key[i] = i % 2 ? KEY_LOW : KEY_HIGH;
}

void rss_plan_make(const struct rss_capabilities *can, enum capture_spread spread, uint16_t workers,
                   struct rss_plan *plan)
{
    const struct device *device = device_of(can->driver);

    *plan = (struct rss_plan){
        .method = RSS_SINGLE,
        .queues = device && device->fixed ? can->max_rx_queues : 1,
    };
    if (workers <= 1)
        return;
    if (spread == SPREAD_SOFTWARE)
        plan_software(plan, NULL);
    else if (can->max_rx_queues < workers)
        plan_software(plan, "the port has fewer queues than there are workers");
    else if (device)
        plan_device(device, spread, workers, plan);
    else if (can->hash_types & TYPES_BY_PORT)
        plan_hardware(can, spread, workers, plan);
    else
        plan_software(plan, "the port cannot spread by addresses");
}
