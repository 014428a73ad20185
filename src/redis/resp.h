/*
 * Commands as Redis reads them (RESP2: "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), many in one buffer. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resp {
    char *at; /* heap, grows */
    size_t len, size;
    unsigned commands;
    bool failed; /* no memory: what is in the buffer is not whole */
};

void resp_fini(struct resp *);
/* Forgets what was written; keeps the memory. */
void resp_clear(struct resp *);

/* Begins a command of so many words, the name included; as many words follow. */
void resp_command(struct resp *, unsigned words, const char *name);
void resp_bytes(struct resp *, const void *, size_t len);
void resp_text(struct resp *, const char *);
void resp_number(struct resp *, uint64_t);
