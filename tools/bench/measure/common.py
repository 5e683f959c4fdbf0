"""What all rows share: the machine, its two CPUs, commands, hugepages."""
import contextlib
import csv
import io
import json
import os
import platform
import statistics
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
LAB = f"{ROOT}/tools/lab"
KEYS, VALUE = 1_000_000, 32
NR_HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
CPUS = sorted(os.sched_getaffinity(0))
CLIENT_CPU, SERVER_CPU = str(CPUS[0]), str(CPUS[-1])
COMMAND_S = 240  # no single command takes longer


class Failed(Exception):
    """A row that could not be measured, as one sentence."""


def sh(*cmd, **kw):
    try:
        return subprocess.run(cmd, check=True, text=True, capture_output=True, stdin=subprocess.DEVNULL,
                              timeout=COMMAND_S, **kw).stdout
    except subprocess.CalledProcessError as e:
        said = (e.stderr.strip() or e.stdout.strip()).splitlines()
        raise Failed(f"{' '.join(cmd[:4])} ...: exit status {e.returncode}: {said[-1] if said else 'no word'}") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(cmd[:4])} ...: no end after {COMMAND_S} s") from None


def csv_rows(text):
    return list(csv.DictReader(io.StringIO(text[text.index('"test"'):])))


def median(samples):
    return statistics.median(samples)


def wait_for(what, check, seconds):
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not after {seconds} s")
        time.sleep(0.05)


def end(process, signum, seconds=20):
    """Ends a process that we started, gently first."""
    if process.poll() is None:
        process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    if process.poll() is None:
        process.kill()
        process.wait()


@contextlib.contextmanager
def hugepages(count):
    """At least so many 2 MiB pages while it lasts, if the machine has them; all parts of a run then stand alike."""
    try:
        with open(NR_HUGEPAGES) as f:
            before = int(f.read())
        if before < count:
            with open(NR_HUGEPAGES, "w") as f:
                f.write(str(count))
    except OSError:
        before = count
    try:
        yield
    finally:
        if before < count:
            with open(NR_HUGEPAGES, "w") as f:
                f.write(str(before))


def hugepages_free():
    with open(NR_HUGEPAGES.replace("nr_", "free_")) as f:
        return int(f.read())


def machine():
    with open("/proc/cpuinfo") as f:
        cpu = next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    dpdk = sh("pkg-config", "--modversion", "libdpdk").strip()
    redis = sh("redis-server", "--version").split("v=")[1].split()[0]
    return (f"{cpu}, {os.cpu_count()} CPUs, Linux {platform.release().split('-')[0]}, DPDK {dpdk}, "
            f"redis-server and redis-benchmark {redis}")


def markdown(head, rows):
    return "\n".join("| " + " | ".join(r) + " |" for r in [head, ["---"] * len(head)] + rows)


def put(path, mark, text):
    """Replaces what stands between a mark and its end."""
    with open(path) as f:
        doc = f.read()
    begin, end = f"<!-- bench:{mark} -->\n", f"<!-- /bench:{mark} -->"
    i, k = doc.index(begin) + len(begin), doc.index(end)
    with open(path, "w") as f:
        f.write(doc[:i] + "\n" + text + "\n" + doc[k:])


def floor(build, rate, seconds, table_mib):
    """What the machine itself leaves an open loop of so many requests per second, half of what its server can answer;
    percentiles in us: see floor.c."""
    return json.loads(sh(f"{build}/tools/bench/floor", CLIENT_CPU, SERVER_CPU, f"{rate:.0f}", str(seconds), str(table_mib),
                         "0.5"))
