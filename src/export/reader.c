#include "export/reader.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "export/schema.h"
#include "export/writer.h"

#define BUCKETS 1024
#define TEMPLATES_MAX 4096
#define FIELDS_MAX (64 << 10) /* of all templates together */
#define DOMAINS_MAX 1024
#define PROBLEM_TEXT_MAX 160
#define ENTERPRISE_BIT 0x8000

/* Fields lie behind it. */
struct template_in {
    struct template_in *next; /* in its bucket */
    uint32_t domain;
    uint16_t id, scope_count, count;
    uint32_t len_min; /* octets of the shortest record */
    struct ipfix_field field[];
};

struct domain {
    struct domain *next;
    uint32_t id;
    uint32_t expected; /* sequence number of the next message */
    bool known;        /* false: records were skipped, or none came yet */
};

struct ipfix_reader {
    struct ipfix_reader_options options;
    struct ipfix_reader_stats stats;
    struct template_in *templates[BUCKETS];
    struct domain *domains[BUCKETS];
    uint32_t template_count, field_count, domain_count;
    struct ipfix_record record; /* of the message at hand */
    struct ipfix_value *values; /* of the record at hand */
    uint16_t value_room;        /* as many as the longest template has fields */
    struct domain *domain;      /* of the message at hand; NULL = not followed */
};

/* Octets that are still to be read. */
struct span {
    const uint8_t *at, *end;
};

const char *const ipfix_problem_name[PROBLEM_COUNT] = {
#define X(symbol, name, help) [PROBLEM_##symbol] = name,
    IPFIX_PROBLEMS(X)
#undef X
};

static const char *const problem_help[PROBLEM_COUNT] = {
#define X(symbol, name, help) [PROBLEM_##symbol] = help,
    IPFIX_PROBLEMS(X)
#undef X
};

static size_t left(const struct span *s)
{
    return (size_t)(s->end - s->at);
}

static uint16_t take_be16(struct span *s)
{
    s->at += 2;
    return load_be16(s->at - 2);
}

static uint32_t take_be32(struct span *s)
{
    s->at += 4;
    return load_be32(s->at - 4);
}

/* Where messages begin is lost: no domain is to blame. */
static bool is_of_frame(enum ipfix_problem kind)
{
    return kind == PROBLEM_VERSION || kind == PROBLEM_LENGTH || kind == PROBLEM_CUT;
}

/* detail: what stands behind the general words, "" = nothing. */
static void problem(struct ipfix_reader *r, enum ipfix_problem kind, const char *detail)
{
    char text[PROBLEM_TEXT_MAX], domain[24] = "";

    r->stats.problem[kind]++;
    if (!r->options.problem)
        return;
    if (!is_of_frame(kind))
        snprintf(domain, sizeof(domain), "domain %" PRIu32 ": ", r->record.domain);
    snprintf(text, sizeof(text), "%s%s%s", domain, problem_help[kind], detail);
    r->options.problem(r->options.context, kind, text);
}

static void problem_with_id(struct ipfix_reader *r, enum ipfix_problem kind, unsigned id)
{
    char detail[32];

    snprintf(detail, sizeof(detail), ": id %u", id);
    problem(r, kind, detail);
}

/* --- Templates --- */

static struct template_in **template_place(struct ipfix_reader *r, uint16_t id)
{
    uint32_t domain = r->record.domain;
    struct template_in **at = &r->templates[(domain * 31 + id) % BUCKETS];

    while (*at && ((*at)->id != id || (*at)->domain != domain))
        at = &(*at)->next;
    return at;
}

static void template_remove(struct ipfix_reader *r, struct template_in **at)
{
    struct template_in *t = *at;

    *at = t->next;
    r->template_count--;
    r->field_count -= t->count;
    free(t);
}

