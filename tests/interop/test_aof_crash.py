#!/usr/bin/python3
"""The append-only file and kill -9: at random moments under load, with rewrites and snapshots under way.

After each restart what docs/persistence.md promises is there: with `appendfsync always` every acknowledged write and every
one that another client has read, with `everysec` and `no` all but the last 5 ms; with every setting no unit over several
shards is torn and each key's order is kept.

REDPOLL_CRASHES=300 in the environment kills that many times, spread over the settings (`make crashes`).
"""
import os
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from disks import small_disk
from labtest import main, test
from local import Local
from resp import Closed

CRASHES = int(os.environ.get("REDPOLL_CRASHES", "0"))
WRITERS = 4
PARTS = 8          # keys of one unit, over all shards
PROMISE_S = 0.005  # with everysec and no a write is in the file after that
STALL_S = 0.015    # ... unless the machine is busy elsewhere, for so long at most
BALLAST = [(f"ballast{i}", os.urandom(20000)) for i in range(16)]  # a rewrite takes a tenth of a second
OPTIONS = ["--appendonly", "yes", "--save", "", "--auto-aof-rewrite-min-size", "1mb", "--rdbcompression", "no",
           "--snapshot-bandwidth", "2mb"]
DISTURB = (("BGREWRITEAOF", 0, 0.05), ("BGSAVE", 0, 0.05), ("BGREWRITEAOF", 0.05, 0.25), (None, 0, 0.05))


class Client(threading.Thread):
    """One connection that works until the server is gone. Anything else that ends it is a failure."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.failed = server, None
        self.heard = 0.0  # when the last request that was answered was sent: the server was at work then, or later

    def run(self):
        try:
            c = self.server.client(timeout=30)
            while True:
                sent = time.monotonic()
                self.step(c)
                self.heard = sent
        except (OSError, Closed):
            pass
        except AssertionError as e:
            self.failed = e


class Writer(Client):
    """Counts up in a counter, a list and two units. Remembers what was acknowledged, and when."""

    def __init__(self, server, number, start):
        super().__init__(server)
        self.number, self.n = number, start  # n: the last that was asked for
        self.acked = []                      # [(time, n)]

    def step(self, c):
        self.n += 1
        i, n = self.number, self.n
        replies = c.pipeline([("INCR", f"counter{i}"), ("RPUSH", f"list{i}", n),
                              ("MSET", *[w for p in range(PARTS) for w in (f"part{i}-{p}", n)]),
                              ("MULTI",), *[("SET", f"tx{i}-{p}", n) for p in range(PARTS)], ("EXEC",)])
        for reply in replies:
            assert reply[0] != "-", f"refused: {reply}"
        self.acked.append((time.monotonic(), n))


class Reader(Client):
    """Whatever it has seen is durable, too."""

    def __init__(self, server):
        super().__init__(server)
        self.seen = {}

    def step(self, c):
        i = random.randrange(WRITERS)
        kind, value = c.call("GET", f"counter{i}")
        if kind == "$" and value is not None:
            self.seen[i] = max(self.seen.get(i, 0), int(value))


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
    """All of writer i's keys say the same again, and not too much."""
    counter = counter if counter < 3000 else 0
    replies = c.pipeline([("SET", f"counter{i}", counter), ("DEL", f"list{i}"),
                          *([("RPUSH", f"list{i}", *range(1, counter + 1))] if counter else []),
                          ("MSET", *[w for p in range(PARTS) for w in (f"part{i}-{p}", counter)]),
                          ("MSET", *[w for p in range(PARTS) for w in (f"tx{i}-{p}", counter)])])
    assert all(reply[0] != "-" for reply in replies), replies
    return counter


