#include "base/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/host_port.h"

#define HOST_MAX 256 /* a name of DNS has 253 letters at most */
#define PORT_MAX 65535

static int lookup_error(int rc)
{
    return rc == EAI_MEMORY ? -ENOMEM : rc == EAI_AGAIN ? -EAGAIN : -ENOENT;
}

int address_resolve(const char *host, uint16_t port, int socktype, struct addresses *out, char *why,
                    size_t why_max)
{
    struct addrinfo hints = {.ai_socktype = socktype, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];

    if (!host || !host[0]) {
        host = NULL;
        hints.ai_flags |= AI_PASSIVE;
    }
    snprintf(service, sizeof(service), "%u", port);
    int rc = getaddrinfo(host, service, &hints, &found);
    if (rc) {
        snprintf(why, why_max, "name not found: %s (an address needs no name server)",
                 gai_strerror(rc));
        return lookup_error(rc);
    }
    out->count = 0;
    for (struct addrinfo *a = found; a && out->count < ADDRESS_MAX; a = a->ai_next) {
        struct address *to = &out->address[out->count++];
        memcpy(&to->at, a->ai_addr, a->ai_addrlen);
        to->len = a->ai_addrlen;
    }
    freeaddrinfo(found);
    return 0;
}

struct place {
    const char *text;
    int default_port, least_port; /* 0: to listen at, where the host may be left out, too */
    int socktype;
};

static int parse_port(const char *text, int least)
{
    size_t digits = strspn(text, "0123456789");
    int port = digits && digits <= 5 ? atoi(text) : -1;

    return !text[digits] && port >= least && port <= PORT_MAX ? port : -1;
}

/* The port; negative: what is wrong. */
static int split(const struct place *p, char host[HOST_MAX], const char **wrong)
{
    const char *number = p->text + 1;
    bool any_host = !p->least_port && p->text[0] == ':';

    host[0] = '\0';
    *wrong = "not an address (host:port, [::1]:port)";
    if (!any_host && host_port_split(p->text, host, HOST_MAX, &number) < 0)
        return -1;
    *wrong = number ? "port: not a number 1..65535" : "port: is missing";
    return number ? parse_port(number, p->least_port) : p->default_port;
}

static int resolve_place(const struct place *p, struct addresses *out, char *why, size_t why_max)
{
    char host[HOST_MAX];
    const char *wrong;
    int port = split(p, host, &wrong);

    if (port >= 0)
        return address_resolve(host, (uint16_t)port, p->socktype, out, why, why_max);
    snprintf(why, why_max, "%s", wrong);
    return -EINVAL;
}

int address_parse(const char *text, int default_port, int socktype, struct addresses *out,
                  char *why, size_t why_max)
{
    struct place p = {text, default_port, 1, socktype};

    return resolve_place(&p, out, why, why_max);
}

int address_parse_listen(const char *text, int default_port, struct addresses *out, char *why,
                         size_t why_max)
{
    struct place p = {text, default_port, 0, SOCK_STREAM};

    return resolve_place(&p, out, why, why_max);
}

bool address_is_numeric(const char *host)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found = NULL;

    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

int address_listen(const struct address *a, int backlog)
{
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->at.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&a->at, a->len) == 0 && listen(fd, backlog) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

int address_of_socket(int fd, struct address *out)
{
    out->len = sizeof(out->at);
    return getsockname(fd, (struct sockaddr *)&out->at, &out->len) < 0 ? -errno : 0;
}

uint16_t address_port(const struct address *a)
{
    return ntohs(a->at.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&a->at)->sin6_port
                                             : ((const struct sockaddr_in *)&a->at)->sin_port);
}

void address_format(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    char host[64] = "?", port[8] = "?";

    getnameinfo((const struct sockaddr *)&a->at, a->len, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, ADDRESS_TEXT_MAX, a->at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
