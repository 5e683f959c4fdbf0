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


SCRIPTS = [(0.3, dbsize), (0.15, expire_soon), (0.1, expire_existing)]
