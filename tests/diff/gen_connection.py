"""Connection commands and what dispatch itself answers."""
from gen import Command

TEMPLATES = [
    (4, "PING ?(value)"),
    (4, "ECHO value"),
    (4, "SELECT db"),
    (3, "CLIENT SETNAME {name|a-b|client_name|text}"),
    (3, "CLIENT GETNAME"),
    (1, "CLIENT ID", "kind"),
    (1, "CLIENT INFO", "kind"),
    (1, "CLIENT NO-EVICT {ON|OFF|MAYBE}"),
    (1, "CLIENT NO-TOUCH {ON|OFF}"),
    (1, "CLIENT SETINFO {LIB-NAME|LIB-VER} {redis-x|1.0}"),
    (1, "CLIENT NOTHING"),
    (1, "CLIENT"),
    (1, "CLIENT REPLY MAYBE"),
    (2, "AUTH ?(name) value"),
    (2, "HELLO ?({2|3|4|x|3.0})", "hello"),
    (1, "HELLO {2|3} SETNAME {n|client_name}", "hello"),
    (1, "HELLO {2|3} AUTH name value", "hello"),
    (1, "HELLO {2|3} {AUTH name|SETNAME|NOTHING}", "hello"),
    (0.5, "RESET"),
    (1, "COMMAND COUNT", "kind"),
    (2, "COMMAND GETKEYS {SET key value|MSET key value key value|GET key|BITOP AND key key key|COPY key key|LCS key key|"
        "PING|NOTHING|MEMORY USAGE key|OBJECT ENCODING key|GET}"),
    (1, "COMMAND GETKEYSANDFLAGS {SET key value|SET key value GET|MGET key key|RENAME key key|GETEX key|PING}"),
    (1, "COMMAND NOTHING"),
    (1, "NOTHING *(value)"),
    (1, "CONFIG GET {databases|requirepass|appendonly|nothing|maxmemory-policy}", "sorted_map"),
    (1, "CONFIG {GET|SET|SET nothing 1|NOTHING|SET databases 5|SET maxmemory x|SET maxmemory-policy x}"),
    (0.5, "DEBUG SLEEP 0"),
    (2, "DEBUG PROTOCOL {string|integer|double|bignum|null|array|set|map|attrib|verbatim|true|false|nothing}"),
    (1, "DEBUG ERROR {text|name|OOPS}"),
    (0.5, "DEBUG {CHANGE-REPL-ID|LOG x|HTSTATS 99|HTSTATS x|HTSTATS-KEY nosuch|LISTPACK nosuch|REPLYBUFFER x|NOTHING}"),
    (0.5, "DEBUG REPLYBUFFER {PEAK-RESET-TIME {NEVER|RESET|100}|RESIZING {0|1}}"),
    (0.5, "DEBUG QUICKLIST-PACKED-THRESHOLD {0|100b|1kb|1x|5g|x}"),
    (0.3, "SLOWLOG {LEN|GET x|NOTHING}", "kind"),
    (0.3, "LATENCY {LATEST|NOTHING}", "kind"),
]


def reply_skip(g):
    return [Command(["CLIENT", "REPLY", "SKIP"], silent=True), Command(["SET", g.key(), g.value()], silent=True),
            Command(["PING"])]


def reply_off(g):
    return ([Command(["CLIENT", "REPLY", "OFF"], silent=True)]
            + [Command(["APPEND", g.key(), g.value()], silent=True) for _ in range(g.rng.randrange(3))]
            + [Command(["CLIENT", "REPLY", "ON"])])


SCRIPTS = [(0.5, reply_skip), (0.5, reply_off)]
