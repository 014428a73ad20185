/*
 * One collector's transport: an ordered stream of messages, whatever carries it. The collector
 * (collector.h) decides what is sent when; a session opens, writes, tells what has arrived, closes.
 *
 * Nothing here waits. A session is driven by its owner's epoll, which hands it the events of fd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "weir/config.h"

struct addresses;
struct session;
struct message_info;

#define SESSION_TEXT_MAX 256
#define SESSION_CONNECT_NS (10ull * 1000000000) /* one address, TLS handshake included */

enum session_state {
    SESSION_CLOSED,
    SESSION_CONNECTING,
    SESSION_UP,
    SESSION_FINISHING, /* finish() was called: the peer still reads */
    SESSION_FINISHED,  /* the peer has read all and closed */
};

struct session_ops {
    /* Begins an attempt: connects to the first address, opens the file. 0, or -errno and text. */
    int (*open)(struct session *, uint64_t now_ns);
    /* The events of fd happened, or time passed. May change state; 0, or -errno and text: the
     * session is lost. */
    int (*step)(struct session *, uint32_t events, uint64_t now_ns);
    /* Before a new message of so many octets: true when a new stream (file) has begun. May be
     * NULL. */
    bool (*turn)(struct session *, uint32_t len, uint64_t now_ns);
    /* Takes up to len octets of a message: how many, -EAGAIN (wait for events or time), or -errno
     * and text: the session is lost; -EMSGSIZE: the message alone cannot be sent. */
    ssize_t (*write)(struct session *, const uint8_t *, size_t len);
    /* Octets of the stream that the peer's kernel has; file, udp: all written. */
    uint64_t (*acknowledged)(struct session *);
    /* Nothing more will be written: the peer may end. */
    void (*finish)(struct session *);
    /* At once; the session may be opened again. */
    void (*close)(struct session *);
    void (*destroy)(struct session *);
};

/* Every implementation begins with this. */
struct session {
    const struct session_ops *ops;
    const struct collector_config *config; /* owned by the collector */
    enum session_state state;
    int epoll;         /* of the owner; its events carry `tag` */
    void *tag;         /* what they carry */
    int fd;            /* -1 = none */
    uint32_t want;     /* events that fd is registered for */
    uint64_t produced; /* length of the stream written so far: what acknowledges the last message */
    uint64_t refused;  /* udp: port unreachable */
    bool wakes;        /* epoll tells when write() may go on; else time does */
    bool replays;      /* what was acknowledged may still be lost: tcp, tls */
    bool peer_ended;   /* the peer will send nothing more; it may still read */
    bool resumes;      /* open() goes on with the stream of before: a file behind a full disk */
    char peer[SESSION_TEXT_MAX]; /* where it leads: an address, a path */
    char text[SESSION_TEXT_MAX]; /* why it was lost */
};

struct session_options {
    const struct collector_config *config;
    int epoll;
    void *tag;
    bool ipfix;
    bool overwrite; /* file without rotation */
    uint64_t (*utc_ns)(void *);
    void *utc_context;
};

/* By the collector's transport: looks up names, loads certificates, opens directories, so it may
 * wait; before the sandbox. Fails with text of SESSION_TEXT_MAX octets. */
int session_create(const struct session_options *, struct session **, char *text);
void session_destroy(struct session *);

int session_tcp_create(const struct session_options *, struct session **, char *text);
int session_tls_create(const struct session_options *, struct session **, char *text);
int session_udp_create(const struct session_options *, struct session **, char *text);
int session_file_create(const struct session_options *, struct session **, char *text);

/* For the implementations. Looks up where the collector is; text as session_create() has it. */
int session_resolve(const struct collector_config *, int socktype, struct addresses *, char *text);

/* Fails with a text and the same error. */
int session_fail(struct session *, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tells the owner's epoll what fd waits for; 0 takes it out. */
void session_want(struct session *, uint32_t events);
