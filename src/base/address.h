/*
 * Where a host name leads, looked up once, and sockets that listen there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_MAX 8
#define ADDRESS_TEXT_MAX 80
#define ADDRESS_NO_PORT (-1)

struct address {
    struct sockaddr_storage at;
    socklen_t len;
};

struct addresses {
    uint32_t count;
    struct address address[ADDRESS_MAX];
};

/* May wait for a name server. socktype: SOCK_STREAM or SOCK_DGRAM. host NULL or "": any address, to
 * listen at. 0, or -errno and a line in why of why_max octets. */
int address_resolve(const char *host, uint16_t port, int socktype, struct addresses *, char *why,
                    size_t why_max);

/* The same of "host:port", "[::1]:port"; without a port, of default_port unless that is
 * ADDRESS_NO_PORT. -EINVAL: no such text. */
int address_parse(const char *text, int default_port, int socktype, struct addresses *, char *why,
                  size_t why_max);

/* The same to listen at over TCP: port 0 is a free one, ":port" is any address. */
int address_parse_listen(const char *text, int default_port, struct addresses *, char *why,
                         size_t why_max);

/* No name: needs no name server. */
bool address_is_numeric(const char *host);

/* A TCP socket that listens, and never waits; at an address of IPv6 for IPv6 alone. Or -errno. */
int address_listen(const struct address *, int backlog);

/* Where a socket is bound, or -errno. */
int address_of_socket(int fd, struct address *);

uint16_t address_port(const struct address *);

/* "192.0.2.1:4739", "[2001:db8::1]:4739" */
void address_format(const struct address *, char text[ADDRESS_TEXT_MAX]);
