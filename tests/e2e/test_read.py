"""`weir read` as a program: sources, filters, faults, exit codes."""
import gzip
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'replay'))

from frames import A, A6, B, B6, bulk_udp, eth, udp  # noqa: E402
from harness import (ETHERNET, IEEE80211, RAW, SLL, T0, Ledger, at, binary, every, run_weir, write_pcap,  # noqa: E402
                     write_pcapng)

BUILD = pathlib.Path(os.environ.get('WEIR_BUILD') or pathlib.Path(__file__).resolve().parents[2] / 'build')


def frames(count=10, start=0):
    return every(start, '0.1', [eth(udp()) if i % 2 == 0 else eth(udp(B, A)) for i in range(count)])


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / 'ten.pcap'
    write_pcap(path, frames())
    return path


def records(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def packets(done):
    return sum(r['orig_pkts'] + r['resp_pkts'] for r in records(done))


def read(*args, **kw):
    return run_weir('read', '-f', 'json', *args, **kw)


def check(done, code=0, count=None):
    assert done.returncode == code, done.stderr
    assert Ledger(done.stderr).closed, done.stderr
    if count is not None:
        assert packets(done) == count, done.stdout + done.stderr
    return done


LEDGER_LINE = re.compile(r'ledger |  |packets: |records: ')


def one_line(done, code, *words):
    """Fails with this code and one line, the ledger apart, that names the thing."""
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if not LEDGER_LINE.match(line)]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], f'{word!r} is not in: {lines[0]}'
    return done


# Sources

def test_table_is_the_default(capture):
    done = check_plain(run_weir('read', capture))
    assert A[0] in done.stdout and B[0] in done.stdout
    with pytest.raises(ValueError):
        json.loads(done.stdout.splitlines()[-1])


def check_plain(done, code=0):
    assert done.returncode == code, done.stderr
    assert Ledger(done.stderr).closed, done.stderr
    return done


def test_several_captures(tmp_path, capture):
    """They are read one after the other; a flow may go on from one to the next."""
    second = tmp_path / 'second.pcap'
    write_pcap(second, frames(4, start=2))
    done = check(read(capture, second), count=14)
    assert len(records(done)) == 1
    assert Ledger(done.stderr).count('in_flows') == 14, done.stderr


def test_several_captures_of_different_kinds(tmp_path, capture):
    raw, cooked = tmp_path / 'raw.pcap', tmp_path / 'cooked.pcap'
    write_pcap(raw, [at(1, udp()), at(2, udp(A6, B6))], RAW)
    write_pcap(cooked, [at(3, b'\0\0\0\1\0\6\2\0\0\0\0\n\0\0\x08\0' + bytes(udp(B, A)))], SLL)
    done = check(read(capture, raw, cooked), count=13)
    assert len(records(done)) == 2


def from_stdin(path):
    with open(path, 'rb') as source:
        return subprocess.run([binary(), 'read', '-f', 'json', '-'], stdin=source, capture_output=True, text=True)


def test_stdin(capture):
    check(from_stdin(capture), count=10)


def test_stdin_through_a_pipe(capture):
    done = subprocess.run([binary(), 'read', '-f', 'json', '-'], input=capture.read_bytes(), capture_output=True)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1, done.stderr


@pytest.mark.parametrize('through', ('file', 'stdin'))
def test_gzip(tmp_path, capture, through):
    """By content, not by name."""
    path = tmp_path / 'capture'
    path.write_bytes(gzip.compress(capture.read_bytes()))
    if through == 'file':
        check(read(path), count=10)
    else:
        check(from_stdin(path), count=10)


