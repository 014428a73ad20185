#include "export/template.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

#define FIELD_ENTERPRISE 0x8000 /* RFC 7011 §3.2 */
#define TEXT_SHORT_MAX 254      /* RFC 7011 §7: longer texts have a longer length */

enum step_op {
    STEP_1,
    STEP_2,
    STEP_4,
    STEP_8,
    STEP_COPY_4,
    STEP_COPY_6,
    STEP_COPY_16,
    STEP_COPY,
    STEP_TEXT,
};

static enum step_op number_op(uint16_t size)
{
    assert(size == 1 || size == 2 || size == 4 || size == 8);
    return size == 1 ? STEP_1 : size == 2 ? STEP_2 : size == 4 ? STEP_4 : STEP_8;
}

static enum step_op octets_op(uint16_t size)
{
    return size == 4    ? STEP_COPY_4
           : size == 6  ? STEP_COPY_6
           : size == 16 ? STEP_COPY_16
                        : STEP_COPY;
}

static enum step_op op_of(const struct schema_source *s)
{
    switch ((enum schema_encoding)s->encoding) {
    case ENCODE_NUMBER:
        return number_op(s->size);
    case ENCODE_OCTETS:
        return octets_op(s->size);
    case ENCODE_TEXT:
        break;
    }
    return STEP_TEXT;
}

void template_add(struct export_template *t, const struct schema_field *f, uint32_t pen, bool key)
{
    const struct schema_source *s = &f->source;
    uint16_t i = t->count++;

    assert(i < TEMPLATE_FIELDS_MAX);
    t->field[i].pen = pen;
    t->field[i].id = f->id;
    t->field[i].len = schema_field_len(f);
    t->step[i] = (struct template_step){
        .op = (uint8_t)op_of(s), .base = s->base, .offset = s->offset, .size = s->size};
    t->record_max = (uint16_t)(t->record_max + s->size);
    if (s->encoding == ENCODE_TEXT)
        t->record_max = (uint16_t)(t->record_max + (s->size > TEXT_SHORT_MAX ? 3 : 1));
    if (key)
        t->keys |= UINT64_C(1) << i;
}

size_t template_len(const struct export_template *t)
{
    size_t len = t->scope_count ? 6 : 4;

    for (uint16_t i = 0; i < t->count; i++)
        len += t->field[i].pen ? 8 : 4;
    return len;
}

/* RFC 7011 §3.4.1, §3.4.2.2. */
uint8_t *template_write(const struct export_template *t, uint8_t *out)
{
    out = put_be16(out, t->id);
    out = put_be16(out, t->count);
    if (t->scope_count)
        out = put_be16(out, t->scope_count);
    for (uint16_t i = 0; i < t->count; i++) {
        uint32_t pen = t->field[i].pen;
        out = put_be16(out, t->field[i].id | (pen ? FIELD_ENTERPRISE : 0));
        out = put_be16(out, t->field[i].len);
        if (pen)
            out = put_be32(out, pen);
    }
    return out;
}

static uint8_t *put_text(uint8_t *out, const uint8_t *text, size_t size)
{
    size_t len = strnlen((const char *)text, size);

    if (len <= TEXT_SHORT_MAX) {
        *out++ = (uint8_t)len;
    } else {
        *out++ = UINT8_MAX;
        out = put_be16(out, (uint16_t)len);
    }
    return mempcpy(out, text, len);
}

#define COPY_NUMBER(type, put)                                                                     \
    do {                                                                                           \
        type value;                                                                                \
        memcpy(&value, from, sizeof(value));                                                       \
        out = put(out, value);                                                                     \
    } while (0)

uint8_t *template_encode(const struct export_template *t, const uint8_t *const base[BASE_COUNT],
                         uint8_t *out)
{
    for (const struct template_step *s = t->step, *end = s + t->count; s < end; s++) {
        const uint8_t *from = base[s->base] + s->offset;
        switch ((enum step_op)s->op) {
        case STEP_1:
            *out++ = *from;
            break;
        case STEP_2:
            COPY_NUMBER(uint16_t, put_be16);
            break;
        case STEP_4:
            COPY_NUMBER(uint32_t, put_be32);
            break;
        case STEP_8:
            COPY_NUMBER(uint64_t, put_be64);
            break;
        case STEP_COPY_4:
            out = mempcpy(out, from, 4);
            break;
        case STEP_COPY_6:
            out = mempcpy(out, from, 6);
            break;
        case STEP_COPY_16:
            out = mempcpy(out, from, 16);
            break;
        case STEP_COPY:
            out = mempcpy(out, from, s->size);
            break;
        case STEP_TEXT:
            out = put_text(out, from, s->size);
            break;
        }
    }
    return out;
}
