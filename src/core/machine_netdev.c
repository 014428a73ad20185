#include "core/machine_netdev.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define FAMILY "netdev"
#define DEVICE_GET 1      /* NETDEV_CMD_DEV_GET */
#define DEVICE_INDEX 1    /* NETDEV_A_DEV_IFINDEX */
#define DEVICE_FEATURES 3 /* NETDEV_A_DEV_XDP_FEATURES */
#define REPLY_MAX 8192
#define REPLY_TIMEOUT_S 2

/* One request with one attribute. */
struct request {
    struct nlmsghdr header;
    struct genlmsghdr command;
    struct nlattr attribute;
    char value[16];
};

/* The attribute of this type in a reply of n octets. */
static const void *find_attribute(const char *reply, ssize_t n, uint16_t type, size_t size)
{
    size_t at = NLMSG_HDRLEN + GENL_HDRLEN, end = (size_t)n;

    while (at + sizeof(struct nlattr) <= end) {
        struct nlattr a;
        memcpy(&a, reply + at, sizeof(a));
        if (a.nla_len < sizeof(a) || a.nla_len > end - at)
            return NULL;
        if ((a.nla_type & NLA_TYPE_MASK) == type && a.nla_len - sizeof(a) >= size)
            return reply + at + sizeof(a);
        at += NLA_ALIGN(a.nla_len);
    }
    return NULL;
}

/* Returns the octets of the reply, or -errno. */
static ssize_t ask(int fd, struct request *request, size_t size, char reply[REPLY_MAX])
{
    struct nlmsghdr h;

    request->attribute.nla_len = (uint16_t)(sizeof(request->attribute) + size);
    request->header.nlmsg_flags = NLM_F_REQUEST;
    request->header.nlmsg_len =
        (uint32_t)(NLMSG_HDRLEN + GENL_HDRLEN) + (uint32_t)NLA_ALIGN(request->attribute.nla_len);
    request->command.version = 1;
    if (send(fd, request, request->header.nlmsg_len, 0) < 0)
        return -errno;
    ssize_t n = recv(fd, reply, REPLY_MAX, 0);
    if (n < 0)
        return -errno;
    if ((size_t)n < sizeof(h))
        return -EPROTO;
    memcpy(&h, reply, sizeof(h));
    if (h.nlmsg_type != NLMSG_ERROR)
        return n;
    int error = -EPROTO;
    if ((size_t)n >= sizeof(h) + sizeof(error))
        memcpy(&error, reply + NLMSG_HDRLEN, sizeof(error));
    return error ? error : -EPROTO;
}

static int find_family(int fd, char reply[REPLY_MAX])
{
    struct request request = {.header = {.nlmsg_type = GENL_ID_CTRL},
                              .command = {.cmd = CTRL_CMD_GETFAMILY},
                              .attribute = {.nla_type = CTRL_ATTR_FAMILY_NAME},
                              .value = FAMILY};
    uint16_t id;
    ssize_t n = ask(fd, &request, sizeof(FAMILY), reply);
    const void *found = n < 0 ? NULL : find_attribute(reply, n, CTRL_ATTR_FAMILY_ID, sizeof(id));

    if (!found)
        return n < 0 ? (int)n : -ENOENT;
    memcpy(&id, found, sizeof(id));
    return id;
}

static int read_features(int fd, unsigned interface, uint64_t *features)
{
    char reply[REPLY_MAX];
    int family = find_family(fd, reply);

    if (family < 0)
        return family;
    struct request request = {.header = {.nlmsg_type = (uint16_t)family},
                              .command = {.cmd = DEVICE_GET},
                              .attribute = {.nla_type = DEVICE_INDEX}};
    memcpy(request.value, &interface, sizeof(interface));
    ssize_t n = ask(fd, &request, sizeof(interface), reply);
    const void *found = n < 0 ? NULL : find_attribute(reply, n, DEVICE_FEATURES, sizeof(*features));
    if (!found)
        return n < 0 ? (int)n : -ENOENT;
    memcpy(features, found, sizeof(*features));
    return 0;
}

int netdev_xdp_features(unsigned interface, uint64_t *features)
{
    struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_S};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    int r = read_features(fd, interface, features);
    close(fd);
    return r;
}
