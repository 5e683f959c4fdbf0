#!/usr/bin/python3
"""Transactions over several workers: a bank, optimistic counters, scripts and messages inside."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, together

SECONDS = 3
ACCOUNTS = [f"account:{i}" for i in range(16)]
PURSES = [f"purse:{i}" for i in range(8)]
COINS = 20


MOVE = "redis.call('DECRBY', KEYS[1], ARGV[1]) redis.call('INCRBY', KEYS[2], ARGV[1]) return 1"

for workers in (1, 2, 4):
    @test(f"A bank on {workers} workers: EXEC, scripts and LMOVE lose no cent, and every look sums up right")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            first = lab.client()
            for purse in PURSES:
                first.call("RPUSH", purse, *["coin"] * COINS)
            looks = [0]

            def by_exec(more):
                c, rng = lab.client(), random.Random(1)
                while more():
                    a, b, n = rng.choice(ACCOUNTS), rng.choice(ACCOUNTS), rng.randint(1, 9)
                    replies = c.pipeline([("MULTI",), ("DECRBY", a, n), ("INCRBY", b, n), ("EXEC",)] * 4)
                    assert all(r[0] == "*" for r in replies[3::4]), replies

            def by_script(more):
                c, rng = lab.client(), random.Random(2)
                while more():
                    words = ("EVAL", MOVE, 2, rng.choice(ACCOUNTS), rng.choice(ACCOUNTS), rng.randint(1, 9))
                    replies = c.pipeline([words, ("MULTI",), words, ("GET", ACCOUNTS[0]), ("EXEC",)])
                    assert replies[0] == (":", 1) and replies[4][1][0] == (":", 1), replies

            def by_lmove(more):
                c, rng = lab.client(), random.Random(3)
                while more():
                    c.pipeline([("LMOVE", rng.choice(PURSES), rng.choice(PURSES), "LEFT", "RIGHT")] * 5)

            def auditor(more):
                c = lab.client()
                while more():
                    lengths = [("LLEN", p) for p in PURSES]
                    replies = c.pipeline([("MGET", *ACCOUNTS), ("MULTI",), *lengths, ("EXEC",)])
                    total = sum(int(v[1] or 0) for v in replies[0][1])
                    assert total == 0, f"accounts sum up to {total}"
                    coins = sum(n[1] for n in replies[-1][1])
                    assert coins == COINS * len(PURSES), f"{coins} coins"
                    looks[0] += 1

            together(SECONDS, by_exec, by_exec, by_script, by_lmove, auditor)
            assert looks[0] > 50, f"only {looks[0]} looks"

    @test(f"Optimistic counters on {workers} workers: what WATCH lets through is never lost")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            done = [0, 0, 0]

            def counter(at):
                def run(more):
                    c, rng = lab.client(), random.Random(at)
                    while more():
                        a, b = rng.sample(ACCOUNTS[:4], 2)
                        _, values = c.pipeline([("WATCH", a, b), ("MGET", a, b)])
                        x, y = (int(v[1] or 0) for v in values[1])
                        replies = c.pipeline([("MULTI",), ("SET", a, x + 1), ("SET", b, y + 1), ("EXEC",)])
                        done[at] += replies[-1][1] is not None
                return run

            together(SECONDS, counter(0), counter(1), counter(2))
            total = sum(int(v[1] or 0) for v in lab.client().call("MGET", *ACCOUNTS[:4])[1])
            assert total == 2 * sum(done) > 0, f"{total} counted, {done} done"


@test("What runs on other threads runs inside a transaction, in its turn")
def _():
    with Lab("af_packet", 4) as lab:
        c, listener = lab.client(), lab.client()
        listener.call("SUBSCRIBE", "news")
        replies = c.pipeline([("MULTI",), ("SET", "a", 1), ("PUBLISH", "news", "x"), ("CONFIG", "GET", "maxmemory"),
                              ("EVAL", "return redis.call('INCR', 'a') + redis.call('INCR', 'b')", 0), ("GET", "a"),
                              ("EXEC",)])
        assert [r[1] for r in replies[-1][1]] == [b"OK", 1, [("$", b"maxmemory"), ("$", b"0")], 3, b"2"], replies
        assert listener.read()[1][2] == ("$", b"x")


main()
