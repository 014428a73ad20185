"""Rules of a running sensor are loaded anew by SIGHUP, and bad ones leave the old in force. And `weir hunts`, `weir read
--hunts`."""
import json
import signal
import subprocess

import pytest

import lab
from traffic import Steady, has_xdp

from frames import eth  # noqa: E402
from harness import at, write_pcap
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

HOST, OUTSIDE, INSIDE = '10.1.2.3', '203.0.113.9', '10.9.9.9'
RULES = '''
rules:
  - name: long-connection
    when: {age: 7s}
  - name: icmp-tunnel
    when: {octets_out: 20k, mean_out: 150, packets_out: 50}
  - name: dns-tunnel
    when: {packets_out: 100, octets_out: 10k, mean_out: 90}
'''


def run(*args):
    return subprocess.run([lab.weir_binary(), *args], capture_output=True, text=True, timeout=60)


def icmp_tunnel():
    return [eth(IP(src=a, dst=b) / ICMP(type=kind, id=7, seq=i) / Raw(b'y' * 500))
            for i in range(60) for a, b, kind in ((HOST, OUTSIDE, 8), (OUTSIDE, HOST, 0))]


def dns_tunnel():
    return [eth(IP(src=a, dst=b) / UDP(sport=s, dport=d) / Raw(b'z' * 200))
            for i in range(120) for a, b, s, d in ((HOST, OUTSIDE, 5555, 53), (OUTSIDE, HOST, 53, 5555))]


def sweep():
    return [eth(IP(src=HOST, dst=f'10.9.1.{i + 1}') / TCP(sport=41000 + i, dport=445, flags='S')) for i in range(120)]


class Hunting:
    """A sensor with rules, whose alerts go to a file."""

    def __init__(self, net, source, rules=RULES):
        self.net = net
        self.rules, self.config, self.alerts = (net.folder / n for n in ('rules.yaml', 'weir.yaml', 'alerts.json'))
        self.rules.write_text(rules)
        self.config.write_text(f'sensor: {{name: s1, log_level: info}}\nhosts: {{networks: [10.0.0.0/8]}}\n'
                               f'hunts: {{rules: {self.rules}, alerts: {self.alerts}}}\n')
        self.sensor = net.weir(net.sensor, '-i', source, '-c', self.config, '-f', 'json', '--capture.ring=65536')
        self.sensor.wait_line(r'\d+ worker')

    def told(self):
        text = self.alerts.read_text() if self.alerts.exists() else ''
        return [json.loads(line) for line in text.splitlines()]

    def wait(self, rule):
        return lab.wait_for(lambda: [a for a in self.told() if (a['rule'], a['state']) == (rule, 'raised')],
                            f'{rule} raised', pause=0.1)[0]

    def stop(self, sent):
        lab.wait_for(lambda: self.net.sensor.counters('mon0')['rx']['packets'] >= sent, 'all arrived')
        assert self.sensor.stop() == 0, self.sensor.stderr
        assert f'packets: received {sent}, delivered {sent}, ' in self.sensor.stderr, self.sensor.stderr
        assert 'ledger closed' in self.sensor.stderr, self.sensor.stderr


@lab.needed
@pytest.mark.skipif(not has_xdp(), reason='no blast: built without libxdp')
def test_rules_are_loaded_anew_and_bad_ones_change_nothing(net):
    """Under traffic, of which nothing is lost meanwhile."""
    h = Hunting(net, 'xdp:mon0')
    traffic = Steady(net)
    h.rules.write_text('rules:\n  - name: host-sweep\n    when: {hosts_tried: lots}\n')
    h.sensor.send(signal.SIGHUP)
    line = h.sensor.wait_line('nothing has changed')
    assert f'{h.rules}:3: rules[0].when.hosts_tried: "lots" is not a number' in line, line
    traffic.replay(sweep())
    h.wait('host-sweep')  # by the old rules
    h.rules.write_text('rules:\n  - {name: icmp-tunnel, enabled: false}\n  - {name: dns-tunnel, when: {packets_out: 50}}\n')
    h.sensor.send(signal.SIGHUP)
    h.sensor.wait_line('generation 2')
    traffic.replay(icmp_tunnel())
    traffic.replay(dns_tunnel())
    h.wait('dns-tunnel')
    traffic.stop()
    h.stop(traffic.sent)
    assert not [a for a in h.told() if a['rule'] == 'icmp-tunnel']


