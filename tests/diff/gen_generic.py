"""Keys of any type, over 16 databases."""
from gen import Command

TEMPLATES = [
    (10, "SET key value"),
    (5, "GET key"),
    (5, "DEL +(key)"),
    (3, "UNLINK +(key)"),
    (5, "EXISTS +(key)"),
    (3, "TOUCH +(key)"),
    (3, "TYPE key"),
    (5, "EXPIRE key secs *({NX|XX|GT|LT})"),
    (5, "PEXPIRE key msecs *({NX|XX|GT|LT})"),
    (5, "EXPIREAT key at_s *({NX|XX|GT|LT})"),
    (5, "PEXPIREAT key at_ms *({NX|XX|GT|LT})"),
    (4, "TTL key", "ttl_s"),
    (4, "PTTL key", "ttl_ms"),
    (4, "EXPIRETIME key", "ttl_s"),
    (4, "PEXPIRETIME key", "ttl_ms"),
    (4, "PERSIST key"),
    (8, "RENAME key key"),
    (6, "RENAMENX key key"),
    (10, "COPY key key *({REPLACE|DB db})"),
    (6, "MOVE key db"),
    (4, "KEYS pattern", "sorted"),
    (2, "RANDOMKEY", "random_key"),
    (4, "OBJECT ENCODING key"),
    (1, "OBJECT FREQ key"),
    (1, "OBJECT IDLETIME key", "near"),
    (1, "OBJECT {HELP|REFCOUNT key|NOTHING|ENCODING}", "kind"),
    (8, "SELECT db"),
    (1, "SWAPDB db db"),
    (0.3, "FLUSHDB ?({ASYNC|SYNC|NOW})"),
    (0.1, "FLUSHALL ?({ASYNC|SYNC})"),
    (1, "SCAN int ?(MATCH pattern) ?(COUNT int) ?(TYPE {string|list|none})", "kind"),
    (0.5, "MEMORY USAGE key ?(SAMPLES int)", "kind"),
    (0.5, "TIME", "kind"),
]


# redis-server removes an expired key when somebody looks, or some time later, and counts it in DBSIZE until then; SCAN
# looks at all. Redpoll removes it within 10 ms.
def dbsize(g):
    return [Command(["SCAN", 0, "COUNT", 10000], "kind", pause_ms=15), Command(["DBSIZE"])]


def expire_soon(g):
    key = g.key()
    start = g.rng.choice([["SET", key, "v", "PX", 1], ["PSETEX", key, 1, "v"]])
    look = g.rng.choice([["GET", key], ["EXISTS", key], ["TTL", key], ["SET", key, "w", "KEEPTTL"], ["APPEND", key, "z"],
                         ["RENAME", key, "k1"], ["COPY", key, "k1"], ["INCR", key], ["PERSIST", key]])
    return [Command(start, pause_ms=25), Command(look), Command(["GET", key])] + dbsize(g)


def expire_existing(g):
    key = g.key()
    return [Command(["SET", key, "v"]), Command(["PEXPIRE", key, 2], pause_ms=25), Command(["EXISTS", key])] + dbsize(g)


# How a collection is made, and what is done with it when its time is over.
COLLECTIONS = [
    ("RPUSH K a b c", "LLEN K|LRANGE K 0 -1|LPUSH K z|RPUSHX K z|LPOP K|LMOVE K k1 LEFT LEFT|LMOVE K K LEFT RIGHT|LINSERT K BEFORE a z"),
    ("SADD K 1 2 3", "SCARD K|SADD K z|SREM K 1|SISMEMBER K 2|SUNIONSTORE k1 K|SUNIONSTORE K K|SMOVE K k1 3|SPOP K|SINTERCARD 1 K"),
    ("HSET K f 1 g 2", "HLEN K|HGETALL K|HSET K h 3|HINCRBY K f 5|HDEL K f|HSETNX K f 7|HEXISTS K g"),
    ("ZADD K 1 a 2 b", "ZCARD K|ZRANGE K 0 -1 WITHSCORES|ZADD K XX 5 a|ZADD K 5 a|ZINCRBY K 1 b|ZPOPMIN K|ZUNIONSTORE k1 1 K|ZRANGESTORE K K 0 -1"),
    ("XADD K 1-1 f v", "XLEN K|XADD K NOMKSTREAM 2-1 f v|XADD K 1-1 f v|XRANGE K - +|XGROUP CREATE K g 0|XREAD STREAMS K 0|XDEL K 1-1"),
]
LOOKS = "EXISTS K|TYPE K|TTL K|RENAME K k1|COPY K k1|DUMP K|PERSIST K|SORT K ALPHA|DEL K|SET K v|EXPIRE K 1000|OBJECT ENCODING K"


def expire_collection(g):
    key = g.key()
    make, looks = g.rng.choice(COLLECTIONS)

    def words(text):
        return [key if w == "K" else w for w in text.split()]

    look = g.rng.choice(f"{looks}|{LOOKS}".split("|"))
    return [Command(["DEL", key]), Command(words(make)), Command(["PEXPIRE", key, 2], pause_ms=25), Command(words(look)),
            Command(["TYPE", key])] + dbsize(g)


SCRIPTS = [(0.3, dbsize), (0.15, expire_soon), (0.1, expire_existing), (0.25, expire_collection)]
