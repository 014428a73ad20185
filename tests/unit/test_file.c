#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>

#include "capture/file.h"
#include "capture/filter.h"
#include "weir/packet.h"

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define UDP_FRAME 42 /* Ethernet, IPv4, UDP without payload */

/* A capture file in memory, written field by field. */
struct image {
    uint8_t data[1 << 20];
    size_t len;
    bool swapped;
};

static struct image img;
static bool ahead; /* all tests run without it, then with it */

static void put(const void *data, size_t len)
{
    assert_true(img.len + len <= sizeof(img.data));
    memcpy(img.data + img.len, data, len);
    img.len += len;
}

static void put16(uint16_t value)
{
    value = img.swapped ? __builtin_bswap16(value) : value;
    put(&value, sizeof(value));
}

static void put32(uint32_t value)
{
    value = img.swapped ? __builtin_bswap32(value) : value;
    put(&value, sizeof(value));
}

static void pcap_head_snap(uint32_t magic, uint32_t linktype, uint32_t snaplen)
{
    put32(magic);
    put16(2);
    put16(4);
    put32(0);
    put32(0);
    put32(snaplen);
    put32(linktype);
}

static void pcap_head(uint32_t magic, uint32_t linktype)
{
    pcap_head_snap(magic, linktype, 262144);
}

static void record_head(uint32_t seconds, uint32_t fraction, uint32_t cap_len, uint32_t len)
{
    put32(seconds);
    put32(fraction);
    put32(cap_len);
    put32(len);
}

static void udp_record(uint32_t seconds, uint16_t port)
{
    uint8_t frame[UDP_FRAME] = {
        [12] = 8, [14] = 0x45, [17] = 28, [22] = 64, [23] = 17, [26] = 192, 0,
        2,        1,           192,       0,         2,         2,          [39] = 8};

    frame[36] = (uint8_t)(port >> 8);
    frame[37] = (uint8_t)port;
    record_head(seconds, 5, UDP_FRAME, UDP_FRAME);
    put(frame, sizeof(frame));
}

static void pcapng_section(void)
{
    put32(0x0a0d0d0a);
    put32(28);
    put32(0x1a2b3c4d);
    put16(1);
    put16(0);
    put32(UINT32_MAX);
    put32(UINT32_MAX);
    put32(28);
}

static void pcapng_interface(uint16_t linktype)
{
    put32(1);
    put32(20);
    put16(linktype);
    put16(0);
    put32(65535);
    put32(20);
}

static void pcapng_packet(uint32_t interface, uint64_t microseconds)
{
    put32(6);
    put32(36);
    put32(interface);
    put32((uint32_t)(microseconds >> 32));
    put32((uint32_t)microseconds);
    put32(4);
    put32(60);
    put("wxyz", 4);
    put32(36);
}

/* The image as a file that can be opened by name; close(fd) removes it. */
static int image_file(char path[64])
{
    int fd = memfd_create("capture", 0);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, img.data, img.len), (ssize_t)img.len);
    lseek(fd, 0, SEEK_SET);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static int setup(void **state)
{
    (void)state;
    img.len = 0;
    img.swapped = false;
    return 0;
}

static struct capture *open_path(const char *path, const struct capture_filter *filter)
{
    char error[CAPTURE_ERROR_MAX] = "";
    struct capture *capture = NULL;

    const struct capture_file_options options = {.filter = filter, .port = 7, .ahead = ahead};

    if (capture_file_open(path, &options, &capture, error) != 0)
        fail_msg("%s", error);
    return capture;
}

static struct capture *open_image(const struct capture_filter *filter)
{
    char path[64];
    int fd = image_file(path);
    struct capture *capture = open_path(path, filter);

    close(fd);
    return capture;
}

static int open_error(const char *path, const struct capture_filter *filter,
                      char error[CAPTURE_ERROR_MAX])
{
    struct capture *untouched = (struct capture *)error, *capture = untouched;
    const struct capture_file_options options = {.filter = filter, .ahead = ahead};
    int status = capture_file_open(path, &options, &capture, error);

    assert_ptr_equal(capture, untouched);
    assert_null(strchr(error, '\n'));
    return status;
}

