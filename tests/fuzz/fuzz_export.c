/*
 * Flow records of any octets through a profile and back: the first two octets choose profile and
 * message size, the rest are records.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/message.h"
#include "harness/round_trip.h"
#include "weir/config.h"
#include "weir/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS_MAX 8

static struct config config;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow_record records[RECORDS_MAX];
    uint32_t count = 0;

    if (size < 2)
        return 0;
    uint64_t profile = data[0] % PROFILE_ECS;
    config.exports.enterprise = data[0] & 0x80 ? 64999 : 0;
    config.flow.vlan_in_key = data[0] & 0x40;
    uint32_t message_size = MESSAGE_MIN + data[1] * 8u;
    for (size_t at = 2; at < size && count < RECORDS_MAX; at += sizeof(*records)) {
        size_t len = size - at < sizeof(*records) ? size - at : sizeof(*records);
        memset(&records[count], 0, sizeof(*records));
        memcpy(&records[count], data + at, len);
        round_trip_tame(&records[count++]);
    }
    const char *difference = round_trip(&config, profile, message_size, records, count);
    if (!difference)
        return 0;
    fprintf(stderr, "profile %u: %s differs\n", (unsigned)profile, difference);
    abort();
}
