#!/usr/bin/python3
"""Commands over several shards happen at once or not at all, whoever looks."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, together

SECONDS = 3
KEYS = [f"key:{i}" for i in range(16)]


for device in ("af_packet", "tap"):
    @test(f"MSET and MGET over 4 shards from several clients, {device}")
    def _(device=device):
        with Lab(device, 4) as lab:
            looks = [0]
            lab.client().call("MSET", *[w for k in KEYS for w in (k, "start")])

            def writer(name):
                def run(more):
                    c, n = lab.client(), 0
                    while more():
                        n += 1
                        order = KEYS[n % len(KEYS):] + KEYS[:n % len(KEYS)]
                        assert c.call("MSET", *[w for k in order for w in (k, f"{name}{n}")]) == ("+", b"OK")
                return run

            def reader(more):
                c = lab.client()
                while more():
                    for reply in c.pipeline([("MGET", *KEYS)] * 5):
                        values = {v[1] for v in reply[1]}
                        assert len(values) == 1, f"half done: {values}"
                        looks[0] += 1

            together(SECONDS, writer("a"), writer("b"), reader, reader)
            assert looks[0] > 100, f"only {looks[0]} looks"


@test("RENAME over shards: the key has always exactly one of its names")
def _():
    with Lab("af_packet", 4) as lab:
        pairs = [(f"from:{i}", f"to:{i}") for i in range(8)]
        for a, _b in pairs:
            lab.client().call("SET", a, "v")

        def renamer(pairs):
            def run(more):
                c = lab.client()
                while more():
                    for a, b in pairs:
                        assert c.pipeline([("RENAME", a, b), ("RENAME", b, a)]) == [("+", b"OK")] * 2
            return run

        def reader(more):
            c = lab.client()
            while more():
                for reply in c.pipeline([("EXISTS", a, b) for a, b in pairs]):
                    assert reply == (":", 1), f"EXISTS of both names: {reply}"

        together(SECONDS, renamer(pairs[:4]), renamer(pairs[4:]), reader, reader)


@test("MSETNX over shards: of several clients exactly one wins")
def _():
    with Lab("af_packet", 4) as lab:
        clients = [lab.client() for _ in range(4)]
        for n in range(200):
            for i, c in enumerate(clients):
                order = KEYS[i:] + KEYS[:i]
                c.send([("MSETNX", *[w for k in order for w in (k, f"{n}:{i}")])])
            wins = [c.read()[1] for c in clients]
            assert sum(wins) == 1, wins
            values = {v[1] for v in clients[0].call("MGET", *KEYS)[1]}
            assert values == {f"{n}:{wins.index(1)}".encode()}, values
            assert clients[1].call("DEL", *KEYS) == (":", len(KEYS))


@test("FLUSHALL and DBSIZE over shards: all keys or none")
def _():
    with Lab("af_packet", 4) as lab:
        pairs = [w for k in KEYS for w in (k, "v")]

        def writer(more):
            c = lab.client()
            while more():
                c.pipeline([("MSET", *pairs), ("FLUSHALL",)])

        def reader(more):
            c = lab.client()
            while more():
                for reply in c.pipeline([("EXISTS", *KEYS)] * 5):
                    assert reply[1] in (0, len(KEYS)), reply

        together(SECONDS, writer, reader, reader)


@test("replies of one connection stay in the order of its requests, own shard or not")
def _():
    with Lab("af_packet", 4) as lab:
        def run(name):
            def requests(more):
                c, n = lab.client(), 0
                while more():
                    n += 1
                    commands, expected = [], []
                    for i in range(50):
                        commands += [("SET", f"{name}:{i}", f"{n}:{i}"), ("GET", f"{name}:{i}"), ("ECHO", i)]
                        expected += [("+", b"OK"), ("$", f"{n}:{i}".encode()), ("$", str(i).encode())]
                    commands.append(("MGET", *[f"{name}:{i}" for i in range(50)]))
                    expected.append(("*", [("$", f"{n}:{i}".encode()) for i in range(50)]))
                    assert c.pipeline(commands) == expected
            return requests

        together(SECONDS, run("a"), run("b"), run("c"))

main()
