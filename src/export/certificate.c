#include "export/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifdef WEIR_HAVE_TLS

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define DAY 86400

static int fail(char *why, int error, const char *path, const char *text)
{
    ERR_clear_error();
    snprintf(why, CERTIFICATE_WHY_MAX, "%.160s: %s", path, text);
    return error;
}

/* A key that wants a password cannot be used by a sensor that starts alone. */
static int no_password(char *out, int size, int writing, void *user)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static X509 *read_certificate(const char *path, char *why, int *error)
{
    FILE *f = fopen(path, "re");

    *error = f ? 0 : fail(why, -errno, path, strerror(errno));
    if (!f)
        return NULL;
    X509 *certificate = PEM_read_X509(f, NULL, no_password, NULL);
    fclose(f);
    if (!certificate)
        *error = fail(why, -EINVAL, path, "holds no certificate in PEM form");
    return certificate;
}

static EVP_PKEY *read_key(const char *path, char *why, int *error)
{
    FILE *f = fopen(path, "re");

    *error = f ? 0 : fail(why, -errno, path, strerror(errno));
    if (!f)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, no_password, NULL);
    fclose(f);
    if (!key)
        *error = fail(why, -EINVAL, path, "holds no private key in PEM form without a password");
    return key;
}

static int check_key(const X509 *certificate, const char *path, char *why)
{
    int error;
    EVP_PKEY *key = read_key(path, why, &error);

    if (key && X509_check_private_key(certificate, key) != 1)
        error = fail(why, -EINVAL, path, "is not the key of the certificate");
    EVP_PKEY_free(key);
    return error;
}

static int check_authority(const char *path, char *why)
{
    int error = 0;

    if (*path)
        X509_free(read_certificate(path, why, &error));
    return error;
}

/* Begins later than now: a clock is wrong here or where it was made. */
static int check_begin(const X509 *certificate, const char *path, char *why)
{
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0
               ? fail(why, -EINVAL, path, "is not valid yet")
               : 0;
}

static int seconds_left(const X509 *certificate, const char *path, int64_t *left, char *why)
{
    int days, seconds;

    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
        return fail(why, -EINVAL, path, "does not say how long it is valid");
    *left = (int64_t)days * DAY + seconds;
    return 0;
}

int certificate_read(const char *cert, const char *key, const char *ca, struct certificate *out,
                     char why[CERTIFICATE_WHY_MAX])
{
    int error;
    X509 *certificate = read_certificate(cert, why, &error);

    if (certificate)
        error = check_key(certificate, key, why);
    if (error == 0)
        error = check_authority(ca, why);
    if (error == 0)
        error = check_begin(certificate, cert, why);
    if (error == 0)
        error = seconds_left(certificate, cert, &out->seconds_left, why);
    X509_free(certificate);
    return error;
}

#else

int certificate_read(const char *cert, const char *key, const char *ca, struct certificate *out,
                     char why[CERTIFICATE_WHY_MAX])
{
    (void)key;
    (void)ca;
    (void)out;
    snprintf(why, CERTIFICATE_WHY_MAX, "%.160s: this build has no TLS (OpenSSL)", cert);
    return -ENOTSUP;
}

#endif
