#!/usr/bin/python3
"""Snapshots: with redis-server there and back, while clients write, and when things go wrong."""
import contextlib
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from disks import break_down, hollow_disk
from labtest import BUILD, LAB, Lab, main, run, test, wait_for
from local import Local
from resp import Closed, encode
from values import LIMITS, content, encoding, redis_server, values

LATER_MS = 4102444800000
LARGE = 3000


def ok(reply):
    assert reply == ("+", b"OK"), reply


def fields(c):
    text = c.call("INFO", "persistence")[1].decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def info(c, field):
    return fields(c)[field]


def bgsave(c):
    """Starts a save and waits for its end."""
    before = int(info(c, "rdb_saves"))
    reply = c.call("BGSAVE")
    assert reply == ("+", b"Background saving started"), reply
    wait_for(lambda: info(c, "rdb_bgsave_in_progress") == "0", 60, "the end of the save")
    assert info(c, "rdb_last_bgsave_status") == "ok", "the save failed"
    assert int(info(c, "rdb_saves")) == before + 1


def large_values():
    """Values that are written in slices."""
    some = [f"m{i}" for i in range(LARGE)]
    yield "large list", [("RPUSH", "k", *[f"{m}-{'x' * 200}" for m in some])]
    yield "large set", [("SADD", "k", *some)]
    yield "large hash", [("HSET", "k", *[x for m in some for x in (m, m * 3)])]
    yield "large zset", [("ZADD", "k", *[x for i, m in enumerate(some) for x in (i / 3, m)])]
    yield "large stream", ([("XADD", "k", f"{i + 1}-{i}", m, m * 20) for i, m in enumerate(some)] +
                           [("XGROUP", "CREATE", "k", "g", "0"), ("XGROUP", "CREATE", "k", "h", "0"),
                            ("XREADGROUP", "GROUP", "g", "c", "COUNT", 2000, "STREAMS", "k", ">"),
                            ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "k", ">")])
    yield "large string", [("SET", "k", os.urandom(3 << 20))]
    yield "large string that compresses", [("SET", "k", b"abcd" * 30000)]


def fill(c):
    """Every value under a name of its own, in several databases, some with a TTL. Returns {(db, key): had a TTL}."""
    keys = {}
    for i, (name, commands) in enumerate([*values(), *large_values()]):
        db, key = (0, 3, 9)[i % 3], f"key {i} {name}".encode()
        ok(c.call("SELECT", db))
        for command in commands:
            reply = c.call(command[0], *[key if word == "k" else word for word in command[1:]])
            assert reply[0] != "-", (name, reply)
        keys[db, key] = i % 4 == 0 and c.call("PEXPIREAT", key, LATER_MS + i) == (":", 1)
    ok(c.call("SELECT", 0))
    for name in ("one", "two"):
        code = f"#!lua name={name}\nredis.register_function('{name}', function() return '{name}' end)"
        assert c.call("FUNCTION", "LOAD", "REPLACE", code) == ("$", name.encode())
    ok(c.call("SET", "expires soon", "x", "PX", 30))
    return keys


def same(a, b, keys):
    """Both hold these keys, alike, and no others."""
    for db in {db for db, _ in keys}:
        for side in (a, b):
            ok(side.call("SELECT", db))
            assert side.call("DBSIZE") == (":", sum(k[0] == db for k in keys)), (db, side.call("DBSIZE"))
    for side in (a, b):
        assert side.call("FCALL", "two", 0) == ("$", b"two")
        assert len(side.call("FUNCTION", "LIST")[1]) == 2
    for db, key in keys:
        for side in (a, b):
            ok(side.call("SELECT", db))
        assert content(a, key) == content(b, key), key
        assert encoding(a, key) == encoding(b, key), key
        assert a.call("PEXPIRETIME", key) == b.call("PEXPIRETIME", key), key


@test("redis-server loads what is saved here, here loads what redis-server saves: every type, form and database")
def _():
    for workers in (1, 4):
        for limits in ({}, LIMITS):
            options = [word for name, value in limits.items() for word in (f"--{name}", str(value))]
            with tempfile.TemporaryDirectory() as home:
                with Lab("af_packet", workers, [*options, "--dir", home]) as lab:
                    c = lab.client()
                    keys = fill(c)
                    time.sleep(0.1)
                    bgsave(c)
                    check = run("redis-check-rdb", f"{home}/dump.rdb")
                    assert "RDB looks OK" in check and "Checksum OK" in check, check
                    with redis_server(*options, home=home) as redis:
                        same(c, redis, keys)
                        os.unlink(f"{home}/dump.rdb")
                        ok(redis.call("SAVE"))
                with (Lab("af_packet", workers, [*options, "--dir", home]) as lab,
                      redis_server(*options, home=home) as redis):
                    same(lab.client(), redis, keys)


def keys_of(home):
    """What redis-server finds in the file."""
    with redis_server(home=home) as redis:
        keys = [key for _, key in redis.call("KEYS", "*")[1]]
        return dict(zip(keys, (value for _, value in redis.call("MGET", *keys)[1]))) if keys else {}


class Bank(threading.Thread):
    """Moves money between accounts on all shards, one command at a time; the sum stays."""
    ACCOUNTS, MONEY = 40, 1000

    def __init__(self, lab, number):
        super().__init__()
        self.c, self.number, self.stop, self.moves, self.failed = lab.client(), number, False, 0, None
        self.have = [self.MONEY] * self.ACCOUNTS
        ok(self.c.call("MSET", *[x for i in range(self.ACCOUNTS) for x in (self.name_of(i), self.MONEY)]))

    def name_of(self, i):
        return f"bank:{self.number}:{i}"

    def run(self):
        try:
            while not self.stop:
                i, k = self.moves % self.ACCOUNTS, self.moves * 7 % self.ACCOUNTS
                self.have[i] -= self.moves % 13
                self.have[k] += self.moves % 13
                ok(self.c.call("MSET", self.name_of(i), self.have[i], self.name_of(k), self.have[k]))
                self.moves += 1
        except (AssertionError, OSError, Closed) as e:
            self.failed = e


