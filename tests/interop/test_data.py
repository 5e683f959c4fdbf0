#!/usr/bin/python3
"""Data as the users of the common clients handle it, with one worker and with four: sessions, leaderboards, queues of
lists and of streams with consumer groups, counters, places, tags, iterators, binary values.

The programs lie in tests/interop/clients, each in its client's language; each asserts its results itself. The clients
of Node.js are installed into the build directory, at the versions of package-lock.json. package.json takes an old
version of msgpackr-extract, which nobody needs or gets: the lock file of a later one has a package for each platform.
"""
import functools
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import BUILD, ROOT, Lab, Skip, main, run, test

CLIENTS = f"{ROOT}/tests/interop/clients"
INSTALLED = f"{BUILD}/tests/interop/clients"
PARTS = "sessions leaderboard list_queue stream_queue counters geo tags iterators binary".split()
# Redis 7 has no fields that expire: these are left out when the tests themselves are tested with it.
ONLY_OURS = [] if os.environ.get("LAB_SERVER") == "redis" else ["field_times"]
NO_NETWORK = r"npm (?:ERR!|error) code E(?:NOTFOUND|AI_AGAIN|CONN\w*|TIMEDOUT|SOCKETTIMEDOUT|(?:HOST|NET)UNREACH)\b"


def read(path):
    with open(path, "rb") as f:
        return f.read()


@functools.cache
def install_node_clients():
    """Leaves those of the lock file in the build directory; or says why it cannot."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"there is no {program} here"
    lock, done = f"{CLIENTS}/package-lock.json", f"{INSTALLED}/installed.json"
    if os.path.exists(done) and read(done) == read(lock):
        return None
    os.makedirs(INSTALLED, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(f"{CLIENTS}/{name}", f"{INSTALLED}/{name}")
    npm = run("npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--prefer-offline",
              "--fetch-retries=1", "--fetch-timeout=20000", cwd=INSTALLED, timeout=120, check=False)
    if npm.returncode and re.search(NO_NETWORK, npm.stdout):
        return "npm reaches no registry to install the clients from"
    assert npm.returncode == 0, npm.stdout[:3000]
    shutil.copyfile(lock, done)
    return None


def node(lab, program, *parts, **env):
    env = {**os.environ, "NODE_PATH": f"{INSTALLED}/node_modules", **env}
    out = run("node", f"{CLIENTS}/{program}", lab.host, str(lab.port), *parts, env=env)
    assert not out, out


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
