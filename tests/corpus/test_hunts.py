"""Hosts and hunts over every capture of the corpus.

Per-host counters are compared with those that the tables of flows give. What the built-in hunts find
is compared with TRUTH.tsv, which says who scans, tunnels or floods, and with hunts.tsv, which says
what is found in each capture; it must be exact."""
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

import pytest

import corpus

sys.path.insert(0, str(corpus.HERE.parent / 'e2e'))

from patience import wait_for  # noqa: E402

if corpus.ROOT is None:
    pytest.skip('no corpus: set WEIR_CORPUS', allow_module_level=True)

CAPTURES = [name for name in corpus.manifest() if '/' not in name]
OTHERWISE = {row['capture'] for row in corpus.rows(corpus.HERE / 'differences.tsv')}
UNREADABLE = {row['capture'] for row in corpus.rows(corpus.HERE / 'differences.tsv') if row['reason'] == 'libpcap'}
FOUND = {row['capture']: row['alerts'] for row in corpus.rows(corpus.HERE / 'hunts.tsv')}
FITTING = {
    'scan-port': {'port-scan'}, 'scan-host': {'host-sweep'}, 'tunnel-dns': {'dns-tunnel'},
    'tunnel-icmp': {'icmp-tunnel'}, 'longconn': {'long-connection'}, 'ddos': {'flood-victim'},
    'ddos-amp': {'flood-victim'}, 'bruteforce': {'brute-force'}, 'tunnel-tls': {'tls-vpn'},
    'exfil': {'exfil-volume', 'upload-ratio'}, 'c2': {'beacon', 'long-connection'}, 'lateral': {'lateral-movement'},
}


# Counters of hosts


def tool():
    return pathlib.Path(os.environ.get('WEIR_BUILD', corpus.REPO / 'build')) / 'tests/harness/host_rows'


