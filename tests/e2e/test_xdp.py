"""AF_XDP ports: how they are opened and refused, what they deliver, what they survive."""
import json
import platform
import sys
import time

import pytest

import lab
import span
import traffic
from confinement import assert_confined
from traffic import Receiver, blast, check_identity, refusal, replay

from frames import A, A6, B, B6, MAC, eth, fragments, udp  # noqa: E402
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

pytestmark = [lab.needed, pytest.mark.skipif(not traffic.has_xdp(), reason='built without AF_XDP')]


def unchanged(space, name, before):
    """No program, no promiscuity, no setting of the interface is left behind."""
    keys = ('flags', 'mtu', 'promiscuity', 'num_rx_queues', 'xdp')
    after = space.link(name)
    return {k: before.get(k) for k in keys} == {k: after.get(k) for k in keys}


# How it is opened

@pytest.mark.parametrize('mode, said', [('auto', 'native, copy'), ('native', 'native, copy'), ('generic', 'generic, copy')])
def test_modes(net, mode, said):
    before = net.sensor.link('mon0')
    receiver = Receiver(net, 'xdp:mon0', f'--capture.xdp_mode={mode}')
    assert said in receiver.about
    assert net.sensor.has_xdp('mon0')
    sent = replay(net, [eth(udp()) for _ in range(500)])
    receiver.wait(lambda r: r['delivered'] == sent, 'all delivered')
    check_identity(sent, receiver.stop())
    assert unchanged(net.sensor, 'mon0', before)


def test_generic_is_a_said_fallback(net):
    assert 'no native XDP' in refusal(net, 'xdp:lo', '--capture.xdp_mode=native')
    receiver = Receiver(net, 'xdp:lo')
    assert 'generic (its driver has no native XDP' in receiver.about
    receiver.stop()


def test_busy_poll(net):
    receiver = Receiver(net, 'xdp:mon0', '--capture.busy_poll=true')
    sent = replay(net, [eth(udp()) for _ in range(500)])
    receiver.wait(lambda r: r['delivered'] == sent, 'all delivered')
    check_identity(sent, receiver.stop())


@pytest.mark.parametrize('queues, workers, spread, sockets', [
    (1, 1, 'ip', 1), (3, 1, 'ip', 3), (4, 2, 'ip', 4), (1, 2, 'ip', 2), (2, 3, 'l4', 3), (2, 2, 'software', 4)])
def test_queues_and_workers(queues, workers, spread, sockets):
    with lab.pair(queues=queues) as net:
        receiver = Receiver(net, 'xdp:mon0', f'--capture.workers={workers}', f'--capture.spread={spread}')
        assert f'{queues} queue' in receiver.about and f'{sockets} socket' in receiver.about
        flows = [((f'10.2.{i}.1', 1000 + i), (f'10.3.{i}.1', 80)) for i in range(60)]
        sent = replay(net, [eth(udp(*(f if way else f[::-1]))) for f in flows for way in range(2) for _ in range(5)])
        receiver.wait(lambda r: r['delivered'] == sent, 'all delivered')
        counts = receiver.stop()
        check_identity(sent, counts)
        assert all(counts['workers']), 'a worker got nothing'
        # Both directions of a flow meet: each worker has whole flows of 10 packets.
        assert all(packets % 10 == 0 for packets in counts['workers']), counts


def test_long_frames_come_by_their_start():
    with lab.pair(mtu=9000) as net:
        receiver = Receiver(net, 'xdp:mon0')
        assert 'only the start is read' in receiver.about
        sizes = [60, 1514, 3000, 4500, 9014] * 40
        frames = [Ether(src=MAC[0], dst=MAC[1]) / IP(src=A[0], dst=B[0], id=i) / UDP(sport=1, dport=2) / Raw(b'.' * (s - 42))
                  for i, s in enumerate(sizes)]
        assert [len(f) for f in frames] == sizes
        sent = replay(net, frames)
        receiver.wait(lambda r: r['delivered'] == sent, 'all delivered')
        counts = receiver.stop()
        check_identity(sent, counts)
        assert counts['octets'] == sum(sizes)
        assert counts['cut'] == sum(s > 3840 for s in sizes)