@test("every snapshot taken under load is of one moment, over all shards")
def _():
    for workers in (1, 4):
        with tempfile.TemporaryDirectory() as home, Lab("af_packet", workers, ["--dir", home]) as lab:
            c = lab.client()
            for i in range(0, 20000, 500):
                ok(c.call("MSET", *[x for k in range(i, i + 500) for x in (f"other:{k}", "x" * 100)]))
            banks = [Bank(lab, n) for n in range(4)]
            for bank in banks:
                bank.start()
            try:
                for _ in range(8):
                    before = sum(bank.moves for bank in banks)
                    bgsave(c)
                    found = keys_of(home)
                    assert len(found) == 20000 + 4 * Bank.ACCOUNTS, len(found)
                    for bank in banks:
                        total = sum(int(found[bank.name_of(i).encode()]) for i in range(Bank.ACCOUNTS))
                        assert total == Bank.ACCOUNTS * Bank.MONEY, (workers, bank.number, total)
                    assert sum(bank.moves for bank in banks) > before, "nobody wrote meanwhile"
            finally:
                for bank in banks:
                    bank.stop = True
                for bank in banks:
                    bank.join()
            assert not any(bank.failed for bank in banks), [bank.failed for bank in banks]


@test("a large value is written in slices: who changes it waits, nobody else")
def _():
    with tempfile.TemporaryDirectory() as home:
        with Lab("af_packet", 1, ["--dir", home, "--snapshot-bandwidth", "1mb", "--rdbcompression", "no"]) as lab:
            c, other = lab.client(), lab.client(timeout=60)
            for i in range(0, 200000, 1000):
                c.call("SADD", "large", *[f"member {k:013}" for k in range(i, i + 1000)])
            assert c.call("BGSAVE")[0] == "+"
            other.send([("SADD", "large", "late"), ("SCARD", "large")])
            for i in range(1000):
                ok(c.call("SET", f"small {i}", i))
            assert c.call("SCARD", "large") == (":", 200000), "the late one came too early"
            assert info(c, "rdb_bgsave_in_progress") == "1"
            assert other.read() == (":", 1)
            assert other.read() == (":", 200001)
            wait_for(lambda: info(c, "rdb_bgsave_in_progress") == "0", 60, "the end of the save")
            assert info(c, "snapshot_large_at_once") == "0"
            assert int(info(c, "snapshot_waits")) >= 1
        with redis_server(home=home) as redis:
            assert redis.call("SCARD", "large") == (":", 200000)
            assert redis.call("DBSIZE") == (":", 1)


@test("beside clients a snapshot takes no more than snapshot-share of a worker's time")
def _():
    with tempfile.TemporaryDirectory() as home:
        with Lab("af_packet", 1, ["--dir", home, "--rdbcompression", "no", "--snapshot-share", "1"]) as lab:
            c = lab.client()
            for i in range(0, 300000, 1000):
                ok(c.call("MSET", *[x for k in range(i, i + 1000) for x in (f"key {k}", k)]))
            begin = time.monotonic()
            bgsave(c)
            alone = time.monotonic() - begin
            busy = subprocess.Popen(["redis-benchmark", "-h", lab.host, "-p", str(lab.port), "-t", "ping_mbulk", "-c", "20",
                                     "-n", "1000000000", "-q"], stdout=subprocess.DEVNULL)
            try:
                time.sleep(0.5)
                assert c.call("BGSAVE")[0] == "+"
                time.sleep(3 * alone)
                assert info(c, "rdb_bgsave_in_progress") == "1", alone
                ok(c.call("CONFIG", "SET", "snapshot-share", "100"))
                wait_for(lambda: info(c, "rdb_bgsave_in_progress") == "0", 60, "the end of the save")
            finally:
                busy.kill()
                busy.wait()


@test("a slow disk makes writers wait, and nobody else; memory stays within its bound")
def _():
    with tempfile.TemporaryDirectory() as home:
        options = ["--dir", home, "--snapshot-bandwidth", "2mb", "--snapshot-buffer", "1mb", "--rdbcompression", "no"]
        with Lab("af_packet", 1, options) as lab:
            c, writer = lab.client(), lab.client(timeout=60)
            for i in range(0, 60000, 1000):
                ok(c.call("MSET", *[x for k in range(i, i + 1000) for x in (f"key {k}", "x" * 100)]))
            assert c.call("BGSAVE")[0] == "+"
            most, done = 0, threading.Event()

            def write():
                for i in range(0, 60000, 100):
                    writer.send([("SET", f"key {k}", "y" * 100) for k in range(i, i + 100)])
                    for _ in range(100):
                        ok(writer.read())
                done.set()

            thread = threading.Thread(target=write)
            thread.start()
            while not done.is_set() and info(c, "rdb_bgsave_in_progress") == "1":
                most = max(most, int(info(c, "snapshot_bytes_before_writes_in_flight")))
                assert c.call("GET", "key 1")[0] == "$"
            thread.join()
            assert most < 3 << 20, most
            assert int(info(c, "snapshot_waits")) > 0
            wait_for(lambda: info(c, "rdb_bgsave_in_progress") == "0", 60, "the end of the save")
        found = keys_of(home)
        assert len(found) == 60000 and set(found.values()) == {b"x" * 100}


