"""Values of every type and form, and what they hold; and a redis-server to compare with."""
import contextlib
import os
import time

from oracle import Oracle

LIMITS = {"list-max-listpack-size": 6, "hash-max-listpack-entries": 6, "hash-max-listpack-value": 20,
          "set-max-intset-entries": 6, "zset-max-listpack-entries": 6, "zset-max-listpack-value": 20,
          "stream-node-max-entries": 6}


@contextlib.contextmanager
def redis_server(*options, home=None):
    """A client of a redis-server that has loaded; home: its directory, else one of its own."""
    place = ["--dir", home] if home else []
    with Oracle(["--appendonly", "no", *place, *options]) as oracle:
        c = oracle.client()
        while c.call("PING")[0] == "-":
            time.sleep(0.02)
        yield c


def values():
    """(name, commands that make it of the key), with counts around the limits."""
    texts = [b"", b"a", b"x" * 20, b"x" * 21, b"y" * 70, os.urandom(300), b"ab" * 9000, b"1", b"-129", b"70000", b"2147483648",
             b"9223372036854775807", b"01"]
    for i, text in enumerate(texts):
        yield f"string {i}", [("SET", "k", text)]
    yield "hyperloglog, sparse", [("PFADD", "k", *range(20))]
    yield "hyperloglog, dense", [("PFADD", "k", *range(i, i + 1000)) for i in range(0, 9000, 1000)]
    for n in (1, 5, 6, 7, 50):
        for what, make in (("integers", lambda i: i * 70001 - 3), ("texts", lambda i: f"m{i}"),
                           ("all kinds", lambda i: texts[i % len(texts)] + b"%d" % i)):
            members = [make(i) for i in range(n)]
            yield f"list of {n} {what}", [("RPUSH", "k", *members)]
            yield f"set of {n} {what}", [("SADD", "k", *members)]
            yield f"hash of {n} {what}", [("HSET", "k", *[x for m in members for x in (m, m)])]
            scores = [-1.5, 0, "inf", "-inf", 1e300, 3, 17179869184, 0.1]
            yield f"zset of {n} {what}", [("ZADD", "k", *[x for i, m in enumerate(members) for x in (scores[i % 8], m)])]
            yield f"stream of {n} {what}", (
                [("XADD", "k", f"{i + 1}-{i}", m, "v", *(["w", i] if i % 3 == 0 else [])) for i, m in enumerate(members)] +
                [("XDEL", "k", "2-1"), ("XGROUP", "CREATE", "k", "g", "0"), ("XGROUP", "CREATE", "k", "h", "$"),
                 ("XREADGROUP", "GROUP", "g", "c", "COUNT", "4", "STREAMS", "k", ">"),
                 ("XREADGROUP", "GROUP", "g", "d", "STREAMS", "k", ">"), ("XACK", "k", "g", "1-0")])


def content(c, key):
    """What the key holds, whatever it looks like in memory."""
    kind = c.call("TYPE", key)[1]
    count = c.call("PFCOUNT", key) if kind == b"string" else None  # which is kept in the value then
    if kind == b"stream":
        pending = c.call("XPENDING", key, "g", "-", "+", 1000)[1]
        return [c.call("XRANGE", key, "-", "+"), c.call("XINFO", "GROUPS", key), c.call("XLEN", key),
                c.call("XPENDING", key, "g"), [[p[1][i] for i in (0, 1, 3)] for p in pending]]
    words = {b"list": ("LRANGE", key, 0, -1), b"set": ("SMEMBERS", key), b"hash": ("HGETALL", key),
             b"zset": ("ZRANGE", key, 0, -1, "WITHSCORES")}.get(kind, ("GET", key))
    reply = c.call(*words)
    if kind == b"set":
        return sorted(reply[1])
    if kind == b"hash":
        return sorted(zip(reply[1][::2], reply[1][1::2]))
    if kind == b"zset":  # 7.2 writes scores shorter
        return [(name, float(score)) for (_, name), (_, score) in zip(reply[1][::2], reply[1][1::2])]
    return [reply, count]


def encoding(c, key):
    """Lists that 7.0 calls quicklists and sets that it calls hashtables may be listpacks here."""
    text = c.call("OBJECT", "ENCODING", key)[1]
    kind = c.call("TYPE", key)[1]
    return None if kind == b"list" or kind == b"set" and text in (b"listpack", b"hashtable") else text
