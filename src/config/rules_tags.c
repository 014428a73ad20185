/*
 * Tags of a rules file, and lists of networks in which they may stand.
 */
#include <string.h>

#include "base/ip.h"
#include "config/rules_reader.h"

static int find_tag(const struct hunt_tags *tags, const char *name)
{
    for (uint32_t i = 0; i < tags->count; i++)
        if (strcmp(tags->name[i], name) == 0)
            return (int)i;
    return -1;
}

/* Of the tag that came last. */
static int add_tagged(struct rules_reader *r)
{
    struct hunt_tags *tags = &r->rules->tags;

    if (tags->prefix_count == HUNT_TAGGED_MAX)
        return RULES_FAIL(r, "more than %d networks with tags", HUNT_TAGGED_MAX);
    if (ip_prefix_parse(config_events_scalar(&r->in), &tags->prefix[tags->prefix_count]))
        return rules_fail_value(r, "an address or prefix (192.0.2.0/24, 2001:db8::/32)");
    tags->tag[tags->prefix_count++] = (uint8_t)(tags->count - 1);
    return 0;
}

static int read_tag(struct rules_reader *r, void *context)
{
    struct hunt_tags *tags = &r->rules->tags;
    char name[ALERT_NAME_MAX];
    int rc = rules_read_name(r, name);

    (void)context;
    if (rc)
        return rc;
    if (find_tag(tags, name) >= 0)
        return RULES_FAIL(r, "given twice");
    if (tags->count == HUNT_TAGS_MAX)
        return RULES_FAIL(r, "more than %d tags", HUNT_TAGS_MAX);
    memcpy(tags->name[tags->count++], name, sizeof(name));
    rc = config_events_pull(&r->in);
    return rc ? rc : rules_read_list(r, "a list of addresses or prefixes", add_tagged);
}

int rules_read_tags(struct rules_reader *r)
{
    return config_events_is_null(&r->in)
               ? 0
               : rules_read_mapping(r, "names and their networks", read_tag, NULL);
}

static int add_network(struct rules_reader *r, struct ip_prefix *list, uint8_t *count,
                       const struct ip_prefix *prefix)
{
    if (*count == HUNT_NETWORKS_MAX)
        return RULES_FAIL(r, "more than %d networks", HUNT_NETWORKS_MAX);
    list[(*count)++] = *prefix;
    return 0;
}

int rules_add_networks(struct rules_reader *r, struct ip_prefix *list, uint8_t *count)
{
    const struct hunt_tags *tags = &r->rules->tags;
    int tag = find_tag(tags, config_events_scalar(&r->in)), rc = 0;
    struct ip_prefix prefix;

    if (tag < 0 && ip_prefix_parse(config_events_scalar(&r->in), &prefix))
        return rules_fail_value(
            r, "an address, a prefix (192.0.2.0/24, 2001:db8::/32), or one of tags:");
    if (tag < 0)
        return add_network(r, list, count, &prefix);
    for (uint32_t i = 0; i < tags->prefix_count && !rc; i++)
        if (tags->tag[i] == tag)
            rc = add_network(r, list, count, &tags->prefix[i]);
    return rc;
}
