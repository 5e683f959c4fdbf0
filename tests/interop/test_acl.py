"""Users and their rights, on 1 and 4 workers: what they may do, what others see of it, and where they are kept."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for  # noqa: E402
from oracle import Oracle  # noqa: E402
from resp import Closed  # noqa: E402

OK = ("+", b"OK")


def error(text):
    return "-", text.encode()


BY_DENIED = error("ERR BY option of SORT denied due to insufficient ACL permissions.")


def bulk(text):
    return "$", text.encode()


def setuser(c, *rules):
    assert c.call("ACL", "SETUSER", *rules) == OK, rules


def logged_in(lab, user, password="x"):
    c = lab.client()
    assert c.call("AUTH", user, password) == OK
    return c


def is_closed(c):
    try:
        c.call("PING")
        return False
    except (Closed, ConnectionError):
        return True


def log(c, *args):
    reply = c.call("ACL", "LOG", *args)[1]
    return [{entry[1][i][1].decode(): entry[1][i + 1][1] for i in range(0, len(entry[1]), 2)} for entry in reply]


def rights(lab):
    admin = lab.client()
    setuser(admin, "alice", "on", ">x", "~a:*", "%R~r:*", "%W~w:*", "&ch:*", "+@all", "-@dangerous", "+sort",
            "+config|get",
            "-select", "+select|0")
    c = logged_in(lab, "alice")
    assert c.call("ACL", "WHOAMI") == bulk("alice")
    key = error("NOPERM No permissions to access a key")
    noperm = "NOPERM User alice has no permissions to run the '%s' command"
    for words, reply in (
            ("SET a:1 v", OK), ("GET a:1", bulk("v")), ("SET b v", key), ("GET r:1", ("$", None)), ("SET r:1 v", key),
            ("SET w:1 v", OK), ("GET w:1", key), ("SET w:1 v GET", key), ("COPY r:1 w:2", (":", 0)), ("COPY w:1 r:2",
                key),
            ("MSET a:1 1 a:2 2 a:3 3 a:4 4", OK), ("MSET a:1 1 a:2 2 b 3", key), ("EXISTS w:1 a:1 r:1", (":", 2)),
            ("EXISTS b", key),
            ("RENAME a:1 b", key), ("SINTERSTORE w:s r:1 r:2", (":", 0)), ("SINTERSTORE r:s r:1 r:2", key),
            ("BITFIELD r:1 GET u8 0", ("*", [(":", 0)])), ("BITFIELD r:1 SET u8 0 1", key),
            ("FLUSHALL", error(noperm % "flushall")), ("CONFIG SET maxmemory 0", error(noperm % "config|set")),
            ("CONFIG GET databases", ("*", [bulk("databases"), bulk("16")])), ("SELECT 0", OK), ("SELECT 1",
                error(noperm % "select")),
            ("NOSUCH", error("ERR unknown command 'NOSUCH', with args beginning with: ")),
            ("GET", error("ERR wrong number of arguments for 'get' command")), ("RPUSH a:l 2 1", (":", 2)),
            ("SORT a:l BY x", ("*", [bulk("2"), bulk("1")])),
            ("SORT a:l BY w_*", BY_DENIED),
            ("SORT a:l GET #", error("ERR GET option of SORT denied due to insufficient ACL permissions.")),
            ("SORT a:l STORE b", key), ("SORT a:l STORE w:l", (":", 2))):
        assert c.call(*words.split()) == reply, (words, c.call(*words.split()))
    c.send([("SET", f"{'a:' if i % 3 else 'b:'}{i}", i) for i in range(60)])
    assert [c.read() for _ in range(60)] == [OK if i % 3 else key for i in range(60)], "refusals keep their place"


def rights_while_waiting(lab):
    """Those who wait are looked at again when they are served: as in Redis 7.2."""
    admin = lab.client()
    setuser(admin, "pat", "on", ">x", "~*", "+@all")
    for words, feed, key, left in (("BLPOP l 0", "RPUSH l v", "l", "LRANGE l 0 -1"),
                                   ("BLMOVE l m LEFT LEFT 0", "RPUSH l v", "l", "LRANGE l 0 -1"),
                                   ("BZPOPMIN z 0", "ZADD z 1 v", "z", "ZRANGE z 0 -1"),
                                   ("XREAD BLOCK 0 STREAMS s $", "XADD s 1-1 v v", "s", "XLEN s")):
        command = words.split()[0].lower()
        for rule, back, reply in ((f"-{command}", f"+{command}", f"User pat has no permissions to run the '{command}' command"),
                                  ("resetkeys", "~*", "No permissions to access a key")):
            admin.call("DEL", key)
            waiting = logged_in(lab, "pat")
            waiting.send([words.split(), ["PING"]])
            wait_for(lambda: b"blocked_clients:1\r" in admin.call("INFO", "clients")[1], what="it waits")
            setuser(admin, "pat", rule)
            admin.call(*feed.split())
            assert waiting.read() == error("NOPERM " + reply), words
            waiting.read()
            assert admin.call(*left.split())[1] in ([bulk("v")], 1), "it took something"
            # ... and one whose rights come back in time never hears of it
            setuser(admin, "pat", back)
            admin.call("DEL", key)
            waiting.send([words.split()])
            wait_for(lambda: b"blocked_clients:1\r" in admin.call("INFO", "clients")[1], what="it waits")
            setuser(admin, "pat", rule)
            setuser(admin, "pat", back)
            admin.call(*feed.split())
            assert waiting.read()[0] in "*$", words
            waiting.close()


# Where 7.2 differs from 7.0.
MOVED = {b"blocking": {b"wait"}}


def categories(c):
    """Of each category the commands that ACL CAT names, by name."""
    names = [v for _, v in c.call("ACL", "CAT")[1]]
    assert len(names) == len(set(names)) == 21, names
    return {name: {v for _, v in c.call("ACL", "CAT", name)[1]} for name in names}


def categories_as_redis(lab):
    """Of the commands that both have, the same ones are in each category."""
    with Oracle() as oracle:
        ours, theirs = categories(lab.client()), categories(oracle.client())
    assert set(ours) == set(theirs)
    both = set.union(*ours.values()) & set.union(*theirs.values())
    assert len(both) > 300, len(both)
    wrong = {(name, command) for name in ours for command in (ours[name] ^ theirs[name]) & both}
    assert wrong == {(name, command) for name, commands in MOVED.items() for command in commands}, wrong


for workers in (1, 4):
    @test(f"a user may do what the rules say and nothing else; ACL CAT as redis-server, {workers} worker(s)")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            rights(lab)
            categories_as_redis(lab)


    @test(f"a command that waited is refused if its user may not run it any more, {workers} worker(s)")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            rights_while_waiting(lab)


@test("selectors: one of them must allow the whole request; SORT BY needs one that reads every key")
def _():
    with Lab("af_packet", 1) as lab:
        admin = lab.client()
        setuser(admin, "bob", "on", ">x", "+get", "~p", "(+set", "~q)", "(+sort %R~*)", "(+sort +sort_ro ~p %R~q)")
        c = logged_in(lab, "bob")
        for words, reply in (
                ("GET p", ("$", None)), ("GET q", error("NOPERM No permissions to access a key")), ("SET q 1", OK),
                ("SET p 1", error("NOPERM No permissions to access a key")),
                ("DEL p", error("NOPERM User bob has no permissions to run the 'del' command")),
                ("SORT n BY w_*", ("*", [])), ("SORT n BY w_* STORE p", error("NOPERM No permissions to access a key")),
                ("SORT p BY nosort STORE p", (":", 0)), ("SORT_RO p BY w_*",
                                                         BY_DENIED)):
            assert c.call(*words.split()) == reply, (words, c.call(*words.split()))


@test("a change reaches every connected client before SETUSER is answered, and DELUSER closes them, 4 workers")
def _():
    with Lab("af_packet", 4) as lab:
        admin = lab.client()
        setuser(admin, "carol", "on", ">x", "~*", "+@all")
        clients = [logged_in(lab, "carol") for _ in range(32)]
        for i in range(50):
            setuser(admin, "carol", "-get" if i % 2 else "+get")
            for c in clients:
                c.send([("GET", "x")])
            want = error("NOPERM User carol has no permissions to run the 'get' command") if i % 2 else ("$", None)
            assert {c.read() for c in clients} == {want}, i
        setuser(admin, "carol", "+@all", "allchannels", "allkeys", "off")
        assert {c.call("GET", "x") for c in clients} == {("$", None)}, "off keeps those who are in"
        c = lab.client()
        assert c.call("AUTH", "carol", "x")[1].startswith(b"WRONGPASS")
        assert clients[0].call("ACL", "DELUSER", "carol", "nobody") == (":",
            1), "the one that deletes itself is answered"
        assert all(is_closed(c) for c in clients)
        assert admin.call("ACL", "USERS") == ("*", [bulk("default")])
        assert admin.call("ACL", "DELUSER", "default") == error("ERR The 'default' user cannot be removed")


@test("CLIENT LIST shows users, CLIENT KILL USER closes theirs")
def _():
    with Lab("af_packet", 2) as lab:
        admin = lab.client()
        setuser(admin, "dave", "on", ">x", "~*", "+@all")
        clients = [logged_in(lab, "dave") for _ in range(8)]
        assert admin.call("CLIENT", "LIST")[1].count(b" user=dave ") == 8
        assert admin.call("CLIENT", "KILL", "USER", "eve") == error("ERR No such user 'eve'")
        assert admin.call("CLIENT", "KILL", "USER", "dave") == (":", 8)
        assert all(is_closed(c) for c in clients)


@test("passwords: several, hashed ones, nopass, the wrong one; HELLO AUTH; RESET goes back to the default user")
def _():
    with Lab("af_packet", 1) as lab:
        admin = lab.client()
        hashed = "2b95993380f8be6bd4bd46bf44f98db3a4f5d3c1cf1e1e3e3ea12b0e2dd1a2d8"
        setuser(admin, "erin", "on", ">one", ">two", f"#{hashed}", "+@all", "~*")
        for password, good in (("one", True), ("two", True), ("three", False), ("", False), (hashed, False), ("on",
            False)):
            assert (lab.client().call("AUTH", "erin", password) == OK) == good, password
        setuser(admin, "erin", "<one")
        assert lab.client().call("AUTH", "erin", "one")[1].startswith(b"WRONGPASS")
        setuser(admin, "erin", "nopass")
        c = lab.client()
        assert c.call("HELLO", "3", "AUTH", "erin", "whatever", "SETNAME", "me")[0] == "%"
        assert c.call("ACL", "WHOAMI") == bulk("erin")
        assert c.call("RESET") == ("+", b"RESET")
        assert c.call("ACL", "WHOAMI") == bulk("default")
        assert c.call("AUTH", "x" * 20000)[0] == "-", "a password beyond the bound is none"
        assert admin.call("CONFIG", "SET", "requirepass", "secret") == OK
        assert admin.call("PING") == ("+", b"PONG"), "who is in stays in"
        c = lab.client()
        assert c.call("PING") == error("NOAUTH Authentication required.")
        assert c.call("HELLO", "3")[1].startswith(b"NOAUTH HELLO must be called")
        assert c.call("AUTH", "secret") == OK
        assert c.call("AUTH", "secret", "x")[1].startswith(b"WRONGPASS"), "a failed log-in leaves the client as it was"
        assert c.call("PING") == ("+", b"PONG")
        setuser(admin, "default", "off")
        assert lab.client().call("AUTH", "default", "secret")[1].startswith(b"WRONGPASS")


@test("channels: refused, or closed when the user loses one that a client listens to, 2 workers")
def _():
    channel = error("NOPERM No permissions to access a channel")
    with Lab("af_packet", 2) as lab:
        admin = lab.client()
        setuser(admin, "kim", "on", ">x", "+@all", "~*", "&news:*", "&p?")
        c = logged_in(lab, "kim")
        for words, allowed in (("PUBLISH news:1 x", True), ("PUBLISH other x", False), ("SPUBLISH news:1 x", True),
                               ("SPUBLISH other x", False), ("SUBSCRIBE news:1 other", False),
                               ("PSUBSCRIBE news:1*", False), ("SSUBSCRIBE other", False)):
            reply = c.call(*words.split())
            assert (reply == (":", 0)) if allowed else (reply == channel), (words, reply)
        listeners = {}
        for name, words in (("channel", "SUBSCRIBE news:1"), ("pattern", "PSUBSCRIBE news:*"),
                            ("literal", "PSUBSCRIBE p?"), ("shard", "SSUBSCRIBE px")):
            listeners[name] = logged_in(lab, "kim")
            assert listeners[name].call(*words.split())[0] == "*", words
        setuser(admin, "kim", "resetchannels", "&news:1", "&p?")
        for name, closed in (("channel", False), ("pattern", True), ("literal", False), ("shard", False)):
            assert is_closed(listeners[name]) == closed, name
        assert c.call("PUBLISH", "news:2", "x") == channel
        setuser(admin, "kim", "resetchannels")
        for name in ("channel", "literal", "shard"):
            assert is_closed(listeners[name]), name


@test("scripts: what they call is checked with the rights of their client, and so are their keys")
def _():
    with Lab("af_packet", 2) as lab:
        admin = lab.client()
        setuser(admin, "liz", "on", ">x", "~a*", "+@all", "-lpush")
        c = logged_in(lab, "liz")
        assert c.call("EVAL", "return redis.call('SET', KEYS[1], '1')", "1", "a1") == OK
        assert c.call("EVAL", "return 1", "1", "b1") == error("NOPERM No permissions to access a key")
        for call, denied in (("'SET', 'b1', '1'", b"No permissions to access a key"),
                             ("'LPUSH', 'a1', '1'", b"User liz has no permissions to run the 'lpush' command"),
                             ("'SORT', 'a2', 'BY', 'w*'", b"BY option of SORT denied")):
            reply = c.call("EVAL", f"return redis.call({call})", "1", "a1")
            assert reply[0] == "-" and denied in reply[1], (call, reply)
        may = "return {redis.acl_check_cmd('get', 'a1') and 1 or 0, redis.acl_check_cmd('get', 'b1') and 1 or 0}"
        assert c.call("EVAL", may, "1", "a1") == ("*", [(":", 1), (":", 0)])
        wait_for(lambda: {(e["context"], e["object"]) for e in log(admin)} ==
                 {(b"toplevel", b"b1"), (b"lua", b"b1"), (b"lua", b"lpush")}, what="refusals in the log")
        addr = c.call("CLIENT", "INFO")[1].split()[1].decode()
        for e in log(admin):
            assert f" {addr} " in e["client-info"].decode() and b" user=liz " in e["client-info"] and b" cmd=eval " in e["client-info"], e


@test("ACL LOG: one entry for refusals alike, its fields, its length; INFO counts them")
def _():
    with Lab("af_packet", 2) as lab:
        admin = lab.client()
        setuser(admin, "frank", "on", ">x", "~a", "+@read")
        c = logged_in(lab, "frank")
        for _ in range(3):
            c.call("SET", "a", "1")
        c.call("GET", "b")
        lab.client().call("AUTH", "frank", "wrong")
        lab.client().call("HELLO", "2", "AUTH", "nobody", "x")
        wait_for(lambda: len(log(admin)) == 4, what="refusals in the log")
        entries = log(admin)
        assert [(e["reason"], e["context"], e["object"], e["username"], e["count"]) for e in reversed(entries)] == [
            (b"command", b"toplevel", b"set", b"frank", 3), (b"key", b"toplevel", b"b", b"frank", 1),
            (b"auth", b"toplevel", b"AUTH", b"frank", 1), (b"auth", b"toplevel", b"HELLO", b"nobody", 1)]
        assert b" user=frank " in entries[3]["client-info"] and b"cmd=" in entries[3]["client-info"]
        assert [e["entry-id"] for e in entries] == [3, 2, 1, 0]
        assert all(e["timestamp-created"] <= e["timestamp-last-updated"] for e in entries)
        assert len(log(admin, "1")) == 1 and log(admin, "0") == []
        info = admin.call("INFO", "stats")[1].decode()
        for line in ("acl_access_denied_auth:2", "acl_access_denied_cmd:3", "acl_access_denied_key:1",
                     "acl_access_denied_channel:0"):
            assert line in info.split("\r\n"), line
        assert admin.call("CONFIG", "SET", "acllog-max-len", "2") == OK
        c.call("GET", "c")
        wait_for(lambda: [e["object"] for e in log(admin)] == [b"c", b"HELLO"], what="the log cut to its length")
        assert admin.call("ACL", "LOG", "RESET") == OK and log(admin) == []


@test("users stand in the configuration, and CONFIG REWRITE writes them there")
def _():
    with tempfile.TemporaryDirectory() as d:
        conf = os.path.join(d, "redpoll.conf")
        with open(conf, "w") as f:
            f.write("user default on nopass ~* &* +@all\nuser grace on >x ~g:* (+get ~p) +@all\n")
        with Lab("af_packet", 1, [conf]) as lab:
            admin = lab.client()
            c = logged_in(lab, "grace")
            assert c.call("SET", "g:1", "1") == OK and c.call("GET", "p") == ("$", None)
            setuser(admin, "heidi", "on", "nopass", "%R~h:*", "+@all", "-keys")
            assert admin.call("ACL", "DELUSER", "grace") == (":", 1)
            before = admin.call("ACL", "LIST")
            assert admin.call("CONFIG", "REWRITE") == OK
            assert admin.call("ACL",
                              "SAVE")[1].startswith(b"ERR This Redis instance is not configured to use an ACL file")
        with open(conf) as f:
            assert "grace" not in f.read()
        with Lab("af_packet", 1, [conf]) as lab:
            assert lab.client().call("ACL", "LIST") == before


@test("an ACL file: read at start, written by SAVE, read again by LOAD, refused as a whole if a line is wrong")
def _():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "users.acl")
        with open(path, "w") as f:
            f.write("user ivan on nopass ~* +@all\n\nuser judy off\n")
        with Lab("af_packet", 2, ["--aclfile", path]) as lab:
            admin, ivan = lab.client(), logged_in(lab, "ivan")
            assert admin.call("ACL", "USERS") == ("*", [bulk("default"), bulk("ivan"), bulk("judy")])
            setuser(admin, "judy", "on", ">x")
            assert admin.call("ACL", "SAVE") == OK
            with open(path) as f:
                saved = f.read()
            assert [line.encode() for line in saved.splitlines()] == [v for _, v in admin.call("ACL", "LIST")[1]]
            with open(path, "w") as f:
                f.write(saved + "user mallory on +nosuch\n")
            reply = admin.call("ACL", "LOAD")
            assert reply[0] == "-" and b":4: " in reply[1], reply
            assert b"WARNING: ACL errors detected, no change to the previously active" in reply[1], reply
            assert len(admin.call("ACL", "USERS")[1]) == 3
            with open(path, "w") as f:
                f.write("user default on nopass ~* &* +@all\nuser judy on nopass +ping\n")
            assert admin.call("ACL", "LOAD") == OK
            assert is_closed(ivan) and admin.call("PING") == ("+", b"PONG")
            judy = logged_in(lab, "judy")
            assert judy.call("GET", "x") == error("NOPERM User judy has no permissions to run the 'get' command")


@test("DEBUG only where enable-debug-command allows it")
def _():
    refused = (b"ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it "
               b"from a local connection, otherwise you need to set this option in the configuration file, and then "
               b"restart the server.")
    for value, outside, inside in (("no", False, False), ("local", False, True), ("yes", True, True)):
        with Lab("af_packet", 1, ["--enable-debug-command", value]) as lab:
            assert (lab.client().call("DEBUG", "SLEEP", "0") == OK) == outside
            if not outside:
                assert lab.client().call("DEBUG", "SLEEP", "0") == ("-", refused)
            said = lab.exec_server_side("redis-cli", "-p", "6380", "DEBUG", "SLEEP", "0").strip()
            assert (said == "OK") == inside, said


main()
