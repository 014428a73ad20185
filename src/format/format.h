/*
 * Text faces of a flow record: for people (table), for Zeek's readers (zeek), as JSON lines in
 * Zeek's names (json), as Elastic Common Schema (ecs), and for spreadsheets (csv).
 *
 * Every face is pure: the same configuration and record give the same octets, whatever the locale
 * and time zone. Any record is safe to format, also one with values outside their enums: the output
 * stays well-formed.
 *
 * table, json, ecs and csv write one line per record and skip closing notices. zeek writes one line
 * per connection: it takes only what says open == 0, closing notices included.
 */
#pragma once

#include <stddef.h>

struct flow_record;
struct format_field;
struct record_encoder;

#define COMMUNITY_ID_LEN 30 /* "1:" and 28 letters of base64 */

extern const struct record_encoder format_table;
extern const struct record_encoder format_zeek;
extern const struct record_encoder format_json;
extern const struct record_encoder format_ecs;
extern const struct record_encoder format_csv;

/* The face called name, or NULL. */
const struct record_encoder *format_find(const char *name);

/* All faces in the order in which --help lists them; the first is the default. */
const struct record_encoder *const *format_all(size_t *count);

/* What the columns of json, csv and zeek are called and where they come from, in their order
 * (format/fields.h). */
const struct format_field *format_fields(size_t *count);

/* Community ID v1, seed 0, of the flow's key: writes COMMUNITY_ID_LEN octets at out, no end mark,
 * and returns that; 0 where libcrypto has no SHA-1. Costs about 0.3 us, most of it libcrypto
 * finding its SHA-1: caching that needs state per thread, which no face has. */
size_t community_id(const struct flow_record *record, char *out);
