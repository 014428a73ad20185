"""`weir run` as its users and their service managers meet it: what goes in comes out, signals do what they say, and
whatever is taken away (stdout, interface, file) is told in one line."""
import fcntl
import json
import os
import re
import signal
import subprocess
import time

import pytest

import lab
import traffic
from traffic import replay

from frames import eth  # noqa: E402
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

pytestmark = lab.needed


def flows(count, packets=1, base=20000):
    """Frames of so many UDP flows."""
    return [eth(IP(src='10.1.0.1', dst='10.1.0.2') / UDP(sport=base + i, dport=4000) / Raw(b'x' * 40))
            for _ in range(packets) for i in range(count)]


def ready(sensor):
    sensor.wait_line(r'\d+ worker')
    return sensor


def start(net, *args, source='eth:mon0', face='json', **kw):
    face = ('-f', face) if face else ()
    return ready(net.weir(net.sensor, '-i', source, *face, *args, **kw))


def number(text, pattern):
    """Of the last line that has it."""
    found = re.findall(pattern, text)
    assert found, f'no {pattern!r} in\n{text}'
    return int(found[-1])


def ledger_at(sensor):
    """Asks for the ledger and returns its lines."""
    marker = sensor.stderr.count('ledger closed') + sensor.stderr.count('ledger open')
    sensor.send(signal.SIGUSR1)
    lab.wait_for(lambda: sensor.stderr.count('ledger closed') + sensor.stderr.count('ledger open') > marker,
                 'ledger after SIGUSR1')
    return sensor.stderr


def wait_delivered(sensor, count):
    lab.wait_for(lambda: number(ledger_at(sensor), r'delivered (\d+)') >= count, f'{count} packets delivered', pause=0.2)


def check_end(sensor, sent, code=0):
    """Ended with this code, its books closed, and all packets in them."""
    assert sensor.wait() == code, sensor.stderr
    text = sensor.stderr
    assert text.rstrip().endswith('ledger closed'), text
    assert number(text, r'received (\d+)') == sent, text
    return text


def records(sensor):
    return [json.loads(line) for line in sensor.stdout.splitlines()]


def packets(rows):
    return sum(r.get('orig_pkts', 0) + r.get('resp_pkts', 0) for r in rows)


# What goes in comes out

def test_every_packet_is_in_a_record(net):
    sensor = start(net)
    sent = replay(net, flows(200, 3))
    wait_delivered(sensor, sent)
    sensor.stop()
    text = check_end(sensor, sent)
    rows = records(sensor)
    assert len(rows) == 200 and packets(rows) == sent
    assert number(text, r'stdout: handed \d+; written (\d+)') == 200
    assert all(r['end_reason'] == 'forced' for r in rows), rows[0]


@pytest.mark.parametrize('spread', ['ip', 'l4'])
def test_two_workers_share_one_port(net, spread):
    sensor = start(net, '--capture.workers=2', f'--capture.spread={spread}')
    frames = [eth(IP(src=f'10.1.{i}.1', dst='10.1.0.2') / UDP(sport=1000, dport=4000) / Raw(b'x' * 40))
              for _ in range(3) for i in range(100)]
    sent = replay(net, frames)
    wait_delivered(sensor, sent)
    sensor.stop()
    text = check_end(sensor, sent)
    assert packets(records(sensor)) == sent
    parts = [int(n) for n in re.findall(r'worker \d: received (\d+)', text)[-2:]]
    assert sum(parts) == sent and all(parts), text
    assert 'seen by two workers' not in text


def test_two_sources(net):
    net.cable(net.sender, 'gen1', net.sensor, 'mon1')
    sensor = start(net, '-i', 'mon1')
    sent = replay(net, flows(50)) + replay(net, flows(50, base=30000), interface='gen1')
    wait_delivered(sensor, sent)
    sensor.stop()
    check_end(sensor, sent)
    assert {tuple(r['ingress']) if isinstance(r['ingress'], list) else r['ingress'] for r in records(sensor)} \
        and packets(records(sensor)) == sent


@pytest.mark.skipif(not traffic.has_xdp(), reason='built without AF_XDP')
@pytest.mark.parametrize('queues', [1, 2])
def test_a_taken_port_with_two_workers(queues):
    with lab.pair(queues=queues) as net:
        sensor = start(net, '--capture.workers=2', source='xdp:mon0')
        sent = replay(net, flows(100, 5))
        wait_delivered(sensor, sent)
        sensor.stop()
        text = check_end(sensor, sent)
        assert packets(records(sensor)) == sent
        assert 'reached no worker' not in text


