#include "capture/file.h"

#include <assert.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "capture/filter.h"
#include "capture/link.h"
#include "capture/pcap_walk.h"
#include "capture/stream.h"
#include "weir/packet.h"

#define FRAME_MAX (256u * 1024) /* libpcap's bound for all link types that decode knows */
#define FRAME_ALIGN 64u /* a frame begins on a cache line, so that one prefetch brings its head */
#define ARENA_SIZE (4 * FRAME_MAX) /* a burst ends early when the next frame might not fit */
#define NAME_SHOWN 180             /* of a long path, so that the reason fits behind it */

static_assert(PCAP_WALK_BLOCK + FRAME_MAX <= AHEAD_KEPT, "a packet fits");

struct file_capture {
    struct capture base;
    struct capture_stream stream;
    pcap_t *pcap;
    struct bpf_program program;
    bool filtering;
    bool walking; /* packets are taken where they lie, up to one that is not as usual */
    struct pcap_walk walk;
    uint16_t port;
    uint8_t link;
    enum capture_status status;
    struct capture_stats stats;
    struct burst *burst; /* being filled */
    size_t arena_used;
    uint8_t *arena; /* the frames of a burst, where libpcap gave them */
    char *name;
    char error[CAPTURE_ERROR_MAX];
    char warning[CAPTURE_ERROR_MAX];
};

static struct file_capture *file_of(struct capture *capture)
{
    return (struct file_capture *)capture;
}

/* Seconds are unsigned in a pcap file (draft-ietf-opsawg-pcap §5), while libpcap hands them on
 * signed. */
static uint64_t timestamp_ns(const struct timeval *ts)
{
    int64_t seconds = ts->tv_sec, ns;

    if (seconds < 0 && seconds >= INT32_MIN)
        seconds += INT64_C(1) << 32;
    if (__builtin_mul_overflow(seconds, INT64_C(1000000000), &ns) ||
        __builtin_add_overflow(ns, (int64_t)ts->tv_usec, &ns))
        return seconds < 0 ? 0 : INT64_MAX;
    return ns < 0 ? 0 : (uint64_t)ns;
}

static uint32_t wire_length(const struct pcap_pkthdr *h)
{
    return h->len > h->caplen ? h->len : h->caplen;
}

