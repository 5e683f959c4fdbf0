"""Pub/Sub, transactions and commands on several shards, each beside redis-server in the same run.

publish      one channel, 100 and 1,000 subscribers, one publisher, 16 PUBLISHes under way; every delivery is counted and
             checked. redis-server over veth (pubsub_load.c), Redpoll over veth too, and over memif (pubsub_direct.c)
transaction  MULTI, two INCRs, EXEC as one request, 16 under way: redpoll-bench, over memif; redis-server over veth with the
             same program, whose own TCP costs the server least
mset         ten keys spread over four shards, four workers on the same CPUs that redis-server and its client have
"""
import json
import os
import signal
import subprocess

from . import direct, kernel
from .common import CLIENT_CPU, KEYS, LAB, SERVER_CPU, VALUE, csv_rows, median, sh

SUBSCRIBERS = 100, 1000
PUBLISHER = "1", "16", "16"  # one, PUBLISHes under way, bytes
NO_LIMIT = "client-output-buffer-limit", "pubsub 0 0 0"
CONNECTIONS = 64
ASKED = {"publish": (">= 3", "8"), "veth": ("", ""), "transaction": (">= 8", ""), "mset": (">= 1", "")}
HEAD = ["what", "redis-server", "Redpoll", "ratio", "asked for", "aim"]


class Server(kernel.Server):
    """Without the keys of the other rows."""

    def load(self):
        self.client("redis-cli", "-h", self.ip, "-p", self.port, "config", "set", *NO_LIMIT)

    def deliveries(self, build, subscribers, seconds):
        self.start()
        self.go()
        try:
            said = self.client(f"{build}/tools/bench/pubsub_load", self.ip, self.port, str(subscribers), *PUBLISHER,
                               str(seconds))
        finally:
            self.halt()
        return json.loads(said)["deliveries_per_s"]


def direct_deliveries(server, subscribers, seconds):
    """server: of direct.py."""
    sh("redis-cli", "-p", server.admin, "config", "set", *NO_LIMIT)
    said = sh(f"{server.build}/tools/bench/pubsub_direct", str(subscribers), *PUBLISHER, str(seconds), "--device",
              f"memif:{server.folder}/memif.sock,client", *server.addresses, "-h", f"{direct.NETWORK}.1", "--cores", CLIENT_CPU)
    return json.loads(said.splitlines()[-1])["deliveries_per_s"]


def line(what, unit, theirs, ours, row):
    return [what, f"{theirs / unit[0]:.2f} {unit[1]}", f"{ours / unit[0]:.2f} {unit[1]}", f"{ours / theirs:.2f}", *ASKED[row]]


def publish(d, build, rounds, seconds):
    """d: of direct.py, whose server stands at the other end of memif."""
    theirs, ours = Server("pub-redis", None, build), Server("pub-ours", "af_packet", build)

    def over_veth(server, n):
        with d.standing_still():
            return server.deliveries(build, n, seconds)

    ways = {"redis": lambda n: over_veth(theirs, n), "veth": lambda n: over_veth(ours, n),
            "memif": lambda n: direct_deliveries(d.server(), n, seconds)}
    lines = []
    try:
        for n in SUBSCRIBERS:
            got = {way: [] for way in ways}
            for _ in range(rounds):
                for way, of in ways.items():
                    got[way].append(of(n))
            redis = median(got["redis"])
            lines.append(line(f"PUBLISH: deliveries to {n:,} subscribers", (1e6, "M/s"), redis, median(got["memif"]), "publish"))
            lines.append(line("the same through the kernel's client, af_packet", (1e6, "M/s"), redis, median(got["veth"]), "veth"))
            for one in lines[-2:]:
                print("  ".join(one), flush=True)
    finally:
        theirs.stop()
        ours.stop()
    return lines


