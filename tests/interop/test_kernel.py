#!/usr/bin/python3
"""Our TCP against the Linux kernel's over a veth pair: bulk transfer under loss and small MTUs, half-close, resets, a
window that stays shut, many connections. Everything that arrives is compared by checksum."""
import hashlib
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, run, test, wait_for
from resp import encode

MIB = 1 << 20


def nft(rules):
    run("nft", "-f", "-", stdin=None, input=rules)


def lose(permille):
    """Drops that share of the packets in both directions, at random, in the client's namespace."""
    drop = f"numgen random mod 1000 < {permille} drop"
    nft(f"table inet loss {{\n chain in {{\n type filter hook input priority 0\n {drop}\n }}\n"
        f" chain out {{\n type filter hook output priority 0\n {drop}\n }}\n}}\n")


def lossless():
    run("nft", "delete", "table", "inet", "loss", check=False)


def there_and_back(lab, size, timeout=120):
    c = lab.client(timeout=timeout)
    value = os.urandom(size)
    assert c.call("SET", "bulk", value) == ("+", b"OK")
    kind, got = c.call("GET", "bulk")
    assert kind == "$" and hashlib.sha256(got).digest() == hashlib.sha256(value).digest()
    c.close()


def counters(lab, line):
    text = lab.exec_server_side("redis-cli", "-p", "6380", "info", "dataplane")
    fields = next(l for l in text.splitlines() if l.startswith(line)).split(":", 1)[1]
    return {k: v for k, v in (f.split("=") for f in fields.strip().split(",") if "=" in f)}


for permille, size in ((1, 16 * MIB), (10, 8 * MIB), (50, 2 * MIB)):
    @test(f"{size // MIB} MiB there and back with {permille / 10}% of the packets lost both ways")
    def _(permille=permille, size=size):
        with Lab("af_packet") as lab:
            lose(permille)
            try:
                there_and_back(lab, size)
            finally:
                lossless()
            assert int(counters(lab, "worker0_tcp")["retransmits"]) > 0


@test("a path of MTU 576 carries bulk data both ways")
def _():
    with Lab("af_packet") as lab:
        run("ip", "link", "set", "c0", "mtu", "576")
        there_and_back(lab, 4 * MIB)


@test("half-close: requests before the client's FIN are all answered, then the server closes")
def _():
    with Lab("af_packet", 2) as lab:
        for _ in range(20):
            s = socket.create_connection((lab.host, lab.port), 10)
            s.sendall(b"".join(encode(["INCR", f"half:{i % 7}"]) for i in range(500)))
            s.shutdown(socket.SHUT_WR)
            data = b""
            while part := s.recv(1 << 16):
                data += part
            assert data.count(b"\r\n") == 500
            s.close()


@test("two thousand connections reset in the middle of their pipelines leave nothing behind")
def _():
    with Lab("af_packet", 2) as lab:
        for _ in range(2000):
            s = socket.create_connection((lab.host, lab.port), 10)
            s.sendall(b"".join(encode(["ECHO", "x" * 200]) for _ in range(20)))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        c = lab.client()
        assert c.call("PING") == ("+", b"PONG")
        wait_for(lambda: sum(int(counters(lab, f"worker{w}:")["clients"]) for w in range(2)) == 1, 10, "clients are gone")
        wait_for(lambda: sum(int(counters(lab, f"worker{w}:")["connections"]) for w in range(2)) == 1, 10, "and connections")


@test("a window shut for twelve seconds costs nothing and everything arrives when it opens")
def _():
    with Lab("af_packet") as lab:
        value = os.urandom(4 * MIB)
        lab.client().call("SET", "k", value)
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect((lab.host, lab.port))
        s.sendall(encode(["GET", "k"]))
        time.sleep(12)
        other = lab.client()
        assert other.call("PING") == ("+", b"PONG")
        assert int(counters(lab, "worker0_tcp")["window_probes"]) > 0
        s.settimeout(60)
        data = b""
        while len(data) < len(value) + 12:
            part = s.recv(1 << 20)
            assert part, "closed early"
            data += part
        assert data == b"$%d\r\n%s\r\n" % (len(value), value)


@test("ten thousand connections are served, each of them")
def _():
    with Lab("af_packet", 2, ["--maxclients", "10100", "--tcp-backlog", "4096"]) as lab:
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (11000, 11000))
        socks = []
        for i in range(10000):
            s = socket.create_connection((lab.host, lab.port), 20)
            socks.append(s)
        for i, s in enumerate(socks):
            s.sendall(encode(["ECHO", i]))
        for i, s in enumerate(socks):
            want = b"$%d\r\n%d\r\n" % (len(str(i)), i)
            got = b""
            while len(got) < len(want):
                got += s.recv(100)
            assert got == want
        assert sum(int(counters(lab, f"worker{w}:")["clients"]) for w in range(2)) == 10000
        for s in socks:
            s.close()
        wait_for(lambda: sum(int(counters(lab, f"worker{w}:")["clients"]) for w in range(2)) == 0, 20, "all are gone")


@test("data in segments of one byte is read right and costs few buffers")
def _():
    with Lab("af_packet") as lab:
        s = socket.create_connection((lab.host, lab.port), 10)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        before = int(counters(lab, "worker0:")["mbufs_in_use"])
        request = encode(["SET", "slow", "v" * 3000])
        for b in request[:-1]:
            s.send(bytes([b]))
        assert int(counters(lab, "worker0:")["mbufs_in_use"]) - before < 64
        s.send(request[-1:])
        assert s.recv(100) == b"+OK\r\n"


main()