static void remove_all(struct ipfix_reader *r, bool options)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct template_in **at = &r->templates[i]; *at;)
            if ((*at)->domain == r->record.domain && ((*at)->scope_count > 0) == options)
                template_remove(r, at);
            else
                at = &(*at)->next;
}

/* RFC 7011 §8.1: field count 0; under the set's own id it stands for all of that kind. */
static void withdraw(struct ipfix_reader *r, uint16_t id)
{
    if (id == SET_TEMPLATE || id == SET_OPTIONS_TEMPLATE) {
        remove_all(r, id == SET_OPTIONS_TEMPLATE);
        return;
    }
    struct template_in **at = template_place(r, id);
    if (*at)
        template_remove(r, at);
    else
        problem_with_id(r, PROBLEM_WITHDRAWAL, id);
}

static uint16_t occurrences_before(const struct template_in *t, uint16_t i)
{
    uint16_t count = 0;

    for (uint16_t k = 0; k < i; k++)
        count += t->field[k].element.id == t->field[i].element.id &&
                 t->field[k].element.pen == t->field[i].element.pen;
    return count;
}

/* RFC 7011 §3.2. */
static bool read_specifier(const struct ipfix_reader *r, struct span *s, struct ipfix_field *f)
{
    if (left(s) < 4)
        return false;
    uint16_t id = take_be16(s);
    f->len = take_be16(s);
    uint32_t pen = 0;
    if (id & ENTERPRISE_BIT) {
        if (left(s) < 4)
            return false;
        pen = take_be32(s);
    }
    uint16_t number = id & ~ENTERPRISE_BIT;
    uint32_t meant = pen && pen == r->options.enterprise ? PEN_OWN : pen;
    if (!ipfix_element_find(meant, number, &f->element))
        f->element = (struct ipfix_element){.id = number};
    f->element.pen = pen;
    f->schema = schema_find(meant, number);
    return true;
}

static bool read_specifiers(const struct ipfix_reader *r, struct span *s, struct template_in *t)
{
    for (uint16_t i = 0; i < t->count; i++) {
        if (!read_specifier(r, s, &t->field[i]))
            return false;
        t->len_min += t->field[i].len == LEN_VARIABLE ? 1 : t->field[i].len;
        /* Few fields stand twice; long templates are not searched for them. */
        if (t->count <= 256)
            t->field[i].occurrence = occurrences_before(t, i);
    }
    return true;
}

static bool template_equal(const struct template_in *a, const struct template_in *b)
{
    if (a->count != b->count || a->scope_count != b->scope_count)
        return false;
    for (uint16_t i = 0; i < a->count; i++)
        if (a->field[i].element.id != b->field[i].element.id ||
            a->field[i].element.pen != b->field[i].element.pen ||
            a->field[i].len != b->field[i].len)
            return false;
    return true;
}

static bool make_room(struct ipfix_reader *r, uint16_t count)
{
    if (count <= r->value_room)
        return true;
    struct ipfix_value *values = realloc(r->values, count * sizeof(*values));
    if (!values)
        return false;
    r->values = values;
    r->value_room = count;
    return true;
}

static void template_keep(struct ipfix_reader *r, struct template_in *t)
{
    struct template_in **at = template_place(r, t->id);

    if (*at && template_equal(*at, t)) {
        free(t);
        return;
    }
    if (*at) {
        problem_with_id(r, PROBLEM_TEMPLATE_CHANGED, t->id);
        template_remove(r, at);
    }
    if (r->template_count == TEMPLATES_MAX || r->field_count + t->count > FIELDS_MAX ||
        !make_room(r, t->count)) {
        problem_with_id(r, PROBLEM_TEMPLATE_LIMIT, t->id);
        free(t);
        return;
    }
    at = template_place(r, t->id);
    t->next = *at;
    *at = t;
    r->template_count++;
    r->field_count += t->count;
}

/* The template record behind id and count, RFC 7011 §3.4.1, §3.4.2.2. False: the rest of the set
 * cannot be read. */
