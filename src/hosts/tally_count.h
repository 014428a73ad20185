/*
 * One end of a delta, counted for its host: the inner loop of tally_burst().
 */
#pragma once

#include <stddef.h>
#include <string.h>

#include "hosts/tally_table.h"
#include "weir/flow.h"
#include "weir/host_class.h"

static inline void count_class(uint64_t *value, const struct flow_delta *d, int side,
                               enum host_class class)
{
    static const uint8_t out[CLASS_COUNT] = {[CLASS_DNS] = HOST_DNS_OUT,
                                             [CLASS_TLS] = HOST_TLS_OUT,
                                             [CLASS_ICMP] = HOST_ICMP_OUT,
                                             [CLASS_ADMIN] = HOST_ADMIN_OUT};

    if (class == CLASS_OTHER)
        return;
    value[out[class]] += d->octets[side];
    value[out[class] + 1] += d->octets[!side];
}

static inline void count_flags(uint64_t *value, const struct flow_delta *d, int side)
{
    uint64_t *flows = &value[side ? HOST_OPENED_IN : HOST_OPENED];

    flows[0] += d->opened;
    flows[1] += d->accepted;
    flows[2] += d->failed;
    value[HOST_CLOSED] += d->closed;
}

/* What does not depend on the side that is counted. */
struct tally_kind {
    enum host_class class;
    bool flags; /* opened, accepted, failed or closed */
    bool large; /* too large for the counts of a line */
};

static inline struct tally_kind tally_kind_of(const struct flow_delta *d)
{
    uint32_t flags;

    static_assert(offsetof(struct flow_delta, closed) - offsetof(struct flow_delta, opened) == 3,
                  "one word");
    memcpy(&flags, (const char *)d + offsetof(struct flow_delta, opened), sizeof(flags));
    return (struct tally_kind){.class = host_class_of(d->proto, d->port),
                               .flags = flags != 0,
                               .large = (d->octets[0] | d->octets[1] | d->payload[0] |
                                         d->payload[1] | d->packets[0] | d->packets[1]) >>
                                            TALLY_FOLD_SHIFT !=
                                        0};
}

/* All of a delta, in 64 bits. */
static inline void count_wide(uint64_t *value, const struct flow_delta *d, int side,
                              bool peer_outside, enum host_class class)
{
    value[HOST_OCTETS_OUT] += d->octets[side];
    value[HOST_OCTETS_IN] += d->octets[!side];
    value[HOST_PACKETS_OUT] += d->packets[side];
    value[HOST_PACKETS_IN] += d->packets[!side];
    value[HOST_PAYLOAD_OUT] += d->payload[side];
    value[HOST_PAYLOAD_IN] += d->payload[!side];
    if (peer_outside) {
        value[HOST_OUTSIDE_OUT] += d->octets[side];
        value[HOST_OUTSIDE_IN] += d->octets[!side];
    }
    count_class(value, d, side, class);
    count_flags(value, d, side);
}

/* Returns all counts as one, to see whether one is due to be folded. */
static inline uint32_t count_line(uint32_t *count, const struct flow_delta *d, int side,
                                  bool peer_outside, bool tls)
{
    uint32_t out = (uint32_t)d->octets[side], in = (uint32_t)d->octets[!side];
    uint32_t outside = peer_outside ? UINT32_MAX : 0, of_tls = tls ? UINT32_MAX : 0, any = 0;

    count[HOST_OCTETS_OUT] += out;
    count[HOST_OCTETS_IN] += in;
    count[HOST_PACKETS_OUT] += d->packets[side];
    count[HOST_PACKETS_IN] += d->packets[!side];
    count[HOST_PAYLOAD_OUT] += (uint32_t)d->payload[side];
    count[HOST_PAYLOAD_IN] += (uint32_t)d->payload[!side];
    count[HOST_OUTSIDE_OUT] += out & outside;
    count[HOST_OUTSIDE_IN] += in & outside;
    count[TALLY_TLS_OUT] += out & of_tls;
    count[TALLY_TLS_OUT + 1] += in & of_tls;
    for (int i = 0; i < TALLY_COUNTS; i++)
        any |= count[i];
    return any;
}

static inline void tally_count_end(struct tally_table *b, uint32_t number,
                                   const struct flow_delta *d, int side, bool peer_outside,
                                   struct tally_kind kind)
{
    struct tally_line *l = &b->line[number];

    if (number == TALLY_NONE) {
        count_wide(b->other.value, d, side, peer_outside, kind.class);
        return;
    }
    if (kind.large) {
        count_wide(tally_table_wide(b, l), d, side, peer_outside, kind.class);
        return;
    }
    uint32_t any = count_line(l->count, d, side, peer_outside, kind.class == CLASS_TLS);
    if (any >> TALLY_FOLD_SHIFT)
        tally_table_fold(b, l);
    if (kind.class != CLASS_TLS && kind.class != CLASS_OTHER)
        count_class(tally_table_wide(b, l), d, side, kind.class);
    if (kind.flags)
        count_flags(tally_table_wide(b, l), d, side);
}
