/*
 * A file of any octets as a capture: opened, read to its end, with and without a filter. Beside it
 * libpcap reads the same file, and must see the same packets and the same end.
 */
#include <pcap/pcap.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/file.h"
#include "capture/filter.h"
#include "weir/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A megabyte of gzip may hold a gigabyte; what a run may take is bounded here, not in the source.
 */
#define BURSTS_MAX 512
#define FRAME_MAX (256u * 1024)

static void require(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

/* Reads every octet of every frame, so that the sanitizer sees them. */
static void frames_check(const struct burst *burst)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < burst->count; i++) {
        const struct packet *p = &burst->packet[i];
        require(p->wire_len >= p->cap_len, "wire_len >= cap_len");
        require(p->ts_ns <= INT64_MAX, "time within 2^63");
        require(p->link < LINK_COUNT, "link type known");
        for (uint32_t at = 0; at < p->cap_len; at++)
            sum += p->data[at];
    }
    __asm__ volatile("" : : "r"(sum)); /* the sum counts as used */
}

static uint64_t twin_time(const struct pcap_pkthdr *h)
{
    int64_t seconds = h->ts.tv_sec;
    __extension__ __int128 ns =
        seconds < 0 && seconds >= INT32_MIN ? seconds + (INT64_C(1) << 32) : seconds;

    ns = ns * 1000000000 + h->ts.tv_usec;
    return ns < 0 ? 0 : ns > INT64_MAX ? INT64_MAX : (uint64_t)ns;
}

static void packets_compare(const struct burst *burst, pcap_t *twin)
{
    struct pcap_pkthdr *h;
    const uint8_t *data;

    for (uint32_t i = 0; i < burst->count; i++) {
        const struct packet *p = &burst->packet[i];
        require(pcap_next_ex(twin, &h, &data) == 1, "libpcap has this packet");
        require(p->ts_ns == twin_time(h), "its time");
        require(p->cap_len == (h->caplen < FRAME_MAX ? h->caplen : FRAME_MAX), "its length");
        require(p->wire_len == (h->len > h->caplen ? h->len : h->caplen), "its length on the wire");
        require(memcmp(p->data, data, p->cap_len) == 0, "its octets");
    }
}

/* How messages begin is weir's, and one of them it says more clearly. */
static bool text_is(const char *text, const char *begin, const char *twin)
{
    size_t len = strlen(begin);

    return strstr(twin, "different") ||
           (strncmp(text, begin, len) == 0 && strcmp(text + len, twin) == 0);
}

static void ends_compare(const char *path, enum capture_status status, const char *error,
                         pcap_t *twin)
{
    struct pcap_pkthdr *h;
    const uint8_t *data;
    char begin[96];
    int last = pcap_next_ex(twin, &h, &data);

    snprintf(begin, sizeof(begin), "%s: ", path);
    require(last == (status == CAPTURE_END ? PCAP_ERROR_BREAK : PCAP_ERROR), "libpcap's end");
    require(status == CAPTURE_END || text_is(error, begin, pcap_geterr(twin)), "libpcap's reason");
}

static void read_beside_libpcap(const char *path)
{
    const struct capture_file_options options = {0};
    static struct burst burst;
    char error[CAPTURE_ERROR_MAX], text[PCAP_ERRBUF_SIZE], begin[96];
    struct capture *capture;
    enum capture_status status = CAPTURE_OK;
    pcap_t *twin = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, text);
    int rc = capture_file_open(path, &options, &capture, error);

    snprintf(begin, sizeof(begin), "%s: not a capture: ", path);
    require(!rc == !!twin, "opened, or not");
    require(!rc || text_is(error, begin, text) || strstr(error, "empty file"), "and why not");
    for (int n = 0; !rc && n < BURSTS_MAX && status == CAPTURE_OK; n++) {
        status = capture_receive(capture, &burst);
        packets_compare(&burst, twin);
    }
    if (!rc && status != CAPTURE_OK)
        ends_compare(path, status, status == CAPTURE_ERROR ? capture_error(capture) : "", twin);
    if (twin)
        pcap_close(twin);
    if (!rc)
        capture_close(capture);
}

static void read_all(const char *path, const struct capture_filter *filter)
{
    const struct capture_file_options options = {.filter = filter};
    static struct burst burst;
    char error[CAPTURE_ERROR_MAX];
    struct capture *capture;
    struct capture_stats stats;
    enum capture_status status = CAPTURE_OK;
    uint64_t packets = 0;

    if (capture_file_open(path, &options, &capture, error) != 0)
        return;
    for (int n = 0; n < BURSTS_MAX && status == CAPTURE_OK; n++) {
        status = capture_receive(capture, &burst);
        require(burst.count <= PACKET_BURST_MAX, "burst within its bound");
        packets += burst.count;
        frames_check(&burst);
    }
    capture_stats(capture, &stats);
    require(stats.received == packets + stats.filtered, "received = delivered + filtered");
    require(status != CAPTURE_ERROR || capture_error(capture)[0], "an error has a text");
    capture_close(capture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct capture_filter *filter;
    char path[64], error[CAPTURE_ERROR_MAX];
    int fd = memfd_create("capture", 0);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    if (!filter && capture_filter_create("tcp or vlan", &filter, error) != 0)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (size < 2 || memcmp(data, "\x1f\x8b", 2) != 0)
        read_beside_libpcap(path);
    read_all(path, NULL);
    read_all(path, filter);
    close(fd);
    return 0;
}
