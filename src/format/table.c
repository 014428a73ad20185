#include <netinet/in.h>
#include <stddef.h>

#include "format/format.h"
#include "format/names.h"
#include "format/record.h"
#include "format/text.h"
#include "weir/encode.h"
#include "weir/flow.h"

#define US_PER_MS UINT64_C(1000)
#define MINUTE 60u
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum column {
    COLUMN_TIME,
    COLUMN_DURATION,
    COLUMN_PROTO,
    COLUMN_INITIATOR,
    COLUMN_ARROW,
    COLUMN_RESPONDER,
    COLUMN_PACKETS,
    COLUMN_PACKETS_BACK,
    COLUMN_OCTETS,
    COLUMN_OCTETS_BACK,
    COLUMN_STATE,
    COLUMN_END,
    COLUMN_HISTORY,
    COLUMN_NOTES,
    COLUMN_COUNT
};

/* Wide enough for every IPv4 record; a wider text pushes its line to the right. */
static const struct {
    const char *title;
    int width; /* negative: flush right */
} columns[COLUMN_COUNT] = {
    [COLUMN_TIME] = {"first packet (UTC)", 23},
    [COLUMN_DURATION] = {"lasted", -7},
    [COLUMN_PROTO] = {"proto", 11},
    [COLUMN_INITIATOR] = {"initiator", 21},
    [COLUMN_ARROW] = {"", 2},
    [COLUMN_RESPONDER] = {"responder", 21},
    [COLUMN_PACKETS] = {"pkts>", -5},
    [COLUMN_PACKETS_BACK] = {"<pkts", -5},
    [COLUMN_OCTETS] = {"octs>", -5},
    [COLUMN_OCTETS_BACK] = {"<octs", -5},
    [COLUMN_STATE] = {"state", 6},
    [COLUMN_END] = {"end", 9},
    [COLUMN_HISTORY] = {"history", 8},
    [COLUMN_NOTES] = {"notes", 0},
};

/* Fills the column that begins at start and whose text ends at end, and begins the next one. */
static char *pad(char *start, char *end, enum column column)
{
    int width = columns[column].width;
    ptrdiff_t len = end - start, missing = (width < 0 ? -width : width) - len;

    if (missing > 0 && width < 0) {
        memmove(start + missing, start, (size_t)len);
        memset(start, ' ', (size_t)missing);
    } else if (missing > 0) {
        memset(end, ' ', (size_t)missing);
    }
    if (missing > 0)
        end += missing;
    *end++ = ' ';
    return end;
}

static size_t end_line(char *start, char *end)
{
    while (end > start && end[-1] == ' ')
        end--;
    *end++ = '\n';
    return (size_t)(end - start);
}

/* Exact below 10 000, then three digits and a unit, cut off: 5 letters at most. */
static char *put_human(char *out, uint64_t value)
{
    static const char units[] = "kMGTPE";
    uint64_t divisor = 1000;
    unsigned unit = 0;

    if (value < 10000)
        return put_u64(out, value);
    while (value / divisor >= 1000) {
        divisor *= 1000;
        unit++;
    }
    uint64_t whole = value / divisor, thousandths = value % divisor / (divisor / 1000);
    out = put_u64(out, whole);
    if (whole < 100) {
        *out++ = '.';
        out = whole < 10 ? put_digits(out, thousandths / 10, 2)
                         : put_digits(out, thousandths / 100, 1);
    }
    *out++ = units[unit];
    return out;
}

static char *put_two(char *out, uint64_t value, uint64_t big, uint64_t small, const char names[2])
{
    out = put_u64(out, value / big);
    *out++ = names[0];
    out = put_digits(out, value % big / small, 2);
    *out++ = names[1];
    return out;
}

/* 850us 12.3ms 4.250s 12m34s 5h02m 3d12h */
static char *put_lasted(char *out, uint64_t us)
{
    uint64_t second = us / US_PER_SECOND;

    if (us < US_PER_MS)
        return put_text(put_u64(out, us), "us");
    if (us < US_PER_SECOND) {
        out = put_u64(out, us / US_PER_MS);
        *out++ = '.';
        return put_text(put_digits(out, us % US_PER_MS / 100, 1), "ms");
    }
    if (second < MINUTE) {
        out = put_u64(out, second);
        *out++ = '.';
        return put_text(put_digits(out, us % US_PER_SECOND / US_PER_MS, 3), "s");
    }
    if (second < HOUR)
        return put_two(out, second, MINUTE, 1, "ms");
    if (second < DAY)
        return put_two(out, second, HOUR, MINUTE, "hm");
    return put_two(out, second, DAY, HOUR, "dh");
}

