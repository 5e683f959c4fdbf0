"""Hashes, but for the TTLs of fields, which redis-server 7.0 does not know. What HRANDFIELD chooses is compared where
there is no choice, else only how much it is."""
import gen
from gen import Command

SETTINGS = {"hash-max-listpack-entries": 8, "hash-max-listpack-value": 20}

TEMPLATES = [
    (20, "HSET hkey hfield hvalue"),
    (12, "HSET hkey hfield hvalue hfield hvalue *(hfield hvalue)"),
    (4, "HSET hkey hfield hvalue hfield"),
    (6, "HMSET hkey hfield hvalue *(hfield hvalue)"),
    (8, "HSETNX hkey hfield hvalue"),
    (12, "HGET hkey hfield"),
    (8, "HMGET hkey hfield *(hfield)"),
    (8, "HGETALL hkey", "sorted_map"),
    (4, "{HKEYS|HVALS} hkey", "sorted"),
    (5, "HLEN hkey"),
    (5, "HSTRLEN hkey hfield"),
    (5, "HEXISTS hkey hfield"),
    (10, "HDEL hkey hfield *(hfield)"),
    (8, "HINCRBY hkey hfield int"),
    (8, "HINCRBYFLOAT hkey hfield float"),
    (4, "HSET hkey hfield {int|float}"),
    (2, "DEL hkey"),
    (2, "SET hkey 1"),
    (2, "EXPIRE hkey secs"),
    (3, "RENAME hkey hkey"),
    (3, "COPY hkey hkey ?(REPLACE)"),
    (2, "MOVE hkey 3"),
    (2, "TYPE hkey"),
]


def hkey(self):
    """Fewer names than other groups have, in several slots."""
    return self.rng.choice(["h0", "h1", "h2", "{t0}h", "{t1}h", "{t1}i", "nothing"])


def hfield(self):
    r = self.rng.random()
    if r < 0.3:
        return self.rng.randrange(10)
    if r < 0.85:
        return self.rng.choice("abcdefghijklm")
    if r < 0.95:
        return "f" * self.rng.choice([19, 20, 21, 22])
    return self.rng.choice(gen.JUNK)


def hvalue(self):
    r = self.rng.random()
    if r < 0.4:
        return self.rng.choice([0, 1, -1, 127, 128, 4095, 4096, 32767, 32768, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
    if r < 0.7:
        return "v" * self.rng.choice([0, 1, 5, 19, 20])
    if r < 0.8:
        return "v" * self.rng.choice([21, 22, 64, 1000, 17000])
    return self.value()


def hmatch(self):
    return self.rng.choice(["*", "[a-d]", "1*", "?", "f*", "nothing", ""])


def hcount(self):
    return self.rng.choice([1, 2, 3, 5, 10, -1, -3, 100])


def as_it_is(template, how):
    """A template whose words stay as they are: with others the answer would be a matter of chance."""
    nodes = gen.parse(template)

    def script(self):
        args = []
        self.expand(nodes, args)
        return [Command(args, how)]

    return script


SCRIPTS = [
    (3, as_it_is("HRANDFIELD hkey 1000", "sorted")),
    (3, as_it_is("HRANDFIELD hkey hcount", "length")),
    (3, as_it_is("HRANDFIELD hkey hcount WITHVALUES", "length")),
    (2, as_it_is("HRANDFIELD hkey {0|x|-9223372036854775808|9223372036854775807} ?(WITHVALUES) ?(x)", "kind")),
    (3, as_it_is("HRANDFIELD hkey", "kind")),
    (5, as_it_is("HSCAN hkey 0 COUNT 1000 ?(MATCH hmatch)", "scan_fields")),
    (1, as_it_is("HSCAN hkey {x|-1|0} {TYPE hash|COUNT 0|COUNT x|MATCH}", "exact")),
]


for word in (hkey, hfield, hvalue, hmatch, hcount):
    setattr(gen.Gen, word.__name__, word)
