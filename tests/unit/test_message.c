/* Messages as octets: frame, templates, records, what is counted. Meaning is tested by readers that
 * share no code (tests/e2e/test_export.py) and by the way back. */
#include <errno.h>

#include "format_records.h"

#include "export/message.h"
#include "export/schema.h"

#define HEADER 16
#define SET_HEADER 4

struct fixture {
    struct config config;
    struct message_builder *builder;
    uint8_t out[MESSAGE_MAX + ENCODE_MAX];
};

static struct fixture f;

static size_t fake_id(const struct flow_record *r, char *out)
{
    (void)r;
    memset(out, 'x', 30);
    return 30;
}

static size_t fake_line(const struct config *c, const struct flow_record *r, char *out)
{
    (void)c;
    if (r->proto == 17)
        return 0; /* not for this face */
    memset(out, 'a', 299);
    out[299] = '\n';
    return 300;
}

static const struct record_encoder fake_encoder = {.name = "fake", .record = fake_line};

static void build(uint64_t profile, uint32_t size)
{
    struct message_options o = {.config = &f.config,
                                .profile = profile,
                                .message_size = size,
                                .encoder = &fake_encoder,
                                .community_id = fake_id};
    f.config = sample_config();
    f.config.exports.enterprise = 64999;
    assert_int_equal(message_builder_create(&o, &f.builder), 0);
}

static int teardown(void **state)
{
    (void)state;
    message_builder_destroy(f.builder);
    f.builder = NULL;
    return 0;
}

static unsigned be16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t be32(const uint8_t *at)
{
    return (uint32_t)be16(at) << 16 | be16(at + 2);
}

/* Calls visit for every set; checks the frame on the way. */
static void each_set(const uint8_t *m, uint32_t len,
                     void (*visit)(unsigned id, const uint8_t *, unsigned))
{
    uint32_t at = HEADER;

    assert_int_equal(be16(m), 10);
    assert_int_equal(be16(m + 2), len);
    while (at < len) {
        unsigned set_len = be16(m + at + 2);
        assert_in_range(set_len, SET_HEADER + 1, len - at);
        visit(be16(m + at), m + at + SET_HEADER, set_len - SET_HEADER);
        at += set_len;
    }
    assert_int_equal(at, len);
}

static struct {
    unsigned templates, options_templates, data_sets, fields_max, last_id, data_octets;
    bool forward_seen;
} seen;

static void check_fields(const uint8_t *at, unsigned count)
{
    bool forward = false;
    for (unsigned i = 0; i < count; i++) {
        uint32_t pen = at[0] & 0x80 ? be32(at + 4) : 0;
        bool reverse = pen == PEN_REVERSE || (pen == PEN_CERT && at[0] & 0x40);
        assert_false(reverse && forward); /* reverse fields first */
        forward |= !reverse;
        at += pen ? 8 : 4;
    }
}

static unsigned fields_len(const uint8_t *at, unsigned count)
{
    unsigned len = 0;
    while (count--)
        len += at[len] & 0x80 ? 8 : 4;
    return len;
}

static void visit(unsigned id, const uint8_t *at, unsigned len)
{
    unsigned sets = 0;
    if (id >= 256) {
        seen.data_sets++;
        seen.data_octets += len;
        seen.last_id = id;
        return;
    }
    assert_true(id == 2 || id == 3);
    for (const uint8_t *end = at + len; at < end; sets++) {
        unsigned count = be16(at + 2), head = id == 2 ? 4 : 6;
        assert_true(be16(at) >= 256);
        if (id == 2)
            check_fields(at + head, count);
        if (count > seen.fields_max)
            seen.fields_max = count;
        at += head + fields_len(at + head, count);
    }
    *(id == 2 ? &seen.templates : &seen.options_templates) += sets;
    if (id == 3)
        assert_int_equal(sets, 1); /* each in its own set */
}

static struct message_info take(void)
{
    struct message_info m = message_builder_take(f.builder, f.out);
    memset(&seen, 0, sizeof(seen));
    if (m.len)
        each_set(f.out, m.len, visit);
    return m;
}

static void test_core_record(void **state)
{
    (void)state;
    struct flow_record r = sample_tcp();

    build(PROFILE_CORE, 8192);
    assert_true(message_builder_add(f.builder, &r));
    assert_int_equal(message_builder_count(f.builder), 1);
    struct message_info m = take();
    assert_int_equal(m.len, HEADER + SET_HEADER + 129);
    assert_int_equal(m.records, 1);
    assert_int_equal(m.data_records, 1);
    assert_int_equal(m.packets, 22);
    assert_int_equal(m.octets, 1584 + 2199);
    assert_int_equal(m.first_ns, r.end_ns);
    assert_int_equal(m.last_ns, r.end_ns);
    const uint8_t *record = f.out + HEADER + SET_HEADER;
    static const uint8_t reverse_octets[8] = {[6] = 2199 >> 8, [7] = 2199 & 0xff};
    assert_memory_equal(record, reverse_octets, 8);
    assert_memory_equal(record + 33, r.address[0], 4);
    assert_int_equal(message_builder_count(f.builder), 0);
    assert_int_equal(take().len, 0);
}

