"""Running counters and alerts in Redis: what is there is what was sent, whatever becomes of Redis meanwhile, and no
packet waits for it."""
import collections
import json
import re
import subprocess
import time

import pytest

import lab
from redis_server import Server, needed
from traffic import replay, tool

from frames import eth  # noqa: E402
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

pytestmark = [lab.needed, needed]

INSIDE, OUTSIDE = '10.1.0.1', '203.0.113.9'


def frames(count, host=INSIDE, peer=OUTSIDE, base=20000):
    return [eth(IP(src=host, dst=peer) / UDP(sport=base + i, dport=4000) / Raw(b'x' * 72)) for i in range(count)]


OCTETS = 100  # of each


def start(net, server, *args, name='one', source='eth:mon0', connected=True, address=None):
    control = net.folder / f'{name}-{next(lab.NUMBERS)}.sock'
    sensor = net.weir(net.sensor, '-i', source, '-f', 'json', f'--sensor.name={name}', f'--sensor.control={control}',
                      f'--redis.address={address or server.address}', '--redis.push=200ms', '--redis.timeout=500ms',
                      *args)
    sensor.control = control
    sensor.wait_line(r'\d+ worker')
    if connected:
        sensor.wait_line('redis: .*: connected')
    return sensor


def ask(sensor, line):
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(sensor.control))
        s.sendall(line.encode() + b'\n')
        s.shutdown(socket.SHUT_WR)
        return b''.join(iter(lambda: s.recv(65536), b'')).decode()


def status(sensor):
    return json.loads(ask(sensor, 'status'))


def wait_octets(server, host, octets):
    lab.wait_for(lambda: server.totals(host)['oo'] == octets, f'{host} has sent {octets} octets', pause=0.1)


def early_in_a_minute():
    """Redis is healed for the windows that are current: they must be the same before and after."""
    lab.wait_for(lambda: time.time() % 60 < 40, 'the next minute', pause=0.5)


def check_end(sensor, sent):
    assert sensor.stop() == 0, sensor.stderr
    text = sensor.stderr
    assert text.rstrip().endswith('ledger closed'), text
    assert int(re.findall(r'received (\d+)', text)[-1]) == sent, text


def test_what_is_sent_is_in_redis(net):
    server = Server(net)
    sensor = start(net, server)
    sent = replay(net, frames(300) + frames(50, host='10.1.0.2', peer='10.1.0.1'))
    wait_octets(server, INSIDE, 300 * OCTETS)
    wait_octets(server, '10.1.0.2', 50 * OCTETS)
    assert server.totals('10.1.0.1')['oi'] == 50 * OCTETS
    assert server.totals('10.1.0.1')['fo'] == 300 and server.totals('10.1.0.1')['go'] == 50
    assert 'pi' not in server.totals('10.1.0.2'), 'zero fields are not written'
    client = server.client
    for key in client.scan_iter('weir:{10.*'):
        assert 0 < client.ttl(key) <= 3 * 3600, key
    start_of = max(start for _, start in server.windows())
    tops = [client.zrange(f'weir:top:one:out:1m:{at}', 0, -1, desc=True) for at in (start_of, start_of - 60)]
    assert INSIDE in sum(tops, []) and len(tops[0]) <= 64
    sets = list(client.scan_iter('weir:hll:{10.1.0.1}:peers:1m:*:one'))
    assert sets and client.pfcount(*sets) == 2
    lab.wait_for(lambda: client.hget('weir:sensor:one', 'ledger_closed'), 'the ledger in Redis')
    seen = client.hgetall('weir:sensor:one')
    assert seen['ledger_closed'] == '1' and abs(int(seen['seen']) - time.time()) < 60
    assert client.zscore('weir:sensors', 'one')
    lab.wait_for(lambda: int(client.hget('weir:sensor:one', 'received_packets')) == sent, 'the ledger in Redis')
    check_end(sensor, sent)


def test_the_hour_is_there_at_the_end(net):
    server = Server(net)
    sensor = start(net, server)
    sent = replay(net, frames(100))
    lab.wait_for(lambda: status(sensor)['hosts_packets'] == sent, 'all packets counted', pause=0.1)
    check_end(sensor, sent)
    assert server.totals(INSIDE, '1h')['oo'] == 100 * OCTETS
    assert server.totals(INSIDE)['oo'] == 100 * OCTETS


