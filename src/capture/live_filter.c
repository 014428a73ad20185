#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "capture/filter.h"
#include "capture/live.h"

#define PREFIX_MAX 8 /* instructions before a filter */

static int filter_attach(struct live_queue *q, struct sock_filter *code, unsigned count,
                         char error[CAPTURE_ERROR_MAX])
{
    struct sock_fprog program = {.len = (unsigned short)count, .filter = code};

    if (count <= BPF_MAXINSNS &&
        setsockopt(q->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        return 0;
    int status = count > BPF_MAXINSNS ? -E2BIG : -errno;
    snprintf(error, CAPTURE_ERROR_MAX,
             "%.200s: the kernel refuses a filter of %u instructions: %s; shorten -F or "
             "capture.ignore, or raise net.core.optmem_max",
             q->owner->source, count, strerror(-status));
    return status;
}

int live_filter_nothing(struct live_queue *q, char error[CAPTURE_ERROR_MAX])
{
    struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};

    return filter_attach(q, &nothing, 1, error);
}

/* The loopback interface shows each packet twice, going out and coming in: only the second counts.
 */
static unsigned prefix_write(const struct live_port *port, struct sock_filter code[PREFIX_MAX])
{
    const struct sock_filter not_outgoing[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_filter if_loopback[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, if_nametoindex("lo"), 0, 3),
    };
    unsigned count = 0;

    if (live_is_any(port)) {
        memcpy(code, if_loopback, sizeof(if_loopback));
        count = 2;
    }
    if (count || port->first.loopback) {
        memcpy(code + count, not_outgoing, sizeof(not_outgoing));
        count += 3;
    }
    return count;
}

static int filter_install(struct live_queue *q, const struct bpf_program *wanted,
                          char error[CAPTURE_ERROR_MAX])
{
    struct bpf_insn all = {.code = BPF_RET | BPF_K, .k = LIVE_SNAP_LENGTH};
    const struct bpf_insn *rest = wanted ? wanted->bf_insns : &all;
    unsigned rest_count = wanted ? wanted->bf_len : 1;
    struct sock_filter *code = calloc(PREFIX_MAX + rest_count, sizeof(*code));

    if (!code)
        return -ENOMEM;
    unsigned count = prefix_write(q->owner, code);
    for (unsigned i = 0; i < rest_count; i++)
        code[count++] = (struct sock_filter){rest[i].code, rest[i].jt, rest[i].jf, rest[i].k};
    int status = filter_attach(q, code, count, error);
    free(code);
    return status;
}

static int queue_compile(struct live_queue *q, const struct capture_filter *filter,
                         struct bpf_program *program, char error[CAPTURE_ERROR_MAX])
{
    char text[CAPTURE_ERROR_MAX];
    int dlt = pcap_datalink(q->pcap);
    bool cooked = dlt == DLT_LINUX_SLL || dlt == DLT_LINUX_SLL2;
    pcap_t *pcap = cooked ? pcap_open_dead(dlt, LIVE_SNAP_LENGTH) : q->pcap;

    if (!pcap)
        return -ENOMEM;
    int status = capture_filter_compile(filter, pcap, program, text);
    if (status != 0)
        snprintf(error, CAPTURE_ERROR_MAX, "%.100s: %.400s", q->owner->source, text);
    q->filters_here = cooked && status == 0;
    if (cooked)
        pcap_close(pcap);
    return status;
}

int live_filter_set(struct live_queue *q, const struct capture_filter *filter,
                    char error[CAPTURE_ERROR_MAX])
{
    struct bpf_program program;

    if (!filter)
        return filter_install(q, NULL, error);
    int status = queue_compile(q, filter, &program, error);
    if (status != 0)
        return status;
    if (q->filters_here) {
        q->program = program;
        return filter_install(q, NULL, error);
    }
    status = filter_install(q, &program, error);
    pcap_freecode(&program);
    return status;
}
