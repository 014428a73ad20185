"""What a replay test needs: captures written from frames, `weir read` run over them, and records
compared with what the test says they must be.

A capture is a list of frames made by at(); times are seconds after T0, exact to the nanosecond.
An expectation names only the fields it is about; `Absent` says that a field must not be there.
Every run is checked, besides, for what holds always: exit code 0, ledger closed, output in order of
end time, each packet in exactly one record or one named drop.
"""
import base64
import hashlib
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
from decimal import Decimal

T0 = 1_700_000_000
NS = 1_000_000_000
PCAP_NS = 0xA1B23C4D

# Link types as pcap files number them (LINKTYPE_*).
NULL, ETHERNET, PPP, PPP_SERIAL, RAW, CHDLC, LOOP, SLL = 0, 1, 9, 50, 101, 104, 108, 113
IPV4, IPV6, SLL2, IEEE80211 = 228, 229, 276, 105

REPO = pathlib.Path(__file__).resolve().parents[2]


class _Absent:
    def __repr__(self):
        return 'Absent'


Absent = _Absent()


class Has:
    """Expectation for a list: these are in it."""

    def __init__(self, *items):
        self.items = items

    def __eq__(self, other):
        return isinstance(other, list) and set(self.items) <= set(other)

    def __repr__(self):
        return f'Has{self.items}'


class Lacks(Has):
    """Expectation for a list: none of these is in it."""

    def __eq__(self, other):
        return isinstance(other, list) and not set(self.items) & set(other)

    def __repr__(self):
        return f'Lacks{self.items}'


def binary():
    path = os.environ.get('WEIR') or str(REPO / 'build' / 'weir')
    assert os.access(path, os.X_OK), f'no program at {path}: set WEIR'
    return path


def ns(seconds):
    """Exact nanoseconds of seconds given as int, str, Decimal or a float of few digits."""
    return int(Decimal(str(seconds)) * NS)


class Frame:
    """One captured frame: when, what, and how much of it the capture kept."""

    def __init__(self, time_ns, data, cap=None, wire=None):
        self.time_ns = time_ns
        self.data = data if cap is None else data[:cap]
        self.wire = len(data) if wire is None else wire


def at(seconds, packet, cap=None, wire=None):
    """A frame `seconds` after T0. cap: snap length; wire: length on the wire, where it is not len(packet)."""
    return Frame(T0 * NS + ns(seconds), bytes(packet), cap, wire)


def every(start, step, packets):
    """Frames of packets at start, start + step, ..."""
    first, step = Decimal(str(start)), Decimal(str(step))
    return [at(first + i * step, p) for i, p in enumerate(packets)]


