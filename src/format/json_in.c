#include "format/json_in.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_tree.h>

#include "weir/flow.h"

static const char *text_at(yajl_val root, const char *name)
{
    const char *path[] = {name, NULL};
    yajl_val v = yajl_tree_get(root, path, yajl_t_string);

    return v ? YAJL_GET_STRING(v) : NULL;
}

static const char *number_at(yajl_val root, const char *name)
{
    const char *path[] = {name, NULL};
    yajl_val v = yajl_tree_get(root, path, yajl_t_number);

    return v ? YAJL_GET_NUMBER(v) : NULL;
}

static uint64_t count_at(yajl_val root, const char *name)
{
    const char *text = number_at(root, name);

    return text && *text != '-' ? strtoull(text, NULL, 10) : 0;
}

/* Seconds with up to 9 decimals, without going through a double. */
static uint64_t time_at(yajl_val root, const char *name)
{
    const char *text = number_at(root, name);
    char *end;

    if (!text || *text == '-')
        return 0;
    uint64_t ns = strtoull(text, &end, 10) % 18000000000u * 1000000000u, unit = 100000000;
    for (end += *end == '.'; *end >= '0' && *end <= '9' && unit; end++, unit /= 10)
        ns += (uint64_t)(*end - '0') * unit;
    return ns;
}

static bool true_at(yajl_val root, const char *name)
{
    const char *path[] = {name, NULL};

    return YAJL_IS_TRUE(yajl_tree_get(root, path, yajl_t_any));
}

static bool put_address(const char *text, struct flow_record *r, int side)
{
    uint8_t version = text && strchr(text, ':') ? 6 : 4;

    if (!text || inet_pton(version == 4 ? AF_INET : AF_INET6, text, r->address[side]) != 1)
        return false;
    if (r->ip_version && version != r->ip_version)
        return false;
    r->ip_version = version;
    return true;
}

static void put_side(yajl_val root, const char *side, int s, struct flow_record *r)
{
    static const struct {
        const char *name;
        size_t offset;
    } counts[] = {{"pkts", offsetof(struct flow_counts, packets)},
                  {"ip_bytes", offsetof(struct flow_counts, octets)},
                  {"bytes", offsetof(struct flow_counts, payload)}};
    char name[32];

    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        snprintf(name, sizeof(name), "total_%s_%s", side, counts[i].name);
        uint64_t *delta = (uint64_t *)((char *)&r->delta + counts[i].offset);
        uint64_t *total = (uint64_t *)((char *)&r->total + counts[i].offset);
        delta[s] = count_at(root, name + sizeof("total_") - 1);
        total[s] = count_at(root, name);
        total[s] = total[s] > delta[s] ? total[s] : delta[s];
    }
    snprintf(name, sizeof(name), "%s_flags", side);
    r->flags[s] = r->flags_total[s] = (uint8_t)count_at(root, name);
    snprintf(name, sizeof(name), "id.%s_p", side);
    r->port[s] = (uint16_t)count_at(root, name);
}

/* One of its addresses is not there. */
static bool put_aggregate(yajl_val root, struct flow_record *r)
{
    const char *path[] = {"aggregate", "side", NULL};
    yajl_val v = yajl_tree_get(root, path, yajl_t_string);
    const char *side = v ? YAJL_GET_STRING(v) : NULL;

    if (!side)
        return false;
    bool to = strcmp(side, "resp") == 0;
    r->aggregate = to ? AGGREGATE_TO : AGGREGATE_FROM;
    return put_address(text_at(root, to ? "id.resp_h" : "id.orig_h"), r, to);
}

static bool put_addresses(yajl_val root, struct flow_record *r)
{
    return put_aggregate(root, r) || (put_address(text_at(root, "id.orig_h"), r, 0) &&
                                      put_address(text_at(root, "id.resp_h"), r, 1));
}

static int fill(yajl_val root, struct flow_record *r, char *error)
{
    const char *id = text_at(root, "flow_id");

    memset(r, 0, sizeof(*r));
    if (!number_at(root, "ts") || !number_at(root, "ip_proto") || !put_addresses(root, r)) {
        snprintf(error, JSON_IN_ERROR_MAX,
                 "not a flow record: it needs ts, id.orig_h, id.resp_h and ip_proto");
        return -EINVAL;
    }
    put_side(root, "orig", 0, r);
    put_side(root, "resp", 1, r);
    r->proto = (uint8_t)count_at(root, "ip_proto");
    r->start_ns = time_at(root, "ts");
    r->end_ns = r->start_ns + time_at(root, "duration");
    r->conn_start_ns = time_at(root, "conn_start");
    r->conn_start_ns = r->conn_start_ns ? r->conn_start_ns : r->start_ns;
    r->flow_id = id ? strtoull(id, NULL, 16) : 0;
    r->record_no = (uint32_t)count_at(root, "record_no");
    r->open = true_at(root, "open");
    return 0;
}

int json_to_flow(const char *line, struct flow_record *r, char error[JSON_IN_ERROR_MAX])
{
    struct flow_record filled;
    char why[JSON_IN_ERROR_MAX] = "";
    yajl_val root = yajl_tree_parse(line, why, sizeof(why));

    if (!YAJL_IS_OBJECT(root)) {
        why[strcspn(why, "\n")] = '\0';
        snprintf(error, JSON_IN_ERROR_MAX, "not a JSON object%s%.100s", *why ? ": " : "", why);
        yajl_tree_free(root);
        return -EINVAL;
    }
    int rc = fill(root, &filled, error);
    if (!rc)
        *r = filled;
    yajl_tree_free(root);
    return rc;
}
