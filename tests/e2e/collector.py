"""A strict IPFIX collector for session tests, and the loader that feeds it.

As a program, so that a test can kill it at any moment:
    collector.py PORT FILE [--host ADDRESS] [--rate OCTETS_PER_S] [--buffer OCTETS]
It appends the flow_id of each record it reads to FILE (8 octets, big-endian), and to FILE.events a JSON
line for each connection, problem and options record that tells what was not sent. Strict: a data set
before its template, or a sequence number that RFC 7011 does not allow, is a problem.
"""
import argparse
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from patience import wait_for

FLOW_ID, NOT_SENT = 148, (166, 167, 168)
HEADER = struct.Struct('!HHIII')


class Problem(Exception):
    pass


class Stream:
    """One transport session: octets in, flow ids out."""

    def __init__(self):
        self.rest = b''
        self.templates = {}
        self.sequence = 0
        self.messages = 0
        self.not_sent = []

    def feed(self, octets):
        data = self.rest + octets
        ids, at = [], 0
        while len(data) - at >= 16:
            version, length, _, sequence, _ = HEADER.unpack_from(data, at)
            if version != 10 or length < 16:
                raise Problem(f'not IPFIX: version {version}, length {length}')
            if len(data) - at < length:
                break
            self._message(data[at:at + length], sequence, ids)
            at += length
        self.rest = data[at:]
        return ids

    def _message(self, message, sequence, ids):
        self.messages += 1
        if sequence != self.sequence:
            raise Problem(f'sequence {sequence}, {self.sequence} was due')
        at = 16
        while at < len(message):
            kind, length = struct.unpack_from('!HH', message, at)
            if length < 4 or at + length > len(message):
                raise Problem('set does not fit')
            body = message[at + 4:at + length]
            if kind in (2, 3):
                self._templates(kind, body)
            elif kind not in self.templates:
                raise Problem(f'set {kind} before its template')
            else:
                self._records(kind, body, ids)
            at += length

    def _templates(self, kind, body):
        at = 0
        while len(body) - at >= 4:
            number, fields = struct.unpack_from('!HH', body, at)
            at += 6 if kind == 3 else 4
            offset, places, widths = 0, {}, []
            for _ in range(fields):
                element, width = struct.unpack_from('!HH', body, at)
                at += 4
                if element & 0x8000:
                    at += 4
                else:
                    places.setdefault(element, (offset, width))
                widths.append(width)
                offset += width
            self.templates[number] = (widths if 65535 in widths else offset, places)

    def _records(self, kind, body, ids):
        size, places = self.templates[kind]
        if isinstance(size, list):
            self.sequence += count_variable(size, body)
            return
        count = len(body) // size
        self.sequence += count
        if all(element in places for element in NOT_SENT):
            for i in range(count):
                at = [(i * size + place, width) for place, width in map(places.get, NOT_SENT)]
                self.not_sent.append([int.from_bytes(body[a:a + width], 'big') for a, width in at])
        if FLOW_ID in places:
            place, width = places[FLOW_ID]
            assert width == 8
            layout = struct.Struct(f'!{place}xQ{size - place - 8}x')
            ids.extend(i for i, in layout.iter_unpack(body[:count * size]))


def count_variable(widths, body):
    """Records with fields of variable length (RFC 7011 7), which strings of options have."""
    count = at = 0
    while len(body) - at >= len(widths):
        for width in widths:
            if width == 65535:
                width, at = body[at], at + 1
                if width == 255:
                    width, at = int.from_bytes(body[at:at + 2], 'big'), at + 2
            at += width
        count += 1
    return count


