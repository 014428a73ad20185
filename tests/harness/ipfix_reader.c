/*
 * A collector that shares no code with weir: libfixbuf reads IPFIX from TCP connections or files,
 * this prints what it understood as JSON lines, flushed message by message.
 *
 *     ipfix_reader [--rate OCTETS_PER_S] [--summary] [--once] [--host ADDRESS] --listen PORT
 *     ipfix_reader [--summary] FILE...
 *
 * Data records:  {"conn":1,"domain":7,"template":256,"scope":0,"export":1767323045,"NAME":VALUE,..}
 * Events:        {"event":"listen","port":N}  port 0 takes a free one
 *                {"event":"open","conn":1} {"event":"close","conn":1}
 *                {"event":"problem","text":...}  what libfixbuf complains of: lost sequence
 * numbers, malformed messages, redefined templates
 *                {"event":"summary","records":N,"options":N,"problems":N,...}  at the end, of files
 * after each
 * A connection is named by order of arrival. Elements keep their IANA names, reverse ones begin
 * with "reverse"; a name's second occurrence in a record ends in "#2". --rate slows reading down,
 * so that the sender meets a full socket; --summary leaves out the records; --once ends with the
 * last connection. SIGTERM ends with the summary.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fixbuf/public.h>

#define CERT_MODEL "/usr/share/libfixbuf/cert_ipfix.xml"
#define CONNECTIONS_MAX 4096
#define RECORD_MAX 65536
#define FIELDS_MAX 512

/* How a template's records lie in memory: variable fields first, so that they are aligned. */
struct layout {
    const fbTemplate_t *external;
    uint16_t scope;
    uint16_t internal_id;
    uint32_t field_count;
    uint32_t len;
    struct {
        const fbInfoElement_t *element; /* of the model */
        uint32_t at;
        uint16_t len; /* FB_IE_VARLEN: an fbVarfield_t */
        uint8_t occurrence;
    } field[FIELDS_MAX];
};

struct connection {
    fBuf_t *buf;
    uint32_t number;
    struct layout *layout[65536];
};

struct reader {
    fbInfoModel_t *model;
    fbListener_t *listener;
    struct connection *connection[CONNECTIONS_MAX];
    uint32_t opened, open;
    uint64_t rate, records, options, problems, octets, packets;
    bool summary, once;
    uint8_t record[RECORD_MAX];
};

static volatile sig_atomic_t stopped;
static struct reader reader; /* the log handler gets it as context, the signal handler needs it */

static void put_text(const uint8_t *text, size_t len)
{
    putchar('"');
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x20 || text[i] == '"' || text[i] == '\\' || text[i] >= 0x7f)
            printf("\\u%04x", text[i]);
        else
            putchar(text[i]);
    putchar('"');
}

static void put_hex(const uint8_t *octets, size_t len)
{
    putchar('"');
    for (size_t i = 0; i < len; i++)
        printf("%02x", octets[i]);
    putchar('"');
}

static void put_address(int family, const uint8_t *octets)
{
    char text[INET6_ADDRSTRLEN];
    printf("\"%s\"", inet_ntop(family, octets, text, sizeof(text)));
}

/* libfixbuf has turned numbers into host order, and to the element's own length. */
static uint64_t get_number(const uint8_t *at, uint16_t len)
{
    uint64_t value = 0;
    memcpy(&value, at, len > 8 ? 8 : len);
    return value;
}

static void put_value(uint8_t type, const uint8_t *at, uint16_t len)
{
    switch (type) {
    case FB_UINT_8:
    case FB_UINT_16:
    case FB_UINT_32:
    case FB_UINT_64:
    case FB_DT_SEC:
    case FB_DT_MILSEC:
    case FB_DT_MICROSEC:
    case FB_DT_NANOSEC:
        printf("%" PRIu64, get_number(at, len));
        break;
    case FB_BOOL:
        fputs(*at == 1 ? "true" : *at == 2 ? "false" : "null", stdout);
        break;
    case FB_IP4_ADDR: {
        uint32_t network = htonl((uint32_t)get_number(at, 4));
        put_address(AF_INET, (const uint8_t *)&network);
        break;
    }
    case FB_IP6_ADDR:
        put_address(AF_INET6, at);
        break;
    case FB_STRING:
        put_text(at, len);
        break;
    default:
        put_hex(at, len);
    }
}

