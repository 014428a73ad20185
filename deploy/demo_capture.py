#!/usr/bin/env python3
"""Writes the capture that deploy/demo shows where it may not make a real one: DNS, HTTP, ICMP, SSH-like."""
import struct
import sys

CLIENT, SERVER = bytes((10, 77, 0, 1)), bytes((10, 77, 0, 2))
ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, PSH, ACK = 1, 2, 8, 16


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1]))
    total += data[-1] << 8 if len(data) & 1 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Capture:
    def __init__(self, file):
        self.file, self.now_us = file, 1_700_000_000_000_000
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))

    def ip(self, src, dst, proto, payload):
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0, src, dst)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        frame = b"\x02\0\0\0\0" + dst[3:] + b"\x02\0\0\0\0" + src[3:] + b"\x08\0" + head + payload
        seconds, us = divmod(self.now_us, 1_000_000)
        self.file.write(struct.pack("<IIII", seconds, us, len(frame), len(frame)) + frame)
        self.now_us += 1500

    def layer4(self, src, dst, proto, head, at, data):
        """The checksum of the pseudo header, the header and the data goes to offset `at` of the header."""
        pseudo = src + dst + struct.pack("!HH", proto, len(head) + len(data))
        value = struct.pack("!H", checksum(pseudo + head + data))
        self.ip(src, dst, proto, head[:at] + value + head[at + 2 :] + data)

    def udp(self, src, dst, sport, dport, data):
        self.layer4(src, dst, UDP, struct.pack("!HHHH", sport, dport, 8 + len(data), 0), 6, data)

    def ping(self, number):
        for kind, src, dst in ((8, CLIENT, SERVER), (0, SERVER, CLIENT)):
            body = struct.pack("!BBHHH", kind, 0, 0, 77, number) + bytes(56)
            self.ip(src, dst, ICMP, body[:2] + struct.pack("!H", checksum(body)) + body[4:])

    def dns(self, sport, name):
        query = b"".join(bytes((len(part),)) + part for part in name.encode().split(b".")) + b"\0\0\1\0\1"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + SERVER
        self.udp(CLIENT, SERVER, sport, 53, struct.pack("!HHHHHH", sport, 0x0100, 1, 0, 0, 0) + query)
        self.udp(SERVER, CLIENT, 53, sport, struct.pack("!HHHHHH", sport, 0x8580, 1, 1, 0, 0) + query + answer)

    def tcp(self, sport, dport, turns):
        """A whole connection; turns are (from_client, data)."""
        seq = {True: 1000 * sport, False: 2000 * sport}

        def send(from_client, flags, data=b""):
            src, dst, a, b = (CLIENT, SERVER, sport, dport) if from_client else (SERVER, CLIENT, dport, sport)
            ack = seq[not from_client] if flags & ACK else 0
            head = struct.pack("!HHIIBBHHH", a, b, seq[from_client], ack, 5 << 4, flags, 65000, 0, 0)
            self.layer4(src, dst, TCP, head, 16, data)
            seq[from_client] += len(data) + bool(flags & (SYN | FIN))

        send(True, SYN)
        send(False, SYN | ACK)
        send(True, ACK)
        for from_client, data in turns:
            for at in range(0, len(data), 1448):
                send(from_client, PSH | ACK, data[at : at + 1448])
            send(not from_client, ACK)
        send(True, FIN | ACK)
        send(False, FIN | ACK)
        send(True, ACK)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: demo_capture.py FILE")
    with open(sys.argv[1], "wb") as file:
        capture = Capture(file)
        for number in range(3):
            capture.ping(number)
        capture.dns(40001, "demo.test")
        capture.tcp(40002, 80, [(True, b"GET /file HTTP/1.1\r\nHost: demo.test\r\n\r\n"),
                                (False, b"HTTP/1.1 200 OK\r\n\r\n" + bytes(50_000))])
        capture.tcp(40003, 22, [(False, b"SSH-2.0-demo_server\r\n"), (True, b"SSH-2.0-demo_client\r\n")] +
                    [(n % 2 == 0, bytes(48)) for n in range(10)])


if __name__ == "__main__":
    main()