@pytest.mark.parametrize('face', ('table', 'zeek', 'json', 'ecs', 'csv'))
def test_one_thread_and_several_tell_the_same(tmp_path, face):
    """Those that undo gzip, and those that format."""
    many, packed = tmp_path / 'many.pcap', tmp_path / 'many.pcap.gz'
    with open(many, 'wb') as out:
        subprocess.run([BUILD / 'tests/bench/gen_capture', 'imix', '2000', '30000'], stdout=out, check=True)
    packed.write_bytes(gzip.compress(many.read_bytes(), 1))
    command = [binary(), 'read', '-f', face, many, packed]
    alone = subprocess.run(['taskset', '-c', str(min(os.sched_getaffinity(0))), *command], capture_output=True, text=True)
    done = check_plain(subprocess.run(command, capture_output=True, text=True))
    assert (done.stdout, done.stderr) == (alone.stdout, alone.stderr)
    assert len(done.stdout.splitlines()) > 2000


def test_pcapng_and_pcap_are_read_alike(tmp_path):
    """More than a block of the stream, and what libpcap must read from the middle on: a second interface."""
    long = every(0, '0.001', [eth(udp(size=i % 1400)) for i in range(2000)])
    write_pcap(tmp_path / 'x.pcap', long)
    write_pcapng(tmp_path / 'one.pcapng', long)
    write_pcapng(tmp_path / 'two.pcapng', long, (ETHERNET, ETHERNET), lambda i: int(i > 1000))
    told = check(read(tmp_path / 'x.pcap'), count=2000).stdout
    for name in ('one', 'two'):
        assert check(read(tmp_path / f'{name}.pcapng')).stdout == told


def test_gzip_cut_short(tmp_path, capture):
    """What could be unpacked is told, then the fault."""
    big = tmp_path / 'big.pcap'
    write_pcap(big, frames(5000))
    path = tmp_path / 'cut.pcap.gz'
    path.write_bytes(gzip.compress(big.read_bytes())[:-2000])
    done = one_line(read(path), 1, 'cut.pcap.gz')
    assert Ledger(done.stderr).closed and packets(done) > 0


def test_microsecond_and_big_endian_pcap(tmp_path):
    """The plain old format, and one from a machine of the other byte order."""
    import struct
    packet = bytes(eth(udp()))
    for order, magic in (('<', 0xA1B2C3D4), ('>', 0xA1B2C3D4), ('>', 0xA1B23C4D)):
        path = tmp_path / 'x.pcap'
        part = 250_000 if magic == 0xA1B2C3D4 else 250_000_000
        path.write_bytes(struct.pack(order + 'IHHiIII', magic, 2, 4, 0, 0, 65535, 1) +
                         struct.pack(order + 'IIII', T0, part, len(packet), len(packet)) + packet)
        done = check(read(path), count=1)
        assert records(done)[0]['ts'] == T0 + 0.25


def test_nanoseconds(tmp_path):
    path = tmp_path / 'x.pcap'
    write_pcap(path, [at('0.123456789', eth(udp()))])
    assert f'{T0}.123456,' in check(read(path)).stdout


def test_pcapng(tmp_path):
    path = tmp_path / 'x.pcapng'
    write_pcapng(path, frames())
    done = check(read(path), count=10)
    assert records(done)[0]['ts'] == T0


def test_pcapng_of_two_interfaces(tmp_path):
    path = tmp_path / 'x.pcapng'
    write_pcapng(path, frames(), (ETHERNET, ETHERNET), lambda i: i % 2)
    check(read(path), count=10)


def test_pcapng_of_two_link_types(tmp_path):
    """libpcap refuses these: said plainly, after what came before was told."""
    path = tmp_path / 'x.pcapng'
    mixed = frames(4) + [at(1, udp())]
    write_pcapng(path, mixed, (ETHERNET, RAW), lambda i: int(i == 4))
    done = one_line(read(path), 1, 'x.pcapng', 'link type')
    assert Ledger(done.stderr).closed


def test_fifo(tmp_path, capture):
    path = tmp_path / 'fifo'
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(capture.read_bytes()))
    writer.start()
    check(read(path), count=10)
    writer.join()


