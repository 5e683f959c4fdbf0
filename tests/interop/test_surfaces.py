#!/usr/bin/python3
"""What random commands do not reach, compared with redis-server: words of the management commands, the table that COMMAND
shows, names of settings and of INFO's fields, requests that are no RESP, and DEBUG."""
import os
import re
import shlex
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import main, test, wait_for
from local import Local
from oracle import Oracle

# Redis's words, one command after the other: arity, subcommands, errors, values of settings. ' ; ' separates them.
WORDS = r"""
CONFIG ; CONFIG GET ; CONFIG SET ; CONFIG SET a ; CONFIG FOO ; CONFIG GET foo ; CONFIG SET maxmemory 10mb maxmemory 20mb
CONFIG SET maxmemory 10mb foo 20mb ; CONFIG SET foo bar ; CONFIG SET port ; CONFIG SET save "" ; CONFIG GET save
CONFIG SET save "100 1" ; CONFIG GET save ; CONFIG SET save "100 1 20 3" ; CONFIG GET save ; CONFIG SET save "100"
CONFIG SET save "a b" ; CONFIG SET save "-1 1" ; CONFIG SET save "0 1" ; CONFIG SET save ""
CONFIG SET client-output-buffer-limit "normal 1 2 3" ; CONFIG GET client-output-buffer-limit
CONFIG SET client-output-buffer-limit "normal 1 2" ; CONFIG SET client-output-buffer-limit "wrong 1 2 3"
CONFIG SET client-output-buffer-limit "normal x 2 3" ; CONFIG SET client-output-buffer-limit "normal 1mb 2kb 3 pubsub 1gb 2 4"
CONFIG GET client-output-buffer-limit ; CONFIG SET client-output-buffer-limit "slave 0 0 0"
CONFIG SET client-output-buffer-limit "replica 0 0 0" ; CONFIG SET client-output-buffer-limit "master 0 0 0"
CONFIG GET client-output-buffer-limit
CONFIG SET client-output-buffer-limit "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60"
CONFIG GET client-output-buffer-limit ; CONFIG SET maxmemory 1kb ; CONFIG GET maxmemory ; CONFIG SET maxmemory 1
CONFIG SET maxmemory 10m ; CONFIG GET maxmemory ; CONFIG SET maxmemory -1 ; CONFIG SET maxmemory 5x ; CONFIG SET maxmemory 100%
CONFIG SET maxmemory 0 ; CONFIG SET maxmemory-clients 100% ; CONFIG GET maxmemory-clients ; CONFIG SET maxmemory-clients 5%
CONFIG GET maxmemory-clients ; CONFIG SET maxmemory-clients 1mb ; CONFIG GET maxmemory-clients ; CONFIG SET maxmemory-clients 0
CONFIG SET maxmemory-clients 101% ; CONFIG SET maxmemory-policy foo ; CONFIG SET maxmemory-policy ALLKEYS-LRU
CONFIG GET maxmemory-policy ; CONFIG SET maxmemory-policy noeviction ; CONFIG SET notify-keyspace-events KEA
CONFIG GET notify-keyspace-events ; CONFIG SET notify-keyspace-events KEx ; CONFIG SET notify-keyspace-events gxE$lshztdmnK
CONFIG GET notify-keyspace-events ; CONFIG SET notify-keyspace-events Kd ; CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events "" ; CONFIG GET notify-keyspace-events ; CONFIG SET requirepass "" ; CONFIG SET dbfilename a/b
CONFIG SET dbfilename "" ; CONFIG SET dir /nonexistent ; CONFIG SET databases 20 ; CONFIG SET appendonly foo
CONFIG SET appendfilename foo ; CONFIG SET daemonize yes ; CONFIG SET slowlog-log-slower-than -2
CONFIG SET slowlog-log-slower-than -1 ; CONFIG SET slowlog-max-len 10 ; CONFIG SET hz 20 ; CONFIG SET lua-time-limit 10
CONFIG GET lua-time-limit ; CONFIG GET busy-reply-threshold ; CONFIG SET lua-time-limit 5000 ; CONFIG SET timeout x
CONFIG SET list-max-listpack-size -6 ; CONFIG SET list-max-ziplist-size 0 ; CONFIG SET list-max-listpack-size -2
CONFIG RESETSTAT ; CONFIG RESETSTAT x ; CONFIG HELP x ; CONFIG SET acl-pubsub-default x ; CONFIG SET replica-priority 10
CONFIG SET enable-debug-command yes ; CONFIG SET latency-tracking-info-percentiles "50.0 99.0"
CONFIG SET latency-tracking-info-percentiles "" ; CONFIG SET latency-tracking-info-percentiles "50 99 99.9"
CONFIG SET tracking-table-max-keys 10 ; CONFIG SET tracking-table-max-keys 1000000 ; CONFIG SET stop-writes-on-bgsave-error no
OBJECT ; OBJECT FOO ; OBJECT FOO k ; OBJECT ENCODING ; OBJECT ENCODING none ; OBJECT REFCOUNT none ; OBJECT FREQ none
OBJECT IDLETIME none ; SET k v ; OBJECT REFCOUNT k ; OBJECT FREQ k ; OBJECT IDLETIME k ; CONFIG SET maxmemory-policy allkeys-lfu
OBJECT FREQ k ; OBJECT IDLETIME k ; GET k ; OBJECT FREQ k ; SET n 100 ; OBJECT REFCOUNT n ; CONFIG SET maxmemory-policy noeviction
SET n 100 ; OBJECT REFCOUNT n ; SET n 10000 ; OBJECT REFCOUNT n ; OBJECT HELP x ; MEMORY ; MEMORY FOO ; MEMORY USAGE
MEMORY USAGE none ; MEMORY USAGE k SAMPLES ; MEMORY USAGE k SAMPLES x ; MEMORY USAGE k SAMPLES -1 ; MEMORY USAGE k FOO 1
MEMORY USAGE k SAMPLES 0 x ; MEMORY PURGE x ; MEMORY DOCTOR x ; MEMORY STATS x ; LATENCY ; LATENCY FOO ; LATENCY LATEST x
LATENCY HISTORY ; LATENCY HISTORY x ; LATENCY RESET ; LATENCY RESET x ; LATENCY GRAPH x ; LATENCY GRAPH ; LATENCY DOCTOR x
LATENCY HISTOGRAM foo ; LATENCY HISTOGRAM foo bar|x ; SLOWLOG ; SLOWLOG FOO ; SLOWLOG GET x ; SLOWLOG GET -2 ; SLOWLOG GET 1 2
SLOWLOG LEN x ; SLOWLOG RESET ; SLOWLOG LEN ; COMMAND FOO ; COMMAND COUNT x ; COMMAND GETKEYS ; COMMAND GETKEYS get
COMMAND GETKEYS get a ; COMMAND GETKEYS get a b ; COMMAND GETKEYS foo a ; COMMAND GETKEYS ping ; COMMAND GETKEYS mset a b c d
COMMAND GETKEYS zunionstore d 2 a b ; COMMAND GETKEYS zunionstore d 3 a b ; COMMAND GETKEYS zunionstore d x a b
COMMAND GETKEYS eval x 2 a b c ; COMMAND GETKEYS eval x 0 a b c ; COMMAND GETKEYS eval x 5 a ; COMMAND GETKEYS eval x x a
COMMAND GETKEYS sort a store b ; COMMAND GETKEYS sort a by x get # store b ; COMMAND GETKEYS xread count 1 streams a b 0 0
COMMAND GETKEYS xreadgroup group g c streams a 0 ; COMMAND GETKEYS memory usage a ; COMMAND GETKEYS object freq a
COMMAND GETKEYS xinfo stream a ; COMMAND GETKEYS lmpop 2 a b left ; COMMAND GETKEYS lmpop 0 a b left
COMMAND GETKEYS lmpop 5 a b left ; COMMAND GETKEYS set a b ; COMMAND GETKEYS pfcount a b ; COMMAND GETKEYS publish a b
COMMAND GETKEYS bitop and d a b ; COMMAND GETKEYS config get a ; COMMAND GETKEYS config ; COMMAND GETKEYS acl foo
COMMAND GETKEYS lcs a b ; COMMAND GETKEYS copy a b ; COMMAND GETKEYS watch a b ; COMMAND GETKEYS keys a
COMMAND GETKEYS fcall f 1 a ; COMMAND GETKEYSANDFLAGS set a b ; COMMAND GETKEYSANDFLAGS set a b get
COMMAND GETKEYSANDFLAGS set a b GET EX 1 ; COMMAND GETKEYSANDFLAGS bitfield a get u8 0
COMMAND GETKEYSANDFLAGS bitfield a set u8 0 1 ; COMMAND GETKEYSANDFLAGS bitfield_ro a get u8 0 ; COMMAND GETKEYSANDFLAGS copy a b
COMMAND GETKEYSANDFLAGS lmove a b left right ; COMMAND GETKEYSANDFLAGS sort a store b ; COMMAND GETKEYSANDFLAGS eval x 1 a
COMMAND GETKEYSANDFLAGS zunionstore d 2 a b ; COMMAND GETKEYSANDFLAGS getex a ; COMMAND GETKEYSANDFLAGS getex a ex 1
COMMAND GETKEYSANDFLAGS xread streams a b 0 0 ; COMMAND GETKEYSANDFLAGS georadius a 1 1 1 m store b
COMMAND GETKEYSANDFLAGS pfcount a ; COMMAND GETKEYSANDFLAGS ping ; COMMAND LIST FILTERBY ; COMMAND LIST FILTERBY MODULE foo
COMMAND LIST FILTERBY ACLCAT foo ; COMMAND LIST FILTERBY FOO foo ; COMMAND LIST FILTERBY PATTERN xyz* ; COMMAND LIST x
COMMAND INFO foo ; COMMAND INFO config|foo ; COMMAND DOCS foo ; COMMAND DOCS foo bar ; COMMAND INFO "" ; COMMAND HELP x ; CLIENT
CLIENT FOO ; CLIENT ID x ; CLIENT GETNAME x ; CLIENT SETNAME ; CLIENT SETNAME "a b" ; CLIENT SETNAME "a\nb" ; CLIENT NO-EVICT
CLIENT NO-EVICT x ; CLIENT REPLY ; CLIENT REPLY x ; CLIENT CACHING x ; CLIENT CACHING YES ; CLIENT TRACKING ; CLIENT TRACKING x
CLIENT TRACKING ON FOO ; CLIENT TRACKING ON OPTIN OPTOUT ; CLIENT TRACKING ON PREFIX ; CLIENT TRACKING ON PREFIX a
CLIENT TRACKING ON REDIRECT x ; CLIENT TRACKING ON REDIRECT 9999 ; CLIENT TRACKING ON BCAST PREFIX a PREFIX ab
CLIENT TRACKING ON BCAST OPTIN ; CLIENT TRACKING OFF ; CLIENT GETREDIR ; CLIENT TRACKINGINFO ; CLIENT UNBLOCK x
CLIENT UNBLOCK 1 FOO ; CLIENT PAUSE x ; CLIENT PAUSE -1 ; CLIENT PAUSE 1 FOO ; CLIENT UNPAUSE ; CLIENT KILL x ; CLIENT KILL ID x
CLIENT KILL ID 999 ; CLIENT KILL TYPE x ; CLIENT KILL FOO x ; CLIENT KILL USER nouser ; CLIENT KILL SKIPME x ; CLIENT LIST TYPE x
CLIENT LIST ID ; CLIENT LIST ID x ; CLIENT LIST FOO ; CLIENT INFO x ; ACL ; ACL FOO ; ACL CAT x ; ACL CAT a b ; ACL WHOAMI x
ACL USERS x ; ACL GETUSER none ; ACL GETUSER ; ACL DELUSER default ; ACL DELUSER none ; ACL SETUSER x foo ; ACL SETUSER x +foo
ACL SETUSER x +@foo ; ACL SETUSER x %foo ; ACL SETUSER "a b" ; ACL SETUSER x %~a ; ACL SETUSER x %R~ ; ACL SETUSER x (
ACL SETUSER x "(+get" ; ACL SETUSER x #abc ; ACL SETUSER x !abc ; ACL SETUSER x <abc ; ACL SETUSER x &a allchannels &b
ACL SETUSER x ~* ~a ; ACL SETUSER x -config|get|x ; ACL SETUSER x -config|foo ; ACL SETUSER x +get|foo ; ACL GENPASS x
ACL GENPASS 0 ; ACL GENPASS 5000 ; ACL LOG x ; ACL LOG -1 ; ACL LOG RESET x ; ACL LOAD ; ACL SAVE ; ACL DRYRUN none get
ACL DRYRUN default foo ; ACL DRYRUN default get ; ACL DRYRUN default get a ; ACL DRYRUN default ; FUNCTION ; FUNCTION FOO
FUNCTION LOAD ; FUNCTION LOAD x ; FUNCTION LOAD REPLACE ; FUNCTION LOAD FOO x ; FUNCTION DELETE x ; FUNCTION FLUSH x
FUNCTION FLUSH ASYNC SYNC ; FUNCTION FLUSH SYNC ; FUNCTION LIST x ; FUNCTION LIST LIBRARYNAME ; FUNCTION LIST WITHCODE WITHCODE
FUNCTION DUMP x ; FUNCTION RESTORE x ; FUNCTION RESTORE x FOO ; FUNCTION STATS x ; FUNCTION KILL ; FCALL ; FCALL x ; FCALL x 0
FCALL x y ; FCALL x -1 ; FCALL x 5 ; SCRIPT ; SCRIPT FOO ; SCRIPT LOAD ; SCRIPT LOAD "return 1"
SCRIPT EXISTS ; SCRIPT EXISTS x ; SCRIPT FLUSH x ; SCRIPT FLUSH SYNC ; SCRIPT FLUSH ASYNC x ; SCRIPT KILL
EVAL ; EVAL x ; EVAL "return 1" x ; EVAL "return 1" -1 ; EVAL "return 1" 2 a ; EVALSHA x 0 ; EVALSHA x x
EVALSHA_RO ffffffffffffffffffffffffffffffffffffffff 0 ; XINFO ; XINFO FOO ; XINFO STREAM ; XINFO STREAM none ; XINFO STREAM k
XINFO GROUPS none ; XINFO CONSUMERS none g ; XINFO STREAM none FULL ; XINFO STREAM none FOO ; XINFO STREAM none FULL FOO 1
XADD x 1-1 a 1 ; XINFO CONSUMERS x g ; XINFO GROUPS x ; XGROUP ; XGROUP FOO ; XGROUP CREATE ; XGROUP CREATE a b
XGROUP CREATE none g 0 ; XGROUP CREATE x g foo ; XGROUP CREATE x g 0 FOO ; XGROUP CREATE x g 0 ENTRIESREAD x
XGROUP CREATE x g 0 ENTRIESREAD -5 ; XGROUP CREATE x g 0 ; XGROUP CREATE x g 0 ; XGROUP DESTROY x h ; XGROUP DELCONSUMER x g c
XGROUP DELCONSUMER x h c ; XGROUP CREATECONSUMER x h c ; XGROUP SETID x h 0 ; XGROUP SETID x g foo ; LOLWUT VERSION x
LOLWUT VERSION 5 x ; SWAPDB ; SWAPDB 0 ; SWAPDB 0 x ; SWAPDB x 0 ; SWAPDB 0 99 ; SWAPDB -1 0 ; SWAPDB 0 0 ; SELECT x ; SELECT 16
SELECT -1 ; SELECT 99999999999 ; SELECT 9999999999999999999999 ; MOVE k 0 ; MOVE k x ; MOVE k 99 ; MOVE none 1 ; COPY k k
COPY k k2 DB x ; COPY k k2 DB 99 ; COPY k k2 DB 1 ; COPY k k2 DB 1 ; COPY k k2 DB 1 REPLACE ; COPY k k2 FOO ; COPY k k2 DB
FLUSHALL x ; FLUSHALL SYNC ASYNC ; FLUSHALL SYNC ; FLUSHDB ASYNC ; FLUSHDB x ; HELLO x ; HELLO 1 ; HELLO 4 ; HELLO 2 FOO
HELLO 2 AUTH a ; HELLO 2 AUTH a b ; HELLO 2 SETNAME ; HELLO 2 SETNAME "a b" ; RESET ; RESET x ; PING a b ; PING a ; ECHO ; TIME x
DBSIZE x ; LASTSAVE x ; WAIT x 1 ; WAIT 0 x ; WAIT 0 -1 ; WAIT 0 0 ; AUTH ; AUTH a ; AUTH a b ; AUTH a b c ; MULTI ; MULTI
WATCH a ; FOO ; EXEC ; EXEC ; DISCARD ; MULTI ; GET ; EXEC ; MULTI ; SELECT 1 ; CONFIG GET maxmemory-policy ; EXEC ; SELECT 0
WATCH ; UNWATCH x ; SHUTDOWN FOO ; SHUTDOWN ABORT ; SHUTDOWN SAVE NOSAVE ; SHUTDOWN ABORT NOW ; BGSAVE FOO ; BGSAVE SCHEDULE x
SAVE x ; BGREWRITEAOF x ; MONITOR x ; SUBSCRIBE ; PUBSUB ; PUBSUB FOO ; PUBSUB CHANNELS a b ; PUBLISH a ; RANDOMKEY x ; INFO foo
INFO foo bar ; TYPE ; TYPE none ; KEYS ; SCAN ; SCAN x ; SCAN 0 FOO ; SCAN 0 COUNT ; SCAN 0 COUNT 0 ; SCAN 0 COUNT x
SCAN 0 MATCH ; SCAN 18446744073709551615 ; SCAN 99999999999999999999999 ; SCAN -1
"""

