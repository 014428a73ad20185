"""Metrics and the status of the control socket: as text of a made-up status, and of a running sensor."""
import contextlib
import ctypes
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

import exposition
import lab
import traffic
from frames import A, eth, udp  # noqa: E402 (traffic.py says where)

SAMPLE = lab.build_dir() / 'tests' / 'harness' / 'status_sample'
sample = pytest.mark.skipif(not SAMPLE.exists(), reason='no status_sample in this build')


def printed(*args):
    return subprocess.run([SAMPLE, *args], check=True, capture_output=True, text=True, timeout=lab.PATIENCE).stdout


@sample
def test_the_exposition_is_what_scrapers_read():
    samples = exposition.read(printed())
    names = {name for name, _ in samples}
    assert {'weir_build_info', 'weir_worker_packets_total', 'weir_worker_notes_total', 'weir_ledger_difference',
            'weir_port_missed_packets_total', 'weir_collector_dropped_records_total',
            'weir_worker_upstream_loss_ratio'} <= names
    assert ('weir_collector_queue_octets', (('collector', r'quote\" back\\slash ??'),)) in samples


@pytest.mark.parametrize('change', [
    lambda t: t.rstrip('\n'),
    lambda t: t.replace('# TYPE weir_reloads_total counter\n', ''),
    lambda t: t.replace('weir_reloads_total', 'weir_reloads'),
    lambda t: t + t[:t.index('# HELP', 1)],
    lambda t: t.replace(r'quote\" ', 'quote" '),
    lambda t: t.replace('weir_reloads_total 1', 'weir_reloads_total -1'),
    lambda t: t.replace('primary#2', 'primary'),
])
@sample
def test_the_reader_sees_faults(change):
    text = printed()
    assert change(text) != text
    with pytest.raises((AssertionError, ValueError, AttributeError)):
        exposition.read(change(text))


def without_doubles(pairs):
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@sample
def test_json_and_metrics_tell_the_same():
    text = printed('json')
    assert text.count('\n') == 1
    status = json.loads(text, object_pairs_hook=without_doubles)
    samples = exposition.read(printed())
    compared = 0
    for subject, items, label in (('port', status['ports'], 'port'), ('worker', status['workers'], 'worker')):
        for (name, labels), value in samples.items():
            key = name.removeprefix(f'weir_{subject}_').removesuffix('_total')
            labels = dict(labels)
            if not name.startswith(f'weir_{subject}_') or key not in items[0]:
                continue
            told = items[int(labels[label])][key]
            if isinstance(told, dict):
                told = told[next(v for k, v in labels.items() if k not in (label, 'source', 'group'))]
            assert float(told) == value, name
            compared += 1
    assert compared > 100
    assert status['collectors'][1]['error'] == 'connect: "refused"\n'
    assert status['collectors'][1]['name'] == 'quote" back\\slash ü'


# --- Of a running sensor ---

def fetch(net, path, address='127.0.0.1:9911', *options):
    """(code, body)"""
    text = net.sensor.run('curl', '-sS', '-m', '20', '-w', '\n%{http_code}', *options, f'http://{address}{path}')
    body, _, code = text.rpartition('\n')
    return int(code), body


