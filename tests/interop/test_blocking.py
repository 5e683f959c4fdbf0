#!/usr/bin/python3
"""Commands that wait, from real clients: python3-redis and sockets of our own, on one worker and on several."""
import os
import re
import resource
import socket
import sys
import threading
import time

import redis

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for
from resp import Closed, encode


def info(client, section, field):
    return int(re.search(rb"%s[:=](\d+)" % field.encode(), client.call("INFO", section)[1])[1])


def blocked(client, n):
    wait_for(lambda: info(client, "clients", "blocked_clients") == n, what=f"{n} blocked clients")


def ends(client):
    try:
        client.read()
        return False
    except (Closed, ConnectionResetError):
        return True


for workers in (1, 4):
    @test(f"python3-redis: a work queue with its processing lists, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            jobs, done, lock = 300, [], threading.Lock()

            def worker(n):
                r = redis.Redis(lab.host, lab.port, decode_responses=True)
                while True:
                    job = r.blmove("queue", f"processing:{n}", 5, "LEFT", "RIGHT")
                    assert job is not None, "no job within 5 s"
                    if job == "end":
                        return
                    with lock:
                        done.append(int(job))
                    assert r.lrem(f"processing:{n}", 1, job) == 1

            threads = [threading.Thread(target=worker, args=(n,)) for n in range(8)]
            for t in threads:
                t.start()
            r = redis.Redis(lab.host, lab.port)
            for n in range(jobs):
                r.rpush("queue", n)
            for _ in threads:
                r.rpush("queue", "end")
            for t in threads:
                t.join(20)
                assert not t.is_alive()
            assert sorted(done) == list(range(jobs))
            assert r.llen("queue") == 0

    @test(f"python3-redis: pops, sorted sets and streams wait as long as they were told, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            r = redis.Redis(lab.host, lab.port, decode_responses=True)
            for wait in (lambda: r.blpop(["a", "b", "c"], 0.2), lambda: r.bzpopmin(["a", "b"], 0.2),
                         lambda: r.xread({"s": "$"}, block=200), lambda: r.blmove("a", "b", 0.2),
                         lambda: r.blmpop(0.2, 2, "a", "b", direction="LEFT")):
                began = time.monotonic()
                assert not wait()
                assert 0.2 <= time.monotonic() - began
            later = threading.Timer(0.1, lambda: redis.Redis(lab.host, lab.port).zadd("b", {"m": 2}))
            later.start()
            assert r.bzpopmax(["a", "b"], 5) == ("b", "m", 2.0)
            assert r.wait(1, 50) == 0

    @test(f"a consumer group shares a stream out among those who wait, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            r, seen, lock = redis.Redis(lab.host, lab.port), [], threading.Lock()
            r.xgroup_create("s", "g", "$", mkstream=True)

            def consumer(n):
                c = redis.Redis(lab.host, lab.port)
                while True:
                    reply = c.xreadgroup("g", f"c{n}", {"s": ">"}, count=1, block=5000)
                    assert reply, "nothing within 5 s"
                    (key, fields), = reply[0][1]
                    if b"end" in fields:
                        return
                    with lock:
                        seen.append(int(fields[b"n"]))
                    c.xack("s", "g", key)

            threads = [threading.Thread(target=consumer, args=(n,)) for n in range(6)]
            for t in threads:
                t.start()
            for n in range(300):
                r.xadd("s", {"n": n})
            for _ in threads:
                r.xadd("s", {"end": 1})
            for t in threads:
                t.join(20)
                assert not t.is_alive()
            assert sorted(seen) == list(range(300))

    @test(f"CLIENT UNBLOCK, KILL, LIST and PAUSE of clients that wait, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            c, w = lab.client(), lab.client()
            for how, reply in (((), ("*", None)), (("TIMEOUT",), ("*", None)),
                               (("ERROR",), ("-", b"UNBLOCKED client unblocked via CLIENT UNBLOCK"))):
                ident = w.call("CLIENT", "ID")[1]
                w.send([("BLPOP", "a", "b", "c", 0), ("PING",)])
                blocked(c, 1)
                line, = [x for x in c.call("CLIENT", "LIST")[1].splitlines() if x.startswith(b"id=%d " % ident)]
                assert b" flags=b " in line and b" cmd=blpop " in line, line
                assert c.call("CLIENT", "UNBLOCK", ident, *how) == (":", 1)
                assert w.read() == reply
                assert w.read() == ("+", b"PONG")
                assert c.call("CLIENT", "UNBLOCK", ident, *how) == (":", 0)
            w.send([("BLMOVE", "a", "b", "LEFT", "LEFT", 0)])
            blocked(c, 1)
            assert c.call("CLIENT", "KILL", "ID", ident) == (":", 1)
            blocked(c, 0)
            assert ends(w), "a killed client reads on"
            ours = c.call("CLIENT", "INFO")[1].split(b" laddr=")[1].split()[0]
            for how in ("LADDR",), ("ADDR",), ():  # and the old form
                w, other = lab.client(), lab.client()
                other.call("PING")
                w.send([("BRPOP", "a", 0)])
                blocked(c, 1)
                wait_for(lambda: len(c.call("CLIENT", "LIST")[1].splitlines()) == 3, what="those of before are gone")
                mine = "%s:%d" % w.sock.getsockname()
                if how == ("LADDR",):  # that of all of them, but for who says so
                    assert c.call("CLIENT", "KILL", "LADDR", ours, "TYPE", "pubsub") == (":", 0)
                    assert c.call("CLIENT", "KILL", "LADDR", ours) == (":", 2)
                    assert ends(other)
                elif how:
                    assert c.call("CLIENT", "KILL", "ADDR", mine, "TYPE", "pubsub") == (":", 0)
                    assert c.call("CLIENT", "KILL", "ADDR", mine, "LADDR", ours) == (":", 1)
                else:
                    assert c.call("CLIENT", "KILL", mine) == ("+", b"OK")
                    assert c.call("CLIENT", "KILL", mine) == ("-", b"ERR No such client")
                assert ends(w)
                blocked(c, 0)
                if how != ("LADDR",):
                    assert other.call("PING") == ("+", b"PONG")
                other.close()
            w = lab.client()
            w.send([("BRPOP", "a", 0)])
            blocked(c, 1)
            began = time.monotonic()
            assert c.call("CLIENT", "PAUSE", 300, "WRITE") == ("+", b"OK")
            assert c.call("RPUSH", "a", "x") == (":", 1)
            assert time.monotonic() - began > 0.29
            assert w.read() == ("*", [("$", b"a"), ("$", b"x")])

    @test(f"clients that leave while they wait take nothing with them, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            c = lab.client()
            for way in range(3):
                waiting = [lab.client() for _ in range(20)]
                for i, w in enumerate(waiting):
                    w.send([("BLMOVE", "q", "dest", "LEFT", "LEFT", 0) if i % 2 else ("BLPOP", "q", "p", "r", 0)])
                blocked(c, 20)
                for w in waiting:
                    if way == 0:
                        w.sock.shutdown(socket.SHUT_WR)
                    elif way == 1:
                        w.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                        w.close()
                    else:
                        w.close()
                blocked(c, 0)
                assert c.call("RPUSH", "q", "x") == (":", 1)
                assert c.call("DEL", "q", "dest") == (":", 1)

    @test(f"a script's pushes are served when it has ended, and nothing waits inside it, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            c, w = lab.client(), lab.client()
            w.send([("BLPOP", "{k}a", 0)])
            blocked(c, 1)
            script = ("redis.call('RPUSH', KEYS[1], 'gone') redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'x')"
                      "return {redis.call('LLEN', KEYS[1]), redis.call('BLPOP', KEYS[2], 0)}")
            assert c.call("EVAL", script, 2, "{k}a", "{k}b") == ("*", [(":", 1), ("$", None)])
            assert w.read() == ("*", [("$", b"{k}a"), ("$", b"x")])

    @test(f"what a script, RESTORE or a transaction brings wakes every kind of waiter, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            c, w = lab.client(), lab.client()
            c.call("XGROUP", "CREATE", "{k}g", "g", "$", "MKSTREAM")
            entry = ("*", [("*", [("$", b"1-1"), ("*", [("$", b"f"), ("$", b"v")])])])
            moved, scored = ("$", b"v"), ("*", [("$", b"{k}z"), ("$", b"v"), ("$", b"1")])
            popped = ("*", [("$", b"{k}l"), ("$", b"v")])
            kinds = (
                ("BLMOVE {k}l dest LEFT RIGHT 0", "RPUSH {k}l v", moved),  # dest: on another shard
                ("BLMOVE {k}l {k}dest LEFT RIGHT 0", "RPUSH {k}l v", moved),
                ("BLPOP other {k}l 0", "RPUSH {k}l v", popped),
                ("BLMPOP 0 2 other {k}l LEFT", "RPUSH {k}l v", ("*", [("$", b"{k}l"), ("*", [("$", b"v")])])),
                ("BZPOPMIN {k}z 0", "ZADD {k}z 1 v", scored),
                ("XREAD BLOCK 0 STREAMS {k}x $", "XADD {k}x 1-1 f v", ("*", [("*", [("$", b"{k}x"), entry])])),
                ("XREADGROUP GROUP g me BLOCK 0 STREAMS {k}g >", "XADD {k}g 1-1 f v",
                 ("*", [("*", [("$", b"{k}g"), entry])])))
            call = "redis.call(unpack(ARGV))"
            by_function = f"#!lua name=w\nredis.register_function('bring', function(KEYS, ARGV) {call} end)"
            c.call("FUNCTION", "LOAD", by_function)
            for wait, bring, reply in kinds:
                key, words = bring.split()[1], bring.split()
                ways = [[("EVAL", call, 1, key, *words)], [("FCALL", "bring", 1, key, *words)],
                        [("MULTI",), ("EVAL", call, 1, key, *words), ("EXEC",)]]
                if "GROUP" not in wait:  # whoever waits for a group waits for a key that is there
                    c.call(*words)
                    ways.append([("RESTORE", key, 0, c.call("DUMP", key)[1])])
                    ways.append([("EVAL", "redis.call('restore', KEYS[1], 0, ARGV[1])", 1, key, ways[-1][0][3])])
                for way in ways:
                    if "GROUP" in wait:
                        c.call("XGROUP", "DESTROY", key, "g")
                    c.call("DEL", key, "dest", "{k}dest")
                    if "GROUP" in wait:
                        c.call("XGROUP", "CREATE", key, "g", "$", "MKSTREAM")
                    w.send([wait.split()])
                    blocked(c, 1)
                    for answer in c.pipeline(way):
                        assert answer[0] != "-", (wait, way, answer)
                    assert w.read() == reply, (wait, way)
                    blocked(c, 0)

    @test(f"10,000 clients that wait cost an idle worker nothing: it sleeps, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers, ["--maxclients", "11000", "--idle", "adaptive"]) as lab:
            c, sockets = lab.client(), []
            address = (lab.host, lab.port)
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))

            def counts():
                """Of each worker: iterations that did not end in sleep, microseconds of sleep, and commands."""
                lines = re.findall(rb"^worker\d+:(.*)\r$", c.call("INFO", "dataplane")[1], re.M)
                fields = [{k: int(v) for k, v in (f.split(b"=") for f in line.split(b","))} for line in lines]
                return [(f[b"iterations"] - f[b"sleeps"], f[b"slept_us"], f[b"commands"]) for f in fields]

            def calm():
                """Who polls goes round a million times in a second; who sleeps, some dozen times behind each packet or
                timer. Right after so many have come there are timers."""
                before, began = counts(), time.monotonic()
                time.sleep(1)
                second = [[x - y for x, y in zip(a, b)] for a, b in zip(counts(), before)]
                took = time.monotonic() - began
                print(f"# iterations without sleep, sleep in us, commands: {second} in {took:.2f} s")
                assert len(second) == workers and sum(commands for _, _, commands in second) < 10
                return all(awake < 60000 and slept > took * 500000 for awake, slept, _ in second)

            bufs, bytes_before = info(c, "dataplane", "mbufs_in_use"), info(c, "memory", "used_memory")
            request = encode(("BLPOP", "some", "where", 0)), encode(("XREAD", "BLOCK", "3600000", "STREAMS", "s", "$"))
            for i in range(10000):
                s = socket.create_connection(address, 20)
                s.sendall(request[i % 2])
                sockets.append(s)
            blocked(c, 10000)
            assert info(c, "clients", "clients_in_timeout_table") == 5000
            wait_for(calm, 20, what="the workers sleep")
            pinned = info(c, "dataplane", "mbufs_in_use") - bufs
            assert pinned < 1000, f"{pinned} packet buffers are held by those who wait"
            each = (info(c, "memory", "used_memory") - bytes_before) / 10000
            assert each < 800, f"{each:.0f} bytes for each that waits"
            print(f"# bytes for each that waits: {each:.0f}")
            assert c.call("XADD", "s", "1-1", "f", "v") == ("$", b"1-1")
            blocked(c, 5000)
            for i, s in enumerate(sockets):
                if i % 2:
                    assert s.recv(100) == b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
            for s in sockets:
                s.close()
            blocked(c, 0)

main()
