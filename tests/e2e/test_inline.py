"""Inline: what arrives on one port of a pair leaves by the other, unchanged, and is metered."""
import json
import re
import signal
import struct
import sys

import pytest

import lab
import span
import traffic
from traffic import accounted, at, needs_dpdk, write_pcap

from frames import B, A, MAC, eth, udp  # noqa: E402
from scapy.layers.l2 import Dot1Q, Ether

pytestmark = [lab.needed, needs_dpdk]

PORTS = ('-i', 'dpdk:net_af_xdp0,iface=in0', '-i', 'dpdk:net_af_xdp1,iface=in1', '--capture.mode', 'inline')


@pytest.fixture
def net():
    with lab.inline() as made:
        yield made


class Dump:
    """What passes an interface, as dumpcap writes it."""

    def __init__(self, net, space, interface, *args):
        self.path = net.folder / f'{interface}.pcap'
        self.process = space.start('dumpcap', '-q', '-P', '-B', '32', '-i', interface, '-w', self.path, *args)
        self.process.wait_line('^File:')

    def frames(self):
        """In any order: the two directions are not of one clock."""
        self.process.stop(signal.SIGINT)
        data, at, found = self.path.read_bytes(), 24, []
        while at < len(data):
            length = struct.unpack_from('<I', data, at + 8)[0]
            found.append(data[at + 16:at + 16 + length])
            at += 16 + length
        return sorted(found)


WEB = 8080


def test_real_traffic_passes_unchanged_and_is_metered(net):
    (net.folder / 'www').mkdir()
    (net.folder / 'www' / 'large').write_bytes(b'b' * 2_000_000)
    sensor = net.weir(net.sensor, *PORTS, '-f', 'json')
    sensor.wait_line('clock')
    near, far = Dump(net, net.client, 'c0'), Dump(net, net.server, 's0')
    net.server.start(sys.executable, '-m', 'http.server', WEB, '--bind', net.server_ip, '--directory', net.folder / 'www')
    lab.wait_for(lambda: f':{WEB} ' in net.server.run('ss', '-lntH'), 'server listens')
    for _ in range(3):
        got = net.client.run('curl', '-s', f'http://{net.server_ip}:{WEB}/large', '-o', '/dev/null', '-w', '%{size_download}')
        assert got == '2000000'
    net.client.run('ping', '-q', '-c', '5', '-i', '0.2', net.server_ip)
    span.rest(net, ('in0', 'in1'))
    here, there = near.frames(), far.frames()
    assert sensor.stop() == 0, sensor.stderr
    assert here == there, f'{len(here)} frames on one side, {len(there)} on the other'
    assert 'ledger closed' in sensor.stderr, sensor.stderr
    received, forwarded, sent, lost = map(int, re.search(
        r'received (\d+), .*forwarded (\d+), sent (\d+), not sent (\d+)', sensor.stderr).groups())
    assert received == forwarded == sent == len(here) and lost == 0, sensor.stderr
    check_flows(sensor, near.path)


def check_flows(sensor, path):
    """The flows are tshark's."""
    witness = span.Witness.__new__(span.Witness)
    witness.path = path
    records = [json.loads(line) for line in sensor.stdout.splitlines()]
    want, got = witness.flows(), span.records_flows(records)
    assert want and not span.differences(want, got), span.differences(want, got)


def test_every_frame_goes_whatever_it_is(net):
    """Frames that make no flow, and those that the filter leaves out, are forwarded like the others."""
    sensor = net.weir(net.sensor, *PORTS, '-F', 'udp port 443', '-f', 'json')
    sensor.wait_line('clock')
    far = Dump(net, net.server, 's0', '-c', 60)
    ether = Ether(src=MAC[0], dst=MAC[1])
    frames = [eth(udp()), eth(udp(B, A)), eth(udp(A, ('192.0.2.7', 80))), ether / Dot1Q(vlan=5) / udp(),
              Ether(bytes(ether)[:12] + b'\x88\xcc' + b'lldp' * 12), Ether(bytes(eth(udp()))[:20] + b'\xff' * 40)]
    path = net.folder / 'odd.pcap'
    write_pcap(path, [at(i * 0.001, f) for i, f in enumerate(frames * 10)])
    net.client.run('tcpreplay', '-q', '--pps=500', '-i', 'c0', path)
    assert far.process.wait() == 0
    assert far.frames() == sorted(bytes(f) for f in frames * 10)
    assert sensor.stop() == 0, sensor.stderr
    assert 'sent 60, not sent 0' in sensor.stderr and 'ledger closed' in sensor.stderr, sensor.stderr


@pytest.mark.parametrize('workers', [1, 2])
def test_pairs_by_queue(workers):
    with lab.inline(queues=2) as net:
        argv = [f'dpdk:net_af_xdp{2 * q + side},iface=in{side},start_queue={q}' for q in range(2) for side in range(2)]
        receive = net.sensor.start(traffic.tool('receive'), '--capture.mode=inline', f'--capture.workers={workers}', *argv)
        receive.wait_line('^ready$')
        frames = [eth(udp(*e[::way])) for i in range(50) for e in [((f'10.2.{i}.1', 5), (f'10.3.{i}.1', 80))] for way in (1, -1)]
        path = net.folder / 'in.pcap'
        write_pcap(path, [at(i * 0.001, f) for i, f in enumerate(frames)])
        net.client.run('tcpreplay', '-q', '--pps=5000', '--loop=10', '-i', 'c0', path)
        lab.wait_for(lambda: net.server.counters('s0')['rx']['packets'] >= 1000, 'all arrive')
        assert receive.stop() == 0, receive.stderr
        counts = json.loads(receive.stdout)
        assert counts['received'] == accounted(counts) == counts['sent'] == 1000, counts
        assert all(packets and packets % 10 == 0 for packets in counts['workers']), counts


def test_inline_needs_ports_that_send(net):
    sensor = net.weir(net.sensor, '-i', 'xdp:in0', '-i', 'xdp:in1', '--capture.mode', 'inline')
    assert sensor.wait() in (1, 2)
    assert 'capture.mode inline' in sensor.stderr or 'inline' in sensor.stderr, sensor.stderr
    assert not net.sensor.has_xdp('in0')
