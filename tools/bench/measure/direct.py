"""Process to process: redpoll-bench and Redpoll over memif, a CPU each and no kernel between. One function a row."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from . import testpmd
from .common import CLIENT_CPU, KEYS, SERVER_CPU, VALUE, Failed, end, floor, median, sh, wait_for
from .kernel import JUMBO, REQUESTS

NETWORK = "10.78.0"
CONNECTIONS = 64
IDLE = 200_000
MIB = 1 << 20
FLOOR_MIB = 128              # what a million keys take
FRAME, PAYLOAD = 1514, 1448  # of a full segment with timestamps
BUFFER_BYTES = 2560          # of a packet buffer, with what stands in front of its data

PREFAULT = "1gb"  # else the control thread does it while the generator, whose CPU it shares, is being measured


class Server:
    """Redpoll at one end of memif, with all keys. bench() is the other end."""

    def __init__(self, build, *options, addresses=1, loads=True):
        self.build = build
        self.folder = tempfile.mkdtemp(prefix="redpoll-bench-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.admin = str(free.getsockname()[1])
        self.addresses = [w for i in range(addresses) for w in ("--address", f"{NETWORK}.{i + 2}/24")]
        self.process = subprocess.Popen(
            [f"{build}/app/redpoll", "--device", f"memif:{self.folder}/memif.sock", "--address", f"{NETWORK}.1/24",
             "--cores", SERVER_CPU, "--control-core", CLIENT_CPU, "--idle", "poll", "--admin-port", self.admin,
             "--file-prefix", os.path.basename(self.folder), "--logfile", f"{self.folder}/log", "--dir", self.folder, "--save",
             "", "--prefault-memory", PREFAULT, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for("the start of Redpoll over memif", self.is_ready, 30)
            if loads:
                self.bench("--load", "-t", "get", "-n", "1000")
        except BaseException:
            self.stop()
            raise

    def is_ready(self):
        self.check_alive()
        return "is ready" in self.log()

    def log(self):
        if not os.path.exists(f"{self.folder}/log"):
            return ""
        with open(f"{self.folder}/log") as f:
            return f.read()

    def check_alive(self):
        if self.process.poll() is not None:
            said = self.log().strip().splitlines()
            raise Failed(f"Redpoll ended with status {self.process.returncode}: {said[-1] if said else 'no word'}")

    def stop(self):
        end(self.process, signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def standing_still(self):
        """While something else is measured: its worker polls, on the CPU of all servers."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def command(self, *options):
        return [f"{self.build}/tools/bench/redpoll-bench", "--device", f"memif:{self.folder}/memif.sock,client",
                *self.addresses, "-h", f"{NETWORK}.1", "-d", str(VALUE), "-r", str(KEYS), "--cores", CLIENT_CPU,
                "--json", *options]

    def bench(self, *options):
        """The last test's result."""
        result = json.loads(sh(*self.command(*options)))[-1]
        if result["errors"] or result["lost"] or not result["requests"]:
            raise Failed(f"redpoll-bench {' '.join(options)}: {result['requests']} requests, {result['errors']} errors "
                         f"({result['first_error']}), {result['lost']} lost")
        return result

    def info(self):
        self.check_alive()
        text = sh("redis-cli", "-p", self.admin, "info", "dataplane")
        line = next(l for l in text.splitlines() if l.startswith("worker0:"))
        return {k: int(v) for k, v in (f.split("=") for f in line.split(":", 1)[1].split(","))}

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(l.split()[1]) * 1024 for l in f if l.startswith("VmRSS"))


