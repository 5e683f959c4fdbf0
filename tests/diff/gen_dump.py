"""RESTORE of values as redis-server of every age has written them. DUMP is not compared as bytes: what it says may be
compressed or ordered otherwise; its answer on what is no key is."""
import struct

import gen

POLYNOMIAL = 0x95AC9329AC4BC9B5  # of CRC-64 "Jones", reflected


def crc64(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc


def payload(value, version=10):
    body = value + struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def text(s):
    return bytes([len(s)]) + s


def listpack(*entries):
    body = b"".join(bytes([0x80 | len(e)]) + e + bytes([len(e) + 1]) if isinstance(e, bytes) else bytes([e, 1]) for e in entries)
    return text(struct.pack("<IH", len(body) + 7, len(entries)) + body + b"\xff")


def ziplist(*entries):
    body, before, tail = b"", 0, 10
    for e in entries:
        entry = bytes([before]) + (bytes([len(e)]) + e if isinstance(e, bytes) else bytes([0xfe, e]))
        tail, before, body = 10 + len(body), len(entry), body + entry
    return text(struct.pack("<IIH", len(body) + 11, tail, len(entries)) + body + b"\xff")


def double(v):
    return struct.pack("<d", v)


PAYLOADS = [payload(v) for v in [
    b"\x00\x05hello", b"\x00\xc1\x39\x30", b"\x00\xc3\x09\x1a\x01aa\xe0\x0d\x00\x01aa",
    b"\x01\x03\x01a\xc0\x07\x02bc", b"\x0a" + ziplist(b"a", 7, b"bc"), b"\x0e\x01" + ziplist(b"a", b"a", 1, 2, 3, b"b", b"c"),
    b"\x12\x02\x02" + listpack(b"a", 1) + b"\x02" + listpack(b"b", 2), b"\x12\x01\x02" + listpack(3, b"c"),
    b"\x02\x03\xc0\x05\x01x\x01y", b"\x02\x02\xc0\x05\xc0\x04", b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0",
    b"\x02\x09" + b"".join(text(b"m%d" % i) for i in range(9)),
    b"\x03\x03\x01a\x031.5\x01b\xfe\xc0\x07\x02-2", b"\x05\x02\x01a" + double(1.5) + b"\x01b" + double(-2),
    b"\x05\x09" + b"".join(text(b"m%d" % i) + double(i) for i in range(9)),
    b"\x0c" + ziplist(b"a", 1, b"b", 2), b"\x11" + listpack(b"a", 1, b"b", b"2.5"),
    b"\x04\x02\x01a\x01b\xc0\x07\xc0\x08", b"\x09" + text(b"\x01\x01a\x01\x00b\xff"), b"\x0d" + ziplist(b"a", b"b", 1, 2),
    b"\x10" + listpack(b"a", b"b", 1, 2), b"\x04\x09" + b"".join(text(b"f%d" % i) + text(b"%d" % i) for i in range(9)),
    b"\x01\x00", b"\x02\x00", b"\x08\x01a",
]] + [payload(b"\x00\x01a", 9), payload(b"\x00\x01a", 99)]

TEMPLATES = [
    (20, "RESTORE key 0 dumped REPLACE"),
    (6, "RESTORE key 0 dumped"),
    (4, "RESTORE key {0|100000|-1} dumped ?(REPLACE) ?({IDLETIME|FREQ} {0|7|255|256|-1|x})"),
    (4, "RESTORE key {1|1000} dumped ABSTTL ?(REPLACE)"),
    (2, "DUMP nowhere"),
    (1, "DEL key"),
]


def dumped(self):
    value = self.rng.choice(PAYLOADS)
    if self.rng.random() < 0.1:
        at = self.rng.randrange(len(value))
        value = value[:at] + bytes([value[at] ^ 1 << self.rng.randrange(8)]) + value[at + 1:]
    return value


setattr(gen.Gen, dumped.__name__, dumped)
