#!/usr/bin/python3
"""Our TCP against the Linux kernel's over a veth pair: bulk transfer as server and as client over networks that lose, reorder,
double, corrupt and delay, at small and large MTUs, half-close, resets, a window that stays shut, many connections. Everything that arrives is compared by checksum."""
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import BUILD, LAB, Lab, impaired, main, run, test, wait_for
from resp import encode

MIB = 1 << 20


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


NETWORKS = [  # name, options of impair, bytes there and back, what must have happened
    ("nothing in the way", [], 32 * MIB, "seen"),
    ("0.1% lost", ["--lose", "0.1"], 16 * MIB, "lost"),
    ("1% lost", ["--lose", "1"], 8 * MIB, "lost"),
    ("5% lost", ["--lose", "5"], 2 * MIB, "lost"),
    ("5% reordered by 1 ms", ["--reorder", "5,1"], 8 * MIB, "held"),
    ("5% doubled", ["--duplicate", "5"], 8 * MIB, "duplicated"),
    ("1% corrupted", ["--corrupt", "1"], 4 * MIB, "corrupted"),
    ("100 ms round trip", ["--delay", "50"], 4 * MIB, "held"),
    ("100 ms, lost, doubled and reordered", ["--delay", "50", "--lose", "0.6", "--duplicate", "1", "--reorder", "2,7"], MIB,
     "lost"),
]
FAMILIES = {"IPv4": "10.77.0.2", "IPv6": "fd77::2"}
BOTH = ["--address", "10.77.0.2/24", "--address", "fd77::2/64"]


def add_ipv6():
    run("sysctl", "-qw", "net.ipv6.conf.c0.disable_ipv6=0")
    run("ip", "addr", "replace", "fd77::1/64", "dev", "c0", "nodad")


def set_mtu(lab, mtu):
    lab.exec_server_side("ip", "link", "set", "s0", "mtu", str(max(mtu, 1500)))
    run("ip", "link", "set", "c0", "mtu", str(mtu))


@test("bulk data arrives whole over bad networks of both families, while a shut window stays shut for a minute")
def _():
    with Lab("af_packet", options=BOTH) as lab:
        add_ipv6()
        lab.as_on_a_wire()
        value = os.urandom(4 * MIB)
        lab.client().call("SET", "k", value)
        shut = socket.socket()
        shut.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        shut.connect((lab.host, lab.port))
        shut.sendall(encode(["GET", "k"]))
        started = time.monotonic()
        for name, rules, size, wanted in NETWORKS:
            for family, host in FAMILIES.items():
                lab.host = host
                with impaired("c0", *rules) as happened:
                    there_and_back(lab, size)
                assert happened[wanted] > 0, (name, family, happened)
                print(f"ok - {family}, {name}: {size // MIB} MiB there and back", flush=True)
        time.sleep(max(0, started + 62 - time.monotonic()))
        assert int(counters(lab, "worker0_tcp")["window_probes"]) > 0
        shut.settimeout(60)
        data = b""
        while len(data) < len(value) + 12:
            part = shut.recv(1 << 20)
            assert part, "closed early"
            data += part
        assert data == b"$%d\r\n%s\r\n" % (len(value), value)


@test("long runs of segments go to the kernel whole: handed on, or cut and summed there; none with tx-offload off")
def _():
    for cut, options in ((False, []), (True, []), (False, ["--tx-offload", "off"])):
        with Lab("af_packet", 2, options=[*BOTH, *options]) as lab:
            add_ipv6()
            if cut:
                lab.as_on_a_wire()
            for host in FAMILIES.values():
                lab.host = host
                for size in (3000, 70001, 4 * MIB):
                    there_and_back(lab, size)
            sent = [counters(lab, f"worker{i}_tcp") for i in (0, 1)]
            assert (sum(int(c["trains_out"]) for c in sent) > 0) == (not options), sent
            wrong = [counters(lab, f"worker{i}_net")["tx_offload_wrong"] for i in (0, 1)]
            assert wrong == ["0", "0"], wrong


@test("paths of MTU 576, 1500 and 9000 carry bulk data both ways, also with losses")
def _():
    for ours in (1500, 9000):
        with Lab("af_packet", options=[*BOTH, "--mtu", str(ours)]) as lab:
            for mtu in (576, 1500) if ours == 1500 else (9000,):
                set_mtu(lab, mtu)
                if mtu >= 1280:
                    add_ipv6()
                for family, host in FAMILIES.items():
                    if family == "IPv6" and mtu < 1280:
                        continue  # no IPv6 link is so small
                    lab.host = host
                    there_and_back(lab, 4 * MIB)
                    with impaired("c0", "--lose", "1"):
                        there_and_back(lab, 2 * MIB)


# Takes one request of 4,000,000 bytes and more, after a minute in which it reads nothing.
SLOW_SERVER = """
import socket, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 7000))
s.listen()
c = s.accept()[0]
time.sleep(62)
got = b""
while len(got) < 4000000:
    got += c.recv(1 << 20)
while not got.endswith(b"\\r\\n"):
    got += c.recv(1 << 20)
c.sendall(b"+OK\\r\\n")
c.recv(1)
"""


