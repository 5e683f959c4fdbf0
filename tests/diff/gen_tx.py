"""Transactions of one client, with a second client that writes in between.

What is queued comes from the other groups. Which replies EXEC is to have is only known once the commands were queued or
refused, so the list of those that were queued is made while the replies are compared.
"""
import compare
import gen
import gen_bitmap
import gen_connection
import gen_generic
import gen_geo
import gen_hash
import gen_hll
import gen_list
import gen_set
import gen_sort
import gen_stream
import gen_string
import gen_zset
import known
from gen import Command

INNER = [gen_string, gen_bitmap, gen_generic, gen_geo, gen_hash, gen_hll, gen_list, gen_set, gen_sort, gen_stream,
         gen_zset, gen_connection]
SKIPPED = {b"RESET", b"HELLO", b"AUTH", b"DEBUG"}  # change what the comparison relies on
TEMPLATES = [
    (1, "EXEC"), (1, "EXEC value"), (1, "DISCARD ?(value)"), (1, "WATCH +(key)"), (2, "UNWATCH ?(value)"), (0.3, "WATCH"),
    (5, "SET key value"), (5, "DEL +(key)"), (2, "SELECT db"),
]

# A key of each type, and what may change it, or seem to.
TYPES = {
    "string": (["SET w 10"], """SET w 10|SET w 10 NX|SET w 11 XX|SETNX w 1|APPEND w x|APPEND w|SETRANGE w 0 1|SETRANGE w 0|
        SETBIT w 0 0|SETBIT w 3 1|INCRBY w 0|INCR w|INCRBYFLOAT w 0|GETSET w 10|GETDEL w|GETEX w|GETEX w PERSIST|
        GETEX w EX 100|BITFIELD w GET u8 0|BITFIELD w SET u8 0 1|BITOP NOT w w|MSETNX w 1 v 2|MSET w 1|LPUSH w 1|INCRBY w x|
        PFADD w a|SET w 1 GET|GET w|STRLEN w"""),
    "list": (["RPUSH w a b c a"], """LPUSH w x|LPUSHX w x|LPUSHX v x|LREM w 0 nosuch|LREM w 0 a|LTRIM w 0 -1|LTRIM w 0 1|
        LTRIM w 5 1|LSET w 0 a|LSET w 9 a|LINSERT w BEFORE nosuch x|LINSERT w BEFORE b x|LPOP w|LPOP w 0|LPOP w 2|LPOP v|
        LMOVE w w LEFT LEFT|LMOVE w w LEFT RIGHT|LMOVE w v LEFT LEFT|LMOVE v w LEFT LEFT|RPOPLPUSH w w|LMPOP 2 v w LEFT|
        BLPOP w 1|BLMOVE w v LEFT LEFT 1|SORT w ALPHA STORE w|SORT w ALPHA STORE v|SORT w STORE v|LRANGE w 0 -1|SADD w 1"""),
    "set": (["SADD w a b c"], """SADD w a|SADD w d|SREM w a|SREM w nosuch|SPOP w 0|SPOP w 3|SMOVE w v a|SMOVE w w a|
        SMOVE w v nosuch|SMOVE v w x|SINTERSTORE w w|SINTERSTORE w v|SUNIONSTORE w w v|SDIFFSTORE v w|SMEMBERS w|
        SRANDMEMBER w|SORT w ALPHA STORE w"""),
    "hash": (["HSET w f 1 g 2"], """HSET w f 1|HSET w f 2|HSETNX w f 1|HSETNX w h 1|HDEL w f|HDEL w nosuch|HINCRBY w f 0|
        HINCRBY w f 1|HINCRBY w f x|HINCRBYFLOAT w f 0|HGETALL w|HDEL w f g|HMSET w f 1"""),
    "zset": (["ZADD w 1 a 2 b"], """ZADD w 1 a|ZADD w 2 a|ZADD w NX 5 a|ZADD w XX 5 nosuch|ZADD w GT 0 a|ZADD w CH 1 a|
        ZADD w INCR 0 a|ZINCRBY w 0 a|ZINCRBY w 1 a|ZREM w nosuch|ZREM w a|ZREM w a b|ZREMRANGEBYRANK w 5 6|
        ZREMRANGEBYSCORE w 5 6|ZREMRANGEBYLEX w [x [y|ZREMRANGEBYRANK w 0 0|ZPOPMIN w|ZPOPMIN w 0|ZPOPMAX v|
        ZUNIONSTORE w 1 w|ZUNIONSTORE w 1 v|ZINTERSTORE v 1 w|ZRANGESTORE w w 0 -1|ZRANGESTORE w v 0 -1|ZMPOP 1 w MIN|
        BZPOPMIN w 1|GEOADD w 1 1 a|GEOADD w NX 1 1 a|ZRANGE w 0 -1"""),
    "stream": (["XADD w 1-1 a b", "XADD w 2-1 a b", "XGROUP CREATE w g 0", "XREADGROUP GROUP g c COUNT 1 STREAMS w >"],
               """XADD w 3-1 a b|XADD w 1-1 a b|XADD v NOMKSTREAM 1-1 a b|XTRIM w MAXLEN 9|XTRIM w MAXLEN 1|XDEL w 9-9|
        XDEL w 1-1|XSETID w 9-9|XGROUP CREATE w h 0|XGROUP CREATE w g 0|XGROUP SETID w g 0|XGROUP DESTROY w g|
        XGROUP DESTROY w nosuch|XGROUP CREATECONSUMER w g d|XGROUP DELCONSUMER w g c|XACK w g 1-1|XACK w g 9-9|
        XREADGROUP GROUP g c STREAMS w >|XREADGROUP GROUP g n STREAMS w 0|XCLAIM w g d 0 1-1 JUSTID|
        XAUTOCLAIM w g d 0 0 JUSTID|XRANGE w - +"""),
    "nothing": ([], """DEL w|SET w 1|SET w 1 XX|APPEND w 1|LPUSHX w 1|HDEL w f|SREM w a|ZREM w a|EXPIRE w 10|PERSIST w|
        SINTERSTORE w v|ZUNIONSTORE w 1 v|SORT v STORE w|GETDEL w|GETEX w PERSIST|SETRANGE w 0|SETBIT w 0 0|PFADD w|
        PFMERGE w|PFMERGE w v|BITOP AND w v|GEOSEARCHSTORE w v FROMLONLAT 1 1 BYRADIUS 1 m|XGROUP CREATE w g 0 MKSTREAM|
        XTRIM w MAXLEN 0|LTRIM w 0 0|ZREMRANGEBYRANK w 0 1|SPOP w|LPOP w|ZPOPMIN w"""),
}
# What changes a key of any type.
ANY = """DEL w|UNLINK w|EXPIRE w 100|EXPIRE w 100 XX|EXPIRE w 100 NX|PERSIST w|EXPIRE w -1|PEXPIREAT w 1|RENAME w v|
    RENAME v w|RENAMENX w v|RENAMENX v w|RENAME w w|COPY w v|COPY v w|COPY v w REPLACE|COPY w v REPLACE|COPY w w DB 1|
    MOVE w 1|MOVE w 0|SWAPDB 0 1|SWAPDB 0 0|SWAPDB 2 3|FLUSHDB|FLUSHALL|TOUCH w|TYPE w|OBJECT ENCODING w|TTL w|EXISTS w|
    DEL nosuch|DEL w v|UNLINK v|SET other 1|PING|RESTORE w 0 x|DEBUG OBJECT nosuch|EVAL return(redis.call('del',KEYS[1])) 1 w|
    EVAL return(redis.call('get',KEYS[1])) 1 v|EVAL return(redis.call('set','w',1)) 0"""