static void print_field(const struct layout *l, uint32_t i, const uint8_t *record)
{
    const fbInfoElement_t *element = l->field[i].element;
    const uint8_t *at = record + l->field[i].at;
    size_t len = l->field[i].len;

    if (element->num == 0 || strncmp(element->ref.name, "_alien", 6) == 0)
        printf(",\"%u:%u", element->ent, element->num);
    else
        printf(",\"%s", element->ref.name);
    if (l->field[i].occurrence)
        printf("#%u", l->field[i].occurrence + 1);
    fputs("\":", stdout);
    if (len == FB_IE_VARLEN) {
        fbVarfield_t var;
        memcpy(&var, at, sizeof(var));
        put_value(element->type, var.buf, (uint16_t)var.len);
    } else {
        put_value(element->type, at, (uint16_t)len);
    }
}

static void print_record(const struct connection *c, uint16_t id, const struct layout *l)
{
    printf("{\"conn\":%u,\"domain\":%u,\"template\":%u,\"scope\":%u,\"export\":%u", c->number,
           fbSessionGetDomain(fBufGetSession(c->buf)), id, l->scope, fBufGetExportTime(c->buf));
    for (uint32_t i = 0; i < l->field_count; i++)
        print_field(l, i, reader.record);
    puts("}");
}

static void problem(const char *text)
{
    reader.problems++;
    fputs("{\"event\":\"problem\",\"text\":", stdout);
    put_text((const uint8_t *)text, strlen(text));
    puts("}");
}

static void log_problem(const gchar *domain, GLogLevelFlags level, const gchar *text,
                        gpointer context)
{
    (void)domain, (void)context;
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING))
        problem(text);
}

static uint16_t memory_len(const fbInfoElement_t *in_model, const fbInfoElement_t *on_wire)
{
    bool number = in_model->type != FB_OCTET_ARRAY && in_model->type != FB_STRING;
    return number && in_model->len != FB_IE_VARLEN ? in_model->len : on_wire->len;
}

static bool is_list(const fbInfoElement_t *element)
{
    return element->type == FB_BASIC_LIST || element->type == FB_SUB_TMPL_LIST ||
           element->type == FB_SUB_TMPL_MULTI_LIST;
}

static void add_field(struct layout *l, fbTemplate_t *internal, const fbInfoElement_t *on_wire)
{
    const fbInfoElement_t *e = fbInfoModelGetElementByID(reader.model, on_wire->num, on_wire->ent);
    GError *error = NULL;

    if (!e || is_list(e) || l->field_count == FIELDS_MAX)
        return;
    fbInfoElement_t copy = *e;
    uint16_t len = memory_len(e, on_wire);
    copy.len = len;
    copy.midx = 0;
    uint32_t i = l->field_count++;
    for (uint32_t k = 0; k < i; k++)
        l->field[i].occurrence += l->field[k].element == e;
    l->field[i].element = e;
    l->field[i].at = l->len;
    l->field[i].len = len;
    l->len += len == FB_IE_VARLEN ? sizeof(fbVarfield_t) : len;
    if (!fbTemplateAppend(internal, &copy, &error))
        problem(error->message), g_clear_error(&error);
}

static void add_fields(struct layout *l, fbTemplate_t *internal, fbTemplate_t *external,
                       bool variable)
{
    for (uint32_t i = 0; i < fbTemplateCountElements(external); i++) {
        const fbInfoElement_t *on_wire = fbTemplateGetIndexedIE(external, i);
        if ((on_wire->len == FB_IE_VARLEN) == variable)
            add_field(l, internal, on_wire);
    }
}

