/*
 * Bounds of what a configuration may hold.
 */
#pragma once

#define CONFIG_NETWORKS_MAX 256
#define CONFIG_NAME_MAX 64
#define CONFIG_PATH_MAX 256    /* with its end */
#define CONFIG_ADDRESS_MAX 128 /* host name and port, with its end */
#define CONFIG_SOURCE_MAX 256
#define CONFIG_PORTS_MAX 16
#define CONFIG_WORKERS_MAX 64
#define CONFIG_IGNORE_PORTS_MAX 64
#define CONFIG_COLLECTORS_MAX 16
