#!/usr/bin/python3
"""A server that is asked to stop while a script runs: what has written comes to its end, or leaves nothing on disk. And a
script that is begun anew with all shards: nobody hears of its first run."""
import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import main, test, wait_for
from local import Local

# Writes one key, goes round ARGV[1] times (for a script the clock stands still), writes the other.
SLOW = """redis.call('set', KEYS[1], 'half')
for i = 1, tonumber(ARGV[1]) do end
redis.call('set', KEYS[2], 'whole') return 'done'"""
EVER = 1e15
AOF = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]


def rounds(server, seconds):
    """So many rounds take so long at least, here and now: the quickest of some short runs counts."""
    c, best = server.client(timeout=30), 10.0
    for _ in range(8):
        begin = time.monotonic()
        c.call("EVAL", "for i = 1, 1000000 do end", 0)
        best = min(best, time.monotonic() - begin)
    return int(1000000 * seconds / best)


def wait_running(server):
    c = server.client(timeout=30)
    wait_for(lambda: c.call("FUNCTION", "STATS")[1][1][1] is not None, what="the script runs")
    c.close()


def begin_slow(server, n):
    """The script has written and goes on."""
    c = server.client(timeout=30)
    c.send([("EVAL", SLOW, 2, "{s}a", "{s}b", n)])
    wait_running(server)
    return c


def stop_soon(server, within):
    begin = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    status = server.process.wait(timeout=60)
    took = time.monotonic() - begin
    server.process = None
    assert status == 0, status
    assert took < within, f"{took:.1f} s\n{server.log_text()}"


def found(server, *keys):
    """What the next server finds on the disk."""
    server.kill()
    server.start()
    c = server.client()
    values = [c.call("GET", k)[1] for k in keys]
    server.stop()
    return values


def whole_script_is_kept(options):
    with tempfile.TemporaryDirectory() as home, Local(home, 2, options + ["--shutdown-timeout", "60"]) as server:
        begin_slow(server, rounds(server, 0.3))
        stop_soon(server, 50)
        values = found(server, "{s}a", "{s}b")
        assert values == [b"half", b"whole"], (values, server.log_text())


@test("SIGTERM lets a script that has written come to its end: both halves are in the append-only file")
def _():
    whole_script_is_kept(AOF)


@test("one that does not end within shutdown-timeout leaves nothing, nor does its transaction; the log says so")
def _():
    with tempfile.TemporaryDirectory() as home, Local(home, 2, AOF + ["--shutdown-timeout", "1"]) as server:
        a = server.client(timeout=30)
        assert a.call("SET", "kept", "1") == ("+", b"OK")
        a.send([("MULTI",), ("SET", "{s}first", "1"), ("EVAL", SLOW, 2, "{s}a", "{s}b", EVER), ("EXEC",)])
        wait_running(server)
        stop_soon(server, 8)
        assert "ended halfway after it had written" in server.log_text(), server.log_text()
        assert found(server, "kept", "{s}first", "{s}a", "{s}b") == [b"1", None, None, None]


@test("a script that has written nothing does not delay SIGTERM")
def _():
    with tempfile.TemporaryDirectory() as home, Local(home, 1, AOF) as server:
        c = server.client(timeout=30)
        c.send([("EVAL", "while true do end", 0)])
        wait_running(server)
        stop_soon(server, 6)
        assert "halfway" not in server.log_text()


@test("SHUTDOWN is refused while others are told BUSY, SHUTDOWN NOSAVE ends the script at once: nothing of it is left")
def _():
    # In memory: the end syncs the append-only file, and a disk that others write to takes seconds for that.
    home_dir = tempfile.TemporaryDirectory(dir="/dev/shm")
    with home_dir as home, Local(home, 2, AOF + ["--busy-reply-threshold", "100"]) as server:
        begin_slow(server, EVER)
        c = server.client(timeout=30)
        reply = c.call("GET", "{s}a")  # waits until the others are told
        assert reply[1].startswith(b"BUSY"), reply
        for words in ("SHUTDOWN",), ("SHUTDOWN", "SAVE"):
            reply = c.call(*words)
            assert reply[0] == "-" and reply[1].startswith(b"BUSY"), reply
        begin = time.monotonic()
        c.send([("SHUTDOWN", "NOSAVE")])
        assert server.process.wait(timeout=30) == 0
        assert time.monotonic() - begin < 3, server.log_text()
        server.process = None
        assert "ended halfway after it had written" in server.log_text(), server.log_text()
        assert found(server, "{s}a", "{s}b") == [None, None]


@test("SIGTERM with save points: the snapshot has the whole script")
def _():
    whole_script_is_kept(["--save", "3600 1"])


@test("SIGTERM with save points and a script that does not end: the server says so and goes on; SHUTDOWN NOSAVE ends it")
def _():
    with tempfile.TemporaryDirectory() as home:
        with Local(home, 2, ["--save", "3600 1", "--shutdown-timeout", "1", "--busy-reply-threshold", "100"]) as server:
            begin_slow(server, EVER)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(2)
            assert server.process.poll() is None
            assert "cannot be saved by halves" in server.log_text(), server.log_text()
            c = server.client(timeout=30)
            assert c.call("PING") == ("+", b"PONG")
            c.send([("SHUTDOWN", "NOSAVE")])
            assert server.process.wait(timeout=30) == 0
            server.process = None
            assert not os.path.exists(f"{home}/dump.rdb")


READS = "local r = redis.pcall('get', ARGV[1]) redis.call('publish', 'heard', r and r.err or 'fine') return r"
SAYS = "redis.call('publish', 'heard', 'once') return redis.pcall('get', ARGV[1])"


@test("a script is begun anew without a trace, and not at all once it has published")
def _():
    with tempfile.TemporaryDirectory() as home, Local(home, 4) as server:
        listener, c = server.client(), server.client()
        listener.call("SUBSCRIBE", "heard")
        refused = 0
        for i in range(8):
            c.call("SET", f"far{i}", i)
            for script in f"{READS} -- {i}", f"{SAYS} -- {i}":
                c.call("EVAL", script, 1, "k", "k")  # it uses what it names: from now on it gets no more
                reply = c.call("EVAL", script, 1, "k", f"far{i}")
                if reply[0] == "-":
                    assert script.startswith(SAYS) and b"far%d" % i in reply[1], reply
                    refused += 1
                else:
                    assert reply == ("$", b"%d" % i), reply
        assert 0 < refused <= 8, refused
        c.call("PUBLISH", "heard", "end")
        heard = []
        while not heard or heard[-1] != b"end":
            heard.append(listener.read()[1][2][1])
        assert heard == [b"fine", b"fine", b"once", b"once"] * 8 + [b"end"], heard


main()
