"""What shows only when it goes on: reloads by the hundred, starts after kill -9, and memory over minutes."""
import os
import re
import signal
import time

import lab
import pytest
import traffic
from test_loss import Ledger, end, start

pytestmark = [lab.needed, pytest.mark.skipif(not traffic.has_xdp(), reason='built without AF_XDP')]

LONG = bool(os.environ.get('WEIR_LONG'))


def resident(sensor):
    """Octets of the sensor's memory that are in RAM."""
    with open(f'/proc/{sensor.pid}/status') as status:
        text = status.read()
    return int(re.search(r'VmRSS:\s+(\d+) kB', text).group(1)) * 1024


def test_reloads_under_load_lose_no_packet():
    """Each signal is taken, or is one with the one before it; every packet is in a record."""
    reloads = 1000 if LONG else 25
    with lab.pair() as net:
        path = net.folder / 'weir.yaml'
        path.write_text('hosts:\n  networks: [10.0.0.0/8]\n')
        sensor = start(net, 1, '-c', path, '--capture.ring', 65536)
        blast = net.sender.start(traffic.tool('blast'), '-t', reloads * 0.1 + 2, '-r', '20000', '-f', '1000', '-b', 'gen0')
        for number in range(reloads):
            path.write_text(f'hosts:\n  networks: [10.0.0.0/8, 192.168.{number % 250}.0/24]\n')
            sensor.send(signal.SIGHUP)
            time.sleep(0.05)
        assert blast.wait(timeout=lab.PATIENCE + reloads) == 0, blast.stderr
        sent = int(re.search(r'"sent": ?(\d+)', blast.stdout).group(1))
        ledger = end(net, sensor, sent)
        ledger.check(sent)
        assert not ledger.missed, ledger.text
        assert len(re.findall('is in force', ledger.text)) > 3, ledger.text


@lab.long_only
@traffic.needs_dpdk
def test_net_af_xdp_starts_over_a_stale_program():
    """Killed 20 times under traffic: each start takes the port again, and no huge page stays behind."""
    with lab.pair() as net:
        keeper = net.sender.start(traffic.tool('blast'), '-t', '300', '-r', '20000', '-f', '1000', '-b', 'gen0')
        for _ in range(20):
            sensor = net.weir(net.sensor, '-i', 'dpdk:net_af_xdp0,iface=mon0', '-f', 'json')
            sensor.wait_line(r'\d+ workers?, clock')
            sensor.kill()
        sensor = net.weir(net.sensor, '-i', 'dpdk:net_af_xdp0,iface=mon0', '-f', 'json')
        sensor.wait_line(r'\d+ workers?, clock')
        time.sleep(1)
        assert sensor.stop() == 0, sensor.stderr
        ledger = Ledger(sensor)
        assert 'ledger closed' in ledger.text and ledger.number('delivered') > 0, ledger.text
        keeper.kill()


@lab.long_only
def test_memory_stays_where_it_was():
    """Ten minutes of flows that come and go: less than 1 % growth after the first two."""
    with lab.pair() as net:
        sensor = net.weir(net.sensor, '-i', 'xdp:mon0', '-w', f'{net.folder}/flows.ipfix', '--capture.ring', '65536',
                          '--flow.idle', '2s', '--flow.active', '5s', '--flow.max_flows', '200000')
        sensor.wait_line(r'\d+ workers?, clock')
        blast = net.sender.start(traffic.tool('blast'), '-t', '600', '-r', '100000', '-f', '50000', '-b', 'gen0')
        time.sleep(120)
        before = resident(sensor)
        time.sleep(470)
        after = resident(sensor)
        print(f'resident {before} after two minutes, {after} after ten')
        blast.wait(timeout=200)
        assert sensor.stop() == 0, sensor.stderr
        assert after < before * 1.01