def ask(control, *lines):
    """The answers of the control socket to some lines, each without its empty line."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(lab.PATIENCE)
        client.connect(str(control))
        client.sendall(''.join(f'{line}\n' for line in lines).encode())
        client.shutdown(socket.SHUT_WR)
        text = b''.join(iter(lambda: client.recv(65536), b'')).decode()
    assert text.endswith('\n\n')
    return text[:-2].split('\n\n')


@pytest.fixture
def running():
    with lab.pair() as net:
        net.control = net.folder / 'control'
        net.process = net.weir(net.sensor, '-i', 'mon0', '-f', 'json', '--sensor.metrics', '127.0.0.1:9911',
                               '--sensor.control', net.control)
        net.process.wait_line('records to stdout')
        yield net


def value(samples, name, **labels):
    found = [v for (n, l), v in samples.items() if n == name and labels.items() <= dict(l).items()]
    assert len(found) == 1, (name, labels, found)
    return found[0]


@lab.needed
def test_a_running_sensor_tells_the_truth(running):
    packets = [eth(udp((A[0], 1000 + i))) for i in range(100)]
    sent = traffic.replay(running, packets)
    samples = lab.wait_for(lambda: (lambda s: s if value(
        s, 'weir_worker_packets_total', worker='0', fate='in_flows') == sent else None)(
            exposition.read(fetch(running, '/metrics')[1])), 'all packets counted')
    assert value(samples, 'weir_worker_delivered_packets_total') == sent
    assert value(samples, 'weir_port_received_packets_total') == sent
    assert value(samples, 'weir_worker_flows') == 100
    assert value(samples, 'weir_worker_flows_max') > 1000
    assert value(samples, 'weir_worker_busy_seconds_total') > 0
    assert value(samples, 'weir_worker_notes_total', note='flows_created') == 100
    assert value(samples, 'weir_config_generation') == 1
    assert value(samples, 'weir_state', state='running') == 1
    assert all(v == 0 for (name, _), v in samples.items() if name == 'weir_ledger_difference')
    assert fetch(running, '/healthz') == (200, 'ok\n')
    status, = ask(running.control, 'status')
    status = json.loads(status)
    assert status['workers'][0]['packets']['in_flows'] == sent
    assert status['ports'][0]['source'] == 'mon0'
    assert running.process.stop() == 0


@lab.needed
def test_http_as_clients_mistreat_it(running):
    assert fetch(running, '/')[0] == 404
    assert fetch(running, '/metrics', '127.0.0.1:9911', '-X', 'POST')[0] == 405
    assert fetch(running, '/metrics', '127.0.0.1:9911', '-I')[0] == 200
    assert fetch(running, '/' + 'x' * 60000)[0] in (404, 414, 431)
    # more clients than are served, all silent: none of them may hold up a worker
    script = ('import socket,sys,time\n'
              'c=[socket.create_connection(("127.0.0.1",9911)) for _ in range(40)]\n'
              'print("open", flush=True)\nsys.stdin.read()\n')
    crowd = running.sensor.start('/usr/bin/python3', '-c', script, stdin=subprocess.PIPE)
    crowd.wait_line('open', of='stdout')
    sent = traffic.replay(running, [eth(udp()) for _ in range(50)])
    lab.wait_for(lambda: json.loads(ask(running.control, 'status')[0])['workers'][0]['delivered_packets'] == sent,
                 'packets counted meanwhile')
    crowd.child.communicate(b'')
    lab.wait_for(lambda: fetch(running, '/healthz')[0] == 200, 'served again')
    assert running.process.stop() == 0


@lab.needed
def test_the_control_socket_of_a_running_sensor(running):
    assert oct(running.control.stat().st_mode & 0o777) == '0o660'
    ledger, reload, unknown = ask(running.control, 'ledger', 'reload', 'nonsense')
    assert ledger.splitlines()[-1] == 'ledger closed'
    assert reload == 'error: there is no configuration file (-c); nothing has changed'
    assert unknown.startswith('error: ')
    second = running.weir(running.sensor, '-i', 'mon0', '--sensor.control', running.control)
    assert second.wait() == 1
    assert 'another process listens on it' in second.stderr.splitlines()[-1]
    assert running.process.stop() == 0
    assert not running.control.exists()


@lab.needed
def test_a_socket_left_by_a_killed_sensor_is_replaced(running):
    running.process.kill()
    assert running.control.exists()
    again = running.weir(running.sensor, '-i', 'mon0', '--sensor.control', running.control)
    again.wait_line('records to stdout')
    assert json.loads(ask(running.control, 'status')[0])['state'] == 'running'
    assert again.stop() == 0
    assert not running.control.exists()


@lab.needed
def test_metrics_on_ipv6_and_a_taken_port():
    with lab.pair() as net:
        net.sensor.run('sysctl', '-qw', 'net.ipv6.conf.lo.disable_ipv6=0')
        sensor = net.weir(net.sensor, '-i', 'mon0', '--sensor.metrics', '[::1]:9911')
        sensor.wait_line('records to stdout')
        assert fetch(net, '/healthz', '[::1]:9911') == (200, 'ok\n')
        second = net.weir(net.sensor, '-i', 'mon0', '--sensor.metrics', '[::1]:9911')
        assert second.wait() == 1
        assert second.stderr.splitlines()[-1] == 'weir run: sensor.metrics: [::1]:9911: Address already in use'
        assert sensor.stop() == 0


@lab.needed
def test_the_service_manager_hears_of_it(tmp_path):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / 'notify'))
    manager.settimeout(lab.PATIENCE)
    heard = []

    def hear(wanted):
        while not any(wanted in line for line in heard):
            heard.extend(manager.recv(4096).decode().split('\n'))

    with manager, lab.pair() as net:
        sensor = net.weir(net.sensor, '-i', 'mon0', env={'NOTIFY_SOCKET': str(tmp_path / 'notify')})
        hear('READY=1')
        hear('WATCHDOG=1')
        hear('STATUS=1 workers; packets: ')
        sensor.send(signal.SIGHUP)
        hear('RELOADING=1')
        assert sensor.stop() == 0
        hear('STOPPING=1')


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


@contextlib.contextmanager
def stopped(thread):
    """One thread of another process stands still, as if it hung in the kernel."""
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def call(request):
        assert ptrace(request, thread, None, None) == 0, os.strerror(ctypes.get_errno())

    call(PTRACE_SEIZE)
    call(PTRACE_INTERRUPT)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        call(PTRACE_DETACH)


def thread_of(process, name):
    return next(int(task.name) for task in pathlib.Path(f'/proc/{process.pid}/task').iterdir()
                if (task / 'comm').read_text().strip() == name)


@lab.needed
def test_a_stuck_worker_is_told_and_starves_the_watchdog(tmp_path):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / 'notify'))

    def pings():
        heard = 0
        manager.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                heard += b'WATCHDOG=1' in manager.recv(4096)
        return heard

    def told(net, name):
        return value(exposition.read(fetch(net, '/metrics')[1]), name)

    with manager, lab.pair() as net:
        sensor = net.weir(net.sensor, '-i', 'mon0', '--sensor.metrics', '127.0.0.1:9911', '--sensor.stuck_timeout',
                          '500ms', env={'NOTIFY_SOCKET': str(tmp_path / 'notify')})
        sensor.wait_line('records to stdout')
        thread = thread_of(sensor, 'weir-work-0')
        lab.wait_for(pings, 'keep-alives')
        lab.wait_for(lambda: told(net, 'weir_worker_turns_total') > 0, 'a snapshot')
        before = told(net, 'weir_stuck_workers_total')
        with stopped(thread):
            sensor.wait_line(f'worker 0 is stuck: .*thread {thread}, state t, last on core')
            lab.wait_for(lambda: fetch(net, '/healthz') == (503, 'worker 0: stuck\n'), '/healthz says so')
            assert told(net, 'weir_stuck_workers_total') == before + 1
            pings()  # those from before it stood still
            then = told(net, 'weir_worker_snapshot_age_seconds')
            lab.wait_for(lambda: told(net, 'weir_worker_snapshot_age_seconds') > then + 1, 'a second passes')
            assert pings() == 0
        sensor.wait_line('worker 0 moves again')
        lab.wait_for(lambda: fetch(net, '/healthz') == (200, 'ok\n'), 'healthy again')
        lab.wait_for(pings, 'keep-alives again')
        assert sensor.stop() == 0
