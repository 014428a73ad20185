"""Every capture of the corpus, against tables that other programs computed.

differences.tsv names the captures whose flows differ, each with its reason; it must be exact, so a
listed capture that matches fails as well. zeek_differences.tsv does the same for Zeek's conn.log."""
import collections
import importlib.util
import ipaddress
import json
import sys

import pytest

import corpus

if corpus.ROOT is None:
    pytest.skip('no corpus: set WEIR_CORPUS', allow_module_level=True)

MANIFEST = corpus.manifest()
DIFFERENCES = {row['capture']: row for row in corpus.rows(corpus.HERE / 'differences.tsv')}
ZEEK_DIFFERENCES = corpus.rows(corpus.HERE / 'zeek_differences.tsv')
REASONS = {'choice', 'oracle', 'libpcap'}  # choice of the manual; fault of the table; libpcap cannot read it all


@pytest.fixture(scope='session')
def outcomes(tmp_path_factory):
    return corpus.run_all(tmp_path_factory.mktemp('corpus'))


@pytest.fixture(scope='session')
def oracle():
    """The corpus's own small parser."""
    spec = importlib.util.spec_from_file_location('oracle', corpus.ROOT / 'oracle.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['oracle'] = module
    spec.loader.exec_module(module)
    return module


def packets_in(name, oracle):
    """As the manifest counts them. It has 0 where its programs do not know the link type."""
    told = int(MANIFEST[name]['packets'])
    return told or sum(1 for _ in oracle.read_capture(corpus.ROOT / 'captures' / name))


def test_lists_are_well_formed():
    for name, row in DIFFERENCES.items():
        assert name in MANIFEST and row['reason'] in REASONS and len(row['explanation']) > 20, name
    for row in ZEEK_DIFFERENCES:
        assert row['capture'] in MANIFEST and row['column'] in COLUMNS and len(row['explanation']) > 20, row


@pytest.mark.parametrize('name', MANIFEST)
def test_read_to_the_end(outcomes, oracle, name):
    """No crash, ledger closed, every packet in it; a capture that libpcap refuses is named in one line."""
    got = outcomes[name]
    assert got.code in (0, 1), f'exit {got.code}\n{got.stderr}'
    assert got.ledger.closed, got.stderr
    faults = [line for line in got.stderr.splitlines() if line.startswith('weir') and 'ledger' not in line]
    if got.code == 1:
        assert len([line for line in faults if name.split('/')[-1] in line]) == 1, got.stderr
    if DIFFERENCES.get(name, {}).get('reason') != 'libpcap':
        assert got.code == 0, got.stderr
        assert got.packets == packets_in(name, oracle), got.stderr
    told = sum(r['orig_pkts'] + r['resp_pkts'] for r in map(json.loads, got.json.splitlines()))
    assert told == got.ledger.count('in_flows'), got.stderr


@pytest.mark.parametrize('name', MANIFEST)
def test_flows(outcomes, name):
    got = outcomes[name]
    if not got.comparisons:
        pytest.skip('the corpus has no table for it')
    if name in DIFFERENCES:
        assert not got.matches, 'listed in differences.tsv, but it matches'
    else:
        assert got.matches, got.difference


# Zeek

COLUMNS = ('connections', 'counts', 'conn_state', 'history')
COUNTS = ('orig_pkts', 'resp_pkts', 'orig_ip_bytes', 'resp_ip_bytes')


def zeek_faults(theirs, ours):
    """(column, text, is TCP) of each connection that differs."""
    theirs, ours = corpus.by_tuple(theirs), corpus.by_tuple(ours)
    for key in sorted(theirs.keys() | ours.keys()):
        tcp = key[0] == 'tcp'
        a, b = theirs.get(key, []), ours.get(key, [])
        if len(a) != len(b):
            yield 'connections', f'{key}: Zeek has {len(a)}, not {len(b)}', tcp
            continue
        for x, y in zip(a, b):
            seen = y if x['id.orig_h'] == y['id.orig_h'] and x['id.orig_p'] == y['id.orig_p'] else corpus.turned(y)
            if any(x[c] != seen[c] for c in COUNTS):
                yield 'counts', f'{key}: {[x[c] for c in COUNTS]}, not {[seen[c] for c in COUNTS]}', tcp
            for c in ('conn_state', 'history'):
                if x[c] != y[c]:
                    yield c, f'{key}: Zeek says {x[c]}, not {y[c]}', tcp


@pytest.mark.parametrize('name', corpus.zeek_logs())
def test_zeek(outcomes, name):
    theirs = corpus.conn_log(corpus.zeek_logs()[name].read_text())
    faults = list(zeek_faults(theirs, corpus.conn_log(outcomes[name].zeek)))
    found = collections.Counter(column for column, _, _ in faults)
    listed = {row['column']: int(row['count']) for row in ZEEK_DIFFERENCES if row['capture'] == name}
    assert dict(found) == listed, '\n'.join(f'{c} {text}' for c, text, _ in faults)


def test_zeek_shares(outcomes):
    """conn_state is Zeek's on 97 % of all TCP connections that both tell apart in the same way, history on
    90 %; packets and octets on all. Five-tuples that one of them splits have no counterpart to compare."""
    total, wrong = 0, collections.Counter()
    for name, path in corpus.zeek_logs().items():
        theirs, ours = corpus.conn_log(path.read_text()), corpus.conn_log(outcomes[name].zeek)
        pairs = corpus.by_tuple(theirs), corpus.by_tuple(ours)
        total += sum(len(rows) for key, rows in pairs[0].items()
                     if key[0] == 'tcp' and len(rows) == len(pairs[1].get(key, ())))
        wrong.update(column for column, _, tcp in zeek_faults(theirs, ours) if tcp)
    share = {c: 1 - wrong[c] / total for c in COLUMNS[1:]}
    print(f'{total} TCP connections, {wrong["connections"]} five-tuples split otherwise: ' +
          ', '.join(f'{c} {s:.1%}' for c, s in share.items()))
    assert total >= 80 and wrong['connections'] <= 6
    assert share['counts'] == 1 and share['conn_state'] >= 0.97 and share['history'] >= 0.90, share


# Direction, derived anew from the packets

REQUESTS = {8, 13, 15, 17, 10, 128, 130, 133, 135, 139, 144}
REPLIES = {0, 14, 16, 18, 9, 129, 131, 134, 136, 140, 145}
NAME_PORTS = {53, 137, 5353, 5355}  # where a request bit speaks; the small parser below does not look for it
FIN, SYN, RST, ACK = 1, 2, 4, 16


class Evidence:
    """What the packets of one five-tuple say about who asked."""

    def __init__(self, sender):
        self.first = sender
        self.syn, self.answered, self.request = [], [], []

    def add(self, sender, receiver, p):
        if p.proto == 6 and p.flags & (SYN | FIN | RST) == SYN:
            (self.answered if p.flags & ACK else self.syn).append(receiver if p.flags & ACK else sender)
        if p.proto in (1, 58) and p.dport >> 8 in REQUESTS:
            self.request.append(sender)
        if p.proto in (1, 58) and p.dport >> 8 in REPLIES and not ipaddress.ip_address(receiver).is_multicast:
            self.request.append(receiver)

    def verdict(self):
        """(initiator, basis), or None where both sides claim it."""
        for basis, who in (('syn', self.syn), ('syn_ack', self.answered), ('request', self.request)):
            if who:
                return (who[0], basis) if len(set(who)) == 1 else None
        return self.first, 'first_packet'


def evidence(oracle, path):
    stat = collections.defaultdict(int, stack={})
    out = {}
    for p in oracle.native_packets(str(path), 'inner', set(oracle.ENCAP), stat, 'stop'):
        if p.later or p.first or p.src == p.dst:
            continue
        icmp = p.proto in (1, 58)
        a, b = (oracle.addr(p.ver, x) for x in (p.src, p.dst))
        ends = (a, None if icmp else p.sport), (b, None if icmp else p.dport)
        key = (p.proto, *sorted(ends, key=str))
        out.setdefault(key, Evidence(a)).add(a, b, p)
    return out


AGREED = [name for name, row in MANIFEST.items() if row['engines'] == 'agree' and name not in DIFFERENCES]


@pytest.mark.parametrize('name', AGREED)
def test_direction(outcomes, oracle, name):
    """Initiator and its evidence, for each five-tuple that is one connection in the output."""
    want = evidence(oracle, corpus.ROOT / 'captures' / name)
    got = collections.defaultdict(list)
    for r in map(json.loads, outcomes[name].json.splitlines()):
        ports = (None, None) if r['ip_proto'] in (1, 58) else (r.get('id.orig_p', 0), r.get('id.resp_p', 0))
        ends = (r['id.orig_h'], ports[0]), (r['id.resp_h'], ports[1])
        got[r['ip_proto'], *sorted(ends, key=str)].append(r)
    faults = []
    for key, found in got.items():
        verdict = want[key].verdict() if key in want else None
        if len(found) != 1 or verdict is None or {key[1][1], key[2][1]} & NAME_PORTS:
            continue
        have = found[0]['id.orig_h'], found[0]['direction_basis']
        if have != verdict:
            faults.append(f'{key}: {have}, not {verdict}')
    assert not faults, '\n'.join(faults)
