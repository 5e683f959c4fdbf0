"""The differences between Redpoll and Redis that are known, each with its reason.

Redpoll answers as Redis 7.2 does. The server that the tests compare with is redis-server 7.0, so most of this is what 7.2
changed. What a user of 7.2 can see is in VISIBLE, from which docs/commands.md is made (`python3 known.py` prints it).
"""
import re

# ---- replies to one command: a pattern of its words (lower case, joined with spaces), a pattern of ours, the reason, and
# perhaps what must hold of both all the same ----


def same_kind(ours, oracle):
    return ours[0] == oracle[0]


def same_length(ours, oracle):
    return same_kind(ours, oracle) and len(ours[1] or b"") == len(oracle[1] or b"")


def number(reply):
    try:
        return float(reply[1])
    except (TypeError, ValueError):
        return None


def same_number(ours, oracle):
    a, b = number(ours), number(oracle)
    return a is not None and b is not None and (a == b or abs(a - b) <= 1e-6 * max(abs(a), abs(b)) or a != a and b != b)


def same_rest(ours, oracle):
    """Of a division: what was rounded on the way may leave nothing, or a rest as large as the divisor."""
    a, b = number(ours), number(oracle)
    return a is not None and b is not None and (same_number(ours, oracle) or min(abs(a), abs(b)) < 1e-6 or a != a or b != b)


DIFFERENCES = [
    (r"command( count)?$", r"[*:]", "each server has its own set of commands"),
    (r"client setinfo", r".*", "CLIENT SETINFO is new in 7.2"),
    (r"hello .*\bauth .*", r"-ERR (Syntax|Client names)", "7.2 reads all options of HELLO before it logs in"),
    (r"object encoding ", r"\$listpack", "small sets are listpacks since 7.2; the comparison of states sees all others"),
    (r"object (idletime|freq) ", r":", "a write that fails or changes nothing is no use of its key here (RESTORE sets times far enough away)", same_kind),
    (r"lpos .* rank -9223372036854775808", r"-ERR value is out of range", "7.0 cannot negate it and finds nothing"),
    (r"xread(group)? ", r"-ERR Unbalanced", "7.2 says the command's name otherwise"),
    (r"xsetid ", r"-ERR The ID specified in XSETID is smaller than current", "7.0 does not look at it"),
    (r"acl genpass( |$)", r"\$[0-9a-f]+$", "what is drawn differs", same_length),
    (r"acl log( \d+)?$", r"\*", "ages, and facts of the client: tests/interop/test_acl.py"),
    (r"config get .*[*?\[]", r"[*%]", "each has settings of its own"),
    (r"client no-touch", r".*", "CLIENT NO-TOUCH is new in 7.2"),
    (r"sort(_ro)? \S* (.* )?by [^* ]*( |$)", r"\*", "what is not sorted comes in the order of its set", same_length),
    (r"eval\S* .*string\.format.*\\0", r"\$", "Lua 5.4's %s does not end at a byte of zero"),
    (r"eval\S* .*\{double", r"[,$]", "7.2 writes the shortest form of a double", same_number),
    (r"(eval|evalsha|eval_ro|script load|function load|fcall)", r"-ERR .*(perform 'n%0'|syntax error near|attempt to (\w+|perform arithmetic on) an? |near '<\\\d+>')",
     "Lua 5.4 words these otherwise"),
    (r"eval\S* .*redis\.p?call\(.*(0\.1|0\.5|1/3|1e15|1e20|2\^53|-0\.0|argv\[1\] \+ 0)", r"\$", "7.2 gives numbers to commands in their shortest form", same_number),
    (r"eval\S* .* % ", r"[:$]", "5.1 rounds in between and knows no negative zero", same_rest),
]
# After these the two hold other values: what the same group of commands still asks of them is not compared.
PARTING = re.compile(rb"xsetid ", re.I)
COMPILED = [(re.compile(c, re.S), re.compile(r, re.S), why, *holds) for c, r, why, *holds in DIFFERENCES]

# ... and what redis-server must have answered.
ORACLE_DIFFERENCES = [
    (r"z(rev)?rank ", r"-ERR [Ww]rong number of arg", "WITHSCORE is new in 7.2"),
    (r"sort(_ro)? ", r"-ERR One or more scores can't be converted into double",
     "redis-server takes the range error of an earlier command's number for one of its own"),
    (r"xadd .*-\* ", r"-ERR Elements are too large to be stored",
     "where no sequence number is left, redis-server looks at the error of an earlier system call"),
]
ORACLE_COMPILED = [(re.compile(c, re.S), re.compile(r, re.S), why) for c, r, why in ORACLE_DIFFERENCES]

# ---- parts of replies ----

# XINFO: fields of 7.2 alone, and fields that are each server's own.
NEW_TIMES = (b"active-time", b"inactive")
OWN = (b"radix-tree-nodes", b"seen-time", b"idle")  # 7.2 counts every attempt of a consumer, 7.0 what was given