@pytest.mark.skipif(not traffic.has_xdp(), reason='built without AF_XDP')
def test_losses_are_told_while_it_runs(net):
    """A process that stands still has a ring of 64 frames; the interface's own line agrees at the end."""
    sensor = start(net, '--capture.ring=64', source='xdp:mon0')
    sensor.send(signal.SIGSTOP)
    sent = replay(net, flows(300))
    sensor.send(signal.SIGCONT)
    lost = number(sensor.wait_line('packets were lost'), r'(\d+) packets')
    assert sensor.stop() == 0
    text = check_end(sensor, sent)
    assert number(text, r'missed (\d+)') == lost, text
    assert f'interface received {sent}, passed on 0, ignored 0, to the workers {sent}, unaccounted 0' in text


def test_filter_is_a_line_of_the_ledger(net):
    sensor = start(net, '-F', 'udp port 20001')
    replay(net, flows(10))
    wait_delivered(sensor, 1)
    assert sensor.stop() == 0
    assert len(records(sensor)) == 1


def test_table_is_what_people_see(net):
    sensor = start(net, face=None)
    sent = replay(net, flows(3))
    wait_delivered(sensor, sent)
    sensor.stop()
    check_end(sensor, sent)
    lines = sensor.stdout.splitlines()
    assert lines[0].startswith('first packet') and len(lines) == 4


def test_zeek_has_one_row_per_connection(net):
    """Records of a connection that goes on are not rows; its end is, though no record is then open."""
    sensor = start(net, '--flow.idle=1s', '--flow.keep.udp=3s', face='zeek')
    sent = replay(net, flows(5))
    lab.wait_for(lambda: len([x for x in sensor.stdout.splitlines() if not x.startswith('#')]) == 5, 'five rows')
    sensor.stop()
    check_end(sensor, sent)
    assert len([x for x in sensor.stdout.splitlines() if not x.startswith('#')]) == 5


def test_to_a_file(net):
    path = net.folder / 'records.ipfix'
    sensor = start(net, '-w', path, face=None)
    sent = replay(net, flows(100))
    wait_delivered(sensor, sent)
    sensor.stop()
    text = check_end(sensor, sent)
    assert number(text, r'collector [^:]*: handed (\d+)') == 100
    dump = subprocess.run([lab.weir_binary(), 'dump', path], capture_output=True, text=True, timeout=lab.PATIENCE)
    assert dump.returncode == 0, dump.stderr
    assert dump.stdout.count('"sourceTransportPort"') + dump.stdout.count('"udpSourcePort"') >= 100, dump.stdout[:500]
    assert sensor.stdout == ''


def test_a_silent_link_still_reports(net):
    """A record comes out when it is due, though nothing else happens."""
    sensor = start(net, '--flow.idle=2s')
    replay(net, flows(1))
    lab.wait_for(lambda: sensor.stdout.count('\n') == 1, 'the record', pause=0.01)
    late = time.time() - (records(sensor)[0]['ts'] + 2)
    assert late > -0.1, late
    if os.environ.get('WEIR_LONG'):  # of use on a quiet machine alone
        assert late < 1.0, late
    assert records(sensor)[0]['end_reason'] == 'idle'
    sensor.stop()
    check_end(sensor, 1)


# Signals

def test_signals_end_it_drained(net):
    for number_, said in ((signal.SIGTERM, 'SIGTERM'), (signal.SIGINT, 'interrupt'), (signal.SIGQUIT, 'SIGQUIT')):
        sensor = start(net)
        before = net.sensor.counters('mon0')['rx']['packets']
        sent = replay(net, flows(10))
        lab.wait_for(lambda: net.sensor.counters('mon0')['rx']['packets'] == before + sent, 'all arrived')
        sensor.send(number_)
        assert f'{said}: ending' in check_end(sensor, sent)
        assert len(records(sensor)) == 10


