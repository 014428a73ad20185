"""Floods of one-packet flows, folded: what is told of them in each face and profile, and that nothing is missing."""
import json
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys

import pytest

import lab
import traffic

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'replay'))

from harness import Ledger, at, run_weir, write_pcap  # noqa: E402

SCAN, FLOOD, ELEPHANT, RATE = 3000, 3000, 200, 100
ON = ('--flow.fold', 'on', '--flow.fold_rate', RATE)
PASSED = 2 * RATE  # all of it lasts a second


def frame(source, destination, source_port, port, proto=6):
    """Ethernet, IP of either version by its addresses, a SYN or a datagram; checksums are left out."""
    body = struct.pack('>HHIIBBHHH', source_port, port, 1, 0, 0x50, 2, 1024, 0, 0) if proto == 6 else struct.pack(
        '>HHHH', source_port, port, 8, 0)
    if ':' in source:
        head = struct.pack('>IHBB', 6 << 28, len(body), proto, 64)
        family, etype = socket.AF_INET6, 0x86DD
    else:
        head = struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(body), 0, 0, 64, proto, 0)
        family, etype = socket.AF_INET, 0x0800
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    return b'\2\0\0\0\0\1\2\0\0\0\0\2' + struct.pack('>H', etype) + head + addresses + body


def scan(i):
    return frame('203.0.113.9', f'10.{i >> 8}.{i & 255}.7', 40000, 22)


def flood(i):
    return frame(f'2001:db8:{i:x}::1', 'fd00::80', 1024 + i, 443, 17)


@pytest.fixture(scope='module')
def capture(tmp_path_factory):
    """A scan, a flood from forged addresses and a connection of many packets, all within a second."""
    frames = ([at(i * 0.0002, scan(i)) for i in range(SCAN)] + [at(i * 0.0002 + 0.0001, flood(i)) for i in range(FLOOD)]
              + [at(i * 0.004, frame('192.168.0.1', '192.168.0.2', 5000, 443)) for i in range(ELEPHANT)])
    path = tmp_path_factory.mktemp('fold') / 'floods.pcap'
    write_pcap(path, sorted(frames, key=lambda f: f.time_ns))
    return path


def read(*args, code=0):
    done = run_weir('read', *args)
    assert done.returncode == code, done.stderr
    assert Ledger(done.stderr).closed, done.stderr
    return done


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def check_counts(plain, aggregates, packets='orig_pkts', octets='orig_ip_bytes'):
    assert len(plain) == PASSED + 1 and len(aggregates) == 2
    assert sum(r[packets] for r in plain + aggregates) == SCAN + FLOOD + ELEPHANT
    assert sum(r[octets] for r in plain + aggregates) == SCAN * 40 + FLOOD * 48 + ELEPHANT * 40
    assert sorted(r[packets] for r in plain)[-2:] == [1, ELEPHANT], 'the connection of many packets is one record'


def test_a_capture_is_not_folded_unless_asked(capture):
    plain = read('-f', 'json', capture)
    assert len(rows(plain.stdout)) == SCAN + FLOOD + 1 and 'folded' not in plain.stderr
    assert read('-f', 'json', '--flow.fold', 'off', capture).stdout == plain.stdout


def test_json(capture):
    done = read('-f', 'json', *ON, capture)
    found = rows(done.stdout)
    by_side = {r['aggregate']['side']: r for r in found if 'aggregate' in r}
    check_counts([r for r in found if 'aggregate' not in r], list(by_side.values()))
    scanned, flooded = by_side['orig'], by_side['resp']
    assert (scanned['id.orig_h'], scanned['id.resp_p'], scanned['proto']) == ('203.0.113.9', 22, 'tcp')
    assert scanned['aggregate']['prefix'] == '203.0.113.9/32' and scanned['orig_flags'] == 2
    assert (flooded['id.resp_h'], flooded['id.resp_p'], flooded['proto']) == ('fd00::80', 443, 'udp')
    assert flooded['aggregate']['prefix'] == 'fd00::80/128'
    for r in by_side.values():
        assert r['orig_pkts'] == SCAN - RATE
        assert 0.93 < r['aggregate']['distinct'] / r['orig_pkts'] <= 1
        assert len(set(r['aggregate']['samples'])) == 4
    line = re.search(r'^folded: packets (\d+), octets (\d+); aggregates (\d+), packets in them (\d+), in open ones 0$',
                     done.stderr, re.M)
    assert [int(n) for n in line.groups()] == [5800, 2900 * 88, 2, 5800]


@pytest.mark.parametrize('face', ('table', 'ecs', 'csv', 'zeek'))
def test_other_faces(capture, face):
    """As many lines as records; each face tells an aggregate from a flow."""
    text = read('-f', face, *ON, capture).stdout
    lines = [line for line in text.splitlines() if line[:1] in '2{1'] if face != 'csv' else text.splitlines()[1:]
    mark = {'table': r' aggregate$', 'ecs': r'"dataset":"weir\.aggregate"', 'csv': r',(orig|resp),[^,]+/\d+,',
            'zeek': r'\t(203\.0\.113\.9\t-\t-\t22|-\t-\tfd00::80\t443)\t'}[face]
    assert len(lines) == PASSED + 3
    assert sum(bool(re.search(mark, line)) for line in lines) == 2


