"""weir check on real interfaces, cores and files: each finding is one line, and the machine is left as it was.

What it says must be what weir run then meets, so a machine that is refused is refused by both.
"""
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile

import lab
import pytest

pytestmark = lab.needed
LINE = re.compile(r'(ok|warning|error) +(\S.*?)(?:; try: (.*))?$')


def findings(stdout):
    """(level, text, remedy) of each line."""
    lines = [LINE.fullmatch(line) for line in stdout.splitlines()]
    assert all(lines), stdout
    return [line.groups() for line in lines]


def run(namespace, *args, wrap=()):
    argv = [*wrap, lab.weir_binary(), 'check', *map(str, args)]
    return subprocess.run(namespace.argv(*argv) if namespace else argv, capture_output=True, text=True,
                          timeout=lab.PATIENCE)


def check(namespace, *args, wrap=()):
    done = run(namespace, *args, wrap=wrap)
    found = findings(done.stdout)
    assert done.stderr == ''
    assert done.returncode == (1 if any(level == 'error' for level, *_ in found) else 0), done.stdout
    return found


def said(found, start):
    """(level, remedy) of the only finding that begins so."""
    matches = [(level, remedy) for level, text, remedy in found if text.startswith(start)]
    assert len(matches) == 1, found
    return matches[0]


def has_xdp():
    return 'lacks AF_XDP' not in run(None, '-i', 'xdp:none0').stdout


needs_xdp = pytest.mark.skipif(lab.MISSING is None and not has_xdp(), reason='this build has no AF_XDP')


@pytest.fixture(scope='module')
def pair():
    with lab.pair(queues=2) as net:
        yield net


@contextlib.contextmanager
def changed(namespace, change, back):
    namespace.run(*change)
    try:
        yield
    finally:
        namespace.run(*back)


def test_a_sound_interface_is_ok(pair):
    found = check(pair.sensor, '-i', 'mon0')
    assert said(found, 'rights: NET_RAW') == ('ok', None)
    assert said(found, 'sandbox: Landlock')[0] == 'ok'
    assert said(found, 'mon0: interface mon0 is up') == ('ok', None)
    assert not [f for f in found if f[0] == 'error']


@needs_xdp
def test_queues_driver_and_hash_of_a_veth(pair):
    found = check(pair.sensor, '-i', 'xdp:mon0', '--capture.workers', 2)
    assert said(found, 'xdp:mon0: 2 queues') == ('ok', None)
    assert said(found, 'xdp:mon0: driver veth: native XDP')[0] == 'ok'
    assert said(found, 'xdp:mon0: both directions')[0] == 'ok'
    assert not [f for f in found if f[0] == 'error']


@needs_xdp
def test_a_port_found_sound_can_be_taken(pair):
    sensor = pair.weir(pair.sensor, '-i', 'xdp:mon0')
    sensor.wait_line('xdp:mon0')
    lab.wait_for(lambda: pair.sensor.has_xdp('mon0'), 'the program is attached')
    level, remedy = said(check(pair.sensor, '-i', 'xdp:mon0'), 'xdp:mon0: an XDP program is attached already (id ')
    assert level == 'error' and 'xdp off' in remedy
    assert said(check(pair.sensor, '-i', 'mon0'), 'mon0: an XDP program is attached')[0] == 'warning'
    assert sensor.stop() == 0, sensor.stderr


def test_a_missing_interface(pair):
    for source in ('none0', 'xdp:none0' if has_xdp() else 'none0', 'a' * 40):
        assert said(check(pair.sensor, '-i', source), f'{source}: no such interface') == ('error', 'ip link lists them')


def test_an_interface_that_is_down(pair):
    with changed(pair.sensor, ('ip', 'link', 'set', 'mon0', 'down'), ('ip', 'link', 'set', 'mon0', 'up')):
        assert said(check(pair.sensor, '-i', 'mon0'), 'mon0: the interface is down') == \
            ('error', 'ip link set dev mon0 up')
        refused = pair.weir(pair.sensor, '-i', 'mon0')
        assert refused.wait() == 1


def test_a_cable_that_is_not_plugged_in(pair):
    with changed(pair.sender, ('ip', 'link', 'set', 'gen0', 'down'), ('ip', 'link', 'set', 'gen0', 'up')):
        lab.wait_for(lambda: said_no_carrier(pair), 'the carrier is gone')


def said_no_carrier(pair):
    return [f for f in check(pair.sensor, '-i', 'mon0') if f[1] == 'mon0: no carrier' and f[0] == 'warning']


