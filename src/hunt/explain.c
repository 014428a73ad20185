/*
 * Alerts as people read them: templates filled with the numbers of the subject.
 */
#include <inttypes.h>
#include <string.h>

#include "base/ip.h"
#include "hunt/hunt.h"
#include "weir/wire.h"

/* Text that never grows beyond its room. */
struct writer {
    char *at, *end;
};

static void put(struct writer *w, const char *text)
{
    while (*text && w->at < w->end)
        *w->at++ = *text++;
    *w->at = '\0';
}

static void put_number(struct writer *w, double value, const char *const *unit, double step)
{
    char text[64];
    unsigned i = 0;

    for (; value >= step && unit[i + 1]; i++)
        value /= step;
    snprintf(text, sizeof(text), value < 9.95 && i ? "%.1f%s" : "%.0f%s", value, unit[i]);
    put(w, text);
}

static void put_duration(struct writer *w, double seconds)
{
    char text[64];

    if (seconds < 120)
        snprintf(text, sizeof(text), "%.0f s", seconds);
    else if (seconds < 2 * 3600)
        snprintf(text, sizeof(text), "%.0f min", seconds / 60);
    else if (seconds < 48 * 3600)
        snprintf(text, sizeof(text), "%.1f h", seconds / 3600);
    else
        snprintf(text, sizeof(text), "%.1f days", seconds / 86400);
    put(w, text);
}

static void put_measure(struct writer *w, enum hunt_measure m, double value)
{
    static const char *const octets[] = {" octets", " kB", " MB", " GB", " TB", NULL};
    char text[64];

    switch (hunt_measures[m].unit) {
    case UNIT_OCTETS:
        put_number(w, value, octets, 1000);
        break;
    case UNIT_SECONDS:
        put_duration(w, value);
        break;
    case UNIT_SHARE:
        snprintf(text, sizeof(text), "%.2f", value);
        put(w, text);
        break;
    default:
        snprintf(text, sizeof(text), "%.0f", value);
        put(w, text);
    }
}

static void put_host(struct writer *w, const struct host_key *key)
{
    char text[IP_TEXT_MAX];

    ip_format(host_key_version(key), host_key_address(key), text);
    put(w, text);
}

static unsigned group_bits(const struct hunt_rule *r, const struct host_key *key)
{
    if (r->scope != SCOPE_GROUP)
        return 0;
    return host_key_version(key) == 4 ? 24 : 64;
}

/* The host, or the subnet. */
static void put_subject(struct writer *w, const struct hunt_rule *r, const struct hunt_subject *s)
{
    char text[8];

    put_host(w, &s->host);
    snprintf(text, sizeof(text), "/%u", group_bits(r, &s->host));
    put(w, group_bits(r, &s->host) ? text : "");
}

static bool has_ports(uint8_t proto)
{
    return proto != PROTO_ICMP && proto != PROTO_ICMP6;
}

/* 203.0.113.9:443, [2001:db8::1]:443, or the address alone. */
static void put_service(struct writer *w, const struct hunt_subject *s)
{
    bool bracket = host_key_version(&s->peer) == 6 && has_ports(s->proto);
    char text[16];

    put(w, bracket ? "[" : "");
    put_host(w, &s->peer);
    put(w, bracket ? "]" : "");
    snprintf(text, sizeof(text), ":%u", s->port);
    put(w, has_ports(s->proto) ? text : "");
}

static void put_port(struct writer *w, const struct hunt_subject *s)
{
    char text[32];

    if (!has_ports(s->proto))
        snprintf(text, sizeof(text), "ICMP");
    else if (s->proto == PROTO_TCP || s->proto == PROTO_UDP)
        snprintf(text, sizeof(text), "%s port %u", s->proto == PROTO_TCP ? "TCP" : "UDP", s->port);
    else
        snprintf(text, sizeof(text), "protocol %u port %u", s->proto, s->port);
    put(w, text);
}

static void put_times(struct writer *w, const struct hunt_rule *r, const struct hunt_subject *s)
{
    enum host_window window = (enum host_window)r->window;
    double out = hunt_value(MEASURE_OCTETS_OUT, window, s);
    double in = hunt_value(MEASURE_OCTETS_IN, window, s);
    char text[32];

    snprintf(text, sizeof(text), in > 0 && out < 10 * in ? "%.1f" : "%.0f",
             in > 0 ? out / in : out);
    put(w, text);
}

static void put_word(struct writer *w, int word, const struct hunt_rule *r,
                     const struct hunt_subject *s)
{
    enum host_window window = (enum host_window)r->window;

    switch (word) {
    case WORD_HOST:
        put_subject(w, r, s);
        break;
    case WORD_PEER:
        put_host(w, &s->peer);
        break;
    case WORD_SERVICE:
        put_service(w, s);
        break;
    case WORD_PORT:
        put_port(w, s);
        break;
    case WORD_TIMES:
        put_times(w, r, s);
        break;
    default:
        put_measure(w, (enum hunt_measure)word, hunt_value((enum hunt_measure)word, window, s));
    }
}