def test_the_end_does_not_wait_for_redis(net):
    server = Server(net)
    sensor = start(net, server, '--redis.timeout=1m', '--sensor.drain_timeout=2s')
    server.client.client_pause(50000)
    sent = replay(net, frames(10))
    lab.wait_for(lambda: status(sensor)['redis_rows_waiting'] == 0, 'rows on their way, or not yet counted', pause=0.1)
    begin = time.monotonic()
    check_end(sensor, sent)
    assert time.monotonic() - begin < 30


def test_nobody_there(net):
    sensor = start(net, None, address=f'unix:{net.folder}/none', connected=False)
    sensor.wait_line('redis: unix:.*/none: not connected: it cannot be reached')
    sent = replay(net, frames(10))
    lab.wait_for(lambda: status(sensor)['redis_rows_waiting'] > 0, 'rows wait', pause=0.1)
    check_end(sensor, sent)


def test_a_replica_is_refused_until_it_is_master(net):
    master = Server(net, port=6401)
    replica = Server(net, '--replicaof', '127.0.0.1 6401', port=6402)
    sensor = start(net, replica, connected=False)
    sensor.wait_line('redis: .*is a replica: give the master')
    sent = replay(net, frames(10))
    replica.client.replicaof('NO', 'ONE')
    wait_octets(replica, INSIDE, 10 * OCTETS)
    master.client.close()
    check_end(sensor, sent)


def test_sentinel(net):
    master = Server(net, port=6411)
    conf = net.folder / 'sentinel.conf'
    conf.write_text(f'port 6412\nbind 127.0.0.1\ndir {net.folder}\nsentinel monitor here 127.0.0.1 6411 1\n')
    sentinel = net.sensor.start('redis-server', conf, '--sentinel')
    sentinel.wait_line('monitor master here', of='stdout')
    sensor = start(net, master, '--redis.sentinel=here', address='127.0.0.1:6412')
    sent = replay(net, frames(10))
    wait_octets(master, INSIDE, 10 * OCTETS)
    check_end(sensor, sent)


def test_a_node_of_a_cluster_points_to_the_one_with_the_keys(net):
    """On the same port, as nodes have it: the sandbox lets no other be reached."""
    nodes = [Server(net, '--cluster-enabled', 'yes', '--cluster-config-file', f'{ip}.conf', '--cluster-announce-ip', ip,
                    '--cluster-announce-port', 6500, '--cluster-announce-bus-port', 16500, ip=ip, port=6500)
             for ip in ('127.0.0.1', '127.0.0.2')]
    empty, full = nodes
    full.client.execute_command('CLUSTER ADDSLOTSRANGE 0 16383')
    empty.client.execute_command('CLUSTER MEET 127.0.0.2 6500')
    lab.wait_for(lambda: empty.client.cluster('info')['cluster_state'] == 'ok', 'a cluster', pause=0.2)
    sensor = start(net, empty, connected=False)
    sensor.wait_line('redis: 127.0.0.1:6500: .*another node has these keys')
    sensor.wait_line('redis: 127.0.0.2:6500: connected')
    sent = replay(net, frames(10))
    wait_octets(full, INSIDE, 10 * OCTETS)
    check_end(sensor, sent)


@pytest.mark.parametrize('sources', [100_000, pytest.param(10_000_000, marks=lab.long_only)])
def test_a_spoofed_flood_makes_no_key_beyond_the_caps(net, sources):
    """Half of the sources claim to be inside. The sums in Redis are those of the traffic all the same."""
    server = Server(net)
    done = json.loads(lab.command(tool('host_flood'), sources, server.address, timeout=900))
    print(done)
    assert done['octets'] == 60 * sources and done['difference'] == done['rows_dropped'] == 0
    assert done['mb'] - done['half_mb'] <= 16
    for window in ('1m', '1h'):
        windows = collections.defaultdict(dict)
        for (host, at), sums in server.windows(window, of='').items():
            windows[at][host] = sums
        assert windows and all(len(hosts) <= 4000 + 1000 + 1 for hosts in windows.values())
        sums = [sum(s[c] for hosts in windows.values() for s in hosts.values()) for c in ('oo', 'oi', 'fo', 'go')]
        assert sums == [60 * sources, 60 * sources, sources, sources] or window == '1m' and sources > 1_000_000, sums


# Alerts

RULES = '''rules:
  - name: loud
    scope: host
    window: 1m
    when: {octets_out: ">= 15k"}
'''


def hunting(net, name):
    path = net.folder / 'rules.yaml'
    path.write_text(RULES)
    return f'--hunts.rules={path}', f'--hunts.alerts={net.folder / name}.alerts'


