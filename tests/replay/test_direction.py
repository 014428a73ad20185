"""Who is the initiator, and on what evidence; VLAN and tunnel ids beside the key."""
import pytest
from scapy.layers.l2 import Dot1AD, Dot1Q

from frames import A, A6, B, B6, OUTER, Tcp, dns, eth, udp
from harness import Absent, at, every, flow
from test_encapsulation import gtpu, vxlan

SERVER = ('192.0.2.53', 53)


def test_syn(weir):
    weir.read(every(0, 1, Tcp().open())).one(**flow(A, B, 'tcp', pkts=(2, 1), direction_basis='syn'))


def test_syn_from_the_lower_port(weir):
    """No guess by port numbers."""
    weir.read(every(0, 1, Tcp(B, A).open())).one(**flow(B, A, 'tcp', pkts=(2, 1), direction_basis='syn'))


def test_syn_ack(weir):
    """The SYN was not seen: its sender is the receiver of the SYN-ACK."""
    t = Tcp()
    t.c('S')
    weir.read(every(0, 1, [t.s('SA'), t.c('A')])).one(
        **flow(A, B, 'tcp', pkts=(1, 1), direction_basis='syn_ack', history='^hA'))


def test_syn_after_its_answer(weir):
    """A tap may deliver the two directions in the wrong order."""
    t = Tcp()
    syn, answer, ack = t.open()
    run = weir.read([at(0, answer), at('0.001', syn), at('0.002', ack)])
    run.one(**flow(A, B, 'tcp', pkts=(2, 1), direction_basis='syn', orig_flags=0x12, resp_flags=0x12))


def test_syn_ack_turns_the_flow(weir):
    """A server that acknowledges before it answers seems to be the initiator until its SYN-ACK."""
    t = Tcp()
    t.c('S')
    frames = [t.s('A', seq=500000), t.s('SA'), t.c('A'), t.c('PA', 10)]
    weir.read(every(0, '0.1', frames)).one(
        **flow(A, B, 'tcp', pkts=(2, 2), bytes=(10, 0), flags=(0x18, 0x12), direction_basis='syn_ack'))


def test_first_packet(weir):
    """Neither SYN nor request: the sender of the first packet, whatever the ports."""
    t = Tcp()
    weir.read(every(0, 1, [t.s('PA', 10), t.c('A')])).one(
        **flow(B, A, 'tcp', pkts=(1, 1), direction_basis='first_packet'))
    weir.read(every(0, 1, [eth(udp(B, A)), eth(udp(A, B))])).one(**flow(B, A, direction_basis='first_packet'))


def test_dns_query(weir):
    weir.read(every(0, 1, [eth(dns(A, SERVER, False)), eth(dns(SERVER, A, True))])).one(
        **flow(A, SERVER, pkts=(1, 1), direction_basis='request', history='Dd', conn_state='SF'))


def test_dns_response_first(weir):
    weir.read(every(0, 1, [eth(dns(SERVER, A, True)), eth(dns(A, SERVER, False))])).one(
        **flow(A, SERVER, pkts=(1, 1), direction_basis='request', history='^dD', conn_state='SF'))


def test_only_a_dns_response(weir):
    weir.read([at(0, eth(dns(SERVER, A, True)))]).one(
        **flow(A, SERVER, pkts=(0, 1), direction_basis='request', history='^d', conn_state='SHR'))


def test_query_turns_the_flow(weir):
    """Evidence that comes late turns the flow, and its counts with it, as long as no record is out."""
    weir.read(every(0, 1, [eth(udp(SERVER, A, 5)), eth(dns(A, SERVER, False))])).one(
        **flow(A, SERVER, pkts=(1, 1), bytes=(30, 5), direction_basis='request'))


def test_nothing_turns_after_the_first_record(weir):
    """RFC 5103 §5: the direction of a flow does not change between its records."""
    run = weir.read([at(0, eth(udp(SERVER, A, 5))), at(40, eth(dns(A, SERVER, False)))])
    run.are(flow(SERVER, A, at=0, pkts=(1, 0), record_no=1, direction_basis='first_packet'),
            flow(SERVER, A, at=40, pkts=(0, 1), record_no=2, direction_basis='first_packet'))
    assert len({r['flow_id'] for r in run.records}) == 1