static int image_error(const struct capture_filter *filter, char error[CAPTURE_ERROR_MAX])
{
    char path[64];
    int fd = image_file(path), status = open_error(path, filter, error);

    close(fd);
    assert_memory_equal(error, path, strlen(path));
    assert_memory_equal(error + strlen(path), ": ", 2);
    memmove(error, error + strlen(path) + 2, strlen(error + strlen(path) + 2) + 1);
    return status;
}

static struct burst burst;

static uint64_t drain(struct capture *capture, enum capture_status *last)
{
    uint64_t packets = 0;

    do {
        *last = capture_receive(capture, &burst);
        assert_in_range(burst.count, 0, PACKET_BURST_MAX);
        packets += burst.count;
    } while (*last == CAPTURE_OK);
    return packets;
}

static void expect_packets(struct capture *capture, uint64_t packets)
{
    enum capture_status last;

    assert_int_equal(drain(capture, &last), packets);
    assert_int_equal(last, CAPTURE_END);
    assert_int_equal(capture_receive(capture, &burst), CAPTURE_END);
    assert_int_equal(burst.count, 0);
    capture_close(capture);
}

static void a_packet_carries_what_the_record_says(void **state)
{
    (void)state;
    for (int swapped = 0; swapped < 2; swapped++) {
        setup(state);
        img.swapped = swapped;
        pcap_head(MAGIC_US, 1);
        record_head(1700000000, 123456, 5, 1500);
        put("abcde", 5);
        struct capture *capture = open_image(NULL);
        assert_int_equal(capture_receive(capture, &burst), CAPTURE_OK);
        const struct packet *p = &burst.packet[0];
        assert_int_equal(burst.count, 1);
        assert_int_equal(p->ts_ns, UINT64_C(1700000000123456000));
        assert_int_equal(p->cap_len, 5);
        assert_int_equal(p->wire_len, 1500);
        assert_int_equal(p->port, 7);
        assert_int_equal(p->link, LINK_ETHERNET);
        assert_memory_equal(p->data, "abcde", 5);
        assert_null(capture_file_warning(capture));
        expect_packets(capture, 0);
    }
}

static void nanoseconds_are_kept(void **state)
{
    (void)state;
    pcap_head(MAGIC_NS, 1);
    record_head(1700000000, 123456789, 0, 60);
    struct capture *capture = open_image(NULL);
    capture_receive(capture, &burst);
    assert_int_equal(burst.packet[0].ts_ns, UINT64_C(1700000000123456789));
    capture_close(capture);
}

/* Years beyond 2038, and fractions no second has. */
static void odd_times_stay_in_range(void **state)
{
    (void)state;
    pcap_head(MAGIC_US, 1);
    record_head(0x80000000u, 1, 0, 60);
    record_head(UINT32_MAX, 999999, 0, 60);
    record_head(0, UINT32_MAX, 0, 60); /* signed in libpcap: -1 us */
    record_head(1, 2000000, 0, 60);
    struct capture *capture = open_image(NULL);
    capture_receive(capture, &burst);
    assert_int_equal(burst.count, 4);
    assert_int_equal(burst.packet[0].ts_ns, UINT64_C(2147483648000001000));
    assert_int_equal(burst.packet[1].ts_ns, UINT64_C(4294967295999999000));
    assert_true(burst.packet[2].ts_ns <= UINT64_C(4294967295000));
    assert_int_equal(burst.packet[3].ts_ns, UINT64_C(3000000000));
    capture_close(capture);
}

