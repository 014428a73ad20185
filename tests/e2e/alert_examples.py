#!/usr/bin/env python3
"""One of each alert, found by weir in made packets: writes the lines that README.md shows.

usage: alert_examples.py [--json]        WEIR names the program (build/weir)"""
import concurrent.futures
import ipaddress
import json
import pathlib
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'replay'))

from harness import at, run_weir, write_pcap  # noqa: E402

HOST, PEER, OUTSIDE = '10.1.2.3', '10.9.9.9', '203.0.113.9'
SYN, ACK, PSH, RST, FIN = 2, 16, 8, 4, 1
KB, MB = 1000, 1_000_000
LARGEST = 60_000  # octets of an IP packet: captures hold what segmentation offload leaves together


def packet(seconds, source, target, proto, head, total):
    """IPv4 with the first octets of its payload; total: octets of IP, of which a short capture keeps the head."""
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    ip = struct.pack('>BBHHHBBH', 0x45, 0, total, 0, 0, 64, proto, 0) + ends
    return at(seconds, bytes(12) + b'\x08\x00' + ip + head, None, 14 + max(total, 20 + len(head)))


def tcp(seconds, source, sport, target, dport, flags, seq=0, ack=0, size=0):
    head = struct.pack('>HHIIBBHHH', sport, dport, seq & 0xffffffff, ack & 0xffffffff, 0x50, flags, 8192, 0, 0)
    return packet(seconds, source, target, 6, head, 40 + size)


def udp(seconds, source, sport, target, dport, size):
    return packet(seconds, source, target, 17, struct.pack('>HHHH', sport, dport, 8 + size, 0), 28 + size)


def echo(seconds, source, target, kind, number, size):
    return packet(seconds, source, target, 1, struct.pack('>BBHHH', kind, 0, 0, 7, number), 28 + size)


