"""Rows of persistence: snapshots and loads of many small keys, beside redis-server on the same disk."""
import mmap
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from .common import CLIENT_CPU, SERVER_CPU, Failed, end, floor, median, sh, wait_for
from .direct import CONNECTIONS, Server

KEYS = 5_000_000
FLOOR_MIB = 256
NAMES = ("-r", str(KEYS))
HEAD = ["what", "Redpoll", "redis-server", "ratio", "asked for", "aim"]


def field(text, name):
    return re.search(rf"^{name}:(.*?)\r?$", text, re.M).group(1)


def memory_bytes(server):
    """Resident, hugepages included."""
    with open(f"/proc/{server.process.pid}/status") as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith(("VmRSS:", "HugetlbPages:")))


class Redis:
    """redis-server on a CPU of its own, its log in a file."""

    def __init__(self, folder):
        self.socket, self.log = f"{folder}/redis.sock", f"{folder}/redis.log"
        self.process = subprocess.Popen(
            ["taskset", "-c", SERVER_CPU, "redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "",
             "--dir", folder, "--logfile", self.log], stdin=subprocess.DEVNULL)
        try:
            wait_for("the start of redis-server", lambda: os.path.exists(self.socket), 20)
            wait_for("its load", lambda: "PONG" in self.cli("PING"), 120)
        except BaseException:
            self.stop()
            raise

    def cli(self, *words):
        return sh("redis-cli", "-s", self.socket, *words)

    def loaded_s(self):
        with open(self.log) as f:
            return float(re.search(r"DB loaded from disk: ([0-9.]+) seconds", f.read()).group(1))

    def stop(self):
        if self.process.poll() is None and os.path.exists(self.socket):
            subprocess.run(["redis-cli", "-s", self.socket, "SHUTDOWN", "NOSAVE"], stdin=subprocess.DEVNULL,
                           capture_output=True)
        end(self.process, 15)


class Admin:
    """A client of the server, in this process: starting programs would take the CPUs from what is measured."""

    def __init__(self, family, address):
        self.sock = socket.socket(family)
        self.sock.settimeout(60)
        self.sock.connect(address)
        self.file = self.sock.makefile("rb")

    def call(self, *words):
        self.sock.sendall((" ".join(words) + "\r\n").encode())
        line = self.file.readline().decode().rstrip()
        if line.startswith("$"):
            return self.file.read(int(line[1:]) + 2).decode()
        if line.startswith("-"):
            raise Failed(f"{words[0]}: {line[1:]}")
        return line

    def saving(self):
        return field(self.call("INFO", "persistence"), "rdb_bgsave_in_progress") == "1"

    def saved_s(self):
        """How long a BGSAVE takes."""
        begin = time.monotonic()
        self.call("BGSAVE")
        while self.saving():
            time.sleep(0.005)
        took = time.monotonic() - begin
        if field(self.call("INFO", "persistence"), "rdb_last_bgsave_status") != "ok":
            raise Failed("a BGSAVE failed")
        return took


class Saver(threading.Thread):
    """One BGSAVE after the other, until it is told to stop; the most memory that was seen."""

    def __init__(self, server):
        super().__init__()
        self.server, self.over, self.most = server, threading.Event(), 0
        self.admin = Admin(socket.AF_INET, ("127.0.0.1", int(server.admin)))

    def run(self):
        while not self.over.is_set():
            self.admin.call("BGSAVE")
            while self.admin.saving():
                self.most = max(self.most, memory_bytes(self.server))
                time.sleep(0.05)

    def stop(self):
        self.over.set()
        self.join()


class Writer(threading.Thread):
    """Writes so many bytes per second past the page cache, as a snapshot does, from the CPU of the control thread."""

    def __init__(self, folder, rate):
        super().__init__()
        self.path, self.rate, self.over, self.failed = f"{folder}/written", rate, threading.Event(), None

    def run(self):
        os.sched_setaffinity(0, {int(CLIENT_CPU)})
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o600)
            try:
                self.write(fd)
            finally:
                os.close(fd)
                os.unlink(self.path)
        except OSError as e:
            self.failed = e

    def write(self, fd):
        block, begin, n = mmap.mmap(-1, 1 << 20), time.monotonic(), 0
        while not self.over.is_set():
            os.pwrite(fd, block, (n % 256) << 20)
            n += 1
            time.sleep(max(0, begin + (n << 20) / self.rate - time.monotonic()))

    def stop(self):
        self.over.set()
        self.join()
        if self.failed:
            raise Failed(f"writing beside the floor: {self.failed}")


