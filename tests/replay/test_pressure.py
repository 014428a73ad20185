"""More flows than the table has room for, SPAN duplicates, counters that grow large."""
from frames import A, B, Tcp, bulk_udp, eth, udp
from harness import Has, at, every, flow

CAP = 4096
ELEPHANTS = [(('10.9.9.9', 1000 + i), ('192.0.2.9', 443)) for i in range(40)]


def scan(first, count):
    """One packet each from `count` addresses."""
    return [bulk_udp((f'10.{i >> 16}.{i >> 8 & 255}.{i & 255}', 7), B) for i in range(first, first + count)]


def storm(rounds, scans):
    """Each round of 100 ms: a packet of every elephant, then new flows of one packet."""
    frames = []
    for turn in range(rounds):
        packets = [bulk_udp(a, b) for a, b in ELEPHANTS] + scan(turn * scans, scans)
        frames += [at(f'{turn / 10 + i / 10 / len(packets):.9f}', p) for i, p in enumerate(packets)]
    return frames


def test_scans_churn_and_elephants_stay(weir):
    """40 000 scans through a table of 4096: every elephant keeps one record, with all its packets."""
    frames = storm(100, 400)
    run = weir.read(frames, '--flow.max_flows', CAP)
    big = [r for r in run.records if r['id.orig_h'] == '10.9.9.9']
    assert sorted(r['id.orig_p'] for r in big) == [a[1] for a, _ in ELEPHANTS], run.dump(big)
    assert {r['orig_pkts'] for r in big} == {100}, run.dump(big)
    evicted = [r for r in run.records if r['end_reason'] == 'resources']
    assert evicted and all('evicted_early' in r['quality'] and not r['open'] for r in evicted)
    assert run.ledger.count('flows_evicted') + run.ledger.count('flows_pressed') >= 40_000 - CAP, run.stderr


def test_no_eviction_below_85_percent(weir):
    frames = [at(f'{i / 1000:.3f}', p) for i, p in enumerate(scan(0, CAP * 85 // 100 - 1))]
    run = weir.read(frames, '--flow.max_flows', CAP)
    run.noted('flows_evicted', 0)
    assert len(run.records) == len(frames)
    assert not [r for r in run.records if r['end_reason'] == 'resources']


def test_least_table(weir):
    """Sixteen entries for 2000 flows: slow, but every packet is told."""
    frames = [at(f'{i / 100:.2f}', p) for i, p in enumerate(scan(0, 2000))]
    run = weir.read(frames, '--flow.max_flows', 16)
    assert len(run.records) == 2000


# SPAN duplicates

def test_duplicate_is_counted(weir):
    """Seen twice within 10 ms: a mirror of both the way in and the way out."""
    packet = eth(udp())
    run = weir.read([at(0, packet), at('0.005', packet), at(1, eth(udp(B, A)))])
    run.one(**flow(A, B, pkts=(2, 1), quality=['span_duplicates']))
    run.noted('span_duplicates', 1)


def test_duplicate_is_left_out_with_dedup(weir):
    packet = eth(udp())
    run = weir.read([at(0, packet), at('0.005', packet), at(1, eth(udp(B, A)))], '--capture.dedup', 'true',
                    drops={'span_duplicate': 1})
    run.one(**flow(A, B, at=0, duration=1, pkts=(1, 1), quality=Has('span_duplicates')))


def test_no_duplicate_after_10_ms(weir):
    packet = eth(udp())
    run = weir.read([at(0, packet), at('0.011', packet)], '--capture.dedup', 'true')
    run.one(**flow(A, B, pkts=(2, 0), quality=[]))
    run.noted('span_duplicates', 0)


def test_packets_that_differ_are_no_duplicates(weir):
    """Another identification, another sequence number, another direction."""
    t = Tcp()
    t.open()
    frames = [eth(udp(size=8)), eth(udp(size=8)), t.c('A', 10), t.c('A', 10), t.s('A'), t.c('A')]
    run = weir.read(every(0, '0.001', frames), '--capture.dedup', 'true')
    run.noted('span_duplicates', 0)


# Large numbers

def test_packets_and_octets_of_a_long_burst(weir):
    """70 000 packets of the greatest IPv4 length within a minute: over 2^32 octets in one record."""
    frames = [at(f'{i * 0.0007:.4f}', bulk_udp(A, B, total=32, wire_total=65535), wire=14 + 65535)
              for i in range(70_000)]
    weir.read(frames).one(**flow(A, B, pkts=(70_000, 0), ip_bytes=(70_000 * 65535, 0), bytes=(70_000 * 65507, 0)))