# What COMMAND says otherwise, because 7.2 does: the row and what of it.
ROWS_OF_72 = {("zrank", "arity"), ("zrevrank", "arity"), ("wait", "flags"), ("wait", "acl"),
              *((name, "flags") for name in ("blmove", "blpop", "brpop", "brpoplpush", "bzpopmax", "bzpopmin")),
              *((f"acl|{name}", "tips") for name in ("setuser", "deluser", "load", "save"))}
NEW = {"waitaof", "hexpire", "hexpireat", "hexpiretime", "hgetdel", "hgetex", "hpersist", "hpexpire", "hpexpireat", "hpexpiretime",
       "hpttl", "hsetex", "httl", "client|no-touch", "client|setinfo", "script|show"}
LATER = {"asking", "cluster", "failover", "migrate", "module", "psync", "readonly", "readwrite", "replconf", "replicaof",
         "restore-asking", "role", "slaveof", "sync"}

# Settings that are not here: of clusters and TLS, for replicas that log in, and for tests of Redis itself.
SETTINGS_NOT_HERE = re.compile(r"cluster-.*|tls-.*|masterauth|masteruser|aof-disable-auto-gc")
# Fields of INFO that are not here, since nothing is counted that they could tell.
FIELDS_NOT_HERE = {"redis_build_id", "client_recent_max_input_buffer", "client_recent_max_output_buffer",
                   "expire_cycle_cpu_milliseconds", "dump_payload_sanitizations", "total_reads_processed",
                   "total_writes_processed"}

