"""Hosts and hunts over every capture of the corpus.

Per-host counters are compared with those that the tables of flows give. What the built-in hunts find
is compared with TRUTH.tsv, which says who scans, tunnels or floods, and with hunts.tsv, which says
what is found in each capture; it must be exact."""
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess

import pytest

import corpus

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


def host_rows(name):
    tool = pathlib.Path(os.environ.get('WEIR_BUILD', corpus.REPO / 'build')) / 'tests/harness/host_rows'
    done = subprocess.run([tool, corpus.ROOT / 'captures' / name], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {f[0]: f[1:] for f in (line.split('\t') for line in done.stdout.splitlines())}


def table(path):
    lines = [line.rstrip('\n').split('\t') for line in open(path) if not line.startswith('#')]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def sums_of(path):
    """Host -> octets out and in, packets out and in; and host -> its peers."""
    sums, peers = collections.defaultdict(lambda: [0, 0, 0, 0]), collections.defaultdict(set)
    for f in table(path):
        forward, backward = [int(f[c]) for c in ('fwd_bytes', 'fwd_pkts')], [int(f[c]) for c in ('rev_bytes', 'rev_pkts')]
        for host, other, out, back in ((f['src'], f['dst'], forward, backward), (f['dst'], f['src'], backward, forward)):
            sums[host] = [a + b for a, b in zip(sums[host], (out[0], back[0], out[1], back[1]))]
            peers[host].add(other)
    return sums, peers


def faults_of(rows, path):
    sums, peers = sums_of(path)
    got = {host: [int(x) for x in r[1:5]] for host, r in rows.items() if host != 'other'}
    faults = [f'{host}: {got.get(host)}, not {sums.get(host)}'
              for host in sorted(sums.keys() | got.keys()) if got.get(host) != sums.get(host)]
    for host, r in rows.items():
        if r[8] != '-' and host in peers and not faults:
            told, true = int(r[8]), len(peers[host])
            if told != true if true <= 32 else abs(told - true) > 0.1 * true:
                faults.append(f'{host}: {told} peers, not {true}')
    return faults


@pytest.mark.parametrize('name', [name for name in CAPTURES if name not in OTHERWISE])
def test_hosts(name, tmp_path):
    """To the octet; `other` has nothing, since every host fits."""
    rows = host_rows(name)
    tables = corpus.truths(name, tmp_path)
    if not tables:
        pytest.skip('the corpus has no table for it')
    assert not any(map(int, rows.pop('other', ['0'] * 8)[1:8])), rows
    faults = [faults_of(rows, path) for path in tables]
    assert any(not f for f in faults), '\n'.join(min(faults, key=len)[:20])


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
