"""capture.ignore_*: what is left out from the start, what a reload changes of it while packets come, and that every
packet is either in the books or counted as left out."""
import os
import re
import signal

import pytest

import lab
import traffic
from test_run import check_end, ledger_at, number, ready, wait_delivered
from test_xdp import RIGHTS, with_rights
from traffic import Steady, needs_dpdk, replay

from frames import eth, udp  # noqa: E402

pytestmark = lab.needed
needs_xdp = pytest.mark.skipif(not traffic.has_xdp(), reason='built without AF_XDP')

HOST = '10.1.0.1'
KINDS = {  # in the order they are sent: what comes last is never left out
    'net4': [udp((HOST, 1000), ('192.0.2.200', 2000)), udp(('192.0.2.1', 2000), (HOST, 1000))],
    'net6': [udp(('2001:db8:1::1', 1000), ('2001:db8:2::1', 2000)), udp(('2001:db8:2:ffff::1', 2000), ('2001:db8:1::1', 1))],
    'port': [udp((HOST, 1000), ('10.1.0.2', 5353)), udp((HOST, 5353), ('10.1.0.2', 1000))],
    'rest': [udp((HOST, 1000), ('192.0.3.0', 5352)), udp(('2001:db8:3::1', 1000), ('2001:db8:1:ffff::1', 2000))],
}
TIMES = 20


def configuration(out):
    networks = [text for kind, text in (('net4', '192.0.2.0/24'), ('net6', '2001:db8:2::/48')) if kind in out]
    return f'capture:\n  ignore_networks: [{", ".join(networks)}]\n  ignore_ports: [{"5353" if "port" in out else ""}]\n'


class Sensor:
    """weir run, and how many packets it should have seen and left out."""

    def __init__(self, net, source, *args, out=(), **kw):
        self.net, self.source, self.path = net, source, net.folder / 'weir.yaml'
        self.sent, self.kept = 0, 0
        self.path.write_text(configuration(out))
        self.process = ready(net.weir(net.sensor, '-i', source, '-f', 'json', '-c', self.path, *args, **kw))

    def reload(self, text, said):
        before = self.process.stderr.count('reload: ')
        self.path.write_text(text)
        self.process.send(signal.SIGHUP)
        lab.wait_for(lambda: self.process.stderr.count('reload: ') > before, 'the reload')
        line = [x for x in self.process.stderr.splitlines() if 'reload: ' in x][-1]
        assert re.search(said, line), line

    def leave_out(self, *out):
        self.reload(configuration(out), 'in force')

    def check(self, *out):
        """Packets of all kinds; these are left out."""
        frames = [eth(p) for _ in range(TIMES) for packets in KINDS.values() for p in packets]
        self.sent += replay(self.net, frames)
        self.kept += sum(TIMES * len(packets) for kind, packets in KINDS.items() if kind not in out)
        wait_delivered(self.process, self.kept)
        assert number(ledger_at(self.process), r'delivered (\d+)') == self.kept, (out, self.process.stderr)

    def end(self):
        """All is in the books, in the way of the source."""
        assert self.process.stop() == 0, self.process.stderr
        text, counted = self.process.stderr, self.sent
        if self.source.startswith('xdp:'):
            counted = self.kept
            assert f'interface received {self.sent}, passed on 0, ignored {self.sent - self.kept}, ' \
                   f'to the workers {self.kept}, unaccounted 0' in text, text
        elif self.source.startswith('eth:'):
            counted = self.kept
        else:
            assert number(text, r'delivered \d+, filtered (\d+)') == self.sent - self.kept, text
        check_end(self.process, counted)
        assert number(text, r'delivered (\d+)') == self.kept


SOURCES = [pytest.param('xdp:mon0', marks=needs_xdp), 'eth:mon0', 'any',
           pytest.param('dpdk:net_af_packet0,iface=mon0', marks=needs_dpdk)]


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize('source', SOURCES)
def test_what_is_left_out_is_changed_by_a_reload(net, source, workers):
    sensor = Sensor(net, source, f'--capture.workers={workers}', out=('net4', 'port'))
    sensor.check('net4', 'port')
    for out in (['net6'], [], ['net4', 'net6', 'port'], ['port']):
        sensor.leave_out(*out)
        sensor.check(*out)
    sensor.end()


