#!/usr/bin/python3
"""A client that acknowledges what it has not received: optimist.py HOST PORT SECONDS AHEAD REQUEST

Opens one connection by raw segments, sends the request (a Python literal of bytes), and answers every segment with an
ACK that lies AHEAD bytes behind the highest byte it saw; so it may acknowledge what was never sent. Prints how many ACKs
it sent and how many bytes the server sent. The kernel must be kept from resetting the connection: source port 40077.
"""
import ast
import os
import socket
import struct
import sys
import time

SPORT = 40077
SYN, PSH, ACK = 0x02, 0x08, 0x10


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


class Wire:
    def __init__(self, host, port):
        self.host, self.port = host, port
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.connect((host, port))
        self.src, self.dst = socket.inet_aton(probe.getsockname()[0]), socket.inet_aton(host)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.s.settimeout(0.05)

    def send(self, seq, ack, flags, options=b"", data=b""):
        off = (20 + len(options)) // 4 << 4
        head = struct.pack("!HHIIBBHHH", SPORT, self.port, seq & 0xffffffff, ack & 0xffffffff, off, flags, 65535, 0, 0)
        whole = head + options + data
        pseudo = self.src + self.dst + struct.pack("!BBH", 0, 6, len(whole))
        self.s.sendto(whole[:16] + struct.pack("!H", checksum(pseudo + whole)) + whole[18:], (self.host, 0))

    def receive(self):
        """(sequence number, payload length, flags) or None"""
        try:
            p = self.s.recv(65536)
        except TimeoutError:
            return None
        tcp = p[(p[0] & 15) * 4:]
        sport, dport, seq, _, off, flags = struct.unpack("!HHIIBB", tcp[:14])
        if sport != self.port or dport != SPORT:
            return None
        return seq, len(tcp) - (off >> 4) * 4, flags


def main():
    host, port, seconds, ahead, request = sys.argv[1:6]
    wire, request = Wire(host, int(port)), ast.literal_eval(request)
    seq = int.from_bytes(os.urandom(4), "big")
    wire.send(seq, 0, SYN, b"\x02\x04\x05\xb4\x01\x03\x03\x07")
    while (got := wire.receive()) is None or got[2] & 0x12 != 0x12:
        pass
    first = top = got[0] + 1
    seq += 1
    wire.send(seq, top, ACK | PSH, data=request)
    seq += len(request)
    acks, end = 0, time.monotonic() + float(seconds)
    while time.monotonic() < end:
        got = wire.receive()
        if got is not None and got[1] > 0:
            distance = (got[0] + got[1] - top) & 0xffffffff
            top += distance if distance < 1 << 31 else 0
        wire.send(seq, top + int(ahead), ACK)
        acks += 1
    print(acks, top - first)


main()
