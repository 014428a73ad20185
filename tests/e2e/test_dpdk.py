"""DPDK ports on virtual devices: packets exact, spread by flow, loss accounted, nothing left behind."""
import json
import os
import pathlib
import re
import signal

import pytest

import lab
import span
import traffic
from confinement import assert_confined
from traffic import Receiver, accounted, at, check_all, needs_dpdk, refusal, replay, write_pcap

from frames import A, A6, B, B6, MAC, eth, fragments, udp  # noqa: E402
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

pytestmark = needs_dpdk

RUN_FOLDERS = [pathlib.Path(p) for p in ('/var/run/dpdk', '/tmp/dpdk')]


@pytest.fixture
def space():
    """A folder and a starter of processes; no namespaces: these devices need none."""
    with lab.Lab() as made:
        made.sensor = Here(made)
        yield made


class Here:
    """Stands for a namespace where none is needed."""

    def __init__(self, net):
        self.net = net

    def start(self, *argv, **kw):
        return self.net.track(lab.Process(argv, self.net.folder, **kw))


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No run folder and no file in huge pages, however the process ended."""
    before = left_files()
    yield
    assert left_files() <= before


def left_files():
    mounts = [line.split()[1] for line in pathlib.Path('/proc/mounts').read_text().splitlines() if line.split()[2] == 'hugetlbfs']
    return {str(f) for folder in [*RUN_FOLDERS, *map(pathlib.Path, mounts)] if folder.is_dir() for f in folder.iterdir()
            if 'weir' in f.name or 'rtemap' in f.name}


def capture(net, frames, name='in.pcap'):
    path = net.folder / name
    write_pcap(path, [at(i * 0.0001, frame) for i, frame in enumerate(frames)])
    return path


def flows(count, size=64):
    """Both directions of so many flows, 5 packets each way."""
    ends = [((f'10.2.{i}.1', 1000 + i), (f'10.3.{i}.1', 80)) for i in range(count)]
    return [eth(udp(*(e if way else e[::-1]), size)) for e in ends for way in range(2) for _ in range(5)]


# Captures as ports: what goes in is known

@pytest.mark.parametrize('workers', [1, 2, 3])
def test_packets_of_a_capture_are_exact(space, workers):
    frames = flows(60)
    receiver = Receiver(space, f'dpdk:net_pcap0,rx_pcap={capture(space, frames)}', f'--capture.workers={workers}')
    counts = receiver.finish(len(frames))
    assert counts['octets'] == sum(map(len, frames))
    assert all(packets and packets % 10 == 0 for packets in counts['workers']), counts
    assert ('in software' in receiver.about) == (workers > 1)


@pytest.mark.parametrize('workers', [1, 2])
def test_every_queue_of_a_device_is_read(space, workers):
    one, two = capture(space, flows(20), 'one.pcap'), capture(space, flows(30), 'two.pcap')
    receiver = Receiver(space, f'dpdk:net_pcap0,rx_pcap={one},rx_pcap={two}', f'--capture.workers={workers}')
    counts = receiver.finish(500)
    assert '2 queues' in receiver.about
    assert counts['workers'] == ([500] if workers == 1 else [200, 300])


def test_two_ports_meet_on_a_worker(space):
    """A tap: each direction on a port of its own."""
    frames = flows(60)
    there, back = capture(space, frames[::2], 'a.pcap'), capture(space, frames[1::2], 'b.pcap')
    receiver = Receiver(space, f'dpdk:net_pcap0,rx_pcap={there}', '--capture.workers=2', f'dpdk:net_pcap1,rx_pcap={back}')
    counts = receiver.finish(len(frames))
    assert all(packets and packets % 10 == 0 for packets in counts['workers']), counts


def test_fragments_go_where_their_flow_goes(space):
    ends = [((f'10.2.{i}.1', 1000 + i), (f'10.3.{i}.1', 80)) for i in range(40)]
    frames = [eth(f) for a, b in ends for f in [udp(a, b, 64), *fragments(udp(a, b, 64), 24, 24, 24)]]
    receiver = Receiver(space, f'dpdk:net_pcap0,rx_pcap={capture(space, frames)}', '--capture.workers=2')
    counts = receiver.finish(len(frames))
    assert all(packets and packets % (len(frames) // 40) == 0 for packets in counts['workers']), counts


def test_long_frames_come_by_their_start(space):
    sizes = [60, 1514, 2000, 4000, 9014] * 20
    frames = [Ether(src=MAC[0], dst=MAC[1]) / IP(src=A[0], dst=B[0], id=i) / UDP(sport=1, dport=2) / Raw(b'.' * (s - 42))
              for i, s in enumerate(sizes)]
    receiver = Receiver(space, f'dpdk:net_pcap0,rx_pcap={capture(space, frames)}')
    counts = receiver.finish(len(sizes))
    assert counts['octets'] == sum(sizes)
    assert counts['cut'] == sum(s > 2048 for s in sizes)


def test_filter_and_ignored(space):
    wanted = [udp(), udp(B, A)]
    out = [udp(A, ('192.0.2.8', 443)), udp(A6, B6), udp(A, ('192.0.2.7', 80)), udp(('10.0.0.1', 53), B)]
    frames = [eth(p) for _ in range(30) for p in wanted + out]
    receiver = Receiver(space, f'dpdk:net_pcap0,rx_pcap={capture(space, frames)}', '--filter=udp port 443',
                        '--capture.ignore_networks=192.0.2.8/32, 2001:db8:2::/48', '--capture.ignore_ports=53')
    receiver.wait(lambda r: r['received'] == len(frames), 'all received')
    counts = receiver.stop()
    check_all(counts, len(frames))
    assert counts['delivered'] == 60 and counts['filtered'] == 120


def test_a_full_ring_of_software_spread_is_counted(space):
    path = capture(space, flows(60))
    receiver = Receiver(space, f'dpdk:net_pcap0,rx_pcap={path},infinite_rx=1', '--capture.workers=2', '--stall=0',
                        '--capture.ring=1024')
    receiver.wait(lambda r: r['dispatch'] > 10000 and r['workers'][1] > 10000, 'one worker does not take its share')
    counts = receiver.stop()
    assert counts['received'] == accounted(counts) and counts['pending'] == 0
    assert counts['workers'][0] == 1024 and counts['dispatch'] > 10000


def test_end_of_a_capture_is_silence_not_an_end(space):
    frames = flows(10)
    sensor = space.sensor.start(lab.weir_binary(), 'run', '-i', f'dpdk:net_pcap0,rx_pcap={capture(space, frames)}', '-f', 'json',
                                '--capture.workers', 2)
    lab.wait_for(lambda: 'clock' in sensor.stderr, 'started')
    lab.wait_for(lambda: sensor.running() and count_of_threads(sensor.pid) >= 2, 'runs on')
    assert sensor.stop() == 0, sensor.stderr
    assert 'received 100, delivered 100' in sensor.stderr and 'ledger closed' in sensor.stderr
    assert len(sensor.stdout.splitlines()) == 10


def count_of_threads(pid):
    return len(list(pathlib.Path(f'/proc/{pid}/task').iterdir()))


# Other devices

@pytest.mark.parametrize('workers', [1, 2])
def test_null(space, workers):
    receiver = Receiver(space, 'dpdk:net_null0,size=64', f'--capture.workers={workers}')
    receiver.wait(lambda r: all(p > 10000 for p in r['workers']), 'every worker receives')
    counts = receiver.stop()
    check_all(counts, counts['delivered'])


def test_ring_inline(space):
    """What one port receives the ring sends, and what the ring sends it receives."""
    frames = flows(50)
    receiver = Receiver(space, f'dpdk:net_pcap0,rx_pcap={capture(space, frames)}', '--capture.mode=inline', 'dpdk:net_ring0')
    counts = receiver.finish(2 * len(frames))
    assert counts['sent'] == 2 * len(frames) and counts['send_failed'] == 0


def test_memif_between_two_processes(space):
    frames = flows(30)
    memif = f'socket={space.folder}/memif.sock,socket-abstract=no'
    server = Receiver(space, f'dpdk:net_memif0,role=server,{memif}')
    client = Receiver(space, f'dpdk:net_pcap0,rx_pcap={capture(space, frames)}', '--capture.mode=inline',
                      f'dpdk:net_memif0,role=client,{memif}')
    client.wait(lambda r: r['delivered'] == len(frames), 'all metered')
    sent = client.stop()
    assert sent['sent'] + sent['send_failed'] == len(frames), 'the link may come up later than the first frame'
    server.wait(lambda r: r['delivered'] == sent['sent'], 'all that was sent arrives')
    check_all(server.stop(), sent['sent'])


@pytest.mark.parametrize('workers, spread', [(1, 'ip'), (2, 'ip'), (2, 'l4')])
def test_af_packet(net, workers, spread):
    receiver = Receiver(net, 'dpdk:net_af_packet0,iface=mon0,qpairs=2,framecnt=2048', f'--capture.workers={workers}',
                        f'--capture.spread={spread}')
    assert 'not visible' in receiver.about
    frames = flows(60) + [Ether(src=MAC[0], dst=MAC[1]) / Dot1Q(vlan=7) / udp() for _ in range(10)]
    counts = receiver.finish(replay(net, frames, rate=5000))
    assert counts['octets'] == sum(map(len, frames)), 'tags that the kernel took out are back'
    assert all(packets and packets % 10 == 0 for packets in counts['workers']), counts


@pytest.mark.parametrize('workers, spread', [(1, 'ip'), (2, 'ip')])
def test_tap(net, workers, spread):
    receiver = Receiver(net, 'dpdk:net_tap0,iface=net7', f'--capture.workers={workers}', f'--capture.spread={spread}')
    assert 'not visible' in receiver.about
    counts = receiver.finish(replay(net, flows(60), interface='net7', space=net.sensor, rate=5000))
    assert all(packets and packets % 10 == 0 for packets in counts['workers']), counts


# net_af_xdp: the queues of an interface as devices

def af_xdp(queues, interface='mon0'):
    return [f'dpdk:net_af_xdp{i},iface={interface},start_queue={i}' for i in range(queues)]


@pytest.mark.parametrize('workers', [1, 2, 4])
def test_queues_of_an_interface_are_shared_by_workers(workers):
    with in_lab(queues=4) as net:
        first, *more = af_xdp(4)
        receiver = Receiver(net, first, f'--capture.workers={workers}', '--capture.ring=2048', *more)
        frames = flows(80)
        path = capture(net, frames)
        loops = 250 if workers == 4 else 25
        net.sender.run('tcpreplay', '-q', '--pps=50000', f'--loop={loops}', '--preload-pcap', '-i', 'gen0', path)
        sent = loops * len(frames)
        receiver.wait(lambda r: r['received'] == sent, 'all received')
        counts = receiver.stop()
        check_all(counts, sent)
        lost = counts['hardware']
        assert lost or all(packets and packets % (10 * loops) == 0 for packets in counts['workers']), counts


def in_lab(**kw):
    if lab.MISSING:
        pytest.skip(lab.MISSING)
    return lab.pair(**kw)


def test_unread_af_xdp_queue_is_counted_to_the_packet(net):
    receiver = Receiver(net, 'dpdk:net_af_xdp0,iface=mon0', '--stall=0', '--capture.ring=2048')
    frames = flows(60)
    path = capture(net, frames)
    net.sender.run('tcpreplay', '-q', '--pps=40000', '--loop=20', '-i', 'gen0', path)
    sent = 20 * len(frames)
    receiver.wait(lambda r: r['hardware'] > 0 and net.sensor.counters('mon0')['rx']['packets'] == sent, 'the ring is full')
    counts = receiver.stop()
    check_all(counts, sent)
    assert counts['hardware'] > 0 and counts['delivered'] < sent


def test_start_over_the_program_of_a_killed_run(net):
    first = Receiver(net, 'dpdk:net_af_xdp0,iface=mon0')
    first.process.kill()
    assert net.sensor.has_xdp('mon0'), 'DPDK attaches by netlink, which stays'
    for _ in range(2):
        receiver = Receiver(net, 'dpdk:net_af_xdp0,iface=mon0')
        receiver.finish(replay(net, flows(40)))


def test_interface_is_promiscuous_only_while_it_runs(net):
    net.sensor.run('ip', 'link', 'set', 'mon0', 'promisc', 'off')
    def promiscuity():
        return json.loads(net.sensor.run('ip', '-j', '-d', 'link', 'show', 'dev', 'mon0'))[0]['promiscuity']
    receiver = Receiver(net, 'dpdk:net_af_xdp0,iface=mon0')
    assert promiscuity() == 1
    receiver.process.kill()
    lab.wait_for(lambda: promiscuity() == 0, 'no longer promiscuous')


def test_removed_interface_ends_the_run(net):
    sensor = net.weir(net.sensor, '-i', 'dpdk:net_af_xdp0,iface=mon0', '-f', 'json')
    sensor.wait_line('clock')
    net.sensor.run('ip', 'link', 'del', 'mon0')
    assert sensor.wait() == 1
    assert 'is gone' in sensor.stderr and 'ledger closed' in sensor.stderr, sensor.stderr


def test_run_confined_from_start_to_end(net):
    """All rights are gone when packets are read, and when the port is closed."""
    sensor = net.weir(net.sensor, '-i', 'dpdk:net_af_xdp0,iface=mon0', '-f', 'json', '--capture.workers', '2')
    sensor.wait_line('clock')
    assert_confined(sensor.pid, at_least=6) # 2 workers, who spreads, the EAL's, records, control
    sent = replay(net, flows(60), rate=5000)
    lab.wait_for(lambda: net.sensor.counters('mon0')['rx']['packets'] == sent, 'all arrived')
    assert sensor.stop() == 0, sensor.stderr
    assert f'received {sent}, delivered {sent}' in sensor.stderr and 'ledger closed' in sensor.stderr, sensor.stderr
    records = [json.loads(line) for line in sensor.stdout.splitlines()]
    assert len(records) == 60 and all(r['orig_pkts'] == r['resp_pkts'] == 5 for r in records)


# What is left, and what it runs on

def huge_pages():
    text = pathlib.Path('/proc/meminfo').read_text()
    return {key: int(re.search(rf'HugePages_{key}:\s+(\d+)', text).group(1)) for key in ('Total', 'Free')}


@pytest.fixture
def pages():
    """Enough huge pages, given back afterwards."""
    setting = pathlib.Path('/proc/sys/vm/nr_hugepages')
    before = setting.read_text()
    wanted = int(before) + 160
    try:
        setting.write_text(str(wanted))
        if huge_pages()['Free'] < 150:
            pytest.skip('no huge pages to be had here')
        yield
    except PermissionError:
        pytest.skip('may not reserve huge pages')
    finally:
        if os.access(setting, os.W_OK):
            setting.write_text(before)


def test_huge_pages_are_used_and_come_back_after_a_kill(space, pages):
    before = huge_pages()['Free']
    receiver = Receiver(space, 'dpdk:net_null0,size=64')
    assert 'huge pages as memory' in receiver.about
    assert huge_pages()['Free'] < before
    receiver.process.kill()
    lab.wait_for(lambda: huge_pages()['Free'] >= before, 'huge pages free again')


def test_runs_without_huge_pages_and_says_so(space):
    receiver = Receiver(space, 'dpdk:net_null0,size=64', '--capture.eal=--no-huge')
    assert 'no huge pages' in receiver.about
    receiver.process.kill()


def test_wrong_words_for_the_eal(space):
    line = refusal(space, 'dpdk:net_null0', '--capture.eal=--no-such-word')
    assert 'no-such-word' in line


@pytest.mark.parametrize('word, named', [('--help', '--help'), ('--proc-type=secondary', '--proc-type'), ('--proc=auto', '--proc-type')])
def test_words_that_would_end_or_hang_it(space, word, named):
    sensor = space.sensor.start(lab.weir_binary(), 'run', '-i', 'dpdk:net_null0', f'--capture.eal={word}')
    assert sensor.wait() == 1
    assert sensor.stderr.count('\n') == 1 and f'capture.eal: {named} is refused' in sensor.stderr, sensor.stderr


def test_eal_may_speak(space):
    quiet = Receiver(space, 'dpdk:net_null0,size=64')
    quiet.stop()
    assert len(quiet.process.stderr.splitlines()) == 2, quiet.process.stderr
    loud = Receiver(space, 'dpdk:net_null0,size=64', '--capture.eal=--log-level=debug')
    assert 'EAL: ' in loud.process.stdout + loud.process.stderr
    loud.process.send(signal.SIGTERM)
    assert loud.process.wait() == 0


# What it refuses: one line with the remedy, and nothing is changed

@pytest.mark.parametrize('source, words', [
    ('dpdk:0000:ff:1f.7', 'no such PCI device: lspci -D'),
    ('dpdk:ff:1f.7', 'no such PCI device'),
    ('dpdk:net_pcap0,rx_pcap=/no/such/file', '/no/such/file'),
    ('dpdk:net_nosuch0', 'net_nosuch0'),
    ('dpdk:net_af_xdp0,iface=nosuch0', 'nosuch0: no such interface: ip link'),
    ('dpdk:net_af_packet0,iface=nosuch0', 'nosuch0: no such interface: ip link'),
    ('dpdk:net_tap0,iface=lo', 'an interface lo already'),
    ('dpdk:net_af_xdp0', 'interface must be specified'),
])
def test_refusals_name_what_is_wrong(space, source, words):
    assert words.lower() in refusal(space, source).lower()


def test_inline_needs_pairs_and_send_queues(space):
    assert 'in pairs' in refusal(space, 'dpdk:net_ring0', '--capture.mode=inline')
    path = capture(space, flows(2))
    process = space.sensor.start(traffic.tool('receive'), '--capture.mode=inline', '--capture.workers=2',
                                 f'dpdk:net_pcap0,rx_pcap={path}', 'dpdk:net_ring0')
    assert process.wait() == 1 and 'a send queue for each of 2 workers' in process.stderr
    process = space.sensor.start(traffic.tool('receive'), '--capture.mode=inline', 'eth:lo', 'dpdk:net_ring0')
    assert process.wait() == 1 and 'dpdk:net_af_xdp0,iface=lo' in process.stderr


def test_a_device_named_twice(space):
    process = space.sensor.start(traffic.tool('receive'), 'dpdk:net_ring0', 'dpdk:net_ring0')
    assert process.wait() == 1
    assert len(process.stderr.splitlines()) == 1 and 'named twice' in process.stderr, process.stderr


def test_default_route_is_not_taken_by_accident(net):
    net.sensor.run('ip', 'addr', 'add', '10.99.0.2/24', 'dev', 'mon0')
    net.sensor.run('ip', 'route', 'add', 'default', 'via', '10.99.0.1')
    line = refusal(net, 'dpdk:net_af_xdp0,iface=mon0')
    assert 'default route' in line and '--take-over' in line
    assert not net.sensor.has_xdp('mon0')
    Receiver(net, 'dpdk:net_af_xdp0,iface=mon0', '--take-over').stop()


def test_an_interface_that_is_taken(net):
    first = Receiver(net, 'dpdk:net_af_xdp0,iface=mon0')
    before = net.sensor.link('mon0')
    line = refusal(net, 'dpdk:net_af_xdp0,iface=mon0')
    assert f'(id {before["xdp"]["prog"]["id"]})' in line and 'ss --xdp -p' in line and 'ip link set dev mon0 xdp off' in line
    assert net.sensor.link('mon0') == before
    first.finish(replay(net, flows(10)))


def test_one_queue_of_an_interface_named_twice(net):
    before = net.sensor.link('mon0')
    process = net.sensor.start(traffic.tool('receive'), 'dpdk:net_af_xdp0,iface=mon0', 'dpdk:net_af_xdp1,iface=mon0')
    assert process.wait() == 1
    assert 'start_queue=' in process.stderr.splitlines()[-1], process.stderr
    assert net.sensor.link('mon0') == before


NOBODY = ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups')


def test_no_rights(net):
    before = net.sensor.link('mon0')
    folders = [p for p in (pathlib.Path('/tmp/dpdk'), pathlib.Path('/var/run/dpdk')) if p.exists()]
    assert 'CAP_NET_RAW, CAP_NET_ADMIN, CAP_IPC_LOCK, CAP_SYS_ADMIN; run weir as root' in \
        refusal(net, 'dpdk:net_af_xdp0,iface=mon0', wrap=NOBODY)
    assert net.sensor.link('mon0') == before
    assert folders == [p for p in (pathlib.Path('/tmp/dpdk'), pathlib.Path('/var/run/dpdk')) if p.exists()]


@pytest.mark.parametrize('device', ['net_af_xdp0', 'net_af_packet0'])
def test_what_an_interface_is_set_to_stays(net, device):
    """DPDK writes the flag of promiscuity anew when a device starts."""
    assert 'PROMISC' in net.sensor.link('mon0')['flags']
    Receiver(net, f'dpdk:{device},iface=mon0').stop()
    assert 'PROMISC' in net.sensor.link('mon0')['flags']


# The whole

# With several queues and workers only replayed frames do: the kernel hashes what this machine sends by socket.
@pytest.mark.parametrize('queues, workers', [(1, 2), (4, 1)])
def test_span_port_as_tshark_sees_it(queues, workers):
    if lab.MISSING:
        pytest.skip(lab.MISSING)
    with lab.span(queues=queues, ipv6=True) as net:
        witness = span.Witness(net)
        ports = [part for port in af_xdp(queues) for part in ('-i', port)]
        sensor = net.weir(net.sensor, *ports, '-f', 'json', '--flow.idle', '1s', '--capture.workers', workers)
        sensor.wait_line('clock')
        span.scenario(net)
        span.rest(net)
        span.check(witness, sensor)


def test_two_port_tap_joins_both_directions():
    if lab.MISSING:
        pytest.skip(lab.MISSING)
    with lab.tap() as net:
        sensor = net.weir(net.sensor, '-i', 'dpdk:net_af_xdp0,iface=mon0', '-i', 'dpdk:net_af_xdp1,iface=mon1', '-f', 'json',
                          '--capture.workers', 2)
        sensor.wait_line('clock')
        span.scenario(net, silence=0.5)
        span.rest(net, ('mon0', 'mon1'))
        assert sensor.stop() == 0, sensor.stderr
        assert 'ledger closed' in sensor.stderr, sensor.stderr
        records = [json.loads(line) for line in sensor.stdout.splitlines()]
        assert records and all(r['orig_pkts'] and r['resp_pkts'] for r in records), records
