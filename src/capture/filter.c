#include "capture/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/config.h"

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

static void ignored_print(FILE *text, const struct capture_config *config)
{
    const char *before = "not (";
    char address[INET6_ADDRSTRLEN];

    for (uint32_t i = 0; i < config->ignore_networks.count; i++, before = " or ") {
        const struct ip_prefix *prefix = &config->ignore_networks.prefix[i];
        bool ip6 = prefix->version == 6;
        inet_ntop(ip6 ? AF_INET6 : AF_INET, prefix->address, address, sizeof(address));
        fprintf(text, "%sip%s net %s/%u", before, ip6 ? "6" : "", address, prefix->length);
    }
    for (uint32_t i = 0; i < config->ignore_port_count; i++, before = " or ")
        fprintf(text, "%sport %u", before, (unsigned)config->ignore_port[i]);
    fputc(')', text);
}

static bool has_ignored(const struct capture_config *config)
{
    return config->ignore_networks.count || config->ignore_port_count;
}

int capture_filter_with_ignored(const struct capture_filter *filter,
                                const struct capture_config *config, struct capture_filter **out,
                                char error[CAPTURE_ERROR_MAX])
{
    const char *expression = filter ? filter->expression : "";
    char *joined = NULL;
    size_t length;

    if (!*expression && !has_ignored(config)) {
        *out = NULL;
        return 0;
    }
    if (!has_ignored(config))
        return capture_filter_create(expression, out, error);
    FILE *text = open_memstream(&joined, &length);
    if (!text)
        return -ENOMEM;
    if (*expression)
        fprintf(text, "(%s) and ", expression);
    ignored_print(text, config);
    int status = fclose(text) == 0 ? capture_filter_create(joined, out, error) : -ENOMEM;
    free(joined);
    return status;
}

/* --- exchanged while in use --- */

static void program_destroy(struct bpf_program *program)
{
    if (program)
        pcap_freecode(program);
    free(program);
}

static int program_create(const struct capture_filter *filter, int dlt, struct bpf_program **out,
                          char error[CAPTURE_ERROR_MAX])
{
    pcap_t *pcap = pcap_open_dead(dlt, 65535);
    struct bpf_program *program = malloc(sizeof(*program));
    int status = -ENOMEM;

    snprintf(error, CAPTURE_ERROR_MAX, "filter: out of memory");
    if (pcap && program)
        status = capture_filter_compile(filter, pcap, program, error);
    if (pcap)
        pcap_close(pcap);
    if (status == 0)
        *out = program;
    else
        free(program);
    return status;
}

int filter_slot_prepare(struct filter_slot *slot, const struct capture_filter *filter,
                        const struct capture_config *config, int dlt, char error[CAPTURE_ERROR_MAX])
{
    struct capture_filter *all = NULL;

    program_destroy(slot->last);
    program_destroy(slot->next);
    slot->last = slot->next = NULL;
    int status = capture_filter_with_ignored(filter, config, &all, error);
    if (status == 0 && all)
        status = program_create(all, dlt, &slot->next, error);
    capture_filter_destroy(all);
    return status;
}

void filter_slot_commit(struct filter_slot *slot)
{
    slot->last = atomic_exchange(&slot->current, slot->next);
    slot->next = NULL;
}

void filter_slot_fini(struct filter_slot *slot)
{
    program_destroy(slot->current);
    program_destroy(slot->next);
    program_destroy(slot->last);
    *slot = (struct filter_slot){0};
}
