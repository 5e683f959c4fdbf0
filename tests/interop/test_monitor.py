#!/usr/bin/python3
"""MONITOR: what it shows is what redis-server shows; every client's commands in its order, whatever the workers do."""
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for
from oracle import Oracle
from resp import Closed

import redis

LINE = re.compile(rb'(\d+\.\d{6}) \[(\d+) (\S+)\] (".*")\Z', re.S)
EVAL = "redis.call('set', KEYS[1], 'v'); redis.pcall('incr', KEYS[1]); return redis.call('get', KEYS[1])"

SCRIPT = [
    ("SET", "a", b'x"\\\n\r\t\a\b\x00\xff y~'), ("set", "a", 12), ("AUTH", "secret"), ("AUTH", "user", "secret"),
    ("HELLO", 2, "AUTH", "user", "secret", "SETNAME", "x"), ("HELLO", 2, "SETNAME", "auth"), ("CONFIG", "GET", "maxmemory"),
    ("ACL", "WHOAMI"), ("CLIENT", "ID"), ("CLIENT", "LIST"), ("CLIENT", "SETNAME", "q"), ("GET",), ("NOSUCH", "x"),
    ("SELECT", 3), ("MGET", "a", "b", "c", "d"), ("MSET", "a", 1, "b", 2, "c", 3), ("DEL", "a", "b", "c"),
    ("MULTI",), ("SET", "k", 1), ("GET", "other"), ("SELECT", 4), ("SET", "k", 2), ("EXEC",), ("SELECT", 3),
    ("MULTI",), ("SET", "k", 1), ("DISCARD",), ("EXEC",),
    ("WATCH", "k"), ("SET", "k", 2), ("MULTI",), ("GET", "k"), ("EXEC",), ("MULTI",), ("NOSUCH",), ("EXEC",),
    ("MULTI",), ("PUBLISH", "x", "y"), ("CONFIG", "GET", "port"), ("PING",), ("EXEC",),
    ("EVAL", EVAL, 1, "k"), ("EVAL", "return redis.call('get')", 0), ("EVAL", "redis.call('select', 5)", 0),
    ("MULTI",), ("EVAL", "return redis.call('get', KEYS[1])", 1, "k"), ("SET", "after", 1), ("EXEC",),
    ("BLPOP", "l", 0.05), ("LPUSH", "k", "x"), ("INFO", "x"), ("DEBUG", "SLEEP", 0), ("PUBLISH", "x", "y"),
    ("SLOWLOG", "GET"), ("PING",), ("COMMAND", "COUNT"), ("LATENCY", "LATEST"), ("MEMORY", "USAGE", "k"),
    ("OBJECT", "ENCODING", "k"), ("SCRIPT", "EXISTS", "a"), ("FUNCTION", "LIST"), ("CLIENT", "NO-EVICT", "ON"), ("TIME",),
    ("KEYS", "*"), ("SCAN", 0), ("DBSIZE",), ("FLUSHALL",), ("WAIT", 0, 0), ("SWAPDB", 0, 1), ("RESTORE", "x", 0, "y"),
    ("PUBSUB", "CHANNELS"), ("MULTI",), ("MONITOR",), ("EXEC",), ("EVAL", "return redis.call('monitor')", 0),
    ("APPEND", "big", "y" * 70000), ("SELECT", 7), ("RESET",), ("ECHO", "the end"),
]


def next_line(m):
    kind, text = m.read()
    assert kind == "+", (kind, text)
    found = LINE.match(text)
    assert found, text
    return found.groups()


def shown(server, proto):
    m, c = server.client(proto=proto, timeout=20), server.client(timeout=20)
    assert m.call("MONITOR") == ("+", b"OK")
    for words in SCRIPT:
        c.call(*words)
    lines, last = [], 0.0
    while not lines or lines[-1][2] != b'"ECHO" "the end"':
        time, db, origin, words = next_line(m)
        assert float(time) >= last, (time, last)
        last = float(time)
        lines.append((int(db), origin if origin == b"lua" else b"client", words))
    for x in m, c:
        x.close()
    return lines


def all_flags(c):
    """U: by a socket of the file system, as the oracle's clients are."""
    flags = re.findall(rb" flags=(\S+) ", c.call("CLIENT", "LIST")[1])
    return sorted(f.replace(b"U", b"") or b"N" for f in flags)


def its_own_commands(server):
    """Of a client in MONITOR, and the end of it."""
    m, c = server.client(timeout=20), server.client(timeout=20)
    assert m.call("MONITOR") == ("+", b"OK")
    got = []
    m.send([("MONITOR",), ("GET", "k"), ("SET", "k", 1), ("EXISTS", "k")])
    got += [m.read() for _ in range(3)]
    m.send([("PING",)])
    got += sorted((m.read() for _ in range(2)), key=lambda r: len(r[1]))
    got[-1] = LINE.match(got[-1][1])[4]
    got.append(all_flags(c))
    got.append(m.call("RESET"))
    c.call("PING", "unseen")
    got.append(m.call("GET", "k"))
    got.append(all_flags(c))
    m.send([("MULTI",), ("MONITOR",), ("EXEC",)])
    got += [m.read() for _ in range(3)]
    for x in m, c:
        x.close()
    return got


