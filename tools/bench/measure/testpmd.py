"""dpdk-testpmd on both ends of memif: what the device alone can do, with the CPUs and options of the other rows."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading

from .common import CLIENT_CPU, SERVER_CPU, Failed, end, hugepages_free, median, wait_for

LINK_S, SETTLE_S, MEASURE_S = 30, 1, 3
MEMORY_MIB = 384


class Testpmd:
    """One end. Its forwarding thread has a CPU of its own; the other thread prints once in a second."""

    def __init__(self, folder, role, cpu, *options):
        huge = hugepages_free() * 2 >= MEMORY_MIB * 2
        device = f"net_memif0,role={role},socket={folder}/memif.sock,socket-abstract=no"
        if huge and role == "client":
            device += ",zero-copy=yes"  # as redpoll-bench does
        memory = ["--in-memory", "--single-file-segments", "-m", str(MEMORY_MIB)] if huge else \
                 ["--no-huge", "-m", str(MEMORY_MIB)]
        self.rates = []  # packets received in each second
        self.said = ""
        self.process = subprocess.Popen(
            ["dpdk-testpmd", "--lcores", f"0@{CLIENT_CPU},1@{cpu}", "--main-lcore", "0", "--no-pci", "--no-telemetry",
             "--file-prefix", f"{os.path.basename(folder)}-{role}", *memory, "--vdev", device, "--", "--nb-cores=1",
             "--auto-start", "--stats-period", "1", "--total-num-mbufs=16384", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.said = line.strip() or self.said
            found = re.search(r"Rx-pps:\s+(\d+)", line)
            if found:
                self.rates.append(int(found.group(1)))

    def ended(self):
        if self.process.poll() is None:
            return False
        raise Failed(f"dpdk-testpmd ended with status {self.process.returncode}; it said: {self.said}")

    def stop(self):
        end(self.process, signal.SIGINT, 5)
        self.reader.join(5)


def received(server_options, client_options, rounds):
    """Packets that the client's end receives per second: medians of a few seconds, one for each round."""
    if not shutil.which("dpdk-testpmd"):
        raise Failed("there is no dpdk-testpmd: install the package dpdk")
    result = []
    for _ in range(rounds):
        folder = tempfile.mkdtemp(prefix="redpoll-bench-")
        ends = []
        try:
            for role, cpu, options in (("server", SERVER_CPU, server_options), ("client", CLIENT_CPU, client_options)):
                ends.append(Testpmd(folder, role, cpu, *options))
                wait_for(f"dpdk-testpmd's forwarding ({role})", lambda: ends[-1].rates or ends[-1].ended(), LINK_S)
            wait_for("a frame through dpdk-testpmd", lambda: any(ends[1].rates) or ends[1].ended(), LINK_S)
            so_far = len(ends[1].rates) + SETTLE_S
            wait_for("dpdk-testpmd's figures", lambda: len(ends[1].rates) >= so_far + MEASURE_S, LINK_S)
            result.append(median(ends[1].rates[so_far:]))
        finally:
            for e in ends:
                e.stop()
            shutil.rmtree(folder)
    return median(result)


def bounce(frame_bytes, rounds):
    """Packets per second that come back from an end that swaps addresses and ports."""
    return received(["--forward-mode=5tswap"], ["--forward-mode=flowgen", f"--txpkts={frame_bytes}"], rounds)


def copy(frame_bytes, rounds):
    """Packets per second from the server's end to the client's."""
    return received(["--forward-mode=txonly", f"--txpkts={frame_bytes}"], ["--forward-mode=rxonly"], rounds)
