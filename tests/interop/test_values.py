#!/usr/bin/python3
"""Large values, compared byte for byte."""
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test

MIB = 1 << 20
SIZE = 100 * MIB


def both_ways(device, workers):
    with Lab(device, workers, ["--maxmemory", "1gb"]) as lab:
        c = lab.client(timeout=60)
        value = os.urandom(SIZE)
        assert c.call("SET", "large", value) == ("+", b"OK")
        assert c.call("STRLEN", "large") == (":", SIZE)
        assert c.call("GET", "large") == ("$", value)
        other = lab.client(timeout=60)
        assert other.call("GETRANGE", "large", SIZE - 1000, -1) == ("$", value[-1000:])
        assert other.call("COPY", "large", "copy") == (":", 1)
        assert other.call("DEL", "large") == (":", 1)
        assert c.call("GET", "copy") == ("$", value)


for device, workers in (("tap", 1), ("af_packet", 1), ("af_packet", 4), ("af_xdp", 1)):
    @test(f"100 MiB there and back over {device}, {workers} workers")
    def _(device=device, workers=workers):
        both_ways(device, workers)


@test("values of every size around segments, buffers and encodings")
def _():
    with Lab("af_packet", 2) as lab:
        c = lab.client()
        sizes = sorted({max(0, base + d) for base in (0, 20, 44, 1448, 1460, 2048, 4096, 16384, 32768, 65535, 131072)
                        for d in range(-3, 4)})
        values = [os.urandom(n) for n in sizes]
        assert c.pipeline([("SET", f"v:{i}", v) for i, v in enumerate(values)]) == [("+", b"OK")] * len(sizes)
        assert c.pipeline([("GET", f"v:{i}") for i in range(len(sizes))]) == [("$", v) for v in values]
        assert c.call("MGET", *[f"v:{i}" for i in range(len(sizes))]) == ("*", [("$", v) for v in values])


@test("a value that is being overwritten is read whole, old or new")
def _():
    with Lab("af_packet", 2) as lab:
        wrong = []
        lab.client().call("SET", "k", b"a" * (2 * MIB))

        def write():
            c = lab.client()
            for i in range(60):
                c.call("SET", "k", bytes([97 + i % 26]) * (2 * MIB))

        writer = threading.Thread(target=write)
        writer.start()
        c = lab.client()
        while writer.is_alive():
            value = c.call("GET", "k")[1]
            if len(value) != 2 * MIB or value.count(value[:1]) != len(value):
                wrong.append(value[:10])
        writer.join()
        assert not wrong

main()
