#!/usr/bin/python3
"""The append-only file: with redis-server there and back, on and off, rewritten, damaged, on a full disk."""
import binascii
import contextlib
import importlib.machinery
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../diff")]
import gen
from disks import hollow_disk, small_disk, standing_still
from labtest import Lab, REDPOLL, main, run, test, wait_for
from local import Local, free_port
from resp import Client, Closed, encode
from values import content, redis_server, values

diff = importlib.machinery.SourceFileLoader("diff", os.path.join(HERE, "../diff/diff")).load_module()

LATER_MS = 4102444800000
AOF = ["--appendonly", "yes", "--save", ""]


def ok(reply):
    assert reply == ("+", b"OK"), reply


def fields(c):
    text = c.call("INFO", "persistence")[1].decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def info(c, field):
    return fields(c)[field]


def synced(c):
    """On its way a write is first in the journal, then in the writer's buffer, then in the file."""
    wait_for(lambda: [info(c, what) for what in ("journal_bytes_in_flight", "aof_buffer_length", "aof_bytes_unsynced")] ==
             ["0"] * 3, 30, "the disk to have everything")


def rewrite(c):
    before = int(info(c, "aof_rewrites"))
    reply = c.call("BGREWRITEAOF")
    assert reply[0] == "+", reply
    wait_for(lambda: int(info(c, "aof_rewrites")) == before + 1, 60, "the end of the rewrite")


def aof_files(home):
    return sorted(os.listdir(f"{home}/appendonlydir"))


def stream(data):
    """What stands in front of the fill."""
    return re.sub(rb"(?<=\r\n)#[#\n]*\Z", b"", data)


def check_aof(home):
    out = run("redis-check-aof", f"{home}/appendonlydir/appendonly.aof.manifest")
    assert "All AOF files and manifest are valid" in out, out


def redis_with_aof(home, *options):
    return redis_server("--appendonly", "yes", *options, home=home)


def rewritten(redis):
    wait_for(lambda: b"aof_rewrite_in_progress:0" in redis.call("INFO", "persistence")[1], 30, "redis-server's rewrite")


def fill(c):
    """Every kind of value under a name of its own, in several databases. Returns the keys."""
    keys = []
    for i, (name, commands) in enumerate(values()):
        db, key = (0, 3, 9)[i % 3], f"key {i} {name}".encode()
        ok(c.call("SELECT", db))
        for command in commands:
            reply = c.call(command[0], *[key if word == "k" else word for word in command[1:]])
            assert reply[0] != "-", (name, reply)
        if i % 4 == 0:
            assert c.call("PEXPIREAT", key, LATER_MS + i) == (":", 1)
        keys.append((db, key))
    ok(c.call("SELECT", 0))
    return keys


def same(a, b, keys):
    for db in {db for db, _ in keys}:
        for side in (a, b):
            ok(side.call("SELECT", db))
            assert side.call("DBSIZE") == (":", sum(k[0] == db for k in keys)), (db, side.call("DBSIZE"))
    for db, key in keys:
        for side in (a, b):
            ok(side.call("SELECT", db))
        assert content(a, key) == content(b, key), key
        assert a.call("PEXPIRETIME", key) == b.call("PEXPIRETIME", key), key


@contextlib.contextmanager
def home_dir():
    with tempfile.TemporaryDirectory() as home:
        yield home


# ---- with redis-server ----

@test("redis-server starts from our directory, and we from its: base, incremental files, every kind of value")
def _():
    for workers in (1, 4):
        for preamble in ("yes", "no"):
            with home_dir() as home, Local(home, workers, AOF) as server:
                keys = fill(server.client())
                rewrite(server.client())
                c = server.client()
                for i in range(100):
                    ok(c.call("SET", f"after {i}", i))
                    keys.append((0, f"after {i}".encode()))
                assert server.stop() == 0
                check_aof(home)
                with redis_with_aof(home, "--aof-use-rdb-preamble", preamble) as redis:
                    server.start()  # reads what redis-server was given, and writes nothing
                    same(server.client(), redis, keys)
                    server.kill()
                    ok(redis.call("SET", "from redis", "1"))
                    assert redis.call("BGREWRITEAOF")[0] == "+"
                    rewritten(redis)
                    ok(redis.call("SET", "from redis", "2"))
                    code = "#!lua name=lib\nredis.register_function('flib', function() return 7 end)"
                    assert redis.call("FUNCTION", "LOAD", code)[0] == "$"
                    keys.append((0, b"from redis"))
                    time.sleep(1.2)
                    shutil.copytree(f"{home}/appendonlydir", f"{home}/copy/appendonlydir")
                    with Local(f"{home}/copy", workers, AOF) as again:
                        same(again.client(), redis, keys)
                        assert again.client().call("FCALL", "flib", 0) == (":", 7)


@test("a file of Redis before 7, alone or with RDB in front, becomes the base of a directory")
def _():
    with home_dir() as home:
        with redis_server("--appendonly", "yes", home=home) as redis:
            keys = fill(redis)
            redis.call("BGREWRITEAOF")
            time.sleep(0.5)
            rewritten(redis)
            ok(redis.call("SET", "later", "1"))
            keys.append((0, b"later"))
            time.sleep(1.2)
            names = [f"{home}/appendonlydir/{n}" for n in aof_files(home)]
            with open(f"{home}/one", "wb") as out:
                for kind in (".base.rdb", ".incr.aof"):
                    for name in names:
                        if name.endswith(kind):
                            out.write(open(name, "rb").read())
            os.mkdir(f"{home}/new")
            os.rename(f"{home}/one", f"{home}/new/appendonly.aof")
            for _ in range(2):
                with Local(f"{home}/new", 2, AOF) as server:
                    same(server.client(), redis, keys)
            assert not os.path.exists(f"{home}/new/appendonly.aof")


def random_commands(seed, count, groups):
    maker = gen.Gen(seed, int(time.time() * 1000), [diff.GROUPS[g] for g in groups])
    commands = []
    while len(commands) < count:
        commands += [c for c in maker.next() if c.args[0].upper() not in (b"QUIT", b"RESET")]
    return commands


def play(port, commands):
    c = None
    for start in range(0, len(commands), 100):
        batch = commands[start:start + 100]
        c = c or Client("127.0.0.1", port)
        try:
            c.send([x.args for x in batch])
            for x in batch:
                if not x.silent:
                    c.read()
        except (Closed, OSError):
            c = None


def stream_facts(value):
    """Without the times at which consumers were seen, what 7.2 adds, and how the tree is built."""
    if isinstance(value, list) and value and value[0] == ("$", b"length"):
        value = value[:2] + value[6:]
    if isinstance(value, (list, tuple)):
        if len(value) > 2 and value[:1] == [("$", b"name")] and ("$", b"seen-time") in value:
            at = value.index(("$", b"seen-time"))
            skip = 4 if value[at + 2] == ("$", b"active-time") else 2
            value = value[:at] + value[at + skip:]
        return [stream_facts(v) for v in value]
    return 0 if isinstance(value, int) and value > 1 << 40 else value


def plain(side):
    """What a server holds: key, kind, value, TTL; how it is encoded depends on how it came about."""
    keys, times = side.state()
    return [(db, name, kind, stream_facts(value) if kind[1] == b"stream" else value, at)
            for (db, name, kind, _, value), at in zip(keys, times)]


