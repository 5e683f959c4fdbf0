"""Plays a scenario of several clients to a server: steps of (client, words...), and what each client got after each step.

A client whose name ends in 3 speaks RESP3. A word may be ID("name"): that client's number. (SLEEP, seconds) and
(CLOSE, client) are steps, too. Invalidations of cached keys are told apart from replies: as the sorted keys that they
name, whether one by one or together.

    wanted = play(oracle, steps)
    wrong = difference(steps, wanted, play(server, steps, wanted))
"""
import concurrent.futures
import re
import threading
import time

from labtest import wait_for
from oracle import Oracle

SILENCE = 0.04  # after which redis-server has said everything
SLEEP, CLOSE = "sleep", "close"
TELLS_IDS = {"ID", "GETREDIR", "TRACKINGINFO"}  # what follows CLIENT
END = ("end", None)  # of a connection


def ID(name):
    return lambda play: play.ids[name]


def told_of(value):
    """What a push is about."""
    return value[0][1] if isinstance(value, list) and value else None


class Play:
    """Plays the steps of a scenario: what each client got after each step."""

    def __init__(self, server):
        self.server, self.clients, self.ids = server, {}, {}

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = self.server.client(proto=3 if name.endswith("3") else 2, timeout=10)
            self.ids[name] = self.clients[name].call("CLIENT", "ID")[1]
        return self.clients[name]

    def do(self, step):
        who, *words = step
        if who == SLEEP:
            time.sleep(words[0])
        elif who == CLOSE:
            self.clients.pop(words[0]).close()
            c = self.server.client()
            wait_for(lambda: b"id=%d " % self.ids[words[0]] not in c.call("CLIENT", "LIST")[1], what="its end")
            c.close()
        else:
            self.client(who).send([[w(self) if callable(w) else w for w in words]])
        return who

    def sort(self, got, words):
        """Replies in order, and keys told, whether one by one or together."""
        replies, keys = [], []
        for kind, value in got:
            told = None
            if kind == ">" and value[0] == ("$", b"invalidate"):
                told = value[1]
            elif kind == "*" and value and value[:2] == [("$", b"message"), ("$", b"__redis__:invalidate")]:
                told = value[2]
            if told is not None:
                keys += [k[1] for k in told[1]] if told[1] is not None else [None]
            else:
                replies.append(self.normal((kind, value), told_of(value) == b"tracking-redir-broken" or TELLS_IDS & set(map(str, words[1:3]))))
        return replies, sorted(keys, key=str)

    def normal(self, reply, names):
        """Without numbers of clients, and what is of no order in it."""
        kind, value = reply
        if isinstance(value, bytes) and re.match(rb"id=\d+ addr=", value):
            return kind, self.listed(value)
        if kind == "+":
            value = re.sub(rb"^\d+\.\d+ \[(\d+) .*?\]", rb"[\1]", value)  # of MONITOR
        if isinstance(value, list):
            if value[:2] == [("$", b"server"), ("$", b"redis")]:
                return kind, "hello"
            value = [self.normal(v, names) for v in value]
            return kind, sorted(value, key=str) if kind == "~" else value
        if names and kind == ":":
            value = next((name for name, number in self.ids.items() if number == value), value)
        return kind, value

    def listed(self, text):
        """What CLIENT LIST says that does not depend on time and memory."""
        lines = []
        for line in text.decode().splitlines():
            f = dict(w.split("=", 1) for w in line.split())
            who = next((name for name, number in self.ids.items() if number == int(f["id"])), "?")
            redir = next((name for name, number in self.ids.items() if number == int(f["redir"])), f["redir"])
            f["flags"] = f["flags"].replace("U", "") or "N"  # not through a socket of the file system
            lines.append((who, redir) + tuple(f[k] for k in ("name", "flags", "db", "sub", "psub", "ssub", "multi", "cmd", "user",
                                                             "resp")))
        return sorted(lines)

    def close(self):
        for c in self.clients.values():
            c.close()


class Listener:
    """Reads a client without ever losing a part of a reply to a time-out."""

    def __init__(self, c):
        self.c, self.items = c, []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                item = self.c.read()
                self.items.append((time.monotonic(), item))
        except Exception:  # however it ended
            self.items.append((time.monotonic(), END))


def play(server, steps, wanted=None):
    """Returns for each step what each client got, and behind the last what came of itself. wanted: what must come, which
    is waited for."""
    p, story, ears = Play(server), [], {}
    taken = {}
    for n, step in enumerate(steps):
        p.do(step)
        for name, c in p.clients.items():
            if name not in ears:
                c.sock.settimeout(None)  # before anybody reads: a reader that begins while it changes is told EAGAIN
                ears[name] = Listener(c)
                taken[name] = 0
        want = wanted[n] if wanted is not None else None
        deadline = time.monotonic() + (5 if want is not None else 60)

        def state():
            return {name: p.sort([i for _, i in e.items[taken[name]:]], step) for name, e in ears.items() if name in p.clients}

        if want is not None:
            while state() != want and time.monotonic() < deadline:
                time.sleep(0.001)
            if not want.get(step[0], ([], []))[0]:
                time.sleep(SILENCE)  # it waits, or is not to be answered
        else:
            started = time.monotonic()
            speaker = ears.get(step[0])
            while speaker is not None and len(speaker.items) == taken[step[0]] and time.monotonic() < started + 0.3:
                time.sleep(0.001)
            while True:
                last = max([e.items[-1][0] for e in ears.values() if e.items] + [started])
                if time.monotonic() - last > SILENCE:
                    break
                time.sleep(0.005)
        got = state()
        story.append(got)
        if want is not None and got != want:
            p.close()
            return story
        for name, e in ears.items():
            taken[name] = len(e.items)
    time.sleep(SILENCE)
    extra = {name: [i for _, i in e.items[taken[name]:]] for name, e in ears.items() if name in p.clients}
    story.append({name: items for name, items in extra.items() if items})
    p.close()
    return story


def difference(steps, wanted, got):
    """None, or which step had another outcome."""
    for n, (g, w) in enumerate(zip(got, wanted)):
        if g != w:
            return f"step {n}, {steps[n] if n < len(steps) else 'the end'}: got {g}, redis-server gives {w}"
    return None if len(got) == len(wanted) else f"only {len(got)} steps of {len(wanted)}"


class Told:
    """Scenarios by name, and what redis-server tells of them: each is played to it once, when it is asked for."""

    def __init__(self, scenarios):
        self.scenarios, self.known = scenarios, {}

    def wanted(self, name):
        if name not in self.known:
            with Oracle() as oracle:
                self.known[name] = play(oracle, self.scenarios[name])
        return self.known[name]

    def all_wanted(self):
        """Some at once: most of the time nobody says anything. Threads of who asks, for they are in its namespace."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.wanted, self.scenarios))

    def wrong(self, name, server, fresh):
        """None, or where the server tells something else. fresh(server): makes it so that nothing is left of before."""
        wanted = self.wanted(name)
        fresh(server)
        return difference(self.scenarios[name], wanted, play(server, self.scenarios[name], wanted))

    def all_wrong(self, server, fresh):
        """One line for each scenario that the server tells otherwise."""
        self.all_wanted()
        found = ((name, self.wrong(name, server, fresh)) for name in self.scenarios)
        return "\n".join(f"{name}: {wrong}" for name, wrong in found if wrong is not None)