def every_client_in_order(lab, clients, rounds):
    m = lab.client(timeout=30)
    assert m.call("MONITOR") == ("+", b"OK")
    script = "redis.call('set', KEYS[1], ARGV[1]); return redis.call('incr', KEYS[2])"
    expected, failed = {}, []

    def work(i):
        c = lab.client(timeout=30)
        mine = []
        for n in range(rounds):
            tag = f"{i}:{n}"
            batch = [("SET", f"a{tag}", n), ("MGET", f"b{tag}", f"c{tag}", f"d{tag}"), ("GET", f"e{tag}"),
                     ("EVAL", script, 2, f"f{tag}", f"g{tag}", n), ("MULTI",), ("SET", f"h{tag}", n),
                     ("INCR", f"i{tag}"), ("EXEC",), ("PUBLISH", f"j{tag}", n), ("INCR", f"k{tag}")]
            replies = c.pipeline(batch)
            if any(r[0] == "-" for r in replies):
                failed.append(replies)
            mine += [("client", w) for w in batch[:4]]
            mine += [("lua", ("set", f"f{tag}", n)), ("lua", ("incr", f"g{tag}"))]
            mine += [("client", w) for w in batch[4:]]
        expected[i] = [(o, " ".join(f'"{x}"' for x in w).encode()) for o, w in mine]
        c.close()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(clients)]
    for t in threads:
        t.start()
    lines = []
    while len(lines) < clients * rounds * 12:
        _, _, origin, words = next_line(m)
        lines.append(("lua" if origin == b"lua" else "client", words, origin))
    for t in threads:
        t.join()
    assert not failed, failed[0]
    # a line belongs to the client whose number is in its first key; MULTI and EXEC to their address
    owner = {}
    for o, words, origin in lines:
        found = re.search(rb'"[a-k](\d+):', words)
        if found and o == "client":
            owner[origin] = int(found[1])
    seen = {i: [] for i in range(clients)}
    for o, words, origin in lines:
        found = re.search(rb'"[a-k](\d+):', words)
        seen[int(found[1]) if found else owner[origin]].append((o, words))
    for i in range(clients):
        assert seen[i] == expected[i], next((a, b) for a, b in zip(seen[i], expected[i]) if a != b)
    m.close()


def slow_monitor_is_cut(lab):
    c, m = lab.client(), lab.client()
    c.call("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
    assert m.call("MONITOR") == ("+", b"OK")
    text = "x" * 10000

    def watched():
        return b"flags=O" in c.call("CLIENT", "LIST")[1]

    sent = 0
    while watched():
        assert sent < 4000, "it is still there"
        c.call("ECHO", text)
        sent += 1
    assert sent > 90, sent
    c.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    try:
        while True:
            m.read()
    except (Closed, ConnectionError):
        pass
    for x in m, c:
        x.close()


def python_redis_and_redis_cli(lab):
    r = redis.Redis(lab.host, lab.port, socket_timeout=20)
    with r.monitor() as mon:
        r.set("foo", 'bar "x"')
        got = mon.next_command()
        assert (got["command"], got["db"], got["client_type"]) == ('SET foo bar "x"', 0, "tcp"), got
        r.eval("return redis.call('get', 'foo')", 0)
        got = [mon.next_command() for _ in range(2)]
        assert [g["client_type"] for g in got] == ["tcp", "lua"] and got[1]["command"] == "get foo", got
    cli = subprocess.Popen(["redis-cli", "-h", lab.host, "-p", str(lab.port), "MONITOR"], stdout=subprocess.PIPE)
    try:
        assert cli.stdout.readline() == b"OK\n"
        r.set("foo", 1)
        assert cli.stdout.readline().endswith(b'] "SET" "foo" "1"\n')
    finally:
        cli.kill()
        cli.wait()
        cli.stdout.close()
    wait_for(lambda: all("O" not in c["flags"] for c in r.client_list()), what="nobody watches any more")
    r.close()


with Oracle() as oracle:
    SHOWN = {proto: shown(oracle, proto) for proto in (2, 3)}
    OWN = its_own_commands(oracle)

for workers in (1, 4):
    @test(f"shows what redis-server shows, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers, ["--enable-debug-command", "yes"]) as lab:
            for _ in range(3):  # another connection, another worker
                for proto in (2, 3):
                    got = shown(lab, proto)
                    assert got == SHOWN[proto], next(x for x in zip(got, SHOWN[proto]) if x[0] != x[1])
            got = its_own_commands(lab)
            assert got == OWN, (got, OWN)

    @test(f"each client's commands stand in its order, scripts' behind their EVAL, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            every_client_in_order(lab, clients=6, rounds=300)

    @test(f"python3-redis and redis-cli watch; who does not read is cut, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            python_redis_and_redis_cli(lab)
            slow_monitor_is_cut(lab)

main()