def host_rows(name, *redis):
    done = subprocess.run([tool(), corpus.ROOT / 'captures' / name, *redis], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {f[0]: f[1:] for f in (line.split('\t') for line in done.stdout.splitlines())}


def table(path):
    lines = [line.rstrip('\n').split('\t') for line in open(path) if not line.startswith('#')]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


class Truth:
    """What a table of flows says of its hosts. Peers do not depend on who began; ports do, and tables go by the first
    packet: they count where a host opened as many flows as the table says."""

    def __init__(self, path):
        self.sums = collections.defaultdict(lambda: [0, 0, 0, 0])  # octets out and in, packets out and in
        self.peers, self.ports = collections.defaultdict(set), collections.defaultdict(set)
        self.opened = collections.Counter()
        for f in table(path):
            forward, backward = [int(f[c]) for c in ('fwd_bytes', 'fwd_pkts')], [int(f[c]) for c in ('rev_bytes', 'rev_pkts')]
            for host, other, out, back in ((f['src'], f['dst'], forward, backward), (f['dst'], f['src'], backward, forward)):
                self.sums[host] = [a + b for a, b in zip(self.sums[host], (out[0], back[0], out[1], back[1]))]
                self.peers[host].add(other)
            self.opened[f['src']] += 1
            if f['proto'] in PORTED:
                self.ports[f['src']].add((f['proto'], f['dport']))

    def faults(self, sums):
        return [f'{host}: {sums.get(host)}, not {self.sums.get(host)}'
                for host in sorted(self.sums.keys() | sums.keys()) if sums.get(host) != self.sums.get(host)]

    def numbers(self, host, peers, ports, opened):
        """(told, true) of each distinct number that can be judged."""
        yield peers, len(self.peers[host])
        if opened == self.opened[host]:
            yield ports, len(self.ports[host])


PORTED = {'6', '17', '132'}
EXACT = 32  # so many different things are counted exactly
ERRORS = []  # of larger numbers, relative


def judge(number):
    """A fault, or None; numbers beyond EXACT are judged all together."""
    told, true = number
    if true > EXACT:
        ERRORS.append(abs(told - true) / true)
        return f'{told} is far from {true}' if ERRORS[-1] > 0.1 else None
    return f'{told}, not {true}' if told != true else None


def the_truth(name, tmp_path, sums):
    """That of the tables which fits; to the octet."""
    truths = [Truth(path) for path in corpus.truths(name, tmp_path)]
    if not truths:
        pytest.skip('the corpus has no table for it')
    faults = [t.faults(sums) for t in truths]
    assert any(not f for f in faults), '\n'.join(min(faults, key=len)[:20])
    return truths[faults.index([])]


HOSTED = [name for name in CAPTURES if name not in OTHERWISE]


@pytest.mark.parametrize('name', HOSTED)
def test_hosts(name, tmp_path):
    """To the octet; `other` has nothing, since every host fits."""
    rows = host_rows(name)
    assert not any(map(int, rows.pop('other', ['0'] * 9)[1:9])), rows
    truth = the_truth(name, tmp_path, {host: [int(x) for x in r[1:5]] for host, r in rows.items()})
    numbers = [(host, n) for host, r in rows.items() if r[9] != '-'
               for n in truth.numbers(host, int(r[9]), int(r[10]), int(r[7]))]
    assert not [(host, judge(n)) for host, n in numbers if judge(n)]


@pytest.fixture(scope='session')
def redis_server(tmp_path_factory):
    """On a socket of its own; keeps nothing."""
    if not shutil.which('redis-server'):
        pytest.skip('no redis-server')
    redis = pytest.importorskip('redis')
    path = tmp_path_factory.mktemp('redis') / 'sock'
    process = subprocess.Popen(['redis-server', '--port', '0', '--unixsocket', str(path), '--save', '', '--appendonly', 'no'],
                               stdout=subprocess.DEVNULL, cwd=path.parent)
    client = redis.Redis(unix_socket_path=str(path), decode_responses=True)
    try:
        wait_for(path.exists, 'redis-server listens')
        yield f'unix:{path}', client
    finally:
        client.close()
        process.kill()
        process.wait()


def read_all(client, pattern, command):
    """{(host, window's start): reply} of each key."""
    keys = list(client.scan_iter(pattern, count=10000))
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        getattr(pipeline, command)(key)
    place = re.compile(r'weir:(?:hll:)?\{(.*)\}:.*?:(\d+)(?::[^:]*)?$')
    return {place.match(key).groups(): reply for key, reply in zip(keys, pipeline.execute())}


def window_rows(client, window):
    """{(host, start): {counter: value}} as a reader of Redis sums them."""
    rows = {}
    for place, fields in read_all(client, f'weir:{{*}}:h:{window}:*', 'hgetall').items():
        rows[place] = collections.Counter()
        for field, value in fields.items():
            rows[place][field.rsplit('.', 1)[1]] += int(value)
    return rows


def sums_of(rows):
    """Host -> sum over its windows, of what the traffic alone makes."""
    sums = collections.defaultdict(collections.Counter)
    for (host, _), row in rows.items():
        sums[host].update({c: n for c, n in row.items() if c not in ('on', 'os', 'dp', 'dd', 'dc')})
    return sums


SMALL = [name for name in HOSTED if (corpus.ROOT / 'captures' / name).stat().st_size < 8000]


@pytest.mark.parametrize('name', HOSTED if os.environ.get('WEIR_LONG') else SMALL)
def test_hosts_in_redis(name, tmp_path, redis_server):
    """What a reader of Redis adds up is the truth, by the minute and by the hour, to the octet."""
    address, client = redis_server
    client.flushall()
    host_rows(name, address)
    rows = window_rows(client, '1h')
    sums = sums_of(rows)
    assert sums == sums_of(window_rows(client, '1m'))
    assert not sums.pop('other', None)
    truth = the_truth(name, tmp_path, {host: [s['oo'], s['oi'], s['po'], s['pi']] for host, s in sums.items()})
    united = read_all(client, 'weir:hll:{*}:peers:1h:*', 'pfcount')
    only = [host for host, n in collections.Counter(host for host, _ in rows).items() if n == 1]
    for (host, start), row in rows.items():
        if host in only:
            numbers = [*truth.numbers(host, row['dp'], row['dd'], row['fo'])]
            numbers += [(united.get((host, start), 0), row['dp'])] if row['dp'] > EXACT else []
            assert not [n for n in numbers if judge(n)], (host, numbers)


def test_distinct_numbers_are_near_the_truth():
    """Behind the tests of all captures, here and in Redis."""
    if len(ERRORS) < 10:
        pytest.skip('the captures were not read')
    mean = statistics.mean(ERRORS)
    print(f'{len(ERRORS)} numbers beyond {EXACT}: mean error {100 * mean:.2f} %')
    assert mean <= 0.03


# Hunts


def hunt(name):
    command = [corpus.binary(), 'read', '--hunts', '-f', 'json', corpus.ROOT / 'captures' / name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope='session')
def alerts():
    with concurrent.futures.ThreadPoolExecutor(corpus.THREADS) as pool:
        return dict(zip(CAPTURES, pool.map(hunt, CAPTURES)))


@pytest.fixture(scope='session')
def truth():
    return {row['file']: row for row in corpus.rows(corpus.ROOT / 'captures' / 'TRUTH.tsv')}


def raised(found):
    return [a for a in found if a['state'] == 'raised']


def told(found):
    """As hunts.tsv has it: rules with how often each was raised."""
    counts = collections.Counter(a['rule'] for a in raised(found))
    return ' '.join(f'{rule}={n}' for rule, n in sorted(counts.items())) or '-'


@pytest.mark.parametrize('name', CAPTURES)
def test_alerts_are_those_of_the_table(alerts, name):
    done, found = alerts[name]
    if name not in UNREADABLE:
        assert done.returncode == 0, done.stderr
    assert 'ledger open' not in done.stderr, done.stderr
    assert told(found) == FOUND.get(name, '-')


def fits(alert, row):
    rules = set().union(*(FITTING.get(c, set()) for c in row['class'].split(',')))
    parties = set((row['actor'] + ',' + row['target']).split(',')) - {'*'}
    return alert['rule'] in rules and bool(parties & {alert['host'], alert.get('peer')})


def test_what_flows_show_is_found(alerts, truth):
    missing = [name for name, row in truth.items() if row['flow_detectable'] == 'yes'
               and not any(fits(a, row) for a in raised(alerts[name][1]))]
    assert not missing


def test_harmless_captures_are_silent(alerts, truth):
    loud = {name: told(alerts[name][1]) for name, row in truth.items() if row['flow_detectable'] == 'silent'
            and any(a['rule'] != 'long-connection' for a in raised(alerts[name][1]))}
    assert not loud


def test_few_false_alerts(alerts, truth):
    others = [name for name in CAPTURES if name not in truth]
    false = sum(len(raised(alerts[name][1])) for name in others)
    print(f'{false} alerts in {len(others)} captures without a label')
    assert false <= len(others)


def test_alerts_are_complete(alerts):
    for name in CAPTURES:
        for a in alerts[name][1]:
            assert {'ts', 'rule', 'severity', 'state', 'scope', 'host', 'value', 'threshold', 'text', 'sensor'} <= a.keys()
            assert a['host'] in a['text'] and a['value'] >= a['threshold'], a
