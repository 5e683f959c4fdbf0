#!/usr/bin/python3
"""Data as the users of the common clients handle it, with one worker and with four: sessions, leaderboards, queues of
lists and of streams with consumer groups, counters, places, tags, iterators, binary values.

The programs lie in tests/interop/clients, each in its client's language; each asserts its results itself.
"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import ROOT, Lab, Skip, main, run, test
from nodeclients import CLIENTS, install_node_clients, node

PARTS = "sessions leaderboard list_queue stream_queue counters geo tags iterators binary".split()
# Redis 7 has no fields that expire: these are left out when the tests themselves are tested with it.
ONLY_OURS = [] if os.environ.get("LAB_SERVER") == "redis" else ["field_times"]
def ioredis(lab):
    node(lab, "ioredis.js", *PARTS, "auto_pipelining", *ONLY_OURS)


def node_redis(lab):
    for proto in "23":
        node(lab, "node_redis.js", *PARTS, "types", *ONLY_OURS, RESP=proto)
        assert lab.client().call("FLUSHALL") == ("+", b"OK")


def bullmq(lab):
    node(lab, "bullmq.js", "settings", "jobs", "events")


def python_redis(lab):
    run("/usr/bin/python3", f"{CLIENTS}/python_redis.py", lab.host, str(lab.port), *PARTS)


def hiredis(lab):
    with tempfile.TemporaryDirectory() as directory:
        binary = f"{directory}/hiredis_data"
        run("cc", "-O1", "-Wall", "-o", binary, f"{CLIENTS}/hiredis_data.c", "-lhiredis")
        run(binary, lab.host, str(lab.port))


for workers in (1, 4):
    for name, program in (("hiredis", hiredis), ("python3-redis", python_redis), ("ioredis", ioredis),
                          ("node-redis with RESP2 and RESP3", node_redis), ("BullMQ without scripts", bullmq)):
        @test(f"data through {name}, {workers} workers")
        def _(program=program, workers=workers):
            missing = program in (ioredis, node_redis, bullmq) and install_node_clients()
            if missing:
                raise Skip(missing)
            with Lab("af_packet", workers) as lab:
                program(lab)

main()
