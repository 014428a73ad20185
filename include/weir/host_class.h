/*
 * What a protocol and port are used for, as far as hosts and hunts tell apart.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/host.h"
#include "weir/wire.h"

/* The ports that say something, by a product that gives each a place of its own. */
struct port_class {
    uint16_t port;
    uint8_t class;    /* enum host_class */
    uint8_t tcp_only; /* of TCP and UDP */
};

#define PORT_PLACES 64
#define PORT_PLACE(port) ((uint16_t)((port)*277u) >> 10)

static const struct port_class port_classes[PORT_PLACES] = {
#define PORT(number, class, tcp_only) [PORT_PLACE(number)] = {number, class, tcp_only}
    PORT(53, CLASS_DNS, 0),     PORT(443, CLASS_TLS, 0),  PORT(853, CLASS_TLS, 0),
    PORT(8443, CLASS_TLS, 0),   PORT(22, CLASS_ADMIN, 1), /* SSH */
    PORT(23, CLASS_ADMIN, 1),                             /* Telnet */
    PORT(135, CLASS_ADMIN, 1),                            /* DCE/RPC */
    PORT(139, CLASS_ADMIN, 1),                            /* NetBIOS session */
    PORT(445, CLASS_ADMIN, 1),                            /* SMB */
    PORT(3389, CLASS_ADMIN, 0),                           /* RDP */
    PORT(5900, CLASS_ADMIN, 1),                           /* VNC */
    PORT(5985, CLASS_ADMIN, 1),                           /* WinRM */
    PORT(5986, CLASS_ADMIN, 1),                           /* WinRM over TLS */
#undef PORT
};

static inline enum host_class host_class_of_port(uint8_t proto, uint16_t port)
{
    const struct port_class *c = &port_classes[PORT_PLACE(port)];

    if (c->port != port || (c->tcp_only && proto != PROTO_TCP))
        return CLASS_OTHER;
    return (enum host_class)c->class;
}

/* Of TCP, at least. */
static inline bool port_is_admin(uint16_t port)
{
    return host_class_of_port(PROTO_TCP, port) == CLASS_ADMIN;
}

/* By the responder's port, or the initiator's where only that one says something. */
static inline enum host_class host_class_of(uint8_t proto, const uint16_t port[2])
{
    if (proto == PROTO_ICMP || proto == PROTO_ICMP6)
        return CLASS_ICMP;
    if (proto != PROTO_TCP && proto != PROTO_UDP)
        return CLASS_OTHER;
    enum host_class class = host_class_of_port(proto, port[1]);
    return class != CLASS_OTHER ? class : host_class_of_port(proto, port[0]);
}