@test("kill -9 during a snapshot leaves the file of the one before")
def _():
    for workers in (1, 4):
        with tempfile.TemporaryDirectory() as home:
            for i in range(6):
                with Lab("af_packet", workers, ["--dir", home, "--snapshot-bandwidth", "4mb"]) as lab:
                    c = lab.client()
                    if i > 0:
                        assert c.call("GET", "round") == ("$", str(i - 1).encode()), "not the file of the last save"
                        assert c.call("DBSIZE") == (":", 20001)
                    ok(c.call("CONFIG", "SET", "snapshot-bandwidth", 0))
                    for k in range(0, 20000, 1000):
                        ok(c.call("MSET", *[x for n in range(k, k + 1000) for x in (f"key {n}", f"{i}" * 300)]))
                    ok(c.call("SET", "round", i))
                    bgsave(c)
                    ok(c.call("CONFIG", "SET", "snapshot-bandwidth", "1mb"))
                    ok(c.call("SET", "round", "not saved"))
                    assert c.call("BGSAVE")[0] == "+"
                    time.sleep(0.05 * i)
                    os.kill(lab.pid(), signal.SIGKILL)
                    lab.stopped = True
                    run(LAB, "stop", "--name", lab.name, check=False)
            found = keys_of(home)
            assert found[b"round"] == b"5" and found[b"key 7"] == b"5" * 300