def test_record_of_the_responder_alone(weir):
    """The initiator may be silent in a record of its connection."""
    t = Tcp()
    frames = every(0, 1, t.open()) + [at(50, t.s('PA', 100))]
    weir.read(frames).are(flow(A, B, 'tcp', record_no=1, pkts=(2, 1)),
                          flow(A, B, 'tcp', at=50, duration=0, record_no=2, pkts=(0, 1), bytes=(0, 100),
                               flags=(0, 0x18), direction_basis='syn'))


# Flags

def test_flags_are_united_by_side(weir):
    t = Tcp()
    frames = [t.c('SEC'), t.s('SAE'), t.c('A'), t.c('PA', 10), t.s('A'), t.c('AU', 5), t.s('FA'), t.c('R')]
    weir.read(every(0, '0.1', frames)).one(
        **flow(A, B, 'tcp', flags=(0x02 | 0xC0 | 0x10 | 0x18 | 0x20 | 0x04, 0x12 | 0x40 | 0x11)))


def test_flags_of_a_record_are_its_own(weir):
    t = Tcp()
    frames = every(0, 1, t.open()) + [at(40, t.c('PA', 10)), at(41, t.s('A'))]
    weir.read(frames).are(flow(A, B, 'tcp', flags=(0x12, 0x12)), flow(A, B, 'tcp', flags=(0x18, 0x10)))


# VLAN and tunnel ids

TAGGED, UNTAGGED = Dot1Q(vlan=5) / udp(A, B), udp(B, A)


def test_request_tagged_reply_not(weir):
    weir.read(every(0, 1, [eth(TAGGED), eth(UNTAGGED)])).one(
        **flow(A, B, pkts=(1, 1), vlan=5, quality=['vlan_changed']))


def test_vlan_in_key(weir):
    weir.read(every(0, 1, [eth(TAGGED), eth(UNTAGGED), eth(TAGGED)]), '--flow.vlan_in_key', 'true').are(
        flow(B, A, pkts=(1, 0), vlan=Absent, quality=[]), flow(A, B, pkts=(2, 0), vlan=5, quality=[]))


def test_same_vlan_both_ways(weir):
    weir.read(every(0, 1, [eth(TAGGED), eth(Dot1Q(vlan=5) / udp(B, A))])).one(
        **flow(A, B, pkts=(1, 1), vlan=5, quality=[]))


def test_inner_vlan_changes(weir):
    frames = [eth(Dot1AD(vlan=100) / Dot1Q(vlan=v) / udp(A, B)) for v in (5, 6)]
    weir.read(every(0, 1, frames)).one(**flow(A, B, vlan=100, inner_vlan=5, quality=['vlan_changed']))
    weir.read(every(0, 1, frames), '--flow.vlan_in_key', 'true').are(
        flow(A, B, vlan=100, inner_vlan=5, quality=[]), flow(A, B, vlan=100, inner_vlan=6, quality=[]))


@pytest.mark.parametrize('kind, wrap', (('vxlan', vxlan), ('gtp', gtpu)))
def test_tunnel_id_changes(weir, kind, wrap):
    frames = every(0, 1, [wrap(udp(A, B), 1), wrap(udp(A, B), 2), wrap(udp(A, B), 2)])
    weir.read(frames).one(**flow(A, B, pkts=(3, 0), quality=['tunnel_changed'], tunnel={'type': kind, 'id': 1}))
    weir.read(frames, '--flow.tunnel_in_key', 'true').are(
        flow(A, B, pkts=(1, 0), quality=[], tunnel={'id': 1}), flow(A, B, pkts=(2, 0), quality=[], tunnel={'id': 2}))


def test_same_packets_inside_and_outside_a_tunnel(weir):
    frames = every(0, 1, [vxlan(udp(A6, B6), 1), eth(udp(A6, B6))])
    weir.read(frames).one(**flow(A6, B6, pkts=(2, 0), quality=['tunnel_changed']))
    weir.read(frames, '--flow.tunnel_in_key', 'true').are(
        flow(A6, B6, pkts=(1, 0), tunnel={'id': 1}), flow(A6, B6, pkts=(1, 0), tunnel=Absent))


def test_tunnel_with_the_same_id_both_ways(weir):
    there, back = vxlan(udp(A, B), 42), vxlan(udp(B, A), 42, (OUTER[1], OUTER[0]))
    for options in ((), ('--flow.tunnel_in_key', 'true')):
        weir.read(every(0, 1, [there, back]), *options).one(
            **flow(A, B, pkts=(1, 1), quality=[],
                   tunnel={'type': 'vxlan', 'id': 42, 'src': OUTER[0], 'dst': OUTER[1]}))
