/*
 * Records in files, for hunts over what was exported: IPFIX messages (RFC 5655), or the JSON lines
 * of `weir read -f json` and `weir run -f json`.
 */
#pragma once

#include <stdint.h>

struct config;
struct flow_record;

enum backtest_kind { BACKTEST_NONE, BACKTEST_IPFIX, BACKTEST_JSON };

/* What the file begins like; a pipe is not looked into. */
enum backtest_kind backtest_kind(const char *path);

/* Gives every flow record of the file, in its order. Returns an enum cli_exit, after a line to
 * stderr where something was wrong; what could be read was given all the same. */
int backtest_read(const char *path, enum backtest_kind, const struct config *,
                  void (*record)(void *context, const struct flow_record *), void *context);
