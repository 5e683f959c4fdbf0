#!/usr/bin/python3
"""The append-only file and kill -9: at random moments, under load, with rewrites and snapshots under way.

After each restart no acknowledged write of `appendfsync always` is missing, nor one that another client has read; with
every setting no unit over several shards is torn and each key's order is kept.

REDPOLL_CRASHES=300 in the environment kills that many times with each setting.
"""
import os
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import main, test
from local import Local
from resp import Closed

CRASHES = int(os.environ.get("REDPOLL_CRASHES", "0"))
WRITERS = 4
PARTS = 8      # keys of one unit, over all shards
LATE_S = 3.0   # with everysec what is older than this must be there


class Writer(threading.Thread):
    """Counts up in a counter, a list and two units. Remembers what was acknowledged, and when."""

    def __init__(self, server, number, start):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.n = start          # the last that was asked for
        self.acked = []         # [(time, n)]

    def step(self, c, n):
        i = self.number
        replies = c.pipeline([("INCR", f"counter{i}"), ("RPUSH", f"list{i}", n),
                              ("MSET", *[w for p in range(PARTS) for w in (f"part{i}-{p}", n)]),
                              ("MULTI",), *[("SET", f"tx{i}-{p}", n) for p in range(PARTS)], ("EXEC",)])
        for reply in replies:
            if reply[0] == "-":
                raise Closed(f"refused: {reply}")

    def run(self):
        try:
            c = self.server.client(timeout=30)
            while True:
                self.n += 1
                self.step(c, self.n)
                self.acked.append((time.monotonic(), self.n))
        except (OSError, Closed):
            pass


class Reader(threading.Thread):
    """Whatever it has seen is durable, too."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.seen = server, {}

    def run(self):
        try:
            c = self.server.client(timeout=30)
            while True:
                i = random.randrange(WRITERS)
                kind, value = c.call("GET", f"counter{i}")
                if kind == "$" and value is not None:
                    self.seen[i] = max(self.seen.get(i, 0), int(value))
        except (OSError, Closed):
            pass


class Disturber(threading.Thread):
    """Rewrites and saves."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server

    def run(self):
        try:
            c = self.server.client(timeout=30)
            while True:
                time.sleep(random.random() * 0.3)
                c.call(random.choice(("BGREWRITEAOF", "BGREWRITEAOF", "BGSAVE")))
        except (OSError, Closed):
            pass


def number(c, key):
    value = c.call("GET", key)[1]
    return int(value or 0)


def check(c, i, must, seen, may):
    """Writer i's keys after a restart. must: the step that has to be there; seen: what of its counter another client has
    read, while the rest of that step may still have been on its way. Returns where it stands."""
    counter = number(c, f"counter{i}")
    items = [int(x[1]) for x in c.call("LRANGE", f"list{i}", 0, -1)[1]]
    parts = {number(c, f"part{i}-{p}") for p in range(PARTS)}
    tx = {number(c, f"tx{i}-{p}") for p in range(PARTS)}
    assert len(parts) == 1, f"torn MSET of writer {i}: {parts}"
    assert len(tx) == 1, f"torn transaction of writer {i}: {tx}"
    assert items == list(range(1, len(items) + 1)), f"list of writer {i}: {items[-5:]} of {len(items)}"
    for what, have, least in (("counter", counter, max(must, seen)), ("list", len(items), must),
                              ("MSET", parts.pop(), must), ("EXEC", tx.pop(), must)):
        assert least <= have <= may, f"{what} of writer {i}: {have}, not within {least}..{may}"
    return counter


def level(c, i, counter):
    """All of writer i's keys say the same again."""
    for command in (("SET", f"counter{i}", counter), ("DEL", f"list{i}"),
                    ("RPUSH", f"list{i}", *range(1, counter + 1)),
                    ("MSET", *[w for p in range(PARTS) for w in (f"part{i}-{p}", counter)]),
                    ("MSET", *[w for p in range(PARTS) for w in (f"tx{i}-{p}", counter)])):
        reply = c.call(*command)
        assert reply[0] != "-" or (counter == 0 and command[0] == "RPUSH"), (command[0], reply)


def must_be_there(writer, fsync, killed):
    if fsync == "always":
        return writer.acked[-1][1] if writer.acked else 0
    return max([n for t, n in writer.acked if t < killed - LATE_S], default=0)


def crash(server, fsync, start):
    """One life of the server. Returns for each writer what must be found, what was seen, and what may be found."""
    writers = [Writer(server, i, start[i]) for i in range(WRITERS)]
    reader, disturber = Reader(server), Disturber(server)
    threads = [*writers, reader, disturber]
    for t in threads:
        t.start()
    time.sleep(random.random() * (0.8 if fsync == "always" else 1.5))
    killed = time.monotonic()
    server.kill()
    for t in threads:
        t.join()
    seen = reader.seen if fsync == "always" else {}
    return [(max(start[w.number], must_be_there(w, fsync, killed)), seen.get(w.number, 0), w.n) for w in writers]


def play(workers, fsync, times):
    random.seed(time.time())
    with tempfile.TemporaryDirectory() as home:
        options = ["--appendonly", "yes", "--appendfsync", fsync, "--save", "", "--auto-aof-rewrite-min-size", "1mb"]
        with Local(home, workers, options) as server:
            at = [0] * WRITERS
            for _ in range(times):
                bounds = crash(server, fsync, at)
                server.start()
                c = server.client()
                at = [check(c, i, *bounds[i]) for i in range(WRITERS)]
                for i in range(WRITERS):
                    level(c, i, at[i])
                if fsync != "always":
                    time.sleep(1.5)
                c.close()


for WORKERS in (1, 4):
    for FSYNC in ("always", "everysec", "no"):
        def register(workers, fsync):
            times = CRASHES or (8 if fsync == "always" else 3)

            @test(f"kill -9 {times} times, {workers} workers, appendfsync {fsync}: nothing promised is missing")
            def _():
                play(workers, fsync, times)
        register(WORKERS, FSYNC)

main()