static char *put_proto_type(char *out, const struct flow_record *r)
{
    out = put_proto(out, r->proto);
    if (!r->has_icmp)
        return out;
    *out++ = ' ';
    out = put_u64(out, r->icmp_type);
    *out++ = '/';
    return put_u64(out, r->icmp_code);
}

/* Of an aggregate: 10.0.0.0/24 at its prefix' side, ~1234 addresses at the other. */
static char *put_aggregate_end(char *out, const struct flow_record *r, unsigned side)
{
    if (side == record_aggregate_side(r))
        out = put_prefix(out, r);
    else
        out = put_text(put_human(put_text(out, "~"), r->distinct), " addresses");
    if (!side || !r->port[side])
        return out;
    *out++ = ':';
    return put_u64(out, r->port[side]);
}

static char *put_endpoint(char *out, const struct flow_record *r, unsigned side)
{
    if (flow_record_is_aggregate(r))
        return put_aggregate_end(out, r, side);
    bool bracket = r->ip_version != 4 && protocol_has_ports(r->proto);

    if (bracket)
        *out++ = '[';
    out = put_address(out, r->ip_version, r->address[side]);
    if (bracket)
        *out++ = ']';
    if (!protocol_has_ports(r->proto))
        return out;
    *out++ = ':';
    return put_u64(out, r->port[side]);
}

/* "+": the connection goes on. */
static char *put_end(char *out, const struct flow_record *r)
{
    const char *reason = end_reason_name(r->end_reason);
    out = put_text(out, reason ? reason : "-");
    if (r->open)
        *out++ = '+';
    return out;
}

static bool is_of_connections(enum column column)
{
    return column == COLUMN_STATE || column == COLUMN_HISTORY;
}

static char *put_column(char *out, const struct flow_record *r, enum column column)
{
    if (flow_record_is_aggregate(r) && is_of_connections(column))
        return out;
    switch (column) {
    case COLUMN_TIME:
        return put_utc(out, r->start_ns, 3);
    case COLUMN_DURATION:
        return put_lasted(out, us_between(r->start_ns, r->end_ns));
    case COLUMN_PROTO:
        return put_proto_type(out, r);
    case COLUMN_INITIATOR:
        return put_endpoint(out, r, 0);
    case COLUMN_ARROW:
        return put_text(out, "->");
    case COLUMN_RESPONDER:
        return put_endpoint(out, r, 1);
    case COLUMN_PACKETS:
        return put_human(out, r->delta.packets[0]);
    case COLUMN_PACKETS_BACK:
        return put_human(out, r->delta.packets[1]);
    case COLUMN_OCTETS:
        return put_human(out, r->delta.octets[0]);
    case COLUMN_OCTETS_BACK:
        return put_human(out, r->delta.octets[1]);
    case COLUMN_STATE:
        return put_text(out, conn_state_name(r->conn_state));
    case COLUMN_END:
        return put_end(out, r);
    case COLUMN_HISTORY:
        return put_history(out, r);
    case COLUMN_NOTES:
        return flow_record_is_aggregate(r) ? put_text(out, "aggregate") : put_quality(out, r);
    case COLUMN_COUNT:
        break;
    }
    return out;
}

static size_t table_head(const struct config *config, char *out)
{
    (void)config;
    char *p = out;

    for (unsigned i = 0; i < COLUMN_COUNT; i++)
        p = pad(p, put_text(p, columns[i].title), i);
    return end_line(out, p);
}

static size_t table_record(const struct config *config, const struct flow_record *r, char *out)
{
    (void)config;
    if (flow_record_is_notice(r))
        return 0;

    char *p = out;
    for (unsigned i = 0; i < COLUMN_COUNT; i++)
        p = pad(p, put_column(p, r, i), i);
    return end_line(out, p);
}

static size_t table_tail(const struct config *config, char *out)
{
    (void)config, (void)out;
    return 0;
}

const struct record_encoder format_table = {
    .name = "table",
    .summary =
        "aligned columns for people, one line per record; end \"...+\": the connection goes on",
    .head = table_head,
    .record = table_record,
    .tail = table_tail,
};
