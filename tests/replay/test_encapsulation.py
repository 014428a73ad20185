"""Every encapsulation is peeled, or refused by name.

Each row wraps the same inner packet; the record must be that packet's flow whatever lies around it.
`layers` is how Wireshark names the frame: it keeps the generator honest (test_wireshark_agrees).
"""
import shutil
import struct
import subprocess

import pytest
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, STP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPPoE, PPPoED
from scapy.packet import Raw

from frames import A, A6, B, B6, MAC, OUTER, OUTER6, eth, fragments, ip, udp
from harness import (CHDLC, ETHERNET, IEEE80211, IPV4, IPV6, LOOP, NULL, PPP_SERIAL, RAW, SLL, SLL2, Absent, at,
                     every, flow, write_pcap)
from harness import PPP as LINK_PPP

INNER = udp(size=32)  # 60 octets of IP, 32 of payload
INNER6 = udp(A6, B6, size=32)
# An OUI that Wireshark knows: by it, it tells a pseudowire with control word from one without.
INNER_ETH = Ether(src='00:0c:29:00:01:0a', dst='00:0c:29:00:01:0b')
UDP4 = flow(A, B, at=0, pkts=(1, 0), ip_bytes=(60, 0), bytes=(32, 0))
UDP6 = flow(A6, B6, at=0, pkts=(1, 0), ip_bytes=(80, 0), bytes=(32, 0))


def labels(count, cos=0):
    """A stack of MPLS labels 100, 101, ..."""
    stack = MPLS(label=100, s=int(count == 1), ttl=64, cos=cos)
    for i in range(1, count):
        stack /= MPLS(label=100 + i, s=int(i == count - 1), ttl=64)
    return stack


def tags(*ids):
    stack = Dot1Q(vlan=ids[0])
    for i in ids[1:]:
        stack /= Dot1Q(vlan=i)
    return stack


def bare(packet):
    """Bytes of a packet whose lower layer would put its own type there."""
    return Raw(bytes(packet))


def mpls(packet, count):
    return eth(labels(count), type=0x8847) / bare(packet)


def sll(packet, protocol):
    return struct.pack('>HHH8sH', 0, 1, 6, b'\x02\0\0\0\0\x0a\0\0', protocol) + bytes(packet)


def sll2(packet, protocol):
    return struct.pack('>HHIHBB8s', protocol, 0, 3, 1, 0, 6, b'\x02\0\0\0\0\x0a\0\0') + bytes(packet)


def chdlc(packet, protocol):
    return struct.pack('>BBH', 0x0F, 0, protocol) + bytes(packet)


def ppp(*head):
    return lambda packet: bytes(head) + bytes(packet)


