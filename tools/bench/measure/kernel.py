"""Redpoll and redis-server over the kernel: the lab's veth pairs or TAP, and redis-benchmark."""
import os
import signal
import statistics
import subprocess
import sys

from .common import CLIENT_CPU, KEYS, LAB, SERVER_CPU, VALUE, Failed, csv_rows, markdown, median, sh

TESTS = ["SET", "GET", "INCR", "MSET"]
DEPTHS = [1, 16, 64]
WANTED = {1: 1.2, 16: 1.5, 64: 1.5}
REQUESTS = {1: 150_000, 16: 600_000, 64: 1_200_000}
MSET_SHARE = 6  # an MSET sets ten keys: fewer of them take as long
MIB = 1 << 20
JUMBO = 9000
DEFAULT_SET_N, DEFAULT_SET_WANTED = 200_000, "1.3"
DEFAULT_SET_HEAD = ["command", "redis-server, k/s", "af_packet, k/s", "ratio", "asked for"]


class Server:
    """Starts and gets its keys when it is first needed; stopped (SIGSTOP) while it is not being measured."""

    def __init__(self, name, device, build=None):
        self.name, self.device, self.build, self.lab = name, device, build, f"bench-{name}"
        self.pid = 0

    def start(self):
        if self.pid:
            return
        if self.device:
            sh(LAB, "start", "--name", self.lab, "--device", self.device, "--workers", "1", "--build", self.build,
               "--", "--cores", SERVER_CPU, "--control-core", CLIENT_CPU, "--idle", "poll", "--idle-spin", "1ms")
        else:
            sh(LAB, "start", "--name", self.lab, "--server", "redis", "--",
               "--save", "", "--appendonly", "no", "--io-threads", "1")
        with open(f"/run/redpoll-lab/{self.lab}/pid") as f:
            self.pid = int(f.read())
        if not self.device:
            sh("taskset", "-a", "-p", "-c", SERVER_CPU, str(self.pid))
        self.ip, self.port = sh(LAB, "address", "--name", self.lab).split()
        # a client that closes first keeps each port in TIME_WAIT: it needs many, and to use them again
        self.client("sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=1024 65535")
        self.load()
        self.halt()

    def stop(self):
        if self.pid:
            self.go()
            subprocess.run([LAB, "stop", "--name", self.lab], capture_output=True)
            self.pid = 0

    def halt(self):
        os.kill(self.pid, signal.SIGSTOP)

    def go(self):
        os.kill(self.pid, signal.SIGCONT)

    def client(self, *args):
        return sh(LAB, "exec", "--name", self.lab, "taskset", "-c", CLIENT_CPU, *args)

    def load(self):
        """Every key once: a million different ones, by a generated pipe."""
        lines = b"".join(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n" % (i, VALUE, b"x" * VALUE)
                         for i in range(KEYS))
        done = subprocess.run([LAB, "exec", "--name", self.lab, "redis-cli", "-h", self.ip, "-p", self.port, "--pipe"],
                              input=lines, capture_output=True, timeout=120)
        size = self.client("redis-cli", "-h", self.ip, "-p", self.port, "dbsize").strip()
        if int(size) != KEYS:
            raise Failed(f"{self.name}: {size} keys instead of {KEYS}: {done.stdout.decode()[-300:]}")

    def benchmark(self, *options):
        """(requests per second, p99 in ms)"""
        self.start()
        self.go()
        try:
            row = csv_rows(self.client("redis-benchmark", "-h", self.ip, "-p", self.port, "--csv", *options))[0]
            return float(row["rps"]), float(row["p99_latency_ms"])
        finally:
            self.halt()

    def default_set(self, scale):
        """{command: requests per second} of what redis-benchmark runs by itself, at pipeline 16."""
        self.start()
        self.go()
        try:
            rows = csv_rows(self.client("redis-benchmark", "-h", self.ip, "-p", self.port, "--csv", "-n",
                                        str(int(DEFAULT_SET_N * scale)), "-P", "16", "-r", str(KEYS), "-d", str(VALUE)))
        finally:
            self.halt()
        return {r["test"].split(" (first")[0]: float(r["rps"]) for r in rows if "needed to" not in r["test"]}

    def measure(self, test, depth, scale):
        n = int(REQUESTS[depth] * scale) // (MSET_SHARE if test == "MSET" else 1)
        if test == "XADD":
            words = "XADD", "mystream", "*", "myfield", "x" * VALUE
            return self.benchmark("-n", str(n), "-P", str(depth), "-c", "50", *words)
        return self.benchmark("-t", test.lower(), "-n", str(n), "-P", str(depth), "-c", "50", "-r", str(KEYS),
                              "-d", str(VALUE))

    def connect(self):
        return self.benchmark("-t", "get", "-n", "8000", "-c", "50", "-k", "0", "-r", str(KEYS))

    def mib(self):
        options = ("-r", "16", "-d", str(MIB), "--dbnum", "1")
        self.benchmark("-t", "set", "-n", "200", "-c", "1", *options)
        return self.benchmark("-t", "get", "-n", "2000", "-c", "16", *options)

    def mib_jumbo(self):
        self.start()
        self.set_mtu(JUMBO)
        try:
            return self.mib()
        finally:
            self.set_mtu(1500)

    def set_mtu(self, mtu):
        """Of both ends of the veth pair."""
        for side, link in ((["-s"], "s0"), ([], "c0")):
            sh(LAB, "exec", *side, "--name", self.lab, "--", "ip", "link", "set", link, "mtu", str(mtu))


