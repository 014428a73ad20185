#include "weir/counters.h"

#define X(symbol, group, label, help) {group, label, help},
const struct counter_info weir_fate_info[FATE_COUNT] = {WEIR_FATES(X)};
const struct counter_info weir_note_info[NOTE_COUNT] = {WEIR_NOTES(X)};
#undef X
