"""How two replies to the same command compare. Each function takes (target, oracle) and returns whether they agree."""

import builtins

TTL_SLACK_MS = 3000


def exact(a, b):
    return a == b


def kind(a, b):
    """Same type of reply; of an error, the same text up to its first word."""
    if a[0] == b[0] == "-":
        return a[1].split(b" ")[0] == b[1].split(b" ")[0]
    return a[0] == b[0] and (a[1] is None) == (b[1] is None)


def near(a, b):
    if a[0] == b[0] == ":":
        return abs(a[1] - b[1]) <= 3
    return a == b


def ttl_s(a, b):
    if a[0] == b[0] == ":" and min(a[1], b[1]) > 0:
        return abs(a[1] - b[1]) <= TTL_SLACK_MS // 1000
    return a == b


def ttl_ms(a, b):
    if a[0] == b[0] == ":" and min(a[1], b[1]) > 0:
        return abs(a[1] - b[1]) <= TTL_SLACK_MS
    return a == b


def sorted(a, b):
    if a[0] == b[0] and a[0] in "*~" and None not in (a[1], b[1]):
        return builtins.sorted(a[1]) == builtins.sorted(b[1])
    return a == b


def sorted_map(a, b):
    """A map, or a flat array of pairs, in any order."""
    if a[0] == b[0] and a[0] in "*%" and len(a[1]) == len(b[1]):
        return builtins.sorted(zip(a[1][::2], a[1][1::2])) == builtins.sorted(zip(b[1][::2], b[1][1::2]))
    return a == b


def random_key(a, b):
    """Some key, or none; Side.state() checks that it is one of those that exist."""
    return a[0] == b[0] and (a[1] is None) == (b[1] is None)


def hello(a, b):
    """The same fields; version and id are each server's own."""
    if a[0] == b[0] and a[0] in "*%":
        own = (b"version", b"id")
        fields = [{k[1]: v for k, v in zip(r[1][::2], r[1][1::2]) if k[1] not in own} for r in (a, b)]
        return fields[0] == fields[1]
    return a == b
