#!/usr/bin/python3
"""Libraries whose work is done by Lua scripts, with one worker and with four: redlock, rate-limiter-flexible,
connect-redis, the adapter of Socket.IO, bee-queue, and all that BullMQ does, also while its workers are killed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, Skip, main, test
from nodeclients import install_node_clients, node

PROGRAMS = {"script_users.js": "redlock rateLimiter sessionStore socketRooms beeQueue beeQueueCrash".split(),
            "bullmq_jobs.js": "plain delayed prioritised repeated limited families crashes orphans".split()}

for workers in (1, 4):
    for program, parts in PROGRAMS.items():
        @test(f"{program[:-3]}: {', '.join(parts)}, {workers} workers")
        def _(program=program, parts=parts, workers=workers):
            missing = install_node_clients()
            if missing:
                raise Skip(missing)
            with Lab("tap", workers, ["--idle", "adaptive"]) as lab:
                for part in parts:
                    node(lab, program, part)
                    assert lab.client().call("FLUSHALL") == ("+", b"OK")

main()
