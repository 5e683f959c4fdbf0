"""Sorted sets, with plain sets among the inputs of unions."""
import gen

SETTINGS = {"zset-max-listpack-entries": 12, "zset-max-listpack-value": 20}

ZADD_WORDS = "*({NX|XX|GT|LT|CH|INCR})"

TEMPLATES = [
    (20, "ZADD key score member", "scores"),
    (10, "ZADD key +(score member) +(score member)", "scores"),
    (6, "ZADD key +(score member) +(score member) +(score member) +(score member) +(score member)", "scores"),
    (14, f"ZADD key {ZADD_WORDS} score member", "scores"),
    (6, f"ZADD key {ZADD_WORDS} +(score member)", "scores"),
    (8, "ZINCRBY key score member", "scores"),
    (8, "ZREM key member"),
    (6, "ZREM key +(member) +(member)"),
    (4, "ZSCORE key member", "scores"),
    (4, "ZMSCORE key +(member)", "scores"),
    (4, "ZCARD key"),
    (6, "ZCOUNT key score_end score_end"),
    (5, "ZLEXCOUNT lexkey lex_end lex_end"),
    (5, "{ZRANK|ZREVRANK} key member"),
    (8, "ZRANGE key index index ?(WITHSCORES) ?(REV)", "scores"),
    (8, "ZRANGE key score_end score_end BYSCORE *({WITHSCORES|REV|LIMIT small small})", "scores"),
    (6, "ZRANGE lexkey lex_end lex_end BYLEX *({REV|LIMIT small small})", "scores"),
    (3, "ZRANGE key {index|score_end|lex_end} {index|score_end|lex_end} "
        "*({WITHSCORES|REV|LIMIT small small|BYSCORE})", "scores"),
    (5, "ZREVRANGE key index index ?(WITHSCORES)", "scores"),
    (6, "{ZRANGEBYSCORE|ZREVRANGEBYSCORE} key score_end score_end *({WITHSCORES|LIMIT small small})", "scores"),
    (6, "{ZRANGEBYLEX|ZREVRANGEBYLEX} lexkey lex_end lex_end *({LIMIT small small})"),
    (6, "ZRANGESTORE key key index index ?(REV)"),
    (5, "ZRANGESTORE key key score_end score_end BYSCORE *({REV|LIMIT small small})"),
    (4, "ZRANGESTORE lexkey lexkey lex_end lex_end BYLEX *({REV|LIMIT small small})"),
    (4, "ZREMRANGEBYRANK key index index"),
    (4, "ZREMRANGEBYSCORE key score_end score_end"),
    (4, "ZREMRANGEBYLEX lexkey lex_end lex_end"),
    (6, "{ZPOPMIN|ZPOPMAX} key ?(small)", "scores"),
    (5, "ZMPOP 1 key {MIN|MAX} ?(COUNT small)", "scores"),
    (5, "ZMPOP 2 key key {MIN|MAX} ?(COUNT small)", "scores"),
    (6, "{ZUNION|ZINTER} 2 key key ?(WEIGHTS weight weight) ?(AGGREGATE {SUM|MIN|MAX}) ?(WITHSCORES)", "scores"),
    (3, "{ZUNION|ZINTER|ZDIFF} {1|2|3|0} +(key) *({WITHSCORES|WEIGHTS weight weight|AGGREGATE {SUM|MIN|x}})", "scores"),
    (5, "ZDIFF 2 key key ?(WITHSCORES)", "scores"),
    (4, "ZDIFF 3 key key key ?(WITHSCORES)", "scores"),
    (8, "{ZUNIONSTORE|ZINTERSTORE} key 2 key key ?(WEIGHTS weight weight) ?(AGGREGATE {SUM|MIN|MAX})"),
    (3, "{ZUNIONSTORE|ZINTERSTORE} key 3 key key key ?(WEIGHTS weight weight weight)"),
    (5, "ZDIFFSTORE key 2 key key"),
    (5, "ZINTERCARD 2 key key ?(LIMIT small)"),
    (3, "ZRANDMEMBER key", "kind"),
    (3, "ZRANDMEMBER key small ?(WITHSCORES)", "length"),
    (4, "ZSCAN key 0 COUNT 1000 ?(MATCH pattern)", "scan_pairs"),
    (6, "ZADD lexkey 0 member 0 member 0 member 0 member"),
    (5, "SADD key member member member"),
    (2, "DEL key key"),
    (2, "SET key 1"),
    (1, "EXPIRE key secs"),
]


def member(self):
    r = self.rng.random()
    if r < 0.6:
        return f"m{self.rng.randrange(24)}"
    if r < 0.8:
        return self.rng.randint(-15, 15)
    return self.rng.choice([b"", b"a", b"ab", b"b", b"\x00", b"\xff", b"x" * 20, b"y" * 21, b"007", 2**63 - 1, -(2**63),
                            2**63, 300, 70000])


def score(self):
    r = self.rng.random()
    if r < 0.5:
        return self.rng.randint(-8, 8)
    if r < 0.7:
        return self.rng.randint(-32, 32) / 8
    if r < 0.95:
        return self.rng.choice(["0.1", "-0.3", "1e10", "3000000000", "-2147483648", "2147483648", "1e300", "-1e300", "inf",
                                "-inf", "+inf", "1e-7", "0", "-0", "123456.789", "1e17", "9007199254740993"])
    return self.rng.choice(gen.JUNK)


def score_end(self):
    end = self.score() if self.rng.random() < 0.8 else self.rng.choice(["-inf", "+inf", "", " 1", "0x10", "1e400"])
    if isinstance(end, bytes):
        return end
    return f"({end}" if self.rng.random() < 0.3 else end


def lexkey(self):
    """Keys of sets whose scores are all 0."""
    return f"z{self.rng.randrange(4)}"


def lex_end(self):
    r = self.rng.random()
    if r < 0.3:
        return self.rng.choice(["-", "+"])
    if r < 0.95:
        name = self.member()
        return self.rng.choice([b"(", b"["]) + (name if isinstance(name, bytes) else str(name).encode())
    return self.rng.choice([b"", b"a", b"--", b"+x", b"(", b"["])


def small(self):
    return self.rng.choice([0, 1, 2, 3, 5, 10, 20, -1, -2, 100])


def weight(self):
    return self.rng.choice([1, 2, 0, -1, 0.5, "inf", "-inf", 1, 3, "x" if self.rng.random() < 0.2 else 4])


for word in (member, score, score_end, lexkey, lex_end, small, weight):
    setattr(gen.Gen, word.__name__, word)