BYTES = [
    b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", b"*1\r\nfoo\r\n", b"*x\r\n", b"*-1\r\nPING\r\n", b"*0\r\nPING\r\n", b"*2147483648\r\n",
    b"*1048577\r\n", b"*99999999999999999999\r\n", b"*3\r\n$-1\r\n", b"*3\r\n$x\r\n", b"*1\r\n$536870913\r\n", b"*1\r\n$0\r\n\r\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", b"*1\r\n:4\r\nPING\r\n", b"* 1\r\n$4\r\nPING\r\n", b"*01\r\n$4\r\nPING\r\n",
    b"*1\r\n$+4\r\nPING\r\n", b"\n\nPING\n", b"PING \"\\x41\\n\"\r\n", b"PING 'a\\'b'\r\n", b"PING \"abc\r\n", b"PING 'a'b\r\n",
    b"PING a\"b\"\r\n", b"a" * 65537, b"*" + b"1" * 65536, b"*1\r\n$" + b"1" * 70000,
    b"POST / HTTP/1.1\r\nHost: x\r\n\r\nPING\r\n", b"host:\r\nPING\r\n", b"+OK\r\n", b"PING\r\nFOO\r\n*1\r\n$x\r\nPING\r\n", b"quit now\r\nPING\r\n",
    b"*3\r\n$3\r\nfoo\r\n$3\r\na\rb\r\n$5\r\nx\ny\rz\r\n", b"*2\r\n$3\r\nfoo\r\n$200\r\n" + b"z" * 200 + b"\r\n"]


