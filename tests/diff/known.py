"""Where Redpoll rightly differs from redis-server 7.0: it answers as Redis 7.2 does, or for a reason of its own.

Each row: a pattern of the command's words (lower case, joined with spaces), a pattern of our reply, the reason.
"""
import re

DIFFERENCES = [
    (r"command( count)?$", r"[*:]", "each server has its own set of commands"),
    (r"client setinfo", r".*", "CLIENT SETINFO is new in 7.2"),
    (r"hello .*\bauth .*", r"-ERR (Syntax|Client names)", "7.2 reads all options of HELLO before it logs in"),
    (r"z(rev)?rank [^ ]* [^ ]* .", r".*", "WITHSCORE is new in 7.2"),
    (r"object encoding ", r"\$listpack", "small sets are listpacks since 7.2; the comparison of states sees all others"),
    (r"lpos .* rank -9223372036854775808", r"-ERR value is out of range", "7.0 cannot negate it and finds nothing"),
    (r"xread(group)? ", r"-ERR Unbalanced", "7.2 says the command's name otherwise"),
    (r"xsetid ", r"-ERR The ID specified in XSETID is smaller than current", "7.0 does not look at it"),
    (r"acl genpass( |$)", r"\$[0-9a-f]+$", "what is drawn differs"),
    (r"client no-touch", r".*", "CLIENT NO-TOUCH is new in 7.2"),
    (r"sort(_ro)? \S* (.* )?by [^* ]*( |$)", r"\*", "what is not sorted comes in the order of its set"),
    (r"eval\S* .*string\.format.*\\0", r"\$", "Lua 5.4's %s does not end at a byte of zero"),
    (r"eval\S* .*\{double", r"[,$]", "7.2 writes the shortest form of a double"),
    (r"(eval|evalsha|eval_ro|script load|function load|fcall)", r"-ERR .*(perform 'n%0'|syntax error near|attempt to (\w+|perform arithmetic on) an? |near '<\\\d+>')",
     "Lua 5.4 words these otherwise"),
    (r"eval\S* .* % ", r"[:$]", "5.1 rounds in between and knows no negative zero"),
]
COMPILED = [(re.compile(c, re.S), re.compile(r, re.S), why) for c, r, why in DIFFERENCES]


# ... and what redis-server must have answered.
ORACLE_DIFFERENCES = [
    (r"sort(_ro)? ", r"-ERR One or more scores can't be converted into double",
     "redis-server takes the range error of an earlier command's number for one of its own"),
    (r"xadd .*-\* ", r"-ERR Elements are too large to be stored",
     "where no sequence number is left, redis-server looks at the error of an earlier system call"),
]
ORACLE_COMPILED = [(re.compile(c, re.S), re.compile(r, re.S), why) for c, r, why in ORACLE_DIFFERENCES]


def text(reply):
    return f"{reply[0]}{reply[1].decode('latin1') if isinstance(reply[1], bytes) else reply[1]}"


def reason(command, ours, oracle):
    """Why the difference is known, or None."""
    return of_words(command.args, ours, oracle) or of_words(called(command.args), ours, oracle)


def called(args):
    """The command that a script of redis.call(unpack(ARGV)) was given."""
    if len(args) < 4 or not args[0].lower().startswith(b"eval") or b"(unpack(ARGV))" not in args[1] or not args[2].isdigit():
        return []
    return args[3 + int(args[2]):]


def of_words(args, ours, oracle):
    words = b" ".join(args).decode("latin1").lower()
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
