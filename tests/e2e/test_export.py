"""What weir exports, read back by programs that share no code with it: libfixbuf, ipfixDump, tshark, nfcapd, nfacctd.
Sums equal weir's own to the unit, fields on every record."""
import contextlib
import ipaddress
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from decimal import Decimal

import pytest

from collector import Load, config
from patience import PATIENCE, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'replay'))

from harness import Ledger, binary, run_weir, write_pcap  # noqa: E402
from test_golden import mixed  # noqa: E402

BUILD = pathlib.Path(os.environ.get('WEIR_BUILD') or pathlib.Path(__file__).resolve().parents[2] / 'build')
READER = BUILD / 'tests/harness/ipfix_reader'
PROFILES = ('core', 'elk', 'uniflow', 'silk', 'rich')
PEN = 64999

needs_fixbuf = pytest.mark.skipif(not READER.exists(), reason='built without libfixbuf')


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f'no {program} here')


@pytest.fixture(scope='module')
def captures(tmp_path_factory):
    """mixed: every kind of record; many: thousands of TCP and UDP flows."""
    folder = tmp_path_factory.mktemp('captures')
    write_pcap(folder / 'mixed.pcap', mixed())
    with open(folder / 'many.pcap', 'wb') as out:
        subprocess.run([BUILD / 'tests/bench/gen_capture', 'imix', '1500', '30000'], stdout=out, check=True)
    return {'mixed': folder / 'mixed.pcap', 'many': folder / 'many.pcap'}


def read(capture, *words, face='json'):
    done = run_weir('read', '-f', face, *words, '--export.enterprise', PEN, capture)
    assert done.returncode == 0, done.stderr
    assert Ledger(done.stderr).closed, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def sums(records):
    return (len(records), sum(r['orig_pkts'] + r['resp_pkts'] for r in records),
            sum(r['orig_ip_bytes'] + r['resp_ip_bytes'] for r in records))


