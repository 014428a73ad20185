/*
 * Writes the seeds of fuzz_decode: the kinds of tests/harness/kinds.h, every one of what stands
 * outside IP, of the tunnels, of the IP headers and of layer 4 at least once.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/kinds.h"

#define STEP 53 /* shares no factor with the catalogue's dimensions: all values turn up */

static int seed_write(const char *directory, uint32_t index)
{
    struct packet_kind kind;
    char path[4096];

    packet_kind_build(index, &kind);
    snprintf(path, sizeof(path), "%s/kind-%04u", directory, index);
    FILE *file = fopen(path, "wb");
    if (!file)
        return -1;
    const uint8_t head[3] = {kind.frame.link, 0, 0};
    fwrite(head, 1, sizeof(head), file);
    fwrite(frame_data(&kind.frame), 1, frame_len(&kind.frame), file);
    return fclose(file);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seed_decode DIRECTORY\n");
        return 2;
    }
    for (uint32_t i = 0; i < packet_kind_count(); i += STEP)
        if (seed_write(argv[1], i)) {
            perror(argv[1]);
            return EXIT_FAILURE;
        }
    return EXIT_SUCCESS;
}
