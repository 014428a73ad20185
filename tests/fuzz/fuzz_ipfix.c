/*
 * Any octets as an IPFIX stream: fed whole, and byte-wise split, which must tell the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/reader.h"
#include "weir/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (256u << 10)

static void require(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

/* Reads every octet of every value, so that the sanitizer sees them. */
static void take(void *context, const struct ipfix_record *r)
{
    uint64_t *sum = context;
    struct flow_record flow;

    require(r->count > 0 && r->scope_count <= r->count, "counts of a record");
    for (uint16_t i = 0; i < r->count; i++) {
        for (uint16_t k = 0; k < r->value[i].len; k++)
            *sum = *sum * 31 + r->value[i].octets[k];
        *sum += ipfix_value_number(&r->value[i]);
        char name[IPFIX_NAME_MAX];
        if (r->field[i].element.name)
            *sum += ipfix_element_name(&r->field[i].element, name);
    }
    if (ipfix_record_to_flow(r, &flow)) {
        require(flow.ip_version != 0, "a flow has a version");
        require(flow.history[FLOW_HISTORY_MAX] == '\0', "the history ends");
    }
}

static struct ipfix_reader_stats read_in_parts(const uint8_t *data, size_t size, size_t part,
                                               uint64_t *sum)
{
    struct ipfix_reader_options options = {.enterprise = 64999, .record = take, .context = sum};
    struct ipfix_reader *reader;
    size_t done = 0, given = 0;

    require(ipfix_reader_create(&options, &reader) == 0, "memory");
    while (given < size) {
        given = size - given < part ? size : given + part;
        ptrdiff_t taken = ipfix_reader_feed(reader, data + done, given - done);
        if (taken < 0) {
            done = size;
            break;
        }
        require((size_t)taken <= given - done, "takes no more than there is");
        done += (size_t)taken;
    }
    ipfix_reader_end(reader, size - done);
    struct ipfix_reader_stats stats = ipfix_reader_stats(reader);
    ipfix_reader_destroy(reader);
    return stats;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t whole_sum = 0, split_sum = 0;

    if (size > INPUT_MAX)
        return 0;
    struct ipfix_reader_stats whole = read_in_parts(data, size, SIZE_MAX, &whole_sum);
    struct ipfix_reader_stats split = read_in_parts(data, size, 7, &split_sum);
    require(whole_sum == split_sum, "the same values however the stream is split");
    require(memcmp(&whole, &split, sizeof(whole)) == 0, "the same counts however it is split");
    return 0;
}
