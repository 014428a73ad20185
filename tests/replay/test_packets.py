"""What one packet means: extension headers, ports, octets, fragments, ICMP."""
import struct

import pytest
from scapy.layers.inet import IP, UDP, IPOption_NOP, IPOption_RR
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.packet import Raw

from frames import A, A6, B, B6, Tcp, eth, fragments, icmp, ip, octets, udp
from harness import Absent, Has, Lacks, at, every, flow

DATAGRAM6 = bytes(udp(A6, B6, size=32))[40:]  # UDP header and payload, 40 octets


def over6(*headers, last=17, body=DATAGRAM6):
    """IPv6 with extension headers given as (own protocol number, body octets from the third on)."""
    numbers = [h[0] for h in headers] + [last]
    packet = b''
    for (number, rest), following in zip(headers, numbers[1:]):
        size = len(rest) + 2
        units = size // 4 - 2 if number == 51 else 0 if number == 44 else size // 8 - 1
        packet += bytes((following, units)) + rest
    return eth(IPv6(src=A6[0], dst=B6[0], nh=numbers[0]) / Raw(packet + body))


HOP, DEST, AH = (0, b'\x01\x04' + bytes(4)), (60, b'\x01\x0c' + bytes(12)), (51, bytes(22))
ROUTING, ATOMIC = (43, bytes((0, 0)) + bytes(4)), (44, bytes(6))
CHAINS = {
    'hop-by-hop': [HOP],
    'destination': [DEST],
    'routing': [ROUTING],
    'fragment, atomic': [ATOMIC],
    'authentication': [AH],
    'three': [HOP, ROUTING, DEST],
    'all': [HOP, DEST, ROUTING, ATOMIC, AH, DEST],
}


@pytest.mark.parametrize('name', CHAINS)
def test_ipv6_chain(weir, name):
    chain = CHAINS[name]
    size = sum(2 + len(rest) for _, rest in chain)
    weir.read([at(0, over6(*chain))]).one(
        **flow(A6, B6, pkts=(1, 0), ip_bytes=(40 + size + 40, 0), bytes=(32, 0), quality=[]))


def test_ipv6_esp_ends_the_walk(weir):
    weir.read([at(0, over6(HOP, last=50, body=bytes(40)))]).one(**flow(A6[0], B6[0], 'esp', ip_bytes=(88, 0)))


def test_ipv4_ah_is_a_protocol(weir):
    packet = eth(IP(src=A[0], dst=B[0], proto=51) / Raw(b'\x11\x04' + bytes(22) + DATAGRAM6))
    weir.read([at(0, packet)]).one(**flow(A[0], B[0], 'ah', ip_proto=51, ip_bytes=(84, 0)))


def test_ipv6_chain_without_end(weir):
    """A hundred destination headers: the walk stops at a limit, which is counted."""
    run = weir.read([at(0, over6(*[DEST] * 90))])
    run.one(**{'id.orig_h': A6[0], 'id.resp_h': B6[0]}, orig_pkts=1, orig_ip_bytes=40 + 90 * 16 + 40)
    run.noted('ipv6_chain_limit', 1)


def test_ipv6_chain_beyond_the_packet(weir):
    """The length of the last header points behind the end of the packet."""
    packet = eth(IPv6(src=A6[0], dst=B6[0], nh=60) / Raw(bytes((17, 255)) + bytes(6)))
    weir.read([at(0, packet)]).one(**{'id.orig_h': A6[0], 'id.resp_h': B6[0]}, orig_pkts=1, orig_ip_bytes=48)


def test_ipv4_options(weir):
    options = [IPOption_NOP(), IPOption_RR(routers=['0.0.0.0'] * 8)]
    packet = ip(A[0], B[0], options=options) / UDP(sport=A[1], dport=B[1])
    size = len(bytes(packet))
    assert size > 28
    weir.read([at(0, eth(packet / octets(10)))]).one(**flow(A, B, ip_bytes=(size + 10, 0), bytes=(10, 0)))


PORTED = {
    'tcp': (6, struct.pack('>HHIIBBHHH', A[1], B[1], 1, 0, 0x80, 2, 100, 0, 0) + bytes(12), 32),
    'udp': (17, struct.pack('>HHHH', A[1], B[1], 8 + 20, 0), 8),
    'udplite': (136, struct.pack('>HHHH', A[1], B[1], 8, 0), 8),
    'sctp': (132, struct.pack('>HHII', A[1], B[1], 9, 0), 12),
    'dccp': (33, struct.pack('>HHBBHBBHII', A[1], B[1], 6, 0, 0, 1, 0, 0, 5, 0) + bytes(4), 24),
}


