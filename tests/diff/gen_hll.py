"""HyperLogLogs: the strings that hold them are compared byte by byte."""
import gen

SETTINGS = {"hll-sparse-max-bytes": 300}

TEMPLATES = [
    (20, "PFADD key *(hllelement)"),
    (20, "PFADD key +(hllelement) +(hllelement) +(hllelement) +(hllelement)"),
    (10, "PFCOUNT key"),
    (6, "PFCOUNT key +(key)"),
    (6, "PFMERGE key *(key)"),
    (2, "PFDEBUG {ENCODING|DECODE|TODENSE|GETREG|NONE} key"),
    (3, "GET key"),
    (2, "STRLEN key"),
    (1, "COPY key key REPLACE"),
    (1, "SET key value"),
    (1, "DEL key"),
]


def hllelement(self):
    return f"e{self.rng.randrange(10 ** self.rng.randrange(1, 7))}"


def many_elements(self):
    first = self.rng.randrange(10 ** 6)
    return [gen.Command(["PFADD", self.key()] + [f"e{first + i}" for i in range(self.rng.randrange(2000))])]


SCRIPTS = [(4, many_elements)]

for word in (hllelement,):
    setattr(gen.Gen, word.__name__, word)
