#!/usr/bin/python3
"""One interface for the kernel and us: af_xdp takes only what is ours, and leaves no program behind."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import LAB, Lab, main, run, test, wait_for

KERNEL_PORT = 2222
# A kernel TCP server as sshd is: every line comes back.
ECHO = f"""
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", {KERNEL_PORT}), Echo).serve_forever()
"""


class KernelServer:
    """Runs in the server's namespace, beside Redpoll."""

    def __init__(self, lab, host=None):
        self.lab, self.host = lab, host or lab.host

    def __enter__(self):
        self.process = subprocess.Popen([LAB, "exec", "-s", "--name", self.lab.name, "/usr/bin/python3", "-c", ECHO])
        wait_for(self.listens, what="the kernel server listens")
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()

    def listens(self):
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def connect(self):
        return socket.create_connection((self.host, KERNEL_PORT), 5)


def echoes(sock, size):
    line = b"x" * size + b"\n"
    sock.sendall(line)
    got = b""
    while len(got) < len(line):
        part = sock.recv(65536)
        assert part, "the kernel's connection was closed"
        got += part
    return got == line


def pings(host):
    run("ping", "-c", "3", "-i", "0.05", "-W", "1", "-q", host)
    return True


def program(lab):
    """The XDP program on the server's interface, or an empty text."""
    text = lab.exec_server_side("ip", "-d", "link", "show", "s0")
    return "".join(line.strip() for line in text.splitlines() if "prog/xdp" in line)


def refused(lab, port):
    try:
        socket.create_connection((lab.host, port), 2).close()
        return False
    except ConnectionRefusedError:
        return True


def stop_server(lab, sig):
    os.kill(lab.pid(), sig)
    wait_for(lambda: os.path.exists(f"/run/redpoll-lab/{lab.name}/exit"), what="the server has ended")


def start_again(lab, *options):
    """The lab's own command once more, in the server's namespace."""
    with open(f"/run/redpoll-lab/{lab.name}/lab.json", encoding="utf-8") as f:
        command = json.load(f)["command"]
    with open(f"/run/redpoll-lab/{lab.name}/log2", "w", encoding="utf-8") as log:
        return subprocess.Popen([LAB, "exec", "-s", "--name", lab.name, *command, *options],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def answers(lab):
    try:
        return lab.client(timeout=1).call("PING") == ("+", b"PONG")
    except OSError:
        return False


def shared_lab(**kwargs):
    lab = Lab("af_xdp", **kwargs)
    lab.arguments.insert(0, "--shared")
    return lab


def leave(lab):
    """The server was ended on purpose: takes the lab away without the complaint about that."""
    lab.stopped = True
    run(LAB, "stop", "--name", lab.name, check=False)


@test("shared address: the kernel's TCP server and ping work before, during and after")
def _():
    with shared_lab() as lab, KernelServer(lab) as kernel:
        assert "xdp" in program(lab)
        during = kernel.connect()
        c = lab.client()
        assert c.call("SET", "k", b"v" * 100000) == ("+", b"OK")
        for i in range(50):
            assert echoes(during, 20 * i)
            assert c.call("INCR", "n") == (":", i + 1)
        assert c.call("GET", "k") == ("$", b"v" * 100000)
        assert pings(lab.host)
        assert refused(lab, 81), "a closed port is the kernel's to refuse"
        c.close()
        stop_server(lab, signal.SIGTERM)
        assert program(lab) == ""
        assert echoes(during, 1000), "the connection from before"
        assert echoes(kernel.connect(), 1000) and pings(lab.host)
        assert refused(lab, lab.port)
        leave(lab)


@test("shared address: a client that falls silent is still answered, without one ARP packet of ours")
def _():
    with shared_lab(options=["--arp-age", "1s"]) as lab:
        c = lab.client()
        for _ in range(2):
            assert c.call("PING") == ("+", b"PONG")
            time.sleep(1.5)
        info = c.call("INFO", "dataplane")[1].decode()
        assert "shared_with_kernel:1" in info and f"addresses:{lab.host}/24" in info, info
        assert "arp_request_tx=0" in info and "arp_rx=0" in info, info


@test("kill -9: the program goes with its process, the kernel's server goes on, and the next start works")
def _():
    with shared_lab() as lab, KernelServer(lab) as kernel:
        before = kernel.connect()
        assert lab.client().call("SET", "k", "v") == ("+", b"OK")
        stop_server(lab, signal.SIGKILL)
        wait_for(lambda: program(lab) == "", 5, "the program is gone")
        assert echoes(before, 100) and pings(lab.host)
        again = start_again(lab)
        try:
            wait_for(lambda: answers(lab), what="the second server answers")
            assert program(lab) and echoes(before, 100) and echoes(kernel.connect(), 100)
            again.terminate()
            assert again.wait(10) == 0
            assert program(lab) == ""
        finally:
            again.kill()
            leave(lab)


@test("two servers on one interface: the second one says what is in its way")
def _():
    with shared_lab() as lab:
        second = start_again(lab, "--file-prefix", f"{lab.name}-2", "--hugepages", "no", "--admin-port", "0")
        assert second.wait(20) == 1
        with open(f"/run/redpoll-lab/{lab.name}/log2", encoding="utf-8") as f:
            text = f.read()
        assert "redpoll: device af_xdp:s0: the interface has an XDP program already" in text, text
        assert lab.client().call("PING") == ("+", b"PONG")


@test("an address of our own: the kernel's address on the same interface works beside it")
def _():
    with Lab("af_xdp") as lab:
        other = "10.77.0.3"
        lab.exec_server_side("ip", "addr", "add", f"{other}/24", "dev", "s0")
        with KernelServer(lab, other) as kernel:
            c = lab.client()
            assert echoes(kernel.connect(), 1000) and c.call("PING") == ("+", b"PONG")
            assert pings(lab.host) and pings(other)
            assert refused(lab, KERNEL_PORT), "at our address nobody but us answers"
            assert "icmp_echo=3," in c.call("INFO", "dataplane")[1].decode(), "our address is ours alone"


main()