def told(net, name, rule='loud', state='raised'):
    path = net.folder / f'{name}.alerts'
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [row for row in rows if row['rule'] == rule and row['state'] == state]


def test_two_sensors_cross_a_threshold_together_and_tell_it_once(net):
    server = Server(net)
    early_in_a_minute()
    sensors = [start(net, server, *hunting(net, name), '-F', f'dst host {peer}', name=name)
               for name, peer in (('one', '203.0.113.1'), ('two', '203.0.113.2'))]
    lab.wait_for(lambda: len(server.client.zrange('weir:sensors', 0, -1)) == 2, 'two sensors in Redis')
    channel = server.client.pubsub()
    channel.subscribe('weir:alerts')
    sent = replay(net, frames(100, peer='203.0.113.1'))
    wait_octets(server, INSIDE, 100 * OCTETS)
    assert not server.alerts()
    sent += replay(net, frames(100, peer='203.0.113.2'))
    wait_octets(server, INSIDE, 200 * OCTETS)
    row, = lab.wait_for(lambda: server.alerts('loud'), 'an alert in the stream')
    alert = json.loads(row['alert'])
    assert row['host'] == alert['host'] == INSIDE and 100 * OCTETS < alert['value'] <= 200 * OCTETS, alert
    published = lab.wait_for(lambda: channel.get_message(ignore_subscribe_messages=True), 'an alert on the channel')
    assert json.loads(published['data']) == alert
    lab.wait_for(lambda: told(net, 'one') or told(net, 'two'), 'an alert in a file')
    for sensor in sensors:
        check_end(sensor, sent / 2)
    assert len(told(net, 'one')) + len(told(net, 'two')) == 1
    assert len([a for a in server.alerts('loud') if json.loads(a['alert'])['state'] == 'raised']) == 1


def test_two_sensors_of_one_name_are_told(net):
    server = Server(net)
    sensors = [start(net, server) for _ in range(2)]
    sensors[0].wait_line('another sensor writes as "one" too.*give each a sensor.name of its own')
    assert [sensor.stop() for sensor in sensors] == [0, 0], sensors[0].stderr


def test_without_redis_alerts_are_told_at_once(net):
    server = Server(net)
    early_in_a_minute()
    sensor = start(net, server, *hunting(net, 'one'))
    server.kill()
    sensor.wait_line('redis: .*connection lost')
    sent = replay(net, frames(200))
    lab.wait_for(lambda: told(net, 'one'), 'an alert in the file')
    assert not status(sensor)['redis_connected']
    server.start()
    lab.wait_for(lambda: server.alerts('loud'), 'the alert in the stream, later')
    check_end(sensor, sent)
    assert len(told(net, 'one')) == 1


def test_tls_is_refused_with_a_way_out(net):
    """In the same words by whoever is asked."""
    keys = ('--redis.address=127.0.0.1:6379', '--redis.tls=true')
    sensor = net.weir(net.sensor, '-i', 'eth:mon0', *keys)
    assert sensor.wait() != 0
    words = re.search('^weir run: (redis.tls: hiredis speaks no TLS here; let stunnel do it .*)', sensor.stderr, re.M)[1]
    for command, code in (('check', 2), ('check -i eth:lo', 1), ('top --once --redis', 2)):
        done = subprocess.run([lab.weir_binary(), *command.split(), *keys], capture_output=True, text=True)
        assert done.returncode == code and words in done.stdout + done.stderr, (command, done)


CONNECTION = '''rules:
  - name: heavy
    scope: flow
    when: {octets_out: ">= 5k"}
    suppress: 1s
'''


def connection(count, sport):
    return [eth(IP(src=INSIDE, dst=OUTSIDE) / UDP(sport=sport, dport=4000) / Raw(b'x' * 72)) for _ in range(count)]


def test_a_connection_that_ended_may_be_told_of_again(net):
    server = Server(net)
    path = net.folder / 'connections.yaml'
    path.write_text(CONNECTION)
    sensor = start(net, server, f'--hunts.rules={path}', f'--hunts.alerts={net.folder}/one.alerts', '--flow.keep.udp=1s',
                   '--flow.idle=1s')
    sent = 0
    for number in (1, 2):
        sent += replay(net, connection(100, 2000 + number))
        lab.wait_for(lambda: len(told(net, 'one', 'heavy', 'cleared')) == number, f'end of connection {number}')
        assert len(told(net, 'one', 'heavy')) == number
    states = [json.loads(a['alert'])['state'] for a in server.alerts('heavy')]
    assert states == ['raised', 'cleared', 'raised', 'cleared']
    check_end(sensor, sent)
