"""An interface observed by a copy: every packet once, spread by flow, what is lost counted, nothing changed."""
import json
import time

import pytest

import lab
import span
from traffic import Receiver, accounted, check_all, refusal, replay

from frames import A, A6, B, B6, MAC, eth, fragments, ip, udp  # noqa: E402
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import UDP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.ppp import PPPoE
from scapy.packet import Raw

pytestmark = lab.needed

ETHER = Ether(src=MAC[0], dst=MAC[1])


def pairs(count):
    return [((f'10.2.{i}.1', 1000 + i), (f'10.3.{i}.1', 80)) for i in range(count)]


# What it delivers

@pytest.mark.parametrize('workers, spread', [(1, 'ip'), (2, 'ip'), (4, 'ip'), (3, 'l4'), (2, 'software')])
def test_each_packet_once_and_flows_whole(net, workers, spread):
    receiver = Receiver(net, 'mon0', f'--capture.workers={workers}', f'--capture.spread={spread}')
    sent = replay(net, [eth(udp(*(f if way else f[::-1]))) for f in pairs(80) for way in range(2) for _ in range(5)])
    counts = receiver.finish(sent)
    assert all(packets and packets % 10 == 0 for packets in counts['workers']), counts
    assert counts['interface'] == sent and counts['link_up'] and not counts['gone']


def one_flow_in_every_dress(a, b):
    packet = udp(a, b, 64)
    yield eth(packet)
    yield ETHER / Dot1Q(vlan=5) / packet
    yield ETHER / Dot1AD(vlan=5) / Dot1Q(vlan=6) / packet
    yield ETHER / Dot1Q(vlan=5) / Dot1Q(vlan=6) / Dot1Q(vlan=7) / packet
    yield ETHER / MPLS(label=16, s=0) / MPLS(label=17, s=1) / packet
    yield ETHER / PPPoE(sessionid=1) / Raw(b'\0\x57' if ':' in a[0] else b'\0\x21') / packet


@pytest.mark.parametrize('ends', [(A, B), (A6, B6)], ids=['ipv4', 'ipv6'])
def test_tags_labels_and_direction_do_not_part_a_flow(net, ends):
    receiver = Receiver(net, 'eth:mon0', '--capture.workers=4')
    frames = [f for way in (ends, ends[::-1]) for f in one_flow_in_every_dress(*way)]
    sent = replay(net, frames)
    counts = receiver.finish(sent)
    assert sorted(counts['workers']) == [0, 0, 0, sent], counts
    assert counts['octets'] == sum(len(f) for f in frames), 'tags that the kernel took out are back'