def write_pcap(path, frames, link=ETHERNET):
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', PCAP_NS, 2, 4, 0, 0, 262144, link))
        for f in frames:
            out.write(struct.pack('<IIII', f.time_ns // NS, f.time_ns % NS, len(f.data), f.wire))
            out.write(f.data)


def block(kind, body):
    """One pcapng block (draft-ietf-opsawg-pcapng §3.1)."""
    body += bytes(-len(body) % 4)
    size = struct.pack('<I', len(body) + 12)
    return struct.pack('<I', kind) + size + body + size


def write_pcapng(path, frames, links=(ETHERNET,), interface=lambda i: 0):
    """Nanosecond pcapng; frame i came in on interface(i) of links."""
    with open(path, 'wb') as out:
        out.write(block(0x0A0D0D0A, struct.pack('<IHHq', 0x1A2B3C4D, 1, 0, -1)))
        for link in links:
            resolution = struct.pack('<HHB3xHH', 9, 1, 9, 0, 0)
            out.write(block(1, struct.pack('<HHI', link, 0, 262144) + resolution))
        for i, f in enumerate(frames):
            head = struct.pack('<IIIII', interface(i), f.time_ns >> 32, f.time_ns & 0xFFFFFFFF,
                               len(f.data), f.wire)
            out.write(block(6, head + f.data))


def run_weir(*args, stdin=None, binary_output=False, timeout=60):
    """Runs the program. Any exit code may be right, a sanitizer's report never is."""
    done = subprocess.run([binary(), *map(str, args)], capture_output=True, input=stdin,
                          text=not binary_output, timeout=timeout)
    err = done.stderr if isinstance(done.stderr, str) else done.stderr.decode(errors='replace')
    assert not re.search('Sanitizer|runtime error:', err), err
    return done


class Ledger:
    """The loss ledger as `weir read` prints it on stderr."""

    def __init__(self, text):
        self.text = text

    @property
    def closed(self):
        return re.search(r'^\s*ledger closed\s*$', self.text, re.M) is not None

    def count(self, label):
        """Number beside a label, 0 where the ledger does not name it."""
        found = re.search(rf'(?<![\w.]){re.escape(label)}(?![\w.])[^\d\n]*?(\d+)', self.text)
        return int(found.group(1)) if found else 0


class Run:
    """Outcome of one `weir read -f json`."""

    def __init__(self, done, frames):
        self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.frames = frames
        self.ledger = Ledger(done.stderr)
        self.records = [_record(line) for line in done.stdout.splitlines()]

    def check(self, drops):
        """What holds for every capture, whatever is in it."""
        assert self.code == 0, f'exit {self.code}\n{self.stderr}'
        assert self.ledger.closed, f'ledger not closed\n{self.stderr}'
        for label, packets in drops.items():
            assert self.ledger.count(label) == packets, f'{label} is not {packets}\n{self.stderr}'
        ends = [r['end'] for r in self.records]
        assert ends == sorted(ends), f'not in order of end time\n{self.dump()}'
        told = sum(r['orig_pkts'] + r['resp_pkts'] for r in self.records)
        want = len(self.frames) - sum(drops.values())
        assert told == want, f'{told} packets in records, not {want}\n{self.dump()}\n{self.stderr}'
        for r in self.records:
            assert r['duration'] >= 0 and r['conn_start'] <= r['ts'], self.dump([r])
            assert r['community_id'] == community_id(r), self.dump([r])
        return self

    def dump(self, records=None):
        rows = self.records if records is None else records
        return '\n'.join('  ' + _show(r) for r in rows) or '  (no records)'

    def are(self, *expected, any_order=False):
        """The records are exactly these, in this order (or in any)."""
        got = list(self.records)
        faults = []
        for i, want in enumerate(expected):
            hit = _find(want, got) if any_order else (got[0] if got else None)
            if hit is None:
                faults.append(f'record {i}: none for {want}')
                continue
            got.remove(hit)
            wrong = _differences(want, hit)
            if wrong:
                faults.append(f'record {i} ({_name(hit)}):\n' +
                              '\n'.join('    ' + w for w in wrong))
        faults += [f'unexpected: {_name(r)}' for r in got]
        assert not faults, '\n'.join(faults) + '\nall records:\n' + self.dump()
        return self

    def one(self, **want):
        """There is one record, and it has these fields."""
        self.are(want)
        return self.records[0]

    def noted(self, label, count):
        """The ledger (or its notes) tells this count for the label."""
        assert self.ledger.count(label) == count, f'{label} is not {count}\n{self.stderr}'
        return self


ICMP_ANSWER = {1: {8: 0, 13: 14, 15: 16, 17: 18, 10: 9},
               58: {128: 129, 130: 131, 133: 134, 135: 136, 139: 140, 144: 145}}


def community_id(record):
    """Community ID v1, seed 0, of a record, computed apart from the program's own."""
    def end(side):
        host = record[f'id.{side}_h']
        return (socket.inet_pton(socket.AF_INET6 if ':' in host else socket.AF_INET, host),
                int(record.get(f'id.{side}_p', 0)))

    proto, a, b = record['ip_proto'], end('orig'), end('resp')
    answer = ICMP_ANSWER.get(proto, {})
    one_way = proto in ICMP_ANSWER and a[1] not in {*answer, *answer.values()}
    if not one_way and b < a:
        a, b = b, a
    text = a[0] + b[0] + bytes([proto, 0])
    if proto in (1, 6, 17, 58, 132):
        text += struct.pack('>HH', a[1], b[1])
    return '1:' + base64.b64encode(hashlib.sha1(b'\0\0' + text).digest()).decode()


def _record(line):
    """A JSON line with times relative to T0, and `end` added."""
    r = json.loads(line, parse_float=Decimal)
    r['ts'] -= T0
    r['conn_start'] -= T0
    r['duration'] = r.get('duration', Decimal(0))
    r['end'] = r['ts'] + r['duration']
    r['quality'] = sorted(r.get('quality', []))
    return r


def _same(want, got):
    if want is Absent or got is Absent:
        return want is got
    if isinstance(got, Decimal):
        return Decimal(str(want)) == got
    if isinstance(want, (list, tuple, set)):
        return isinstance(got, list) and sorted(want) == sorted(got)
    return want == got


def _differences(want, got):
    out = []
    for key, value in want.items():
        have = got.get(key, Absent)
        if isinstance(value, dict) and isinstance(have, dict):
            out += [f'{key}.{d}' for d in _differences(value, have)]
        elif not _same(value, have):
            out.append(f'{key}: expected {value!r}, got {have!r}')
    return out


def _find(want, records):
    """The record with the fewest differences among those of the same flow."""
    identity = ('id.orig_h', 'id.orig_p', 'id.resp_h', 'id.resp_p', 'proto', 'record_no')
    same = [r for r in records if all(want[k] == r.get(k) for k in identity if k in want)]
    return min(same, key=lambda r: len(_differences(want, r)), default=None)


def _name(r):
    return (f"{r['proto']} {r['id.orig_h']}:{r.get('id.orig_p', '-')} > "
            f"{r['id.resp_h']}:{r.get('id.resp_p', '-')} record {r.get('record_no')}")


def _show(r):
    skip = ('uid', 'community_id', 'id.orig_h', 'id.resp_h', 'id.orig_p', 'id.resp_p', 'proto')
    rest = ' '.join(f'{k}={v}' for k, v in r.items() if k not in skip)
    return f'{_name(r)}: {rest}'


class Weir:
    """`weir read` over frames, for a test."""

    def __init__(self, folder):
        self.folder = folder
        self.captures = 0

    def capture(self, frames, link=ETHERNET, name=None):
        self.captures += 1
        path = self.folder / (name or f'capture{self.captures}.pcap')
        write_pcap(path, frames, link)
        return path

    def read(self, frames, *options, link=ETHERNET, drops=None):
        """Frames through `weir read -f json`, checked for what must always hold. drops: label ->
        packets that make no flow, by name."""
        path = self.capture(frames, link)
        return Run(run_weir('read', '-f', 'json', *options, path), frames).check(drops or {})

    def documents(self, frames, *options):
        """The same as ECS documents, which tell what JSON in Zeek's names has no field for."""
        done = run_weir('read', '-f', 'ecs', *options, self.capture(frames))
        assert done.returncode == 0 and Ledger(done.stderr).closed, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def flow(a, b, proto='udp', **fields):
    """Expectation for a record: a and b are (address, port) of initiator and responder, or an
    address where the protocol has no ports."""
    want = {'proto': proto}
    for side, end in (('orig', a), ('resp', b)):
        if isinstance(end, tuple):
            want[f'id.{side}_h'], want[f'id.{side}_p'] = end
        else:
            want[f'id.{side}_h'] = end
    for key in ('pkts', 'bytes', 'ip_bytes', 'flags'):
        if key in fields:
            want[f'orig_{key}'], want[f'resp_{key}'] = fields.pop(key)
    if 'at' in fields:
        want['ts'] = fields.pop('at')
    want.update(fields)
    return want