@test("what random commands leave behind is what redis-server makes of our file, and what we make of it")
def _():
    groups = [g for g in diff.GROUPS if g != "connection"]
    for workers in (1, 4):
        for seed in range(int(os.environ.get("REDPOLL_SEEDS", "3"))):
            with home_dir() as home, Local(home, workers, AOF) as server:
                c = server.client()
                play(server.port, random_commands(seed * 10 + workers, 6000, groups))
                synced(c)
                time.sleep(0.3)
                shutil.copytree(f"{home}/appendonlydir", f"{home}/copy/appendonlydir")
                check_aof(home)
                with tempfile.TemporaryDirectory() as sock:
                    redis = subprocess.Popen(
                        ["redis-server", "--port", "0", "--unixsocket", f"{sock}/s", "--save", "",
                         "--appendonly", "yes", "--dir", f"{home}/copy", "--logfile", f"{sock}/log"])
                    try:
                        wait_for(lambda: redis.poll() is not None or subprocess.run(
                            ["redis-cli", "-s", f"{sock}/s", "ping"], capture_output=True).stdout == b"PONG\n", 30,
                            "redis-server to have loaded")
                        with open(f"{sock}/log") as log:
                            assert redis.poll() is None, log.read()[-2000:]
                        before = plain(diff.Side("redpoll", f"127.0.0.1:{server.port}", 2))
                        theirs = plain(diff.Side("redis", f"{sock}/s", 2))
                        for a, b in zip(before, theirs):
                            assert a == b, (a, b)
                        assert len(before) == len(theirs)
                        server.kill()
                        server.start()
                        again = plain(diff.Side("again", f"127.0.0.1:{server.port}", 2))
                        for a, b in zip(before, again):
                            assert a == b, (a, b)
                        assert len(before) == len(again)
                    finally:
                        redis.terminate()
                        redis.wait()


# ---- effects ----

def journal(home):
    """The commands of the incremental files, in order."""
    out = []
    for name in aof_files(home):
        if not name.endswith(".incr.aof"):
            continue
        data = open(f"{home}/appendonlydir/{name}", "rb").read()
        while data:
            if data.startswith(b"#"):
                data = data.split(b"\n", 1)[1]
                continue
            n, data = data.split(b"\r\n", 1)
            words = []
            for _ in range(int(n[1:])):
                length, data = data.split(b"\r\n", 1)
                words.append(data[:int(length[1:])])
                data = data[int(length[1:]) + 2:]
            out.append(words)
    return out


@test("what depends on time or chance is written as its effect, units of several as MULTI and EXEC")
def _():
    for workers in (1, 4):
        with home_dir() as home, Local(home, workers, [*AOF, "--appendfsync", "always"]) as server:
            c = server.client()
            for command in (("SADD", "s", *range(20)), ("SPOP", "s"), ("SPOP", "s", 3), ("SET", "k", "1", "EX", 100),
                            ("EXPIRE", "k", 200), ("GETEX", "k", "EX", 300), ("INCRBYFLOAT", "k", "0.5"),
                            ("SETEX", "e", 100, "x"),
                            ("SET", "gone", 1, "PX", 20), ("XADD", "x", "*", "a", "b"), ("HSET", "h", "f", "1"),
                            ("HINCRBYFLOAT", "h", "f", "1.5"), ("MSET", *[w for i in range(8) for w in (f"m{i}", i)]),
                            ("RENAME", "m1", "m2"), ("RPUSH", "l", 1, 2, 3), ("LMOVE", "l", "l2", "LEFT", "RIGHT"),
                            ("SINTERSTORE", "d", "s", "s"), ("GETDEL", "e")):
                assert c.call(*command)[0] != "-", command
            wait_for(lambda: [b"DEL", b"gone"] in journal(home), 5, "what is due to go")
            written = journal(home)
            words = {w[0].upper() for w in written}
            for never in (b"SPOP", b"EXPIRE", b"GETEX", b"INCRBYFLOAT", b"SETEX", b"HINCRBYFLOAT"):
                assert never not in words, (never, written)
            assert not any(w[0].upper() == b"SET" and {b"EX", b"PX"} & {x.upper() for x in w} for w in written), written
            assert not any(w[0].upper() == b"XADD" and w[2] == b"*" for w in written)
            if workers > 1:
                at = next(i for i, w in enumerate(written) if w[:2] == [b"SET", b"m0"] or w[:2] == [b"MSET", b"m0"])
                assert any(w == [b"MULTI"] for w in written[:at])
            depth = 0
            for w in written:
                depth += {b"MULTI": 1, b"EXEC": -1}.get(w[0], 0)
                assert depth in (0, 1)
            assert depth == 0
            content_before = {k: content(c, k) for k in ("s", "k", "h", "m2", "l", "l2", "d")}
            stream = c.call("XRANGE", "x", "-", "+")
            server.kill()
            server.start()
            c = server.client()
            for k, v in content_before.items():
                assert content(c, k) == v, k
            assert c.call("XRANGE", "x", "-", "+") == stream
            assert c.call("EXISTS", "gone", "m1", "e") == (":", 0)


# ---- on, off, rewritten ----

@test("appendonly goes on and off while the server runs; what was written before and after is kept")
def _():
    for workers in (1, 4):
        with home_dir() as home, Local(home, workers, ["--save", ""]) as server:
            c = server.client()
            for i in range(100):
                ok(c.call("SET", f"before {i}", i))
            ok(c.call("CONFIG", "SET", "appendonly", "yes"))
            for i in range(100):
                ok(c.call("SET", f"while {i}", i))
            wait_for(lambda: int(info(c, "aof_rewrites")) == 1, 30, "the first snapshot")
            ok(c.call("CONFIG", "SET", "appendfsync", "always"))
            for i in range(100):
                ok(c.call("SET", f"on {i}", i))
            check_aof(home)
            server.kill()
            server.options += ["--appendonly", "yes"]
            server.start()
            c = server.client()
            assert c.call("DBSIZE") == (":", 300), c.call("DBSIZE")
            ok(c.call("CONFIG", "SET", "appendonly", "no"))
            wait_for(lambda: info(c, "aof_enabled") == "0", 10, "it to be off")
            ok(c.call("SET", "off", 1))
            server.kill()
            server.start()
            assert server.client().call("DBSIZE") == (":", 300)


@test("switched on while it runs, with `always`: what is answered after the OK is there after kill -9, however soon")
def _():
    for attempt in range(12):
        with home_dir() as home, Local(home, 1 + attempt % 3, ["--save", ""]) as server:
            c = server.client(timeout=30)
            for start in range(0, 20000, 1000):
                c.pipeline([("SET", f"k{i}", "x" * 100) for i in range(start, start + 1000)])
            ok(c.call("CONFIG", "SET", "appendonly", "yes", "appendfsync", "always"))
            answered = 0
            for _ in range(1 + attempt * 3):
                answered = c.call("INCR", "n")[1]
            server.kill()
            server.options = AOF
            server.start()
            c = server.client()
            assert int(c.call("GET", "n")[1]) == answered
            assert c.call("DBSIZE") == (":", 20001)
    # The OK of appendfsync alone means the same.
    with home_dir() as home, Local(home, 2, [*AOF, "--appendfsync", "no"]) as server:
        for attempt in range(10):
            c = server.client(timeout=30)
            c.pipeline([("SET", f"k{attempt}:{i}", "x" * 100) for i in range(500)])
            ok(c.call("CONFIG", "SET", "appendfsync", "always"))
            answered = c.call("INCR", "n")[1]
            server.kill()
            server.start()
            assert int(server.client().call("GET", "n")[1]) == answered


