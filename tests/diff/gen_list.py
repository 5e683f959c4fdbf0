"""Lists: few keys, elements that repeat, sizes around the limits of the compact form."""
import gen

SETTINGS = {"list-max-listpack-size": 6}

TEMPLATES = [
    (14, "{LPUSH|RPUSH} key +(element) ?(element)"),
    (5, "{LPUSH|RPUSH} key +(element) +(element) +(element) +(element) +(element)"),
    (4, "{LPUSHX|RPUSHX} key +(element)"),
    (10, "{LPOP|RPOP} key"),
    (5, "{LPOP|RPOP} key lcount"),
    (3, "LLEN key"),
    (5, "LINDEX key lindex"),
    (6, "LSET key lindex element"),
    (6, "LINSERT key {BEFORE|AFTER} element element"),
    (6, "LRANGE key lindex lindex"),
    (4, "LTRIM key lindex lindex"),
    (5, "LREM key lindex element"),
    (6, "LPOS key element ?(RANK lindex) ?(COUNT lcount) ?(MAXLEN lcount)"),
    (10, "LMOVE key key {LEFT|RIGHT} {LEFT|RIGHT}"),
    (3, "RPOPLPUSH key key"),
    (5, "LMPOP {1|2|3|0} key ?(key) ?(key) {LEFT|RIGHT} ?(COUNT lcount)"),
    (1, "SET key value"),
    (1, "DEL key"),
    (1, "RENAME key key"),
    (1, "COPY key key REPLACE"),
    (1, "EXPIRE key 1000"),
]


def element(self):
    r = self.rng.random()
    if r < 0.6:
        return self.rng.choice(["a", "b", "c", "1", "2", "-3", "10000", "x" * 20])
    return self.value()


def lindex(self):
    r = self.rng.random()
    return self.rng.randint(-8, 8) if r < 0.95 else self.rng.choice([2**31, -(2**31), 2**63 - 1, -(2**63), 100])


def lcount(self):
    return self.rng.choice([0, 1, 1, 2, 3, 5, 10, 100, -1])


for word in (element, lindex, lcount):
    setattr(gen.Gen, word.__name__, word)
