#!/usr/bin/python3
"""The script thread among those who hold shards: what a script that ends badly, or one that names no key, leaves behind
must keep nobody waiting for ever."""
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import main, test
from local import Local

LOOP = "local n = 0 for i = 1, tonumber(ARGV[1]) do n = n + i % 7 end return redis.call('incr', KEYS[1])"


def served(server, key):
    c = server.client(timeout=10)
    reply = c.call("SET", key, "v")
    assert reply == ("+", b"OK"), reply
    c.close()


@test("a script that waits for shards is refused behind a long one in EXEC: the shards are free afterwards")
def _():
    with tempfile.TemporaryDirectory() as home, Local(home, 1, ["--busy-reply-threshold", "100"]) as server:
        a, b = server.client(timeout=30), server.client(timeout=30)
        refused = 0
        for _ in range(5):
            a.send([("MULTI",), ("DEL", "k"), ("EVAL", LOOP, 1, "k", 5000000), ("EVAL", LOOP, 1, "k", 20000000), ("EXEC",)])
            time.sleep(0.02)
            reply = b.call("EVAL", "return redis.call('set', KEYS[1], 1)", 1, "k")
            refused += reply[0] == "-" and b"BUSY" in reply[1]
            for _ in range(5):
                a.read()
            served(server, "k")
        assert refused > 0, "nobody was refused: the test tests nothing"


@test("script-lease declared: scripts without keys that ask the control thread, while snapshots are taken")
def _():
    options = ["--script-lease", "declared", "--idle", "poll"]
    with tempfile.TemporaryDirectory() as home, Local(home, 2, options) as server:
        a, b = server.client(timeout=20), server.client(timeout=20)
        a.call("FUNCTION", "LOAD", "#!lua name=x\nredis.register_function('f', function() return 1 end)")
        for _ in range(8):
            a.send([("EVAL", "for i = 1, 30 do redis.call('publish', 'c', i) redis.call('info', 'server') end", 0)] * 5)
            b.send([("SAVE",)])
            for _ in range(5):
                a.read()
            assert b.read() == ("+", b"OK")


main()
