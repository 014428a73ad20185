#include "format_records.h"

#include "format/format.h"

struct vector {
    uint8_t proto;
    const char *address[2];
    uint16_t port[2];
    const char *expected;
};

/* The published baseline, seed 0. */
static const struct vector baseline[] = {
    {58,
     {"fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea"},
     {135, 136},
     "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
    {58,
     {"fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da"},
     {136, 135},
     "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
    {58,
     {"fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da"},
     {135, 136},
     "1:zavyT/cezQr1fmImYCwYnMXbgck="},
    {58,
     {"fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea"},
     {136, 135},
     "1:zavyT/cezQr1fmImYCwYnMXbgck="},
    {58,
     {"3ffe:501:1800:2345::2", "3ffe:507:0:1:200:86ff:fe05:80da"},
     {3, 0},
     "1:2ObVBgIn28oZvibYZhZMBgh7WdQ="},
    {58,
     {"3ffe:501:410:0:2c0:dfff:fe47:33e", "3ffe:507:0:1:200:86ff:fe05:80da"},
     {1, 4},
     "1:hLZd0XGWojozrvxqE0dWB1iM6R0="},
    {58,
     {"3ffe:507:0:1:200:86ff:fe05:80da", "3ffe:501:0:1001::2"},
     {128, 129},
     "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="},
    {58,
     {"3ffe:501:0:1001::2", "3ffe:507:0:1:200:86ff:fe05:80da"},
     {129, 128},
     "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="},
    {58, {"fe80::200:86ff:fe05:80da", "ff02::2"}, {133, 134}, "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="},
    {58, {"fe80::260:97ff:fe07:69ea", "ff02::1"}, {134, 133}, "1:pkvHqCL88/tg1k4cPigmZXUtL00="},
    {1, {"192.168.0.89", "192.168.0.1"}, {8, 0}, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
    {1, {"192.168.0.1", "192.168.0.89"}, {0, 8}, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
    {1, {"10.0.0.1", "10.0.0.2"}, {11, 0}, "1:YHxtAirCG//0OzkcVAukqKQN9xM="},
    {6,
     {"2001:470:e5bf:dead:4957:2174:e82c:4887", "2607:f8b0:400c:c03::1a"},
     {63943, 25},
     "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
    {6,
     {"2607:f8b0:400c:c03::1a", "2001:470:e5bf:dead:4957:2174:e82c:4887"},
     {25, 63943},
     "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
    {132, {"192.168.170.8", "192.168.170.56"}, {7, 7}, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
    {132, {"192.168.170.56", "192.168.170.8"}, {7, 7}, "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="},
    {6, {"128.232.110.120", "66.35.250.204"}, {34855, 80}, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
    {6, {"66.35.250.204", "128.232.110.120"}, {80, 34855}, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
    {17, {"192.168.1.52", "8.8.8.8"}, {54585, 53}, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
    {17, {"8.8.8.8", "192.168.1.52"}, {53, 54585}, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
    {46, {"10.1.12.1", "10.1.12.2"}, {0, 0}, "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="},
    {46, {"10.1.12.2", "10.1.12.1"}, {0, 0}, "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="},
};

static struct flow_record vector_record(const struct vector *v)
{
    struct flow_record r = {.proto = v->proto, .port = {v->port[0], v->port[1]}};

    r.ip_version = strchr(v->address[0], ':') ? 6 : 4;
    for (unsigned side = 0; side < 2; side++)
        assert_int_equal(
            inet_pton(r.ip_version == 4 ? AF_INET : AF_INET6, v->address[side], r.address[side]),
            1);
    return r;
}

static void assert_id(const struct flow_record *r, const char *expected)
{
    char text[COMMUNITY_ID_LEN + 1] = "";

    assert_int_equal(community_id(r, text), COMMUNITY_ID_LEN);
    text[COMMUNITY_ID_LEN] = '\0';
    assert_string_equal(text, expected);
}

static void published_baseline(void **state)
{
    (void)state;
    assert_int_equal(sizeof(baseline) / sizeof(*baseline), 23);
    for (size_t i = 0; i < sizeof(baseline) / sizeof(*baseline); i++) {
        struct flow_record r = vector_record(&baseline[i]);
        assert_id(&r, baseline[i].expected);
    }
}

/* What lies behind an IPv4 address, and the ports of protocols that have none here, are not part of
 * the key. */
static void other_octets_of_the_record_do_not_matter(void **state)
{
    (void)state;
    struct flow_record udp = vector_record(&baseline[19]), rsvp = vector_record(&baseline[22]);

    memset(udp.address[0] + 4, 0xff, 12);
    assert_id(&udp, baseline[19].expected);
    rsvp.port[0] = 1;
    assert_id(&rsvp, baseline[22].expected);
}

static void equal_addresses_are_ordered_by_port(void **state)
{
    (void)state;
    const struct vector vectors[] = {
        {6, {"127.0.0.1", "127.0.0.1"}, {40000, 80}, "1:5rFr+y3i0wpQbEhThSaj08U8BaE="},
        {6, {"127.0.0.1", "127.0.0.1"}, {80, 40000}, "1:5rFr+y3i0wpQbEhThSaj08U8BaE="},
    };

    for (size_t i = 0; i < 2; i++) {
        struct flow_record r = vector_record(&vectors[i]);
        assert_id(&r, vectors[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_baseline),
        cmocka_unit_test(equal_addresses_are_ordered_by_port),
        cmocka_unit_test(other_octets_of_the_record_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
