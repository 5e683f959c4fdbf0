"""For tests that need a running server: a lab that this process joins, and tests that report in TAP.

    @test("what must hold")
    def _():
        with Lab(device="af_packet", workers=4, options=["--maxclients", "10"]) as lab:
            assert lab.client().call("PING") == ("+", b"PONG")

    main()

LAB_SERVER=redis in the environment runs them against redis-server instead, to see that a test itself is right;
LAB_CPUS=1 says that another test runs beside: workers do not poll when they have nothing to do.

Inside `with Lab(...)` this thread, and threads and programs that it starts, are in the client's namespace.
"""
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

from resp import Client

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
BUILD = os.path.abspath(os.environ.get("REDPOLL_BUILD", f"{ROOT}/build"))
REDPOLL = f"{BUILD}/app/redpoll"
LAB = f"{ROOT}/tools/lab"
CLONE_NEWNET = 0x40000000
TESTS = []
libc = ctypes.CDLL(None, use_errno=True)


def join_namespace(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


def run(*command, timeout=60, check=True, **kwargs):
    """Runs a program; its output is one text. check: raises if the exit status is not 0."""
    done = subprocess.run(command, stdin=kwargs.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, **kwargs)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout[-3000:]}")
    return done if not check else done.stdout


class Lab:
    count = 0

    def __init__(self, device="af_packet", workers=1, options=(), server=None):
        server = server or os.environ.get("LAB_SERVER", "redpoll")
        Lab.count += 1
        self.name = f"test-{os.getpid()}-{Lab.count}"
        self.arguments = ["--device", device, "--workers", str(workers), "--server", server, "--build", BUILD, "--quiet",
                          "--cpus", os.environ.get("LAB_CPUS", str(os.cpu_count())), "--", *options]
        self.stopped = False

    def __enter__(self):
        # started by its own interpreter: the server must not end up in a namespace that a test has joined before
        run(LAB, "start", "--name", self.name, *self.arguments)
        self.host, port = run(LAB, "address", "--name", self.name).split()
        self.port = int(port)
        self.home = f"/proc/self/task/{os.getpid()}/ns/net"
        self.home_fd = os.open(self.home, os.O_RDONLY)
        client, server = (f"/run/netns/redpoll-{self.name}-{side}" for side in ("client", "server"))
        join_namespace(client if os.path.exists(client) else server)
        return self

    def __exit__(self, *exc):
        libc.setns(self.home_fd, CLONE_NEWNET)
        os.close(self.home_fd)
        if not self.stopped:
            done = run(LAB, "stop", "--name", self.name, check=False)
            if done.returncode and exc[0] is None:
                raise AssertionError(done.stdout)
            if done.returncode:
                print("# " + done.stdout.replace("\n", "\n# "))

    def client(self, **kwargs):
        return Client(self.host, self.port, **kwargs)

    def exec_server_side(self, *command, **kwargs):
        return run(LAB, "exec", "-s", "--name", self.name, *command, **kwargs)

    def as_on_a_wire(self):
        """The kernel cuts what the server gives it whole, and sums it, before the network."""
        self.exec_server_side("ethtool", "-K", "s0", "tx", "off", "tso", "off", "gso", "off")

    def pid(self):
        with open(f"/run/redpoll-lab/{self.name}/pid") as f:
            return int(f.read())

    def memory_kib(self):
        """Resident memory of the server, hugepages included."""
        with open(f"/proc/{self.pid()}/status") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith(("VmRSS:", "HugetlbPages:")))


@contextlib.contextmanager
def impaired(iface, *rules, inside=()):
    """A bad network at an interface of this thread's namespace, or of the one that the command `inside` enters.
    Yields a dictionary that tells at the end what happened: lost, duplicated, corrupted, held packets."""
    counts = {}
    p = subprocess.Popen([*inside, f"{BUILD}/tests/lib/impair/impair", iface, *rules], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    try:
        yield counts
    finally:
        for line in p.communicate("", timeout=20)[0].splitlines():
            what, came, left = line.split()
            counts[what] = int(came) + int(left)


def together(seconds, *functions):
    """Runs the functions at once until the time is over; each takes a function that tells whether to go on."""
    end, errors = time.monotonic() + seconds, []

    def guarded(fn):
        try:
            fn(lambda: time.monotonic() < end and not errors)
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=guarded, args=(fn,)) for fn in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def wait_for(condition, seconds=10, what="condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


class Skip(Exception):
    """What a test needs is not on this machine; says what."""


def test(name):
    def register(fn):
        TESTS.append((name, fn))
        return fn
    return register


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaves each `with Lab(...)`, so that nothing stays behind
    wanted = sys.argv[1:]
    failed = 0
    for word in wanted:
        if not any(word in name for name, _ in TESTS):
            sys.exit(f"no test has {word!r} in its name")
    for name, fn in TESTS:
        if wanted and not any(w in name for w in wanted):
            continue
        started = time.monotonic()
        try:
            fn()
            print(f"ok - {name} # {time.monotonic() - started:.1f} s", flush=True)
        except Skip as reason:
            print(f"ok - {name} # SKIP {reason}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok - {name}")
            print("# " + traceback.format_exc().rstrip().replace("\n", "\n# "), flush=True)
    sys.exit(1 if failed else 0)