class Persist:
    def __init__(self, build, rounds, seconds):
        self.build, self.rounds, self.seconds = build, rounds, seconds
        self.folder = tempfile.mkdtemp(prefix="redpoll-bench-", dir=os.environ.get("BENCH_DIR"))
        self.server = None

    def __enter__(self):
        self.server = Server(self.build, "--dir", self.folder)
        self.server.bench("--load", *NAMES, "-t", "get", "-n", "1000")
        return self

    def __exit__(self, *exc):
        if self.server is not None:
            self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def admin(self):
        return Admin(socket.AF_INET, ("127.0.0.1", int(self.server.admin)))

    def bench(self, *options):
        return self.server.bench("--seconds", str(self.seconds), "-c", str(CONNECTIONS), *NAMES, *options)

    # ---- rows ----

    def floor(self, rate):
        return floor(self.build, rate, self.seconds, FLOOR_MIB)["p99.9"]

    def floors(self, rate, written):
        """Without and with writes to the disk, so many bytes per second, while the server stands still."""
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            quiet = self.floor(rate)
            writer = Writer(self.folder, written)
            writer.start()
            try:
                return quiet, self.floor(rate)
            finally:
                writer.stop()
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    def saves(self):
        return int(field(self.admin().call("INFO", "persistence"), "rdb_saves"))

    def latency(self):
        texts, worst, beside = [], 0, []
        for test in ("get", "set"):
            rate = median(self.bench("-t", test)["rps"] for _ in range(self.rounds)) / 2
            quiet, busy, floors = [], [], []
            for _ in range(self.rounds):
                quiet.append(self.bench("-t", test, "--rate", f"{rate:.0f}")["latency_ms"]["p99.9"] * 1000)
                saver, before, begin = Saver(self.server), self.saves(), time.monotonic()
                saver.start()
                try:
                    busy.append(self.bench("-t", test, "--rate", f"{rate:.0f}")["latency_ms"]["p99.9"] * 1000)
                finally:
                    saver.stop()
                size = os.path.getsize(f"{self.folder}/dump.rdb") * (self.saves() - before)
                floors.append(self.floors(rate, size / (time.monotonic() - begin)))
            a, b = median(quiet), median(busy)
            beside.append("{1:.0f} us, {0:.0f} us".format(*(median(f) for f in zip(*floors))))
            worst = max(worst, b / a)
            texts.append(f"{test.upper()} {b:.0f} us, without {a:.0f} us at {rate / 1000:.0f} k/s")
        return [f"p99.9 at half load, open loop, during BGSAVEs of {KEYS} keys", "; ".join(texts),
                "the machine's floor with such writes, without: " + "; ".join(beside), f"{worst:.2f}",
                "1.5", "1.1"]

    def memory(self):
        worst, rates = 0, []
        for _ in range(self.rounds):
            self.bench("-t", "set")
            before = memory_bytes(self.server)
            saver = Saver(self.server)
            saver.start()
            try:
                rates.append(self.bench("-t", "set")["rps"])
            finally:
                saver.stop()
            worst = max(worst, (saver.most - before) / before)
        return ["extra memory during BGSAVEs under random SETs at full rate",
                f"{worst * 100:.1f}% of {before / 1e6:.0f} MB, {median(rates) / 1000:.0f} k/s", "", "", "10%", "3%"]

    def speeds(self):
        ours, redis = [], []
        ours_load, redis_load = [], []
        for _ in range(self.rounds):
            ours.append(self.admin().saved_s())
        self.server.stop()
        self.server = None
        for _ in range(self.rounds):
            there = Redis(self.folder)
            redis_load.append(there.loaded_s())
            try:
                redis.append(Admin(socket.AF_UNIX, there.socket).saved_s())
            finally:
                there.stop()
            ours_load.append(self.load_here())
        size = os.path.getsize(f"{self.folder}/dump.rdb") / 1e6
        a, b, c, d = median(ours), median(redis), median(ours_load), median(redis_load)
        return [[f"BGSAVE of {KEYS} small keys ({size:.0f} MB), one worker", f"{a:.2f} s", f"{b:.2f} s", f"{b / a:.1f}",
                 "1", "2"],
                ["load of that file, one worker", f"{c:.2f} s", f"{d:.2f} s", f"{d / c:.1f}", "2", "4"]]

    def load_here(self):
        server = Server(self.build, "--dir", self.folder, loads=False)
        try:
            with open(f"{server.folder}/log") as f:
                found = re.search(r"loaded dump.rdb: (\d+) keys, .* ([0-9.]+) seconds", f.read())
        finally:
            server.stop()
        if found is None or int(found.group(1)) != KEYS:
            raise Failed(f"not all of {KEYS} keys were loaded")
        return float(found.group(2))


def measure(build, rounds, seconds):
    with Persist(build, rounds, seconds) as p:
        return [p.latency(), p.memory(), *p.speeds()]