class Both:
    """Both servers."""

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory()
        self.ours = Local(self.home.name, workers=2).__enter__()
        self.redis = Oracle().__enter__()
        return self.ours, self.redis

    def __exit__(self, *exc):
        self.redis.__exit__(*exc)
        self.ours.__exit__(*exc)
        self.home.cleanup()


def plain(reply):
    """Values without their types; what has no order sorted, maps as dictionaries."""
    kind, value = reply
    if not isinstance(value, list):
        return value.decode() if isinstance(value, bytes) else value
    values = [plain(v) for v in value]
    if kind == "%":
        return {values[i]: values[i + 1] for i in range(0, len(values), 2)}
    return sorted(values, key=str) if kind == "~" else values


def batches(text):
    """Lists of commands; CONFIG SET is sent alone, since other threads do not wait for it."""
    batch = []
    for line in text.strip().replace("\n", " ; ").split(" ; "):
        if line.startswith("CONFIG SET"):
            if batch:
                yield batch
            yield [line]
            batch = []
        else:
            batch.append(line)
    yield batch


def of_map(reply):
    """A flat array of names and values."""
    return {k[1].decode(): v[1].decode() for k, v in zip(reply[1][::2], reply[1][1::2])}


@test("management commands: words, refusals and values are those of redis-server, in RESP2 and RESP3")
def _():
    wrong = []
    with Both() as servers:
        for proto in (2, 3):
            clients = [s.client(proto=proto, timeout=60) for s in servers]
            for batch in [b for b in batches(WORDS) if proto == 2 or not b[0].startswith("CONFIG SET")]:
                answers = [c.pipeline([shlex.split(line) for line in batch]) for c in clients]
                wrong += [f"RESP{proto} {line}: {got}, redis-server {want}" for line, got, want in zip(batch, *answers) if got != want]
            for c, s in zip(clients, servers):
                s.client().call("FLUSHALL")
                c.close()
    assert not wrong, "\n".join(wrong)