@needs_xdp
@pytest.mark.parametrize('workers', [1, 2])
def test_nothing_at_the_start_and_four_rights(net, workers):
    """The program reads headers from the reload on, for which the process has no rights any more."""
    os.chmod(net.folder, 0o755)
    sensor = Sensor(net, 'xdp:mon0', f'--capture.workers={workers}', wrap=with_rights(*RIGHTS))
    for out in ([], ['net4', 'port'], ['net6'], []):
        sensor.leave_out(*out)
        sensor.check(*out)
    sensor.end()


def test_filter_expression_stays(net):
    sensor = Sensor(net, 'eth:mon0', '-F', 'not host 192.0.3.0', out=('net4',))
    for out in (['port'], []):
        sensor.leave_out(*out)
        replay(net, [eth(p) for _ in range(TIMES) for packets in KINDS.values() for p in packets])
        sensor.kept += TIMES * (2 * (3 - len(out)) + 1)
        wait_delivered(sensor.process, sensor.kept)
    sensor.end()


BAD = {
    'no network': (configuration(['net6']).replace('48', '480'), 'ignore_networks.*nothing has changed'),
    'no port': (configuration(['port']).replace('5353', '65536'), 'ignore_ports.*nothing has changed'),
    'a restart': (configuration(['net6']) + 'flow:\n  max_flows: 5000\n', 'flow.max_flows.*restart; nothing has changed'),
    'a collector': (configuration(['net6']) + 'export:\n  collectors:\n    - {name: x, host: 127.0.0.1}\n',
                    'outside the sandbox.*nothing has changed'),
}


@pytest.mark.parametrize('source', SOURCES)
def test_a_bad_reload_changes_nothing(net, source):
    sensor = Sensor(net, source, out=('net4',))
    for text, said in BAD.values():
        sensor.reload(text, said)
        sensor.check('net4')
    sensor.leave_out('port')
    sensor.check('port')
    sensor.end()


def test_a_filter_that_the_kernel_refuses_changes_nothing(net):
    """Its memory for filters holds the first, and not both at once."""
    try:
        net.sensor.run('sysctl', '-qw', 'net.core.optmem_max=2048')
    except lab.Failed:
        pytest.skip('net.core.optmem_max is the same for all namespaces here')
    sensor = Sensor(net, 'eth:mon0', '--capture.workers=2', out=('net4',))
    many = ', '.join(str(port) for port in range(6000, 6060))
    sensor.reload(configuration(()).replace('ignore_ports: []', f'ignore_ports: [{many}]'),
                  r'eth:mon0: the kernel refuses a filter of \d+ instructions.*optmem_max; nothing has changed')
    sensor.check('net4')
    sensor.leave_out('port')
    sensor.check('port')
    sensor.end()


@needs_xdp
@pytest.mark.parametrize('workers', [1, 2])
def test_every_packet_of_a_stream_has_one_fate(net, workers):
    """Reloads go on while packets come: each is left out or delivered, and counted as that."""
    sensor = Sensor(net, 'xdp:mon0', f'--capture.workers={workers}', '--capture.ring=16384')
    steady = Steady(net)
    for turn in range(15):
        sensor.reload('capture:\n  ignore_networks: [10.0.0.0/25, 11.0.0.128/25]\n' if turn % 2 == 0 else configuration(()),
                      'in force')
    steady.stop()
    lab.wait_for(lambda: net.sensor.counters('mon0')['rx']['packets'] == steady.sent, 'all arrived')
    assert sensor.process.stop() == 0
    text = sensor.process.stderr
    ignored, delivered = number(text, r', ignored (\d+)'), number(text, r'received (\d+)')
    assert ignored and delivered and ignored + delivered == steady.sent, text
    assert 'unaccounted 0' in text, text
    assert text.rstrip().endswith('ledger closed'), text