def bench(*words):
    return (f"{BUILD}/tools/bench/redpoll-bench", "--device", "af_packet:c0", "--verify", "--hugepages", "no", "-q", *words)


def as_client(lab, family, *words):
    ours = "fd77::3/64" if family == "IPv6" else "10.77.0.3/24"
    run(*bench("--address", ours, "-h", FAMILIES[family], "-p", str(lab.port), "--load", *words))


@test("as client of a kernel's servers: large values both ways over bad networks, small and large MTUs, thousands of connections, "
      "while a shut window stays shut for a minute")
def _():
    with Lab(server="redis") as lab:
        there = (LAB, "exec", "-s", "--name", lab.name, "--")
        for side in (there, ()):
            run(*side, "ethtool", "-K", "c0" if not side else "s0", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        run(*there, "sysctl", "-qw", "net.ipv6.conf.s0.disable_ipv6=0")
        run(*there, "ip", "addr", "replace", "fd77::2/64", "dev", "s0", "nodad")
        lab.client().call("CONFIG", "SET", "bind", "* -::*")
        slow = subprocess.Popen([*there, "/usr/bin/python3", "-c", SLOW_SERVER])
        shut = subprocess.Popen(bench("--address", "10.77.0.4/24", "-h", FAMILIES["IPv4"], "-p", "7000", "-c", "1", "-n", "1", "-d",
                                      "4000000", "-t", "set"))
        try:
            for name, rules, size, wanted in NETWORKS:
                requests = max(8, size // 2 // 200000)  # enough packets that what is rare happens
                for family in FAMILIES:
                    with impaired("s0", *rules, inside=there) as happened:
                        as_client(lab, family, "-c", "2", "-n", str(requests), "-r", "4", "-d", "200000", "-t", "set,get")
                    assert happened[wanted] > 0, (name, family, happened)
            for mtu in (576, 9000):
                for side, dev in ((there, "s0"), ((), "c0")):
                    run(*side, "ip", "link", "set", dev, "mtu", str(mtu))
                if mtu >= 1280:  # what became smaller has no IPv6 any more
                    run(*there, "sysctl", "-qw", "net.ipv6.conf.s0.disable_ipv6=0")
                    run(*there, "ip", "addr", "replace", "fd77::2/64", "dev", "s0", "nodad")
                for family in FAMILIES if mtu >= 1280 else ["IPv4"]:
                    with impaired("s0", "--lose", "1", inside=there):
                        as_client(lab, family, "--mtu", str(mtu), "-c", "2", "-n", "20", "-r", "4", "-d", "100000", "-t", "set,get")
            lab.client().call("CONFIG", "SET", "maxclients", 10100)
            as_client(lab, "IPv4", "-c", "10000", "-n", "30000", "-r", "1000", "-t", "set,get")
            assert shut.wait(90) == 0 and slow.wait(10) == 0
        finally:
            for process in (shut, slow):
                process.kill()
                process.wait()


# Answers ten requests of each connection. Then it is done with it: by a reset, or by a FIN, behind which it reads on up to the
# other side's.
LEAVING_SERVER = """
import socket, struct, sys, threading
resets = sys.argv[1] == "resets"
ends = [0, 0]

def serve(c):
    answered = 0
    while answered < 10:
        data = c.recv(1 << 16)
        if not data:
            return
        n = data.count(b"*3\\r\\n")
        answered += n
        c.sendall(b"+OK\\r\\n" * n)
    if resets:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        c.shutdown(socket.SHUT_WR)
        try:
            while c.recv(1 << 16):
                pass
            ends[0] += 1
        except OSError:
            ends[1] += 1
    c.close()

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 7000))
s.listen(1000)
print("ready", flush=True)
while True:
    c = s.accept()[0]
    threading.Thread(target=serve, args=(c,), daemon=True).start()
    if not resets and sum(ends) >= 150:
        print(*ends, flush=True)
        ends = [0, 0]
"""


@test("as client of a kernel's servers that reset, or half-close, one connection after the other: it opens others, and counts what was lost")
def _():
    with Lab(server="redis") as lab:
        there = (LAB, "exec", "-s", "--name", lab.name, "--")
        for how in ("resets", "fins"):
            server = subprocess.Popen([*there, "/usr/bin/python3", "-c", LEAVING_SERVER, how], stdout=subprocess.PIPE, text=True)
            try:
                assert server.stdout.readline() == "ready\n"
                words = bench("--address", "10.77.0.4/24", "-h", FAMILIES["IPv4"], "-p", "7000", "-c", "20", "-n", "2500", "-d", "3", "-t", "set",
                              "--json")
                told = json.loads(run(*(w for w in words if w != "-q"), check=False).stdout)[0]
                assert told["requests"] == 2500 and told["reopened"] >= 200, told
                assert told["lost"] <= told["reopened"] and told["errors"] == told["wrong"] == 0, told  # it says what had no answer
                if how == "fins":
                    closed, reset = map(int, server.stdout.readline().split())
                    assert closed > 0 and reset == 0, (closed, reset)
            finally:
                server.kill()
                server.wait()


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