def words(text):
    return [c.split() for c in text.replace("\n", " ").split("|")]


CHANGES = {kind: (before, words(after) + words(ANY)) for kind, (before, after) in TYPES.items()}


class Queue:
    """The commands of one transaction that were queued, as the comparison finds out."""

    def __init__(self):
        self.commands = []

    def open(self, a, b):
        self.commands.clear()
        return a == b

    def command(self, command):
        def queued(a, b):
            if a == b == ("+", b"QUEUED"):
                self.commands.append(command)
                return True
            return command.how(a, b) or bool(known.reason(command, a, b))

        return Command(command.args, queued)

    def exec(self, a, b):
        if not (a[0] == b[0] == "*" and a[1] is not None and b[1] is not None):
            return a == b
        return len(a[1]) == len(b[1]) == len(self.commands) and all(
            c.how(x, y) or known.reason(c, x, y) for c, x, y in zip(self.commands, a[1], b[1]))


def inner(g):
    """A command of another group, alone."""
    other = g.tx_inner = getattr(g, "tx_inner", None) or gen.Gen(g.rng.random(), g.now_ms, INNER)
    while True:
        commands = other.next()
        c = commands[0]
        name = c.args[0].upper()
        new = (name == b"CLIENT" and c.args[1:] and c.args[1].upper() in (b"NO-TOUCH", b"SETINFO")
               or name in (b"ZRANK", b"ZREVRANK") and len(c.args) == 4)  # since 7.2: refused when queued
        # redis-server takes an earlier command's range error for one of SORT's own.
        numbers = name in (b"SORT", b"SORT_RO") and b"ALPHA" not in [word.upper() for word in c.args]
        if len(commands) == 1 and not c.silent and not c.pause_ms and name not in SKIPPED and not new and not numbers:
            return c