static struct layout *layout_create(struct connection *c, uint16_t id, fbTemplate_t *external)
{
    struct layout *l = calloc(1, sizeof(*l));
    fbTemplate_t *internal = fbTemplateAlloc(reader.model);
    GError *error = NULL;

    l->external = external;
    l->scope = (uint16_t)fbTemplateGetOptionsScope(external);
    add_fields(l, internal, external, true);
    add_fields(l, internal, external, false);
    l->internal_id = fbSessionAddTemplate(fBufGetSession(c->buf), TRUE, id, internal, &error);
    if (error)
        problem(error->message), g_clear_error(&error);
    return l;
}

/* Templates live as long as their session: another address is another template. */
static struct layout *layout_of(struct connection *c, uint16_t id, fbTemplate_t *external)
{
    struct layout **l = &c->layout[id];
    if (*l && (*l)->external == external)
        return *l;
    free(*l);
    return *l = layout_create(c, id, external);
}

static void count_record(const struct layout *l)
{
    if (l->scope) {
        reader.options++;
        return;
    }
    reader.records++;
    for (uint32_t i = 0; i < l->field_count; i++) {
        const fbInfoElement_t *e = l->field[i].element;
        uint64_t *sum = e->num == 1 ? &reader.octets : e->num == 2 ? &reader.packets : NULL;
        if (sum && (e->ent == 0 || e->ent == 29305))
            *sum += get_number(reader.record + l->field[i].at, l->field[i].len);
    }
}

/* The next record of the message at hand. False: its end, or an error, which is told. */
static bool read_record(struct connection *c, GError **error)
{
    uint16_t id;
    size_t len = sizeof(reader.record);
    fbTemplate_t *external = fBufNextCollectionTemplate(c->buf, &id, error);

    if (!external)
        return false;
    struct layout *l = layout_of(c, id, external);
    if (!fBufSetInternalTemplate(c->buf, l->internal_id, error) ||
        !fBufNext(c->buf, reader.record, &len, error))
        return false;
    count_record(l);
    if (!reader.summary)
        print_record(c, id, l);
    return true;
}

/* The rate counts what the records take in memory: near enough to what they took on the wire. */
static void slow_down(uint64_t records_before)
{
    uint64_t octets = (reader.records + reader.options - records_before) * 130;
    if (reader.rate)
        usleep((useconds_t)(octets * 1000000 / reader.rate));
}

/* One message. False: the connection or file is at its end. */
static bool read_message(struct connection *c)
{
    GError *error = NULL;
    uint64_t before = reader.records + reader.options;

    if (fBufNextMessage(c->buf, &error))
        while (read_record(c, &error))
            ;
    bool more = g_error_matches(error, FB_ERROR_DOMAIN, FB_ERROR_EOM);
    if (!more && !g_error_matches(error, FB_ERROR_DOMAIN, FB_ERROR_EOF))
        problem(error->message);
    g_clear_error(&error);
    fflush(stdout);
    slow_down(before);
    return more;
}

static void connection_close(struct connection *c)
{
    printf("{\"event\":\"close\",\"conn\":%u}\n", c->number);
    fflush(stdout);
    for (int i = 0; i < 65536; i++)
        free(c->layout[i]);
    fBufFree(c->buf);
    reader.open--;
    free(c);
}

static struct connection *connection_of(fBuf_t *buf, uint32_t *at)
{
    uint32_t unused = CONNECTIONS_MAX;

    for (*at = 0; *at < CONNECTIONS_MAX; ++*at) {
        if (reader.connection[*at] && reader.connection[*at]->buf == buf)
            return reader.connection[*at];
        if (!reader.connection[*at] && unused == CONNECTIONS_MAX)
            unused = *at;
    }
    if (unused == CONNECTIONS_MAX)
        abort();
    struct connection *c = calloc(1, sizeof(*c));
    c->buf = buf;
    c->number = ++reader.opened;
    reader.open++;
    fBufSetAutomaticMode(buf, FALSE);
    printf("{\"event\":\"open\",\"conn\":%u}\n", c->number);
    fflush(stdout);
    reader.connection[ *at = unused] = c;
    return c;
}

