#!/usr/bin/python3
"""Scripts and functions on a running server, with one worker and with four: which shards they hold, what those who wait
are told, how they are ended, and that nothing comes between the commands of one."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for
from oracle import Oracle
from resp import Closed

BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
BUSY_FUNCTION = BUSY.replace("SCRIPT KILL", "FUNCTION KILL")
OPTIONS = ["--idle", "adaptive"]


def background(lab, *words):
    """A command whose reply comes later: call the result for it."""
    out = []
    conn = lab.client(timeout=60)

    def run():
        try:
            out.append(conn.call(*words))
        except (Closed, OSError) as e:  # the server may end meanwhile
            out.append(e)
    thread = threading.Thread(target=run)
    thread.start()

    def reply():
        thread.join(60)
        assert not thread.is_alive(), words
        return out[0]
    return reply


def error_of(reply):
    assert reply[0] == "-", reply
    return reply[1].decode()


LISTED = """#!lua name=listed
redis.register_function{function_name='one', callback=function(k, a) return a end, description='says what it is told',
                        flags={'no-writes', 'allow-oom', 'allow-stale', 'no-cluster', 'allow-cross-slot-keys'}}
redis.register_function('two', function() return redis.status_reply('2') end)"""
FLAGGED = "#!lua flags=no-writes,allow-oom,allow-stale,no-cluster,allow-cross-slot-keys\n"


def unordered(reply):
    """FUNCTION LIST without the order of libraries, functions and flags."""
    if reply[0] == "%":
        reply = ("*", reply[1])
    if not isinstance(reply[1], list):
        return reply
    return reply[0], sorted(map(unordered, reply[1]), key=repr)


def lists_as(ours, theirs):
    """The same libraries, functions, descriptions, flags and texts, in RESP2 and RESP3, whatever is asked for."""
    for proto in 2, 3:
        for c in ours, theirs:
            c.call("HELLO", proto)
        for words in ((), ("WITHCODE",), ("LIBRARYNAME", "li*"), ("LIBRARYNAME", "[ab]", "WITHCODE"),
                      ("withcode", "libraryname", "*"), ("LIBRARYNAME", "LISTED"), ("LIBRARYNAME", "none"),
                      ("LIBRARYNAME",), ("WITHCODE", "WITHCODE"), ("LIBRARYNAME", "a", "LIBRARYNAME", "b"), ("x",)):
            mine, other = (c.call("FUNCTION", "LIST", *words) for c in (ours, theirs))
            assert unordered(mine) == unordered(other), (proto, words, mine, other)
    assert b"allow-cross-slot-keys" in repr(ours.call("FUNCTION", "LIST")).encode()
    for c in ours, theirs:
        c.call("HELLO", 2)


def keys_of_shards(lab, workers):
    """A key on each shard: scripts with declared leases tell which share one."""
    c = lab.client()
    groups = []
    for i in range(200):
        key = f"k{i}"
        for group in groups:
            if c.call("EVAL", "return redis.call('exists', ARGV[1])", 1, group[0], key)[0] != "-":
                group.append(key)
                break
        else:
            groups.append([key])
        if len(groups) == workers:
            break
    assert len(groups) == workers, groups
    return [group[0] for group in groups]


@test("a command that waits for a script as well as for another shard keeps nobody waiting there without a word")
def _():
    with Lab("tap", 4, [*OPTIONS, "--busy-reply-threshold", "1000"]) as lab:
        c, waits = lab.client(timeout=30), lab.client(timeout=30)
        c.call("CONFIG", "SET", "script-lease", "declared")
        keys = keys_of_shards(lab, 4)
        running = background(lab, "EVAL", "while true do end", 1, keys[0])
        wait_for(lambda: c.call("FUNCTION", "STATS")[1][1][0] == "*", what="the script")
        waits.send([("MSET", keys[0], 1, keys[-1], 2)])
        wait_for(lambda: c.call("GET", keys[-1])[0] == "-", what="BUSY")
        assert error_of(c.call("GET", keys[-1])) == BUSY
        assert c.call("SCRIPT", "KILL") == ("+", b"OK")
        running()
        assert waits.read() == ("+", b"OK")
        wait_for(lambda: c.call("GET", keys[-1]) == ("$", b"2"), what="everybody to be served again")


@test("a script that holds no shard, and a transaction that waits for it: who wants those shards is told BUSY")
def _():
    with Lab("tap", 4, [*OPTIONS, "--busy-reply-threshold", "200"]) as lab:
        c, waits = lab.client(timeout=30), lab.client(timeout=30)
        c.call("CONFIG", "SET", "script-lease", "declared")
        running = background(lab, "EVAL", "while true do end", 0)
        wait_for(lambda: c.call("FUNCTION", "STATS")[1][1][0] == "*", what="the script")
        assert c.call("GET", "k") == ("$", None)
        waits.send([("MULTI",), ("EVAL", "return 1", 0), ("EXEC",)])
        wait_for(lambda: c.call("GET", "k")[0] == "-", what="BUSY")
        assert error_of(c.call("GET", "k")) == BUSY
        assert c.call("SCRIPT", "KILL") == ("+", b"OK")
        running()
        assert [waits.read() for _ in range(3)][2] == ("*", [(":", 1)])
        wait_for(lambda: c.call("GET", "k") == ("$", None), what="everybody to be served again")


for workers in (1, 4):
    @test(f"a script that holds one shard stops nobody else; who waits for it is told, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, [*OPTIONS, "--busy-reply-threshold", "200"]) as lab:
            c = lab.client(timeout=30)
            c.call("CONFIG", "SET", "script-lease", "declared")
            keys = keys_of_shards(lab, workers)
            running = background(lab, "EVAL", "while true do end", 1, keys[0])
            wait_for(lambda: c.call("GET", keys[0])[0] == "-", what="BUSY")
            assert error_of(c.call("GET", keys[0])) == BUSY
            assert error_of(c.call("EVAL", "return 1", 0)) == BUSY
            for key in keys[1:]:
                assert c.call("SET", key, 1) == ("+", b"OK")
            if workers > 1:
                assert c.call("PING") == ("+", b"PONG")
                assert error_of(c.call("MGET", *keys)) == BUSY
            else:
                assert error_of(c.call("PING")) == error_of(c.call("WATCH", "k")) == BUSY  # as in Redis: it holds all
                assert error_of(c.call("EXEC")) == "EXECABORT Transaction discarded because of: " + BUSY
            others = [lab.client(timeout=30) for _ in range(8)]  # on several workers
            assert all(error_of(o.call("GET", keys[0])) == BUSY for o in others)
            assert error_of(c.call("FUNCTION", "KILL")) == BUSY
            assert c.call("SCRIPT", "KILL") == ("+", b"OK")
            assert "Script killed by user with SCRIPT KILL" in error_of(running())
            assert c.call("GET", keys[0]) == ("$", None) or c.call("GET", keys[0])[0] in "$_"
            assert error_of(c.call("SCRIPT", "KILL")) == "NOTBUSY No scripts in execution right now."

    @test(f"a function that runs is shown and killed; a script that has written is not, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, [*OPTIONS, "--busy-reply-threshold", "100"]) as lab:
            c = lab.client(timeout=30)
            spin = "#!lua name=l\nredis.register_function('spin', function() while true do end end)"
            assert c.call("FUNCTION", "LOAD", spin)[0] == "$"
            running = background(lab, "FCALL", "spin", 1, "k", "a")
            wait_for(lambda: c.call("GET", "k")[0] == "-", what="BUSY")
            assert error_of(c.call("GET", "k")) == BUSY_FUNCTION
            stats = str(c.call("FUNCTION", "STATS"))
            assert "spin" in stats and "duration_ms" in stats and "FCALL" in stats, stats
            assert error_of(c.call("SCRIPT", "KILL")) == BUSY_FUNCTION
            assert c.call("FUNCTION", "KILL") == ("+", b"OK")
            assert "Script killed" in error_of(running())
            running = background(lab, "EVAL",
                                 "redis.call('set', KEYS[1], 1) for i = 1, 3e8 do end return 'done'", 1, "k")
            wait_for(lambda: c.call("GET", "k")[0] == "-", what="BUSY")
            assert error_of(c.call("SCRIPT", "KILL")).startswith("UNKILLABLE")
            assert running() == ("$", b"done")
            c.call("CONFIG", "SET", "script-max-time", "150ms")
            assert "longer than script-max-time" in error_of(c.call("EVAL", "while true do end", 1, "k"))

    @test(f"a killed or stopped server does not wait for a script, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, OPTIONS) as lab:
            background(lab, "EVAL", "redis.call('set', KEYS[1], 1) while true do end", 1, "k")
            time.sleep(0.3)
            started = time.monotonic()
            lab.exec_server_side("redis-cli", "-p", "6380", "SHUTDOWN", "NOSAVE", check=False)
            wait_for(lambda: os.path.exists(f"/run/redpoll-lab/{lab.name}/exit"), 20, "the end")
            assert time.monotonic() - started < 15
            with open(f"/run/redpoll-lab/{lab.name}/exit") as f:
                assert f.read().strip() == "0"

    @test(f"what a script leases: KEYS, or all once known to use others; the error names the key, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, OPTIONS) as lab:
            c = lab.client()
            keys = [f"key{i}" for i in range(40)]
            touch = "for i = 1, 40 do redis.call('incr', KEYS[1] .. i) end return redis.call('dbsize')"
            for _ in range(3):  # unknown, and then known to build its keys
                assert c.call("EVAL", touch, 1, "key") == (":", 40)
            assert c.call("EVAL", "return redis.call('dbsize')", 0) == (":", 40)
            late = "if ARGV[1] == 'far' then for i = 1, 40 do redis.call('get', 'key' .. i) end end return ARGV[1]"
            for where in ("near", "near", "far", "far"):  # starts again when it turns out to reach farther
                assert c.call("EVAL", late, 1, "key1", where) == ("$", where.encode())
            c.call("CONFIG", "SET", "script-lease", "declared")
            reply = c.call("EVAL", "for i, k in ipairs(ARGV) do redis.call('get', k) end return 1", 1, "key1", *keys)
            if workers == 1:
                assert reply == (":", 1)
            else:
                text = error_of(reply)
                assert "Script reached for key 'key" in text and "name it among KEYS" in text, text
            c.call("CONFIG", "SET", "script-lease", "all")
            far = "for i, k in ipairs(ARGV) do redis.call('get', k) end return 1"
            assert c.call("EVAL", far, 1, "key1", *keys) == (":", 1)

    @test(f"pipelined scripts, commands and SCRIPT LOAD keep their order, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, OPTIONS) as lab:
            c = lab.client()
            load = c.call("SCRIPT", "LOAD", "return redis.call('incr', KEYS[1])")[1]
            words = []
            for i in range(300):
                words += [("EVALSHA", load, 1, "n"), ("INCR", "n"), ("SET", f"other{i}", i), ("PING", str(i)),
                          ("EVAL", "return redis.call('get', KEYS[1])", 1, f"other{i}")]
            replies = c.pipeline(words)
            for i in range(300):
                assert replies[5 * i:5 * i + 5] == [(":", 2 * i + 1), (":", 2 * i + 2), ("+", b"OK"),
                                                    ("$", str(i).encode()), ("$", str(i).encode())], i
            replies = c.pipeline([("SCRIPT", "FLUSH"), ("EVALSHA", load, 1, "n"),
                                  ("SCRIPT", "LOAD", "return redis.call('incr', KEYS[1])"), ("EVALSHA", load, 1, "n")])
            assert replies[0] == ("+", b"OK") and replies[1][0] == "-" and replies[3] == (":", 601), replies

    @test(f"a bank kept by scripts never loses a cent, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, OPTIONS) as lab:
            accounts, each = 24, 100
            c = lab.client(timeout=60)
            c.call("MSET", *[w for i in range(accounts) for w in (f"account{i}", each)])
            move = """if tonumber(redis.call('get', KEYS[1])) < tonumber(ARGV[1]) then return 0 end
                      redis.call('decrby', KEYS[1], ARGV[1]) redis.call('incrby', KEYS[2], ARGV[1]) return 1"""
            stop, failures = threading.Event(), []

            def mover(seed):
                conn = lab.client(timeout=60)
                n = seed
                for _ in range(400):
                    n = (n * 1103515245 + 12345) & 0x7fffffff
                    a, b = n % accounts, n // 64 % accounts
                    if a != b:
                        reply = conn.call("EVAL", move, 2, f"account{a}", f"account{b}", n % 30)
                        if reply[0] != ":":
                            failures.append(reply)

            def auditor():
                conn = lab.client(timeout=60)
                while not stop.is_set():
                    for reply in (conn.call("MGET", *[f"account{i}" for i in range(accounts)]),
                                  conn.call("EVAL_RO", "return redis.call('mget', unpack(KEYS))", accounts,
                                            *[f"account{i}" for i in range(accounts)])):
                        total = sum(int(v[1]) for v in reply[1])
                        if total != accounts * each:
                            failures.append(total)

            movers = [threading.Thread(target=mover, args=(i + 1,)) for i in range(6)]
            audit = threading.Thread(target=auditor)
            for t in (*movers, audit):
                t.start()
            for t in movers:
                t.join()
            stop.set()
            audit.join()
            assert not failures, failures[:3]

    @test(f"FUNCTION DUMP goes to a redis-server and back, which lists the same; INFO counts, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, OPTIONS) as lab, Oracle() as oracle:
            c, redis = lab.client(), oracle.client()
            for name in "ab":
                c.call("FUNCTION", "LOAD",
                       f"#!lua name={name}\nredis.register_function('f{name}', function(k, a) return a end)")
            dump = c.call("FUNCTION", "DUMP")[1]
            assert c.call("FUNCTION", "FLUSH") == ("+", b"OK")
            assert c.call("FUNCTION", "RESTORE", dump) == ("+", b"OK")
            assert error_of(c.call("FUNCTION", "RESTORE", dump)) == "ERR Library a already exists"
            assert c.call("FUNCTION", "RESTORE", dump, "REPLACE") == ("+", b"OK")
            assert c.call("FUNCTION", "RESTORE", dump, "FLUSH") == ("+", b"OK")
            assert "checksum" in error_of(c.call("FUNCTION", "RESTORE", dump[:-1] + bytes([dump[-1] ^ 1])))
            assert c.call("FCALL", "fb", 0, "x") == ("*", [("$", b"x")])
            assert redis.call("FUNCTION", "RESTORE", dump) == ("+", b"OK")
            assert redis.call("FCALL", "fb", 0, "x") == ("*", [("$", b"x")])
            assert redis.call("FUNCTION", "LOAD", LISTED) == c.call("FUNCTION", "LOAD", LISTED) == ("$", b"listed")
            lists_as(c, redis)
            assert c.call("FUNCTION", "FLUSH") == ("+", b"OK")
            assert c.call("FUNCTION", "RESTORE", redis.call("FUNCTION", "DUMP")[1]) == ("+", b"OK")
            assert c.call("FCALL_RO", "one", 0, "x") == ("*", [("$", b"x")])
            lists_as(c, redis)
            assert c.call("FUNCTION", "DELETE", "listed") == ("+", b"OK")
            c.call("EVAL", "return 1", 0)
            info = c.call("INFO", "memory")[1].decode()
            for line in ("number_of_cached_scripts:1", "number_of_functions:2", "number_of_libraries:2"):
                assert line in info, info
            assert "cmdstat_fcall:calls=1" in c.call("INFO", "commandstats")[1].decode()
            text = FLAGGED + "return {redis.call('get', KEYS[1]), redis.call('get', KEYS[2]), ARGV[1]}"
            for server in c, redis:
                server.call("MSET", "ro1", "a", "ro2", "b")
                sha = server.call("SCRIPT", "LOAD", text)[1]
                for words in ("EVALSHA", sha), ("EVALSHA_RO", sha), ("EVALSHA_RO", sha.upper()), ("EVAL_RO", text):
                    assert server.call(*words, 2, "ro1", "ro2", "x") == ("*", [("$", b"a"), ("$", b"b"), ("$", b"x")]), words
                bad = server.call("EVAL", "#!lua flags=allow-stale,no-such\nreturn 1", 0)
                assert bad == ("-", b"ERR Unexpected flag in script shebang: no-such"), bad
                writes = server.call("SCRIPT", "LOAD", "return redis.call('set', KEYS[1], 1)")[1]
                assert server.call("EVALSHA_RO", writes, 1, "ro1")[1].startswith(b"ERR Write commands are not allowed")
            assert c.call("SCRIPT", "SHOW", sha) == ("$", text.encode())
            assert c.call("SCRIPT", "SHOW", sha.upper()) == ("$", text.encode())
            assert error_of(c.call("SCRIPT", "SHOW", "0" * 40)).startswith("NOSCRIPT")
            c.call("SCRIPT", "FLUSH")
            assert error_of(c.call("SCRIPT", "SHOW", sha)).startswith("NOSCRIPT")
            assert error_of(c.call("EVALSHA_RO", sha, 0)).startswith("NOSCRIPT")

    @test(f"functions are in snapshots, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, OPTIONS) as lab:
            c = lab.client()
            c.call("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 'kept' end)")
            assert c.call("DEBUG", "RELOAD") == ("+", b"OK")
            assert c.call("FCALL", "f", 0) == ("$", b"kept")
            assert c.call("FUNCTION", "DELETE", "l") == ("+", b"OK")
            assert c.call("DEBUG", "RELOAD") == ("+", b"OK")
            assert c.call("FCALL", "f", 0)[0] == "-"

    @test(f"a script publishes, asks for INFO and is refused what its user may not do, {workers} workers")
    def _(workers=workers):
        with Lab("tap", workers, OPTIONS) as lab:
            c, sub = lab.client(), lab.client()
            sub.call("SUBSCRIBE", "news")
            assert c.call("EVAL", "return redis.call('publish', 'news', 'hello')", 0) == (":", 1)
            assert c.call("EVAL", "return #redis.call('info', 'server') > 10", 0) == (":", 1)
            assert c.call("ACL", "SETUSER", "half", "on", "nopass", "~a*", "+@all", "-set")[0] == "+"
            h = lab.client()
            assert h.call("AUTH", "half", "x") == ("+", b"OK")
            assert "ACL failure in script" in error_of(h.call("EVAL", "return redis.call('set', KEYS[1], 1)", 1, "a1"))
            assert "ACL failure in script" in error_of(h.call("EVAL", "return redis.call('get', 'b1')", 1, "a1"))
            assert h.call("EVAL", "return redis.call('incr', KEYS[1])", 1, "a1") == (":", 1)
            may = "return {redis.acl_check_cmd('set', 'a', '1'), redis.acl_check_cmd('get', 'a')}"
            assert h.call("EVAL", may, 0) == ("*", [("$", None), (":", 1)])
            assert error_of(h.call("EVAL", "return 1", 1, "b1")).startswith("NOPERM")

main()
