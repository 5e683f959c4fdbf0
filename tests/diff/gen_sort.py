"""SORT of sets, sorted sets and lists (which SORT itself makes), with patterns over several shards. No number is out of a
double's range: Redis does not forget errno from one command to the next."""
import gen

OPTIONS = "?(LIMIT slim slim) ?({ASC|DESC})"
GETS = "*(GET gpattern)"

TEMPLATES = [
    (8, "SADD okey onum onum *(onum)"),
    (3, "SADD okey oword *(oword)"),
    (5, "ZADD okey onum oword onum onum 1 zlong"),
    (3, "DEL okey"),
    (8, "SET weight_key onum"),
    (3, "SET weight_key oword"),
    (2, "DEL weight_key"),
    (4, "HSET weight_key f onum"),
    (12, f"{{SORT|SORT_RO}} {{okey|lkey}} {OPTIONS} {GETS}"),
    (10, f"{{SORT|SORT_RO}} {{okey|lkey}} ALPHA {OPTIONS} {GETS}"),
    (10, f"{{SORT|SORT_RO}} {{okey|lkey}} BY wpattern {OPTIONS} {GETS}"),
    (6, "SORT okey BY wpattern ALPHA ?({ASC|DESC})", "sorted"),
    (4, "SORT okey BY nosort ?({ASC|DESC}) GET #", "sorted"),
    (6, f"SORT lkey BY nosort {OPTIONS} {GETS}"),
    (8, f"SORT okey {OPTIONS} {GETS} STORE lkey"),
    (8, f"SORT okey ALPHA {OPTIONS} {GETS} STORE {{lkey|okey}}"),
    (6, f"SORT okey BY wpattern {OPTIONS} {GETS} STORE lkey"),
    (3, f"SORT okey BY nosort {GETS} STORE lkey"),
    (2, "COMMAND GETKEYS SORT okey ?(LIMIT slim slim) ?(BY wpattern) GET gpattern ?(STORE lkey)"),
    (1, "COMMAND GETKEYSANDFLAGS SORT okey ?(BY wpattern) ?(STORE lkey)"),
    (1, "SORT okey {LIMIT 1|LIMIT x 1|BY|GET|STORE|foo}"),
    (1, "SORT_RO okey STORE lkey"),
]


def okey(self):
    return self.rng.choice(["o1", "o2", "{o}3", "w_1", "nothing"])


def zlong(self):
    """SORT gives a sorted set in Redis the encoding of large ones: here they have it already."""
    return "z" * 65


def lkey(self):
    return self.rng.choice(["l1", "l2", "{o}4"])


def onum(self):
    r = self.rng.random()
    if r < 0.8:
        return self.rng.randint(-9, 9)
    return self.rng.choice(["1.5", "-2.25", "1e2", "0x10", " 7", "", "inf", "-inf", 2**63 - 1, "00"])


def oword(self):
    return self.rng.choice(["a", "b", "ab", "1", "2", "x y", b"\xff", "a" * 70])


def weight_key(self):
    return self.rng.choice(["w_", "{o}w_"]) + str(self.rng.randint(-9, 9))


def wpattern(self):
    return self.rng.choice(["w_*", "w_*", "w_*", "{o}w_*", "*", "nothing_*", "w_*->f", "w_*->"])


def gpattern(self):
    return self.rng.choice(["#", "w_*", "{o}w_*", "w_1", "*", "w_*->f", "*->"])


def slim(self):
    return self.rng.choice([0, 1, 2, 3, 5, 100, -1, -5, 2**63 - 1 if self.rng.random() < 0.1 else 4])


for word in (okey, lkey, zlong, onum, oword, weight_key, wpattern, gpattern, slim):
    setattr(gen.Gen, word.__name__, word)
