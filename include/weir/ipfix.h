/*
 * Numbers of IPFIX that several stages know.
 */
#pragma once

#include <stdint.h>

#define PORT_IPFIX 4739     /* RFC 7011 §10.3.4, §10.4.4 */
#define PORT_IPFIX_TLS 4740 /* over TLS or DTLS */

#define DATAGRAM_MAX 65507 /* octets of a message over UDP and IPv4 */

/* Private enterprise numbers. */
#define PEN_REVERSE 29305  /* reverse elements (RFC 5103 §6.1) */
#define PEN_CERT 6871      /* yaf, SiLK; reverse elements have bit 0x4000 */
#define PEN_OWN UINT32_MAX /* reserved by IANA: stands for export.enterprise */