/* One direction only: no reverse fields. ICMP: no ports. */
static void test_variants(void **state)
{
    (void)state;
    struct flow_record tcp = sample_tcp(), one_way = sample_tcp(), icmp = sample_icmp6();

    one_way.delta.packets[1] = 0;
    build(PROFILE_CORE, 8192);
    message_builder_add(f.builder, &one_way);
    assert_int_equal(take().len, HEADER + SET_HEADER + 129 - 33);
    message_builder_add(f.builder, &icmp);
    assert_int_equal(take().len, HEADER + SET_HEADER + 125 + 24);
    unsigned icmp_id = seen.last_id;
    message_builder_add(f.builder, &tcp);
    message_builder_add(f.builder, &tcp);
    message_builder_add(f.builder, &icmp);
    assert_int_equal(take().data_records, 3);
    assert_int_equal(seen.data_sets, 2); /* equal ones share a set */
    assert_int_equal(seen.last_id, icmp_id);
}

static void test_split(void **state)
{
    (void)state;
    struct flow_record both = sample_tcp(), one_way = sample_tcp(), answer = sample_tcp();

    one_way.delta.packets[1] = 0;
    answer.delta.packets[0] = 0;
    build(PROFILE_UNIFLOW, 8192);
    message_builder_add(f.builder, &both);
    message_builder_add(f.builder, &one_way);
    message_builder_add(f.builder, &answer);
    struct message_info m = take();
    assert_int_equal(m.records, 3);
    assert_int_equal(m.data_records, 4);
    assert_int_equal(m.packets, 22 + 12 + 10);
    assert_int_equal(seen.data_sets, 1);
    assert_int_equal(seen.data_octets, 4 * 96);
    const uint8_t *second = f.out + HEADER + SET_HEADER + 96;
    assert_memory_equal(second, both.address[1], 4);
    assert_memory_equal(second + 4, both.address[0], 4);
}

static void test_notices_are_left_out(void **state)
{
    (void)state;
    struct flow_record notice = sample_notice();

    for (uint64_t profile = 0; profile < PROFILE_COUNT; profile++) {
        build(profile, 8192);
        assert_true(message_builder_add(f.builder, &notice));
        assert_int_equal(message_builder_count(f.builder), 0);
        assert_int_equal(take().len, 0);
        teardown(NULL);
    }
}

/* Any record, any size: nothing is lost, nothing overflows (the sanitizer sees it). */
static void fill(uint64_t profile, uint32_t size)
{
    uint64_t state = 88172645463325252u + profile, records = 0, taken = 0, packets = 0;

    build(profile, size);
    for (int i = 0; i < 3000; i++) {
        struct flow_record r = i % 100 ? random_record(&state) : widest_record();
        r.delta.packets[0] |= 1;
        if (!message_builder_add(f.builder, &r)) {
            struct message_info m = take();
            assert_in_range(m.len, HEADER + 1, size);
            taken += m.records;
            packets += m.packets;
            assert_true(message_builder_add(f.builder, &r));
        }
        records++;
        packets -= r.delta.packets[0] + r.delta.packets[1];
    }
    struct message_info m = take();
    assert_int_equal(taken + m.records, records);
    assert_int_equal(packets + m.packets, 0);
    teardown(NULL);
}

static void test_fill(void **state)
{
    (void)state;
    for (uint64_t profile = 0; profile < PROFILE_ECS; profile++) {
        fill(profile, MESSAGE_MIN);
        fill(profile, 1400);
        fill(profile, MESSAGE_MAX);
    }
}