static void put_template(struct writer *w, const struct hunt_rule *r, const struct hunt_subject *s)
{
    const char *at = r->template;
    char plain[2] = "";

    while (*at) {
        const char *close = *at == '{' ? strchr(at, '}') : NULL;
        int word = close ? hunt_word_find(at + 1, (size_t)(close - at - 1)) : -1;
        if (word >= 0) {
            put_word(w, word, r, s);
            at = close + 1;
        } else {
            plain[0] = *at++;
            put(w, plain);
        }
    }
}

/* For rules without a template. */
static void put_conditions(struct writer *w, const struct hunt_rule *r,
                           const struct hunt_subject *s)
{
    put_subject(w, r, s);
    if (!host_key_is_none(&s->peer)) {
        put(w, " and ");
        put_service(w, s);
    }
    for (unsigned i = 0; i < r->condition_count; i++) {
        enum hunt_measure m = (enum hunt_measure)r->condition[i].measure;
        put(w, i ? ", " : ": ");
        put(w, hunt_measures[m].name);
        put(w, " ");
        put_measure(w, m, hunt_value(m, (enum host_window)r->window, s));
    }
}

static void put_group(struct writer *w, const struct hunt_rule *r, const struct hunt_group *g)
{
    char text[64];

    if (!g || !g->hosts)
        return;
    snprintf(text, sizeof(text), "; %u similar host%s", g->hosts, g->hosts == 1 ? "" : "s");
    put(w, text);
    put(w, g->tag ? " (" : "");
    put(w, g->tag ? g->tag : "");
    put(w, g->tag ? "): median " : ": median ");
    put_measure(w, hunt_compared(r), g->median);
}

static void add_evidence(struct alert *a, const char *name, double value)
{
    if (a->evidence_count < ALERT_EVIDENCE_MAX)
        a->evidence[a->evidence_count++] = (struct alert_evidence){name, value};
}

static void alert_numbers(const struct hunt_rule *r, const struct hunt_subject *s, int level,
                          const struct hunt_group *g, struct alert *a)
{
    enum host_window window = (enum host_window)r->window;
    enum hunt_measure first = (enum hunt_measure)r->condition[0].measure;

    a->measure = hunt_measures[first].name;
    a->value = hunt_value(first, window, s);
    a->threshold = r->level_count ? r->level[level] : r->condition[0].value;
    for (unsigned i = 0; i < r->condition_count; i++) {
        enum hunt_measure m = (enum hunt_measure)r->condition[i].measure;
        add_evidence(a, hunt_measures[m].name, hunt_value(m, window, s));
    }
    if (g && g->hosts) {
        add_evidence(a, "group_value", g->own);
        add_evidence(a, "group_hosts", g->hosts);
        add_evidence(a, "group_median", g->median);
        add_evidence(a, "group_mad", g->mad);
    }
}

/* FNV-1a: equal on every sensor; nobody gains by a collision but silence of one alert of his own.
 */
static uint64_t id_add(uint64_t id, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        id = (id ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    return id;
}

uint64_t hunt_alert_id(const struct hunt_rule *r, const struct hunt_subject *s)
{
    unsigned subject = hunt_rule_subject(r);
    uint8_t service[3] = {s->proto, (uint8_t)(s->port >> 8), (uint8_t)s->port};
    uint64_t id = id_add(0xcbf29ce484222325u, r->name, strlen(r->name));

    id = id_add(id, &s->host, sizeof(s->host));
    if (subject & SUBJECTS_PEER)
        id = id_add(id, &s->peer, sizeof(s->peer));
    if (subject & SUBJECTS_SERVICE)
        id = id_add(id, service, sizeof(service));
    return id ? id : 1;
}

void hunt_alert(const struct hunt_rule *r, const struct hunt_subject *s, int level,
                const struct hunt_group *g, struct alert *a)
{
    struct writer w = {a->text, a->text + sizeof(a->text) - 1};
    unsigned subject = hunt_rule_subject(r);
    int severity = r->severity + level;

    memset(a, 0, sizeof(*a));
    memcpy(a->rule, r->name, sizeof(a->rule));
    memcpy(a->technique, r->technique, sizeof(a->technique));
    a->scope = r->scope;
    a->level = (uint8_t)level;
    a->severity = (uint8_t)(severity < SEVERITY_COUNT ? severity : SEVERITY_COUNT - 1);
    a->host = s->host;
    a->group_bits = (uint8_t)group_bits(r, &s->host);
    a->has_peer = (subject & SUBJECTS_PEER) != 0;
    if (a->has_peer)
        a->peer = s->peer;
    a->has_port = (subject & SUBJECTS_SERVICE) != 0;
    a->port = a->has_port ? s->port : 0;
    a->proto = a->has_port ? s->proto : 0;
    a->flow_id = s->flow_id;
    a->window_ns = r->scope == SCOPE_FLOW ? 0 : host_window_ns[r->window];
    if (r->template[0])
        put_template(&w, r, s);
    else
        put_conditions(&w, r, s);
    put_group(&w, r, g);
    alert_numbers(r, s, level, g, a);
    a->id = hunt_alert_id(r, s);
}