static void a_time_beyond_2262_is_clamped(void **state)
{
    (void)state;
    pcapng_section();
    pcapng_interface(1);
    pcapng_packet(0, UINT64_C(9223372036854775)); /* the last that fits */
    pcapng_packet(0, UINT64_C(9223372036854776));
    pcapng_packet(0, UINT64_MAX);
    struct capture *capture = open_image(NULL);
    capture_receive(capture, &burst);
    assert_int_equal(burst.count, 3);
    assert_int_equal(burst.packet[0].ts_ns, UINT64_C(9223372036854775000));
    assert_int_equal(burst.packet[1].ts_ns, INT64_MAX);
    assert_int_equal(burst.packet[2].ts_ns, INT64_MAX);
    capture_close(capture);
}

static void a_frame_is_never_longer_than_its_wire(void **state)
{
    (void)state;
    pcap_head(MAGIC_US, 1);
    record_head(1, 0, 5, 3);
    put("abcde", 5);
    struct capture *capture = open_image(NULL);
    capture_receive(capture, &burst);
    assert_int_equal(burst.packet[0].cap_len, 5);
    assert_int_equal(burst.packet[0].wire_len, 5);
    capture_close(capture);
}

static void every_known_link_type_is_mapped(void **state)
{
    (void)state;
    static const struct {
        uint32_t linktype;
        enum link_type link;
    } cases[] = {
        {1, LINK_ETHERNET},    {0, LINK_NULL},         {108, LINK_LOOP}, {101, LINK_RAW},
        {12, LINK_RAW},        {14, LINK_RAW},         {228, LINK_IPV4}, {229, LINK_IPV6},
        {113, LINK_LINUX_SLL}, {276, LINK_LINUX_SLL2}, {9, LINK_PPP},    {50, LINK_PPP},
        {104, LINK_CHDLC},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        setup(state);
        pcap_head(MAGIC_US, cases[i].linktype);
        record_head(1, 0, 0, 60);
        struct capture *capture = open_image(NULL);
        assert_null(capture_file_warning(capture));
        capture_receive(capture, &burst);
        assert_int_equal(burst.count, 1);
        assert_int_equal(burst.packet[0].link, cases[i].link);
        capture_close(capture);
    }
}

static void an_unknown_link_type_is_delivered_and_named(void **state)
{
    (void)state;
    char error[CAPTURE_ERROR_MAX];
    struct capture_filter *filter;

    assert_int_equal(capture_filter_create("tcp", &filter, error), 0);
    pcap_head(MAGIC_US, 105);
    record_head(1, 0, 4, 60);
    put("abcd", 4);
    struct capture *capture = open_image(filter);
    assert_non_null(
        strstr(capture_file_warning(capture), "link type IEEE802_11 (105) is not supported"));
    capture_receive(capture, &burst);
    assert_int_equal(burst.count, 1);
    assert_int_equal(burst.packet[0].link, LINK_UNSUPPORTED);
    assert_memory_equal(burst.packet[0].data, "abcd", 4);
    expect_packets(capture, 0);
    capture_filter_destroy(filter);
}

/* In more than one block of the stream, of which packets begin in one and end in the next. */
static void bursts_keep_all_their_frames(void **state)
{
    (void)state;
    uint64_t seen = 0;
    enum capture_status status;

    pcap_head(MAGIC_US, 1);
    for (uint16_t i = 0; i < 15000; i++)
        udp_record(i, i);
    struct capture *capture = open_image(NULL);
    do {
        status = capture_receive(capture, &burst);
        for (uint32_t i = 0; i < burst.count; i++, seen++) {
            assert_int_equal(burst.packet[i].ts_ns, seen * 1000000000 + 5000);
            assert_int_equal(burst.packet[i].data[36] << 8 | burst.packet[i].data[37], seen);
        }
    } while (status == CAPTURE_OK);
    assert_int_equal(status, CAPTURE_END);
    assert_int_equal(seen, 15000);
    capture_close(capture);
}