@lab.needed
def test_a_bad_rules_file_does_not_start(net):
    rules = net.folder / 'rules.yaml'
    rules.write_text('rules:\n  - name: beacon\n    severity: worst\n')
    sensor = net.weir(net.sensor, '-i', 'mon0', '--hunts.rules', rules)
    assert sensor.wait() != 0
    assert f'{rules}:3: rules[0].severity: "worst" is not info, low' in sensor.stderr


# Without a sensor


def test_hunts_lists_rules_with_thresholds_and_sources():
    text = run('hunts').stdout
    for rule in ('exfil-volume', 'upload-ratio', 'upload-volume', 'long-connection', 'dns-tunnel', 'icmp-tunnel', 'tls-vpn',
                 'lateral-movement', 'host-sweep', 'port-scan', 'brute-force', 'connection-count', 'flood-victim',
                 'beacon', 'policy-port'):
        assert f'\n{rule} (' in '\n' + text
    assert text.count('  source: ') == 15
    assert 'octets_out >= 20 MB, ratio >= 0.4, outside_out compared with its group; again at 200 MB, 2000 MB' in text


def test_what_hunts_writes_as_yaml_it_reads(tmp_path):
    path = tmp_path / 'rules.yaml'
    path.write_text(run('hunts', '--yaml').stdout)
    done = run('hunts', '--test', path)
    assert (done.returncode, done.stdout) == (0, run('hunts').stdout)


def test_a_bad_rules_file_is_told(tmp_path):
    path = tmp_path / 'rules.yaml'
    path.write_text('rules:\n  - name: mine\n    scope: flow\n    when: {hosts_tried: 5}\n')
    done = run('hunts', '--test', path)
    assert done.returncode == 2
    assert done.stderr == f'weir: {path}:2: rules[0]: hosts_tried cannot be measured of this scope (flow)\n'
    assert run('hunts', '--test', tmp_path / 'none').returncode == 2
    assert run('read', '--hunts', '--hunts.rules', path, 'x.pcap').returncode == 2


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / 'sweep.pcap'
    write_pcap(path, [at(1000 + i * 0.01, frame) for i, frame in enumerate(sweep())])
    return path


def test_read_writes_alerts_in_place_of_flows(capture):
    done = run('read', '--hunts', '-f', 'json', capture)
    alert, = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, alert['rule'], alert['state'], alert['host'], alert['port']) == (0, 'host-sweep', 'raised', HOST, 445)
    assert alert['text'].startswith(f'{HOST} tried ')
    assert 'host-sweep           would have alerted 1 time\n' in done.stderr and 'ledger closed' in done.stderr
    table = run('read', '--hunts', capture).stdout.splitlines()
    assert len(table) == 2 and alert['text'] in table[1]
    ecs = json.loads(run('read', '--hunts', '-f', 'ecs', capture).stdout)
    assert ecs['event']['kind'] == 'alert' and ecs['rule']['name'] == 'host-sweep'


@pytest.mark.parametrize('kind', ['json', 'ipfix'])
def test_what_was_exported_is_hunted_too(capture, tmp_path, kind):
    path = tmp_path / f'flows.{kind}'
    if kind == 'json':
        path.write_text(run('read', '-f', 'json', capture).stdout)
    else:
        assert run('read', '-w', path, capture).returncode == 0
    done = run('read', '--hunts', '-f', 'json', path)
    alert, = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, alert['rule'], alert['host'], alert['port']) == (0, 'host-sweep', HOST, 445), done.stderr
    assert 'would have alerted 1 time\n' in done.stderr and '120 records read, 0 problems' in done.stderr


def test_lines_that_are_no_records_are_told(tmp_path):
    path = tmp_path / 'flows.json'
    path.write_text('{"ts": 1}\n{nothing\n')
    done = run('read', '--hunts', path)
    assert done.returncode == 1 and f'weir: {path}: line 1: not a flow record' in done.stderr
    assert f'weir: {path}: line 2: not a JSON object' in done.stderr


def test_what_is_inside_decides(capture):
    done = run('read', '--hunts', '-f', 'json', '--hosts.networks', '192.0.2.0/24', capture)
    assert (done.returncode, done.stdout) == (0, '')


def test_hunts_have_three_faces(capture):
    done = run('read', '--hunts', '-f', 'zeek', capture)
    assert done.returncode == 2 and '--hunts writes alerts as table, json or ecs, not zeek' in done.stderr