def test_other_signals_do_nothing(net):
    """All that end a process, but for faults and what has a meaning."""
    meant = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR, signal.SIGXCPU, signal.SIGHUP, signal.SIGUSR1}
    faults = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP}
    stops = {signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
    sensor = start(net)
    sent = replay(net, flows(10))
    for number_ in signal.valid_signals() - meant - faults - stops:
        sensor.send(number_)
    wait_delivered(sensor, sent)
    assert 'ending' not in sensor.stderr
    sensor.stop()
    check_end(sensor, sent)
    assert len(records(sensor)) == 10


def test_reload(net):
    path = net.folder / 'weir.yaml'
    path.write_text('sensor:\n  log_level: info\nhosts:\n  networks: [10.0.0.0/8]\n')
    sensor = start(net, '-c', path)
    sent = replay(net, flows(10))
    wait_delivered(sensor, sent)

    path.write_text('sensor:\n  log_level: info\nhosts:\n  networks: [10.0.0.0/8, 192.168.0.0/16]\n')
    sensor.send(signal.SIGHUP)
    sensor.wait_line('generation 2 of the configuration is in force')

    path.write_text('sensor:\n  log_level: info\nflow:\n  idle: 47x\n')
    sensor.send(signal.SIGHUP)
    line = sensor.wait_line('nothing has changed')
    assert f'{path}:4: flow.idle: "47x"' in line, line

    path.write_text('flow:\n  max_flows: 5000\n')
    sensor.send(signal.SIGHUP)
    assert 'flow.max_flows' in sensor.wait_line('needs a restart')

    path.unlink()
    sensor.send(signal.SIGHUP)
    sensor.wait_line(f'{path}: .*nothing has changed')

    path.write_text('hosts:\n  networks: [10.0.0.0/8]\n')
    sensor.send(signal.SIGHUP)
    sensor.wait_line('generation 3 of the configuration is in force')
    sent += replay(net, flows(10))
    wait_delivered(sensor, sent)
    sensor.stop()
    check_end(sensor, sent)
    assert len(records(sensor)) == 10  # no flow was lost or split by all that


def test_reload_without_a_file_says_so(net):
    sensor = start(net)
    sensor.send(signal.SIGHUP)
    sensor.wait_line('no configuration file')
    assert sensor.stop() == 0


def test_the_log_level_is_taken_over(net):
    path = net.folder / 'weir.yaml'
    path.write_text('sensor:\n  log_level: error\n')
    sensor = net.weir(net.sensor, '-i', 'mon0', '-f', 'json', '-c', path)
    lab.wait_for(lambda: sensor.running() and net.sensor.run('cat', '/proc/net/packet').count('\n') > 1, 'a socket')
    path.write_text('sensor:\n  log_level: info\n')
    lab.wait_for(lambda: (sensor.send(signal.SIGHUP), 'in force' in sensor.stderr)[1], 'reload', pause=0.3)
    assert sensor.stop() == 0


# What is taken away

def piped(net, *args):
    """A sensor whose stdout is a pipe that the test reads; returns (sensor, end)."""
    read, write = os.pipe()
    argv = net.sensor.argv(lab.weir_binary(), 'run', '-i', 'mon0', *args)
    err = open(net.folder / 'piped.err', 'wb')
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=write, stderr=err)
    os.close(write)
    err.close()

    class Piped:
        pid = child.pid
        stderr = property(lambda self: (net.folder / 'piped.err').read_text(errors='replace'))
        send = staticmethod(child.send_signal)
        wait = staticmethod(lambda timeout=lab.PATIENCE: child.wait(timeout))

        def kill(self):
            if child.poll() is None:
                child.kill()
                child.wait()
    sensor = Piped()
    net.track(sensor)
    lab.wait_for(lambda: ' worker' in sensor.stderr, 'start')
    return sensor, read


def test_closed_stdout_ends_it(net):
    sensor, end = piped(net, '-f', 'json')
    sent = replay(net, flows(10))
    wait_delivered(sensor, sent)
    os.close(end)
    text = check_end(sensor, sent, code=1)
    assert len(re.findall('stdout: Broken pipe', text)) == 1, text


def test_a_log_that_nobody_reads_does_not_hold_it(net):
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write, b'.' * 4096)
    with open(net.folder / 'out', 'wb') as out:
        child = subprocess.Popen(net.sensor.argv(lab.weir_binary(), 'run', '-i', 'mon0', '-f', 'json'), stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=write, preexec_fn=lab.end_with_us)
    os.close(write)
    lab.wait_for(lambda: len(os.listdir(f'/proc/{child.pid}/task')) >= 3, 'its threads')
    child.send_signal(signal.SIGTERM)
    assert child.wait(lab.PATIENCE) == 0
    os.close(read)


def test_a_full_disk_at_the_end_is_told(net):
    """Ten lines are less than what is written at once, so that the end alone finds the disk full."""
    argv = ['sh', '-c', 'exec "$0" "$@" >/dev/full', lab.weir_binary(), 'run', '-i', 'mon0', '-f', 'json']
    sensor = net.sensor.start(*argv)
    sensor.wait_line(' worker')
    sent = replay(net, flows(10))
    wait_delivered(sensor, sent)
    sensor.send(signal.SIGTERM)
    text = check_end(sensor, sent, code=1)
    assert len(re.findall('stdout: No space left on device', text)) == 1, text


def test_a_reader_that_stops_does_not_stop_the_reception(net):
    """More than pipe, buffer and rings hold: all is received, what has no room is counted, and the end is in time."""
    sensor, end = piped(net, '-f', 'json', '--export.ring=64', '--flow.idle=100ms', '--flow.keep.udp=100ms',
                        '--sensor.drain_timeout=1s')
    sent = replay(net, flows(1000))
    for _ in range(29):  # the same frames again: each time flows anew
        net.sender.run('tcpreplay', '-q', '--pps=20000', '-i', 'gen0', net.folder / 'replay.pcap')
        sent += 1000
    wait_delivered(sensor, sent)
    sensor.send(signal.SIGTERM)
    text = check_end(sensor, sent)
    os.close(end)
    assert number(text, r'records: made (\d+)') >= 1000
    assert number(text, r'stdout: handed \d+; written \d+, queued 0, dropped (\d+)') > 0 or 'ring' in text, text


