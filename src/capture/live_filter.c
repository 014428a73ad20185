#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/live.h"

#define PREFIX_MAX 8 /* instructions before a filter */

struct live_program {
    unsigned count;
    struct sock_filter code[];
};

static int program_attach(int fd, const struct live_program *program)
{
    struct sock_fprog wanted = {.len = (unsigned short)program->count,
                                .filter = (struct sock_filter *)program->code};

    if (program->count > BPF_MAXINSNS)
        return -E2BIG;
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &wanted, sizeof(wanted)) == 0 ? 0 : -errno;
}

static int explain(const struct live_port *port, const struct live_program *program, int status,
                   char error[CAPTURE_ERROR_MAX])
{
    if (status != 0)
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.200s: the kernel refuses a filter of %u instructions: %s; shorten -F or "
                 "capture.ignore_*, or raise net.core.optmem_max",
                 port->source, program->count, strerror(-status));
    return status;
}

int live_filter_nothing(struct live_queue *q, char error[CAPTURE_ERROR_MAX])
{
    struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
    struct sock_fprog program = {.len = 1, .filter = &nothing};

    if (setsockopt(q->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        return 0;
    int status = -errno;
    snprintf(error, CAPTURE_ERROR_MAX, "%.200s: filter: %s", q->owner->source, strerror(-status));
    return status;
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

/* --- made --- */

/* wanted NULL: everything. */
static int program_create(const struct live_port *port, const struct bpf_program *wanted,
                          struct live_program **out)
{
    struct bpf_insn all = {.code = BPF_RET | BPF_K, .k = LIVE_SNAP_LENGTH};
    const struct bpf_insn *rest = wanted ? wanted->bf_insns : &all;
    unsigned rest_count = wanted ? wanted->bf_len : 1;
    struct live_program *made =
        calloc(1, sizeof(*made) + (PREFIX_MAX + rest_count) * sizeof(*made->code));

    if (!made)
        return -ENOMEM;
    made->count = prefix_write(port, made->code);
    for (unsigned i = 0; i < rest_count; i++)
        made->code[made->count++] =
            (struct sock_filter){rest[i].code, rest[i].jt, rest[i].jf, rest[i].k};
    *out = made;
    return 0;
}

static bool is_cooked(const struct live_port *port)
{
    int dlt = pcap_datalink(port->queue[0].pcap);

    return dlt == DLT_LINUX_SLL || dlt == DLT_LINUX_SLL2;
}

/* For the kernel, which has VLAN tags elsewhere than in the frame: an open capture knows that. */
static int program_compile(struct live_port *port, const struct capture_config *config,
                           char error[CAPTURE_ERROR_MAX])
{
    struct capture_filter *all = NULL;
    struct bpf_program program = {0};
    int status = capture_filter_with_ignored(port->filter, config, &all, error);

    if (status == 0 && all)
        status = capture_filter_compile(all, port->queue[0].pcap, &program, error);
    if (status == 0)
        status = program_create(port, all ? &program : NULL, &port->next);
    pcap_freecode(&program);
    capture_filter_destroy(all);
    return status;
}

/* Another socket shows whether the kernel takes it next to the one in force: both are held for a
 * moment. */
static int program_try(const struct live_port *port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int status = fd < 0 ? -errno : 0;

    if (status == 0 && port->in_force)
        status = program_attach(fd, port->in_force);
    if (status == 0)
        status = program_attach(fd, port->next);
    if (fd >= 0)
        close(fd);
    return status;
}

int live_filter_prepare(struct live_port *port, const struct capture_config *config,
                        char error[CAPTURE_ERROR_MAX])
{
    char text[CAPTURE_ERROR_MAX] = "filter: out of memory";
    int status;

    free(port->next);
    port->next = NULL;
    if (is_cooked(port)) {
        int dlt = pcap_datalink(port->queue[0].pcap);
        status = filter_slot_prepare(&port->leaves, port->filter, config, dlt, text);
        if (status == 0)
            status = program_create(port, NULL, &port->next);
    } else {
        status = program_compile(port, config, text);
    }
    if (status != 0) {
        snprintf(error, CAPTURE_ERROR_MAX, "%.100s: %.400s", port->source, text);
        return status;
    }
    return explain(port, port->next, program_try(port), error);
}

/* --- in force --- */

int live_filter_commit(struct live_port *port, char error[CAPTURE_ERROR_MAX])
{
    int status = 0;
    uint16_t done = 0;

    while (status == 0 && done < port->queue_count)
        status = program_attach(port->queue[done++].fd, port->next);
    while (status != 0 && port->in_force && done-- > 0)
        program_attach(port->queue[done].fd, port->in_force);
    if (status != 0)
        return explain(port, port->next, status, error);
    free(port->in_force);
    port->in_force = port->next;
    port->next = NULL;
    filter_slot_commit(&port->leaves);
    return 0;
}

void live_filter_fini(struct live_port *port)
{
    free(port->in_force);
    free(port->next);
    filter_slot_fini(&port->leaves);
}
