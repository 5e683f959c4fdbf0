#!/usr/bin/python3
"""Client-side caching over the network. The same steps are played to redis-server and to Redpoll with one worker and with
four; after each step every client must have got the same replies and heard of the same keys. What depends on chance
(eviction, the limit of the table) is checked for what it promises; and caches that many clients keep while others write
must tell the truth in the end."""
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for
from play import CLOSE, ID, SLEEP, Told

READS = [("GET", "s"), ("STRLEN", "s"), ("HGETALL", "h"), ("LRANGE", "l", 0, -1), ("SMEMBERS", "set"), ("ZRANGE", "z", 0, -1),
         ("XRANGE", "x", "-", "+"), ("EXISTS", "s"), ("TTL", "h"), ("TYPE", "l"), ("SCARD", "set"), ("ZSCORE", "z", "a"),
         ("XLEN", "x"), ("PFCOUNT", "hll"), ("GETBIT", "s", 0), ("SINTER", "set", "set2"), ("ZUNION", 2, "z", "set"),
         ("OBJECT", "ENCODING", "s"), ("SORT_RO", "l"), ("DUMP", "s"), ("LCS", "s", "s2")]
WRITES = [("SET", "s", "abc"), ("HSET", "h", "f", 1), ("RPUSH", "l", 1), ("SADD", "set", "a"), ("ZADD", "z", 1, "a"),
          ("XADD", "x", "1-1", "f", "v"), ("PFADD", "hll", "a"), ("SADD", "set2", "a"), ("SET", "s2", "b")]

