/*
 * The least that reading a capture through libpcap costs: pcap_dispatch() with a callback that
 * looks at one octet.
 */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>

struct seen {
    uint64_t packets, octets, sum;
};

static void look(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *data)
{
    struct seen *seen = (struct seen *)user;

    seen->packets++;
    seen->octets += h->len;
    seen->sum += h->caplen ? data[0] : 0;
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    struct seen seen = {0};
    pcap_t *pcap = argc == 2 ? pcap_open_offline(argv[1], error) : NULL;
    int status;

    if (!pcap) {
        fprintf(stderr, "usage: pcap_floor FILE\n%s\n", error);
        return 2;
    }
    do
        status = pcap_dispatch(pcap, 64, look, (uint8_t *)&seen);
    while (status > 0);
    if (status < 0)
        pcap_perror(pcap, argv[1]);
    printf("%llu packets, %llu octets, sum %llx\n", (unsigned long long)seen.packets,
           (unsigned long long)seen.octets, (unsigned long long)seen.sum);
    pcap_close(pcap);
    return status < 0;
}