/* libpcap's memory for a frame holds the next one soon. */
static const uint8_t *frame_keep(struct file_capture *f, const uint8_t *data, uint32_t len)
{
    uint8_t *frame = f->arena + f->arena_used;

    memcpy(frame, data, len);
    f->arena_used += (len + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
    if (f->arena_used > ARENA_SIZE - FRAME_MAX)
        pcap_breakloop(f->pcap);
    return frame;
}

static void frame_add(struct file_capture *f, const struct pcap_pkthdr *h, const uint8_t *frame)
{
    struct packet *p = &f->burst->packet[f->burst->count++];

    p->data = frame;
    p->ts_ns = timestamp_ns(&h->ts);
    p->cap_len = h->caplen < FRAME_MAX ? h->caplen : FRAME_MAX;
    p->wire_len = wire_length(h);
    p->port = f->port;
    p->link = f->link;
}

static bool frame_passes(struct file_capture *f, const struct pcap_pkthdr *h, const uint8_t *data)
{
    f->stats.received++;
    if (!f->filtering || pcap_offline_filter(&f->program, h, data))
        return true;
    f->stats.filtered++;
    f->stats.filtered_octets += wire_length(h);
    return false;
}

static void frame_take(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *data)
{
    struct file_capture *f = (struct file_capture *)user;

    if (frame_passes(f, h, data))
        frame_add(f, h, frame_keep(f, data, h->caplen < FRAME_MAX ? h->caplen : FRAME_MAX));
}

/* Takes packets at hand where they lie; never ends with PCAP_WALK_OTHER. */
static enum pcap_walk_step frames_walk(struct file_capture *f)
{
    struct capture_stream *s = &f->stream;
    enum pcap_walk_step step = PCAP_WALK_PACKET;
    struct pcap_pkthdr h;
    const uint8_t *frame;

    while (f->burst->count < PACKET_BURST_MAX && step <= PCAP_WALK_OTHER) {
        step = pcap_walk_next(&f->walk, &s->at, s->end, &h, &frame);
        if (step == PCAP_WALK_PACKET && frame_passes(f, &h, frame))
            frame_add(f, &h, frame);
    }
    return step;
}

/* Packets that are at hand do not wait for the next block, nor may they be held any more when it is
 * read. False: what comes now is not as usual, or the end. */
static bool frames_at_hand(struct file_capture *f)
{
    enum pcap_walk_step step = frames_walk(f);

    while (!f->burst->count && step == PCAP_WALK_MORE && capture_stream_more(&f->stream) > 0)
        step = frames_walk(f);
    return f->burst->count;
}

/* From here on libpcap reads. */
static void walk_end(struct file_capture *f)
{
    f->walking = false;
    capture_stream_by_file(&f->stream);
}

/* Returns as pcap_dispatch(). */
static int frames_fill(struct file_capture *f)
{
    if (f->walking && frames_at_hand(f))
        return 1;
    if (f->walking)
        walk_end(f);
    return pcap_dispatch(f->pcap, PACKET_BURST_MAX, frame_take, (uint8_t *)f);
}

/* libpcap stops at the first interface that differs from the first one of a pcapng file. */
static void explain_mixed_links(struct file_capture *f, unsigned linktype)
{
    char one[16], two[16];
    int dlt =
        linktype == 101 ? DLT_RAW : (int)linktype; /* LINKTYPE_RAW: the one number that differs */

    snprintf(f->error, sizeof(f->error),
             "%s: holds interfaces with different link types (%s, %s), which libpcap refuses; "
             "take out one of them with: tshark -r IN -Y frame.encap_type==1 -w part.pcapng; "
             "editcap -F pcap -T ether part.pcapng part.pcap",
             f->name, link_dlt_name(pcap_datalink(f->pcap), one), link_dlt_name(dlt, two));
}

static void explain_error(struct file_capture *f)
{
    const char *text = pcap_geterr(f->pcap), *why = capture_stream_error(&f->stream);
    unsigned linktype;

    if (sscanf(text, "an interface has a type %u different", &linktype) == 1)
        explain_mixed_links(f, linktype);
    else
        snprintf(f->error, sizeof(f->error), "%s: %s", f->name, why ? why : text);
}

static enum capture_status file_receive(struct capture *capture, struct burst *burst)
{
    struct file_capture *f = file_of(capture);

    burst->count = 0;
    if (f->status != CAPTURE_OK)
        return f->status;
    f->burst = burst;
    f->arena_used = 0;
    /* After a burst that ended early the next call may be told so again: a burst of none. */
    int n = frames_fill(f);
    if (n == PCAP_ERROR) {
        explain_error(f);
        f->status = CAPTURE_ERROR;
    } else if (n == 0) {
        f->status = CAPTURE_END;
    }
    return f->status;
}

static void file_stats(const struct capture *capture, struct capture_stats *stats)
{
    const struct file_capture *f = (const struct file_capture *)capture;

    *stats = f->stats;
    stats->octets_done = capture_stream_offset(&f->stream);
    stats->octets_total = f->stream.octets_total;
}

static const char *file_error(const struct capture *capture)
{
    return ((const struct file_capture *)capture)->error;
}

static void file_close(struct capture *capture)
{
    struct file_capture *f = file_of(capture);

    if (f->filtering)
        pcap_freecode(&f->program);
    if (f->pcap)
        pcap_close(f->pcap); /* closes the stream */
    else if (f->stream.file)
        fclose(f->stream.file);
    free(f->arena);
    free(f->name);
    free(f);
}

static const struct capture_ops file_ops = {
    .receive = file_receive,
    .stats = file_stats,
    .error = file_error,
    .close = file_close,
};

static int not_a_capture(struct file_capture *f, const char *text, char error[CAPTURE_ERROR_MAX])
{
    const char *why = capture_stream_error(&f->stream);

    snprintf(error, CAPTURE_ERROR_MAX, "%s: not a capture: %s", f->name, why ? why : text);
    return -EBADMSG;
}

/* What may be walked; a pipe may bring even the head of a file in pieces. */
static enum pcap_walk_step walk_start(struct file_capture *f)
{
    struct capture_stream *s = &f->stream;
    enum pcap_walk_step step;

    do
        step = pcap_walk_init(&f->walk, s->at, (size_t)(s->end - s->at));
    while (step == PCAP_WALK_MORE && capture_stream_more(s) > 0);
    return step;
}

static int pcap_start(struct file_capture *f, char error[CAPTURE_ERROR_MAX])
{
    char text[PCAP_ERRBUF_SIZE];
    struct capture_stream *s = &f->stream;
    int more = capture_stream_more(s);

    if (more == 0)
        return not_a_capture(f, "empty file", error);
    if (more < 0)
        return not_a_capture(f, strerror(errno), error);
    f->walking = walk_start(f) == PCAP_WALK_PACKET;
    if (!f->walking)
        walk_end(f);
    const uint8_t *body = s->at + f->walk.head_len;
    f->pcap = pcap_fopen_offline_with_tstamp_precision(s->file, PCAP_TSTAMP_PRECISION_NANO, text);
    if (!f->pcap)
        return not_a_capture(f, text, error);
    if (f->walking && s->at != body)
        walk_end(f);
    f->walk.snapshot = (uint32_t)pcap_snapshot(f->pcap);
    f->walk.len_max = FRAME_MAX;
    return 0;
}

static int link_start(struct file_capture *f, const struct capture_filter *filter,
                      char error[CAPTURE_ERROR_MAX])
{
    char buffer[16], text[CAPTURE_ERROR_MAX];
    int dlt = pcap_datalink(f->pcap);

    f->link = (uint8_t)link_of_dlt(dlt);
    if (f->link == LINK_UNSUPPORTED) {
        snprintf(f->warning, sizeof(f->warning),
                 "%s: link type %s (%d) is not supported, its packets make no flows", f->name,
                 link_dlt_name(dlt, buffer), dlt);
        return 0;
    }
    if (!filter)
        return 0;
    int status = capture_filter_compile(filter, f->pcap, &f->program, text);
    f->filtering = status == 0;
    if (status != 0)
        snprintf(error, CAPTURE_ERROR_MAX, "%s: %.300s", f->name, text);
    return status;
}

static int file_start(struct file_capture *f, const char *path,
                      const struct capture_file_options *options, char error[CAPTURE_ERROR_MAX])
{
    f->base.ops = &file_ops;
    f->port = options->port;
    f->name = strndup(capture_stream_name(path), NAME_SHOWN);
    f->arena = aligned_alloc(FRAME_ALIGN, ARENA_SIZE);
    if (!f->name || !f->arena) {
        snprintf(error, CAPTURE_ERROR_MAX, "%s: out of memory", capture_stream_name(path));
        return -ENOMEM;
    }
    int status = capture_stream_open(path, &f->stream, error);
    if (status == 0)
        status = pcap_start(f, error);
    if (status == 0)
        status = link_start(f, options->filter, error);
    if (status == 0 && options->ahead)
        capture_stream_ahead(&f->stream);
    return status;
}

int capture_file_open(const char *path, const struct capture_file_options *options,
                      struct capture **out, char error[CAPTURE_ERROR_MAX])
{
    struct file_capture *f = calloc(1, sizeof(*f));

    if (!f) {
        snprintf(error, CAPTURE_ERROR_MAX, "%s: out of memory", capture_stream_name(path));
        return -ENOMEM;
    }
    int status = file_start(f, path, options, error);
    if (status != 0) {
        file_close(&f->base);
        return status;
    }
    *out = &f->base;
    return 0;
}

const char *capture_file_warning(const struct capture *capture)
{
    const struct file_capture *f = (const struct file_capture *)capture;

    return f->warning[0] ? f->warning : NULL;
}
