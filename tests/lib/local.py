"""A server without a network: its clients come through the admin listener. It starts in a third of a second, which is
what tests want that kill it often."""
import os
import signal
import socket
import subprocess
import time

from labtest import REDPOLL
from resp import Client, Closed


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Local:
    """with Local(home, workers, options) as server: server.client() ... server.kill() ... server.start()"""

    def __init__(self, home, workers=1, options=(), wrapper=()):
        self.home, self.workers, self.options, self.wrapper = home, workers, list(options), list(wrapper)
        self.process = None
        self.port = free_port()
        self.log = f"{home}/log"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.kill()

    def start(self, wait=True):
        command = [*self.wrapper, REDPOLL, "--device", "vdev:net_null0", "--port", "0", "--admin-port", str(self.port),
                   "--hugepages", "no", "--idle", "adaptive", "--enable-debug-command", "yes", "--maxclients", "200",
                   "--workers", str(self.workers), "--file-prefix", f"local{self.port}", "--dir", self.home,
                   *self.options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"redpoll ended with {self.process.returncode}: {self.log_text()[-2000:]}")
            try:
                c = self.client()
                reply = c.call("GET", "is it ready")
                c.close()
                if reply[0] != "-":
                    return
            except (OSError, Closed):
                pass
            time.sleep(0.02)
        raise AssertionError("redpoll does not answer")

    def client(self, **kwargs):
        return Client("127.0.0.1", self.port, **kwargs)

    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def kill(self):
        """As the kernel would: nothing is said or written any more."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None
        # The socket's port may be taken meanwhile.
        if self.port:
            self.port = free_port()

    def stop(self):
        """As an operator would. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.process = None
        return status
