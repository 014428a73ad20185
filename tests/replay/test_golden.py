"""Whole outputs of one mixed capture, octet for octet. WEIR_UPDATE_GOLDEN=1 writes them anew; read the
difference before you keep it."""
import csv
import io
import json
import os
import pathlib

import pytest
from scapy.layers.l2 import ARP, Dot1Q

from frames import A, A6, B, B6, Tcp, dns, eth, fragments, icmp, udp
from harness import Ledger, at, every, run_weir
from test_encapsulation import gtpu, vxlan

GOLDEN = pathlib.Path(__file__).parent / 'golden'
FORMATS = ('table', 'zeek', 'json', 'ecs', 'csv')
ZEEK_ORDER = '''ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes
conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents'''
OWN_ORDER = '''orig_flags resp_flags icmp_type icmp_code tunnel community_id flow_id record_no conn_start end_reason
open quality ingress direction_basis'''


def mixed():
    """DNS, HTTP-like TCP, a refused connection, ping, IPv6, VLAN, tunnels, fragments, a long UDP flow."""
    resolver, client = ('192.0.2.53', 53), ('10.1.1.1', 5353)
    web, refused = Tcp(), Tcp(('10.1.1.2', 50000), ('10.1.1.3', 445))
    first, later = fragments(udp(('10.1.1.4', 9), B, 200), 104)
    talk = web.open() + [web.c('PA', 300), web.s('A'), web.s('A', 1400), web.s('PA', 700), web.c('A')] + web.close()
    frames = [at(0, eth(dns(client, resolver, False))), at('0.0213', eth(dns(resolver, client, True, 120)))]
    frames += every('0.05', '0.011000001', talk)
    frames += every('0.5', '0.001', [refused.c('S'), refused.s('RA', seq=0)])
    frames += every(1, '0.25', [eth(icmp(A[0], B[0], 8)), eth(icmp(B[0], A[0], 0))])
    frames += every(2, '0.25', [eth(udp(A6, B6)), eth(udp(B6, A6, 100))])
    frames += every(3, '0.25', [eth(Dot1Q(vlan=5) / udp(('10.1.1.5', 1), B)), eth(udp(B, ('10.1.1.5', 1)))])
    frames += every(4, '0.25', [vxlan(udp(('10.8.0.1', 2), ('10.8.0.2', 3)), 42), gtpu(udp(A6, B6, 64), 99)])
    frames += every(5, '0.25', [eth(later), eth(first), eth(ARP(psrc=A[0], pdst=B[0]))])
    frames += every(10, 25, [eth(udp(('10.1.1.6', 4), B)), eth(udp(B, ('10.1.1.6', 4)))] * 3)
    return frames


@pytest.fixture
def capture(weir):
    return weir.capture(mixed(), name='mixed.pcap')


def text(face, path):
    done = run_weir('read', '-f', face, path, binary_output=True)
    assert done.returncode == 0, done.stderr
    assert Ledger(done.stderr.decode()).closed, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize('face', FORMATS)
def test_golden(capture, face):
    got, path = text(face, capture), GOLDEN / f'mixed.{face}'
    if os.environ.get('WEIR_UPDATE_GOLDEN'):
        path.write_bytes(got)
    want = path.read_bytes()
    assert got.decode().splitlines() == want.decode().splitlines()
    assert got == want


@pytest.mark.parametrize('face', FORMATS)
def test_same_input_same_output(capture, face):
    assert text(face, capture) == text(face, capture)


def test_faces_agree(capture):
    """json, csv and ecs tell the same records; zeek tells the same packets."""
    records = [json.loads(line) for line in text('json', capture).splitlines()]
    rows = list(csv.DictReader(io.StringIO(text('csv', capture).decode())))
    documents = [json.loads(line) for line in text('ecs', capture).splitlines()]
    assert len(records) == len(rows) == len(documents)
    for record, row, document in zip(records, rows, documents):
        for key in ('id.orig_h', 'id.resp_h', 'orig_pkts', 'resp_pkts', 'orig_ip_bytes', 'resp_ip_bytes', 'uid'):
            assert str(record[key]) == row[key]
        assert document['source']['ip'] == record['id.orig_h']
        assert document['destination']['packets'] == record['resp_pkts']
        assert document['network']['bytes'] == record['orig_ip_bytes'] + record['resp_ip_bytes']
        assert document['network']['community_id'] == record['community_id']
    lines = text('zeek', capture).decode().splitlines()
    names = next(line for line in lines if line.startswith('#fields')).split('\t')[1:]
    data = [dict(zip(names, line.split('\t'))) for line in lines if not line.startswith('#')]
    assert len(data) == len({r['flow_id'] for r in records})
    for side in ('orig', 'resp'):
        assert sum(int(r[f'{side}_pkts']) for r in data) == sum(r[f'{side}_pkts'] for r in records)


def test_zeek_header(capture):
    """As Zeek writes it, in Zeek's order; extras stand behind."""
    lines = text('zeek', capture).decode().splitlines()
    assert lines[0] == '#separator \\x09'
    head = dict(line[1:].split('\t', 1) for line in lines[1:] if line.startswith('#'))
    assert [head[k] for k in ('set_separator', 'empty_field', 'unset_field', 'path')] == [',', '(empty)', '-', 'conn']
    order = ZEEK_ORDER.split()
    fields, types = head['fields'].split('\t'), head['types'].split('\t')
    assert fields[:len(order)] == order and len(fields) == len(types)
    assert all(len(line.split('\t')) == len(fields) for line in lines if not line.startswith('#'))


def test_local_addresses(weir):
    """hosts.networks says what is inside: RFC 1918 by default."""
    path = weir.capture([at(0, eth(udp()))])
    record = json.loads(run_weir('read', '-f', 'json', path).stdout)
    assert (record['local_orig'], record['local_resp']) == (True, False)
    record = json.loads(run_weir('read', '-f', 'json', '--hosts.networks', '192.0.2.0/24', path).stdout)
    assert (record['local_orig'], record['local_resp']) == (False, True)


def test_keys_stand_in_their_order(weir):
    """The keys of a JSON line come in the order the manual gives them; extras stand behind."""
    order = f'{ZEEK_ORDER} vlan inner_vlan ip_proto {OWN_ORDER}'.split()
    path = weir.capture(mixed())
    for line in run_weir('read', '-f', 'json', path).stdout.splitlines():
        keys = list(json.loads(line))
        known = [k for k in order if k in keys]
        assert keys[:len(known)] == known, keys
