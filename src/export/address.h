/*
 * Where a host name leads, looked up once, and sockets to it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_MAX 8
#define ADDRESS_TEXT_MAX 80

struct address {
    struct sockaddr_storage at;
    socklen_t len;
};

struct addresses {
    uint32_t count;
    struct address address[ADDRESS_MAX];
};

/* May wait for a name server. socktype: SOCK_STREAM or SOCK_DGRAM. host NULL or "": any address, to
 * listen at. 0, or -errno and a line in text of text_max octets. */
int address_resolve(const char *host, uint16_t port, int socktype, struct addresses *, char *text,
                    size_t text_max);

/* "192.0.2.1:4739", "[2001:db8::1]:4739" */
void address_format(const struct address *, char text[ADDRESS_TEXT_MAX]);
