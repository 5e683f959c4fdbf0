#!/usr/bin/python3
"""DUMP and RESTORE with redis-server: values of every type and form go there and back, with what they hold."""
import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test
from values import LIMITS, content, encoding, redis_server, values

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
        freq = c.call("OBJECT", "FREQ", "k")
        assert freq == (":", 77), freq
        assert c.call("DUMP", "nowhere") == ("$", None)


main()
