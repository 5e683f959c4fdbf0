#!/usr/bin/python3
"""The clients that people use, over each device, with one worker and with four."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import ROOT, Lab, main, run, test


def redis_cli(lab):
    def cli(*words, **kwargs):
        return run("redis-cli", "-h", lab.host, "-p", str(lab.port), *words, **kwargs).strip()

    assert cli("PING") == "PONG"
    assert cli("SET", "cli", "a b") == "OK"
    assert cli("GET", "cli") == "a b"
    assert cli("-3", "GET", "cli") == "a b"
    assert cli("-n", "3", "DBSIZE") == "0"
    assert "cli" in cli("--scan").split()
    assert "unknown command" in cli("NOSUCH")
    assert "redis_version" in cli("INFO", "server")
    with tempfile.TemporaryFile("w+") as requests:
        requests.write("".join(f"SET pipe:{i} {i}\r\n" for i in range(2000)))
        requests.seek(0)
        assert re.search(r"errors: 0, replies: 2000", cli("--pipe", stdin=requests))
    assert cli("GET", "pipe:1999") == "1999"


def python_redis(lab):
    import redis
    r = redis.Redis(lab.host, lab.port, socket_timeout=10)
    assert r.ping()
    assert r.set("py", b"\x00\xff", ex=100) and r.get("py") == b"\x00\xff"
    assert 0 < r.ttl("py") <= 100
    assert r.mset({f"py:{i}": i for i in range(100)})
    assert r.mget([f"py:{i}" for i in range(100)]) == [str(i).encode() for i in range(100)]
    assert set(r.scan_iter("py:*")) == {f"py:{i}".encode() for i in range(100)}
    pipe = r.pipeline(transaction=False)
    for i in range(1000):
        pipe.incrby("py:n", i)
    assert pipe.execute()[-1] == sum(range(1000))
    assert "maxclients" in r.config_get("maxcl*")
    assert r.client_setname("me") and r.client_getname() == "me"
    r.close()


def hiredis(lab):
    with tempfile.TemporaryDirectory() as directory:
        binary = f"{directory}/hiredis_client"
        run("cc", "-O1", "-Wall", "-o", binary, f"{ROOT}/tests/interop/hiredis_client.c", "-lhiredis")
        run(binary, lab.host, str(lab.port))


def benchmark(lab, depth, requests):
    out = run("redis-benchmark", "-h", lab.host, "-p", str(lab.port), "-n", str(requests), "-P", str(depth), "-c", "20",
              "-t", "ping_mbulk,set,get,incr,mset", "-r", "1000", "--csv", "-d", "32")
    rates = dict(re.findall(r'^"([A-Z_]+)[^"]*","([\d.]+)"', out, re.M))
    assert {"SET", "GET", "INCR", "MSET"} <= set(rates), out
    assert "rror" not in out, out


for device in ("tap", "af_packet", "af_xdp"):
    for workers in (1, 4):
        @test(f"clients over {device}, {workers} workers: redis-cli, hiredis, python3-redis, redis-benchmark -P 1 16 64")
        def _(device=device, workers=workers):
            with Lab(device, workers) as lab:
                redis_cli(lab)
                hiredis(lab)
                python_redis(lab)
                scale = 1 if workers < os.cpu_count() else 8  # they take turns, and sleep between
                for depth, requests in ((1, 2000), (16, 20000), (64, 40000)):
                    benchmark(lab, depth, requests // scale)

main()