@needs_xdp
def test_the_default_route_is_not_taken_unasked(pair):
    pair.address(pair.sensor, 'mon0', '10.9.0.1/24')
    with changed(pair.sensor, ('ip', 'route', 'add', 'default', 'dev', 'mon0'), ('ip', 'route', 'del', 'default')):
        level, remedy = said(check(pair.sensor, '-i', 'xdp:mon0'), 'xdp:mon0: holds the default route')
        assert level == 'error' and '--take-over' in remedy
        refused = pair.weir(pair.sensor, '-i', 'xdp:mon0')
        assert refused.wait() == 1
        assert not [f for f in check(pair.sensor, '-i', 'xdp:mon0', '--take-over') if f[0] == 'error']
        assert not [f for f in check(pair.sensor, '-i', 'mon0') if f[0] == 'error']


def test_packets_that_are_merged(pair):
    on, off = ('ethtool', '-K', 'mon0', 'gro', 'on'), ('ethtool', '-K', 'mon0', 'gro', 'off')
    with changed(pair.sensor, on, off):
        assert said(check(pair.sensor, '-i', 'mon0'), 'mon0: packets are merged') == \
            ('warning', 'ethtool -K mon0 gro off lro off')
    assert not [f for f in check(pair.sensor, '-i', 'mon0') if 'merged' in f[1]]


@needs_xdp
def test_rights_that_lack(pair):
    plain = ('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all')
    level, remedy = said(check(pair.sensor, '-i', 'xdp:mon0', wrap=plain), 'rights: without NET_RAW NET_ADMIN BPF')
    assert level == 'error' and 'setcap cap_net_raw,cap_net_admin,cap_bpf' in remedy
    assert said(check(pair.sensor, '-i', 'mon0', wrap=plain), 'rights: without NET_RAW the ports')[0] == 'error'
    refused = pair.weir(pair.sensor, '-i', 'mon0', wrap=plain)
    assert refused.wait() == 1


def test_cores(pair):
    last = max(os.sched_getaffinity(0))
    found = check(pair.sensor, '-i', 'mon0', '--capture.cores', last)
    assert not [f for f in found if f[0] == 'error']
    assert said(check(pair.sensor, '-i', 'mon0', '--capture.cores', 1023), 'capture.cores: core 1023') == \
        ('error', 'lscpu -e lists the cores')
    refused = pair.weir(pair.sensor, '-i', 'mon0', '--capture.cores', '1023')
    assert refused.wait() == 1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason='needs two cores')
def test_cores_of_others(pair):
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    level, _ = said(check(pair.sensor, '-i', 'mon0', '--capture.cores', last, wrap=('taskset', '-c', first)),
                    f'capture.cores: core {last} is not allowed')
    assert level == 'error'
    neighbour = pair.sensor.start('taskset', '-c', last, 'sleep', '600')
    lab.wait_for(lambda: os.sched_getaffinity(neighbour.pid) == {last}, 'the neighbour is pinned')
    lab.wait_for(lambda: [f for f in check(pair.sensor, '-i', 'mon0', '--capture.cores', last)
                          if re.match(r'capture.cores: process \d+ \(.*\) is pinned', f[1]) and f[0] == 'warning'],
                 'the neighbour is seen')
    neighbour.kill()