class Direct:
    """Measures rows when they are asked for, and keeps what more than one of them needs."""

    def __init__(self, build, rounds, seconds, kernel):
        self.build, self.rounds, self.seconds, self.kernel = build, rounds, seconds, kernel
        self.main = None
        self.known = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop_main()

    def server(self):
        if self.main is None:
            self.main = Server(self.build)
        return self.main

    def stop_main(self):
        if self.main is not None:
            self.main.stop()
            self.main = None

    def standing_still(self):
        return self.main.standing_still() if self.main else contextlib.nullcontext()

    def of_redis(self, test, pipeline=1):
        with self.standing_still():
            return self.kernel.of_redis(test, pipeline)

    def rounds_of(self, *options):
        return [self.server().bench("--seconds", str(self.seconds), *options) for _ in range(self.rounds)]

    def rps(self, test, pipeline=1):
        key = test, pipeline
        if key not in self.known:
            self.known[key] = median(r["rps"] for r in self.rounds_of("-c", str(CONNECTIONS), "-P", str(pipeline),
                                                                      "-t", test))
        return self.known[key]

    def get_costs(self):
        """What the worker counts for a GET without pipelining: cycles, packets in, bytes of such a packet."""
        if "costs" not in self.known:
            samples = []
            for _ in range(self.rounds):
                a = self.server().info()
                self.server().bench("--seconds", str(self.seconds), "-c", str(CONNECTIONS), "-t", "get")
                d = {k: v - a[k] for k, v in self.server().info().items()}
                samples.append((d["busy_cycles"] / d["commands"], d["packets_in"] / d["commands"],
                                d["bytes_in"] / d["packets_in"]))
            self.known["costs"] = tuple(median(s[i] for s in samples) for i in range(3))
        return self.known["costs"]

    # ---- rows: what, Redpoll, beside it, ratio, asked for, aim ----

    def beside_redis(self, what, ours, redis, asked, aim):
        return [what, f"{ours / 1000:.0f} k/s", f"redis-server {redis / 1000:.1f} k/s", f"{ours / redis:.1f}", asked, aim]

    def throughput(self, test, pipeline, asked, aim):
        depth = f"pipeline {pipeline}" if pipeline > 1 else "no pipeline"
        return self.beside_redis(f"{test.upper()}, {depth}, {CONNECTIONS} connections", self.rps(test, pipeline),
                                 self.of_redis(test.upper(), pipeline), asked, aim)

    def open_loop(self):
        """Each round is taken beside the machine's floor, while the server stands still."""
        ours, beside = [], []
        for test in ("get", "set"):
            rate = self.rps(test) / 2
            done, floors = [], []
            for _ in range(self.rounds):
                done += [self.server().bench("--seconds", str(self.seconds), "-c", str(CONNECTIONS), "-t", test, "--rate",
                                             f"{rate:.0f}")]
                with self.standing_still():
                    floors.append(floor(self.build, rate, self.seconds, FLOOR_MIB)["p99"])
            p50, p99 = (median(r["latency_ms"][p] for r in done) * 1000 for p in ("p50", "p99"))
            unsent = max(r["unsent"] for r in done)
            ours.append(f"{test.upper()} {p99:.1f} us (p50 {p50:.1f}) at {rate / 1000:.0f} k/s" +
                        (f", {unsent} late" if unsent else ""))
            beside.append(f"{median(floors):.1f} us")
        return ["p99 at half of the peak load, open loop", "; ".join(ours), "the machine's floor " + "; ".join(beside), "",
                "50 us", "15 us"]

    def round_trip(self):
        p50 = median(r["latency_ms"]["p50"] for r in self.rounds_of("-c", "1", "-t", "get")) * 1000
        return ["GET, one connection, median round trip", f"{p50:.2f} us", "", "", "10 us", "4 us"]

    def connect(self):
        ours = median(r["rps"] for r in self.rounds_of("-c", str(CONNECTIONS), "-k", "0", "-t", "get"))
        return self.beside_redis("GET, a connection each", ours, self.of_redis("CONNECT"), "10", "20")

    def idle(self):
        self.stop_main()
        server = Server(self.build, "--maxclients", str(IDLE + 1000), addresses=IDLE // 40_000 + 1)
        try:
            each = self.idle_bytes(server)
            samples = {0: [], IDLE: []}
            for _ in range(self.rounds):
                for n in samples:
                    samples[n].append(server.bench("--seconds", str(self.seconds), "-c", str(CONNECTIONS), "-t", "get",
                                                   "--idle", str(n)))
            if min(r["idle"] for r in samples[IDLE]) < IDLE:
                raise Failed(f"of {IDLE} idle connections only {min(r['idle'] for r in samples[IDLE])} stayed open")
            without, beside = (median(r["rps"] for r in samples[n]) for n in (0, IDLE))
        finally:
            server.stop()
        return [f"{IDLE} idle connections: bytes each; GETs of {CONNECTIONS} others",
                f"{each:.0f} bytes; {beside / 1000:.0f} k/s", f"without them {without / 1000:.0f} k/s",
                f"{beside / without:.2f}", "2048 bytes; 0.9", "1024 bytes"]

    def idle_bytes(self, server):
        """What the server counts for clients and connections, and packet buffers that they hold."""
        before, rss = server.info(), server.rss_bytes()
        process = subprocess.Popen(server.command("-t", "get", "-c", "1", "--rate", "100", "--seconds", "8", "--idle",
                                                  str(IDLE)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            wait_for(f"{IDLE} idle connections", lambda: server.info()["clients"] > IDLE or process.poll() is not None, 60)
            now = server.info()
            if process.poll() is not None or now["clients"] <= IDLE:
                raise Failed(f"only {now['clients']} of {IDLE} idle connections came about")
            print(f"      {IDLE} idle connections: resident memory grew by "
                  f"{(server.rss_bytes() - rss) / IDLE:.0f} bytes each", flush=True)
        finally:
            end(process, signal.SIGTERM)
        wait_for("the end of the idle connections", lambda: server.info()["clients"] == 0, 30)
        buffers = max(0, now["mbufs_in_use"] - before["mbufs_in_use"]) * BUFFER_BYTES
        return (now["client_bytes"] - before["client_bytes"] + buffers) / IDLE

    def mib_rps(self, server, *options):
        options = (*options, "-d", str(MIB), "-r", "16", "--dbnum", "1", "-t", "get")
        server.bench("--load", "-c", "1", "-n", "16", *options)
        return median(server.bench("--seconds", str(self.seconds), "-c", "16", *options)["rps"] for _ in range(self.rounds))

    def mib(self):
        ours = self.mib_rps(self.server()) * MIB
        redis = self.of_redis("MIB") * MIB
        self.stop_main()
        device = testpmd.copy(FRAME, self.rounds) * PAYLOAD
        return ["1 MiB GETs", f"{ours / 1e9:.2f} GB/s", f"redis-server {redis / 1e9:.2f} GB/s", f"{ours / redis:.1f}", "3",
                f"{device / redis:.1f}: testpmd copies {device / 1e9:.2f} GB/s of payload, same frames"]

    def mib_jumbo(self):
        self.stop_main()
        server = Server(self.build, "--mtu", str(JUMBO), loads=False)
        try:
            ours = self.mib_rps(server, "--mtu", str(JUMBO)) * MIB
        finally:
            server.stop()
        redis = self.of_redis("MIB_JUMBO") * MIB
        return [f"the same, MTU {JUMBO} on both", f"{ours / 1e9:.2f} GB/s", f"redis-server {redis / 1e9:.2f} GB/s",
                f"{ours / redis:.1f}", "3", ""]

    def packets(self):
        _, packets, frame = self.get_costs()
        ours = self.rps("get") * packets
        self.stop_main()
        device = testpmd.bounce(round(frame), self.rounds)
        return [f"packets of GETs, no pipeline, {frame:.0f}-byte frames", f"{ours / 1e6:.2f} M/s",
                f"testpmd bounces {device / 1e6:.2f} M/s", f"{ours / device:.2f}", "0.15", "0.35"]

    def cycles(self):
        return ["server cycles per GET, counted in the worker", f"{self.get_costs()[0]:.0f}", "", "", "1100", "500"]


HEAD = ["what", "Redpoll over memif", "beside it", "ratio", "asked for", "aim"]
TYPES = ["lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd", "zpopmin", "xadd"]
TYPES_HEAD = ["command", "redis-server, k/s", "Redpoll, k/s", "ratio", "asked for", "pipeline 16: redis-server", "Redpoll",
              "ratio", "asked for"]


def types_row(d, test):
    """Without pipeline and with; as many requests as redis-server gets, so that its pops find as much to take."""
    row = [test.upper()]
    for pipeline, asked in ((1, "12"), (16, "8")):
        redis = d.of_redis(test.upper(), pipeline)
        ours = median(d.server().bench("-n", str(int(REQUESTS[pipeline] * d.kernel.scale)), "-c", str(CONNECTIONS), "-P",
                                       str(pipeline), "-t", test)["rps"] for _ in range(d.rounds))
        row += [f"{redis / 1000:.1f}", f"{ours / 1000:.0f}", f"{ours / redis:.1f}", asked]
    return row


ROWS = {
    "get": lambda d: d.throughput("get", 1, "20", "40"),
    "set": lambda d: d.throughput("set", 1, "20", "40"),
    "get16": lambda d: d.throughput("get", 16, "10", "20"),
    "set16": lambda d: d.throughput("set", 16, "10", "20"),
    "incr": lambda d: d.throughput("incr", 1, "20", "40"),
    "openloop": Direct.open_loop,
    "rtt": Direct.round_trip,
    "connect": Direct.connect,
    "cycles": Direct.cycles,
    "mib": Direct.mib,
    "mib_jumbo": Direct.mib_jumbo,
    "packets": Direct.packets,
    "idle": Direct.idle,
}