LINKS = {
    'ethernet': (ETHERNET, eth(INNER), UDP4, {'vlan': Absent, 'tunnel': Absent}, 'eth:ethertype:ip:udp'),
    'ethernet-ipv6': (ETHERNET, eth(INNER6), UDP6, {}, 'eth:ethertype:ipv6:udp'),
    'vlan': (ETHERNET, eth(tags(5)) / INNER, UDP4, {'vlan': 5, 'inner_vlan': Absent}, 'vlan:ethertype:ip'),
    'priority-tag': (ETHERNET, eth(tags(0)) / INNER, UDP4, {'vlan': Absent}, 'vlan:ethertype:ip'),
    'qinq': (ETHERNET, eth(Dot1AD(vlan=100) / Dot1Q(vlan=5)) / INNER, UDP4, {'vlan': 100, 'inner_vlan': 5},
             'ieee8021ad:ethertype:vlan:ethertype:ip'),
    'qinq-9100': (ETHERNET, eth(Dot1Q(vlan=100) / Dot1Q(vlan=5) / INNER, type=0x9100), UDP4,
                  {'vlan': 100, 'inner_vlan': 5}, 'vlan:ethertype:vlan:ethertype:ip'),
    'vlan-4-tags': (ETHERNET, eth(tags(1, 2, 3, 4)) / INNER6, UDP6, {'vlan': 1, 'inner_vlan': 2},
                    'vlan:ethertype:vlan:ethertype:vlan:ethertype:vlan:ethertype:ipv6'),
    'pseudowire': (ETHERNET, eth(labels(2), type=0x8847) / Raw(bytes(4)) / INNER_ETH / INNER, UDP4, {},
                   'mpls:pwethheuristic:pwethcw:eth:ethertype:ip'),
    'pseudowire-vlan': (ETHERNET, eth(labels(1), type=0x8847) / Raw(bytes(4)) / INNER_ETH / tags(9) / INNER, UDP4,
                        {}, 'pwethcw:eth:ethertype:vlan:ethertype:ip'),
    'mpls-multicast': (ETHERNET, eth(labels(1), type=0x8848) / bare(INNER), UDP4, {}, 'mpls:ip'),
    'vlan-mpls': (ETHERNET, eth(Dot1Q(vlan=5, type=0x8847)) / Raw(bytes(labels(1)) + bytes(INNER)), UDP4, {'vlan': 5},
                  'vlan:ethertype:mpls:ip'),
    'pppoe': (ETHERNET, eth(PPPoE(sessionid=9) / PPP(proto=0x21)) / INNER, UDP4, {}, 'pppoes:ppp:ip'),
    'pppoe-ipv6': (ETHERNET, eth(PPPoE(sessionid=9) / PPP(proto=0x57)) / INNER6, UDP6, {}, 'pppoes:ppp:ipv6'),
    'pppoe-qinq': (ETHERNET, eth(tags(7, 8) / PPPoE(sessionid=9) / PPP(proto=0x21)) / INNER, UDP4,
                   {'vlan': 7, 'inner_vlan': 8}, 'vlan:ethertype:vlan:ethertype:pppoes:ppp:ip'),
    'snap': (ETHERNET, Dot3(src=MAC[0], dst=MAC[1]) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x800) / INNER,
             UDP4, {}, 'eth:llc:ip'),
    'snap-vlan': (ETHERNET, eth(Dot1Q(vlan=5, type=8 + len(INNER))) /
                  Raw(bytes(LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x800)) + bytes(INNER)),
                  UDP4, {'vlan': 5}, 'vlan:llc:ip'),
    'cooked-1': (SLL, sll(INNER, 0x800), UDP4, {}, 'sll:ethertype:ip'),
    'cooked-1-ipv6': (SLL, sll(INNER6, 0x86DD), UDP6, {}, 'sll:ethertype:ipv6'),
    'cooked-1-vlan': (SLL, sll(tags(5) / INNER, 0x8100), UDP4, {'vlan': 5}, 'sll:ethertype:vlan:ethertype:ip'),
    'cooked-2': (SLL2, sll2(INNER, 0x800), UDP4, {}, 'sll:ethertype:ip'),
    'cooked-2-ipv6': (SLL2, sll2(INNER6, 0x86DD), UDP6, {}, 'sll:ethertype:ipv6'),
    'raw': (RAW, INNER, UDP4, {}, 'raw:ip'),
    'raw-ipv6': (RAW, INNER6, UDP6, {}, 'raw:ipv6'),
    'dlt-ipv4': (IPV4, INNER, UDP4, {}, 'ip:udp'),
    'dlt-ipv6': (IPV6, INNER6, UDP6, {}, 'ipv6:udp'),
    'null': (NULL, struct.pack('<I', 2) + bytes(INNER), UDP4, {}, 'null:ip'),
    'null-big-endian': (NULL, struct.pack('>I', 2) + bytes(INNER), UDP4, {}, 'null:ip'),
    'null-ipv6-freebsd': (NULL, struct.pack('<I', 28) + bytes(INNER6), UDP6, {}, 'null:ipv6'),
    'null-ipv6-darwin': (NULL, struct.pack('<I', 30) + bytes(INNER6), UDP6, {}, 'null:ipv6'),
    'null-ipv6-openbsd': (NULL, struct.pack('<I', 24) + bytes(INNER6), UDP6, {}, 'null:ipv6'),
    'loop': (LOOP, struct.pack('>I', 2) + bytes(INNER), UDP4, {}, 'null:ip'),
    'loop-ipv6': (LOOP, struct.pack('>I', 24) + bytes(INNER6), UDP6, {}, 'null:ipv6'),
    'ppp': (LINK_PPP, ppp(0x00, 0x21)(INNER), UDP4, {}, 'ppp:ip'),
    'ppp-hdlc': (LINK_PPP, ppp(0xFF, 0x03, 0x00, 0x57)(INNER6), UDP6, {}, 'ppp:ipv6'),
    'ppp-compressed': (LINK_PPP, ppp(0x21)(INNER), UDP4, {}, 'ppp:ip'),
    'ppp-serial': (PPP_SERIAL, ppp(0xFF, 0x03, 0x00, 0x21)(INNER), UDP4, {}, 'ppp:ip'),
    'ppp-serial-cisco': (PPP_SERIAL, chdlc(INNER, 0x800), UDP4, {}, 'chdlc:ip'),
    'ppp-cisco': (LINK_PPP, chdlc(INNER, 0x800), UDP4, {}, 'chdlc:ip'),
    'ppp-mpls': (LINK_PPP, ppp(0xFF, 0x03, 0x02, 0x81)(labels(1) / bare(INNER)), UDP4, {}, 'ppp:mpls:ip'),
    'chdlc': (CHDLC, chdlc(INNER, 0x800), UDP4, {}, 'chdlc:ip'),
    'chdlc-ipv6': (CHDLC, chdlc(INNER6, 0x86DD), UDP6, {}, 'chdlc:ipv6'),
}
for depth in (*range(1, 11),):
    LINKS[f'mpls-{depth}'] = (ETHERNET, mpls(INNER, depth), UDP4, {}, 'eth:ethertype:' + 'mpls:' + 'ip:udp')
