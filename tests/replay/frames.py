"""Packets for replay tests, made by scapy. Nothing here is random, and no two packets are alike (the
IP identification counts on), so that none is taken for a SPAN duplicate by accident."""
import itertools
import socket
import struct

from scapy.config import conf
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

conf.verb = 0

A, B = ('10.1.1.1', 40001), ('192.0.2.7', 443)
A6, B6 = ('2001:db8::1', 40001), ('2001:db8:2::7', 443)
OUTER = '172.16.5.1', '172.16.5.2'
OUTER6 = 'fd00:5::1', 'fd00:5::2'
MAC = '02:00:00:00:00:0a', '02:00:00:00:00:0b'

_identification = itertools.count(1)


def eth(packet, **fields):
    return Ether(src=MAC[0], dst=MAC[1], **fields) / packet


def ip(src, dst, **fields):
    if ':' in src:
        return IPv6(src=src, dst=dst, **fields)
    fields.setdefault('id', next(_identification) & 0xFFFF)
    return IP(src=src, dst=dst, **fields)


def octets(size):
    """Payload of that size that begins with a number of its own."""
    return Raw(struct.pack('>I', next(_identification)).ljust(size, b'.')[:size])


def udp(a=A, b=B, size=32, **fields):
    """IP and UDP from a to b."""
    return ip(a[0], b[0], **fields) / UDP(sport=a[1], dport=b[1]) / octets(size)


def dns(a, b, response, size=30):
    """A UDP packet whose payload is the head of a DNS message (RFC 1035 §4.1.1)."""
    head = struct.pack('>HHHHHH', 0x1234, 0x8180 if response else 0x0100, 1, 0, 0, 0)
    name = b'\x04weir\x00' + struct.pack('>HH', 1, 1)
    return ip(a[0], b[0]) / UDP(sport=a[1], dport=b[1]) / Raw((head + name).ljust(size, b'\0'))


def icmp(src, dst, kind, code=0, size=16):
    return ip(src, dst) / ICMP(type=kind, code=code, id=7, seq=1) / octets(size)


class Tcp:
    """Both ends of a TCP connection. c() and s() make the next packet of client and server; sequence
    and acknowledgement numbers follow unless given."""

    def __init__(self, client=A, server=B, isn=(1000, 500000)):
        self.end = (client, server)
        self.next = list(isn)
        self.fields = {}

    def _packet(self, side, flags, size, seq, ack, window):
        me, peer = self.end[side], self.end[1 - side]
        if seq is None:
            seq = self.next[side]
            self.next[side] += size + ('S' in flags) + ('F' in flags)
        if ack is None:
            ack = self.next[1 - side] if 'A' in flags else 0
        header = TCP(sport=me[1], dport=peer[1], flags=flags, seq=seq % 2**32, ack=ack % 2**32,
                     window=window)
        packet = ip(me[0], peer[0]) / header
        return eth(packet / octets(size) if size else packet)

    def c(self, flags, size=0, seq=None, ack=None, window=8192):
        return self._packet(0, flags, size, seq, ack, window)

    def s(self, flags, size=0, seq=None, ack=None, window=8192):
        return self._packet(1, flags, size, seq, ack, window)

    def open(self):
        return [self.c('S'), self.s('SA'), self.c('A')]

    def close(self):
        return [self.c('FA'), self.s('FA'), self.c('A')]


def fragments(packet, *sizes):
    """packet (IPv4) cut into fragments that carry sizes octets (multiples of 8) and the rest."""
    whole = bytes(packet)
    header, payload = packet.copy(), whole[20:]
    header.remove_payload()
    out, offset = [], 0
    for size in (*sizes, len(payload) - sum(sizes)):
        piece = header.copy()
        piece.frag = offset // 8
        piece.flags = 'MF' if offset + size < len(payload) else 0
        piece.proto = whole[9]
        piece.len, piece.chksum = None, None
        out.append(piece / Raw(payload[offset:offset + size]))
        offset += size
    return out


def bulk_udp(a, b, total=60, wire_total=None):
    """The bytes of an Ethernet frame with IPv4 and UDP, a hundred times faster than scapy; checksums
    are left 0. wire_total: what the IP header says where the frame is kept short."""
    length = wire_total or total
    n = next(_identification)
    head = struct.pack('>BBHHHBBH', 0x45, 0, length, n & 0xFFFF, 0, 64, 17, 0)
    addresses = socket.inet_aton(a[0]) + socket.inet_aton(b[0])
    ports = struct.pack('>HHHHI', a[1], b[1], max(length - 20, 8) & 0xFFFF, 0, n)
    macs = bytes.fromhex((MAC[1] + MAC[0]).replace(':', ''))
    return (macs + b'\x08\x00' + head + addresses + ports).ljust(14 + total, b'\0')