@test("in a transaction CONFIG SET waits for no shard: appendonly begins afterwards, appendfsync always at once")
def _():
    def exec_all(c, *commands):
        replies = c.pipeline([("MULTI",), *commands, ("EXEC",)])
        # One that waits for the shards that it holds is refused at last, or never answered.
        assert replies[-1] == ("*", [("+", b"OK")] * len(commands)), replies

    def play(c):
        for i in range(5):
            exec_all(c, ("SET", "k", i), ("CONFIG", "SET", "appendonly", "yes"))
            wait_for(lambda: info(c, "aof_rewrites") == str(i + 1) and info(c, "aof_rewrite_in_progress") == "0", 30,
                     "the first snapshot")
            ok(c.call("CONFIG", "SET", "appendfsync", "always"))
            every, always = ("CONFIG", "SET", "appendfsync", "everysec"), ("CONFIG", "SET", "appendfsync", "always")
            exec_all(c, ("SET", "k", i), every, always)
            exec_all(c, ("SET", "k", i), every, always, every, always, ("SET", "k2", i), every)
            exec_all(c, ("SET", "k", i), always)
            ok(c.call("SET", "last", i))
            exec_all(c, ("SET", "k", "unwritten"), ("CONFIG", "SET", "appendonly", "no"))
            wait_for(lambda: info(c, "aof_enabled") == "0", 10, "it to be off")

    for workers in (1, 2):
        with home_dir() as home, Local(home, workers, ["--save", ""]) as server:
            play(server.client(timeout=20))
            exec_all(server.client(), ("SET", "k", "written"), ("CONFIG", "SET", "appendonly", "yes", "appendfsync", "always"))
            wait_for(lambda: info(server.client(), "aof_enabled") == "1", 10, "it to begin")
            ok(server.client().call("SET", "later", 1))
            server.kill()
            server.options = AOF
            server.start()
            assert server.client().call("MGET", "k", "last", "later")[1] == [("$", b"written"), ("$", b"4"), ("$", b"1")]
        with home_dir() as home, Lab("af_packet", workers, ["--save", "", "--dir", home]) as lab:
            play(lab.client(timeout=20))


@test("switched on while it runs, in a directory that another instance writes to: refused, and no file of that one goes")
def _():
    with home_dir() as home, Local(home, 1, ["--save", ""]) as late:  # looks at the directory while nothing is there
        with Local(home, 1, [*AOF, "--appendfsync", "always"]) as first:
            ok(first.client().call("SET", "a", 1))
            kind, why = late.client().call("CONFIG", "SET", "appendonly", "yes")
            assert kind == "-" and b"Unable to turn on AOF" in why, why
            assert f"another Redpoll (process {first.process.pid})" in late.log_text()
            ok(first.client().call("SET", "b", 1))
            first.kill()
            first.start()
            assert first.client().call("MGET", "a", "b") == ("*", [("$", b"1")] * 2)


@test("CONFIG SET dir finds the append-only file of that directory: switched on, a new one takes its place")
def _():
    with home_dir() as home, home_dir() as other, Local(other, 1, AOF) as server:
        for _ in range(2):
            rewrite(server.client())
        ok(server.client().call("SET", "theirs", 1))
        server.stop()
        theirs = aof_files(other)
        with Local(home, 1, ["--save", "", "--enable-protected-configs", "yes"]) as server:
            c = server.client()
            ok(c.call("SET", "ours", 1))
            ok(c.call("CONFIG", "SET", "snapshot-bandwidth", "1kb"))  # it stays under way
            ok(c.call("SET", "large", os.urandom(100000)))
            manifest = f"{other}/appendonlydir/appendonly.aof.manifest"
            good = open(manifest).read()
            open(manifest, "w").write("nonsense\n")
            kind, why = c.call("CONFIG", "SET", "dir", other)
            assert kind == "-" and b"line 1" in why, why
            assert c.call("CONFIG", "GET", "dir")[1][1] == ("$", home.encode())
            open(manifest, "w").write(good)
            ok(c.call("CONFIG", "SET", "dir", other))
            ok(c.call("CONFIG", "SET", "appendonly", "yes"))
            assert set(aof_files(other)) > set(theirs), (theirs, aof_files(other))
            server.kill()
        with Local(other, 1, AOF) as server:
            assert server.client().call("EXISTS", "theirs", "ours") == (":", 1)
            assert server.client().call("GET", "theirs") == ("$", b"1")
            server.stop()
        with Local(home, 1, ["--save", "", "--enable-protected-configs", "yes"]) as server:
            c = server.client()
            ok(c.call("SET", "ours", 1))
            ok(c.call("CONFIG", "SET", "dir", other))
            ok(c.call("CONFIG", "SET", "appendonly", "yes"))
            wait_for(lambda: info(c, "aof_rewrites") == "1", 30, "the first snapshot")
            check_aof(other)
            assert len(aof_files(other)) == 3, aof_files(other)
            server.kill()
        with Local(other, 1, AOF) as server:
            assert server.client().call("EXISTS", "theirs", "ours") == (":", 1)
            assert server.client().call("GET", "ours") == ("$", b"1")


@test("BGREWRITEAOF without appendonly makes a base file, as in Redis, which either of them starts from")
def _():
    for workers in (1, 3):
        with home_dir() as home, Local(home, workers, ["--save", ""]) as server:
            keys = fill(server.client())
            rewrite(server.client())
            rewrite(server.client())
            assert len(aof_files(home)) == 2, aof_files(home)
            check_aof(home)
            server.kill()
            shutil.copytree(f"{home}/appendonlydir", f"{home}/copy/appendonlydir")
            with redis_with_aof(f"{home}/copy") as redis, Local(home, workers, AOF) as again:
                same(again.client(), redis, keys)
                ok(again.client().call("SET", "goes on", 1))


def half(key):
    """Which of two workers' shards has it."""
    return binascii.crc_hqx(key.encode(), 0) % 16384 // 8192


@test("a script that never ends: BGSAVE and BGREWRITEAOF say BUSY, and run when it is over")
def _():
    with home_dir() as home, Local(home, 2, ["--save", "", "--busy-reply-threshold", "1500"]) as server:
        c, endless = server.client(), server.client(timeout=60)
        # A first run has taken all shards to learn which it needs; this one takes those of its key alone.
        text = "for i = 1, tonumber(ARGV[1]) do end redis.call('GET', KEYS[1])"
        assert c.call("EVAL", text, 1, "k", 1)[0] != "-"
        ours = next(f"o{i}" for i in range(100) if half(f"o{i}") != half("k"))
        thread = threading.Thread(target=lambda: endless.call("EVAL", text, 1, "k", 10 ** 12))
        thread.start()
        try:
            time.sleep(0.3)
            assert c.call("BGSAVE")[0] == "+"  # it is not known yet that the script takes too long
            ok(c.call("SET", ours, 1))  # ... and nobody else waits with the snapshot for its shard
            wait_for(lambda: c.call("BGSAVE")[1].startswith(b"BUSY"), 10, "the script to take too long")
            for command in (("BGSAVE", "SCHEDULE"), ("SAVE",), ("BGREWRITEAOF",)):
                assert c.call(*command)[1].startswith(b"BUSY"), command
            ok(c.call("SET", ours, 2))
        finally:
            c.call("SCRIPT", "KILL")
            thread.join()
        wait_for(lambda: info(c, "rdb_bgsave_in_progress") == "0", 30, "the end of the snapshot")
        rewrite(c)


