"""Redis in trouble while traffic goes on: killed, away, empty, paused, full, refusing, and the sensor started again inside a
window. No packet is lost, memory stays bounded, current windows are right within a push after the trouble, and no alert
comes twice while Redis could be asked."""
import collections
import json
import os
import re
import time

import pytest
import redis

import lab
from patience import waited
from redis_server import Server, needed
from test_redis import INSIDE, OCTETS, ask, frames, start, status, told, wait_octets
from traffic import Steady, has_xdp

pytestmark = [lab.needed, needed, pytest.mark.skipif(not has_xdp(), reason='no blast: built without libxdp')]

BUSY = '10.0.'  # where the hosts of blast are
RULES = '''rules:
  - name: loud
    scope: host
    hosts: [10.0.0.0/29]
    when: {octets_out: ">= 1k"}
'''
LOUD = {f'10.0.0.{i}' for i in range(8)}


def resident(sensor):
    """Octets."""
    with open(f'/proc/{sensor.pid}/statm') as f:
        return int(f.read().split()[1]) * 4096


def begin(net, server, *args, connected=True, **kw):
    rules = net.folder / 'rules.yaml'
    rules.write_text(RULES)
    return start(net, server, f'--hunts.rules={rules}', f'--hunts.alerts={net.folder}/one.alerts', '--hosts.max_inside=10k',
                 '--hosts.max_outside=100', '--capture.ring=65536', *args, source='xdp:mon0', connected=connected, **kw)


def counted(sensor):
    return status(sensor)['hosts_packets']


def goes_on(sensor, traffic, seconds=1.0):
    """Packets are counted for so long as if nothing was."""
    before, end = counted(sensor), time.monotonic() + seconds
    lab.wait_for(lambda: counted(sensor) - before > traffic.rate * seconds / 2 and time.monotonic() > end,
                 'packets are counted', timeout=lab.PATIENCE + 2 * seconds, pause=0.1)


def packets_in_redis(server, window):
    """{(host, start): packets of either direction} of the hosts of blast."""
    rows = server.windows(window, of=BUSY)
    return {(host, int(at)): sums['po'] + sums['pi'] for (host, at), sums in rows.items()}


def is_healed(server, sensor):
    """What Redis has of the minute that goes on is what the sensor has."""
    rows = [json.loads(line) for line in ask(sensor, 'hosts 1m out 10000').splitlines() if line]
    mine = {(r['host'], int(float(r['start']))): r['packets_out'] + r['packets_in'] for r in rows
            if r['host'].startswith(BUSY)}
    theirs = packets_in_redis(server, '1m')
    return mine and {place: theirs.get(place) for place in mine} == mine


def heals(server, sensor):
    """A host that is silent since before the trouble is back within a push: by the minute, or by the hour where that
    minute is over. Says how long it took from the connection on."""
    begin, machine = time.monotonic(), waited((sensor.pid, server.process.pid, os.getpid()))
    lab.wait_for(lambda: 100 * OCTETS in (server.totals(INSIDE, window)['oo'] for window in ('1m', '1h')),
                 'the quiet host in Redis', pause=0.05)
    took = time.monotonic() - begin
    machine = waited((sensor.pid, server.process.pid, os.getpid())) - machine
    print(f'current windows in Redis after {took:.2f} s, {machine:.2f} s of them waited for a core')
    assert took <= 1 + machine


def alerts_of(server, net):
    """How often each host was alerted about, in the file and in the stream."""
    stream = collections.Counter(row['host'] for row in server.alerts('loud')
                                 if json.loads(row['alert'])['state'] == 'raised')
    return collections.Counter(row['host'] for row in told(net, 'one')), stream


def wait_alerts(server, net, stream=1):
    once = {host: 1 for host in LOUD}
    lab.wait_for(lambda: alerts_of(server, net) == (once, once if stream else {}), lambda: f'{alerts_of(server, net)}', pause=0.2)


def end(net, server, traffic, *sensors):
    """What was received was delivered, and is in Redis by the hour, to the packet."""
    traffic.stop()
    last = sensors[-1]
    if len(sensors) == 1:
        lab.wait_for(lambda: is_healed(server, last), 'the current minute in Redis', pause=0.2)
    assert status(last)['redis_rows_dropped'] == status(last)['redis_elements_dropped'] == 0
    assert status(last)['redis_rows_kept'] <= 4 * (traffic.hosts + 110)
    assert last.stop() == 0, last.stderr
    text = ''.join(sensor.stderr for sensor in sensors)
    received, delivered = (sum(map(int, re.findall(rf'{what} (\d+)', text))) for what in ('packets: received', 'delivered'))
    assert text.count('ledger closed') == len(sensors) and received == delivered, text
    if len(sensors) == 1:
        assert received == traffic.sent
    assert sum(packets_in_redis(server, '1h').values()) == received - traffic.replayed


def early_in_an_hour():
    """Hours are compared from their beginning."""
    if time.time() % 3600 > 3600 - 60:
        lab.wait_for(lambda: time.time() % 3600 < 3000, 'the next hour', timeout=100, pause=1)