def has_ipv6():
    try:
        socket.create_server(('::1', 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def family_of(host):
    return socket.AF_INET6 if ':' in host else socket.AF_INET


def serve(host, port, path, rate, buffer):
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    events = open(path + '.events', 'a')

    def say(**event):
        events.write(json.dumps(event) + '\n')
        events.flush()

    listener = socket.socket(family_of(host))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    listener.bind((host, port))
    listener.listen()
    say(event='listen', port=listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        say(event='open')
        stream = Stream()
        try:
            while True:
                octets = connection.recv(65536 if not rate else 16384)
                if not octets:
                    break
                ids = stream.feed(octets)
                os.write(out, struct.pack(f'!{len(ids)}Q', *ids))
                for value in stream.not_sent:
                    say(event='not_sent', value=value)
                stream.not_sent.clear()
                if rate:
                    time.sleep(len(octets) / rate)
            say(event='close', rest=len(stream.rest))
        except ConnectionError as error:
            say(event='reset', text=str(error))
        except Problem as problem:
            say(event='problem', text=str(problem))
        connection.close()


# --- For the tests ---

class Collector:
    """The program above, which may be killed and started again at the same port."""

    def __init__(self, directory, name='collector', rate=0, buffer=0, host='127.0.0.1', prefix=()):
        """prefix: words before the command, such as those that run it in a namespace."""
        self.path, self.prefix = str(pathlib.Path(directory) / name), prefix
        self.words = ['--rate', str(rate), '--buffer', str(buffer), '--host', host]
        self.port = 0
        self.process = None

    def start(self, rate=None):
        if rate is not None:
            self.words[1] = str(rate)
        listens = sum(e['event'] == 'listen' for e in self.events())
        self.process = subprocess.Popen([*self.prefix, sys.executable, __file__, str(self.port), self.path, *self.words])
        wait_for(lambda: sum(e['event'] == 'listen' for e in self.events()) > listens, 'the collector to listen')
        self.port = [e['port'] for e in self.events() if e['event'] == 'listen'][-1]
        return self

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def events(self):
        try:
            with open(self.path + '.events') as lines:
                return [json.loads(line) for line in lines if line.endswith('\n')]
        except FileNotFoundError:
            return []

    def problems(self):
        return [e for e in self.events() if e['event'] == 'problem']

    def not_sent(self):
        """The latest word: records, packets, octets."""
        return ([e['value'] for e in self.events() if e['event'] == 'not_sent'] or [[0, 0, 0]])[-1]

    def count(self):
        """Of ids(), at no cost."""
        try:
            return os.path.getsize(self.path) // 8
        except FileNotFoundError:
            return 0

    def ids(self):
        try:
            data = pathlib.Path(self.path).read_bytes()
        except FileNotFoundError:
            return []
        data = data[:len(data) // 8 * 8]
        return struct.unpack(f'!{len(data) // 8}Q', data)


class Load:
    """tests/harness/export_load at work."""
    made = []

    @classmethod
    def kill_all(cls):
        for load in cls.made:
            if load.process.poll() is None:
                load.kill()
        cls.made.clear()

    def __init__(self, directory, config, records, rate, prefix=(), name='load'):
        build = os.environ.get('WEIR_BUILD') or str(pathlib.Path(__file__).resolve().parents[2] / 'build')
        path = pathlib.Path(directory) / f'{name}.yaml'
        path.write_text(json.dumps(config))  # JSON is YAML
        self.log = open(pathlib.Path(directory) / f'{name}.log', 'a+')
        self.process = subprocess.Popen(
            [*prefix, build + '/tests/harness/export_load', str(path), str(records), str(rate)],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.lines = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        Load.made.append(self)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    @property
    def last(self):
        return self.lines[-1] if self.lines else {'handed': 0, 'collectors': []}

    def of(self, index=0):
        return self.last['collectors'][index] if self.last['collectors'] else {}

    def wait_until(self, what, say, timeout=120):
        def holds():
            return (self.lines and what(self)) or self.process.poll() is not None
        wait_for(holds, say, timeout)
        assert self.lines and what(self), f'{say}: {self.last} {self.said()}'

    def finish(self, timeout=120):
        """Waits for its end; everything must be accounted for."""
        try:
            self.process.wait(timeout)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.thread.join()
        assert self.process.returncode == 0, (self.process.returncode, self.last, self.said())
        assert self.last['done']
        assert all(c['closed'] for c in self.last['collectors']), self.last
        return self.last

    def enough(self):
        """No more records are made; waits for nothing."""
        self.process.send_signal(signal.SIGUSR1)

    def terminate(self):
        self.process.terminate()
        return self.finish()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()


def config(*collectors, **exports):
    """A configuration as export_load takes it; collectors are sections."""
    return {'sensor': {'drain_timeout': '1s'},
            'export': {'collectors': [{'reconnect': '1s', **c} for c in collectors], 'domain': 7, 'flush': '100ms',
                       **exports}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('port', type=int)
    parser.add_argument('file')
    parser.add_argument('--host', default='127.0.0.1')
    parser.add_argument('--rate', type=int, default=0)
    parser.add_argument('--buffer', type=int, default=0)
    words = parser.parse_args()
    serve(words.host, words.port, words.file, words.rate, words.buffer)


if __name__ == '__main__':
    main()