@test("libraries of functions that a redis-server's append-only file loads, deletes, restores and flushes")
def _():
    def library(name):
        return f"#!lua name={name}\nredis.register_function('f{name}', function() return '{name}' end)"

    with home_dir() as home:
        with redis_with_aof(home) as redis:
            for name in ("a", "b", "c"):
                assert redis.call("FUNCTION", "LOAD", library(name))[0] == "$"
            dump = redis.call("FUNCTION", "DUMP")[1]
            ok(redis.call("FUNCTION", "DELETE", "a"))
            ok(redis.call("FUNCTION", "RESTORE", dump, "REPLACE"))
            ok(redis.call("FUNCTION", "FLUSH", "SYNC"))
            ok(redis.call("FUNCTION", "RESTORE", dump))
            ok(redis.call("FUNCTION", "FLUSH", "ASYNC"))
            ok(redis.call("FUNCTION", "RESTORE", dump, "FLUSH"))
            ok(redis.call("FUNCTION", "DELETE", "b"))
            time.sleep(1.2)
        with Local(home, 2, AOF) as server:
            c = server.client()
            assert c.call("FCALL", "fa", 0) == ("$", b"a") and c.call("FCALL", "fc", 0) == ("$", b"c")
            assert c.call("FCALL", "fb", 0)[0] == "-"


@test("a rewrite under load keeps everything, leaves no old file, and begins by itself when the file has grown")
def _():
    for workers in (1, 4):
        with home_dir() as home, Local(home, workers, [*AOF, "--auto-aof-rewrite-min-size", "64kb"]) as server:
            c = server.client()
            counts = [0] * 3
            stop = threading.Event()

            def write(i):
                w = server.client()
                while not stop.is_set():
                    w.pipeline([("INCR", f"n{i}")] * 50)
                    counts[i] += 50
            threads = [threading.Thread(target=write, args=(i,)) for i in range(3)]
            for t in threads:
                t.start()
            wait_for(lambda: int(info(c, "aof_rewrites")) >= 1, 60, "a rewrite of its own accord")
            stop.set()
            for t in threads:
                t.join()
            wait_for(lambda: info(c, "aof_rewrite_in_progress") == "0", 60, "the end of rewrites")
            rewrite(c)
            assert len(aof_files(home)) == 3, aof_files(home)
            synced(c)
            check_aof(home)
            server.kill()
            server.start()
            c = server.client()
            for i in range(3):
                assert c.call("GET", f"n{i}") == ("$", b"%d" % counts[i])
            # Asked to stop while one is under way, it ends at once, and leaves nothing of it.
            before = aof_files(home)
            ok(c.call("CONFIG", "SET", "snapshot-bandwidth", "1kb", "auto-aof-rewrite-percentage", 0))
            ok(c.call("SET", "large", os.urandom(200000)))
            assert c.call("BGREWRITEAOF")[0] == "+"
            wait_for(lambda: len(aof_files(home)) == len(before) + 2, 10, "it to be under way")
            assert server.stop() == 0
            with open(f"{home}/appendonlydir/appendonly.aof.manifest") as f:
                named = [line.split()[1] for line in f]
            assert sorted([*named, "appendonly.aof.manifest"]) == aof_files(home), (named, aof_files(home))


@test("auto-aof-rewrite-percentage and -min-size: by so much it must have grown, and not before it is so large")
def _():
    options = [*AOF, "--auto-aof-rewrite-percentage", "0", "--auto-aof-rewrite-min-size", "10kb"]
    with home_dir() as home, Local(home, 2, options) as server:
        c = server.client()

        def write(kilobytes):
            assert all(r[0] == "+" for r in c.pipeline([("SET", f"k{i % 100}", os.urandom(1000)) for i in range(kilobytes)]))
            synced(c)

        def stays(rewrites):
            time.sleep(0.25)
            assert info(c, "aof_rewrites") == str(rewrites), fields(c)

        write(150)
        stays(0)  # 0: never by itself
        rewrite(c)
        base = int(info(c, "aof_base_size"))
        assert 100000 < base < 120000 and base <= int(info(c, "aof_current_size")) < base + 1000, fields(c)
        ok(c.call("CONFIG", "SET", "auto-aof-rewrite-percentage", 100))
        write(60)
        stays(1)
        ok(c.call("CONFIG", "SET", "auto-aof-rewrite-min-size", "1mb"))
        write(60)
        stays(1)
        ok(c.call("CONFIG", "SET", "auto-aof-rewrite-min-size", "10kb"))
        wait_for(lambda: info(c, "aof_rewrites") == "2", 10, "the rewrite")
        assert abs(int(info(c, "aof_base_size")) - base) < 1000
        ok(c.call("CONFIG", "SET", "auto-aof-rewrite-percentage", 30))
        write(20)
        stays(2)
        write(20)
        wait_for(lambda: info(c, "aof_rewrites") == "3", 10, "the rewrite")


@test("keys that expire while the server is down are not revived by what was done to them before")
def _():
    with home_dir() as home, Local(home, 2, [*AOF, "--appendfsync", "always"]) as server:
        c = server.client()
        ok(c.call("SET", "a", 1, "PX", 400))
        assert c.call("INCR", "a") == (":", 2)
        ok(c.call("SET", "b", 1, "PX", 400))
        assert c.call("PEXPIRE", "b", 3600000) == (":", 1)
        ok(c.call("SET", "c", 1, "PX", 400))
        assert c.call("PERSIST", "c") == (":", 1)
        rewrite(c)
        server.kill()
        time.sleep(0.6)
        server.start()
        c = server.client()
        wait_for(lambda: c.call("EXISTS", "a") == (":", 0), 5, "what is due to go")
        assert c.call("GET", "c") == ("$", b"1")
        assert c.call("PTTL", "b")[1] > 1000000


@test("DEBUG LOADAOF loads what was written; WAITAOF waits for the disk")
def _():
    with home_dir() as home, Local(home, 2, AOF) as server:
        c = server.client()
        for i in range(50):
            ok(c.call("SET", f"k{i}", i))
        assert c.call("WAITAOF", 1, 0, 5000) == ("*", [(":", 1), (":", 0)])
        assert info(c, "aof_bytes_unsynced") == "0"
        code = "#!lua name=lib\nredis.register_function('f', function() return 7 end)"
        assert c.call("FUNCTION", "LOAD", code) == ("$", b"lib")
        ok(c.call("SET", "said", "before"))
        synced(c)
        ok(c.call("DEBUG", "LOADAOF"))
        assert c.call("DBSIZE") == (":", 51) and c.call("FCALL", "f", 0) == (":", 7)
        # Now the file says something else than memory.
        with open(incr(home), "r+b") as f:
            data = f.read()
            assert data.count(b"before") == 1
            f.seek(data.index(b"before"))
            f.write(b"behind")
        assert c.call("GET", "said") == ("$", b"before")
        ok(c.call("DEBUG", "LOADAOF"))
        assert c.call("GET", "said") == ("$", b"behind"), "it has loaded nothing"
        ok(c.call("SET", "goes", "on"))
        synced(c)
        check_aof(home)
        with open(incr(home), "r+b") as f:
            f.seek(data.index(b"before") - 2)
            f.write(b"xx")
        kind, why = c.call("DEBUG", "LOADAOF")
        assert kind == "-" and b"(offset " in why and b"only what stands before that is there now" in why, why
        assert c.call("GET", "k49") == ("$", b"49") and c.call("EXISTS", "said", "goes") == (":", 0)
        started = time.monotonic()
        assert c.call("WAITAOF", 1, 1, 200) == ("*", [(":", 1), (":", 0)])
        assert time.monotonic() - started >= 0.19