LINKS['mpls-ipv6'] = (ETHERNET, mpls(INNER6, 3), UDP6, {}, 'mpls:ipv6')


def gre(packet, protocol=0x800, **fields):
    return eth(ip(*OUTER) / GRE(proto=protocol, **fields)) / packet


def erspan2(packet, session):
    """GRE with sequence number, then draft-foschiano-erspan §4.2: version 1, VLAN 7."""
    head = struct.pack('>HHI', 1 << 12 | 7, session, 0)
    return eth(ip(*OUTER) / GRE(proto=0x88BE, seqnum_present=1, sequence_number=3)) / Raw(head) / INNER_ETH / packet


def erspan3(packet, session, platform=b''):
    """draft-foschiano-erspan §4.3: version 2; O bit when a platform subheader follows."""
    head = struct.pack('>HHIHH', 2 << 12 | 7, session, 1234, 0, int(bool(platform)))
    return (eth(ip(*OUTER) / GRE(proto=0x22EB, seqnum_present=1, sequence_number=3)) / Raw(head + platform) /
            INNER_ETH / packet)


def to_port(port, payload, outer=OUTER, source=50000):
    return eth(ip(*outer) / UDP(sport=source, dport=port)) / payload


def vxlan(packet, vni, outer=OUTER):
    """RFC 7348 §5."""
    return to_port(4789, Raw(struct.pack('>II', 0x08 << 24, vni << 8)) / INNER_ETH / packet, outer)


