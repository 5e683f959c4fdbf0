"""Goodput over a bad network: Redpoll's TCP beside the kernel's, on equal veth pairs, under the same impairment.

The client is the kernel's in both (goodput_client.py); the server is redis-server (kernel to kernel) or Redpoll. GET has the
server send, SET has it receive. Frames are of 1500 bytes: no interface cuts or sums, so both kernels do, for redis-server as
for Redpoll's packet socket. The servers take turns within each round; the one not measured is stopped. Loss, reordering and
delay come from tests/lib/impair, in both directions.
"""
import datetime
import json
import os
import platform
import signal
import subprocess

from .common import CLIENT_CPU, LAB, SERVER_CPU, Failed, markdown, median, sh

CASES = [  # name, options of impair
    ("no impairment", []),
    ("0.1% lost", ["--lose", "0.1"]),
    ("1% lost", ["--lose", "1"]),
    ("5% lost", ["--lose", "5"]),
    ("1% reordered by 1 ms", ["--reorder", "1,1"]),
    ("1% duplicated", ["--duplicate", "1"]),
    ("100 ms round trip", ["--delay", "50"]),
    ("100 ms round trip, 0.1% lost", ["--delay", "50", "--lose", "0.1"]),
]


HEAD = ["impairment", "kernel sends to kernel, MB/s", "Redpoll sends", "ratio", "kernel receives, MB/s", "Redpoll receives",
        "ratio"]
DEVICE = "af_packet"
CLIENT = f"{os.path.dirname(os.path.realpath(__file__))}/goodput_client.py"


def cpu_mask(cpu):
    """As the kernel takes it: 32 bits in hexadecimal, commas between."""
    return f"{1 << int(cpu) % 32:x}" + ",00000000" * (int(cpu) // 32)


class Server:
    """Stopped but while it is measured."""

    def __init__(self, kind, build, device, options):
        self.kind, self.build, self.pid = kind, build, 0
        self.name = f"goodput-{os.getpid()}-{kind}"
        arguments = ["--server", "redis"] if kind == "redis" else ["--device", device]
        own = [] if kind == "redis" else ["--cores", SERVER_CPU, "--control-core", CLIENT_CPU, *options]
        sh(LAB, "start", "--name", self.name, *arguments, "--build", build, "--quiet", "--", *own)
        try:
            self.prepare()
        except BaseException:
            self.stop()
            raise

    def prepare(self):
        for side, link, cpu in ((["-s"], "s0", SERVER_CPU), ([], "c0", CLIENT_CPU)):
            self.exec(*side, "ethtool", "-K", link, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            # nothing remembered of the run before, and the kernel's usual CUBIC, whatever this machine's default is
            self.exec(*side, "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1")
            for route in self.exec(*side, "ip", "route", "show", "dev", link).splitlines():
                self.exec(*side, "ip", "route", "replace", *route.split(), "dev", link, "congctl", "cubic")
            # the receiver's work on the client's CPU, also when the server's never sleeps
            self.exec(*side, "sh", "-c", f"echo {cpu_mask(cpu)} > /sys/class/net/{link}/queues/rx-0/rps_cpus")
        self.host, self.port = sh(LAB, "address", "--name", self.name).split()
        with open(f"/run/redpoll-lab/{self.name}/pid") as f:
            self.pid = int(f.read())
        if self.kind == "redis":
            sh("taskset", "-a", "-p", "-c", SERVER_CPU, str(self.pid))
        self.halt()

    def exec(self, *command):
        side = ["-s"] if command[0] == "-s" else []
        return sh(LAB, "exec", *side, "--name", self.name, "--", *command[len(side):])

    def halt(self):
        os.kill(self.pid, signal.SIGSTOP)

    def go(self):
        os.kill(self.pid, signal.SIGCONT)

    def stop(self):
        if self.pid:
            self.go()
        subprocess.run([LAB, "stop", "--name", self.name], stdin=subprocess.DEVNULL, capture_output=True)

    def measure(self, what, rules, seconds):
        bad = subprocess.Popen([LAB, "exec", "--name", self.name, "--", "taskset", "-c", CLIENT_CPU,
                                f"{self.build}/tests/lib/impair/impair", "c0", *rules], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
        try:
            if bad.stdout.readline() != "ready\n":
                raise Failed(f"impair {' '.join(rules)}: it does not start")
            self.go()
            return float(self.exec("taskset", "-c", CLIENT_CPU, CLIENT, what, self.host, self.port, str(seconds)))
        finally:
            bad.communicate("", timeout=20)
            self.halt()

    def counters(self):
        self.go()
        text = self.exec("-s", "redis-cli", "-p", "6380", "info", "dataplane")
        self.halt()
        line = next(l for l in text.splitlines() if l.startswith("worker0_tcp"))
        return {k: int(v) for k, v in (f.split("=") for f in line.split(":", 1)[1].strip().split(",") if "=" in f)}


def show(before, after):
    changed = {k: after[k] - before[k] for k in after if after[k] != before[k]}
    print("    ", " ".join(f"{k}={v}" for k, v in changed.items()))


def remembered(path):
    """{(case, what, server): bytes per second of each transfer} of the runs before."""
    if not path or not os.path.exists(path):
        return {}
    with open(path) as f:
        return {tuple(key.split("/")): speeds for key, speeds in json.load(f).items()}


def remember(path, result):
    with open(path, "w") as f:
        json.dump({"/".join(key): speeds for key, speeds in result.items()}, f)


def lines(result):
    """The lines of the table."""
    rows = []
    for name, _ in CASES:
        if (name, "set", "redpoll") not in result:
            continue
        row = [name]
        for what in ("get", "set"):
            kernel, ours = (median(result[name, what, k]) / 1e6 for k in ("redis", "redpoll"))
            row += [f"{kernel:.2f}", f"{ours:.2f}", f"{ours / kernel:.2f}"]
        rows.append(row)
    return rows


def text(result, device, seconds):
    rounds = min(len(speeds) for speeds in result.values())
    return (f"Linux {platform.release().split('-')[0]} (CUBIC), {os.cpu_count()} CPUs; {datetime.date.today()}; Redpoll on "
            f"{device}; medians of {rounds} transfers of {seconds:g} s.\n\n{markdown(HEAD, lines(result))}\n")


def run(build, rounds, seconds, result, cases=CASES, device=DEVICE, options=(), counters=False):
    """Adds to result, which is as remembered() has it."""
    servers = []
    try:
        for kind in ("redis", "redpoll"):
            servers.append(Server(kind, build, device, options))
        for r in range(rounds):
            for name, rules in cases:
                for what in ("get", "set"):
                    for s in servers:
                        before = s.counters() if counters and s.kind == "redpoll" else None
                        speed = s.measure(what, rules, seconds)
                        result.setdefault((name, what, s.kind), []).append(speed)
                        print(f"{r + 1} {name}: {what} {s.kind} {speed / 1e6:.2f} MB/s", flush=True)
                        if before:
                            show(before, s.counters())
    finally:
        for s in servers:
            s.stop()
    return result
