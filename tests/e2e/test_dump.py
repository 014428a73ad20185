"""`weir dump`: IPFIX of any writer as JSON lines. Messages are made by hand here, octet by octet."""
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess

import pytest

WEIR = os.environ.get('WEIR', 'weir')
README = pathlib.Path(__file__).parents[2] / 'README.md'


def message(sequence, *sets, domain=7, export=1700000000):
    body = b''.join(struct.pack('>HH', i, len(b) + 4) + b for i, b in sets)
    return struct.pack('>HHIII', 10, len(body) + 16, export, sequence, domain) + body


def template(number, *fields):
    """Fields are (id, length) or (id, length, PEN)."""
    out = struct.pack('>HH', number, len(fields))
    for element, length, *pen in fields:
        out += struct.pack('>HH', element | (0x8000 if pen else 0), length) + b''.join(
            struct.pack('>I', p) for p in pen)
    return 2, out


def dump(*words, data=None):
    return subprocess.run([WEIR, 'dump', *map(str, words)], input=data, capture_output=True, timeout=60)


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


FLOW = template(256, (8, 4), (7, 2), (1, 8), (1, 4, 29305))
FLOW_RECORD = bytes([192, 0, 2, 1]) + struct.pack('>HQI', 443, 1500, 70)


def check(data, expected, *words):
    done = dump(*words, '-', data=data)
    assert done.returncode == 0, done.stderr
    found = [{k: v for k, v in line.items() if k not in ('domain', 'template', 'export')} for line in lines(done)]
    assert found == expected


def test_record():
    done = dump('-', data=message(0, FLOW, (256, FLOW_RECORD)))
    assert done.returncode == 0
    assert lines(done) == [{'domain': 7, 'template': 256, 'export': '2023-11-14T22:13:20Z',
                            'sourceIPv4Address': '192.0.2.1', 'sourceTransportPort': 443, 'octetDeltaCount': 1500,
                            'reverseOctetDeltaCount': 70}]
    assert b'messages 1, octets' in done.stderr and b'records 1, options 0, missing 0' in done.stderr


def test_types():
    """One element of each type, shortened numbers, unknown elements, text of any kind."""
    ntp = (1700000000 + 2208988800) << 32 | 1 << 31
    fields = [((10, 2), struct.pack('>H', 3), ('ingressInterface', 3)),
              ((152, 8), struct.pack('>Q', 1700000000123), ('flowStartMilliseconds', '2023-11-14T22:13:20.123Z')),
              ((154, 8), struct.pack('>Q', ntp), ('flowStartMicroseconds', '2023-11-14T22:13:20.500000Z')),
              ((157, 8), struct.pack('>Q', ntp), ('flowEndNanoseconds', '2023-11-14T22:13:20.500000000Z')),
              ((150, 4), struct.pack('>I', 1700000000), ('flowStartSeconds', '2023-11-14T22:13:20Z')),
              ((27, 16), bytes.fromhex('20010db8' + '0' * 23 + '1'), ('sourceIPv6Address', '2001:db8::1')),
              ((56, 6), bytes.fromhex('02005e10fa01'), ('sourceMacAddress', '02:00:5e:10:fa:01')),
              ((276, 1), b'\x01', ('dataRecordsReliability', True)),
              ((276, 1), b'\x02', ('dataRecordsReliability#2', False)),
              ((311, 8), struct.pack('>d', 0.25), ('samplingProbability', 0.25)),
              ((312, 1), b'\x05', ('dataLinkFrameSize', 5)),
              ((82, 8), b'eth0\0\0\0\0', ('interfaceName', 'eth0')),
              ((83, 65535), b'\x08a"\\\xc3\xa9\xff\0\x01', ('interfaceDescription', 'a"\\é\ufffd\0\x01')),
              ((300, 65535), b'\xff\x0b\xb8' + 'é'.encode() * 1500, ('observationDomainName', 'é' * 1500)),
              ((70, 3), b'\x01\x02\x03', ('mplsTopLabelStackSection', '010203')),
              ((4, 3, 12345), b'\x0a\x0b\x0c', ('12345:4', '0a0b0c')),
              ((32000, 2), b'\x01\x02', ('0:32000', '0102')),
              ((8, 3), b'\x01\x02\x03', ('sourceIPv4Address', '010203'))]
    data = message(0, template(256, *(f[0] for f in fields)), (256, b''.join(f[1] for f in fields)))
    check(data, [dict(f[2] for f in fields)])



