"""Makes random commands from templates.

A template is a text: a word that names a method of Gen below is what that returns, others stand for themselves, and

    {a|b c|d}   one of them        ?(a b)  perhaps
    *(a)        0 to 3 times       +(a)    1 to 3 times

A group file (gen_NAME.py) has TEMPLATES: (weight, template[, how replies compare]) and perhaps SCRIPTS: functions that
take a Gen and return a list of commands that belong together. How replies compare: see compare.py.
"""
import random
import re

import compare
from known import SPARED

TOKEN = re.compile(r"[?*+]\(|[{}|()]|[^\s{}|()]+")


class Command:
    """args, and how its reply compares (a function, or the name of one of compare.py); silent: no reply comes; pause_ms:
    wait after it; more: the state is not to be looked at before the next command; other: the second client sends it;
    frames: its reply is any number of frames."""

    __slots__ = ("args", "how", "silent", "pause_ms", "more", "other", "frames")

    def __init__(self, args, how="exact", silent=False, pause_ms=0, more=False, other=False, frames=False):
        self.args = [a if isinstance(a, bytes) else str(a).encode() for a in args]
        if how == "exact" and self.args and self.args[0].upper() == b"DUMP":
            how = "kind"  # see known.py
        self.how = how if callable(how) else getattr(compare, how)
        self.silent, self.pause_ms, self.more, self.other, self.frames = silent, pause_ms, more, other, frames

    def __str__(self):
        words = ["(second client)"] if self.other else []
        for a in self.args:
            text = repr(a)[2:-1].replace('"', '\\"')
            if len(text) > 200:
                text = text[:200] + f"...({len(a)} bytes)"
            words.append(text if re.fullmatch(r"[^\s'\"\\]+", text) else f'"{text}"')
        return " ".join(words)


def parse(template):
    tokens = TOKEN.findall(template)
    pos = 0

    def sequence(ends):
        nonlocal pos
        nodes = []
        while pos < len(tokens) and tokens[pos] not in ends:
            token = tokens[pos]
            pos += 1
            if token in ("?(", "*(", "+("):
                nodes.append((token[0], sequence((")",))))
                pos += 1
            elif token == "{":
                choices = [sequence(("|", "}"))]
                while tokens[pos] == "|":
                    pos += 1
                    choices.append(sequence(("|", "}")))
                pos += 1
                nodes.append(("{", choices))
            else:
                nodes.append(("word", token))
        return nodes

    return sequence(())


# What strings that should be something else look like; nothing that makes a server allocate hundreds of megabytes, and
# no small number above 0, which would be a time to live that ends while the run lasts.
JUNK = [b"", b"abc", b"-1", b"0", b"1.5", b" 1", b"1 ", b"+1", b"00", b"-0", b"0x10", b"1e3", b"nan", b"inf",
        b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809",
        b"18446744073709551615", b"*", b"\x00", b"\xff\xfe", b"a" * 70]


