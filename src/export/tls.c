#include "export/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/plain_file.h"
#include "weir/config.h"

/* --- Contexts --- */

/* The first error where that is the system's: a file that is not there. Else the last. */
static const char *reason(void)
{
    unsigned long first = ERR_peek_error();
    const char *text = ERR_GET_LIB(first) == ERR_LIB_SYS
                           ? strerror(ERR_GET_REASON(first))
                           : ERR_reason_error_string(ERR_peek_last_error());

    return text ? text : "unknown error";
}

static int fail(char *text, const char *key, const char *path, const char *what)
{
    snprintf(text, TLS_TEXT_MAX, "%s: %.120s: %s: %s", key, path, what, reason());
    ERR_clear_error();
    return -EINVAL;
}

/* What OpenSSL would wait for; what else is wrong with a file it tells itself. */
static int refuse_pipe(const char *key, const char *path, char *text)
{
    if (plain_file_check(path) != PLAIN_FILE_MAY_BLOCK)
        return 0;
    snprintf(text, TLS_TEXT_MAX, "%s: %.120s: %s", key, path,
             plain_file_error(PLAIN_FILE_MAY_BLOCK));
    return -EINVAL;
}

static int load_trust(SSL_CTX *ctx, const char *ca, char *text)
{
    if (!ca || !ca[0])
        return SSL_CTX_set_default_verify_paths(ctx) == 1
                   ? 0
                   : fail(text, "ca", "the system's", "cannot be loaded");
    if (refuse_pipe("ca", ca, text))
        return -EINVAL;
    if (SSL_CTX_load_verify_file(ctx, ca) == 1)
        return 0;
    return fail(text, "ca", ca, "holds no certificates that can be used");
}

static int load_identity(SSL_CTX *ctx, const struct tls_files *files, char *text)
{
    if (refuse_pipe("cert", files->cert, text) || refuse_pipe("key", files->key, text))
        return -EINVAL;
    if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
        return fail(text, "cert", files->cert, "cannot be used");
    if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1)
        return fail(text, "key", files->key, "cannot be used");
    if (SSL_CTX_check_private_key(ctx) != 1)
        return fail(text, "key", files->key, "does not belong to cert");
    return 0;
}

static int fill_context(SSL_CTX *ctx, const struct tls_files *files, int verify, char *text)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, verify, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    int rc = load_trust(ctx, files->ca, text);
    return rc || !files->cert[0] ? rc : load_identity(ctx, files, text);
}

static int make_context(const SSL_METHOD *method, const struct tls_files *files, int verify,
                        SSL_CTX **out, char *text)
{
    SSL_CTX *ctx = SSL_CTX_new(method);

    ERR_clear_error();
    snprintf(text, TLS_TEXT_MAX, "TLS: out of memory");
    int rc = ctx ? fill_context(ctx, files, verify, text) : -ENOMEM;
    if (rc)
        SSL_CTX_free(ctx);
    else
        *out = ctx;
    return rc;
}

int tls_client_context(const struct collector_config *c, bool ipfix, SSL_CTX **out, char *text)
{
    struct tls_files files = {.ca = c->ca, .cert = c->cert, .key = c->key};

    if (!files.key[0])
        files.key = files.cert; /* one file may hold both */
    if (ipfix && !files.cert[0]) {
        snprintf(text, TLS_TEXT_MAX,
                 "cert: IPFIX over TLS needs a certificate of the sensor's own (RFC 7011 §11.3): "
                 "set cert and key");
        return -EINVAL;
    }
    return make_context(TLS_client_method(), &files, SSL_VERIFY_PEER, out, text);
}

int tls_server_context(const struct tls_files *files, SSL_CTX **out, char *text)
{
    int rc = make_context(TLS_server_method(), files,
                          SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, out, text);

    if (!rc && files->ca && files->ca[0])
        SSL_CTX_set_client_CA_list(*out, SSL_load_client_CA_file(files->ca));
    return rc;
}

static bool is_address(const char *name)
{
    uint8_t octets[16];

    return inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1;
}

int tls_expect_peer(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    char address[INET6_ADDRSTRLEN];

    snprintf(address, sizeof(address), "%.*s", (int)strcspn(name, "%"), name); /* without a zone */
    if (is_address(address))
        return X509_VERIFY_PARAM_set1_ip_asc(param, address) == 1 ? 0 : -EINVAL;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(param, name, 0) != 1 ||
        SSL_set_tlsext_host_name(ssl, name) != 1)
        return -EINVAL;
    return 0;
}

/* --- Reasons --- */

static bool is_other_name(long verdict)
{
    return verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

static void explain_certificate(long verdict, const char *name, char *text)
{
    if (name && is_other_name(verdict))
        snprintf(text, TLS_TEXT_MAX,
                 "the peer's certificate does not name %.100s: refused (key peer says what it "
                 "must name)",
                 name);
    else
        snprintf(text, TLS_TEXT_MAX, "the peer's certificate is refused: %s%s",
                 X509_verify_cert_error_string(verdict),
                 verdict == X509_V_ERR_CERT_HAS_EXPIRED ? "" : " (key ca says whom to trust)");
}

static bool is_alert(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET;
}

static void explain_error(unsigned long error, char *text)
{
    int why = ERR_GET_REASON(error);

    if (is_alert(error))
        snprintf(text, TLS_TEXT_MAX,
                 "the peer refused us: %s (it judges our certificate: keys cert, key)",
                 SSL_alert_desc_string_long(why - SSL_AD_REASON_OFFSET));
    else if (ERR_GET_LIB(error) == ERR_LIB_SSL && why == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        snprintf(text, TLS_TEXT_MAX, "the peer shows no certificate: refused");
    else if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
             (why == SSL_R_WRONG_VERSION_NUMBER || why == SSL_R_HTTP_REQUEST ||
              why == SSL_R_UNKNOWN_PROTOCOL))
        snprintf(text, TLS_TEXT_MAX, "the peer does not speak TLS");
    else
        snprintf(text, TLS_TEXT_MAX, "TLS: %s", reason());
}

void tls_explain(SSL *ssl, int rc, const char *name, char *text)
{
    unsigned long error = ERR_peek_last_error();
    long verdict = SSL_get_verify_result(ssl);

    if (verdict != X509_V_OK && !SSL_is_init_finished(ssl) && error && !is_alert(error))
        explain_certificate(verdict, name, text);
    else if (error)
        explain_error(error, text);
    else
        snprintf(text, TLS_TEXT_MAX, "TLS: the peer ended the connection%s",
                 SSL_is_init_finished(ssl) ? "" : " during the handshake");
    (void)rc;
    ERR_clear_error();
}