# What it leaves out

def test_ignored_in_the_kernel(net):
    receiver = Receiver(net, 'xdp:mon0', '--capture.ignore_networks=192.0.2.0/24, 2001:db8:2::/48', '--capture.ignore_ports=53')
    kept = [udp(('10.0.0.1', 1), ('10.0.0.2', 2)), udp(A6, ('2001:db8:3::1', 5))]
    out = [udp(), udp(B, A), udp(A6, B6), udp(B6, A6), udp(('10.0.0.1', 53), ('10.0.0.2', 2)),
           udp(('10.0.0.1', 2), ('10.0.0.2', 53))]
    tagged = [Ether(src=MAC[0], dst=MAC[1]) / Dot1Q(vlan=7) / p for p in out]
    sent = replay(net, [f for _ in range(20) for f in [*map(eth, kept + out), *tagged]])
    receiver.wait(lambda r: r['delivered'] + r['ignored'] == sent, 'all counted')
    counts = receiver.stop()
    check_identity(sent, counts)
    assert counts['ignored'] == 20 * 2 * len(out)
    assert counts['ignored_octets'] == 20 * sum(len(eth(p)) + len(t) for p, t in zip(out, tagged))


def test_filter_expression(net):
    receiver = Receiver(net, 'xdp:mon0', '--filter=udp port 443 and host 192.0.2.7')
    sent = replay(net, [eth(p) for _ in range(50) for p in (udp(), udp(B, A), udp(A6, B6), udp(A, ('192.0.2.8', 443)))])
    receiver.wait(lambda r: r['received'] == sent and not r['pending'], 'all received')
    counts = receiver.stop()
    check_identity(sent, counts)
    assert counts['delivered'] == 100 and counts['filtered'] == 100


def test_fragments_go_where_their_flow_goes():
    with lab.pair() as net:
        receiver = Receiver(net, 'xdp:mon0', '--capture.workers=2')
        pairs = [((f'10.2.{i}.1', 1000 + i), (f'10.3.{i}.1', 80)) for i in range(40)]
        frames = [eth(f) for a, b in pairs for f in [udp(a, b, 64), *fragments(udp(a, b, 64), 24, 24, 24)]]
        each = len(frames) // len(pairs)
        sent = replay(net, frames)
        receiver.wait(lambda r: r['delivered'] == sent, 'all delivered')
        counts = receiver.stop()
        check_identity(sent, counts)
        assert all(packets and packets % each == 0 for packets in counts['workers'])


# What it survives

