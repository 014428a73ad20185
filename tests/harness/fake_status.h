/*
 * A sensor's status with a value of its own in every field, and awkward names.
 */
#pragma once

struct sensor_status;

/* On the heap, two ports, two workers, three collectors; NULL without memory. */
struct sensor_status *fake_status(void);
