#include "cli/ipfix_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/ip.h"
#include "cli/cli.h"
#include "export/reader.h"
#include "export/schema.h"
#include "export/values.h"
#include "format/text.h"

#define PIECE 1024 /* octets of a value that are turned into text at once */

static void emit(struct cli_output *o, const char *text, const char *end)
{
    cli_output_add(o, text, (size_t)(end - text), 0);
}

static void emit_text(struct cli_output *o, const char *text)
{
    emit(o, text, text + strlen(text));
}

static void emit_hex(struct cli_output *o, const struct ipfix_value *v)
{
    char text[2 * PIECE], *p = text;

    emit_text(o, "\"");
    for (uint16_t i = 0; i < v->len; i++) {
        *p++ = "0123456789abcdef"[v->octets[i] >> 4];
        *p++ = "0123456789abcdef"[v->octets[i] & 15];
        if (p == text + sizeof(text) || i + 1 == v->len) {
            emit(o, text, p);
            p = text;
        }
    }
    emit_text(o, "\"");
}

/* Where a piece may end without cutting a UTF-8 sequence: before an octet that begins one. */
static size_t piece_end(const uint8_t *octets, size_t len)
{
    size_t end = len;

    if (len < PIECE)
        return len;
    while (end > PIECE - 4 && (octets[end - 1] & 0xc0) == 0x80)
        end--;
    return end > 1 ? end - 1 : len;
}

/* Fixed-length strings are filled up with zeros. */
static void emit_string(struct cli_output *o, const struct ipfix_value *v)
{
    char piece[PIECE + 1], text[6 * PIECE];
    size_t len = v->len, at = 0;

    while (len && v->octets[len - 1] == 0)
        len--;
    emit_text(o, "\"");
    while (at < len) {
        size_t size = len - at < PIECE ? len - at : piece_end(v->octets + at, PIECE);
        memcpy(piece, v->octets + at, size);
        piece[size] = '\0';
        size_t used = strlen(piece);
        emit(o, text, put_json_text(text, piece));
        if (used < size) {
            emit_text(o, "\\u0000");
            used++;
        }
        at += used;
    }
    emit_text(o, "\"");
}

static void emit_unsigned(struct cli_output *o, uint64_t number)
{
    char text[20];
    emit(o, text, put_u64(text, number));
}

static void emit_signed(struct cli_output *o, const struct ipfix_value *v)
{
    uint64_t number = ipfix_value_number(v);
    uint64_t sign = UINT64_C(1) << (v->len * 8 - 1);

    if (number & sign) {
        emit_text(o, "-");
        number = v->len == 8 ? ~number + 1 : (sign << 1) - number;
    }
    emit_unsigned(o, number);
}

/* JSON has no infinity. */
static void emit_float(struct cli_output *o, const struct ipfix_value *v)
{
    uint64_t bits = ipfix_value_number(v);
    uint32_t bits32 = (uint32_t)bits;
    double number;
    float number32;
    char text[32];

    memcpy(&number, &bits, sizeof(number));
    memcpy(&number32, &bits32, sizeof(number32));
    if (v->len == 4)
        number = number32;
    if (!isfinite(number)) {
        emit_text(o, "null");
        return;
    }
    snprintf(text, sizeof(text), "%.17g", number);
    emit_text(o, text);
}

static void emit_boolean(struct cli_output *o, const struct ipfix_value *v)
{
    if (v->octets[0] == 1 || v->octets[0] == 2)
        emit_text(o, v->octets[0] == 1 ? "true" : "false");
    else
        emit_unsigned(o, v->octets[0]);
}

static void emit_mac(struct cli_output *o, const struct ipfix_value *v)
{
    char text[20];
    const uint8_t *m = v->octets;

    snprintf(text, sizeof(text), "\"%02x:%02x:%02x:%02x:%02x:%02x\"", m[0], m[1], m[2], m[3], m[4],
             m[5]);
    emit_text(o, text);
}

static void emit_address(struct cli_output *o, uint8_t version, const struct ipfix_value *v)
{
    char text[IP_TEXT_MAX + 2], *p = text;

    *p++ = '"';
    p += ip_format(version, v->octets, p);
    *p++ = '"';
    emit(o, text, p);
}