def other(command):
    return Command(command.args, command.how, other=True)


def odd(g):
    """What is not queued, or not allowed, or waits elsewhere."""
    return Command(g.rng.choice([
        ["MULTI"], ["WATCH", "a"], ["WATCH"], ["MULTI", "x"], ["DISCARD", "x"], ["UNWATCH"], ["UNWATCH"], ["SAVE"],
        ["SHUTDOWN", "x", "y"], ["NOTHING"], ["GET"], ["CONFIG", "NOTHING"], ["CLIENT", "REPLY", "MAYBE"],
        ["BLPOP", g.key(), g.rng.choice([0, 1, -1, "x"])], ["BRPOPLPUSH", g.key(), g.key(), 0],
        ["BLMOVE", g.key(), g.key(), "LEFT", "RIGHT", 0], ["BZPOPMIN", g.key(), g.key(), 0],
        ["BLMPOP", 0, 1, g.key(), "LEFT"], ["XREAD", "BLOCK", 0, "STREAMS", g.key(), "$"],
        ["XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", g.key(), ">"], ["WAIT", 0, 0], ["MONITOR"],
        ["SCRIPT", "EXISTS", "x"], ["CLIENT", "GETNAME"], ["CONFIG", "GET", "databases"], ["ACL", "WHOAMI"],
        ["PUBLISH", "nobody", "x"], ["PUBSUB", "NUMPAT"], ["FUNCTION", "LIST"], ["CLIENT", "UNBLOCK", "0"],
        ["SWAPDB", 0, 1], ["FLUSHALL"], ["DEBUG", "SLEEP", 0], ["OBJECT", "HELP", "x"],
    ]), compare.scores)


def script(g):
    command = inner(g)
    while command.how != compare.exact or command.args[0].upper() in (b"SELECT", b"CLIENT", b"CONFIG", b"SORT", b"SPOP"):
        command = inner(g)
    call = g.rng.choice(["call", "pcall"])
    keys = g.rng.choice([[0], [1, g.key()], [2, g.key(), g.key()]])
    return Command(["EVAL", f"return redis.{call}(unpack(ARGV))", *keys, *command.args], "loose")