def test_capture_that_grows(tmp_path, capture):
    """A pipe that is written in pieces, cut anywhere: read waits for the rest."""
    process = subprocess.Popen([binary(), 'read', '-f', 'json', '-'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    whole = capture.read_bytes()
    for start in range(0, len(whole), 97):
        process.stdin.buffer.write(whole[start:start + 97])
        process.stdin.buffer.flush()
        time.sleep(0.002)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and Ledger(err).closed, err
    assert sum(json.loads(line)['orig_pkts'] for line in out.splitlines()) == 5


def test_empty_capture(tmp_path):
    """A capture of no packets is none the less a capture."""
    path = tmp_path / 'x.pcap'
    write_pcap(path, [])
    done = check(read(path), count=0)
    assert done.stdout == ''


# Filters

def test_filter(capture, tmp_path):
    """What the filter leaves out is a line of the ledger."""
    done = check(read('-F', f'src host {A[0]}', capture), count=5)
    assert Ledger(done.stderr).count('filter') == 5, done.stderr
    assert Ledger(done.stderr).count('in_flows') == 5, done.stderr


def test_filter_that_takes_all(capture):
    done = check(read('-F', 'tcp', capture), count=0)
    assert Ledger(done.stderr).count('filter') == 10, done.stderr


def test_filter_that_is_wrong(capture):
    done = one_line(read('-F', 'host and', capture), 2, 'host and')
    assert done.stdout == ''


def test_filter_for_another_link_type(tmp_path):
    path = tmp_path / 'x.pcap'
    write_pcap(path, [at(0, udp())], RAW)
    assert read('-F', 'vlan', path).returncode in (1, 2)


# Usage

USAGE = {
    'no command': ([], None),
    'unknown command': (['raed'], 'raed'),
    'no capture': (['read'], 'CAPTURE'),
    'unknown option': (['read', '--fromat', 'json', 'x.pcap'], '--fromat'),
    'unknown short option': (['read', '-Z', 'x.pcap'], '-Z'),
    'unknown format': (['read', '-f', 'xml', 'x.pcap'], 'xml'),
    'format missing': (['read', '-f'], '-f'),
    'unknown key': (['read', '--flow.idel', '15s', 'x.pcap'], 'flow.idel'),
    'bad value': (['read', '--flow.idle', '15 parsecs', 'x.pcap'], 'flow.idle'),
    'value out of range': (['read', '--flow.idle', '0s', 'x.pcap'], 'flow.idle'),
    'bad tunnel': (['read', '--flow.decap', 'gre,wormhole', 'x.pcap'], 'wormhole'),
    'value missing': (['read', '--flow.idle'], 'flow.idle'),
    'config missing': (['read', '-c', '/nonexistent/weir.yaml', 'x.pcap'], '/nonexistent/weir.yaml'),
}


@pytest.mark.parametrize('name', USAGE)
def test_bad_usage(name, tmp_path):
    args, word = USAGE[name]
    done = run_weir(*args)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ''
    if word:
        one_line(done, 2, word)


def test_config_file(tmp_path, capture):
    path = tmp_path / 'weir.yaml'
    path.write_text('flow:\n  idle: 150ms\n')
    second = tmp_path / 'slow.pcap'
    write_pcap(second, every(0, 1, [eth(udp()) for _ in range(3)]))
    assert len(records(check(read('-c', path, second)))) == 3
    assert len(records(check(read('-c', path, '--flow.idle', '15s', second)))) == 1


def test_bad_config_names_file_and_line(tmp_path, capture):
    path = tmp_path / 'weir.yaml'
    path.write_text('# a comment\nflow:\n  idle: 47x9\n')
    one_line(read('-c', path, capture), 2, 'weir.yaml:3', 'flow.idle', '47x9')


@pytest.mark.parametrize('args', (['--help'], ['read', '--help'], ['--version']))
def test_help(args):
    done = run_weir(*args)
    assert done.returncode == 0 and done.stdout and done.stderr == ''


def test_help_names_the_formats():
    out = run_weir('read', '--help').stdout
    for word in ('table', 'zeek', 'json', 'ecs', 'csv', '--no-timeouts', '-F'):
        assert word in out


# Faults

def test_missing_file():
    one_line(read('/nonexistent/x.pcap'), 1, '/nonexistent/x.pcap', 'No such file')


def test_directory(tmp_path):
    one_line(read(tmp_path), 1, str(tmp_path))


NO_CAPTURE = {'empty': b'', 'text': b'not a capture at all, but text\n' * 10, 'head cut': b'\xd4\xc3\xb2\xa1\x02\0'}


@pytest.mark.parametrize('kind', NO_CAPTURE)
def test_no_capture(tmp_path, kind):
    path = tmp_path / 'x.pcap'
    path.write_bytes(NO_CAPTURE[kind])
    done = one_line(read(path), 1, 'x.pcap')
    assert done.stdout == ''


@pytest.mark.parametrize('cut', (1, 30, 73))
def test_capture_cut_short(tmp_path, capture, cut):
    """What was read before is told, and the ledger."""
    path = tmp_path / 'cut.pcap'
    path.write_bytes(capture.read_bytes()[:-cut])
    done = one_line(read(path), 1, 'cut.pcap')
    assert packets(done) == 9 and Ledger(done.stderr).closed, done.stderr


def test_capture_with_an_absurd_length(tmp_path, capture):
    path = tmp_path / 'bad.pcap'
    path.write_bytes(capture.read_bytes() + b'\x7f' * 64)
    done = one_line(read(path), 1, 'bad.pcap')
    assert packets(done) == 10 and Ledger(done.stderr).closed, done.stderr


def test_bad_capture_among_good_ones(tmp_path, capture):
    """Each bad one is named; the good ones are read all the same."""
    bad = tmp_path / 'bad.pcap'
    bad.write_bytes(b'nonsense' * 8)
    done = one_line(read(capture, bad), 1, 'bad.pcap')
    assert packets(done) == 10 and Ledger(done.stderr).closed, done.stderr


def test_unknown_link_type(tmp_path):
    """No flows, but every packet has its line in the ledger, and the reader is told why."""
    path = tmp_path / 'wlan.pcap'
    write_pcap(path, [at(i, bytes(60)) for i in range(3)], IEEE80211)
    done = check(read(path), count=0)
    assert 'link type' in done.stderr and 'wlan.pcap' in done.stderr
    assert Ledger(done.stderr).count('link_type') == 3


def many(tmp_path, count=20000):
    path = tmp_path / 'many.pcap'
    write_pcap(path, [at(f'{i / 1000:.3f}', bulk_udp((f'10.1.{i >> 8}.{i & 255}', 1), B)) for i in range(count)])
    return path


@pytest.mark.parametrize('face', ('table', 'json', 'zeek'))
@pytest.mark.parametrize('count', (1, 20000))
def test_full_disk(tmp_path, face, count):
    path = many(tmp_path, count)
    with open('/dev/full', 'wb') as full:
        done = subprocess.run([binary(), 'read', '-f', face, path], stdout=full, stderr=subprocess.PIPE, text=True)
    one_line(done, 1, 'stdout', 'No space left on device')
    assert 'packets: ' in done.stderr, 'no ledger: ' + done.stderr
    assert not re.search(rf'written {count}\b', done.stderr), 'written, it says: ' + done.stderr


def test_closed_pipe(tmp_path):
    """`| head -1`: the line is there, the fault is named, and the ledger shown."""
    path = many(tmp_path)
    process = subprocess.Popen([binary(), 'read', '-f', 'json', path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read().decode()
    assert json.loads(line)['proto'] == 'udp'
    done = subprocess.CompletedProcess([], process.wait(timeout=20), line, err)
    one_line(done, 1, 'stdout', 'Broken pipe')
    assert 'packets: ' in done.stderr, 'no ledger: ' + done.stderr


def test_closed_stdout(capture):
    done = subprocess.run(f'{binary()} read -f json {capture} >&-', shell=True, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr


# Progress

def on_terminal(args):
    """Runs with stderr on a terminal; returns exit code, stdout and what the terminal showed."""
    master, slave = pty.openpty()
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    shown = b''
    reader = threading.Thread(target=process.stdout.read)
    reader.start()
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    reader.join()
    os.close(master)
    return process.wait(timeout=20), shown.decode(errors='replace')


def test_progress_only_on_a_terminal(tmp_path):
    """A capture that comes slowly shows how far it is; a log file never holds progress."""
    slow = tmp_path / 'fifo'
    os.mkfifo(slow)
    write_pcap(tmp_path / 'x.pcap', frames(2000))
    whole = (tmp_path / 'x.pcap').read_bytes()

    def write():
        with open(slow, 'wb', buffering=0) as out:
            for part in range(16):
                out.write(whole[part * len(whole) // 16:(part + 1) * len(whole) // 16])
                time.sleep(0.2)

    writer = threading.Thread(target=write)
    writer.start()
    code, shown = on_terminal([binary(), 'read', '-f', 'json', str(slow)])
    writer.join()
    assert code == 0 and 'ledger closed' in shown, shown
    assert re.search(r'\r[^\r\n]*\d+ packets', shown), f'no progress on a terminal: {shown!r}'
    done = run_weir('read', '-f', 'json', tmp_path / 'x.pcap')
    assert '\r' not in done.stderr and '\x1b' not in done.stderr


# Small jobs stay small

def test_ten_packets_cost_little(capture, record_property):
    """Told, not judged: time and memory of a read of ten packets."""
    before = time.monotonic()
    child = subprocess.Popen([binary(), 'read', capture], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.monotonic() - before
    record_property('seconds', round(elapsed, 4))
    record_property('kilobytes', usage.ru_maxrss)
    print(f'ten packets: {elapsed * 1000:.1f} ms, {usage.ru_maxrss} KB')
    assert child.returncode == 0


# Several captures apart

@pytest.fixture(scope='module')
def week(tmp_path_factory):
    """Seven captures of different lengths, some of whose flows go on from one to the next."""
    folder = tmp_path_factory.mktemp('week')
    paths = [folder / f'{day}.pcap' for day in range(7)]
    for day, path in enumerate(paths):
        write_pcap(path, frames(10, start=day) +
                   [at(f'{day + 1 + i / 1000:.3f}', bulk_udp((f'10.{day}.{i >> 8}.{i & 255}', 1), B))
                    for i in range(1000 if day == 1 else 50 * day)])
    return paths


@pytest.mark.parametrize('face', ('json', 'csv', 'zeek', 'table', 'ecs'))
@pytest.mark.parametrize('jobs', (1, 3, 100))
def test_captures_apart_are_what_each_is_alone(week, face, jobs):
    alone = [run_weir('read', '-f', face, path) for path in week]
    done = check_plain(run_weir('read', '-f', face, '-j', jobs, *week))

    def lines(text, of_head):
        return [line for line in text.splitlines() if line.startswith(('#', 'first packet', 'ts,')) == of_head]

    assert lines(done.stdout, False) == [line for one in alone for line in lines(one.stdout, False)]
    assert lines(done.stdout, True) == lines(alone[0].stdout, True)
    for name in ('in_flows', 'flows_created', 'flows_ended'):
        assert Ledger(done.stderr).count(name) == sum(Ledger(one.stderr).count(name) for one in alone)


def test_captures_apart_are_not_one_time_line(week):
    """A flow that goes on is one in one time line, and one in each capture apart."""
    def of_a(done):
        return [r for r in records(check(done)) if (r['id.orig_h'], r['id.orig_p']) == A]
    assert len(of_a(read(*week))) == 1 and len(of_a(read('-j', 2, *week))) == len(week)


def test_error_in_a_capture_apart_leaves_the_others(week, tmp_path):
    bad, cut = tmp_path / 'bad.pcap', tmp_path / 'cut.pcap'
    bad.write_bytes(b'nonsense' * 8)
    cut.write_bytes(week[2].read_bytes()[:-1])
    done = check(read('-j', 2, week[0], bad, cut, tmp_path / 'none.pcap', week[3]), 1)
    assert packets(done) == packets(read(week[0])) + packets(read(cut)) + packets(read(week[3]))
    told = [line for line in done.stderr.splitlines() if line.startswith('weir: ')]
    assert len(told) == 3 and all(any(name in line for line in told) for name in ('bad.pcap', 'cut.pcap', 'none.pcap'))


def test_records_apart_beyond_memory_come_in_order(week, tmp_path):
    """No temporary file can be made, and records wait for their capture's turn."""
    many = tmp_path / 'many.pcap'
    with open(many, 'wb') as out:
        subprocess.run([BUILD / 'tests/bench/gen_capture', 'turns', '265000', '265000'], stdout=out, check=True)
    alone = [run_weir('read', '-f', 'csv', path).stdout.splitlines()[1:] for path in (week[0], many, week[1])]
    done = subprocess.run([binary(), 'read', '-f', 'csv', '-j', '3', week[0], many, week[1]], capture_output=True, text=True,
                          env=dict(os.environ, TMPDIR='/nonexistent'))
    assert Ledger(done.stderr).closed and 'ordered in parts only' in done.stderr, done.stderr
    lines = done.stdout.splitlines()[1:]
    first, middle = len(alone[0]), len(alone[0]) + len(alone[1])
    assert lines[:first] == alone[0] and sorted(lines[first:middle]) == sorted(alone[1]) and lines[middle:] == alone[2]


@pytest.mark.parametrize('jobs', ((), ('-j', '1'), ('-j', '2')))
@pytest.mark.parametrize('pack', (bytes, gzip.compress))
def test_interrupt_ends_the_wait_for_a_pipe(week, tmp_path, pack, jobs):
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    program = subprocess.Popen([binary(), 'read', '-f', 'json', *jobs, fifo], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with open(fifo, 'wb', buffering=0) as pipe:
        pipe.write(pack(week[0].read_bytes()))
        time.sleep(0.5)  # either way right; with it, likely while it waits for more
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=20)
    assert program.returncode == -signal.SIGINT and Ledger(err).closed, err
    assert 'interrupted: what comes behind was not read' in err and len(out.splitlines()) <= len(read(week[0]).stdout.splitlines())


@pytest.mark.parametrize('number', (signal.SIGINT, signal.SIGTERM))
def test_interrupt_ends_captures_apart(week, tmp_path, number):
    """Those that were being read are told as far as they came, though nothing comes any more; the rest is not begun."""
    fifos = [tmp_path / 'a', tmp_path / 'b']
    for fifo in fifos:
        os.mkfifo(fifo)
    program = subprocess.Popen([binary(), 'read', '-f', 'json', '-j', '2', *fifos, week[0]], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    pipes = [open(fifo, 'wb', buffering=0) for fifo in fifos]
    for pipe in pipes:
        pipe.write(week[0].read_bytes())
    time.sleep(0.5)  # either way right; with it, likely in the midst of reading
    program.send_signal(number)
    out, err = program.communicate(timeout=20)
    assert program.returncode == -number and Ledger(err).closed, err
    assert 'interrupted: what comes behind was not read' in err and len(out.splitlines()) <= 2
    for pipe in pipes:
        pipe.close()


@pytest.mark.parametrize('args, word', ((('-j', '0'), '"0"'), (('-j', 'two'), '"two"'), (('-j', '-1'), '"-1"'), (('-j', '257'), '"257"'),
                                        (('-j', '2', '--hunts'), '--hunts')))
def test_jobs_that_make_no_sense(capture, args, word):
    done = one_line(run_weir('read', *args, capture), 2, word)
    assert done.stdout == ''


def test_captures_apart_into_a_file(week, tmp_path):
    """Collectors get the records of all captures, in one session."""
    path = tmp_path / 'x.ipfix'
    done = check_plain(run_weir('read', '-j', 2, '-w', path, *week))
    made = int(re.search(r'records: made (\d+)', done.stderr).group(1))
    assert f'records {made}, written {made}' in done.stderr
    told = subprocess.run([binary(), 'dump', path], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len([line for line in told if '"scope"' not in line]) == made > 1000