static bool read_template(struct ipfix_reader *r, struct span *s, uint16_t id, uint16_t count)
{
    bool options = r->record.template_id == SET_OPTIONS_TEMPLATE;
    size_t least = count * 4u + (options ? 2u : 0u);

    if (left(s) < least) {
        problem_with_id(r, PROBLEM_TEMPLATE, id);
        return false;
    }
    struct template_in *t = calloc(1, sizeof(*t) + count * sizeof(t->field[0]));
    if (!t) {
        problem_with_id(r, PROBLEM_TEMPLATE_LIMIT, id);
        return false;
    }
    t->domain = r->record.domain;
    t->id = id;
    t->count = count;
    t->scope_count = options ? take_be16(s) : 0;
    bool whole = read_specifiers(r, s, t);
    if (!whole || !t->len_min || id < SET_DATA_MIN || t->scope_count > count ||
        (options && !t->scope_count)) {
        problem_with_id(r, PROBLEM_TEMPLATE, id);
        free(t);
        return whole;
    }
    template_keep(r, t);
    return true;
}

static void read_templates(struct ipfix_reader *r, struct span s)
{
    while (left(&s) >= 4) {
        uint16_t id = take_be16(&s);
        uint16_t count = take_be16(&s);
        if (!id && !count)
            return; /* padding */
        if (!count)
            withdraw(r, id);
        else if (!read_template(r, &s, id, count))
            return;
    }
}

/* --- Data --- */

/* RFC 7011 §7. */
static bool read_value(struct span *s, uint16_t template_len, struct ipfix_value *v)
{
    size_t len = template_len;

    if (template_len == LEN_VARIABLE) {
        if (!left(s))
            return false;
        len = *s->at++;
        if (len == UINT8_MAX) {
            if (left(s) < 2)
                return false;
            len = take_be16(s);
        }
    }
    if (left(s) < len)
        return false;
    *v = (struct ipfix_value){.octets = s->at, .len = (uint16_t)len};
    s->at += len;
    return true;
}

static bool read_record(struct ipfix_reader *r, struct span *s, const struct template_in *t)
{
    for (uint16_t i = 0; i < t->count; i++)
        if (!read_value(s, t->field[i].len, &r->values[i]))
            return false;
    r->record.template_id = t->id;
    r->record.scope_count = t->scope_count;
    r->record.count = t->count;
    r->record.field = t->field;
    r->record.value = r->values;
    *(t->scope_count ? &r->stats.options : &r->stats.records) += 1;
    r->options.record(r->options.context, &r->record);
    return true;
}

static void forget_sequence(struct ipfix_reader *r)
{
    if (r->domain)
        r->domain->known = false;
}

/* A tail shorter than any record is padding (RFC 7011 §3.3.1). Returns the records read. */
static uint32_t read_data(struct ipfix_reader *r, struct span s)
{
    uint16_t id = r->record.template_id;
    const struct template_in *t = *template_place(r, id);
    uint32_t count = 0;

    if (!t) {
        problem_with_id(r, PROBLEM_NO_TEMPLATE, id);
        forget_sequence(r);
        return 0;
    }
    for (; left(&s) >= t->len_min; count++)
        if (!read_record(r, &s, t)) {
            problem_with_id(r, PROBLEM_RECORD, id);
            forget_sequence(r);
            break;
        }
    return count;
}

/* --- Messages --- */

static struct domain *find_domain(struct ipfix_reader *r, uint32_t id)
{
    struct domain **at = &r->domains[id % BUCKETS];

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (*at)
        return *at;
    if (r->domain_count < DOMAINS_MAX)
        *at = calloc(1, sizeof(**at));
    if (!*at) {
        problem(r, PROBLEM_DOMAIN_LIMIT, "");
        return NULL;
    }
    (*at)->id = id;
    r->domain_count++;
    return *at;
}