static void print_port(void)
{
    for (int fd = 3; fd < 64; fd++) {
        struct sockaddr_storage address;
        int listening = 0;
        socklen_t len = sizeof(listening), size = sizeof(address);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) || !listening)
            continue;
        getsockname(fd, (struct sockaddr *)&address, &size);
        /* sin_port and sin6_port lie at the same place */
        printf("{\"event\":\"listen\",\"port\":%u}\n",
               ntohs(((struct sockaddr_in *)&address)->sin_port));
        fflush(stdout);
        return;
    }
}

static int listen_tcp(char *host, char *port)
{
    fbConnSpec_t spec = {.transport = FB_TCP, .host = host, .svc = port};
    GError *error = NULL;
    fbSession_t *session = fbSessionAlloc(reader.model);

    reader.listener = fbListenerAlloc(&spec, session, NULL, NULL, &error);
    if (!reader.listener) {
        fprintf(stderr, "ipfix_reader: %s\n", error->message);
        return 1;
    }
    print_port();
    while (!stopped) {
        uint32_t at;
        fBuf_t *buf = fbListenerWait(reader.listener, &error);
        if (!buf) {
            g_clear_error(&error);
            continue;
        }
        struct connection *c = connection_of(buf, &at);
        if (read_message(c))
            continue;
        connection_close(c);
        reader.connection[at] = NULL;
        if (reader.once && !reader.open)
            break;
    }
    return 0;
}

static void print_summary(void)
{
    printf("{\"event\":\"summary\",\"connections\":%u,\"records\":%" PRIu64 ",\"options\":%" PRIu64
           ",\"octets\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"problems\":%" PRIu64 "}\n",
           reader.opened, reader.records, reader.options, reader.octets, reader.packets,
           reader.problems);
}

static int read_file(const char *path)
{
    GError *error = NULL;
    struct connection *c = calloc(1, sizeof(*c));
    fbCollector_t *collector = fbCollectorAllocFile(NULL, path, &error);

    if (!collector) {
        fprintf(stderr, "ipfix_reader: %s: %s\n", path, error->message);
        free(c);
        return 1;
    }
    c->buf = fBufAllocForCollection(fbSessionAlloc(reader.model), collector);
    c->number = ++reader.opened;
    reader.open++;
    fBufSetAutomaticMode(c->buf, FALSE);
    reader.records = reader.options = reader.octets = reader.packets = reader.problems = 0;
    while (!stopped && read_message(c))
        ;
    connection_close(c);
    print_summary();
    return 0;
}

static void stop(int number)
{
    (void)number;
    stopped = 1;
    if (reader.listener)
        fbListenerInterrupt(reader.listener);
}

static int usage(void)
{
    fputs("usage: ipfix_reader [--rate OCTETS_PER_S] [--summary] [--once] [--host ADDRESS] "
          "--listen PORT\n"
          "       ipfix_reader [--summary] FILE...\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    char *host = "127.0.0.1", *port = NULL;
    int code = 0, i;

    for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--summary") == 0)
            reader.summary = true;
        else if (strcmp(argv[i], "--once") == 0)
            reader.once = true;
        else if (strcmp(argv[i], "--rate") == 0 && i + 1 < argc)
            reader.rate = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--host") == 0 && i + 1 < argc)
            host = argv[++i];
        else if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc)
            port = argv[++i];
        else
            return usage();
    }
    if (!port == (i == argc))
        return usage();
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    g_log_set_default_handler(log_problem, NULL);
    reader.model = fbInfoModelAlloc();
    if (access(CERT_MODEL, R_OK) == 0)
        fbInfoModelReadXMLFile(reader.model, CERT_MODEL, NULL);
    if (port)
        code = listen_tcp(host, port);
    for (; i < argc; i++)
        code |= read_file(argv[i]);
    if (port)
        print_summary();
    return code;
}