/* Whoever wrote it kept more than the head of the file says; libpcap cuts such a packet. */
static void a_packet_beyond_the_snapshot_length_is_cut(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {40, 41, 60, 39};

    pcap_head_snap(MAGIC_US, 1, 40);
    for (int i = 0; i < 4; i++) {
        uint8_t frame[60] = {(uint8_t)i};
        record_head(1, 0, lengths[i], 60);
        put(frame, lengths[i]);
    }
    struct capture *capture = open_image(NULL);
    assert_int_equal(capture_receive(capture, &burst), CAPTURE_OK);
    assert_int_equal(burst.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(burst.packet[i].cap_len, lengths[i] < 40 ? lengths[i] : 40);
        assert_int_equal(burst.packet[i].data[0], i);
    }
    expect_packets(capture, 0);
}

/* The longest frames a capture may hold, more than a burst has room for; they come as gzip. */
static void large_frames_end_a_burst_early(void **state)
{
    (void)state;
    static uint8_t frame[262144];
    enum capture_status status;
    uint32_t seen = 0;
    char path[] = "/tmp/weir-test-XXXXXX";
    gzFile gz = gzdopen(mkstemp(path), "w1");

    pcap_head(MAGIC_US, 1);
    gzwrite(gz, img.data, (unsigned)img.len);
    for (int i = 0; i < 2 * PACKET_BURST_MAX; i++) {
        setup(state);
        record_head(1, 0, sizeof(frame), sizeof(frame));
        gzwrite(gz, img.data, (unsigned)img.len);
        frame[0] = frame[sizeof(frame) - 1] = (uint8_t)i;
        gzwrite(gz, frame, sizeof(frame));
    }
    assert_int_equal(gzclose(gz), Z_OK);
    struct capture *capture = open_path(path, NULL);
    unlink(path);
    do {
        status = capture_receive(capture, &burst);
        for (uint32_t i = 0; i < burst.count; i++, seen++) {
            assert_int_equal(burst.packet[i].cap_len, sizeof(frame));
            assert_int_equal(burst.packet[i].data[0], seen);
            assert_int_equal(burst.packet[i].data[sizeof(frame) - 1], seen);
        }
    } while (status == CAPTURE_OK);
    assert_int_equal(status, CAPTURE_END);
    assert_int_equal(seen, 2 * PACKET_BURST_MAX);
    capture_close(capture);
}

static void pcapng_is_read(void **state)
{
    (void)state;
    pcapng_section();
    pcapng_interface(113);
    pcapng_interface(113);
    pcapng_packet(1, UINT64_C(1700000000000001));
    pcapng_packet(0, 0);
    struct capture *capture = open_image(NULL);
    capture_receive(capture, &burst);
    assert_int_equal(burst.count, 2);
    assert_int_equal(burst.packet[0].ts_ns, UINT64_C(1700000000000001000));
    assert_int_equal(burst.packet[0].link, LINK_LINUX_SLL);
    assert_memory_equal(burst.packet[0].data, "wxyz", 4);
    expect_packets(capture, 0);
}

static void mixed_link_types_are_explained_after_what_came_before(void **state)
{
    (void)state;
    enum capture_status last;

    pcapng_section();
    pcapng_interface(1);
    pcapng_packet(0, 1);
    pcapng_interface(101);
    pcapng_packet(1, 2);
    struct capture *capture = open_image(NULL);
    assert_int_equal(drain(capture, &last), 1);
    assert_int_equal(last, CAPTURE_ERROR);
    assert_non_null(strstr(capture_error(capture), "different link types (EN10MB, RAW)"));
    assert_int_equal(capture_receive(capture, &burst), CAPTURE_ERROR);
    assert_int_equal(burst.count, 0);
    capture_close(capture);
}

static void a_cut_capture_gives_its_packets_then_an_error(void **state)
{
    (void)state;
    enum capture_status last;
    char path[64];

    pcap_head(MAGIC_US, 1);
    udp_record(1, 1);
    udp_record(2, 2);
    for (size_t cut = 1; cut < 16 + UDP_FRAME; cut++) {
        img.len--;
        int fd = image_file(path);
        struct capture *capture = open_path(path, NULL);
        assert_int_equal(drain(capture, &last), 1);
        assert_int_equal(last, CAPTURE_ERROR);
        assert_memory_equal(capture_error(capture), path, strlen(path));
        assert_non_null(strstr(capture_error(capture), ": truncated dump file; tried to read "));
        capture_close(capture);
        close(fd);
    }
}

