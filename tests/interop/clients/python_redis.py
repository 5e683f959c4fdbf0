#!/usr/bin/python3
"""The work that users of python3-redis do. Usage: python_redis.py HOST PORT PART...

Prints nothing and ends with 0 if every part found what it expected."""
import sys
import time

import redis


def pipelined(r, commands):
    """commands: (method, arguments...) each, as one pipeline; their replies."""
    pipe = r.pipeline(transaction=False)
    for name, *args in commands:
        getattr(pipe, name)(*args)
    return pipe.execute()


def fails(fn, *args, says):
    try:
        fn(*args)
    except redis.ResponseError as e:
        assert says in str(e), e
    else:
        raise AssertionError(f"no error {says}")


def sessions(r):
    people = [{b"user": b"u%d" % i, b"csrf": b"t" * (i % 50), b"visits": b"%d" % i} for i in range(200)]
    pipe = r.pipeline(transaction=False)
    for i, person in enumerate(people):
        pipe.hset(f"py:sess:{i}", mapping=person).expire(f"py:sess:{i}", 1800).setex(f"py:token:{i}", 60, i)
    assert pipe.execute() == [3, True, True] * 200
    assert pipelined(r, [("hgetall", f"py:sess:{i}") for i in range(200)]) == people
    assert r.mget([f"py:token:{i}" for i in range(-1, 200)]) == [None] + [b"%d" % i for i in range(200)]
    assert r.hincrby("py:sess:9", "visits", 3) == 12 and r.hget("py:sess:9", "visits") == b"12"
    assert 1790 < r.ttl("py:sess:9") <= 1800
    assert r.expire("py:sess:9", 20, lt=True) and not r.expire("py:sess:9", 30, lt=True)
    assert r.pexpire("py:sess:8", 30)
    deadline = time.monotonic() + 10
    while r.exists("py:sess:8"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert r.hgetall("py:sess:8") == {}
    assert r.delete(*[f"py:sess:{i}" for i in range(200)]) == 199
    fails(r.hget, "py:token:1", "f", says="WRONGTYPE")


def leaderboard(r):
    points = {b"p%04d" % i: float(i * 7919 % 400) for i in range(1200)}
    order = sorted(points.items(), key=lambda p: (p[1], p[0]))
    assert r.zadd("py:board", points) == 1200
    assert r.zrange("py:board", 0, -1, withscores=True) == order
    assert r.zrange("py:board", 0, 9, desc=True, withscores=True) == order[:-11:-1]
    assert r.zrange("py:board", 100, "(200", byscore=True, offset=5, num=10) == \
        [name for name, score in order if 100 <= score < 200][5:15]
    assert pipelined(r, [("zrank", "py:board", name) for name, _ in order[::40]]) == list(range(0, 1200, 40))
    assert r.zincrby("py:board", 0.5, b"p0007") == points[b"p0007"] + 0.5
    assert r.zadd("py:last", {"p0007": 1, "old": float("-inf")}) == 2
    assert r.zunionstore("py:all", {"py:board": 1, "py:last": 10}) == 1201
    assert r.zmscore("py:all", ["p0007", "old", "none"]) == [points[b"p0007"] + 10.5, float("-inf"), None]
    assert r.zpopmin("py:all") == [(b"old", float("-inf"))]
    assert r.zdiff(["py:last", "py:board"]) == [b"old"]
    assert r.zremrangebyscore("py:all", "(100", "inf") == 1200 - r.zcard("py:all")
    assert r.zlexcount("py:last", "-", "+") == 2


def list_queue(r):
    jobs = [b"job %d" % i for i in range(300)]
    assert r.lpush("py:queue", *jobs) == 300
    for job in jobs[:60]:
        assert r.lmove("py:queue", "py:work", "RIGHT", "LEFT") == job
        assert r.lrem("py:work", 1, job) == 1
    assert r.rpoplpush("py:queue", "py:work") == jobs[60] and r.llen("py:work") == 1
    assert r.rpop("py:queue", 40) == jobs[61:101] and r.lpop("py:queue", 2) == jobs[:-3:-1]
    assert r.lpop("py:none", 3) is None
    assert r.lrange("py:queue", 0, 1) == [jobs[297], jobs[296]]
    assert r.linsert("py:queue", "AFTER", jobs[297], "x") == 198 and r.lpos("py:queue", "x") == 1
    assert r.ltrim("py:queue", 0, 4) and r.llen("py:queue") == 5


def stream_queue(r):
    ids = pipelined(r, [("xadd", "py:jobs", {"n": i}) for i in range(100)])
    assert r.xgroup_create("py:jobs", "workers", 0)
    fails(r.xgroup_create, "py:jobs", "workers", 0, says="BUSYGROUP")
    (_, first), = r.xreadgroup("workers", "w1", {"py:jobs": ">"}, count=70)
    (_, second), = r.xreadgroup("workers", "w2", {"py:jobs": ">"})
    assert [*first, *second] == [(id, {b"n": b"%d" % i}) for i, id in enumerate(ids)]
    assert r.xreadgroup("workers", "w2", {"py:jobs": ">"}) == []
    assert r.xack("py:jobs", "workers", *ids[10:]) == 90
    assert r.xpending("py:jobs", "workers") == {
        "pending": 10, "min": ids[0], "max": ids[9], "consumers": [{"name": b"w1", "pending": 10}]}
    assert [p["times_delivered"] for p in r.xpending_range("py:jobs", "workers", "-", "+", 3)] == [1, 1, 1]
    following, taken = r.xautoclaim("py:jobs", "workers", "w2", 0, count=7)[:2]
    assert following == ids[7] and [id for id, _ in taken] == ids[:7]
    assert r.xclaim("py:jobs", "workers", "w2", 0, ids[7:10], justid=True) == ids[7:10]
    assert r.xack("py:jobs", "workers", *ids) == 10
    assert r.xinfo_groups("py:jobs")[0]["pending"] == 0 and r.xinfo_stream("py:jobs")["length"] == 100
    assert [id for id, _ in r.xrange("py:jobs", ids[5], "+", 3)] == ids[5:8]
    assert r.xdel("py:jobs", ids[0]) == 1 and r.xtrim("py:jobs", minid=ids[90], approximate=False) == 89
    assert r.xgroup_destroy("py:jobs", "workers") and r.xlen("py:jobs") == 10


def counters(r):
    assert pipelined(r, [("incr", "py:n")] * 500) == list(range(1, 501))
    pipelined(r, [("hincrby", "py:hits", f"page{i % 5}", i) for i in range(500)])
    assert r.hgetall("py:hits") == {b"page%d" % p: b"%d" % sum(range(p, 500, 5)) for p in range(5)}
    assert r.hincrbyfloat("py:hits", "load", 0.25) == 0.25 and r.incrbyfloat("py:float", 1.5) == 1.5
    pipelined(r, [("pfadd", f"py:seen:{i % 3}", *range(i * 50, i * 50 + 100)) for i in range(30)])
    assert abs(r.pfcount("py:seen:0", "py:seen:1", "py:seen:2") - 1550) < 60
    pipelined(r, [("setbit", f"py:day:{i % 2}", i // 2, 1) for i in range(400)] + [("setbit", "py:day:1", 0, 0)])
    assert r.bitop("AND", "py:both", "py:day:0", "py:day:1") == 25 and r.bitcount("py:both") == 199
    assert r.bitpos("py:both", 1) == 1


def geo(r):
    places = {"Palermo": (13.361389, 38.115556), "Catania": (15.087269, 37.502669), "Roma": (12.4964, 41.9028)}
    assert r.geoadd("py:geo", [x for name, (lon, lat) in places.items() for x in (lon, lat, name)]) == 3
    assert abs(r.geodist("py:geo", "Palermo", "Catania", "km") - 166.2742) < 0.0001
    near, = r.geosearch("py:geo", longitude=15, latitude=37, radius=100, unit="km", withdist=True, withcoord=True)
    assert near[0] == b"Catania" and abs(near[1] - 56.4413) < 0.0001 and abs(near[2][0] - 15.087269) < 0.00001
    assert r.geosearch("py:geo", member="Palermo", width=900, height=900, unit="km", sort="DESC") == \
        [b"Roma", b"Catania", b"Palermo"]
    assert r.geohash("py:geo", "Palermo") == ["sqc8b49rny0"] and r.geopos("py:geo", "none") == [None]


def tags(r):
    tagged = {n: {b"%d" % i for i in range(0, 600, n)} for n in (2, 3, 5)}
    for n, posts in tagged.items():
        assert r.sadd(f"py:tag:{n}", *posts) == len(posts)
    assert r.sinter("py:tag:2", "py:tag:3") == tagged[2] & tagged[3]
    assert r.sintercard(2, ["py:tag:2", "py:tag:3"]) == 100
    assert r.sunionstore("py:tag:any", "py:tag:2", "py:tag:3") == len(tagged[2] | tagged[3])
    assert r.sdiff("py:tag:5", "py:tag:any") == tagged[5] - tagged[2] - tagged[3]
    drawn = r.spop("py:tag:5", 50)
    assert set(drawn) <= tagged[5] and r.smembers("py:tag:5") == tagged[5] - set(drawn)
    assert r.smismember("py:tag:2", ["4", "5"]) == [1, 0] and len(r.srandmember("py:tag:2", -9)) == 9
    assert r.sort("py:tag:3", start=0, num=3, desc=True) == [b"597", b"594", b"591"]


def iterators(r):
    names = [b"py:scan:%d" % i for i in range(1000)]
    pipelined(r, [("set", n, 1) if i % 3 else ("rpush", n, 1) for i, n in enumerate(names)])
    assert set(r.scan_iter("py:scan:*", count=90)) == set(names)
    assert set(r.scan_iter("py:scan:*", _type="LIST")) == set(names[::3])
    for n in (15, 1000):  # compact, and a table
        scores = {name: float(i) for i, name in enumerate(names[:n])}
        texts = {name: b"%d" % i for i, name in enumerate(names[:n])}
        r.hset(f"py:h{n}", mapping=texts), r.sadd(f"py:s{n}", *texts), r.zadd(f"py:z{n}", scores)
        assert dict(r.hscan_iter(f"py:h{n}", count=40)) == texts
        assert set(r.sscan_iter(f"py:s{n}", count=40)) == set(texts)
        assert dict(r.zscan_iter(f"py:z{n}", count=40)) == scores


def binary(r):
    every = bytes(range(256))
    big = every * 400
    assert r.set(b"py:" + every, big) and r.get(b"py:" + every) == big
    r.hset("py:bin:hash", mapping={every: big, b"": b"", b"\r\n": every})
    r.rpush("py:bin:list", *[every[:i] for i in range(256)], big)
    r.sadd("py:bin:set", *[every[i:] for i in range(256)])
    r.zadd("py:bin:zset", {every[i:]: i for i in range(256)})
    pipelined(r, [("xadd", "py:bin:stream", {every[:i]: every[i:]}, f"{i + 1}-0") for i in range(256)])
    r.xgroup_create("py:bin:stream", "readers", "100")
    for key in (b"py:" + every, b"py:bin:hash", b"py:bin:list", b"py:bin:set", b"py:bin:zset", b"py:bin:stream"):
        payload, copy = r.dump(key), b"copy:" + key
        assert r.restore(copy, 60000, payload) and 0 < r.pttl(copy) <= 60000
        fails(r.restore, copy, 0, payload, says="BUSYKEY")
        fails(r.restore, copy, 0, payload[:-1] + bytes([payload[-1] ^ 1]), True, says="checksum")
        assert r.type(copy) == r.type(key) and r.object("encoding", copy) == r.object("encoding", key)
    assert r.hgetall("copy:py:bin:hash") == {every: big, b"": b"", b"\r\n": every}
    assert r.lrange("copy:py:bin:list", 0, -1) == [every[:i] for i in range(256)] + [big]
    assert r.smembers("copy:py:bin:set") == {every[i:] for i in range(256)}
    assert r.xrange("copy:py:bin:stream") == [(b"%d-0" % (i + 1), {every[:i]: every[i:]}) for i in range(256)]
    assert r.xinfo_groups("copy:py:bin:stream") == r.xinfo_groups("py:bin:stream")
    assert r.zrange("copy:py:bin:zset", 0, -1) == r.zrange("py:bin:zset", 0, -1)
    assert r.copy("py:bin:hash", "py:else") and r.hstrlen("py:else", every) == len(big)


def main():
    host, port, *wanted = sys.argv[1:]
    parts = {fn.__name__: fn for fn in (sessions, leaderboard, list_queue, stream_queue, counters, geo, tags, iterators,
                                        binary)}
    for part in wanted:
        r = redis.Redis(host, int(port), socket_timeout=10)
        parts[part](r)
        r.close()


main()
