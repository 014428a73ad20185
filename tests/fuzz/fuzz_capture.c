/*
 * A file of any octets as a capture: opened, read to its end, with and without a filter.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/file.h"
#include "capture/filter.h"
#include "weir/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A megabyte of gzip may hold a gigabyte; what a run may take is bounded here, not in the source.
 */
#define BURSTS_MAX 512

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
    read_all(path, NULL);
    read_all(path, filter);
    close(fd);
    return 0;
}