def test_infinity_is_no_number():
    done = dump('-', data=message(0, template(256, (311, 8)), (256, struct.pack('>d', float('inf')))))
    assert lines(done)[0]['samplingProbability'] is None


def test_options_say_their_scope():
    options = (3, struct.pack('>HHHHHHHHH', 300, 3, 1, 149, 4, 323, 8, 323, 8))
    check(message(0, options, (300, struct.pack('>IQQ', 7, 0, 1000))),
          [{'scope': 1, 'observationDomainId': 7, 'observationTimeMilliseconds': '1970-01-01T00:00:00.000Z',
            'observationTimeMilliseconds#2': '1970-01-01T00:00:01.000Z'}])


def test_own_elements_are_named_where_the_enterprise_is_set():
    data = message(0, template(256, (2, 4, 64999), (3, 1, 64999)), (256, b'\0\0\0\x09\x01'))
    check(data, [{'64999:2': '00000009', '64999:3': '01'}])
    check(data, [{'connectionRecordNumber': 9, 'connectionOpen': True}], '--export.enterprise', 64999)


@pytest.mark.parametrize('data, name, word', [
    (message(0, FLOW, (256, FLOW_RECORD)) + message(5, (256, FLOW_RECORD)), 'sequence', '5, expected 1'),
    (message(0, (256, FLOW_RECORD)), 'no_template', 'id 256'),
    (message(0, FLOW)[:-1] + b'', 'message_cut', 'ended inside'),
    (message(0, (5, b'')), 'set_id', 'id 5'),
    (message(0, (2, struct.pack('>HHHH', 256, 3, 8, 4))), 'template', 'id 256'),
    (b'\0\x09' + bytes(30), 'version', 'version is not 10'),
    (b'\0\x0a\0\x04' + bytes(30), 'message_length', 'shorter than its header'),
    (message(0, FLOW, template(256, (4, 1))), 'template_changed', 'id 256'),
], ids=lambda v: v if isinstance(v, str) and ' ' not in v else '')
def test_what_is_wrong_is_named_and_counted(data, name, word):
    done = dump('-', data=data)
    assert done.returncode == 1
    text = done.stderr.decode()
    assert re.search(rf'^stdin: problem {name} 1$', text, re.M), text
    assert word in text


def test_many_problems_are_told_once_and_counted(tmp_path):
    path = tmp_path / 'bad.ipfix'
    path.write_bytes(b''.join(message(0, (256, b'1234')) for _ in range(1000)))
    done = dump(path)
    text = done.stderr.decode()
    assert f'{path}: problem no_template 1000' in text
    assert len(text.splitlines()) < 10


@pytest.mark.parametrize('begin, word', [(b'\xd4\xc3\xb2\xa1', 'weir read'), (b'\x0a\x0d\x0d\x0a', 'weir read'),
                                         (b'\x1f\x8b\x08', 'gzip'), (b'\x16\x03\x01', 'weir relay'),
                                         (b'\0\x09\0\x01', 'NetFlow 9'), (b'{"a":1}', 'JSON'), (b'text', 'not IPFIX')])
def test_what_is_taken_for_ipfix_is_told(begin, word):
    done = dump('-', data=begin + bytes(40))
    assert done.returncode == 1 and done.stdout == b''
    first = done.stderr.decode().splitlines()[0]
    assert first.startswith('weir: stdin: not an IPFIX message: the version is not 10')
    assert word in first if word != 'not IPFIX' else first.endswith('not 10'), first


