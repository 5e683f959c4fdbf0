"""How two replies to the same command compare. Each function takes (target, oracle) and returns whether they agree."""

import builtins

from known import NEW_TIMES, NOPERM, OWN

TTL_SLACK_MS = 3000


def exact(a, b):
    return a == b


def loose(a, b):
    """The same in any order, or members that were drawn at random."""
    return a == b or kind(a, b)


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
        return builtins.sorted(a[1], key=repr) == builtins.sorted(b[1], key=repr)
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


def number(reply):
    """The number of a text or a double, or the reply itself."""
    try:
        return float(reply[1]) if reply[0] in "$," else reply
    except (TypeError, ValueError):
        return reply


def scores(a, b):
    """Numbers that are written otherwise (0.1 and 0.10000000000000001) are equal."""
    if a == b:
        return True
    if a[0] == b[0] and isinstance(a[1], list) and isinstance(b[1], list):
        return len(a[1]) == len(b[1]) and all(scores(x, y) for x, y in zip(a[1], b[1]))
    return a[0] == b[0] and number(a) == number(b) and isinstance(number(a), float)


def length(a, b):
    """Arrays of the same length, or both a member, errors of the same text."""
    if a[0] == b[0] == "$":
        return kind(a, b)
    if isinstance(a[1], list) and isinstance(b[1], list):
        return a[0] == b[0] and len(a[1]) == len(b[1])
    return a == b


def scan_pairs(a, b):
    """[cursor, pairs in any order]; what is no array is the same."""
    if not (isinstance(a[1], list) and isinstance(b[1], list)):
        return a == b

    def pairs(reply):
        flat = reply[1][1][1]
        return builtins.sorted((k[1], number(v)) for k, v in zip(flat[::2], flat[1::2]))

    return a[1][0] == b[1][0] and pairs(a) == pairs(b)


def scan_fields(a, b):
    """[cursor, fields with values in any order]; what is no array is the same."""
    if not (isinstance(a[1], list) and isinstance(b[1], list)):
        return a == b

    def pairs(reply):
        flat = reply[1][1][1]
        return builtins.sorted(zip(flat[::2], flat[1::2]))

    return a[1][0] == b[1][0] and pairs(a) == pairs(b)


def scan_members(a, b):
    """[cursor, members in any order]; what is no array is the same."""
    if not (isinstance(a[1], list) and isinstance(b[1], list)):
        return a == b
    return a[1][0] == b[1][0] and builtins.sorted(a[1][1][1]) == builtins.sorted(b[1][1][1])


def geo(a, b):
    """Places in the order of both, but equally distant ones: redis-server sorts them without a stable order, and which
    of them COUNT leaves out is chance."""
    if a == b:
        return True
    if not (isinstance(a[1], list) and isinstance(b[1], list)):
        return False
    return len(a[1]) == len(b[1]) and builtins.sorted(a[1], key=repr) == builtins.sorted(b[1], key=repr)


# ---- streams ----

PENDING_SLACK_MS = 60000  # claims set times that are days apart


def near_times(a, b):
    return a[0] == b[0] == ":" and abs(a[1] - b[1]) <= PENDING_SLACK_MS


def entries_pending(a, b):
    """Each [id, consumer, time, deliveries], or without consumer; or a number."""
    if not (isinstance(a[1], list) and isinstance(b[1], list)):
        return a == b
    if a[0] != b[0] or len(a[1]) != len(b[1]):
        return False
    return all(len(x[1]) == len(y[1]) and all(p == q or i == len(x[1]) - 2 and near_times(p, q)
                                              for i, (p, q) in enumerate(zip(x[1], y[1])))
               for x, y in zip(a[1], b[1]))


def stream_pending(a, b):
    return entries_pending(a, b)


def stream_fields(a, b):
    ours = {k[1]: v for k, v in zip(a[1][::2], a[1][1::2]) if k[1] not in NEW_TIMES + OWN}
    other = {k[1]: v for k, v in zip(b[1][::2], b[1][1::2]) if k[1] not in OWN}
    if list(ours) != list(other):
        return False
    for name, value in ours.items():
        if name == b"pending":
            same = entries_pending(value, other[name])
        elif name in (b"groups", b"consumers"):
            same = stream_info(value, other[name])
        else:
            same = value == other[name]
        if not same:
            return False
    return True


def stream_info(a, b):
    """What XINFO says: a map, or an array of maps."""
    if not (isinstance(a[1], list) and isinstance(b[1], list)):
        return a == b
    if not a[1] or not b[1]:
        return a == b
    if isinstance(a[1][0][1], list):
        return len(a[1]) == len(b[1]) and all(stream_info(x, y) for x, y in zip(a[1], b[1]))
    return a[0] == b[0] and stream_fields(a, b)


# ---- subscriptions ----

def frames(a, b):
    """What one command is answered with. One that ends all subscriptions does so in any order."""
    def names(reply):
        return builtins.sorted((r[1][1] for r in reply[1] if isinstance(r[1], list) and len(r[1]) == 3), key=repr)

    def rest(reply):
        return [(r[0], [r[1][0], r[1][2]]) if isinstance(r[1], list) and len(r[1]) == 3 else r for r in reply[1]]

    return a == b or (names(a) == names(b) and rest(a) == rest(b))


# ---- users ----

def same_size(a, b):
    """Texts of the same length; errors of the same text."""
    if a[0] == b[0] == "$":
        return len(a[1]) == len(b[1])
    return a == b


def acl_verdict(a, b):
    """7.0 says "This user" and names no key of a refused command."""
    if a[0] == b[0] == "$" and a[1].startswith(b"User "):
        return a[1].split(b" ", 2)[2] == b[1].split(b" ", 2)[2]
    return a == b


def acl_reply(a, b):
    """What a user gets: of a refusal the same reason, else the same kind of reply."""
    if a[0] == b[0] == "-" and a[1].startswith(b"NOPERM User "):
        return a[1].split(b" ", 3)[3] == b[1].split(b" ", 3)[3]
    if a[0] == b[0] == "-" and a[1] in NOPERM:
        return b[1] == NOPERM[a[1]]
    return kind(a, b)


def acl_user(a, b):
    """The flags (sanitize-payload is one of every user since 7.2), passwords, patterns; commands begin alike."""
    if not (isinstance(a[1], list) and isinstance(b[1], list)):
        return a[1] == b[1]

    def parts(reply):
        fields = {k[1]: v for k, v in zip(reply[1][::2], reply[1][1::2])}
        fields[b"commands"] = fields[b"commands"][1].split(b" ")[0]
        if b"flags" in fields:
            fields[b"flags"] = [f for _, f in fields[b"flags"][1] if f != b"sanitize-payload"]
            fields[b"selectors"] = [parts(s) for s in fields[b"selectors"][1]]
        return fields

    return parts(a) == parts(b)


def acl_list(a, b):
    """As many lines; what is in them is compared by acl_user."""
    if not (isinstance(a[1], list) and isinstance(b[1], list)):
        return acl_reply(a, b)
    return [x[1].split(b" ")[1] for x in a[1]] == [y[1].split(b" ")[1] for y in b[1]]