static void emit_time(struct cli_output *o, uint64_t ns, unsigned decimals)
{
    char text[40], *p = text;

    *p++ = '"';
    p = put_utc(p, ns, decimals);
    *p++ = 'Z';
    *p++ = '"';
    emit(o, text, p);
}

static void emit_ms(struct cli_output *o, uint64_t ms)
{
    if (ms > UINT64_MAX / NS_PER_MS)
        emit_unsigned(o, ms);
    else
        emit_time(o, ms * NS_PER_MS, 3);
}

/* Octets that a value of this type may have. */
static bool length_fits(uint8_t type, uint16_t len)
{
    switch ((enum ipfix_type)type) {
    case TYPE_U8:
    case TYPE_U16:
    case TYPE_U32:
    case TYPE_U64:
    case TYPE_S8:
    case TYPE_S16:
    case TYPE_S32:
    case TYPE_S64:
        return len >= 1 && len <= 8;
    case TYPE_F32:
    case TYPE_F64:
        return len == 4 || len == 8;
    case TYPE_BOOL:
        return len == 1;
    case TYPE_MAC:
        return len == 6;
    case TYPE_S:
    case TYPE_IP4:
        return len == 4;
    case TYPE_MS:
    case TYPE_US:
    case TYPE_NS:
        return len == 8;
    case TYPE_IP6:
        return len == 16;
    case TYPE_STRING:
        return true;
    default:
        return false;
    }
}

static void emit_value(struct cli_output *o, uint8_t type, const struct ipfix_value *v)
{
    if (!length_fits(type, v->len)) {
        emit_hex(o, v);
        return;
    }
    switch ((enum ipfix_type)type) {
    case TYPE_S8:
    case TYPE_S16:
    case TYPE_S32:
    case TYPE_S64:
        emit_signed(o, v);
        break;
    case TYPE_F32:
    case TYPE_F64:
        emit_float(o, v);
        break;
    case TYPE_BOOL:
        emit_boolean(o, v);
        break;
    case TYPE_MAC:
        emit_mac(o, v);
        break;
    case TYPE_STRING:
        emit_string(o, v);
        break;
    case TYPE_S:
        emit_time(o, ipfix_value_number(v) * NS_PER_S, 0);
        break;
    case TYPE_MS:
        emit_ms(o, ipfix_value_number(v));
        break;
    case TYPE_US:
        emit_time(o, export_ns_of_ntp(ipfix_value_number(v)), 6);
        break;
    case TYPE_NS:
        emit_time(o, export_ns_of_ntp(ipfix_value_number(v)), 9);
        break;
    case TYPE_IP4:
        emit_address(o, 4, v);
        break;
    case TYPE_IP6:
        emit_address(o, 6, v);
        break;
    default:
        emit_unsigned(o, ipfix_value_number(v));
    }
}

static void emit_key(struct cli_output *o, const struct ipfix_field *f)
{
    char text[IPFIX_NAME_MAX + 24], name[IPFIX_NAME_MAX];
    int len;

    if (f->element.name) {
        ipfix_element_name(&f->element, name);
        len = snprintf(text, sizeof(text), ",\"%s", name);
    } else {
        len = snprintf(text, sizeof(text), ",\"%u:%u", f->element.pen, f->element.id);
    }
    if (f->occurrence)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "#%u", f->occurrence + 1u);
    emit(o, text, text + len);
    emit_text(o, "\":");
}

void ipfix_json_write(struct cli_output *o, const char *from, const struct ipfix_record *r)
{
    char text[64];

    emit_text(o, "{");
    if (from) {
        emit_text(o, "\"from\":\"");
        emit_text(o, from);
        emit_text(o, "\",");
    }
    snprintf(text, sizeof(text), "\"domain\":%u,\"template\":%u,\"export\":", r->domain,
             r->template_id);
    emit_text(o, text);
    emit_time(o, r->export_s * NS_PER_S, 0);
    if (r->scope_count) {
        snprintf(text, sizeof(text), ",\"scope\":%u", r->scope_count);
        emit_text(o, text);
    }
    for (uint16_t i = 0; i < r->count; i++) {
        const struct ipfix_field *f = &r->field[i];
        emit_key(o, f);
        emit_value(o, f->element.name ? f->element.type : (uint8_t)TYPE_OCTETS, &r->value[i]);
    }
    cli_output_add(o, "}\n", 2, 1);
}
