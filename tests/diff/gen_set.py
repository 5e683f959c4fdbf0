"""Sets. What SPOP and SRANDMEMBER choose is compared where there is no choice, else only how much it is."""
import gen
from gen import Command

SETTINGS = {"set-max-intset-entries": 8, "set-max-listpack-entries": 10, "set-max-listpack-value": 20}

TEMPLATES = [
    (20, "SADD skey smember"),
    (14, "SADD skey smember smember smember *(smember)"),
    (6, "SADD skey scount scount scount *(scount)"),
    (8, "SREM skey smember"),
    (6, "SREM skey smember smember *(smember)"),
    (6, "SISMEMBER skey smember"),
    (4, "SMISMEMBER skey smember *(smember)"),
    (6, "SMEMBERS skey", "sorted"),
    (5, "SCARD skey"),
    (8, "SMOVE skey skey smember"),
    (6, "SINTER skey *(skey)", "sorted"),
    (8, "SINTERSTORE skey skey *(skey)"),
    (6, "SINTERCARD 2 skey skey ?(LIMIT scount)"),
    (3, "SINTERCARD {0|1|2|3|x} +(skey) *({LIMIT scount|LIMIT})"),
    (6, "SUNION skey *(skey)", "sorted"),
    (8, "SUNIONSTORE skey skey *(skey)"),
    (6, "SDIFF skey *(skey)", "sorted"),
    (8, "SDIFFSTORE skey skey *(skey)"),
    (2, "DEL skey"),
    (2, "SET skey 1"),
    (2, "EXPIRE skey secs"),
    (3, "RENAME skey skey"),
    (3, "COPY skey skey ?(REPLACE)"),
    (2, "TYPE skey"),
]


def skey(self):
    """Fewer names than other groups have, in several slots."""
    return self.rng.choice(["k0", "k1", "k2", "{t0}0", "{t0}1", "{t1}0", "nothing"])


def smember(self):
    r = self.rng.random()
    if r < 0.4:
        return self.rng.randrange(12)
    if r < 0.7:
        return self.rng.choice("abcdefghij")
    if r < 0.8:
        return self.rng.choice([32767, 32768, -32768, -32769, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
    if r < 0.95:
        return "v" * self.rng.choice([19, 20, 21, 22])
    return self.rng.choice(gen.JUNK)


def smatch(self):
    return self.rng.choice(["*", "[a-d]", "1*", "?", "v*", "nothing", ""])


def scount(self):
    return self.rng.choice([0, 1, 2, 3, 5, 10, -1, -3, 100])


def pop_some(self):
    """What is left is as random as what went: it goes, too."""
    key = self.skey()
    return [Command(["SPOP", key, self.rng.randint(1, 6)], "length", more=True), Command(["SCARD", key], more=True),
            Command(["DEL", key])]


def pop_one(self):
    key = self.skey()
    return [Command(["SPOP", key], "kind", more=True), Command(["SCARD", key], more=True),
            Command(["DEL", key])]


def pop_last(self):
    key = self.skey()
    return [Command(["DEL", key]), Command(["SADD", key, self.smember()]), Command(["SPOP", key]), Command(["TYPE", key])]


def as_it_is(template, how):
    """A template whose words stay as they are: with others the answer would be a matter of chance."""
    nodes = gen.parse(template)

    def script(self):
        args = []
        self.expand(nodes, args)
        return [Command(args, how)]

    return script


SCRIPTS = [
    (3, pop_some),
    (3, pop_one),
    (3, pop_last),
    (3, as_it_is("SPOP skey 1000", "sorted")),
    (2, as_it_is("SPOP skey {0|-1|x}", "exact")),
    (3, as_it_is("SRANDMEMBER skey 1000", "sorted")),
    (3, as_it_is("SRANDMEMBER skey scount", "length")),
    (2, as_it_is("SRANDMEMBER skey {0|x|-9223372036854775808}", "exact")),
    (3, as_it_is("SRANDMEMBER skey", "kind")),
    (5, as_it_is("SSCAN skey 0 COUNT 1000 ?(MATCH smatch)", "scan_members")),
    (1, as_it_is("SSCAN skey {x|-1|0} {TYPE set|COUNT 0|COUNT x|MATCH}", "exact")),
]


for word in (skey, smember, smatch, scount):
    setattr(gen.Gen, word.__name__, word)