# 7.2 words refusals otherwise, and names the user and the command.
NOPERM = {b"NOPERM No permissions to access a key":
          b"NOPERM this user has no permissions to access one of the keys used as arguments",
          b"NOPERM No permissions to access a channel":
          b"NOPERM this user has no permissions to access one of the channels used as arguments"}

# 7.0 tells those who wait for a group that is gone by another error; where the group's end is no news to it, 7.2's is.
OLD_ERRORS = re.compile(rb"UNBLOCKED the stream key no longer exists|NOGROUP |WRONGTYPE |"
                        rb"UNBLOCKED the consumer group this client was blocked on no longer exists")

# ---- what random commands leave out ----

# These are sent as their templates have them, never with words missing or wrong (gen.py).
SPARED = {
    "XADD": '"*" is an id of the clock', "XCLAIM": "idle times count by the millisecond", "XAUTOCLAIM": "likewise",
    "XPENDING": "likewise",
    "FUNCTION": "an error repeats the whole library, of which Redpoll has less",
    "RESTORE": "redis-server lets the greatest time to live overflow; tests/interop/test_dump.py compares the errors",
    "CONFIG SET": "a setting would change", "DEBUG": "SLEEP would sleep",
    "HELLO SETNAME": "7.0 does one option after the other until it meets a wrong one, 7.2 reads all of them first",
    "ZADD z": "ranges of names make no sense where scores differ",
    "SADD {onw": "SORT ALPHA holds words equal that begin alike up to a byte of zero, and then their order is chance",
    "ZADD {onw": "likewise",
}

# (where, what is not compared, or not to the letter, and why)
LOOSE = [
    ("all", "times to live, within 3 s", "two clocks"),
    ("all", "the order of what has none: sets, hashes, KEYS, SCAN; what is drawn at random; places at equal distance, and which of "
     "them COUNT leaves out", "chance"),
    ("generic", "DBSIZE right after a key's time", "redis-server counts an expired key until it looks at it"),
    ("generic", "OBJECT ENCODING of small sets and lists", "7.2 has listpacks: encoding() below"),
    ("hash", "fields that expire", "7.4 has them: tests/unit/cmd/test_hash_model.c has a model of its own"),
    ("dump", "DUMP as bytes", "compressed or ordered otherwise: tests/interop/test_dump.py restores each side's on the other"),
    ("stream", "consumers that find nothing", "7.0 does not make them: they are made before"),
    ("stream", "XSETID below what was deleted", "7.0 takes it: the key goes afterwards"),
    ("sort", "mixed with other groups; numbers out of a double's range", "redis-server does not forget errno"),
    ("acl", "the rules' text", "7.0 derives it from their effect: the effect is compared"),
    ("blocking", "a key's change of type while a command waits for it, XREAD of a stream named twice",
     "7.2 looks at all keys of a command again; one that was overwritten by a STORE is served here, and forgotten there"),
    ("blocking", "which of its keys serves a command when another one that waited has moved an element between them, or SWAPDB "
     "brings several", "7.2 looks at all keys again; on different shards both have news at the same time"),
    ("script", "libraries beyond those that are here, and the words of Lua's own errors", "Lua 5.4"),
]

# ---- what users of Redis 7.2 can see: commands, the difference, the reason ----

