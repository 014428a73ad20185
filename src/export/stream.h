/*
 * A TCP connection to a collector: what plain and TLS sessions share. Never waits.
 *
 * Each address of the name is tried in turn; all of them are one attempt. What the peer's kernel
 * has acknowledged is asked of the kernel (SIOCOUTQ). The socket's buffer is bounded, so that
 * little is in flight to a peer that dies; a peer that is gone without a word is noticed by
 * keepalive, or by STREAM_USER_TIMEOUT_MS when it owes acknowledgements.
 */
#pragma once

#include "base/address.h"
#include "export/session.h"

#define STREAM_SEND_BUFFER (256 << 10)
#define STREAM_USER_TIMEOUT_MS 120000

struct stream {
    struct session base;
    struct addresses peers;
    uint32_t tried; /* addresses of this attempt */
    uint64_t deadline_ns;
    uint64_t sent; /* octets given to the kernel */
    bool finished; /* our FIN is in the stream */
};

/* Looks the name up. */
int stream_init(struct stream *, const struct session_options *, char *text);

/* A connection to the first address. */
int stream_open(struct stream *, uint64_t now_ns);

/* While CONNECTING: 1 = connected, 0 = not yet, -errno: no address answered. */
int stream_connect(struct stream *, uint32_t events, uint64_t now_ns);

/* How many, -EAGAIN (epoll will tell), -errno with text. */
ssize_t stream_send(struct stream *, const uint8_t *, size_t len);

/* How many; 0 = the peer ended its side; -EAGAIN; -errno with text. */
ssize_t stream_receive(struct stream *, uint8_t *, size_t room);

uint64_t stream_acknowledged(struct stream *);
void stream_finish(struct stream *);
void stream_close(struct stream *);

/* FINISHING: the peer has read all and ended. */
bool stream_is_read(struct stream *);