@test("COMMAND shows the rows of redis-server, COMMAND DOCS their arguments")
def _():
    parts = ("name", "arity", "flags", "first key", "last key", "step", "acl", "tips", "specs", "subcommands")
    wrong = []

    def compare_rows(ours, redis):
        missing = set(redis) - set(ours) - LATER
        more = set(ours) - set(redis) - NEW
        if missing or more:
            wrong.append(f"missing {missing}, too many {more}")
        for name in set(ours) & set(redis):
            for i, part in enumerate(parts[1:8], 1):
                mine, theirs = ours[name][i], redis[name][i]
                if mine != theirs and (name, part) not in ROWS_OF_72:
                    wrong.append(f"{name}, {part}: {mine}, redis-server {theirs}")
            compare_rows(*[{sub[0]: sub for sub in row[9]} for row in (ours[name], redis[name])])

    def tokens(arguments):
        """Which words an argument is made of, and what kinds of values."""
        return sorted((a.get("token", ""), a["type"]) for a in arguments if "arguments" not in a) + [
            t for a in arguments for t in tokens(a.get("arguments", []))]

    with Both() as servers:
        clients = [s.client(proto=3) for s in servers]
        compare_rows(*[{row[0]: row for row in plain(c.call("COMMAND"))} for c in clients])
        ours, redis = [plain(c.call("COMMAND", "DOCS")) for c in clients]
        for name in ("zadd", "xadd", "xclaim", "xgroup|create", "geosearch", "hrandfield", "zrange", "zdiff", "geoadd", "xreadgroup"):
            mine, theirs = [docs[name.split("|")[0]] if "|" not in name else docs[name.split("|")[0]]["subcommands"][name]
                            for docs in (ours, redis)]
            if tokens(mine["arguments"]) != tokens(theirs["arguments"]):
                wrong.append(f"DOCS {name}: {tokens(mine['arguments'])}, redis-server {tokens(theirs['arguments'])}")
        assert "latency|stages" not in ours["latency"]["subcommands"]
        assert ours["get"]["arguments"][0]["display_text"] == "key"
    assert not wrong, "\n".join(wrong)