def test_interface_that_goes_away(net):
    sensor = start(net)
    sent = replay(net, flows(10))
    wait_delivered(sensor, sent)
    net.sensor.run('ip', 'link', 'del', 'mon0')
    text = check_end(sensor, sent, code=1)
    assert re.search(r'error .*mon0.*(gone|disappeared)', text), text
    assert len(records(sensor)) == 10


def test_link_that_goes_down_and_up(net):
    sensor = start(net)
    sent = replay(net, flows(5))
    wait_delivered(sensor, sent)
    net.sensor.run('ip', 'link', 'set', 'mon0', 'down')
    sensor.wait_line('mon0: the link is down')
    net.sensor.run('ip', 'link', 'set', 'mon0', 'up')
    sensor.wait_line('mon0: the link is up')
    lab.wait_for(lambda: 'state UP' in net.sender.run('ip', 'link', 'show', 'gen0'), 'the other end up')
    sent += replay(net, flows(5))
    wait_delivered(sensor, sent)
    sensor.stop()
    check_end(sensor, sent)
    assert len(records(sensor)) == 5


def test_a_collector_that_does_not_answer_delays_no_end(net):
    """Nobody listens, there is no spool: what is lost is said, within drain_timeout."""
    sensor = start(net, '-w', 'tcp://127.0.0.1:4', '--sensor.drain_timeout=1s', face=None)
    sent = replay(net, flows(10))
    wait_delivered(sensor, sent)
    sensor.send(signal.SIGTERM)
    text = check_end(sensor, sent)
    assert number(text, r'stopped +(\d+)') == 10, text


def test_told_twice_it_does_not_wait(net):
    sensor = start(net, '-w', 'tcp://127.0.0.1:4', '--sensor.drain_timeout=1h', face=None)
    sent = replay(net, flows(10))
    wait_delivered(sensor, sent)
    sensor.send(signal.SIGTERM)
    sensor.wait_line('ending')
    lab.wait_for(lambda: (sensor.send(signal.SIGTERM), not sensor.running())[1], 'end', pause=0.2)
    assert sensor.child.returncode == 1
    assert 'not waiting any longer' in sensor.stderr


def test_one_request_sent_twice_is_one(net):
    """As timeout(1) does, to the process and to its group: nothing is lost by it."""
    sensor = start(net)
    sent = replay(net, flows(10))
    wait_delivered(sensor, sent)
    for _ in range(20):
        sensor.send(signal.SIGTERM)
    text = check_end(sensor, sent)
    assert 'not waiting' not in text
    assert len(records(sensor)) == 10


def test_a_control_socket_that_stays_is_told(net):
    """sensor.user may not remove it from a directory of root; the next start replaces it."""
    net.folder.chmod(0o755)
    path = net.folder / 'control.sock'
    for _ in range(2):
        sensor = start(net, '--sensor.user=nobody', f'--sensor.control={path}')
        assert sensor.stop() == 0
        assert len(re.findall('sensor.control: cannot be removed: Permission denied', sensor.stderr)) == 1, sensor.stderr
        assert path.exists()


# How it refuses

@pytest.mark.parametrize('args, code, said', [
    ([], 2, r'capture\.ports'),
    (['-i', 'nosuch0'], 1, r'^weir run: nosuch0: no such interface'),
    (['-i', 'foo:bar'], 1, r'foo:bar'),
    (['-i', 'mon0', '-i', 'eth:mon0'], 1, r'eth:mon0: reads the same interface as mon0: name it once'),
    (['-i', 'mon0', '-F', 'not a filter at all'], 2, r'filter'),
    (['-i', 'mon0', '-f', 'xml'], 2, r'"xml" is not one of'),
    (['-i', 'mon0', '--capture.cores=999'], 1, r'capture\.cores: core 999'),
    (['-i', 'mon0', 'operand'], 2, r'takes no operands'),
    (['-i', 'mon0', '-w', 'tcp://'], 2, r'tcp://'),
])
def test_refusals(net, args, code, said):
    sensor = net.weir(net.sensor, *args)
    assert sensor.wait() == code, sensor.stderr
    lines = [x for x in sensor.stderr.splitlines() if ' info ' not in x]
    assert len(lines) == 1 and re.search(said, lines[0]), sensor.stderr
    assert sensor.stdout == ''


def test_without_rights_it_says_which(net):
    sensor = net.weir(net.sensor, '-i', 'mon0', wrap=('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'))
    assert sensor.wait() == 1
    assert 'NET_RAW' in sensor.stderr, sensor.stderr