@test("a full disk: the old file stays, writes are refused until a save succeeds")
def _():
    with tempfile.TemporaryDirectory() as home:
        run("mount", "-t", "tmpfs", "-o", "size=2m", "redpoll-test", home)
        try:
            with Lab("af_packet", 2, ["--dir", home, "--save", "3600 1000000", "--rdbcompression", "no"]) as lab:
                c = lab.client()
                ok(c.call("SET", "a", "old"))
                bgsave(c)
                for i in range(40):
                    ok(c.call("SET", f"large {i}", os.urandom(100000)))
                assert c.call("BGSAVE")[0] == "+"
                wait_for(lambda: info(c, "rdb_last_bgsave_status") == "err", 20, "the failure")
                kind, text = c.call("SET", "a", "new")
                assert kind == "-" and text.startswith(b"MISCONF"), text
                assert c.call("PING")[1].startswith(b"MISCONF")
                assert c.call("GET", "a") == ("$", b"old")
                assert sorted(os.listdir(home)) == ["dump.rdb", "redpoll.lock"], os.listdir(home)
                assert keys_of(home) == {b"a": b"old"}
                with open(f"/run/redpoll-lab/{lab.name}/log") as log:
                    text = log.read()
                assert "No space left on device; free space there" in text, text[-1000:]
                kind, text = c.call("SAVE")
                assert kind == "-" and b"No space left" in text, text
                ok(c.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "no"))
                ok(c.call("SET", "b", 1))
                ok(c.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes"))
                assert c.call("SET", "b", 2)[0] == "-"
                run("mount", "-o", "remount,size=64m", home)
                ok(c.call("SAVE"))
                ok(c.call("SET", "b", 3))
                assert len(keys_of(home)) == 42
        finally:
            run("umount", home)


@test("a directory has one instance; another one does not start, or does not save")
def _():
    with tempfile.TemporaryDirectory() as home, Lab("af_packet", 1, ["--dir", home, "--save", "3600 1"]) as lab:
        done = run(LAB, "start", "--name", f"{lab.name}-2", "--device", "af_packet", "--build", BUILD, "--quiet", "--",
                   "--dir", home, "--save", "3600 1", check=False)
        assert done.returncode and f"another Redpoll (process {lab.pid()})" in done.stdout, done.stdout
        with Lab("af_packet", 1, ["--dir", home]) as second:
            kind, text = second.client().call("BGSAVE")
            assert kind == "-" and b"another Redpoll" in text, text
        ok(lab.client().call("SET", "a", 1))


@test("SIGTERM and SHUTDOWN save with save points; SHUTDOWN SAVE and NOSAVE as they say")
def _():
    def ends(lab):
        lab.stopped = True
        wait_for(lambda: os.path.exists(f"/run/redpoll-lab/{lab.name}/exit"), 20, "the end")
        run(LAB, "stop", "--name", lab.name)

    for points, how, saved in (("3600 1", "SIGTERM", True), ("", "SIGTERM", False), ("3600 1", ("SHUTDOWN",), True),
                               ("", ("SHUTDOWN",), False), ("", ("SHUTDOWN", "SAVE"), True),
                               ("3600 1", ("SHUTDOWN", "NOSAVE"), False)):
        with tempfile.TemporaryDirectory() as home:
            with Lab("af_packet", 2, ["--dir", home, "--save", points]) as lab:
                c = lab.client()
                for i in range(100):
                    ok(c.call("SET", f"key {i}", i))
                if how == "SIGTERM":
                    os.kill(lab.pid(), signal.SIGTERM)
                else:
                    c.send([how])
                assert c.file.read() == b"", "answered"
                ends(lab)
            assert os.path.exists(f"{home}/dump.rdb") == saved, (points, how)
            if saved:
                assert len(keys_of(home)) == 100, (points, how)


@test("save points: so many changes in so many seconds")
def _():
    with tempfile.TemporaryDirectory() as home, Lab("af_packet", 2, ["--dir", home, "--save", "3600 1 1 100"]) as lab:
        c = lab.client()
        assert c.call("CONFIG", "GET", "save")[1][1] == ("$", b"3600 1 1 100")
        for i in range(99):
            ok(c.call("SET", f"key {i}", i))
        assert info(c, "rdb_changes_since_last_save") == "99"
        time.sleep(2.5)
        assert info(c, "rdb_saves") == "0"
        ok(c.call("SET", "key 99", 99))
        wait_for(lambda: info(c, "rdb_saves") == "1", 10, "the save")
        assert info(c, "rdb_changes_since_last_save") == "0"
        assert len(keys_of(home)) == 100
        last = c.call("LASTSAVE")[1]
        assert abs(last - time.time()) < 5, last
        ok(c.call("CONFIG", "SET", "save", ""))
        assert c.call("CONFIG", "GET", "save")[1][1] == ("$", b"")


@test("DEBUG RELOAD keeps everything; NOSAVE takes the file that is there; SAVE, LASTSAVE and errors as Redis")
def _():
    with tempfile.TemporaryDirectory() as home, Lab("af_packet", 2, ["--dir", home]) as lab:
        with redis_server("--enable-debug-command", "yes", home=home) as redis:
            c = lab.client()
            before = {}
            for db, key in fill(c):
                ok(c.call("SELECT", db))
                before[db, key] = content(c, key), c.call("PEXPIRETIME", key)
            time.sleep(0.1)
            c.call("BGSAVE")
            ok(c.call("DEBUG", "RELOAD"))
            assert info(c, "rdb_last_bgsave_status") == "ok", "a save that RELOAD cuts short is no failure"
            for (db, key), held in before.items():
                ok(c.call("SELECT", db))
                assert (content(c, key), c.call("PEXPIRETIME", key)) == held, key
            ok(c.call("SELECT", 0))
            ok(c.call("SET", "late", 1))
            ok(c.call("DEBUG", "RELOAD", "NOSAVE"))
            assert c.call("GET", "late") == ("$", None)
            ok(c.call("SET", "late", 1))
            ok(c.call("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE"))
            assert c.call("GET", "late") == ("$", b"1")
            for words in (("DEBUG", "RELOAD", "X"), ("BGSAVE", "X"), ("SAVE", "X"), ("LASTSAVE", "X"),
                          ("SHUTDOWN", "ABORT")):
                assert c.call(*words) == redis.call(*words), words


@test("a SAVE that gives way to DEBUG RELOAD or SHUTDOWN answers an error")
def _():
    for words in (("DEBUG", "RELOAD"), ("SHUTDOWN", "SAVE")):
        with tempfile.TemporaryDirectory() as home:
            with Lab("af_packet", 2, ["--dir", home, "--snapshot-bandwidth", "1mb", "--rdbcompression", "no"]) as lab:
                saves, other = lab.client(timeout=60), lab.client(timeout=60)
                for i in range(20):
                    ok(other.call("SET", f"large {i}", os.urandom(50000)))
                saves.send([("SAVE",)])
                wait_for(lambda: os.path.exists(f"{home}/temp-dump.rdb"), 10, "the save to begin")
                time.sleep(0.2)
                other.send([words])
                kind, why = saves.read()
                assert kind == "-" and (b"takes its place" in why or b"the server ends" in why), why
                if words[0] == "DEBUG":
                    assert other.read() == ("+", b"OK")
                    assert info(other, "rdb_last_bgsave_status") == "ok"
                    ok(saves.call("SAVE"))
                else:
                    lab.stopped = True
                    wait_for(lambda: os.path.exists(f"/run/redpoll-lab/{lab.name}/exit"), 20, "the end")
                    run(LAB, "stop", "--name", lab.name)
            assert len(keys_of(home)) == 20


@test("while the last save waits, what would wait for all shards as well is refused")
def _():
    with tempfile.TemporaryDirectory() as home:
        options = ["--save", "3600 1000000", "--busy-reply-threshold", "60000", "--shutdown-timeout", "60"]
        with Lab("af_packet", 2, ["--dir", home, *options]) as lab:
            script, first, other = (lab.client(timeout=60) for _ in range(3))
            text = "redis.call('SET', KEYS[1], 1) for i = 1, tonumber(ARGV[1]) do end return redis.call('SET', KEYS[1], 2)"
            began = time.monotonic()
            assert script.call("EVAL", text, 1, "k", 20_000_000) == ("+", b"OK")
            rounds_of_seconds = int(20_000_000 * 8 / (time.monotonic() - began))
            script.send([("EVAL", text, 1, "k", rounds_of_seconds)])
            time.sleep(0.3)
            first.send([("SHUTDOWN",)])
            time.sleep(0.2)
            for words in (("SHUTDOWN",), ("SHUTDOWN", "SAVE", "FORCE"), ("DEBUG", "RELOAD"), ("SAVE",), ("BGSAVE",),
                          ("BGREWRITEAOF",)):
                kind, why = other.call(*words)
                assert kind == "-" and why.startswith(b"ERR All shards are being saved or loaded"), (words, why)
            ok(other.call("CONFIG", "SET", "appendonly", "yes"))  # it would begin when that has ended
            assert script.read() == ("+", b"OK"), "that waits for what has written"
            lab.stopped = True
            wait_for(lambda: os.path.exists(f"/run/redpoll-lab/{lab.name}/exit"), 20, "the end")
            run(LAB, "stop", "--name", lab.name)
        assert keys_of(home) == {b"k": b"2"}


@test("a file that cannot be loaded: one sentence, exit status 1")
def _():
    def refuse(home, data, sentence):
        with open(f"{home}/dump.rdb", "wb") as f:
            f.write(data)
        try:
            with Lab("af_packet", 2, ["--dir", home]):
                raise AssertionError(f"it starts with {data[:40]}")
        except AssertionError as e:
            assert sentence in str(e), (sentence, str(e))

    with tempfile.TemporaryDirectory() as home:
        with redis_server(home=home) as redis:
            for i in range(1000):
                redis.call("SET", f"key {i}", "x" * 100)
            redis.call("SAVE")
        with open(f"{home}/dump.rdb", "rb") as f:
            good = f.read()
        refuse(home, good[:-1], "it ends in the middle")
        refuse(home, good[:len(good) // 2], "it ends in the middle")
        refuse(home, good[:5000] + bytes([good[5000] ^ 1]) + good[5001:], "dump.rdb: byte")
        refuse(home, b"REDIS0013" + good[9:], "versions 1 to 12 are read")
        refuse(home, b"hello", "this is no RDB file")
        refuse(home, good[:9] + b"\x07\x01k\x81\x5e\x1d\x4a\xa9\x09\x27\x2c\x00", "module type 'Xh1KqQknL'")
        refuse(home, good[:9] + b"\xfe\x14" + good[9:], "set databases to 21")


SLOW = ["--save", "", "--rdbcompression", "no", "--snapshot-bandwidth", "1mb", "--loglevel", "verbose"]


@test("BGSAVE SCHEDULE waits for what is under way, a second save is refused; how far one is stands in INFO and in the log")
def _():
    with tempfile.TemporaryDirectory() as home, Local(home, 2, SLOW) as server:
        c, seen = server.client(), []
        for i in range(0, 2000, 500):
            ok(c.call("MSET", *[x for k in range(i, i + 500) for x in (f"key {k}", "x" * 250)]))
        assert c.call("BGREWRITEAOF") == ("+", b"Background append only file rewriting started")
        kind, text = c.call("BGSAVE")
        assert kind == "-" and text.startswith(b"ERR Another child process is active (AOF?)"), text
        for _ in range(2):
            assert c.call("BGSAVE", "SCHEDULE") == ("+", b"Background saving scheduled")
        assert fields(c)["aof_rewrite_in_progress"] == "1" and fields(c)["rdb_bgsave_in_progress"] == "0"
        wait_for(lambda: fields(c)["rdb_bgsave_in_progress"] == "1", 20, "what was scheduled")
        assert fields(c)["aof_rewrites"] == "1", "it has not waited"
        for words in (("BGSAVE",), ("BGSAVE", "SCHEDULE"), ("SAVE",)):
            assert c.call(*words) == ("-", b"ERR Background save already in progress"), words
        assert c.call("BGREWRITEAOF") == ("+", b"Background append only file rewriting scheduled")

        def ended():
            now = fields(c)
            if now["rdb_bgsave_in_progress"] == "0":
                return True
            if now["current_save_keys_total"] == "0":  # the epoch is to come
                return False
            assert now["current_save_keys_total"] == "2000"
            seen.append(int(now["current_save_keys_processed"]))
            assert abs(float(now["current_fork_perc"]) - seen[-1] / 20) < 0.01, now
            return False
        wait_for(ended, 20, "the end of the save")
        assert seen == sorted(seen) and len(set(seen)) > 3 and 0 < seen[-1] <= 2000, seen
        now = fields(c)
        assert now["rdb_saves"] == "1" and now["rdb_last_bgsave_status"] == "ok", now
        wait_for(lambda: fields(c)["aof_rewrites"] == "2", 20, "the rewrite that was scheduled")
        assert fields(c)["current_save_keys_total"] == fields(c)["current_save_keys_processed"] == "0"
        percent = [int(n) for n in re.findall(r"snapshot: (\d+)% of 2000 keys", server.log_text())]
        assert len(percent) > 3 and all(0 < n < 100 and n % 10 == 0 for n in percent), percent
        assert len(keys_of(home)) == 2000


@test("rdbcompression and rdbchecksum: what they change in the file, and that it is read all the same")
def _():
    with tempfile.TemporaryDirectory() as home, Local(home, 2, ["--save", ""]) as server:
        c, path, text = server.client(), f"{home}/dump.rdb", b"abcd" * 5000
        for i in range(20):
            ok(c.call("SET", f"key {i}", text))
        for compress in ("yes", "no"):
            for checksum in ("yes", "no"):
                ok(c.call("CONFIG", "SET", "rdbcompression", compress, "rdbchecksum", checksum))
                ok(c.call("SAVE"))
                with open(path, "rb") as f:
                    data = f.read()
                assert (text in data) == (compress == "no") and (len(data) > 400000) == (compress == "no"), len(data)
                assert (data[-8:] == bytes(8)) == (checksum == "no"), data[-8:]
                said = run("redis-check-rdb", path)
                assert "RDB looks OK" in said and ("Checksum OK" in said) == (checksum == "yes"), said
                found = keys_of(home)
                assert len(found) == 20 and set(found.values()) == {text}
                ok(c.call("DEBUG", "RELOAD", "NOSAVE"))
                assert c.call("GET", "key 7") == ("$", text)
        # A wrong checksum is seen or not, as it says there. What cannot be loaded changes nothing.
        ok(c.call("CONFIG", "SET", "rdbchecksum", "yes"))
        ok(c.call("SAVE"))
        with open(path, "r+b") as f:
            f.seek(-1, os.SEEK_END)
            last = f.read(1)[0]
            f.seek(-1, os.SEEK_END)
            f.write(bytes([last ^ 1]))
        ok(c.call("SET", "late", 1))
        kind, why = c.call("DEBUG", "RELOAD", "NOSAVE")
        assert kind == "-" and b"the checksum is wrong" in why and b"nothing was changed" in why, why
        assert c.call("DBSIZE") == (":", 21) and c.call("GET", "late") == ("$", b"1")
        ok(c.call("CONFIG", "SET", "rdbchecksum", "no"))
        ok(c.call("DEBUG", "RELOAD", "NOSAVE"))
        assert c.call("DBSIZE") == (":", 20)
        # A value that turns out to be none when it is made: then all is gone, and that is said.
        with open(path, "wb") as f:
            f.write(b"REDIS0009\xfe\x00\x00\x01a\x01b\x02\x01s\x02\x01z\x01z\xff" + bytes(8))
        kind, why = c.call("DEBUG", "RELOAD", "NOSAVE")
        assert kind == "-" and b"all keys and functions are gone" in why, why
        assert c.call("DBSIZE") == (":", 0)
        os.unlink(path)
        ok(c.call("SET", "kept", 1))
        os.mkdir(path)  # cannot be saved
        kind, why = c.call("DEBUG", "RELOAD")
        assert kind == "-" and b"nothing was changed" in why, why
        assert c.call("GET", "kept") == ("$", b"1")


def many_keys(n):
    """An RDB file that takes a while."""
    keys = b"".join(b"\x00\x0bkey %07d\x01v" % i for i in range(n))
    return b"REDIS0009\xfe\x00\xfb\x80" + n.to_bytes(4, "big") + b"\x00" + keys + b"\xff" + bytes(8)


def watch_load(server, each=None):
    """What a client is told from the start until all is loaded: [(PING's reply, INFO persistence)]."""
    said = []
    while True:
        assert server.process.poll() is None, server.log_text()[-1000:]
        try:
            c = server.client()
            break
        except OSError:
            time.sleep(0.002)
    while True:
        said.append((c.call("PING"), fields(c)))
        if said[-1][0] == ("+", b"PONG"):
            return said
        if each:
            each(said)
        time.sleep(0.002)


def check_load(said, size):
    loading = [now for ping, now in said if ping[1].startswith(b"LOADING ") and now["loading"] == "1"]
    assert len(loading) > 3, f"{len(loading)} of {len(said)} looks"
    at = [int(now["loading_loaded_bytes"]) for now in loading]
    assert at == sorted(at) and at[-1] > size / 2 and len(set(at)) > 1, at
    for now in loading:
        have = int(now["loading_loaded_bytes"])
        if have:
            assert int(now["loading_total_bytes"]) == size >= have, now
            assert abs(float(now["loading_loaded_perc"]) - have * 100 / size) < 0.01, now
            assert 0 <= float(now["loading_eta_seconds"]) < 3600 and abs(int(now["loading_start_time"]) - time.time()) < 60
    last = said[-1][1]
    assert last["loading"] == "0" and "loading_total_bytes" not in last, last
    return loading


@test("while it loads clients are told LOADING, INFO says how far it is; keys that expired meanwhile are dropped and counted")
def _():
    with tempfile.TemporaryDirectory() as home:
        with Local(home, 2, ["--save", "", "--rdbchecksum", "no"]) as server:
            c = server.client()
            ok(c.call("SET", "goes", 1, "PXAT", LATER_MS))
            ok(c.call("SET", "stays", 1, "PX", 3600000))
            ok(c.call("SET", "forever", 1))
            ok(c.call("SAVE"))
            server.kill()
            with open(f"{home}/dump.rdb", "r+b") as f:  # rather than waiting: it is over by now
                data = f.read()
                at = data.index(b"\xfc" + struct.pack("<q", LATER_MS) + b"\x00\x04goes")
                f.seek(at + 1)
                f.write(struct.pack("<q", int(time.time() * 1000) - 1))
            server.start()
            c = server.client()
            assert c.call("EXISTS", "goes", "stays", "forever") == (":", 2)
            assert c.call("DBSIZE") == (":", 2)
            now = fields(c)
            assert now["rdb_last_load_keys_expired"] == "1" and now["rdb_last_load_keys_loaded"] == "2", now
            ok(c.call("DEBUG", "RELOAD"))
            now = fields(c)
            assert now["rdb_last_load_keys_expired"] == "0" and now["rdb_last_load_keys_loaded"] == "2", now
            server.kill()
            data = many_keys(600000)
            with open(f"{home}/dump.rdb", "wb") as f:
                f.write(data)
            server.start(wait=False)
            refused = []

            def change_files(said):
                """Which files are written cannot be changed under who reads them."""
                if not refused and said[-1][0][1].startswith(b"LOADING "):
                    for words in (("CONFIG", "SET", "appendonly", "yes"), ("CONFIG", "SET", "maxmemory", "0", "dir", home),
                                  ("DEBUG", "RELOAD"), ("DEBUG", "RELOAD", "NOSAVE")):
                        refused.append(server.client().call(*words))
            loading = check_load(watch_load(server, change_files), len(data))
            assert refused == [("-", b"LOADING Redis is loading the dataset in memory")] * 4, refused
            assert int(loading[-1]["loading_loaded_keys"]) > 1000
            c = server.client()
            assert c.call("DBSIZE") == (":", 600000) and c.call("GET", "key 0123456") == ("$", b"v")


@test("an append-only file that takes long: LOADING, percentages in the log and in INFO, a bar on a terminal")
def _():
    with tempfile.TemporaryDirectory() as home:
        options = ["--appendonly", "yes", "--save", ""]
        with Local(home, 2, options) as server:
            c = server.client()
            for i in range(0, 20000, 1000):
                c.call("SADD", "big", *[f"member {k}" for k in range(i, i + 1000)])
            assert c.call("BGREWRITEAOF")[0] == "+"
            wait_for(lambda: fields(c)["aof_rewrites"] == "1", 20, "the rewrite")
            server.stop()
            files = [f"{home}/appendonlydir/{n}" for n in sorted(os.listdir(f"{home}/appendonlydir"))]
            with open(next(n for n in files if n.endswith(".incr.aof")), "ab") as f:
                f.write(encode(("SELECT", 0)) + encode(("SUNIONSTORE", "copy", "big")) * 600)
            size = sum(os.path.getsize(n) for n in files if not n.endswith("manifest"))
            master, slave = pty.openpty()
            server.wrapper = ["sh", "-c", f'exec "$@" 2>{os.ttyname(slave)}', "sh"]
            stopped = []

            def stop_once(said):
                """A log line comes every two seconds: a machine that stands still for so long."""
                if not stopped and float(said[-1][1].get("loading_loaded_perc", 0)) > 20:
                    stopped.append(server.process.send_signal(signal.SIGSTOP))
                    time.sleep(2.1)
                    server.process.send_signal(signal.SIGCONT)
            server.start(wait=False)
            check_load(watch_load(server, stop_once), size)
            assert server.client().call("SCARD", "copy") == (":", 20000)
            percent = [int(n) for n in re.findall(r"loading: (\d+)%, \d+ keys", server.log_text())]
            assert percent and all(0 <= n <= 100 for n in percent), percent
            os.set_blocking(master, False)
            bar = os.read(master, 65536).decode()
            drawn = re.findall(r"\rloading \[(#*) *\] +(\d+)%  \d+ keys  \d+ MB/s", bar)
            assert len(drawn) > 2 and bar.endswith("\r\033[K"), bar[-300:]
            assert all(len(full) == int(n) * 40 // 100 for full, n in drawn), drawn
            os.close(master)
            os.close(slave)


NO_RIGHTS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


def fails_to_start(server, sentence):
    try:
        server.start()
    except AssertionError as e:
        assert sentence in str(e), (sentence, str(e))
        server.kill()
    else:
        raise AssertionError("it starts")


@test("no permission, no directory: one sentence says what to mend, MISCONF until that is done and a save has succeeded")
def _():
    with tempfile.TemporaryDirectory() as at:
        home = f"{at}/home"
        server = Local(home, 1, ["--save", "3600 1000000", "--enable-protected-configs", "yes"], NO_RIGHTS)
        server.log = f"{at}/log"
        fails_to_start(server, f"cannot enter dir {home}: create it")
        os.mkdir(home, 0o555)
        for options in (["--save", "3600 1000000"], ["--save", "", "--appendonly", "yes"]):
            fails_to_start(Local(home, 1, options, NO_RIGHTS), f"cannot create {home}/redpoll.lock: Permission denied; give")
        os.chmod(home, 0o755)
        with server:
            c = server.client()

            def refused(*texts):
                for words in (("SAVE",), ("BGSAVE",)):
                    kind, why = c.call(*words)
                    assert kind == "-" and all(text in why for text in texts), why
                assert fields(c)["rdb_last_bgsave_status"] == "err"
                assert c.call("SET", "a", "no")[1].startswith(b"MISCONF")
                assert c.call("GET", "a") == ("$", b"1")

            ok(c.call("SET", "a", 1))
            ok(c.call("SAVE"))
            os.chmod(home, 0o555)
            refused(b"cannot create temp-dump.rdb: Permission denied; give this user the right to write there")
            os.chmod(home, 0o755)
            ok(c.call("SAVE"))
            ok(c.call("SET", "a", 1))
            shutil.rmtree(home)
            refused(b"cannot create", b"No such file or directory; create the directory")
            os.mkdir(home)
            ok(c.call("SAVE"))
            ok(c.call("SET", "a", 1))
            assert sorted(os.listdir(home)) == ["dump.rdb", "redpoll.lock"], os.listdir(home)
            kind, why = c.call("CONFIG", "SET", "dir", f"{at}/nowhere")
            assert kind == "-" and b"No such file or directory; create the directory" in why, why
            ok(c.call("SAVE"))


@test("errors at a snapshot's fsync and at its write: the old file stays, MISCONF until a save succeeds")
def _():
    for direct, what in (("no", b"cannot sync dump.rdb: "), ("yes", b"cannot write dump.rdb: ")):
        with hollow_disk(12, 64) as (home, heal), tempfile.TemporaryDirectory() as elsewhere:
            server = Local(home, 2, ["--save", "3600 1000000", "--rdbcompression", "no", "--snapshot-direct", direct])
            server.log = f"{elsewhere}/log"
            with server:
                c = server.client()
                ok(c.call("SET", "a", "old"))
                ok(c.call("SAVE"))
                with open(f"{home}/dump.rdb", "rb") as f:
                    old = f.read()
                for i in range(200):  # much more than there is room for: it is the data that cannot be synced
                    ok(c.call("SET", f"large {i}", os.urandom(100000)))
                for words in (("BGSAVE",), ("SAVE",)):  # the second one writes another file, and asks nobody twice
                    reply = c.call(*words)
                    wait_for(lambda: fields(c)["rdb_bgsave_in_progress"] == "0", 20, "the end of the save")
                assert reply[0] == "-" and what in reply[1], reply
                assert fields(c)["rdb_last_bgsave_status"] == "err"
                assert c.call("SET", "a", "new")[1].startswith(b"MISCONF")
                assert c.call("GET", "a") == ("$", b"old")
                with open(f"{home}/dump.rdb", "rb") as f:
                    assert f.read() == old, "the old file is not what it was"
                assert "temp-dump.rdb" not in os.listdir(home)
                heal()
                ok(c.call("SAVE"))
                ok(c.call("SET", "a", "new"))
                assert len(keys_of(home)) == 201


@test("a disk that gives nothing but EIO while a snapshot is written: MISCONF until one is on another disk")
def _():
    with hollow_disk(80, 64) as (home, _), tempfile.TemporaryDirectory() as elsewhere:
        server = Local(home, 2, ["--save", "3600 1000000", "--rdbcompression", "no", "--snapshot-bandwidth", "4mb",
                                 "--enable-protected-configs", "yes"])
        server.log = f"{elsewhere}/log"
        with server:
            c = server.client()
            for i in range(40):
                ok(c.call("SET", f"large {i}", os.urandom(100000)))
            assert c.call("BGSAVE")[0] == "+"
            wait_for(lambda: os.path.exists(f"{home}/temp-dump.rdb"), 10, "the save to begin")
            break_down(home)
            wait_for(lambda: fields(c)["rdb_bgsave_in_progress"] == "0", 20, "the end of the save")
            assert fields(c)["rdb_last_bgsave_status"] == "err"
            assert "snapshot failed: cannot write dump.rdb: Input/output error; the disk fails" in server.log_text()
            assert c.call("SET", "a", 1)[1].startswith(b"MISCONF")
            kind, why = c.call("SAVE")
            assert kind == "-" and b"Input/output error; the disk fails" in why, why
            assert c.call("GET", "large 0")[0] == "$"
            ok(c.call("CONFIG", "SET", "dir", elsewhere, "snapshot-bandwidth", 0))
            assert c.call("SET", "a", 1)[1].startswith(b"MISCONF")
            ok(c.call("SAVE"))
            ok(c.call("SET", "a", 1))
            assert len(keys_of(elsewhere)) == 40


# ---- streams of other versions ----

class Bytes:
    """What a stream looks like in RDB, up to where groups begin."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def length(self):
        """The number, and its bytes."""
        at, first = self.at, self.take(1)[0]
        if first < 0x40:
            n = first
        elif first < 0x80:
            n = (first & 63) << 8 | self.take(1)[0]
        else:
            n = int.from_bytes(self.take(4 if first == 0x80 else 8), "big")
        return n, self.data[at:self.at]

    def string(self):
        """Its bytes, with the length in front; whole strings and integers only."""
        at = self.at
        if self.data[at] >= 0xc0:
            kind = self.take(1)[0] & 63
            assert kind < 3, "compressed"
            self.take(1 << kind)
        else:
            self.take(self.length()[0])
        return self.data[at:self.at]


def other_stream(body, to):
    """The value of a stream of type 19 (7.0) as one of type 15 (5.0) or 21 (7.2: when a consumer was active last)."""
    b = Bytes(body)
    nodes, out = b.length()
    for _ in range(nodes):
        out += b.string() + b.string()
    out += b"".join(b.length()[1] for _ in range(3))    # length, last id
    since_7 = b"".join(b.length()[1] for _ in range(5))  # first id, greatest deleted, added
    out += since_7 if to > 15 else b""
    groups, raw = b.length()
    out += raw
    for _ in range(groups):
        out += b.string() + b.length()[1] + b.length()[1]  # name, last id
        read = b.length()[1]
        out += read if to > 15 else b""
        pending, raw = b.length()
        out += raw
        for _ in range(pending):
            out += b.take(24) + b.length()[1]  # id, when, how often
        consumers, raw = b.length()
        out += raw
        for _ in range(consumers):
            out += b.string()
            seen = b.take(8)
            out += seen + (struct.pack("<q", struct.unpack("<q", seen)[0] - 1234) if to == 21 else b"")
            own, raw = b.length()
            out += raw + b.take(16 * own)
    assert b.at == len(body), "not all was read"
    return out


def stream_file(streams, kind, version):
    """streams: {name: what DUMP said}."""
    out = b"REDIS%04d\xfe\x00" % version
    for name, dump in streams.items():
        assert dump[0] == 19 and len(name) < 64
        out += bytes([kind, len(name)]) + name + other_stream(dump[1:-10], kind)
    return out + b"\xff" + bytes(8)


def groups_of(c, key):
    """What XINFO says of groups and consumers, but for the time that has passed."""
    out = []
    for _, group in c.call("XINFO", "GROUPS", key)[1]:
        facts = dict(zip([w for _, w in group[::2]], group[1::2]))
        consumers = c.call("XINFO", "CONSUMERS", key, facts[b"name"][1])[1]
        out.append((facts, [x[:4] for _, x in consumers]))
    return out


@test("streams as 5.0 and 7.2 write them (types 15 and 21), with entries, groups and what is pending: as redis-server has it")
def _():
    with tempfile.TemporaryDirectory() as home, redis_server("--rdbcompression", "no", home=home) as redis:
        streams = {}
        for i, (name, commands) in enumerate([*values(), *large_values()]):
            if "stream" not in name:
                continue
            key = f"{i} {name}".encode()[:60]
            for command in commands:
                assert redis.call(command[0], *[key if w == "k" else w for w in command[1:]])[0] != "-"
            streams[key] = redis.call("DUMP", key)[1]
        assert len(streams) > 10
        for kind, version in ((15, 9), (21, 11)):
            with open(f"{home}/dump.rdb", "wb") as f:
                f.write(stream_file(streams, kind, version))
            with contextlib.ExitStack() as stack:
                server = stack.enter_context(Local(home, 2, ["--save", ""]))
                c = server.client()
                # 7.0 reads type 15, and knows nothing of 21: then with the stream that it was made of.
                other = stack.enter_context(redis_server(home=home)) if kind == 15 else redis
                assert c.call("DBSIZE") == other.call("DBSIZE")
                for key in streams:
                    assert content(c, key) == content(other, key), key
                    assert groups_of(c, key) == groups_of(other, key), key
                if kind == 21:  # seconds and a bit later than it was active
                    active = [dict(zip([w for _, w in x[::2]], [v for _, v in x[1::2]]))
                              for _, x in c.call("XINFO", "CONSUMERS", key, "g")[1]]
                    assert active and all(0 <= a[b"inactive"] - a[b"idle"] - 1234 <= 50 for a in active), active


main()
