#!/usr/bin/python3
"""DUMP and RESTORE with redis-server: values of every type and form go there and back, with what they hold."""
import contextlib
import os
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test
from resp import Client

LIMITS = {"list-max-listpack-size": 6, "hash-max-listpack-entries": 6, "hash-max-listpack-value": 20,
          "set-max-intset-entries": 6, "zset-max-listpack-entries": 6, "zset-max-listpack-value": 20,
          "stream-node-max-entries": 6}


@contextlib.contextmanager
def redis_server():
    with tempfile.TemporaryDirectory() as home:
        path = f"{home}/socket"
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
                                   "--dir", home], stdout=subprocess.DEVNULL)
        try:
            while not os.path.exists(path):
                time.sleep(0.02)
            yield Client(path, 0)
        finally:
            server.terminate()
            server.wait()


def values():
    """(name, commands that make it of the key), with counts around the limits."""
    texts = [b"", b"a", b"x" * 20, b"x" * 21, b"y" * 70, os.urandom(300), b"ab" * 9000, b"1", b"-129", b"70000", b"2147483648",
             b"9223372036854775807", b"01"]
    for i, text in enumerate(texts):
        yield f"string {i}", [("SET", "k", text)]
    yield "hyperloglog, sparse", [("PFADD", "k", *range(20))]
    yield "hyperloglog, dense", [("PFADD", "k", *range(i, i + 1000)) for i in range(0, 9000, 1000)]
    for n in (1, 5, 6, 7, 50):
        for what, make in (("integers", lambda i: i * 70001 - 3), ("texts", lambda i: f"m{i}"),
                           ("all kinds", lambda i: texts[i % len(texts)] + b"%d" % i)):
            members = [make(i) for i in range(n)]
            yield f"list of {n} {what}", [("RPUSH", "k", *members)]
            yield f"set of {n} {what}", [("SADD", "k", *members)]
            yield f"hash of {n} {what}", [("HSET", "k", *[x for m in members for x in (m, m)])]
            scores = [-1.5, 0, "inf", "-inf", 1e300, 3, 17179869184, 0.1]
            yield f"zset of {n} {what}", [("ZADD", "k", *[x for i, m in enumerate(members) for x in (scores[i % 8], m)])]
            yield f"stream of {n} {what}", (
                [("XADD", "k", f"{i + 1}-{i}", m, "v", *(["w", i] if i % 3 == 0 else [])) for i, m in enumerate(members)] +
                [("XDEL", "k", "2-1"), ("XGROUP", "CREATE", "k", "g", "0"), ("XGROUP", "CREATE", "k", "h", "$"),
                 ("XREADGROUP", "GROUP", "g", "c", "COUNT", "4", "STREAMS", "k", ">"),
                 ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "k", ">"), ("XACK", "k", "g", "1-0")])


def content(c, key):
    """What the key holds, whatever it looks like in memory."""
    kind = c.call("TYPE", key)[1]
    count = c.call("PFCOUNT", key) if kind == b"string" else None  # which is kept in the value then
    if kind == b"stream":
        pending = c.call("XPENDING", key, "g", "-", "+", 1000)[1]
        return [c.call("XRANGE", key, "-", "+"), c.call("XINFO", "GROUPS", key), c.call("XLEN", key),
                c.call("XPENDING", key, "g"), [[p[1][i] for i in (0, 1, 3)] for p in pending]]
    words = {b"list": ("LRANGE", key, 0, -1), b"set": ("SMEMBERS", key), b"hash": ("HGETALL", key),
             b"zset": ("ZRANGE", key, 0, -1, "WITHSCORES")}.get(kind, ("GET", key))
    reply = c.call(*words)
    if kind == b"set":
        return sorted(reply[1])
    if kind == b"hash":
        return sorted(zip(reply[1][::2], reply[1][1::2]))
    if kind == b"zset":  # 7.2 writes scores shorter
        return [(name, float(score)) for (_, name), (_, score) in zip(reply[1][::2], reply[1][1::2])]
    return [reply, count]


def encoding(c, key):
    """Lists that 7.0 calls quicklists and sets that it calls hashtables may be listpacks here."""
    text = c.call("OBJECT", "ENCODING", key)[1]
    kind = c.call("TYPE", key)[1]
    return None if kind == b"list" or kind == b"set" and text in (b"listpack", b"hashtable") else text


def ok(reply):
    assert reply == ("+", b"OK"), reply


