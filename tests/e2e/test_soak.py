"""What shows only when it goes on: reloads by the hundred, starts after kill -9, memory over minutes, and collectors
that are away for as long."""
import json
import os
import pathlib
import re
import signal
import time

import lab
import pytest
import traffic
from collector import Collector, config
from test_loss import Ledger, end, start
from test_metrics import ask

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
    """Ten minutes of flows that come and go: less than 1 % growth after the first four."""
    with lab.pair() as net:
        sensor = net.weir(net.sensor, '-i', 'xdp:mon0', '-w', f'{net.folder}/flows.ipfix', '--capture.ring', '65536',
                          '--flow.idle', '2s', '--flow.active', '5s', '--flow.max_flows', '200000')
        sensor.wait_line(r'\d+ workers?, clock')
        blast = net.sender.start(traffic.tool('blast'), '-t', '600', '-r', '100000', '-f', '50000', '-b', 'gen0')
        time.sleep(240)
        before = resident(sensor)
        time.sleep(350)
        after = resident(sensor)
        print(f'resident {before} after four minutes, {after} after ten')
        blast.wait(timeout=200)
        assert sensor.stop() == 0, sensor.stderr
        assert after < before * 1.01


# --- Collectors that are away ---

OUTAGE, LAST = 600, 40  # seconds; of these without traffic


def processor_seconds(path):
    """User and system time of a process or a thread."""
    fields = (pathlib.Path(path) / 'stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def exporter_thread(sensor):
    for task in pathlib.Path(f'/proc/{sensor.pid}/task').iterdir():
        if 'export' in (task / 'comm').read_text():
            return task
    raise AssertionError('no exporter thread')


def collectors_of(control):
    return {c['name']: c for c in json.loads(ask(control, 'status')[0])['collectors']}


def all_of(dropped):
    return sum(dropped.values())


def idle_share(sensor):
    """Of a processor, over the seconds in which nothing comes."""
    before, begin = processor_seconds(f'/proc/{sensor.pid}'), time.monotonic()
    time.sleep(LAST / 2)
    return (processor_seconds(f'/proc/{sensor.pid}') - before) / (time.monotonic() - begin)


@lab.long_only
def test_collectors_away_for_ten_minutes():
    """Two are away from the start, under a thousand records a second and more. One has room in its spool: it misses
    nothing. The other has not: what it misses is what was counted, and it is told. Neither costs a packet, nor the
    processor."""
    with lab.pair() as net:
        readers = [Collector(net.folder, name, prefix=net.sensor.argv()).start() for name in ('roomy', 'narrow')]
        for reader in readers:
            net.callback(reader.kill)
            reader.kill()
        control, path = net.folder / 'control', net.folder / 'weir.yaml'
        path.write_text(json.dumps(config(
            *({'name': name, 'host': '127.0.0.1', 'port': reader.port, 'spool': spool, 'options': '5s'}
              for reader, name, spool in zip(readers, ('roomy', 'narrow'), ('4GiB', '1MiB'))),
            spool=str(net.folder / 'spool'), queue='1MiB')))
        sensor = net.weir(net.sensor, '-i', 'xdp:mon0', '-c', path, '--capture.ring', 65536, '--sensor.control', control,
                          '--flow.idle', '500ms')
        sensor.wait_line(r'\d+ workers?, clock')
        begin, thread = time.monotonic(), exporter_thread(sensor)
        sent = traffic.blast(net, '-t', OUTAGE - LAST, '-r', 20_000, '-f', 20_000, timeout=OUTAGE + 60)['sent']
        busy = processor_seconds(thread) / (time.monotonic() - begin)
        lab.wait_for(lambda: collectors_of(control)['roomy']['handed_records'] > sent * 0.9, 'all flows to end')
        share = idle_share(sensor)
        lab.wait_for(lambda: time.monotonic() - begin > OUTAGE, 'ten minutes', timeout=OUTAGE)
        told = collectors_of(control)
        assert told['roomy']['connects'] == told['narrow']['connects'] == 0
        for reader in readers:
            reader.start()
        lab.wait_for(lambda: all(c['spooled_records'] == c['queued_records'] == 0 for c in collectors_of(control).values()),
                     'the spools to be empty', timeout=300)
        told = collectors_of(control)
        lost = [all_of(told['narrow'][f'dropped_{what}']) for what in ('records', 'packets', 'octets')]
        lab.wait_for(lambda: readers[1].not_sent() == lost, lambda: f'{readers[1].not_sent()} to be {lost}')
        ledger = end(net, sensor, sent)
        made = int(re.search(r'^records: made (\d+)', ledger.text, re.M).group(1))
        assert made > OUTAGE * 1000
        print(f'sent {sent}, missed {ledger.missed or 0}; records {made}, narrow lost and was told {lost}; of a processor: '
              f'exporter {busy:.1%} under load, all {share:.1%} without')
        assert 'ledger closed' in ledger.text and ledger.number('delivered') == sent and not ledger.missed, ledger.text
        assert not [p for r in readers for p in r.problems()]
        assert all_of(told['roomy']['dropped_records']) == 0 and readers[0].count() == made
        assert 0 < lost[0] < made and readers[1].count() == made - lost[0]
        assert share < 0.1 and busy < 0.2