@pytest.mark.parametrize('profile', ('core', 'elk', 'uniflow', 'silk', 'rich'))
def test_ipfix_as_libfixbuf_and_dump_read_it(capture, tmp_path, profile):
    path = tmp_path / 'flows.ipfix'
    own = ('--export.enterprise', 64999)
    read(*ON, *own, '-w', f'file:{path}?profile={profile}', capture)
    read_back = [subprocess.run([traffic.tool('ipfix_reader'), path], capture_output=True, text=True, check=True),
                 run_weir('dump', *own, path)]
    for done in read_back:
        found = [r for r in rows(done.stdout) if 'packetDeltaCount' in r and not r.get('scope')]
        aggregates = [r for r in found if 'originalFlowsPresent' in r]
        check_counts([r for r in found if r not in aggregates], aggregates, 'packetDeltaCount', 'octetDeltaCount')
        scanned = next(r for r in aggregates if 'sourceIPv4Prefix' in r)
        flooded = next(r for r in aggregates if 'destinationIPv6Prefix' in r)
        assert scanned['sourceIPv4Address'] == scanned['sourceIPv4Prefix'] == '203.0.113.9'
        assert scanned['sourceIPv4PrefixLength'] == 32 and scanned['destinationIPv4Address'] == '0.0.0.0'
        assert scanned['destinationTransportPort'] == 22 and scanned['tcpControlBits'] == 2
        assert 0.93 < scanned['distinctCountOfDestinationIPv4Address'] / (SCAN - RATE) <= 1
        assert flooded['destinationIPv6Prefix'] == 'fd00::80' and flooded['destinationIPv6PrefixLength'] == 128
        assert 0.93 < flooded['distinctCountOfSourceIPv6Address'] / (FLOOD - RATE) <= 1
        for r in aggregates:
            assert r['originalFlowsPresent'] == r['deltaFlowCount'] == r['packetDeltaCount'] == SCAN - RATE
    if profile == 'rich':
        assert '"aggregateSampleAddress4":"::ffff:10.' in read_back[1].stdout


def test_hunts_see_every_flow(capture):
    """Hosts are counted before anything is folded."""
    plain, folded = (read('--hunts', '-f', 'json', *how, capture) for how in ((), ON))
    assert 'host-sweep' in plain.stdout and folded.stdout == plain.stdout
    assert 'folded: packets' in folded.stderr


def test_hunts_over_records_pass_aggregates_over(capture, tmp_path):
    """Lines of JSON and IPFIX with aggregates are read without complaint."""
    lines, ipfix = tmp_path / 'flows.json', tmp_path / 'flows.ipfix'
    lines.write_text(read('-f', 'json', *ON, capture).stdout)
    read(*ON, '-w', f'file:{ipfix}', capture)
    for path in (lines, ipfix):
        done = run_weir('read', '--hunts', path)
        assert done.returncode == 0, done.stderr
        assert f'{PASSED + 3} records read, 0 problems' in done.stderr
        assert f'packets counted {PASSED + ELEPHANT}' in done.stderr


def test_what_tells_flows_apart_is_not_folded_over(capture):
    done = run_weir('read', *ON, '--flow.vlan_in_key', 'true', capture)
    assert done.returncode == 2 and 'flow.fold: not with flow.vlan_in_key' in done.stderr


def delivered(sensor):
    """As of the ledger before this one, which it asks for."""
    sensor.send(signal.SIGUSR1)
    found = re.findall(r'delivered (\d+)', sensor.stderr)
    return int(found[-1]) if found else 0


@lab.needed
def test_live(net):
    """On by itself in run; the flood's packets are in aggregates, the ledger and the metrics tell."""
    sensor = net.weir(net.sensor, '-i', 'eth:mon0', '-f', 'json', '--flow.fold_rate', RATE)
    sensor.wait_line(r'\d+ worker')
    sent = traffic.replay(net, [scan(i) for i in range(SCAN)] + [frame('192.168.0.1', '192.168.0.2', 5000, 443)] * 50,
                          rate=3000)
    lab.wait_for(lambda: delivered(sensor) == sent, f'{sent} packets delivered', pause=0.5)
    assert sensor.stop() == 0, sensor.stderr
    found = rows(sensor.stdout)
    assert sum(r['orig_pkts'] + r.get('resp_pkts', 0) for r in found) == sent
    folded = [r for r in found if 'aggregate' in r]
    assert len(folded) == 1 and folded[0]['aggregate']['prefix'] == '203.0.113.9/32'
    assert len(found) < SCAN / 2 and folded[0]['orig_pkts'] > SCAN / 2
    assert [r['orig_pkts'] for r in found if r not in folded and r['orig_pkts'] > 1] == [50]
    assert Ledger(sensor.stderr).closed and f'folded: packets {folded[0]["orig_pkts"]},' in sensor.stderr