class Gen:
    def __init__(self, seed, now_ms, groups):
        self.rng = random.Random(seed)
        self.now_ms = now_ms
        self.rows, self.weights = [], []
        for group in groups:
            for row in group.TEMPLATES:
                self.rows.append((parse(row[1]), row[2] if len(row) > 2 else "exact"))
                self.weights.append(row[0])
            for weight, script in getattr(group, "SCRIPTS", []):
                self.rows.append((script, None))
                self.weights.append(weight)

    def next(self):
        """A list of commands, mostly one."""
        node, how = self.rng.choices(self.rows, self.weights)[0]
        if how is None:
            return node(self)
        args = []
        self.expand(node, args)
        if self.rng.random() < 0.04 and not self.spares(args):
            args = self.spoil(args)
        if self.rng.random() < 0.1:
            args[0] = self.any_case(args[0])
        return [Command(args, how)]

    def expand(self, nodes, out):
        for kind, what in nodes:
            if kind == "{":
                self.expand(self.rng.choice(what), out)
            elif kind in "?*+":
                low, high = {"?": (0, 1), "*": (0, 3), "+": (1, 3)}[kind]
                for _ in range(self.rng.randint(low, high)):
                    self.expand(what, out)
            elif hasattr(self, what):
                out.append(getattr(self, what)())
            else:
                out.append(what if self.rng.random() > 0.1 else self.any_case(what))

    def spares(self, args):
        """Does known.SPARED name it? By its first word, or by all of the words; small letters stand for keys
        that begin with one of them."""
        words = {str(a).upper() for a in args}
        return any(name.split()[0] == str(args[0]).upper() and str(args[1])[:1] in name.split()[1]
                   if name[-1].islower()
                   else set(name.split()) <= words if " " in name or name == "DEBUG" else name == str(args[0]).upper()
                   for name in SPARED)

    def spoil(self, args):
        """Wrong arity, wrong words: one argument less, more or other. The command's name stays."""
        args = list(args)
        at = self.rng.randint(1, len(args))
        what = self.rng.randint(0, 2)
        if what == 0 and len(args) > 1:
            args.pop(self.rng.randrange(1, len(args)))
        elif what == 1:
            args.insert(at, self.rng.choice(JUNK))
        elif len(args) > 1:
            args[self.rng.randrange(1, len(args))] = self.rng.choice(JUNK)
        return args

    def any_case(self, word):
        return "".join(self.rng.choice((c.upper(), c.lower())) for c in word) if isinstance(word, str) else word

    # ---- words of templates ----
    def key(self):
        """Few names, so that commands meet; some share a slot by their {tag}, the others spread over the shards."""
        r = self.rng.random()
        if r < 0.75:
            return f"k{self.rng.randrange(12)}"
        if r < 0.95:
            return f"{{t{self.rng.randrange(2)}}}{self.rng.randrange(4)}"
        return self.rng.choice([b"", b"{}", b"{}x", b"a{b}{c}", b"{", b"\x00\r\n", b"\xff", b"x" * 300])

    def value(self):
        r = self.rng.random()
        if r < 0.3:
            return self.int()
        if r < 0.4:
            return self.float()
        if r < 0.5:
            return self.rng.choice(JUNK)
        # around the bounds of the encodings: 20 digits, 44 bytes
        n = self.rng.choice([0, 1, 2, 5, 19, 20, 21, 43, 44, 45, 64, 100, 1000, self.rng.randrange(40000)])
        return self.rng.randbytes(n) if self.rng.random() < 0.5 else self.rng.choice([b"ab", b"x", b"0"]) * (n // 2)

    def text(self):
        """A short string over a small alphabet: long common subsequences."""
        return bytes(self.rng.choice(b"abc") for _ in range(self.rng.randrange(60)))

    def int(self):
        r = self.rng.random()
        if r < 0.6:
            return self.rng.randint(-20, 20)
        if r < 0.8:
            return self.rng.choice([1, -1]) * self.rng.choice(
                [9999, 10000, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63 - 2])
        return self.rng.randint(-(2**63), 2**63 - 1)

    def float(self):
        r = self.rng.random()
        if r < 0.7:
            return self.rng.choice(["0.1", "-0.1", "1.5", "3.0e3", "1e-5", "5.0e-1", "100.25", "-3", "1e17", "0.0001"])
        return self.rng.choice(["inf", "-inf", "nan", "1e308", "-1e308", "1e400", "1e-400", "0x1p4", ".5", "5.", "1 "])

    def index(self):
        r = self.rng.random()
        return self.rng.randint(-50, 50) if r < 0.9 else self.rng.choice([2**31, -(2**31), 2**63 - 1, -(2**63)])

    def offset(self):
        """Of bytes that get written: small, or too large for any string."""
        return self.rng.randint(-2, 300) if self.rng.random() < 0.95 else self.rng.choice([70000, 2**29, 2**40, 2**63 - 1])

    def bit_offset(self):
        return self.rng.randint(-2, 900) if self.rng.random() < 0.95 else self.rng.choice([100000, 2**32, 2**40, 2**63])

    def bit(self):
        return self.rng.choice([0, 1, 0, 1, 0, 1, 2, -1])

    def enc(self):
        """A type of BITFIELD: i1 to i64, u1 to u63."""
        return self.rng.choice("iiiuuux") + str(self.rng.choice([1, 2, 5, 7, 8, 16, 31, 32, 33, 62, 63, 64, 65, 0]))

    def boff(self):
        n = self.bit_offset()
        return n if self.rng.random() < 0.7 else f"#{n}" if n < 1000 else "#x"

    def name(self):
        return self.rng.choice(["default", "bob", "a b", ""])

    def client_name(self):
        """Redpoll bounds what a client may keep: 255 bytes of name."""
        return self.key()[:255]

    def db(self):
        return self.rng.choice([0, 0, 0, 1, 1, 2, 15, 16, -1, "x"])

    # Times: in the past, or so far ahead that nothing expires while the run lasts. Ranges are wide so that two relative
    # times never differ by less than the clocks' skew, which GT and LT would show.
    def secs(self):
        r = self.rng.random()
        return self.rng.randint(1000, 10**7) if r < 0.85 else self.rng.choice([0, -1, -1000, 2**53, 2**63 - 1, -(2**63)])

    def msecs(self):
        r = self.rng.random()
        return self.rng.randint(10**6, 10**10) if r < 0.85 else self.rng.choice([0, -1, -1000, 2**63 - 1, -(2**63)])

    def at_s(self):
        r = self.rng.random()
        if r < 0.8:
            return self.now_ms // 1000 + self.rng.choice([1000, 5000, self.rng.randint(1000, 10**7)])
        return self.rng.choice([0, 1, -1, self.now_ms // 1000 - 10, 2**53, 2**63 - 1])

    def at_ms(self):
        r = self.rng.random()
        if r < 0.8:
            return self.now_ms + self.rng.choice([10**6, 5 * 10**6, self.rng.randint(10**6, 10**10)])
        return self.rng.choice([0, 1, -1, self.now_ms - 10000, 2**53, 2**63 - 1])

    def pattern(self):
        return self.rng.choice(["*", "k*", "k?", "k[0-4]", "k[^0-4]", "*1*", "", "k\\1", "{t*", "[", "k[", "K*", "nothing"])
