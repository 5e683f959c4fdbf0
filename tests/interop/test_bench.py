#!/usr/bin/python3
"""redpoll-bench against the server over memif: two processes, no kernel between them, no namespaces."""
import contextlib
import csv
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import BUILD, REDPOLL, ROOT, main, test, wait_for
from resp import Client

BENCH = f"{BUILD}/tools/bench/redpoll-bench"
SERVER, CLIENTS = "10.210.0.1", ["10.210.0.2/24", "10.210.0.3/24"]
CPUS = sorted(os.sched_getaffinity(0))


class Server:
    ends = ("memif:{}", "memif:{},client")

    def __init__(self, *options):
        self.options = options

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="redpoll-bench-")
        self.socket = f"{self.dir}/memif.sock"
        with open(f"{self.dir}/log", "w") as log:
            self.process = subprocess.Popen(
                [REDPOLL, "--device", self.ends[0].format(self.socket), "--address", f"{SERVER}/24", "--cores", str(CPUS[-1]),
                 "--idle", "adaptive", "--admin-port", "0", "--hugepages", "no", "--eal-memory", "512mb",
                 "--file-prefix", f"redpoll-test-{os.getpid()}", "--dir", self.dir, "--save", "",
                 *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        wait_for(lambda: "is ready" in self.text() or self.process.poll() is not None, 20, "the server")
        return self

    def text(self):
        with open(f"{self.dir}/log") as f:
            return f.read()

    def __exit__(self, *exc):
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        status = self.process.wait()
        text = self.text()
        shutil.rmtree(self.dir)
        if exc[0] is None:
            assert status == 0, f"the server ended with status {status}:\n{text}"

    def command(self, *options):
        addresses = [w for a in CLIENTS for w in ("--address", a)]
        return [BENCH, "--device", self.ends[1].format(self.socket), *addresses, "-h", SERVER, "--hugepages", "no",
                "--cores", str(CPUS[0]), *options]

    def bench(self, *options, status=0):
        done = subprocess.run(self.command(*options), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == status, f"exit status {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr}"
        return done.stderr if status else done.stdout

    def results(self, *options):
        return {r["test"]: r for r in json.loads(self.bench("--json", *options))}


class VhostServer(Server):
    ends = ("vhost:{}", "virtio-user:{}")


@test("a socket that a killed server left is taken over, one that somebody serves is not")
def _():
    for kind in (Server, VhostServer):
        with kind() as s:
            left = kind.ends[0].format(s.socket)
            other = subprocess.run([REDPOLL, "--device", left, "--admin-port", "0", "--hugepages", "no", "--dir", s.dir,
                                    "--file-prefix", f"redpoll-test-{os.getpid()}-b"], stdin=subprocess.DEVNULL,
                                   capture_output=True, text=True, timeout=30)
            assert other.returncode == 1 and "another process listens there" in other.stderr, other.stderr
            s.process.kill()
            s.process.wait()
            assert os.path.exists(s.socket)
            with open(f"{s.dir}/log2", "w") as log:
                s.process = subprocess.Popen(s.process.args, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            wait_for(lambda: "is ready" in open(f"{s.dir}/log2").read() or s.process.poll() is not None, 20, "the server")
            assert s.process.poll() is None, open(f"{s.dir}/log2").read()
            s.bench("-t", "get", "-n", "1000", "-c", "2")


def check(result, requests=None):
    assert result["errors"] == result["wrong"] == result["lost"] == 0, result
    assert result["requests"] > 0 and (requests is None or result["requests"] == requests), result
    latency = list(result["latency_ms"].values())[1:]
    assert latency == sorted(latency) and latency[0] > 0, latency


@test("closed loop: every reply is right, also of pipelines and of values larger than a segment")
def _():
    with Server() as s:
        got = s.results("-c", "8", "-n", "5000", "-r", "2000", "-d", "40", "--load", "--verify", "-t",
                        "ping,set,get,incr,mset")
        assert set(got) == {"LOAD", "PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"}
        for name, result in got.items():
            check(result, 2000 if name == "LOAD" else 5000)
        for result in s.results("-c", "50", "-P", "33", "-n", "20001", "-r", "1000", "--zipf", "0.99", "--load", "--verify",
                                "-t", "get,set").values():
            check(result)
        for result in s.results("-c", "3", "-P", "2", "-n", "300", "-r", "20", "-d", "30000", "--load", "--verify", "-t",
                                "get,set,mset").values():
            check(result)


@test("--verify finds a value that was changed behind its back, and errors")
def _():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Server("--admin-port", str(port)) as s:
        process = subprocess.Popen(s.command("--load", "-r", "10", "-d", "12", "--seconds", "2", "-q", "--verify", "-t", "get"),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        admin = Client("127.0.0.1", port)
        wait_for(lambda: admin.call("EXISTS", "key:000000000007") == (":", 1), what="the keys")
        assert admin.call("SETRANGE", "key:000000000007", "11", "!") == (":", 12)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 1 and "wrong value of key 7" in out, out + err
        assert admin.call("SET", "counter:000000000000", "abc") == ("+", b"OK")
        out = subprocess.run(s.command("-n", "10", "-q", "--verify", "-t", "incr"), stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=20)
        assert out.returncode == 1 and "not an integer" in out.stdout, out


@test("lrange: LPUSHes come first, once, as many as there are requests; then so many elements are read")
def _():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Server("--admin-port", str(port)) as s:
        admin = Client("127.0.0.1", port)

        def bytes_out():
            text = admin.call("INFO", "stats")[1].decode()
            return int(next(l for l in text.splitlines() if l.startswith("total_net_output_bytes:")).split(":")[1])

        got = s.results("-c", "8", "-n", "700", "-d", "32", "--verify", "-t", "lrange_100,lrange_600,lrange_100")
        assert list(got) == ["LPUSH (needed to benchmark LRANGE)", "LRANGE_100 (first 100 elements)",
                             "LRANGE_600 (first 600 elements)"], got
        for result in got.values():
            check(result, 700)
        assert admin.call("LLEN", "mylist") == (":", 700)
        assert list(s.results("-n", "100", "-t", "lrange")) == ["LPUSH (needed to benchmark LRANGE)"] + [
            f"LRANGE_{n} (first {n} elements)" for n in (100, 300, 500, 600)]
        before = bytes_out()
        s.bench("-n", "100", "-d", "32", "-t", "lrange_500")
        # 100 replies of 500 elements of up to 32 bytes, each with its length line
        assert 100 * 500 * (3 + 6) < bytes_out() - before < 100 * 500 * (32 + 7) + 50_000, bytes_out() - before
        timed = s.results("-n", "100", "--seconds", "0.3", "--rate", "50", "-t", "lrange_100")
        check(timed["LPUSH (needed to benchmark LRANGE)"], 100)
        assert timed["LRANGE_100 (first 100 elements)"]["requests"] <= 16, timed


@test("of a transaction, errors inside of EXEC's array are errors, and --verify finds a wrong value there")
def _():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Server("--admin-port", str(port)) as s:
        admin = Client("127.0.0.1", port)
        check(s.results("-n", "500", "-r", "10", "-P", "4", "--verify", "-t", "multi")["MULTI, 2 INCR, EXEC"], 500)
        assert admin.call("SET", "counter:000000000003", "abc") == ("+", b"OK")
        result = s.results("-n", "2000", "-r", "10", "-P", "4", "-t", "multi")["MULTI, 2 INCR, EXEC"]
        assert 0 < result["errors"] < 2000 and "not an integer" in result["first_error"], result
        transaction = "MULTI", ";", "GET", "key:__rand_int__", ";", "EXEC"
        check(s.results("-n", "500", "-r", "10", "-d", "12", "--load", "--verify", *transaction)[" ".join(transaction)], 500)
        process = subprocess.Popen(s.command("--load", "-r", "10", "-d", "12", "--seconds", "2", "-q", "--verify", *transaction),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("LOAD: ")
        assert admin.call("SETRANGE", "key:000000000007", "11", "!") == (":", 12)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 1 and "wrong value of key 7" in out, out + err


@test("for a time: --seconds ends in time")
def _():
    with Server() as s:
        took = []
        while not took or (took[-1] > 5 and len(took) < 5):  # a loaded machine may take seconds to start a program
            started = time.monotonic()
            check(s.results("-c", "16", "--seconds", "1", "--verify", "-t", "get")["GET"])
            took.append(time.monotonic() - started)
        assert 1 <= took[-1] <= 5, took


def arrivals_ms(admin):
    """When the server added each entry of xadd's stream, by its own clock."""
    entries = admin.call("XRANGE", "mystream", "-", "+")[1]
    return [int(entry[1][0][1].split(b"-")[0]) for entry in entries]


def lateness_ms(arrivals, rate):
    """By how much request i comes later than i / rate behind the most punctual one: the middle of all of them. A stall
    delays some requests; another rate delays nearly all, from the first on if it is higher, up to the last if lower."""
    late = [at - i * 1000 / rate for i, at in enumerate(arrivals)]
    return sorted(late)[len(late) // 2] - min(late)


@test("--rate: so many requests per second arrive, spread over the time")
def _():
    rate, seconds = 5000, 2
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Server("--admin-port", str(port)) as s:
        admin, tries = Client("127.0.0.1", port, timeout=20), []
        for _ in range(5):  # another process may have this machine's CPUs for some time, hardly five times
            admin.call("DEL", "mystream")
            paced = s.results("-c", "16", "--seconds", str(seconds), "--rate", str(rate), "--verify", "-t", "xadd")["XADD"]
            arrivals = arrivals_ms(admin)
            check(paced)
            # True whatever the machine does: each request that was due was sent or is told, and all that were sent came.
            assert paced["requests"] + paced["unsent"] - rate * seconds in (0, 1), paced  # is one due at the very end?
            assert paced["requests"] == len(arrivals), (paced, len(arrivals))
            span = arrivals[-1] - arrivals[0]
            tries.append((paced["requests"], round(lateness_ms(arrivals, rate)), span, paced["latency_ms"]["p50"]))
            if paced["requests"] > 0.9 * rate * seconds and tries[-1][1] < 100 and span > 900 * seconds:
                break
        else:
            raise AssertionError(f"(requests, ms that the middle one was late, ms from first to last, p50): {tries}")
        # -n: all are sent in the end, and the last is not due before this
        counted = s.results("-c", "16", "-n", "2000", "--rate", "4000", "-P", "4", "--verify", "-t", "get")["GET"]
        check(counted, 2000)
        assert counted["unsent"] == 0 and counted["seconds"] >= 1999 / 4000, counted


@test("at a fixed rate a server that stands still is seen in all requests that were due meanwhile")
def _():
    with Server() as s:
        process = subprocess.Popen(s.command("--json", "-c", "4", "--seconds", "2", "--rate", "2000", "-t", "get"),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        s.process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        s.process.send_signal(signal.SIGCONT)
        result = json.loads(process.communicate(timeout=30)[0])[0]
        check(result)
        # A quarter of the requests were due while it stood; only four of them could be sent.
        assert result["latency_ms"]["p95"] > 200 and result["latency_ms"]["max"] >= 400, result


@test("over vhost and virtio-user: large values and scripts; what it sums and cuts is right")
def _():
    with VhostServer() as s:
        for result in s.results("-c", "8", "-n", "2000", "-r", "50", "-d", "20000", "--load", "--verify", "-t", "set,get").values():
            check(result)
        check(s.results("-c", "8", "-n", "2000", "-r", "100", "--verify", "-t", "eval")["EVAL"], 2000)
        check(s.results("-c", "8", "-n", "2000", "-r", "100", "--verify", "-t", "eval", "--script",
                        "return {KEYS[1], ARGV[1]}")["EVAL"], 2000)
        assert "failed_script" in s.bench("-n", "10", "-t", "eval", "--script", "return failed_script()")


@test("--plot draws the percentiles; on a terminal a line tells how far it is")
def _():
    with Server() as s:
        picture = f"{s.dir}/plot.png"
        s.bench("-n", "2000", "-t", "get,set", "-q", "--plot", picture)
        with open(picture, "rb") as f:
            head = f.read(24)
        assert head[:8] == b"\x89PNG\r\n\x1a\n" and int.from_bytes(head[16:20], "big") >= 400, head
        master, terminal = os.openpty()
        process = subprocess.Popen(s.command("--seconds", "2", "-t", "get"), stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
        os.close(terminal)
        text = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(master, 4096):
                text += part
        assert process.wait(10) == 0
        progress = [line for line in text.split(b"\r") if b"requests per second" in line or b"rps" in line]
        assert len(progress) >= 2, text


@test("a connection for each request, and for each pipeline; also at a fixed rate")
def _():
    with Server() as s:
        for result in s.results("-k", "0", "-c", "20", "-n", "5000", "--verify", "-t", "ping,set").values():
            check(result, 5000)
        check(s.results("-k", "0", "-c", "20", "-P", "7", "-n", "5000", "--verify", "-t", "set")["SET"], 5000)
        check(s.results("-k", "0", "-c", "20", "-n", "1000", "--rate", "2000", "--verify", "-t", "set")["SET"], 1000)


@test("-k 0 with --rate and -P: a connection for every P requests, and still so many requests per second")
def _():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Server("--admin-port", str(port)) as s:
        admin = Client("127.0.0.1", port)

        def connections():
            text = admin.call("INFO", "stats")[1].decode()
            return int(next(l for l in text.splitlines() if l.startswith("total_connections_received:")).split(":")[1])

        before = connections()
        result = s.results("-k", "0", "-c", "20", "-n", "1000", "--rate", "4000", "-P", "7", "--verify", "-t", "set")["SET"]
        check(result, 1000)
        assert result["pipeline"] == 7 and result["unsent"] == 0, result
        # 143 for the requests, one that learns the way, and those that failed: nobody promises a loaded machine none
        assert 143 <= connections() - before <= 145 + result["reopened"], (connections() - before, result)
        # the last 6 of 1000 are due after 142 batches
        assert result["seconds"] >= 142 * 7 / 4000, result


@test("idle connections stay open beside the ones that work, take less than a KiB each, and are closed at the end")
def _():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Server("--admin-port", str(port)) as s:
        admin = Client("127.0.0.1", port)

        def worker():
            text = admin.call("INFO", "dataplane")[1].decode()
            line = next(l for l in text.splitlines() if l.startswith("worker0:"))
            return {k: int(v) for k, v in (f.split("=") for f in line.split(":", 1)[1].split(","))}

        process = subprocess.Popen(s.command("--json", "--idle", "3000", "-c", "10", "--seconds", "3", "--verify", "-t",
                                             "get"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: worker()["clients"] == 3010, 20, "the connections")
        assert worker()["client_bytes"] < 3010 * 1024, worker()
        result = json.loads(process.communicate(timeout=30)[0])[0]
        check(result)
        assert result["idle"] == 3000 and result["reopened"] == 0, result
        wait_for(lambda: worker()["clients"] == 0, 5, "their end")


@test("AUTH and SELECT come first, a command of one's own, CSV, and text")
def _():
    with Server("--requirepass", "secret") as s:
        assert "NOAUTH" in s.bench("-n", "10", "--dbnum", "2", "-t", "get", status=1)
        assert "WRONGPASS" in s.bench("-n", "10", "-a", "wrong", "-t", "get", status=1)
        mine = s.results("-a", "secret", "--dbnum", "2", "-n", "500", "-r", "50", "--verify", "SETEX", "k:__rand_int__",
                         "100", "__data__")
        check(mine["SETEX k:__rand_int__ 100 __data__"], 500)
        rows = list(csv.DictReader(io.StringIO(s.bench("-a", "secret", "--csv", "-n", "500", "-t", "set,get"))))
        assert [r["test"] for r in rows] == ["SET", "GET"] and float(rows[0]["rps"]) > 0, rows
        text = s.bench("-a", "secret", "-n", "500", "-t", "get")
        assert "====== GET ======" in text and "throughput summary:" in text, text
        assert s.bench("-a", "secret", "-n", "500", "-q", "-t", "get").startswith("GET: ")


@test("what goes wrong is told in one sentence")
def _():
    with Server("--maxclients", "20") as s:
        assert "refused" in s.bench("-p", "7777", "-t", "get", status=1)
        assert "--gateway" in s.bench("-h", "10.99.0.1", "-t", "get", status=1)
        assert "nosuchtest" in s.bench("-t", "nosuchtest", status=1)
        assert "max number of clients" in s.bench("-c", "30", "-n", "1000", "-t", "get")
        errors = s.results("-n", "100", "-c", "5", "NOSUCHCOMMAND")["NOSUCHCOMMAND"]
        assert errors["errors"] == 100 and "unknown command" in errors["first_error"], errors


@test("frames for floods: more of them than there are ports, and no half of a file")
def _():
    make = [f"{ROOT}/tools/pktgen/make_pcap", "small", "--server", "10.0.0.1", "--server-mac", "52:54:00:12:34:56", "--sources",
            "10.0.0.128/25", "--frames", "65000"]
    with tempfile.TemporaryDirectory(prefix="redpoll-bench-") as folder:
        path = f"{folder}/frames.pcap"
        subprocess.run([*make, path], check=True, timeout=60)
        with open(path, "rb") as f:
            data = f.read()
        # a header of 24 bytes, then frames of 60 behind 16 bytes each; ports stand behind 34 bytes of Ethernet and IP
        assert len(data) == 24 + 65000 * 76, len(data)
        ports = {data[i + 16 + 34:i + 16 + 36] for i in range(24, len(data), 76)}
        assert len(ports) == 64000 and min(ports) == (1024).to_bytes(2, "big"), len(ports)
        done = subprocess.run(["prlimit", "--fsize=100000", *make, path], capture_output=True, text=True, timeout=60,
                              preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
        assert done.returncode == 1 and "File too large" in done.stderr and not os.path.exists(path), done


@test("SIGINT: what was measured so far is told")
def _():
    with Server() as s:
        process = subprocess.Popen(s.command("--load", "--seconds", "60", "-q", "-t", "get,set"), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline().startswith("LOAD: ")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 0 and out.startswith("GET: ") and "SET" not in out, out + err

main()
