"""Streams: ids near each other, few groups and consumers.

Ids that are made from the clock differ: "*" is only used where the last id lies in the future. redis-server 7.0 makes no
consumer when there is nothing to read or to claim, so it is made before.
"""
import gen
from gen import Command

SETTINGS = {"stream-node-max-entries": 6, "stream-node-max-bytes": 200}

TRIM = "{MAXLEN ?({=|~}) xsmall|MINID ?({=|~}) xid|MAXLEN ~ xsmall LIMIT xlimit|MINID ~ xid LIMIT xlimit}"

TEMPLATES = [
    (30, "XADD xkey xnew f xvalue"),
    (10, "XADD xkey xnew xpair xvalue"),
    (8, "XADD xkey xnew xpair xvalue +(xpair xvalue)"),
    (8, f"XADD xkey ?(NOMKSTREAM) {TRIM} xnew f xvalue"),
    (2, "XADD xkey *({NOMKSTREAM|MAXLEN xsmall|MINID xid|LIMIT xlimit|MAXLEN ~ xbad}) {xid|xbad} *(f xvalue) ?(f)"),
    (4, f"XTRIM xkey {TRIM}"),
    (1, "XTRIM xkey *({NOMKSTREAM|MAXLEN xsmall|MINID xid|LIMIT xlimit|MAXLEN ~ xbad})"),
    (4, "XLEN xkey"),
    (10, "XRANGE xkey xfrom xto ?(COUNT xsmall)"),
    (10, "XREVRANGE xkey xto xfrom ?(COUNT xsmall)"),
    (8, "XDEL xkey +(xid)"),
    (8, "XREAD ?(COUNT xsmall) STREAMS xkey xseen"),
    (4, "XREAD ?(COUNT xsmall) STREAMS xkey xkey xseen xseen"),
    (2, "XREAD *({COUNT xsmall|BLOCK xblock|NOACK|GROUP g0 c0}) STREAMS xkey {xseen|>|xbad}"),
    (1, "XREADGROUP GROUP never c0 *({COUNT xsmall|NOACK}) STREAMS xkey {>|xid|$}"),
    (8, "XGROUP CREATE xkey xgroup {xid|$} ?(MKSTREAM) ?(ENTRIESREAD xread)"),
    (4, "XGROUP SETID xkey xgroup {xid|$|-} ?(ENTRIESREAD xread)"),
    (2, "XGROUP CREATECONSUMER xkey xgroup xconsumer"),
    (1, "XGROUP DELCONSUMER xkey xgroup xconsumer"),
    (0.7, "XGROUP DESTROY xkey xgroup"),
    (8, "XACK xkey xgroup +(xid)"),
    (8, "XPENDING xkey xgroup"),
    (8, "XPENDING xkey xgroup ?(IDLE xidle) xfrom xto xsmall ?(xconsumer)", "stream_pending"),
    (1, "XPENDING xkey xgroup {IDLE xidle|xbad} xbad ?(xto) ?(xsmall)", "stream_pending"),
    (2, "XCLAIM xkey xgroup xconsumer {xidle x|x xid|xidle xid x}"),
    (2, "XAUTOCLAIM xkey xgroup xconsumer {xidle x|x xid|xidle xid {x|COUNT 0|COUNT x}}"),
    (6, "XINFO STREAM xkey ?(FULL ?(COUNT xsmall))", "stream_info"),
    (5, "XINFO GROUPS xkey", "stream_info"),
    (5, "XINFO CONSUMERS xkey xgroup", "stream_info"),
    (1, "XINFO STREAM xkey {FULL COUNT|FULL 1|x|FULL COUNT xbad}", "stream_info"),
    (1, "{COPY xkey xkey REPLACE|RENAME xkey xkey}"),
    (0.6, "DEL xkey"),
    (0.4, "SET xkey 1"),
    (1, "TYPE xkey"),
]


def xkey(self):
    return self.rng.choice(["x0", "x0", "x1", "x1", "x2", "{t0}x", "{t1}x", "nothing"])


def xms(self):
    return self.rng.randrange(1, 40) if self.rng.random() < 0.95 else self.rng.choice([0, 2**64 - 1, 2**63])


def xid(self):
    ms, r = self.xms(), self.rng.random()
    return f"{ms}-{self.rng.randrange(3)}" if r < 0.7 else ms if r < 0.97 else f"{ms}-{2**64 - 1}"


def xnew(self):
    """Mostly above what is there."""
    r = self.rng.random()
    if r < 0.3:
        return f"{self.xms()}-*"
    if r < 0.8:
        self.xlast = getattr(self, "xlast", 0) + self.rng.choice([0, 0, 1, 1, 2])
        return f"{self.xlast % 60}-{self.rng.choice(['*', '*', self.rng.randrange(4)])}"
    return self.xid()


def xbad(self):
    return self.rng.choice([b"", b"-", b"+", b"1-", b"-1", b"1-x", b"x", b"1-2-3", b"01-1", b"1-01", b"(1", b"$", b">", b"1\x002",
                            b"18446744073709551616", b"1-18446744073709551616", b"9" * 130, b" 1", b"1.5", b"(-", b"(+"])