@test("what redis-server dumps is restored here, what is dumped here is restored there")
def _():
    with Lab("af_packet", 2) as lab, redis_server() as redis:
        c = lab.client()
        for limits in ({}, LIMITS):
            for side in (c, redis):
                for name, value in limits.items():
                    ok(side.call("CONFIG", "SET", name, value))
            for name, commands in values():
                redis.call("DEL", "k", "back")
                for command in commands:
                    reply = redis.call(*command)
                    assert reply[0] != "-", (name, reply)
                ok(c.call("RESTORE", "k", 0, redis.call("DUMP", "k")[1], "REPLACE"))
                want = content(redis, "k")
                assert content(c, "k") == want, name
                assert encoding(c, "k") == encoding(redis, "k"), name
                ok(redis.call("RESTORE", "back", 0, c.call("DUMP", "k")[1]))
                assert content(redis, "back") == want, name
                assert encoding(redis, "back") == encoding(redis, "k"), name


@test("values made here are restored by redis-server, also after they shrank")
def _():
    with Lab("af_packet", 1) as lab, redis_server() as redis:
        c = lab.client()
        for name, value in LIMITS.items():
            ok(c.call("CONFIG", "SET", name, value))
        shrink = {b"list": ("LPOP", "k", 3), b"set": ("SREM", "k", "m0", "m3"), b"zset": ("ZPOPMIN", "k", 3),
                  b"hash": ("HDEL", "k", "m0", "m3"), b"stream": ("XTRIM", "k", "MAXLEN", "4")}
        for name, commands in values():
            c.call("DEL", "k")
            for command in commands:
                assert c.call(*command)[0] != "-", name
            for step in (None, shrink.get(c.call("TYPE", "k")[1])):
                if step:
                    c.call(*step)
                dump = c.call("DUMP", "k")[1]
                if dump is None:
                    continue
                ok(redis.call("RESTORE", "k", 0, dump, "REPLACE"))
                assert content(redis, "k") == content(c, "k"), (name, step)


def spoil(dump):
    """(what, dump with it)."""
    yield "nothing", b""
    yield "nine bytes", dump[:9]
    yield "cut", dump[:-1]
    yield "a wrong checksum", dump[:-1] + bytes([dump[-1] ^ 1])
    yield "a wrong byte", bytes([dump[0] ^ 1]) + dump[1:]
    yield "a newer version", dump[:-10] + struct.pack("<H", 99) + dump[-8:]


@test("the options and errors of RESTORE are redis-server's")
def _():
    with Lab("af_packet", 2) as lab, redis_server() as redis:
        c = lab.client()
        redis.call("SET", "k", "value")
        dump = redis.call("DUMP", "k")[1]
        later = int(time.time() * 1000) + 1000000
        cases = [(0, dump), (0, dump, "REPLACE"), (1000000, dump, "REPLACE"), (later, dump, "ABSTTL", "REPLACE"),
                 (1, dump, "ABSTTL", "REPLACE"), (1, dump, "ABSTTL"), (-1, dump), (-1, dump, "REPLACE"), ("x", dump),
                 ("x", dump, "REPLACE"), (0, dump, "NOTHING"), (0, dump, "IDLETIME", "10", "REPLACE"),
                 (0, dump, "IDLETIME", "-1", "REPLACE"), (0, dump, "IDLETIME", "x", "REPLACE"), (0, dump, "IDLETIME"),
                 (0, dump, "FREQ", "10", "REPLACE"), (0, dump, "FREQ", "256", "REPLACE"), (0, dump, "FREQ", "-1", "REPLACE"),
                 (0, dump, "FREQ", "x"), (0, dump, "FREQ", "1", "IDLETIME", "1", "REPLACE"), (0,), (),
                 *[(0, bad, "REPLACE") for _, bad in spoil(dump)], *[(0, bad) for _, bad in spoil(dump)]]
        for case in cases:
            for side in (c, redis):
                side.call("SET", "k", "old")
            for key in ("k", "none"):
                ours, theirs = (side.call("RESTORE", key, *case) for side in (c, redis))
                assert ours == theirs, (key, case, ours, theirs)
                ours, theirs = ([side.call("GET", key), side.call("PEXPIRETIME", key)[1]] for side in (c, redis))
                assert ours[0] == theirs[0] and abs(ours[1] - theirs[1]) < 1000, (key, case, ours, theirs)
                for side in (c, redis):
                    side.call("DEL", "none")
        ok(c.call("RESTORE", "k", 0, dump, "IDLETIME", 500, "REPLACE"))
        assert 500 <= c.call("OBJECT", "IDLETIME", "k")[1] <= 502
        ok(c.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"))
        ok(c.call("RESTORE", "k", 0, dump, "FREQ", 77, "REPLACE"))
        assert c.call("OBJECT", "FREQ", "k") == (":", 77)
        assert c.call("DUMP", "nowhere") == ("$", None)


main()
