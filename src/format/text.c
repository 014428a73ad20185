#include "format/text.h"

#include "base/clock.h"

#define SECONDS_PER_DAY 86400u

struct date {
    uint32_t year, month, day;
};

/* Years are counted from March, so that the leap day comes last; an era is 400 of them, 146097
 * days. */
static struct date date_of_day(uint32_t days_since_1970)
{
    uint32_t days = days_since_1970 + 719468; /* since 0000-03-01 */
    uint32_t day_of_era = days % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    struct date date = {
        .month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
    };

    date.year = days / 146097 * 400 + year_of_era + (date.month <= 2);
    return date;
}

static char *put_clock(char *out, uint32_t second_of_day)
{
    out = put_digits(out, second_of_day / 3600, 2);
    *out++ = ':';
    out = put_digits(out, second_of_day / 60 % 60, 2);
    *out++ = ':';
    return put_digits(out, second_of_day % 60, 2);
}

char *put_utc(char *out, uint64_t ns, unsigned decimals)
{
    uint64_t second = ns / NS_PER_S;
    struct date date = date_of_day((uint32_t)(second / SECONDS_PER_DAY));

    out = put_digits(out, date.year, 4);
    *out++ = '-';
    out = put_digits(out, date.month, 2);
    *out++ = '-';
    out = put_digits(out, date.day, 2);
    *out++ = 'T';
    out = put_clock(out, (uint32_t)(second % SECONDS_PER_DAY));
    if (!decimals)
        return out;
    *out++ = '.';
    uint64_t fraction = ns % NS_PER_S;
    for (unsigned i = decimals; i < 9; i++)
        fraction /= 10;
    return put_digits(out, fraction, decimals);
}

/* Octets of the UTF-8 sequence at text, 0 where there is none (RFC 3629 §4: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static size_t utf8_length(const unsigned char *text)
{
    unsigned char lead = text[0], low = 0x80, high = 0xbf;
    size_t length = lead < 0x80   ? 1
                    : lead < 0xc2 ? 0
                    : lead < 0xe0 ? 2
                    : lead < 0xf0 ? 3
                    : lead < 0xf5 ? 4
                                  : 0;

    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < length; i++, low = 0x80, high = 0xbf)
        if (text[i] < low || text[i] > high)
            return 0;
    return length;
}

static char *put_json_escape(char *out, unsigned char c)
{
    *out++ = '\\';
    if (c == '"' || c == '\\') {
        *out++ = (char)c;
        return out;
    }
    out = put_text(out, "u00");
    *out++ = "0123456789abcdef"[c >> 4];
    *out++ = "0123456789abcdef"[c & 15];
    return out;
}

char *put_json_text(char *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t length = utf8_length(p);
        if (!length) {
            out = put_text(out, "\\ufffd");
            p++;
        } else if (*p < 0x20 || *p == '"' || *p == '\\') {
            out = put_json_escape(out, *p++);
        } else {
            memcpy(out, p, length);
            out += length;
            p += length;
        }
    }
    return out;
}