static void check_sequence(struct ipfix_reader *r, uint32_t sequence)
{
    char detail[64];
    uint32_t ahead = sequence - r->domain->expected;

    if (!r->domain->known || !ahead)
        return;
    if (ahead < 1u << 31)
        r->stats.missing += ahead;
    snprintf(detail, sizeof(detail), ": %" PRIu32 ", expected %" PRIu32, sequence,
             r->domain->expected);
    problem(r, PROBLEM_SEQUENCE, detail);
}

/* Returns the data records of the set. */
static uint32_t read_set(struct ipfix_reader *r, uint16_t id, struct span body)
{
    r->record.template_id = id;
    if (id >= SET_DATA_MIN)
        return read_data(r, body);
    if (id == SET_TEMPLATE || id == SET_OPTIONS_TEMPLATE)
        read_templates(r, body);
    else
        problem_with_id(r, PROBLEM_SET_ID, id);
    return 0;
}

static uint32_t read_sets(struct ipfix_reader *r, struct span s)
{
    uint32_t records = 0;

    while (left(&s)) {
        size_t len = left(&s) < SET_HEADER ? 0 : load_be16(s.at + 2);
        if (len < SET_HEADER || len > left(&s)) {
            problem(r, PROBLEM_SET_LENGTH, "");
            forget_sequence(r);
            break;
        }
        struct span body = {s.at + SET_HEADER, s.at + len};
        records += read_set(r, load_be16(s.at), body);
        s.at += len;
    }
    return records;
}

static void read_message(struct ipfix_reader *r, const uint8_t *octets, size_t len)
{
    struct span s = {octets + 4, octets + len};

    r->record.export_s = take_be32(&s);
    r->record.sequence = take_be32(&s);
    r->record.domain = take_be32(&s);
    r->stats.messages++;
    r->stats.octets += len;
    r->domain = find_domain(r, r->record.domain);
    if (r->domain) {
        check_sequence(r, r->record.sequence);
        r->domain->known = true;
    }
    uint32_t records = read_sets(r, s);
    if (r->domain)
        r->domain->expected = r->record.sequence + records;
}

int ipfix_frame(const uint8_t *octets, size_t len)
{
    if (len < 4)
        return 0;
    if (load_be16(octets) != IPFIX_VERSION || load_be16(octets + 2) < MESSAGE_HEADER)
        return -EPROTO;
    return load_be16(octets + 2);
}

ptrdiff_t ipfix_reader_feed(struct ipfix_reader *r, const uint8_t *octets, size_t len)
{
    size_t done = 0;

    for (;;) {
        int frame = ipfix_frame(octets + done, len - done);
        if (frame < 0) {
            bool version = load_be16(octets + done) != IPFIX_VERSION;
            problem(r, version ? PROBLEM_VERSION : PROBLEM_LENGTH, "");
            return -EPROTO;
        }
        if (!frame || (size_t)frame > len - done)
            return (ptrdiff_t)done;
        read_message(r, octets + done, (size_t)frame);
        done += (size_t)frame;
    }
}

void ipfix_reader_end(struct ipfix_reader *r, size_t len)
{
    if (len)
        problem(r, PROBLEM_CUT, "");
}

struct ipfix_reader_stats ipfix_reader_stats(const struct ipfix_reader *r)
{
    return r->stats;
}

/* --- Life --- */

int ipfix_reader_create(const struct ipfix_reader_options *options, struct ipfix_reader **out)
{
    struct ipfix_reader *r = calloc(1, sizeof(*r));

    if (!r)
        return -ENOMEM;
    r->options = *options;
    *out = r;
    return 0;
}

void ipfix_reader_destroy(struct ipfix_reader *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < BUCKETS; i++) {
        while (r->templates[i])
            template_remove(r, &r->templates[i]);
        for (struct domain *d = r->domains[i]; d;) {
            struct domain *next = d->next;
            free(d);
            d = next;
        }
    }
    free(r->values);
    free(r);
}