def xfrom(self):
    r = self.rng.random()
    if r < 0.3:
        return "-"
    return self.xid() if r < 0.7 else f"({self.xid()}" if r < 0.97 else self.xbad()


def xto(self):
    r = self.rng.random()
    if r < 0.3:
        return "+"
    return self.xid() if r < 0.7 else f"({self.xid()}" if r < 0.97 else self.xbad()


def xseen(self):
    return self.rng.choice(["0", "$"]) if self.rng.random() < 0.3 else self.xid()


def xpair(self):
    return self.rng.choice(["f", "g", "5", "", "name"])


def xvalue(self):
    r = self.rng.random()
    if r < 0.5:
        return self.rng.choice(["v", "", "1", "-1", "127", "128", "-5000", "70000", "w" * 63, "w" * 64, "w" * 130])
    return self.int()


def xsmall(self):
    return self.rng.choice([0, 1, 2, 3, 5, 8, 20, 100, -1]) if self.rng.random() < 0.95 else self.rng.choice(["x", 2**63 - 1])


def xlimit(self):
    return self.rng.choice([0, 1, 5, 6, 7, 12, 100, -1, "x"])


def xread(self):
    return self.rng.choice([0, 1, 2, 5, 10, 30, -1, -1, -2, "x"])


def xblock(self):
    return self.rng.choice(["-1", "x", "1.5", "9223372036854775808"])


def xgroup(self):
    return self.rng.choice(["g0", "g0", "g0", "g1", "g", "none"])


def xconsumer(self):
    return self.rng.choice(["c0", "c0", "c1", "c2", "c", ""])


def xidle(self):
    """Nothing is idle that long but what a claim made so."""
    return self.rng.choice([0, 0, -1, 10**7, 10**9, 10**7])


def xtime(self):
    return self.rng.choice([0, -5, self.now_ms - 10**8, self.now_ms + 10**10])


def words(self, template):
    args = []
    self.expand(gen.parse(template), args)
    return args


def read_group(self):
    group, consumer, noack = self.xgroup(), self.xconsumer(), self.rng.random() < 0.2
    keys = [self.xkey() for _ in range(self.rng.choice([1, 1, 1, 2, 3]))]
    ids = [self.rng.choice([">", ">", ">", self.xid(), 0]) for _ in keys]
    made = [Command(["XGROUP", "CREATECONSUMER", key, group, consumer], more=True) for key in keys]
    count = words(self, "?(COUNT xsmall)")
    return made + [Command(["XREADGROUP", "GROUP", group, consumer, *count, *(["NOACK"] if noack else []), "STREAMS", *keys,
                            *ids])]


def claim(self):
    template = self.rng.choice(CLAIMS)
    args = words(self, template)
    return [Command(["XGROUP", "CREATECONSUMER", *args[1:4]], more=True), Command(args)]


def set_id(self):
    """7.0 also takes ids below the greatest one deleted: the key goes afterwards."""
    key = self.xkey()
    args = words(self, "{xid|xbad|60|60|1000000 } *({ENTRIESADDED xsmall|MAXDELETEDID xid})")
    return [Command(["XSETID", key, *args], more=True), Command(["XINFO", "GROUPS", key], "stream_info", more=True),
            Command(["XINFO", "STREAM", key], "stream_info", more=True), Command(["XADD", key, "50-*", "f", "v"], more=True),
            Command(["DEL", key])]


def in_the_future(self):
    """Ids of the clock where the clock does not matter."""
    key = f"xf{self.rng.randrange(2)}"
    trim = words(self, "?({MAXLEN ~ xsmall|MAXLEN 10})")
    return [Command(["XADD", key, f"{9 * 10**12}-*", "f", "v"], more=True), Command(["XADD", key, *trim, "*", "f", self.xvalue()])]


def many(self):
    """Some nodes at once."""
    key = self.xkey()
    base = self.rng.randrange(40)
    return [Command(["XADD", key, f"{base + i // 3}-*", "f", i]) for i in range(self.rng.randrange(25))] or [Command(["XLEN", key])]


CLAIMS = [
    "XCLAIM xkey xgroup xconsumer xidle +(xid) *({IDLE xidle|TIME xtime|RETRYCOUNT xsmall|FORCE|JUSTID|LASTID xid})",
    "XCLAIM xkey xgroup xconsumer xidle +(xid) FORCE",
    "XAUTOCLAIM xkey xgroup xconsumer xidle xfrom ?(COUNT xsmall) ?(JUSTID)",
]

SCRIPTS = [(3, set_id), (25, claim), (25, read_group), (3, in_the_future), (5, many)]

for word in (xkey, xms, xid, xnew, xbad, xfrom, xto, xseen, xpair, xvalue, xsmall, xlimit, xread, xblock, xgroup, xconsumer, xidle,
             xtime):
    setattr(gen.Gen, word.__name__, word)