def test_fragments_go_where_their_flow_goes(net):
    receiver = Receiver(net, 'mon0', '--capture.workers=4')
    frames = [eth(f) for a, b in pairs(60) for f in [udp(a, b, 64), *fragments(udp(a, b, 64), 24, 24, 24)]]
    sent = replay(net, frames)
    counts = receiver.finish(sent)
    assert all(packets and packets % (sent // 60) == 0 for packets in counts['workers']), counts


def test_what_is_not_ip_is_delivered(net):
    receiver = Receiver(net, 'mon0', '--capture.workers=2')
    receiver.finish(replay(net, [ETHER / ARP(psrc=f'10.0.0.{i}') for i in range(100)]))


def test_both_directions_of_the_interface(net):
    receiver = Receiver(net, 'mon0')
    sent = replay(net, [eth(udp()) for _ in range(50)])
    sent += replay(net, [eth(udp(B, A)) for _ in range(50)], interface='mon0', space=net.sensor)
    receiver.finish(sent)


CHAT = """
import socket
ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
for end in ends: end.bind(('127.0.0.1', 0))
for i in range(300): ends[0].sendto(b'x', ends[1].getsockname())
"""


@pytest.mark.parametrize('source', ['lo', 'any'])
def test_loopback_counts_each_packet_once(net, source):
    receiver = Receiver(net, source, '--capture.workers=2')
    net.sensor.run('/usr/bin/python3', '-c', CHAT)
    assert max(receiver.finish(300)['workers']) == 300


def test_any_device(net):
    receiver = Receiver(net, 'any', '--capture.workers=2')
    assert 'SLL2' in receiver.about
    sent = replay(net, [eth(udp(*(f if way else f[::-1]))) for f in pairs(40) for way in range(2) for _ in range(5)])
    counts = receiver.finish(sent)
    assert all(packets and packets % 10 == 0 for packets in counts['workers']), counts


# What it leaves out

@pytest.mark.parametrize('source', ['mon0', 'any'])
def test_filter_and_ignored(net, source):
    receiver = Receiver(net, source, '--filter=udp port 443', '--capture.ignore_networks=192.0.2.8/32, 2001:db8:2::/48',
                        '--capture.ignore_ports=53')
    wanted = [udp(), udp(B, A)]
    out = [udp(A, ('192.0.2.8', 443)), udp(A6, B6), udp(A, ('192.0.2.7', 80)), udp(('10.0.0.1', 53), B)]
    sent = replay(net, [eth(p) for _ in range(30) for p in wanted + out])
    receiver.wait(lambda r: r['delivered'] == 60 and r['interface'] in (0, sent), 'what is wanted')
    counts = receiver.stop()
    assert counts['delivered'] == 60 and counts['received'] == accounted(counts)
    assert counts['filtered'] == (sent - 60 if source == 'any' else 0), 'the kernel does not count what it filters'


# What is lost

def test_what_the_ring_cannot_hold_is_counted(net):
    # The stalled worker's ring is to be too small, and the other's not, however long that one is kept from its core.
    receiver = Receiver(net, 'mon0', '--capture.workers=2', '--stall=0', '--capture.ring=1024')
    sent = 3 * replay(net, [eth(udp(a, b, 1400)) for a, b in pairs(20) for _ in range(100)], rate=5000)
    net.sender.run('tcpreplay', '-q', '--pps=5000', '--loop=2', '-i', 'gen0', net.folder / 'replay.pcap')
    receiver.wait(lambda r: r['received'] == sent, 'all seen by the kernel')
    before = receiver.now()
    assert before['workers'][0] == 0 and before['ring_full'] > 0 and before['pending'] > 0
    counts = receiver.stop()
    check_all(counts, sent)
    assert counts['ring_full'] == before['ring_full'] and counts['workers'][0] == before['pending']
    assert (counts['workers'][0] + counts['ring_full']) % 300 == 0, 'whole flows'


# What it survives

def test_link_flap_and_interface_down(net):
    receiver = Receiver(net, 'mon0')
    sent = 0
    for space, name in ((net.sender, 'gen0'), (net.sensor, 'mon0')):
        space.run('ip', 'link', 'set', name, 'down')
        receiver.wait(lambda r: not r['link_up'], 'link seen down')
        space.run('ip', 'link', 'set', name, 'up')
        receiver.wait(lambda r: r['link_up'], 'link seen up')
        sent += replay(net, [eth(udp()) for _ in range(200)])
        receiver.wait(lambda r: r['delivered'] == sent, 'goes on')
    check_all(receiver.stop(), sent)


def test_removed_interface_ends_the_run(net):
    sensor = net.weir(net.sensor, '-i', 'mon0', '-f', 'json')
    sensor.wait_line('clock')
    net.sensor.run('ip', 'link', 'del', 'mon0')
    assert sensor.wait() == 1
    assert 'mon0' in sensor.stderr and 'ledger closed' in sensor.stderr, sensor.stderr


def test_it_is_harmless(net):
    net.sensor.run('ip', 'addr', 'add', '10.99.0.2/24', 'dev', 'mon0')
    net.sensor.run('ip', 'route', 'add', 'default', 'via', '10.99.0.1')
    before = net.sensor.link('mon0')
    receiver = Receiver(net, 'mon0')
    assert net.sensor.link('mon0')['promiscuity'] == before['promiscuity'] + 1
    receiver.process.kill()
    lab.wait_for(lambda: net.sensor.link('mon0') == before, 'all is as it was')
    quiet = Receiver(net, 'mon0', '--capture.promiscuous=false')
    assert net.sensor.link('mon0') == before
    quiet.stop()


# What it refuses

NOBODY = ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all')


def test_refusals_name_the_remedy(net):
    assert 'ip link' in refusal(net, 'nosuch0')
    assert 'ip link' in refusal(net, 'eth:nosuch0')
    assert 'NET_RAW' in refusal(net, 'mon0', wrap=NOBODY)
    assert 'no source has the prefix' in refusal(net, 'pfring:mon0')
    net.sensor.run('ip', 'link', 'set', 'mon0', 'down')
    assert 'ip link set mon0 up' in refusal(net, 'mon0')


def test_net_raw_alone_is_enough(net):
    caps = ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all,+net_raw',
            '--ambient-caps=-all,+net_raw', '--bounding-set=-all,+net_raw')
    receiver = Receiver(net, 'mon0', '--capture.workers=2', wrap=caps)
    receiver.finish(replay(net, [eth(udp(a, b)) for a, b in pairs(50)]))


# The whole

def test_times_are_the_kernels(net):
    """A packet waits in the kernel for its block to be handed over; its time does not."""
    sensor = net.weir(net.sensor, '-i', 'mon0', '-f', 'json')
    sensor.wait_line('clock')
    begin = time.time()
    replay(net, [eth(ip(A[0], B[0]) / UDP(sport=9, dport=9))])
    end = time.time()
    lab.wait_for(lambda: net.sensor.counters('mon0')['rx']['packets'] == 1, 'arrival')
    time.sleep(0.1)
    assert sensor.stop() == 0, sensor.stderr
    (record,) = [json.loads(line) for line in sensor.stdout.splitlines()]
    assert begin - 0.001 <= record['ts'] <= end + 0.001


@pytest.mark.parametrize('workers', [1, 2])
def test_span_port_as_tshark_sees_it(workers):
    with lab.span(ipv6=True) as net:
        witness = span.Witness(net)
        sensor = net.weir(net.sensor, '-i', 'mon0', '-f', 'json', '--flow.idle', '1s', '--capture.workers', workers)
        sensor.wait_line('clock')
        span.scenario(net)
        span.rest(net)
        span.check(witness, sensor)
