#include "capture/interface.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REPLY_MAX 32768u
#define REPLY_TIMEOUT_S 2

/* Called for each message of a reply; nonzero ends it. */
typedef int (*message_taker)(const struct nlmsghdr *, void *user);

int interface_open(struct interface *interface, const char *name)
{
    struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_S};
    unsigned index = if_nametoindex(name);

    if (!index)
        return -ENODEV;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    *interface = (struct interface){.socket = fd, .index = index};
    return 0;
}

void interface_close(struct interface *interface)
{
    if (interface->socket >= 0)
        close(interface->socket);
    interface->socket = -1;
}

/* Answers to earlier requests that timed out are passed over. */
static int reply_take(struct interface *i, size_t length, void *buffer, message_taker take,
                      void *user)
{
    for (struct nlmsghdr *h = buffer; NLMSG_OK(h, length); h = NLMSG_NEXT(h, length)) {
        if (h->nlmsg_seq != i->sequence)
            continue;
        if (h->nlmsg_type == NLMSG_DONE)
            return 1;
        if (h->nlmsg_type == NLMSG_ERROR)
            return ((struct nlmsgerr *)NLMSG_DATA(h))->error ?: 1;
        int status = take(h, user);
        if (status != 0 || !(h->nlmsg_flags & NLM_F_MULTI))
            return status ?: 1;
    }
    return 0;
}

static int request(struct interface *i, struct nlmsghdr *message, message_taker take, void *user)
{
    _Alignas(struct nlmsghdr) char buffer[REPLY_MAX];
    int status = 0;

    message->nlmsg_seq = ++i->sequence;
    if (send(i->socket, message, message->nlmsg_len, 0) < 0)
        return -errno;
    while (status == 0) {
        ssize_t n = recv(i->socket, buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EINTR)
            continue;
        status = n < 0 ? -errno : reply_take(i, (size_t)n, buffer, take, user);
    }
    return status < 0 ? status : 0;
}

/* With programs in driver and generic mode at once there is no single id: any of them will do. */
static void xdp_take(const struct rtattr *nested, struct interface_state *state)
{
    int length = (int)RTA_PAYLOAD(nested);

    for (struct rtattr *a = RTA_DATA(nested); RTA_OK(a, length); a = RTA_NEXT(a, length)) {
        if (a->rta_type == IFLA_XDP_PROG_ID || a->rta_type == IFLA_XDP_DRV_PROG_ID ||
            a->rta_type == IFLA_XDP_SKB_PROG_ID || a->rta_type == IFLA_XDP_HW_PROG_ID)
            memcpy(&state->xdp_program, RTA_DATA(a), sizeof(state->xdp_program));
        if (a->rta_type == IFLA_XDP_ATTACHED)
            state->xdp_generic = *(const uint8_t *)RTA_DATA(a) == XDP_ATTACHED_SKB;
    }
}

static void attribute_take(const struct rtattr *a, struct interface_state *state)
{
    struct rtnl_link_stats64 stats = {0};

    switch (a->rta_type) {
    case IFLA_MTU:
        memcpy(&state->mtu, RTA_DATA(a), sizeof(state->mtu));
        break;
    case IFLA_NUM_RX_QUEUES:
        memcpy(&state->rx_queues, RTA_DATA(a), sizeof(state->rx_queues));
        break;
    case IFLA_XDP:
        xdp_take(a, state);
        break;
    case IFLA_STATS64:
        memcpy(&stats, RTA_DATA(a),
               RTA_PAYLOAD(a) < sizeof(stats) ? RTA_PAYLOAD(a) : sizeof(stats));
        state->rx_packets = stats.rx_packets;
        state->rx_dropped = stats.rx_dropped + stats.rx_missed_errors;
        break;
    default:
        break;
    }
}

static int link_take(const struct nlmsghdr *h, void *user)
{
    const struct ifinfomsg *info = NLMSG_DATA(h);
    struct interface_state *state = user;
    int length = (int)IFLA_PAYLOAD(h);

    if (h->nlmsg_type != RTM_NEWLINK)
        return 0;
    state->gone = false;
    state->up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_RUNNING);
    state->loopback = info->ifi_flags & IFF_LOOPBACK;
    state->promiscuous = info->ifi_flags & IFF_PROMISC;
    state->ethernet = info->ifi_type == ARPHRD_ETHER || info->ifi_type == ARPHRD_LOOPBACK;
    for (struct rtattr *a = IFLA_RTA(info); RTA_OK(a, length); a = RTA_NEXT(a, length))
        attribute_take(a, state);
    return 0;
}

int interface_read(struct interface *interface, struct interface_state *state)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = RTM_GETLINK,
                   .nlmsg_flags = NLM_F_REQUEST},
        .info = {.ifi_family = AF_UNSPEC, .ifi_index = (int)interface->index},
    };
    struct interface_state read = {.gone = true};
    int status = request(interface, &message.header, link_take, &read);

    if (status == 0 || status == -ENODEV)
        *state = read;
    return status == -ENODEV ? 0 : status;
}

struct route_search {
    uint32_t index;
    bool found;
};

static bool nexthops_have(const struct rtattr *a, uint32_t index)
{
    int length = (int)RTA_PAYLOAD(a);

    for (struct rtnexthop *n = RTA_DATA(a); RTNH_OK(n, length);
         length -= RTNH_ALIGN(n->rtnh_len), n = RTNH_NEXT(n))
        if ((uint32_t)n->rtnh_ifindex == index)
            return true;
    return false;
}

static int route_take(const struct nlmsghdr *h, void *user)
{
    const struct rtmsg *route = NLMSG_DATA(h);
    struct route_search *search = user;
    int length = (int)RTM_PAYLOAD(h);

    if (h->nlmsg_type != RTM_NEWROUTE || route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST)
        return 0;
    for (struct rtattr *a = RTM_RTA(route); RTA_OK(a, length); a = RTA_NEXT(a, length))
        if ((a->rta_type == RTA_OIF && *(uint32_t *)RTA_DATA(a) == search->index) ||
            (a->rta_type == RTA_MULTIPATH && nexthops_have(a, search->index)))
            search->found = true;
    return 0;
}

int interface_has_default_route(struct interface *interface)
{
    struct {
        struct nlmsghdr header;
        struct rtmsg route;
    } message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = RTM_GETROUTE,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .route = {.rtm_family = AF_UNSPEC},
    };
    struct route_search search = {.index = interface->index};
    int status = request(interface, &message.header, route_take, &search);

    return status < 0 ? status : search.found;
}

int interface_hold_promiscuous(const struct interface *interface)
{
    const struct packet_mreq request = {.mr_ifindex = (int)interface->index,
                                        .mr_type = PACKET_MR_PROMISC};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) == 0)
        return fd;
    int status = -errno;
    close(fd);
    return status;
}