static void what_is_no_capture_is_refused(void **state)
{
    (void)state;
    char error[CAPTURE_ERROR_MAX];

    assert_int_equal(image_error(NULL, error), -EBADMSG);
    assert_string_equal(error, "not a capture: empty file");
    put("# a text, not a capture\n", 24);
    assert_int_equal(image_error(NULL, error), -EBADMSG);
    assert_string_equal(error, "not a capture: unknown file format");
    setup(state);
    pcap_head(MAGIC_US, 1);
    while (--img.len > 0) {
        assert_int_equal(image_error(NULL, error), -EBADMSG);
        assert_memory_equal(error, "not a capture: truncated dump file; ", 36);
    }
}

static void what_cannot_be_opened_is_named(void **state)
{
    (void)state;
    char error[CAPTURE_ERROR_MAX], path[600];

    assert_int_equal(open_error("/tmp", NULL, error), -EISDIR);
    assert_string_equal(error, "/tmp: Is a directory");
    assert_int_equal(open_error("/nonexistent/x.pcap", NULL, error), -ENOENT);
    assert_string_equal(error, "/nonexistent/x.pcap: No such file or directory");
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(open_error(path, NULL, error), -ENAMETOOLONG);
    assert_non_null(strstr(error, ": File name too long"));
}

/* The image as gzip, written over itself. */
static void gzip_image(void)
{
    static uint8_t packed[sizeof(img.data)];
    z_stream z = {.next_in = img.data,
                  .avail_in = (uInt)img.len,
                  .next_out = packed,
                  .avail_out = sizeof(packed)};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    img.len = z.total_out;
    memcpy(img.data, packed, img.len);
    deflateEnd(&z);
}

static void udp_capture(uint16_t packets)
{
    pcap_head(MAGIC_US, 1);
    for (uint16_t i = 0; i < packets; i++)
        udp_record(i, i);
}

static void gzip_is_known_by_its_octets(void **state)
{
    (void)state;
    udp_capture(1000);
    gzip_image();
    struct capture *capture = open_image(NULL);
    struct capture_stats stats;

    capture_stats(capture, &stats);
    assert_int_equal(stats.octets_total, img.len);
    expect_packets(capture, 1000);
}

static void cut_or_damaged_gzip_is_an_error_not_an_end(void **state)
{
    (void)state;
    enum capture_status last;
    size_t whole;

    udp_capture(1000);
    gzip_image();
    whole = img.len;
    img.len = whole / 2;
    struct capture *capture = open_image(NULL);
    assert_in_range(drain(capture, &last), 1, 999);
    assert_int_equal(last, CAPTURE_ERROR);
    assert_non_null(strstr(capture_error(capture), ": gzip data end too early"));
    capture_close(capture);

    img.len = whole;
    img.data[whole - 6] ^= 0xff; /* in the checksum of RFC 1952 §2.3.1 */
    capture = open_image(NULL);
    assert_int_equal(drain(capture, &last), 1000);
    assert_int_equal(last, CAPTURE_ERROR);
    assert_non_null(strstr(capture_error(capture), ": gzip data are damaged"));
    capture_close(capture);
}

/* Standard input as a pipe and as a file, plain and gzip. What a pipe has brought does not wait for
 * more: else this test would not end. */
static void standard_input_is_read(void **state)
{
    (void)state;
    int saved = dup(STDIN_FILENO), ends[2];
    char path[64];

    for (int packed = 0; packed < 2; packed++) {
        setup(state);
        udp_capture(100);
        if (packed)
            gzip_image();
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], img.data, img.len), (ssize_t)img.len);
        dup2(ends[0], STDIN_FILENO);
        close(ends[0]);
        struct capture *capture = open_path("-", NULL);
        for (uint32_t seen = 0; seen < 100; seen += burst.count)
            assert_int_equal(capture_receive(capture, &burst), CAPTURE_OK);
        close(ends[1]);
        expect_packets(capture, 0);
        int fd = image_file(path);
        dup2(fd, STDIN_FILENO);
        close(fd);
        expect_packets(open_path("-", NULL), 100);
    }
    dup2(saved, STDIN_FILENO);
    close(saved);
}