def lose_and_find(net, server, down=1.0, growth=32 << 20, **kw):
    """Killed, down for a while, and there again with nothing in it."""
    early_in_an_hour()
    sensor = begin(net, server)
    traffic = Steady(net, **kw)
    traffic.replay(frames(100))
    wait_octets(server, INSIDE, 100 * OCTETS)
    wait_alerts(server, net)
    before = resident(sensor)
    server.kill()
    sensor.wait_line('redis: .*connection lost')
    goes_on(sensor, traffic, down)
    connects = status(sensor)['redis_connects']
    server.start()
    lab.wait_for(lambda: status(sensor)['redis_connects'] > connects, 'Redis is found again', pause=0.05)
    heals(server, sensor)
    assert status(sensor)['redis_memory_losses'] == 1
    print(f'memory grew by {(resident(sensor) - before) >> 10} kB')
    assert resident(sensor) - before < growth
    wait_alerts(server, net, stream=False)
    end(net, server, traffic, sensor)


def test_killed_and_empty_again(net):
    lose_and_find(net, Server(net))


@lab.long_only
def test_down_for_a_minute(net):
    lose_and_find(net, Server(net), down=60, hosts=3000)


def test_flushed(net):
    early_in_an_hour()
    server = Server(net)
    sensor = begin(net, server)
    traffic = Steady(net)
    traffic.replay(frames(100))
    wait_octets(server, INSIDE, 100 * OCTETS)
    wait_alerts(server, net)
    lab.wait_for(lambda: server.client.hget('weir:sensor:one', 'delivered_packets'), 'the ledger in Redis')
    server.client.flushall()
    lab.wait_for(lambda: status(sensor)['redis_memory_losses'], 'the loss is seen', pause=0.05)
    heals(server, sensor)
    wait_alerts(server, net, stream=False)
    end(net, server, traffic, sensor)


def test_paused(net):
    """Thresholds are crossed while it does not answer: told at once, and in the stream later."""
    early_in_an_hour()
    server = Server(net)
    sensor = begin(net, server)
    server.client.client_pause(4000)
    traffic = Steady(net)
    traffic.replay(frames(100))
    sensor.wait_line('redis: .*did not answer within redis.timeout')
    goes_on(sensor, traffic)
    lab.wait_for(lambda: len(told(net, 'one')) == len(LOUD), 'alerts in the file', pause=0.1)
    wait_octets(server, INSIDE, 100 * OCTETS)
    wait_alerts(server, net)
    end(net, server, traffic, sensor)


def test_out_of_memory(net):
    early_in_an_hour()
    server = Server(net, '--maxmemory', '1', '--maxmemory-policy', 'noeviction')
    sensor = begin(net, server)
    traffic = Steady(net)
    traffic.replay(frames(100))
    sensor.wait_line('redis: .*out of memory: raise its maxmemory')
    goes_on(sensor, traffic)
    lab.wait_for(lambda: len(told(net, 'one')) == len(LOUD), 'alerts in the file', pause=0.1)
    assert not server.windows() and status(sensor)['redis_errors']['oom'] > 0
    server.client.config_set('maxmemory', 0)
    wait_octets(server, INSIDE, 100 * OCTETS)
    wait_alerts(server, net)
    end(net, server, traffic, sensor)


def test_wrong_password(net):
    """And a user with few rights, in a database of its own."""
    early_in_an_hour()
    server = Server(net, '--user', 'default', 'off', '--user', 'weir', 'on', '>right', '~weir:*', '&weir:*', '+@all',
                    '-@dangerous', '+info')
    password = net.folder / 'password'
    password.write_text('wrong\n')
    password.chmod(0o644)
    sensor = begin(net, server, '--redis.user=weir', f'--redis.password_file={password}', '--redis.database=3',
                   connected=False)
    traffic = Steady(net)
    traffic.replay(frames(100))
    sensor.wait_line('redis: .*wants other credentials: see redis.user')
    goes_on(sensor, traffic)
    lab.wait_for(lambda: len(told(net, 'one')) == len(LOUD), 'alerts in the file', pause=0.1)
    password.write_text('right\n')
    sensor.wait_line('redis: .*: connected')
    server.client = redis.Redis(unix_socket_path=str(server.path), decode_responses=True, username='weir',
                                password='right', db=3)
    heals(server, sensor)
    wait_alerts(server, net)
    end(net, server, traffic, sensor)


def test_the_sensor_starts_again_inside_a_window(net):
    """Both runs add up, and what the first has told the second does not."""
    early_in_an_hour()
    server = Server(net)
    first = begin(net, server)
    traffic = Steady(net)
    wait_alerts(server, net)
    assert first.stop() == 0, first.stderr
    second = begin(net, server)
    lab.wait_for(lambda: status(second)['alerts_standing'] == len(LOUD), 'the same thresholds crossed again', pause=0.1)
    lab.wait_for(lambda: status(second)['redis_alerts_known'] == len(LOUD), 'they are known', pause=0.1)
    wait_alerts(server, net)
    end(net, server, traffic, first, second)