@test("DEBUG LOADAOF while a snapshot waits for all shards: that gives way")
def _():
    with home_dir() as home, Lab("af_packet", 2, [*AOF, "--dir", home]) as lab:
        c = [lab.client(timeout=20) for _ in range(8)]
        ok(c[0].call("SET", "k", 1))
        for attempt in range(3):
            c[0].send([("DEBUG", "SLEEP", "1")])
            time.sleep(0.2)
            # Those of the worker that sleeps come late, the others now.
            for i in range(1, 8):
                c[i].send([("BGSAVE",), ("DEBUG", "LOADAOF")])
            for i in range(1, 8):
                save, load = c[i].read(), c[i].read()
                assert save[1].startswith((b"Background saving", b"ERR Background save", b"ERR All shards")), save
                assert load == ("+", b"OK") or load[1].startswith(b"ERR All shards"), load
            ok(c[0].read())
            assert c[0].call("GET", "k") == ("$", b"1")


# ---- damage ----

def start_fails(server, *texts):
    server.start(wait=False)
    assert server.process.wait(timeout=60) != 0
    log = server.log_text()
    for text in texts:
        assert text in log, (text, log[-1500:])
    server.process = None


def incr(home):
    return next(f"{home}/appendonlydir/{n}" for n in aof_files(home) if n.endswith(".incr.aof"))


@test("an unfinished command at the end is dropped or refused; damage elsewhere is refused with offset and mend")
def _():
    with home_dir() as home, Local(home, 2, [*AOF, "--appendfsync", "always"]) as server:
        c = server.client()
        for i in range(10):
            ok(c.call("SET", f"k{i}", "value"))
        assert c.call("MSET", *[w for i in range(8) for w in (f"m{i}", i)]) == ("+", b"OK")
        server.kill()
        filled = open(incr(home), "rb").read()
        whole = stream(filled)
        exec_at = whole.rindex(b"*1\r\n$4\r\nEXEC")
        for cut in (len(whole) - 3, exec_at, exec_at - 5):
            open(incr(home), "wb").write(whole[:cut])
            server.options = [*AOF, "--aof-load-truncated", "no"]
            start_fails(server, "ends in the middle of a command", "aof-load-truncated")
            server.options = AOF
            server.start()
            assert server.client().call("EXISTS", *[f"m{i}" for i in range(8)]) == (":", 0)
            assert server.client().call("DBSIZE") == (":", 10)
            assert "are dropped" in server.log_text()
            ok(server.client().call("SET", "more", 1))
            server.stop()
            check_aof(home)
        damaged = whole.replace(b"k4\r\n", b"k4xx", 1)
        open(incr(home), "wb").write(damaged)
        start_fails(server, f"offset {damaged.index(b'k4xx') - 17}", "redis-check-aof --fix")
        open(incr(home), "wb").write(whole.replace(b"SET", b"SXT", 1))
        start_fails(server, "unknown command 'SXT'")
        for end in (b"\0" * 700, filled[len(whole):], filled[len(whole):] + b"\0" * 700):
            open(incr(home), "wb").write(whole + end)
            server.start()
            assert server.client().call("DBSIZE") == (":", 18)
            assert os.path.getsize(incr(home)) == len(whole)
            server.kill()
        torn = bytearray(filled)
        head = whole.rindex(b"#R:")
        torn[head + 60:head + 100] = b"#" * 40  # what a lost sector leaves
        open(incr(home), "wb").write(torn)
        server.options = [*AOF, "--aof-load-truncated", "no"]
        start_fails(server, "ends in the middle of a round", "truncate -s")
        mend(server)
        server.options = AOF
        server.start()
        assert server.client().call("DBSIZE") == (":", 10)
        server.kill()
        os.unlink(incr(home))
        start_fails(server, "No such file")


@test("a SELECT of a database that there is not is refused; other errors while loading are counted and logged")
def _():
    with home_dir() as home, Local(home, 2, [*AOF, "--appendfsync", "always", "--aof-fill-ahead", "0"]) as server:
        c = server.client()
        ok(c.call("SELECT", 9))
        ok(c.call("SET", "nine", 1))
        ok(c.call("SELECT", 0))
        ok(c.call("SET", "zero", 1))
        server.stop()
        data = open(incr(home), "rb").read()
        server.options = [*AOF, "--databases", "4"]
        start_fails(server, f"it has keys in database 9 (offset {data.index(b'*2') })", "set databases to 10 at least")
        for index in (b"x", b"-1"):
            open(incr(home), "wb").write(data.replace(b"$1\r\n9\r\n", b"$%d\r\n%s\r\n" % (len(index), index)))
            start_fails(server, "redis-check-aof --fix")
        open(incr(home), "wb").write(data + 3 * encode(("LPUSH", "zero", "x")))
        server.options = AOF
        server.start()
        assert server.client().call("GET", "zero") == ("$", b"1")
        said = re.findall(r"3 commands answered with an error and changed nothing, the first: (.*)", server.log_text())
        assert said and said[0].startswith("WRONGTYPE ") and said[0].endswith(f"(lpush, offset {len(data)})"), said


@test("fill that was cut short, or cut into by redis-check-aof, is no part of the stream that goes on behind it")
def _():
    for rest in (b"#" * 40, b"#" * 40 + b"\n", b"#" * 40 + b"\n" + b"\0" * 99, b"#TS:17", b"#" * 63 + b"\n*3\r\n$3\r\nSET\r\n",
                 b"#" * 63 + b"\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"):
        with home_dir() as home, Local(home, 1, ALWAYS) as server:
            ok(server.client().call("SET", "a", 1))
            server.kill()
            data = stream(open(incr(home), "rb").read())
            open(incr(home), "wb").write(data + rest)
            server.start()
            assert os.path.getsize(incr(home)) == len(data), rest
            for i in range(2, 9):
                ok(server.client().call("SET", "a", i))
            server.kill()
            assert filled(home) > 1000
            server.start()
            assert server.client().call("GET", "a") == ("$", b"8"), rest