@pytest.mark.parametrize('version', (4, 6))
@pytest.mark.parametrize('proto', PORTED)
def test_ports_and_payload(weir, proto, version):
    """Payload octets are those above the transport header: TCP's and DCCP's have a length of their own."""
    number, header, size = PORTED[proto]
    assert len(header) == size
    src, dst = (A, B) if version == 4 else (A6, B6)
    layer = ip(src[0], dst[0], proto=number) if version == 4 else ip(src[0], dst[0], nh=number)
    packet = eth(layer / Raw(header + bytes(20)))
    weir.read([at(0, packet)]).one(
        **flow(src, dst, proto, ip_proto=number, bytes=(20, 0), ip_bytes=(len(packet) - 14, 0)))


def test_protocol_without_ports(weir):
    packets = [eth(ip(A[0], B[0], proto=89) / Raw(bytes(44))), eth(ip(B[0], A[0], proto=89) / Raw(bytes(44)))]
    weir.read(every(0, 1, packets)).one(**flow(A[0], B[0], 'ospf', pkts=(1, 1), ip_bytes=(64, 64)))


def test_both_directions_are_one_flow(weir):
    """Whichever of the two pairs of address and port is the greater."""
    C, D = ('10.0.0.9', 1111), ('10.0.0.9', 2222)
    frames = every(0, 1, [eth(p) for p in (udp(A, B), udp(B, A, 64), udp(B, C), udp(C, B), udp(C, D), udp(D, C))])
    weir.read(frames).are(flow(A, B, pkts=(1, 1), bytes=(32, 64)), flow(B, C, pkts=(1, 1)), flow(C, D, pkts=(1, 1)))


def test_key_is_address_port_protocol_and_version(weir):
    """Each part of the key tells flows apart."""
    others = [(A, B), ((A[0], 5), B), (A, (B[0], 5)), (('10.1.1.2', A[1]), B), (A, ('192.0.2.8', B[1]))]
    packets = [eth(udp(a, b)) for a, b in others] + [Tcp().c('S')]
    weir.read(every(0, 1, packets)).are(*[flow(a, b) for a, b in others], flow(A, B, 'tcp'))


# Octets

def test_ethernet_padding_does_not_count(weir):
    packet = bytes(eth(udp(size=2))).ljust(60, b'\0')
    weir.read([at(0, packet)]).one(**flow(A, B, ip_bytes=(30, 0), bytes=(2, 0), quality=[]))


def test_total_length_0_means_the_wire(weir):
    """Segmentation offload leaves the length 0; the frame's length on the wire tells it."""
    packet = Tcp().c('PA', 3000)
    packet[IP].len = 0
    weir.read([at(0, packet, cap=200)]).one(**flow(A, B, 'tcp', ip_bytes=(3040, 0), bytes=(3000, 0)))


def test_header_that_claims_too_much(weir):
    packet = eth(udp(size=32, len=1000))
    run = weir.read([at(0, packet)])
    run.one(**flow(A, B, ip_bytes=(60, 0), bytes=(32, 0), quality=['length_lies']))
    run.noted('length_lies', 1)


def test_ipv6_header_that_claims_too_much(weir):
    packet = eth(udp(A6, B6, size=32, plen=1000))
    weir.read([at(0, packet)]).one(**flow(A6, B6, ip_bytes=(80, 0), bytes=(32, 0), quality=['length_lies']))


def test_snap_length_is_no_fault(weir):
    """Octets are those of the wire, however little was kept."""
    packet = Tcp().c('A', 1400)
    run = weir.read([at(0, packet, cap=14 + 40)])
    run.one(**flow(A, B, 'tcp', ip_bytes=(1440, 0), bytes=(1400, 0), quality=Lacks('truncated', 'length_lies')))
    run.noted('truncated', 0)


def test_header_cut_by_the_snap_length(weir):
    """Ports kept, flags cut; then ports cut."""
    C = ('10.1.1.1', 0), ('192.0.2.7', 0)
    frames = [at(0, Tcp().c('A', 100), cap=14 + 20 + 8), at(1, Tcp().c('A', 100), cap=14 + 20 + 3)]
    run = weir.read(frames)
    run.are(flow(A, B, 'tcp', flags=(0, 0), ip_bytes=(140, 0), quality=Has('truncated')),
            flow(*C, 'tcp', ip_bytes=(140, 0), quality=Has('truncated')))
    run.noted('truncated', 2)


# Fragments

C = ('10.1.1.1', 0), ('192.0.2.7', 0)  # as a flow of fragments without ports
C6 = (A6[0], 0), (B6[0], 0)


