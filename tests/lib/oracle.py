"""redis-server on a socket of its own, to ask what Redis does.

    with Oracle(["--maxmemory", "10mb"]) as oracle:
        oracle.client().call("PING")
"""
import ctypes
import signal
import subprocess
import tempfile

from labtest import wait_for
from resp import Client


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Oracle:
    def __init__(self, options=()):
        self.options = options

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory()
        self.path = f"{self.home.name}/s"
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "", "--dir", self.home.name,
             "--enable-debug-command", "yes", *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=end_with_parent)
        wait_for(self.listens, what="redis-server")
        return self

    def listens(self):
        """The socket's name is there a moment before."""
        assert self.process.poll() is None, "redis-server has ended"
        try:
            self.client().close()
        except OSError:
            return False
        return True

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.home.cleanup()

    def client(self, **kwargs):
        return Client(self.path, 0, **kwargs)
