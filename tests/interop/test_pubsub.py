#!/usr/bin/python3
"""Pub/Sub over the network: python3-redis and plain sockets, with one worker and with four."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for

import redis


def next_message(p):
    m = p.get_message(timeout=10)
    assert m is not None
    return m


def python_redis(lab):
    r = redis.Redis(lab.host, lab.port, socket_timeout=20)
    subs = [r.pubsub() for _ in range(8)]
    for p in subs:
        p.subscribe("a", "b", "c", "d")
        p.psubscribe("a*")
        for n in range(5):
            m = next_message(p)
            assert m["type"] in ("subscribe", "psubscribe") and m["data"] == n + 1, m
    assert sorted(r.pubsub_channels()) == [b"a", b"b", b"c", b"d"]
    assert r.pubsub_channels("[ab]") == [b"a", b"b"]
    assert r.pubsub_numsub("a", "nobody") == [(b"a", 8), (b"nobody", 0)]
    assert r.pubsub_numpat() == 1
    info = r.info()
    assert (info["pubsub_channels"], info["pubsub_patterns"]) == (4, 1), info
    for channel, receivers in (("a", 16), ("b", 8), ("abc", 8), ("x", 0)):
        assert r.publish(channel, "to " + channel) == receivers
    for p in subs:
        got = [next_message(p) for _ in range(4)]
        assert sorted((m["type"], m["channel"], m["data"]) for m in got) == [
            ("message", b"a", b"to a"), ("message", b"b", b"to b"), ("pmessage", b"a", b"to a"),
            ("pmessage", b"abc", b"to abc")], got
    lines = r.client_list(_type="pubsub")
    assert len(lines) == 8 and all((c["sub"], c["psub"], c["flags"]) == ("4", "1", "P") for c in lines), lines
    subs[0].unsubscribe("a")
    assert next_message(subs[0])["type"] == "unsubscribe"
    assert r.publish("a", "x") == 15
    for p in subs:
        p.close()
    wait_for(lambda: r.pubsub_numpat() == 0 and r.pubsub_channels() == [], what="nobody listens any more")
    r.close()


def shard_channels(lab):
    c, p = lab.client(timeout=10), lab.client(timeout=10)
    assert c.call("SSUBSCRIBE", "s") == ("*", [("$", b"ssubscribe"), ("$", b"s"), (":", 1)])
    assert p.call("PUBSUB", "SHARDCHANNELS") == ("*", [("$", b"s")])
    assert p.call("PUBSUB", "SHARDNUMSUB", "s", "t") == ("*", [("$", b"s"), (":", 1), ("$", b"t"), (":", 0)])
    assert (p.call("PUBLISH", "s", "no"), p.call("SPUBLISH", "s", "m")) == ((":", 0), (":", 1))
    assert c.read() == ("*", [("$", b"smessage"), ("$", b"s"), ("$", b"m")])
    p.close()
    c.close()


def all_arrive_in_order(lab, messages, subscribers, publishers):
    """Each publisher counts upwards on a channel of its own; who listens to all sees each count without a gap."""
    r = redis.Redis(lab.host, lab.port, socket_timeout=60)
    ready, told, wrong = threading.Barrier(subscribers + publishers), [0] * publishers, []

    def hear():
        p = r.pubsub(ignore_subscribe_messages=False)
        p.subscribe(*(f"ch:{i}" for i in range(publishers)))
        for _ in range(publishers):
            assert next_message(p)["type"] == "subscribe"
        ready.wait()
        seen = {f"ch:{i}".encode(): 0 for i in range(publishers)}
        while any(n < messages for n in seen.values()):
            m = p.get_message(timeout=30)
            if m is None or int(m["data"].split(b" ")[0]) != seen[m["channel"]]:
                wrong.append((m, dict(seen)))
                break
            seen[m["channel"]] += 1
        p.close()

    def speak(i):
        ready.wait()
        pipe = r.pipeline(transaction=False)
        for n in range(messages):
            pipe.publish(f"ch:{i}", f"{n} " + "x" * (n % 300) + ("y" * 20000 if n % 97 == 0 else ""))
            if n % 50 == 49:
                told[i] += sum(pipe.execute())
        told[i] += sum(pipe.execute())

    threads = [threading.Thread(target=hear) for _ in range(subscribers)]
    threads += [threading.Thread(target=speak, args=(i,)) for i in range(publishers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not wrong, wrong[0]
    assert told == [messages * subscribers] * publishers, told
    r.close()


def slow_subscriber_is_cut(lab):
    r = redis.Redis(lab.host, lab.port, socket_timeout=20)
    r.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
    slow, quick = lab.client(timeout=10), r.pubsub()
    slow.send([("SUBSCRIBE", "big")])
    wait_for(lambda: r.pubsub_numsub("big") == [(b"big", 1)], what="subscribed")
    quick.subscribe("big")
    assert next_message(quick)["type"] == "subscribe"
    sent = 0
    while r.pubsub_numsub("big") != [(b"big", 1)]:
        assert sent < 4000, "the slow subscriber is still there"
        r.publish("big", "x" * 10000)
        assert len(next_message(quick)["data"]) == 10000
        sent += 1
    assert sent > 90
    slow.close()
    quick.close()
    r.config_set("client-output-buffer-limit", "pubsub 32mb 8mb 60")
    r.close()


for workers in (1, 4):
    @test(f"python3-redis subscribes, publishes and asks, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            python_redis(lab)
            shard_channels(lab)

    @test(f"every message arrives once and in its publisher's order, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            all_arrive_in_order(lab, messages=1000, subscribers=6, publishers=3)

    @test(f"a subscriber that does not read is cut at its limit, the others stay, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            slow_subscriber_is_cut(lab)

main()
