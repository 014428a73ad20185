#include "capture/filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct capture_filter {
    size_t length;
    char expression[];
};

int capture_filter_compile(const struct capture_filter *filter, pcap_t *pcap,
                           struct bpf_program *program, char error[CAPTURE_ERROR_MAX])
{
    struct bpf_program compiled;

    if (pcap_compile(pcap, &compiled, filter->expression, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        snprintf(error, CAPTURE_ERROR_MAX, "filter \"%.200s\": %s", filter->expression,
                 pcap_geterr(pcap));
        return -EINVAL;
    }
    *program = compiled;
    return 0;
}

static int filter_try(const struct capture_filter *filter, int dlt, char error[CAPTURE_ERROR_MAX])
{
    struct bpf_program program;
    pcap_t *pcap = pcap_open_dead(dlt, 65535);

    if (!pcap)
        return -ENOMEM;
    int status = capture_filter_compile(filter, pcap, &program, error);
    if (status == 0)
        pcap_freecode(&program);
    pcap_close(pcap);
    return status;
}

/* Ethernet comes first and its error is the one shown: "ifindex" or "inbound" need another link
 * type, a mistake is one on every link type. */
static int filter_check(const struct capture_filter *filter, char error[CAPTURE_ERROR_MAX])
{
    static const int others[] = {DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, DLT_PPP, DLT_C_HDLC};
    char ignored[CAPTURE_ERROR_MAX];
    int status = filter_try(filter, DLT_EN10MB, error);

    for (size_t i = 0; status == -EINVAL && i < sizeof(others) / sizeof(*others); i++)
        if (filter_try(filter, others[i], ignored) == 0)
            status = 0;
    return status;
}

int capture_filter_create(const char *expression, struct capture_filter **out,
                          char error[CAPTURE_ERROR_MAX])
{
    size_t length = strlen(expression);
    struct capture_filter *filter = malloc(sizeof(*filter) + length + 1);

    if (!filter) {
        snprintf(error, CAPTURE_ERROR_MAX, "filter: out of memory");
        return -ENOMEM;
    }
    filter->length = length;
    memcpy(filter->expression, expression, length + 1);
    int status = filter_check(filter, error);
    if (status != 0) {
        capture_filter_destroy(filter);
        return status;
    }
    *out = filter;
    return 0;
}

void capture_filter_destroy(struct capture_filter *filter)
{
    free(filter);
}
