"""The sandbox: what every thread may still do, and what it may not. The probe (tests/harness/sandbox_probe.c) enters
it as `weir run` does, with a thread older than the sandbox and one younger, and each tries."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

import lab
import redis_server
import traffic
from confinement import SANITIZED, assert_confined, names_of_threads, status_of_threads
from frames import eth, udp  # noqa: E402 (traffic.py says where)
from test_tls import make_authority, make_certificate

PROBE = lab.build_dir() / 'tests' / 'harness' / 'sandbox_probe'
WHO = ('main', 'before', 'after')
SHADOW = '/etc/shadow'

root = pytest.mark.skipif(os.geteuid() != 0, reason='needs root')


def landlock_version():
    import ctypes
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


LANDLOCK = landlock_version()

pytestmark = [
    pytest.mark.skipif(not PROBE.exists(), reason='no sandbox_probe in this build'),
    pytest.mark.skipif(LANDLOCK < 1, reason='this kernel has no Landlock'),
]
filtered = pytest.mark.skipif(SANITIZED, reason='sanitizers need system calls of their own')
ports = pytest.mark.skipif(LANDLOCK < 4, reason='Landlock of this kernel does not restrict ports')

ENV = {**os.environ, 'ASAN_OPTIONS': 'detect_leaks=0'}  # looking for leaks needs ptrace


def probe(*args, **kw):
    return subprocess.run([PROBE, *map(str, args)], capture_output=True, text=True, timeout=lab.PATIENCE,
                          stdin=subprocess.DEVNULL, env=ENV, **kw)


def results(run):
    """{action: {results of all threads}}"""
    assert run.returncode == 0, run.stdout + run.stderr
    found = {}
    for who, action, result in re.findall(r'^(main|before|after) (\S+): (.*)$', run.stdout, re.M):
        found.setdefault(action, {})[who] = result
    assert all(tuple(sorted(by)) == tuple(sorted(WHO)) for by in found.values())
    return {action: set(by.values()) for action, by in found.items()}


@pytest.fixture
def open_dir():
    """A directory that any user may write to; not tmp_path, whose parent pytest closes to others whenever it starts."""
    with tempfile.TemporaryDirectory(prefix='weir-open-') as folder:
        os.chmod(folder, 0o777)
        yield pathlib.Path(folder)


@root
def test_every_thread_gives_up_everything():
    child = subprocess.Popen([PROBE, '--user', 'nobody', '--', 'wait'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             env=ENV)
    try:
        assert child.stdout.readline().startswith(b'sandbox: uid ')
        lab.wait_for(lambda: len(list(status_of_threads(child.pid))) >= 3, 'three threads')
        assert_confined(child.pid, 65534, at_least=3)
        assert all(int(s['CapBnd'], 16) == 0 for s in status_of_threads(child.pid))
    finally:
        child.kill()
        child.communicate()


def test_files_are_confined(open_dir):
    inside, outside = open_dir / 'in', open_dir / 'out'
    readable = open_dir / 'read'
    for folder in (inside, outside, readable):
        folder.mkdir()
        folder.chmod(0o777)
        (folder / 'file').write_text('x')
    found = results(probe('--write', inside, '--read', readable, '--', f'read:{inside}/file', f'read:{readable}/file',
                          f'read:{outside}/file', f'create:{outside}/new', f'create:{readable}/new', f'read:{SHADOW}'))
    assert found == {
        f'read:{inside}/file': {'Success'},
        f'read:{readable}/file': {'Success'},
        f'read:{outside}/file': {'Permission denied'},
        f'create:{outside}/new': {'Permission denied'},
        f'create:{readable}/new': {'Permission denied'},
        f'read:{SHADOW}': {'Permission denied'},
    }
    assert results(probe('--write', inside, '--', f'create:{inside}/new')) == {f'create:{inside}/new': {'Success'}}


@ports
def test_tcp_ports_are_confined():
    with socket.create_server(('127.0.0.1', 0)) as good, socket.create_server(('127.0.0.1', 0)) as bad:
        good_port, bad_port = good.getsockname()[1], bad.getsockname()[1]
        found = results(probe('--port', good_port, '--', f'connect:{good_port}', f'connect:{bad_port}', 'bind:0'))
    assert found == {f'connect:{good_port}': {'Success'}, f'connect:{bad_port}': {'Permission denied'},
                     'bind:0': {'Permission denied'}}


def test_names_are_resolved_only_when_planned():
    assert results(probe('--name', 'localhost', '--', 'resolve:localhost'))['resolve:localhost'] == {'Success'}
    assert results(probe('resolve:localhost'))['resolve:localhost'] != {'Success'}


@filtered
@pytest.mark.parametrize('action', ['exec', 'fork', 'setuid', 'protect-exec', 'socket:17'])
def test_a_call_off_the_list_kills(action):
    run = probe('map', action)
    assert run.returncode == -signal.SIGSYS
    assert 'main map: Success' in run.stdout and f'{action}:' not in run.stdout


@filtered
def test_libraries_cannot_be_loaded_and_signals_to_itself_work():
    assert results(probe('map-exec')) == {'map-exec': {'Permission denied'}}
    assert probe('abort').returncode == -signal.SIGABRT


@filtered
def test_log_mode_lets_calls_pass_and_off_has_no_filter():
    run = probe('--filter', 'log', 'setuid')
    assert results(run)['setuid'] <= {'Success', 'Operation not permitted'}
    assert 'system calls logged' in run.stdout
    assert 'NOT filtered' in probe('--filter', 'off', 'map').stdout


def test_level_off_is_open_and_says_so():
    run = probe('--level', 'off', '--', 'read:/etc/passwd')
    assert run.stdout.startswith('sandbox: off')
    assert results(run)['read:/etc/passwd'] == {'Success'}


@root
@pytest.mark.parametrize('args, line', [
    (('--user', 'no-such-user'), 'sensor.user: there is no user "no-such-user"\n'),
    (('--read', '/no/such/place'), 'a.key: /no/such/place: No such file or directory\n'),
    (('--user', 'nobody', '--write', '/'), 'a.key: /: not writable by user nobody (uid 65534)\n'),
])
def test_what_cannot_be_had_is_one_line(args, line):
    run = probe(*args, '--', 'map')
    assert (run.returncode, run.stdout) == (1, line)


@pytest.fixture
def open_probe(open_dir):
    """The probe where any user may run it."""
    return shutil.copy(PROBE, open_dir / 'probe')


def as_nobody(*capabilities):
    raised = ''.join(f',+{c}' for c in capabilities)
    return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', f'--inh-caps=-all{raised}',
            f'--ambient-caps=-all{raised}', f'--bounding-set=-all{raised}']


@root
def test_a_user_without_root_cannot_become_another(open_probe):
    run = subprocess.run([*as_nobody(), open_probe, '--user', 'root', '--', 'map'], capture_output=True,
                         text=True, timeout=lab.PATIENCE)
    assert run.returncode == 1
    assert run.stdout == ('sensor.user: only root can become "root"; start as root, or as that user with the '
                          'capabilities\n')


@root
@filtered
def test_ambient_capabilities_are_given_up(open_probe):
    child = subprocess.Popen([*as_nobody('net_raw', 'net_admin', 'bpf', 'ipc_lock'), open_probe, 'wait'],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline().startswith(b'sandbox: uid 65534, no capabilities')
        lab.wait_for(lambda: len(list(status_of_threads(child.pid))) >= 3, 'three threads')
        assert_confined(child.pid, 65534, at_least=3)
    finally:
        child.kill()
        child.communicate()


# --- weir run ---

LIVE_ENV = {'ASAN_OPTIONS': 'detect_leaks=0'}
SOURCES = ['mon0', pytest.param('xdp:mon0', marks=pytest.mark.skipif(not traffic.has_xdp(), reason='no AF_XDP'))]


def send_and_reload(net, sensor, config):
    """What a sensor goes through: packets, a reload, a look at its ledger; all of it in the sandbox."""
    traffic.replay(net, [eth(udp()) for _ in range(50)])
    sensor.send(signal.SIGUSR1)
    sensor.wait_line('ledger closed')
    sensor.send(signal.SIGHUP)
    sensor.wait_line('generation 2 of the configuration')


@lab.needed
@pytest.mark.parametrize('source', SOURCES)
def test_a_sensor_started_as_root(source, open_dir):
    config = open_dir / 'weir.yaml'
    config.write_text(f'sensor: {{user: nobody, drain_timeout: 500ms}}\nexport: {{collectors: [{{transport: file, path: {open_dir}/out.ipfix}}'
                      f', {{transport: tcp, host: localhost, port: 9}}]}}\n')
    with lab.pair() as net:
        sensor = net.weir(net.sensor, '-i', source, '-c', config, env=LIVE_ENV)
        sensor.wait_line('sandbox: uid 65534, no capabilities')
        lab.wait_for(lambda: {'weir', 'weir-export', 'weir-work-0'} <= names_of_threads(sensor.pid), 'all threads')
        assert_confined(sensor.pid, 65534, at_least=3)
        send_and_reload(net, sensor, config)
        assert sensor.stop() == 0, sensor.stderr
        assert (open_dir / 'out.ipfix').stat().st_size > 0
        assert 'ledger closed' in sensor.stderr.splitlines()[-1]
        assert not net.sensor.has_xdp('mon0')


@lab.needed
@pytest.mark.parametrize('source, capabilities', [
    ('mon0', ['net_raw']),
    pytest.param('xdp:mon0', ['net_raw', 'net_admin', 'bpf', 'ipc_lock'], marks=SOURCES[1].marks),
])
def test_a_sensor_started_with_ambient_capabilities(source, capabilities, open_dir):
    weir = shutil.copy(lab.weir_binary(), open_dir / 'weir')
    with lab.pair() as net:
        sensor = net.sensor.start(*as_nobody(*capabilities), weir, 'run', '-i', source, env=LIVE_ENV)
        sensor.wait_line('sandbox: uid 65534, no capabilities')
        lab.wait_for(lambda: 'weir-work-0' in names_of_threads(sensor.pid), 'all threads')
        assert_confined(sensor.pid, 65534, at_least=3)
        traffic.replay(net, [eth(udp()) for _ in range(50)])
        assert sensor.stop() == 0, sensor.stderr
        assert 'received 50' in sensor.stderr
        assert not net.sensor.has_xdp('mon0')


@lab.needed
@pytest.mark.parametrize('source', SOURCES)
def test_no_rights_are_one_line_and_nothing_is_left(source, open_dir):
    weir = shutil.copy(lab.weir_binary(), open_dir / 'weir')
    control = open_dir / 'control'
    with lab.pair() as net:
        before = net.sensor.run('ip', '-d', 'link', 'show', 'dev', 'mon0')
        sensor = net.sensor.start(*as_nobody(), weir, 'run', '-i', source, '--sensor.control', control, env=LIVE_ENV)
        assert sensor.wait() == 1
        assert len(sensor.stderr.splitlines()) == 1 and 'mon0' in sensor.stderr, sensor.stderr
        assert re.search('CAP_NET_RAW|root|rights', sensor.stderr), sensor.stderr
        assert sensor.stdout == ''
        assert net.sensor.run('ip', '-d', 'link', 'show', 'dev', 'mon0') == before
    assert not control.exists()


@lab.needed
def test_a_refused_sandbox_ends_the_start_and_leaves_nothing(open_dir):
    with lab.pair() as net:
        for source in ('mon0', 'xdp:mon0') if traffic.has_xdp() else ('mon0',):
            control = open_dir / 'control'
            sensor = net.weir(net.sensor, '-i', source, '--sensor.user', 'no-such-user', '--sensor.control', control)
            assert sensor.wait() == 1
            assert sensor.stderr.splitlines()[-1] == 'weir run: sensor.user: there is no user "no-such-user"'
            assert not control.exists()
            assert not net.sensor.has_xdp('mon0')


@lab.needed
def test_options_for_debugging():
    with lab.pair() as net:
        for options, said in ((('--sandbox', 'off'), 'sandbox: off'),
                              (('--seccomp', 'off'), 'system calls NOT filtered'),
                              (('--sandbox', 'partial', '--seccomp', 'log'), 'system calls logged')):
            sensor = net.weir(net.sensor, '-i', 'mon0', *options)
            sensor.wait_line(said)
            assert sensor.stop() == 0, sensor.stderr


# --- All at once ---

KINDS = [*SOURCES, pytest.param('dpdk:net_af_xdp0,iface=mon0', marks=traffic.needs_dpdk)]


@pytest.fixture(scope='module')
def certificates():
    """Readable by any user."""
    with tempfile.TemporaryDirectory(prefix='weir-open-') as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        make_authority(folder, 'ca')
        make_certificate(folder, 'collector', 'ca', 'DNS:localhost')
        make_certificate(folder, 'sensor', 'ca', 'DNS:sensor')
        (folder / 'sensor.key').chmod(0o644)
        yield folder


class Everything:
    """Whatever a sensor can have open: collectors of all kinds, one that is away, Redis, alerts, metrics, control."""

    def __init__(self, net, folder, certificates):
        self.net, self.folder, self.certificates = net, folder, certificates
        self.redis = redis_server.Server(net, '--unixsocketperm', '777')
        net.folder.chmod(0o755)
        self.tls = net.sensor.start('openssl', 's_server', '-accept', '4740', '-quiet', '-Verify', '1', '-CAfile',
                                    certificates / 'ca.pem',
                                    '-cert', certificates / 'collector.pem', '-key', certificates / 'collector.key',
                                    stdin=subprocess.PIPE)
        self.tcp = net.sensor.start(lab.weir_binary(), 'dump', 'tcp://127.0.0.1:4739')
        for port in (4739, 4740):
            lab.wait_for(lambda: f':{port} ' in net.sensor.run('ss', '-Htln'), f'port {port}')

    def config(self):
        tls = {key: str(self.certificates / name) for key, name in (('ca', 'ca.pem'), ('cert', 'sensor.pem'), ('key', 'sensor.key'))}
        collectors = [{'name': 'tcp', 'host': 'localhost', 'port': 4739},
                      {'name': 'tls', 'transport': 'tls', 'host': 'localhost', 'port': 4740, **tls},
                      {'name': 'udp', 'transport': 'udp', 'host': '127.0.0.1', 'port': 4741},
                      {'name': 'file', 'transport': 'file', 'path': str(self.folder / 'out.ipfix')},
                      {'name': 'away', 'host': '127.0.0.1', 'port': 9}]
        return {'sensor': {'user': 'nobody', 'drain_timeout': '2s', 'metrics': '127.0.0.1:9911',
                           'control': str(self.folder / 'control.sock')},
                'capture': {'workers': 2},
                'flow': {'idle': '200ms'},
                'export': {'spool': str(self.folder / 'spool'), 'flush': '50ms', 'collectors': collectors},
                'hunts': {'alerts': str(self.folder / 'alerts.json')},
                'redis': {'address': self.redis.address, 'push': '200ms'}}

    def scrape(self):
        return self.net.sensor.run('curl', '-sS', '-m', '20', 'http://127.0.0.1:9911/metrics')

    def sent_to(self, name):
        found = re.search(rf'^weir_collector_sent_records_total{{collector="{name}"[^}}]*}} (\d+)$', self.scrape(), re.M)
        return int(found.group(1)) if found else 0


@lab.needed
@redis_server.needed
@pytest.mark.parametrize('source', KINDS)
def test_every_thread_is_confined_with_all_at_once(source, open_dir, certificates):
    (open_dir / 'spool').mkdir()
    (open_dir / 'spool').chmod(0o777)
    with lab.pair() as net:
        around = Everything(net, open_dir, certificates)
        config = open_dir / 'weir.yaml'
        config.write_text(json.dumps(around.config()))
        sensor = net.weir(net.sensor, '-i', source, '-c', config, '-f', 'json', env=LIVE_ENV)
        sensor.wait_line(r'\d+ workers?, clock')
        expected = {'weir', 'weir-export', 'weir-hunts', 'weir-redis', 'weir-work-0', 'weir-work-1'}
        lab.wait_for(lambda: expected <= names_of_threads(sensor.pid), 'all threads')
        sent = traffic.replay(net, [eth(udp((f'10.1.0.{i}', 1000 + i))) for i in range(50)])
        lab.wait_for(lambda: sensor.stdout.count('\n') == sent, 'records')
        for name in ('tcp', 'tls', 'udp', 'file'):
            lab.wait_for(lambda: around.sent_to(name) == sent, f'{name} has them')
        lab.wait_for(lambda: around.redis.totals('10.1.0.7')['po'] == 1, 'Redis has them')
        assert_confined(sensor.pid, 65534, at_least=len(expected) + 1)
        sensor.send(signal.SIGHUP)
        sensor.wait_line('generation 2 of the configuration')
        assert_confined(sensor.pid, 65534, at_least=len(expected) + 1)
        assert sensor.stop() == 0, sensor.stderr
        assert sensor.stderr.rstrip().endswith('ledger closed'), sensor.stderr
        assert re.search(rf'collector away: .* spooled {sent},', sensor.stderr), sensor.stderr
        assert around.tcp.stdout.count('"flowId"') == sent
