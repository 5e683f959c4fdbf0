"""Rows of the append-only file: INCR without pipelining, beside redis-server on the same disk."""
import os
import shutil
import subprocess
import tempfile

from .common import CLIENT_CPU, SERVER_CPU, end, median, sh, wait_for
from .direct import Server

CONNECTIONS, MANY = 50, 1000
HEAD = ["what", "Redpoll", "beside it", "ratio", "asked for", "aim"]


def on_disk():
    return tempfile.mkdtemp(prefix="redpoll-bench-", dir=os.environ.get("BENCH_DIR"))


class Redis:
    """redis-server with appendfsync always, on a CPU of its own."""

    def __init__(self, folder):
        self.socket = f"{folder}/redis.sock"
        self.process = subprocess.Popen(
            ["taskset", "-c", SERVER_CPU, "redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "",
             "--dir", folder, "--appendonly", "yes", "--appendfsync", "always"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
        wait_for("the start of redis-server", lambda: os.path.exists(self.socket), 20)
        wait_for("its load", lambda: "PONG" in sh("redis-cli", "-s", self.socket, "PING"), 60)

    def rps(self, seconds):
        """As many requests as take about that long."""
        n = 2000
        while True:
            line = sh("taskset", "-c", CLIENT_CPU, "redis-benchmark", "-s", self.socket, "-t", "incr",
                      "-c", str(CONNECTIONS), "-n", str(n), "-q").strip().splitlines()[-1]
            rate = float(line.rsplit(":", 1)[1].split()[0])
            if n >= rate * seconds * 0.8:
                return rate
            n = int(rate * seconds)

    def stop(self):
        end(self.process, 15)


class Ours:
    """Redpoll on the same disk with these options."""

    def __init__(self, build, *options):
        self.folder = on_disk()
        self.server = Server(build, "--dir", self.folder, *options, loads=False)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def rps(self, seconds, connections):
        return self.server.bench("--seconds", str(seconds), "-c", str(connections), "-t", "incr")["rps"]


def always_beside_redis(build, rounds, seconds):
    ours, theirs, folder = [], [], on_disk()
    try:
        for _ in range(rounds):
            with Ours(build, "--appendonly", "yes", "--appendfsync", "always") as s:
                ours.append(s.rps(seconds, CONNECTIONS))
            redis = Redis(folder)
            try:
                theirs.append(redis.rps(seconds))
            finally:
                redis.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    a, b = median(ours), median(theirs)
    return [f"appendfsync always, INCR, {CONNECTIONS} connections", f"{a / 1000:.1f} k/s",
            f"redis-server {b / 1000:.1f} k/s", f"{a / b:.1f}", "3", ""]


def against(build, rounds, seconds, what, connections, options, other, asked, aim):
    """The medians of two settings that take turns."""
    first, second = [], []
    for _ in range(rounds):
        for into, with_options in ((first, options), (second, other[1])):
            with Ours(build, *with_options) as s:
                into.append(s.rps(seconds, connections))
    a, b = median(first), median(second)
    return [what, f"{a / 1000:.0f} k/s", f"{other[0]} {b / 1000:.0f} k/s", f"{a / b:.2f}", asked, aim]


def measure(build, rounds, seconds):
    everysec = ("--appendonly", "yes", "--appendfsync", "everysec")
    always = ("--appendonly", "yes", "--appendfsync", "always")
    return [always_beside_redis(build, rounds, seconds),
            against(build, rounds, seconds, f"appendfsync always, INCR, {MANY} connections", MANY, always,
                    ("everysec", everysec), "", "1"),
            against(build, rounds, seconds, f"appendfsync everysec, INCR, {CONNECTIONS} connections", CONNECTIONS,
                    everysec, ("without", ()), "0.85", "0.95")]
