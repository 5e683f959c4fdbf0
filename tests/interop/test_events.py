#!/usr/bin/python3
"""Keyspace events beside redis-server's: the same commands, the same events in the same order."""
import contextlib
import os
import queue
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for
from oracle import Oracle
from resp import Closed

# One line, one step; a step's events are compared before the next begins.
STEPS = """
SET s 1
SET s 2 EX 100
SET s 3 KEEPTTL
SETEX s 100 v
PSETEX s 100000 v
SETNX n 1
SETNX n 1
MSET a 1 b 2 a 3
MSETNX c 1 d 2
APPEND s x
SETRANGE s 2 y
GETSET s z
GETDEL s
GETEX n EX 100
GETEX n PERSIST
INCR i
INCRBY i 4
DECR i
INCRBYFLOAT i 1.5
SETBIT bits 3 1
BITOP OR dest bits bits
BITFIELD bits SET u8 0 7
BITFIELD bits GET u8 0
PFADD h1 a b
PFMERGE h2 h1
EXPIRE a 100
PEXPIRE a 100000
EXPIREAT a 9999999999
PERSIST a
EXPIRE b -1
RENAME a aa
RENAMENX aa bb
COPY bb cc
COPY bb cc REPLACE
MOVE cc 5
DEL bb nothing
UNLINK c d
LPUSH l 1 2 3
RPUSH l 4
LPUSHX l 0
RPUSHX none 0
LPOP l
RPOP l 2
LINSERT l BEFORE 2 x
LSET l 0 y
LREM l 1 x
LTRIM l 0 0
LPUSH l2 a b c
LMOVE l2 l LEFT RIGHT
RPOPLPUSH l2 l2
LMPOP 1 l2 LEFT COUNT 5
LTRIM l 5 9
SADD set a b c
SADD set a
SREM set a
SMOVE set set2 b
SPOP set
SADD x 1 2 3
SADD y 2 3 4
SINTERSTORE z x y
SUNIONSTORE z x y
SDIFFSTORE z x y
SINTERSTORE z x nothing
SPOP x 3
HSET hash f 1 g 2
HSETNX hash f 1
HINCRBY hash f 2
HINCRBYFLOAT hash f 0.5
HDEL hash f
HDEL hash g
HMSET hash a 1
ZADD zs 1 a 2 b 3 c
ZADD zs 1 a
ZADD zs XX INCR 4 a
ZINCRBY zs 1 b
ZREM zs a
ZPOPMIN zs
ZADD zs 1 a 2 b 3 c 4 d
ZPOPMAX zs 2
ZREMRANGEBYRANK zs 0 0
ZADD zs 1 a 2 b 3 c 4 d
ZREMRANGEBYSCORE zs 1 1
ZREMRANGEBYLEX zs [b [b
ZRANGESTORE zd zs 0 -1
ZUNIONSTORE zu 1 zs
ZINTERSTORE zu 2 zs nothing
ZMPOP 1 zs MIN COUNT 10
GEOADD geo 1 1 a 2 2 b
GEOSEARCHSTORE gs geo FROMLONLAT 1 1 BYRADIUS 1000 km
XADD st 1-1 a b
XADD st MAXLEN 1 2-1 a b
XTRIM st MAXLEN 0
XADD st 3-1 a b
XDEL st 3-1
XSETID st 4-1
XGROUP CREATE st g $
XGROUP CREATECONSUMER st g c
XADD st 5-1 a b
XREADGROUP GROUP g c2 STREAMS st >
XCLAIM st g c 0 5-1
XAUTOCLAIM st g c2 0 0
XACK st g 5-1
XGROUP DELCONSUMER st g c
XGROUP SETID st g 0
XGROUP DESTROY st g
SORT set2 ALPHA STORE sorted
GET miss
MGET miss miss2
HGET miss f
LLEN miss
TTL miss
EXISTS miss
TYPE miss
GETRANGE miss 0 1
SISMEMBER miss a
ZSCORE miss a
OBJECT ENCODING miss
SET quick 1 PX 20
RESTORE re 0 {dump}
RESTORE re 0 {dump} REPLACE
SWAPDB 0 5
FLUSHDB
FLUSHALL
""".strip().split("\n")


# Which keys are new is told first: a command that may still run out of memory makes them before it takes anything away.
NEW_FIRST = ("MSETNX c 1 d 2", "SMOVE set set2 b")


