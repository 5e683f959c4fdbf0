#!/usr/bin/python3
"""Start, stop, wrong settings, the admin listener, and the lab's own tidiness."""
import mmap
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import LAB, REDPOLL, Lab, main, run, test, wait_for

MAP_HUGETLB = 0x40000
HUGEPAGE_BYTES = 2 << 20
QUIET = ["--admin-port", "0", "--file-prefix", f"redpoll-test-{os.getpid()}"]


def refused(pattern, *arguments, through=()):
    """The server does not start: one sentence that matches, exit status 1."""
    done = subprocess.run([*through, REDPOLL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=30)
    text = done.stderr.strip()
    assert done.returncode == 1, f"exit status {done.returncode}: {text}"
    assert len(text.splitlines()) == 1, f"more than one sentence: {text}"
    assert re.search(pattern, text), text


def namespaces():
    ours = f"redpoll-test-{os.getpid()}-"
    return {n for n in os.listdir("/run/netns") if n.startswith(ours)} if os.path.isdir("/run/netns") else set()


def hugepages():
    with open("/proc/sys/vm/nr_hugepages") as f:
        return int(f.read())


@test("SIGTERM: requests under way are answered, clients see FIN, exit status 0")
def _():
    for device in ("tap", "af_packet", "af_xdp"):
        with Lab(device, 2) as lab:
            clients = [lab.client() for _ in range(10)]
            assert all(c.call("PING") == ("+", b"PONG") for c in clients)
            os.kill(lab.pid(), signal.SIGTERM)
            for c in clients:
                assert c.file.read() == b"", "closed without FIN"
            lab.stopped = True
            run(LAB, "stop", "--name", lab.name)


@test("SHUTDOWN: clients see FIN, the server ends")
def _():
    with Lab("af_packet", 2) as lab:
        other, c = lab.client(), lab.client()
        assert other.call("PING") == ("+", b"PONG")
        c.send([("SHUTDOWN", "NOSAVE")])
        assert other.file.read() == b""
        wait_for(lambda: os.path.exists(f"/run/redpoll-lab/{lab.name}/exit"), what="the end")


@test("wrong settings: one sentence, exit status 1")
def _():
    with Lab("af_packet", 1) as lab:
        refused(r"unknown directive 'portt'; did you mean 'port'\?", "--portt", "1")
        refused(r"port 'x'.*integer", "--port", "x")
        refused(r"workers.*between 1 and 64", "--workers", "100")
        refused(r"nosuchfile", "/tmp/nosuchfile.conf")
        refused(r"nosuch0", "--device", "af_packet:nosuch0", *QUIET)
        refused(r"nosuchdevice", "--device", "nosuchdevice", *QUIET)
        refused(r"gateway", "--address", "10.1.0.1/24", "--gateway", "10.2.0.1")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
            conf.write("port 1\nmaxmemory-polcy allkeys-lru\n")
            conf.flush()
            refused(rf"{conf.name}:2: unknown directive 'maxmemory-polcy'; did you mean 'maxmemory-policy'\?", conf.name)
        refused(r"6380", "--device", "tap:rp9", "--hugepages", "no", "--file-prefix", QUIET[-1],
                through=[LAB, "exec", "-s", "--name", lab.name])
        assert lab.client().call("PING") == ("+", b"PONG"), "the first server still runs"


@test("the admin listener answers on loopback beside the data path, over the same keys")
def _():
    with Lab("af_packet", 2, ["--requirepass", "secret"]) as lab:
        def admin(*words):
            return lab.exec_server_side("redis-cli", "-p", "6380", "--no-auth-warning", "-a", "secret", *words).strip()

        c = lab.client()
        assert c.call("GET", "x")[1].startswith(b"NOAUTH")
        assert c.call("AUTH", "wrong")[1].startswith(b"WRONGPASS")
        assert c.call("AUTH", "secret") == ("+", b"OK")
        c.call("SET", "x", "1")
        assert admin("GET", "x") == "1"
        assert admin("MSET", *[w for i in range(20) for w in (f"m:{i}", str(i))]) == "OK"
        assert c.call("MGET", *[f"m:{i}" for i in range(20)])[1] == [("$", str(i).encode()) for i in range(20)]
        assert "tcp_port:6379" in admin("INFO")
        assert admin("CONFIG", "SET", "requirepass", "") == "OK"
        wait_for(lambda: lab.client().call("PING") == ("+", b"PONG"), what="no password any more")


@test("CONFIG GET, SET and REWRITE over a file")
def _():
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/redpoll.conf"
        with open(path, "w") as f:
            f.write("# mine\nmaxclients 100\n")
        with Lab("af_packet", 1, [path]) as lab:
            c = lab.client()
            assert c.call("CONFIG", "GET", "maxcl*") == ("*", [("$", b"maxclients"), ("$", b"100")])
            assert c.call("CONFIG", "SET", "maxclients", "50", "maxmemory", "100mb") == ("+", b"OK")
            assert c.call("CONFIG", "GET", "maxmemory")[1][1] == ("$", b"104857600")
            assert c.call("CONFIG", "SET", "maxclients", "60", "maxmemory-policy", "none")[0] == "-"
            assert c.call("CONFIG", "GET", "maxclients")[1][1] == ("$", b"50"), "half of a CONFIG SET took effect"
            assert b"can't set immutable config" in c.call("CONFIG", "SET", "databases", "3")[1]
            assert c.call("CONFIG", "REWRITE") == ("+", b"OK")
        with open(path) as f:
            text = f.read()
        assert text.startswith("# mine\nmaxclients 50\n") and "maxmemory 100mb\n" in text, text


@test("the server answers ping, and resets connections to ports it does not serve")
def _():
    for device in ("tap", "af_packet"):
        with Lab(device, 1) as lab:
            run("ping", "-c", "3", "-i", "0.05", "-W", "2", lab.host)
            started = time.monotonic()
            assert "refused" in run("redis-cli", "-h", lab.host, "-p", "7777", "PING", check=False).stdout
            assert time.monotonic() - started < 1


@test("pidfile and logfile: there while it runs, the pidfile gone afterwards")
def _():
    with tempfile.TemporaryDirectory() as directory:
        with Lab("af_packet", 1, ["--pidfile", f"{directory}/pid", "--logfile", f"{directory}/log"]) as lab:
            with open(f"{directory}/pid") as f:
                assert int(f.read()) == lab.pid()
            assert lab.client().call("PING") == ("+", b"PONG")
        assert not os.path.exists(f"{directory}/pid")
        assert os.path.getsize(f"{directory}/log") > 0


@test("SIGHUP ends nothing and opens the log file anew, or says why not")
def _():
    with tempfile.TemporaryDirectory() as directory:
        log, moved = f"{directory}/log", f"{directory}/log.1"
        with Lab("af_packet", 1, ["--logfile", log]) as lab:
            os.rename(log, moved)
            os.kill(lab.pid(), signal.SIGHUP)
            wait_for(lambda: os.path.exists(log) and "opened again" in open(log).read(), what="a new log file")
            size = os.path.getsize(moved)
            os.rename(directory, f"{directory}-away")
            try:
                os.kill(lab.pid(), signal.SIGHUP)
                wait_for(lambda: "cannot open logfile" in open(f"{directory}-away/log").read(), what="a word about it")
            finally:
                os.rename(f"{directory}-away", directory)
            assert lab.client().call("PING") == ("+", b"PONG")
            assert os.path.getsize(moved) == size


@test("lab: a server killed with SIGKILL leaves nothing behind after stop, and the lab starts again")
def _():
    pages, before = hugepages(), namespaces()
    for device in ("tap", "af_packet"):
        with Lab(device, 2) as lab:
            os.kill(lab.pid(), signal.SIGKILL)
            wait_for(lambda: os.path.exists(f"/run/redpoll-lab/{lab.name}/exit"), what="the end")
            lab.stopped = True
            done = run(LAB, "stop", "--name", lab.name, check=False)
            assert done.returncode == 1 and "137" in done.stdout, done.stdout
            assert not os.path.exists(f"/run/redpoll-lab/{lab.name}")
            assert namespaces() == before
            run(LAB, "start", "--name", lab.name, *lab.arguments)
            run(LAB, "stop", "--name", lab.name)
    assert hugepages() == pages


@test("lab: pages that a process still holds when the last lab stops are not taken for the machine's own")
def _():
    pages = hugepages()
    with Lab("af_packet", 1, ["--hugepages", "no"]):
        held = mmap.mmap(-1, 2 * HUGEPAGE_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB)
        held[0] = held[HUGEPAGE_BYTES] = 1
    with Lab("af_packet", 1, ["--hugepages", "no"]):
        held.close()
    assert hugepages() == pages, f"{pages} before, {hugepages()} now"


@test("lab: two labs side by side do not see each other")
def _():
    with Lab("af_packet", 1) as one:
        run(LAB, "start", "--name", f"{one.name}-b", *one.arguments)
        try:
            assert one.client().call("SET", "who", "one") == ("+", b"OK")
            other = run(LAB, "exec", "--name", f"{one.name}-b", "redis-cli", "-h", one.host, "EXISTS", "who")
            assert other.strip() == "0", other
        finally:
            run(LAB, "stop", "--name", f"{one.name}-b")


@test("lab: an interrupted start takes everything away again")
def _():
    before = namespaces()
    name = f"test-{os.getpid()}-int"
    for delay in (0.05, 0.15, 0.3):
        lab = subprocess.Popen([LAB, "start", "--name", name, "--device", "af_packet", "--quiet"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(delay)
        lab.send_signal(signal.SIGINT)
        lab.communicate(timeout=20)
        if lab.returncode == 0:  # it was ready already
            run(LAB, "stop", "--name", name)
        assert namespaces() == before
        assert not os.path.exists(f"/run/redpoll-lab/{name}")

main()
