#!/usr/bin/python3
"""Large values, compared byte for byte."""
import os
import random
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for

MIB = 1 << 20
SIZE = 100 * MIB


def both_ways(device, workers):
    with Lab(device, workers, ["--maxmemory", "1gb"]) as lab:
        c = lab.client(timeout=60)
        value = os.urandom(SIZE)
        assert c.call("SET", "large", value) == ("+", b"OK")
        assert c.call("STRLEN", "large") == (":", SIZE)
        assert c.call("GET", "large") == ("$", value)
        other = lab.client(timeout=60)
        assert other.call("GETRANGE", "large", SIZE - 1000, -1) == ("$", value[-1000:])
        assert other.call("COPY", "large", "copy") == (":", 1)
        assert other.call("DEL", "large") == (":", 1)
        assert c.call("GET", "copy") == ("$", value)


for device, workers in (("tap", 1), ("af_packet", 1), ("af_packet", 4), ("af_xdp", 1)):
    @test(f"100 MiB there and back over {device}, {workers} workers")
    def _(device=device, workers=workers):
        both_ways(device, workers)


@test("values of every size around segments, buffers and encodings")
def _():
    with Lab("af_packet", 2) as lab:
        c = lab.client()
        sizes = sorted({max(0, base + d) for base in (0, 20, 44, 1448, 1460, 2048, 4096, 16384, 32768, 65535, 131072)
                        for d in range(-3, 4)})
        values = [os.urandom(n) for n in sizes]
        assert c.pipeline([("SET", f"v:{i}", v) for i, v in enumerate(values)]) == [("+", b"OK")] * len(sizes)
        assert c.pipeline([("GET", f"v:{i}") for i in range(len(sizes))]) == [("$", v) for v in values]
        assert c.call("MGET", *[f"v:{i}" for i in range(len(sizes))]) == ("*", [("$", v) for v in values])


@test("a value that is being overwritten is read whole, old or new")
def _():
    with Lab("af_packet", 2) as lab:
        wrong = []
        lab.client().call("SET", "k", b"a" * (2 * MIB))

        def write():
            c = lab.client()
            for i in range(60):
                c.call("SET", "k", bytes([97 + i % 26]) * (2 * MIB))

        writer = threading.Thread(target=write)
        writer.start()
        c = lab.client()
        while writer.is_alive():
            value = c.call("GET", "k")[1]
            if len(value) != 2 * MIB or value.count(value[:1]) != len(value):
                wrong.append(value[:10])
        writer.join()
        assert not wrong

@test("a long reply behind a request in flight stops its session only until that is answered")
def _():
    with Lab("af_packet", 4) as lab:
        c = lab.client()
        for i in range(60):
            before = [("PFMERGE", "k4", "k11", "zz"), ("INCRBY", f"k{i % 12 + 20}", 1)]
            replies = c.pipeline([*before, ("COMMAND",), *[("ZADD", f"z{k}", 4, -5) for k in range(i % 6)], *[("PING",)] * 300])
            assert replies[-1] == ("+", b"PONG") and len(replies) == 303 + i % 6


# ---- maxmemory ----

LIMIT = 3 * MIB  # beyond what an empty server uses
OVER = 64 << 10  # what the commands that were let in last may have added: 5,000 bytes each, a listpack copied
ROUNDS, BATCH, LOOK = 25, 250, 25


def used_memory(text):
    return int(next(line for line in text.splitlines() if line.startswith(b"used_memory:")).split(b":")[1])


def info(c, section, field):
    text = c.call("INFO", section)[1].decode()
    return int(next(line for line in text.splitlines() if line.startswith(f"{field}:")).split(":")[1])


def write(rng, ttl):
    """A random write to one of many keys, of any type; ttl: that it gets."""
    n, size = rng.randrange(20000), rng.choice([10, 100, 1000, 5000])
    kind = rng.randrange(6)
    key = f"k{kind}:{n}"
    value = b"x" * rng.randrange(size)
    command = [("SET", key, value), ("APPEND", key, value), ("RPUSH", key, value, value), ("SADD", key, n, value),
               ("HSET", key, value[:20], value), ("ZADD", key, n, value)][kind]
    return [command, ("EXPIRE", key, rng.randrange(1000, 100000))] if ttl else [command]


for workers in (1, 4):
    @test(f"used memory stays at maxmemory under random writes, whatever the policy, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            c, rng = lab.client(timeout=60), random.Random(workers)
            for policy in ("allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl", "volatile-lru", "noeviction"):
                c.pipeline([("FLUSHALL",), ("CONFIG", "SET", "maxmemory", 0), ("CONFIG", "SET", "maxmemory-policy", policy)])
                wait_for(lambda: info(c, "memory", "lazyfree_pending_objects") == 0)
                evicted = info(c, "stats", "evicted_keys")
                c.pipeline([("SET", f"keep{i}", "x" * 100) for i in range(500)])
                limit = info(c, "memory", "used_memory") + LIMIT
                assert c.call("CONFIG", "SET", "maxmemory", limit) == ("+", b"OK")
                refused = most = 0
                for _ in range(ROUNDS):
                    commands = [w for i in range(BATCH) for w in write(rng, policy.startswith("volatile"))
                                + [("INFO", "memory")] * (i % LOOK == 0)]
                    replies = c.pipeline(commands)
                    refused += sum(r[0] == "-" and r[1].startswith(b"OOM") for r in replies)
                    most = max(most, *(used_memory(r[1]) for r in replies if r[0] in "$=" and r[1]))
                evicted = info(c, "stats", "evicted_keys") - evicted
                kept = c.call("EXISTS", *[f"keep{i}" for i in range(500)])[1]
                assert limit - MIB < most <= limit + OVER, (policy, most - limit)
                assert (refused > 0) == (policy == "noeviction"), (policy, refused)
                assert (evicted > 0) == (policy != "noeviction"), (policy, evicted)
                assert kept == 500 or policy.startswith("allkeys"), (policy, kept)


@test("shards get their part of maxmemory back from one that had all of it")
def _():
    with Lab("af_packet", 4) as lab:
        c = lab.client(timeout=60)
        limit = info(c, "memory", "used_memory") + LIMIT
        c.pipeline([("CONFIG", "SET", "maxmemory", limit), ("CONFIG", "SET", "maxmemory-policy", "allkeys-random")])
        value, full = b"x" * 1000, LIMIT // 1100
        for first in range(0, 2 * full, 1000):
            c.pipeline([("SET", f"{{one}}{i}", value) for i in range(first, first + 1000)])
        alone = c.call("DBSIZE")[1]
        assert alone > full // 2, (alone, full)
        for first in range(0, 4 * full, 1000):
            replies = c.pipeline([("SET", f"all{i}", value) for i in range(first, first + 1000)])
            assert set(replies) == {("+", b"OK")}
            assert info(c, "memory", "used_memory") <= limit + OVER
        left = sum(k[1].startswith(b"{one}") for k in c.call("KEYS", "*")[1])
        now = c.call("DBSIZE")[1]
        assert now > alone * 0.7, (alone, now)
        assert left < now * 0.35, (left, now)


main()