def test_stalled_worker_costs_the_others_nothing(net):
    ring = 8192 # at this rate the other worker may be kept from running for 300 ms
    receiver = Receiver(net, 'xdp:mon0', '--capture.workers=2', '--stall=0', f'--capture.ring={ring}')
    sent = blast(net, '-n', 100000, '-t', 60, '-r', 50000, '-f', 1000, '-b')['sent']
    receiver.wait(lambda r: r['received'] == sent, 'all steered')
    before = receiver.now()
    assert before['workers'][0] == 0 and before['pending'] == ring
    assert before['no_buffer'] == 0 and before['ring_full'] > 0
    counts = receiver.stop()
    check_identity(sent, counts)
    assert counts['workers'][0] == ring
    # Its share of flows, in whole turns of 1000 flows both ways.
    lost = counts['ring_full']
    assert (lost + ring) % (100000 // 1000) == 0, counts


def test_link_flap(net):
    receiver = Receiver(net)
    sent = replay(net, [eth(udp()) for _ in range(200)])
    receiver.wait(lambda r: r['delivered'] == sent, 'first part')
    net.sender.run('ip', 'link', 'set', 'gen0', 'down')
    receiver.wait(lambda r: not r['link_up'], 'link seen down')
    net.sender.run('ip', 'link', 'set', 'gen0', 'up')
    receiver.wait(lambda r: r['link_up'], 'link seen up')
    sent += replay(net, [eth(udp()) for _ in range(200)])
    receiver.wait(lambda r: r['delivered'] == sent, 'second part')
    check_identity(sent, receiver.stop())


def test_interface_down_and_up(net):
    receiver = Receiver(net)
    net.sensor.run('ip', 'link', 'set', 'mon0', 'down')
    receiver.wait(lambda r: not r['link_up'], 'link seen down')
    net.sensor.run('ip', 'link', 'set', 'mon0', 'up')
    receiver.wait(lambda r: r['link_up'], 'link seen up')
    sent = replay(net, [eth(udp()) for _ in range(200)])
    receiver.wait(lambda r: r['delivered'] == sent, 'all delivered')
    check_identity(sent, receiver.stop())


def test_removed_interface(net):
    receiver = Receiver(net)
    sent = replay(net, [eth(udp()) for _ in range(200)])
    receiver.wait(lambda r: r['delivered'] == sent, 'all delivered')
    net.sensor.run('ip', 'link', 'del', 'mon0')
    receiver.wait(lambda r: r['gone'], 'seen gone')
    check_identity(sent, receiver.stop())


def test_killed_program_goes(net):
    receiver = Receiver(net)
    assert net.sensor.has_xdp('mon0')
    before = time.monotonic()
    receiver.process.kill()
    lab.wait_for(lambda: not net.sensor.has_xdp('mon0'), 'program gone')
    assert time.monotonic() - before < 5
    sent = replay(net, [eth(udp()) for _ in range(10)])
    again = Receiver(net)
    sent = replay(net, [eth(udp()) for _ in range(200)])
    again.wait(lambda r: r['delivered'] == sent, 'all delivered')
    check_identity(sent, again.stop())


# What it refuses: one line with the remedy, and nothing is changed

def test_missing_interface(net):
    assert 'no such interface: ip link' in refusal(net, 'xdp:none0')


def test_no_ethernet_interface(net):
    net.sensor.run('ip', 'tuntap', 'add', 'tun0', 'mode', 'tun')
    assert '-i tun0' in refusal(net, 'xdp:tun0')


def test_foreign_program_is_named(net):
    first = Receiver(net)
    before = net.sensor.link('mon0')
    line = refusal(net, 'xdp:mon0')
    assert f'(id {before["xdp"]["prog"]["id"]})' in line and 'ip link set dev mon0 xdp off' in line
    assert unchanged(net.sensor, 'mon0', before)
    sent = replay(net, [eth(udp()) for _ in range(100)])
    first.wait(lambda r: r['delivered'] == sent, 'the first goes on')
    check_identity(sent, first.stop())


OCCUPIER = """
import ctypes, mmap, socket, struct, sys, time
area = mmap.mmap(-1, 64 * 4096)
address = ctypes.addressof(ctypes.c_char.from_buffer(area))
s = socket.socket(44, socket.SOCK_RAW, 0)                               # AF_XDP
s.setsockopt(283, 4, struct.pack('QQIIII', address, 64 * 4096, 4096, 0, 0, 0))  # SOL_XDP, XDP_UMEM_REG
for ring in (5, 6, 2):                                                  # fill, completion, receive
    s.setsockopt(283, ring, struct.pack('I', 64))
where = struct.pack('HHIII', 44, 2, socket.if_nametoindex(sys.argv[1]), 0, 0)  # XDP_COPY
assert ctypes.CDLL(None, use_errno=True).bind(s.fileno(), where, len(where)) == 0, ctypes.get_errno()
print('bound', flush=True)
time.sleep(300)
"""


def test_occupied_queue_is_told(net):
    occupier = net.sensor.start(sys.executable, '-c', OCCUPIER, 'mon0')
    occupier.wait_line('bound', of='stdout')
    before = net.sensor.link('mon0')
    assert 'another process has an AF_XDP socket' in refusal(net, 'xdp:mon0')
    assert unchanged(net.sensor, 'mon0', before)
    occupier.kill()
    lab.wait_for(lambda: 'xsk' not in net.sensor.run('ss', '--xdp', '-H'), 'socket gone')
    Receiver(net, 'xdp:mon0').stop()


def test_default_route(net):
    net.sensor.run('ip', 'addr', 'add', '10.99.0.2/24', 'dev', 'mon0')
    net.sensor.run('ip', 'route', 'add', 'default', 'via', '10.99.0.1')
    before = net.sensor.link('mon0')
    line = refusal(net, 'xdp:mon0')
    assert 'default route' in line and '-i mon0' in line and '--take-over' in line
    assert unchanged(net.sensor, 'mon0', before)
    Receiver(net, 'xdp:mon0', '--take-over').stop()


def test_too_few_queues(net):
    net.sender.run('ip', 'link', 'add', 'wide0', 'numtxqueues', '4', 'type', 'veth', 'peer', 'name', 'thin0',
                   'numrxqueues', '1', 'netns', net.sensor.name)
    net.sensor.run('ip', 'link', 'set', 'thin0', 'up')
    before = net.sensor.link('thin0')
    line = refusal(net, 'xdp:thin0')
    assert 'receive queues' in line and 'ethtool -L thin0 rx' in line
    assert unchanged(net.sensor, 'thin0', before)
    Receiver(net, 'xdp:thin0', '--capture.xdp_mode=generic').stop()


def test_too_many_sockets():
    with lab.pair(queues=32) as net:
        line = refusal(net, 'xdp:mon0', '--capture.workers=5', '--capture.spread=software')
        assert 'ethtool -L mon0' in line and 'capture.workers' in line


RIGHTS = ('net_raw', 'net_admin', 'bpf', 'ipc_lock')


def with_rights(*names):
    """As nobody, with these capabilities alone."""
    caps = ','.join(f'+{n}' for n in names)
    return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', f'--inh-caps=-all{"," + caps if caps else ""}',
            f'--ambient-caps=-all{"," + caps if caps else ""}', f'--bounding-set=-all{"," + caps if caps else ""}']


