/*
 * What a protocol and port are used for, as far as hosts and hunts tell apart.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/host.h"
#include "weir/wire.h"

/* SSH, Telnet, SMB, RDP, WinRM, VNC, RPC. */
static inline bool port_is_admin(uint16_t port)
{
    switch (port) {
    case 22:   /* SSH */
    case 23:   /* Telnet */
    case 135:  /* DCE/RPC */
    case 139:  /* NetBIOS session */
    case 445:  /* SMB */
    case 3389: /* RDP */
    case 5900: /* VNC */
    case 5985: /* WinRM */
    case 5986: /* WinRM over TLS */
        return true;
    default:
        return false;
    }
}

static inline enum host_class host_class_of_port(uint8_t proto, uint16_t port)
{
    if (port == 53)
        return CLASS_DNS;
    if (port == 443 || port == 853 || port == 8443)
        return CLASS_TLS;
    return port_is_admin(port) && (proto == PROTO_TCP || port == 3389) ? CLASS_ADMIN : CLASS_OTHER;
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