def transaction(d, build, rounds, seconds):
    """d: of direct.py, whose server stands at the other end of memif."""
    redis = Server("multi-redis", None, build)
    lines = []

    def of_redis(*options):
        redis.go()
        with d.standing_still():
            said = sh(LAB, "exec", "--name", redis.lab, f"{build}/tools/bench/redpoll-bench", "--device",
                      f"af_packet:{client_interface(redis)}", "--address", beside(redis), "-h", redis.ip, "-p", redis.port,
                      "-r", str(KEYS), "-c", str(CONNECTIONS), "--cores", CLIENT_CPU, "--hugepages", "no", "--json", *options)
        redis.halt()
        return json.loads(said)[-1]["rps"]

    def of_us(*options):
        return d.server().bench("-c", str(CONNECTIONS), *options)["rps"]

    try:
        redis.start()
        for of in (of_redis, of_us):  # the counters are there
            of("-t", "incr", "-P", "64", "-n", str(3 * KEYS))
        for depth, said in ((4, "4 (16 commands)"), (16, "16")):
            got = {of: [] for of in (of_redis, of_us)}
            for _ in range(rounds):
                for of in got:
                    got[of].append(of("-t", "multi", "-P", str(depth), "--seconds", str(seconds)))
            lines.append(line(f"MULTI, INCR, INCR, EXEC on one shard, {said} under way", (1e3, "k/s"), median(got[of_redis]),
                              median(got[of_us]), "transaction"))
            print("  ".join(lines[-1]), flush=True)
    finally:
        redis.stop()
    return lines


def client_interface(server):
    """The client's end of the lab's veth pair."""
    links = json.loads(server.client("ip", "-j", "addr"))
    return next(link["ifname"] for link in links if link["ifname"] != "lo")


def beside(server):
    """An address in the same network that the kernel does not have."""
    links = json.loads(server.client("ip", "-j", "addr"))
    own = next(a for link in links if link["ifname"] != "lo" for a in link["addr_info"] if a["family"] == "inet")
    net = own["local"].rsplit(".", 1)[0]
    return f"{net}.200/{own['prefixlen']}"


class Four:
    """A server that has all CPUs, as its client has."""

    def __init__(self, name, build, ours):
        self.lab = f"bench-{name}"
        if ours:
            sh(LAB, "start", "--name", self.lab, "--device", "af_packet", "--workers", "4", "--build", build, "--", "--idle",
               "adaptive", "--idle-spin", "5us")  # more workers than CPUs
        else:
            sh(LAB, "start", "--name", self.lab, "--server", "redis", "--", "--save", "", "--appendonly", "no")
        with open(f"/run/redpoll-lab/{self.lab}/pid") as f:
            self.pid = int(f.read())
        self.ip, self.port = sh(LAB, "address", "--name", self.lab).split()

    def mset(self, depth, n):
        os.kill(self.pid, signal.SIGCONT)
        try:
            said = sh(LAB, "exec", "--name", self.lab, "redis-benchmark", "-h", self.ip, "-p", self.port, "--csv", "-t", "mset",
                      "-n", str(n), "-P", str(depth), "-c", "50", "-r", str(KEYS), "-d", str(VALUE))
        finally:
            os.kill(self.pid, signal.SIGSTOP)
        return float(csv_rows(said)[0]["rps"])

    def stop(self):
        os.kill(self.pid, signal.SIGCONT)
        subprocess.run([LAB, "stop", "--name", self.lab], capture_output=True)


def mset(build, rounds):
    theirs, ours = Four("mset-redis", build, False), Four("mset-ours", build, True)
    lines = []
    try:
        for s in (theirs, ours):
            os.kill(s.pid, signal.SIGSTOP)
        for depth, n in ((1, 60_000), (16, 200_000)):
            got = {s: [] for s in (theirs, ours)}
            for _ in range(rounds):
                for s in got:
                    got[s].append(s.mset(depth, n))
            lines.append(line(f"MSET of 10 keys over 4 shards, 4 workers, pipeline {depth}", (1e3, "k/s"), median(got[theirs]),
                              median(got[ours]), "mset"))
            print("  ".join(lines[-1]), flush=True)
    finally:
        theirs.stop()
        ours.stop()
    return lines


def lines(d, build, rounds, seconds):
    """The lines of the table."""
    said = [*publish(d, build, rounds, seconds), *transaction(d, build, rounds, seconds)]
    d.stop_main()  # whose CPU is among those that MSET's servers have
    return said + mset(build, rounds)