static void check_templates(uint64_t profile, uint32_t size)
{
    unsigned templates = 0, options_templates = 0, data_records = 0, variants = 0;

    build(profile, size);
    for (uint32_t part = 0;; part++) {
        struct message_info m = message_templates(f.builder, part, f.out);
        if (!m.len)
            break;
        assert_in_range(m.len, HEADER + 1, size);
        memset(&seen, 0, sizeof(seen));
        each_set(f.out, m.len, visit);
        templates += seen.templates;
        options_templates += seen.options_templates;
        data_records += m.data_records;
        assert_int_equal(m.records, 0);
        assert_in_range(seen.fields_max, 0, TEMPLATE_FIELDS_MAX);
        assert_in_range(part, 0, 100);
    }
    for (unsigned v = 0; v < VARIANT_COUNT; v++)
        variants += schema_has_variant(profile, v);
    assert_int_equal(templates, variants);
    assert_int_equal(options_templates, profile == PROFILE_ELK ? 0 : 8);
    assert_int_equal(data_records, profile == PROFILE_ELK    ? 0
                                   : profile == PROFILE_RICH ? templates + 2 + 17
                                                             : templates + 2);
    teardown(NULL);
}

static void test_templates(void **state)
{
    (void)state;
    for (uint64_t profile = 0; profile < PROFILE_ECS; profile++) {
        check_templates(profile, MESSAGE_MIN);
        check_templates(profile, 1400);
        check_templates(profile, MESSAGE_MAX);
    }
}

static void test_statistics(void **state)
{
    (void)state;
    struct export_statistics s = {.exported_records = 5, .not_sent_octets = 7};

    build(PROFILE_CORE, MESSAGE_MIN);
    struct message_info m = message_statistics(f.builder, &s, f.out);
    memset(&seen, 0, sizeof(seen));
    each_set(f.out, m.len, visit);
    assert_int_equal(m.data_records, 3);
    assert_int_equal(seen.data_sets, 3);
    assert_int_equal(seen.data_octets, 32 + 40 + 44);
    teardown(NULL);
    build(PROFILE_ELK, MESSAGE_MIN);
    assert_int_equal(message_statistics(f.builder, &s, f.out).len, 0);
}

static void test_stamp(void **state)
{
    (void)state;
    struct flow_record r = sample_tcp();

    build(PROFILE_CORE, MESSAGE_MIN);
    message_builder_add(f.builder, &r);
    take();
    message_stamp(PROFILE_CORE, f.out, 0x01020304, 0x05060708, 0x090a0b0c);
    for (int i = 1; i <= 12; i++)
        assert_int_equal(f.out[3 + i], i);
    message_stamp(PROFILE_JSON, f.out, 0, 0, 0);
    assert_int_equal(f.out[4], 1);
}

static void test_lines(void **state)
{
    (void)state;
    struct flow_record tcp = sample_tcp(), udp = sample_udp_part();

    build(PROFILE_JSON, 700);
    assert_int_equal(message_builder_room(f.builder), ENCODE_MAX);
    assert_true(message_builder_add(f.builder, &tcp));
    assert_true(message_builder_add(f.builder, &udp)); /* no line */
    assert_true(message_builder_add(f.builder, &tcp));
    assert_false(message_builder_add(f.builder, &tcp));
    struct message_info m = message_builder_take(f.builder, f.out);
    assert_int_equal(m.len, 600);
    assert_int_equal(m.records, 2);
    assert_int_equal(f.out[599], '\n');
    assert_int_equal(message_templates(f.builder, 0, f.out).len, 0);
    teardown(NULL);
    build(PROFILE_ECS, 512);
    assert_true(message_builder_add(f.builder, &tcp));
    assert_false(message_builder_add(f.builder, &tcp));
}

static void test_refuses(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct message_builder *b = NULL;
    struct message_options o = {.config = &c, .message_size = MESSAGE_MIN - 1};

    assert_int_equal(message_builder_create(&o, &b), -EINVAL);
    o.message_size = MESSAGE_MAX + 1;
    assert_int_equal(message_builder_create(&o, &b), -EINVAL);
    o.message_size = 1400;
    o.profile = PROFILE_JSON;
    assert_int_equal(message_builder_create(&o, &b), -EINVAL);
    o.profile = PROFILE_COUNT;
    assert_int_equal(message_builder_create(&o, &b), -EINVAL);
    assert_null(b);
    message_builder_destroy(NULL);
}

static void test_domain(void **state)
{
    (void)state;
    struct config c = sample_config();
    uint32_t first = message_domain(&c);

    assert_int_not_equal(first, 0);
    strcpy(c.sensor.name, "tap-2");
    assert_int_not_equal(message_domain(&c), first);
    c.exports.domain = 77;
    assert_int_equal(message_domain(&c), 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_core_record, teardown),
        cmocka_unit_test_teardown(test_variants, teardown),
        cmocka_unit_test_teardown(test_split, teardown),
        cmocka_unit_test(test_notices_are_left_out),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_templates),
        cmocka_unit_test_teardown(test_statistics, teardown),
        cmocka_unit_test_teardown(test_stamp, teardown),
        cmocka_unit_test_teardown(test_lines, teardown),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