@test("CONFIG knows the settings of redis-server, INFO its fields")
def _():
    with Both() as servers:
        ours, redis = [s.client() for s in servers]
        have, want = of_map(ours.call("CONFIG", "GET", "*")), of_map(redis.call("CONFIG", "GET", "*"))
        assert not [n for n in want if n not in have and not SETTINGS_NOT_HERE.fullmatch(n)]
        set_to = {n: ours.call("CONFIG", "SET", n, v) for n, v in want.items() if n.startswith(("repl", "slave", "rdb-s", "aof-rewrite-i"))}
        assert not [n for n, reply in set_to.items() if reply != ("+", b"OK") and n not in ("replicaof", "slaveof")], set_to
        assert of_map(ours.call("CONFIG", "GET", "list-max-*-size")) == of_map(redis.call("CONFIG", "GET", "list-max-*-size"))
        for value in ("5%", "100%", "101%", "-1%", "x%", "1mb", "0"):
            assert ours.call("CONFIG", "SET", "maxmemory-clients", value) == redis.call("CONFIG", "SET", "maxmemory-clients", value)
            assert ours.call("CONFIG", "GET", "maxmemory-clients") == redis.call("CONFIG", "GET", "maxmemory-clients")
        fields = [set(re.findall(r"^([a-z]\w*):", c.call("INFO", "everything")[1].decode(), re.M)) for c in (ours, redis)]
        missing = {f for f in fields[1] - fields[0] if not f.startswith(("cmdstat_", "latency_percentiles_", "errorstat_"))}
        assert missing == FIELDS_NOT_HERE, missing ^ FIELDS_NOT_HERE
        assert re.search(rb"latency_percentiles_usec_info:p50=[\d.]+,p99=[\d.]+,p99.9=", ours.call("INFO", "latencystats")[1])