def mend(server):
    """Does what the log says."""
    command = re.findall(r"run: (redis-check-aof --fix \S+|truncate -s \d+ \S+)", server.log_text())[-1].split()
    done = subprocess.run(command, input="y\n", capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and (command[0] == "truncate" or "Successfully truncated" in done.stdout), (
        done.stdout + done.stderr)


# ---- filled ahead ----

ALWAYS = [*AOF, "--appendfsync", "always"]


def filled(home):
    """The bytes of the last file that are not stream."""
    data = open(incr(home), "rb").read()
    return len(data) - len(stream(data))


@test("appendfsync always: the file is filled ahead, redis-server starts from it after kill -9, redis-check-aof accepts it")
def _():
    for workers in (1, 4):
        with home_dir() as home, Local(home, workers, ALWAYS) as server:
            keys = fill(server.client())
            c = server.client()
            for i in range(300):
                ok(c.call("SET", f"k{i}", "x" * i))
                keys.append((0, f"k{i}".encode()))
            server.kill()
            assert filled(home) > 1000, "it was not filled ahead"
            check_aof(home)
            shutil.copytree(f"{home}/appendonlydir", f"{home}/copy/appendonlydir")
            with redis_with_aof(f"{home}/copy", "--appendfsync", "always") as redis:
                server.start()
                same(server.client(), redis, keys)
                # What redis-server writes goes behind the fill; we go on behind that.
                ok(redis.call("SET", "theirs", "1"))
                keys.append((0, b"theirs"))
                with Local(f"{home}/copy", workers, ALWAYS) as again:
                    same(again.client(), redis, keys)
                    for i in range(3):
                        ok(again.client().call("SET", "theirs", i))
                    again.kill()
                    assert filled(f"{home}/copy") > 1000
                    check_aof(f"{home}/copy")
                    again.start()
                    assert again.client().call("GET", "theirs") == ("$", b"2")


@test("what was filled ahead is cut off: at the end, by other settings, with a rewrite, before DEBUG LOADAOF; INFO counts "
      "the stream")
def _():
    with home_dir() as home, Local(home, 2, ALWAYS) as server:
        c = server.client()

        def write():
            for i in range(20):
                ok(c.call("SET", f"k{i}", i))
            return filled(home)

        def size():
            return sum(os.path.getsize(f"{home}/appendonlydir/{n}") for n in aof_files(home) if "manifest" not in n)

        assert 900000 < write() <= (1 << 20) + 128
        assert int(info(c, "aof_current_size")) == size() - filled(home)
        for name, off, on in (("appendfsync", "everysec", "always"), ("appendfsync", "no", "always"),
                              ("aof-fill-ahead", "0", "256kb")):
            ok(c.call("CONFIG", "SET", name, off))
            wait_for(lambda: filled(home) == 0, 5, "the fill to go")
            assert write() == 0
            ok(c.call("CONFIG", "SET", name, on))
            assert write() > 200000
        ok(c.call("DEBUG", "LOADAOF"))
        assert filled(home) == 0 and c.call("DBSIZE") == (":", 20)
        assert write() > 200000
        old, copy = incr(home), f"{home}/old"
        os.link(old, copy)
        rewrite(c)
        data = open(copy, "rb").read()
        assert data == stream(data) and write() > 200000
        synced(c)
        assert int(info(c, "aof_current_size")) == size() - filled(home)
        ok(c.call("CONFIG", "SET", "appendonly", "no"))
        wait_for(lambda: info(c, "aof_enabled") == "0", 10, "it to be off")
        assert filled(home) == 0
        ok(c.call("CONFIG", "SET", "appendonly", "yes"))
        wait_for(lambda: info(c, "aof_rewrite_in_progress") == "0", 10, "it to be on")
        assert write() > 200000
        server.stop()
        assert filled(home) == 0
        check_aof(home)


@test("a last write of which power loss has left parts is dropped, or refused; one before it is damage, with its mend")
def _():
    with home_dir() as home, Local(home, 1, ALWAYS) as server:
        c = server.client()
        for i in range(8):
            ok(c.call("SET", f"k{i}", "value"))
        server.kill()
        before = len(stream(open(incr(home), "rb").read()))
        server.start()
        c = server.client()
        ok(c.call("SET", "k8", "value"))
        at = len(stream(open(incr(home), "rb").read()))
        assert c.call("MSET", *[w for i in range(40) for w in (f"m{i}", "#" * 50)]) == ("+", b"OK")
        server.kill()
        data = open(incr(home), "rb").read()
        end = len(stream(data))
        assert before < at < end - 3 * 512 and data[at:at + 3] == b"#R:", (before, at, end)

        def lose(*parts):
            torn = bytearray(data)
            for first, last in parts:
                for i in range(first, last):
                    torn[i] = 10 if i % 64 == 63 else 35
            open(incr(home), "wb").write(torn)

        sector = at // 512 * 512
        for parts in ([(at, sector + 512)], [(sector + 512, sector + 1024)], [(sector + 1024, end)],
                      [(at, sector + 512), (sector + 1024, sector + 1536)], [(sector + 1024, sector + 1536)]):
            lose(*parts)
            server.options = [*ALWAYS, "--aof-load-truncated", "no"]
            start_fails(server, "ends in the middle of a round", f"(offset {at})", f"truncate -s {at} ")
            server.options = ALWAYS
            server.start()
            assert server.client().call("DBSIZE") == (":", 9) and "are dropped" in server.log_text()
            assert os.path.getsize(incr(home)) == at
            ok(server.client().call("SET", "more", 1))
            server.stop()
            check_aof(home)
        lose((before, at))
        start_fails(server, f"(offset {before})", "truncate -s")
        mend(server)
        server.start()
        assert server.client().call("DBSIZE") == (":", 8)


@test("a damaged base file, a file cut short that is not the last: refused with the place; redis-check-aof --fix mends what "
      "can be mended, and the server starts")
def _():
    with home_dir() as home, Local(home, 2, [*AOF, "--appendfsync", "always"]) as server:
        c = server.client()
        for i in range(10):
            ok(c.call("SET", f"k{i}", "value"))
        rewrite(c)
        for i in range(10, 20):
            ok(c.call("SET", f"k{i}", "value"))
        server.kill()
        path, manifest = incr(home), f"{home}/appendonlydir/appendonly.aof.manifest"
        base = next(f"{home}/appendonlydir/{n}" for n in aof_files(home) if n.endswith(".base.rdb"))
        whole, good = open(path, "rb").read(), open(base, "rb").read()
        # a base file that is damaged, cut short, not there
        at = good.index(b"k7") + 4
        for data, sentence in ((good[:at] + bytes([good[at] ^ 1]) + good[at + 1:], "the checksum is wrong"),
                               (good[:at], "it ends in the middle")):
            open(base, "wb").write(data)
            start_fails(server, f"cannot load appendonlydir/{os.path.basename(base)}: byte ", sentence, "redis-check-rdb")
        os.unlink(base)
        start_fails(server, os.path.basename(base), "No such file")
        open(base, "wb").write(good)
        # damage in the middle of the last file
        at = whole.index(b"k15") - len(b"*3\r\n$3\r\nSET\r\n$3\r\n")
        open(path, "wb").write(whole.replace(b"$3\r\nk15", b"$x\r\nk15"))
        start_fails(server, f"(offset {at})", f"redis-check-aof --fix {path}")
        mend(server)
        server.start()
        assert server.client().call("DBSIZE") == (":", 15)
        server.kill()
        # the same file, cut short, and another one behind it
        named = open(manifest).read()
        n = int(re.search(r"\.(\d+)\.incr\.aof", path).group(1))
        behind = path.replace(f".{n}.incr", f".{n + 1}.incr")
        open(behind, "wb").write(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$6\r\nbehind\r\n$1\r\n1\r\n")
        open(manifest, "w").write(named + f"file {os.path.basename(behind)} seq {n + 1} type i\n")
        at = whole.index(b"k17") - len(b"*3\r\n$3\r\nSET\r\n$3\r\n")
        open(path, "wb").write(whole[:at + 20])
        start_fails(server, "ends in the middle of a command, and other files follow", f"(offset {at})")
        mend(server)
        assert open(path, "rb").read() == whole[:at]
        # what no server writes: it would want a client with a session
        kept = open(behind, "rb").read()
        for words in (("WATCH", "k"), ("SUBSCRIBE", "c"), ("DEBUG", "SLEEP", "1"), ("CONFIG", "SET", "maxmemory", "1"),
                      ("DEBUG", "POPULATE", "1")):
            open(behind, "wb").write(kept + encode(words))
            start_fails(server, f"a command that changes no key (offset {len(kept)})")
        # what one writes, though it is an administrator's
        open(behind, "wb").write(kept + encode(("PFADD", "h", "x")) + encode(("PFDEBUG", "TODENSE", "h")))
        server.start()
        c = server.client()
        assert c.call("DBSIZE") == (":", 19) and c.call("GET", "behind") == ("$", b"1")
        ok(c.call("SET", "more", 1))
        server.stop()
        check_aof(home)


@test("a slow disk: writers wait and are counted, readers go on, and nothing is lost")
def _():
    with hollow_disk(80, 48) as (home, _), tempfile.TemporaryDirectory() as elsewhere:
        server = Local(home, 2, [*AOF, "--journal-buffer", "256kb"])
        server.log = f"{elsewhere}/log"
        with server:
            c, r, acked = server.client(timeout=60), server.client(), []
            ok(c.call("SET", "seen", 1))
            for i in range(16):
                ok(c.call("SET", f"large{i}", os.urandom(100000)))
            ok(c.call("CONFIG", "SET", "snapshot-bandwidth", "2mb"))
            assert c.call("BGSAVE")[0] == "+"

            def write():
                for i in range(400):
                    ok(c.call("SET", f"k{i}", "x" * 2000))
                    acked.append(i)
            writer = threading.Thread(target=write)
            with standing_still(home):
                assert info(r, "journal_writer_waits") == "0"
                writer.start()
                wait_for(lambda: int(info(r, "journal_writer_waits")) > 0, 20, "the ring to be half full")
                told, started = len(acked), time.monotonic()
                for _ in range(200):
                    assert r.call("GET", "seen") == ("$", b"1")
                assert time.monotonic() - started < 5, "readers wait, too"
                time.sleep(0.2)
                assert len(acked) == told < 400 and writer.is_alive(), (told, len(acked))
                now = fields(r)
                assert now["aof_last_write_status"] == "ok" and int(now["journal_bytes_in_flight"]) > 100000, now
                wait_for(lambda: int(info(r, "snapshot_bytes_to_disk_in_flight")) >= 1 << 20, 20, "the snapshot to wait")
            writer.join(30)
            wait_for(lambda: info(r, "rdb_bgsave_in_progress") == "0", 30, "the end of the snapshot")
            assert info(r, "rdb_last_bgsave_status") == "ok" and info(r, "snapshot_bytes_to_disk_in_flight") == "0"
            assert len(acked) == 400
            synced(r)
            server.kill()
            server.start()
            assert server.client().call("EXISTS", *[f"k{i}" for i in range(400)]) == (":", 400)


# ---- INFO ----

def counted(text):
    """le_128=17,le_256=3 as [(128, 17), (256, 3)]."""
    return [tuple(int(n) for n in re.fullmatch(r"le_(\d+)=(\d+)", part).groups()) for part in text.split(",")]


@test("INFO persistence: all that redis-server has, and each field of ours says what it should")
def _():
    with (home_dir() as home, redis_server() as plain, redis_server("--appendonly", "yes") as with_aof,
          Local(home, 1, [*AOF, "--appendfsync", "always", "--rdbcompression", "no"]) as server):
        c = server.client()
        theirs = set(fields(with_aof))
        assert theirs > set(fields(plain))
        missing = theirs - set(fields(c))
        assert not missing, missing
        ours, seen = set(fields(c)) - theirs, {}
        for i in range(0, 8000, 100):
            assert c.call("MSET", *[w for k in range(i, i + 100) for w in (f"key {k}", "x" * 250)]) == ("+", b"OK")
        ok(c.call("SET", "large", "y" * 200000))  # beyond what fits into the ring
        synced(c)
        now = fields(c)
        assert now["aof_bytes_written"] == str(len(stream(open(incr(home), "rb").read()))), now
        files = sum(len(stream(open(f"{home}/appendonlydir/{n}", "rb").read())) for n in aof_files(home) if "manifest" not in n)
        assert now["aof_current_size"] == str(files) and 0 < int(now["aof_base_size"]) < 1000, now
        assert now["aof_bytes_unsynced"] == now["journal_bytes_in_flight"] == now["journal_writer_waits"] == "0", now
        assert now["journal_overflows"] == "1", now
        assert now["aof_enabled"] == "1" and now["aof_last_write_status"] == "ok" and now["aof_buffer_length"] == "0"
        assert 81 <= int(now["aof_sync_rounds"]) <= int(now["aof_syncs"]), now
        syncs = counted(now["aof_sync_latency_usec"])
        assert syncs == sorted(syncs) and sum(n for _, n in syncs) == int(now["aof_syncs"]), now
        slowest = int(now["aof_sync_max_usec"])
        assert syncs[-1][0] // 2 <= max(slowest, 1) < syncs[-1][0] and int(now["aof_sync_last_usec"]) <= slowest, now
        # While a snapshot is written all its keys are overwritten.
        ok(c.call("CONFIG", "SET", "snapshot-bandwidth", "2mb", "appendfsync", "everysec"))
        assert c.call("BGSAVE")[0] == "+"
        for i in range(0, 8000, 100):
            assert all(r == ("+", b"OK") for r in c.pipeline([("SET", f"key {k}", "new") for k in range(i, i + 100)]))
            now = fields(c)
            for name in ours:
                seen[name] = max(seen.get(name, 0), int(now[name]) if now[name].isdigit() else 0)
        assert now["rdb_bgsave_in_progress"] == "1", "it was over too soon"
        wait_for(lambda: info(c, "rdb_bgsave_in_progress") == "0", 30, "the end of the save")
        now = fields(c)
        assert 0 < int(now["snapshot_keys_before_writes"]) <= 8000, now
        assert int(now["snapshot_slices"]) > 3 and 0 < int(now["snapshot_longest_slice_usec"]) < 1000000, now
        assert now["snapshot_bytes_written"] == str(os.path.getsize(f"{home}/dump.rdb")), now
        assert int(now["snapshot_epoch_held_usec"]) < 1000000, now
        in_flight = [name for name in ours if name.startswith("snapshot_bytes_") and name.endswith("_in_flight")]
        assert len(in_flight) == 3, in_flight
        for name in in_flight:  # on their way to the disk are some for a moment: with a slow one, below
            assert now[name] == "0" and (seen[name] > 0 or "to_disk" in name), (name, seen[name], now[name])
        assert now["snapshot_large_at_once"] == now["snapshot_waits"] == "0", now
        assert ours == set(in_flight) | {
            "aof_bytes_written", "aof_bytes_unsynced", "aof_sync_rounds", "aof_syncs", "aof_sync_last_usec",
            "aof_sync_max_usec", "aof_sync_latency_usec", "journal_bytes_in_flight", "journal_overflows",
            "journal_writer_waits", "snapshot_slices", "snapshot_longest_slice_usec", "snapshot_keys_before_writes",
            "snapshot_large_at_once", "snapshot_waits", "snapshot_bytes_written", "snapshot_epoch_held_usec"} | (
                ours & {"rdb_saves", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded"}), ours


@test("the manifest or the directory in a bad state: refused with the reason")
def _():
    with home_dir() as home, Local(home, 1, AOF) as server:
        ok(server.client().call("SET", "a", 1))
        server.stop()
        manifest = f"{home}/appendonlydir/appendonly.aof.manifest"
        good = open(manifest).read()
        open(manifest, "w").write(good + "nonsense\n")
        start_fails(server, "line 3")
        open(manifest, "w").write(good)
        with Local(home, 1, AOF) as first:
            start_fails(server, "another Redpoll")
            assert first.client().call("GET", "a") == ("$", b"1")
        shutil.rmtree(f"{home}/appendonlydir")
        open(f"{home}/appendonlydir", "w").close()
        start_fails(server, "appendonlydir", "Not a directory")


@test("disk full: writers are told MISCONF, readers go on, nothing acknowledged is lost, and it heals by itself")
def _():
    for fsync in ("always", "everysec"):
        with small_disk(4) as home:
            open(f"{home}/filler", "wb").write(b"x" * (2 << 20))
            with Local(home, 2, [*AOF, "--appendfsync", fsync, "--journal-buffer", "8mb"]) as server:
                c, r, acked = server.client(timeout=60), server.client(), []
                ok(c.call("SET", "seen", 1))

                def write():
                    for i in range(150):
                        reply = c.call("SET", f"k{i}", "x" * 20000)
                        if reply[0] == "-":
                            assert reply[1].startswith(b"MISCONF Errors writing to the AOF file: "), reply
                            return
                        acked.append(i)
                writer = threading.Thread(target=write)
                writer.start()
                wait_for(lambda: info(r, "aof_last_write_status") == "err", 30, "the disk to be full")
                assert r.call("SET", "another", 1)[1].startswith(b"MISCONF"), "a writer is let in"
                assert r.call("GET", "seen") == ("$", b"1")
                os.unlink(f"{home}/filler")
                wait_for(lambda: info(r, "aof_last_write_status") == "ok", 30, "it to heal")
                writer.join()
                ok(r.call("SET", "another", 1))
                synced(r)
                server.kill()
                server.start()
                c = server.client()
                assert c.call("EXISTS", *[f"k{i}" for i in acked]) == (":", len(acked))
                assert c.call("GET", "another") == ("$", b"1")


@test("the disk fails at fsync: nobody is told that his write is kept, writers are refused, readers go on, until a new file "
      "is on the disk")
def _():
    for fsync in ("always", "everysec"):
        with hollow_disk(12, 64) as (home, heal):
            server = Local(home, 2, [*AOF, "--appendfsync", fsync])
            server.log = "/dev/null"
            with server:
                c, r, acked = server.client(timeout=120), server.client(), []
                ok(c.call("SET", "seen", 1))
                before = [True]

                def write():
                    for i in range(2000):
                        reply = c.call("SET", f"k{i}", "x" * 20000)
                        if reply[0] == "-":
                            assert reply[1].startswith(b"MISCONF Errors writing to the AOF file: "), reply
                            return
                        acked.append((i, before[0]))
                writer = threading.Thread(target=write)
                writer.start()
                try:
                    wait_for(lambda: info(r, "aof_last_write_status") == "err", 60, "the disk to fail")
                    told = len(acked)
                    assert r.call("SET", "another", 1)[1].startswith(b"MISCONF"), "a writer is let in"
                    assert r.call("GET", "seen") == ("$", b"1")
                    time.sleep(3)  # a new file is tried meanwhile, and fails, too
                    assert info(r, "aof_last_write_status") == "err"
                    assert r.call("SET", "another", 1)[1].startswith(b"MISCONF"), "a writer is let in"
                    if fsync == "always":
                        assert len(acked) == told, "somebody was told that a write is kept"
                finally:
                    before[0] = False
                    heal()
                    writer.join(1 if sys.exc_info()[0] else 60)
                wait_for(lambda: info(r, "aof_last_write_status") == "ok", 60, "the new file")
                ok(r.call("SET", "another", 1))
                synced(r)
                server.kill()
                server.start()
                c = server.client()
                assert c.call("EXISTS", *[f"k{i}" for i, _ in acked]) == (":", len(acked))
                assert c.call("GET", "another") == ("$", b"1")
                check_aof(home)


@test("a file that is given up is written anew from memory; writers are refused until that is on the disk")
def _():
    with small_disk(8) as home:
        open(f"{home}/filler", "wb").write(b"x" * (5 << 20))
        with Local(home, 2, [*AOF, "--journal-buffer", "256kb"]) as server:
            c = server.client(timeout=60)
            for start in range(0, 12000, 1000):
                replies = c.pipeline([("SET", f"due{i}", 1, "PX", 4000) for i in range(start, start + 1000)])
                assert all(r == ("+", b"OK") for r in replies)
            kept = 0
            while info(c, "aof_last_write_status") == "ok":
                kept += c.call("SET", f"k{kept}", "x" * 20000) == ("+", b"OK")
            # What expires meanwhile fills the rings, and nothing takes it from there.
            wait_for(lambda: "written anew from memory" in server.log_text(), 30, "the file to be given up")
            assert c.call("SET", "refused", 1)[1].startswith(b"MISCONF"), "a writer is let in"
            assert c.call("GET", "k0")[0] == "$"
            os.unlink(f"{home}/filler")
            wait_for(lambda: info(c, "aof_last_write_status") == "ok", 30, "the new file")
            ok(c.call("SET", "after", 1))
            wait_for(lambda: c.call("EXISTS", *[f"due{i}" for i in range(12000)]) == (":", 0), 10, "what is due to go")
            synced(c)
            size = c.call("DBSIZE")
            server.kill()
            server.start()
            c = server.client()
            assert c.call("DBSIZE") == size
            assert c.call("EXISTS", *[f"k{i}" for i in range(kept)]) == (":", kept)
            check_aof(home)


@test("scripts, transactions and functions are there after a restart, whole")
def _():
    for workers in (1, 4):
        with home_dir() as home, Local(home, workers, [*AOF, "--appendfsync", "always"]) as server:
            c = server.client()
            text = "for i = 1, 20 do redis.call('SET', 'e' .. i, i) end return redis.call('INCR', 'n')"
            assert c.call("EVAL", text, 0) == (
                ":", 1)
            code = "#!lua name=lib\nredis.register_function('f', function(keys) return redis.call('INCR', keys[1]) end)"
            assert c.call("FUNCTION", "LOAD", code) == ("$", b"lib")
            assert c.call("FCALL", "f", 1, "n") == (":", 2)
            written = journal(home)
            first = next(i for i, w in enumerate(written) if w[:2] == [b"SET", b"e1"] or w[:2] == [b"set", b"e1"])
            assert [b"MULTI"] in written[:first] and [b"EXEC"] in written[first + 20:], written
            server.kill()
            server.start()
            c = server.client()
            assert c.call("FCALL", "f", 1, "n") == (":", 3)
            assert c.call("EXISTS", *[f"e{i}" for i in range(1, 21)]) == (":", 20)
            rewrite(c)
            assert c.call("FUNCTION", "DELETE", "lib") == ("+", b"OK")
            server.kill()
            server.start()
            assert server.client().call("FCALL", "f", 1, "n")[0] == "-"


main()
