"""Sessions to collectors that are killed, slow, away, or odd: nothing is missing, and what could not be kept is
counted and told."""
import os
import random
import socket
import struct
import threading
import time

import pytest

from collector import Collector, Load, Stream, config, has_ipv6, wait_for

LONG = os.environ.get('WEIR_LONG') == '1'


@pytest.fixture
def collector(tmp_path):
    made = []

    def make(**words):
        made.append(Collector(tmp_path, f'collector{len(made)}', **words).start())
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def load(tmp_path):
    return lambda settings, records, rate: Load(tmp_path, settings, records, rate)


def tcp(port, **more):
    return {'name': 'c', 'host': '127.0.0.1', 'port': port, **more}


def missing(ids, records):
    return records - len(set(ids))


def traffic(ids):
    """[records, packets, octets] that export_load puts under these numbers."""
    return [len(ids), sum(1 + (i + side) % 3 for i in ids for side in (0, 1)), sum(2 * (100 + i % 7) for i in ids)]


def in_order_of_first_arrival(ids):
    return list(dict.fromkeys(ids))


# --- Killed ---

RATE = 25_000  # records per second


def kill_at_random(reader, load, kills):
    """Each kill hits a connection that carries records. Who read slowly is fast when it is over."""
    for left in reversed(range(kills)):
        seen = reader.count()
        wait_for(lambda: reader.count() > seen or load.process.poll() is not None, 'records after a start')
        time.sleep(random.random() * 0.3)  # any moment is as good as another
        reader.kill()
        reader.start(rate=None if left else 0)


@pytest.mark.parametrize('rate, kills, replay', [(0, 100 if LONG else 6, '8MiB'),
                                                 (1_000_000, 100 if LONG else 3, '1MiB')], ids=['fast', 'slow'])
def test_killed_collector(collector, load, tmp_path, rate, kills, replay):
    """Records come until the last kill, faster than the slow one reads: they wait in the spool."""
    reader = collector(rate=rate, buffer=64 << 10 if rate else 0)
    settings = config(tcp(reader.port, spool='4GiB' if rate else 'none'), spool=str(tmp_path / 'spool'),
                      queue='4MiB' if rate else '256MiB', replay_window=replay)
    at_work, begin = load(settings, 10**9, RATE), time.monotonic()
    kill_at_random(reader, at_work, kills)
    seconds = time.monotonic() - begin
    at_work.enough()
    done = at_work.finish(600 if LONG else 120)
    records = done['handed']
    wait_for(lambda: missing(reader.ids(), records) == 0, 'the reader to read all')
    assert not reader.problems()
    c = done['collectors'][0]
    assert c['dropped'] == 0 and c['losses'] >= kills
    duplicates = reader.count() - records
    assert duplicates <= c['replayed']
    window = int(replay[0]) << 20
    assert c['replayed'] * 100 <= c['losses'] * (window + (3 << 20)), 'more was sent again than window and socket hold'
    if LONG:
        print(f'{kills} kills in {seconds:.0f} s, {records} records, {records / seconds:.0f} per second, '
              f'{duplicates} twice')
        assert records > 20_000 * seconds


# --- Odd peers ---

class Peer:
    """Stands between exporter and collector, and misbehaves until it is told to be good."""

    def __init__(self, port, how):
        self.port_behind, self.how, self.good = port, how, threading.Event()
        self.octets = 0
        self.stopped = False
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        behind = socket.create_connection(('127.0.0.1', self.port_behind))
        try:
            while not self.good.is_set():
                if self._misbehave(connection, behind):
                    return
            while octets := connection.recv(65536):
                behind.sendall(octets)
        except OSError:
            pass
        finally:
            behind.close()
            connection.close()

    def _misbehave(self, connection, behind):
        """True: the connection is gone."""
        if self.how == 'stalled':
            self.good.wait()
            return False
        if self.how == 'dripping':
            connection.settimeout(0.2)
            try:
                octets = connection.recv(1)
            except TimeoutError:
                return False
            finally:
                connection.settimeout(None)
            behind.sendall(octets)
            self.octets += 1
            time.sleep(0.0005)
            return not octets
        if self.how == 'resetting':
            octets = connection.recv(random.randrange(1, 200_000))
            if octets:
                behind.sendall(octets)
            self.octets += len(octets)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            return True
        connection.shutdown(socket.SHUT_WR)  # half-closing: it reads on
        while octets := connection.recv(65536):
            behind.sendall(octets)
        return True

    def close(self):
        self.listener.close()


@pytest.mark.parametrize('how', ['stalled', 'dripping', 'resetting', 'half-closing'])
def test_odd_collector(collector, load, tmp_path, how):
    """For a second, or with WEIR_LONG a minute."""
    reader = collector()
    peer = Peer(reader.port, how)
    records, rate = (1_500_000, RATE) if LONG else (60_000, 60_000)
    at_work = load(config(tcp(peer.port, spool='1GiB'), spool=str(tmp_path / 'spool'), queue='1MiB'), records, rate)
    at_work.wait_until(lambda one: one.last['handed'] == records, 'all records to be handed over')
    if how in ('stalled', 'dripping'):
        at_work.wait_until(lambda one: one.of()['spooled'] > 0, 'records to be spooled')
        idle_while_waiting(at_work)
    elif how == 'resetting':
        at_work.wait_until(lambda one: one.of()['losses'] >= 3, 'resets')
    peer.good.set()
    done = at_work.finish()
    wait_for(lambda: missing(reader.ids(), records) == 0, 'the reader to read all')
    assert not reader.problems()
    c = done['collectors'][0]
    assert c['dropped'] == 0
    if how == 'half-closing':
        assert c['connects'] == 1 and c['replayed'] == 0, c
    peer.close()


