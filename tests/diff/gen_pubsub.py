"""Subscriptions of one client, with a second one that publishes and asks."""
from gen import Command

CHANNELS = ["c0", "c1", "c2", "{t}1", "{t}2", "", "x" * 100]
PATTERNS = ["c*", "c?", "*", "{t}*", "nosuch", "[c]1", ""]
TEMPLATES = [(1, "PING ?(value)"), (0.5, "SET key value")]


def some(g, names):
    return [g.rng.choice(names) for _ in range(g.rng.randint(1, 4))]


def subscribe(g):
    kind = g.rng.choice(["", "P", "S"])
    return [Command([f"{kind}SUBSCRIBE", *some(g, PATTERNS if kind == "P" else CHANNELS)], "frames", frames=True)]


def unsubscribe(g):
    kind = g.rng.choice(["", "P", "S"])
    names = some(g, PATTERNS if kind == "P" else CHANNELS) if g.rng.random() < 0.7 else []
    return [Command([f"{kind}UNSUBSCRIBE", *names], "frames", frames=True)]


def publish(g):
    return [Command([g.rng.choice(["PUBLISH", "SPUBLISH"]), g.rng.choice(CHANNELS), f"m{g.rng.randrange(1000)}"], other=True)]


def questions(g):
    return [Command(*g.rng.choice([
        (["PUBSUB", "CHANNELS"], "sorted"), (["PUBSUB", "CHANNELS", g.rng.choice(PATTERNS)], "sorted"),
        (["PUBSUB", "SHARDCHANNELS"], "sorted"), (["PUBSUB", "SHARDCHANNELS", "c*"], "sorted"),
        (["PUBSUB", "NUMSUB", *some(g, CHANNELS)],), (["PUBSUB", "SHARDNUMSUB", *some(g, CHANNELS)],), (["PUBSUB", "NUMSUB"],),
        (["PUBSUB", "NUMPAT"],), (["PUBSUB", "NOTHING"],), (["PUBSUB", "NUMPAT", "x"],), (["PUBSUB", "CHANNELS", "a", "b"],),
    ]), other=True)]


def tried(g):
    """What a subscriber may not do in RESP2."""
    return [Command(g.rng.choice([
        ["GET", "a"], ["SET", "a", 1], ["EXEC"], ["DISCARD"], ["SELECT", 0], ["CLIENT", "GETNAME"], ["NOTHING"],
        ["SUBSCRIBE"], ["PSUBSCRIBE"], ["SSUBSCRIBE"], ["PING"], ["PING", "a", "b"], ["ECHO", "x"], ["OBJECT", "HELP", "x"],
    ]), frames=True, how="frames")]


def start_over(g):
    return [Command(["RESET"], frames=True, how="frames"), Command(["HELLO", g.rng.choice([2, 3])], "hello")]


def subscribed_inside(g):
    """Messages are waited for with PING, which would be queued in the middle of it."""
    return [Command(["MULTI"], more=True), Command(["SUBSCRIBE", g.rng.choice(CHANNELS)], more=True),
            Command(["UNSUBSCRIBE", g.rng.choice(CHANNELS)], more=True),
            Command([g.rng.choice(["EXEC", "EXEC", "DISCARD"])], "frames", frames=True)]


SCRIPTS = [(20, subscribe), (10, unsubscribe), (20, publish), (15, questions), (3, tried), (0.7, start_over),
           (0.5, subscribed_inside)]