class Toll:
    """What the kills of one setting met."""

    def __init__(self):
        self.kills = self.rewriting = self.saving = self.steps = 0
        self.late = []  # of each life: the age of the oldest acknowledged write that is missing

    def met(self, home):
        """Looks at what was under way, and takes its remains away, to see those of the next."""
        self.kills += 1
        for name, what in ((f"{home}/appendonlydir/temp-appendonly.aof.base.rdb", "rewriting"),
                           (f"{home}/temp-dump.rdb", "saving")):
            if os.path.exists(name):
                setattr(self, what, getattr(self, what) + 1)
                os.unlink(name)


def disturb(server, turn):
    """A rewrite or a snapshot in every phase; then it is time."""
    command, least, most = DISTURB[turn % len(DISTURB)]
    if command:
        c = server.client(timeout=30)
        c.call(command)
        c.close()
    time.sleep(random.uniform(least, most))


def crash(server, fsync, start, toll):
    """One life of the server. Returns for each writer what must be found, what was seen, what may be found."""
    writers = [Writer(server, i, start[i]) for i in range(WRITERS)]
    reader = Reader(server)
    threads = [*writers, reader]
    for t in threads:
        t.start()
    time.sleep(random.uniform(0.02, 0.2))
    disturb(server, toll.kills)
    server.kill()
    for t in threads:
        t.join()
        assert t.failed is None, t.failed
    toll.met(server.home)
    toll.steps += sum(len(w.acked) for w in writers)
    # Not the moment of the kill: a machine that was busy elsewhere before that promises nothing.
    alive = max(t.heard for t in threads)
    before = float("inf") if fsync == "always" else alive - PROMISE_S - STALL_S
    seen = reader.seen if fsync == "always" else {}
    must = [max([n for t, n in w.acked if t < before], default=start[w.number]) for w in writers]
    return alive, [(must[w.number], seen.get(w.number, 0), w.n) for w in writers], writers


def note_late(toll, alive, writers, at):
    missing = [t for w in writers for t, n in w.acked if n > at[w.number]]
    toll.late.append(max(0.0, alive - min(missing)) if missing else 0.0)


def play(workers, fsync, times):
    toll = Toll()
    # A process that is killed loses no page that the kernel has. Where 5 ms count, no disk may hold the kernel up.
    with tempfile.TemporaryDirectory() if fsync == "always" else small_disk(500) as home:
        with Local(home, workers, [*OPTIONS, "--appendfsync", fsync]) as server:
            c = server.client()
            assert all(r == ("+", b"OK") for r in c.pipeline([("SET", *pair) for pair in BALLAST]))
            at = [0] * WRITERS
            for _ in range(times):
                assert c.call("WAITAOF", 1, 0, 30000)[1][0] == (":", 1)
                c.close()
                alive, bounds, writers = crash(server, fsync, at, toll)
                server.start()
                c = server.client()
                at = [check(c, i, *bounds[i]) for i in range(WRITERS)]
                note_late(toll, alive, writers, at)
                at = [level(c, i, at[i]) for i in range(WRITERS)]
            found = c.pipeline([("GET", key) for key, _ in BALLAST])
            assert found == [("$", value) for _, value in BALLAST], "the ballast is not what it was"
    late = sorted(toll.late)
    print(f"# {toll.kills} kills, {toll.rewriting} in a rewrite, {toll.saving} in a snapshot, {toll.steps} steps; missing: "
          f"usually the last {late[len(late) // 2] * 1000:.1f} ms, at most {late[-1] * 1000:.1f} ms", flush=True)
    assert toll.rewriting and toll.saving, "no kill has met a rewrite, or a snapshot"
    assert toll.steps >= times, "hardly anything was written"
    # One life may meet a busy machine, half of them not.
    assert late[len(late) // 2] <= PROMISE_S, late


for WORKERS in (1, 4):
    for FSYNC in ("always", "everysec", "no"):
        def register(workers, fsync):
            times = -(-CRASHES // 6) or (16 if fsync == "always" else 12)

            @test(f"kill -9 {times} times, {workers} workers, appendfsync {fsync}: nothing promised is missing")
            def _():
                play(workers, fsync, times)
        register(WORKERS, FSYNC)

main()