def one(g):
    r = g.rng.random()
    return odd(g) if r < 0.12 else script(g) if r < 0.2 else inner(g)


def end(g, queue):
    r = g.rng.random()
    if r < 0.05:
        return [Command(["RESET"]), Command(["HELLO", g.rng.choice([2, 3])], "hello")]
    return [Command(["DISCARD"]) if r < 0.15 else Command(["EXEC", "x"]) if r < 0.18 else Command(["EXEC"], queue.exec)]


def transaction(g):
    queue = Queue()
    commands = [Command(["WATCH", *[g.key() for _ in range(g.rng.randint(1, 3))]])] if g.rng.random() < 0.4 else []
    if commands and g.rng.random() < 0.2:
        commands += [Command(["SELECT", g.rng.randrange(3)]), Command(["WATCH", g.key()])]
    between = 0.15 if g.rng.random() < 0.5 else 0
    commands.append(Command(["MULTI"], queue.open))
    for _ in range(g.rng.randint(0, 6)):
        if g.rng.random() < between:
            commands.append(other(inner(g)))
        commands.append(queue.command(one(g)))
    if g.rng.random() < between:
        commands.append(other(inner(g)))
    return commands + end(g, queue)


def watched(g):
    """One key of a known type, and one command that changes it, or does not: by the second client, by the first, or
    inside."""
    before, changes = CHANGES[g.rng.choice(list(CHANGES))]
    queue = Queue()
    commands = [Command(["SELECT", 0]), other(Command(["SELECT", 0])), Command(["DEL", "v", "w"])]
    if g.rng.random() < 0.3:
        commands.append(Command(["SET", "v", 1]))
    commands += [Command(c.split(), "loose") for c in before]
    commands.append(Command(["WATCH", *g.rng.choice([["w"], ["w"], ["w", "v"], ["v"], ["v", "w", "w"]])]))
    change = Command(g.rng.choice(changes), "loose")
    where = g.rng.random()
    if where < 0.6:
        commands.append(other(change))
    elif where < 0.9:
        commands.append(change)
    if g.rng.random() < 0.1:
        commands.append(Command(["UNWATCH"]))
    commands.append(Command(["MULTI"], queue.open))
    if where >= 0.9:
        commands.append(queue.command(change))
    return commands + [queue.command(Command(["TYPE", "w"])), Command(["EXEC"], queue.exec)]


def expiring(g):
    queue = Queue()
    gone_before = g.rng.random() < 0.3
    commands = [Command(["SET", "w", 1, "PX", 5], pause_ms=20 if gone_before else 0), Command(["WATCH", "w"])]
    commands[-1].pause_ms = 0 if gone_before else 20
    if g.rng.random() < 0.3:
        commands.append(other(Command(["GET", "w"])))
    if g.rng.random() < 0.3:
        commands.append(other(Command(["SET", "w", 2])))
    return commands + [Command(["MULTI"], queue.open), queue.command(Command(["GET", "w"])), Command(["EXEC"], queue.exec)]


def without_replies(g):
    """CLIENT REPLY inside: EXEC has announced more replies than come; later ones fill its array."""
    key = g.key()
    if g.rng.random() < 0.5:
        inside = [["SET", key, 1], ["CLIENT", "REPLY", "OFF"], ["GET", key], ["CLIENT", "REPLY", "ON"]]
        after = [Command(["PING", i], silent=True) for i in "ab"]
    else:
        inside = [["SET", key, 1], ["CLIENT", "REPLY", "SKIP"], ["GET", key]]
        after = [Command(["PING", i], silent=True) for i in "ab"]
    # A key that is still watched and has changed would let EXEC run nothing, and the silent ones would answer.
    return [Command(["UNWATCH"]), Command(["MULTI"]), *[Command(c) for c in inside], Command(["EXEC"], more=True), *after,
            Command(["PING", "c"])]


SCRIPTS = [(30, transaction), (30, watched), (0.4, expiring), (0.5, without_replies)]
