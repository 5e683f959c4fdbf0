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
            try:
                w.read()
                assert False, "a killed client reads on"
            except (Closed, ConnectionResetError):
                pass
            w = lab.client()
            w.send([("BRPOP", "a", 0)])
            blocked(c, 1)
            assert c.call("CLIENT", "PAUSE", 300, "WRITE") == ("+", b"OK")
            began = time.monotonic()
            assert c.call("RPUSH", "a", "x") == (":", 1)
            assert time.monotonic() - began > 0.2
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

    @test(f"10,000 clients that wait cost an idle worker nothing, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers, ["--maxclients", "11000"]) as lab:
            c, sockets = lab.client(), []
            address = (lab.host, lab.port)
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))

            def per_iteration():
                """Cycles of an iteration that finds nothing, and how many iterations did find something."""
                time.sleep(0.2)
                before = [info(c, "dataplane", f) for f in ("iterations", "empty_poll_cycles")]
                time.sleep(1)
                after = [info(c, "dataplane", f) for f in ("iterations", "empty_poll_cycles")]
                return (after[1] - before[1]) / (after[0] - before[0])

            idle, bufs = min(per_iteration() for _ in range(3)), info(c, "dataplane", "mbufs_in_use")
            request = encode(("BLPOP", "some", "where", 0)), encode(("XREAD", "BLOCK", "3600000", "STREAMS", "s", "$"))
            for i in range(10000):
                s = socket.create_connection(address, 20)
                s.sendall(request[i % 2])
                sockets.append(s)
            blocked(c, 10000)
            assert info(c, "clients", "clients_in_timeout_table") == 5000
            waiting = min(per_iteration() for _ in range(3))
            pinned = info(c, "dataplane", "mbufs_in_use") - bufs
            assert pinned < 1000, f"{pinned} packet buffers are held by those who wait"
            print(f"# an iteration without work: {idle:.0f} cycles alone, {waiting:.0f} beside 10000 who wait")
            began = time.monotonic()
            assert c.call("XADD", "s", "1-1", "f", "v") == ("$", b"1-1")
            blocked(c, 5000)
            print(f"# one entry to 5000 readers: {time.monotonic() - began:.3f} s")
            for i, s in enumerate(sockets):
                if i % 2:
                    assert s.recv(100) == b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"
            for s in sockets:
                s.close()
            blocked(c, 0)

main()