static void a_filter_counts_what_it_leaves_out(void **state)
{
    (void)state;
    char error[CAPTURE_ERROR_MAX];
    struct capture_filter *filter;
    struct capture_stats stats;
    enum capture_status last;

    udp_capture(200);
    assert_int_equal(capture_filter_create("udp dst port 10 or udp dst port 150", &filter, error),
                     0);
    struct capture *capture = open_image(filter);
    assert_int_equal(drain(capture, &last), 2);
    assert_int_equal(last, CAPTURE_END);
    capture_stats(capture, &stats);
    assert_int_equal(stats.received, 200);
    assert_int_equal(stats.filtered, 198);
    assert_int_equal(stats.filtered_octets, 198 * UDP_FRAME);
    capture_close(capture);
    capture_filter_destroy(filter);
}

static void a_filter_wrong_for_the_link_type_is_refused(void **state)
{
    (void)state;
    char error[CAPTURE_ERROR_MAX];
    struct capture_filter *filter;

    assert_int_equal(capture_filter_create("vlan", &filter, error), 0);
    pcap_head(MAGIC_US, 104);
    assert_int_equal(image_error(filter, error), -EINVAL);
    assert_memory_equal(error, "filter \"vlan\": ", 15);
    capture_filter_destroy(filter);
}

static void progress_reaches_the_size(void **state)
{
    (void)state;
    struct capture_stats stats;
    enum capture_status last;

    udp_capture(10000);
    struct capture *capture = open_image(NULL);
    capture_receive(capture, &burst);
    capture_stats(capture, &stats);
    assert_int_equal(stats.octets_total, img.len);
    assert_in_range(stats.octets_done, 1, img.len - 1);
    drain(capture, &last);
    capture_stats(capture, &stats);
    assert_int_equal(stats.octets_done, img.len);
    capture_close(capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_packet_carries_what_the_record_says, setup),
        cmocka_unit_test_setup(nanoseconds_are_kept, setup),
        cmocka_unit_test_setup(odd_times_stay_in_range, setup),
        cmocka_unit_test_setup(a_time_beyond_2262_is_clamped, setup),
        cmocka_unit_test_setup(a_frame_is_never_longer_than_its_wire, setup),
        cmocka_unit_test_setup(every_known_link_type_is_mapped, setup),
        cmocka_unit_test_setup(an_unknown_link_type_is_delivered_and_named, setup),
        cmocka_unit_test_setup(bursts_keep_all_their_frames, setup),
        cmocka_unit_test_setup(a_packet_beyond_the_snapshot_length_is_cut, setup),
        cmocka_unit_test_setup(large_frames_end_a_burst_early, setup),
        cmocka_unit_test_setup(pcapng_is_read, setup),
        cmocka_unit_test_setup(mixed_link_types_are_explained_after_what_came_before, setup),
        cmocka_unit_test_setup(a_cut_capture_gives_its_packets_then_an_error, setup),
        cmocka_unit_test_setup(what_is_no_capture_is_refused, setup),
        cmocka_unit_test_setup(what_cannot_be_opened_is_named, setup),
        cmocka_unit_test_setup(gzip_is_known_by_its_octets, setup),
        cmocka_unit_test_setup(cut_or_damaged_gzip_is_an_error_not_an_end, setup),
        cmocka_unit_test_setup(standard_input_is_read, setup),
        cmocka_unit_test_setup(a_filter_counts_what_it_leaves_out, setup),
        cmocka_unit_test_setup(a_filter_wrong_for_the_link_type_is_refused, setup),
        cmocka_unit_test_setup(progress_reaches_the_size, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ahead = true;
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
