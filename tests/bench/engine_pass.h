/* The measured part of the engine benchmark: bursts as core's worker has them. */
#pragma once

struct bench;

/* Makes the flows and hosts, and lets the table fill and settle. */
void pass_warm_up(struct bench *);

/* Writes the next frames, and times floor and engine over them into bench.pass_ns. */
void pass_measure(struct bench *);
