#!/usr/bin/python3
"""Many connections, and clients that do not behave."""
import os
import resource
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, run, test, wait_for
from resp import Closed, encode

MIB = 1 << 20


def connected_clients(c):
    for line in c.call("INFO", "clients")[1].decode().splitlines():
        if line.startswith("connected_clients:"):
            return int(line.split(":")[1])
    raise AssertionError("INFO without connected_clients")


def reset(client):
    """Closes with RST."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@test("1,000 connections at once, each gets its own answers")
def _():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with Lab("af_packet", 2) as lab:
        clients = [lab.client() for _ in range(1000)]
        for i, c in enumerate(clients):
            c.send([("SET", f"c:{i}", f"v{i}"), ("GET", f"c:{i}"), ("INCR", "total")])
        for i, c in enumerate(clients):
            assert c.read() == ("+", b"OK")
            assert c.read() == ("$", f"v{i}".encode())
            assert c.read()[0] == ":"
        assert clients[0].call("GET", "total") == ("$", b"1000")
        assert connected_clients(clients[0]) == 1000
        for c in clients[1:]:
            c.close()
        wait_for(lambda: connected_clients(clients[0]) == 1, what="999 connections are gone")


@test("maxclients: one more is told and closed, a place that got free is given again")
def _():
    with Lab("af_packet", 1, ["--maxclients", "5"]) as lab:
        clients = [lab.client() for _ in range(5)]
        assert all(c.call("PING") == ("+", b"PONG") for c in clients)
        extra = lab.client(timeout=5)
        try:
            reply = extra.call("PING")
            assert reply == ("-", b"ERR max number of clients reached"), reply
        except (Closed, ConnectionResetError):
            pass
        clients.pop().close()

        def one_more():
            try:
                return lab.client(timeout=2).call("PING") == ("+", b"PONG")
            except (Closed, OSError):
                return False
        wait_for(one_more, what="a new client after one left")


@test("maxclients: the admin listener counts its clients apart")
def _():
    with Lab("af_packet", 1, ["--maxclients", "3"]) as lab:
        clients = [lab.client() for _ in range(3)]
        assert all(c.call("PING") == ("+", b"PONG") for c in clients)

        def admin(*words):
            return lab.exec_server_side("redis-cli", "-p", "6380", *words).strip()
        assert "connected_clients:4" in admin("INFO", "clients")
        assert admin("CONFIG", "SET", "maxclients", "2") == "OK"
        assert admin("PING") == "PONG"


@test("clients that vanish in mid-reply or mid-request leave nothing behind")
def _():
    with Lab("af_packet", 2) as lab:
        watcher = lab.client()
        watcher.call("SET", "big", b"x" * (4 * MIB))
        for i in range(60):
            c = lab.client()
            if i % 3 == 0:  # in mid-reply
                c.send([("GET", "big")] * 5)
                c.sock.recv(1000)
            elif i % 3 == 1:  # in mid-request
                c.sock.sendall(encode(("SET", f"half:{i}", b"y" * 100000))[:-50000])
            else:  # with requests on their way
                c.send([("SET", f"gone:{i % 7}", "z"), ("MGET", *[f"gone:{k}" for k in range(7)])] * 50)
            reset(c) if i % 2 else c.close()
        wait_for(lambda: connected_clients(watcher) == 1, what="the vanished are gone")
        assert watcher.call("EXISTS", "half:1", "half:4") == (":", 0)
        memory = lab.memory_kib()
        for _ in range(40):
            c = lab.client()
            c.send([("GET", "big")] * 5)
            c.sock.recv(1000)
            reset(c)
        wait_for(lambda: connected_clients(watcher) == 1, what="the vanished are gone")
        assert lab.memory_kib() - memory < 64 * 1024, "memory grew"


@test("half-closed: all replies still come, then FIN")
def _():
    with Lab("af_packet", 2) as lab:
        c = lab.client()
        c.send([("INCR", f"n:{i % 5}") for i in range(1000)])
        c.sock.shutdown(socket.SHUT_WR)
        assert [c.read()[0] for _ in range(1000)] == [":"] * 1000
        assert c.file.read() == b""


@test("a reader that never reads: others go on, memory stays bounded")
def _():
    with Lab("af_packet", 2, ["--client-output-buffer-limit", "normal", "32mb", "0", "0"]) as lab:
        watcher = lab.client()
        for i in range(8):
            watcher.call("SET", f"big:{i}", os.urandom(MIB))
        before = lab.memory_kib()
        stuck = [lab.client() for _ in range(4)]
        for c in stuck:
            c.sock.settimeout(0.5)
            try:
                for _ in range(1000):
                    c.sock.sendall(b"".join(encode(("GET", f"big:{i}")) for i in range(8)) * 20)
            except OSError:
                pass  # nobody takes our requests any more, or we are closed
        slowest, end = 0, time.monotonic() + 2
        while time.monotonic() < end:
            started = time.monotonic()
            assert watcher.call("GET", "big:1")[0] == "$"
            slowest = max(slowest, time.monotonic() - started)
        assert slowest < 1, f"a GET took {slowest:.2f} s"
        grown = lab.memory_kib() - before
        assert grown < 300 * 1024, f"memory grew by {grown} KiB"


@test("a slow reader gets every byte in order")
def _():
    with Lab("af_packet", 2) as lab:
        c = lab.client()
        values = [os.urandom(300000) for _ in range(30)]
        assert all(r == ("+", b"OK") for r in c.pipeline([("SET", f"v:{i}", v) for i, v in enumerate(values)]))
        slow = lab.client()
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20000)
        slow.send([("GET", f"v:{i}") for i in range(30)])
        for i, v in enumerate(values):
            time.sleep(0.02)
            assert slow.read() == ("$", v), f"value {i}"


@test("requests one byte at a time")
def _():
    with Lab("af_packet", 1) as lab:
        c = lab.client()
        for byte in encode(("SET", "bytes", "v")) + encode(("GET", "bytes")) + b"PING\r\n":
            c.sock.sendall(bytes([byte]))
        assert [c.read() for _ in range(3)] == [("+", b"OK"), ("$", b"v"), ("+", b"PONG")]


@test("what is not RESP gets a protocol error and the connection closes")
def _():
    with Lab("af_packet", 1) as lab:
        for junk in (b"*3\r\n$abc\r\n", b"*1\r\n:5\r\n", b"*99999999999\r\n", b"*1\r\n$-7\r\n"):
            c = lab.client(timeout=5)
            c.sock.sendall(junk)
            kind, text = c.read()
            assert kind == "-" and text.startswith(b"ERR Protocol error"), (junk, text)
            assert c.file.read() == b""
        assert lab.client().call("PING") == ("+", b"PONG")


@test("connections that come and go quickly")
def _():
    with Lab("af_packet", 2) as lab:
        errors = []

        def churn(n):
            for i in range(150):
                try:
                    c = lab.client(timeout=5)
                    if c.call("SET", f"churn:{n}", i) != ("+", b"OK"):
                        errors.append((n, i))
                    reset(c) if i % 3 == 0 else c.close()
                except OSError as e:
                    errors.append((n, i, e))
        threads = [threading.Thread(target=churn, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not errors, errors[:5]
        watcher = lab.client()
        wait_for(lambda: connected_clients(watcher) == 1, what="all are gone")


@test("packet loss of 1 in 100 both ways: every byte arrives")
def _():
    with Lab("af_packet", 2) as lab:
        c = lab.client(timeout=60)
        drop = ["numgen", "random", "mod", "100", "==", "0", "drop"]
        run("nft", "add", "table", "ip", "lossy")
        for hook in ("input", "output"):
            run("nft", f"add chain ip lossy {hook} {{ type filter hook {hook} priority 0; }}")
            run("nft", "add", "rule", "ip", "lossy", hook, *drop)
        values = [os.urandom(200000) for _ in range(20)]
        assert all(r == ("+", b"OK") for r in c.pipeline([("SET", f"v:{i}", v) for i, v in enumerate(values)]))
        assert c.pipeline([("GET", f"v:{i}") for i in range(20)]) == [("$", v) for v in values]

main()
