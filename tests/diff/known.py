"""Where Redpoll rightly differs from redis-server 7.0: it answers as Redis 7.2 does, or for a reason of its own.

Each row: a pattern of the command's words (lower case, joined with spaces), a pattern of our reply, the reason.
"""
import re

DIFFERENCES = [
    (r"command( count)?$", r"[*:]", "each server has its own set of commands"),
    (r"client setinfo", r".*", "CLIENT SETINFO is new in 7.2"),
    (r"hello .*\bauth .*", r"-ERR (Syntax|Client names)", "7.2 reads all options of HELLO before it logs in"),
    (r"z(rev)?rank \S* \S* \S", r".*", "WITHSCORE is new in 7.2"),
    (r"object encoding ", r"\$listpack", "small sets are listpacks since 7.2; the comparison of states sees all others"),
    (r"lpos .* rank -9223372036854775808", r"-ERR value is out of range", "7.0 cannot negate it and finds nothing"),
    (r"xread(group)? ", r"-ERR Unbalanced", "7.2 says the command's name otherwise"),
    (r"xsetid ", r"-ERR The ID specified in XSETID is smaller than current", "7.0 does not look at it"),
    (r"client no-touch", r".*", "CLIENT NO-TOUCH is new in 7.2"),
]
COMPILED = [(re.compile(c, re.S), re.compile(r, re.S), why) for c, r, why in DIFFERENCES]


# ... and what redis-server must have answered.
ORACLE_DIFFERENCES = [
    (r"sort(_ro)? ", r"-ERR One or more scores can't be converted into double",
     "redis-server takes the range error of an earlier command's number for one of its own"),
]
ORACLE_COMPILED = [(re.compile(c, re.S), re.compile(r, re.S), why) for c, r, why in ORACLE_DIFFERENCES]


def text(reply):
    return f"{reply[0]}{reply[1].decode('latin1') if isinstance(reply[1], bytes) else reply[1]}"


def reason(command, ours, oracle):
    """Why the difference is known, or None."""
    words = b" ".join(command.args).decode("latin1").lower()
    for rows, reply in ((COMPILED, text(ours)), (ORACLE_COMPILED, text(oracle))):
        for command_pattern, reply_pattern, why in rows:
            if command_pattern.match(words) and reply_pattern.match(reply):
                return why
    return None


def encoding(kind, text):
    """Small sets and lists are listpacks since 7.2."""
    if kind == b"list":
        return b"quicklist"
    return b"hashtable" if kind == b"set" and text == b"listpack" else text
