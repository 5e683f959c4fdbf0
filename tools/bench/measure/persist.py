"""Rows of persistence: snapshots and loads of many small keys, beside redis-server on the same disk."""
import contextlib
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

from .common import CLIENT_CPU, SERVER_CPU, VALUE, Failed, end, floor, median, sh, wait_for
from .direct import BUFFER_BYTES, CONNECTIONS, Server

KEYS = 5_000_000
SAVES_S = 10  # of SETs beside BGSAVEs whose memory is watched: some snapshots
FLOOR_MIB = 256
NAMES = ("-r", str(KEYS))
HEAD = ["what", "Redpoll", "redis-server", "ratio", "asked for", "aim"]


def field(text, name):
    return re.search(rf"^{name}:(.*?)\r?$", text, re.M).group(1)


def status_bytes(pid, *names):
    with open(f"/proc/{pid}/status") as f:
        return sum(int(line.split()[1]) * 1024 for line in f if line.startswith(names))


def ours_in_use(server, admin):
    """Bytes, counted in two ways: resident (hugepages included), which also sees what no counter knows; and what is in use of
    the heaps' pages and of the packet buffers, which also sees what grows into memory that was resident before."""
    dataplane = admin.call("INFO", "dataplane")
    buffers = sum(int(n) for n in re.findall(r"mbufs_in_use=(\d+)", dataplane)) * BUFFER_BYTES
    return (status_bytes(server.process.pid, "VmRSS:", "HugetlbPages:"),
            int(field(admin.call("INFO", "memory"), "allocator_active")) + buffers)


