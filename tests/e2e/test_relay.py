"""`weir relay`: IPFIX over TCP and TLS in, datagrams to a UDP collector out. nfcapd is the collector where it is
installed; a socket of our own where the test looks at datagrams."""
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from collector import Load, Stream, config, family_of, has_ipv6, wait_for
from test_tls import certificates, section  # noqa: F401

RECORDS = 20_000
LONG = os.environ.get('WEIR_LONG') == '1'
WEIR = os.environ.get('WEIR') or str(pathlib.Path(__file__).resolve().parents[2] / 'build' / 'weir')


class Relay:
    def __init__(self, tmp_path, to, *words, listen='tcp://127.0.0.1:0', host='127.0.0.1', log='relay.log'):
        self.log = open(tmp_path / log, 'w+')
        self.process = subprocess.Popen([WEIR, 'relay', '--listen', listen, '--to', f'udp://{host}:{to}', *words],
                                        stderr=self.log)
        wait_for(lambda: 'listening at port' in self.said(), 'the relay to listen', 20)
        self.port = int(re.search(r'listening at port (\d+)', self.said()).group(1))

    def said(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()

    def finish(self):
        """Its totals."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.said()
        last = self.said().splitlines()[-1]
        return {k.strip(): int(v) for k, v in re.findall(r'([a-z\' ]+?) (\d+)', last)}

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def relay(tmp_path):
    made = []

    def make(to, *words, **more):
        made.append(Relay(tmp_path, to, *words, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Receiver:
    """A UDP collector that keeps datagrams."""

    def __init__(self, port=0, buffer=None, host='127.0.0.1'):
        self.socket = socket.socket(family_of(host), socket.SOCK_DGRAM)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.bind((host, port))
        self.port = self.socket.getsockname()[1]

    def take(self, timeout=0.5):
        self.socket.settimeout(timeout)
        out = []
        try:
            while True:
                data, source = self.socket.recvfrom(70_000)
                out.append((source[0], data))
        except TimeoutError:
            return out

    def until(self, what, say, timeout=30):
        out = []
        end = time.monotonic() + timeout
        while not what(out):
            assert time.monotonic() < end, say
            out += self.take(0.1)
        return out

    def close(self):
        self.socket.close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def message(*sets, domain=7, sequence=0):
    body = b''.join(struct.pack('!HH', number, 4 + len(data)) + data for number, data in sets)
    return struct.pack('!HHIII', 10, 16 + len(body), 1_700_000_000, sequence, domain) + body


TEMPLATE = (2, struct.pack('!HHHH', 256, 1, 148, 8))


def data(*ids):
    return (256, struct.pack(f'!{len(ids)}Q', *ids))


def send(relay, *messages, end=True, host='127.0.0.1'):
    connection = socket.create_connection((host, relay.port))
    connection.sendall(b''.join(messages))
    if end:
        connection.shutdown(socket.SHUT_WR)
    return connection


def domain_of(datagram):
    return struct.unpack_from('!I', datagram, 12)[0]


@pytest.mark.skipif(not shutil.which('nfcapd'), reason='needs nfcapd')
@pytest.mark.parametrize('transport', ['tcp', 'tls'])
def test_nfcapd_gets_every_flow(tmp_path, relay, certificates, transport):  # noqa: F811
    flows = tmp_path / 'flows'
    flows.mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    log = open(tmp_path / 'nfcapd.log', 'w')
    nfcapd = subprocess.Popen(['nfcapd', '-l', str(flows), '-p', str(port), '-b', '127.0.0.1'], stdout=log, stderr=log)
    try:
        words = [f'--{name}={certificates / file}' for name, file in
                 (('ca', 'ca.pem'), ('cert', 'collector.pem'), ('key', 'collector.key'))]
        at_work = relay(port, *words, listen=f'{transport}://127.0.0.1:0')
        plain = {'ca': None, 'cert': None, 'key': None} if transport == 'tcp' else {}
        collector = section(certificates, at_work.port, transport=transport, **plain)
        done = Load(tmp_path, config(collector), RECORDS, 0).finish()
        totals = at_work.finish()
        assert totals['dropped by the collector\'s socket'] == 0
        assert totals['messages'] == totals['datagrams'] > 0
    finally:
        time.sleep(0.5)  # what lies in its socket it takes before the signal, if it runs at all
        nfcapd.terminate()
        nfcapd.wait()
    assert done['collectors'][0]['delivered'] == RECORDS
    said = subprocess.run(['nfdump', '-R', str(flows), '-I'], capture_output=True, text=True, check=True).stdout
    values = {k: int(v) for k, v in re.findall(r'^(\w+): (\d+)$', said, re.M)}
    assert values['Flows'] == RECORDS
    assert values['Packets'] == sum(1 + (i + side) % 3 for i in range(1, RECORDS + 1) for side in (0, 1))


def test_one_datagram_per_message(relay, receiver):
    at_work = relay(receiver.port)
    messages = [message(TEMPLATE)] + [message(data(i), sequence=i) for i in range(50)]
    connection = send(at_work, end=False)
    for i, octet in enumerate(b''.join(messages)):  # in pieces of any size
        connection.send(bytes([octet])) if i < 200 else None
    connection.sendall(b''.join(messages)[200:])
    got = receiver.until(lambda out: len(out) == 51, 'all datagrams')
    assert [d for _, d in got] == messages
    connection.close()


def test_equal_domains_are_told_apart_by_source(relay, receiver):
    at_work = relay(receiver.port)
    connections = [send(at_work, message(TEMPLATE), message(data(i)), end=False) for i in range(5)]
    got = receiver.until(lambda out: len(out) == 10, 'all datagrams')
    assert len({source for source, _ in got}) == 5
    assert {domain_of(d) for _, d in got} == {7}
    for connection in connections:
        connection.close()


def test_equal_domains_are_told_apart_by_number(relay, receiver):
    at_work = relay(receiver.port, '--distinguish', 'domain')
    connections = [send(at_work, message(TEMPLATE), message(data(i)), end=False) for i in range(5)]
    got = receiver.until(lambda out: len(out) == 10, 'all datagrams')
    assert {source for source, _ in got} == {'127.0.0.1'}
    assert len({domain_of(d) for _, d in got}) == 5
    for connection in connections:
        connection.close()


@pytest.mark.parametrize('by', ['source', 'domain'])
def test_two_relays_to_one_collector_are_told_apart(relay, receiver, by):
    relays = [relay(receiver.port, '--distinguish', by, log=f'{i}.log') for i in range(2)]
    connections = [send(one, message(TEMPLATE), message(data(i)), end=False) for one in relays for i in range(2)]
    got = receiver.until(lambda out: len(out) == 8, 'all datagrams')
    assert len({(source, domain_of(d)) for source, d in got}) == 4
    for connection in connections:
        connection.close()


@pytest.mark.skipif(not has_ipv6(), reason='no IPv6 here')
def test_over_ipv6(relay):
    """Both ways in and out; loopback has one address there, so that exporters are told apart by domain."""
    receiver = Receiver(host='::1')
    at_work = relay(receiver.port, listen='tcp://[::1]:0', host='[::1]')
    connections = [send(at_work, message(TEMPLATE), message(data(i)), end=False, host='::1') for i in range(3)]
    got = receiver.until(lambda out: len(out) == 6, 'all datagrams')
    assert {source for source, _ in got} == {'::1'} and len({domain_of(d) for _, d in got}) == 3
    assert sorted(d[20:] for _, d in got if d[16:18] == b'\1\0') == [data(i)[1] for i in range(3)]
    receiver.close()
    wait_for(lambda: f'nobody listens at udp://[::1]:{receiver.port}' in at_work.said(), 'the relay to see it')
    for connection in connections:
        connection.close()


@pytest.mark.parametrize('octets, why', [
    (b'GET / HTTP/1.1\r\n\r\n', 'not IPFIX'),
    (struct.pack('!HHIII', 10, 15, 0, 0, 0), 'not IPFIX'),
    (message((2, struct.pack('!HHHH', 256, 9, 148, 8))), 'malformed template'),
    (message((2, struct.pack('!HHHH', 255, 1, 148, 8))), 'malformed template'),
    (message((77, b'abcd')), 'reserved id'),
    (struct.pack('!HHIII', 10, 20, 0, 0, 0) + struct.pack('!HH', 256, 400), 'does not fit'),
    (message(TEMPLATE)[:-3], 'ended inside a message'),
], ids=['http', 'length', 'template', 'template id', 'set id', 'set length', 'cut'])
def test_malformed_stream_ends_that_connection_alone(relay, receiver, octets, why):
    at_work = relay(receiver.port)
    good = send(at_work, message(TEMPLATE), end=False)
    receiver.until(lambda out: len(out) == 1, 'the template')
    bad = send(at_work, octets)
    bad.settimeout(20)
    try:
        assert bad.recv(1) == b''
    except ConnectionResetError:
        pass
    good.sendall(message(data(1)))
    receiver.until(lambda out: out and out[-1][1] == message(data(1)), 'the good one to go on')
    assert at_work.said().count('connection closed') == 1 and why in at_work.said()
    assert at_work.finish()['malformed'] == 1


# --- Any octets ---

SEED = b''.join((
    message(TEMPLATE, (2, struct.pack('!HHHHHHI', 257, 2, 8, 4, 0x8001, 8, 29305))),
    message((3, struct.pack('!HHHHHHH', 300, 2, 1, 149, 4, 82, 65535)), data(1, 2, 3)),
    message((300, struct.pack('!IB5s', 7, 5, b'eth0x')), (257, bytes(24)), sequence=3),
    message((2, struct.pack('!HH', 257, 0)), data(4), sequence=6)))


def is_sound_template_set(body, kind):
    at = 0
    while len(body) - at >= 4:
        number, fields = struct.unpack_from('!HH', body, at)
        if fields == 0:  # a withdrawal
            at += 4
            continue
        at += 6 if kind == 3 else 4
        for _ in range(fields):
            if at + 4 > len(body):
                return False
            at += 8 if body[at] & 0x80 else 4
        if at > len(body) or number < 256:
            return False
    return True


def is_sound(octets):
    """A whole message, as RFC 7011 3 has it."""
    at = 16
    while at < len(octets):
        if len(octets) - at < 4:
            return False
        kind, size = struct.unpack_from('!HH', octets, at)
        if size < 4 or size > len(octets) - at or (kind < 256 and kind not in (2, 3)):
            return False
        if kind < 256 and not is_sound_template_set(octets[at + 4:at + size], kind):
            return False
        at += size
    return True


def judge(stream):
    """(messages that are passed on, whether the connection is refused in the end)"""
    at = count = 0
    while at + 4 <= len(stream):
        version, length = struct.unpack_from('!HH', stream, at)
        if version != 10 or length < 16 or at + length > len(stream) or not is_sound(stream[at:at + length]):
            return count, True
        at += length
        count += 1
    return count, at < len(stream)


def mutate(rng):
    octets = bytearray(SEED)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        octets[rng.randrange(len(octets))] = rng.choice((0, 1, 2, 3, 4, 255, rng.randrange(256)))
    if rng.random() < 0.2:
        del octets[rng.randrange(len(octets)):]
    if rng.random() < 0.1:
        at = rng.randrange(len(octets) + 1)
        octets[at:at] = rng.randbytes(rng.randrange(40))
    return bytes(octets)


class Taker(threading.Thread):
    """Reads the collector's socket so that nobody has to wait; keeps what the good exporter sent."""

    def __init__(self, receiver, source):
        super().__init__(daemon=True)
        self.receiver, self.source, self.kept, self.ended = receiver, source, [], False
        self.start()

    def run(self):
        while not self.ended:
            self.kept += [d for source, d in self.receiver.take(0.05) if source == self.source]


def end_of(connection):
    connection.settimeout(20)
    try:
        while connection.recv(1000):
            pass
    except ConnectionResetError:
        pass
    connection.close()


def test_mutated_streams_are_refused_and_counted(relay, receiver):
    """Beside them a good exporter is not disturbed. What is refused is what RFC 7011 does not allow, to the message."""
    rng = random.Random(11)
    at_work = relay(receiver.port)
    good = send(at_work, message(TEMPLATE), end=False)
    (source, _), = receiver.until(lambda out: out, 'the template')
    taker = Taker(receiver, source)
    count = 10_000 if LONG else 200
    passed, refused, sent = 1, 0, []
    for i in range(count):
        stream = mutate(rng)
        messages, bad = judge(stream)
        passed, refused = passed + messages, refused + bad
        end_of(send(at_work, stream))
        if i % 10 == 0:
            sent.append(message(data(i), sequence=i // 10))
            good.sendall(sent[-1])
    wait_for(lambda: len([d for d in taker.kept if d[16:18] != b'\0\2']) >= len(sent), 'the good one to get through')
    totals = at_work.finish()
    taker.ended = True
    assert [d for d in taker.kept if d[16:18] != b'\0\2'] == sent  # but for templates said again
    assert totals['connections'] == count + 1
    assert (totals['messages'], totals['malformed']) == (passed + len(sent), refused)
    assert at_work.said().count('connection closed') == refused > count / 4


def test_message_longer_than_a_datagram_is_refused_and_counted(relay, receiver):
    at_work = relay(receiver.port)
    long = message(TEMPLATE, data(*range(8185)))
    assert 65_507 < len(long) < 65_536
    send(at_work, long, message(data(1), sequence=8185))
    got = receiver.until(lambda out: len(out) == 1, 'the message behind')
    assert domain_of(got[0][1]) == 7 and len(got[0][1]) == 28
    totals = at_work.finish()
    assert totals['too long'] == 1 and totals['datagrams'] == 1


def test_templates_are_said_again_in_time(relay, receiver):
    at_work = relay(receiver.port, '--refresh', '1')
    connection = send(at_work, message(TEMPLATE), message(data(1)), end=False)
    receiver.until(lambda out: len(out) == 2, 'both messages')
    sequence = 1

    def came_again(out):
        nonlocal sequence
        connection.sendall(message(data(5), sequence=sequence))
        sequence += 1
        return any(d[:2] == b'\0\x0a' and struct.unpack_from('!H', d, 16)[0] == 2 for _, d in out)

    got = [d for _, d in receiver.until(came_again, 'the template again')]
    again = next(i for i, d in enumerate(got) if struct.unpack_from('!H', d, 16)[0] == 2)
    stream = Stream()
    stream.sequence = struct.unpack_from('!I', got[0], 8)[0]
    stream.templates[256] = (8, {148: (0, 8)})
    assert again >= 0 and len(stream.feed(b''.join(got))) == len(got) - 1  # under the number that was due


def test_collector_that_restarts_loses_nothing(relay, receiver):
    """While nobody listens exporters wait; who listens then is told the templates first."""
    at_work = relay(receiver.port)
    connection = send(at_work, message(TEMPLATE), message(data(0)), end=False)
    receiver.until(lambda out: len(out) == 2, 'both messages')
    receiver.close()
    wait_for(lambda: 'nobody listens' in at_work.said(), 'the relay to see it')
    connection.sendall(b''.join(message(data(i), sequence=i) for i in range(1, 1000)))
    connection.shutdown(socket.SHUT_WR)
    second = Receiver(receiver.port)
    got = second.until(lambda out: len(out) >= 1000, 'all that was sent meanwhile')
    second.close()
    stream = Stream()
    stream.sequence = 1
    assert stream.feed(b''.join(d for _, d in got)) == list(range(1, 1000))
    assert at_work.finish()["dropped by the collector's socket"] == 0


def test_slow_collector_makes_exporters_wait(relay):
    slow = Receiver(buffer=212_992)
    at_work = relay(slow.port)
    records, ids = 50_000, []
    connection = send(at_work, message(TEMPLATE), end=False)
    connection.setblocking(False)
    todo = b''.join(message(data(*range(i, i + 10)), sequence=i) for i in range(0, records, 10))
    stream = Stream()
    while len(ids) < records:
        try:
            todo = todo[connection.send(todo[:100_000]):] if todo else todo
        except BlockingIOError:
            pass
        octets = b''.join(d for _, d in slow.take(0.001))
        ids += stream.feed(octets)
    assert ids == list(range(records))
    assert at_work.finish()["dropped by the collector's socket"] == 0
    slow.close()
    connection.close()


def test_withdrawals_stay_behind(relay, receiver):
    at_work = relay(receiver.port)
    withdrawal = (2, struct.pack('!HH', 256, 0))
    connection = send(at_work, message(TEMPLATE), message(withdrawal), message(withdrawal, data(1)), end=False)
    got = [d for _, d in receiver.until(lambda out: len(out) == 2, 'both messages')]
    assert got == [message(TEMPLATE), message(data(1))]
    connection.close()


@pytest.mark.parametrize('words, what', [
    (['--to', 'tcp://127.0.0.1:1'], '--to'),
    (['--listen', 'udp://:1', '--to', 'udp://127.0.0.1:1'], '--listen'),
    (['--listen', 'tcp://:70000', '--to', 'udp://127.0.0.1:1'], 'port'),
    (['--to', 'udp://127.0.0.1:0'], 'port'),
    (['--to', 'udp://no-such-host.invalid:1'], 'name not found'),
    (['--listen', 'tcp://no-such-host.invalid:1', '--to', 'udp://127.0.0.1:1'], 'name not found'),
    (['--listen', 'tls://:0', '--to', 'udp://127.0.0.1:1'], '--cert'),
    (['--to', 'udp://127.0.0.1:1', '--refresh', '0'], '--refresh'),
    ([], '--to'),
])
def test_wrong_command_line(words, what):
    done = subprocess.run([WEIR, 'relay', *words], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and what in done.stderr, done.stderr


def test_port_in_use_is_one_line(relay, receiver):
    at_work = relay(receiver.port)
    done = subprocess.run([WEIR, 'relay', '--listen', f'tcp://127.0.0.1:{at_work.port}', '--to', 'udp://127.0.0.1:1'],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr == f'weir relay: cannot listen at 127.0.0.1:{at_work.port}: Address already in use\n'