class Reader:
    """The collector on libfixbuf. Its output goes to a file: a full pipe would stop it."""

    def __init__(self, *words, listen=0):
        self.out = tempfile.NamedTemporaryFile('w+')
        self.program = subprocess.Popen([READER, *words, '--once', '--listen', str(listen)], stdout=self.out)
        line = wait_for(lambda: (text := self.text()).endswith('\n') and text, 'ipfix_reader to listen')
        self.port = json.loads(line)['port']

    def text(self):
        return pathlib.Path(self.out.name).read_text()

    def finish(self):
        self.program.wait(timeout=PATIENCE)
        return parse(self.text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.kill()
        self.program.wait()
        self.out.close()


def parse(text):
    """(data records, options records, problems) of ipfix_reader's output."""
    lines = [json.loads(line) for line in text.splitlines()]
    data = [r for r in lines if 'event' not in r]
    return ([r for r in data if not r['scope']], [r for r in data if r['scope']],
            [r['text'] for r in lines if r.get('event') == 'problem'])


def ms(seconds):
    """Of a time that JSON says in seconds with 6 decimals."""
    return int(Decimal(str(seconds)) * 1000)


def end_of(record):
    return Decimal(str(record['ts'])) + Decimal(str(record.get('duration', 0)))


def version(record):
    return ipaddress.ip_address(record['id.orig_h']).version


def expected(r, reverse):
    """What core says of a record of `weir read -f json`."""
    v6, is_icmp = version(r) == 6, 'icmp_type' in r
    out = {'octetDeltaCount': r['orig_ip_bytes'], 'packetDeltaCount': r['orig_pkts'],
           'protocolIdentifier': r['ip_proto'], 'ipVersion': version(r),
           'flowStartMilliseconds': ms(r['ts']), 'flowEndMilliseconds': int(end_of(r) * 1000),
           'flowDurationMilliseconds': int(end_of(r) * 1000) - ms(r['ts']),
           'flowEndReason': {'idle': 1, 'active': 2, 'end': 3, 'forced': 4, 'resources': 5}[r['end_reason']],
           'flowId': int(r['flow_id'], 16), 'biflowDirection': 1,
           'dot1qVlanId': r.get('vlan', 0)}
    out['sourceIPv6Address' if v6 else 'sourceIPv4Address'] = r['id.orig_h']
    out['destinationIPv6Address' if v6 else 'destinationIPv4Address'] = r['id.resp_h']
    if is_icmp:
        out['icmpTypeCodeIPv6' if v6 else 'icmpTypeCodeIPv4'] = r['icmp_type'] * 256 + r['icmp_code']
    else:
        out |= {'sourceTransportPort': r['id.orig_p'], 'destinationTransportPort': r['id.resp_p'],
                'tcpControlBits': r.get('orig_flags', 0)}
    if reverse and r['resp_pkts']:
        out |= {'reverseOctetDeltaCount': r['resp_ip_bytes'], 'reversePacketDeltaCount': r['resp_pkts']}
        if not is_icmp:
            out['reverseTcpControlBits'] = r.get('resp_flags', 0)
    return out


def check_biflows(found, records):
    assert len(found) == len(records)
    for got, record in zip(found, records):
        want = expected(record, True)
        assert {k: got.get(k) for k in want} == want
        if not record['resp_pkts']:
            assert not [k for k in got if k.startswith('reverse')]


def check_uniflows(found, records):
    """The initiator's half comes first; the responder's says so in biflowDirection."""
    halves = iter(found)
    for record in records:
        for side in 'orig', 'resp':
            if not record[f'{side}_pkts']:
                continue
            got, source = next(halves), 'id.resp_h' if side == 'resp' else 'id.orig_h'
            assert got['octetDeltaCount'] == record[f'{side}_ip_bytes']
            assert got['packetDeltaCount'] == record[f'{side}_pkts']
            assert got['flowId'] == int(record['flow_id'], 16)
            assert got['biflowDirection'] == (1 if side == 'orig' else 2)
            assert got[f'sourceIPv{version(record)}Address'] == record[source]
            assert not [k for k in got if k.startswith('reverse')]
    assert next(halves, None) is None


def check_found(profile, found, records):
    if profile == 'uniflow':
        check_uniflows(found, records)
    else:
        check_biflows(found, records)


@needs_fixbuf
@pytest.mark.parametrize('profile', PROFILES)
@pytest.mark.parametrize('name', ('mixed', 'many'))
def test_libfixbuf_over_tcp(captures, name, profile):
    with Reader() as reader:
        records = read(captures[name], '-w', f'tcp://127.0.0.1:{reader.port}?profile={profile}')
        found, options, problems = reader.finish()
    assert problems == []
    check_found(profile, found, records)
    assert bool(options) == (profile != 'elk')


@needs_fixbuf
@pytest.mark.parametrize('profile', PROFILES)
def test_libfixbuf_of_a_file(captures, tmp_path, profile):
    path = tmp_path / 'flows.ipfix'
    records = read(captures['mixed'], '-w', f'file:{path}?profile={profile}&message_size=512')
    done = subprocess.run([READER, path], capture_output=True, text=True, timeout=PATIENCE)
    found, _, problems = parse(done.stdout)
    assert problems == []
    check_found(profile, found, records)


@needs_fixbuf
def test_file_of_an_earlier_run_is_a_stream_of_its_own(tmp_path):
    """Two runs: a strict reader takes each file without complaint, and all records are there."""
    path = tmp_path / 'flows.ipfix'
    settings = config({'transport': 'file', 'path': str(path)})
    for records in (1000, 2000):
        Load(tmp_path, settings, records, 0).finish()
    files = sorted(tmp_path.glob('*.ipfix'))
    assert len(files) == 2 and files[1] == path
    for file, records in zip(files, (1000, 2000)):
        assert len([r for r in dump(file) if 'scope' not in r]) == records
        done = subprocess.run([READER, file], capture_output=True, text=True, timeout=PATIENCE)
        found, _, problems = parse(done.stdout)
        assert (len(found), problems) == (records, [])


@needs_fixbuf
def test_options_records(captures, tmp_path):
    path = tmp_path / 'flows.ipfix'
    read(captures['mixed'], '-w', path, '--sensor.name', 'tap-7', '--flow.active', '5m')
    _, options, _ = parse(subprocess.run([READER, path], capture_output=True, text=True, timeout=PATIENCE).stdout)
    domain = next(o for o in options if 'observationDomainName' in o)
    assert domain['observationDomainName'] == 'tap-7' and domain['flowActiveTimeout'] == 300
    assert domain['observationDomainId'] == domain['domain'] != 0
    selector = next(o for o in options if 'samplingPacketInterval' in o)
    assert (selector['samplingPacketInterval'], selector['samplingPacketSpace']) == (1, 0)
    keys = [o for o in options if 'flowKeyIndicator' in o]
    assert len(keys) == 16 and all(o['flowKeyIndicator'] for o in keys)  # templates of flows, and of aggregates


def dump(path, *words):
    done = subprocess.run([binary(), 'dump', *map(str, words), path], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def stamp(seconds, digits):
    whole = int(seconds)
    text = datetime.fromtimestamp(whole, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')
    return f'{text}.{str(seconds - whole)[2:].ljust(digits, "0")[:digits]}Z'


def test_rich_says_all_that_json_says(captures, tmp_path):
    path = tmp_path / 'rich.ipfix'
    records = read(captures['mixed'], '-w', f'file:{path}?profile=rich')
    found = [r for r in dump(path, '--export.enterprise', PEN) if 'scope' not in r]
    assert len(found) == len(records)
    for got, r in zip(found, records):
        want = {'connectionRecordNumber': r['record_no'], 'connectionOpen': r['open'],
                'connectionState': r['conn_state'], 'connectionHistory': r.get('history', ''),
                'communityId': r['community_id'], 'initiatorOctets': r['orig_bytes'],
                'responderOctets': r['resp_bytes'], 'octetTotalCount': r.get('total_orig_ip_bytes', r['orig_ip_bytes']),
                'packetTotalCount': r.get('total_orig_pkts', r['orig_pkts']),
                'dot1qCustomerVlanId': r.get('inner_vlan', 0),
                'directionBasis': ['first_packet', 'request', 'syn_ack', 'syn'].index(r['direction_basis'])}
        if r['resp_pkts']:
            want |= {'reversePacketTotalCount': r.get('total_resp_pkts', r['resp_pkts'])}
        assert {k: got.get(k) for k in want} == want
        assert got['flowStartNanoseconds'][:26] == stamp(Decimal(str(r['ts'])), 6)[:26]
        assert got['connectionStartNanoseconds'][:26] == stamp(Decimal(str(r['conn_start'])), 6)[:26]
        check_tunnel(got, r.get('tunnel'))


def check_tunnel(got, tunnel):
    if not tunnel:
        assert 'tunnelKind' not in got
        return
    kinds = ['', 'gre', 'erspan', 'ipip', 'vxlan', 'geneve', 'gtp']
    assert kinds[got['tunnelKind']] == tunnel['type']
    assert got['tunnelSourceAddress'] in (tunnel['src'], f'::ffff:{tunnel["src"]}')
    assert got['tunnelDestinationAddress'] in (tunnel['dst'], f'::ffff:{tunnel["dst"]}')
    if tunnel['type'] == 'vxlan':
        assert got['layer2SegmentId'] == (1 << 56) + tunnel['id']
    if tunnel['type'] == 'gtp':
        assert got['gtpuTEid'] == tunnel['id']


def test_without_an_enterprise_number_there_are_no_own_elements(captures, tmp_path):
    path = tmp_path / 'rich.ipfix'
    done = run_weir('read', '-w', f'file:{path}?profile=rich', captures['mixed'])
    assert done.returncode == 0, done.stderr
    names = {name for record in dump(path) for name in record}
    assert not [name for name in names if re.match(r'\d+:', name)]
    assert 'octetTotalCount' in names and 'communityId' not in names


@needs('ipfixDump')
@pytest.mark.parametrize('profile', PROFILES)
def test_ipfixdump(captures, tmp_path, profile):
    path = tmp_path / 'flows.ipfix'
    records = read(captures['mixed'], '-w', f'file:{path}?profile={profile}')
    done = subprocess.run(['ipfixDump', '--rfc5610', '--in', path], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and not re.search('error|warning', done.stderr, re.I), done.stderr
    packets = [int(n) for n in re.findall(r'^\s*\((?:29305/)?2\)\s+\w*[pP]acketDeltaCount : (\d+)$', done.stdout, re.M)]
    assert sum(packets) == sums(records)[1]
    for count in re.findall(r'count: (\d+) ', done.stdout):
        assert int(count) <= 60
    if profile == 'rich':  # the type records were taken: own elements have their names and types
        assert f'({PEN}/1)     connectionStartNanoseconds' in done.stdout


def tshark(*words):
    done = subprocess.run(['tshark', *map(str, words)], capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, 'HOME': '/nonexistent'})
    return done.stdout


def check_tshark(text, records, profile):
    assert not re.search(r'Malformed|Expert Info|template not found|No template', text), 'tshark complains'
    octets = [int(n) for n in re.findall(r'^\s+Octets: (\d+)', text, re.M)]
    packets = [int(n) for n in re.findall(r'^\s+Packets: (\d+)', text, re.M)]
    assert (sum(packets), sum(octets)) == sums(records)[1:]
    assert text.count('Flow Id: ') == (len(records) if profile != 'uniflow' else
                                       sum(bool(r['orig_pkts']) + bool(r['resp_pkts']) for r in records))


@needs('tshark')
@pytest.mark.parametrize('profile', ('core', 'uniflow', 'rich'))
def test_tshark_of_a_file(captures, tmp_path, profile):
    path = tmp_path / 'flows.ipfix'
    records = read(captures['mixed'], '-w', f'file:{path}?profile={profile}')
    check_tshark(tshark('-r', path, '-V'), records, profile)


@needs_fixbuf
@needs('tshark')
@pytest.mark.skipif(os.geteuid() != 0, reason='capturing needs root')
def test_tshark_of_a_captured_stream(captures, tmp_path):
    path = tmp_path / 'stream.pcap'
    with Reader() as reader:
        sniffer = subprocess.Popen(['dumpcap', '-q', '-i', 'lo', '-f', f'tcp port {reader.port}', '-w', path],
                                   stderr=subprocess.PIPE, text=True)
        try:
            while 'File:' not in (line := sniffer.stderr.readline()):
                assert line, 'dumpcap ended'
            records = read(captures['mixed'], '-w', f'tcp://127.0.0.1:{reader.port}?message_size=700')
            reader.finish()
            wait_for(lambda: text_of_fin(path, reader.port), 'the end of the connection in the capture')
        finally:
            sniffer.send_signal(signal.SIGINT)
            sniffer.communicate(timeout=PATIENCE)
        text = tshark('-r', path, '-d', f'tcp.port=={reader.port},cflow', '-V', '-Y', 'cflow')
    check_tshark(text, records, 'core')


def text_of_fin(path, port):
    return path.exists() and tshark('-r', path, '-Y', f'tcp.srcport=={port} && tcp.flags.fin==1')


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def bound(port):
    return any(line.split()[1].endswith(f':{port:04X}') for line in open('/proc/net/udp') if ':' in line.split()[1])


@contextlib.contextmanager
def collector(port, *words, **kwargs):
    """A collector that listens on a UDP port of loopback; ended by an interrupt, which all of them know."""
    with open(kwargs.pop('log'), 'w') as log:
        program = subprocess.Popen([str(w) for w in words], stdout=log, stderr=log, **kwargs)
        try:
            wait_for(lambda: bound(port) or program.poll() is not None, f'{words[0]} on port {port}')
            assert program.poll() is None, f'{words[0]} ended'
            yield program
        finally:
            program.send_signal(signal.SIGINT)
            try:
                program.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


class Relay:
    """weir relay in front of a UDP collector."""

    def __init__(self, port):
        self.program = subprocess.Popen([binary(), 'relay', '--listen', 'tcp://127.0.0.1:0', '--to',
                                         f'udp://127.0.0.1:{port}'], stderr=subprocess.PIPE, text=True)
        while not (match := re.search(r'listening at port (\d+)', text := self.program.stderr.readline())):
            assert text, 'weir relay ended'
        self.url = f'tcp://127.0.0.1:{match[1]}'

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.program.terminate()
        self.program.communicate(timeout=PATIENCE)


@contextlib.contextmanager
def way(kind, port):
    """A URL that leads to the UDP port."""
    if kind == 'udp':
        yield f'udp://127.0.0.1:{port}'
    else:
        with Relay(port) as url:
            yield url


def nfdump(folder):
    """(flows, packets, octets) both ways, and the records."""
    done = subprocess.run(['nfdump', '-R', folder, '-o', 'json'], capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, 'TZ': 'UTC'})
    try:
        return json.loads(done.stdout)
    except ValueError:
        return []


def nf_sums(records):
    return (len(records), sum(r['in_packets'] + r.get('out_packets', 0) for r in records),
            sum(r['in_bytes'] + r.get('out_bytes', 0) for r in records))


def nf_key(r):
    addresses = r.get('src4_addr', r.get('src6_addr')), r.get('dst4_addr', r.get('dst6_addr'))
    return (*addresses, r['proto'], r['first'], r['in_packets'], r['in_bytes'], r.get('out_packets', 0),
            r.get('out_bytes', 0), r.get('src_port'), r.get('dst_port'), r.get('icmp_type'), r.get('icmp_code'))


def nf_expected(r):
    first = datetime.fromtimestamp(ms(r['ts']) // 1000, timezone.utc).strftime('%Y-%m-%dT%H:%M:%S')
    is_icmp = 'icmp_type' in r
    return (r['id.orig_h'], r['id.resp_h'], r['ip_proto'], f'{first}.{ms(r["ts"]) % 1000:03}', r['orig_pkts'],
            r['orig_ip_bytes'], r['resp_pkts'], r['resp_ip_bytes'], None if is_icmp else r['id.orig_p'],
            None if is_icmp else r['id.resp_p'], r.get('icmp_type'), r.get('icmp_code'))


@needs('nfcapd')
@pytest.mark.parametrize('kind', ('udp', 'relay'))
@pytest.mark.parametrize('name', ('mixed', 'many'))
def test_nfcapd(captures, tmp_path, name, kind):
    port = free_port()
    folder = tmp_path / 'nf'
    folder.mkdir()
    log = tmp_path / 'log'
    with collector(port, 'nfcapd', '-w', folder, '-b', '127.0.0.1', '-p', port, '-t', '3600', log=log,
                   env={**os.environ, 'TZ': 'UTC'}), way(kind, port) as url:
        records = read(captures[name], '-w', url)
        wait_for(lambda: taken(port), 'nfcapd to read its socket')
    found = nfdump(folder)
    assert nf_sums(found) == sums(records), log.read_text()
    assert sorted(map(str, map(nf_key, found))) == sorted(map(str, map(nf_expected, records)))
    assert 'Sequence Errors: 0, Bad Packets: 0' in log.read_text()


def taken(port):
    """Nothing waits in the socket's queue."""
    rows = [line.split() for line in open('/proc/net/udp')]
    return all(row[4].endswith(':00000000') for row in rows if row[1].endswith(f':{port:04X}'))


NUDGE = '192.0.2.99'


def nudge(port):
    """A flow of a stranger: nfacctd may have forgotten to wake its plugin, which then reads all with the next record."""
    fields = (8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 8), (2, 8)
    template = struct.pack('!HH', 999, len(fields)) + b''.join(struct.pack('!HH', *f) for f in fields)
    record = socket.inet_aton(NUDGE) * 2 + struct.pack('!HHBQQ', 1, 1, 17, 100, 1)
    sets = struct.pack('!HH', 2, 4 + len(template)) + template + struct.pack('!HH', 999, 4 + len(record)) + record
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(struct.pack('!HHIII', 10, 16 + len(sets), 0, 0, 99) + sets, ('127.0.0.1', port))


@needs('nfacctd')
@pytest.mark.parametrize('kind', ('udp', 'relay'))
def test_nfacctd(captures, tmp_path, kind):
    """pmacct ignores reverse elements: uniflow is its profile. It reads TCP flags of one octet."""
    port, out = free_port(), tmp_path / 'out'
    (tmp_path / 'conf').write_text(f'''daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
nfacctd_time_new: true
nfacctd_pipe_size: 4000000
plugins: print[x]
print_output[x]: json
print_output_file[x]: {out}
print_output_file_append[x]: true
print_refresh_time[x]: 1
aggregate[x]: src_host, dst_host, src_port, dst_port, proto, tcpflags
''')
    log = tmp_path / 'log'
    with collector(port, 'nfacctd', '-f', tmp_path / 'conf', log=log), way(kind, port) as url:
        # What comes before its plugin is ready is lost to it.
        wait_for(lambda: 'cache entries=' in log.read_text() and 'waiting for' in log.read_text(), 'nfacctd to be ready')
        records = read(captures['many'], '-w', f'{url}?profile=uniflow')
        want = uniflow_keys(records)
        got = wait_for(lambda: nudge(port) or (k := pmacct_keys(out)) == want and k or None,
                       lambda: f'{len(pmacct_keys(out))} of {len(want)} keys', pause=0.5)
    assert got == want


def add_up(sums, key, packets, octets, flags):
    """pmacct adds counts and unites flags."""
    before = sums.get(key, (0, 0, 0))
    sums[key] = before[0] + packets, before[1] + octets, before[2] | int(flags)


def uniflow_keys(records):
    out = {}
    for r in records:
        ends = (r['id.orig_h'], r['id.orig_p']), (r['id.resp_h'], r['id.resp_p'])
        for side, (source, target) in zip(('orig', 'resp'), (ends, ends[::-1])):
            if r[f'{side}_pkts']:
                add_up(out, (*source, *target, r['proto']), r[f'{side}_pkts'], r[f'{side}_ip_bytes'],
                       r.get(f'{side}_flags', 0))
    return out


def pmacct_keys(path):
    out = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.endswith('}') and (r := json.loads(line)).get('ip_src', NUDGE) != NUDGE:
            add_up(out, (r['ip_src'], r['port_src'], r['ip_dst'], r['port_dst'], r['ip_proto']), r['packets'],
                   r['bytes'], r['tcp_flags'])
    return out


# weir read -w

@needs_fixbuf
def test_two_collectors_stdout_and_a_file_at_once(captures, tmp_path):
    with Reader() as one, Reader() as two:
        records = read(captures['mixed'], '-w', f'tcp://127.0.0.1:{one.port}', '-w',
                       f'tcp://127.0.0.1:{two.port}?profile=rich', '-w', tmp_path / 'x.ipfix')
        check_biflows(one.finish()[0], records)
        check_biflows(two.finish()[0], records)
    assert len([r for r in dump(tmp_path / 'x.ipfix') if 'scope' not in r]) == len(records)


def test_without_f_nothing_goes_to_stdout(captures, tmp_path):
    done = run_weir('read', '-w', tmp_path / 'x.ipfix', captures['mixed'])
    assert (done.returncode, done.stdout) == (0, '')
    assert Ledger(done.stderr).closed
    assert re.search(r'^collector \S+: records (\d+), written \1$', done.stderr, re.M), done.stderr


@needs_fixbuf
def test_slow_collector_gets_everything(captures):
    with Reader('--rate', '400000', '--summary') as reader:
        records = read(captures['many'], '-w', f'tcp://127.0.0.1:{reader.port}', '--export.queue', '256KiB')
        reader.finish()
        summary = json.loads(reader.text().splitlines()[-1])
    assert (summary['records'], summary['packets'], summary['octets']) == sums(records)


def test_collector_that_is_not_there(captures, tmp_path):
    """One clear line, exit 1; the others get everything."""
    port = closed_port()
    done = run_weir('read', '-w', f'tcp://127.0.0.1:{port}', '-w', tmp_path / 'x.ipfix', captures['mixed'])
    assert done.returncode == 1
    assert re.search(rf'^weir: tcp-127.0.0.1-{port}: \d+ records did not get there: .*Connection refused', done.stderr,
                     re.M), done.stderr
    assert re.search(r'^collector file-\S+: records (\d+), written \1$', done.stderr, re.M), done.stderr


def test_file_that_cannot_be_written(captures):
    done = run_weir('read', '-w', '/nonexistent/x.ipfix', captures['mixed'])
    assert done.returncode in (1, 2)
    assert '/nonexistent' in done.stderr


def test_collectors_of_the_configuration_are_left_alone(captures, tmp_path):
    (tmp_path / 'weir.yaml').write_text('export:\n  collectors:\n    - tcp://127.0.0.1:1\n')
    done = run_weir('read', '-c', tmp_path / 'weir.yaml', '-w', tmp_path / 'x.ipfix', captures['mixed'])
    assert done.returncode == 0, done.stderr


def test_json_lines_over_tcp_are_those_of_stdout(captures):
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        program = subprocess.Popen([binary(), 'read', '-f', 'ecs', '-w',
                                    f'tcp://127.0.0.1:{listener.getsockname()[1]}?profile=ecs', captures['mixed']],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        connection, _ = listener.accept()
        with connection:
            got = b''.join(iter(lambda: connection.recv(65536), b''))
        out, err = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, err
    assert got == out


# As strangers use it

def start_read(*words, **kw):
    return subprocess.Popen([binary(), 'read', *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            **kw)


def closed_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def account(stderr):
    """Lines about collectors: all but the ledger's."""
    return [line for line in stderr.splitlines() if line.startswith(('collector ', 'weir: '))]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_interrupted_read_ends_with_what_it_has(captures, tmp_path, number):
    path = tmp_path / 'x.ipfix'
    reading, writing = os.pipe()
    program = start_read('-f', 'json', '-w', path, '-', stdin=reading)
    os.close(reading)
    with os.fdopen(os.dup(writing), 'wb') as pipe, open(captures['many'], 'rb') as capture:
        pipe.write(capture.read(1_000_000))
    with open(f'/proc/{program.pid}/wchan') as wchan:
        wait_for(lambda: 'pipe' in (wchan.seek(0) or wchan.read()), 'it to have read all')
    program.send_signal(number)
    out, err = program.communicate(timeout=PATIENCE)
    os.close(writing)
    assert program.returncode == -number and Ledger(err).closed, err
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == len([r for r in dump(path) if 'scope' not in r]) > 0
    assert account(err)[0] == 'weir: interrupted: what comes behind was not read'


@pytest.mark.parametrize('face, comes', [((), True), (('-f', 'json'), False)])
def test_records_for_collectors_alone_are_not_held(captures, tmp_path, face, comes):
    """They are written while the capture is being read; with stdout all are held, to be ordered."""
    path = tmp_path / 'x.ipfix'
    reading, writing = os.pipe()
    program = start_read('-w', path, *face, '-', stdin=reading)
    os.close(reading)
    with os.fdopen(writing, 'wb') as pipe, open(captures['many'], 'rb') as capture:
        pipe.write(capture.read(8_000_000))
        pipe.flush()
        with open(f'/proc/{program.pid}/wchan') as wchan:
            wait_for(lambda: 'pipe' in (wchan.seek(0) or wchan.read()), 'it to have read all')
        assert (path.exists() and path.stat().st_size > 0) == comes
    out, err = program.communicate(timeout=PATIENCE)
    assert Ledger(err).closed and len([r for r in dump(path) if 'scope' not in r]) > 0, err


def test_interrupt_ends_the_wait_for_a_collector(captures, tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as deaf:
        program = start_read('-w', f'tcp://127.0.0.1:{deaf.getsockname()[1]}', '--export.queue', '256KiB',
                             '--sensor.drain_timeout', '1s', captures['many'])
        connection, _ = deaf.accept()
        connection.recv(1)
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=PATIENCE)
        connection.close()
    assert program.returncode == -signal.SIGINT and Ledger(err).closed, err
    given, got = map(int, re.search(r'records (\d+), acknowledged (\d+)', err).groups())
    assert f'{given - got} records did not get there: interrupted' in err and got < given


@needs_fixbuf
def test_spool_takes_what_a_collector_misses_and_the_next_run_sends_it(captures, tmp_path):
    port, spool = closed_port(), ('--export.spool', tmp_path / 'spool')
    url = f'tcp://127.0.0.1:{port}'
    done = run_weir('read', *spool, '-w', url, captures['many'])
    count = int(re.search(r'records: made (\d+)', done.stderr).group(1))
    assert done.returncode == 1 and account(done.stderr) == [
        f'collector tcp-127.0.0.1-{port}: records {count}, acknowledged 0',
        f'weir: tcp-127.0.0.1-{port}: {count} records wait in the spool: cannot connect to 127.0.0.1:{port}: '
        'Connection refused']
    with Reader('--summary', listen=port) as reader:
        done = run_weir('read', *spool, '-w', url, captures['mixed'])
        reader.program.wait(timeout=PATIENCE)
        summary = json.loads(reader.text().splitlines()[-1])
    more = int(re.search(r'records: made (\d+)', done.stderr).group(1))
    assert done.returncode == 0 and account(done.stderr) == [
        f'collector tcp-127.0.0.1-{port}: records {more}, in the spool before {count}, acknowledged {count + more}']
    assert summary['records'] == count + more and summary['problems'] == 0


@needs_fixbuf
def test_failover_to_a_member_that_is_there(captures):
    with Reader('--summary') as reader:
        urls = [f'tcp://127.0.0.1:{port}?group=g&group_mode=failover' for port in (closed_port(), reader.port)]
        done = run_weir('read', '-w', urls[0], '-w', urls[1], captures['many'])
        reader.program.wait(timeout=PATIENCE)
        summary = json.loads(reader.text().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert f'records: made {summary["records"]},' in done.stderr


@pytest.mark.parametrize('path, why', [('/dev/full', 'cannot write: No space left on device'),
                                       ('{}', 'cannot open: Is a directory'),
                                       ('{}/precious.txt', 'holds something else: remove it first')])
def test_file_that_takes_nothing_is_one_line(captures, tmp_path, path, why):
    (tmp_path / 'precious.txt').write_text('all of my work')
    path = path.format(tmp_path)
    done = run_weir('read', '-w', f'file:{path}', captures['mixed'])
    assert done.returncode == 1 and Ledger(done.stderr).closed
    lines = account(done.stderr)
    assert len(lines) == 2 and lines[1].endswith(f'records did not get there: {path}: {why}'), done.stderr
    assert (tmp_path / 'precious.txt').read_text() == 'all of my work'


def test_capture_is_not_overwritten(captures, tmp_path):
    capture = tmp_path / 'x.pcap'
    shutil.copy(captures['mixed'], capture)
    assert run_weir('read', '-w', f'file:{capture}', capture).returncode == 1
    assert capture.read_bytes() == captures['mixed'].read_bytes()


def test_closed_stdout_costs_collectors_nothing(captures, tmp_path):
    """As `weir read -f json -w x.ipfix capture | head -0` does."""
    program = start_read('-f', 'json', '-w', tmp_path / 'x.ipfix', captures['many'])
    program.stdout.close()
    err = program.stderr.read()
    assert program.wait(timeout=PATIENCE) == 1 and Ledger(err).closed
    assert 'weir: stdout: Broken pipe' in err and re.search(r'records (\d+), written \1$', err, re.M), err


def test_files_of_one_name(captures, tmp_path):
    for folder in 'ab':
        (tmp_path / folder).mkdir()
    assert run_weir('read', '-w', tmp_path / 'a/x.ipfix', '-w', tmp_path / 'b/x.ipfix', captures['mixed']).returncode == 0
    assert len(dump(tmp_path / 'a/x.ipfix')) == len(dump(tmp_path / 'b/x.ipfix')) > 0


@pytest.mark.parametrize('word, why', [
    ('tcp://no-such-host.invalid', 'no-such-host.invalid: name not found'), ('http://h:1', '"http" is not one of the choices'),
    ('tcp://', 'is not an address'), ('tcp://h:0', 'is not a port'), ('flows', 'expected tcp://host:port'),
    ('tls://h', 'needs cert and key'), ('file:-', 'stdout takes only the profiles'), ('tcp://h?profil=ecs', 'did you mean'),
    ('/no/such/x.ipfix', '/no/such/: directory: No such file')])
def test_wrong_place_is_one_line_and_nothing_is_done(captures, word, why):
    done = run_weir('read', '-w', word, captures['mixed'])
    assert (done.returncode, done.stdout, done.stderr.count('\n')) == (2, '', 1) and why in done.stderr, done.stderr
