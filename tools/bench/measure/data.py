"""The data types beside redis-server: memory per key, and what a command on a very large sorted set costs its engine.

Both servers are filled by redis-cli --pipe, outside of what is measured. Memory is the growth of used_memory; a command's
cost is what each server's own INFO commandstats says, so no network is in it on either side.
"""
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

from .common import COMMAND_S, SERVER_CPU, Failed, end, median, sh, wait_for
from .direct import Server

BATCH = 1000  # commands that a pipeline of the engine's row takes at once
BATCHES = 30


def command(*words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Peer:
    """A server that redis-cli reaches at `where`."""

    def __init__(self, name, where):
        self.name, self.where = name, where

    def cli(self, *words):
        return sh("redis-cli", *self.where, *words)

    def pipe(self, commands):
        """Commands in the wire's form; fails if one is refused."""
        process = subprocess.Popen(["redis-cli", *self.where, "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        try:
            for c in commands:
                process.stdin.write(c)
            said = process.communicate(timeout=COMMAND_S)[0].decode()
        finally:
            end(process, signal.SIGKILL)
        if "errors: 0" not in said:
            raise Failed(f"{self.name}: redis-cli --pipe: {said.strip()[-200:]}")

    def info(self, section, key):
        lines = self.cli("info", section).splitlines()
        return next(l.split(":", 1)[1].strip() for l in lines if l.startswith(key + ":"))

    def used(self):
        return int(self.info("memory", "used_memory"))


@contextlib.contextmanager
def redis_server(*options):
    """On a unix socket."""
    folder = tempfile.mkdtemp(prefix="redpoll-data-")
    sock = f"{folder}/redis.sock"
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CPU, "redis-server", "--port", "0", "--unixsocket", sock, "--save", "", "--dir", folder,
         *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the start of redis-server", lambda: os.path.exists(sock), 10)
        yield Peer("redis-server", ("-s", sock))
    finally:
        end(process, signal.SIGTERM)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def redpoll(build):
    """By its admin listener."""
    server = Server(build, loads=False)
    try:
        yield Peer("Redpoll", ("-p", server.admin))
    finally:
        server.stop()


@contextlib.contextmanager
def both_peers(build):
    """At once, the same CPU for each."""
    with redis_server() as redis, redpoll(build) as ours:
        yield redis, ours


# ---- memory per key: what it is, commands that make key i in its first or its other size, at most ----


def a_string(i, other):
    return [command("SET", f"key:{i:012d}", "x" * (50 if other else 32))]


def a_hash(i, other):
    fields = [w for f in range(8 if other else 5) for w in (f"f{f}", f"value{i % 1000}")]
    return [command("DEL", f"h:{i}"), command("HSET", f"h:{i}", *fields)]


def a_set(i, other):
    return [command("DEL", f"s:{i}"), command("SADD", f"s:{i}", *(i * 7 + 1000 * k for k in range(15 if other else 10)))]


def a_list(i, other):
    items = [f"item{k}:{i % 1000}" for k in range(30 if other else 20)]
    return [command("DEL", f"l:{i}"), command("RPUSH", f"l:{i}", *items)]


def a_stream(i, other):
    return [command("DEL", f"x:{i}")] + [command("XADD", f"x:{i}", f"{1700000000000 + k}-0", "field", f"value{i % 1000}")
                                         for k in range(15 if other else 10)]


KINDS = [  # how many, what, how one is made, asked for, aim
    (5_000_000, "32-byte strings", a_string, 109, 90),
    (1_000_000, "hashes of 5 small fields", a_hash, 176, 140),
    (1_000_000, "sets of 10 integers", a_set, 0.7, 0.5),
    (1_000_000, "lists of 20 small items", a_list, 0.7, 0.5),
    (1_000_000, "streams of 10 entries", a_stream, 0.7, 0.5),
]
QUICK_SHARE = 10
KEYS_AT_ONCE = 1000
REHASHING = "--hz", "500", "--enable-debug-command", "local"  # is soon done, and settled() sees it
MEMORY_HEAD = ["data", "redis-server: bytes per key", "Redpoll", "ratio", "asked for", "aim",
               "half overwritten: redis-server", "Redpoll", "ratio"]


def batches(make, keys, other, step=1):
    """The commands of every step-th key, some keys at a time: those of a million would take gigabytes here."""
    for k in range(0, keys, KEYS_AT_ONCE):
        yield b"".join(c for i in range(k, min(k + KEYS_AT_ONCE, keys), step) for c in make(i, other))


def settled(peer):
    """used_memory when nothing is freed in the background any more, and no table is moved into a larger one."""
    before, now = None, peer.used()
    while now != before or (peer.name == "redis-server" and "ehashing" in peer.cli("debug", "htstats", "0")):
        time.sleep(0.5)
        before, now = now, peer.used()
    return now


def per_key(server, make, keys):
    """Bytes of a key when all are new, and after every second one was written again in another size. The server has nothing
    else, and ends: memory of the next kind is as new."""
    with server as peer:
        empty = settled(peer)
        peer.pipe(batches(make, keys, False))
        new = settled(peer)
        peer.pipe(batches(make, keys, True, 2))
        return (new - empty) / keys, (settled(peer) - empty) / keys


def memory(build, quick):
    """The table's rows, one server at a time: a million streams are 4.3 GB of redis-server's."""
    rows = []
    for keys, what, make, asked, aim in KINDS:
        keys //= QUICK_SHARE if quick else 1
        new, over = per_key(redis_server(*REHASHING), make, keys)
        our_new, our_over = per_key(redpoll(build), make, keys)
        unit = " bytes" if asked > 1 else "x"
        rows.append([f"{keys} {what}", f"{new:.0f}", f"{our_new:.0f}", f"{our_new / new:.2f}", f"{asked}{unit}",
                     f"{aim}{unit}", f"{over:.0f}", f"{our_over:.0f}", f"{our_over / over:.2f}"])
        print("  ".join(rows[-1]), flush=True)
    return rows


# ---- a very large sorted set ----


def fill(peer, members):
    """Bytes of a member."""
    rng = random.Random(1)
    before = peer.used()
    peer.pipe(command("ZADD", "z", *(w for k in range(i, min(i + 500, members))
                                     for w in (rng.randrange(1 << 30), f"element:{k:012d}")))
              for i in range(0, members, 500))
    return (peer.used() - before) / members


def batch_of(what, members, rng):
    for _ in range(BATCH * BATCHES):
        k = rng.randrange(members)
        yield {"ZRANGE by rank, 10 members": lambda: command("ZRANGE", "z", k, k + 9),
               "ZRANK": lambda: command("ZRANK", "z", f"element:{k:012d}"),
               "ZADD of a known member": lambda: command("ZADD", "z", rng.randrange(1 << 30), f"element:{k:012d}")}[what]()


def us_per_call(peer, what, members):
    peer.cli("config", "resetstat")
    peer.pipe([b"".join(batch_of(what, members, random.Random(2)))])
    line = peer.info("commandstats", f"cmdstat_{what.split()[0].lower()}")
    stat = dict(f.split("=") for f in line.split(","))
    return float(stat["usec"]) / int(stat["calls"])


ENGINE_HEAD = ["a sorted set", "redis-server", "Redpoll", "ratio", "asked for"]


def engine(build, members, rounds):
    with both_peers(build) as both:
        return engine_rows(both, members, rounds)


def engine_rows(both, members, rounds):
    sizes = [fill(p, members) for p in both]
    rows = [[f"memory per member, of {members}", f"{sizes[0]:.0f} bytes", f"{sizes[1]:.0f} bytes",
             f"{sizes[1] / sizes[0]:.2f}", "0.7 at most, aim 0.5"]]
    for what in ("ZRANGE by rank, 10 members", "ZRANK", "ZADD of a known member"):
        taken = [[us_per_call(p, what, members) for p in both] for _ in range(rounds)]
        theirs, ours = (median(of) for of in zip(*taken))
        rows.append([f"{what}: time in the engine", f"{theirs:.2f} us", f"{ours:.2f} us", f"{theirs / ours:.1f}", "2"])
    for row in rows:
        print("  ".join(row), flush=True)
    return rows


# ---- dropping large keys ----


def drop(build):
    """What the program tests/unit/cmd/bench_drop.c prints."""
    program = "tests/unit/cmd/bench_drop"
    for command in (["ninja", "-C", build, program], [f"{build}/{program}"]):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise Failed(done.stdout[-1000:])
    return done.stdout[done.stdout.index("|"):]