def told(server, data):
    """What comes for these bytes, and whether the connection stays open."""
    c = server.client()
    c.sock.sendall(data)
    c.sock.settimeout(0.15)
    got = b""
    try:
        while piece := c.sock.recv(1 << 16):
            got += piece
        got += b"<closed>"
    except socket.timeout:
        pass
    except ConnectionError:
        got += b"<closed>"  # what was not read is still there: a reset
    c.close()
    return got


@test("requests that are none, inline commands and HTTP: answered, or closed, as by redis-server")
def _():
    wrong = []
    with Both() as (ours, redis):
        for data in BYTES:
            got, want = told(ours, data), told(redis, data)
            if got != want and told(ours, data) != want:
                wrong.append(f"{data[:60]}: {got[:200]}, redis-server {want[:200]}")
    assert not wrong, "\n".join(wrong)


@test("a request of more than a million words is one")
def _():
    with Both() as (ours, _):
        c = ours.client(timeout=60)
        n = 1_100_000
        c.sock.sendall(b"*%d\r\n$5\r\nRPUSH\r\n" % (n + 2) + b"$1\r\nl\r\n" * (n + 1))
        assert c.read() == (":", n)


DEBUG = """SET-DISABLE-DENY-SCRIPTS ; DIGEST-VALUE ; PAUSE-CRON 1 ; PAUSE-CRON 0 ; PAUSE-CRON ; QUICKLIST none ; QUICKLIST string
OBJECT none ; LISTPACK none ; LISTPACK string ; SLEEP 0 ; FOO ; DIGEST x ; HTSTATS 99 ; HTSTATS x ; HTSTATS-KEY string ; ERROR
PROTOCOL foo ; QUICKLIST-PACKED-THRESHOLD 100b ; QUICKLIST-PACKED-THRESHOLD 5gb ; REPLYBUFFER RESIZING 0 ; REPLYBUFFER FOO 1
STRINGMATCH-LEN 10 ; POPULATE ; POPULATE -1 ; POPULATE 3 p 8 ; DIGEST-VALUE string p:1 none ; SET-ACTIVE-EXPIRE ; LOG ; CHANGE-REPL-ID x"""
TYPES = ("string", "integer", "double", "null", "array", "set", "map", "verbatim", "true", "false", "bignum")


