#!/usr/bin/python3
"""One connection that transfers values of 64 KiB for some seconds, in the client's namespace: see goodput.py.

    goodput_client.py get|set HOST PORT SECONDS      prints bytes per second
"""
import fcntl
import select
import socket
import struct
import sys
import termios
import time

VALUE = 65536
UNDER_WAY = 32  # GETs


def request(*args):
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)


def receive(s, seconds):
    """Bytes per second that GETs bring."""
    get = request(b"GET", b"goodput")
    reply = len(b"$%d\r\n" % VALUE) + VALUE + 2
    s.sendall(request(b"SET", b"goodput", b"x" * VALUE))
    assert s.recv(5) == b"+OK\r\n"
    s.sendall(get * UNDER_WAY)
    buffer, got, answered, start = bytearray(1 << 20), 0, 0, time.monotonic()
    while time.monotonic() - start < seconds:
        got += s.recv_into(buffer)
        if got // reply > answered:
            s.sendall(get * (got // reply - answered))
            answered = got // reply
    return got / (time.monotonic() - start)


def send(s, seconds):
    """Bytes per second of SETs that the server has acknowledged."""
    batch = memoryview(request(b"SET", b"goodput", b"x" * VALUE))
    sent, start = 0, time.monotonic()
    while (left := start + seconds - time.monotonic()) > 0:
        readable, writable, _ = select.select([s], [s], [], left)
        if readable:
            s.recv(65536)
        if writable:
            sent += s.send(batch[sent % len(batch):], socket.MSG_DONTWAIT)
    unacknowledged = struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, b"\0" * 4))[0]
    return (sent - unacknowledged) / (time.monotonic() - start)


def main(what, host, port, seconds):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    s.settimeout(20)
    s.connect((host, int(port)))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print({"get": receive, "set": send}[what](s, float(seconds)))


main(*sys.argv[1:])