VISIBLE = [
    ("", "Commands of one connection whose keys, or channels, lie on different shards may execute in another order than they were sent. "
     "Replies come in order, and commands on one key execute in order.",
     "Shards work at the same time. Who needs an order between two keys waits for a reply, gives the keys one {tag}, or uses MULTI. "
     "Events of two keys, of two shards, may be heard the other way round."),
    ("DUMP, SAVE, BGSAVE, BGREWRITEAOF", "A hash whose fields expire is written in version 12 of RDB's format, and its times go to the "
     "append-only file as HPEXPIREAT: Redis before 7.4 reads neither. All else is version 10, which 7.0 reads: it has no room for when "
     "a consumer of a stream was last given something, which after a load is when it last tried.",
     "Fields that expire came with Redis 7.4."),
    ("HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT, HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, HPERSIST, HGETDEL, HGETEX, HSETEX, HSCAN",
     "Of Redis 7.4 and 8, as is NOVALUES of HSCAN.", "Clients of later versions want them."),
    ("EVAL, EVAL_RO, EVALSHA, EVALSHA_RO, FCALL, FCALL_RO", "Scripts run on Lua 5.4: it words its own errors otherwise, its % knows "
     "negative zero, its %s goes on behind a byte of zero, functions with `...` have no table `arg`, and a loop whose step is 0 or a "
     "length % 0 is an error.",
     "Libraries and conversions are Redis's, the engine is not."),
    ("EVAL, EVAL_RO, EVALSHA, EVALSHA_RO, FCALL, FCALL_RO", "A script that has done something (written, published, logged, been "
     "refused a command) and then reaches for a key of a shard that neither its KEYS nor an earlier run named fails there, and the error "
     "names the key.",
     "Shards are leased before a script begins."),
    ("", "While a script takes too long, BUSY is for those who want a shard that it keeps from others: WATCH among them, while other "
     "keys are served. Everything else is answered BUSY only where it keeps all shards, and never through the admin listener.",
     "A script stops nobody who has nothing to do with it."),
    ("SCRIPT SHOW", "Of Valkey 8.", "Operators want to read what a digest stands for."),
    ("SAVE", "Others are served meanwhile.", "Snapshots need no standstill."),
    ("BGREWRITEAOF", "The base file is always a snapshot: `aof-use-rdb-preamble no` is refused.", "One way to write it is enough."),
    ("CLIENT SETNAME, CLIENT SETINFO, HELLO", "Names longer than 255 bytes are refused.", "What a client may keep is bounded."),
    ("SCAN, SSCAN, HSCAN, ZSCAN", "Cursors and the order of what is found are others; the guarantees are Redis's.",
     "Tables grow bucket by bucket, and a cursor of SCAN names a shard."),
    ("OBJECT IDLETIME, OBJECT FREQ", "A write that fails or changes nothing is no use of its key.",
     "It looks at the key without a trace, since nobody is to hear of a change that does not come."),
    ("SORT, SORT_RO", "Members of a set BY nosort come in another order.", "A set's own order is chance in Redis, too."),
    ("RESTORE", "A time to live that would lie beyond the end of time is refused.", "In Redis it overflows."),
    ("WAIT, WAITAOF", "There are no replicas to wait for.", "Replication is not there yet."),
    ("INFO, CONFIG GET, MEMORY USAGE, MEMORY STATS", "Fields and settings of what Redpoll does not have are missing, "
     "and sizes are those of its own structures.", "Nothing is counted that they could tell."),
]

# Commands of 7.2 that do not exist, like any unknown one: docs/commands.md has them all with these reasons.
MISSING = {
    "Redpoll is no node of a cluster": "ASKING CLUSTER READONLY READWRITE RESTORE-ASKING",
    "Redpoll opens no connection to another server yet": "MIGRATE",
    "replication is not there yet": "FAILOVER PSYNC REPLCONF REPLICAOF ROLE SLAVEOF SYNC",
    "modules are programs for Redis's own structures": "MODULE",
}


def text(reply):
    return f"{reply[0]}{reply[1].decode('latin1') if isinstance(reply[1], bytes) else reply[1]}"


def reason(command, ours, oracle):
    """Why the difference is known, or None."""
    return of_words(command.args, ours, oracle) or of_words(called(command.args), ours, oracle) or \
        of_counted(command.args, ours, oracle) or of_counted(called(command.args), ours, oracle)


def of_counted(args, ours, oracle):
    """Of places at equal distance COUNT leaves out some by chance: those that one alone has are as far away as the
    other's."""
    words = [a.lower() for a in args]
    if not words or not words[0].startswith((b"geosearch", b"georadius")) or not {b"count", b"withdist"} <= set(words):
        return None
    if ours[0] != "*" or oracle[0] != "*" or not ours[1] or not oracle[1] or len(ours[1]) != len(oracle[1]):
        return None

    def distances(rows, others):
        return sorted(row[1][1] for row in rows if row not in others)

    same = distances(ours[1], oracle[1]) == distances(oracle[1], ours[1])
    return "which of equally distant places COUNT leaves out is chance" if same else None


def parts(command, ours, oracle):
    """Does a difference that is known leave other values behind?"""
    return bool(PARTING.match(b" ".join(command.args))) and ours != oracle


def called(args):
    """The command that a script of redis.call(unpack(ARGV)) was given."""
    if len(args) < 4 or not args[0].lower().startswith(b"eval") or b"(unpack(ARGV))" not in args[1] or not args[2].isdigit():
        return []
    return args[3 + int(args[2]):]


def of_words(args, ours, oracle):
    words = b" ".join(args).decode("latin1").lower()
    for rows, reply in ((COMPILED, text(ours)), (ORACLE_COMPILED, text(oracle))):
        for command_pattern, reply_pattern, why, *holds in rows:
            if command_pattern.match(words) and reply_pattern.match(reply) and all(h(ours, oracle) for h in holds):
                return why
    return None


def encoding(kind, text):
    """Small sets and lists are listpacks since 7.2."""
    if kind == b"list":
        return b"quicklist"
    return b"hashtable" if kind == b"set" and text == b"listpack" else text


def visible():
    """What users can see, numbered: [(commands, line)]."""
    return [(names.split(", ") if names else [], f"{what} *{why}*") for names, what, why in VISIBLE]


if __name__ == "__main__":
    for i, (names, line) in enumerate(visible(), 1):
        print(f"{i}. {', '.join(names) or 'all'}: {line}")