def debug_object(c, key):
    return dict(word.split(":", 1) for word in c.call("DEBUG", "OBJECT", key)[1].decode().split()[1:])


@test("DEBUG: refusals, sizes of values, and what scripts see of it")
def _():
    with Both() as servers:
        ours, redis = clients = [s.client() for s in servers]
        for c in clients:
            c.pipeline([("SET", "string", "a value"), ("SET", "number", 12345), ("RPUSH", "long", *range(3000)), ("ZADD", "z", 1, "a", 2.5, "b"),
                        ("HSET", "h", "f", "v"), ("SADD", "s", 1, 2, 3), ("SADD", "table", *range(200), "x"), ("XADD", "x", "1-1", "f", "v")])
        for words in [x.split() for line in DEBUG.splitlines() for x in line.split(" ; ")]:
            assert ours.call("DEBUG", *words) == redis.call("DEBUG", *words), words
        for key in ("string", "number", "h", "z", "s"):
            mine, theirs = [debug_object(c, key) for c in clients]
            assert (mine["encoding"], mine["serializedlength"]) == (theirs["encoding"], theirs["serializedlength"]), (key, mine, theirs)
        mine, theirs = [debug_object(c, "long") for c in clients]
        for what in ("encoding", "ql_nodes", "ql_avg_node", "ql_listpack_max", "ql_compressed", "ql_uncompressed_size"):
            assert mine[what] == theirs[what], (what, mine, theirs)
        assert ours.call("DEBUG", "QUICKLIST", "long")[0] == "+"
        script = """local function show(v)
                        if type(v) ~= 'table' then return tostring(v) end
                        local words = {}
                        for k, x in pairs(v) do words[#words + 1] = tostring(k) .. '=' .. show(x) end
                        table.sort(words)
                        return '{' .. table.concat(words, ',') .. '}'
                    end
                    redis.setresp(3)
                    return show(redis.call('debug', 'protocol', ARGV[1]))"""
        asked = [("EVAL", script, 0, t) for t in TYPES] + [("EVAL", "return redis.call('multi')", 0)]
        for on in (0, 1, 0):
            assert ours.call("DEBUG", "SET-DISABLE-DENY-SCRIPTS", on) == redis.call("DEBUG", "SET-DISABLE-DENY-SCRIPTS", on)
            for words in asked if on else asked[:1]:
                got, want = ours.call(*words), redis.call(*words) if "multi" not in words[1] else None
                if want is None:
                    assert got[0] == "-" and b"not allowed from script" in got[1]
                elif got[0] == "-":
                    assert want[0] == "-" and want[1].split(b" script:")[0] == got[1].split(b" script:")[0]
                else:
                    assert got == want, words


@test("what takes long to free is counted: waiting, then done")
def _():
    with Both() as (ours, _):
        c = ours.client()
        c.pipeline([("SADD", "large", *range(20000)), ("SET", "small", 1), ("CONFIG", "RESETSTAT")])

        def figures():
            return [int(re.search(rb"%s:(\d+)" % name, c.call("INFO", "memory")[1])[1])
                    for name in (b"lazyfree_pending_objects", b"lazyfreed_objects")]

        c.call("UNLINK", "large", "small")
        wait_for(lambda: figures() == [0, 1], what="one value is freed")
        c.pipeline([("SET", f"k{i}", i) for i in range(5000)] + [("SADD", "large", *range(20000)), ("FLUSHALL",)])
        wait_for(lambda: figures()[0] == 0, what="all is freed")
        assert figures()[1] == 1 + 5001, figures()

main()