def geneve(packet, vni, protocol=0x6558, options=b'', first=0):
    """RFC 8926 §3.4."""
    head = struct.pack('>BBHI', first | len(options) // 4, 0, protocol, vni << 8)
    return to_port(6081, Raw(head + options + bytes(packet)))


def gtpu(packet, teid, flags=0x30, extra=b'', kind=255, length=None):
    """3GPP TS 29.281 §5.1."""
    body = extra + bytes(packet)
    return to_port(2152, Raw(struct.pack('>BBHI', flags, kind, len(body) if length is None else length, teid) + body))


def tunnel(kind, number=None, outer=OUTER):
    want = {'type': kind, 'src': outer[0], 'dst': outer[1]}
    return {'tunnel': want if number is None else {**want, 'id': number}}


GENEVE_OPTIONS = struct.pack('>HBBI', 0x0102, 0x80, 1, 0xDEADBEEF) * 2  # two options of 8 octets
SESSION_CONTAINER = bytes((1, 0x10, 9, 0))  # PDU session container (TS 38.415), no more extensions

TUNNELS = {
    'gre': (gre(INNER), UDP4, tunnel('gre'), 'gre:ip:udp'),
    'gre-key': (gre(INNER, key_present=1, key=77), UDP4, tunnel('gre', 77), 'gre:ip:udp'),
    'gre-checksum': (gre(INNER, chksum_present=1), UDP4, tunnel('gre'), 'gre:ip:udp'),
    'gre-sequence': (gre(INNER, seqnum_present=1, sequence_number=5), UDP4, tunnel('gre'), 'gre:ip:udp'),
    'gre-all': (gre(INNER6, 0x86DD, key_present=1, key=0xFFFFFFFF, chksum_present=1, seqnum_present=1), UDP6,
                tunnel('gre', 0xFFFFFFFF), 'gre:ipv6:udp'),
    'gre-teb': (gre(INNER_ETH / INNER, 0x6558), UDP4, tunnel('gre'), 'gre:eth:ethertype:ip:udp'),
    'nvgre-vlan': (gre(INNER_ETH / tags(9) / INNER, 0x6558, key_present=1, key=0x123401), UDP4,
                   tunnel('gre', 0x123401), 'gre:eth:ethertype:vlan:ethertype:ip:udp'),
    'gre-over-ipv6': (eth(ip(*OUTER6) / GRE(proto=0x800)) / INNER, UDP4, tunnel('gre', outer=OUTER6),
                      'ipv6:gre:ip:udp'),
    'gre-mpls': (gre(bare(labels(2) / bare(INNER)), 0x8847), UDP4, tunnel('gre'), 'gre:mpls:ip:udp'),
    'erspan-2': (erspan2(INNER, 0x155), UDP4, tunnel('erspan', 0x155), 'erspan:eth:ethertype:ip'),
    'erspan-3': (erspan3(INNER, 0x3FF), UDP4, tunnel('erspan', 0x3FF), 'erspan:eth:ethertype:ip'),
    'erspan-3-platform': (erspan3(INNER6, 1, b'\x0c' + bytes(7)), UDP6, tunnel('erspan', 1),
                          'erspan:eth:ethertype:ipv6'),
    'ipip': (eth(ip(*OUTER) / INNER), UDP4, tunnel('ipip'), 'eth:ethertype:ip:ip:udp'),
    '6in4': (eth(ip(*OUTER) / INNER6), UDP6, tunnel('ipip'), 'eth:ethertype:ip:ipv6:udp'),
    '4in6': (eth(ip(*OUTER6) / INNER), UDP4, tunnel('ipip', outer=OUTER6), 'eth:ethertype:ipv6:ip:udp'),
    '6in6': (eth(ip(*OUTER6) / INNER6), UDP6, tunnel('ipip', outer=OUTER6), 'eth:ethertype:ipv6:ipv6:udp'),
    'vxlan': (vxlan(INNER, 42), UDP4, tunnel('vxlan', 42), 'vxlan:eth:ethertype:ip:udp'),
    'vxlan-greatest': (vxlan(INNER6, 0xFFFFFF), UDP6, tunnel('vxlan', 0xFFFFFF), 'vxlan:eth:ethertype:ipv6:udp'),
    'vxlan-over-ipv6': (vxlan(INNER, 42, OUTER6), UDP4, tunnel('vxlan', 42, OUTER6), 'ipv6:udp:vxlan'),
    'vxlan-vlan': (vxlan(tags(9) / INNER, 42), UDP4, tunnel('vxlan', 42), 'vxlan:eth:ethertype:vlan:ethertype:ip:udp'),
    'geneve': (geneve(INNER_ETH / INNER, 42), UDP4, tunnel('geneve', 42), 'geneve:eth:ethertype:ip:udp'),
    'geneve-options': (geneve(INNER_ETH / INNER, 42, options=GENEVE_OPTIONS), UDP4, tunnel('geneve', 42),
                       'geneve:eth:ethertype:ip:udp'),
    'geneve-63-options': (geneve(INNER_ETH / INNER, 42, options=struct.pack('>HBB', 1, 1, 0) * 63), UDP4,
                          tunnel('geneve', 42), 'geneve:eth:ethertype:ip:udp'),
    'geneve-ip': (geneve(INNER, 42, 0x800), UDP4, tunnel('geneve', 42), 'geneve:ip:udp'),
    'geneve-ipv6': (geneve(INNER6, 42, 0x86DD), UDP6, tunnel('geneve', 42), 'geneve:ipv6:udp'),
    'gtp-u': (gtpu(INNER, 0xABCDEF01), UDP4, tunnel('gtp', 0xABCDEF01), 'gtp:ip:udp'),
    'gtp-u-sequence': (gtpu(INNER, 8, 0x32, bytes((0, 1, 0, 0))), UDP4, tunnel('gtp', 8), 'gtp:ip:udp'),
    'gtp-u-extension': (gtpu(INNER6, 8, 0x34, bytes((0, 0, 0, 0x85)) + SESSION_CONTAINER), UDP6,
                        tunnel('gtp', 8), 'gtp:ipv6:udp'),
    'gtp-u-2-extensions': (gtpu(INNER, 8, 0x34, bytes((0, 0, 0, 0x85)) + bytes((1, 0x10, 9, 0x85)) +
                                SESSION_CONTAINER), UDP4, tunnel('gtp', 8), 'gtp:ip:udp'),
    'gtp-u-n-pdu': (gtpu(INNER, 8, 0x31, bytes((0, 0, 3, 0))), UDP4, tunnel('gtp', 8), 'gtp:ip:udp'),
    'vlan-outside': (eth(tags(5) / ip(*OUTER) / INNER), UDP4, {**tunnel('ipip'), 'vlan': 5},
                     'vlan:ethertype:ip:ip:udp'),
}


@pytest.mark.parametrize('name', LINKS)
def test_link_layer(weir, name):
    link, frame, inner, fields, _ = LINKS[name]
    weir.read([at(0, frame)], link=link).one(**inner, **fields, quality=[])


@pytest.mark.parametrize('name', TUNNELS)
def test_tunnel(weir, name):
    frame, inner, fields, _ = TUNNELS[name]
    weir.read([at(0, frame)]).one(**inner, **fields, quality=[])


@pytest.mark.skipif(not shutil.which('tshark'), reason='tshark is not installed')
def test_wireshark_agrees(tmp_path):
    """Wireshark dissects each generated frame into the layers it is meant to have, and the same octets."""
    rows = [(n, link, frame, want, inner) for n, (link, frame, inner, _, want) in LINKS.items()]
    rows += [(n, ETHERNET, frame, want, inner) for n, (frame, inner, _, want) in TUNNELS.items()]
    faults = []
    for link in sorted({r[1] for r in rows}):
        mine = [r for r in rows if r[1] == link]
        write_pcap(tmp_path / 'x.pcap', every(0, 1, [r[2] for r in mine]), link)
        out = subprocess.run(['tshark', '-n', '-r', tmp_path / 'x.pcap', '-T', 'fields', '-E', 'occurrence=l',
                              '-e', 'frame.protocols', '-e', 'udp.srcport', '-e', 'udp.dstport'],
                             capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(out) == len(mine)
        for (name, _, _, want, inner), line in zip(mine, out):
            layers, source, target = line.split('\t')
            if want not in layers or [int(source), int(target)] != [inner['id.orig_p'], inner['id.resp_p']]:
                faults.append(f'{name}: {line}, not {want}')
    assert not faults, '\n'.join(faults)


# What makes no flow, by the name of the drop.

STP_FRAME = Dot3(src=MAC[0], dst='01:80:c2:00:00:00') / LLC() / STP()
DROPS = {
    'vlan_depth': (ETHERNET, eth(tags(1, 2, 3, 4, 5)) / INNER),
    'mpls_depth': (ETHERNET, mpls(INNER, 11)),
    'mpls_payload': (ETHERNET, mpls(Raw(b'\x50' + bytes(40)), 1)),
    'arp': (ETHERNET, eth(ARP(psrc=A[0], pdst=B[0]))),
    'arp/rarp': (ETHERNET, eth(ARP(op=3), type=0x8035)),
    'arp/vlan': (ETHERNET, eth(tags(5)) / ARP(psrc=A[0], pdst=B[0])),
    'llc': (ETHERNET, STP_FRAME),
    'ppp_control/lcp': (ETHERNET, eth(PPPoE(sessionid=9) / PPP(proto=0xC021)) / Raw(bytes((1, 1, 0, 4)))),
    'ppp_control/discovery': (ETHERNET, eth(PPPoED(code=9)) / Raw(bytes((1, 1, 0, 0)))),
    'ppp_control/link': (LINK_PPP, ppp(0xFF, 0x03, 0xC0, 0x21)(bytes((1, 1, 0, 4)))),
    'ethertype': (ETHERNET, eth(Raw(bytes(46)), type=0x88CC)),
    'ethertype/slarp': (CHDLC, struct.pack('>BBH', 0x8F, 0, 0x8035) + bytes(18)),
    'ethertype/null': (NULL, struct.pack('<I', 7) + bytes(40)),
    'link_type': (IEEE80211, bytes(60)),
    'link_short': (ETHERNET, bytes(eth(INNER))[:13]),
    'link_short/vlan': (ETHERNET, bytes(eth(tags(5)) / INNER)[:16]),
    'link_short/mpls': (ETHERNET, bytes(mpls(INNER, 3))[:24]),
    'link_short/cooked': (SLL, sll(INNER, 0x800)[:15]),
    'link_short/null': (NULL, b'\x02\0\0'),
    'ip_version': (ETHERNET, eth(Raw(bytes(INNER6)), type=0x800)),
    'ip_version/raw': (RAW, b'\x10' + bytes(59)),
    'ipv4_short': (ETHERNET, bytes(eth(INNER))[:14 + 19]),
    'ipv4_header_length': (ETHERNET, eth(Raw(b'\x44' + bytes(INNER)[1:]), type=0x800)),
    'ipv4_total_length': (ETHERNET, eth(Raw(bytes(INNER)[:2] + b'\0\x13' + bytes(INNER)[4:]), type=0x800)),
    'ipv6_short': (ETHERNET, bytes(eth(INNER6))[:14 + 39]),
}


@pytest.mark.parametrize('name', DROPS)
def test_drop(weir, name):
    link, frame = DROPS[name]
    weir.read([at(0, frame), at(1, frame)], link=link, drops={name.split('/')[0]: 2}).are()


# Ordinary traffic on the ports of tunnels, and what is not opened.

STRAY = {
    'vxlan-text': (4789, b'GET / HTTP/1.1\r\nHost: weir\r\n\r\n'.ljust(80)),
    'vxlan-without-vni': (4789, bytes(8) + bytes(INNER_ETH / INNER)),
    'vxlan-short': (4789, b'\x08\0\0\0\0\0\x2a'),
    'geneve-text': (6081, b'GET / HTTP/1.1\r\nHost: weir\r\n\r\n'.ljust(80)),
    'geneve-version-1': (6081, struct.pack('>BBHI', 0x40, 0, 0x6558, 42 << 8) + bytes(INNER_ETH / INNER)),
    'geneve-options-too-long': (6081, struct.pack('>BBHI', 63, 0, 0x6558, 42 << 8) + bytes(INNER_ETH / INNER)),
    'gtp-text': (2152, b'GET / HTTP/1.1\r\nHost: weir\r\n\r\n'.ljust(80)),
    'gtp-echo': (2152, struct.pack('>BBHI', 0x32, 1, 4, 0) + bytes(4)),
    'gtp-prime': (2152, struct.pack('>BBHI', 0x20, 255, 60, 8) + bytes(INNER)),
    'gtp-version-2': (2152, struct.pack('>BBHI', 0x50, 255, 60, 8) + bytes(INNER)),
    'gtp-length': (2152, struct.pack('>BBHI', 0x30, 255, 2000, 8) + bytes(INNER)),
}


@pytest.mark.parametrize('name', STRAY)
def test_stray_udp_stays_ordinary(weir, name):
    port, payload = STRAY[name]
    weir.read([at(0, to_port(port, Raw(payload)))]).one(
        **flow((OUTER[0], 50000), (OUTER[1], port), pkts=(1, 0), ip_bytes=(28 + len(payload), 0),
               bytes=(len(payload), 0), tunnel=Absent))


@pytest.mark.parametrize('port', (4789, 6081, 2152))
def test_tunnel_only_by_destination_port(weir, port):
    """From the port of a tunnel to another one: UDP like any other."""
    head = {4789: b'\x08\0\0\0\0\0\x2a\0' + bytes(INNER_ETH / INNER),
            6081: struct.pack('>BBHI', 0, 0, 0x800, 42 << 8) + bytes(INNER),
            2152: struct.pack('>BBHI', 0x30, 255, 60, 8) + bytes(INNER)}[port]
    weir.read([at(0, to_port(50001, Raw(head), source=port))]).one(
        **flow((OUTER[0], port), (OUTER[1], 50001), tunnel=Absent))


def test_gre_of_other_payload_stays_gre(weir):
    weir.read([at(0, gre(Raw(bytes(40)), 0x9998))]).one(**flow(OUTER[0], OUTER[1], 'gre', ip_bytes=(64, 0)))


def test_arp_in_vxlan_counts_outside(weir):
    frame = vxlan(ARP(psrc=A[0], pdst=B[0]), 42)
    run = weir.read([at(0, frame)])
    run.one(**flow((OUTER[0], 50000), (OUTER[1], 4789), pkts=(1, 0), ip_bytes=(20 + 8 + 8 + 14 + 28, 0), tunnel=Absent))
    run.noted('tunnel_no_ip', 1)


def nested(depth, inner):
    """inner in depth layers of IP in IP; the k-th layer from outside is 172.16.k.1 > 172.16.k.2."""
    packet = inner
    for k in range(depth, 0, -1):
        packet = ip(f'172.16.{k}.1', f'172.16.{k}.2') / packet
    return eth(packet)


def test_nesting_of_4_is_opened(weir):
    weir.read([at(0, nested(4, INNER))]).one(**UDP4, **tunnel('ipip', outer=('172.16.4.1', '172.16.4.2')))


def test_nesting_of_5_is_not(weir):
    run = weir.read([at(0, nested(5, INNER))])
    run.one(**flow('172.16.5.1', '172.16.5.2', 'ipip', pkts=(1, 0), ip_bytes=(80, 0),
                   **tunnel('ipip', outer=('172.16.4.1', '172.16.4.2'))))
    run.noted('tunnel_depth', 1)


def test_kinds_of_tunnel_nest(weir):
    """VXLAN in GRE in IPv6: the record keeps the innermost tunnel."""
    inside = bytes(vxlan(INNER, 42))[14:]
    frame = eth(ip(*OUTER6) / GRE(proto=0x800)) / Raw(inside)
    weir.read([at(0, frame)]).one(**UDP4, **tunnel('vxlan', 42))


DECAP_OUTER = {
    'gre': (gre(INNER, key_present=1, key=77), flow(OUTER[0], OUTER[1], 'gre')),
    'erspan': (erspan2(INNER, 9), flow(OUTER[0], OUTER[1], 'gre')),
    'ipip': (eth(ip(*OUTER) / INNER6), flow(OUTER[0], OUTER[1], 'ipv6')),
    'vxlan': (vxlan(INNER, 42), flow((OUTER[0], 50000), (OUTER[1], 4789))),
    'geneve': (geneve(INNER, 42, 0x800), flow((OUTER[0], 50000), (OUTER[1], 6081))),
    'gtp': (gtpu(INNER, 8), flow((OUTER[0], 50000), (OUTER[1], 2152))),
}


@pytest.mark.parametrize('kind', DECAP_OUTER)
def test_decap_none_counts_outside(weir, kind):
    frame, outside = DECAP_OUTER[kind]
    weir.read([at(0, frame)], '--flow.decap', 'none').one(
        **outside, pkts=Absent, tunnel=Absent, orig_ip_bytes=len(frame) - 14)


@pytest.mark.parametrize('kind', DECAP_OUTER)
def test_decap_of_one_kind(weir, kind):
    """With one kind listed that kind is opened, and the others are not."""
    frames = every(0, 1, [frame for frame, _ in DECAP_OUTER.values()])
    run = weir.read(frames, '--flow.decap', kind)
    opened = [r['tunnel']['type'] for r in run.records if 'tunnel' in r]
    assert opened == [kind], run.dump()


def test_fragmented_tunnel_packet_is_not_opened(weir):
    outer = vxlan(udp(size=200), 42)[IP]
    first, later = fragments(outer, 120)
    run = weir.read(every(0, 1, [eth(first), eth(later)]))
    run.one(**flow((OUTER[0], 50000), (OUTER[1], 4789), pkts=(2, 0), tunnel=Absent,
                   ip_bytes=(len(first) + len(later), 0)))
    run.noted('tunnel_fragment', 1)


@pytest.mark.parametrize('kind', DECAP_OUTER)
def test_tunnel_cut_by_the_snap_length(weir, kind):
    """Where the capture keeps no more than the outer headers, the packet counts in the outer flow."""
    frame, outside = DECAP_OUTER[kind]
    size = 14 + 20 + (0 if kind == 'ipip' else 8)
    weir.read([at(0, frame, cap=size)]).one(**outside, orig_ip_bytes=len(frame) - 14)


def test_top_label_is_kept(weir):
    document, = weir.documents([at(0, mpls(INNER, 3))])
    assert document['weir']['mpls']['label'] == 100


def test_macs_are_those_of_the_frame(weir):
    document, = weir.documents([at(0, eth(INNER)), at(1, Ether(src=MAC[1], dst=MAC[0]) / udp(B, A))])
    assert document['source']['mac'] == MAC[0].upper().replace(':', '-')
    assert document['destination']['mac'] == MAC[1].upper().replace(':', '-')
