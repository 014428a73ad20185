/*
 * TLS as IPFIX wants it (RFC 7011 §11): 1.2 or later, and both ends prove who they are. Contexts
 * load certificates, so they are made before the sandbox.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

struct collector_config;

#define TLS_TEXT_MAX 256

/* For a connection to a collector. IPFIX needs a certificate of our own; lines of JSON may go
 * without. 0, or -EINVAL and a line that names the key and the remedy. */
int tls_client_context(const struct collector_config *, bool ipfix, SSL_CTX **, char *text);

/* The peer must prove this name or address; SNI where it is a name. 0 or -EINVAL. */
int tls_expect_peer(SSL *, const char *name);

/* To be connected to: peers must prove that one of ca signed them. */
struct tls_files {
    const char *ca, *cert, *key; /* paths; ca NULL or "": the system's */
};
int tls_server_context(const struct tls_files *, SSL_CTX **, char *text);

/* What went wrong in the last call on ssl, for people. name: whom we expected, NULL at a server. */
void tls_explain(SSL *, int rc, const char *name, char *text);