class Kernel:
    def __init__(self, devices, build, rounds, scale):
        self.rounds, self.scale = rounds, scale
        self.redis = Server("redis", None)
        self.servers = [self.redis] + [Server(d, d, build) for d in devices]
        self.result = {}  # (test, depth, server): [(requests per second, p99 ms)]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for s in self.servers:
            s.stop()

    def run(self):
        for s in self.servers:
            s.start()
        for depth in DEPTHS:
            for test in TESTS:
                for _ in range(self.rounds):
                    for s in self.servers:
                        self.result.setdefault((test, depth, s.name), []).append(s.measure(test, depth, self.scale))
                line = f"{test:5} P={depth:<3}"
                for s in self.servers:
                    line += f"  {s.name} {median(r for r, _ in self.result[test, depth, s.name]) / 1000:8.1f}k"
                print(line, flush=True)

    def default_set(self):
        """Rows: every command of redis-benchmark's default set at pipeline 16, in turns."""
        ours = next(s for s in self.servers if s.device == "af_packet")
        done = {s.name: [] for s in (self.redis, ours)}
        for _ in range(self.rounds):
            for s in (self.redis, ours):
                done[s.name].append(s.default_set(self.scale))
        rows = []
        for test in done["redis"][0]:
            redis, mine = (median(d[test] for d in done[s.name]) for s in (self.redis, ours))
            rows.append([test, f"{redis / 1000:.0f}", f"{mine / 1000:.0f}", f"{mine / redis:.2f}", DEFAULT_SET_WANTED])
            print("  ".join(rows[-1]), flush=True)
        return rows

    def of_redis(self, test, depth=1):
        """Requests per second of redis-server; measured now if it was not yet. test: also CONNECT, MIB, MIB_JUMBO."""
        key = test, depth, "redis"
        if key not in self.result:
            how = {"CONNECT": self.redis.connect, "MIB": self.redis.mib, "MIB_JUMBO": self.redis.mib_jumbo}.get(
                test, lambda: self.redis.measure(test, depth, self.scale))
            self.result[key] = [how() for _ in range(self.rounds)]
        return median(r for r, _ in self.result[key])

    def table(self):
        mid = lambda t, d, name, i: median(v[i] for v in self.result[t, d, name])
        ours = [s for s in self.servers if s.device]
        best = {d: max((s.name for s in ours),
                       key=lambda n: statistics.mean(mid(t, d, n, 0) / mid(t, d, "redis", 0) for t in TESTS))
                for d in DEPTHS}
        head = ["command", "pipeline", "redis-server, k/s"] + [f"{s.name}, k/s" for s in ours]
        head += ["best / redis", "asked for", "p99 ms, redis", "p99 ms, best"]
        rows = []
        for d in DEPTHS:
            for t in TESTS:
                redis = mid(t, d, "redis", 0)
                row = [t, str(d), f"{redis / 1000:.0f}"]
                row += [f"{mid(t, d, s.name, 0) / 1000:.0f}" for s in ours]
                row += [f"{mid(t, d, best[d], 0) / redis:.2f} ({best[d]})", f"{WANTED[d]:.1f}",
                        f"{mid(t, d, 'redis', 1):.2f}", f"{mid(t, d, best[d], 1):.2f}"]
                rows.append(row)
        return markdown(head, rows)
