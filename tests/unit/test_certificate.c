#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "export/certificate.h"

#define DAY 86400
#define PATH_MAX_HERE 96

/* Files of one test, in a directory of their own. */
struct files {
    char dir[32];
    char cert[PATH_MAX_HERE], key[PATH_MAX_HERE], other_key[PATH_MAX_HERE], secret[PATH_MAX_HERE],
        text[PATH_MAX_HERE];
    EVP_PKEY *pair;
};

static void write_certificate(const struct files *f, long begin, long end)
{
    X509 *x = X509_new();
    FILE *out = fopen(f->cert, "w");

    X509_gmtime_adj(X509_getm_notBefore(x), begin);
    X509_gmtime_adj(X509_getm_notAfter(x), end);
    X509_set_pubkey(x, f->pair);
    assert_true(X509_sign(x, f->pair, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(out, x), 1);
    fclose(out);
    X509_free(x);
}

static void write_key(const char *path, EVP_PKEY *key, const char *password)
{
    FILE *out = fopen(path, "w");
    assert_int_equal(PEM_write_PrivateKey(out, key, password ? EVP_aes_128_cbc() : NULL, NULL, 0,
                                          NULL, (void *)(uintptr_t)password),
                     1);
    fclose(out);
}

static int set_up(void **state)
{
    struct files *f = calloc(1, sizeof(*f));
    EVP_PKEY *other = EVP_EC_gen("P-256");

    strcpy(f->dir, "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof(f->key), "%s/key.pem", f->dir);
    snprintf(f->other_key, sizeof(f->other_key), "%s/other.pem", f->dir);
    snprintf(f->secret, sizeof(f->secret), "%s/secret.pem", f->dir);
    snprintf(f->text, sizeof(f->text), "%s/text.pem", f->dir);
    f->pair = EVP_EC_gen("P-256");
    write_key(f->key, f->pair, NULL);
    write_key(f->secret, f->pair, "password");
    write_key(f->other_key, other, NULL);
    fclose(fopen(f->text, "w"));
    EVP_PKEY_free(other);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct files *f = *state;

    unlink(f->cert);
    unlink(f->key);
    unlink(f->other_key);
    unlink(f->secret);
    unlink(f->text);
    rmdir(f->dir);
    EVP_PKEY_free(f->pair);
    free(f);
    return 0;
}

static void a_sound_pair_is_read(void **state)
{
    struct files *f = *state;
    struct certificate facts;
    char why[CERTIFICATE_WHY_MAX] = "";

    write_certificate(f, -60, 10 * DAY);
    assert_int_equal(certificate_read(f->cert, f->key, "", &facts, why), 0);
    assert_in_range(facts.seconds_left, 9 * DAY, 10 * DAY);
    assert_int_equal(certificate_read(f->cert, f->key, f->cert, &facts, why), 0);
    assert_string_equal(why, "");
    write_certificate(f, -9 * DAY, -5 * DAY);
    assert_int_equal(certificate_read(f->cert, f->key, "", &facts, why), 0);
    assert_true(facts.seconds_left < -4 * DAY);
}

static void assert_refused(const char *const files[3], const char *named, const char *reason)
{
    struct certificate facts = {.seconds_left = 7};
    char why[CERTIFICATE_WHY_MAX], line[CERTIFICATE_WHY_MAX];

    assert_true(certificate_read(files[0], files[1], files[2], &facts, why) < 0);
    snprintf(line, sizeof(line), "%.160s: %s", named, reason);
    assert_string_equal(why, line);
    assert_int_equal(facts.seconds_left, 7);
}

static void what_is_wrong_is_named(void **state)
{
    struct files *f = *state;
    const char *none = "/nonexistent/x.pem", *absent = "No such file or directory";
    const char *no_key = "holds no private key in PEM form without a password";

    write_certificate(f, -60, DAY);
    assert_refused((const char *const[]){none, f->key, ""}, none, absent);
    assert_refused((const char *const[]){f->cert, none, ""}, none, absent);
    assert_refused((const char *const[]){f->cert, f->key, none}, none, absent);
    assert_refused((const char *const[]){f->text, f->key, ""}, f->text,
                   "holds no certificate in PEM form");
    assert_refused((const char *const[]){f->key, f->key, ""}, f->key,
                   "holds no certificate in PEM form");
    assert_refused((const char *const[]){f->cert, f->key, f->text}, f->text,
                   "holds no certificate in PEM form");
    assert_refused((const char *const[]){f->cert, f->cert, ""}, f->cert, no_key);
    assert_refused((const char *const[]){f->cert, f->secret, ""}, f->secret, no_key);
    assert_refused((const char *const[]){f->cert, f->other_key, ""}, f->other_key,
                   "is not the key of the certificate");
    write_certificate(f, DAY, 2 * DAY);
    assert_refused((const char *const[]){f->cert, f->key, ""}, f->cert, "is not valid yet");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sound_pair_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
