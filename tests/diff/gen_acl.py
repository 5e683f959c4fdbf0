"""Users with random rules, what GETUSER and LIST say of them, and commands that they try.

redis-server 7.0 prints the rules about commands in a form that it derives from their effect, 7.2 as they were given:
the effect is compared, by ACL DRYRUN and by commands.
"""
from gen import Command

USERS = ["u0", "u1", "u2", "u3"]
RESET = [("ACL", "DELUSER", *USERS)]
COMMANDS = """
    get set del mget mset sort sort_ro zadd zrange zunionstore lpush lrange copy rename exists type ping select
    getex getdel setrange bitfield config|get config client|id client object|encoding memory|usage lmpop sintercard
    xadd xreadgroup georadius geosearchstore debug info acl|whoami acl auth hello command|count nosuch config|nosuch
""".split()
CATEGORIES = ["read", "write", "fast", "slow", "string", "keyspace", "dangerous", "admin", "all", "connection", "set",
              "list",
              "sortedset", "nosuch"]
PATTERNS = ["a*", "b*", "a?", "*1", "[ab]2", "c", "{a}*", "a1", ""]

# K, Q and Z are keys.
WORDS = """
    get K | set K 1 | set K 1 get | set K 1 ex 100 get | mget K Q Z | mset K 1 Q 2 | del K Q | exists K Q | type K |
    copy K Q | rename K Q | sort K | sort K by w* get # | sort K by nosort | sort K store Q | sort K get x* store Q
    | sort_ro K by w* | zadd K 1 m | zunionstore K 2 Q Z | zunion 2 K Q | zrange K 0 -1 | zrangestore K Q 0 -1 |
    lpush K 1 | lmpop 2 K Q left | lmove K Q left left | sinterstore K Q Z | sintercard 2 K Q | bitfield K get u8 0
    | bitfield K set u8 0 1 | bitop and K Q Z | getex K | getex K persist | getdel K | append K x | setrange K 1 x |
    object encoding K | memory usage K | xadd K 1-1 a b | xread streams K Q 0 0 | xread count 1 streams K 0 | geoadd
    K 1 1 m | georadius K 1 1 1 m | georadius K 1 1 1 m store Q | georadiusbymember K m 1 m storedist Q |
    geosearchstore K Q frommember m byradius 1 m | pfmerge K Q | pfcount K Q | lcs K Q | smove K Q m | rpoplpush K Q
    | restore K 0 x | dump K | touch K Q | unlink K | expire K 100 | ttl K | ping | select 0 | select 1 | client id
    | config get databases | info server | command count | acl whoami | dbsize | keys a* | scan 0 | flushdb | debug
    object a1 | swapdb 0 1 | time | echo x | acl cat | memory doctor | zunionstore K 9 Q | lmpop x K left | zunion 0
    K
""".split("|")

TEMPLATES = [
    (2, "ACL LIST", "acl_list"),
    (1, "ACL USERS"),
    (0.5, "ACL CAT nosuch"),
    (0.5, "ACL GENPASS {x|0|-1|4097|1.5}"),
    (0.5, "ACL GENPASS ?({1|256|4096})", "same_size"),
    (0.3, "ACL {NOTHING|GETUSER|DRYRUN|DELUSER default|WHOAMI x|LOG x|LOAD|SAVE|CAT a b}"),
    (1, "ACL WHOAMI"),
    (1, "ACL DRYRUN {u0|nobody} {nosuch|get|config|config nosuch|mset a|set|client id}", "acl_verdict"),
]
ODD_RULES = ["(", ")", "(+get", "+get)", "()", "%~a", "%RR~a", "%RWX~a", "%R", "&", "~", "+", "-", "@read", "+@",
             "-@", ">", "#",
             "!", "<nope",
             "+config|", "+config|get|x", "-select|0", "~a b", "(~a|b", "nothing", ""]


def pick(g, words):
    return g.rng.choice(words)


def key(g):
    return pick(g, ["a1", "a2", "b1", "b2", "c", "{a}x", "z"])


def about_commands(g):
    r = g.rng.random()
    if r < 0.35:
        return f"{pick(g, '+-')}@{pick(g, CATEGORIES)}"
    if r < 0.4:
        return f"+{pick(g, ['select', 'debug', 'get', 'config', 'nosuch'])}|{pick(g, ['0', '1', 'get', 'object', ''])}"
    return f"{pick(g, '+++--')}{pick(g, COMMANDS)}"


def selector_rule(g):
    r = g.rng.random()
    if r < 0.5:
        return about_commands(g)
    if r < 0.8:
        return f"{pick(g, ['~', '~', '%R~', '%W~', '%rw~', '%WR~'])}{pick(g, PATTERNS)}"
    return pick(g, ["allkeys", "~*", "resetkeys", "allcommands", "nocommands", "&a*", "&b", "allchannels",
                    "resetchannels", "&*",
                    "%R~*"])


def rule(g):
    r = g.rng.random()
    if r < 0.7:
        return selector_rule(g)
    if r < 0.8:
        return "(" + " ".join(selector_rule(g) for _ in range(g.rng.randint(0, 4))) + ")"
    return pick(g, ["on", "on", "off", "nopass", "resetpass", ">x", ">y", "<x", "clearselectors", "reset",
                    "RESETKEYS", "On",
                    "#" + "0a" * 32, "!" + "0a" * 32, "#" + "0A" * 32, "skip-sanitize-payload", "sanitize-payload"])


def words_of(g):
    return [key(g) if word in "KQZ" else word for word in pick(g, WORDS).split()]


def set_user(g):
    """Mostly one that can log in."""
    rules = [rule(g) if g.rng.random() < 0.95 else pick(g, ODD_RULES) for _ in range(g.rng.randint(1, 6))]
    r = g.rng.random()
    if r < 0.3:
        rules = ["reset", "on", "nopass"] + rules
    elif r < 0.6:
        rules = ["on", ">x", "allkeys", "allchannels", "+@all", "resetkeys"] + rules
    return [Command(["ACL", "SETUSER", pick(g, USERS), *rules])]


def look_at_user(g):
    return [Command(["ACL", "GETUSER", pick(g, USERS + ["nobody"])], "acl_user")]


def delete_user(g):
    return [Command(["ACL", "DELUSER", pick(g, USERS), "nobody"])]


def try_commands(g):
    """Log in, try, go back."""
    commands = [Command(["AUTH", pick(g, USERS), pick(g, ["x", "y", "z"])])]
    commands += [Command(words_of(g), "acl_reply") for _ in range(g.rng.randint(1, 12))]
    return commands + [Command(["AUTH", "default", ""])]


def dry_run(g):
    return [Command(["ACL", "DRYRUN", pick(g, USERS), *words_of(g)], "acl_verdict")]


def selector_in_words(g):
    """A selector whose words are arguments of their own."""
    inner = [selector_rule(g) for _ in range(g.rng.randint(1, 4))]
    inner[0] = "(" + inner[0]
    if g.rng.random() < 0.9:
        inner[-1] += ")"
    return [Command(["ACL", "SETUSER", pick(g, USERS), rule(g), *inner, rule(g)])]


SCRIPTS = [(25, try_commands), (20, dry_run), (25, set_user), (2, selector_in_words), (5, look_at_user), (0.5,
    delete_user)]