def idle_while_waiting(at_work):
    """Over a few seconds, most of a processor is left; printing lines is all that goes on."""
    before, begin = at_work.last['cpu_ms'], time.monotonic()
    seen = len(at_work.lines)
    at_work.wait_until(lambda one: len(one.lines) >= seen + 20, 'two seconds')
    used = at_work.last['cpu_ms'] - before
    passed = (time.monotonic() - begin) * 1000
    assert used < passed * 0.1, f'{used} ms of {passed:.0f} while waiting'


# --- No collector ---

@pytest.mark.parametrize('answer, says', [(b'HTTP/1.0 400 Bad request\r\n\r\n', '"HTTP/1.0 400 Bad request"'),
                                          (b'\x15\x03\x01\0\x02\x02\x46', '"a TLS record"')], ids=['web', 'TLS'])
def test_what_is_no_collector_is_said(load, answer, says):
    """What answers and hangs up is asked what it was."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        at_work = load(config(tcp(server.getsockname()[1])), 100_000, 20_000)
        connection, _ = server.accept()
        connection.sendall(answer)
        connection.close()  # with what it did not read: a reset
        wait_for(lambda: f'(the peer said {says}: is it a collector' in at_work.said(), at_work.said)
        assert at_work.terminate()['collectors'][0]['losses'] > 0


# --- Away ---

def test_spool_holds_what_a_collector_that_is_away_misses(collector, load, tmp_path):
    reader = collector()
    reader.kill()
    records = 100_000
    at_work = load(config(tcp(reader.port, spool='64MiB'), spool=str(tmp_path / 'spool'), queue='1MiB'), records, 100_000)
    at_work.wait_until(lambda one: one.of()['spooled'] == records, 'all to be spooled')
    idle_while_waiting(at_work)
    reader.start()
    done = at_work.finish()
    wait_for(lambda: missing(reader.ids(), records) == 0, 'the reader to read all')
    assert not reader.problems()
    assert done['collectors'][0]['dropped'] == 0
    assert in_order_of_first_arrival(reader.ids()) == list(range(1, records + 1))


@pytest.mark.parametrize('spool', ['none', '1MiB'])
def test_what_is_lost_past_the_bound_is_counted_and_told(collector, load, tmp_path, spool):
    reader = collector()
    reader.kill()
    records = 60_000
    settings = config(tcp(reader.port, spool=spool, options='1s'), spool=str(tmp_path / 'spool'), queue='256KiB')
    at_work = load(settings, records, 60_000)
    at_work.wait_until(lambda one: one.last['handed'] == records, 'all records to be handed over')
    reader.start()
    done = at_work.finish()
    lost = done['collectors'][0]['dropped']
    assert 0 < lost < records
    wait_for(lambda: missing(reader.ids(), records) == lost, 'exactly what was counted to be missing')
    wait_for(lambda: reader.not_sent() == traffic(set(range(1, records + 1)).difference(reader.ids())),
             'the collector to be told')
    assert not reader.problems()
    assert done['collectors'][0]['drops']['queue_full' if spool == 'none' else 'spool_full'] == lost


# --- IPv6 ---

needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason='no IPv6 here')


@needs_ipv6
def test_tcp_over_ipv6(collector, load):
    reader = collector(host='::1')
    at_work = load(config(tcp(reader.port, host='::1')), 20_000, 0)
    done = at_work.finish()
    assert f'connected to [::1]:{reader.port}' in at_work.said()
    assert missing(reader.ids(), 20_000) == 0 and done['collectors'][0]['dropped'] == 0 and not reader.problems()


@needs_ipv6
def test_udp_over_ipv6(load):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as reader:
        reader.bind(('::1', 0))
        reader.settimeout(20)
        at_work = load(config(tcp(reader.getsockname()[1], host='::1', transport='udp', message_size=1280)), 100, 0)
        stream, ids = Stream(), []
        while len(ids) < 100:
            ids += stream.feed(reader.recv(65536))
        at_work.finish()
    assert ids == list(range(1, 101))


# --- Groups ---

def test_failover_hands_over_what_was_not_acknowledged(collector, load, tmp_path):
    first, second = collector(), collector()
    records = 40_000
    group = {'group': 'pair', 'group_mode': 'failover'}
    settings = config(tcp(first.port, **group), {**tcp(second.port, **group), 'name': 'd'}, queue='64MiB')
    at_work = load(settings, records, 20_000)
    wait_for(lambda: len(first.ids()) > 5_000, 'the first to read')
    first.kill()
    done = at_work.finish()
    wait_for(lambda: missing(first.ids() + second.ids(), records) == 0, 'both to have all')
    assert done['collectors'][0]['moved'] == done['collectors'][1]['taken'] > 0


def test_balance_keeps_a_connection_with_one_collector(collector, load, tmp_path):
    readers = [collector(), collector(), collector()]
    records = 30_000
    group = {'group': 'three', 'group_mode': 'balance'}
    settings = config(*[{**tcp(r.port, **group), 'name': f'c{i}'} for i, r in enumerate(readers)])
    load(settings, records, 0).finish()
    wait_for(lambda: sum(len(r.ids()) for r in readers) == records, 'all to be read')
    assert missing(sum((r.ids() for r in readers), ()), records) == 0
    for reader in readers:
        assert records / 3 * 0.8 < len(reader.ids()) < records / 3 * 1.2
        assert not reader.problems()