@pytest.mark.parametrize('options', [
    (), ('--capture.workers=2',), ('--capture.ignore_ports=22',), ('--capture.ignore_networks=198.51.100.0/24, 2001:db8:2::/48',),
    ('--capture.workers=2', '--capture.ignore_networks=198.51.100.0/24', '--capture.ignore_ports=22')])
def test_four_rights_are_enough(net, options):
    """Whether the program reads headers or not."""
    receiver = Receiver(net, 'xdp:mon0', *options, wrap=with_rights(*RIGHTS))
    sent = replay(net, [eth(udp()) for _ in range(200)])
    receiver.wait(lambda r: r['delivered'] == sent, 'all delivered')
    check_identity(sent, receiver.stop())


@pytest.mark.parametrize('missing', RIGHTS)
def test_missing_right_is_named(net, missing):
    before = net.sensor.link('mon0')
    wrap = ['prlimit', '--memlock=65536:65536', *with_rights(*(r for r in RIGHTS if r != missing))]
    line = refusal(net, 'xdp:mon0', '--capture.ring=4096', wrap=wrap)
    assert f'CAP_{missing.upper()}' in line
    assert unchanged(net.sensor, 'mon0', before)


REFUSE_PROGRAMS = """
import ctypes, os, struct, sys
BPF, PROG_LOAD, EINVAL = 321, 5, 22                        # of x86-64
code = [(0x20, 0, 0, 0), (0x15, 0, 3, BPF), (0x20, 0, 0, 16), (0x15, 0, 1, PROG_LOAD), (6, 0, 0, 0x00050000 | EINVAL),
        (6, 0, 0, 0x7fff0000)]                             # the call, its first argument; refuse or allow
program = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *c) for c in code))
filter = struct.pack('HxxxxxxQ', len(code), ctypes.addressof(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0  # NO_NEW_PRIVS, SECCOMP
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(platform.machine() != 'x86_64', reason='numbers of system calls are those of x86-64')
def test_a_kernel_too_old_is_named(net):
    """One that loads no such program, and says so as old ones do."""
    before = net.sensor.link('mon0')
    line = refusal(net, 'xdp:mon0', wrap=[sys.executable, '-c', REFUSE_PROGRAMS])
    assert f'needs Linux 5.18 or later with CONFIG_BPF_SYSCALL, this is {platform.release()};' in line
    assert '-i mon0' in line
    assert unchanged(net.sensor, 'mon0', before)


# As `weir run`

READY = r'\d+ workers?, clock'


@pytest.mark.parametrize('workers', [1, 2])
def test_span_port_as_tshark_sees_it(workers):
    with lab.span(ipv6=True) as net:
        witness = span.Witness(net)
        sensor = net.weir(net.sensor, '-i', 'xdp:mon0', '-f', 'json', '--flow.idle', '1s', '--capture.workers', workers)
        sensor.wait_line(READY)
        span.scenario(net)
        span.rest(net)
        span.check(witness, sensor)


def test_two_port_tap_joins_both_directions():
    with lab.tap() as net:
        sensor = net.weir(net.sensor, '-i', 'xdp:mon0', '-i', 'xdp:mon1', '-f', 'json', '--capture.workers', 2)
        sensor.wait_line(READY)
        span.scenario(net, silence=0.5)
        span.rest(net, ('mon0', 'mon1'))
        received = sum(net.sensor.counters(i)['rx']['packets'] for i in ('mon0', 'mon1'))
        assert sensor.stop() == 0, sensor.stderr
        assert 'ledger closed' in sensor.stderr
        records = [json.loads(line) for line in sensor.stdout.splitlines()]
        assert all(r['orig_pkts'] and r['resp_pkts'] for r in records), records
        assert received >= sum(r['orig_pkts'] + r['resp_pkts'] for r in records) > 1000


def test_run_ends_when_the_interface_goes(net):
    sensor = net.weir(net.sensor, '-i', 'xdp:mon0', '-f', 'json')
    sensor.wait_line(READY)
    sent = replay(net, [eth(udp()) for _ in range(200)])
    lab.wait_for(lambda: net.sensor.counters('mon0')['rx']['packets'] >= sent, 'all arrived')
    net.sensor.run('ip', 'link', 'del', 'mon0')
    assert sensor.wait() == 1, sensor.stderr
    assert 'xdp:mon0: the interface is gone' in sensor.stderr
    assert sum(r['orig_pkts'] for r in map(json.loads, sensor.stdout.splitlines())) == sent
    assert 'ledger closed' in sensor.stderr


def test_run_needs_no_rights_once_it_is_open(net):
    sensor = net.weir(net.sensor, '-i', 'xdp:mon0', '-f', 'json', '--sensor.user', 'nobody')
    sensor.wait_line(READY)
    assert_confined(sensor.pid, 65534, at_least=3)
    sent = replay(net, [eth(udp()) for _ in range(200)])
    lab.wait_for(lambda: net.sensor.counters('mon0')['rx']['packets'] >= sent, 'all arrived')
    assert sensor.stop() == 0, sensor.stderr
    assert f'received {sent}, delivered {sent}' in sensor.stderr and 'ledger closed' in sensor.stderr
    assert not net.sensor.has_xdp('mon0')


def test_run_refuses_in_one_line(net):
    sensor = net.weir(net.sensor, '-i', 'xdp:none0')
    assert sensor.wait() == 1
    assert sensor.stderr.count('\n') == 1 and 'no such interface' in sensor.stderr, sensor.stderr
