#!/usr/bin/python3
"""One interface for the kernel and us: af_xdp takes only what is ours, and leaves no program behind."""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lib"))
from labtest import BUILD, LAB, Lab, main, run, test, wait_for
from resp import Client

KERNEL_PORT = 2222
PORT = 6379
# A kernel TCP server as sshd is, over both families: every line comes back. And UDP on the port that is ours with TCP.
ECHO = f"""
import socket, socketserver, threading
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(self.request[0], self.client_address)
class Both(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    socketserver.UDPServer.address_family = family
    udp = socketserver.UDPServer((address, {PORT}), Datagram, bind_and_activate=False)
    if family == socket.AF_INET6:
        udp.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    udp.server_bind()
    threading.Thread(target=udp.serve_forever, daemon=True).start()
Both(("::", {KERNEL_PORT}), Echo).serve_forever()
"""
SERVER6, CLIENT6 = "fd77::2", "fd77::1"


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

    def connect(self, host=None):
        return socket.create_connection((host or self.host, KERNEL_PORT), 5)


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


def udp_echoes(host):
    family, _, _, _, address = socket.getaddrinfo(host, PORT, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(b"datagram", address)
        return s.recv(100) == b"datagram"


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


@contextlib.contextmanager
def restarted(lab, *options, host=None):
    """The server starts again in the changed namespace; yields its log's path."""
    stop_server(lab, signal.SIGTERM)
    again = start_again(lab, *options)
    log = f"/run/redpoll-lab/{lab.name}/log2"
    try:
        def ready():
            if again.poll() is not None:
                with open(log, encoding="utf-8") as f:
                    raise AssertionError(f.read())
            try:
                return Client(host or lab.host, PORT, timeout=1).call("PING") == ("+", b"PONG")
            except OSError:
                return False
        wait_for(ready, 20, "the server answers")
        yield log
        again.terminate()
        assert again.wait(10) == 0
    finally:
        again.kill()
        again.wait()


def with_ipv6(lab):
    """Both sides have IPv6 addresses at once; returns the server's link-local one as the client names it."""
    for side, dev, address in ((run, "c0", CLIENT6), (lab.exec_server_side, "s0", SERVER6)):
        for what in ("accept_dad", "disable_ipv6"):
            for where in ("all", "default", dev):
                side("sysctl", "-qw", f"net.ipv6.conf.{where}.{what}=0")
        side("ip", "addr", "add", f"{address}/64", "dev", dev, "nodad")

    def near():
        return re.findall(r"inet6 (fe80:\S+)/64", lab.exec_server_side("ip", "-6", "addr", "show", "dev", "s0"))
    wait_for(near, what="a link-local address")
    return near()[0] + "%c0"


def counter(client, name):
    text = client.call("INFO", "dataplane")[1].decode()
    return sum(int(n) for n in re.findall(rf"\b{name}=(\d+)", text))


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
        assert counter(c, "neigh_told") > 0, "the kernel's neighbour table was asked about who had aged"


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


@test("shared address over IPv6: ours and the kernel's, global and link-local, without one message of our own")
def _():
    with shared_lab() as lab:
        near = with_ipv6(lab)
        with restarted(lab, host=SERVER6), KernelServer(lab) as kernel:
            for host in (lab.host, SERVER6, near):
                c = Client(host, PORT)
                assert c.call("SET", "k", host.encode() * 10000) == ("+", b"OK")
                assert c.call("GET", "k") == ("$", host.encode() * 10000)
                assert echoes(kernel.connect(host), 5000) and udp_echoes(host) and pings(host)
            info = c.call("INFO", "dataplane")[1].decode()
            assert f"{SERVER6}/64" in info and near.split("%")[0] in info, info
            for name in ("nd_rx", "nd_solicit_tx", "nd_advert_tx", "arp_rx", "arp_request_tx", "icmp_echo"):
                assert counter(c, name) == 0, name


def syn(lab, vlan, port):
    """A SYN with this tag (0: none), made by hand: kernels without 802.1Q cannot send one. Returns (flags, tag) of the
    answers to it."""
    packet_auxdata, sol_packet = 8, 263
    macs = [json.loads(side("ip", "-j", "link", "show", dev))[0]["address"]
            for side, dev in ((lab.exec_server_side, "s0"), (run, "c0"))]
    source, target = socket.inet_aton("10.77.0.9"), socket.inet_aton(lab.host)
    tcp = struct.pack("!HHIIBBHHH", 40000 + vlan, port, 1, 0, 5 << 4, 2, 65535, 0, 0)

    def fold(data):
        total = sum(struct.unpack(f"!{len(data) // 2}H", data))
        total = (total & 0xffff) + (total >> 16)
        return ~((total & 0xffff) + (total >> 16)) & 0xffff

    total = fold(source + target + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", total) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + source + target
    ip = ip[:10] + struct.pack("!H", fold(ip)) + ip[12:]
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    frame = b"".join(bytes.fromhex(m.replace(":", "")) for m in macs) + tag + b"\x08\x00" + ip + tcp
    found = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.bind(("c0", 3))
        s.setsockopt(sol_packet, packet_auxdata, 1)
        s.settimeout(0.3)
        s.send(frame)
        with contextlib.suppress(TimeoutError):
            while True:
                got, anc, _, _ = s.recvmsg(2048, 256)
                if got[12:14] == b"\x08\x00" and got[26:34] == target + source and got[34:38] == tcp[2:4] + tcp[:2]:
                    found.append((got[47], struct.unpack_from("H", anc[0][2], 16)[0] & 0xfff))
    return found


@test("IPv6 addresses of our own: the interface takes the groups that Neighbour Discovery needs")
def _():
    ours = "fd77::aa:bbcc"
    for device in ("af_packet", "af_xdp"):
        options = ["--address", "10.77.0.2/24", "--address", f"{ours}/64", "--dad-transmits", "0"]
        with Lab(device, options=options) as lab:
            run("sysctl", "-qw", "net.ipv6.conf.c0.disable_ipv6=0")
            run("ip", "addr", "add", f"{CLIENT6}/64", "dev", "c0", "nodad")
            groups = lab.exec_server_side("ip", "maddr", "show", "dev", "s0")
            assert "33:33:ff:aa:bb:cc" in groups and "33:33:00:00:00:01" in groups, groups
            c = Client(ours, PORT)
            assert c.call("PING") == ("+", b"PONG") and pings(ours)
            assert counter(c, "nd_rx") > 0, c.call("INFO", "dataplane")[1].decode()


@test("shared VLAN: tagged frames to our port are ours, untagged ones and those of another VLAN are the kernel's")
def _():
    syn_ack, reset_ack = 0x12, 0x14
    with shared_lab() as lab, KernelServer(lab) as kernel:
        for side, dev in ((run, "c0"), (lab.exec_server_side, "s0")):
            side("ethtool", "-K", dev, "txvlan", "off", "rxvlan", "off")
        run("ip", "addr", "add", "10.77.0.9/24", "dev", "c0")
        run("nft", "add table ip t; add chain ip t o { type filter hook output priority 0; }; "
            "add rule ip t o ip saddr 10.77.0.9 tcp flags rst drop")
        stop_server(lab, signal.SIGTERM)
        server = start_again(lab, "--vlan", "7", "--address", f"{lab.host}/24")
        try:
            wait_for(lambda: program(lab), 20, "the program is there")
            wait_for(lambda: (syn_ack, 7) in syn(lab, 7, PORT), 5, "an answer in the VLAN")
            assert syn(lab, 0, PORT) == [(reset_ack, 0)], "untagged: the kernel refuses"
            assert syn(lab, 8, PORT) == [], "nobody is in VLAN 8"
            assert echoes(kernel.connect(), 5000) and pings(lab.host)
            server.terminate()
            assert server.wait(10) == 0
        finally:
            server.kill()
            leave(lab)


def bench(lab, *arguments):
    return run(LAB, "exec", "-s", "--name", lab.name, f"{BUILD}/tools/bench/redpoll-bench", "--device", "af_xdp:s0",
               "--hugepages", "no", "-c", "10", "-n", "5000", "-t", "ping,set", "-q", *arguments)


@contextlib.contextmanager
def kernel_redis(port, *there):
    """Where the clients are, or there."""
    server = subprocess.Popen([*there, "/usr/bin/redis-server", "--port", str(port), "--bind", "*", "-::*", "--save", "",
                               "--protected-mode", "no", "--logfile", "/dev/null"])
    try:
        wait_for(lambda: "PONG" in run(*there, "redis-cli", "-p", str(port), "PING", check=False).stdout, what="redis")
        yield server
    finally:
        server.terminate()
        server.wait()


@test("connections that we open from shared addresses: the kernel finds the neighbour, the answers come to us")
def _():
    with shared_lab() as lab, KernelServer(lab) as kernel:
        with_ipv6(lab)
        stop_server(lab, signal.SIGTERM)
        with kernel_redis(7000):
            during = kernel.connect()
            for host in ("10.77.0.1", CLIENT6):
                lab.exec_server_side("ip", "neigh", "flush", "dev", "s0")
                text = bench(lab, "-h", host, "-p", "7000")
                assert "PING" in text and "SET" in text, text
                assert echoes(during, 1000)
                assert "PONG" in lab.exec_server_side("redis-cli", "-h", host, "-p", "7000", "PING")
            assert program(lab) == ""
        leave(lab)


@contextlib.contextmanager
def far_host(lab):
    """A host behind the client's namespace, which routes to it over a link of a small MTU."""
    ns, here, far = f"redpoll-{lab.name}-far", "f0", "f1"

    def there(*command, **kwargs):
        return run("ip", "netns", "exec", ns, *command, **kwargs)

    run("ip", "netns", "add", ns)
    try:
        there("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", here, "mtu", "1300", "type", "veth", "peer", "name", far)
        run("ip", "link", "set", far, "netns", ns)
        run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
            "net.ipv6.conf.f0.disable_ipv6=0")
        there("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0")
        for side, dev, last in ((run, here, 1), (there, far, 2)):
            side("ethtool", "-K", dev, "gro", "off", "gso", "off", "tso", "off", "tx", "off")
            side("ip", "addr", "add", f"10.88.0.{last}/24", "dev", dev)
            side("ip", "addr", "add", f"fd88::{last}/64", "dev", dev, "nodad")
            side("ip", "link", "set", dev, "up")
        there("ip", "route", "add", "default", "via", "10.88.0.1")
        there("ip", "route", "add", "default", "via", "fd88::1")
        for net, via in (("10.88.0.0/24", "10.77.0.1"), ("fd88::/64", CLIENT6)):
            lab.exec_server_side("ip", "route", "add", net, "via", via)
        yield there
    finally:
        run("ip", "netns", "delete", ns)


@test("a smaller MTU on the way is learnt from the router, whose errors come to the shared address")
def _():
    with shared_lab() as lab:
        with_ipv6(lab)
        with far_host(lab) as there, restarted(lab, host=SERVER6):
            c = lab.client()
            assert c.call("SET", "k", b"v" * 300000) == ("+", b"OK")
            for host, learnt in ((lab.host, 1), (SERVER6, 2)):
                got = there("redis-cli", "-h", host, "GET", "k", timeout=20)
                assert got.strip() == "v" * 300000, f"{len(got)} bytes"
                assert counter(c, "pmtu_learned") == learnt, c.call("INFO", "dataplane")[1].decode()


@test("connections that we open to a host behind a router: the kernel's route says which")
def _():
    with shared_lab() as lab:
        with_ipv6(lab)
        stop_server(lab, signal.SIGTERM)
        with far_host(lab):
            with kernel_redis(7000, "ip", "netns", "exec", f"redpoll-{lab.name}-far"):
                for host in ("10.88.0.2", "fd88::2"):
                    text = bench(lab, "-h", host, "-p", "7000", "-d", "2000")
                    assert "SET" in text, text
        leave(lab)


def with_queues(lab, n):
    """Another pair of interfaces with n receive queues each: q0 of the server, q1 of the clients."""
    queues = ("numrxqueues", str(n), "numtxqueues", str(n))
    lab.exec_server_side("ip", "link", "add", "q0", *queues, "type", "veth", "peer", "name", "q1", *queues, "netns",
                         str(os.getpid()))
    for side, dev, last in ((run, "q1", 1), (lab.exec_server_side, "q0", 2)):
        side("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        side("ip", "addr", "add", f"10.79.0.{last}/24", "dev", dev)
        side("ip", "link", "set", dev, "up")


@test("more queues than workers: one sentence with the mend")
def _():
    with shared_lab() as lab:
        with_queues(lab, 2)
        second = start_again(lab, "--device", "af_xdp:q0", "--file-prefix", f"{lab.name}-2", "--hugepages", "no",
                             "--admin-port", "0")
        assert second.wait(20) == 1
        with open(f"/run/redpoll-lab/{lab.name}/log2", encoding="utf-8") as f:
            text = f.read()
        assert "ethtool -L q0 rx 1" in text, text


@test("several queues that are no combined ones: each is read, and flows find their worker from any of them")
def _():
    host = "10.79.0.2"
    for queues, workers in ((2, 2), (2, 3)):
        with shared_lab() as lab, KernelServer(lab) as kernel:
            with_queues(lab, queues)
            with restarted(lab, "--device", "af_xdp:q0", "--workers", str(workers), "--idle", "adaptive", host=host):
                clients = [Client(host, PORT) for _ in range(40)]
                for i, c in enumerate(clients):
                    assert c.call("SET", f"k{i}", b"v" * 20000) == ("+", b"OK")
                for i, c in enumerate(clients):
                    assert c.call("GET", f"k{i}") == ("$", b"v" * 20000)
                info = clients[0].call("INFO", "dataplane")[1].decode()
                received = [int(n) for n in re.findall(r"rx_packets=(\d+)", info)]
                assert len(received) == workers and sum(n > 50 for n in received) == queues, info
                assert echoes(kernel.connect(host), 5000) and pings(host)


@test("two stacks at one address: the server says at its start that the kernel has it too")
def _():
    with Lab("af_packet") as lab:
        lab.exec_server_side("ip", "addr", "add", f"{lab.host}/24", "dev", "s0")
        with restarted(lab) as log:
            with open(log, encoding="utf-8") as f:
                text = f.read()
        assert f"`ip addr del {lab.host}/24 dev s0`" in text, text


main()
