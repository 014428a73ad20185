/*
 * Reading back the JSON lines that format_json writes.
 */
#pragma once

struct flow_record;

#define JSON_IN_ERROR_MAX 160

/* One line as a flow record: addresses, ports, protocol, times, counts, flags and what says which
 * connection it is a part of; what the line does not say is as in a record that is the whole of its
 * connection. Of an aggregate: whose it is and its counts. Returns 0; or -EINVAL and what is wrong.
 */
int json_to_flow(const char *line, struct flow_record *, char error[JSON_IN_ERROR_MAX]);