def test_fragments_in_order(weir):
    parts = fragments(udp(size=200), 64, 64)
    run = weir.read(every(0, 0.1, [eth(p) for p in parts]))
    run.one(**flow(A, B, pkts=(3, 0), ip_bytes=(sum(map(len, parts)), 0), quality=[]))
    run.noted('fragments_joined', 2)


def test_first_fragment_last(weir):
    """Later fragments are held until the first appears; the flow begins with the earliest of them."""
    parts = fragments(udp(size=200), 64, 64)
    run = weir.read(every(0, 1, [eth(p) for p in reversed(parts)]))
    run.one(**flow(A, B, at=0, duration=2, pkts=(3, 0), ip_bytes=(sum(map(len, parts)), 0), quality=[]))
    run.noted('fragments_held', 2).noted('fragments_orphaned', 0)


def test_first_fragment_joins_a_running_flow(weir):
    parts = fragments(udp(size=200), 64)
    run = weir.read(every(0, 1, [eth(p) for p in (udp(), parts[1], parts[0], udp(B, A))]))
    run.one(**flow(A, B, pkts=(3, 1), ip_bytes=(60 + sum(map(len, parts)), 60), quality=[]))


def test_fragments_of_both_directions(weir):
    there, back = fragments(udp(size=100), 64), fragments(udp(B, A, size=100), 64)
    weir.read(every(0, 1, [eth(p) for p in (there[0], back[0], back[1], there[1])])).one(
        **flow(A, B, pkts=(2, 2), quality=[]))


def test_orphan_fragment(weir):
    """Its first fragment never came: ports 0, and a mark."""
    orphan = fragments(udp(size=200), 64, 64)[1]
    run = weir.read([at(0, eth(orphan)), at(1, eth(udp()))])
    run.are(flow(*C, at=0, pkts=(1, 0), ip_bytes=(84, 0), quality=['fragment_orphan']), flow(A, B, quality=[]),
            any_order=True)
    run.noted('fragments_orphaned', 1)


def test_orphan_after_30_s(weir):
    """The first fragment 31 s later no longer joins what was held."""
    first, later = fragments(udp(size=200), 64)
    weir.read([at(0, eth(later)), at(31, eth(first))]).are(
        flow(*C, at=0, pkts=(1, 0), quality=Has('fragment_orphan')),
        flow(A, B, at=31, pkts=(1, 0), quality=[]), any_order=True)


def test_late_fragment_after_30_s(weir):
    """A later fragment 31 s after the first is an orphan."""
    first, later = fragments(udp(size=200), 64)
    weir.read([at(0, eth(first)), at(31, eth(later))]).are(
        flow(A, B, at=0, pkts=(1, 0), quality=[]),
        flow(*C, at=31, pkts=(1, 0), quality=Has('fragment_orphan')))


def test_fragments_of_two_datagrams_interleaved(weir):
    """The identification tells them apart."""
    one, two = fragments(udp(A, B, size=100), 64), fragments(udp((A[0], 7), B, size=100), 64)
    weir.read(every(0, 1, [eth(p) for p in (one[0], two[0], one[1], two[1])])).are(
        flow(A, B, pkts=(2, 0)), flow((A[0], 7), B, pkts=(2, 0)))


