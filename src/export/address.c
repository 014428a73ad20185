#include "export/address.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static int lookup_error(int rc)
{
    return rc == EAI_MEMORY ? -ENOMEM : rc == EAI_AGAIN ? -EAGAIN : -ENOENT;
}

int address_resolve(const char *host, uint16_t port, int socktype, struct addresses *out,
                    char *text, size_t text_max)
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
        snprintf(text, text_max, "%s: name not found: %s (an address needs no name server)",
                 host ? host : "*", gai_strerror(rc));
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

void address_format(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    char host[64] = "?", port[8] = "?";

    getnameinfo((const struct sockaddr *)&a->at, a->len, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, ADDRESS_TEXT_MAX, a->at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