class Recorder:
    def __init__(self, connect, classes):
        self.commands, self.sub = connect(), connect()
        assert self.commands.call("CONFIG", "SET", "notify-keyspace-events", classes) == ("+", b"OK")
        assert self.sub.call("PSUBSCRIBE", "__key*__:*")[0] == "*"
        self.sub.sock.settimeout(None)
        self.heard = queue.Queue()
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        with contextlib.suppress(OSError, ValueError, Closed):
            while True:
                m = self.sub.read()
                self.heard.put((m[1][2][1], m[1][3][1]))

    def step(self, line, want=None):
        """The step's events: as many as `want`, or those of a quiet moment."""
        words = [self.dump() if w == "{dump}" else w for w in line.split(" ")]
        reply = self.commands.call(*words)
        assert reply[0] != "-" or want is not None, (line, reply)
        if line.startswith("SET quick"):
            time.sleep(0.1)
        events, until = [], time.monotonic() + 5
        self.commands.call("PUBLISH", "__key_end__:", "end")
        ended = False
        while time.monotonic() < until and not (ended and (want is None or len(events) >= want)):
            try:
                channel, data = self.heard.get(timeout=0.3)
            except queue.Empty:
                continue
            if data == b"end":
                ended = True
            else:
                events.append((channel.decode(), data.decode()))
        return events

    def dump(self):
        if not hasattr(self, "dumped"):
            self.commands.call("SET", "for-dump", "v")
            self.dumped = self.commands.call("DUMP", "for-dump")[1]
        return self.dumped


def recorded(connect, classes):
    r = Recorder(connect, classes)
    return [r.step(line) for line in STEPS]


def compare(lab, classes, exact):
    with Oracle() as oracle:
        want = recorded(oracle.client, classes)
    assert sum(map(len, want)) > 100, want
    r = Recorder(lab.client, classes)
    different = []
    for line, events in zip(STEPS, want):
        got = r.step(line, len(events))
        if (got != events) if exact and line not in NEW_FIRST else (sorted(got) != sorted(events)):
            different.append((line, "want", events, "got", got))
    assert not different, "\n".join(map(str, different))


@test("every class of events, in Redis's order, 1 worker")
def _():
    with Lab("af_packet", 1) as lab:
        compare(lab, "KEAmn", exact=True)


@test("every class of events, 4 workers: all of them arrive")
def _():
    with Lab("af_packet", 4) as lab:
        compare(lab, "KEAmn", exact=False)


@test("only the classes asked for, and only where asked for")
def _():
    with Lab("af_packet", 1) as lab:
        for classes in ("K$", "Elg", "KEx", "g", ""):
            r = Recorder(lab.client, classes)
            r.commands.call("FLUSHALL")
            events = [e for line in ("SET a 1", "LPUSH l 1", "DEL a", "SET quick 1 PX 20") for e in r.step(line)]
            want = {"K$": [("__keyspace@0__:a", "set"), ("__keyspace@0__:quick", "set")],
                    "Elg": [("__keyevent@0__:lpush", "l"), ("__keyevent@0__:del", "a"),
                            ("__keyevent@0__:expire", "quick")],
                    "KEx": [("__keyspace@0__:quick", "expired"), ("__keyevent@0__:expired", "quick")]}
            assert events == want.get(classes, []), (classes, events)
            r.commands.close()
            r.sub.close()


@test("events of eviction and of what blocked clients take")
def _():
    with Lab("af_packet", 1) as lab:
        r = Recorder(lab.client, "KEA")
        waiting = lab.client()
        waiting.send([("BLPOP", "list", "10")])
        wait_for(lambda: b"blocked_clients:1" in r.commands.call("INFO", "clients")[1], what="blocked")
        assert [e for e in r.step("LPUSH list v") if e[0].startswith("__keyevent")] == [
            ("__keyevent@0__:lpush", "list"), ("__keyevent@0__:lpop", "list"), ("__keyevent@0__:del", "list")]
        assert waiting.read()[0] == "*"
        r.step("SET victim x")
        r.commands.call("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        r.commands.call("CONFIG", "SET", "maxmemory", "1")
        wait_for(lambda: r.commands.call("DBSIZE") == (":", 0), what="evicted")
        assert r.step("PING") == [("__keyspace@0__:victim", "evicted"), ("__keyevent@0__:evicted", "victim")]

main()
