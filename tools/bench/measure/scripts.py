"""Scripts: a rate limiter on both servers over veth, on the same two CPUs. What a call costs is the CPU time of the
server - all its threads, polls in vain not counted - over the calls."""
import os
import re
import signal
import subprocess

from .common import LAB, Failed, csv_rows, markdown, median, sh, wait_for

LIMITER = """local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
if n > tonumber(ARGV[2]) then return 0 end
return 1"""
CALLS = {1: 100_000, 16: 400_000}
WANTED = {"P=1": 1.0, "P=16": 1.0, "cpu": 0.7, "rtt": 1.0, "beside": 0.9}
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, name, build, workers=1):
        self.name, self.lab = name, f"bench-s{workers}-{name}"
        self.ours = name != "redis-server"
        if self.ours:
            sh(LAB, "start", "--name", self.lab, "--device", "af_packet", "--workers", str(workers), "--build", build,
               "--", "--idle", "adaptive")
        else:
            sh(LAB, "start", "--name", self.lab, "--server", "redis", "--", "--save", "", "--appendonly", "no")
        with open(f"/run/redpoll-lab/{self.lab}/pid") as f:
            self.pid = int(f.read())
        self.ip, self.port = sh(LAB, "address", "--name", self.lab).split()
        self.sha = self.cli("script", "load", LIMITER).strip()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        subprocess.run([LAB, "stop", "--name", self.lab], capture_output=True)

    def client(self, *args):
        return sh(LAB, "exec", "--name", self.lab, *args)

    def cli(self, *words):
        return self.client("redis-cli", "-h", self.ip, "-p", self.port, *words)

    def halt(self):
        os.kill(self.pid, signal.SIGSTOP)

    def go(self):
        os.kill(self.pid, signal.SIGCONT)

    def busy_us(self):
        """CPU time so far."""
        if not self.ours:
            with open(f"/proc/{self.pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) * 1_000_000 / TICKS
        info = self.cli("info", "dataplane")
        hz = int(re.search(r"tsc_hz:(\d+)", info)[1])
        return sum(map(int, re.findall(r"busy_cycles=(\d+)", info))) * 1e6 / hz

    def benchmark(self, depth, clients, calls, *command):
        return csv_rows(self.client("redis-benchmark", "-h", self.ip, "-p", self.port, "--csv", "-P", str(depth), "-c",
                                    str(clients), "-n", str(calls), "-r", "100000", *command))[0]

    def limiter(self, depth, clients, calls):
        return self.benchmark(depth, clients, calls, "evalsha", self.sha, "1", "limit:__rand_int__", "600", "1000000")


def beside(build, rounds):
    """GETs of keys on another shard, alone and while a script that leases one shard runs without pause: their ratio."""
    with Server("redpoll", build, 2) as s:
        spin = "local n = 0 for i = 1, 1e12 do n = n + i end return n"
        s.cli("config", "set", "script-lease", "declared")
        s.cli("config", "set", "busy-reply-threshold", "50")
        free = next(k for k in (f"k{i}" for i in range(100)) if "reached" in s.cli(
            "eval", f"return redis.call('get', '{k}')", "1", "held"))
        alone = [float(s.benchmark(16, 20, 200_000, "get", free)["rps"]) for _ in range(rounds)]
        runner = subprocess.Popen([LAB, "exec", "--name", s.lab, "redis-cli", "-h", s.ip, "-p", s.port, "eval", spin,
                                   "1", "held"], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            wait_for("a script that runs", lambda: "BUSY" in s.cli("get", "held"), 10)
            during = [float(s.benchmark(16, 20, 200_000, "get", free)["rps"]) for _ in range(rounds)]
        finally:
            s.cli("script", "kill")
            runner.wait(20)
        return median(during) / median(alone)


def run(build, rounds, scale):
    """The lines of a table: what, ours, theirs, ratio, wanted."""
    got = {}
    with Server("redis-server", build) as theirs, Server("redpoll", build) as ours:
        servers = {"redpoll": ours, "redis-server": theirs}
        for s in servers.values():
            s.halt()
        for _ in range(rounds):
            for name, s in servers.items():
                s.go()
                for depth in CALLS:
                    calls = int(CALLS[depth] * scale)
                    before = s.busy_us()
                    got.setdefault((f"P={depth}", name), []).append(float(s.limiter(depth, 50, calls)["rps"]))
                    if depth == 16:
                        got.setdefault(("cpu", name), []).append((s.busy_us() - before) / calls)
                alone = s.limiter(1, 1, int(10_000 * scale))
                got.setdefault(("rtt", name), []).append(float(alone["p50_latency_ms"]) * 1000)
                s.halt()
        for s in servers.values():
            s.go()
    lines = []
    ratio = beside(build, rounds)
    for what, unit in (("P=1", "calls/s"), ("P=16", "calls/s"), ("cpu", "us per call"), ("rtt", "us, median")):
        a, b = median(got[what, "redpoll"]), median(got[what, "redis-server"])
        lines.append([f"rate limiter, {what}", f"{a:,.2f} {unit}", f"{b:,.2f} {unit}", f"{a / b:.2f}",
                      ("<= " if what in ("cpu", "rtt") else ">= ") + str(WANTED[what])])
    lines.append(["GETs on another shard beside a script that holds one", "", "", f"{ratio:.2f}",
                  f">= {WANTED['beside']}"])
    return lines


def table(lines):
    return markdown(["", "Redpoll", "redis-server", "ratio", "wanted"], lines)