def connection(start, seconds, host, sport, peer, port, sent, received, ends=True):
    """A TCP connection that exchanges so many octets at an even pace."""
    out = [tcp(start, host, sport, peer, port, SYN, 0), tcp(start + 0.01, peer, port, host, sport, SYN | ACK, 0, 1),
           tcp(start + 0.02, host, sport, peer, port, ACK, 1, 1)]
    pieces = max(sent, received) // LARGEST + 1
    for i in range(pieces):
        now = start + 0.03 + (seconds - 0.1) * i / pieces
        forth, back = ([total * n // pieces for n in (i, i + 1)] for total in (sent, received))
        out.append(tcp(now, host, sport, peer, port, ACK | PSH, 1 + forth[0], 1 + back[0], forth[1] - forth[0]))
        out.append(tcp(now + 0.001, peer, port, host, sport, ACK | PSH, 1 + back[0], 1 + forth[1], back[1] - back[0]))
    if ends:
        out += [tcp(start + seconds - 0.02, host, sport, peer, port, FIN | ACK, 1 + sent, 1 + received),
                tcp(start + seconds - 0.01, peer, port, host, sport, FIN | ACK, 1 + received, 2 + sent),
                tcp(start + seconds, host, sport, peer, port, ACK, 2 + sent, 2 + received)]
    return out


def others(count, *connections):
    """Hosts of the same /24 that do so much."""
    return [f for i in range(count) for c in connections for f in connection(c[0], c[1], f'10.1.2.{100 + i}', *c[2:])]


# What each rule finds

def exfil_volume():
    return others(14, (0, 60, 40000, OUTSIDE, 443, 2 * MB, 9 * MB)) + \
        connection(70, 2820, HOST, 40001, OUTSIDE, 443, 812 * MB, 26 * MB)


def upload_ratio():
    return connection(0, 100, HOST, 40001, OUTSIDE, 443, 6 * MB, 500 * KB) + \
        connection(110, 100, HOST, 40002, OUTSIDE, 443, 6 * MB, 500 * KB)


def upload_volume():
    frames = others(14, (0, 60, 40000, OUTSIDE, 443, 2 * MB, 9 * MB))
    for i in range(60):
        frames += connection(70 + 10 * i, 9, HOST, 40001 + i, f'203.0.113.{i + 1}', 443, 2 * MB, 100 * KB)
    return frames


def long_connection():
    return connection(0, 3700, HOST, 40001, PEER, 1234, 6 * KB, 10 * KB, ends=False)[:3] + \
        [f for i in range(65) for f in (tcp(30 + 60 * i, HOST, 40001, PEER, 1234, ACK | PSH, 1 + 100 * i, 1 + 160 * i, 100),
                                        tcp(31 + 60 * i, PEER, 1234, HOST, 40001, ACK | PSH, 1 + 160 * i, 101 + 100 * i, 160))]


def dns_tunnel():
    return [f for i in range(150) for f in (udp(i * 0.125, HOST, 5353, PEER, 53, 98), udp(i * 0.125 + 0.02, PEER, 53, HOST, 5353, 210))]


def icmp_tunnel():
    return [f for i in range(110) for f in (echo(i * 4, HOST, OUTSIDE, 8, i, 180), echo(i * 4 + 0.02, OUTSIDE, HOST, 0, i, 180))]


def tls_vpn():
    return connection(0, 1500, HOST, 40001, OUTSIDE, 443, 48 * MB, 61 * MB)


def lateral_movement():
    """hunts.learn, here an hour, has passed when HOST is seen there for the first time."""
    seen = connection(0, 3600, '10.1.2.4', 40000, PEER, 3389, 500, 900, ends=False)
    seen += [tcp(30 * i, '10.1.2.4', 40000, PEER, 3389, ACK, 501, 901) for i in range(1, 125)]
    return seen + connection(3700, 5, HOST, 40001, PEER, 3389, 500, 900)


def host_sweep():
    return [tcp(i * 0.1, HOST, 40000 + i, f'10.9.1.{i + 1}', 445, SYN) for i in range(120)]


def port_scan():
    return [f for i in range(100) for f in (tcp(i * 0.02, HOST, 40000, PEER, 1 + i, SYN),
                                            tcp(i * 0.02 + 0.001, PEER, 1 + i, HOST, 40000, RST | ACK, 0, 1))]


def brute_force():
    return [f for i in range(40) for f in connection(20 * i, 4, HOST, 40000 + i, PEER, 22, 2 * KB, 2600)]


def connection_count():
    few = [(0.1 * i, 1, 40000 + i, OUTSIDE, 80, 300, 900) for i in range(3)]
    return others(7, *few) + [f for i in range(2048) for f in connection(5 + 0.01 * i, 0.2, HOST, 20000 + i, OUTSIDE, 80, 100, 200)]


def flood_victim():
    return [tcp(i * 0.005, f'198.51.{i // 200}.{i % 200 + 1}', 40000, PEER, 80, SYN) for i in range(1400)]


def beacon():
    return [f for i in range(12 * 60) for f in connection(60 * i, 2, HOST, 20000 + i, OUTSIDE, 443, 310, 820)]


def policy_port():
    return connection(0, 5, HOST, 40001, OUTSIDE, 445, 2 * KB, 3 * KB)


RULES = (exfil_volume, upload_ratio, upload_volume, long_connection, dns_tunnel, icmp_tunnel, tls_vpn, lateral_movement,
         host_sweep, port_scan, brute_force, connection_count, flood_victim, beacon, policy_port)


def example(rule, folder):
    """The alert as weir writes it."""
    name = rule.__name__.replace('_', '-')
    path = pathlib.Path(folder) / f'{name}.pcap'
    write_pcap(path, sorted(rule(), key=lambda frame: frame.time_ns))
    done = run_weir('read', '--hunts', '-f', 'json', '--hunts.learn=1h', path)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    mine = [a for a in found if (a['rule'], a['state']) == (name, 'raised')]
    if done.returncode or len(mine) != 1:
        raise SystemExit(f'{name}: {len(mine)} alerts\n{done.stdout}{done.stderr}')
    return mine[0]


def examples():
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda rule: example(rule, folder), RULES))


def lines(alerts):
    return ''.join(f'    {a["rule"]:<17} {a["text"]}\n' for a in alerts)


def as_json(alert):
    """As weir wrote it."""
    return json.dumps(alert, separators=(',', ':')) + '\n'


if __name__ == '__main__':
    made = examples()
    sys.stdout.write(''.join(map(as_json, made)) if '--json' in sys.argv[1:] else lines(made))
