#!/usr/bin/python3
"""CLIENT: the same steps of several clients played to redis-server and to Redpoll with one worker and with four; who was
killed, paused or unblocked, and what each client was told."""
import hashlib
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import Lab, main, test, wait_for
from play import CLOSE, ID, SLEEP, Told
from resp import Closed, encode

OPEN = [("a", "PING"), ("b", "PING"), ("c3", "PING"), ("s", "SUBSCRIBE", "x"), ("t3", "PSUBSCRIBE", "y*")]

READS = "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])"
WRITES = "return redis.call('incr', KEYS[1])"


def sha(script):
    return hashlib.sha1(script.encode()).hexdigest()


SCENARIOS = {
    "kill: words": [
        ("a", "CLIENT", "KILL"), ("a", "CLIENT", "KILL", "1.2.3.4:5"), ("a", "CLIENT", "KILL", "ID", "x"),
        ("a", "CLIENT", "KILL", "ID", 0), ("a", "CLIENT", "KILL", "ID", -5), ("a", "CLIENT", "KILL", "ID", 123456),
        ("a", "CLIENT", "KILL", "TYPE", "foo"), ("a", "CLIENT", "KILL", "USER", "nobody"), ("a", "CLIENT", "KILL", "SKIPME", "maybe"),
        ("a", "CLIENT", "KILL", "FOO", "bar"), ("a", "CLIENT", "KILL", "ID"), ("a", "CLIENT", "KILL", "ADDR", "1.2.3.4:5"),
        ("a", "CLIENT", "KILL", "LADDR", "1.2.3.4:5"), ("a", "CLIENT", "KILL", "TYPE", "master"), ("a", "CLIENT", "KILL", "TYPE", "replica"),
        ("a", "CLIENT", "KILL", "TYPE", "slave"), ("a", "CLIENT", "KILL", "ID", 5, "TYPE"), ("a", "CLIENT", "KILL", "ADDR", "x", "ID", 1, "TYPE", "normal")],
    "kill by number": OPEN + [("a", "CLIENT", "KILL", "ID", ID("b")), ("a", "CLIENT", "KILL", "ID", ID("b")), ("a", "CLIENT", "KILL", "ID", ID("a")),
        ("a", "CLIENT", "KILL", "ID", ID("s"), "TYPE", "normal"), ("a", "CLIENT", "KILL", "ID", ID("s"), "TYPE", "pubsub"),
        ("a", "CLIENT", "LIST"), ("a", "CLIENT", "KILL", "ID", ID("a"), "SKIPME", "no")],
    "kill by type": OPEN + [("a", "CLIENT", "KILL", "TYPE", "pubsub"), ("a", "CLIENT", "LIST", "TYPE", "pubsub"), ("a", "CLIENT", "KILL", "TYPE", "normal"),
        ("a", "CLIENT", "LIST"), ("a", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")],
    "kill by user": [("a", "ACL", "SETUSER", "u", "on", ">p", "~*", "&*", "+@all"), ("b", "AUTH", "u", "p"), ("c3", "AUTH", "u", "p"), ("d", "PING"),
        ("a", "CLIENT", "KILL", "USER", "u", "TYPE", "pubsub"), ("a", "CLIENT", "KILL", "USER", "u"), ("a", "CLIENT", "KILL", "USER", "default"),
        ("a", "ACL", "DELUSER", "u"), ("a", "CLIENT", "LIST")],
    "kill what waits, listens, or is in a transaction": [
        ("a", "PING"), ("b", "BLPOP", "l", 0), ("c3", "MULTI"), ("c3", "SET", "k", 1), ("d", "WATCH", "k"), ("s", "SUBSCRIBE", "x"), ("m", "MONITOR"),
        ("a", "CLIENT", "KILL", "ID", ID("b")), ("a", "LPUSH", "l", 1), ("a", "LLEN", "l"), ("a", "CLIENT", "KILL", "ID", ID("c3")), ("a", "EXISTS", "k"),
        ("a", "CLIENT", "KILL", "ID", ID("d")), ("a", "CLIENT", "KILL", "ID", ID("s")), ("a", "PUBLISH", "x", "m"), ("a", "CLIENT", "KILL", "ID", ID("m")),
        ("a", "CLIENT", "LIST")],
    "list": OPEN + [("a", "CLIENT", "SETNAME", "me"), ("b", "SELECT", 3), ("b", "MULTI"), ("b", "GET", "k"), ("c3", "CLIENT", "TRACKING", "ON", "BCAST"),
        ("a", "CLIENT", "LIST"), ("a", "CLIENT", "LIST", "TYPE", "normal"), ("a", "CLIENT", "LIST", "TYPE", "pubsub"), ("a", "CLIENT", "LIST", "TYPE", "PUBSUB"),
        ("a", "CLIENT", "LIST", "TYPE", "master"), ("a", "CLIENT", "LIST", "TYPE", "replica"), ("a", "CLIENT", "LIST", "TYPE", "foo"),
        ("a", "CLIENT", "LIST", "ID", ID("b")), ("a", "CLIENT", "LIST", "ID", ID("b"), ID("s"), 99999), ("a", "CLIENT", "LIST", "ID", "x"),
        ("a", "CLIENT", "LIST", "ID"), ("a", "CLIENT", "LIST", "TYPE"), ("a", "CLIENT", "LIST", "TYPE", "normal", "ID", 1), ("a", "CLIENT", "LIST", "FOO"),
        ("a", "CLIENT", "INFO"), ("w", "BLPOP", "l", 0), ("a", "CLIENT", "LIST", "ID", ID("w")), ("m", "MONITOR"), ("a", "CLIENT", "NO-EVICT", "ON"),
        ("a", "CLIENT", "LIST", "ID", ID("m"), ID("a"))],
    "reply": [
        ("a", "CLIENT", "REPLY", "OFF"), ("a", "SET", "k", 1), ("a", "GET", "k"), ("a", "NOSUCH"), ("a", "CLIENT", "REPLY", "ON"), ("a", "GET", "k"),
        ("a", "CLIENT", "REPLY", "SKIP"), ("a", "SET", "k", 2), ("a", "GET", "k"), ("a", "CLIENT", "REPLY", "SKIP"), ("a", "CLIENT", "REPLY", "SKIP"), ("a", "GET", "k"),
        ("a", "GET", "k"), ("a", "CLIENT", "REPLY", "SKIP"), ("a", "NOSUCH"), ("a", "PING"), ("a", "CLIENT", "REPLY", "MAYBE"), ("a", "CLIENT", "REPLY", "SKIP"), ("a", "MULTI"),
        ("a", "GET", "k"), ("a", "CLIENT", "REPLY", "OFF"), ("a", "GET", "k"), ("a", "EXEC"), ("a", "GET", "k"), ("a", "CLIENT", "REPLY", "ON"),
        ("a", "CLIENT", "REPLY", "SKIP"), ("a", "BLPOP", "l", 0.05), ("a", "PING"), ("a", "CLIENT", "REPLY", "SKIP"), ("a", "EVAL", "return 1", 0), ("a", "PING"),
        ("a", "CLIENT", "REPLY", "SKIP"), ("a", "MGET", "a", "b", "c", "d"), ("a", "PING"), ("a", "CLIENT", "REPLY", "SKIP"), ("a", "CONFIG", "GET", "port"), ("a", "PING"),
        ("b3", "CLIENT", "REPLY", "OFF"), ("b3", "SUBSCRIBE", "x"), ("a", "PUBLISH", "x", 1), ("b3", "PING"), ("b3", "CLIENT", "REPLY", "ON"), ("b3", "PING"),
        ("c3", "CLIENT", "TRACKING", "ON"), ("c3", "CLIENT", "REPLY", "OFF"), ("c3", "GET", "k"), ("a", "SET", "k", 9), ("a", "CLIENT", "REPLY", "OFF"), ("a", "RESET"), ("a", "PING")],
    "pause of writes": [
        ("a", "CLIENT", "PAUSE", 100000, "WRITE"), ("b", "GET", "k"), ("b", "SET", "k", 1), ("c3", "GET", "k"), ("c3", "PING"), ("a", "CLIENT", "UNPAUSE"), ("c3", "GET", "k"),
        ("a", "CLIENT", "PAUSE", 100000, "WRITE"), ("c3", "MULTI"), ("c3", "GET", "k"), ("c3", "EXEC"), ("c3", "MULTI"), ("c3", "GET", "k"), ("c3", "SET", "k", 2), ("c3", "EXEC"),
        ("b", "EVAL", "return redis.call('set', KEYS[1], 3)", 1, "k9"), ("d", "EVAL_RO", "return redis.call('get', KEYS[1])", 1, "k"), ("e", "PUBLISH", "x", 1), ("f", "PFCOUNT", "hll"),
        ("g", "EVAL", "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])", 1, "k"), ("a", "CLIENT", "UNPAUSE"), ("a", "GET", "k"),
        ("a", "CLIENT", "PAUSE", 1000, "WRITE"), ("b", "INCR", "n"), (SLEEP, 1.2), ("a", "GET", "n"), ("a", "CLIENT", "PAUSE", 100000, "WRITE"), ("b", "BLPOP", "l", 0), ("d", "XREAD", "COUNT", 1, "STREAMS", "x", 0),
        ("e", "WATCH", "k"), ("f", "FLUSHALL"), ("g", "EXPIRE", "nothing", 100), ("a", "CLIENT", "UNPAUSE"), ("a", "RPUSH", "l", 1)],
    "pause of everything": [
        ("b", "PING"), ("c3", "PING"), ("d", "PING"), ("a", "CLIENT", "PAUSE", 1500), ("b", "GET", "k"), ("c3", "PING"), ("d", "SET", "l", 1), (SLEEP, 1.7), ("a", "GET", "l"),
        ("a", "CLIENT", "PAUSE", 1000, "ALL"), ("b", "GET", "k"), (SLEEP, 1.2)],
    "pause of everything, management too": [
        ("a", "PING"), ("b", "PING"), ("c3", "PING"), ("d", "PING"), ("e", "PING"), ("a", "CLIENT", "PAUSE", 1500, "ALL"), ("b", "CONFIG", "GET", "maxmemory"), ("c3", "CLIENT", "GETNAME"),
        ("d", "EVAL_RO", "return 1", 0), ("e", "CLIENT", "UNPAUSE"), (SLEEP, 1.7), ("a", "PING")],
    "pause of writes: scripts that say that they only read": [
        ("a", "SET", "k", 1), ("a", "SCRIPT", "LOAD", READS), ("a", "SCRIPT", "LOAD", WRITES),
        ("a", "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function{function_name='reads', callback=function(k) return redis.call('get', k[1]) end, flags={'no-writes'}}\n"
         "redis.register_function('writes', function(k) return redis.call('incr', k[1]) end)"),
        ("a", "CLIENT", "PAUSE", 100000, "WRITE"), ("b", "FCALL", "reads", 1, "k"), ("b", "FCALL_RO", "reads", 1, "k"), ("c3", "EVALSHA", sha(READS), 1, "k"), ("c3", "EVALSHA_RO", sha(READS), 1, "k"),
        ("c3", "EVAL", READS, 1, "k"), ("d", "FCALL", "writes", 1, "k"), ("e", "EVALSHA", sha(WRITES), 1, "k2"), ("f", "EVALSHA", "f" * 40, 0), ("g", "FCALL", "nothing", 0),
        ("h", "MULTI"), ("h", "EVAL_RO", "return 1", 0), ("h", "FCALL_RO", "reads", 1, "k"), ("h", "EVAL", READS, 1, "k"), ("h", "SCRIPT", "EXISTS", sha(READS)), ("h", "FUNCTION", "STATS"), ("h", "EXEC"),
        ("b", "GET", "k"), ("i", "MULTI"), ("i", "FCALL", "writes", 1, "k3"), ("a", "CLIENT", "UNPAUSE"), ("i", "EXEC"), ("a", "MGET", "k", "k2", "k3"),
        ("a", "CLIENT", "PAUSE", 100000, "WRITE"), ("b", "CLIENT", "REPLY", "SKIP"), ("b", "EVALSHA", sha(WRITES), 1, "k"), ("a", "CLIENT", "UNPAUSE"), ("b", "PING"), ("a", "GET", "k")],
    "a pause keeps what expires": [
        ("a", "SET", "gone", 1, "PX", 1500), ("a", "HSET", "h", "f", 1), ("a", "PEXPIRE", "h", 1500), ("a", "SET", "stays", 1), ("a", "CONFIG", "RESETSTAT"), ("w", "WATCH", "gone"),
        ("a", "CLIENT", "PAUSE", 100000, "WRITE"), (SLEEP, 1.6), ("b", "GET", "gone"), ("b", "EXISTS", "h"), ("b", "TTL", "gone"), ("b", "DBSIZE"), ("w", "MULTI"), ("w", "PING"), ("w", "EXEC"),
        ("b", "RANDOMKEY"), ("b", "KEYS", "*"), ("c3", "SET", "gone", 2), ("d", "HSET", "h", "g", 2), ("e", "RENAME", "stays", "gone2"), ("a", "CLIENT", "UNPAUSE"), ("a", "MGET", "gone", "gone2"), ("a", "HGETALL", "h"),
        (SLEEP, 0.3), ("a", "DBSIZE")],
    "rights are looked at again by EXEC": [
        ("a", "ACL", "SETUSER", "u", "on", ">p", "~*", "&*", "+@all"), ("b", "AUTH", "u", "p"), ("b", "MULTI"), ("b", "SET", "k", 1), ("b", "GET", "k"), ("b", "PUBLISH", "c", 1), ("b", "EVAL", "return 1", 0),
        ("a", "ACL", "SETUSER", "u", "-set"), ("b", "EXEC"), ("a", "EXISTS", "k"), ("a", "ACL", "SETUSER", "u", "+@all"),
        ("b", "MULTI"), ("b", "SET", "k", 1), ("b", "SET", "j", 1), ("b", "PUBLISH", "c", 1), ("b", "EVAL", "return 1", 0), ("a", "ACL", "SETUSER", "u", "resetkeys", "~j", "resetchannels", "-eval"), ("b", "EXEC"),
        ("a", "MGET", "k", "j"), ("a", "ACL", "SETUSER", "u", "allkeys", "allchannels", "+@all"), ("b", "MULTI"), ("b", "SET", "k", 5), ("b", "EXEC"), ("a", "GET", "k"),
        ("a", "ACL", "SETUSER", "u", "+@all"), ("b", "MULTI"), ("b", "SORT", "l", "BY", "w_*"), ("b", "SORT", "l", "BY", "nosort"), ("a", "ACL", "SETUSER", "u", "resetkeys", "~l"), ("b", "EXEC"),
        ("a", "ACL", "SETUSER", "u", "off"), ("b", "PING"), ("a", "ACL", "DELUSER", "u"), ("a", "PING")],
    "pause: words": [
        ("a", "CLIENT", "PAUSE", "x"), ("a", "CLIENT", "PAUSE", -1), ("a", "CLIENT", "PAUSE"), ("a", "CLIENT", "PAUSE", 1, "FOO"), ("a", "CLIENT", "PAUSE", 1, "ALL", "x"),
        ("a", "CLIENT", "PAUSE", "x", "FOO"), ("a", "CLIENT", "UNPAUSE", "x"), ("a", "CLIENT", "UNPAUSE"), ("a", "CLIENT", "PAUSE", 0), ("a", "PING"), ("a", "CLIENT", "PAUSE", 9223372036854775807, "WRITE"),
        ("a", "CLIENT", "UNPAUSE")],
    "unblock": [
        ("a", "PING"), ("a", "CLIENT", "UNBLOCK", ID("a")), ("a", "CLIENT", "UNBLOCK", 99999), ("a", "CLIENT", "UNBLOCK", "x"), ("a", "CLIENT", "UNBLOCK", 1, "FOO"),
        ("a", "CLIENT", "UNBLOCK", 1, "ERROR", "x"), ("b", "BLPOP", "l", 0), ("a", "CLIENT", "UNBLOCK", ID("b")), ("b", "BLPOP", "l", "m", 0), ("a", "CLIENT", "UNBLOCK", ID("b"), "ERROR"),
        ("b", "XREAD", "BLOCK", 0, "STREAMS", "x", "$"), ("a", "CLIENT", "UNBLOCK", ID("b"), "timeout"), ("b", "BZPOPMIN", "z", 0), ("a", "CLIENT", "UNBLOCK", ID("b"), "error"), ("b", "WAIT", 1, 0),
        ("a", "CLIENT", "UNBLOCK", ID("b")), ("b", "PING"), ("c3", "BLMOVE", "l", "m", "LEFT", "LEFT", 0), ("a", "CLIENT", "UNBLOCK", ID("c3")), ("c3", "BLMPOP", 0, 1, "l", "LEFT"),
        ("a", "CLIENT", "UNBLOCK", ID("c3"), "TIMEOUT"), ("c3", "PING")],
    "the rest": [
        ("a", "CLIENT", "NO-EVICT", "ON"), ("a", "CLIENT", "NO-EVICT", "OFF"), ("a", "CLIENT", "NO-EVICT", "MAYBE"), ("a", "CLIENT", "NO-EVICT"), ("a", "CLIENT", "GETNAME"), ("a", "CLIENT", "SETNAME", "a b"),
        ("a", "CLIENT", "SETNAME", "ab"), ("a", "CLIENT", "GETNAME"), ("a", "CLIENT", "SETNAME", ""), ("a", "CLIENT", "GETNAME"), ("a", "CLIENT", "ID"), ("a", "CLIENT", "FOO"), ("a", "CLIENT"),
        ("a", "MULTI"), ("a", "CLIENT", "SETNAME", "x"), ("a", "CLIENT", "GETNAME"), ("a", "CLIENT", "KILL", "ID", 77777), ("a", "CLIENT", "UNBLOCK", 77777), ("a", "EXEC"), ("c3", "CLIENT", "GETNAME"),
        ("a", "EVAL", "return redis.call('client', 'list')", 0), ("a", "EVAL", "return redis.call('client', 'id')", 0)],
    "what shards' channels are not": [
        ("a", "COMMAND", "GETKEYS", "SPUBLISH", "c", "m"), ("a", "COMMAND", "GETKEYSANDFLAGS", "SSUBSCRIBE", "a", "b"), ("a", "COMMAND", "GETKEYS", "SUNSUBSCRIBE", "a"),
        ("a", "MULTI"), ("a", "SSUBSCRIBE", "x"), ("a", "GET", "k"), ("a", "EXEC"), ("a", "PUBSUB", "SHARDCHANNELS")],
    "questions about channels": [
        ("s", "SUBSCRIBE", "a", "b", "c"), ("t3", "SUBSCRIBE", "b"), ("t3", "PSUBSCRIBE", "x*", "y*"), ("s", "PSUBSCRIBE", "x*"), ("u3", "SSUBSCRIBE", "sh1", "sh2"), ("v", "SSUBSCRIBE", "sh1"),
        ("q", "PUBSUB", "CHANNELS", "a"), ("q", "PUBSUB", "CHANNELS", "[bd]"), ("q", "PUBSUB", "NUMSUB"), ("q", "PUBSUB", "NUMSUB", "a", "b", "z", "sh1"), ("q", "PUBSUB", "NUMPAT"),
        ("q", "PUBSUB", "SHARDCHANNELS", "sh1"), ("q", "PUBSUB", "SHARDCHANNELS", "nothing"), ("q", "PUBSUB", "SHARDNUMSUB", "sh1", "sh2", "a"), ("q", "PUBSUB", "SHARDNUMSUB"),
        ("q", "PUBSUB", "FOO"), ("q", "PUBSUB", "CHANNELS", "a", "b"), ("q", "PUBSUB", "NUMPAT", "x"), ("q", "PUBLISH", "sh1", "m"), ("q", "SPUBLISH", "sh1", "m"), ("q", "SPUBLISH", "a", "m"), ("q", "PUBLISH", "xx", "m"),
        ("u3", "SUNSUBSCRIBE", "sh2"), ("q", "PUBSUB", "SHARDCHANNELS"), ("u3", "SUNSUBSCRIBE"), ("v", "SUNSUBSCRIBE", "sh1"), ("q", "PUBSUB", "SHARDCHANNELS"), (CLOSE, "t3"), ("q", "PUBSUB", "NUMPAT"),
        ("q", "PUBSUB", "NUMSUB", "b")],
}
TOLD = Told(SCENARIOS)


def fresh(lab):
    c = lab.client()
    c.pipeline([("CLIENT", "UNPAUSE"), ("FLUSHALL",)])
    wait_for(lambda: len(c.call("CLIENT", "LIST")[1].splitlines()) == 1, what="the clients of before are gone")
    c.close()
    time.sleep(0.05)


def figure(c, section, name):
    return int(re.search(rb"%s:(\d+)" % name.encode(), c.call("INFO", section)[1])[1])


def is_open(c):
    try:
        return c.call("PING") == ("+", b"PONG")
    except (Closed, ConnectionError):
        return False


def large_clients_are_evicted(lab, *limit):
    """Those that hold the most go first; who said NO-EVICT, and small ones, stay."""
    c = lab.client()
    c.pipeline([("FLUSHALL",), ("SET", "big", "x" * 2_000_000), ("CONFIG", "SET", *limit), ("CONFIG", "RESETSTAT",)])
    small = [lab.client() for _ in range(5)]
    readers, spared, queuer = [lab.client() for _ in range(8)], lab.client(), lab.client()
    spared.call("CLIENT", "NO-EVICT", "ON")
    spared.send([("GET", "big")] * 10)
    queuer.call("MULTI")
    for _ in range(3):
        assert queuer.call("SET", "k", "y" * 1_000_000) == ("+", b"QUEUED")
    for i, r in enumerate(readers):
        r.send([("GET", "big")] * (2 + i))
    wait_for(lambda: figure(c, "stats", "evicted_clients") > 0, what="an eviction")
    time.sleep(0.5)
    evicted = figure(c, "stats", "evicted_clients")
    assert 1 <= evicted < 8, evicted
    assert all(map(is_open, small)) and is_open(c)
    for _ in range(10):
        assert spared.read() == ("$", b"x" * 2_000_000)
    assert is_open(spared)

    def reads_all(r, n):
        try:
            return all(r.read()[0] == "$" for _ in range(n))
        except (Closed, ConnectionError):
            return False

    left = [reads_all(r, 2 + i) for i, r in enumerate(readers)]
    assert left[0] and not left[7] and left.count(False) == evicted, (left, evicted)
    c.call("CONFIG", "SET", "maxmemory-clients", 0, "maxmemory", 0)
    for x in (c, spared, queuer, *small, *readers):
        x.close()


def stalled_reader(lab, *then):
    """Asks for more than fits anywhere and reads none of it; its number."""
    r = lab.client()
    r.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20000)
    number = r.call("CLIENT", "ID")[1]
    r.send([("GET", "big"), *then])
    return r, number


def is_listed(c, number):
    return b"id=%d " % number in c.call("CLIENT", "LIST")[1]


def idle_clients_are_closed_and_no_others(lab):
    c, waiter, up, idle = [lab.client() for _ in range(4)]
    c.call("SET", "big", "x" * 30_000_000)
    waiter.send([("BLPOP", "q", 0)])
    reader, number = stalled_reader(lab)
    c.call("CONFIG", "SET", "timeout", 1)
    upload = encode(("SET", "up", "u" * 300_000))
    for i in range(9):  # for 2.7 s
        up.sock.sendall(upload[i * 30_000:(i + 1) * 30_000])
        time.sleep(0.3)
        assert c.call("PING") == ("+", b"PONG")
    up.sock.sendall(upload[270_000:])
    assert up.read() == ("+", b"OK")
    c.call("RPUSH", "q", "x")
    assert waiter.read() == ("*", [("$", b"q"), ("$", b"x")])
    time.sleep(0.3)
    assert is_open(waiter)
    try:
        assert not idle.read()
    except (Closed, ConnectionError):
        pass
    wait_for(lambda: not is_listed(c, number), what="who does not read is idle as well")
    c.call("CONFIG", "SET", "timeout", 0)
    quitter, number = stalled_reader(lab, ("QUIT",))
    time.sleep(0.2)
    assert is_listed(c, number) and c.call("CLIENT", "KILL", "ID", number) == (":", 1)
    wait_for(lambda: not is_listed(c, number), what="one that had to be sent more is killed all the same")
    for x in (c, waiter, up, idle, reader, quitter):
        x.close()


def is_closed_by(lab, *command):
    c = lab.client()
    try:
        c.send([command])
        c.read()
        return False
    except (Closed, ConnectionError):
        return True
    finally:
        c.close()


def buffers_have_limits(lab):
    c = lab.client()
    c.call("RPUSH", "l", *(b"x" * 1000 for _ in range(1000)))
    c.call("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    assert not is_closed_by(lab, "SET", "k", b"y" * 900_000) and is_closed_by(lab, "SET", "k", b"y" * 2_000_000)
    c.call("CONFIG", "SET", "client-query-buffer-limit", "1gb", "client-output-buffer-limit", "normal 100000 0 0")
    assert not is_closed_by(lab, "LRANGE", "l", 0, 50) and is_closed_by(lab, "LRANGE", "l", 0, -1)
    c.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    assert not is_closed_by(lab, "LRANGE", "l", 0, -1)
    c.call("CONFIG", "SET", "maxmemory-clients", "20mb")
    half = lab.client()
    half.send([("PING",)])
    try:
        half.sock.sendall(b"*10\r\n$4\r\nMSET\r\n" + 6 * (b"$5000000\r\n" + b"z" * 5_000_000 + b"\r\n"))  # words are missing
    except ConnectionError:
        pass
    wait_for(lambda: figure(c, "stats", "evicted_clients") == 1, what="what it has received of a request counts")
    c.call("CONFIG", "SET", "maxmemory-clients", 0)
    for x in (c, half):
        x.close()


def paused_clients_are_blocked(lab):
    c, p = lab.client(), lab.client()
    p.call("PING")
    c.call("CLIENT", "PAUSE", 100000, "WRITE")
    p.send([("SET", "k", 1)])
    wait_for(lambda: figure(c, "clients", "blocked_clients") == 1, what="it waits for the end of the pause")
    assert b" flags=b " in c.call("CLIENT", "LIST")[1]
    c.call("CLIENT", "UNPAUSE")
    assert p.read() == ("+", b"OK") and figure(c, "clients", "blocked_clients") == 0
    for x in (c, p):
        x.close()


def keys_that_are_waited_for(lab):
    c, some = lab.client(), [lab.client() for _ in range(3)]
    some[0].send([("BLPOP", "a", "b", "c", 0)])
    some[1].send([("BLPOP", "c", 0)])
    c.call("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
    some[2].send([("XREADGROUP", "GROUP", "g", "me", "BLOCK", 0, "STREAMS", "x", ">")])
    wait_for(lambda: figure(c, "clients", "blocked_clients") == 3, what="they wait")
    assert (figure(c, "clients", "total_blocking_keys"), figure(c, "clients", "total_blocking_keys_on_nokey")) == (4, 1)
    for change in (("RPUSH", "a", 1), ("RPUSH", "c", 1), ("XADD", "x", "*", "f", "v")):
        c.call(*change)  # one after the other: sent together they may run in any order, each on its key's shard
    wait_for(lambda: figure(c, "clients", "total_blocking_keys") == 0, what="nothing is waited for")
    for x in (c, *some):
        x.close()


def slow_log_names_the_client(lab):
    """Whoever ran the command: its own worker, another one, the script thread."""
    c = lab.client()
    c.call("CLIENT", "SETNAME", "me")
    addr = re.search(rb" addr=(\S+)", c.call("CLIENT", "INFO")[1])[1]
    c.pipeline([("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 1000), ("SLOWLOG", "RESET")])
    for i in range(16):
        c.call("SET", f"k{i}", 1)
        c.pipeline([("MULTI",), ("INCR", f"k{i}"), ("EVAL", "return redis.call('decr', KEYS[1])", 1, f"k{i}"), ("EXEC",)])
        c.pipeline([("MULTI",), ("APPEND", f"k{i}", 1), ("EXEC",)])
    c.call("EVAL", "return redis.call('incr', KEYS[1])", 1, "k1")
    c.call("EVAL", "return redis.call('publish', 'x', 'y')", 0)
    c.call("MSET", *(x for i in range(16) for x in (f"k{i}", 2)))
    seen = [(e[1][3][1][0][1], e[1][4][1], e[1][5][1]) for e in c.call("SLOWLOG", "GET", -1)[1]]
    words = [w for w, _, _ in seen]
    expected = {b"SET": 16, b"INCR": 16, b"EVAL": 18, b"APPEND": 16, b"MSET": 1, b"decr": 16, b"incr": 1, b"PUBLISH": 0, b"publish": 1}
    assert {w: words.count(w) for w in expected} == expected, words
    assert words.index(b"publish") == words.index(b"EVAL") + 1, words  # what a script did comes before it: the newest is first
    assert all((a, n) == (addr, b"me") for _, a, n in seen), [x for x in seen if x[1:] != (addr, b"me")]
    c.call("CONFIG", "SET", "slowlog-max-len", 2)
    assert c.call("SLOWLOG", "LEN") == (":", 2)
    c.pipeline([("CONFIG", "SET", "slowlog-max-len", 1000), ("SLOWLOG", "RESET")])
    c.call("EVAL", "for i = 1, 1000 do redis.call('set', KEYS[1], i) end", 1, "k1")
    values = [e[1][3][1][2][1] for e in c.call("SLOWLOG", "GET", -1)[1] if e[1][3][1][0][1] == b"set"]
    assert len(values) >= 128 and values == [b"%d" % i for i in range(1000, 1000 - len(values), -1)], values
    c.call("CONFIG", "SET", "slowlog-log-slower-than", 10000)
    c.close()


def clients_tell_what_they_hold(lab):
    c, sender, reader = lab.client(), lab.client(), lab.client()
    c.call("SET", "big", "x" * 1_000_000)

    def fields(client):
        line = c.call("CLIENT", "LIST", "ID", client)[1].decode()
        f = dict(w.split("=", 1) for w in line.split())
        return {k: int(f[k]) for k in ("qbuf", "argv-mem", "omem", "oll", "tot-mem")} | {"events": f["events"]}

    ids = sender.call("CLIENT", "ID")[1], reader.call("CLIENT", "ID")[1]
    idle = fields(ids[0])
    assert idle["qbuf"] + idle["omem"] == 0 and idle["events"] == "r" and 0 < idle["tot-mem"] < 10000, idle
    sender.sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n" + b"y" * 500_000)
    wait_for(lambda: fields(ids[0])["qbuf"] + fields(ids[0])["argv-mem"] >= 500_000, what="half of a request")
    assert fields(ids[0])["tot-mem"] >= 500_000
    reader.send([("GET", "big")] * 20)
    wait_for(lambda: fields(ids[1])["omem"] >= 10_000_000, what="replies that nobody reads")
    held = fields(ids[1])
    assert held["events"] == "rw" and held["oll"] > 0 and held["tot-mem"] >= held["omem"], held
    for x in (c, sender, reader):
        x.close()


def flat_map(reply):
    return {reply[1][i][1]: reply[1][i + 1] for i in range(0, len(reply[1]), 2)}


def stages_are_timed(lab, workers):
    c = lab.client()

    def all_have_samples():
        """One iteration in sixteen is timed, whatever it finds to do."""
        c.pipeline([("SET", f"k{i}", i) for i in range(200)])
        told = flat_map(c.call("LATENCY", "STAGES"))
        return all(flat_map(flat_map(w)[b"execute"])[b"samples"][1] > 0 for w in told.values())

    wait_for(all_have_samples, 20, "a sample of every worker")
    told = flat_map(c.call("LATENCY", "STAGES"))
    assert set(told) == {b"worker%d" % w for w in range(workers)}, told
    for worker in told.values():
        stages = {name: {k: v[1] for k, v in flat_map(s).items()} for name, s in flat_map(worker).items()}
        assert {b"rx", b"parse", b"execute", b"tx"} <= set(stages), stages
        for s in stages.values():
            counts = [v for _, v in s[b"histogram-ns"]]
            assert counts[::2] == sorted(set(counts[::2])) and counts[1::2] == sorted(set(counts[1::2])) and counts[-1] == s[b"samples"], s
            assert s[b"p50-ns"] <= s[b"p99-ns"] <= s[b"p99.9-ns"] and s[b"mean-ns"] <= s[b"max-ns"], stages
        assert stages[b"execute"][b"samples"] > 0 and stages[b"execute"][b"max-ns"] > 0, stages
    for w in range(workers):
        cycles = re.search(rb"worker%d_stage_cycles:(.*)" % w, c.call("INFO", "dataplane")[1])[1]
        by_stage = {k: int(v) for k, v in (f.split(b"=") for f in cycles.strip().split(b","))}
        total = by_stage.pop(b"total")
        assert 0 < total * 4 // 5 <= sum(by_stage.values()) <= total * 5 // 4, cycles  # they are read while it works
    c.close()


for workers in (1, 4):
    @test(f"LATENCY STAGES times them; the slow log names the client of each command, whoever ran it, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            stages_are_timed(lab, workers)
            slow_log_names_the_client(lab)

    @test(f"CLIENT LIST tells what a client holds, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            clients_tell_what_they_hold(lab)

    @test(f"clients that hold too much are closed, the largest first, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            limit = ("maxmemory-clients", "30mb") if workers == 1 else ("maxmemory", "3gb", "maxmemory-clients", "1%")
            large_clients_are_evicted(lab, *limit)
            keys_that_are_waited_for(lab)

    @test(f"idle clients are closed and no others; buffers have limits; who is paused is blocked, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            idle_clients_are_closed_and_no_others(lab)
            buffers_have_limits(lab)
            paused_clients_are_blocked(lab)

    @test(f"answers and does what redis-server does, {workers} workers")
    def _(workers=workers):
        with Lab("af_packet", workers) as lab:
            wrong = TOLD.all_wrong(lab, fresh)
        assert not wrong, wrong

main()