def fragment6(offset, more, body, number=77):
    header = IPv6ExtHdrFragment(nh=17, offset=offset // 8, m=more, id=number)
    return eth(IPv6(src=A6[0], dst=B6[0]) / header / Raw(body))


def test_ipv6_fragments(weir):
    datagram = bytes(udp(A6, B6, size=92))[40:]
    first, later = fragment6(0, 1, datagram[:64]), fragment6(64, 0, datagram[64:])
    run = weir.read(every(0, 1, [first, later]))
    run.one(**flow(A6, B6, pkts=(2, 0), ip_bytes=(48 + 64 + 48 + 36, 0), quality=[]))
    run = weir.read(every(0, 1, [later, first]))
    run.one(**flow(A6, B6, at=0, pkts=(2, 0), quality=[]))
    run = weir.read([at(0, later)])
    run.one(**flow(*C6, pkts=(1, 0), quality=['fragment_orphan']))


def test_more_held_datagrams_than_the_table_has(weir):
    """Nothing is lost when 100 datagrams wait in a table of 16."""
    parts = [fragments(udp(size=100), 64) for _ in range(100)]
    frames = every(0, '0.01', [eth(p[1]) for p in parts]) + every(2, '0.01', [eth(p[0]) for p in parts])
    run = weir.read(frames, '--flow.max_fragments', 16)
    assert {r['id.orig_p'] for r in run.records} <= {0, A[1]}, run.dump()
    assert [r for r in run.records if r['id.orig_p'] == A[1] and r['orig_pkts'] >= 100], run.dump()


# ICMP

ECHO, ANSWER = icmp(A[0], B[0], 8), icmp(B[0], A[0], 0)


def test_icmp_request_and_reply_are_one_flow(weir):
    weir.read(every(0, 1, [eth(icmp(A[0], B[0], 8)), eth(icmp(B[0], A[0], 0))] * 3)).one(
        **flow((A[0], 8), (B[0], 0), 'icmp', pkts=(3, 3), ip_bytes=(132, 132), bytes=(48, 48), icmp_type=8,
               icmp_code=0, conn_state='OTH', history=Absent, orig_flags=Absent, direction_basis='request'))


def test_icmp_reply_seen_first(weir):
    """The request bit, not the order, tells who asked."""
    weir.read(every(0, 1, [eth(ANSWER), eth(ECHO)])).one(
        **flow((A[0], 8), (B[0], 0), 'icmp', pkts=(1, 1), icmp_type=0, icmp_code=0, direction_basis='request',
               history=Absent))


def test_icmp_pings_of_both_hosts_are_two_flows(weir):
    """A pings B and B pings A at the same time: three packets each way in both flows."""
    four = [icmp(A[0], B[0], 8), icmp(B[0], A[0], 0), icmp(B[0], A[0], 8), icmp(A[0], B[0], 0)]
    weir.read(every(0, 1, [eth(p) for p in four * 3])).are(
        flow((A[0], 8), (B[0], 0), 'icmp', pkts=(3, 3)),
        flow((B[0], 8), (A[0], 0), 'icmp', pkts=(3, 3)), any_order=True)


@pytest.mark.parametrize('request_type, reply', ((8, 0), (13, 14), (15, 16), (17, 18), (10, 9)))
def test_icmp_pairs(weir, request_type, reply):
    weir.read(every(0, 1, [eth(icmp(A[0], B[0], request_type)), eth(icmp(B[0], A[0], reply))])).one(
        **flow((A[0], request_type), (B[0], reply), 'icmp', pkts=(1, 1)))


PAIRS6 = ((128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145))


@pytest.mark.parametrize('request_type, reply', PAIRS6)
def test_icmp6_pairs(weir, request_type, reply):
    def message(src, dst, kind):
        return eth(ip(src, dst, nh=58) / Raw(bytes((kind, 0)) + bytes(22)))
    weir.read(every(0, 1, [message(A6[0], B6[0], request_type), message(B6[0], A6[0], reply)])).one(
        **flow((A6[0], request_type), (B6[0], reply), 'icmp6', ip_proto=58, pkts=(1, 1), ip_bytes=(64, 64),
               bytes=(16, 16), icmp_type=request_type))


def test_icmp_one_way(weir):
    """A type without counterpart has type and code for ports, and each direction is a flow of its own."""
    weir.read(every(0, 1, [eth(icmp(A[0], B[0], 3, 1)), eth(icmp(B[0], A[0], 3, 1))] * 3)).are(
        flow((A[0], 3), (B[0], 1), 'icmp', pkts=(3, 0), icmp_type=3, icmp_code=1),
        flow((B[0], 3), (A[0], 1), 'icmp', pkts=(3, 0), icmp_type=3, icmp_code=1))


def test_icmp_one_way_with_code_like_type(weir):
    """Type 3 code 3 is the same pair of numbers both ways; still two flows."""
    weir.read(every(0, 1, [eth(icmp(A[0], B[0], 3, 3)), eth(icmp(B[0], A[0], 3, 3))] * 3)).are(
        flow((A[0], 3), (B[0], 3), 'icmp', pkts=(3, 0)), flow((B[0], 3), (A[0], 3), 'icmp', pkts=(3, 0)))


def test_icmp_error_is_no_tunnel(weir):
    """The packet quoted in an ICMP error makes no flow."""
    quoted = bytes(udp(A, B))[:28]
    frame = eth(ip(B[0], A[0], proto=1) / Raw(bytes((3, 3, 0, 0, 0, 0, 0, 0)) + quoted))
    weir.read([at(0, frame)]).one(**flow((B[0], 3), (A[0], 3), 'icmp', pkts=(1, 0), ip_bytes=(56, 0)))


# Counters past 2^32

def test_octets_past_2_to_the_32(weir):
    """Three packets of unknown length whose frames had 2 * 10^9 octets on the wire."""
    frames = []
    for i in range(3):
        packet = udp(size=32)
        packet.len = 0
        frames.append(at(i, eth(packet), wire=2_000_000_014))
    weir.read(frames).one(**flow(A, B, pkts=(3, 0), ip_bytes=(6_000_000_000, 0), bytes=(6_000_000_000 - 84, 0)))