@pytest.fixture
def open_folder():
    """One that another user can reach, as those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix=f'weir-check-{os.getpid()}-') as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def test_files_and_their_owner(pair, open_folder):
    spool, alerts = open_folder / 'spool', open_folder / 'none' / 'alerts.json'
    args = ('-i', 'mon0', '--export.spool', spool)
    assert said(check(pair.sensor, *args), f'export.spool: {spool}')[0] == 'ok'  # it would be made
    assert not spool.exists()
    level, remedy = said(check(pair.sensor, *args, '--sensor.user', 'nobody'), 'export.spool: user nobody')
    assert (level, remedy) == ('error', f'install -d -o nobody {spool}')
    lab.command('install', '-d', '-o', 'nobody', spool)
    assert said(check(pair.sensor, *args, '--sensor.user', 'nobody'), f'export.spool: {spool}')[0] == 'ok'
    level, remedy = said(check(pair.sensor, '-i', 'mon0', '--hunts.alerts', alerts), 'hunts.alerts: files cannot')
    assert level == 'error' and str(alerts.parent) in remedy
    assert said(check(pair.sensor, '-i', 'mon0', '--hunts.rules', open_folder / 'no'), 'hunts.rules: cannot read')[0] == \
        'error'


def test_a_user_that_does_not_exist(pair):
    level, remedy = said(check(pair.sensor, '-i', 'mon0', '--sensor.user', 'nobody-at-all'),
                         'sensor.user: there is no user')
    assert level == 'error' and remedy.startswith('useradd')


def certificate(folder, days):
    cert, key = folder / f'{days}.pem', folder / f'{days}.key'
    lab.command('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj',
                '/CN=sensor', '-days', days, '-out', cert, '-keyout', key)
    return cert, key


def test_certificates(pair, tmp_path):
    (cert, key), (soon, soon_key) = certificate(tmp_path, 90), certificate(tmp_path, 10)

    def of(cert, key):
        return check(pair.sensor, '-i', 'mon0', '--export.collectors', f'tls://127.0.0.1?cert={cert}&key={key}')

    if any('no TLS' in text for _, text, _ in of(cert, key)):
        pytest.skip('this build has no TLS')
    assert said(of(cert, key), 'export.collectors[0].cert: valid for')[0] == 'ok'
    assert said(of(soon, soon_key), 'export.collectors[0].cert: expires in ')[0] == 'warning'
    level, _ = said(of(cert, soon_key), f'export.collectors[0]: {soon_key}: is not the key of the certificate')
    assert level == 'error'


def test_names_and_addresses(pair, tmp_path):
    level, remedy = said(check(pair.sensor, '-i', 'mon0', '--export.collectors', 'tcp://nowhere.invalid'),
                         'export.collectors.host: nowhere.invalid: ')
    assert level == 'warning' and 'resolv.conf' in remedy
    assert not [f for f in check(pair.sensor, '-i', 'mon0', '--export.collectors', 'tcp://192.0.2.1') if
                'export.collectors.host' in f[1]]
    with socket.create_server(('127.0.0.1', 0)) as taken:
        address = f'127.0.0.1:{taken.getsockname()[1]}'
        assert said(check(None, '-i', 'lo', '--sensor.metrics', address), f'sensor.metrics: {address}: Address')[0] == \
            'error'
    assert said(check(None, '-i', 'lo', '--sensor.metrics', address), f'sensor.metrics: {address} is free')[0] == 'ok'
    path = tmp_path / 'control.sock'
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert said(check(pair.sensor, '-i', 'mon0', '--sensor.control', path), f'sensor.control: {path}: a sensor')[0] \
            == 'error'
    assert said(check(pair.sensor, '-i', 'mon0', '--sensor.control', path), f'sensor.control: {path} is free')[0] == 'ok'


def test_nothing_is_changed(pair):
    def state():
        links = json.loads(pair.sensor.run('ip', '-j', '-d', 'link', 'show', 'dev', 'mon0'))[0]
        return {k: v for k, v in links.items() if k != 'stats64'}, pair.sensor.run('ethtool', '-k', 'mon0')

    before = state()
    for source in ('mon0', 'xdp:mon0', 'dpdk:net_af_xdp0,iface=mon0', 'dpdk:net_null0'):
        run(pair.sensor, '-i', source, '--capture.workers', 2)
    assert state() == before


def test_ports_of_the_file_are_looked_at(pair, tmp_path):
    config = tmp_path / 'weir.yaml'
    config.write_text('capture: {ports: [mon0]}\n')
    assert said(check(pair.sensor, '-c', config), 'mon0: interface mon0 is up')[0] == 'ok'
    printed = run(pair.sensor, '-c', config, '--print')
    assert printed.returncode == 0 and 'ports: ["mon0"]' in printed.stdout
    bad = run(pair.sensor, '-c', config, '--capture.mode', 'inline')
    assert (bad.returncode, bad.stdout) == (2, '')


def test_rules_that_would_not_load_are_an_error(pair, tmp_path):
    config, rules = tmp_path / 'weir.yaml', tmp_path / 'rules.yaml'
    rules.write_text('rules: [{name: one, scope: nothing}]\n')
    config.write_text(f'hunts: {{rules: {rules}}}\n')
    level, _ = said(check(pair.sensor, '-c', config, '-i', 'mon0'), f'hunts.rules: {rules}:1:')
    assert level == 'error'
    alone = run(pair.sensor, '-c', config)
    assert (alone.returncode, alone.stdout) == (2, '') and f'{rules}:1:' in alone.stderr
    config.write_text(f'hunts: {{enabled: false, rules: {rules}}}\n')
    assert run(pair.sensor, '-c', config).returncode == 0