def test_end_of_a_file_that_was_cut_is_told(tmp_path):
    """What is whole is printed; what is not is said in one line."""
    whole = message(0, FLOW, (256, FLOW_RECORD * 5))
    for keep in (1, 4, 15, len(whole) - 1):
        done = dump('-', data=whole + message(5, (256, FLOW_RECORD))[:keep] if keep < 16 else whole[:keep])
        assert done.returncode == 1
        assert len(lines(done)) == (5 if keep < 16 else 0)
        assert done.stderr.count(b'weir: stdin: the stream ended inside a message') == 1


def test_missing_file():
    done = dump('/nonexistent/file')
    assert done.returncode == 1
    assert done.stderr == b'weir: /nonexistent/file: No such file or directory\n'


@pytest.mark.parametrize('url', ['tls://127.0.0.1:4740', 'udp://127.0.0.1:4739', 'tcp://127.0.0.1', 'tcp://:4739:'])
def test_wrong_address(url):
    done = dump(url)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and url.encode() in done.stderr


def test_full_output_is_an_error(tmp_path):
    data = message(0, FLOW, (256, FLOW_RECORD))
    with open('/dev/full', 'wb') as full:
        done = subprocess.run([WEIR, 'dump', '-'], input=data, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1
    assert b'weir: stdout: No space left on device' in done.stderr


class Listener:
    def __init__(self, *words, url='tcp://127.0.0.1:0'):
        self.program = subprocess.Popen([WEIR, 'dump', *words, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.program.stderr.readline().decode()
        self.address = re.fullmatch(r'listening on tcp://(.+):(\d+)\n', line)
        assert self.address, line

    def connect(self):
        host = self.address[1].strip('[]')
        return socket.create_connection((host, int(self.address[2])))

    def finish(self):
        out, err = self.program.communicate(timeout=60)
        return self.program.returncode, [json.loads(line) for line in out.splitlines()], err.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.program.communicate()


@pytest.mark.parametrize('url', ['tcp://127.0.0.1:0', 'tcp://[::1]:0'])
def test_several_connections_at_once(url):
    """Templates and sequence numbers belong to their connection; octets may come one by one."""
    with Listener('--once', url=url) as listener:
        connections = [listener.connect() for _ in range(5)]
        data = message(0, FLOW, (256, FLOW_RECORD)) + message(1, (256, FLOW_RECORD))
        for i in range(len(data)):
            for c in connections:
                c.sendall(data[i:i + 1])
        for c in connections:
            c.close()
        code, found, err = listener.finish()
    assert code == 0, err
    assert len(found) == 10 and len({r['from'] for r in found}) == 5


def test_stops_on_a_signal_with_what_it_has():
    with Listener() as listener, listener.connect() as c:
        c.sendall(message(0, FLOW, (256, FLOW_RECORD)))
        first = listener.program.stdout.readline()
        listener.program.send_signal(signal.SIGTERM)
        code, _, err = listener.finish()
    assert json.loads(first)['octetDeltaCount'] == 1500
    assert code == 0 and 'records 1' in err, err


def test_mutated_messages_are_survived(tmp_path):
    """Any octets: no crash, no endless loop, every line still JSON."""
    rng = random.Random(7)
    seed = message(0, FLOW, (3, struct.pack('>HHHHHHH', 300, 2, 1, 149, 4, 82, 65535)),
                   (256, FLOW_RECORD * 3), (300, b'\0\0\0\x07\x03abc')) + message(4, (256, FLOW_RECORD))
    paths = []
    for i in range(10000 if os.environ.get('WEIR_LONG') else 1000):
        data = bytearray(seed)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(4, len(data))] = rng.choice((0, 1, 2, 3, 255, rng.randrange(256)))
        del data[rng.randrange(len(data) // 2, len(data) + 1):]
        path = tmp_path / f'{i}.ipfix'
        path.write_bytes(data)
        paths.append(path)
    for at in range(0, len(paths), 500):
        done = dump(*paths[at:at + 500])
        assert done.returncode == 1
        lines(done)


def test_readme_lists_the_fields():
    listed = subprocess.run([WEIR, 'check', '--fields'], capture_output=True, text=True, timeout=60)
    assert listed.returncode == 0
    assert listed.stdout in README.read_text(), 'README: the table of `weir check --fields` differs'