# name: steps of (client, words...); a client whose name ends in 3 speaks RESP3
SCENARIOS = {
    "a key that was read is told once": [
        ("a3", "CLIENT", "TRACKING", "ON"), ("w", "SET", "k", 1), ("a3", "GET", "k"), ("w", "SET", "k", 2),
        ("w", "SET", "k", 3), ("a3", "GET", "k"), ("w", "DEL", "k"), ("a3", "GET", "k"), ("w", "SET", "k", 4),
        ("a3", "MGET", "k", "k2", "k3", "k4"), ("w", "MSET", "k", 1, "k2", 2, "k3", 3, "k4", 4), ("a3", "GET", "k"),
        ("a3", "SET", "k", 5), ("a3", "GET", "k"), ("a3", "CLIENT", "TRACKING", "OFF"), ("w", "SET", "k", 6)],
    "each kind of read": [("a3", "CLIENT", "TRACKING", "ON")] + [
        step for read in READS for step in [("w", *w) for w in WRITES] + [("a3", *read)] +
        [("w", "DEL", "s", "h", "l", "set", "z", "x", "hll", "set2", "s2")]],
    "keys that come and go": [
        ("a3", "CLIENT", "TRACKING", "ON"), ("w", "MSET", "a", 1, "b", 2), ("a3", "MGET", "a", "b", "c"), ("w", "RENAME", "a", "c"),
        ("a3", "MGET", "a", "b", "c"), ("w", "COPY", "b", "a"), ("w", "EXPIRE", "b", 1000), ("a3", "GET", "b"), ("w", "PERSIST", "b"),
        ("a3", "GET", "b"), ("w", "GETDEL", "b"), ("a3", "GET", "b"), ("w", "APPEND", "b", "x"), ("a3", "GET", "a"),
        ("w", "SETRANGE", "a", 0, ""), ("w", "DEL", "nothing"), ("w", "UNLINK", "a"), ("a3", "MGET", "a", "b"),
        ("w", "FLUSHDB"), ("w", "SET", "a", 1), ("a3", "GET", "a"), ("w", "FLUSHALL"), ("a3", "GET", "b"), ("w", "SET", "b", 1),
        ("w", "SET", "a", 1), ("w", "FLUSHALL", "ASYNC")],
    "databases": [
        ("a3", "CLIENT", "TRACKING", "ON"), ("a3", "GET", "k"), ("w", "SELECT", 5), ("w", "SET", "k", 1), ("a3", "GET", "k"),
        ("w", "MOVE", "k", 0), ("a3", "GET", "k"), ("w", "SELECT", 0), ("w", "SET", "k", 2), ("a3", "SELECT", 3), ("a3", "GET", "k"),
        ("w", "FLUSHDB"), ("w", "SELECT", 3), ("w", "SET", "k", 1)],
    "expiry": [
        ("a3", "CLIENT", "TRACKING", "ON"), ("w", "SET", "k", 1, "PX", 60), ("a3", "GET", "k"), (SLEEP, 0.6), ("a3", "GET", "k"),
        ("w", "SET", "k", 1), ("a3", "GET", "k"), ("w", "PEXPIREAT", "k", 1)],
    "broadcast of all keys": [
        ("a3", "CLIENT", "TRACKING", "ON", "BCAST"), ("w", "SET", "k", 1), ("w", "SET", "k", 1), ("w", "MSET", "a", 1, "b", 2, "c", 3),
        ("a3", "GET", "k"), ("a3", "SET", "k", 2), ("w", "DEL", "k", "nothing"), ("w", "SET", "k", 1, "PX", 30), (SLEEP, 0.6),
        ("w", "FLUSHALL"), ("w", "SELECT", 3), ("w", "SET", "k", 1), ("a3", "CLIENT", "TRACKING", "OFF"), ("w", "SET", "k", 2)],
    "broadcast of prefixes": [
        ("a3", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:", "PREFIX", "obj:"), ("w", "SET", "user:1", 1), ("w", "SET", "k", 1),
        ("w", "SET", "obj:1", 1), ("w", "RENAME", "obj:1", "user:2"), ("w", "SET", "user", 1),
        ("b3", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:1"), ("w", "SET", "user:11", 1), ("w", "SET", "user:2", 1),
        ("a3", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x"), ("w", "MSET", "x", 1, "user:1", 2, "y", 3),
        ("a3", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:1"), ("a3", "CLIENT", "TRACKING", "ON", "BCAST"),
        ("a3", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "q", "PREFIX", "qq"),
        ("b3", "CLIENT", "TRACKING", "OFF"), ("w", "SET", "user:1", 3), ("w", "FLUSHALL"), ("a3", "CLIENT", "TRACKINGINFO")],
    "opt-in": [
        ("a3", "CLIENT", "TRACKING", "ON", "OPTIN"), ("a3", "GET", "a"), ("a3", "CLIENT", "CACHING", "YES"), ("a3", "GET", "b"),
        ("a3", "GET", "c"), ("w", "MSET", "a", 1, "b", 1, "c", 1), ("a3", "CLIENT", "CACHING", "YES"), ("a3", "CLIENT", "ID"),
        ("a3", "GET", "a"), ("w", "SET", "a", 1), ("a3", "CLIENT", "CACHING", "YES"), ("a3", "PING"), ("a3", "GET", "b"),
        ("w", "SET", "b", 1), ("a3", "CLIENT", "CACHING", "YES"), ("a3", "MULTI"), ("a3", "GET", "a"), ("a3", "MGET", "b", "c"),
        ("a3", "EXEC"), ("w", "MSET", "a", 1, "b", 1, "c", 1), ("a3", "MULTI"), ("a3", "CLIENT", "CACHING", "YES"),
        ("a3", "GET", "a"), ("a3", "GET", "b"), ("a3", "EXEC"), ("w", "MSET", "a", 1, "b", 1),
        ("a3", "CLIENT", "CACHING", "NO"), ("a3", "CLIENT", "TRACKINGINFO"), ("a3", "CLIENT", "CACHING", "YES"),
        ("a3", "CLIENT", "TRACKINGINFO"), ("a3", "GET", "a"), ("w", "SET", "a", 2)],
    "opt-out": [
        ("a3", "CLIENT", "TRACKING", "ON", "OPTOUT"), ("a3", "GET", "a"), ("a3", "CLIENT", "CACHING", "NO"), ("a3", "GET", "b"),
        ("a3", "GET", "c"), ("w", "MSET", "a", 1, "b", 1, "c", 1), ("a3", "CLIENT", "CACHING", "NO"), ("a3", "MULTI"),
        ("a3", "GET", "a"), ("a3", "EXEC"), ("w", "SET", "a", 1), ("a3", "CLIENT", "CACHING", "YES"),
        ("a3", "CLIENT", "TRACKINGINFO"), ("a3", "CLIENT", "TRACKING", "ON", "OPTIN"), ("a3", "CLIENT", "TRACKING", "ON", "BCAST")],
    "no loop": [
        ("a3", "CLIENT", "TRACKING", "ON", "NOLOOP"), ("a3", "GET", "k"), ("a3", "SET", "k", 1), ("w", "SET", "k", 2), ("a3", "GET", "k"),
        ("w", "SET", "k", 3), ("b3", "CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP"), ("b3", "SET", "k", 1), ("w", "SET", "k", 1),
        ("b3", "MSET", "a", 1, "b", 2), ("a3", "MULTI"), ("a3", "GET", "k"), ("a3", "SET", "k", 1), ("a3", "EXEC"), ("b3", "FLUSHALL"),
        ("a3", "GET", "k"),
        ("a3", "EVAL", "return redis.call('set', KEYS[1], 1)", 1, "k")],
    "redirection to a subscriber of RESP2": [
        ("b", "SUBSCRIBE", "__redis__:invalidate"), ("a", "CLIENT", "TRACKING", "ON", "REDIRECT", ID("b")), ("a", "GET", "k"),
        ("w", "SET", "k", 1), ("a", "MGET", "k", "l"), ("w", "MSET", "k", 2, "l", 2), ("w", "FLUSHALL"), ("a", "CLIENT", "GETREDIR"),
        ("a", "GET", "k"), (CLOSE, "b"), ("w", "SET", "k", 3), ("a", "GET", "k"), ("a", "CLIENT", "TRACKINGINFO"),
        ("a", "CLIENT", "TRACKING", "OFF"), ("a", "CLIENT", "GETREDIR"), ("a", "CLIENT", "TRACKINGINFO")],
    "redirection to RESP3, and its end": [
        ("b3", "PING"), ("a3", "CLIENT", "TRACKING", "ON", "REDIRECT", ID("b3")), ("a3", "GET", "k"), ("w", "SET", "k", 1),
        ("a3", "GET", "k"), ("w", "FLUSHALL"), ("a3", "GET", "k"), (CLOSE, "b3"), ("w", "SET", "k", 3), ("a3", "GET", "k"),
        ("w", "SET", "k", 4), ("a3", "CLIENT", "TRACKINGINFO"), ("a3", "CLIENT", "TRACKING", "ON", "REDIRECT", 12345678),
        ("a3", "CLIENT", "TRACKING", "OFF"), ("a3", "CLIENT", "TRACKINGINFO")],
    "redirected broadcast": [
        ("b", "SUBSCRIBE", "__redis__:invalidate"), ("a", "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "p", "REDIRECT", ID("b")),
        ("w", "SET", "p1", 1), ("w", "SET", "q1", 1), ("a", "SET", "p2", 1), ("w", "FLUSHALL"), ("a", "CLIENT", "TRACKINGINFO")],
    "transactions": [
        ("a3", "CLIENT", "TRACKING", "ON"), ("a3", "MULTI"), ("a3", "GET", "a"), ("a3", "MGET", "b", "c"), ("a3", "EXEC"),
        ("w", "MULTI"), ("w", "SET", "a", 1), ("w", "INCR", "a"), ("w", "SET", "b", 1), ("w", "DEL", "c"), ("w", "SET", "d", 1),
        ("w", "EXEC"), ("a3", "MULTI"), ("a3", "GET", "a"), ("a3", "SET", "a", 5), ("a3", "GET", "d"), ("a3", "EXEC"),
        ("w", "SET", "a", 1), ("w", "SET", "d", 1), ("a3", "WATCH", "q"), ("w", "SET", "q", 1), ("a3", "MULTI"), ("a3", "GET", "q"),
        ("a3", "EXEC"), ("w", "SET", "q", 1)],
    "scripts": [
        ("a3", "CLIENT", "TRACKING", "ON"), ("a3", "EVAL", "return redis.call('get', KEYS[1])", 1, "k"), ("w", "SET", "k", 1),
        ("a3", "EVAL_RO", "return redis.call('get', KEYS[1])", 1, "k"), ("w", "SET", "k", 2), ("a3", "GET", "k"),
        ("w", "EVAL", "redis.call('set', KEYS[1], 1) return redis.call('incr', KEYS[1])", 1, "k"), ("a3", "MGET", "k", "l"),
        ("w", "EVAL", "redis.call('mset', KEYS[1], 1, KEYS[2], 2)", 2, "k", "l"), ("a3", "GET", "k"),
        ("a3", "EVAL", "return redis.call('set', KEYS[1], 3)", 1, "k"), ("w", "EVAL", "redis.call('flushall')", 0)],
    "blocked reads and other ways of reading": [
        ("a3", "CLIENT", "TRACKING", "ON"), ("a3", "BLPOP", "l", 0.05), ("w", "RPUSH", "l", 1), ("a3", "XREAD", "STREAMS", "x", 0),
        ("w", "XADD", "x", "1-1", "a", "b"), ("a3", "KEYS", "nothing"), ("w", "SET", "k", 1),
        ("a3", "GETSET", "k", 2), ("w", "SET", "k", 1), ("a3", "TOUCH", "k"), ("w", "SET", "k", 3), ("a3", "INCR", "k"),
        ("w", "SET", "k", 1), ("a3", "SORT", "l"), ("w", "RPUSH", "l", 2), ("a3", "GETEX", "k"), ("w", "SET", "k", 1)],
    "words": [
        ("a3", "CLIENT", "TRACKING", "MAYBE"), ("a3", "CLIENT", "TRACKING", "ON", "PREFIX", "x"), ("a3", "CLIENT", "TRACKING", "ON", "FOO"),
        ("a3", "CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT"), ("a3", "CLIENT", "TRACKING", "ON", "BCAST", "OPTIN"),
        ("a3", "CLIENT", "TRACKING", "ON", "REDIRECT", "x"), ("a3", "CLIENT", "TRACKING", "ON", "REDIRECT", -1),
        ("a3", "CLIENT", "CACHING", "YES"), ("a3", "CLIENT", "CACHING", "MAYBE"), ("a3", "CLIENT", "TRACKINGINFO"),
        ("a3", "CLIENT", "GETREDIR"), ("a3", "CLIENT", "TRACKING", "ON"), ("a3", "CLIENT", "CACHING", "YES"),
        ("a3", "CLIENT", "TRACKINGINFO"), ("a3", "CLIENT", "GETREDIR"), ("a3", "CLIENT", "TRACKING", "ON", "NOLOOP"),
        ("a3", "CLIENT", "TRACKINGINFO"), ("a3", "CLIENT", "TRACKING", "ON"), ("a3", "CLIENT", "TRACKINGINFO"),
        ("a3", "RESET"), ("a3", "HELLO", 3, "SETNAME", "x"), ("a3", "CLIENT", "TRACKINGINFO")],
    "RESP2 hears nothing; RESET and HELLO": [
        ("a", "CLIENT", "TRACKING", "ON"), ("a", "GET", "k"), ("w", "SET", "k", 1), ("a", "GET", "k"), ("a", "HELLO", 3),
        ("w", "SET", "k", 2), ("a", "GET", "k"), ("w", "SET", "k", 3), ("a", "GET", "k"), ("a", "HELLO", 2), ("w", "SET", "k", 4),
        ("a", "HELLO", 3), ("a", "GET", "k"), ("a", "RESET"), ("a", "HELLO", 3), ("w", "SET", "k", 5)],
}


def fresh(server):
    c = server.client()
    assert c.call("FLUSHALL") == ("+", b"OK")
    c.close()


TOLD = Told(SCENARIOS)


# ---- what chance decides ----

def table_limit(lab):
    c, a = lab.client(), lab.client(proto=3)
    c.call("CONFIG", "SET", "tracking-table-max-keys", 50)
    a.call("CLIENT", "TRACKING", "ON")
    total = 1000
    for i in range(0, total, 100):
        c.call("MSET", *(x for k in range(i, i + 100) for x in (f"k{k}", k)))
    invalid, replies = [], 0
    a.send([("GET", f"k{i}") for i in range(total)])

    def read():
        nonlocal replies
        kind, value = a.read()
        if kind == ">":
            invalid.extend(k[1] for k in value[1][1])
        else:
            replies += 1

    while replies < total:
        read()

    def tracked():
        return int(re.search(rb"tracking_total_keys:(\d+)", c.call("INFO", "stats")[1])[1])

    wait_for(lambda: tracked() <= 50, what="a table within its limit")
    left = tracked()
    while len(invalid) < total - left:
        read()
    assert len(set(invalid)) == len(invalid) == total - left, (len(invalid), left)
    # those that are left are told when they change, the others are not told again
    c.call("MSET", *(x for k in range(total) for x in (f"k{k}", 0)))
    while len(invalid) < total:
        read()
    assert len(set(invalid)) == total
    c.call("CONFIG", "SET", "tracking-table-max-keys", 1000000)
    for x in c, a:
        x.close()


def eviction(lab):
    """Who has a key that is evicted hears of it."""
    c, a = lab.client(), lab.client(proto=3)
    c.call("FLUSHALL")
    a.call("CLIENT", "TRACKING", "ON")
    total = 4000
    for i in range(total):
        assert c.call("SET", f"e{i}", "x" * 500) == ("+", b"OK")
    a.send([("GET", f"e{i}") for i in range(total)])
    for _ in range(total):
        assert a.read()[0] == "$"
    used = int(re.search(rb"used_memory:(\d+)", c.call("INFO", "memory")[1])[1])
    c.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    c.call("CONFIG", "SET", "maxmemory", used - 500_000)

    def evicted():
        return int(re.search(rb"evicted_keys:(\d+)", c.call("INFO", "stats")[1])[1])

    wait_for(lambda: evicted() > 300, 20, "evictions")
    c.call("CONFIG", "SET", "maxmemory", 0)
    gone = {f"e{i}".encode() for i in range(total) if c.call("EXISTS", f"e{i}") == (":", 0)}
    assert len(gone) == evicted(), (len(gone), evicted())
    invalid = set()
    while len(invalid) < len(gone):
        kind, value = a.read()
        assert kind == ">", kind
        invalid |= {k[1] for k in value[1][1]}
    assert invalid == gone
    for x in c, a:
        x.close()


def swapped(lab):
    """Here redis-server leaves its clients with old values."""
    c, a = lab.client(), lab.client(proto=3)
    c.pipeline([("FLUSHALL",), ("SET", "k", "zero"), ("SELECT", 1), ("SET", "l", "one"), ("SELECT", 0)])
    a.call("CLIENT", "TRACKING", "ON")
    a.call("MGET", "k", "l", "m")
    c.call("SWAPDB", 0, 1)
    assert sorted(a.read()[1][1][1] for _ in range(2)) == [[("$", b"k")], [("$", b"l")]]
    assert a.call("MGET", "k", "l") == ("*", [("_", None), ("$", b"one")])
    for x in c, a:
        x.close()


class Cache(threading.Thread):
    """A client that keeps what it has read until it hears that it must not."""

    def __init__(self, lab, mode, keys, seed, stop):
        super().__init__()
        self.c, self.keys, self.rng, self.stop = lab.client(proto=3, timeout=30), keys, random.Random(seed), stop
        assert self.c.call("CLIENT", "TRACKING", "ON", *mode) == ("+", b"OK")
        self.cache, self.wanted, self.hits, self.heard, self.wrong = {}, [], 0, 0, None

    def take(self):
        kind, value = self.c.read()
        if kind == ">":
            self.heard += 1
            for k in value[1][1]:
                self.cache.pop(k[1].decode(), None)
            return
        for key, v in zip(self.wanted.pop(0), value if kind == "*" else [(kind, value)]):
            self.cache[key] = v[1]

    def run(self):
        try:
            while not self.stop.is_set():
                self.turn()
            for key in [b"the end"] * 3:
                self.wanted.append(["end"])
                self.c.send([("GET", "end")])
                while self.wanted:
                    self.take()
                time.sleep(0.2)
            # nothing is on its way any more, and nobody writes: what is still cached must be true
            self.c.send([("PING", "x")])
            self.wanted.append(["end"])
            while self.wanted:
                self.take()
        except Exception as e:
            self.wrong = e

    def turn(self):
        sent = []
        for _ in range(self.rng.randrange(1, 8)):
            keys = self.rng.sample(self.keys, self.rng.choice((1, 1, 3)))
            missing = [k for k in keys if k not in self.cache]
            self.hits += len(keys) - len(missing)
            if missing:
                self.wanted.append(missing)
                sent.append(("MGET", *missing) if len(missing) > 1 else ("GET", missing[0]))
        if sent:
            self.c.send(sent)
        while self.wanted:
            self.take()
        if not sent:
            time.sleep(0.001)


def caches_are_coherent(lab, seconds):
    keys = [f"key:{i}" for i in range(60)]
    stop, over = threading.Event(), threading.Event()
    fresh(lab)
    caches = [Cache(lab, mode, keys, seed, over) for seed, mode in
              enumerate([(), (), (), ("BCAST",), ("BCAST", "PREFIX", "key:"), ("OPTOUT",)])]

    def write(seed):
        rng, c = random.Random(seed), lab.client(timeout=30)
        n = 0
        while not stop.is_set():
            n += 1
            value = f"{seed}:{n}"
            some = rng.sample(keys, 3)
            c.pipeline(rng.choice([
                [("SET", some[0], value)], [("MSET", some[0], value, some[1], value, some[2], value)], [("DEL", some[0])],
                [("MULTI",), ("SET", some[0], value), ("APPEND", some[1], "x"), ("EXEC",)],
                [("EVAL", "redis.call('set', KEYS[1], ARGV[1])", 1, some[0], value)],
                [("SET", some[0], value, "PX", rng.randrange(1, 20))], [("RENAME", some[0], some[1])]]))
            time.sleep(rng.random() * 0.002)
        c.close()

    writers = [threading.Thread(target=write, args=(100 + i,)) for i in range(3)]
    for t in caches + writers:
        t.start()
    time.sleep(seconds)
    stop.set()
    for t in writers:
        t.join()
    time.sleep(0.5)  # the last keys expire
    over.set()
    for t in caches:
        t.join()
    c = lab.client()
    now = {k: c.call("GET", k)[1] for k in keys}
    for i, t in enumerate(caches):
        assert t.wrong is None, t.wrong
        assert t.heard > 20 and t.hits > 20, (i, t.heard, t.hits)
        stale = {k: (v, now[k]) for k, v in t.cache.items() if k in now and v != now[k]}
        assert not stale, (i, stale)
        t.c.close()
    c.close()


for workers in (1, 4):
    @test(f"tells what redis-server tells, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            wrong = TOLD.all_wrong(lab, fresh)
        assert not wrong, wrong

    @test(f"the table keeps its limit, evicted keys are told, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            table_limit(lab)
            eviction(lab)
            swapped(lab)

    @test(f"caches of many clients tell the truth in the end, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            caches_are_coherent(lab, 5)

main()
