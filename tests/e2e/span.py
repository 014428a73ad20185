"""A SPAN port watched twice: by weir, and by dumpcap on the same frames. What tshark makes of them is
what weir must say: the same flows, with the same packets and octets each way."""
import collections
import json
import re
import signal
import sys
import time

import lab
from harness import ICMP_ANSWER

FIELDS = ('ip.src', 'ip.dst', 'ipv6.src', 'ipv6.dst', 'ip.proto', 'ipv6.nxt', 'ip.len', 'ipv6.plen', 'tcp.srcport',
          'tcp.dstport', 'udp.srcport', 'udp.dstport', 'icmp.type', 'icmp.code', 'icmpv6.type', 'icmpv6.code')

SILENT_PORT, WEB_PORT = 2222, 8080


class Witness:
    """dumpcap on the near end of the cable to the sensor."""

    def __init__(self, net, interface='tap0'):
        self.path = net.folder / f'{interface}.pcapng'
        self.process = net.server.start('dumpcap', '-q', '-i', interface, '-B', '64', '-w', self.path)
        self.process.wait_line('^File:')

    def stop(self):
        self.process.stop(signal.SIGINT)
        assert re.search(r': \d+/0 \(', self.process.stderr), self.process.stderr  # received/dropped

    def flows(self):
        """{(protocol, two ends): {end that sends: [packets, octets]}}; an end is (address, port)."""
        flows = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
        for packet in self.packets():
            key, source, octets = flow_of(packet)
            flows[key][source][0] += 1
            flows[key][source][1] += octets
        return plain(flows)

    def packets(self, *more):
        """One dictionary each, of FIELDS and more."""
        fields = (*FIELDS, *more)
        columns = [part for name in fields for part in ('-e', name)]
        text = lab.command('tshark', '-n', '-r', self.path, '-Y', 'ip or ipv6', '-T', 'fields', '-E', 'occurrence=f',
                           '-E', 'separator=;', *columns)
        return [dict(zip(fields, line.split(';'))) for line in text.splitlines()]


def icmp_ports(version, kind, code):
    answers = ICMP_ANSWER[1 if version == 4 else 58]
    back = {b: a for a, b in answers.items()}
    return kind, answers.get(kind, back.get(kind, code))


def flow_of(packet):
    version = 4 if packet['ip.src'] else 6
    name, icmp = ('ip', 'icmp') if version == 4 else ('ipv6', 'icmpv6')
    proto = int(packet['ip.proto'] or packet['ipv6.nxt'])
    octets = int(packet['ip.len']) if version == 4 else int(packet['ipv6.plen']) + 40
    if packet[f'{icmp}.type']:
        proto = 1 if version == 4 else 58
        ports = icmp_ports(version, int(packet[f'{icmp}.type']), int(packet[f'{icmp}.code']))
    else:
        ports = [int(packet[f'{layer}.{end}port'] or 0) if proto == number else 0 for end in ('src', 'dst')
                 for layer, number in (('tcp', 6), ('udp', 17)) if proto == number] or [0, 0]
    source, destination = (packet[f'{name}.src'], ports[0]), (packet[f'{name}.dst'], ports[1])
    return (proto, frozenset((source, destination))), source, octets


def records_flows(records):
    """The same of weir's JSON records."""
    flows = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
    for r in records:
        ends = {'orig': (r['id.orig_h'], r['id.orig_p']), 'resp': (r['id.resp_h'], r['id.resp_p'])}
        for side, end in ends.items():
            if r[f'{side}_pkts']:
                flow = flows[(r['ip_proto'], frozenset(ends.values()))]
                flow[end][0] += r[f'{side}_pkts']
                flow[end][1] += r[f'{side}_ip_bytes']
    return plain(flows)


def plain(flows):
    """Without what hosts say to groups on their own: it may have begun before both watched."""
    return {key: {end: tuple(sums) for end, sums in sides.items()} for key, sides in flows.items()
            if not any(address.startswith('ff') or address == '::' for address, _ in key[1])}


def differences(want, got):
    lines = []
    for key in want.keys() | got.keys():
        if want.get(key) != got.get(key):
            lines.append(f'{key}: tshark {want.get(key)}, weir {got.get(key)}')
    return '\n'.join(lines)


# Traffic

CONVERSATION = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:
    for pause in (float(sys.argv[3]), 0.1):
        s.sendall(b'ls -l ' * 20)
        s.recv(1000)
        time.sleep(pause)
"""


def start_servers(net):
    (net.folder / 'www').mkdir()
    (net.folder / 'www' / 'small').write_bytes(b'a' * 1000)
    (net.folder / 'www' / 'large').write_bytes(b'b' * 3_000_000)
    net.server.start(sys.executable, '-m', 'http.server', WEB_PORT, '--bind', '::', '--directory', net.folder / 'www')
    net.server.start('socat', f'TCP-LISTEN:{SILENT_PORT},reuseaddr,fork', 'EXEC:cat')
    net.server.start('dnsmasq', '-k', '-C', '/dev/null', '--no-resolv', '--no-hosts', '--bind-interfaces', '--user=root',
                     f'--listen-address={net.server_ip}', '--address=/weir.example/10.1.2.3', '--pid-file=')


def until_listening(net, *ports):
    def listening():
        text = net.server.run('ss', '-lntuH')
        return all(f':{port} ' in text for port in ports)
    lab.wait_for(listening, 'servers listen')


def scenario(net, silence=3):
    """Web transfers, DNS, echoes, and a connection that is silent for a while, all at once."""
    net.client.run('sysctl', '-qw', 'net.ipv4.tcp_rmem=4096 65536 65536')  # no burst that outruns a worker without a core
    start_servers(net)
    until_listening(net, WEB_PORT, SILENT_PORT, 53)
    silent = net.client.start(sys.executable, '-c', CONVERSATION, net.server_ip, SILENT_PORT, silence)
    hosts = [net.server_ip] + ([f'[{net.server_ip6}]'] if net.server_ip6 else [])
    for host in hosts:
        for name in ('small', 'large', 'none'):
            net.client.run('curl', '-s', '--limit-rate', '4M', '-o', '/dev/null', f'http://{host}:{WEB_PORT}/{name}')
        net.client.run('ping', '-q', '-c', '3', '-i', '0.2', host.strip('[]'))
    for name in ('weir.example', 'other.weir.example'):
        net.client.run('dig', '+short', f'@{net.server_ip}', name)
    assert silent.wait() == 0, silent.stderr


def rest(net, interfaces=('mon0',)):
    """Waits until nothing arrives any more."""
    def counts():
        return [net.sensor.counters(i)['rx']['packets'] for i in interfaces]
    before = None
    while before != counts():
        before = counts()
        time.sleep(0.3)


def silent_records(records):
    return [r for r in records if r['id.resp_p'] == SILENT_PORT]


def check(witness, sensor):
    """Ends both; weir has the flows that tshark has, and the silent connection is one."""
    assert sensor.stop() == 0, sensor.stderr
    assert 'ledger closed' in sensor.stderr, sensor.stderr
    witness.stop()
    records = [json.loads(line) for line in sensor.stdout.splitlines()]
    want, got = witness.flows(), records_flows(records)
    assert want and not differences(want, got), differences(want, got)
    silent = silent_records(records)
    assert len(silent) >= 2 and len({r['flow_id'] for r in silent}) == 1, silent
    assert silent[0]['open'] and not silent[-1]['open'], silent
    connections = {r['flow_id'] for r in records}
    assert len(connections) >= len(want)
    return records