def redis_in_use(redis, admin):
    """Bytes of redis-server and the child that writes its snapshot: a page that both see counts half for each."""
    total = 0
    with open(f"/proc/{redis.pid}/task/{redis.pid}/children") as f:
        pids = [redis.pid, *map(int, f.read().split())]
    for pid in pids:
        with contextlib.suppress(OSError):  # the child has ended
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(field(f.read(), "Pss").split()[0]) * 1024
    return (total,)


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

    def admin(self):
        return Admin(socket.AF_UNIX, self.socket)

    def memory(self, seconds):
        """As Persist.memory_here()."""
        admin = self.admin()
        sample = lambda admin: redis_in_use(self.process, admin)
        client = subprocess.Popen(
            ["taskset", "-c", CLIENT_CPU, "redis-benchmark", "-s", self.socket, "-t", "set", "-n", "2000000000", "-c",
             str(CONNECTIONS), "-d", str(VALUE), *NAMES, "-q"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            with Watcher(self.admin(), False, sample) as quiet:
                time.sleep(seconds)
            used = int(field(admin.call("INFO", "memory"), "used_memory"))
            with Watcher(self.admin(), True, sample) as busy:
                before, begin = self.commands(admin), time.monotonic()
                time.sleep(seconds)
                rate = (self.commands(admin) - before) / (time.monotonic() - begin)
        finally:
            end(client, signal.SIGTERM)
        return growth(quiet, busy) / used, used, rate

    @staticmethod
    def commands(admin):
        return int(field(admin.call("INFO", "stats"), "total_commands_processed"))

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


class Watcher(threading.Thread):
    """Until it is told to stop: one BGSAVE after the other, if they are asked for, at least one; and the most of each figure
    of sample(admin), if there is one."""

    def __init__(self, admin, saves=True, sample=None):
        super().__init__()
        self.admin, self.saves, self.sample = admin, saves, sample
        self.over, self.failed = threading.Event(), None
        self.most = ()

    def look(self):
        if self.sample is not None:
            now = self.sample(self.admin)
            self.most = tuple(map(max, now, self.most)) if self.most else now
        time.sleep(0.05)

    def save(self):
        self.admin.call("BGSAVE")
        while self.admin.saving():
            self.look()

    def run(self):
        try:
            while not self.over.is_set():
                (self.save if self.saves else self.look)()
        except (Failed, OSError) as e:
            self.failed = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.join()
        if self.failed and exc[0] is None:
            raise Failed(f"watching the memory: {self.failed}")


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


def late(results):
    """What latency does not show: requests that were due and not sent, the most of any round."""
    unsent = max(r["unsent"] for r in results)
    return f" ({unsent} late)" if unsent else ""


def growth(quiet, busy):
    """What BGSAVEs needed at most, by whichever figure shows more."""
    return max(b - a for a, b in zip(quiet.most, busy.most))


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
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self):
        if self.server is not None:
            self.server.stop()
            self.server = None

    def restart(self, *options):
        """With the keys of the last snapshot."""
        self.stop()
        self.server = Server(self.build, "--dir", self.folder, *options, loads=False)

    def admin(self):
        return Admin(socket.AF_INET, ("127.0.0.1", int(self.server.admin)))

    def bench(self, *options):
        return self.server.bench("--seconds", str(self.seconds), "-c", str(CONNECTIONS), *NAMES, *options)

    # ---- rows ----

    def floor(self, rate):
        return floor(self.build, rate, self.seconds, FLOOR_MIB)["p99.9"]

    def floors(self, rate, written):
        """Without and with writes to the disk, so many bytes per second, while the server stands still."""
        with self.server.standing_still():
            quiet = self.floor(rate)
            writer = Writer(self.folder, written)
            writer.start()
            try:
                return quiet, self.floor(rate)
            finally:
                writer.stop()

    def saves(self):
        return int(field(self.admin().call("INFO", "persistence"), "rdb_saves"))

    def latency(self):
        texts, worst, beside = [], 0, []
        for test in ("get", "set"):
            rate = median(self.bench("-t", test)["rps"] for _ in range(self.rounds)) / 2
            quiet, busy, floors = [], [], []
            for _ in range(self.rounds):
                quiet.append(self.bench("-t", test, "--rate", f"{rate:.0f}"))
                before, begin = self.saves(), time.monotonic()
                with Watcher(self.admin()):
                    busy.append(self.bench("-t", test, "--rate", f"{rate:.0f}"))
                size = os.path.getsize(f"{self.folder}/dump.rdb") * (self.saves() - before)
                floors.append(self.floors(rate, size / (time.monotonic() - begin)))
            a, b = (median(r["latency_ms"]["p99.9"] * 1000 for r in of) for of in (quiet, busy))
            beside.append("{1:.0f} us, {0:.0f} us".format(*(median(f) for f in zip(*floors))))
            worst = max(worst, b / a)
            texts.append(f"{test.upper()} {b:.0f} us{late(busy)}, without {a:.0f} us{late(quiet)} at {rate / 1000:.0f} k/s")
        return [f"p99.9 at half load, open loop, during BGSAVEs of {KEYS} keys", "; ".join(texts),
                "the machine's floor with such writes, without: " + "; ".join(beside), f"{worst:.2f}",
                "1.5", "1.1"]

    def memory(self):
        """SETs at full rate on both servers in turns, without and with BGSAVEs; beyond the same without. Redpoll runs with
        the least memory made ready ahead, so that what it takes is seen when it takes it."""
        self.admin().saved_s()
        self.restart("--prefault-memory", "0")
        folder = f"{self.folder}/redis"
        os.mkdir(folder)
        shutil.copy(f"{self.folder}/dump.rdb", folder)
        redis = Redis(folder)
        try:
            seconds = SAVES_S if self.seconds > 1 else 3
            ours, theirs = [], []
            for _ in range(self.rounds):
                ours.append(self.memory_here(seconds))
                with self.server.standing_still():
                    theirs.append(redis.memory(seconds))
        finally:
            redis.stop()
        self.restart()
        (a, used, rate), (b, redis_used, redis_rate) = ([median(of) for of in zip(*done)] for done in (ours, theirs))
        return ["extra memory during BGSAVEs under random SETs at full rate",
                f"{a * 100:.1f}% of {used / 1e6:.0f} MB in use, {rate / 1000:.0f} k/s",
                f"{b * 100:.1f}% of {redis_used / 1e6:.0f} MB in use, {redis_rate / 1000:.0f} k/s",
                f"{b / a:.1f}" if a > 0 else "", "10%", "3%"]

    def memory_here(self, seconds):
        """(growth over used_memory, used_memory, SETs per second)"""
        def sets(saves):
            with Watcher(self.admin(), saves, lambda admin: ours_in_use(self.server, admin)) as watcher:
                return self.bench("-t", "set", "--seconds", str(seconds))["rps"], watcher

        _, quiet = sets(False)
        used = int(field(self.admin().call("INFO", "memory"), "used_memory"))
        rate, busy = sets(True)
        return growth(quiet, busy) / used, used, rate

    def speeds(self):
        ours, redis = [], []
        ours_load, redis_load = [], []
        for _ in range(self.rounds):
            ours.append(self.admin().saved_s())
        self.stop()
        for _ in range(self.rounds):
            there = Redis(self.folder)
            redis_load.append(there.loaded_s())
            try:
                redis.append(there.admin().saved_s())
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
