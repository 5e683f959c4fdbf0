"""A small RESP2/RESP3 client that keeps the type of every reply: what it returns is (type byte, value).

("+", b"OK"), ("-", b"ERR ..."), (":", 1), ("$", b"..." or None), ("*", [replies] or None), and of RESP3 "_" (null),
"#" (bool), "," (double, as text), "(" (big number, as text), "=" (verbatim), "%" (map: flat list), "~" (set), ">" (push).
"""
import socket


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for a in args:
        if not isinstance(a, bytes):
            a = str(a).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(a), a))
    return b"".join(parts)


class Closed(Exception):
    """The server closed the connection."""


class Client:
    def __init__(self, host, port, timeout=20, proto=2):
        if host.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(host)
        else:
            self.sock = socket.create_connection((host, port), timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb", 1 << 16)
        if proto != 2:
            self.call("HELLO", proto)

    def send(self, commands):
        self.sock.sendall(b"".join(map(encode, commands)))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Closed("connection closed")
        kind, rest = line[:1].decode("latin1"), line[1:-2]
        if kind in "+-,(":
            return kind, rest
        if kind == ":":
            return kind, int(rest)
        if kind == "_":
            return kind, None
        if kind == "#":
            return kind, rest == b"t"
        if kind in "$=!":
            return kind, self.read_bulk(int(rest))
        if kind in "*~>%|":
            n = int(rest)
            reply = kind, None if n < 0 else [self.read() for _ in range(n * (2 if kind in "%|" else 1))]
            return self.read() if kind == "|" else reply
        raise ValueError(f"not RESP: {line[:60]!r}")

    def read_bulk(self, n):
        if n < 0:
            return None
        data = self.file.read(n + 2)
        if len(data) != n + 2:
            raise Closed("connection closed inside a reply")
        if data[-2:] != b"\r\n":
            raise ValueError("bulk string without its end")
        return data[:-2]

    def call(self, *args):
        self.send([args])
        return self.read()

    def pipeline(self, commands):
        self.send(commands)
        return [self.read() for _ in commands]

    def finish(self):
        """Closes once all that was sent has been carried out."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            while self.file.read1(1 << 16):
                pass
        except OSError:
            pass
        self.close()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # another thread may wait in read(), and holds the file meanwhile
        except OSError:
            pass
        self.file.close()
        self.sock.close()
